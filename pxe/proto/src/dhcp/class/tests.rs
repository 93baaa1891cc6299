//! Clients by table.

use super::*;

type Sent<'a> = &'a [(u8, &'a [u8])];
type Row<'a> = (Sent<'a>, Option<Firmware>);

const PXE: &[u8] = b"PXEClient:Arch:00007:UNDI:003000";
const HTTP: &[u8] = b"HTTPClient:Arch:00016:UNDI:003001";
const X64: Arch = Arch::X64;
const ARM: Arch = Arch::Arm64;

#[test]
fn firmware_by_options() {
    let table: &[Row<'_>] = &[
        (&[(60, b"PXEClient"), (93, &[0, 0])], Some(Firmware::BiosPxe)),
        (&[(60, b"PXEClient")], Some(Firmware::BiosPxe)),
        (&[(60, b"PXEClient:Arch:00000:UNDI:002001")], Some(Firmware::BiosPxe)),
        (&[(60, PXE), (93, &[0, 7])], Some(Firmware::UefiPxe(X64))),
        (&[(60, PXE), (93, &[0, 9])], Some(Firmware::UefiPxe(X64))),
        (&[(60, PXE)], Some(Firmware::UefiPxe(X64))),
        (&[(60, PXE), (93, &[0, 6, 0, 7])], Some(Firmware::UefiPxe(X64))),
        (&[(60, PXE), (93, &[0, 11])], Some(Firmware::UefiPxe(ARM))),
        (&[(60, b"PXEClient:Arch:00011:UNDI:003000")], Some(Firmware::UefiPxe(ARM))),
        (&[(60, HTTP), (93, &[0, 16])], Some(Firmware::UefiHttp(X64))),
        (&[(60, HTTP)], Some(Firmware::UefiHttp(X64))),
        (&[(60, b"HTTPClient:Arch:00019:UNDI:003001"), (93, &[0, 19])], Some(Firmware::UefiHttp(ARM))),
        // A broken list counts as none.
        (&[(60, PXE), (93, &[7])], Some(Firmware::UefiPxe(X64))),
        (&[(60, PXE), (93, &[])], Some(Firmware::UefiPxe(X64))),
        (&[(60, b"PXEClient"), (77, b"iPXE"), (93, &[0, 0])], Some(Firmware::IpxeBios)),
        (&[(60, b"PXEClient"), (77, b"\x04iPXE"), (93, &[0, 7])], Some(Firmware::IpxeUefi(X64))),
        (&[(77, b"iPXE"), (93, &[0, 11])], Some(Firmware::IpxeUefi(ARM))),
        (&[(77, b"iPXE"), (175, &[19, 1, 1, 36, 1, 1])], Some(Firmware::IpxeUefi(X64))),
        (&[(77, b"iPXE"), (175, &[19, 1, 1, 36, 1, 0])], Some(Firmware::IpxeBios)),
        (&[(77, b"iPXE"), (175, &[19, 200, 1])], Some(Firmware::IpxeBios)),
        // Its user class was changed by a script of its own.
        (
            &[(60, b"PXEClient"), (77, b"mine"), (93, &[0, 7]), (175, &[19, 1, 1])],
            Some(Firmware::IpxeUefi(X64)),
        ),
        // It has no HTTP: a ROM like another.
        (&[(60, b"PXEClient"), (77, b"iPXE"), (93, &[0, 0]), (175, &[18, 1, 1])], Some(Firmware::BiosPxe)),
        (&[(60, b"PXEClient"), (77, b"iPXE"), (93, &[0, 0]), (175, &[19, 1, 0])], Some(Firmware::BiosPxe)),
        (&[(60, b"PXEClient"), (77, b"gPXE"), (93, &[0, 0]), (175, &[19, 1, 1])], Some(Firmware::BiosPxe)),
        (&[(60, b"udhcp 1.35.0")], None),
        (&[(60, b"MSFT 5.0"), (93, &[0, 7])], None),
        (&[], None),
    ];
    for (options, expected) in table {
        let class = classify(&Options::of(options));
        assert_eq!((class.firmware, class.unsupported), (*expected, None), "{options:?}");
        assert_eq!(class.dialect == Dialect::System, expected.is_none(), "{options:?}");
    }
}

#[test]
fn architectures_without_a_loader_are_named_and_get_none() {
    let table: &[(Sent<'_>, Option<u16>, &str)] = &[
        (&[(60, PXE), (93, &[0, 6])], Some(6), "32-bit x86 UEFI (architecture 6)"),
        (&[(60, PXE), (93, &[0, 27, 0, 28])], Some(27), "RISC-V (architecture 27)"),
        (&[(60, PXE), (93, &[0xff, 0xff])], Some(65535), "architecture 65535"),
        (&[(60, HTTP), (93, &[0, 0])], Some(0), "architecture 0"),
        (&[(77, b"iPXE"), (93, &[0, 10])], Some(10), "32-bit Arm UEFI (architecture 10)"),
        (&[(60, b"HTTPClient")], None, ""),
        (&[(60, b"HTTPClient:Arch:x")], None, ""),
    ];
    for (options, number, text) in table {
        let class = classify(&Options::of(options));
        assert_eq!((class.firmware, class.unsupported), (None, number.map(Unsupported)), "{options:?}");
        assert_ne!(class.dialect, Dialect::System, "{options:?}");
        assert_eq!(class.unsupported.map(|it| it.to_string()).unwrap_or_default(), *text);
    }
}
