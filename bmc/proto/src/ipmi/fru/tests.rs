//! Inventories of real boards, wrong ones, and noise.

use super::*;
use crate::ipmi::text::is_printable;
use crate::ipmi::{IpmiCommand, Message};
use proptest::prelude::*;

fn field(areas: &[Area], kind: AreaKind, name: &str) -> Option<String> {
    let area = areas.iter().find(|area| area.kind == kind)?;
    area.fields.iter().find(|field| field.name == name).map(|field| field.value.clone())
}

fn contents() -> Contents {
    Contents {
        chassis: Some(ChassisArea {
            kind: 0x17,
            part_number: "CHS-100".into(),
            serial: "C0001".into(),
            extra: vec!["blue".into(), "rack 7".into()],
        }),
        board: Some(BoardArea {
            made: 13_674_307,
            manufacturer: "Billet".into(),
            name: "Board".into(),
            serial: "B0001".into(),
            part_number: "BRD-200".into(),
            extra: vec![],
        }),
        product: Some(ProductArea {
            manufacturer: "Billet".into(),
            name: "Server".into(),
            part_number: "SRV-300".into(),
            version: "1.0".into(),
            serial: "S0001".into(),
            asset_tag: "Z".into(),
            extra: vec![],
        }),
    }
}

#[test]
fn all_fields() {
    let (areas, problems) = parse(&contents().encode());
    assert!(problems.is_empty(), "{problems:?}");
    let table = [
        (AreaKind::Chassis, "type", "Rack Mount Chassis"),
        (AreaKind::Chassis, "part-number", "CHS-100"),
        (AreaKind::Chassis, "serial", "C0001"),
        (AreaKind::Chassis, "extra", "blue"),
        (AreaKind::Board, "made", "2021-12-31T01:07:00Z"),
        (AreaKind::Board, "manufacturer", "Billet"),
        (AreaKind::Board, "name", "Board"),
        (AreaKind::Board, "serial", "B0001"),
        (AreaKind::Board, "part-number", "BRD-200"),
        (AreaKind::Product, "name", "Server"),
        (AreaKind::Product, "part-number", "SRV-300"),
        (AreaKind::Product, "version", "1.0"),
        (AreaKind::Product, "serial", "S0001"),
        (AreaKind::Product, "asset-tag", "Z"),
    ];
    for (kind, name, value) in table {
        assert_eq!(field(&areas, kind, name).as_deref(), Some(value), "{kind:?} {name}");
    }
    assert_eq!(areas[0].fields.iter().filter(|field| field.name == "extra").count(), 2);
    assert_eq!(field(&areas, AreaKind::Board, "file-id"), None, "an empty field says nothing");
}

#[test]
fn wrong_checksums_are_said_and_fields_are_read() {
    let mut bytes = contents().encode();
    let board = usize::from(bytes[3]) * HEADER;
    bytes[7] ^= 1;
    bytes[board + 8] ^= 0x20;
    let (areas, problems) = parse(&bytes);
    assert_eq!(problems, ["the checksum of its header is wrong", "the checksum of the board area is wrong"]);
    assert_eq!(areas.len(), 3);
    assert_eq!(field(&areas, AreaKind::Board, "name").as_deref(), Some("Board"));
}

#[test]
fn what_is_cut_or_empty() {
    let bytes = contents().encode();
    let product = usize::from(bytes[4]) * HEADER;
    let (areas, problems) = parse(&bytes[..product + 20]);
    assert_eq!(areas.len(), 3);
    assert_eq!(field(&areas, AreaKind::Product, "manufacturer").as_deref(), Some("Billet"));
    assert!(
        problems.contains(&"a field of the product area is longer than the area".to_owned()),
        "{problems:?}"
    );
    let (_, problems) = parse(&bytes[..product]);
    assert_eq!(problems, ["the product area is not where the header says"]);
    assert_eq!(parse(&[]).1, ["there is no header"]);
    assert_eq!(parse(&[0xFF; 64]).1, ["nothing is written into it"]);
    assert_eq!(parse(&[0x02, 0, 0, 0, 0, 0, 0, 0xFE]).1, ["its format has version 2, we know 1"]);
}

#[test]
fn languages_and_codings() {
    let area = |language: u8, field: &[u8]| {
        let mut bytes = vec![1, 1, language];
        bytes.extend(field);
        bytes.push(0xC1);
        let mut problems = Vec::new();
        let area = parse_area(AreaKind::Product, &bytes, &mut problems);
        area.fields.first().map(|field| field.value.clone())
    };
    let table: [(u8, &[u8], &str); 7] = [
        (25, b"\xC3HPE", "HPE"),
        // Chinese, in UTF-16; and a board that says Chinese and writes ASCII.
        (8, &[0xC4, 0x2D, 0x4E, 0x87, 0x65], "中文"),
        (8, b"\xC4Asus", "Asus"),
        (0, &[0x83, 0x29, 0xDC, 0xA6], "IPMI"),
        (0, &[0x42, 0x12, 0x34], "1234"),
        (0, &[0x03, 0x00, 0xAB, 0xFF], "00abff"),
        (0, b"\xC6ab\x1B\x07\x9Bc", "abc"),
    ];
    for (language, field, expected) in table {
        assert_eq!(area(language, field).as_deref(), Some(expected), "{field:?}");
    }
}

#[test]
fn requests_and_answers() {
    let read: Message = ReadFru { id: 2, offset: 0x0104, count: 16 }.into();
    assert_eq!((read.netfn_raw(), read.cmd(), read.data()), (0x0A, 0x11, &[2, 4, 1, 16][..]));
    let info = GetFruInfo::parse_success_response(&[0, 8, 1]).unwrap();
    assert_eq!(info, FruInfo { size: 2048, words: true });
    assert_eq!(ReadFru::parse_success_response(&[2, 7, 8]).unwrap(), [7, 8]);
    assert!(ReadFru::parse_success_response(&[]).is_err());
    assert!(GetFruInfo::parse_success_response(&[0, 8]).is_err());
}

proptest! {
    #[test]
    fn noise(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), offsets: [u8; 3]) {
        if let Some(header) = bytes.get_mut(..5) {
            header[0] = 1;
            header[2..].copy_from_slice(&offsets.map(|offset| offset % 40));
        }
        let (areas, problems) = parse(&bytes);
        prop_assert!(areas.len() <= 3 && problems.len() < 20);
        let fields = areas.iter().flat_map(|area| &area.fields);
        for field in fields {
            prop_assert!(!field.value.is_empty() && field.value.chars().all(is_printable));
        }
    }

    #[test]
    fn what_is_written_is_read(serial in "[!-~]{2,63}", name in "[!-~]{2,80}", extra in proptest::collection::vec("[!-~]{2,70}", 0..60), made in 1u32..0x00FF_FFFF) {
        let mut written = contents();
        if let (Some(chassis), Some(board)) = (&mut written.chassis, &mut written.board) {
            chassis.serial.clone_from(&serial);
            chassis.extra.clone_from(&extra);
            board.name.clone_from(&name);
            board.made = made;
        }
        let (areas, problems) = parse(&written.encode());
        prop_assert!(problems.is_empty(), "{:?}", problems);
        prop_assert_eq!(field(&areas, AreaKind::Chassis, "serial"), Some(serial));
        let cut: String = name.chars().take(63).collect();
        prop_assert_eq!(field(&areas, AreaKind::Board, "name"), Some(cut));
        prop_assert!(field(&areas, AreaKind::Board, "made").is_some());
        prop_assert_eq!(field(&areas, AreaKind::Product, "serial"), Some("S0001".to_owned()));
    }
}
