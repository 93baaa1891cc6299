//! The choice of a boot chain: what the machine's owner wants, what the firmware can, and what failed lately.

use super::{Arch, Firmware};
use crate::trace::{Entry, Role, Transfer, What};
use serde::{Deserialize, Serialize};

/// How a machine gets from its UEFI firmware to our agent. A BIOS always goes by `undionly.kpxe` and a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// iPXE on the firmware's own network driver, then a script.
    Snponly,
    /// iPXE with its own drivers, then a script.
    Ipxe,
    /// A unified kernel image: kernel, ramdisk and command line in one file that the firmware starts.
    Uki,
}

/// What is wanted for a machine or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// Whatever works: the usual chain first, another one after it failed.
    #[default]
    Auto,
    /// Always [`Chain::Snponly`].
    Snponly,
    /// Always [`Chain::Ipxe`].
    Ipxe,
    /// Always [`Chain::Uki`].
    Uki,
}

/// The chain for a client. `failures` are the chains that failed for it lately, in any order; `available` are those
/// whose files we have. `None` when we have none for its architecture.
#[must_use]
pub fn choose(
    firmware: Firmware,
    preference: Preference,
    failures: &[Chain],
    available: impl Fn(Chain, Arch) -> bool,
) -> Option<Chain> {
    let arch = firmware.arch();
    let order: &[Chain] = match (firmware, preference) {
        // It is beyond the choice already: there is one loader for it.
        (Firmware::BiosPxe | Firmware::IpxeBios | Firmware::IpxeUefi(_), _) => return Some(Chain::Snponly),
        (_, Preference::Snponly) => &[Chain::Snponly],
        (_, Preference::Ipxe) => &[Chain::Ipxe],
        (_, Preference::Uki) => &[Chain::Uki],
        // Its own drivers take the firmware's away: last.
        (_, Preference::Auto) => &[Chain::Snponly, Chain::Uki, Chain::Ipxe],
    };
    let usable: Vec<_> = order.iter().copied().filter(|chain| available(*chain, arch)).collect();
    // When all have failed, the first is tried again: the fault may be mended meanwhile.
    usable.iter().copied().find(|chain| !failures.contains(chain)).or(usable.first().copied())
}

/// How many boots may end with a chain's loader before the chain counts as failed.
const TRIES: u32 = 2;

/// The chains that failed for a client since `opened` (milliseconds since 1970): their loader was fetched in two boots
/// without its next stage, which is the script for iPXE, and the agent or its DHCP client for a unified kernel image.
/// A chain that leads to the agent clears itself alone: what failed before it would fail again. `entries` are the
/// client's, oldest first.
#[must_use]
pub fn failures<'a>(entries: impl IntoIterator<Item = &'a Entry>, opened: u64) -> Vec<Chain> {
    let mut tries: Vec<(Chain, u32)> = Vec::new();
    // A loader that is fetched twice in one boot is one try.
    let mut fresh = true;
    let mut last = None;
    for entry in entries.into_iter().filter(|entry| entry.at >= opened) {
        match &entry.what {
            What::Dhcp(dhcp) => match dhcp.firmware {
                Some(Firmware::BiosPxe | Firmware::UefiPxe(_) | Firmware::UefiHttp(_)) => {
                    fresh |= dhcp.message == "DISCOVER";
                }
                Some(Firmware::IpxeBios | Firmware::IpxeUefi(_)) => {}
                None => tries.retain(|(chain, _)| *chain != Chain::Uki),
            },
            What::Script { .. } => tries.retain(|(chain, _)| *chain == Chain::Uki),
            What::Agent => tries.retain(|(chain, _)| Some(*chain) != last),
            what => {
                let Some((name, Transfer::Done { .. } | Transfer::Broken { .. })) = what.file() else {
                    continue;
                };
                let Some(Role::Loader(Some(chain))) = Role::of(name) else { continue };
                last = Some(chain);
                if std::mem::take(&mut fresh) {
                    match tries.iter_mut().find(|(known, _)| *known == chain) {
                        Some((_, count)) => *count += 1,
                        None => tries.push((chain, 1)),
                    }
                }
            }
        }
    }
    tries.into_iter().filter(|(_, count)| *count >= TRIES).map(|(chain, _)| chain).collect()
}

#[cfg(test)]
mod tests;
