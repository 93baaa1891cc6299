//! Promised: no byte of a disk is written without leave: only while an order to write or to wipe is in hand, and never
//! on a disk that no order can name.
//!
//! Seen: live, each disk tells its first write under each order, with the step that the agent has in hand, and the
//! journal tells the orders that it was given. At rest, the disks that nobody may write are as they were.

use super::{Broken, Check, machine};
use crate::fleet::entry::{Entry, Seen, Snapshot, What};
use std::collections::HashMap;

/// The steps that may write.
const WRITING: [&str; 3] = ["write-image", "write-seed", "erase"];

#[derive(Default)]
pub(super) struct Writes {
    /// The step of the last order of each machine's agent.
    ordered: HashMap<u32, String>,
}

impl Check for Writes {
    fn name(&self) -> &'static str {
        "leave-to-write"
    }

    fn see(&mut self, entry: &Entry, broken: &mut Broken) {
        let (Some(number), What::Seen(seen)) = (entry.machine, &entry.what) else { return };
        match seen {
            Seen::Order { step, .. } => {
                self.ordered.insert(number, step.clone());
            }
            Seen::Wrote { disk, canary: true, .. } => {
                broken.add(machine(number), format!("disk {disk}, which nobody may write, was written"));
            }
            Seen::Wrote { disk, step: None, .. } => {
                broken.add(machine(number), format!("disk {disk} was written with no order in hand"));
            }
            Seen::Wrote { disk, step: Some(step), .. } => {
                if !WRITING.contains(&step.as_str()) {
                    broken.add(machine(number), format!("disk {disk} was written under the order {step}"));
                } else if self.ordered.get(&number) != Some(step) {
                    broken.add(
                        machine(number),
                        format!("disk {disk} was written under {step}, which was not ordered"),
                    );
                }
            }
            _ => {}
        }
    }

    fn at_rest(&mut self, snapshot: &Snapshot, broken: &mut Broken) {
        for machine in &snapshot.truth {
            for disk in machine.disks.iter().filter(|disk| disk.canary && !disk.intact) {
                let why = format!("disk {}, which nobody may write, is not as it was", disk.serial);
                broken.add(&machine.name, why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{Story, only};
    use super::*;

    fn wrote(step: Option<&str>, canary: bool) -> Seen {
        Seen::Wrote { disk: "D1".to_owned(), step: step.map(str::to_owned), canary }
    }

    #[test]
    fn writes_that_nobody_ordered() {
        for seen in [wrote(None, false), wrote(Some("inspect"), false), wrote(Some("erase"), true)] {
            let mut story = Story::good();
            story.seen(0, seen);
            only(&story, "leave-to-write");
        }
    }

    #[test]
    fn a_wipe_when_an_image_was_ordered() {
        let mut story = Story::good();
        let place =
            story.place(|seen| matches!(seen, Seen::Wrote { step: Some(step), .. } if step == "write-image"));
        // Another step than the one that was ordered last.
        story.journal[place].what = What::Seen(wrote(Some("write-seed"), false));
        only(&story, "leave-to-write");
    }

    #[test]
    fn a_canary_that_changed_unseen() {
        let mut story = Story::good();
        story.snapshot.truth[1].disks[1].intact = false;
        only(&story, "leave-to-write");
    }
}
