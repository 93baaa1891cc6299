//! What the second and third byte of event data add to an event (table 29-6, and table 42-3 by sensor type).

use super::record::Event;
use crate::ipmi::sensor::{SENSOR_SPECIFIC, offset_text};

/// Errors of the firmware (sensor type 0Fh, offset 0).
const FIRMWARE_ERRORS: &[&str] = &[
    "Unspecified",
    "No system memory installed",
    "No usable system memory",
    "Unrecoverable IDE device failure",
    "Unrecoverable system-board failure",
    "Unrecoverable diskette failure",
    "Unrecoverable hard-disk controller failure",
    "Unrecoverable PS/2 or USB keyboard failure",
    "Removable boot media not found",
    "Unrecoverable video controller failure",
    "No video device selected",
    "BIOS corruption detected",
    "CPU voltage mismatch",
    "CPU speed mismatch failure",
];
/// Where the firmware hangs or has got to (sensor type 0Fh, offsets 1 and 2).
const FIRMWARE_PROGRESS: &[&str] = &[
    "Unspecified",
    "Memory initialization",
    "Hard-disk initialization",
    "Secondary CPU Initialization",
    "User authentication",
    "User-initiated system setup",
    "USB resource configuration",
    "PCI resource configuration",
    "Option ROM initialization",
    "Video initialization",
    "Cache initialization",
    "SMBus initialization",
    "Keyboard controller initialization",
    "Management controller initialization",
    "Docking station attachment",
    "Enabling docking station",
    "Docking station ejection",
    "Disabling docking station",
    "Calling operating system wake-up vector",
    "System boot initiated",
    "Motherboard initialization",
    "",
    "Floppy initialization",
    "Keyboard test",
    "Pointing device test",
    "Primary CPU initialization",
];
/// What changed its version (sensor type 2Bh).
const VERSION_CHANGES: &[&str] = &[
    "unspecified",
    "controller device id",
    "controller firmware revision",
    "controller device revision",
    "controller manufacturer id",
    "controller IPMI version",
    "controller auxiliary firmware id",
    "controller firmware boot block",
    "other controller firmware",
    "BIOS/EFI",
    "SMBIOS",
    "operating system",
    "operating system loader",
    "service partition or diagnostics",
    "management software agent",
    "management software application",
    "management software middleware",
    "programmable hardware (FPGA)",
    "board or FRU module",
    "board or FRU component",
    "board or FRU replaced, equal version",
    "board or FRU replaced, newer version",
    "board or FRU replaced, older version",
    "board or FRU hardware configuration",
];
/// Errors of a power supply's configuration (sensor type 08h, offset 6).
const SUPPLY_ERRORS: &[&str] = &[
    "vendor mismatch",
    "revision mismatch",
    "processor missing",
    "power supply rating mismatch",
    "voltage rating mismatch",
];
/// Why a session ended (sensor type 2Ah).
const SESSION_ENDS: &[&str] = &["unspecified", "by command", "time-out", "by configuration"];
/// What a watchdog's timer was used for (sensor type 23h).
const TIMER_USES: &[&str] = &["", "BIOS FRB2", "BIOS/POST", "OS load", "SMS/OS", "OEM"];
/// Why a system restarted (sensor type 1Dh; the causes of 28.11).
const RESTARTS: &[&str] = &[
    "unknown",
    "chassis control command",
    "reset button",
    "power button",
    "watchdog",
    "OEM",
    "restored on power: always on",
    "restored on power: as before",
    "reset by PEF",
    "power cycle by PEF",
    "soft reset",
    "power up by the clock",
];
/// Which slot (sensor type 21h).
const SLOTS: &[&str] =
    &["PCI", "drive array", "external connector", "docking", "other", "entity", "AdvancedTCA", "DIMM", "fan"];
/// Why a FRU changed its state (sensor type 2Ch).
const FRU_CAUSES: &[&str] = &[
    "normal",
    "by software",
    "by handle latch",
    "by hot swap button",
    "by FRU action",
    "communication lost",
    "communication lost locally",
    "surprise extraction",
    "provided information",
    "invalid hardware address",
    "unexpected deactivation",
];

