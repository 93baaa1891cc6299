//! An entry in words: for the timeline of its machine, and for those who ask for the conversation. Pure.

use crate::text::format_mac;
use jiff::Timestamp;
use provisioner_api::TraceEntry;
use pxe_proto::{
    boot::{Arch, BootAnswer, Chain, Firmware},
    trace::{Dhcp, Entry, Transfer, What},
};

/// The line of the timeline, with its kind; none for what only the conversation shows.
pub(crate) fn line(entry: &Entry) -> Option<(&'static str, String)> {
    let file = |over: &str, name: &str, stage: &Transfer| match stage {
        Transfer::Done { bytes, .. } => Some(("boot", format!("fetched {name} over {over} ({bytes} bytes)"))),
        Transfer::Broken { bytes, reason, .. } => {
            Some(("boot", format!("broke off fetching {name} over {over} after {bytes} bytes: {reason}")))
        }
        Transfer::Refused { reason } => {
            Some(("boot", format!("asked for {name} over {over} and was refused: {reason}")))
        }
        Transfer::Begun { .. } | Transfer::SizeProbe { .. } => None,
    };
    match &entry.what {
        What::Dhcp(dhcp) => Some(("dhcp", format!("{} by {}: {}", dhcp.message, client(dhcp), answer(dhcp)))),
        What::Tftp { name, stage } => file("TFTP", name, stage),
        What::Http { head: true, .. } => None,
        What::Http { path, stage, .. } => file("HTTP", path, stage),
        What::Script { answer, .. } => Some(("boot", format!("asked for its boot script: {answer}"))),
        What::Conflict { address, with } => Some((
            "dhcp",
            format!("the address {address} that it was offered is used by {}", host(with.as_ref())),
        )),
        // The claim has an event of its own.
        What::Agent => None,
    }
}

/// When it was heard.
pub(crate) fn time(entry: &Entry) -> Timestamp {
    let at = i64::try_from(entry.at).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    at.unwrap_or(Timestamp::MAX)
}

/// An entry as the API shows it.
pub(crate) fn wire(id: u64, entry: &Entry) -> TraceEntry {
    let mut told = TraceEntry {
        id,
        at: time(entry),
        mac: format_mac(entry.mac),
        network: entry.network.clone(),
        ..TraceEntry::default()
    };
    match &entry.what {
        What::Dhcp(dhcp) => {
            "dhcp".clone_into(&mut told.kind);
            told.asked = asked(dhcp);
            told.answered = answer(dhcp);
            told.message = Some(dhcp.message.clone());
            told.reply.clone_from(&dhcp.reply);
            told.silence.clone_from(&dhcp.silence);
            told.address = dhcp.address.map(|address| address.to_string());
            told.relay = dhcp.relay.map(|relay| relay.to_string());
            told.server = dhcp.server.map(|server| server.to_string());
        }
        What::Tftp { name, stage } => {
            "tftp".clone_into(&mut told.kind);
            told.asked.clone_from(name);
            file(&mut told, name, stage);
        }
        What::Http { path, status, head, stage } => {
            "http".clone_into(&mut told.kind);
            told.asked = format!("{} {path}", if *head { "HEAD" } else { "GET" });
            told.status = Some(*status);
            file(&mut told, path, stage);
            told.answered = format!("{status}, {}", told.answered);
        }
        What::Script { from, answer } => {
            "script".clone_into(&mut told.kind);
            told.asked = format!("what to boot, from {from}");
            told.answered = match answer.as_str() {
                "agent" => "boot the agent".to_owned(),
                "disk" => "boot your disk".to_owned(),
                "later" => "ask again: it can't be looked up now".to_owned(),
                other => other.to_owned(),
            };
        }
        What::Agent => {
            "agent".clone_into(&mut told.kind);
            "called in".clone_into(&mut told.asked);
            "let in".clone_into(&mut told.answered);
        }
        What::Conflict { address, with } => {
            "conflict".clone_into(&mut told.kind);
            told.asked = format!("{address} is used by {}", host(with.as_ref()));
            "in quarantine".clone_into(&mut told.answered);
            told.address = Some(address.to_string());
        }
    }
    told
}

