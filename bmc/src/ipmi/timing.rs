//! How long the IPMI driver waits for what.

use bmc_proto::ipmi::Retransmission;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The waits. Tests shorten them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// When a datagram is sent again.
    pub(super) retransmission: Retransmission,
    /// For a whole call, with a new login where the session was lost.
    pub(super) call: Duration,
    /// Before a request is repeated that the BMC was too busy for.
    pub(super) busy: Duration,
    /// Before the next login when all sessions of the BMC are taken.
    pub(super) full: Duration,
    /// Between two readings while a change is awaited.
    pub(super) poll: Duration,
    /// Between two readings that must agree.
    pub(super) confirm: Duration,
    /// Until power must be as wanted.
    pub(super) power: Duration,
    /// When power isn't as wanted yet, the command is given again after this time.
    pub(super) insist: Duration,
    /// After which an unused session is closed.
    pub(super) idle: Duration,
    /// After which something is asked in a session that only a port uses: BMCs end sessions after a minute without a
    /// request, and not all count payloads.
    pub(super) keep_alive: Duration,
}

impl Timing {
    /// The usual ones, one value for all drivers.
    pub(super) fn shared() -> Arc<Self> {
        static SHARED: LazyLock<Arc<Timing>> = LazyLock::new(Arc::default);
        Arc::clone(&SHARED)
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            retransmission: Retransmission::default(),
            call: Duration::from_secs(15),
            busy: Duration::from_millis(500),
            full: Duration::from_secs(2),
            poll: Duration::from_millis(500),
            confirm: Duration::from_millis(250),
            power: Duration::from_secs(30),
            insist: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            keep_alive: Duration::from_secs(25),
        }
    }
}

/// How often a request is sent that the BMC is too busy for.
pub(super) const BUSY_TRIES: u32 = 4;