/// What the event data add, if anything; not the readings of thresholds.
pub(super) fn extra(event: &Event) -> Option<String> {
    let [first, second, third] = event.data;
    // 0xFF is "unspecified" in either byte.
    let second = (first >> 6 & 3, second, second != 0xFF);
    let third = (first >> 4 & 3, third, third != 0xFF);
    let mut words = Vec::new();
    match second {
        (0b01, byte, true) => words.extend(before(event, byte)),
        (0b10, byte, true) => words.push(format!("data 2 {byte:#04x}")),
        (0b11, byte, true) if event.reading_type == SENSOR_SPECIFIC => {
            words.extend(specific_second(event, byte))
        }
        _ => {}
    }
    match third {
        (0b10, byte, true) => words.push(format!("data 3 {byte:#04x}")),
        (0b11, byte, true) if event.reading_type == SENSOR_SPECIFIC => {
            words.extend(specific_third(event, byte))
        }
        _ => {}
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// The previous state and the severity of a discrete event.
fn before(event: &Event, byte: u8) -> Vec<String> {
    let (severity, previous) = (byte >> 4, byte & 0x0F);
    let mut words = Vec::new();
    if previous != 0x0F {
        words.extend(
            offset_text(event.sensor_type, event.reading_type, previous).map(|text| format!("was {text}")),
        );
    }
    if severity != 0x0F {
        words.extend(offset_text(0, 0x07, severity).map(|text| format!("severity {text}")));
    }
    words
}

fn of(table: &[&'static str], index: u8) -> Option<String> {
    table.get(usize::from(index)).filter(|text| !text.is_empty()).map(|text| (*text).to_owned())
}

fn specific_second(event: &Event, byte: u8) -> Option<String> {
    match (event.sensor_type, event.offset()) {
        (0x0F, 0) => of(FIRMWARE_ERRORS, byte),
        (0x0F, 1 | 2) => of(FIRMWARE_PROGRESS, byte),
        (0x10, 0) => Some(format!("memory module {byte}")),
        (0x10, 1) => Some(format!("event/reading type {byte:#04x}")),
        (0x10, 6) => Some(format!("processor {byte}")),
        (0x12, 3) => of(
            &[
                "entry added",
                "entry added that does not map to IPMI",
                "entry added that maps to IPMI",
                "log cleared",
                "log disabled",
                "log enabled",
            ],
            byte >> 4,
        ),
        (0x12, 4) => {
            let actions =
                ["alert", "power off", "reset", "power cycle", "OEM action", "diagnostic interrupt"];
            let taken = actions.iter().enumerate().filter(|(bit, _)| byte >> bit & 1 != 0);
            Some(taken.map(|(_, action)| *action).collect::<Vec<_>>().join(" + "))
        }
        (0x12, 5) => {
            Some(if byte & 0x80 == 0 { "before the clock was set" } else { "after the clock was set" }.into())
        }
        (0x1D, 7) => of(RESTARTS, byte & 0x0F),
        (0x21, _) => of(SLOTS, byte & 0x7F).map(|slot| format!("{slot} slot")),
        (0x23, _) => of(TIMER_USES, byte & 0x0F).map(|used| format!("timer for {used}")),
        (0x28, 4) => Some(format!("sensor #{byte:#04x}")),
        (0x2A, _) => (byte & 0x3F != 0).then(|| format!("user {}", byte & 0x3F)),
        (0x2B, _) => of(VERSION_CHANGES, byte),
        (0x2C, _) => {
            let was = offset_text(0x2C, SENSOR_SPECIFIC, byte & 0x0F).unwrap_or("unknown");
            Some(
                of(FRU_CAUSES, byte >> 4).map_or(format!("was {was}"), |cause| format!("was {was}, {cause}")),
            )
        }
        _ => None,
    }
}

fn specific_third(event: &Event, byte: u8) -> Option<String> {
    match (event.sensor_type, event.offset()) {
        (0x08, 6) => of(SUPPLY_ERRORS, byte & 0x0F),
        (0x0C, _) => Some(format!("memory module {byte}")),
        (0x10, 5) => Some(format!("{byte} % full")),
        (0x1D, 7) => Some(format!("channel {}", byte & 0x0F)),
        (0x21, _) => Some(format!("number {byte}")),
        (0x2A, 1) => of(SESSION_ENDS, byte >> 4 & 3).map(|end| format!("{end}, channel {}", byte & 0x0F)),
        _ => None,
    }
}
