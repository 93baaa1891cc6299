//! A second reader of DHCP replies, written from RFC 2131 and 2132 and not from the code under test.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A DHCP message as a client reads it.
#[derive(Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    options: BTreeMap<u8, Vec<u8>>,
    /// Option codes of the options field in the order in which they stand, one for each piece.
    pub order: Vec<u8>,
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Panics
    /// When a client couldn't: that is the assertion.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        assert!(bytes.len() >= 300, "shorter than BOOTP");
        assert_eq!(bytes[236..240], [99, 130, 83, 99], "the cookie");
        let mut message = Self { bytes, options: BTreeMap::new(), order: Vec::new() };
        message.order = message.join(&bytes[240..]);
        // The file and sname fields may hold more of them (RFC 2132, 9.3), in this order (RFC 3396, 5).
        let overload = message.overload();
        if overload & 1 != 0 {
            message.join(&bytes[108..236]);
        }
        if overload & 2 != 0 {
            message.join(&bytes[44..108]);
        }
        message
    }

    fn overload(&self) -> u8 {
        match self.option(52) {
            None => 0,
            Some([value @ 1..=3]) => *value,
            Some(other) => panic!("option overload {other:?}"),
        }
    }

    /// Takes over the options of a field; their codes in order.
    fn join(&mut self, field: &[u8]) -> Vec<u8> {
        let (mut rest, mut order) = (field, Vec::new());
        loop {
            match rest {
                [255, padding @ ..] => {
                    assert!(padding.iter().all(|byte| *byte == 0), "something follows the end option");
                    return order;
                }
                [0, tail @ ..] => rest = tail,
                [code, length, tail @ ..] => {
                    let (value, next) =
                        tail.split_at_checked(usize::from(*length)).expect("an option is cut off");
                    self.options.entry(*code).or_default().extend_from_slice(value);
                    order.push(*code);
                    rest = next;
                }
                _ => panic!("the end option is missing"),
            }
        }
    }

    /// An option's value, its pieces joined (RFC 3396).
    #[must_use]
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.get(&code).map(Vec::as_slice)
    }

    /// An option that is one number of 32 bits.
    ///
    /// # Panics
    /// When it has another length.
    #[must_use]
    pub fn number(&self, code: u8) -> Option<u32> {
        self.option(code).map(|value| u32::from_be_bytes(value.try_into().expect("four bytes")))
    }

    /// An option that is one address.
    ///
    /// # Panics
    /// When it has another length.
    #[must_use]
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.number(code).map(Ipv4Addr::from)
    }

    /// A field of four bytes, such as ciaddr at 12, yiaddr at 16, siaddr at 20 and giaddr at 24.
    #[must_use]
    pub fn field(&self, at: usize) -> Ipv4Addr {
        let octets: [u8; 4] = std::array::from_fn(|n| self.bytes[at + n]);
        Ipv4Addr::from(octets)
    }

    /// The hardware address.
    #[must_use]
    pub fn chaddr(&self) -> &[u8] {
        &self.bytes[28..34]
    }

    /// The file field up to its zero; empty when it holds options.
    ///
    /// # Panics
    /// When no zero ends it.
    #[must_use]
    pub fn file(&self) -> &[u8] {
        if self.overload() & 1 != 0 {
            return &[];
        }
        let field = &self.bytes[108..236];
        &field[..field.iter().position(|byte| *byte == 0).expect("the file name ends with a zero")]
    }
}
