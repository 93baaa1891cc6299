//! Messages of the Network Block Device protocol, fixed newstyle negotiation and simple replies, as bytes. Pure.
//!
//! Source: the protocol's specification, <https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>. There is
//! one export, whose name is empty. Not here: TLS, structured replies, block status; a client that asks is told so.

/// The most bytes of one read or write: what clients may assume without being told ("Block size constraints").
pub(super) const LONGEST: u32 = 32 << 20;

/// The most bytes that an option may carry; those that are taken carry a name of at most 4096 bytes.
pub(super) const LONGEST_OPTION: u32 = 8192;

const NBD_MAGIC: u64 = 0x4e42_444d_4147_4943;
const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;

/// Handshake flags of both sides: fixed newstyle, no zeros behind the export's description.
const FIXED_NEWSTYLE: u32 = 1;
const NO_ZEROES: u32 = 2;

/// What the export can: flags are there, flush, force unit access, trim, write zeros.
const TRANSMISSION: u16 = 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6;

const ACK: u32 = 1;
const SERVER: u32 = 2;
const INFO: u32 = 3;
const UNSUPPORTED: u32 = 1 << 31 | 1;
const INVALID: u32 = 1 << 31 | 3;
const UNKNOWN: u32 = 1 << 31 | 6;

/// Error values of replies.
pub(super) const EIO: u32 = 5;
pub(super) const EINVAL: u32 = 22;
pub(super) const ENOSPC: u32 = 28;

/// Why a connection can't go on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error("the client doesn't speak the fixed newstyle negotiation")]
    OldClient,
    #[error("the client's {what} begins with {found:#x}")]
    Magic { what: &'static str, found: u64 },
    #[error("the client sent {bytes} bytes with an option or a write, and {most} are taken")]
    TooLong { bytes: u32, most: u32 },
}

/// What the server says first.
pub(super) fn greeting() -> Vec<u8> {
    let flags = (FIXED_NEWSTYLE | NO_ZEROES) as u16;
    [&NBD_MAGIC.to_be_bytes()[..], &OPTION_MAGIC.to_be_bytes(), &flags.to_be_bytes()].concat()
}

/// The client's flags; whether it wants no zeros behind the export's description.
pub(super) fn client_flags(bytes: [u8; 4]) -> Result<bool, WireError> {
    let flags = u32::from_be_bytes(bytes);
    let known = flags & !(FIXED_NEWSTYLE | NO_ZEROES) == 0;
    if flags & FIXED_NEWSTYLE == 0 || !known { Err(WireError::OldClient) } else { Ok(flags & NO_ZEROES != 0) }
}

/// An option's head: its number, and how many bytes follow.
pub(super) fn option(head: [u8; 16]) -> Result<(u32, u32), WireError> {
    let found = u64_at(&head, 0);
    if found != OPTION_MAGIC {
        return Err(WireError::Magic { what: "option", found });
    }
    let (number, bytes) = (u32_at(&head, 8), u32_at(&head, 12));
    if bytes > LONGEST_OPTION {
        return Err(WireError::TooLong { bytes, most: LONGEST_OPTION });
    }
    Ok((number, bytes))
}

/// What follows an answered option.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The next one.
    Option,
    /// Reads and writes.
    Transmission,
    /// The end of the connection.
    End,
}

/// The answer to an option that carries `data`, for an export of `size` bytes.
pub(super) fn answer(number: u32, data: &[u8], size: u64, no_zeroes: bool) -> (Vec<u8>, Then) {
    const EXPORT_NAME: u32 = 1;
    const ABORT: u32 = 2;
    const LIST: u32 = 3;
    const GET_INFO: u32 = 6;
    const GO: u32 = 7;
    match number {
        // This one has no way to say no.
        EXPORT_NAME if !data.is_empty() => (Vec::new(), Then::End),
        EXPORT_NAME => {
            let zeros = if no_zeroes { 0 } else { 124 };
            let description =
                [&size.to_be_bytes()[..], &TRANSMISSION.to_be_bytes(), &vec![0; zeros]].concat();
            (description, Then::Transmission)
        }
        ABORT => (option_reply(number, ACK, &[]), Then::End),
        LIST if data.is_empty() => {
            let named = option_reply(number, SERVER, &0_u32.to_be_bytes());
            ([named, option_reply(number, ACK, &[])].concat(), Then::Option)
        }
        GET_INFO | GO => match asked(data) {
            None => (option_reply(number, INVALID, b"this is no name with a list"), Then::Option),
            Some((b"", wanted)) => {
                let then = if number == GO { Then::Transmission } else { Then::Option };
                (describe(number, size, &wanted), then)
            }
            Some(_) => (option_reply(number, UNKNOWN, b"the export has no name"), Then::Option),
        },
        LIST => (option_reply(number, INVALID, b"a list is asked for without more"), Then::Option),
        _ => (option_reply(number, UNSUPPORTED, b"not spoken here"), Then::Option),
    }
}

