//! What follows the image on its disk: the seed, and the firmware's boot entry.

use super::{Deed, Undone, Work, failed, mib, named, whole};
use crate::{efi, random, seed};
use images::write::Target;
use provisioner_api::{
    Disk, Finish,
    agent::{Outcome, SeedFile},
};
use std::env::consts::ARCH;

impl Work {
    /// Writes the seed and has the last partition grow. Then, if `entry` names one, enters the system into the firmware's boot
    /// order: where that can't be, it is told, since the system may start all the same.
    pub(super) fn write_seed(&self, files: &[SeedFile], finish: Finish, entry: Option<&str>) -> Deed {
        let (disk, target) = self.open_one()?;
        let guid = random::bytes().map_err(failed)?;
        let written = seed::write(&*target, disk.sector_bytes, files, finish, guid);
        let written = written.map_err(|error| match error {
            seed::SeedError::Refused(why) => Undone::Refused(why),
            other => Undone::Failed(format!("disk {}: {}", named(&disk), whole(&other))),
        })?;
        let entered = entry.and_then(|title| self.enter(&disk, &*target, title));
        self.reread(&disk, &*target);
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        let mut evidence = match written.seed {
            Some(span) => format!(
                "seed ({}) is on disk {} in {} at byte {}, read back and right",
                names.join(", "),
                named(&disk),
                mib(span.bytes),
                span.start,
            ),
            None => format!("no seed was put on disk {}: its image is to have none", named(&disk)),
        };
        if written.grown > 0 {
            evidence.push_str(&format!("; the last partition grew by {}", mib(written.grown)));
        }
        if let Some(why) = written.stays {
            evidence.push_str(&format!("; the last partition did not grow: {why}"));
        }
        evidence.extend(entered.map(|entered| format!("; {entered}")));
        Ok(Outcome::Done { evidence, disks: Vec::new() })
    }

    /// What became of the firmware's entry, as a sentence. None: there is no UEFI.
    fn enter(&self, disk: &Disk, target: &dyn Target, title: &str) -> Option<String> {
        let variables = match self.host.variables() {
            Ok(variables) => variables?,
            Err(error) => return Some(format!("no boot entry was made: the firmware's variables: {error}")),
        };
        Some(entered(target, disk.sector_bytes, title, &*variables))
    }
}

/// Enters the system on this disk. Where it has none that could be entered, what was entered before goes.
fn entered(target: &dyn Target, sector_bytes: u32, title: &str, variables: &dyn efi::Variables) -> String {
    match efi::enter(target, sector_bytes, ARCH, title, variables) {
        Ok(entered) => entered,
        Err(error) if error.is_the_disks() => {
            format!("no boot entry was made: {}{}", whole(&error), forgotten(variables))
        }
        Err(error) => format!("no boot entry was made: {}", whole(&error)),
    }
}

/// What became of the entries of what was there before, as the end of a sentence.
fn forgotten(variables: &dyn efi::Variables) -> String {
    match efi::forget(variables) {
        Ok(none) if none.is_empty() => String::new(),
        Ok(numbers) => {
            let numbers: Vec<_> = numbers.iter().map(|number| format!("{number:04X}")).collect();
            format!("; what was entered before was removed: {}", numbers.join(", "))
        }
        Err(error) => format!("; what was entered before is still there: {}", whole(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        efi::{Variables, tests::disk_with},
        host::{FakeDisk, FakeVariables},
    };

    #[test]
    fn an_older_system_is_not_started_in_place_of_one_that_can_t_be_entered() {
        let good = disk_with(&["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTAA64.EFI"]);
        let bare = FakeDisk::in_memory("vda", "A", 64 << 20);
        let variables = FakeVariables::default();
        assert!(!entered(&bare, 512, "web2", &variables).contains("before"));
        for table in [&[] as &[u8], b"EFI PART and nothing behind it"] {
            assert!(entered(&good, 512, "web1", &variables).starts_with("boot entry 0000"));
            bare.write_at(table, 512).unwrap();
            let said = entered(&bare, 512, "web2", &variables);
            assert!(said.starts_with("no boot entry was made: the "), "{said}");
            assert!(said.ends_with("; what was entered before was removed: 0000"), "{said}");
            assert!(variables.entries().unwrap().is_empty());
        }
        // A firmware that fails is told of, and what it has stays.
        let variables = FakeVariables::default();
        assert!(entered(&good, 512, "web1", &variables).starts_with("boot entry 0000"));
        variables.refuse(libc::EROFS);
        let said = entered(&bare, 512, "web2", &variables);
        assert!(said.contains("; what was entered before is still there: the firmware's variable"), "{said}");
        let said = entered(&good, 512, "web2", &variables);
        assert!(said.contains("can't be written") && !said.contains("before"), "{said}");
    }
}
