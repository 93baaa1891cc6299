//! What some BMCs can do and others can't: one small trait each. `Bmc` hands out those that its driver has.
//!
//! Types here are the same for every protocol; a driver fills in what it knows and leaves out what it doesn't.

mod bios;
mod boot_order;
mod confirmations;
mod console;
mod events;
mod firmware;
mod hardware;
mod inventory;
mod logs;
mod media;
mod recorder;
mod secure_boot;
mod security;
mod sensors;
mod settings;
mod users;

pub use bios::{BiosApplied, BiosAttribute, BiosRule, BiosSettings, BiosValue};
pub use boot_order::{BootOption, BootOrder};
pub use confirmations::Confirmations;
pub use console::{ConsoleEvent, ConsoleReader, SerialConsole};
pub use events::{BmcEvent, EventLog, EventLogInfo};
pub use firmware::{
    ApplyTime, Firmware, FirmwareItem, FirmwareSource, FirmwareUpdate, Task, TaskHandle, TaskState, Tasks,
};
pub use hardware::{Drive, Hardware, HardwareInventory, MemoryModule, NetworkPort, PciDevice, Processor};
pub use inventory::{Fru, FruArea, FruField, Inventory};
pub use logs::{LogDescription, Logs, Report, Reports, Subscription};
pub use media::{MediaInsert, MediaKind, MediaSlot, VirtualMedia};
pub use recorder::{RecordSettings, Recorder};
pub use secure_boot::{KeysReset, SecureBoot, SecureBootState};
pub use security::{Security, SecurityFacts};
pub use sensors::{Sensor, SensorHealth, Sensors, Thresholds};
pub use settings::{
    AddressSource, AssetTag, Identify, Lamp, LanSettings, NetworkSettings, PowerMeter, PowerReading, Restart,
    Watchdog, WatchdogState,
};
pub use users::{BmcUser, PasswordPolicy, UserPrivilege, Users};