/// The export's name and the numbers of the pieces of information that are asked for.
fn asked(data: &[u8]) -> Option<(&[u8], Vec<u16>)> {
    let (length, rest) = data.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let (count, rest) = rest.split_first_chunk::<2>()?;
    let (pieces, left) = rest.as_chunks::<2>();
    let whole = left.is_empty() && pieces.len() == usize::from(u16::from_be_bytes(*count));
    whole.then(|| (name, pieces.iter().map(|piece| u16::from_be_bytes(*piece)).collect()))
}

/// The replies that describe the export, and the one that ends them.
fn describe(number: u32, size: u64, wanted: &[u16]) -> Vec<u8> {
    const EXPORT: u16 = 0;
    const BLOCK_SIZE: u16 = 3;
    let export = [&EXPORT.to_be_bytes()[..], &size.to_be_bytes(), &TRANSMISSION.to_be_bytes()].concat();
    let mut all = option_reply(number, INFO, &export);
    if wanted.contains(&BLOCK_SIZE) {
        // Least, preferred and most.
        let sizes = [1, 4096, LONGEST].map(u32::to_be_bytes).concat();
        all.extend(option_reply(number, INFO, &[&BLOCK_SIZE.to_be_bytes()[..], &sizes].concat()));
    }
    all.extend(option_reply(number, ACK, &[]));
    all
}

fn option_reply(number: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    // What is answered is short.
    let length = data.len() as u32;
    let head = [number, kind, length].map(u32::to_be_bytes).concat();
    [&OPTION_REPLY_MAGIC.to_be_bytes()[..], &head, data].concat()
}

/// What a client wants of the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Read,
    Write,
    Disconnect,
    Flush,
    Trim,
    WriteZeroes,
    Unknown,
}

/// A request; the bytes of a write follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) command: Command,
    /// Comes back with the reply.
    pub(super) cookie: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// Reads a request's head. Its flags only make writes last or say how zeros are kept: they change nothing here.
pub(super) fn request(head: [u8; 28]) -> Result<Request, WireError> {
    let found = u32_at(&head, 0);
    if found != REQUEST_MAGIC {
        return Err(WireError::Magic { what: "request", found: found.into() });
    }
    let command = match u16::from_be_bytes([head[6], head[7]]) {
        0 => Command::Read,
        1 => Command::Write,
        2 => Command::Disconnect,
        3 => Command::Flush,
        4 => Command::Trim,
        6 => Command::WriteZeroes,
        _ => Command::Unknown,
    };
    let request =
        Request { command, cookie: u64_at(&head, 8), offset: u64_at(&head, 16), length: u32_at(&head, 24) };
    if command == Command::Write && request.length > LONGEST {
        return Err(WireError::TooLong { bytes: request.length, most: LONGEST });
    }
    Ok(request)
}

impl Request {
    /// The error of a request that an export of this size can't serve.
    pub(super) fn error(&self, size: u64) -> Option<u32> {
        let inside = self.offset.checked_add(self.length.into()).is_some_and(|end| end <= size);
        match self.command {
            Command::Unknown => Some(EINVAL),
            Command::Read if self.length > LONGEST => Some(EINVAL),
            Command::Write | Command::WriteZeroes if !inside => Some(ENOSPC),
            Command::Read | Command::Trim if !inside => Some(EINVAL),
            _ => None,
        }
    }
}

