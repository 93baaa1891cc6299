//! Users and their passwords (sections 22.26 to 22.31).
//!
//! Deliberately not here: which user is who (the driver), and what may lock us out (the driver, too).

use crate::ipmi::handshake::{MAX_PASSWORD, MAX_USERNAME};
use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};
use zeroize::Zeroizing;

/// Length of the short form of a password, bytes (IPMI 1.5).
pub const SHORT_PASSWORD: usize = 16;
/// Completion code of a password test: another password (table 22-35).
pub const PASSWORD_DIFFERS: u8 = 0x80;
/// Completion code of a password test: it was set with the other length (table 22-35).
pub const PASSWORD_SIZE_DIFFERS: u8 = 0x81;
/// The bits of a user's number.
const USER_MASK: u8 = 0x3F;

/// What a user may do on a channel (table 22-31, user limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLimit {
    /// Ask to be called back.
    Callback,
    /// Read.
    User,
    /// Read, and switch the power.
    Operator,
    /// Everything.
    Administrator,
    /// What the manufacturer thought of.
    Oem,
    /// Nothing.
    NoAccess,
    /// A reserved number (four bits).
    Other(u8),
}

impl AccessLimit {
    /// Of the low four bits.
    pub fn from_bits(bits: u8) -> Self {
        match bits & 0x0F {
            1 => Self::Callback,
            2 => Self::User,
            3 => Self::Operator,
            4 => Self::Administrator,
            5 => Self::Oem,
            15 => Self::NoAccess,
            other => Self::Other(other),
        }
    }

    /// Its four bits.
    pub fn bits(self) -> u8 {
        match self {
            Self::Callback => 1,
            Self::User => 2,
            Self::Operator => 3,
            Self::Administrator => 4,
            Self::Oem => 5,
            Self::NoAccess => 15,
            Self::Other(other) => other & 0x0F,
        }
    }
}

/// Whether a user was enabled by Set User Password (table 22-32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnableStatus {
    /// The BMC doesn't tell.
    Unspecified,
    /// Enabled.
    Enabled,
    /// Disabled.
    Disabled,
}

impl EnableStatus {
    fn from_bits(bits: u8) -> Self {
        match bits & 0x03 {
            1 => Self::Enabled,
            2 => Self::Disabled,
            _ => Self::Unspecified,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::Enabled => 1,
            Self::Disabled => 2,
        }
    }
}

/// How a user may use a channel, apart from the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessBits {
    /// Only when called back.
    pub callback_only: bool,
    /// Whether name and password serve for the link, too (PPP).
    pub link_authentication: bool,
    /// Whether IPMI messages are taken from the user at all.
    pub messaging: bool,
}

impl AccessBits {
    /// Of the byte that has them in bits 6 to 4.
    pub fn from_byte(byte: u8) -> Self {
        Self {
            callback_only: byte & 0x40 != 0,
            link_authentication: byte & 0x20 != 0,
            messaging: byte & 0x10 != 0,
        }
    }

    fn byte(self) -> u8 {
        u8::from(self.callback_only) << 6
            | u8::from(self.link_authentication) << 5
            | u8::from(self.messaging) << 4
    }
}

/// Get User Access (22.27).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetUserAccess {
    /// The channel; 0xE: the one that the question comes on.
    pub channel: u8,
    /// The user's number, from 1.
    pub user: u8,
}

/// What Get User Access tells, of a user and of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserAccess {
    /// How many slots there are; 0 is nonsense that some BMCs send.
    pub slots: u8,
    /// Whether this user is enabled.
    pub status: EnableStatus,
    /// How many users are enabled.
    pub enabled_users: u8,
    /// How many of the first slots have names that can't be changed.
    pub fixed_names: u8,
    /// How this user may use the channel.
    pub bits: AccessBits,
    /// What this user may do there.
    pub limit: AccessLimit,
}

impl GetUserAccess {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x44;
}

