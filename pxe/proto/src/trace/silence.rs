//! Why a client got no answer, read from the words that the trace keeps.
//!
//! The trace keeps words, since it is stored: what is not understood is told as it is.

/// A reason of which more can be said than its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The network serves reservations only, and there is none.
    Unreserved,
    /// Another DHCP server is on the network.
    Rogue,
    /// It asks too often.
    RateLimited,
    /// The server has too much to do.
    Busy,
    /// All addresses are taken.
    NoAddress,
    /// No subnet is declared for its relay, or for where the relay says that it is.
    UndeclaredRelay,
    /// It is meant for another server.
    AnotherServer,
    /// Leases can't be stored.
    Store,
    /// No reply is due, or another may know better.
    NoneDue,
}

/// The words by which reasons are known, the first that fits counts.
const WORDS: &[(&str, Reason)] = &[
    ("reserv", Reason::Unreserved),
    ("rogue", Reason::Rogue),
    ("another dhcp server", Reason::Rogue),
    ("more than a client may", Reason::RateLimited),
    ("client rate", Reason::RateLimited),
    ("rate limit", Reason::RateLimited),
    ("too much to do", Reason::Busy),
    ("busy", Reason::Busy),
    ("relay", Reason::UndeclaredRelay),
    ("not declared", Reason::UndeclaredRelay),
    ("undeclared", Reason::UndeclaredRelay),
    ("not known here", Reason::NoneDue),
    ("not ours", Reason::NoneDue),
    ("nothing to boot", Reason::NoneDue),
    ("foreign address", Reason::NoneDue),
    ("meant for", Reason::AnotherServer),
    ("another server", Reason::AnotherServer),
    ("proxy only", Reason::AnotherServer),
    ("no address", Reason::NoAddress),
    ("no free", Reason::NoAddress),
    ("stor", Reason::Store),
    ("commit", Reason::Store),
    ("no reply is due", Reason::NoneDue),
    ("none due", Reason::NoneDue),
];

/// The reason that words tell of.
pub(super) fn reason(words: &str) -> Option<Reason> {
    let words = words.to_ascii_lowercase().replace(['-', '_'], " ");
    WORDS.iter().find(|(word, _)| words.contains(word)).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::{Reason, reason};
    use crate::dhcp::Silence;
    use std::net::Ipv4Addr;

    #[test]
    fn what_the_dhcp_server_says_is_understood() {
        let address = Ipv4Addr::new(192, 0, 2, 1);
        let table = [
            (Silence::AnotherServer { server: address }, Reason::AnotherServer),
            (Silence::UndeclaredRelay { relay: address }, Reason::UndeclaredRelay),
            (Silence::UndeclaredSubnet { address }, Reason::UndeclaredRelay),
            (Silence::NoAddress, Reason::NoAddress),
            (Silence::NoReservation, Reason::Unreserved),
            (Silence::NotOurs, Reason::NoneDue),
            (Silence::ProxyOnly, Reason::AnotherServer),
            (Silence::NothingToBoot, Reason::NoneDue),
            (Silence::NoneDue, Reason::NoneDue),
        ];
        for (silence, want) in table {
            assert_eq!(reason(&silence.to_string()), Some(want), "{silence}");
            assert_eq!(reason(silence.reason()), Some(want), "{}", silence.reason());
        }
        for (words, want) in [
            ("it sends more than a client may", Reason::RateLimited),
            ("the server has too much to do", Reason::Busy),
            ("its lease could not be stored", Reason::Store),
            ("another DHCP server answers on this network, so this one keeps silent", Reason::Rogue),
            ("rate-limited", Reason::RateLimited),
            ("rogue-present", Reason::Rogue),
            ("not-reserved", Reason::Unreserved),
            ("no-free-address", Reason::NoAddress),
            ("undeclared-relay", Reason::UndeclaredRelay),
        ] {
            assert_eq!(reason(words), Some(want), "{words}");
        }
        assert_eq!(reason("the moon"), None);
    }
}
