//! What the child that reads an image tells its parent: frames of one letter, a number (64 bits, little-endian) and, for
//! two of them, as many bytes behind it. The parent believes nothing of it but the bytes of the disk.

use std::io::{self, Read, Write};

/// Bytes of a frame without what follows it.
const HEAD: usize = 9;

/// The longest text of a refusal, in bytes.
const MAX_TEXT: u64 = 4096;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// So many bytes are unpacked to the spool. Only to be shown.
    Unpacked(u64),
    /// The image is open; the disk's size where it is known. Only to be shown.
    Open(Option<u64>),
    /// The next bytes of the disk are zero.
    Zeros(u64),
    /// So many bytes of the disk follow.
    Bytes(u64),
    /// That was the disk; all of its bytes.
    End(u64),
    /// The image is refused.
    Refused(String),
    /// The child could not shut itself in, and has looked at nothing.
    Unconfined(String),
}

/// The number that stands for "not known".
const UNKNOWN: u64 = u64::MAX;

impl Frame {
    /// Writes it; what belongs behind [`Frame::Bytes`] is the caller's to write.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let (letter, number, text) = match self {
            Self::Unpacked(bytes) => (b'U', *bytes, ""),
            Self::Open(bytes) => (b'O', bytes.unwrap_or(UNKNOWN), ""),
            Self::Zeros(bytes) => (b'Z', *bytes, ""),
            Self::Bytes(bytes) => (b'B', *bytes, ""),
            Self::End(bytes) => (b'E', *bytes, ""),
            Self::Refused(why) => (b'R', 0, shortened(why)),
            Self::Unconfined(why) => (b'C', 0, shortened(why)),
        };
        let number = if text.is_empty() { number } else { text.len() as u64 };
        let mut head = [letter; HEAD];
        head[1..].copy_from_slice(&number.to_le_bytes());
        out.write_all(&head)?;
        out.write_all(text.as_bytes())
    }

    /// Reads one. `None`: the stream ended before it.
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; HEAD];
        let n = super::read_full(stream, &mut head)?;
        if n == 0 {
            return Ok(None);
        }
        if n < HEAD {
            return Err(garbage("a frame is cut off"));
        }
        let mut number = [0; 8];
        number.copy_from_slice(&head[1..]);
        let number = u64::from_le_bytes(number);
        Ok(Some(match head[0] {
            b'U' => Self::Unpacked(number),
            b'O' => Self::Open((number != UNKNOWN).then_some(number)),
            b'Z' => Self::Zeros(number),
            b'B' => Self::Bytes(number),
            b'E' => Self::End(number),
            b'R' => Self::Refused(text(stream, number)?),
            b'C' => Self::Unconfined(text(stream, number)?),
            _ => return Err(garbage("a frame is of no known kind")),
        }))
    }
}

/// As much of a text as a frame takes.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT as usize)]
}

/// A text of so many bytes. It came from a process that read a stranger's file: no control characters go any further.
fn text(stream: &mut impl Read, bytes: u64) -> io::Result<String> {
    if bytes > MAX_TEXT {
        return Err(garbage("a text is too long"));
    }
    let mut text = Vec::new();
    if stream.take(bytes).read_to_end(&mut text)? as u64 != bytes {
        return Err(garbage("a text is cut off"));
    }
    let plain = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    Ok(String::from_utf8_lossy(&text).chars().map(plain).collect())
}

fn garbage(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let frames = [
            Frame::Unpacked(1),
            Frame::Open(None),
            Frame::Open(Some(512)),
            Frame::Zeros(u64::MAX),
            Frame::End(7),
            Frame::Refused("it is broken: see byte 7".into()),
            Frame::Unconfined("no seccomp".into()),
            Frame::Bytes(4),
        ];
        let mut stream = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut stream).unwrap());
        let mut stream = &stream[..];
        for frame in frames {
            assert_eq!(Frame::read(&mut stream).unwrap(), Some(frame));
        }
        assert_eq!(Frame::read(&mut stream).unwrap(), None);
    }

    #[test]
    fn a_text_is_cut_and_has_no_control_characters() {
        let mut stream = Vec::new();
        Frame::Refused("ä".repeat(5000)).write(&mut stream).unwrap();
        Frame::Refused("a\x1b[2Jb\n".into()).write(&mut stream).unwrap();
        let mut stream = &stream[..];
        assert_eq!(Frame::read(&mut stream).unwrap(), Some(Frame::Refused("ä".repeat(2048))));
        assert_eq!(Frame::read(&mut stream).unwrap(), Some(Frame::Refused("a\u{FFFD}[2Jb\u{FFFD}".into())));
    }

    #[test]
    fn garbage_is_no_frame() {
        let long = [&b"R"[..], &4097_u64.to_le_bytes(), &[b'a'; 4097]].concat();
        let cut = [&b"R"[..], &4_u64.to_le_bytes(), b"abc"].concat();
        let cases: [&[u8]; 4] = [b"Z", b"x12345678", &long, &cut];
        for stream in cases {
            let error = Frame::read(&mut &*stream).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}
