//! The system event log: its commands (section 31), its entries (section 32), and what they say in words.
//!
//! - `command`: asking for entries, time, room;
//! - `record`: the sixteen bytes of an entry;
//! - `text`: an entry in words, `extra`: what its event data add;
//! - `time`: what a BMC's clock says.
//!
//! Deliberately not here: the walk over all entries (`chain` has its end, the driver its exchanges).

mod command;
mod extra;
mod record;
mod text;
pub mod time;

pub use command::{
    AddSelEntry, Allocation, CLEAR, DELETE, ERASING, GET_INFO, GetSelAllocation, GetSelEntry, GetSelTime,
    GetSelUtcOffset, Part, RESERVE, SetSelTime,
};
pub use ipmi_rs_core::storage::sel::{ClearSel, ErasureProgress, GetSelInfo, ReserveSel, SelInfo};
pub use record::{Body, Event, LENGTH, Record};
pub use text::{Description, describe};

#[cfg(test)]
mod tests;
