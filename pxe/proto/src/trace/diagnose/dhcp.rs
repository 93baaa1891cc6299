//! Boots that don't get as far as a file: what DHCP shows of them.

use super::{Diagnosis, Fault, files, is_over, relay};
use crate::boot::BootAnswer;
use crate::trace::attempt::Attempt;
use crate::trace::silence::{Reason, reason};
use crate::trace::{Dhcp, What};

/// How many offers that nobody takes are too many: firmware asks four times before it gives up.
const OFFERS: usize = 2;

/// How many refusals of an address are a loop.
const NAKS: usize = 3;

/// Where a boot is stuck that asked for no file.
pub(super) fn stuck(boot: &Attempt<'_>, quiet: u64) -> Option<Diagnosis> {
    unsupported(boot)
        .or_else(|| other_server(boot))
        .or_else(|| unanswered(boot))
        .or_else(|| outside(boot))
        .or_else(|| only_4011(boot, quiet))
        .or_else(|| never_took(boot, quiet))
        .or_else(|| files::no_script_yet(boot, quiet))
        .or_else(|| files::other_name(boot, quiet))
        .or_else(|| no_loader(boot, quiet))
}

/// What is strange, however far the boot came.
pub(super) fn strange(boot: &Attempt<'_>) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    let since_ack = boot.dhcp().rev().take_while(|dhcp| dhcp.reply.as_deref() != Some("ACK"));
    let naks = since_ack.filter(|dhcp| dhcp.reply.as_deref() == Some("NAK")).count();
    if naks >= NAKS {
        found.push(Diagnosis::new(
            Fault::NakLoop,
            format!("It was told {naks} times that it can't have the address that it asks for."),
            "It insists on an address of another network or another client: clear its old lease, look whether it was \
             moved to another VLAN, and whether its reservation fits the network that it is on.",
        ));
    }
    if let Some(declined) = boot.dhcp().rev().find(|dhcp| dhcp.message == "DECLINE") {
        let which = declined.requested.map_or("its address".to_owned(), |address| address.to_string());
        found.push(Diagnosis::new(
            Fault::AddressDeclined,
            format!("It declined {which}: another host uses that address."),
            "The address is in quarantine for half an hour. Find the host that took it by hand, or exclude the \
             address in the configuration.",
        ));
    }
    let conflict = boot.entries.iter().rev().find_map(|entry| match &entry.what {
        What::Conflict { address, with } => Some((address, with)),
        _ => None,
    });
    if let Some((address, with)) = conflict {
        let host = with.map_or("another host".to_owned(), |mac| format!("the host {}", text(mac)));
        found.push(Diagnosis::new(
            Fault::AddressConflict,
            format!("The address {address} that it was offered is used by {host}."),
            "The address is in quarantine for half an hour. Give that host a reservation, or exclude the address in \
             the configuration.",
        ));
    }
    found
}

fn unsupported(boot: &Attempt<'_>) -> Option<Diagnosis> {
    let arch = boot.dhcp().rev().find_map(|dhcp| dhcp.unsupported)?;
    let name = match arch {
        6 => "32-bit x86 UEFI",
        10 => "32-bit Arm UEFI",
        15 => "32-bit x86 UEFI HTTP boot",
        18 => "32-bit Arm UEFI HTTP boot",
        25..=30 => "RISC-V",
        37..=40 => "LoongArch",
        _ => "an unknown architecture",
    };
    Some(Diagnosis::new(
        Fault::UnsupportedArchitecture,
        format!("Its firmware is of architecture {arch} ({name}), for which there is no loader."),
        "Machines boot with x86_64 (BIOS or 64-bit UEFI) or 64-bit Arm UEFI; look whether its firmware can be \
         switched to one of these.",
    ))
}

/// It named another server after we made it an offer with an address. Beside our proxy that is as it should be.
fn other_server(boot: &Attempt<'_>) -> Option<Diagnosis> {
    let messages: Vec<_> = boot.dhcp().collect();
    let last = messages.iter().rposition(|dhcp| dhcp.message == "REQUEST")?;
    let server = messages[last].server?;
    // Silence for a reason of our own says nothing of the server that it chose: that may be us.
    let silence = messages[last].silence.as_deref();
    if silence.is_some_and(|words| reason(words) != Some(Reason::AnotherServer)) {
        return None;
    }
    let proxied = messages[..last].iter().any(|dhcp| is_offer(dhcp) && dhcp.address.is_none());
    (messages[last].reply.is_none() && !proxied).then(|| {
        Diagnosis::new(
            Fault::TookOtherOffer,
            format!("It took the offer of another DHCP server, {server}."),
            format!(
                "Find that server and switch it off, or list it in `known_servers` and set `dhcp = \"proxy\"` for this \
                 network if {server} is to give the addresses."
            ),
        )
    })
}