impl UserAccess {
    /// The four bytes of the answer.
    pub fn encode(self) -> [u8; 4] {
        [
            self.slots & USER_MASK,
            self.status.bits() << 6 | self.enabled_users & USER_MASK,
            self.fixed_names & USER_MASK,
            self.bits.byte() | self.limit.bits(),
        ]
    }
}

impl From<GetUserAccess> for Message {
    fn from(get: GetUserAccess) -> Self {
        let data = vec![get.channel & 0x0F, get.user & USER_MASK];
        Self::new_request(NetFn::App, GetUserAccess::COMMAND, data)
    }
}

impl IpmiCommand for GetUserAccess {
    type Output = UserAccess;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<UserAccess, NotEnoughData> {
        let &[slots, users, fixed, access, ..] = data else { return Err(NotEnoughData) };
        Ok(UserAccess {
            slots: slots & USER_MASK,
            status: EnableStatus::from_bits(users >> 6),
            enabled_users: users & USER_MASK,
            fixed_names: fixed & USER_MASK,
            bits: AccessBits::from_byte(access),
            limit: AccessLimit::from_bits(access),
        })
    }
}

/// Set User Access (22.26).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetUserAccess {
    /// The channel; 0xE: the one that the request comes on.
    pub channel: u8,
    /// The user's number, from 1.
    pub user: u8,
    /// How the user may use the channel; `None` leaves it as it is.
    pub bits: Option<AccessBits>,
    /// What the user may do there.
    pub limit: AccessLimit,
}

impl SetUserAccess {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x43;

    /// Reads a request. The session limit, a fourth byte that may be absent, is not kept.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let (&[first, user, limit] | &[first, user, limit, _]) = body else { return None };
        Some(Self {
            channel: first & 0x0F,
            user: user & USER_MASK,
            bits: (first & 0x80 != 0).then(|| AccessBits::from_byte(first)),
            limit: AccessLimit::from_bits(limit),
        })
    }
}

impl From<SetUserAccess> for Message {
    fn from(set: SetUserAccess) -> Self {
        let bits = set.bits.map_or(0, |bits| 0x80 | bits.byte());
        let data = vec![bits | set.channel & 0x0F, set.user & USER_MASK, set.limit.bits()];
        Self::new_request(NetFn::App, SetUserAccess::COMMAND, data)
    }
}

impl IpmiCommand for SetUserAccess {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// Get User Name (22.29).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetUserName {
    /// The user's number, from 1.
    pub user: u8,
}

impl GetUserName {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x46;
}

impl From<GetUserName> for Message {
    fn from(get: GetUserName) -> Self {
        Self::new_request(NetFn::App, GetUserName::COMMAND, vec![get.user & USER_MASK])
    }
}

impl IpmiCommand for GetUserName {
    /// The name; empty: the slot is free, or the anonymous user's. Bytes that are not UTF-8 are replaced.
    type Output = String;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<String, NotEnoughData> {
        let name = &data[..data.len().min(MAX_USERNAME)];
        // Some BMCs fill empty slots with 0xFF.
        let end = name.iter().position(|byte| matches!(byte, 0x00 | 0xFF)).unwrap_or(name.len());
        Ok(String::from_utf8_lossy(&name[..end]).into_owned())
    }
}

/// Set User Name (22.28).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetUserName {
    /// The user's number, from 1.
    pub user: u8,
    /// The name, filled up with zeros.
    pub name: [u8; MAX_USERNAME],
}

impl SetUserName {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x45;

    /// `None`: the name is longer than 16 bytes, or has a zero in it.
    pub fn new(user: u8, name: &str) -> Option<Self> {
        Some(Self { user, name: padded(name.as_bytes())? })
    }
}

impl From<SetUserName> for Message {
    fn from(set: SetUserName) -> Self {
        let data = [&[set.user & USER_MASK][..], &set.name].concat();
        Self::new_request(NetFn::App, SetUserName::COMMAND, data)
    }
}

