//! Payloads of a session (sections 24.1 to 24.9): activating serial over LAN, who has it, who may.

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Completion codes of these commands (tables 24-2 and 24-3).
pub mod completion {
    /// Activate: it is active in another session (or this). Deactivate: it is not active.
    pub const ALREADY: u8 = 0x80;
    /// The payload type is disabled.
    pub const DISABLED: u8 = 0x81;
    /// Too many instances are active.
    pub const LIMIT: u8 = 0x82;
    /// It can't be activated with encryption.
    pub const NOT_ENCRYPTED: u8 = 0x83;
    /// It can't be activated without encryption.
    pub const ONLY_ENCRYPTED: u8 = 0x84;
}

/// Bits of SOL's auxiliary data in Activate Payload (table 24-2).
pub mod activation {
    /// Packets are encrypted.
    pub const ENCRYPTED: u8 = 0x80;
    /// Packets are signed.
    pub const AUTHENTICATED: u8 = 0x40;
    /// Test mode: what is typed is looped back.
    pub const TEST: u8 = 0x20;
    /// Alerts of a shared serial port wait until it is over.
    pub const ALERTS_DEFERRED: u8 = 0x04;
    /// The BMC asserts the modem lines only when the console tells it to.
    pub const HANDSHAKE: u8 = 0x02;
}

/// The instance of a payload that everybody uses; SOL has but one at most BMCs.
pub const FIRST_INSTANCE: u8 = 1;

/// Activate Payload for serial over LAN: encrypted and signed, alerts deferred, lines asserted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivateSol;

impl ActivateSol {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x48;
}

/// The answer to Activate Payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activated {
    /// Largest payload that the BMC takes, header included.
    pub inbound_size: u16,
    /// Largest payload that the BMC sends, header included.
    pub outbound_size: u16,
    /// The UDP port of the payload: mostly that of the session, whatever it is by name behind a translating router.
    pub port: u16,
}

impl Activated {
    /// The answer's bytes; no test mode, no VLAN.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        for number in [self.inbound_size, self.outbound_size, self.port, 0xFFFF] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }
}

impl From<ActivateSol> for Message {
    fn from(_: ActivateSol) -> Self {
        let auxiliary = activation::ENCRYPTED | activation::AUTHENTICATED | activation::ALERTS_DEFERRED;
        let data = vec![crate::ipmi::packet::payload::SOL, FIRST_INSTANCE, auxiliary, 0, 0, 0];
        Self::new_request(NetFn::App, ActivateSol::COMMAND, data)
    }
}

impl IpmiCommand for ActivateSol {
    type Output = Activated;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Activated, NotEnoughData> {
        let &[_, _, _, _, a, b, c, d, e, f, ..] = data else { return Err(NotEnoughData) };
        Ok(Activated {
            inbound_size: u16::from_le_bytes([a, b]),
            outbound_size: u16::from_le_bytes([c, d]),
            port: u16::from_le_bytes([e, f]),
        })
    }
}

/// Deactivate Payload for serial over LAN, whoever's it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeactivateSol;

impl DeactivateSol {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x49;
}

impl From<DeactivateSol> for Message {
    fn from(_: DeactivateSol) -> Self {
        let data = vec![crate::ipmi::packet::payload::SOL, FIRST_INSTANCE, 0, 0, 0, 0];
        Self::new_request(NetFn::App, DeactivateSol::COMMAND, data)
    }
}

impl IpmiCommand for DeactivateSol {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// Get Payload Activation Status for serial over LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSolActivation;

impl GetSolActivation {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x4A;
}

/// Which instances are active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activation {
    /// How many there may be.
    pub capacity: u8,
    /// Bit 0 is instance 1.
    pub active: u16,
}

impl From<GetSolActivation> for Message {
    fn from(_: GetSolActivation) -> Self {
        Self::new_request(NetFn::App, GetSolActivation::COMMAND, vec![crate::ipmi::packet::payload::SOL])
    }
}

