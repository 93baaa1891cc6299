//! Field replaceable units: the commands to read their data (section 34), and the data themselves ("IPMI Platform
//! Management FRU Information Storage Definition" 1.3; section numbers in this folder are its own).
//!
//! - `command`: size, reading;
//! - `parse`: header and areas;
//! - `build`: writing them, for the simulated BMC.
//!
//! Deliberately not here: internal use and multi-record areas, which are skipped.

mod build;
mod command;
mod parse;

pub use build::{BoardArea, ChassisArea, Contents, ProductArea};
pub use command::{FruInfo, GetFruInfo, ReadFru, WRITE};
pub use parse::{Area, AreaKind, Field, HEADER, area_length, areas, missing, parse, parse_area};

#[cfg(test)]
mod tests;
