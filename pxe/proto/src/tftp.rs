//! TFTP, read-only: requests, and one transfer as a machine without sockets or clock.
//!
//! RFC 1350 with the options of RFC 2347 to 2349 and 7440. Which names exist is the caller's map: no text of a
//! request comes near a file system.

mod packet;
mod transfer;

pub use packet::{ErrorCode, ReadRequest, Refused, error, name_of, parse_request};
pub use transfer::{MAX_BLOCK, MAX_RETRIES, MAX_WINDOW, Outcome, Transfer};

#[cfg(test)]
mod tests;
