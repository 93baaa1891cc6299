//! The BMC's logs beside the hardware's event log, and what it reports by itself.

use super::BmcEvent;
use crate::BmcError;
use async_trait::async_trait;
use tokio::sync::mpsc;

/// A BMC with several logs.
#[async_trait]
pub trait Logs: Send + Sync {
    /// All logs.
    async fn logs(&self) -> Result<Vec<LogDescription>, BmcError>;
    /// The newest entries of one, by its id, the oldest first.
    async fn log(&self, id: &str, newest: usize) -> Result<Vec<BmcEvent>, BmcError>;
    /// Empties one; returns when it is empty, or `NotDone`.
    async fn clear_log(&self, id: &str) -> Result<(), BmcError>;
}

/// A log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogDescription {
    /// Its id: unique at this BMC, such as `system/SEL`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many entries it has.
    pub entries: Option<u64>,
    /// Whether it can be emptied.
    pub clearable: bool,
}

/// A BMC that reports by itself.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Listens from now on (server-sent events). Ends when the reader is dropped or the BMC ends it.
    async fn follow_reports(&self) -> Result<mpsc::Receiver<Report>, BmcError>;
    /// The subscriptions that it posts reports to.
    async fn subscriptions(&self) -> Result<Vec<Subscription>, BmcError>;
    /// Has it post reports to this URL, marked with `context`; answers the id. The same one already there is success.
    async fn subscribe(&self, destination: &str, context: &str) -> Result<String, BmcError>;
    /// Ends a subscription. One that is gone is success.
    async fn unsubscribe(&self, id: &str) -> Result<(), BmcError>;
}

/// What a BMC reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// When, as the BMC says it, seconds since 1970 UTC.
    pub at: Option<i64>,
    /// Which message of which registry, such as `ResourceEvent.1.3.ResourceChanged`.
    pub message_id: Option<String>,
    /// In words.
    pub message: String,
    /// `OK`, `Warning`, `Critical`.
    pub severity: Option<String>,
    /// The resource that it is about.
    pub origin: Option<String>,
}

/// A subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Its id at the BMC.
    pub id: String,
    /// Where it posts to.
    pub destination: String,
    /// What it marks reports with.
    pub context: Option<String>,
}
