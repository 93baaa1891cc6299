//! Why a qcow2 image is refused.

use std::io;

/// Why a qcow2 image is refused.
#[derive(Debug, thiserror::Error)]
pub enum Qcow2Error {
    /// No magic, or too short for a header.
    #[error("it has no qcow2 header")]
    NotQcow2,
    /// Neither 2 nor 3.
    #[error("it has version {found}; versions 2 and 3 are read")]
    Version {
        /// What is there.
        found: u32,
    },
    /// The header's own length makes no sense.
    #[error("its header claims a length of {found} bytes")]
    HeaderLength {
        /// What is there.
        found: u32,
    },
    /// It would read another file.
    #[error("it has a backing file; flatten it first (qemu-img convert)")]
    BackingFile,
    /// It would read another file.
    #[error("its data lies in an external file; convert it first (qemu-img convert)")]
    DataFile,
    /// Encrypted.
    #[error("it is encrypted")]
    Encrypted,
    /// The writer itself marked it so.
    #[error("it is marked as corrupt; repair it first (qemu-img check -r)")]
    Corrupt,
    /// Subclusters.
    #[error("it uses extended L2 entries (subclusters); convert it first (qemu-img convert)")]
    ExtendedL2,
    /// A feature that must be known to read it.
    #[error("it uses the incompatible feature of bit {bit}, which is not known")]
    UnknownFeature {
        /// Its number.
        bit: u32,
    },
    /// A compression that we don't read, or one that contradicts the feature bits.
    #[error("its compression type {found} is not known, or contradicts its feature bits")]
    Compression {
        /// What is there.
        found: u8,
    },
    /// Out of bounds.
    #[error("its clusters have 2^{found} bytes; 2^9 to 2^21 are possible")]
    ClusterBits {
        /// What is there.
        found: u32,
    },
    /// Out of bounds.
    #[error("its reference counts have 2^{found} bits; up to 2^6 are possible")]
    RefcountOrder {
        /// What is there.
        found: u32,
    },
    /// A disk without a byte.
    #[error("its disk is empty")]
    Empty,
    /// A disk above the limit.
    #[error("its disk has {found} bytes; the limit of this store is {limit}")]
    TooLarge {
        /// What is there.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The first table is too small for the disk, or absurdly large.
    #[error("its L1 table has {found} entries; its disk needs {needed}, and at most {limit} are read")]
    L1Entries {
        /// What is there.
        found: u32,
        /// What the disk needs.
        needed: u64,
        /// The most.
        limit: u32,
    },
    /// A header extension runs out of the first cluster.
    #[error("its header extension at byte {at} does not fit into the first cluster")]
    Extension {
        /// Where it starts.
        at: u64,
    },
    /// A position that has to be at a cluster's start is not.
    #[error("{what} at byte {offset} does not start at a cluster")]
    Misaligned {
        /// What.
        what: &'static str,
        /// Where.
        offset: u64,
    },
    /// Bits that have to be zero are not.
    #[error("{what} {index} has reserved bits set ({entry:#018x})")]
    Reserved {
        /// Which kind of entry.
        what: &'static str,
        /// Its number: in the L1 table, or of the disk's cluster.
        index: u64,
        /// The entry.
        entry: u64,
    },
    /// Something lies behind the file's end.
    #[error("it is truncated: {what} reaches to byte {end}, but the file ends at byte {length}")]
    Truncated {
        /// What.
        what: &'static str,
        /// Where it would end.
        end: u64,
        /// Where the file ends.
        length: u64,
    },
    /// A compressed cluster does not unpack to a cluster.
    #[error("the compressed cluster of the disk's byte {at} is damaged: {why}")]
    Cluster {
        /// Where on the disk.
        at: u64,
        /// What went wrong.
        why: String,
    },
    /// The system refused.
    #[error("{what} could not be read")]
    Io {
        /// What.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Qcow2Error {
    /// For `map_err` behind a read.
    pub(super) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
