//! What a conversation means: the usual ways in which a boot fails, told from what was asked and what was not.
//!
//! Pure, over the entries of one machine. Only what is seen on the wire is judged; nothing is changed by it.

mod dhcp;
mod files;

use super::Entry;
use super::attempt::{Attempt, attempts};
use serde::{Deserialize, Serialize};

/// How long a client may be quiet before it counts as stuck, in milliseconds. Firmware retries within 4 to 16 s.
const QUIET: u64 = 20_000;

/// How long a kernel may take from its last file to the agent's call, in milliseconds.
const START: u64 = 90_000;

/// How far back boots count for repeated failures, in milliseconds before the last entry.
const LATELY: u64 = 3_600_000;

/// How long a machine may take from power on to its first DHCP message, in milliseconds: servers test their memory.
const SELF_TEST: u64 = 180_000;

/// What is wrong with a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// It was switched on, and nothing was heard of it.
    NothingHeard,
    /// It took the offer of another DHCP server.
    TookOtherOffer,
    /// We keep silent, since another DHCP server is there.
    SilentForRogue,
    /// We keep silent, since it has no reservation.
    NotReserved,
    /// We keep silent, since it asks too often.
    RateLimited,
    /// We keep silent, since there is no free address.
    NoFreeAddress,
    /// We keep silent, since its relay is not declared.
    UndeclaredRelay,
    /// We keep silent, since leases can't be stored.
    StoreFails,
    /// It got no answer, since the server had too much to do.
    ServerBusy,
    /// It got no answer for another reason.
    Unanswered,
    /// Its firmware is of an architecture that we have nothing for.
    UnsupportedArchitecture,
    /// It asks again and again and never takes our offer.
    NeverTookOffer,
    /// It is told again and again that it can't have its address.
    NakLoop,
    /// It found its address in use by another host.
    AddressDeclined,
    /// We found the address that it was offered in use by another host.
    AddressConflict,
    /// Only its questions to port 4011 reach us.
    OnlyProxyPort,
    /// It has an address, and never asked for the loader.
    NoLoaderRequest,
    /// It asked for a loader that we did not give it.
    LoaderRefused,
    /// It asked for the loader's size, and never for the loader.
    SizeProbeOnly,
    /// Its loader broke off.
    LoaderBroken,
    /// It fetched its loader again and again, and that never got further.
    LoaderLoop,
    /// It fetched its loader, and nothing was heard since.
    LoaderSilent,
    /// Its loader has an address, and never asked for the script.
    NoScriptRequest,
    /// It has the script, and never asked for the kernel.
    NoKernelRequest,
    /// The kernel or the ramdisk broke off.
    KernelBroken,
    /// It has the kernel, and never asked for the ramdisk.
    NoRamdiskRequest,
    /// It has kernel and ramdisk, and its agent never called in.
    NoAgent,
    /// It was not expected, and was sent to its disk.
    OutsideWindow,
    /// It was expected, and was sent to its disk, since there is no chain for it.
    NothingToBoot,
}

/// What a conversation means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What is wrong.
    pub kind: Fault,
    /// One sentence: what was seen.
    pub sentence: String,
    /// What mostly mends it.
    pub mend: String,
}

impl Diagnosis {
    fn new(kind: Fault, sentence: impl Into<String>, mend: impl Into<String>) -> Self {
        Diagnosis { kind, sentence: sentence.into(), mend: mend.into() }
    }
}

/// What the last boot and those before it mean, the likeliest cause of the trouble first; nothing when the boot is
/// under way or came to its end. `entries` are those of one machine, oldest first; `now` is in milliseconds since
/// 1970.
#[must_use]
pub fn diagnose(entries: &[Entry], now: u64) -> Vec<Diagnosis> {
    let Some(last) = entries.last().map(|entry| entry.at) else { return Vec::new() };
    let lately = entries.partition_point(|entry| entry.at < last.saturating_sub(LATELY));
    let boots = attempts(&entries[lately..]);
    let Some(boot) = boots.last() else { return Vec::new() };
    if boot.agent() {
        return Vec::new();
    }
    let quiet = now.saturating_sub(boot.last_at());
    let mut found: Vec<_> = files::looped(&boots).into_iter().collect();
    // The furthest stage that it reached says where it is stuck.
    let sent_away = boot.script() == Some("disk");
    let got_further = boot.files().next().is_some() || boot.script().is_some();
    found.extend(if got_further && !sent_away {
        files::stuck(boot, quiet)
    } else {
        dhcp::stuck(boot, quiet)
    });
    found.extend(dhcp::strange(boot));
    found
}

/// What it means when a machine that is expected was sent to its disk all the same.
#[must_use]
pub fn nothing_to_boot() -> Diagnosis {
    Diagnosis::new(
        Fault::NothingToBoot,
        "It is expected, but was sent to its disk: there is nothing to boot its firmware with.",
        "The log says which chain is missing. Unified kernel images, the only way for 64-bit Arm, need `boot.stub_x64` \
         or `boot.stub_arm64` with its kernel and ramdisk; the chain `ipxe` needs ipxe.efi; or choose another by \
         `billet machine set --boot-chain`.",
    )
}

/// Says so when nothing was heard of a machine since it was switched on to boot from the network (`since`, in
/// milliseconds since 1970).
#[must_use]
pub fn unheard(entries: &[Entry], since: u64, now: u64) -> Option<Diagnosis> {
    let heard = entries.iter().any(|entry| entry.at >= since);
    (!heard && now.saturating_sub(since) >= SELF_TEST).then(|| {
        Diagnosis::new(
            Fault::NothingHeard,
            "Nothing was heard of it since it was switched on.",
            "Look whether it boots from the network at all (the boot order, network boot of that card), whether the MAC \
             addresses are right, and whether its switch port is up and in the VLAN of this network.",
        )
    })
}

/// Whether enough time went by to say that the next stage does not come.
fn is_over(quiet: u64) -> bool {
    quiet >= QUIET
}

/// A text for the files of a boot: what came, of how much.
fn arrived(bytes: u64, size: u64) -> String {
    if size == 0 { format!("{bytes} bytes") } else { format!("{bytes} of {size} bytes") }
}

/// The last boot's interface with relays: through which one it speaks.
fn relay(boot: &Attempt<'_>) -> Option<std::net::Ipv4Addr> {
    boot.dhcp().rev().find_map(|dhcp| dhcp.relay)
}
