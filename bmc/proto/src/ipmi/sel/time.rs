//! Times of BMCs (section 37): seconds since 1970, or since the BMC's start while nobody set its clock.

/// Smaller numbers count from the BMC's start.
const SINCE_START: u32 = 0x2000_0000;
/// No time.
const UNSPECIFIED: u32 = 0xFFFF_FFFF;

/// A BMC's time as seconds since 1970 UTC; `offset` is what its clock is ahead of UTC, in minutes. `None`: its clock
/// isn't set, or it says so.
pub fn unix(time: u32, offset: i16) -> Option<i64> {
    let set = time >= SINCE_START && time != UNSPECIFIED;
    set.then(|| i64::from(time) - i64::from(offset) * 60)
}

/// Seconds since 1970 UTC as a BMC's time. `None`: it can't say that.
pub fn from_unix(seconds: i64, offset: i16) -> Option<u32> {
    let time = u32::try_from(seconds.checked_add(i64::from(offset) * 60)?).ok()?;
    (SINCE_START..UNSPECIFIED).contains(&time).then_some(time)
}
