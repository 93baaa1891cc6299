//! How often anybody may try a password: after some failures whoever tried has to wait, longer each time. Pure but for the
//! lock: time is an argument.
//!
//! * Counted are a name from an address, an address whatever names it tries, and, with much more room, a name wherever it is
//!   tried. Where a user logged in before, only what failed there for that user counts.
//! * A try counts as a failure from its beginning, so that many at once are no way around it.
//! * Nobody is locked out for ever: waiting has a longest time, and what is refused counts nothing.
//! * What is remembered is bounded, and no flood makes it forget: counts are kept in so many places, by a hash that nobody
//!   outside can foretell. Whoever shares a place with another waits with them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Failures of a name from one address before it has to wait.
const FREE_PAIR: u32 = 5;

/// Failures of an address, behind which may be many people, before it has to wait.
const FREE_ADDRESS: u32 = 20;

/// Failures of a name from all addresses together: few strangers can't keep its user out, and many can't guess for ever.
const FREE_NAME: u32 = 500;

/// The first wait; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// After so long without a failure all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Places for counts of each kind.
const KEPT: usize = 16_384;

/// Users of whom it is remembered where they logged in.
const KNOWN: usize = 1024;

/// Addresses of one user where they logged in that are remembered.
const KNOWN_OF_ONE: usize = 16;

/// Who tried what lately, in this process.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    pairs: Places,
    addresses: Places,
    names: Places,
    /// Where users logged in, by name.
    known: HashMap<String, Vec<Known>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            pairs: Places::new(FREE_PAIR),
            addresses: Places::new(FREE_ADDRESS),
            names: Places::new(FREE_NAME),
            known: HashMap::new(),
        }
    }
}

impl Inner {
    fn known(&mut self, name: &str, address: &str) -> Option<&mut Known> {
        self.known.get_mut(name)?.iter_mut().find(|known| known.address == address)
    }
}

/// An address where a user logged in.
#[derive(Debug)]
struct Known {
    address: String,
    /// When they last did.
    at: Instant,
    failed: Option<Count>,
}

/// Failures of one who tries, or of all who share a place.
#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    /// From when on the next try is let through.
    until: Instant,
    last: Instant,
}

impl Count {
    /// One failure more.
    fn after(before: Option<Self>, free: u32, now: Instant) -> Self {
        let before = before.filter(|count| now.saturating_duration_since(count.last) < FORGOTTEN);
        let failures = before.map_or(0, |count| count.failures).saturating_add(1);
        Self { failures, until: now + wait(failures, free), last: now }
    }

    /// One failure less. Whoever failed since waits all the same.
    fn take_back(&mut self, until: Instant, now: Instant) {
        self.failures = self.failures.saturating_sub(1);
        if self.until == until {
            self.until = now;
        }
    }
}

/// Counts of one kind.
#[derive(Debug)]
struct Places {
    free: u32,
    /// Its keys are this process's own.
    hasher: RandomState,
    counts: Vec<Option<Count>>,
}

impl Places {
    fn new(free: u32) -> Self {
        Self { free, hasher: RandomState::new(), counts: vec![None; KEPT] }
    }

    fn of(&mut self, key: &str) -> &mut Option<Count> {
        let place = self.hasher.hash_one(key) % KEPT as u64;
        // It is below `KEPT`, which is how many there are.
        &mut self.counts[usize::try_from(place).unwrap_or(0)]
    }

    fn wait(&mut self, key: &str, now: Instant) -> Duration {
        left(self.of(key).as_ref(), now)
    }

    /// Counts a failure, and answers until when the next try waits.
    fn failed(&mut self, key: &str, now: Instant) -> Instant {
        let free = self.free;
        let count = self.of(key);
        count.insert(Count::after(*count, free, now)).until
    }

    fn take_back(&mut self, key: &str, until: Instant, now: Instant) {
        if let Some(count) = self.of(key) {
            count.take_back(until, now);
        }
    }
}

/// A try that was let through.
#[derive(Debug)]
pub(crate) struct Attempt {
    name: String,
    address: String,
    counted: Counted,
}

