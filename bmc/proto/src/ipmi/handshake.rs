//! The payloads that open a session: Open Session and RAKP 1 to 4 (sections 13.17 to 13.24).
//!
//! Only their bytes; who answers what is in `session` (client) and in package `bmc-mock` (BMC).

use std::fmt;

/// Privilege levels (table 22-18 and others).
pub mod privilege {
    /// May read. Every session begins so (22.18).
    pub const USER: u8 = 2;
    /// May read, and switch the power.
    pub const OPERATOR: u8 = 3;
    /// May do everything.
    pub const ADMINISTRATOR: u8 = 4;
}

/// Bit of RAKP 1's role: look the user up by name only, not by name and privilege.
pub const NAME_ONLY: u8 = 0x10;
/// Longest user name, bytes.
pub const MAX_USERNAME: usize = 16;
/// Longest password, bytes (20 in IPMI 2.0; 16 would be IPMI 1.5).
pub const MAX_PASSWORD: usize = 20;

/// RMCP+ and RAKP status codes (table 13-15).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// No error.
    pub const OK: Self = Self(0x00);
    /// No free session slot.
    pub const NO_RESOURCES: Self = Self(0x01);
    /// Session id that the BMC doesn't know.
    pub const INVALID_SESSION: Self = Self(0x02);
    /// Authentication algorithm that the BMC doesn't speak.
    pub const INVALID_AUTHENTICATION: Self = Self(0x04);
    /// Role that this user doesn't have.
    pub const UNAUTHORIZED_ROLE: Self = Self(0x0A);
    /// User that doesn't exist.
    pub const UNAUTHORIZED_NAME: Self = Self(0x0D);
    /// The code is wrong: the password is.
    pub const INVALID_INTEGRITY: Self = Self(0x0F);
    /// Algorithms that make no suite that the BMC has.
    pub const NO_CIPHER_SUITE: Self = Self(0x11);
    /// A parameter is illegal.
    pub const ILLEGAL_PARAMETER: Self = Self(0x12);

    /// Whether it means: not these algorithms.
    pub(crate) fn is_about_algorithms(self) -> bool {
        matches!(self.0, 0x04..=0x07 | 0x10 | 0x11)
    }

    /// Whether it means: not this role.
    pub(crate) fn is_about_role(self) -> bool {
        matches!(self.0, 0x09 | 0x0A)
    }

    /// Whether it means: no session is free (for this role).
    pub(crate) fn is_about_resources(self) -> bool {
        matches!(self.0, 0x01 | 0x0B)
    }

    /// Whether it means: there is no such session (any more).
    pub(crate) fn is_about_session(self) -> bool {
        matches!(self.0, 0x02 | 0x08)
    }

    /// Whether it means, in RAKP 2: not this user. Some BMCs say "illegal parameter" to an unknown name.
    pub(crate) fn is_about_user(self) -> bool {
        matches!(self.0, 0x09 | 0x0A | 0x0C | 0x0D | 0x0E | 0x12)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Status({:#04x})", self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            0x00 => "no error",
            0x01 => "insufficient resources to create a session",
            0x02 => "invalid session id",
            0x03 => "invalid payload type",
            0x04 => "invalid authentication algorithm",
            0x05 => "invalid integrity algorithm",
            0x06 => "no matching authentication payload",
            0x07 => "no matching integrity payload",
            0x08 => "inactive session id",
            0x09 => "invalid role",
            0x0A => "unauthorised role or privilege level",
            0x0B => "insufficient resources to create a session at the requested role",
            0x0C => "invalid name length",
            0x0D => "unauthorised name",
            0x0E => "unauthorised GUID",
            0x0F => "invalid integrity check value",
            0x10 => "invalid confidentiality algorithm",
            0x11 => "no cipher suite match",
            0x12 => "illegal or unrecognised parameter",
            _ => "unknown status",
        };
        write!(formatter, "status {:#04x} ({words})", self.0)
    }
}

/// RMCP+ Open Session Request (13.17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSessionRequest {
    /// Matches the answer.
    pub tag: u8,
    /// Highest privilege that is wanted; 0: the highest there is.
    pub max_privilege: u8,
    /// The remote console's session id.
    pub console_id: u32,
    /// Authentication, integrity, confidentiality.
    pub algorithms: [u8; 3],
}

impl OpenSessionRequest {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.tag, self.max_privilege, 0, 0];
        bytes.extend_from_slice(&self.console_id.to_le_bytes());
        bytes.extend_from_slice(&algorithm_payloads(self.algorithms));
        bytes
    }

    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, algorithms) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            tag: head[0],
            max_privilege: head[1] & 0x0F,
            console_id: u32_at(head, 4)?,
            algorithms: read_algorithms(algorithms)?,
        })
    }
}

