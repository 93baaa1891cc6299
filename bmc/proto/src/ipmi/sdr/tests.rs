//! Records of real machines, and what comes of records that are cut, wrong, or made of noise.

use super::record::kind;
use super::*;
use crate::ipmi::sensor::{Factors, Format, Scale, Units};
use crate::ipmi::text::is_printable;
use crate::ipmi::{IpmiCommand, Message};
use proptest::prelude::*;

/// `Fan2A` of a Dell PowerEdge R630, as `ipmi-rs-core`'s tests have it.
const FAN_2A: &str = "0d005101302000320 7017fd4040105300500030000120000780200023000 0754c58bff00ffffff000507010100 0000c546616e3241";
/// Its `Inlet Temp`.
const INLET: &str = "1200510135200004 07017f680101853285321b0900010000010280c2300007 97c58bff00ffafaa00798301010000 00ca496e6c65742054656d70";

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

fn sensor(bytes: &[u8]) -> Sensor {
    match Record::parse(bytes) {
        Some(Record::Sensor(sensor)) => *sensor,
        other => panic!("{other:?}"),
    }
}

#[test]
fn real_full_records() {
    let fan = sensor(&bytes(FAN_2A));
    assert_eq!((fan.name.as_str(), fan.number, fan.entity), ("Fan2A", 0x32, (7, 1)));
    assert_eq!((fan.sensor_type, fan.reading_type, fan.form), (4, 1, Form::Full));
    assert_eq!(fan.units.text().as_deref(), Some("RPM"));
    let scale = fan.scale.unwrap();
    assert_eq!(scale.convert(0x2C), Some(5280.0));
    assert_eq!(fan.threshold_access(), ThresholdAccess::Readable);
    assert_eq!(fan.threshold_mask(), 0b11);
    assert_eq!(fan.thresholds, Some([7, 5, 0, 0xFF, 0xFF, 0xFF]));

    let inlet = sensor(&bytes(INLET));
    assert_eq!((inlet.name.as_str(), entity_text(inlet.entity).as_str()), ("Inlet Temp", "system board 1"));
    assert_eq!(inlet.units.text().as_deref(), Some("degrees C"));
    assert_eq!(inlet.scale.unwrap().convert(0x99), Some(25.0));
}

#[test]
fn a_record_that_is_cut_is_read_as_far_as_it_goes() {
    let whole = bytes(INLET);
    // The name is cut, then the fixed part, then the header.
    assert_eq!(sensor(&whole[..whole.len() - 4]).name, "Inlet");
    assert_eq!(Record::parse(&whole[..40]), Some(Record::Other { kind: 1 }));
    assert_eq!(Record::parse(&whole[..4]), None);
    // Its own length is shorter than what came.
    let mut counted = whole;
    counted[4] -= 4;
    assert_eq!(sensor(&counted).name, "Inlet");
}

#[test]
fn reserved_values_do_no_harm() {
    let mut record = compact("Slot", Sharing::default()).encode(1).unwrap();
    // Reserved name modifier, channel 12, sensor number 255, reserved direction: ipmi-rs-core panics or refuses.
    record[5 + 18] = 0xF0;
    record[5 + 1] = 0xC0;
    record[5 + 2] = 0xFF;
    let slot = sensor(&record);
    assert_eq!((slot.name.as_str(), slot.channel, slot.is_readable()), ("Slot", 12, false));
}

fn compact(name: &str, sharing: Sharing) -> Record {
    Record::Sensor(Box::new(Sensor {
        form: Form::Compact,
        owner: BMC,
        channel: 0,
        lun: 0,
        number: 0x40,
        entity: (4, 0x61),
        initialization: 0x67,
        capabilities: 0x40,
        sensor_type: 0x0D,
        reading_type: 0x6F,
        masks: [1, 1, 1],
        units: Units { flags: 0xC0 & 0x3F, base: 0, modifier: 0 },
        scale: None,
        thresholds: None,
        hysteresis: [0; 2],
        sharing,
        name: name.into(),
    }))
}

#[test]
fn one_record_for_many_sensors() {
    let table = [
        (
            Sharing { count: 3, letters: false, offset: 1, instances: true },
            vec!["Slot 1", "Slot 2", "Slot 3"],
        ),
        (
            Sharing { count: 3, letters: true, offset: 24, instances: false },
            vec!["Slot Y", "Slot Z", "Slot AA"],
        ),
        (Sharing { count: 1, letters: true, offset: 0, instances: false }, vec!["Slot"]),
    ];
    for (sharing, names) in table {
        let Record::Sensor(mut shared) = compact("Slot ", sharing) else { unreachable!() };
        shared.name = if names.len() > 1 { "Slot ".into() } else { "Slot".into() };
        let sensors = shared.expand();
        assert_eq!(sensors.iter().map(|sensor| sensor.name.as_str()).collect::<Vec<_>>(), names);
        for (index, sensor) in (0u8..).zip(&sensors) {
            assert_eq!(sensor.number, 0x40 + index);
            assert_eq!(sensor.entity.1, 0x61 + if sharing.instances { index } else { 0 });
        }
    }
    let Record::Sensor(mut last) = compact("x", Sharing { count: 15, ..Sharing::default() }) else {
        unreachable!()
    };
    last.number = 0xFD;
    assert_eq!(last.expand().len(), 3, "numbers end at 255");
}