impl IpmiCommand for SetUserName {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// A password as it is sent: of 16 bytes as IPMI 1.5 has it, or of 20.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    bytes: Zeroizing<[u8; MAX_PASSWORD]>,
    long: bool,
}

impl Password {
    /// In the short form if it fits there: every BMC takes that. `None`: longer than 20 bytes, or with a zero in it.
    pub fn new(password: &str) -> Option<Self> {
        let bytes = Zeroizing::new(padded(password.as_bytes())?);
        Some(Self { bytes, long: password.len() > SHORT_PASSWORD })
    }

    /// The same password in the long form.
    #[must_use]
    pub fn lengthened(self) -> Self {
        Self { long: true, ..self }
    }

    /// Its first 16 bytes, in the short form: what a BMC has that cuts passwords off.
    #[must_use]
    pub fn cut_off(&self) -> Self {
        let mut bytes = self.bytes.clone();
        bytes[SHORT_PASSWORD..].fill(0);
        Self { bytes, long: false }
    }

    /// Whether it is of the long form.
    pub fn is_long(&self) -> bool {
        self.long
    }

    /// All 20 bytes, as RAKP uses them.
    pub fn bytes(&self) -> &[u8; MAX_PASSWORD] {
        &self.bytes
    }

    fn field(&self) -> &[u8] {
        if self.long { &self.bytes[..] } else { &self.bytes[..SHORT_PASSWORD] }
    }
}

/// What Set User Password does.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordOperation {
    /// The user may not log in.
    Disable,
    /// The user may log in.
    Enable,
    /// This is the password from now on.
    Set(Password),
    /// Is this the password?
    Test(Password),
}

/// Set User Password (22.30).
#[derive(Clone, PartialEq, Eq)]
pub struct SetUserPassword {
    /// The user's number, from 1.
    pub user: u8,
    /// What is done.
    pub operation: PasswordOperation,
}

impl SetUserPassword {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x47;

    /// Reads a request. `None`: its length is wrong.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let (&[first, operation], field) = body.split_first_chunk()?;
        let long = first & 0x80 != 0;
        let expected = if long { MAX_PASSWORD } else { SHORT_PASSWORD };
        let password = || {
            let mut bytes = Zeroizing::new([0; MAX_PASSWORD]);
            bytes.get_mut(..field.len())?.copy_from_slice(field);
            (field.len() == expected).then_some(Password { bytes, long })
        };
        let operation = match operation & 0x03 {
            0 => PasswordOperation::Disable,
            1 => PasswordOperation::Enable,
            2 => PasswordOperation::Set(password()?),
            _ => PasswordOperation::Test(password()?),
        };
        Some(Self { user: first & USER_MASK, operation })
    }
}

impl From<SetUserPassword> for Message {
    fn from(set: SetUserPassword) -> Self {
        // The password may be absent where none is meant, but there are BMCs that count bytes.
        let nothing = [0; SHORT_PASSWORD];
        let (operation, long, field) = match &set.operation {
            PasswordOperation::Disable => (0, false, &nothing[..]),
            PasswordOperation::Enable => (1, false, &nothing[..]),
            PasswordOperation::Set(password) => (2, password.long, password.field()),
            PasswordOperation::Test(password) => (3, password.long, password.field()),
        };
        let first = u8::from(long) << 7 | set.user & USER_MASK;
        let data = [&[first, operation][..], field].concat();
        Self::new_request(NetFn::App, SetUserPassword::COMMAND, data)
    }
}

impl IpmiCommand for SetUserPassword {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// Filled up with zeros. `None`: too long, or it has zeros of its own.
fn padded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.contains(&0) {
        return None;
    }
    let mut bytes = [0; N];
    bytes.get_mut(..text.len())?.copy_from_slice(text);
    Some(bytes)
}