/// RMCP+ Open Session Response (13.18).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSessionResponse {
    /// Of the request.
    pub tag: u8,
    /// The remote console's session id; `None` where an error came without it.
    pub console_id: Option<u32>,
    /// What was granted.
    pub outcome: Result<Grant, Status>,
}

/// What a BMC grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Highest privilege that is possible.
    pub max_privilege: u8,
    /// The BMC's session id.
    pub system_id: u32,
    /// Authentication, integrity, confidentiality.
    pub algorithms: [u8; 3],
}

impl OpenSessionResponse {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (status, max_privilege) = match &self.outcome {
            Ok(grant) => (Status::OK, grant.max_privilege),
            Err(status) => (*status, 0),
        };
        let mut bytes = vec![self.tag, status.0, max_privilege, 0];
        bytes.extend_from_slice(&self.console_id.unwrap_or(0).to_le_bytes());
        if let Ok(grant) = &self.outcome {
            bytes.extend_from_slice(&grant.system_id.to_le_bytes());
            bytes.extend_from_slice(&algorithm_payloads(grant.algorithms));
        }
        bytes
    }

    /// Reads it. An error may be as short as tag and status.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&tag, &status) = (bytes.first()?, bytes.get(1)?);
        let console_id = u32_at(bytes, 4);
        if Status(status) != Status::OK {
            return Some(Self { tag, console_id, outcome: Err(Status(status)) });
        }
        let grant = Grant {
            max_privilege: bytes.get(2)? & 0x0F,
            system_id: u32_at(bytes, 8)?,
            algorithms: read_algorithms(bytes.get(12..)?)?,
        };
        Some(Self { tag, console_id: Some(console_id?), outcome: Ok(grant) })
    }
}

/// RAKP Message 1 (13.20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp1 {
    /// Matches the answer.
    pub tag: u8,
    /// The BMC's session id.
    pub system_id: u32,
    /// The remote console's random number.
    pub console_random: [u8; 16],
    /// Privilege and [`NAME_ONLY`].
    pub role: u8,
    /// User name.
    pub username: Vec<u8>,
}

impl Rakp1 {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.tag, 0, 0, 0];
        bytes.extend_from_slice(&self.system_id.to_le_bytes());
        bytes.extend_from_slice(&self.console_random);
        // The length was checked against MAX_USERNAME by the session.
        bytes.extend_from_slice(&[self.role, 0, 0, self.username.len() as u8]);
        bytes.extend_from_slice(&self.username);
        bytes
    }

    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, name) = bytes.split_first_chunk::<28>()?;
        let length = usize::from(head[27]);
        if length > MAX_USERNAME {
            return None;
        }
        Some(Self {
            tag: head[0],
            system_id: u32_at(head, 4)?,
            console_random: array_at(head, 8)?,
            role: head[24],
            username: name.get(..length)?.to_vec(),
        })
    }
}

/// RAKP Message 2 (13.21).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp2 {
    /// Of RAKP 1.
    pub tag: u8,
    /// The remote console's session id; `None` where an error came without it.
    pub console_id: Option<u32>,
    /// The challenge.
    pub outcome: Result<Challenge, Status>,
}

/// What RAKP 2 carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The BMC's random number.
    pub system_random: [u8; 16],
    /// The BMC's GUID.
    pub system_guid: [u8; 16],
    /// The BMC's proof that it knows the password.
    pub code: Vec<u8>,
}

impl Rakp2 {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let status = self.outcome.as_ref().err().copied().unwrap_or(Status::OK);
        let mut bytes = vec![self.tag, status.0, 0, 0];
        bytes.extend_from_slice(&self.console_id.unwrap_or(0).to_le_bytes());
        if let Ok(challenge) = &self.outcome {
            bytes.extend_from_slice(&challenge.system_random);
            bytes.extend_from_slice(&challenge.system_guid);
            bytes.extend_from_slice(&challenge.code);
        }
        bytes
    }

    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&tag, &status) = (bytes.first()?, bytes.get(1)?);
        let console_id = u32_at(bytes, 4);
        if Status(status) != Status::OK {
            return Some(Self { tag, console_id, outcome: Err(Status(status)) });
        }
        let challenge = Challenge {
            system_random: array_at(bytes, 8)?,
            system_guid: array_at(bytes, 24)?,
            code: bytes.get(40..)?.to_vec(),
        };
        Some(Self { tag, console_id: Some(console_id?), outcome: Ok(challenge) })
    }
}

/// RAKP Message 3 (13.22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp3 {
    /// Matches the answer.
    pub tag: u8,
    /// The BMC's session id.
    pub system_id: u32,
    /// The remote console's proof, or why it gives up.
    pub outcome: Result<Vec<u8>, Status>,
}

impl Rakp3 {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode_code(self.tag, self.system_id, &self.outcome)
    }

    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, id, outcome) = decode_code(bytes)?;
        Some(Self { tag, system_id: id?, outcome })
    }
}

