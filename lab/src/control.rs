//! Requests to a running daemon: one JSON line there, one back, over a Unix socket.

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;

use crate::layout::Layout;
use crate::nbd::DiskFault;
use crate::report::Report;
use crate::switch::Faults;

/// What can be asked of the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// `Vec<MachineStatus>` comes back.
    Status,
    /// End everything; the answer comes when all is gone.
    Down,
    /// Switch on, or hard off.
    Power { machine: String, on: bool },
    /// Press the reset button.
    Reset { machine: String },
    /// What goes wrong on the wire from now on.
    Faults { faults: Faults },
    /// What a faulty disk does wrong from now on; none: nothing.
    DiskFault { machine: String, disk: usize, fault: Option<DiskFault> },
    /// What `ipmi_sim` asks; text to print comes back.
    Chassis { machine: String, words: Vec<String> },
}

/// A machine at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineStatus {
    /// Its name.
    pub name: String,
    /// Whether it is on.
    pub on: bool,
    /// Its boot override: `network`, `disk`, or none; with `(persistent)` if it stays.
    pub boot: String,
}

/// The daemon's answer; an error is a sentence.
pub(crate) type Reply = Result<Value, String>;

/// Whether a daemon lives in this folder. The lock is its own, so that nothing stale can be mistaken for it.
pub(crate) fn is_up(layout: &Layout) -> anyhow::Result<bool> {
    match std::fs::File::open(layout.lock()) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("can't look at {}", layout.lock().display())),
        Ok(file) => match file.try_lock() {
            Ok(()) => Ok(false),
            Err(std::fs::TryLockError::WouldBlock) => Ok(true),
            Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
        },
    }
}

/// What a running lab consists of.
pub(crate) fn report(layout: &Layout) -> anyhow::Result<Report> {
    if !is_up(layout)? {
        bail!("no lab is up in {}; start one with `billet-lab up --detach`", layout.dir().display());
    }
    let text =
        std::fs::read_to_string(layout.report()).context("the lab is just starting or ending; try again")?;
    Ok(serde_json::from_str(&text)?)
}

/// Asks, and waits for the answer.
pub(crate) fn ask(layout: &Layout, request: &Request) -> anyhow::Result<Value> {
    let mut stream = match UnixStream::connect(layout.control()) {
        Ok(stream) => stream,
        Err(_) if !is_up(layout)? => {
            bail!("no lab is up in {}; start one with `billet-lab up --detach`", layout.dir().display())
        }
        Err(error) => {
            return Err(error).context("the lab does not take requests; it is just starting or ending");
        }
    };
    writeln!(stream, "{}", serde_json::to_string(request)?)?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let reply: Reply =
        serde_json::from_str(&line).context("the lab ended before it answered; see daemon.log")?;
    reply.map_err(|sentence| anyhow!(sentence))
}

/// Ends a lab. Returns when nothing of it is left; whether there was one.
pub(crate) fn down(layout: &Layout) -> anyhow::Result<bool> {
    if !is_up(layout)? {
        return Ok(false);
    }
    ask(layout, &Request::Down)?;
    let lock = std::fs::File::open(layout.lock())?;
    // Held by the daemon until its process is gone.
    lock.lock().context("can't wait for the lab's end")?;
    Ok(true)
}
