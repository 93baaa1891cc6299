//! What kind of client sends a message, by options 60, 77, 93 and 175.
//!
//! Architecture numbers are IANA's "Processor Architecture Types"; which of them have a loader is decided here.

use super::code;
use super::options::{Options, sub_option};
use crate::boot::{Arch, Firmware};
use std::fmt;

/// iPXE's feature number "I can fetch by HTTP" in option 175.
const IPXE_HTTP: u8 = 19;
/// iPXE's feature number "I am an EFI binary" in option 175.
const IPXE_EFI: u8 = 36;

/// An architecture (option 93) that we have no loader for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unsupported(pub u16);

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            1 => "NEC PC-98",
            2 => "Itanium UEFI",
            3 => "Alpha",
            4 => "Arc x86",
            5 => "Intel Lean Client",
            6 => "32-bit x86 UEFI",
            8 => "Xscale UEFI",
            10 => "32-bit Arm UEFI",
            12 => "PowerPC Open Firmware",
            13 => "PowerPC ePAPR",
            14 => "POWER OPAL",
            15 => "32-bit x86 UEFI over HTTP",
            18 => "32-bit Arm UEFI over HTTP",
            20 => "x86 BIOS over HTTP",
            17 => "EFI byte code over HTTP",
            21..=24 => "Arm U-Boot",
            25..=30 => "RISC-V",
            31 | 32 => "S/390",
            33 | 34 => "MIPS",
            35 | 36 => "Sunway",
            37..=40 => "LoongArch",
            41 => "Raspberry Pi",
            _ => return write!(f, "architecture {}", self.0),
        };
        write!(f, "{name} (architecture {})", self.0)
    }
}

/// In whose words a client wants to be told what to boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// An operating system: not at all.
    System,
    /// PXE, from a BIOS or UEFI: `PXEClient`.
    Pxe,
    /// UEFI's HTTP boot: `HTTPClient`.
    Http,
    /// iPXE that fetches by HTTP.
    Ipxe,
}

/// What a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    /// Its words.
    pub(super) dialect: Dialect,
    /// What it is, if we have a loader for it.
    pub(super) firmware: Option<Firmware>,
    /// What it is else, if it says so.
    pub(super) unsupported: Option<Unsupported>,
}

/// How a processor is started.
#[derive(Clone, Copy)]
enum Start {
    Bios,
    Uefi(Arch),
}

/// The client, by its options.
pub(super) fn classify(options: &Options) -> Class {
    let vendor = options.get(code::VENDOR_CLASS);
    let dialect = if is_ipxe(options) {
        Dialect::Ipxe
    } else if vendor.starts_with(b"PXEClient") {
        Dialect::Pxe
    } else if vendor.starts_with(b"HTTPClient") {
        Dialect::Http
    } else {
        return Class { dialect: Dialect::System, firmware: None, unsupported: None };
    };
    let (start, first) = start(options);
    let start = match (start, first) {
        // Before RFC 4578 there was only the BIOS.
        (None, None) => match dialect {
            Dialect::Ipxe if has(options, IPXE_EFI) => Some(Start::Uefi(Arch::X64)),
            Dialect::Ipxe | Dialect::Pxe => Some(Start::Bios),
            Dialect::Http | Dialect::System => None,
        },
        (start, _) => start,
    };
    let firmware = match (dialect, start) {
        (Dialect::Ipxe, Some(Start::Bios)) => Some(Firmware::IpxeBios),
        (Dialect::Ipxe, Some(Start::Uefi(arch))) => Some(Firmware::IpxeUefi(arch)),
        (Dialect::Pxe, Some(Start::Bios)) => Some(Firmware::BiosPxe),
        (Dialect::Pxe, Some(Start::Uefi(arch))) => Some(Firmware::UefiPxe(arch)),
        (Dialect::Http, Some(Start::Uefi(arch))) => Some(Firmware::UefiHttp(arch)),
        _ => None,
    };
    let unsupported = if firmware.is_none() { first.map(Unsupported) } else { None };
    Class { dialect, firmware, unsupported }
}

/// The first architecture of the client's that we have something for, and the first that it names at all.
/// Option 93 is a list (RFC 4578, 2.1); without it the vendor class says `PXEClient:Arch:00007:…`.
fn start(options: &Options) -> (Option<Start>, Option<u16>) {
    let mut first = None;
    for pair in options.get(code::CLIENT_ARCHITECTURE).chunks_exact(2) {
        let architecture = u16::from_be_bytes([pair[0], pair[1]]);
        first = first.or(Some(architecture));
        if let Some(start) = known(architecture) {
            return (Some(start), first);
        }
    }
    if first.is_none() {
        first = in_vendor_class(options.get(code::VENDOR_CLASS));
        return (first.and_then(known), first);
    }
    (None, first)
}

fn known(architecture: u16) -> Option<Start> {
    match architecture {
        0 => Some(Start::Bios),
        // 9 is x86_64 by the errata of RFC 4578 that much firmware follows; 16 is the same over HTTP.
        7 | 9 | 16 => Some(Start::Uefi(Arch::X64)),
        11 | 19 => Some(Start::Uefi(Arch::Arm64)),
        _ => None,
    }
}

/// The architecture in `PXEClient:Arch:00007:UNDI:003000`.
fn in_vendor_class(vendor: &[u8]) -> Option<u16> {
    let mut words = vendor.split(|byte| *byte == b':').skip_while(|word| *word != b"Arch").skip(1);
    std::str::from_utf8(words.next()?).ok()?.parse().ok()
}

/// Whether it is an iPXE that can fetch our script. One that says that it has no HTTP (a network card's own, say) is
/// a ROM to us, and gets a loader that has; gPXE, its ancestor, too.
fn is_ipxe(options: &Options) -> bool {
    let user_class = options.get(code::USER_CLASS);
    let encapsulated = options.get(code::IPXE);
    if user_class == b"gPXE" || user_class == b"\x04gPXE" {
        return false;
    }
    // Plain text, or the list form of RFC 3004; who scripts iPXE may have changed it.
    let by_name = user_class == b"iPXE" || user_class == b"\x04iPXE";
    match sub_option(encapsulated, IPXE_HTTP) {
        Some(_) => has(options, IPXE_HTTP),
        None => by_name && !is_list(encapsulated),
    }
}

/// Whether a feature flag is set in iPXE's encapsulated options.
fn has(options: &Options, feature: u8) -> bool {
    sub_option(options.get(code::IPXE), feature).is_some_and(|value| value.iter().any(|byte| *byte != 0))
}

/// Whether it is a list of sub-options, whole and not empty.
fn is_list(list: &[u8]) -> bool {
    let mut rest = list;
    while let [_, length, tail @ ..] = rest {
        let Some((_, next)) = tail.split_at_checked(usize::from(*length)) else { return false };
        rest = next;
    }
    rest.is_empty() && !list.is_empty()
}

#[cfg(test)]
mod tests;
