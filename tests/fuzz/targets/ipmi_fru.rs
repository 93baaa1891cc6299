//! Inventories of parts: any bytes are read without harm, what comes out can be printed and is no longer than what went
//! in allows, and what we write is read.
#![no_main]

use bmc_proto::ipmi::IpmiCommand;
use bmc_proto::ipmi::fru::{
    Area, AreaKind, BoardArea, ChassisArea, Contents, GetFruInfo, ProductArea, ReadFru, parse, parse_area,
};
use bmc_proto::ipmi::text::is_printable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = GetFruInfo::parse_success_response(data);
    let _ = ReadFru::parse_success_response(data);
    let (areas, problems) = parse(data);
    assert!(areas.len() <= 3 && problems.len() <= 16, "{problems:?}");
    assert!(problems.iter().all(|problem| problem.chars().all(is_printable)));
    areas.iter().for_each(|area| check(area, data.len()));
    for kind in [AreaKind::Chassis, AreaKind::Board, AreaKind::Product] {
        let mut problems = Vec::new();
        check(&parse_area(kind, data, &mut problems), data.len());
        assert!(problems.len() <= 4, "{problems:?}");
    }
    write(data);
});

fn check(area: &Area, length: usize) {
    // Two digits for a byte of binary; "made" and the type have texts of their own.
    let text: usize = area.fields.iter().map(|field| field.value.chars().count()).sum();
    assert!(text <= 2 * length + 64);
    assert!(area.fields.len() <= length + 2);
    for field in &area.fields {
        assert!(!field.value.is_empty() && field.value.chars().all(is_printable), "{field:?}");
    }
}

/// Whatever the texts are, the areas are whole, and plain texts come back.
fn write(data: &[u8]) {
    let texts: Vec<String> =
        data.chunks(40).take(30).map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect();
    let text = |index: usize| texts.get(index).cloned().unwrap_or_default();
    let contents = Contents {
        chassis: Some(ChassisArea {
            kind: 0x17,
            part_number: text(0),
            serial: text(1),
            extra: texts.clone(),
        }),
        board: Some(BoardArea {
            made: 1,
            manufacturer: text(2),
            name: text(3),
            serial: text(4),
            part_number: text(5),
            extra: texts.clone(),
        }),
        product: Some(ProductArea {
            manufacturer: text(6),
            name: text(7),
            part_number: text(8),
            version: text(9),
            serial: text(10),
            asset_tag: text(11),
            extra: texts.clone(),
        }),
    };
    let (areas, problems) = parse(&contents.encode());
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(areas.len(), 3);
    let serial = text(1);
    let plain = serial.len() > 1 && serial.chars().all(|char| char.is_ascii_graphic());
    if plain {
        let found = areas[0].fields.iter().find(|field| field.name == "serial").expect("it was written");
        assert_eq!(found.value, serial);
    }
}
