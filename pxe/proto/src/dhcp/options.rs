//! The options of a message that matter here, copied out of the datagram in one piece.
//!
//! The typed decoder of `dhcproto` 0.15 panics on some packets and keeps only the first entry of option 93, so only
//! its borrowed iterator is used.

use super::code;
use dhcproto::v4::borrowed::DhcpOptionIterator;
use std::net::Ipv4Addr;

/// The codes that are kept; their order is that of [`Options::slots`].
const KEPT: [u8; 17] = [
    code::HOST_NAME,
    code::VENDOR_OPTIONS,
    code::REQUESTED_ADDRESS,
    code::OVERLOAD,
    code::MESSAGE_TYPE,
    code::SERVER_IDENTIFIER,
    code::PARAMETER_LIST,
    code::MESSAGE_SIZE,
    code::VENDOR_CLASS,
    code::CLIENT_IDENTIFIER,
    code::USER_CLASS,
    code::RELAY_INFORMATION,
    code::CLIENT_ARCHITECTURE,
    code::CLIENT_INTERFACE,
    code::CLIENT_UUID,
    code::SUBNET_SELECTION,
    code::IPXE,
];

/// Where each code stands in [`KEPT`], by code; [`NOWHERE`] for the others.
const SLOT: [u8; 256] = {
    let mut slots = [NOWHERE; 256];
    let mut at = 0;
    while at < KEPT.len() {
        slots[KEPT[at] as usize] = at as u8;
        at += 1;
    }
    slots
};
const NOWHERE: u8 = u8::MAX;

/// The kept options, each code's pieces joined (RFC 3396). One allocation, whatever the message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// Values, one after the other.
    bytes: Vec<u8>,
    /// Start and end of each kept code's value in `bytes`; `None` when it is absent.
    slots: [Option<(u32, u32)>; KEPT.len()],
}

impl Options {
    /// Reads a datagram of at least the fixed part's 240 bytes.
    pub(super) fn read(datagram: &[u8]) -> Self {
        let mut options = Options { bytes: Vec::with_capacity(datagram.len()), slots: [None; KEPT.len()] };
        options.join(&datagram[240..]);
        // The file and sname fields may hold more of them (RFC 2132, 9.3).
        let overload = options.get(code::OVERLOAD).first().copied().unwrap_or(0);
        if overload & 1 != 0 {
            options.join(&datagram[108..236]);
        }
        if overload & 2 != 0 {
            options.join(&datagram[44..108]);
        }
        options
    }

    fn join(&mut self, area: &[u8]) {
        for piece in DhcpOptionIterator::new(area) {
            self.add(piece.code().into(), piece.data());
        }
    }

    fn add(&mut self, code: u8, piece: &[u8]) {
        let slot = SLOT[usize::from(code)];
        if slot == NOWHERE {
            return;
        }
        let slot = &mut self.slots[usize::from(slot)];
        let start = match *slot {
            None => self.bytes.len(),
            Some((start, end)) if end as usize == self.bytes.len() => start as usize,
            // Others were read in between: it moves to the end.
            Some((start, end)) => {
                let moved = self.bytes.len();
                self.bytes.extend_from_within(start as usize..end as usize);
                moved
            }
        };
        self.bytes.extend_from_slice(piece);
        // A datagram is one frame: even if every piece is moved each time, it stays below a megabyte.
        *slot = Some((start as u32, self.bytes.len() as u32));
    }

    fn find(&self, code: u8) -> Option<&[u8]> {
        let slot = self.slots.get(usize::from(SLOT[usize::from(code)]))?;
        slot.map(|(start, end)| &self.bytes[start as usize..end as usize])
    }

    /// The value of an option; empty when it is absent.
    pub(super) fn get(&self, code: u8) -> &[u8] {
        self.find(code).unwrap_or_default()
    }

    /// The value of an option, if it is there and not empty.
    pub(super) fn some(&self, code: u8) -> Option<&[u8]> {
        self.find(code).filter(|value| !value.is_empty())
    }

    /// An option that is one address, unless it is `0.0.0.0`.
    pub(super) fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.get(code).try_into().ok()?;
        Some(Ipv4Addr::from(octets)).filter(|address| !address.is_unspecified())
    }

    /// An option that is one number of 16 bits.
    pub(super) fn short(&self, code: u8) -> Option<u16> {
        self.get(code).try_into().ok().map(u16::from_be_bytes)
    }

    /// Option 97 is a type byte of zero and 16 bytes (RFC 4578, 2.3). Boards without a UUID send all zeros or all
    /// ones.
    pub(super) fn uuid(&self) -> Option<[u8; 16]> {
        let (0, uuid) = self.get(code::CLIENT_UUID).split_first().map(|(kind, rest)| (*kind, rest))? else {
            return None;
        };
        let uuid: [u8; 16] = uuid.try_into().ok()?;
        (uuid != [0; 16] && uuid != [0xff; 16]).then_some(uuid)
    }

    #[cfg(test)]
    pub(super) fn of(list: &[(u8, &[u8])]) -> Self {
        let mut options = Options { bytes: Vec::new(), slots: [None; KEPT.len()] };
        list.iter().for_each(|(code, data)| options.add(*code, data));
        options
    }
}

/// The value of a sub-option in a list of code, length, value …; `None` when it is absent or cut off.
pub(super) fn sub_option(list: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = list;
    while let [code, length, tail @ ..] = rest {
        let (value, next) = tail.split_at_checked(usize::from(*length))?;
        if *code == wanted {
            return Some(value);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_whatever_lies_between() {
        let options = Options::of(&[(60, b"PXE"), (60, b"Cl"), (12, b"x"), (60, b"ient"), (12, b"yz")]);
        assert_eq!(options.get(60), b"PXEClient");
        assert_eq!(options.get(12), b"xyz");
        assert_eq!((options.get(61), options.some(61)), (b"".as_slice(), None));
        assert_eq!(options.find(13), None, "not kept");
    }

    #[test]
    fn an_empty_option_is_there_but_says_nothing() {
        let options = Options::of(&[(93, b""), (57, &[5, 220]), (54, &[0; 4])]);
        assert_eq!((options.find(93), options.some(93)), (Some(b"".as_slice()), None));
        assert_eq!((options.short(57), options.address(54)), (Some(1500), None));
    }

    #[test]
    fn sub_options_by_table() {
        type Row<'a> = (&'a [u8], u8, Option<&'a [u8]>);
        let table: [Row<'_>; 5] = [
            (&[1, 2, 7, 8, 5, 1, 9], 5, Some(&[9])),
            (&[1, 2, 7, 8, 5, 1, 9], 1, Some(&[7, 8])),
            (&[1, 0, 5], 5, None),
            (&[1, 200, 5], 1, None),
            (&[], 1, None),
        ];
        for (list, wanted, value) in table {
            assert_eq!(sub_option(list, wanted), value, "{list:?}");
        }
    }
}
