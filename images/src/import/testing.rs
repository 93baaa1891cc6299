//! What several tests of the import need: a disk with every kind of content, and QEMU's tools where they are.

use super::ImportProgram;
use std::process::{Command, Stdio};

/// A disk of pages of every kind: zero, one letter, noise, half zero. Always the same bytes.
pub(crate) fn disk_content(bytes: usize) -> Vec<u8> {
    let mut disk = vec![0; bytes];
    let mut state: u32 = 0x2545_F491;
    for (i, page) in disk.chunks_mut(4096).enumerate() {
        match i % 4 {
            0 => page.fill(b'a' + (i / 4 % 26) as u8),
            1 => {}
            2 => page.fill_with(|| {
                // xorshift32
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state.to_be_bytes()[0]
            }),
            _ => {
                let half = page.len() / 2;
                page[half..].fill(i.to_be_bytes()[7]);
            }
        }
    }
    disk
}

/// qemu-img, where it is installed.
pub(crate) fn qemu_img() -> Option<Command> {
    tool("qemu-img")
}

/// A program, where it is installed.
pub(crate) fn tool(name: &str) -> Option<Command> {
    let there = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    there.is_ok_and(|s| s.success()).then(|| Command::new(name))
}

/// The program that has the child in it, built beside this test.
pub(crate) fn billet() -> ImportProgram {
    let own = std::env::current_exe().unwrap();
    let program = own.ancestors().nth(2).unwrap().join("billet");
    assert!(program.is_file(), "billet is not built; run `cargo build -p provisioner`");
    ImportProgram::At(program)
}

/// Runs qemu-io's commands on an image.
pub(crate) fn qemu_io(image: &str, commands: &[&str]) {
    let mut command = Command::new("qemu-io");
    command.args(["-f", "qcow2", "-d", "unmap"]).args(commands.iter().flat_map(|c| ["-c", c])).arg(image);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
