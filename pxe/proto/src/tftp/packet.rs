//! TFTP's packets: reading requests and acknowledgements, writing data, option acknowledgements and errors.

/// Opcodes (RFC 1350, 5; RFC 2347).
pub(super) mod opcode {
    pub(in super::super) const READ: u16 = 1;
    pub(in super::super) const WRITE: u16 = 2;
    pub(in super::super) const DATA: u16 = 3;
    pub(in super::super) const ACK: u16 = 4;
    pub(in super::super) const ERROR: u16 = 5;
    pub(in super::super) const OPTION_ACK: u16 = 6;
}

/// Longest request that is read, in bytes. RFC 2347 allows 512; no name of ours is longer than half of that.
pub const MAX_REQUEST: usize = 512;
/// Most characters of a name that are shown.
const MAX_SHOWN: usize = 128;
/// Bytes before the file's bytes in a DATA packet.
pub(super) const DATA_HEADER: usize = 4;
/// Most bytes of an error message that are kept or sent.
const MAX_MESSAGE: usize = 100;

/// Error codes (RFC 1350, appendix).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// Not defined, see the message.
    Undefined = 0,
    /// File not found.
    NotFound = 1,
    /// Illegal TFTP operation.
    Illegal = 4,
}

/// A request to read a file, with the options that are known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRequest {
    /// The name, as sent.
    pub name: String,
    /// Block size asked for, in bytes (RFC 2348).
    pub blksize: Option<u16>,
    /// Window asked for, in blocks (RFC 7440).
    pub windowsize: Option<u16>,
    /// Retransmission timeout asked for, in seconds (RFC 2349).
    pub timeout: Option<u8>,
    /// Whether it asks for the file's size (RFC 2349).
    pub tsize: bool,
}

/// Why a datagram on the server's port starts no transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It wants to write.
    #[error("writing is not allowed here")]
    Write,
    /// It wants netascii or mail.
    #[error("only the mode octet is served")]
    Mode,
    /// Longer than [`MAX_REQUEST`].
    #[error("the request is too long")]
    TooLong,
    /// A request that is cut off, or not text.
    #[error("the request is malformed")]
    Malformed,
    /// Not a request at all, such as a stray acknowledgement: it gets no answer.
    #[error("not a request")]
    NotARequest,
}

impl Refused {
    /// The reason in one word, for counters.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Refused::Write => "write",
            Refused::Mode => "mode",
            Refused::TooLong => "too_long",
            Refused::Malformed => "malformed",
            Refused::NotARequest => "not_a_request",
        }
    }

    /// The error packet to answer with, if any.
    #[must_use]
    pub fn packet(self) -> Option<Vec<u8>> {
        (self != Refused::NotARequest).then(|| error(ErrorCode::Illegal, &self.to_string()))
    }
}

/// Reads a request.
///
/// # Errors
/// Why it starts no transfer, with the packet to answer.
pub fn parse_request(datagram: &[u8]) -> Result<ReadRequest, Refused> {
    match opcode_of(datagram) {
        Some(opcode::READ) => {}
        Some(opcode::WRITE) => return Err(Refused::Write),
        _ => return Err(Refused::NotARequest),
    }
    if datagram.len() > MAX_REQUEST {
        return Err(Refused::TooLong);
    }
    let text = datagram[2..].strip_suffix(&[0]).ok_or(Refused::Malformed)?;
    let mut words = text.split(|byte| *byte == 0);
    let (Some(name), Some(mode)) = (words.next(), words.next()) else { return Err(Refused::Malformed) };
    let name = std::str::from_utf8(name).map_err(|_| Refused::Malformed)?;
    if name.is_empty() {
        return Err(Refused::Malformed);
    }
    if !mode.eq_ignore_ascii_case(b"octet") {
        return Err(Refused::Mode);
    }
    let mut request =
        ReadRequest { name: name.to_owned(), blksize: None, windowsize: None, timeout: None, tsize: false };
    while let (Some(option), Some(value)) = (words.next(), words.next()) {
        request.set(option, value);
    }
    Ok(request)
}

impl ReadRequest {
    /// Takes an option over; one that is unknown or out of its range is left out of the answer (RFC 2347).
    fn set(&mut self, option: &[u8], value: &[u8]) {
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u32>().ok());
        let Some(number) = number else { return };
        let within =
            |low: u32, high: u32| u16::try_from(number).ok().filter(|_| (low..=high).contains(&number));
        if option.eq_ignore_ascii_case(b"blksize") {
            self.blksize = within(8, 65_464);
        } else if option.eq_ignore_ascii_case(b"windowsize") {
            self.windowsize = within(1, 65_535);
        } else if option.eq_ignore_ascii_case(b"timeout") {
            self.timeout = u8::try_from(number).ok().filter(|seconds| *seconds > 0);
        } else if option.eq_ignore_ascii_case(b"tsize") {
            self.tsize = true;
        }
    }
}

/// What a request that was refused seems to ask for, for people: without control characters, at most 128 characters.
/// Empty when it is no text.
#[must_use]
pub fn shown_name(datagram: &[u8]) -> String {
    let bytes = datagram.get(2..).unwrap_or_default();
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(&bytes[..bytes.len().min(4 * MAX_SHOWN)]).unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect()
}

/// The name in the map of files that a requested name means: without leading slashes.
#[must_use]
pub fn name_of(requested: &str) -> &str {
    requested.trim_start_matches('/')
}

/// An ERROR packet.
#[must_use]
pub fn error(code: ErrorCode, message: &str) -> Vec<u8> {
    let mut packet = opcode::ERROR.to_be_bytes().to_vec();
    packet.extend_from_slice(&(code as u16).to_be_bytes());
    packet.extend(message.bytes().filter(|byte| *byte != 0).take(MAX_MESSAGE));
    packet.push(0);
    packet
}

/// Appends the head of a DATA packet; the bytes of the block follow.
pub(super) fn data_header(block: u16, to: &mut Vec<u8>) {
    let [high, low] = block.to_be_bytes();
    to.extend_from_slice(&[0, opcode::DATA as u8, high, low]);
}

/// An option acknowledgement.
pub(super) fn option_ack(options: &[(&str, u64)]) -> Vec<u8> {
    let mut packet = opcode::OPTION_ACK.to_be_bytes().to_vec();
    for (name, value) in options {
        packet.extend_from_slice(name.as_bytes());
        packet.push(0);
        packet.extend_from_slice(value.to_string().as_bytes());
        packet.push(0);
    }
    packet
}

/// What a client sends while a transfer runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FromClient {
    /// All blocks up to this one have arrived.
    Ack(u16),
    /// It ends the transfer.
    Error { code: u16, message: String },
}

/// Reads a client's packet; `None` for what has no meaning within a transfer.
pub(super) fn parse_reply(datagram: &[u8]) -> Option<FromClient> {
    let number = u16::from_be_bytes([*datagram.get(2)?, *datagram.get(3)?]);
    match opcode_of(datagram)? {
        opcode::ACK => Some(FromClient::Ack(number)),
        opcode::ERROR => {
            let text = datagram[4..].split(|byte| *byte == 0).next().unwrap_or(&[]);
            let text = String::from_utf8_lossy(&text[..text.len().min(MAX_MESSAGE)]);
            let message = text.chars().filter(|c| !c.is_control()).collect();
            Some(FromClient::Error { code: number, message })
        }
        _ => None,
    }
}

fn opcode_of(datagram: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*datagram.first()?, *datagram.get(1)?]))
}
