//! What a disk does wrong, and what becomes of a request. Pure.

use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;

use crate::spec::Size;

/// The unit in which a disk writes: a torn write keeps whole ones.
const SECTOR: u64 = 512;

/// What a disk does wrong from now on. Requests that touch no byte of an extent are served rightly.
///
/// Written as on the command line: `eio-read`, `eio-write`, `drop` and `torn`, each with `:FROM..TO` behind it or alone
/// for the whole disk; `eio-after:BYTES`, `flip:OFFSET.BIT`, `slow:MILLISECONDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DiskFault {
    /// Reads that touch the extent end in EIO.
    ReadError(Extent),
    /// Writes that touch the extent end in EIO and change nothing.
    WriteError(Extent),
    /// Once so many bytes were written, counted from when the fault was set, further writes end in EIO.
    WriteErrorAfter(u64),
    /// Writes that touch the extent are confirmed, but change nothing.
    Drop(Extent),
    /// A write that covers this byte leaves one bit of it turned, 0 being the lowest.
    Flip {
        /// The byte.
        offset: u64,
        /// 0 to 7.
        bit: u8,
    },
    /// Writes that touch the extent are confirmed, but only their first half is there, in whole sectors.
    Torn(Extent),
    /// Everything takes so many milliseconds more.
    Slow(u32),
}

/// Some bytes of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The first.
    pub from: u64,
    /// The first that is not in it any more.
    pub to: u64,
}

impl Extent {
    /// All there are.
    pub const WHOLE: Self = Self { from: 0, to: u64::MAX };

    fn touches(self, offset: u64, length: u64) -> bool {
        length > 0 && offset < self.to && self.from < offset.saturating_add(length)
    }
}

/// What a request does with the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Read,
    /// Writes, zeros and trims.
    Change,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Right,
    /// EIO, and nothing changes.
    Error,
    /// It is confirmed, but only so many first bytes of it are changed.
    Only(u64),
    /// It is done, and then this bit of its byte `at` is turned.
    Flip {
        at: u64,
        bit: u8,
    },
}

impl DiskFault {
    /// What becomes of a request. `written`: how many bytes were changed since the fault was set, without this one.
    pub(super) fn fate(self, deed: Deed, offset: u64, length: u64, written: u64) -> Fate {
        match (self, deed) {
            (Self::ReadError(extent), Deed::Read) if extent.touches(offset, length) => Fate::Error,
            (Self::WriteError(extent), Deed::Change) if extent.touches(offset, length) => Fate::Error,
            (Self::WriteErrorAfter(bytes), Deed::Change) if written.saturating_add(length) > bytes => {
                Fate::Error
            }
            (Self::Drop(extent), Deed::Change) if extent.touches(offset, length) => Fate::Only(0),
            (Self::Torn(extent), Deed::Change) if extent.touches(offset, length) => {
                Fate::Only(length / 2 / SECTOR * SECTOR)
            }
            (Self::Flip { offset: byte, bit }, Deed::Change)
                if (Extent { from: byte, to: byte.saturating_add(1) }).touches(offset, length) =>
            {
                Fate::Flip { at: byte - offset, bit }
            }
            _ => Fate::Right,
        }
    }

    /// How much longer everything takes.
    pub(super) fn delay(self) -> Duration {
        match self {
            Self::Slow(millis) => Duration::from_millis(millis.into()),
            _ => Duration::ZERO,
        }
    }
}

impl FromStr for DiskFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        let extent = || rest.map_or(Ok(Extent::WHOLE), extent);
        let missing = |form: &str| format!("`{text}` lacks something; write it like {form}");
        match kind {
            "eio-read" => Ok(Self::ReadError(extent()?)),
            "eio-write" => Ok(Self::WriteError(extent()?)),
            "drop" => Ok(Self::Drop(extent()?)),
            "torn" => Ok(Self::Torn(extent()?)),
            "eio-after" => Ok(Self::WriteErrorAfter(size(rest.ok_or_else(|| missing("eio-after:4M"))?)?)),
            "flip" => {
                let form = || missing("flip:1048576.3, the byte and its bit from 0 to 7");
                let (offset, bit) = rest.and_then(|rest| rest.split_once('.')).ok_or_else(form)?;
                let bit = bit.parse().ok().filter(|bit| *bit < 8).ok_or_else(form)?;
                Ok(Self::Flip { offset: size(offset)?, bit })
            }
            "slow" => {
                let millis = rest.and_then(|rest| rest.parse().ok());
                millis.map(Self::Slow).ok_or_else(|| missing("slow:50, in milliseconds"))
            }
            other => Err(format!(
                "`{other}` is no fault of a disk; there are eio-read, eio-write, eio-after, drop, torn, flip and slow"
            )),
        }
    }
}

/// `FROM..TO`.
fn extent(text: &str) -> Result<Extent, String> {
    let wrong = || format!("`{text}` is no extent; write it like 1M..2M, the end being behind the beginning");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let extent = Extent { from: size(from)?, to: size(to)? };
    if extent.from < extent.to { Ok(extent) } else { Err(wrong()) }
}

