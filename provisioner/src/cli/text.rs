//! Words for people: sizes, ages, times; and nothing that a terminal would obey. Pure; the time is an argument.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// What views need to know.
#[derive(Debug, Clone)]
pub(super) struct Context {
    /// Now.
    pub(super) now: Timestamp,
    /// In which zone times are shown.
    pub(super) zone: TimeZone,
}

impl Context {
    /// A time as a person reads it: `2026-11-21 03:32:48`.
    pub(super) fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// How long something is ago: `5m`.
    pub(super) fn age(&self, at: Timestamp) -> String {
        duration(self.now.duration_since(at))
    }

    /// A time and how far off it is: `03:32:48 (5m ago)`, `03:50:00 (in 12m)`.
    pub(super) fn time_and_age(&self, at: Timestamp) -> String {
        let time = self.time(at);
        if at > self.now {
            format!("{time} (in {})", duration(at.duration_since(self.now)))
        } else {
            format!("{time} ({} ago)", self.age(at))
        }
    }
}

/// A duration in its two largest units: `42s`, `5m 3s`, `2h 10m`, `3d 4h`. Never negative: clocks differ.
pub(super) fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit} {small}{small_unit}") }
    };
    match () {
        () if days > 0 => two(days, "d", hours % 24, "h"),
        () if hours > 0 => two(hours, "h", minutes % 60, "m"),
        () if minutes > 0 => two(minutes, "m", seconds % 60, "s"),
        () => format!("{seconds}s"),
    }
}

/// A size: `4.0 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// How far something is, in whole percent.
pub(super) fn percent(done: u64, total: u64) -> u64 {
    if total == 0 {
        0
    } else {
        u64::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(100).min(100)
    }
}

/// A text in which nothing is left that a terminal would obey: firmware and log lines come from machines that
/// nobody vouches for.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' | '\r' => ' ',
            // Bidirectional overrides would show another text than there is.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Context, bytes, clean, duration, percent};
    use jiff::{SignedDuration, Timestamp, tz::TimeZone};

    #[test]
    fn durations() {
        for (seconds, want) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (303, "5m 3s"),
            (7800, "2h 10m"),
            (273_600, "3d 4h"),
        ] {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), want);
        }
    }

    #[test]
    fn sizes() {
        for (size, want) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (4 << 30, "4.0 GiB"),
            ((1 << 30) - 1, "1.0 GiB"),
            (1 << 60, "1024.0 PiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(bytes(size), want);
        }
    }

    #[test]
    fn percents() {
        for (done, total, want) in
            [(0, 0, 0), (1, 3, 33), (3, 3, 100), (4, 3, 100), (u64::MAX, u64::MAX, 100)]
        {
            assert_eq!(percent(done, total), want);
        }
    }

    #[test]
    fn times() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let context = Context { now: at("2026-11-21T03:32:48Z"), zone: TimeZone::UTC };
        assert_eq!(context.time_and_age(at("2026-11-21T03:30:00Z")), "2026-11-21 03:30:00 (2m 48s ago)");
        assert_eq!(context.time_and_age(at("2026-11-21T03:45:00Z")), "2026-11-21 03:45:00 (in 12m 12s)");
    }

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        let said = clean("a\x1b[2Jb\u{9b}c\u{202e}d\ne\x07ü");
        assert_eq!(said, "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d e\u{fffd}ü");
    }
}
