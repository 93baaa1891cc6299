//! Get Channel Cipher Suites (section 22.15): what a BMC says it offers, asked before a session.
//!
//! Deliberately not here: choosing one by it. Nobody has signed it, so it must not decide how a session is protected.

use crate::ipmi::{CipherSuite, IpmiCommand, Message, NetFn, NotEnoughData};

/// The channel that the question comes on.
const PRESENT_CHANNEL: u8 = 0x0E;
/// Bit of the list index: by cipher suite, not by algorithm.
const BY_SUITE: u8 = 0x80;
/// Bytes in each part of the list but the last.
const PART: usize = 16;
/// First byte of a record of a standard suite (table 22-18).
const STANDARD: u8 = 0xC0;
/// First byte of a record of a manufacturer's suite.
const OEM: u8 = 0xC1;
/// The parts that the list index can name.
const PARTS: usize = 64;

/// Get Channel Cipher Suites, for IPMI payloads on the present channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetChannelCipherSuites {
    /// Which 16 bytes of the list, 0 to 63.
    pub part: u8,
}

impl GetChannelCipherSuites {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x54;
}

impl From<GetChannelCipherSuites> for Message {
    fn from(get: GetChannelCipherSuites) -> Self {
        let data = vec![PRESENT_CHANNEL, 0, BY_SUITE | get.part & 0x3F];
        Self::new_request(NetFn::App, GetChannelCipherSuites::COMMAND, data)
    }
}

impl IpmiCommand for GetChannelCipherSuites {
    /// The part's bytes; fewer than 16 end the list.
    type Output = Vec<u8>;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Vec<u8>, NotEnoughData> {
        // The channel comes first.
        let (_, part) = data.split_first().ok_or(NotEnoughData)?;
        Ok(part.iter().take(PART).copied().collect())
    }
}

/// The list, put together from its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CipherSuiteList {
    bytes: Vec<u8>,
    parts: usize,
    whole: bool,
}

impl CipherSuiteList {
    /// Appends the next part.
    pub fn add(&mut self, part: &[u8]) {
        self.bytes.extend(part.iter().take(PART));
        self.parts += 1;
        self.whole |= part.len() < PART || self.parts == PARTS;
    }

    /// There is no further part: the BMC refused to give one.
    pub fn end(&mut self) {
        self.whole = true;
    }

    /// Whether nothing more is to be asked for.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The numbers of the standard suites, ascending. `None`: not a single part came.
    ///
    /// Records begin with 0xC0 or 0xC1, which no algorithm's byte can be; whatever stands before the first or is cut off
    /// at the end is skipped, and the order is of no meaning.
    pub fn suites(&self) -> Option<Vec<u8>> {
        if self.parts == 0 {
            return None;
        }
        let mut suites: Vec<u8> = Vec::new();
        let mut rest = self.bytes.as_slice();
        while let Some((&first, after)) = rest.split_first() {
            rest = match first {
                STANDARD => {
                    suites.extend(after.first());
                    after.get(1..).unwrap_or_default()
                }
                // Its number and the manufacturer's.
                OEM => after.get(4..).unwrap_or_default(),
                _ => after,
            };
        }
        suites.sort_unstable();
        suites.dedup();
        Some(suites)
    }
}

/// The records of suites, as a BMC lists them.
pub fn cipher_suite_records(suites: &[CipherSuite]) -> Vec<u8> {
    let record = |suite: &CipherSuite| {
        let [authentication, integrity, confidentiality] = suite.algorithms();
        [STANDARD, suite.id(), authentication, 0x40 | integrity, 0x80 | confidentiality]
    };
    suites.iter().flat_map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn suites(list: &str) -> Option<Vec<u8>> {
        let mut all = CipherSuiteList::default();
        let bytes = hex::decode(list).unwrap();
        for part in bytes.chunks(PART) {
            all.add(part);
        }
        all.suites()
    }

    #[test]
    fn asks_as_ipmitool_does() {
        let message = Message::from(GetChannelCipherSuites { part: 3 });
        assert_eq!((message.netfn_raw(), message.cmd(), message.data()), (6, 0x54, &[0x0E, 0, 0x83][..]));
    }

    #[test]
    fn lists_are_read() {
        let table = [
            ("OpenBMC", "c011034481", Some(vec![17])),
            ("3 and 17, odd order", "c011034481c003014181", Some(vec![3, 17])),
            ("an OEM suite between", "c003014181c180a20200014181c011034481", Some(vec![3, 17])),
            ("several algorithms in one record", "c0030141428180c00802", Some(vec![3, 8])),
            ("twice", "c003014181c003014181", Some(vec![3])),
            ("rubbish before, cut off after", "0102c003014181c0", Some(vec![3])),
            ("OEM cut off", "c180a2", Some(vec![])),
            ("no answer", "", None),
        ];
        for (name, list, expected) in table {
            assert_eq!(suites(list), expected, "{name}");
        }
    }

    #[test]
    fn parts_end_the_list() {
        let mut list = CipherSuiteList::default();
        list.add(&[0; PART]);
        assert!(!list.is_whole());
        list.add(&[]);
        assert!(list.is_whole() && list.suites().is_some());
        let mut refused = CipherSuiteList::default();
        refused.end();
        assert!(refused.is_whole() && refused.suites().is_none());
        let mut endless = CipherSuiteList::default();
        let parts = (0..1000).take_while(|_| !endless.is_whole()).count();
        assert_eq!(parts, 1000, "nothing was added");
        let parts = (0..1000).take_while(|_| {
            endless.add(&[0xC0; 40]);
            !endless.is_whole()
        });
        assert_eq!(parts.count(), PARTS - 1, "a hostile list ends, too");
    }

    #[test]
    fn what_is_listed_is_read() {
        let mut list = CipherSuiteList::default();
        list.add(&cipher_suite_records(&CipherSuite::ALL));
        assert_eq!(list.suites(), Some(vec![3, 17]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let found = suites(&hex::encode(&bytes)).unwrap_or_default();
            prop_assert!(found.len() <= bytes.len() / 2 + 1);
            prop_assert!(found.is_sorted());
        }
    }
}
