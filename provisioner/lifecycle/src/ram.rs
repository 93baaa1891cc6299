//! Systems that run from RAM: whether a machine has the memory for one, and when it has to be started again, because whatever
//! ran is gone: its machine boots from the network once more, or was off.
//!
//! Nothing of them is written to a disk, so none of their steps has a permit. But they run as root with every disk in reach:
//! from their start on the disks count as written to, and a release wipes them.

use crate::{
    machine::{Machine, Owner},
    plan::StepName,
};
use provisioner_api::{MachineState, StepPhase};
use serde::{Deserialize, Serialize};

/// What a machine needs for a system that runs from RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ram {
    /// Bytes of memory.
    pub memory_bytes: u64,
}

impl Ram {
    /// Why a machine that shows so much memory can't have it, as a sentence. 0: it is not known how much that is.
    pub(crate) fn lacks(self, seen: u64) -> Option<String> {
        let mib = |bytes: u64| bytes >> 20;
        (seen > 0 && seen < self.memory_bytes).then(|| {
            format!(
                "the image runs from RAM and needs {} MiB of memory, and the machine has {} MiB; use a smaller image or a machine with more memory",
                mib(self.memory_bytes),
                mib(seen)
            )
        })
    }
}

impl Machine {
    /// The instance whose system runs from RAM here, and is not to be given back.
    fn ram_owner(&self) -> Option<&Owner> {
        self.want.owner.as_ref().filter(|owner| owner.ram.is_some() && owner.release.is_none())
    }

    /// Whether it is deployed with a system that runs from RAM, or is to be.
    pub fn runs_from_ram(&self) -> bool {
        self.ram_owner().is_some()
    }

    /// Whether a boot from the network that no window is open for is that of a machine whose system ran from RAM, and is to
    /// be started again: it runs, or was just started and did not report in.
    pub fn boots_again(&self) -> bool {
        let starts = |step: StepName| {
            self.running_job()
                .and_then(|job| job.current())
                .is_some_and(|current| current.name == step && current.phase == StepPhase::Intent)
        };
        let ran = match self.running_job() {
            None => self.state.name == MachineState::Deployed,
            Some(_) => starts(StepName::PhoneHome),
        };
        self.runs_from_ram() && self.state.hold.is_none() && ran
    }

    /// Whether its machine may boot right now, and the window for that is about to be opened.
    pub fn awaits_its_window(&self) -> bool {
        let job = self.running_job().filter(|_| self.runs_from_ram() && self.state.hold.is_none());
        // All steps but those of a start from power off, at which the machine is not to boot yet.
        let first = job.and_then(|job| job.steps.first());
        first.is_some_and(|step| step.name == StepName::BootNetwork && step.phase != StepPhase::Done)
    }

    /// Whether it is known that what ran from RAM is gone, and nothing was begun about it yet.
    pub fn is_to_boot_again(&self) -> bool {
        starts_again(self).is_some() || lost_its_start(self).is_some()
    }

    /// Whether it is switched off, and with that its system, which ran from RAM, is gone.
    pub fn is_off_with_its_ram(&self) -> bool {
        self.boots_again() && self.facts.power.is_some_and(|(on, _)| !on)
    }
}

/// Why a machine whose instance runs from RAM, and that rests, has to be booted once more.
pub(crate) fn starts_again(machine: &Machine) -> Option<&'static str> {
    let since = machine.state.since;
    if !machine.boots_again() {
        return None;
    }
    if machine.facts.boots_again.is_some_and(|at| at >= since) {
        return Some("it boots from the network again, and its instance runs from RAM");
    }
    let on = machine.facts.power.is_some_and(|(on, _)| on);
    let was_off = machine.facts.off.is_some_and(|at| at >= since);
    (on && was_off).then_some("it was off, and with that its instance, which runs from RAM, is gone")
}

/// Why the start of its system, which did not report in yet, has to begin anew.
pub(crate) fn lost_its_start(machine: &Machine) -> Option<String> {
    let step = machine.running_job().and_then(|job| job.current()).and_then(|step| step.started)?;
    let again = machine.boots_again() && machine.facts.boots_again.is_some_and(|at| at >= step);
    again.then(|| "it booted from the network again before its operating system reported in".into())
}
