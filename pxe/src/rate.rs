//! How much of the server one hardware address may use, and how many new ones are looked at.
//!
//! Pure: time is passed in. Memory is bounded, whatever addresses are made up.

mod generations;

pub(crate) use generations::Generations;

use crate::directory::Mac;

/// Messages that a client may send at once. A machine that boots needs about ten in its first seconds.
const BURST: u32 = 16;
/// Messages that a client may send each second in the long run.
const REFILL: u32 = 4;
/// New clients that a network may show each second: above what any fleet does when its power comes back.
const NEW_CLIENTS: u32 = 20_000;
/// Most clients of a network that are remembered.
const MOST_CLIENTS: usize = 32_768;

/// Why a datagram is dropped without a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// Its client sends too much.
    Client {
        /// Whether it is the first that is dropped after one that was not.
        first: bool,
    },
    /// Too many clients appear at once: their addresses are made up.
    NewClients,
}

/// The limits of one network.
#[derive(Debug)]
pub(crate) struct Limits {
    clients: Generations<Mac, Client>,
    fresh: Bucket,
}

/// What is known of a client.
#[derive(Debug)]
struct Client {
    bucket: Bucket,
    /// Whether its last message was dropped.
    refused: bool,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Limits { clients: Generations::new(MOST_CLIENTS), fresh: Bucket::full(NEW_CLIENTS, 0) }
    }

    /// Takes a message of a client into account. `now` is in milliseconds and never runs backwards.
    pub(crate) fn admit(&mut self, mac: Mac, now: u64) -> Result<(), Excess> {
        if let Some(client) = self.clients.get(&mac) {
            let taken = client.bucket.take(BURST, REFILL, now);
            let first = !std::mem::replace(&mut client.refused, !taken);
            return if taken { Ok(()) } else { Err(Excess::Client { first }) };
        }
        if !self.fresh.take(NEW_CLIENTS, NEW_CLIENTS, now) {
            return Err(Excess::NewClients);
        }
        let mut bucket = Bucket::full(BURST, now);
        bucket.take(BURST, REFILL, now);
        self.clients.insert(mac, Client { bucket, refused: false });
        Ok(())
    }
}

/// A token bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// Thousandths of a token.
    tokens: u64,
    since: u64,
}

impl Bucket {
    /// A bucket with `burst` tokens.
    pub(crate) fn full(burst: u32, now: u64) -> Self {
        Bucket { tokens: u64::from(burst) * 1000, since: now }
    }

    /// Takes a token, if there is one. `refill` tokens come back each second, up to `burst`.
    pub(crate) fn take(&mut self, burst: u32, refill: u32, now: u64) -> bool {
        let grown = now.saturating_sub(self.since).saturating_mul(u64::from(refill));
        self.tokens = self.tokens.saturating_add(grown).min(u64::from(burst) * 1000);
        self.since = now;
        let taken = self.tokens >= 1000;
        if taken {
            self.tokens -= 1000;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [0x52, 0x54, 0, 0, 0, 1];

    #[test]
    fn a_loud_client_is_held_to_its_rate_and_no_other_is() {
        let mut limits = Limits::new();
        let answers: Vec<_> = (0..100).map(|_| limits.admit(MAC, 0)).collect();
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), BURST as usize);
        let first = |answer: &&Result<(), Excess>| **answer == Err(Excess::Client { first: true });
        assert_eq!(answers.iter().filter(first).count(), 1, "it is told once");
        assert_eq!(limits.admit(MAC, 0), Err(Excess::Client { first: false }));
        assert_eq!(limits.admit([0x52, 0x54, 0, 0, 0, 2], 0), Ok(()));
        // A second later: four more. After a minute of quiet: the burst again, and no more.
        assert_eq!((0..100).filter(|_| limits.admit(MAC, 1000).is_ok()).count(), REFILL as usize);
        assert_eq!((0..100).filter(|_| limits.admit(MAC, 61_000).is_ok()).count(), BURST as usize);
    }

    #[test]
    fn a_slow_client_is_never_refused() {
        let mut limits = Limits::new();
        assert!((0..10_000).all(|number| limits.admit(MAC, number * 250).is_ok()));
    }

    #[test]
    fn made_up_clients_are_held_to_a_budget() {
        let mut limits = Limits::new();
        let mac = |number: u32| {
            let [a, b, c, d] = number.to_be_bytes();
            [2, 0, a, b, c, d]
        };
        let admitted = (0..100_000).filter(|number| limits.admit(mac(*number), 0).is_ok()).count();
        assert_eq!(admitted, NEW_CLIENTS as usize);
        assert_eq!(limits.admit(mac(100_001), 0), Err(Excess::NewClients));
        assert_eq!(limits.admit(mac(1), 0), Ok(()), "those who are known go on");
        // Eight thousand clients a second, as a load generator sends them, are all served.
        let mut limits = Limits::new();
        assert!((0..200_000).all(|number| limits.admit(mac(number), u64::from(number / 8)).is_ok()));
    }
}
