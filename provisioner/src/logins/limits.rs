//! How often anybody may try a password: after some failures a user's name, and an address, have to wait, longer each time.
//! Pure but for the lock: time is an argument.
//!
//! * A try counts as a failure from its beginning, so that many at once are no way around it.
//! * Nobody is locked out for ever: waiting has a longest time, what is refused counts nothing, and where a user logged in
//!   before, that user has a count of their own, which strangers can't fill.
//! * What is remembered is bounded. When there is no room those go who failed least.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Failures of a name before it has to wait.
const FREE_NAME: u32 = 5;

/// Failures of an address, behind which may be many people, before it has to wait.
const FREE_ADDRESS: u32 = 20;

/// The first wait; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// After so long without a failure all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Names, and addresses, that are remembered.
const KEPT: usize = 4096;

/// Users with addresses where they logged in that are remembered.
const KNOWN: usize = 1024;

/// Who tried what lately, in this process.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By name; by name and address where that user logged in before.
    names: HashMap<String, Count>,
    addresses: HashMap<String, Count>,
    /// Where users logged in, and when they did last.
    known: HashMap<String, Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    /// From when on the next try is let through.
    until: Instant,
    last: Instant,
}

/// A try that was let through.
#[derive(Debug)]
pub(crate) struct Attempt {
    name: String,
    address: String,
    /// The name where it is known.
    pair: String,
}