/// It asked, and the last that it got was silence.
fn unanswered(boot: &Attempt<'_>) -> Option<Diagnosis> {
    let last = boot.dhcp().rfind(|dhcp| dhcp.message == "DISCOVER" || dhcp.message == "REQUEST")?;
    let words = last.silence.as_deref().filter(|_| last.reply.is_none())?;
    let (kind, sentence, mend) = match reason(words) {
        Some(Reason::NoneDue | Reason::AnotherServer) => return None,
        Some(Reason::Unreserved) => (
            Fault::NotReserved,
            "It got no answer: this network serves reservations only, and it has none that can be used.".to_owned(),
            "`billet network reservation add` gives it one. If it has one, another host was found at that address: \
             `billet network leases` shows it in quarantine."
                .to_owned(),
        ),
        Some(Reason::Rogue) => (
            Fault::SilentForRogue,
            "It got no answer: another DHCP server is on this network, and we keep silent while it is.".to_owned(),
            "`billet network show` names that server: switch it off, list it in `known_servers`, or set \
             `rogue = \"alarm\"`."
                .to_owned(),
        ),
        Some(Reason::RateLimited) => (
            Fault::RateLimited,
            "It got no answer: it asks more often than the limit for one client allows.".to_owned(),
            "Look for a loop in the network, or for a client that restarts all the time.".to_owned(),
        ),
        Some(Reason::Busy) => (
            Fault::ServerBusy,
            "It got no answer: the server had too much to do just then.".to_owned(),
            "It will ask again. When this lasts, look what else runs on this host, and whether the disk of the \
             database keeps up (`billet_lease_commit_seconds` in the metrics)."
                .to_owned(),
        ),
        Some(Reason::NoAddress) => (
            Fault::NoFreeAddress,
            "It got no answer: no address is free.".to_owned(),
            "Widen the range of its subnet in the configuration, or shorten the leases.".to_owned(),
        ),
        Some(Reason::UndeclaredRelay) => (
            Fault::UndeclaredRelay,
            format!(
                "It got no answer: its relay {} speaks for no declared subnet.",
                last.relay.map_or(String::new(), |relay| relay.to_string())
            ),
            "Declare the subnet behind that relay under `[[networks.subnets]]`, or set the relay's address right."
                .to_owned(),
        ),
        Some(Reason::Store) => (
            Fault::StoreFails,
            "It got no answer: its lease could not be stored.".to_owned(),
            "The service's log says why; mostly the disk of the database is full.".to_owned(),
        ),
        None => (
            Fault::Unanswered,
            format!("It got no answer: {words}."),
            "Look at the conversation above.".to_owned(),
        ),
    };
    Some(Diagnosis::new(kind, sentence, mend))
}

fn outside(boot: &Attempt<'_>) -> Option<Diagnosis> {
    let disk = boot.told() == Some(BootAnswer::Disk) || boot.script() == Some("disk");
    disk.then(|| {
        Diagnosis::new(
            Fault::OutsideWindow,
            "Its network boot was not expected, so it was sent to its disk.",
            "That is as it should be unless a job waits for it: then look whether its MAC addresses are right \
             (`billet machine show`) and whether it is held (`billet why`). Unknown machines are only looked at where \
             `discovery = true`.",
        )
    })
}

fn only_4011(boot: &Attempt<'_>, quiet: u64) -> Option<Diagnosis> {
    let mut messages = boot.dhcp().peekable();
    messages.peek()?;
    (messages.all(|dhcp| dhcp.port == 4011) && is_over(quiet)).then(|| {
        Diagnosis::new(
            Fault::OnlyProxyPort,
            "Only its questions to port 4011 reach us, none to port 67.",
            "Another DHCP server answers it and sends option 60 \"PXEClient\", which makes it ask 4011: take that \
             option away there, let broadcasts to port 67 through, and open UDP 69 (TFTP) towards us.",
        )
    })
}

fn never_took(boot: &Attempt<'_>, quiet: u64) -> Option<Diagnosis> {
    // iPXE may be the card's own firmware.
    let messages = || boot.rom().chain(boot.ipxe());
    let offers = messages().filter(|dhcp| is_offer(dhcp) && dhcp.address.is_some()).count();
    let requested = messages().any(|dhcp| dhcp.message == "REQUEST");
    // A conflict says by itself why an offer came to nothing.
    let conflict = boot.entries.iter().any(|entry| matches!(entry.what, What::Conflict { .. }));
    let silent = offers > 0 && is_over(quiet) && !conflict;
    if requested || !(offers >= OFFERS || silent) {
        return None;
    }
    let mend = match relay(boot) {
        Some(relay) => format!(
            "Our offers go back through the relay {relay}: look whether it can be reached from here at UDP 67, and \
             whether it passes replies on."
        ),
        None => "Another server's offer is taken, or ours don't arrive: look for DHCP snooping on its switch port \
                 (our port must be trusted), for a firewall that drops UDP from 67 to 68, and for a VLAN that lets \
                 broadcasts through in one direction only."
            .to_owned(),
    };
    let sentence = match offers {
        1 => "It was made an offer, did not take it, and is silent since.".to_owned(),
        _ => format!("It was made {offers} offers and took none of them."),
    };
    Some(Diagnosis::new(Fault::NeverTookOffer, sentence, mend))
}

fn no_loader(boot: &Attempt<'_>, quiet: u64) -> Option<Diagnosis> {
    let told = boot.rom().rfind(|dhcp| matches!(dhcp.boot, Some(BootAnswer::Boot(_))))?;
    let answered = matches!(told.reply.as_deref(), Some("ACK"));
    // By an offer without an address, or at port 4011.
    let proxied = (is_offer(told) || answered) && told.address.is_none();
    if !(answered || proxied) || !is_over(quiet) {
        return None;
    }
    let sentence = if proxied {
        "It was told what to boot by our proxy, and never asked for the loader.".to_owned()
    } else {
        "It took our offer, and never asked for the loader.".to_owned()
    };
    Some(Diagnosis::new(
        Fault::NoLoaderRequest,
        sentence,
        "A firewall drops UDP 69 (or TCP 8080 for UEFI HTTP boot) towards us, or the switch port is still blocked by \
         spanning tree: set it to edge (portfast). With several servers look whether it went to another next-server.",
    ))
}

fn is_offer(dhcp: &Dhcp) -> bool {
    dhcp.reply.as_deref() == Some("OFFER")
}

fn text(mac: crate::Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
