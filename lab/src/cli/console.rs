//! `billet-lab console`: a terminal on a machine's serial port.

use anyhow::Context;
use std::fs::File;
use std::io::{IsTerminal, Read, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::report::MachineReport;

/// What of the log is shown first, in bytes.
const TAIL: u64 = 4096;
/// Ctrl-].
const ESCAPE: u8 = 0x1d;

/// Shows what the machine says and sends what is typed, until Ctrl-] or the lab's end.
pub(super) fn watch(machine: &MachineReport) -> anyhow::Result<()> {
    let stream = UnixStream::connect(&machine.console)
        .with_context(|| format!("can't reach the console of {}", machine.name))?;
    let _raw = Raw::enter();
    let mut stdout = std::io::stdout();
    stdout.write_all(&tail(machine)?)?;
    stdout.flush()?;
    let sender = stream.try_clone()?;
    // Ends with the process, or ends it by closing the stream.
    std::thread::spawn(move || type_on(sender));
    let mut stream = stream;
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        stdout.write_all(&buffer[..length])?;
        stdout.flush()?;
    }
}

fn tail(machine: &MachineReport) -> anyhow::Result<Vec<u8>> {
    let mut log = File::open(&machine.console_log)?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Sends standard input. Its end alone doesn't end the watching: `billet-lab console m1 < /dev/null` follows.
fn type_on(mut stream: UnixStream) {
    let mut buffer = [0; 256];
    while let Ok(length @ 1..) = std::io::stdin().read(&mut buffer) {
        let typed = &buffer[..length];
        if typed.contains(&ESCAPE) {
            let _closed_already = stream.shutdown(Shutdown::Both);
            return;
        }
        if stream.write_all(typed).is_err() {
            return;
        }
    }
}

/// A terminal that passes every key on; put back when dropped.
struct Raw {
    before: String,
}

impl Raw {
    /// `None` without a terminal.
    fn enter() -> Option<Self> {
        if !std::io::stdin().is_terminal() {
            return None;
        }
        let before = stty(&["-g"])?;
        stty(&["raw", "-echo"])?;
        Some(Self { before: before.trim().to_owned() })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _as_it_is = stty(&[&self.before]);
    }
}

fn stty(arguments: &[&str]) -> Option<String> {
    let output = Command::new("stty").args(arguments).stdin(Stdio::inherit()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
