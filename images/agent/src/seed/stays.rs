//! Why a last partition stays as it is, though it was to grow. What decides that is not here (`gpt`, `mbr`).

/// Why the last partition did not grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stays {
    /// There is nothing to grow.
    #[error("the disk has none")]
    NoPartition,
    /// Its content may not know how to grow.
    #[error("it is not of a type that can grow")]
    Kind,
    /// It is marked so in the table.
    #[error("it is marked read-only")]
    ReadOnly,
    /// It is the last by its start, and not by its end.
    #[error("another partition ends behind it")]
    Overlap,
    /// It was made so large, or by an earlier attempt.
    #[error("it has all the room that there is")]
    NoRoom,
    /// The MBR besides the GPT lists partitions too.
    #[error("the image has a hybrid MBR, where its size would have to be changed too")]
    Hybrid,
}
