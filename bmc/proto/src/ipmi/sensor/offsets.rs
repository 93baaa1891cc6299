//! What the offsets of events and of discrete states mean: generic ones by event/reading type (table 42-2), others by
//! sensor type (table 42-3), and which of them are bad.
//!
//! The words are ipmitool's, which operators know and search for; `ipmi-rs-core` has others, and none for slots,
//! cables and most readings.

use super::Health;

/// The event/reading type of offsets that depend on the sensor type (table 42-1).
pub const SENSOR_SPECIFIC: u8 = 0x6F;
/// The event/reading type of sensors with thresholds.
pub const THRESHOLD: u8 = 0x01;

/// By event/reading type (table 42-2).
const GENERIC: &[(u8, &[&str])] = &[
    (
        0x01,
        &[
            "Lower Non-critical going low",
            "Lower Non-critical going high",
            "Lower Critical going low",
            "Lower Critical going high",
            "Lower Non-recoverable going low",
            "Lower Non-recoverable going high",
            "Upper Non-critical going low",
            "Upper Non-critical going high",
            "Upper Critical going low",
            "Upper Critical going high",
            "Upper Non-recoverable going low",
            "Upper Non-recoverable going high",
        ],
    ),
    (0x02, &["Transition to Idle", "Transition to Active", "Transition to Busy"]),
    (0x03, &["State Deasserted", "State Asserted"]),
    (0x04, &["Predictive Failure Deasserted", "Predictive Failure Asserted"]),
    (0x05, &["Limit Not Exceeded", "Limit Exceeded"]),
    (0x06, &["Performance Met", "Performance Lags"]),
    (
        0x07,
        &[
            "Transition to OK",
            "Transition to Non-critical from OK",
            "Transition to Critical from less severe",
            "Transition to Non-recoverable from less severe",
            "Transition to Non-critical from more severe",
            "Transition to Critical from Non-recoverable",
            "Transition to Non-recoverable",
            "Monitor",
            "Informational",
        ],
    ),
    (0x08, &["Device Absent", "Device Present"]),
    (0x09, &["Device Disabled", "Device Enabled"]),
    (
        0x0A,
        &[
            "Transition to Running",
            "Transition to In Test",
            "Transition to Power Off",
            "Transition to On Line",
            "Transition to Off Line",
            "Transition to Off Duty",
            "Transition to Degraded",
            "Transition to Power Save",
            "Install Error",
        ],
    ),
    (
        0x0B,
        &[
            "Fully Redundant",
            "Redundancy Lost",
            "Redundancy Degraded",
            "Non-Redundant: Sufficient from Redundant",
            "Non-Redundant: Sufficient from Insufficient",
            "Non-Redundant: Insufficient Resources",
            "Redundancy Degraded from Fully Redundant",
            "Redundancy Degraded from Non-Redundant",
        ],
    ),
    (0x0C, &["D0 Power State", "D1 Power State", "D2 Power State", "D3 Power State"]),
];

