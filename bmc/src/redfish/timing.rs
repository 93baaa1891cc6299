//! How long the Redfish driver waits for what.

use std::time::Duration;

/// The waits. Tests shorten them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// For a TCP and TLS connection.
    pub(super) connect: Duration,
    /// For a whole answer.
    pub(super) request: Duration,
    /// Before the first repetition of what was answered with 503; doubles.
    pub(super) retry: Duration,
    /// The longest that a BMC's `Retry-After` is heeded.
    pub(super) retry_longest: Duration,
    /// Between two readings while a change is awaited.
    pub(super) poll: Duration,
    /// Until power must be as wanted.
    pub(super) power: Duration,
    /// Until the boot override must read back.
    pub(super) boot: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(10),
            retry: Duration::from_secs(1),
            retry_longest: Duration::from_secs(5),
            poll: Duration::from_secs(1),
            power: Duration::from_secs(30),
            boot: Duration::from_secs(5),
        }
    }
}

/// How often a request that was answered with 503 or 429 is sent again.
pub(super) const RETRIES: u32 = 3;
