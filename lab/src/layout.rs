//! Where a lab keeps its files: one folder, with names that follow from the machines' names.

use anyhow::{Context, bail};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::spec::Machine;

/// The longest path of a Unix socket, in bytes (`sun_path` is 108 with its closing zero, unix(7)).
const LONGEST_SOCKET: usize = 107;

/// A lab's folder.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The files in `dir`, which need not exist yet.
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Makes the folder and its path absolute; refuses one that sockets can't be in.
    pub(crate) fn create(dir: &Path, machines: &[Machine]) -> anyhow::Result<Self> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.with_context(|| format!("can't make the lab's folder {}", dir.display()))?;
        // The usual one is in /tmp, where others may have made it first.
        if std::fs::metadata(dir)?.uid() != nix::unistd::geteuid().as_raw() {
            bail!("the lab's folder {} is another user's; use --dir", dir.display());
        }
        let layout = Self::new(&std::fs::canonicalize(dir)?);
        if layout.dir.to_str().is_none() {
            bail!("the lab's folder {} is not valid UTF-8, which QEMU's options need", dir.display());
        }
        let sockets = machines.iter().map(|machine| layout.machine(&machine.name).longest_socket());
        if let Some(path) = sockets.filter(|path| path.as_os_str().len() > LONGEST_SOCKET).max() {
            bail!(
                "the lab's folder is too deep: {} has more than the {LONGEST_SOCKET} bytes that a socket may have; use a shorter --dir",
                path.display()
            );
        }
        Ok(layout)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Held locked by the daemon as long as it lives.
    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Where the daemon takes requests.
    pub(crate) fn control(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// What there is, for programs: see `report`.
    pub(crate) fn report(&self) -> PathBuf {
        self.dir.join("lab.json")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    pub(crate) fn capture(&self) -> PathBuf {
        self.dir.join("lab.pcap")
    }

    /// A link to the running binary, so that `ipmi_sim`, which goes through a shell, sees a path without surprises.
    pub(crate) fn own_program(&self) -> PathBuf {
        self.dir.join("billet-lab")
    }

    pub(crate) fn machine(&self, name: &str) -> MachineFiles {
        MachineFiles { stem: self.dir.join(name) }
    }
}

/// The files of one machine.
#[derive(Debug, Clone)]
pub(crate) struct MachineFiles {
    stem: PathBuf,
}

impl MachineFiles {
    fn with(&self, extension: &str) -> PathBuf {
        self.stem.with_added_extension(extension)
    }

    fn longest_socket(&self) -> PathBuf {
        self.with("serial")
    }

    /// The disk's content; the first has number 0.
    pub(crate) fn disk(&self, number: usize) -> PathBuf {
        if number == 0 { self.with("disk") } else { self.with(&format!("disk{number}")) }
    }

    /// Where the content of a faulty disk is served.
    pub(crate) fn faulty_disk(&self, number: usize) -> PathBuf {
        self.with(&format!("nbd{number}"))
    }

    /// OVMF's variables.
    pub(crate) fn variables(&self) -> PathBuf {
        self.with("vars")
    }

    /// Everything that came out of the serial port.
    pub(crate) fn console_log(&self) -> PathBuf {
        self.with("console")
    }

    /// Where `billet-lab console` connects.
    pub(crate) fn console(&self) -> PathBuf {
        self.with("tty")
    }

    /// Where QEMU's serial port connects.
    pub(crate) fn serial(&self) -> PathBuf {
        self.with("serial")
    }

    /// Where QEMU's monitor connects.
    pub(crate) fn monitor(&self) -> PathBuf {
        self.with("qmp")
    }

    /// QEMU's end of the network cable.
    pub(crate) fn nic(&self) -> PathBuf {
        self.with("nic")
    }

    /// The switch's end of the network cable.
    pub(crate) fn port(&self) -> PathBuf {
        self.with("port")
    }

    /// QEMU's end of a further card's cable, and the switch's; the first one has number 1.
    pub(crate) fn further_cable(&self, number: u8) -> (PathBuf, PathBuf) {
        (self.with(&format!("nic{number}")), self.with(&format!("port{number}")))
    }

    /// What QEMU said on standard error.
    pub(crate) fn qemu_log(&self) -> PathBuf {
        self.with("qemu.log")
    }

    /// The folder of this machine's `ipmi_sim`.
    pub(crate) fn ipmi_sim(&self) -> PathBuf {
        self.with("ipmi")
    }

    /// The folder of this machine's Redfish emulator and libvirt daemon.
    pub(crate) fn sushy(&self) -> PathBuf {
        self.with("sushy")
    }

    /// All sockets of this machine, which a killed daemon leaves behind.
    pub(crate) fn sockets(&self, machine: &Machine) -> Vec<PathBuf> {
        let cables = (1..=machine.further_nics).map(|number| self.further_cable(number));
        let disks = (0..machine.disks().count()).map(|number| self.faulty_disk(number));
        [self.console(), self.serial(), self.monitor(), self.nic(), self.port()]
            .into_iter()
            .chain(cables.flat_map(|(nic, port)| [nic, port]))
            .chain(disks)
            .collect()
    }
}

/// `$XDG_RUNTIME_DIR/billet-lab`, else one in /tmp that carries the user's number.
pub(crate) fn default_dir() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir).join("billet-lab"),
        None => PathBuf::from(format!("/tmp/billet-lab-{}", nix::unistd::getuid())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    #[test]
    fn a_folder_that_is_too_deep_for_sockets_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let machines = Spec::default().machines;
        Layout::create(dir.path(), &machines).unwrap();
        let deep = dir.path().join("d".repeat(100));
        let error = Layout::create(&deep, &machines).unwrap_err().to_string();
        assert!(error.contains("use a shorter --dir"), "{error}");
    }

    #[test]
    fn names_with_dots_do_not_meet() {
        let files = Layout::new(Path::new("/x")).machine("m1");
        assert_eq!(files.console_log(), Path::new("/x/m1.console"));
        assert_eq!(files.qemu_log(), Path::new("/x/m1.qemu.log"));
    }
}