/// RAKP Message 4 (13.23).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp4 {
    /// Of RAKP 3.
    pub tag: u8,
    /// The remote console's session id; `None` where an error came without it.
    pub console_id: Option<u32>,
    /// The integrity value.
    pub outcome: Result<Vec<u8>, Status>,
}

impl Rakp4 {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode_code(self.tag, self.console_id.unwrap_or(0), &self.outcome)
    }

    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, console_id, outcome) = decode_code(bytes)?;
        if outcome.is_ok() {
            console_id?;
        }
        Some(Self { tag, console_id, outcome })
    }
}

/// RAKP 3 and 4 have the same form: tag, status, session id, code.
fn encode_code(tag: u8, id: u32, outcome: &Result<Vec<u8>, Status>) -> Vec<u8> {
    let status = outcome.as_ref().err().copied().unwrap_or(Status::OK);
    let mut bytes = vec![tag, status.0, 0, 0];
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.extend_from_slice(outcome.as_deref().unwrap_or_default());
    bytes
}

type Code = (u8, Option<u32>, Result<Vec<u8>, Status>);

fn decode_code(bytes: &[u8]) -> Option<Code> {
    let (&tag, &status) = (bytes.first()?, bytes.get(1)?);
    let outcome = match Status(status) {
        Status::OK => Ok(bytes.get(8..)?.to_vec()),
        status => Err(status),
    };
    Some((tag, u32_at(bytes, 4), outcome))
}

/// One 8-byte payload per algorithm: type, 0, 0, length 8, algorithm, 0, 0, 0.
fn algorithm_payloads(algorithms: [u8; 3]) -> Vec<u8> {
    algorithms
        .into_iter()
        .zip(0u8..)
        .flat_map(|(algorithm, kind)| [kind, 0, 0, 8, algorithm, 0, 0, 0])
        .collect()
}

fn read_algorithms(bytes: &[u8]) -> Option<[u8; 3]> {
    let (payloads, _) = bytes.as_chunks::<8>();
    let mut algorithms = [None; 3];
    for payload in payloads.iter().take(3) {
        // Length 0 is a wildcard ("you choose"), which is neither asked nor granted here.
        if payload[3] != 8 {
            return None;
        }
        *algorithms.get_mut(usize::from(payload[0]))? = Some(payload[4] & 0x3F);
    }
    Some([algorithms[0]?, algorithms[1]?, algorithms[2]?])
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(array_at(bytes, at)?))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let request = OpenSessionRequest { tag: 7, max_privilege: 0, console_id: 9, algorithms: [3, 4, 1] };
        assert_eq!(OpenSessionRequest::decode(&request.encode()), Some(request));
        let grant = Grant { max_privilege: 4, system_id: 0x0102_0304, algorithms: [1, 1, 1] };
        let response = OpenSessionResponse { tag: 7, console_id: Some(9), outcome: Ok(grant) };
        assert_eq!(OpenSessionResponse::decode(&response.encode()), Some(response));
        let rakp1 =
            Rakp1 { tag: 1, system_id: 5, console_random: [3; 16], role: 0x14, username: b"admin".to_vec() };
        assert_eq!(Rakp1::decode(&rakp1.encode()), Some(rakp1));
        let challenge = Challenge { system_random: [4; 16], system_guid: [5; 16], code: vec![6; 32] };
        let rakp2 = Rakp2 { tag: 1, console_id: Some(9), outcome: Ok(challenge) };
        assert_eq!(Rakp2::decode(&rakp2.encode()), Some(rakp2));
        for outcome in [Ok(vec![8; 20]), Err(Status::INVALID_INTEGRITY)] {
            let rakp3 = Rakp3 { tag: 2, system_id: 5, outcome: outcome.clone() };
            assert_eq!(Rakp3::decode(&rakp3.encode()), Some(rakp3));
            let rakp4 = Rakp4 { tag: 2, console_id: Some(9), outcome };
            assert_eq!(Rakp4::decode(&rakp4.encode()), Some(rakp4));
        }
    }

    #[test]
    fn errors_may_be_short() {
        let response = OpenSessionResponse::decode(&[7, 0x11]).unwrap();
        assert_eq!((response.console_id, response.outcome), (None, Err(Status::NO_CIPHER_SUITE)));
        let rakp2 = Rakp2::decode(&[7, 0x0D, 0, 0, 1, 0, 0, 0]).unwrap();
        assert_eq!((rakp2.console_id, rakp2.outcome), (Some(1), Err(Status::UNAUTHORIZED_NAME)));
        assert_eq!(Rakp2::decode(&[7, 0, 0, 0, 1, 0, 0, 0]), None, "success must be whole");
        assert_eq!(Rakp4::decode(&[7, 0]), None);
    }
}
