//! What some BMCs can do and others can't: one small trait each. `Bmc` hands out those that its driver has.
//!
//! Types here are the same for every protocol; a driver fills in what it knows and leaves out what it doesn't.

mod console;
mod events;
mod inventory;
mod sensors;
mod settings;
mod users;

pub use console::{ConsoleEvent, ConsoleReader, SerialConsole};
pub use events::{BmcEvent, EventLog, EventLogInfo};
pub use inventory::{Fru, FruArea, FruField, Inventory};
pub use sensors::{Sensor, SensorHealth, Sensors, Thresholds};
pub use settings::{
    AddressSource, AssetTag, Identify, Lamp, LanSettings, NetworkSettings, PowerMeter, PowerReading,
    Watchdog, WatchdogState,
};
pub use users::{BmcUser, UserPrivilege, Users};
