//! The event log of the hardware (IPMI: SEL).

use crate::BmcError;
use async_trait::async_trait;

/// A BMC with an event log.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// How full it is, and what its clock says.
    async fn log_info(&self) -> Result<EventLogInfo, BmcError>;
    /// All entries, the oldest first.
    async fn events(&self) -> Result<Vec<BmcEvent>, BmcError>;
    /// Empties it; returns when it is empty, or `NotDone`.
    async fn clear_events(&self) -> Result<(), BmcError>;
    /// Sets the log's clock, in seconds since 1970 UTC; reads it back.
    async fn set_log_clock(&self, seconds: i64) -> Result<(), BmcError>;
}

/// The state of an event log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventLogInfo {
    /// How many entries it has.
    pub entries: u32,
    /// How many more fit, if the BMC tells.
    pub free: Option<u32>,
    /// Whether entries were lost because it was full.
    pub overflow: bool,
    /// What its clock says, seconds since 1970 UTC.
    pub clock: Option<i64>,
}

/// An entry of an event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BmcEvent {
    /// Its id at the BMC; a number in IPMI.
    pub id: String,
    /// When, seconds since 1970 UTC. `None`: the BMC's clock was not set then.
    pub at: Option<i64>,
    /// The sensor's name, or `#0x30` where the BMC's sensor records don't name it; empty for entries without one.
    pub sensor: String,
    /// What the sensor measures, such as `Temperature`; `OEM record c0` and the like for others.
    pub kind: String,
    /// What happened, such as `Upper Critical going high (reading 92 > threshold 90 degrees C)`.
    pub message: String,
    /// False: it is no longer so.
    pub asserted: bool,
    /// The record as the BMC gave it, hex.
    pub raw: String,
}
