//! Promised: wiped means wiped. A machine that is free again holds no system, and a disk that was to be overwritten
//! holds nothing but zeroes.
//!
//! Seen: live, which disks the agent reported as wiped, how, and which were written since. At rest, what the disks of
//! free machines really hold. A report whose answer was lost is not in the journal; then the disk must hold no system,
//! but it isn't known how it was to be wiped.

use super::{Broken, Check};
use crate::fleet::entry::{Entry, Seen, Snapshot, What};
use provisioner_api::{Machine, MachineState};
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Erased {
    /// How each disk was wiped last, by machine and serial number; one that was written since is not here.
    wiped: HashMap<(u32, String), String>,
}

impl Check for Erased {
    fn name(&self) -> &'static str {
        "erased"
    }

    fn see(&mut self, entry: &Entry, _: &mut Broken) {
        let (Some(number), What::Seen(seen)) = (entry.machine, &entry.what) else { return };
        match seen {
            Seen::Erased { disk, policy } => {
                self.wiped.insert((number, disk.clone()), policy.clone());
            }
            Seen::Wrote { disk, .. } => {
                self.wiped.remove(&(number, disk.clone()));
            }
            _ => {}
        }
    }

    fn at_rest(&mut self, snapshot: &Snapshot, broken: &mut Broken) {
        let is_free = |machine: &&Machine| {
            machine.status.state == MachineState::Available
                && machine.status.instance.is_none()
                && machine.status.held.is_none()
        };
        for machine in snapshot.machines.iter().filter(is_free) {
            let Some(truth) = snapshot.truth.iter().find(|truth| truth.name == machine.name) else {
                continue;
            };
            for disk in truth.disks.iter().filter(|disk| !disk.canary) {
                if let Some(instance) = &disk.instance {
                    let why = format!("it is free, and disk {} holds the system of {instance}", disk.serial);
                    broken.add(&machine.name, why);
                }
                let how = self.wiped.get(&(truth.number, disk.serial.clone()));
                if !disk.blank && how.is_some_and(|policy| policy == "overwrite" || policy == "secure") {
                    let why = format!("disk {} was reported as overwritten and isn't blank", disk.serial);
                    broken.add(&machine.name, why);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{Story, only, silent};
    use super::*;

    fn erased(policy: &str) -> Seen {
        Seen::Erased { disk: "D1".to_owned(), policy: policy.to_owned() }
    }

    #[test]
    fn a_free_machine_holds_a_system() {
        let mut story = Story::good();
        story.snapshot.truth[1].disks[0].instance = Some("0190a5c0-7d3e-7000-8000-00000000000a".to_owned());
        only(&story, "erased");
    }

    #[test]
    fn an_overwritten_disk_is_not_blank() {
        let mut story = Story::good();
        story.seen(1, erased("overwrite"));
        silent(&story);
        story.snapshot.truth[1].disks[0].blank = false;
        only(&story, "erased");
    }

    #[test]
    fn data_may_stay_where_only_the_tables_go_and_where_something_was_written_since() {
        let mut story = Story::good();
        story.snapshot.truth[1].disks[0].blank = false;
        story.seen(1, erased("metadata"));
        silent(&story);
        let mut story = Story::good();
        story.snapshot.truth[1].disks[0].blank = false;
        story.seen(1, erased("overwrite"));
        story.seen(1, Seen::Order { job: "J9".to_owned(), epoch: 90, step: "erase".to_owned(), attempt: 1 });
        story.seen(1, Seen::Wrote { disk: "D1".to_owned(), step: Some("erase".to_owned()), canary: false });
        silent(&story);
    }
}
