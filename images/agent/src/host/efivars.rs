//! The firmware's variables as the kernel's files (efivarfs, `Documentation/filesystems/efivarfs.rst`).
//!
//! A file is four bytes of attributes and the value behind them, read and written as a whole. What they mean is not here, see
//! `efi` and `boot_next`.

use super::ioctl;
use crate::efi::{Variables, name_of};
use nix::mount::{MsFlags, mount};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Where the variables are.
const FOLDER: &str = "/sys/firmware/efi/efivars";
/// What a UEFI machine has.
const FIRMWARE: &str = "/sys/firmware/efi";
/// The vendor of all variables of the specification (UEFI 2.10, 3.3).
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Non-volatile, for boot services and at run time: what the variables of booting have (UEFI 2.10, 3.3).
const ATTRIBUTES: u32 = 7;

/// The variables of this machine.
#[derive(Debug)]
pub(crate) struct Efivars {
    folder: PathBuf,
}

impl Efivars {
    /// Mounts them if nobody did yet. None: there is no UEFI, or it was not used for this boot.
    pub(crate) fn open() -> io::Result<Option<Self>> {
        if !Path::new(FIRMWARE).exists() {
            return Ok(None);
        }
        if fs::read_dir(FOLDER)?.next().is_none() {
            mount(Some("efivarfs"), FOLDER, Some("efivarfs"), MsFlags::MS_NOSUID, None::<&str>)?;
        }
        Ok(Some(Self { folder: FOLDER.into() }))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}-{GLOBAL}"))
    }

    /// The kernel protects most variables from `rm -rf`.
    fn unprotect(path: &Path) -> io::Result<()> {
        match File::open(path) {
            Ok(file) => ioctl::make_mutable(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Variables for Efivars {
    fn entries(&self) -> io::Result<Vec<u16>> {
        let mut numbers = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            let name = file?.file_name();
            let number = name.to_str().and_then(|name| {
                let digits = name.strip_prefix("Boot")?.strip_suffix(GLOBAL)?.strip_suffix('-')?;
                u16::from_str_radix(digits, 16).ok().filter(|number| name.starts_with(&name_of(*number)))
            });
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(name)) {
            Ok(mut value) => Ok(Some(value.split_off(value.len().min(4)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn set(&self, name: &str, value: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        Self::unprotect(&path)?;
        let whole = [&ATTRIBUTES.to_le_bytes(), value].concat();
        // One write is one variable: a second one would be another value.
        let written =
            OpenOptions::new().write(true).create(true).truncate(false).open(&path)?.write(&whole)?;
        if written == whole.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        Self::unprotect(&path)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_its_attributes_and_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let variables = Efivars { folder: folder.path().into() };
        assert_eq!(variables.get("BootOrder").unwrap(), None);
        variables.set("BootOrder", &[1, 0, 0x1a, 0]).unwrap();
        let file = folder.path().join("BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c");
        assert_eq!(fs::read(&file).unwrap(), [7, 0, 0, 0, 1, 0, 0x1a, 0]);
        assert_eq!(variables.get("BootOrder").unwrap().unwrap(), [1, 0, 0x1a, 0]);
        variables.remove("BootOrder").unwrap();
        variables.remove("BootOrder").unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn entries_are_told_from_everything_else() {
        let folder = tempfile::tempdir().unwrap();
        let variables = Efivars { folder: folder.path().into() };
        for name in ["Boot001A", "Boot0002", "BootOrder", "BootCurrent", "Boot3", "Boot00zz", "Boot000a"] {
            fs::write(variables.path(name), [7, 0, 0, 0]).unwrap();
        }
        fs::write(folder.path().join("Boot0005-00000000-0000-0000-0000-000000000000"), [7]).unwrap();
        assert_eq!(variables.entries().unwrap(), [2, 0x1a]);
    }
}
