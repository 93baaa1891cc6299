//! Setting the system's clock: a machine whose battery died would find every certificate "not valid yet".
#![allow(unsafe_code, reason = "clock_settime, one call")]

use crate::Host;
use jiff::Timestamp;

/// How far off the clock may be, seconds: certificates are valid for years, and the service's word came some
/// seconds ago.
const TOLERANCE: i64 = 3600;

/// Sets the system's clock to `now` if it is off by more than an hour.
pub(super) fn set_if_far_off(host: &dyn Host, now: Timestamp) {
    let here = Timestamp::now();
    if (here.as_second() - now.as_second()).abs() <= TOLERANCE {
        return;
    }
    let time = libc::timespec { tv_sec: now.as_second(), tv_nsec: 0 };
    // SAFETY: the call reads one timespec, which lives until it returns.
    let result = unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) };
    if result == 0 {
        host.say(&format!("the clock said {here}; set to {now}"));
    } else {
        let error = std::io::Error::last_os_error();
        host.say(&format!("the clock says {here} instead of {now} and can't be set: {error}"));
    }
}
