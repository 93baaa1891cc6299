//! The SOL payload: four bytes of header, then characters (section 15.9, table 15-2).

/// Length of the header.
pub const HEADER: usize = 4;
/// Most characters of a packet: how many of them were accepted is told in one byte.
pub const LONGEST: usize = 255;
/// Sequence numbers are 1 to 15; 0 tells that a packet needs no acknowledgement, or acknowledges none.
pub(super) const SEQUENCES: u8 = 15;

/// Bits of the last header byte on the way to the BMC ("operation").
pub mod operation {
    /// The packet that is acknowledged was not accepted as a whole.
    pub const NACK: u8 = 0x40;
    /// Ring indicator: wakes the machine where it listens to that.
    pub const RING: u8 = 0x20;
    /// Sends a break to the machine.
    pub const BREAK: u8 = 0x10;
    /// Clear To Send is deasserted: the machine shall wait.
    pub const DEASSERT_CTS: u8 = 0x08;
    /// Data Carrier Detect and Data Set Ready are deasserted.
    pub const DEASSERT_DCD_DSR: u8 = 0x04;
    /// Forgets what was typed and not yet given to the machine.
    pub const FLUSH_INBOUND: u8 = 0x02;
    /// Forgets what the machine said and was not sent yet.
    pub const FLUSH_OUTBOUND: u8 = 0x01;
}

/// Bits of the last header byte on the way from the BMC ("status").
pub mod status {
    /// The packet that is acknowledged was not accepted as a whole.
    pub const NACK: u8 = 0x40;
    /// Characters can't be handed on: the machine is off or in reset.
    pub const UNAVAILABLE: u8 = 0x20;
    /// SOL is, or is being, deactivated.
    pub const INACTIVE: u8 = 0x10;
    /// The BMC lost characters of the machine.
    pub const OVERRUN: u8 = 0x08;
    /// The machine sent a break.
    pub const BREAK: u8 = 0x04;
}

/// A SOL payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its own number; 0: an acknowledgement or information only.
    pub sequence: u8,
    /// The number of the packet that it acknowledges; 0: none.
    pub acknowledged: u8,
    /// How many characters of that packet were accepted.
    pub accepted: u8,
    /// See [`operation`] and [`status`].
    pub flags: u8,
    /// The characters.
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Takes a payload apart. `None`: it is too short.
    pub fn decode(payload: &'a [u8]) -> Option<Self> {
        let (&[sequence, acknowledged, accepted, flags], data) = payload.split_first_chunk()?;
        // The upper halves are reserved.
        Some(Self { sequence: sequence & 0x0F, acknowledged: acknowledged & 0x0F, accepted, flags, data })
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.data.len());
        bytes.extend_from_slice(&[self.sequence & 0x0F, self.acknowledged & 0x0F, self.accepted, self.flags]);
        bytes.extend_from_slice(self.data);
        bytes
    }
}

/// The number after this one; also after 0, "none yet".
pub(super) fn following(sequence: u8) -> u8 {
    sequence % SEQUENCES + 1
}