/// A reply; the bytes of a read that succeeded follow it.
pub(super) fn reply(cookie: u64, error: u32) -> Vec<u8> {
    [&REPLY_MAGIC.to_be_bytes()[..], &error.to_be_bytes(), &cookie.to_be_bytes()].concat()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) << 32 | u64::from(u32_at(bytes, at + 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes written as groups of hex.
    fn bytes(text: &str) -> Vec<u8> {
        hex::decode(text.replace(' ', "")).unwrap()
    }

    #[test]
    fn greetings() {
        assert_eq!(greeting(), bytes("4e42444d41474943 49484156454f5054 0003"));
        let table =
            [(3, Ok(true)), (1, Ok(false)), (0, Err(WireError::OldClient)), (5, Err(WireError::OldClient))];
        for (flags, expected) in table {
            assert_eq!(client_flags(u32::to_be_bytes(flags)), expected, "{flags}");
        }
    }

    #[test]
    fn options_are_answered() {
        let reply = "0003e889045565a9";
        let table = [
            (1, "", true, "0000000000100000 006d".to_owned(), Then::Transmission),
            (1, "", false, format!("0000000000100000 006d {}", "00".repeat(124)), Then::Transmission),
            (1, "61", true, String::new(), Then::End),
            (2, "", true, format!("{reply} 00000002 00000001 00000000"), Then::End),
            (
                3,
                "",
                true,
                format!("{reply} 00000003 00000002 00000004 00000000 {reply} 00000003 00000001 00000000"),
                Then::Option,
            ),
            (
                7,
                "00000000 0001 0003",
                true,
                format!(
                    "{reply} 00000007 00000003 0000000c 0000 0000000000100000 006d \
                     {reply} 00000007 00000003 0000000e 0003 00000001 00001000 02000000 \
                     {reply} 00000007 00000001 00000000"
                ),
                Then::Transmission,
            ),
            (
                6,
                "00000000 0000",
                true,
                format!(
                    "{reply} 00000006 00000003 0000000c 0000 0000000000100000 006d {reply} 00000006 00000001 00000000"
                ),
                Then::Option,
            ),
        ];
        for (number, data, no_zeroes, expected, then) in table {
            assert_eq!(
                answer(number, &bytes(data), 1 << 20, no_zeroes),
                (bytes(&expected), then),
                "{number} {data}"
            );
        }
    }

    #[test]
    fn what_is_not_spoken_is_refused_and_the_negotiation_goes_on() {
        // Structured replies, another name, a list that is cut off, a name that is longer than its option.
        let table = [
            (8, "", UNSUPPORTED),
            (7, "00000001 61 0000", UNKNOWN),
            (7, "00000000 0002 0003", INVALID),
            (7, "000000ff", INVALID),
            (3, "00", INVALID),
        ];
        for (number, data, error) in table {
            let (said, then) = answer(number, &bytes(data), 1 << 20, true);
            assert_eq!((u32_at(&said, 12), then), (error, Then::Option), "{number} {data}");
        }
    }

    #[test]
    fn requests_are_read() {
        let head = |text: &str| <[u8; 28]>::try_from(bytes(text)).unwrap();
        let read = head("25609513 0000 0000 0102030405060708 0000000000001000 00000200");
        let expected =
            Request { command: Command::Read, cookie: 0x0102_0304_0506_0708, offset: 4096, length: 512 };
        assert_eq!(request(read), Ok(expected));
        let long = head("25609513 0000 0001 0000000000000000 0000000000000000 02000001");
        assert_eq!(request(long), Err(WireError::TooLong { bytes: LONGEST + 1, most: LONGEST }));
        let other = head("25609514 0000 0001 0000000000000000 0000000000000000 00000001");
        assert_eq!(request(other), Err(WireError::Magic { what: "request", found: 0x2560_9514 }));
        assert_eq!(reply(0x0102, EIO), bytes("67446698 00000005 0000000000000102"));
    }

    #[test]
    fn what_is_not_there_is_not_served() {
        let of = |command, offset, length| Request { command, cookie: 0, offset, length };
        let table = [
            (of(Command::Read, 0, 4096), None),
            (of(Command::Read, 1, 4096), Some(EINVAL)),
            (of(Command::Read, u64::MAX, 2), Some(EINVAL)),
            (of(Command::Write, 4095, 2), Some(ENOSPC)),
            (of(Command::WriteZeroes, 0, u32::MAX), Some(ENOSPC)),
            (of(Command::Trim, 4096, 1), Some(EINVAL)),
            (of(Command::Flush, 0, 0), None),
            (of(Command::Unknown, 0, 0), Some(EINVAL)),
        ];
        for (request, expected) in table {
            assert_eq!(request.error(4096), expected, "{request:?}");
        }
        assert_eq!(of(Command::Read, 0, LONGEST + 1).error(u64::MAX), Some(EINVAL));
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_client_end_the_server(
            number in 0_u32..12, data in proptest::collection::vec(any::<u8>(), 0..64), head: [u8; 28], start: [u8; 16],
        ) {
            let (_, _) = answer(number, &data, 1 << 20, false);
            let mut head = head;
            head[..4].copy_from_slice(&REQUEST_MAGIC.to_be_bytes());
            if let Ok(request) = request(head) && request.error(4096).is_none() && request.command == Command::Write {
                prop_assert!(request.offset + u64::from(request.length) <= 4096);
            }
            let _refused = option(start);
        }
    }
}
