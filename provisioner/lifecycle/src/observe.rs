//! Facts: what was observed of a machine. Changes `facts` only; never refuses, never decides.

use crate::{
    confirm::is_unconfirmed,
    machine::{AgentReport, BmcTrouble, Claim, Facts, FirmwareTask, Job, Machine, Reported},
    rescue::Rescued,
};
use jiff::Timestamp;
use provisioner_api::{InstanceId, Inventory, JobId, StepPhase};
use std::{ops::Range, sync::Arc};

/// Something observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The BMC answered: power is so.
    Power {
        /// Whether it is on.
        on: bool,
    },
    /// The BMC did not answer, or refused.
    BmcTrouble {
        /// As a sentence.
        why: String,
        /// Whether it refused our credentials.
        authentication: bool,
    },
    /// The machine has another BMC: what the old one said says nothing any more.
    BmcChanged,
    /// An agent claimed a boot window.
    Claimed {
        /// The window's job and epoch; none for a discovery.
        job: Option<(JobId, u64)>,
        /// What it found.
        inventory: Inventory,
    },
    /// The agent asked for orders.
    AgentSeen,
    /// The agent reported.
    Reported(AgentReport),
    /// The agent delivered an inventory.
    Inventory(Inventory),
    /// The agent started the rescue system.
    Rescued(Rescued),
    /// The operating system reported in.
    PhonedHome {
        /// As which instance.
        instance: InstanceId,
        /// As which installation of it.
        installation: u32,
    },
    /// The firmware asked to boot from the network.
    Netboot,
    /// The firmware asks to boot from the network, outside of any boot window: right now, so that whoever takes it down late
    /// must not take it for a boot that came since.
    BootsAgain,
    /// The service was down and listens again.
    Listening {
        /// When somebody listened last; not known: what was silent until now was never heard.
        last: Option<Timestamp>,
    },
    /// What its BMC is at with its firmware; `None`: nothing any more.
    Firmware(Option<FirmwareTask>),
}

/// Takes a fact down.
pub fn observe(machine: &Machine, fact: &Fact, now: Timestamp) -> Machine {
    let mut next = machine.clone();
    let (from_ram, boots_again) = (machine.runs_from_ram(), machine.boots_again());
    let facts = &mut next.facts;
    match fact {
        Fact::Power { on } => {
            facts.power = Some((*on, now));
            if from_ram && !on {
                facts.off = Some(now);
            }
            facts.bmc_trouble = None;
        }
        Fact::BmcTrouble { why, authentication } => {
            let since = facts.bmc_trouble.as_ref().map_or(now, |trouble| trouble.since);
            facts.bmc_trouble = Some(BmcTrouble { why: why.clone(), since, authentication: *authentication });
        }
        // A claim of a job or epoch that is over must not hide the one that the running job goes by.
        Fact::Claimed { job, .. } if *job != machine.attended() => {}
        Fact::Claimed { job, inventory } => {
            facts.claim = Some(Claim { job: *job, at: now });
            found(facts, inventory);
            facts.agent_seen = Some(now);
            // Whatever the BMC said last, or nobody did: it runs.
            facts.power = Some((true, now));
        }
        Fact::BmcChanged => {
            facts.power = None;
            facts.bmc_trouble = None;
            facts.firmware = None;
            facts.bmc_changed = Some(now);
        }
        Fact::AgentSeen => facts.agent_seen = Some(now),
        Fact::Reported(report) => {
            let job = machine.running_job().filter(|job| job.is(report.job, report.epoch));
            if job.is_some() {
                facts.agent_seen = Some(now);
            }
            if job.is_some_and(|job| in_hand(job, report)) && newer(facts.report.as_ref(), report) {
                if facts.report.as_ref().is_none_or(|known| !same_progress(known, report)) {
                    facts.advanced = Some(now);
                }
                facts.report = Some(report.clone());
            }
        }
        Fact::Inventory(inventory) => {
            found(facts, inventory);
            facts.agent_seen = Some(now);
        }
        Fact::Rescued(rescued) if is_of_running(machine, rescued) => facts.rescued = Some(rescued.clone()),
        Fact::Rescued(_) => {}
        // A system that is written over, or was never begun to be written, is not the one that is waited for.
        Fact::PhonedHome { installation, .. }
            if *installation != machine.state.installed && !is_lost(machine, *installation) => {}
        Fact::PhonedHome { instance, .. } => facts.phoned_home = Some((*instance, now)),
        Fact::Netboot => facts.netboot = Some(now),
        Fact::BootsAgain if boots_again => facts.boots_again = Some(now),
        Fact::BootsAgain => {}
        Fact::Listening { last } => {
            let started = machine.running_job().and_then(Job::current).and_then(|step| step.started);
            let deaf = last.unwrap_or(Timestamp::MIN).min(now)..now;
            let heard = [started, facts.agent_seen, facts.listening].into_iter().flatten().max();
            facts.counts_from = Some(put_off(started.map(|started| facts.limit_from(started)), &deaf));
            facts.listening = Some(put_off(heard, &deaf));
            facts.advanced = Some(put_off(started.max(facts.advanced), &deaf));
        }
        Fact::Firmware(task) => {
            let locks = |task: &Option<FirmwareTask>| task.as_ref().is_some_and(FirmwareTask::locks);
            if locks(&facts.firmware) && !locks(task) {
                // While firmware was written nobody could boot and call in: silence counts from now.
                (facts.listening, facts.counts_from, facts.advanced) = (Some(now), Some(now), Some(now));
            }
            facts.firmware.clone_from(task);
        }
    }
    next
}