/// By sensor type (table 42-3).
const SPECIFIC: &[(u8, &[&str])] = &[
    (
        0x05,
        &[
            "General Chassis intrusion",
            "Drive Bay intrusion",
            "I/O Card area intrusion",
            "Processor area intrusion",
            "System unplugged from LAN",
            "Unauthorized dock",
            "FAN area intrusion",
        ],
    ),
    (
        0x06,
        &[
            "Front Panel Lockout violation attempted",
            "Pre-boot password violation - user password",
            "Pre-boot password violation - setup password",
            "Pre-boot password violation - network boot password",
            "Other pre-boot password violation",
            "Out-of-band access password violation",
        ],
    ),
    (
        0x07,
        &[
            "IERR",
            "Thermal Trip",
            "FRB1/BIST failure",
            "FRB2/Hang in POST failure",
            "FRB3/Processor startup/init failure",
            "Configuration Error",
            "SM BIOS Uncorrectable CPU-complex Error",
            "Presence detected",
            "Disabled",
            "Terminator presence detected",
            "Throttled",
            "Uncorrectable machine check exception",
            "Correctable machine check error",
        ],
    ),
    (
        0x08,
        &[
            "Presence detected",
            "Failure detected",
            "Predictive failure",
            "Power Supply AC lost",
            "AC lost or out-of-range",
            "AC out-of-range, but present",
            "Config Error",
            "Power Supply Inactive",
        ],
    ),
    (
        0x09,
        &[
            "Power off/down",
            "Power cycle",
            "240VA power down",
            "Interlock power down",
            "AC lost",
            "Soft-power control failure",
            "Failure detected",
            "Predictive failure",
        ],
    ),
    (
        0x0C,
        &[
            "Correctable ECC",
            "Uncorrectable ECC",
            "Parity",
            "Memory Scrub Failed",
            "Memory Device Disabled",
            "Correctable ECC logging limit reached",
            "Presence Detected",
            "Configuration Error",
            "Spare",
            "Throttled",
            "Critical Overtemperature",
        ],
    ),
    (
        0x0D,
        &[
            "Drive Present",
            "Drive Fault",
            "Predictive Failure",
            "Hot Spare",
            "Parity Check In Progress",
            "In Critical Array",
            "In Failed Array",
            "Rebuild In Progress",
            "Rebuild Aborted",
        ],
    ),
    (0x0F, &["System Firmware Error", "System Firmware Hang", "System Firmware Progress"]),
    (
        0x10,
        &[
            "Correctable memory error logging disabled",
            "Event logging disabled",
            "Log area reset/cleared",
            "All event logging disabled",
            "Log full",
            "Log almost full",
            "Correctable machine check error logging disabled",
        ],
    ),
    (
        0x11,
        &[
            "BIOS Reset",
            "OS Reset",
            "OS Shut Down",
            "OS Power Down",
            "OS Power Cycle",
            "OS NMI/Diag Interrupt",
            "OS Expired",
            "OS pre-timeout Interrupt",
        ],
    ),
    (
        0x12,
        &[
            "System Reconfigured",
            "OEM System boot event",
            "Undetermined system hardware failure",
            "Entry added to auxiliary log",
            "PEF Action",
            "Timestamp Clock Sync",
        ],
    ),
    (
        0x13,
        &[
            "NMI/Diag Interrupt",
            "Bus Timeout",
            "I/O Channel check NMI",
            "Software NMI",
            "PCI PERR",
            "PCI SERR",
            "EISA failsafe timeout",
            "Bus Correctable error",
            "Bus Uncorrectable error",
            "Fatal NMI",
            "Bus Fatal Error",
            "Bus Degraded",
        ],
    ),
    (
        0x14,
        &["Power Button pressed", "Sleep Button pressed", "Reset Button pressed", "FRU Latch", "FRU Service"],
    ),
    (0x19, &["Soft Power Control Failure", "Thermal Trip"]),
    (0x1B, &["Connected", "Config Error"]),
    (
        0x1D,
        &[
            "Initiated by power up",
            "Initiated by hard reset",
            "Initiated by warm reset",
            "User requested PXE boot",
            "Automatic boot to diagnostic",
            "OS initiated hard reset",
            "OS initiated warm reset",
            "System Restart",
        ],
    ),
    (
        0x1E,
        &[
            "No bootable media",
            "Non-bootable disk in drive",
            "PXE server not found",
            "Invalid boot sector",
            "Timeout waiting for selection",
        ],
    ),
    (
        0x1F,
        &[
            "A: boot completed",
            "C: boot completed",
            "PXE boot completed",
            "Diagnostic boot completed",
            "CD-ROM boot completed",
            "ROM boot completed",
            "boot completed - device not specified",
            "Installation started",
            "Installation completed",
            "Installation aborted",
            "Installation failed",
        ],
    ),
    (
        0x20,
        &[
            "Error during system startup",
            "Run-time critical stop",
            "OS graceful stop",
            "OS graceful shutdown",
            "PEF initiated soft shutdown",
            "Agent not responding",
        ],
    ),
    (
        0x21,
        &[
            "Fault Status",
            "Identify Status",
            "Device Installed",
            "Ready for Device Installation",
            "Ready for Device Removal",
            "Slot Power is Off",
            "Device Removal Request",
            "Interlock",
            "Slot is Disabled",
            "Spare Device",
        ],
    ),
    (
        0x22,
        &[
            "S0/G0: working",
            "S1: sleeping with system hw & processor context maintained",
            "S2: sleeping, processor context lost",
            "S3: sleeping, processor & hw context lost, memory retained",
            "S4: non-volatile sleep/suspend-to-disk",
            "S5/G2: soft-off",
            "S4/S5: soft-off",
            "G3: mechanical off",
            "Sleeping in S1/S2/S3 state",
            "G1: sleeping",
            "S5: entered by override",
            "Legacy ON state",
            "Legacy OFF state",
            "",
            "Unknown",
        ],
    ),
    (0x23, &["Timer expired", "Hard reset", "Power down", "Power cycle", "", "", "", "", "Timer interrupt"]),
    (
        0x24,
        &[
            "Platform generated page",
            "Platform generated LAN alert",
            "Platform Event Trap generated",
            "Platform generated SNMP trap, OEM format",
        ],
    ),
    (0x25, &["Present", "Absent", "Disabled"]),
    (0x27, &["Heartbeat Lost", "Heartbeat"]),
    (
        0x28,
        &[
            "Sensor access degraded or unavailable",
            "Controller access degraded or unavailable",
            "Management controller off-line",
            "Management controller unavailable",
            "Sensor failure",
            "FRU failure",
        ],
    ),
    (0x29, &["Low", "Failed", "Presence Detected"]),
    (
        0x2A,
        &[
            "Session activated",
            "Session deactivated",
            "Invalid user name or password",
            "Invalid password disable",
        ],
    ),
    (
        0x2B,
        &[
            "Hardware change detected",
            "Firmware or software change detected",
            "Hardware incompatibility detected",
            "Firmware or software incompatibility detected",
            "Invalid or unsupported hardware version",
            "Invalid or unsupported firmware or software version",
            "Hardware change success",
            "Firmware or software change success",
        ],
    ),
    (
        0x2C,
        &[
            "Not Installed",
            "Inactive",
            "Activation Requested",
            "Activation in Progress",
            "Active",
            "Deactivation Requested",
            "Deactivation in Progress",
            "Communication lost",
        ],
    ),
];

