//! The serial console over the network.

use crate::BmcError;
use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::broadcast;

/// A BMC that carries the machine's serial console.
///
/// However many readers there are, there is one connection to the BMC: it is made when the first reader comes and
/// ended when the last one goes. When it is lost it is made again, as long as somebody reads.
#[async_trait]
pub trait SerialConsole: Send + Sync {
    /// Starts to read from now on. Returns when the console is connected; an error tells why it can't be.
    ///
    /// BMCs carry one console session at a time. `take_over: false` (what a service and a first try want) fails with
    /// `BmcError::Refused` when another program has it, and the error says so; a session that an earlier process of
    /// ours left behind is ended by itself. `true` ends whoever has it first. Once connected a driver never takes the
    /// console back from somebody who took it: readers get `ConsoleEvent::Closed`.
    async fn read_console(&self, take_over: bool) -> Result<ConsoleReader, BmcError>;
    /// Types. Returns when the BMC took everything, or an error that tells how much it did not take.
    /// Somebody must be reading.
    async fn type_console(&self, bytes: &[u8]) -> Result<(), BmcError>;
    /// Sends a break. Somebody must be reading.
    async fn break_console(&self) -> Result<(), BmcError>;
}

/// What a reader of a console gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsoleEvent {
    /// The machine said this.
    Output(Arc<[u8]>),
    /// The machine sent a break.
    Break,
    /// The connection was lost, or some output was: why. Output may follow when it is made again.
    Interrupted(String),
    /// The connection is made again.
    Resumed,
    /// It is over, and why; nothing follows.
    Closed(String),
}

/// A reader. Dropping it leaves.
pub struct ConsoleReader {
    /// What the machine says.
    pub events: broadcast::Receiver<ConsoleEvent>,
    /// Keeps the connection.
    pub(crate) _stay: Box<dyn std::any::Any + Send + Sync>,
}

impl ConsoleReader {
    /// A reader of `events`; `stay` is dropped with it.
    pub fn new(events: broadcast::Receiver<ConsoleEvent>, stay: impl std::any::Any + Send + Sync) -> Self {
        Self { events, _stay: Box::new(stay) }
    }
}
