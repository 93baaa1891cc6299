//! Bytes out of a connection: small ones by `send`, files by `sendfile`, so that the kernel moves them itself.
//!
//! A client that takes nothing for a while is given up, so that stalled downloads don't fill the server.

use crate::files::{Content, Piece};
use nix::sys::sendfile::sendfile64;
use socket2::SockRef;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Most bytes of one call: other connections of this thread wait for it.
const PIECE: u64 = 2 << 20;

/// Where bytes go to.
#[derive(Clone, Copy)]
pub(super) struct Out<'a> {
    pub(super) stream: &'a TcpStream,
    /// Longest wait for a client that takes nothing.
    pub(super) stall: Duration,
}

impl Out<'_> {
    /// Sends bytes; with `more`, what comes next may share their last packet.
    pub(super) async fn bytes(self, bytes: &[u8], more: bool) -> io::Result<()> {
        self.counted(bytes, more, &mut 0).await
    }

    /// Sends a part of a file; `sent` grows with each byte that the system took.
    pub(super) async fn content(
        self,
        content: &Content,
        range: Range<u64>,
        sent: &mut u64,
    ) -> io::Result<()> {
        let mut begin = 0;
        for piece in content.pieces() {
            let end = begin + piece.length();
            // The part of this piece that is wanted, counted from its own start.
            let (from, to) = (range.start.max(begin), range.end.min(end));
            if from < to {
                let within = from - begin..to - begin;
                match piece {
                    Piece::Memory(_, Some(file)) | Piece::File(file, _) => {
                        self.file(file, within, sent).await?
                    }
                    Piece::Memory(bytes, None) => {
                        // It is in memory, so that its length fits usize.
                        let part = &bytes[within.start as usize..within.end as usize];
                        self.counted(part, to < range.end, sent).await?;
                    }
                }
            }
            begin = end;
        }
        Ok(())
    }

    async fn counted(self, mut bytes: &[u8], more: bool, sent: &mut u64) -> io::Result<()> {
        let flags = if more { libc::MSG_MORE } else { 0 };
        while !bytes.is_empty() {
            let taken = self.progress(|| SockRef::from(self.stream).send_with_flags(bytes, flags)).await?;
            *sent += taken as u64;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    async fn file(self, file: &File, range: Range<u64>, sent: &mut u64) -> io::Result<()> {
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let mut offset = i64::try_from(range.start).map_err(too_large)?;
        let mut left = range.end - range.start;
        while left > 0 {
            // At most 2 MiB: fits usize.
            let count = left.min(PIECE) as usize;
            let taken =
                self.progress(|| Ok(sendfile64(self.stream, file, Some(&mut offset), count)?)).await?;
            if taken == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
            }
            *sent += taken as u64;
            left -= taken as u64;
            // A client that is always ready must not keep the others waiting.
            tokio::task::consume_budget().await;
        }
        Ok(())
    }

    /// Does it now, or as soon as the client takes bytes again.
    async fn progress(self, mut step: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        match self.stream.try_io(Interest::WRITABLE, &mut step) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
        let waited = tokio::time::timeout(self.stall, self.stream.async_io(Interest::WRITABLE, step)).await;
        waited.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "stalled")))
    }
}