/// An offset in words. `None`: the specification has none, or it is a manufacturer's.
pub fn offset_text(sensor_type: u8, reading_type: u8, offset: u8) -> Option<&'static str> {
    let (table, key) =
        if reading_type == SENSOR_SPECIFIC { (SPECIFIC, sensor_type) } else { (GENERIC, reading_type) };
    let (_, texts) = table.iter().find(|(number, _)| *number == key)?;
    texts.get(usize::from(offset)).copied().filter(|text| !text.is_empty())
}

/// How bad it is that a state holds.
pub fn offset_health(sensor_type: u8, reading_type: u8, offset: u8) -> Health {
    match (reading_type, sensor_type, offset) {
        // Severities; predictive failure, limit, performance; redundancy.
        (0x07, _, 3 | 6) => Health::NonRecoverable,
        (0x07, _, 2 | 5) | (0x0B, _, 1 | 5) => Health::Critical,
        (0x07, _, 1 | 4) | (0x04..=0x06, _, 1) | (0x0B, _, 2..=4 | 6 | 7) | (0x0A, _, 6 | 8) => {
            Health::Warning
        }
        (SENSOR_SPECIFIC, kind, offset) => specific_health(kind, offset),
        _ => Health::Ok,
    }
}

fn specific_health(sensor_type: u8, offset: u8) -> Health {
    match (sensor_type, offset) {
        // Processor, power supply, power unit, memory.
        (0x07, 0..=6 | 0x0B) | (0x08, 1 | 3 | 4 | 6) | (0x09, 2 | 3 | 5 | 6) | (0x0C, 1..=3 | 7 | 0x0A) => {
            Health::Critical
        }
        (0x07, 0x0A | 0x0C) | (0x08, 2 | 5) | (0x09, 4 | 7) | (0x0C, 0 | 5 | 9) => Health::Warning,
        // Drive slot, firmware, interrupts, chip set, boot error, operating system.
        (0x0D, 1 | 5 | 6) | (0x0F, 0 | 1) | (0x13, 0..=6 | 8..=0x0A) | (0x19, 0 | 1) | (0x20, 0 | 1) => {
            Health::Critical
        }
        (0x0D, 2 | 8) | (0x13, 7 | 0x0B) | (0x1E, _) | (0x20, 5) => Health::Warning,
        // Chassis, log, cable, slot, management, battery, version, FRU.
        (0x05, _) | (0x10, 4 | 5) | (0x21, 7) | (0x27, 0) => Health::Warning,
        (0x1B, 1) | (0x21, 0) | (0x28, _) | (0x29, 1) | (0x2B, 2..=5) | (0x2C, 7) => Health::Critical,
        (0x29, 0) => Health::Warning,
        _ => Health::Ok,
    }
}
