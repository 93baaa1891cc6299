//! Sensor data records: the commands to read them (sections 33 and 35) and the records themselves (section 43).
//!
//! - `command`: of the repository, and of devices with their own records;
//! - `record`: the types of records;
//! - `sensor`: those of sensors;
//! - `entity`: what a sensor is at, in words.
//!
//! Deliberately not here: associations of entities, generic and manufacturers' records, which are skipped.

mod command;
mod entity;
mod record;
mod sensor;

pub use command::{
    DeviceSdrInfo, GetDeviceSdrInfo, GetRepositoryInfo, GetSdr, RepositoryInfo, ReserveSdr, Source,
};
pub use entity::entity_text;
pub use record::{ControllerLocator, FruLocator, HEADER, LONGEST, Record, length};
pub use sensor::{BMC, Form, Sensor, Sharing, ThresholdAccess};

#[cfg(test)]
mod tests;
