//! The `Bmc` trait and its drivers: IPMI 2.0 over LAN, Redfish over HTTPS, and simple ones for machines without a BMC; and
//! the search for BMCs on a subnet.
//!
//! Drivers do the I/O; bytes and models are in `bmc-proto`. Nothing here knows machine states, users or tables.

mod audit;
mod breaker;
mod capability;
mod driver;
mod drivers;
mod ipmi;
mod libvirt;
mod manual;
mod program;
mod redfish;
mod scan;
mod vbox;
mod wake_on_lan;
mod webhook;

pub use audit::{Audit, AuditOptions, Finding, Rule, Severity};
pub use bmc_proto::redfish::record::{Limits as RecordLimits, Recording};
pub use capability::{
    AddressSource, ApplyTime, AssetTag, BiosApplied, BiosAttribute, BiosRule, BiosSettings, BiosValue,
    BmcEvent, BmcUser, BootOption, BootOrder, Confirmations, ConsoleEvent, ConsoleReader, Drive, EventLog,
    EventLogInfo, Firmware, FirmwareItem, FirmwareSource, FirmwareUpdate, Fru, FruArea, FruField, Hardware,
    HardwareInventory, Identify, Inventory, KeysReset, Lamp, LanSettings, LogDescription, Logs, MediaInsert,
    MediaKind, MediaSlot, MemoryModule, NetworkPort, NetworkSettings, PasswordPolicy, PciDevice, PowerMeter,
    PowerReading, Processor, RecordSettings, Recorder, Report, Reports, Restart, SecureBoot, SecureBootState,
    Security, SecurityFacts, Sensor, SensorHealth, Sensors, SerialConsole, Subscription, Task, TaskHandle,
    TaskState, Tasks, Thresholds, UserPrivilege, Users, VirtualMedia, Watchdog, WatchdogState,
};
pub use driver::{
    Bmc, BmcError, BmcInfo, BootMode, BootOverride, BootTarget, Button, Cipher, Credentials, Endpoint,
    Health, KeeperAway, Persistence, PowerState, Privilege, Protocol, SessionKeeper, Trust,
};
pub use drivers::{Drivers, Settings};
pub use scan::{Found, FoundRedfish, ScanError, ScanPorts, Subnet, scan};
