//! What `ipmi_sim` shows of a machine's board: a sensor, parts with the machine's serial number, an event
//! (ipmi_sim_cmd(5)).

use bmc_proto::ipmi::fru::{BoardArea, Contents, ProductArea};

use crate::spec::Machine;

/// The sensor record "Inlet Temp" of a Dell PowerEdge R630: sensor 4, threshold, degrees C, M 1, B -128; critical above 47.
const INLET: [u8; 58] = [
    0x12, 0x00, 0x51, 0x01, 0x35, 0x20, 0x00, 0x04, 0x07, 0x01, 0x7f, 0x68, 0x01, 0x01, 0x85, 0x32, 0x85,
    0x32, 0x1b, 0x09, 0x00, 0x01, 0x00, 0x00, 0x01, 0x02, 0x80, 0xc2, 0x30, 0x00, 0x07, 0x97, 0xc5, 0x8b,
    0xff, 0x00, 0xff, 0xaf, 0xaa, 0x00, 0x79, 0x83, 0x01, 0x01, 0x00, 0x00, 0x00, 0xca, b'I', b'n', b'l',
    b'e', b't', b' ', b'T', b'e', b'm', b'p',
];

/// Record type, timestamp, generator, format, then: temperature sensor 4, upper critical going high, 48 above 47.
const TOO_WARM: &str = "0x02 0x00 0x00 0x00 0x00 0x20 0x00 0x04 0x01 0x04 0x01 0x59 0xb0";

/// The commands that make the board of a machine.
///
/// A line that `ipmi_sim` doesn't understand ends the file without a word; so `mc_enable` is the last, and an answered
/// ping proves that it was reached.
pub(super) fn commands(machine: &Machine) -> String {
    let parts = parts(machine).encode();
    let (inlet, parts_length, parts) = (spaced(&INLET), parts.len(), spaced(&parts));
    format!(
        "mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
sensor_add 0x20 0 4 0x01 0x01
sensor_set_threshold 0x20 0 4 settable 011011 0x00 0xaf 0xaa 0x00 0x79 0x83
sensor_set_event_support 0x20 0 4 enable scanning per-state 000000000000000 000000000000000 000000000000000 000000000000000
sensor_set_value 0x20 0 4 0x97 0
main_sdr_add 0x20{inlet}
mc_add_fru_data 0x20 0 {parts_length} data{parts}
sel_add 0x20 {TOO_WARM} 0xaf
mc_enable 0x20
"
    )
}

fn parts(machine: &Machine) -> Contents {
    Contents {
        chassis: None,
        board: Some(BoardArea {
            made: 14_200_000,
            manufacturer: "Billet".into(),
            name: "lab-board".into(),
            serial: machine.serial(),
            part_number: "LB-1".into(),
            extra: vec![],
        }),
        product: Some(ProductArea {
            manufacturer: "Billet".into(),
            name: "lab-machine".into(),
            part_number: "LM-1".into(),
            version: "1".into(),
            serial: machine.serial(),
            asset_tag: String::new(),
            extra: vec![],
        }),
    }
}

fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!(" {byte:#04x}")).collect()
}
