//! From what is stored to what the API shows. Explicit, so that the wire stays compatible while the core changes.

use super::instance_network;
use crate::{
    bmc_view,
    service::Service,
    store::{InstanceRecord, MachineRecord},
};
use jiff::Timestamp;
use provisioner_api::{
    BmcHealth, BmcStatus, Held, Instance, InstanceState, InstanceStatus, Job, Machine, MachineSpec,
    MachineStatus, Offer, Power, Progress, RescueStatus, Step, StepPhase, Waiting, Why,
};
use provisioner_lifecycle::{Decision, Hold, Move, Patience, Reported, StepName, decide_while, ways_out};

/// A machine on the wire; `instance` is the name of the one that owns it.
pub(crate) fn machine(
    service: &Service,
    record: &MachineRecord,
    instance: Option<&str>,
    now: Timestamp,
) -> Machine {
    let core = &record.machine;
    let mut address = None;
    for mac in &record.spec.macs {
        if address.is_none() {
            address = crate::leases::address_of(service, mac);
        }
    }
    let status = MachineStatus {
        state: core.state.name,
        since: core.state.since,
        waiting: waiting(service, record, now),
        // The commands that a hold proposes are for that instance.
        held: held(record, instance.unwrap_or("NAME")),
        power: match core.facts.power {
            Some((true, _)) => Power::On,
            Some((false, _)) => Power::Off,
            None => Power::Unknown,
        },
        bmc: bmc(record),
        job: job(service, record),
        instance: record.owner(),
        instance_name: instance.map(Into::into),
        least_erase: core.want.owner.as_ref().and_then(|owner| owner.least),
        inventory: core.facts.inventory.as_deref().cloned(),
        address: address.map(|address| address.to_string()),
    };
    let spec = MachineSpec {
        accepted: core.want.accepted,
        maintenance: core.want.maintenance,
        protected: core.want.protected,
        retired: core.want.retired,
        ..record.spec.clone()
    };
    Machine { id: core.id, name: record.name.clone(), version: record.generation, spec, status }
}

fn bmc(record: &MachineRecord) -> BmcStatus {
    let facts = &record.machine.facts;
    let health = match (&record.spec.bmc, &facts.bmc_trouble, facts.power) {
        (None, _, _) => BmcHealth::None,
        (_, Some(trouble), _) if trouble.authentication => BmcHealth::AuthenticationFailed,
        (_, Some(_), _) => BmcHealth::Unreachable,
        (_, None, Some(_)) => BmcHealth::Ok,
        (_, None, None) => BmcHealth::Unknown,
    };
    BmcStatus {
        health,
        error: facts.bmc_trouble.as_ref().map(|trouble| trouble.why.clone()),
        weak: bmc_view::weak(record.spec.bmc.as_ref().and_then(|bmc| bmc.cipher_suite)),
    }
}

/// What a machine waits for, from the same decision that the reconciler takes.
fn waiting(service: &Service, record: &MachineRecord, now: Timestamp) -> Option<Waiting> {
    let since = record.machine.state.since;
    // How far an agent is belongs into the sentence.
    let newest = service.progress.newest(&record.machine);
    let (freeze, limits) = (service.works.shown(), &service.config.limits);
    match decide_while(freeze.as_deref(), newest.as_ref().unwrap_or(&record.machine), limits, now) {
        Decision::Wait(patience) => Some(patient(patience, &record.name)),
        Decision::Move(Move::Begin { step: StepName::Erase }) => Some(in_line(service, record, since)),
        Decision::Act(_) | Decision::Move(_) => {
            let step = record.machine.running_job().and_then(|job| job.current());
            let why = step.map_or_else(
                || "the next job begins".to_owned(),
                |step| format!("{} is being done", step.name),
            );
            let since = step.and_then(|step| step.started).unwrap_or(since);
            let slow = step.is_some_and(|step| step.slow.is_some());
            Some(Waiting { why, since, slow, ..Waiting::default() })
        }
        Decision::Hold { .. } | Decision::Done => None,
    }
}

