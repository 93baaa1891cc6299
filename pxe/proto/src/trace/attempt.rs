//! Cutting a conversation into boots, and what was seen of one.

use super::{Dhcp, Entry, Role, Transfer, What};
use crate::boot::{BootAnswer, Firmware};

/// A pause after which something new has begun, in milliseconds.
const PAUSE: u64 = 180_000;

/// A file of a boot.
#[derive(Debug, Clone)]
pub(super) struct Fetched<'a> {
    /// Its name or path.
    pub(super) name: &'a str,
    /// By TFTP or HTTP.
    pub(super) over: &'static str,
    /// What it is for.
    pub(super) role: Role,
    /// How far it came.
    pub(super) stage: &'a Transfer,
    /// The HTTP status, when it was HTTP.
    pub(super) status: Option<u16>,
}

/// What was seen of one boot, from power on to the agent.
#[derive(Debug, Default)]
pub(super) struct Attempt<'a> {
    /// Its entries, oldest first.
    pub(super) entries: Vec<&'a Entry>,
}

/// Whether a message comes from firmware itself, not from a loader or a system.
fn from_rom(dhcp: &Dhcp) -> bool {
    let rom = matches!(dhcp.firmware, Some(Firmware::BiosPxe | Firmware::UefiPxe(_) | Firmware::UefiHttp(_)));
    rom || dhcp.unsupported.is_some()
}

/// Whether a message comes from iPXE.
fn from_ipxe(dhcp: &Dhcp) -> bool {
    matches!(dhcp.firmware, Some(Firmware::IpxeBios | Firmware::IpxeUefi(_)))
}

/// The boots of a conversation, oldest first. `entries` are sorted by time.
pub(super) fn attempts(entries: &[Entry]) -> Vec<Attempt<'_>> {
    let mut attempts: Vec<Attempt<'_>> = Vec::new();
    for entry in entries {
        let begins = attempts.last().is_none_or(|attempt| {
            let last = attempt.entries.last().map_or(0, |last| last.at);
            let anew = match &entry.what {
                What::Dhcp(dhcp) if from_rom(dhcp) => dhcp.message == "DISCOVER" && attempt.is_past_rom(),
                What::Dhcp(dhcp) => from_ipxe(dhcp) && attempt.agent(),
                What::Agent | What::Conflict { .. } => false,
                // What follows the agent's call is another boot, its firmware's DHCP seen or not.
                What::Script { .. } | What::Tftp { .. } | What::Http { .. } => attempt.agent(),
            };
            // A system asks again after hours, and a slow kernel is still of the same boot.
            let goes_on = match &entry.what {
                What::Dhcp(dhcp) => dhcp.firmware.is_none() && dhcp.unsupported.is_none(),
                What::Agent | What::Conflict { .. } => true,
                _ => false,
            };
            anew || (!goes_on && entry.at.saturating_sub(last) > PAUSE)
        });
        if begins {
            attempts.push(Attempt::default());
        }
        if let Some(attempt) = attempts.last_mut() {
            attempt.entries.push(entry);
        }
    }
    attempts
}

impl<'a> Attempt<'a> {
    /// Whether anything was seen that comes after firmware's own DHCP.
    fn is_past_rom(&self) -> bool {
        self.entries.iter().any(|entry| match &entry.what {
            What::Dhcp(dhcp) => !from_rom(dhcp) && dhcp.reply.is_some(),
            What::Conflict { .. } => false,
            _ => true,
        })
    }

    /// Its DHCP messages.
    pub(super) fn dhcp(&self) -> impl DoubleEndedIterator<Item = &'a Dhcp> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            What::Dhcp(dhcp) => Some(dhcp),
            _ => None,
        })
    }

    /// Its DHCP messages from firmware.
    pub(super) fn rom(&self) -> impl DoubleEndedIterator<Item = &'a Dhcp> {
        self.dhcp().filter(|dhcp| from_rom(dhcp))
    }

    /// Its DHCP messages from iPXE.
    pub(super) fn ipxe(&self) -> impl DoubleEndedIterator<Item = &'a Dhcp> {
        self.dhcp().filter(|dhcp| from_ipxe(dhcp))
    }

    /// Whether an operating system, such as our agent's, asked for an address behind the last entry that `after` fits.
    pub(super) fn system_after(&self, after: impl Fn(&Entry) -> bool) -> bool {
        let behind = self.entries.iter().rposition(|entry| after(entry)).map_or(0, |at| at + 1);
        self.entries[behind..].iter().any(|entry| match &entry.what {
            What::Dhcp(dhcp) => dhcp.firmware.is_none() && dhcp.unsupported.is_none(),
            _ => false,
        })
    }

    /// Its files that have a role.
    pub(super) fn files(&self) -> impl DoubleEndedIterator<Item = Fetched<'a>> {
        self.entries.iter().filter_map(|entry| {
            let (name, stage) = entry.what.file()?;
            let (over, status) = match &entry.what {
                What::Http { status, .. } => ("HTTP", Some(*status)),
                _ => ("TFTP", None),
            };
            Some(Fetched { name, over, role: Role::of(name)?, stage, status })
        })
    }

    /// The last that was seen of a file with a role.
    pub(super) fn last(&self, fits: impl Fn(Role) -> bool) -> Option<Fetched<'a>> {
        let mut all: Vec<_> = self.files().filter(|file| fits(file.role)).collect();
        // What arrived counts for more than a further try that did not.
        let done = all.iter().rposition(|file| matches!(file.stage, Transfer::Done { .. }));
        done.map(|at| all.swap_remove(at)).or_else(|| all.pop())
    }

    /// What the last boot script said.
    pub(super) fn script(&self) -> Option<&'a str> {
        self.entries.iter().rev().find_map(|entry| match &entry.what {
            What::Script { answer, .. } => Some(answer.as_str()),
            _ => None,
        })
    }

    /// Whether the agent called in.
    pub(super) fn agent(&self) -> bool {
        self.entries.iter().any(|entry| entry.what == What::Agent)
    }

    /// What firmware was told to boot last.
    pub(super) fn told(&self) -> Option<BootAnswer> {
        self.dhcp().rev().find_map(|dhcp| dhcp.boot)
    }

    /// When the last of it was seen, in milliseconds since 1970.
    pub(super) fn last_at(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.at)
    }
}
