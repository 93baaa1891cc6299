//! Entries of an event log, and a BMC's answers about it: any bytes become words that can be printed, and a walk over
//! records ends whatever the BMC says comes next.
#![no_main]

use bmc_proto::ipmi::IpmiCommand;
use bmc_proto::ipmi::chain::{Chain, ChainError, FIRST, LAST};
use bmc_proto::ipmi::sdr;
use bmc_proto::ipmi::sel::{
    AddSelEntry, ClearSel, GetSelAllocation, GetSelEntry, GetSelInfo, GetSelTime, GetSelUtcOffset, LENGTH,
    Record, ReserveSel, describe, time,
};
use bmc_proto::ipmi::text::is_printable;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

/// As many records as a walk may read.
const MOST: usize = 20;

fuzz_target!(|data: &[u8]| {
    answers(data);
    walk(data);
    let Some((entry, rest)) = data.split_first_chunk::<LENGTH>() else { return };
    let record = Record::parse(entry);
    assert_eq!(record.encode(), *entry);
    let sensors = match sdr::Record::parse(rest) {
        Some(sdr::Record::Sensor(sensor)) => sensor.expand(),
        _ => Vec::new(),
    };
    for offset in [0, 60, -1440] {
        let told = describe(&record, &sensors, offset);
        for text in [&told.sensor, &told.kind, &told.message] {
            assert!(text.chars().all(is_printable), "{told:?}");
            assert!(text.len() < 512, "{told:?}");
        }
        if let (Some(at), Some(timestamp)) = (told.at, record.timestamp()) {
            assert_eq!(time::from_unix(at, offset), Some(timestamp));
        }
    }
});

/// None of them panics, and none makes up what isn't there.
fn answers(data: &[u8]) {
    if let Ok(info) = GetSelInfo::parse_success_response(data) {
        assert!(data.len() >= 14 && info.supported_cmds.len() <= 4);
    }
    assert!(GetSelAllocation::parse_success_response(data).is_err() || data.len() >= 6);
    assert!(GetSelTime::parse_success_response(data).is_err() || data.len() >= 4);
    assert!(AddSelEntry::parse_success_response(data).is_err() || data.len() >= 2);
    assert!(ClearSel::parse_success_response(data).is_err() || !data.is_empty());
    assert!(ReserveSel::parse_success_response(data).is_err() || data.len() >= 2);
    if let Ok(minutes) = GetSelUtcOffset::parse_success_response(data) {
        assert!(minutes.unsigned_abs() <= 1440);
    }
    if let Ok(part) = GetSelEntry::parse_success_response(data) {
        assert_eq!(part.bytes.len() + 2, data.len());
    }
}

/// Each pair of bytes is what a BMC names as the next record.
fn walk(data: &[u8]) {
    let mut chain = Chain::new(MOST);
    let mut asked = BTreeSet::from([FIRST]);
    for pair in data.chunks_exact(2) {
        match chain.follow(u16::from_le_bytes([pair[0], pair[1]])) {
            Ok(Some(id)) => assert!(id != LAST && asked.insert(id) && asked.len() <= MOST, "asked twice"),
            Ok(None) => return,
            Err(ChainError::Circle { id, after }) => {
                assert!(asked.contains(&id) && after == asked.len());
                return;
            }
            Err(ChainError::Endless { .. }) => {
                assert_eq!(asked.len(), MOST);
                return;
            }
        }
    }
}
