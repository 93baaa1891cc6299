//! The two cipher suites that are spoken, and their keyed hash.
//!
//! Suites 0 to 2, 6, 7, 15 and 16 (no authentication, or no encryption) and those with MD5 or xRC4 are not here,
//! so that no setting and no answer of a BMC can lead to them.

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A cipher suite (table 22-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CipherSuite {
    /// RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128.
    Three,
    /// RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Seventeen,
}

impl CipherSuite {
    /// All of them, the strongest first.
    pub const ALL: [Self; 2] = [Self::Seventeen, Self::Three];

    /// Its number in table 22-20.
    pub fn id(self) -> u8 {
        match self {
            Self::Three => 3,
            Self::Seventeen => 17,
        }
    }

    /// The numbers of its authentication, integrity and confidentiality algorithm (tables 13-17 to 13-19).
    pub fn algorithms(self) -> [u8; 3] {
        match self {
            Self::Three => [1, 1, 1],
            Self::Seventeen => [3, 4, 1],
        }
    }

    /// The suite of these algorithms, if it is one that we speak.
    pub fn from_algorithms(algorithms: [u8; 3]) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.algorithms() == algorithms)
    }

    /// Length of the key exchange codes in RAKP 2 and RAKP 3, in bytes.
    pub fn key_exchange_len(self) -> usize {
        match self {
            Self::Three => 20,
            Self::Seventeen => 32,
        }
    }

    /// Length of the integrity value in RAKP 4 and in each packet's trailer, in bytes.
    pub fn integrity_len(self) -> usize {
        match self {
            Self::Three => 12,
            Self::Seventeen => 16,
        }
    }

    /// The suite's HMAC over the parts, one after the other, in full length.
    pub(crate) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Three => hmac_of::<Hmac<Sha1>>(key, parts),
            Self::Seventeen => hmac_of::<Hmac<Sha256>>(key, parts),
        }
    }
}

/// HMAC-SHA256 over the parts, whatever the suite.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    hmac_of::<Hmac<Sha256>>(key, parts)
}

fn hmac_of<M: Mac + hmac::digest::KeyInit>(key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    // RFC 2104 takes a key of any length, so this can't fail.
    let mut mac = <M as Mac>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 case 2 and RFC 4231 case 2.
    #[test]
    fn hmacs_are_those_of_the_rfcs() {
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        let sha1 = CipherSuite::Three.hmac(b"Jefe", &parts);
        assert_eq!(hex::encode(&*sha1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let sha256 = CipherSuite::Seventeen.hmac(b"Jefe", &parts);
        assert_eq!(hex::encode(&*sha256), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn only_whole_suites_are_recognised() {
        for suite in CipherSuite::ALL {
            assert_eq!(CipherSuite::from_algorithms(suite.algorithms()), Some(suite));
        }
        for algorithms in [[0, 0, 0], [1, 0, 0], [1, 1, 0], [3, 4, 0], [3, 1, 1], [1, 4, 1], [2, 2, 1]] {
            assert_eq!(CipherSuite::from_algorithms(algorithms), None, "{algorithms:?}");
        }
    }
}
