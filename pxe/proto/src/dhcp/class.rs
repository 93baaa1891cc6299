//! What kind of firmware sends a message, by options 60, 77, 93 and 175.
//!
//! Architecture numbers are IANA's "Processor Architecture Types"; only those that we have a loader for count.

use super::code;
use super::request::Options;
use crate::boot::{Arch, Firmware};

/// x86 BIOS.
const X86_BIOS: u16 = 0;
/// x86_64 UEFI; 7 by IANA, 9 by the errata of RFC 4578 that much firmware follows.
const X64_UEFI: [u16; 2] = [7, 9];
/// x86_64 UEFI, HTTP boot.
const X64_UEFI_HTTP: u16 = 16;
/// iPXE's feature number "I am an EFI binary" in option 175.
const IPXE_EFI: u8 = 36;

/// The firmware, or `None` for an operating system and for firmware that we have no loader for.
pub(super) fn classify(options: &Options) -> Option<Firmware> {
    let architectures = architectures(options);
    let is = |wanted: &[u16]| architectures.iter().any(|arch| wanted.contains(arch));
    let vendor = options.get(code::VENDOR_CLASS);

    if is_ipxe(options) {
        return match architectures.first() {
            None if ipxe_has(options, IPXE_EFI) => Some(Firmware::IpxeUefi(Arch::X64)),
            None | Some(&X86_BIOS) => Some(Firmware::IpxeBios),
            _ if is(&X64_UEFI) || is(&[X64_UEFI_HTTP]) => Some(Firmware::IpxeUefi(Arch::X64)),
            _ => None,
        };
    }
    if vendor.starts_with(b"HTTPClient") {
        return is(&[X64_UEFI_HTTP]).then_some(Firmware::UefiHttp(Arch::X64));
    }
    if vendor.starts_with(b"PXEClient") {
        return match architectures.first() {
            // Before RFC 4578 there was only the BIOS.
            None | Some(&X86_BIOS) => Some(Firmware::BiosPxe),
            _ if is(&X64_UEFI) => Some(Firmware::UefiPxe(Arch::X64)),
            _ => None,
        };
    }
    None
}

/// Whether the user class (option 77) says iPXE, as plain text or in the list form of RFC 3004.
fn is_ipxe(options: &Options) -> bool {
    let user_class = options.get(code::USER_CLASS);
    user_class == b"iPXE" || user_class == b"\x04iPXE"
}

/// Whether a feature flag is set in iPXE's encapsulated options (code, length, value …).
fn ipxe_has(options: &Options, feature: u8) -> bool {
    let mut rest = options.get(code::IPXE);
    while let [number, length, tail @ ..] = rest {
        let Some((value, next)) = tail.split_at_checked(usize::from(*length)) else { return false };
        if *number == feature {
            return value.iter().any(|byte| *byte != 0);
        }
        rest = next;
    }
    false
}

/// Option 93 is a list (RFC 4578, 2.1); without it the vendor class says `PXEClient:Arch:00007:…`.
fn architectures(options: &Options) -> Vec<u16> {
    if options.has(code::CLIENT_ARCHITECTURE) {
        let list = options.get(code::CLIENT_ARCHITECTURE).chunks_exact(2);
        return list.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    }
    let vendor = String::from_utf8_lossy(options.get(code::VENDOR_CLASS));
    let mut words = vendor.split(':').skip_while(|word| *word != "Arch").skip(1);
    words.next().and_then(|word| word.parse().ok()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_by_options() {
        let pxe = b"PXEClient:Arch:00007:UNDI:003000".as_slice();
        type Row<'a> = (&'a [(u8, &'a [u8])], Option<Firmware>);
        let table: &[Row<'_>] = &[
            (&[(60, b"PXEClient"), (93, &[0, 0])], Some(Firmware::BiosPxe)),
            (&[(60, b"PXEClient")], Some(Firmware::BiosPxe)),
            (&[(60, b"PXEClient:Arch:00000:UNDI:002001")], Some(Firmware::BiosPxe)),
            (&[(60, pxe), (93, &[0, 7])], Some(Firmware::UefiPxe(Arch::X64))),
            (&[(60, pxe), (93, &[0, 9])], Some(Firmware::UefiPxe(Arch::X64))),
            (&[(60, pxe)], Some(Firmware::UefiPxe(Arch::X64))),
            (&[(60, pxe), (93, &[0, 6, 0, 7])], Some(Firmware::UefiPxe(Arch::X64))),
            (&[(60, pxe), (93, &[0, 11])], None),
            (&[(60, pxe), (93, &[0, 6])], None),
            (
                &[(60, b"HTTPClient:Arch:00016:UNDI:003001"), (93, &[0, 16])],
                Some(Firmware::UefiHttp(Arch::X64)),
            ),
            (&[(60, b"HTTPClient:Arch:00016:UNDI:003001")], Some(Firmware::UefiHttp(Arch::X64))),
            (&[(60, b"HTTPClient:Arch:00019:UNDI:003001"), (93, &[0, 19])], None),
            (&[(60, b"PXEClient"), (77, b"iPXE"), (93, &[0, 0])], Some(Firmware::IpxeBios)),
            (&[(60, b"PXEClient"), (77, b"\x04iPXE"), (93, &[0, 7])], Some(Firmware::IpxeUefi(Arch::X64))),
            (&[(77, b"iPXE"), (93, &[0, 11])], None),
            (&[(77, b"iPXE"), (175, &[36, 1, 1])], Some(Firmware::IpxeUefi(Arch::X64))),
            (&[(77, b"iPXE"), (175, &[19, 1, 1, 36, 1, 0])], Some(Firmware::IpxeBios)),
            (&[(77, b"iPXE"), (175, &[19, 200, 1])], Some(Firmware::IpxeBios)),
            (&[(60, b"udhcp 1.35.0")], None),
            (&[(60, b"MSFT 5.0"), (93, &[0, 7])], None),
            (&[], None),
            (&[(60, pxe), (93, &[7])], Some(Firmware::BiosPxe)),
        ];
        for (options, expected) in table {
            assert_eq!(classify(&Options::of(options)), *expected, "{options:?}");
        }
    }
}
