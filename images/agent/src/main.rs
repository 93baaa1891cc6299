//! `billet-agent`: the first process of Billet's ramdisk. Everything is in the library.

use std::{io::Write, process::ExitCode};

fn main() -> ExitCode {
    if std::process::id() == 1 {
        images_agent::init::first_process();
    }
    // On a machine that is in use it would have nothing to say, and must never touch a disk.
    let text = format!(
        "billet-agent {}: this program is started by the kernel of Billet's ramdisk (as /init) and does nothing elsewhere\n",
        env!("CARGO_PKG_VERSION")
    );
    // Nothing is left to do if even that can't be said.
    let _ = std::io::stderr().write_all(text.as_bytes());
    let asked = std::env::args()
        .nth(1)
        .is_some_and(|argument| matches!(argument.as_str(), "--version" | "-V" | "--help"));
    if asked { ExitCode::SUCCESS } else { ExitCode::from(2) }
}
