//! Messages of PostgreSQL's protocol 3.0 on a stream: a type and a length, or at the very start a length alone
//! (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// More than any test sends, so that a stream that is not PostgreSQL's fails instead of filling memory.
const LONGEST: usize = 64 << 20;

/// One message, whole.
pub(super) struct Frame {
    bytes: Vec<u8>,
    /// Where what follows the length begins.
    body: usize,
}

impl Frame {
    /// Its first byte, the type; nothing of a start's.
    pub(super) fn kind(&self) -> u8 {
        self.bytes[0]
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[cfg(test)]
    pub(super) fn of(kind: u8, body: &[u8]) -> Self {
        let mut bytes = vec![kind, 0, 0, 0, 0];
        bytes.extend(body);
        Self { bytes, body: 5 }
    }
}

/// The next message, or nothing when the stream ends between two.
///
/// # Errors
/// When it ends within one, or is not PostgreSQL's.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut kind = [0];
    if from.read(&mut kind).await? == 0 {
        return Ok(None);
    }
    Ok(Some(rest(from, kind.to_vec()).await?))
}

/// The first message of a client: it has no type.
///
/// # Errors
/// The same.
pub(super) async fn read_start(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    rest(from, Vec::new()).await
}

async fn rest(from: &mut (impl AsyncRead + Unpin), mut bytes: Vec<u8>) -> io::Result<Frame> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    bytes.extend(length);
    let body = bytes.len();
    // The length counts itself and not the type.
    let length = u32::from_be_bytes(length) as usize;
    let Some(more) = length.checked_sub(4).filter(|more| *more <= LONGEST) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
    };
    bytes.resize(body + more, 0);
    from.read_exact(&mut bytes[body..]).await?;
    Ok(Frame { bytes, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_cut_where_they_end() {
        let stream = [&b"Q\0\0\0\x0bCOMMIT\0"[..], b"X\0\0\0\x04"].concat();
        let mut from = stream.as_slice();
        let first = read(&mut from).await.expect("a message").expect("there is one");
        assert_eq!((first.kind(), first.body()), (b'Q', &b"COMMIT\0"[..]));
        assert_eq!(first.bytes(), &stream[..12]);
        assert_eq!(read(&mut from).await.expect("a message").expect("there is one").bytes(), b"X\0\0\0\x04");
        assert!(read(&mut from).await.expect("an end").is_none());
    }

    #[tokio::test]
    async fn what_is_no_message_is_an_error() {
        for stream in [&b"Q\0\0\0\x0bCOM"[..], b"Q\0\0", b"Q\0\0\0\x03", b"GET / HTTP/1.1\r\n"] {
            assert!(read(&mut &*stream).await.is_err(), "{stream:?}");
        }
    }
}
