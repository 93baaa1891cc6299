//! How often each may ask the API, and how much of it at once: token buckets (GCRA, by `governor`), one for each who asks.
//!
//! Pure counting in bounded memory. Who asks, what is answered, and what the audit log says of it is `api::rate`'s.

use crate::config::Rate;
use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// So many times the rate may come at once after a rest.
const BURST: u32 = 10;

/// Buckets of those who proved who they are, at most: there are fewer of them. Two that fall into one share it.
const KNOWN: u64 = 1 << 20;

/// Buckets of addresses, at most: anybody may have thousands.
const ADDRESSES: u64 = 1 << 16;

/// Most tokens that are remembered as good. When there are more, all are found out anew.
const GOOD: usize = 16_384;

/// How often a second one operating system may report in, and it does so once.
const REPORTS: u32 = 1;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Asks<'a> {
    /// A token of this name, or a user, however often logged in.
    Caller {
        /// The name.
        name: &'a str,
        /// It is a user.
        is_user: bool,
    },
    /// The agent of a machine.
    Agent(provisioner_api::MachineId),
    /// Somebody at an address who proved nothing yet.
    Stranger(Option<IpAddr>),
    /// The same on a path that only agents go.
    NewAgent(Option<IpAddr>),
    /// The operating system of an instance.
    System(provisioner_api::InstanceId),
}

/// Too many; after how long one more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// The wait.
    pub(crate) wait: Duration,
}

/// All that is counted.
#[derive(Debug)]
pub(crate) struct Rates {
    rate: Rate,
    hasher: RandomState,
    callers: Buckets,
    agents: Buckets,
    strangers: Buckets,
    new_agents: Buckets,
    systems: Buckets,
    good: Mutex<HashSet<u64>>,
    at_once: Arc<Mutex<HashMap<u64, u32>>>,
    refused: [AtomicU64; KINDS.len()],
}

/// The kinds of who asks, as metrics call them.
const KINDS: [&str; 5] = ["token", "agent", "address", "agents-address", "system"];

/// A place among what somebody has under way. It is free when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    key: u64,
    at_once: Arc<Mutex<HashMap<u64, u32>>>,
}

impl Rates {
    /// Nobody has asked yet.
    pub(crate) fn new(rate: Rate) -> Self {
        let of = |rate, slots| Buckets::new(rate, slots, MonotonicClock);
        Self {
            rate,
            hasher: RandomState::new(),
            callers: of(rate.per_token, KNOWN),
            agents: of(rate.per_agent, KNOWN),
            strangers: of(rate.per_address, ADDRESSES),
            new_agents: of(rate.agents_per_address, ADDRESSES),
            systems: of(REPORTS, KNOWN),
            good: Mutex::default(),
            at_once: Arc::default(),
            refused: Default::default(),
        }
    }

    /// Counts a request. A refused one is not counted against whoever sent it.
    pub(crate) fn ask(&self, asks: Asks<'_>) -> Result<(), TooMany> {
        let (kind, buckets) = self.of(asks);
        let asked = buckets.ask(self.key(asks));
        asked.inspect_err(|_| self.note(kind))
    }

    /// A place among what somebody has under way at once; none: they have as many as may be.
    pub(crate) fn place(&self, asks: Asks<'_>) -> Option<Place> {
        let key = self.key(asks);
        // Those of a rack that boots may share an address.
        let factor = if matches!(asks, Asks::NewAgent(_)) { BURST } else { 1 };
        let most = self.rate.at_once.saturating_mul(factor);
        let mut all = lock(&self.at_once);
        let count = all.entry(key).or_insert(0);
        if *count >= most {
            drop(all);
            self.note(self.of(asks).0);
            return None;
        }
        *count += 1;
        Some(Place { key, at_once: Arc::clone(&self.at_once) })
    }

    /// Whether this token, by its hash, was good when it was last looked at. Who sends another one is a stranger at first.
    pub(crate) fn is_good(&self, hash: &str) -> bool {
        lock(&self.good).contains(&self.hasher.hash_one(hash))
    }

    /// Remembers whether a token is good.
    pub(crate) fn found(&self, hash: &str, is_good: bool) {
        let key = self.hasher.hash_one(hash);
        let mut good = lock(&self.good);
        if !is_good {
            good.remove(&key);
            return;
        }
        if good.len() >= GOOD && !good.contains(&key) {
            good.clear();
        }
        good.insert(key);
    }

    /// How many requests were refused, by the kind of who asked.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS.into_iter().zip(self.refused.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    fn of(&self, asks: Asks<'_>) -> (usize, &Buckets) {
        match asks {
            Asks::Caller { .. } => (0, &self.callers),
            Asks::Agent(_) => (1, &self.agents),
            Asks::Stranger(_) => (2, &self.strangers),
            Asks::NewAgent(_) => (3, &self.new_agents),
            Asks::System(_) => (4, &self.systems),
        }
    }

    fn note(&self, kind: usize) {
        self.refused[kind].fetch_add(1, Ordering::Relaxed);
    }

    /// Nobody outside knows which names or addresses share a bucket.
    fn key(&self, asks: Asks<'_>) -> u64 {
        match asks {
            Asks::Stranger(at) => self.hasher.hash_one(Asks::Stranger(at.map(host))),
            Asks::NewAgent(at) => self.hasher.hash_one(Asks::NewAgent(at.map(host))),
            known => self.hasher.hash_one(known),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = lock(&self.at_once);
        if let Some(count) = all.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.key);
            }
        }
    }
}

