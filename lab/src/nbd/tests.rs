//! The server under a client that we did not write: `qemu-io` and `qemu-img`.

use super::*;
use std::path::PathBuf;
use std::process::{Command as Program, Output};
use tempfile::TempDir;

/// A megabyte of zeros, served.
struct Rig {
    folder: TempDir,
    disk: FaultyDisk,
}

impl Rig {
    /// None, and a word about it, where QEMU's tools are not installed; on a build server they have to be.
    fn new() -> Option<Self> {
        if crate::child::find("qemu-io").is_none() {
            assert!(std::env::var_os("CI").is_none(), "qemu-io is not installed; lab/setup installs it");
            let _ = writeln!(io::stderr(), "skipped: qemu-io is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk");
        File::create(&file).and_then(|file| file.set_len(1 << 20)).unwrap();
        let disk = FaultyDisk::serve(&file, &folder.path().join("nbd")).unwrap();
        Some(Self { folder, disk })
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn url(&self) -> String {
        format!("nbd+unix:///?socket={}", self.folder.path().join("nbd").display())
    }

    fn set(&self, fault: &str) {
        self.disk.set(Some(fault.parse().unwrap())).unwrap();
    }

    /// Whether all went well, and what was said.
    fn qemu_io(&self, commands: &[&str]) -> (bool, String) {
        let mut program = Program::new("qemu-io");
        // No cache of its own, and trims are passed on.
        program.args(["-f", "raw", "-t", "none", "-d", "unmap"]);
        program.args(commands.iter().flat_map(|command| ["-c", command]));
        let Output { status, stdout, stderr } = program.arg(self.url()).output().unwrap();
        let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (status.success() && !said.contains("failed"), said)
    }
}

#[test]
fn qemu_reads_what_it_wrote() {
    let Some(rig) = Rig::new() else { return };
    let (well, said) = rig.qemu_io(&[
        "write -P 0x5a 0 128k",
        "write -f -P 0x77 128k 4k",
        "write -z 4k 8k",
        "discard 64k 64k",
        "flush",
        "read -P 0x5a 0 4k",
        "read -P 0 4k 8k",
        "read -P 0x5a 12k 52k",
        "read -P 0 64k 64k",
        "read -P 0x77 128k 4k",
        "read -P 0 512k 512k",
    ]);
    assert!(well, "{said}");
    let content = std::fs::read(rig.file()).unwrap();
    assert!(
        content[..4096].iter().all(|byte| *byte == 0x5a) && content[4096] == 0 && content[128 << 10] == 0x77
    );
    let info = Program::new("qemu-img").args(["info", "-f", "raw", &rig.url()]).output().unwrap();
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(info.contains("(1048576 bytes)"), "{info}");
    let same = Program::new("qemu-img")
        .args(["compare", "-f", "raw", "-F", "raw", &rig.url()])
        .arg(rig.file())
        .output()
        .unwrap();
    assert!(same.status.success(), "{same:?}");
}

#[test]
fn beyond_the_end_and_other_names_are_refused() {
    let Some(rig) = Rig::new() else { return };
    let (well, said) = rig.qemu_io(&["read 1M 512"]);
    assert!(!well, "{said}");
    let url = rig.url().replace(":///?", ":///other?");
    let other = Program::new("qemu-img").args(["info", "-f", "raw", &url]).output().unwrap();
    assert!(!other.status.success() && String::from_utf8_lossy(&other.stderr).contains("not"), "{other:?}");
    let beyond = rig.disk.set(Some("flip:1M.0".parse().unwrap()));
    assert_eq!(beyond, Err("the fault is beyond the disk, which has 1048576 bytes".to_owned()));
}

#[test]
fn errors_are_told_where_they_are_and_end_when_mended() {
    let Some(rig) = Rig::new() else { return };
    rig.set("eio-write:64K..68K");
    let (well, said) = rig.qemu_io(&["write -P 1 0 64k", "write -P 1 60k 8k"]);
    assert!(!well && said.contains("wrote 65536/65536") && said.contains("Input/output error"), "{said}");
    rig.set("eio-read:0..1");
    let (well, said) = rig.qemu_io(&["read -P 1 4k 4k", "read 0 4k"]);
    assert!(!well && said.contains("read 4096/4096") && said.contains("Input/output error"), "{said}");
    rig.set("eio-after:8K");
    let (well, said) = rig.qemu_io(&["write -P 2 0 8k", "write -P 2 8k 512"]);
    assert!(!well && said.contains("wrote 8192/8192") && said.contains("Input/output error"), "{said}");
    rig.disk.set(None).unwrap();
    let (well, said) = rig.qemu_io(&["write -P 3 0 128k", "read -P 3 0 128k"]);
    assert!(well, "{said}");
}

#[test]
fn lies_are_confirmed_and_seen_when_read_back() {
    let Some(rig) = Rig::new() else { return };
    rig.set("drop:0..4K");
    let (well, said) =
        rig.qemu_io(&["write -P 1 4k 4k", "write -P 1 0 4k", "read -P 1 4k 4k", "read -P 0 0 4k"]);
    assert!(well, "{said}");
    rig.set("torn");
    let (well, said) = rig.qemu_io(&["write -P 2 64k 8k", "read -P 2 64k 4k", "read -P 0 68k 4k"]);
    assert!(well, "{said}");
    rig.set("flip:100K.3");
    let (well, said) = rig.qemu_io(&["write -P 4 96k 8k", "read -P 4 96k 4k", "read -P 4 100k 4k"]);
    assert!(!well && said.contains("Pattern verification failed"), "{said}");
    assert_eq!(std::fs::read(rig.file()).unwrap()[100 << 10], 4 ^ 8);
    rig.set("slow:20");
    let (well, said) = rig.qemu_io(&["write -P 5 0 4k", "read -P 5 0 4k"]);
    assert!(well, "{said}");
}