/// Where a try was counted, and until when the next one waits there.
#[derive(Debug, Clone, Copy)]
enum Counted {
    /// At an address where the user logged in before.
    Known(Instant),
    /// Anywhere else.
    Strange { pair: Instant, address: Instant, name: Instant },
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
        let mut inner = self.lock();
        let counted = if let Some(known) = inner.known(name, &address) {
            refuse(left(known.failed.as_ref(), now))?;
            Counted::Known(known.failed.insert(Count::after(known.failed, FREE_PAIR, now)).until)
        } else {
            let Inner { pairs, addresses, names, .. } = &mut *inner;
            let both = pair(name, &address);
            let waits = [pairs.wait(&both, now), addresses.wait(&address, now), names.wait(name, now)];
            refuse(waits.into_iter().max().unwrap_or_default())?;
            Counted::Strange {
                pair: pairs.failed(&both, now),
                address: addresses.failed(&address, now),
                name: names.failed(name, now),
            }
        };
        Ok(Attempt { name: name.to_owned(), address, counted })
    }

    /// It was no failure after all: nobody could say whether the password was right.
    pub(crate) fn take_back(&self, attempt: &Attempt, now: Instant) {
        let mut inner = self.lock();
        let (of, at) = (&attempt.name, &attempt.address);
        match attempt.counted {
            Counted::Known(until) => {
                if let Some(count) = inner.known(of, at).and_then(|known| known.failed.as_mut()) {
                    count.take_back(until, now);
                }
            }
            Counted::Strange { pair: until, address, name } => {
                inner.pairs.take_back(&pair(of, at), until, now);
                inner.addresses.take_back(at, address, now);
                inner.names.take_back(of, name, now);
            }
        }
    }

    /// The password was right: what that user failed at this address is forgotten, and from now on counted apart. What else
    /// failed is not forgotten, where others may guess.
    pub(crate) fn succeed(&self, attempt: Attempt, now: Instant) {
        self.take_back(&attempt, now);
        let mut inner = self.lock();
        let Attempt { name, address, .. } = attempt;
        if let Some(known) = inner.known(&name, &address) {
            (known.at, known.failed) = (now, None);
            return;
        }
        let known = &mut inner.known;
        if known.len() >= KNOWN && !known.contains_key(&name) {
            let last = |places: &Vec<Known>| places.iter().map(|known| known.at).max();
            let oldest = known.iter().min_by_key(|(_, places)| last(places)).map(|(name, _)| name.clone());
            oldest.iter().for_each(|name| {
                known.remove(name);
            });
        }
        let places = known.entry(name).or_default();
        if places.len() >= KNOWN_OF_ONE {
            places.sort_by_key(|known| known.at);
            places.remove(0);
        }
        places.push(Known { address, at: now, failed: None });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name from an address. No user's name has a space.
fn pair(name: &str, address: &str) -> String {
    format!("{name} {address}")
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

/// How long there is still to wait.
fn left(count: Option<&Count>, now: Instant) -> Duration {
    count.map(|count| count.until.saturating_duration_since(now)).unwrap_or_default()
}

fn refuse(wait: Duration) -> Result<(), Duration> {
    if wait.is_zero() { Ok(()) } else { Err(wait) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const OTHER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    fn seconds(waits: Result<Attempt, Duration>) -> u64 {
        waits.map_or_else(|wait| wait.as_secs(), |_| 0)
    }

    /// One of many addresses.
    fn from(number: u32) -> Option<IpAddr> {
        Some(IpAddr::from((0x0a00_0000 + number).to_be_bytes()))
    }

    #[test]
    fn waits_grow_to_a_longest_one() {
        let waits: Vec<_> = (4..=20).map(|failures| wait(failures, 5).as_secs()).collect();
        assert_eq!(waits[..8], [0, 0, 1, 2, 4, 8, 16, 32]);
        assert_eq!((waits[16], wait(u32::MAX, 5)), (300, LONGEST));
    }

    #[test]
    fn a_name_waits_where_it_was_guessed_and_what_is_refused_counts_nothing() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..6 {
            assert!(attempts.begin("ann", ONE, now).is_ok(), "{number}");
        }
        for _ in 0..10 {
            assert_eq!(seconds(attempts.begin("ann", ONE, now)), 1);
        }
        assert!(attempts.begin("bob", ONE, now).is_ok(), "another name");
        assert!(attempts.begin("ann", OTHER, now).is_ok(), "one stranger locks nobody out");
        let later = now + Duration::from_secs(1);
        assert!(attempts.begin("ann", ONE, later).is_ok());
        assert_eq!(seconds(attempts.begin("ann", ONE, later)), 2, "longer each time");
        assert!(attempts.begin("ann", ONE, later + LONGEST).is_ok(), "never for ever");
        assert_eq!(attempts.lock().pairs.of("ann 192.0.2.1").unwrap().failures, 8);
        let forgotten = later + LONGEST + FORGOTTEN;
        assert!((0..5).all(|_| attempts.begin("ann", ONE, forgotten).is_ok()), "it begins anew");
    }

    #[test]
    fn a_name_that_very_many_guess_waits_but_where_its_user_logged_in() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let attempt = attempts.begin("ann", ONE, now).unwrap();
        attempts.succeed(attempt, now);
        for number in 0..=FREE_NAME {
            assert!(attempts.begin("ann", from(number), now).is_ok(), "{number}");
        }
        assert_eq!(seconds(attempts.begin("ann", OTHER, now)), 1);
        assert!(attempts.begin("ann", ONE, now).is_ok());
        assert!(attempts.begin("bob", OTHER, now).is_ok());
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
        assert_eq!(attempts.lock().addresses.of("192.0.2.1").unwrap().failures, 10);
        for number in 0..11 {
            assert!(attempts.begin(&format!("other{number}"), ONE, now).is_ok());
        }
        assert_eq!(seconds(attempts.begin("any", ONE, now)), 1);
        assert!(attempts.begin("any", OTHER, now).is_ok());
        for _ in 0..6 {
            assert!(
                attempts.begin("user0", ONE, now).is_ok(),
                "who logged in there has a count of their own"
            );
        }
        assert_eq!(seconds(attempts.begin("user0", ONE, now)), 1, "it has a limit, too");
    }

    #[test]
    fn what_could_not_be_judged_is_no_failure_and_frees_nobody_else() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..40 {
            let attempt = attempts.begin("ann", ONE, now).unwrap();
            attempts.take_back(&attempt, now);
        }
        let first = attempts.begin("ann", ONE, now).unwrap();
        while attempts.begin("ann", ONE, now).is_ok() {}
        attempts.take_back(&first, now);
        assert_eq!(seconds(attempts.begin("ann", ONE, now)), 1);
    }

    #[test]
    fn memory_is_bounded_and_a_flood_makes_it_forget_nothing() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        while attempts.begin("ann", ONE, now).is_ok() {}
        for number in 0..2 * KEPT as u32 {
            let Ok(attempt) = attempts.begin(&format!("user{number}"), from(number), now) else { continue };
            if number < 2 * KNOWN as u32 {
                attempts.succeed(attempt, now);
            }
        }
        assert_eq!(attempts.lock().known.len(), KNOWN);
        assert!(attempts.begin("ann", ONE, now).is_err());
        for number in 0..40 {
            let at = now + FORGOTTEN + Duration::from_secs(u64::from(number));
            let attempt = attempts.begin("bob", from(number), at).unwrap();
            attempts.succeed(attempt, at);
        }
        let inner = attempts.lock();
        let places: Vec<_> = inner.known["bob"].iter().map(|known| known.address.as_str()).collect();
        assert_eq!((places.len(), places[0], places[15]), (KNOWN_OF_ONE, "10.0.0.24", "10.0.0.39"));
        assert_eq!(inner.pairs.counts.len(), KEPT);
    }

    #[test]
    fn neighbours_of_one_host_are_one() {
        let of = |address: &str| network(address.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
