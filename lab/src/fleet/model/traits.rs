//! What kind of machine it is: its firmware, its way to the boot script, and how long it takes for things.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The least time between two tries of anything: a service that pushes back must be able to.
const LEAST_RETRY: Duration = Duration::from_millis(250);

/// A kind of machine. Thousands share one.
#[derive(Debug, Clone)]
pub struct Traits {
    /// Its firmware.
    pub firmware: FirmwareKind,
    /// Whether its firmware tries the network before the disk when nothing else is set.
    pub network_first: bool,
    /// How it comes to its boot script.
    pub path: Path,
    /// How long it takes for things.
    pub timings: Timings,
}

/// How a machine boots from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirmwareKind {
    /// A BIOS with a PXE ROM: TFTP.
    BiosPxe,
    /// UEFI that boots by PXE: TFTP.
    UefiPxe,
    /// UEFI that boots by HTTP.
    UefiHttp,
}

impl FirmwareKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BiosPxe, Self::UefiPxe, Self::UefiHttp];

    pub(super) fn is_uefi(self) -> bool {
        self != Self::BiosPxe
    }
}

/// How a machine comes to its boot script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// As in life: DHCP, loader, DHCP again, script, kernel and ramdisk.
    Full,
    /// It asks the boot server for the script straight away, by its MAC address, and needs no address and no files.
    Script,
}

/// How long a machine takes for things.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timings {
    /// From power to the first boot device.
    pub post: Duration,
    /// That is so much longer or shorter from boot to boot.
    pub post_spread: Duration,
    /// From the firmware's or loader's start to its first DHCP message.
    pub rom: Duration,
    /// From the kernel's start to the agent's.
    pub kernel: Duration,
    /// From the disk to an operating system that calls.
    pub system: Duration,
    /// The wait for an answer by DHCP; it doubles three times (PXE 2.1, 2.2.1: 4, 8, 16, 32 s).
    pub dhcp_retry: Duration,
    /// The pause after anything else that failed; it doubles three times.
    pub retry: Duration,
    /// How often a loader or a script's kernel is tried before the machine gives it up.
    pub tries: u32,
}

impl Default for Timings {
    /// Those of a rack server.
    fn default() -> Self {
        Self {
            post: Duration::from_secs(90),
            post_spread: Duration::from_secs(30),
            rom: Duration::from_secs(3),
            kernel: Duration::from_secs(12),
            system: Duration::from_secs(35),
            dhcp_retry: Duration::from_secs(4),
            retry: Duration::from_secs(2),
            tries: 5,
        }
    }
}

impl Timings {
    /// A machine that takes no time, and asks again after this pause.
    #[must_use]
    pub fn none(retry: Duration) -> Self {
        let none = Duration::ZERO;
        Self {
            post: none,
            post_spread: none,
            rom: none,
            kernel: none,
            system: none,
            dhcp_retry: retry,
            retry,
            tries: 5,
        }
    }

    /// The wait before the next try, so many having failed. It doubles three times, then stays.
    pub(super) fn backoff(first: Duration, failed: u32) -> Duration {
        first * (1 << failed.min(3))
    }
}

/// By how much machines are faster than in life.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compress(pub f64);

impl Compress {
    /// A duration of a machine's, compressed.
    #[must_use]
    pub fn time(self, time: Duration) -> Duration {
        // A factor that can't be is none.
        if self.0.is_finite() && self.0 > 0.0 { time.div_f64(self.0) } else { time }
    }

    /// A machine's times, compressed; pauses between tries stay 250 ms at least.
    #[must_use]
    pub fn timings(self, timings: &Timings) -> Timings {
        Timings {
            post: self.time(timings.post),
            post_spread: self.time(timings.post_spread),
            rom: self.time(timings.rom),
            kernel: self.time(timings.kernel),
            system: self.time(timings.system),
            dhcp_retry: self.time(timings.dhcp_retry).max(LEAST_RETRY),
            retry: self.time(timings.retry).max(LEAST_RETRY),
            tries: timings.tries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_leaves_room_between_tries() {
        let fast = Compress(60.0).timings(&Timings::default());
        assert_eq!(fast.post, Duration::from_millis(1500));
        assert_eq!((fast.dhcp_retry, fast.retry), (LEAST_RETRY, LEAST_RETRY));
        let waits: Vec<u128> =
            (0..5).map(|failed| Timings::backoff(fast.retry, failed).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 2000]);
        for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Compress(nonsense).time(Duration::from_secs(1)), Duration::from_secs(1));
        }
    }
}
