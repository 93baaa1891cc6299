//! What a session must be allowed to for a command (appendix G). What is not in the table takes a user.

use bmc_proto::ipmi::NetFn;
use bmc_proto::ipmi::handshake::privilege::{ADMINISTRATOR, OPERATOR};

const USER: u8 = 2;
/// The network function of groups, such as DCMI.
const GROUP_EXTENSION: u8 = 0x2C;

/// The privilege that a command takes.
pub(super) fn needed(netfn: NetFn, command: u8) -> u8 {
    match (netfn, command) {
        // Resets, ACPI power state, global enables, channel access, users, payload access, keys, system info.
        (NetFn::App, 0x02 | 0x03 | 0x05 | 0x06 | 0x2E | 0x40 | 0x43 | 0x45 | 0x47 | 0x4C | 0x56 | 0x58) => {
            ADMINISTRATOR
        }
        // Watchdog, who the users are, their payload access, I²C.
        (NetFn::App, 0x22 | 0x24 | 0x44 | 0x46 | 0x4D | 0x52) => OPERATOR,
        // Chassis capabilities, front panel, power cycle interval.
        (NetFn::Chassis, 0x05 | 0x0A | 0x0B) => ADMINISTRATOR,
        // Control, reset, identify, restore policy, boot options.
        (NetFn::Chassis, 0x02..=0x04 | 0x06 | 0x08 | 0x09) => OPERATOR,
        // Event receiver and filters.
        (NetFn::SensorEvent, 0x00 | 0x11 | 0x12) => ADMINISTRATOR,
        // Events, hysteresis, thresholds, event enables, re-arming, types, readings.
        (NetFn::SensorEvent, 0x02 | 0x13 | 0x24 | 0x26 | 0x28 | 0x2A | 0x2E | 0x30) => OPERATOR,
        // Writing to FRUs, sensor records and the event log.
        (NetFn::Storage, 0x12 | 0x24..=0x27 | 0x29 | 0x2A | 0x44..=0x47 | 0x49 | 0x5D) => OPERATOR,
        // LAN and serial over LAN, written.
        (NetFn::Transport, 0x01 | 0x03 | 0x21) => ADMINISTRATOR,
        (NetFn::Transport, 0x02) => OPERATOR,
        // DCMI: power limits, asset tag, name of the controller.
        (NetFn::Reserved(GROUP_EXTENSION), 0x04 | 0x05 | 0x08 | 0x0A) => OPERATOR,
        _ => USER,
    }
}
