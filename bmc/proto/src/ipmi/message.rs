//! IPMI messages on the LAN: addresses, sequence number and checksums around a command (table 13-8).

use super::Message;

/// The BMC's address.
const BMC: u8 = 0x20;
/// The remote console's software id, as ipmitool and others use it.
const CONSOLE: u8 = 0x81;
/// The sequence number of a request has 6 bits.
pub(crate) const SEQUENCES: u8 = 64;

/// An IPMI message, request or response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanMessage {
    /// Whom it is for.
    pub to: u8,
    /// Network function; odd in responses.
    pub netfn: u8,
    /// The receiver's logical unit.
    pub to_lun: u8,
    /// Who sends it.
    pub from: u8,
    /// `rqSeq`, 0 to 63: the same in request and response.
    pub sequence: u8,
    /// The sender's logical unit.
    pub from_lun: u8,
    /// Command.
    pub command: u8,
    /// Data of a request; completion code and data of a response.
    pub body: Vec<u8>,
}

impl LanMessage {
    /// A request to the BMC.
    pub fn request(sequence: u8, message: &Message) -> Self {
        Self {
            to: BMC,
            netfn: message.netfn_raw(),
            to_lun: 0,
            from: CONSOLE,
            sequence: sequence % SEQUENCES,
            from_lun: 0,
            command: message.cmd(),
            body: message.data().to_vec(),
        }
    }

    /// The response to a request.
    pub fn response(&self, completion: u8, data: &[u8]) -> Self {
        let mut body = vec![completion];
        body.extend_from_slice(data);
        Self {
            to: self.from,
            netfn: self.netfn | 1,
            to_lun: self.from_lun,
            from: self.to,
            sequence: self.sequence,
            from_lun: self.to_lun,
            command: self.command,
            body,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.to, self.netfn << 2 | self.to_lun & 3];
        bytes.push(checksum(&bytes));
        bytes.extend_from_slice(&[self.from, self.sequence << 2 | self.from_lun & 3, self.command]);
        bytes.extend_from_slice(&self.body);
        bytes.push(checksum(&bytes[3..]));
        bytes
    }

    /// Reads it. `None`: too short, or a checksum is wrong.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(3)?;
        // A sum over data and its checksum is zero.
        if checksum(head) != 0 || checksum(rest) != 0 {
            return None;
        }
        Self::decode_signed(bytes)
    }

    /// Reads it without looking at the checksums: for a packet whose signature was found right. `None`: too short.
    pub fn decode_signed(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(3)?;
        let (&[from, sequence, command], rest) = rest.split_first_chunk()?;
        let (_, body) = rest.split_last()?;
        Some(Self {
            to: head[0],
            netfn: head[1] >> 2,
            to_lun: head[1] & 3,
            from,
            sequence: sequence >> 2,
            from_lun: sequence & 3,
            command,
            body: body.to_vec(),
        })
    }

    /// Whether this is the response to a request. Addresses and logical units don't count: some BMCs answer from another
    /// one than was asked, or leave ours out.
    pub fn answers(&self, request: &Self) -> bool {
        (self.sequence, self.netfn, self.command) == (request.sequence, request.netfn | 1, request.command)
    }
}

/// Two's complement of the sum.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipmi::GetDeviceId;

    /// The bytes are those that `ipmitool -v -v -v mc info` shows.
    #[test]
    fn get_device_id_as_ipmitool_sends_it() {
        let request = LanMessage::request(2, &GetDeviceId.into());
        let bytes = request.encode();
        assert_eq!(hex::encode(&bytes), "2018c881080176");
        assert_eq!(LanMessage::decode(&bytes), Some(request));
    }

    #[test]
    fn a_response_turns_the_addresses_round() {
        let request = LanMessage::request(9, &GetDeviceId.into());
        let response = request.response(0xC1, &[7]);
        assert_eq!((response.to, response.from, response.netfn), (CONSOLE, BMC, 7));
        assert_eq!((response.sequence, response.body.as_slice()), (9, &[0xC1, 7][..]));
        assert_eq!(LanMessage::decode(&response.encode()), Some(response));
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let good = LanMessage::request(2, &GetDeviceId.into()).encode();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(LanMessage::decode(&bad), None, "bit {bit}");
        }
    }
}