/// What is waited for, on the wire.
fn patient(patience: Patience, name: &str) -> Waiting {
    Waiting {
        why: patience.why.replace("{machine}", name),
        since: patience.since,
        until: patience.until,
        then: patience.until.map(|_| patience.then.words().to_owned()),
        slow: patience.slow,
        hint: patience.hint.map(|hint| hint.replace("{machine}", name)),
    }
}

/// A machine that is ready to be wiped, and waits for leave.
fn in_line(service: &Service, record: &MachineRecord, since: Timestamp) -> Waiting {
    let done =
        record.machine.running_job().and_then(|job| job.steps.iter().rev().find_map(|step| step.ended));
    Waiting {
        why: service.works.erasures().waits(record.id()),
        since: done.unwrap_or(since),
        hint: Some(
            "it goes on by itself when another one is done; `billet works` shows how many are wiped".into(),
        ),
        ..Waiting::default()
    }
}

fn held(record: &MachineRecord, instance: &str) -> Option<Held> {
    let core = &record.machine;
    // A hold that somebody answered is as good as gone.
    let hold = core.state.hold.as_ref().filter(|hold| !is_answered(core, hold))?;
    let named = |text: &str| text.replace("{machine}", &record.name).replace("{instance}", instance);
    let mut held = Held {
        why: named(&hold.why),
        since: hold.since,
        number: hold.number,
        restored: hold.restored,
        ..Held::default()
    };
    if record.version == 0 {
        // What can't be read can't be answered either.
        held.choices = hold.advice.iter().map(|what| named(what)).collect();
        return Some(held);
    }
    for way in ways_out(core) {
        let what = named(&way.what);
        held.offers.extend(way.choice.map(|choice| Offer {
            choice,
            disk: way.disk.clone(),
            what: what.clone(),
        }));
        held.choices.push(what);
    }
    Some(held)
}

fn is_answered(core: &provisioner_lifecycle::Machine, hold: &Hold) -> bool {
    let (want, state) = (&core.want, &core.state);
    want.retry > hold.retry || want.cancel > state.cancel || want.vouched == Some(hold.number)
}

fn job(service: &Service, record: &MachineRecord) -> Option<Job> {
    let job = record.machine.job.as_ref()?;
    Some(job_with(job, |step| progress(service, record, job, step)))
}

/// A job on the wire, with what is known of how far its steps are.
pub(super) fn job_with(
    job: &provisioner_lifecycle::Job,
    progress: impl Fn(&provisioner_lifecycle::Step) -> Option<Progress>,
) -> Job {
    let step = |step: &provisioner_lifecycle::Step| Step {
        name: step.name.to_string(),
        attempt: step.attempt,
        phase: step.phase,
        started: step.started,
        ended: step.ended,
        progress: progress(step),
        result: step.result.clone(),
    };
    Job {
        id: job.id,
        kind: job.kind,
        epoch: job.epoch,
        started: job.started,
        ended: job.ended,
        steps: job.steps.iter().map(step).collect(),
    }
}

/// How far a step in hand is: what was told last, or after a restart what was written down of that.
fn progress(
    service: &Service,
    record: &MachineRecord,
    job: &provisioner_lifecycle::Job,
    step: &provisioner_lifecycle::Step,
) -> Option<Progress> {
    let told = service.progress.of(job, step).or_else(|| match record.machine.report_on(job, step)?.said {
        Reported::Progress(progress) if step.phase == StepPhase::Intent => Some(progress),
        _ => None,
    });
    // An agent that waits for its manifest or its disk tells 0 of 0.
    told.filter(|progress| progress.total > 0)
}

