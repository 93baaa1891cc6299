//! From a manifest to a disk: fetch, check, unpack, write, read back, check; and wiping.
//!
//! The disk ([`Target`]) and the way to the chunks ([`Source`]) are traits: whoever calls brings them. Nothing here
//! knows partitions to make, permits or the network.

mod check;
mod crew;
mod error;
mod image;
mod partition;
mod target;
mod wipe;

pub use check::{chunks_in_place, verify_image};
pub use crew::Crew;
pub use error::{SourceError, WriteError};
pub use image::{Written, image_sectors, write_image};
pub use partition::partitions;
pub use target::{Phase, Progress, Source, Span, Target};
pub use wipe::{WipePolicy, Wiped, wipe};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