/// The address as it is counted: one host has as many of a /64 as it likes (RFC 4291, section 2.5.4).
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each change is one call, or leaves a count that is right.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Buckets of one size. There are so many slots and no more, whoever asks.
#[derive(Debug)]
struct Buckets<C: Clock = MonotonicClock> {
    limiter: RateLimiter<u64, HashMapStateStore<u64>, C, NoOpMiddleware<C::Instant>>,
    slots: u64,
}

impl<C: Clock> Buckets<C> {
    fn new(rate: u32, slots: u64, clock: C) -> Self {
        // The configuration has no 0.
        let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        let burst = rate.saturating_mul(NonZeroU32::new(BURST).unwrap_or(NonZeroU32::MIN));
        let quota = Quota::per_second(rate).allow_burst(burst);
        Self { limiter: RateLimiter::hashmap_with_clock(quota, clock), slots }
    }

    fn ask(&self, key: u64) -> Result<(), TooMany> {
        let now = |until: NotUntil<C::Instant>| until.wait_time_from(self.limiter.clock().now());
        self.limiter.check_key(&(key % self.slots)).map_err(|until| TooMany { wait: now(until) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use provisioner_api::MachineId;
    use uuid::Uuid;

    fn rates(per_token: u32, per_address: u32, at_once: u32) -> Rates {
        Rates::new(Rate { per_token, per_address, at_once, ..Rate::default() })
    }

    #[test]
    fn ten_seconds_may_come_at_once_and_then_the_rate_does() {
        let clock = FakeRelativeClock::default();
        let buckets = Buckets::new(2, KNOWN, clock.clone());
        let asked = |key| (0..100).take_while(|_| buckets.ask(key).is_ok()).count();
        assert_eq!((asked(1), asked(1), asked(2)), (20, 0, 20), "each has a bucket of its own");
        assert_eq!(buckets.ask(1), Err(TooMany { wait: Duration::from_millis(500) }));
        clock.advance(Duration::from_millis(499));
        assert!(buckets.ask(1).is_err());
        clock.advance(Duration::from_millis(1));
        assert_eq!(asked(1), 1, "who comes when told gets through");
        clock.advance(Duration::from_secs(3600));
        assert_eq!(asked(1), 20);
    }

    #[test]
    fn memory_is_bounded_whoever_asks() {
        let buckets = Buckets::new(1, 64, FakeRelativeClock::default());
        let let_through = (0..10_000).filter(|key| buckets.ask(*key).is_ok()).count();
        assert_eq!((buckets.limiter.len(), let_through), (64, 640));
    }

    #[test]
    fn who_is_counted_as_one() {
        let rates = rates(1, 1, 1);
        let stranger = |text: &str| rates.key(Asks::Stranger(Some(text.parse().unwrap())));
        assert_eq!(stranger("2001:db8::1"), stranger("2001:db8::ffff:1"), "one /64");
        assert_ne!(stranger("2001:db8::1"), stranger("2001:db8:0:1::1"));
        assert_eq!(stranger("::ffff:192.0.2.1"), stranger("192.0.2.1"));
        assert_ne!(stranger("192.0.2.1"), stranger("192.0.2.2"));
        let caller = |name, is_user| rates.key(Asks::Caller { name, is_user });
        assert_ne!(caller("a", true), caller("a", false), "a user and a token may have one name");
        assert_ne!(rates.key(Asks::Stranger(None)), rates.key(Asks::NewAgent(None)));
    }

    #[test]
    fn a_flood_of_one_does_not_hinder_another() {
        let rates = rates(1, 1, 1000);
        let ask = |name| rates.ask(Asks::Caller { name, is_user: false });
        assert!((0..1000).any(|_| ask("loud").is_err()));
        assert_eq!(ask("quiet"), Ok(()));
        let agent = Asks::Agent(MachineId(Uuid::from_u128(1)));
        assert_eq!((rates.ask(agent), rates.ask(Asks::Stranger(None))), (Ok(()), Ok(())));
        let refused: Vec<_> = rates.refused().filter(|(_, count)| *count > 0).collect();
        assert_eq!(refused, [("token", 1)]);
    }

    #[test]
    fn so_many_are_under_way_at_once_and_an_end_makes_room() {
        let rates = rates(1, 1, 2);
        let place = |name| rates.place(Asks::Caller { name, is_user: false });
        let (first, second) = (place("a"), place("a"));
        assert!(first.is_some() && second.is_some() && place("a").is_none() && place("b").is_some());
        drop(first);
        assert!(place("a").is_some());
        drop(second);
        assert!(lock(&rates.at_once).is_empty(), "nobody is remembered who has nothing under way");
    }

    #[test]
    fn a_good_token_is_remembered_until_it_is_none_and_memory_is_bounded() {
        let rates = rates(1, 1, 1);
        assert!(!rates.is_good("a"));
        rates.found("a", true);
        assert!(rates.is_good("a"));
        rates.found("a", false);
        assert!(!rates.is_good("a"));
        for number in 0..=GOOD {
            rates.found(&number.to_string(), true);
        }
        assert!(lock(&rates.good).len() <= GOOD && rates.is_good(&GOOD.to_string()));
    }
}