fn size(text: &str) -> Result<u64, String> {
    text.parse().map(Size::bytes)
}

impl TryFrom<String> for DiskFault {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DiskFault> for String {
    fn from(fault: DiskFault) -> Self {
        fault.to_string()
    }
}

impl std::fmt::Display for DiskFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, extent) = match self {
            Self::ReadError(extent) => ("eio-read", extent),
            Self::WriteError(extent) => ("eio-write", extent),
            Self::Drop(extent) => ("drop", extent),
            Self::Torn(extent) => ("torn", extent),
            Self::WriteErrorAfter(bytes) => return write!(out, "eio-after:{bytes}"),
            Self::Flip { offset, bit } => return write!(out, "flip:{offset}.{bit}"),
            Self::Slow(millis) => return write!(out, "slow:{millis}"),
        };
        if *extent == Extent::WHOLE {
            out.write_str(kind)
        } else {
            write!(out, "{kind}:{}..{}", extent.from, extent.to)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_fault_meets_what_it_is_for() {
        let some = Extent { from: 4096, to: 8192 };
        let table = [
            (DiskFault::ReadError(some), Deed::Read, 0, 4096, Fate::Right),
            (DiskFault::ReadError(some), Deed::Read, 0, 4097, Fate::Error),
            (DiskFault::ReadError(some), Deed::Read, 8191, 1, Fate::Error),
            (DiskFault::ReadError(some), Deed::Read, 8192, 1, Fate::Right),
            (DiskFault::ReadError(some), Deed::Change, 4096, 1, Fate::Right),
            (DiskFault::WriteError(some), Deed::Change, 4096, 1, Fate::Error),
            (DiskFault::WriteError(some), Deed::Read, 4096, 1, Fate::Right),
            (DiskFault::WriteErrorAfter(100), Deed::Change, 0, 90, Fate::Right),
            (DiskFault::WriteErrorAfter(100), Deed::Change, 0, 91, Fate::Error),
            (DiskFault::WriteErrorAfter(100), Deed::Read, 0, 91, Fate::Right),
            (DiskFault::Drop(some), Deed::Change, 0, 8192, Fate::Only(0)),
            (DiskFault::Torn(some), Deed::Change, 4096, 3 * 512, Fate::Only(512)),
            (DiskFault::Torn(some), Deed::Change, 4096, 512, Fate::Only(0)),
            (
                DiskFault::Flip { offset: 5000, bit: 7 },
                Deed::Change,
                4096,
                4096,
                Fate::Flip { at: 904, bit: 7 },
            ),
            (DiskFault::Flip { offset: 5000, bit: 7 }, Deed::Change, 5001, 4096, Fate::Right),
            (DiskFault::Flip { offset: 5000, bit: 7 }, Deed::Read, 4096, 4096, Fate::Right),
            (DiskFault::Slow(5), Deed::Change, 0, 4096, Fate::Right),
        ];
        for (fault, deed, offset, length, expected) in table {
            assert_eq!(
                fault.fate(deed, offset, length, 10),
                expected,
                "{fault} {deed:?} {length} at {offset}"
            );
        }
        assert_eq!(DiskFault::Slow(5).delay(), Duration::from_millis(5));
    }

    #[test]
    fn faults_are_read_or_told_how_to_write_them() {
        for text in
            ["eio-read", "eio-write:4096..8192", "drop", "torn:0..512", "eio-after:7", "flip:9.0", "slow:1"]
        {
            assert_eq!(text.parse::<DiskFault>().unwrap().to_string(), text);
        }
        let short = "drop:1M..1G".parse();
        assert_eq!(short, Ok(DiskFault::Drop(Extent { from: 1 << 20, to: 1 << 30 })));
        for (text, want) in [
            ("melt", "`melt` is no fault of a disk; there are eio-read"),
            ("drop:5", "`5` is no extent; write it like 1M..2M"),
            ("drop:2M..1M", "`2M..1M` is no extent"),
            ("drop:x..1M", "`x` is not a size; write it like 4G"),
            ("eio-after", "write it like eio-after:4M"),
            ("flip:9.8", "its bit from 0 to 7"),
            ("slow:fast", "write it like slow:50"),
        ] {
            let error = text.parse::<DiskFault>().unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    proptest! {
        /// A request is met exactly if one of its bytes is in the extent.
        #[test]
        fn extents_touch_what_has_a_byte_in_them(from in 0_u64..40, length in 1_u64..40, offset in 0_u64..60, bytes in 0_u64..40) {
            let extent = Extent { from, to: from + length };
            let one = (offset..offset + bytes).any(|byte| (extent.from..extent.to).contains(&byte));
            prop_assert_eq!(extent.touches(offset, bytes), one);
            let torn = DiskFault::Torn(extent).fate(Deed::Change, offset, bytes, 0);
            prop_assert!(!matches!(torn, Fate::Only(kept) if kept > bytes));
            prop_assert!(!extent.touches(u64::MAX, bytes));
        }
    }
}
