//! Proof that disks were wiped: what is missing to believe it, and what is known of a wiping that ended with it.
//!
//! That a wiping ends is decided elsewhere (`decide/job`); here it is found out from what a machine was and is, so that whoever
//! stores the one can't forget to store the other.

use crate::{
    machine::{Job, Machine, Reported, Step},
    plan::StepName,
    service,
    wipe::{skipped, wiping},
};
use jiff::Timestamp;
use provisioner_api::{Disk, ErasePolicy, JobKind, StepPhase, agent::DiskEvidence};

/// A wiping that ended with proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiped {
    /// The job that it was part of, as it was.
    pub job: Job,
    /// The step as it is stored, ended.
    pub step: Step,
    /// How it was asked for.
    pub asked: ErasePolicy,
    /// How it had to be done, which is no less.
    pub policy: ErasePolicy,
    /// The disks; none twice.
    pub disks: Vec<WipedDisk>,
    /// Disks that an operator left out of it, by serial number: nothing is known of what is on them.
    pub left_out: Vec<String>,
}

/// A disk that was wiped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WipedDisk {
    /// As it was seen.
    pub disk: Disk,
    /// The proof.
    pub evidence: DiskEvidence,
}

/// A wiping that is to be taken down as ended, though it is not proven. No decision of ours leads there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a wiping would end without proof: {why}")]
pub struct Unproven {
    /// What is missing.
    pub why: String,
}

impl Wiped {
    /// The wiping that ends with this change of a machine; none does with most. One of a machine without any disk is none.
    ///
    /// # Errors
    /// One ends, but is not proven: such a change must not be stored.
    pub fn between(before: &Machine, after: &Machine) -> Result<Option<Self>, Unproven> {
        let Some((job, step)) = ended(before, after) else { return Ok(None) };
        let because = |why: String| Unproven { why };
        // What ended it was observed with this change, or before.
        let seen = Machine { facts: after.facts.clone(), ..before.clone() };
        let (serials, policy) = wiping(&seen).map_err(because)?;
        let begun = job.current().ok_or_else(|| because("its job has no step in hand".into()))?;
        let report = seen.report_on(job, begun).map(|report| &report.said);
        let Some(Reported::Done { disks: proof, .. }) = report else {
            return Err(because("no agent reported its end".into()));
        };
        if let Some(lacks) = serials.iter().find_map(|serial| unproven(&seen, serial, policy, proof)) {
            return Err(because(format!("the agent {lacks}")));
        }
        let disks: Vec<_> = serials.iter().filter_map(|serial| wiped(&seen, serial, policy, proof)).collect();
        if disks.is_empty() || disks.len() != serials.len() {
            return Err(because("a disk is not in its inventory".into()));
        }
        let asked = asked(&seen, job).ok_or_else(|| because("nobody asked for it".into()))?;
        Ok(Some(Self { job: job.clone(), step, asked, policy, disks, left_out: skipped(&seen) }))
    }

    /// When it ended.
    pub fn ended(&self) -> Option<Timestamp> {
        self.step.ended
    }
}

/// The job whose wiping had begun and is over after this change, and that step as it is then.
fn ended<'a>(before: &'a Machine, after: &Machine) -> Option<(&'a Job, Step)> {
    let job = before.running_job()?;
    let begun = job.current().filter(|step| step.name == StepName::Erase && step.phase != StepPhase::Todo)?;
    let same = after.job.as_ref().filter(|after| after.is(job.id, job.epoch))?;
    let step = same.steps.iter().find(|step| step.name == StepName::Erase)?;
    (step.phase == StepPhase::Done && step.attempt == begun.attempt).then(|| (job, step.clone()))
}

/// How a running wiping was asked for.
fn asked(machine: &Machine, job: &Job) -> Option<ErasePolicy> {
    match job.kind {
        JobKind::Service => service::asked(machine),
        _ => machine.want.owner.as_ref()?.release,
    }
}

/// A disk with the best of its proofs.
fn wiped(machine: &Machine, serial: &str, policy: ErasePolicy, proof: &[DiskEvidence]) -> Option<WipedDisk> {
    let mut disks = machine.facts.inventory.iter().flat_map(|inventory| &inventory.disks);
    let disk = disks.find(|disk| disk.serial.as_deref() == Some(serial))?.clone();
    let size = disk.size_bytes;
    let of = proof.iter().filter(|one| one.serial == serial && one.policy == policy);
    // One that fits goes before one that only read more.
    let best =
        of.max_by_key(|one| (recorded(std::slice::from_ref(one), serial, policy, size), one.bytes_verified));
    best.map(|evidence| WipedDisk { disk, evidence: evidence.clone() })
}

/// What is missing to believe that this disk was wiped so, as half a sentence.
pub(crate) fn unproven(
    machine: &Machine,
    serial: &str,
    policy: ErasePolicy,
    proof: &[DiskEvidence],
) -> Option<String> {
    let disks = machine.facts.inventory.iter().flat_map(|inventory| &inventory.disks);
    let size = disks.filter(|disk| disk.serial.as_deref() == Some(serial)).map(|disk| disk.size_bytes).max();
    // The permit named it because it was seen: one that is gone meanwhile has no size to measure a proof by.
    let Some(size) = size else { return Some(format!("disk `{serial}` is not in its inventory any more")) };
    let found = proof.iter().filter(|disk| disk.serial == serial && disk.policy == policy);
    let (verified, least) = (found.map(|disk| disk.bytes_verified).max(), policy.least_verified(size));
    match verified {
        None | Some(0) => Some(format!("gave no proof for disk `{serial}`")),
        Some(verified) if verified < least => {
            Some(format!("read back only {verified} of at least {least} bytes of disk `{serial}`"))
        }
        Some(_) if !recorded(proof, serial, policy, size) => {
            Some(format!("does not say how it did that to disk `{serial}`, or says what does not fit"))
        }
        Some(_) => None,
    }
}

/// Whether the agent tells what it did, where agents always told that, and that is what was asked for.
fn recorded(proof: &[DiskEvidence], serial: &str, policy: ErasePolicy, size: u64) -> bool {
    let told = proof.iter().filter(|disk| disk.serial == serial && disk.policy == policy);
    let mut records = told.map(|disk| disk.record.as_ref());
    records.any(|record| match (policy, record) {
        (ErasePolicy::Metadata | ErasePolicy::Overwrite, None) => true,
        (_, None) => false,
        (_, Some(record)) => {
            let marked = record.samples.as_ref().map_or(0, |samples| samples.markers);
            record.method.policy() == policy
                && record.size_bytes == size
                && (policy != ErasePolicy::Secure || marked >= (size / 4096).min(64))
        }
    })
}
