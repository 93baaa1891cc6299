//! The choice of a boot chain: what the machine's owner wants, what the firmware can, and what failed lately.

use super::{Arch, Firmware};
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
