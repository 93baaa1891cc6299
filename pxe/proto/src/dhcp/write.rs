//! Writing a reply's bytes, by hand: dhcproto's encoder allocates for each option, and sorts them.

use std::net::Ipv4Addr;

/// A reply that is being written: the fixed part, then options in the order of their writing.
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    /// Appends one option, in pieces if it is longer than 255 bytes (RFC 3396); nothing for an empty value.
    pub(super) fn put(&mut self, code: u8, value: &[u8]) {
        for piece in value.chunks(255) {
            // A chunk is 255 bytes at most.
            self.bytes.extend_from_slice(&[code, piece.len() as u8]);
            self.bytes.extend_from_slice(piece);
        }
    }

    /// Appends an option of one number of 32 bits.
    pub(super) fn put_number(&mut self, code: u8, value: u32) {
        self.put(code, &value.to_be_bytes());
    }

    /// Appends a list of addresses, unless it is empty.
    pub(super) fn put_addresses(&mut self, code: u8, addresses: &[Ipv4Addr]) {
        // An option takes 63 addresses; more are in pieces.
        for piece in addresses.chunks(63) {
            self.bytes.extend_from_slice(&[code, (piece.len() * 4) as u8]);
            piece.iter().for_each(|address| self.bytes.extend_from_slice(&address.octets()));
        }
    }
}