/// An instance on the wire. What its machine waits for, it waits for too.
pub(crate) fn instance(
    service: &Service,
    record: &InstanceRecord,
    own: Option<&MachineRecord>,
    now: Timestamp,
) -> Instance {
    let mut addresses = Vec::new();
    let static_addresses = instance_network::static_addresses(record);
    for one in &static_addresses {
        addresses
            .extend(one.address.split('/').next().filter(|address| !address.contains(':')).map(Into::into));
    }
    let leased = own.filter(|_| instance_network::asks_dhcp(record));
    for mac in leased.into_iter().flat_map(|own| &own.spec.macs) {
        addresses.extend(crate::leases::address_of(service, mac).map(|address| address.to_string()));
    }
    let own_wait =
        record.standing.waiting.as_ref().filter(|_| record.machine.is_none()).map(|(why, since)| Waiting {
            why: why.clone(),
            since: *since,
            until: record.spec.deadline,
            hint: Some(match &record.standing.mend {
                Some(mend) => format!("{mend}; it goes on by itself when one fits"),
                None => {
                    "`billet machine list` shows what there is; it goes on by itself when one fits".into()
                }
            }),
            ..Waiting::default()
        });
    let follows = record.state != InstanceState::Running;
    // One that runs waits with its machine only if what was in its memory is gone.
    let waits = |own: &&MachineRecord| follows || own.machine.is_off_with_its_ram();
    let machines_wait = own.filter(waits).and_then(|own| waiting(service, own, now));
    let stopped = record.standing.held.clone().or_else(|| held(own?, &record.name));
    // Whoever would get a machine, give it back, or follow one that works.
    let works = stopped.is_none() && (follows || record.standing.release.is_some());
    let frozen = service.works.shown().filter(|_| works).map(|freeze| patient(freeze.patience(), ""));
    let mut spec = record.spec.clone();
    spec.user_data = record.standing.user_data_bytes.map(|bytes| format!("<{bytes} bytes, write-only>"));
    let status = InstanceStatus {
        state: record.state,
        since: record.since,
        machine: record.machine,
        machine_name: own.map(|own| own.name.clone()),
        waiting: frozen.or(own_wait).or(machines_wait),
        held: stopped,
        addresses,
        static_addresses,
        rescue: own.and_then(rescue),
        installation: record.standing.installation,
        phoned_home: record.standing.phoned_home,
        host_keys: record.standing.host_keys.clone(),
    };
    Instance { id: record.id, name: record.name.clone(), version: record.version, spec, status }
}

/// The rescue of a machine, and how one logs in there.
fn rescue(own: &MachineRecord) -> Option<RescueStatus> {
    if !own.machine.is_rescued() {
        return None;
    }
    let access = own.machine.rescue_access();
    let login = access.iter().flat_map(|access| &access.addresses);
    Some(RescueStatus {
        ready: access.is_some(),
        login: login.map(|address| format!("ssh root@{address}")).collect(),
        host_key: access.map(|access| access.host_key.clone()),
    })
}

/// The answer to "why", with its sentence.
pub(crate) fn why(why: Why) -> Why {
    let Why { object, state, .. } = &why;
    let on = why.machine.as_ref().map(|machine| format!(" on machine {}", machine.name)).unwrap_or_default();
    let sentence = match (&why.held, &why.waiting) {
        (Some(held), _) => {
            format!(
                "{object}{on} is held since {}: {}. You may: {}.",
                held.since,
                held.why,
                held.choices.join("; or ")
            )
        }
        (None, Some(waiting)) => {
            let until = waiting.until.map(|until| format!(" until {until}")).unwrap_or_default();
            let then = waiting.then.as_ref().map(|then| format!(" Then {then}.")).unwrap_or_default();
            let slow = if waiting.slow { " That takes longer than usual." } else { "" };
            let hint =
                waiting.hint.as_ref().map(|hint| format!(" If it takes long: {hint}.")).unwrap_or_default();
            let since = waiting.since;
            format!(
                "{object} is {state}{on} and waits since {since}{until}: {}.{slow}{then}{hint}",
                waiting.why
            )
        }
        (None, None) => format!("{object} is {state}{on} and waits for nothing."),
    };
    Why { sentence, ..why }
}
