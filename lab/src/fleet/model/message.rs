//! DHCP messages as clients write and read them (RFC 2131). Bytes alone: what clients say in them is not here.

use std::net::Ipv4Addr;

/// Length of the fixed part with the magic cookie, in bytes.
const FIXED: usize = 240;
/// The longest hardware address that is taken; ours.
const MAC: std::ops::Range<usize> = 28..34;

/// A DHCP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(Vec<u8>);

/// A DISCOVER of the computer with this hardware address, to be answered by broadcast.
#[must_use]
pub fn discover(mac: [u8; 6]) -> Message {
    Message::new(1, mac)
}

impl Message {
    /// A message of this type (option 53), to be answered by broadcast.
    #[must_use]
    pub fn new(message_type: u8, mac: [u8; 6]) -> Self {
        let mut bytes = Vec::with_capacity(400);
        bytes.resize(FIXED, 0);
        bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&mac[2..]);
        bytes[10] = 0x80;
        bytes[MAC].copy_from_slice(&mac);
        bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
        Self(bytes).option(53, &[message_type])
    }

    /// A message that arrived. `None`: it is none.
    #[must_use]
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        (bytes.get(236..FIXED)? == [99, 130, 83, 99]).then_some(Self(bytes))
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, code: u8, value: &[u8]) -> Self {
        // The end goes behind it again.
        if self.0.len() > FIXED {
            self.0.pop();
        }
        for part in value.chunks(255) {
            self.0.extend_from_slice(&[code, part.len() as u8]);
            self.0.extend_from_slice(part);
        }
        self.0.push(255);
        self
    }

    /// With the client's own address (`ciaddr`).
    #[must_use]
    pub fn from_address(mut self, address: Ipv4Addr) -> Self {
        self.0[12..16].copy_from_slice(&address.octets());
        self
    }

    /// With this transaction id.
    #[must_use]
    pub fn transaction(mut self, xid: u32) -> Self {
        self.0[4..8].copy_from_slice(&xid.to_be_bytes());
        self
    }

    /// The datagram.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The datagram, not shorter than every server and relay takes (RFC 1542, 2.1).
    #[must_use]
    pub fn into_datagram(mut self) -> Vec<u8> {
        self.0.resize(self.0.len().max(300), 0);
        self.0
    }

    /// The value of an option.
    #[must_use]
    pub fn get(&self, wanted: u8) -> Option<&[u8]> {
        let mut rest = self.0.get(FIXED..)?;
        loop {
            match rest {
                [0, tail @ ..] => rest = tail,
                [255, ..] | [] | [_] => return None,
                [code, length, tail @ ..] => {
                    let (value, next) = tail.split_at_checked(usize::from(*length))?;
                    if *code == wanted {
                        return Some(value);
                    }
                    rest = next;
                }
            }
        }
    }

    /// The message type; 0 if there is none.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.get(53).and_then(|value| value.first()).copied().unwrap_or(0)
    }

    /// An address in the header: 12 the client's own, 16 the one given, 20 the next server, 24 the relay.
    #[must_use]
    pub fn address(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::new(self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3])
    }

    /// The server that it names.
    #[must_use]
    pub fn server(&self) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.get(54)?.try_into().ok()?;
        Some(octets.into())
    }

    /// For how long its address is given, in seconds.
    #[must_use]
    pub fn lease_seconds(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(51)?.try_into().ok()?))
    }

    /// The boot file: option 67, else the file field.
    #[must_use]
    pub fn boot_file(&self) -> String {
        let name = self.get(67).unwrap_or(&self.0[108..236]);
        String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
    }

    /// Whose it is: the hardware address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        std::array::from_fn(|place| self.0[MAC.start + place])
    }

    /// The transaction id.
    #[must_use]
    pub fn xid(&self) -> u32 {
        u32::from_be_bytes([self.0[4], self.0[5], self.0[6], self.0[7]])
    }

    /// Whether it is a server's answer.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        self.0[0] == 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let message =
            discover([2, 0, 0, 0, 0, 9]).transaction(77).option(60, b"PXEClient").option(67, b"a.kpxe");
        let read = Message::read(message.clone().into_datagram()).unwrap();
        assert_eq!((read.kind(), read.xid(), read.mac()), (1, 77, [2, 0, 0, 0, 0, 9]));
        assert_eq!((read.get(60), read.get(12), read.is_answer()), (Some(&b"PXEClient"[..]), None, false));
        assert_eq!((read.boot_file().as_str(), read.bytes().len()), ("a.kpxe", 300));
    }

    #[test]
    fn noise_is_no_message() {
        for length in [0, 239, 240, 300] {
            assert_eq!(Message::read(vec![1; length]), None);
        }
        // An option that says that it is longer than the message ends it.
        let mut bytes = discover([2; 6]).bytes().to_vec();
        bytes.truncate(bytes.len() - 1);
        bytes.extend([60, 200, 1, 2]);
        assert_eq!(Message::read(bytes).unwrap().get(60), None);
    }
}
