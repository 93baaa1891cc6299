//! Making a reply fit into what its client takes: the least wanted options go into unused fields, or are left out
//! (RFC 2131, 4.1; RFC 2132, 9.3 and 9.10).

use super::code;
use super::reply::{FILE_FIELD, FIXED};
use super::request::Request;
use std::ops::Range;

/// Bytes of IP and UDP headers, which a client's limit includes.
const HEADERS: u16 = 28;
/// What every client takes (RFC 2131, 2).
const EVERYBODY: u16 = 576;
/// One Ethernet frame.
const FRAME: u16 = 1500;
/// Where the server name field is; no reply of ours uses it.
const NAME_FIELD: Range<usize> = 44..108;
/// Length of the overload option.
const OVERLOAD_LENGTH: usize = 3;

/// How long a reply may be, in bytes of its datagram.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// What the client sees of it.
    client: usize,
    /// All of it.
    frame: usize,
}

impl Limits {
    pub(super) fn of(request: &Request) -> Self {
        let client = request.message_size().unwrap_or(EVERYBODY).clamp(EVERYBODY, FRAME) - HEADERS;
        Limits { client: usize::from(client), frame: usize::from(FRAME - HEADERS) }
    }

    /// Whether a reply of these lengths, without and with the relay's information, may be sent.
    pub(super) fn allow(self, without: usize, with: usize) -> bool {
        without <= self.client && with <= self.frame
    }
}

/// One option, all its pieces.
struct Item<'a> {
    code: u8,
    /// As they stand in the message.
    bytes: &'a [u8],
    /// Least first.
    rank: u16,
    place: Option<Place>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Options,
    File,
    Name,
}

/// Rewrites a message of ours; `None` if what must be said doesn't fit.
pub(super) fn pack(datagram: &[u8], wanted: &[u8], limits: Limits) -> Option<Vec<u8>> {
    let mut items = items(&datagram[FIXED..], wanted);
    let relayed: usize =
        items.iter().filter(|item| item.code == code::RELAY_INFORMATION).map(|item| item.bytes.len()).sum();
    let spare = FIXED + OVERLOAD_LENGTH + 1;
    let free = limits.client.min(limits.frame.checked_sub(relayed)?).checked_sub(spare)?;
    // The boot file's name stays where ROMs look for it. A field ends with an end option.
    let file = if datagram[FILE_FIELD.start] == 0 { FILE_FIELD.len() - 1 } else { 0 };
    let mut room = [(Place::Options, free), (Place::File, file), (Place::Name, NAME_FIELD.len() - 1)];

    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|index| items[*index].rank);
    for index in order {
        let item = &mut items[index];
        if item.code == code::RELAY_INFORMATION {
            item.place = Some(Place::Options);
            continue;
        }
        // What a client must see stands where every client looks.
        let places = if item.rank == 0 { &mut room[..1] } else { &mut room[..] };
        match places.iter_mut().find(|(_, room)| *room >= item.bytes.len()) {
            Some((place, room)) => {
                *room -= item.bytes.len();
                item.place = Some(*place);
            }
            None if item.rank == 0 => return None,
            None => {}
        }
    }
    Some(write(&datagram[..FIXED], &items))
}

/// The options of a message of ours with their ranks.
fn items<'a>(options: &'a [u8], wanted: &[u8]) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    let mut at = 0;
    while let Some(&code) = options.get(at).filter(|code| **code != code::END) {
        let start = at;
        while let [next, length, ..] = &options[at..]
            && *next == code
        {
            at += 2 + usize::from(*length);
        }
        items.push(Item { code, bytes: &options[start..at], rank: rank(code, wanted), place: None });
    }
    items
}

/// How soon an option is left out: the greatest rank first, 0 never.
fn rank(code: u8, wanted: &[u8]) -> u16 {
    match code {
        code::MESSAGE_TYPE
        | code::SERVER_IDENTIFIER
        | code::LEASE_TIME
        | code::MESSAGE
        | code::SUBNET_MASK
        | code::VENDOR_CLASS
        | code::VENDOR_OPTIONS
        | code::BOOT_FILE
        | code::IPXE
        | code::RELAY_INFORMATION => 0,
        code::ROUTER => 1,
        code::CLIENT_UUID => 2,
        code::CLIENT_IDENTIFIER => 3,
        code::TFTP_SERVER => 4,
        code::RENEWAL_TIME | code::REBINDING_TIME => 5,
        code => {
            let place = wanted.iter().position(|wanted| *wanted == code).unwrap_or(usize::from(u8::MAX));
            // A datagram has far fewer than 65000 options.
            16 + place.min(1000) as u16
        }
    }
}

/// The message, with each item in its place.
fn write(fixed: &[u8], items: &[Item<'_>]) -> Vec<u8> {
    let mut message = fixed.to_vec();
    let mut overload = 0;
    for (place, field, flag) in [(Place::File, FILE_FIELD, 1), (Place::Name, NAME_FIELD, 2)] {
        let mut bytes: Vec<u8> = in_place(items, place).flat_map(|item| item.bytes).copied().collect();
        if !bytes.is_empty() {
            bytes.push(code::END);
            message[field][..bytes.len()].copy_from_slice(&bytes);
            overload |= flag;
        }
    }
    for item in in_place(items, Place::Options) {
        message.extend_from_slice(item.bytes);
        if item.code == code::MESSAGE_TYPE && overload != 0 {
            message.extend_from_slice(&[code::OVERLOAD, 1, overload]);
        }
    }
    message.push(code::END);
    message
}

fn in_place<'a>(items: &'a [Item<'a>], place: Place) -> impl Iterator<Item = &'a Item<'a>> {
    items.iter().filter(move |item| item.place == Some(place))
}
