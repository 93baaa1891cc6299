//! TFTP, read-only: requests, and one transfer as a machine without sockets or clock.
//!
//! RFC 1350 with the options of RFC 2347 to 2349 and 7440. Which names exist is the caller's map: no text of a
//! request comes near a file system.

mod body;
mod packet;
mod timer;
mod transfer;

pub use body::Body;
pub use packet::{ErrorCode, MAX_REQUEST, ReadRequest, Refused, error, name_of, parse_request, shown_name};
pub use transfer::{
    MAX_BLOCK, MAX_RUN, MAX_SEGMENTS, MAX_TRIES, MAX_WINDOW, Outcome, PATIENCE, Run, Transfer,
};

#[cfg(test)]
mod tests;