impl IpmiCommand for GetSolActivation {
    type Output = Activation;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Activation, NotEnoughData> {
        let &[capacity, low, ref rest @ ..] = data else { return Err(NotEnoughData) };
        let high = rest.first().copied().unwrap_or_default();
        Ok(Activation { capacity: capacity & 0x0F, active: u16::from_le_bytes([low, high]) })
    }
}

/// Get Payload Instance Info for serial over LAN's first instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSolOwner;

impl GetSolOwner {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x4B;
}

impl From<GetSolOwner> for Message {
    fn from(_: GetSolOwner) -> Self {
        let data = vec![crate::ipmi::packet::payload::SOL, FIRST_INSTANCE];
        Self::new_request(NetFn::App, GetSolOwner::COMMAND, data)
    }
}

impl IpmiCommand for GetSolOwner {
    /// The BMC's id of the session that has it; `None`: no session has.
    type Output = Option<u32>;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Option<u32>, NotEnoughData> {
        let &[a, b, c, d, ..] = data else { return Err(NotEnoughData) };
        Ok(Some(u32::from_le_bytes([a, b, c, d])).filter(|id| *id != 0))
    }
}

/// Set User Payload Access, for serial over LAN only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetUserSolAccess {
    /// The channel; 14 is the one that is being talked on.
    pub channel: u8,
    /// The user's slot, 1 to 63.
    pub user: u8,
    /// Whether the user may.
    pub allowed: bool,
}

impl SetUserSolAccess {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x4C;
}

impl From<SetUserSolAccess> for Message {
    fn from(set: SetUserSolAccess) -> Self {
        // Operation in the upper bits of the second byte: 0 enables, 1 disables, what the mask names: bit 1 is SOL.
        let operation = if set.allowed { 0x00 } else { 0x40 };
        let data = vec![set.channel & 0x0F, operation | set.user & 0x3F, 0x02, 0, 0, 0];
        Self::new_request(NetFn::App, SetUserSolAccess::COMMAND, data)
    }
}

impl IpmiCommand for SetUserSolAccess {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// Get User Payload Access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetUserSolAccess {
    /// The channel; 14 is the one that is being talked on.
    pub channel: u8,
    /// The user's slot, 1 to 63.
    pub user: u8,
}

impl GetUserSolAccess {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x4D;
}

impl From<GetUserSolAccess> for Message {
    fn from(get: GetUserSolAccess) -> Self {
        let data = vec![get.channel & 0x0F, get.user & 0x3F];
        Self::new_request(NetFn::App, GetUserSolAccess::COMMAND, data)
    }
}

impl IpmiCommand for GetUserSolAccess {
    /// Whether the user may use serial over LAN.
    type Output = bool;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<bool, NotEnoughData> {
        data.first().map(|standard| standard & 0x02 != 0).ok_or(NotEnoughData)
    }
}

/// Get Channel Payload Support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetChannelPayloads {
    /// The channel; 14 is the one that is being talked on.
    pub channel: u8,
}

impl GetChannelPayloads {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x4E;
}

/// The payload types of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelPayloads {
    /// Bit 0: IPMI messages; bit 1: serial over LAN; bit 2: OEM.
    pub standard: u16,
}

impl ChannelPayloads {
    /// Whether serial over LAN is among them.
    pub fn has_sol(self) -> bool {
        self.standard & 0x02 != 0
    }
}

impl From<GetChannelPayloads> for Message {
    fn from(get: GetChannelPayloads) -> Self {
        Self::new_request(NetFn::App, GetChannelPayloads::COMMAND, vec![get.channel & 0x0F])
    }
}

impl IpmiCommand for GetChannelPayloads {
    type Output = ChannelPayloads;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<ChannelPayloads, NotEnoughData> {
        let &[low, high, ..] = data else { return Err(NotEnoughData) };
        Ok(ChannelPayloads { standard: u16::from_le_bytes([low, high]) })
    }
}
