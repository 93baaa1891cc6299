//! How long the Redfish driver waits for what.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The waits. Tests shorten them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// For a TCP and TLS connection.
    pub(super) connect: Duration,
    /// For a whole answer.
    pub(super) request: Duration,
    /// For a file that is pushed, whole.
    pub(super) push: Duration,
    /// Before the first repetition of what was answered with 503; doubles.
    pub(super) retry: Duration,
    /// The longest that a BMC's `Retry-After` is heeded.
    pub(super) retry_longest: Duration,
    /// For how long a write is repeated that the BMC can't do now: POST takes minutes on large machines.
    pub(super) not_now: Duration,
    /// Between two readings while a change is awaited.
    pub(super) poll: Duration,
    /// Until power must be as wanted.
    pub(super) power: Duration,
    /// When power isn't as wanted yet, the reset is given again after this time.
    pub(super) insist: Duration,
    /// Until the boot override must read back.
    pub(super) boot: Duration,
    /// Until an image must show in its slot, or no more: some BMCs fetch its first bytes before.
    pub(super) media: Duration,
    /// Until a setting must read back, or be pending.
    pub(super) setting: Duration,
    /// For how long a task that was just made may be unknown.
    pub(super) young: Duration,
    /// Until a small setting (lamp, tag, user, log) must read back.
    pub(super) settle: Duration,
    /// For reading all parts or sensors; what is not read by then is left out.
    pub(super) parts: Duration,
    /// For reading a collection of which every member counts.
    pub(super) collection: Duration,
    /// For how long a connection is kept that is used often.
    pub(super) kept: Duration,
    /// For how long one is kept that is not.
    pub(super) kept_rarely: Duration,
    /// After which sessions are tried anew when all were taken.
    pub(super) full: Duration,
    /// For how long it is believed who a BMC is: its firmware may be updated.
    pub(super) identity: Duration,
}

impl Timing {
    /// The usual ones: one value for all drivers, because they are large.
    pub(super) fn shared() -> Arc<Self> {
        static SHARED: LazyLock<Arc<Timing>> = LazyLock::new(Arc::default);
        Arc::clone(&SHARED)
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(10),
            push: Duration::from_secs(1800),
            retry: Duration::from_secs(1),
            retry_longest: Duration::from_secs(5),
            not_now: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            power: Duration::from_secs(30),
            insist: Duration::from_secs(10),
            boot: Duration::from_secs(5),
            media: Duration::from_secs(60),
            setting: Duration::from_secs(20),
            young: Duration::from_secs(30),
            settle: Duration::from_secs(10),
            parts: Duration::from_secs(120),
            collection: Duration::from_secs(300),
            kept: Duration::from_secs(10),
            kept_rarely: Duration::from_secs(2),
            full: Duration::from_secs(600),
            identity: Duration::from_secs(3600),
        }
    }
}

/// Waits that a test can afford. Those for answers bound failures only: what succeeds does so at once.
#[cfg(test)]
pub(super) const QUICK: Timing = Timing {
    connect: Duration::from_secs(30),
    request: Duration::from_secs(30),
    push: Duration::from_secs(30),
    retry: Duration::from_millis(1),
    retry_longest: Duration::from_millis(5),
    not_now: Duration::from_millis(100),
    poll: Duration::from_millis(1),
    power: Duration::from_millis(200),
    insist: Duration::from_millis(50),
    boot: Duration::from_millis(50),
    media: Duration::from_millis(100),
    setting: Duration::from_millis(100),
    young: Duration::from_secs(30),
    settle: Duration::from_millis(100),
    parts: Duration::from_secs(30),
    collection: Duration::from_secs(30),
    kept: Duration::from_secs(10),
    kept_rarely: Duration::from_secs(2),
    full: Duration::from_secs(600),
    identity: Duration::from_secs(3600),
};

/// How often a request that the BMC is too busy for is sent again.
pub(super) const RETRIES: u32 = 3;