/// One that is the same as before stays the one that is shared, so that it is seen at a glance that nothing changed.
fn found(facts: &mut Facts, inventory: &Inventory) {
    if facts.inventory.as_deref() != Some(inventory) {
        facts.inventory = Some(Arc::new(inventory.clone()));
    }
}

/// From when time counts that has counted from then, when nobody listened meanwhile. Only that is nobody's fault: a
/// service that is down again and again must not put a limit off for ever.
fn put_off(from: Option<Timestamp>, deaf: &Range<Timestamp>) -> Timestamp {
    let from = from.unwrap_or(deaf.end).min(deaf.end);
    from.saturating_add(deaf.end.duration_since(deaf.start.max(from))).unwrap_or(deaf.end)
}

/// Whether a rescue system was started by the job that runs.
fn is_of_running(machine: &Machine, rescued: &Rescued) -> bool {
    machine.running_job().is_some_and(|job| job.is(rescued.job, rescued.epoch))
}

/// Only a report on the order that stands counts: a late one never hides a newer one, and what was not ordered yet
/// can't be done already.
fn in_hand(job: &Job, report: &AgentReport) -> bool {
    job.current().is_some_and(|step| {
        step.name == report.step && step.attempt == report.attempt && step.phase == StepPhase::Intent
    })
}

/// Whether two reports are of one try.
fn same_try(one: &AgentReport, other: &AgentReport) -> bool {
    let of = |report: &AgentReport| (report.job, report.epoch, report.step, report.attempt);
    of(one) == of(other)
}

/// Whether the agent got no further between two reports.
fn same_progress(known: &AgentReport, report: &AgentReport) -> bool {
    same_try(known, report) && matches!(known.said, Reported::Progress(_)) && known.said == report.said
}

/// Progress never hides a result of the same try.
fn newer(known: Option<&AgentReport>, report: &AgentReport) -> bool {
    use Reported::Progress;
    let Some(known) = known else { return true };
    !same_try(known, report) || matches!(known.said, Progress(_)) || !matches!(report.said, Progress(_))
}

/// Whether the database lost that this installation was written: it is the one that is wanted, and nobody confirmed yet what
/// was restored.
fn is_lost(machine: &Machine, installation: u32) -> bool {
    let wanted = machine.want.owner.as_ref().is_some_and(|owner| owner.installation == installation);
    wanted && is_unconfirmed(machine)
}