impl Attempts {
    /// Lets a try through and counts it as a failure, or says how long to wait. `name`: a user's, known or not.
    pub(crate) fn begin(
        &self,
        name: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<Attempt, Duration> {
        let address = address.map(network).unwrap_or_default();
        // No user's name has a space.
        let pair = format!("{name} {address}");
        let mut inner = self.lock();
        let name = if inner.known.contains_key(&pair) { pair.clone() } else { name.to_owned() };
        let wait = |count: Option<&Count>| count.map(|count| count.until.saturating_duration_since(now));
        let waits = [wait(inner.names.get(&name)), wait(inner.addresses.get(&address))];
        if let Some(wait) = waits.into_iter().flatten().max().filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        failed(&mut inner.names, &name, FREE_NAME, now);
        failed(&mut inner.addresses, &address, FREE_ADDRESS, now);
        Ok(Attempt { name, address, pair })
    }

    /// It was no failure after all: nobody could say whether the password was right.
    pub(crate) fn take_back(&self, attempt: &Attempt, now: Instant) {
        let Inner { names, addresses, .. } = &mut *self.lock();
        for (counts, key) in [(names, &attempt.name), (addresses, &attempt.address)] {
            if let Some(count) = counts.get_mut(key) {
                *count = Count { failures: count.failures.saturating_sub(1), until: now, ..*count };
            }
        }
    }

    /// The password was right: the failures of the name are forgotten, those of the address are not, where others may guess.
    pub(crate) fn succeed(&self, attempt: Attempt, now: Instant) {
        self.take_back(&attempt, now);
        let mut inner = self.lock();
        inner.names.remove(&attempt.name);
        if inner.known.len() >= KNOWN && !inner.known.contains_key(&attempt.pair) {
            let oldest = inner.known.iter().min_by_key(|(_, at)| **at).map(|(pair, _)| pair.clone());
            oldest.iter().for_each(|pair| {
                inner.known.remove(pair);
            });
        }
        inner.known.insert(attempt.pair, now);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address as it is counted: one host has as many of a /64 as it likes.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// How long to wait after so many failures.
fn wait(failures: u32, free: u32) -> Duration {
    match failures.checked_sub(free) {
        None | Some(0) => Duration::ZERO,
        Some(more) => FIRST.saturating_mul(2_u32.saturating_pow(more - 1)).min(LONGEST),
    }
}

fn failed(counts: &mut HashMap<String, Count>, key: &str, free: u32, now: Instant) {
    let is_over = |count: &Count| now.saturating_duration_since(count.last) >= FORGOTTEN;
    if counts.len() >= KEPT && !counts.contains_key(key) {
        counts.retain(|_, count| !is_over(count));
        let least = counts.iter().min_by_key(|(_, count)| (count.failures, count.last));
        if let Some(least) = least.filter(|_| counts.len() >= KEPT).map(|(key, _)| key.clone()) {
            counts.remove(&least);
        }
    }
    let before = counts.get(key).filter(|count| !is_over(count)).map_or(0, |count| count.failures);
    let failures = before.saturating_add(1);
    counts.insert(key.to_owned(), Count { failures, until: now + wait(failures, free), last: now });
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const OTHER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    fn seconds(waits: Result<Attempt, Duration>) -> u64 {
        waits.map_or_else(|wait| wait.as_secs(), |_| 0)
    }

    #[test]
    fn waits_grow_to_a_longest_one() {
        let waits: Vec<_> = (4..=20).map(|failures| wait(failures, 5).as_secs()).collect();
        assert_eq!(waits[..8], [0, 0, 1, 2, 4, 8, 16, 32]);
        assert_eq!((waits[16], wait(u32::MAX, 5)), (300, LONGEST));
    }

    #[test]
    fn a_name_waits_wherever_it_is_tried_and_what_is_refused_counts_nothing() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..6_u8 {
            let address = Some(IpAddr::from([198, 51, 100, number]));
            assert!(attempts.begin("ann", address, now).is_ok(), "{number}");
        }
        for _ in 0..10 {
            assert_eq!(seconds(attempts.begin("ann", OTHER, now)), 1);
        }
        assert!(attempts.begin("bob", OTHER, now).is_ok(), "another name");
        let later = now + Duration::from_secs(1);
        assert!(attempts.begin("ann", OTHER, later).is_ok());
        assert_eq!(seconds(attempts.begin("ann", OTHER, later)), 2, "longer each time");
        assert!(attempts.begin("ann", OTHER, later + LONGEST).is_ok(), "never for ever");
        assert_eq!(attempts.lock().names["ann"].failures, 8);
        let forgotten = later + LONGEST + FORGOTTEN;
        assert!((0..5).all(|_| attempts.begin("ann", OTHER, forgotten).is_ok()), "it begins anew");
    }

    #[test]
    fn an_address_waits_whatever_names_it_tries_and_a_log_in_does_not_free_it() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..20 {
            let attempt = attempts.begin(&format!("user{number}"), ONE, now).unwrap();
            if number % 2 == 0 {
                attempts.succeed(attempt, now);
            }
        }
        assert_eq!(attempts.lock().addresses["192.0.2.1"].failures, 10);
        for number in 0..11 {
            assert!(attempts.begin(&format!("other{number}"), ONE, now).is_ok());
        }
        assert_eq!(seconds(attempts.begin("any", ONE, now)), 1);
        assert!(attempts.begin("any", OTHER, now).is_ok());
    }

    #[test]
    fn who_logged_in_before_is_not_locked_out_by_strangers() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let attempt = attempts.begin("ann", ONE, now).unwrap();
        attempts.succeed(attempt, now);
        for number in 0..6_u8 {
            assert!(attempts.begin("ann", Some(IpAddr::from([198, 51, 100, number])), now).is_ok());
        }
        assert_eq!(seconds(attempts.begin("ann", OTHER, now)), 1);
        for _ in 0..6 {
            assert!(attempts.begin("ann", ONE, now).is_ok());
        }
        assert_eq!(seconds(attempts.begin("ann", ONE, now)), 1, "it has a limit, too");
    }

    #[test]
    fn what_could_not_be_judged_is_no_failure() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..40 {
            let attempt = attempts.begin("ann", ONE, now).unwrap();
            attempts.take_back(&attempt, now);
        }
    }

    #[test]
    fn memory_is_bounded_and_who_failed_most_stays() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..6 {
            attempts.begin("ann", None, now).ok();
        }
        for number in 0..2 * KEPT as u32 {
            let address = Some(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
            let attempt = attempts.begin(&format!("user{number}"), address, now).unwrap();
            if number % 2 == 0 {
                attempts.succeed(attempt, now);
            }
        }
        let inner = attempts.lock();
        assert!(inner.names.len() <= KEPT && inner.addresses.len() <= KEPT, "{}", inner.names.len());
        assert_eq!(inner.known.len(), KNOWN);
        assert_eq!(inner.names["ann"].failures, 6);
    }

    #[test]
    fn neighbours_of_one_host_are_one() {
        let of = |address: &str| network(address.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
