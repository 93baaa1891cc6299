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
        evidence.extend(entered.map(|entered| format!("; {entered}")));
        Ok(Outcome::Done { evidence, disks: Vec::new() })
    }

    /// What became of the firmware's entry, as a sentence. None: there is no UEFI.
    fn enter(&self, disk: &Disk, target: &dyn Target, title: &str) -> Option<String> {
        let variables = match self.host.variables() {
            Ok(variables) => variables?,
            Err(error) => return Some(format!("no boot entry was made: the firmware's variables: {error}")),
        };
        let entered = efi::enter(target, disk.sector_bytes, ARCH, title, &*variables);
        Some(entered.unwrap_or_else(|error| format!("no boot entry was made: {}", whole(&error))))
    }
}
