//! The `Bmc` trait and its drivers, IPMI 2.0 over LAN and Redfish over HTTPS.
//!
//! Drivers do the I/O; bytes and models are in `bmc-proto`. Nothing here knows machine states, users or tables.

mod capability;
mod driver;
mod drivers;
mod ipmi;
mod redfish;

pub use capability::{
    AddressSource, AssetTag, BmcEvent, BmcUser, ConsoleEvent, ConsoleReader, EventLog, EventLogInfo, Fru,
    FruArea, FruField, Identify, Inventory, Lamp, LanSettings, NetworkSettings, PowerMeter, PowerReading,
    Sensor, SensorHealth, Sensors, SerialConsole, Thresholds, UserPrivilege, Users, Watchdog, WatchdogState,
};
pub use driver::{
    Bmc, BmcError, BmcInfo, BootMode, BootOverride, BootTarget, Button, Cipher, Credentials, Endpoint,
    Health, Persistence, PowerState, Privilege, Protocol,
};
pub use drivers::{Drivers, Settings};