/// What a DHCP message asked.
fn asked(dhcp: &Dhcp) -> String {
    let mut text = format!("{} from {}", dhcp.message, client(dhcp));
    if dhcp.port != 67 {
        text += &format!(", port {}", dhcp.port);
    }
    if let Some(relay) = dhcp.relay {
        text += &format!(", relay {relay}");
    }
    if let Some(requested) = dhcp.requested {
        text += &format!(", wants {requested}");
    }
    if let Some(server) = dhcp.server {
        text += &format!(", to the server {server}");
    }
    text
}

/// Who sent a DHCP message.
fn client(dhcp: &Dhcp) -> String {
    match (dhcp.firmware, dhcp.unsupported) {
        (_, Some(arch)) => format!("firmware of the unknown architecture {arch}"),
        (None, None) => "an operating system".to_owned(),
        (Some(firmware), None) => match firmware {
            Firmware::BiosPxe => "a BIOS PXE ROM".to_owned(),
            Firmware::UefiPxe(arch) => format!("UEFI PXE{}", of(arch)),
            Firmware::UefiHttp(arch) => format!("UEFI HTTP boot{}", of(arch)),
            Firmware::IpxeBios => "iPXE on BIOS".to_owned(),
            Firmware::IpxeUefi(arch) => format!("iPXE on UEFI{}", of(arch)),
        },
    }
}

/// The architecture where it is not the usual one.
fn of(arch: Arch) -> String {
    if arch == Arch::X64 { String::new() } else { format!(" ({})", arch.word()) }
}

/// What a DHCP message was answered.
fn answer(dhcp: &Dhcp) -> String {
    let Some(reply) = &dhcp.reply else {
        return match &dhcp.silence {
            Some(silence) => format!("no answer: {silence}"),
            None => "no answer".to_owned(),
        };
    };
    let address = dhcp.address.map(|address| format!(" {address}")).unwrap_or_default();
    let boots = match dhcp.boot {
        None => String::new(),
        Some(BootAnswer::Disk) => ", not expected: boots from its disk".to_owned(),
        Some(BootAnswer::Boot(chain)) => match dhcp.firmware {
            Some(Firmware::UefiPxe(_) | Firmware::UefiHttp(_)) => {
                format!(", boots our agent by {}", word(chain))
            }
            _ => ", boots our agent".to_owned(),
        },
    };
    format!("{reply}{address}{boots}")
}

/// The name of a chain.
fn word(chain: Chain) -> &'static str {
    match chain {
        Chain::Snponly => "snponly",
        Chain::Ipxe => "ipxe",
        Chain::Uki => "a unified kernel image",
    }
}

fn host(mac: Option<&[u8; 6]>) -> String {
    mac.map_or_else(|| "another host".to_owned(), |mac| format!("the host {}", format_mac(*mac)))
}

/// What became of a file.
fn file(told: &mut TraceEntry, name: &str, stage: &Transfer) {
    told.file = Some(name.to_owned());
    let word;
    (word, told.answered) = match stage {
        Transfer::Begun { size } => {
            told.size = Some(*size);
            ("begun", format!("sending {size} bytes"))
        }
        Transfer::Refused { reason } => ("refused", format!("refused: {reason}")),
        Transfer::SizeProbe { size } => {
            told.size = Some(*size);
            ("size-probe", format!("its size only: {size} bytes"))
        }
        Transfer::Done { bytes, millis } => {
            (told.bytes, told.millis) = (Some(*bytes), Some(*millis));
            ("done", format!("{bytes} bytes in {millis} ms"))
        }
        Transfer::Broken { bytes, size, reason } => {
            (told.bytes, told.size) = (Some(*bytes), Some(*size));
            ("broken", format!("broke off after {bytes} of {size} bytes: {reason}"))
        }
    };
    told.stage = Some(word.to_owned());
}

#[cfg(test)]
mod tests;