#[test]
fn locators() {
    let fru = FruLocator {
        address: BMC,
        id: 3,
        logical: true,
        lun: 0,
        channel: 0,
        entity: (0x0A, 1),
        name: "PSU 1".into(),
    };
    let controller = ControllerLocator {
        address: BMC,
        channel: 0,
        capabilities: 0x8F,
        entity: (7, 1),
        name: "BMC".into(),
    };
    for record in [Record::Fru(fru), Record::Controller(controller)] {
        assert_eq!(Record::parse(&record.encode(9).unwrap()), Some(record));
    }
    assert_eq!(Record::parse(&[1, 0, 0x51, kind::FRU, 3, 1, 2, 3]), Some(Record::Other { kind: kind::FRU }));
    assert_eq!(Record::parse(&[1, 0, 0x51, 0xC0, 0]), Some(Record::Other { kind: 0xC0 }));
}

#[test]
fn requests_and_answers() {
    let message = |message: Message| (message.netfn_raw(), message.cmd(), hex::encode(message.data()));
    let get = GetSdr { source: Source::Repository, reservation: 0x1234, id: 0x0007, offset: 5, length: 32 };
    assert_eq!(message(get.into()), (0x0A, 0x23, "341207000520".into()));
    assert_eq!(message(GetSdr { source: Source::Device, ..get }.into()), (0x04, 0x21, "341207000520".into()));
    assert_eq!(message(ReserveSdr(Source::Repository).into()), (0x0A, 0x22, String::new()));
    assert_eq!(message(ReserveSdr(Source::Device).into()), (0x04, 0x22, String::new()));
    let info = bytes("51 1c00 ffff 01020304 05060708 27");
    let info = GetRepositoryInfo::parse_success_response(&info).unwrap();
    assert_eq!((info.records, info.added, info.reserve), (28, 0x0403_0201, true));
    assert!(GetRepositoryInfo::parse_success_response(&[0x51; 13]).is_err());
    let device = GetDeviceSdrInfo::parse_success_response(&[5, 0x81, 1, 0, 0, 0]).unwrap();
    assert_eq!(device, DeviceSdrInfo { sensors: 5, changed: Some(1) });
    assert_eq!(GetDeviceSdrInfo::parse_success_response(&[5, 0x01]).unwrap().changed, None);
}

fn any_sensor() -> impl Strategy<Value = Sensor> {
    let form = prop_oneof![Just(Form::Full), Just(Form::Compact), Just(Form::EventOnly)];
    let format = prop_oneof![
        Just(None),
        Just(Some(Format::Unsigned)),
        Just(Some(Format::OnesComplement)),
        Just(Some(Format::TwosComplement))
    ];
    let factors = (-512i16..512, -512i16..512, -8i8..8, -8i8..8)
        .prop_map(|(m, b, b_exponent, exponent)| Factors { m, b, b_exponent, exponent });
    let bytes: [BoxedStrategy<u8>; 9] = std::array::from_fn(|_| any::<u8>().boxed());
    let sharing = (0u8..16, any::<bool>(), 0u8..128, any::<bool>())
        .prop_map(|(count, letters, offset, instances)| Sharing { count, letters, offset, instances });
    (form, format, factors, bytes, any::<[u16; 3]>(), any::<[u8; 6]>(), sharing, "[!-~]{2,16}", 0u8..128)
        .prop_map(
            |(
                form,
                format,
                factors,
                [a, b, c, d, e, f, g, h, i],
                masks,
                limits,
                sharing,
                name,
                linearization,
            )| {
                let full = form == Form::Full;
                let readable = form != Form::EventOnly;
                Sensor {
                    form,
                    owner: a,
                    channel: b >> 4,
                    lun: b & 3,
                    number: c,
                    entity: (d, e),
                    initialization: if readable { f } else { 0 },
                    capabilities: if readable { g } else { 0 },
                    sensor_type: h,
                    reading_type: i,
                    masks: if readable { masks } else { [0; 3] },
                    units: if readable {
                        let kept = if full { format.map_or(0xC0, Format::bits) } else { 0 };
                        Units { flags: f & 0x3F | kept, base: g, modifier: h }
                    } else {
                        Units::default()
                    },
                    scale: format.filter(|_| full).map(|format| Scale { format, linearization, factors }),
                    thresholds: full.then_some(limits),
                    hysteresis: if readable { [d, e] } else { [0; 2] },
                    sharing: if full { Sharing::default() } else { sharing },
                    name,
                }
            },
        )
}

proptest! {
    #[test]
    fn what_is_built_is_read(sensor in any_sensor(), id: u16) {
        let record = Record::Sensor(Box::new(sensor));
        let bytes = record.encode(id).unwrap();
        prop_assert_eq!(length(&bytes), Some(bytes.len()));
        prop_assert_eq!(Record::parse(&bytes), Some(record));
    }

    #[test]
    fn noise(kind in prop_oneof![1u8..4, 0x11u8..0x13, any::<u8>()], mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Some(at) = bytes.get_mut(3) {
            *at = kind;
        }
        let Some(record) = Record::parse(&bytes) else {
            prop_assert!(bytes.len() < HEADER);
            return Ok(());
        };
        if let Record::Sensor(sensor) = record {
            let sensors = sensor.expand();
            prop_assert!((1..=15).contains(&sensors.len()));
            for sensor in sensors {
                prop_assert!(sensor.name.chars().all(is_printable));
            }
        }
    }
}
