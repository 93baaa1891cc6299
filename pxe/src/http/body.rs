//! A file's body in pieces, so that the timeline learns how much of it was taken.

use crate::directory::{Directory, Fact};
use axum::body::Body;
use bytes::Bytes;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;

/// Size of a piece, in bytes. Pieces share the file's memory.
const PIECE: u64 = 256 * 1024;

/// A part of a file on its way. When it is dropped, the directory is told how far it got.
pub(super) struct Delivery {
    pub(super) directory: Arc<dyn Directory>,
    pub(super) to: Ipv4Addr,
    pub(super) name: String,
    pub(super) content: Bytes,
    /// The bytes to send.
    pub(super) range: Range<u64>,
}

/// A delivery that runs.
struct Taken {
    delivery: Delivery,
    /// The next byte to send.
    position: u64,
}

impl Delivery {
    /// The body of the response.
    pub(super) fn into_body(self) -> Body {
        let taken = Taken { position: self.range.start, delivery: self };
        let pieces = futures::stream::unfold(taken, |mut taken| async move {
            let piece = taken.next()?;
            Some((Ok::<_, Infallible>(piece), taken))
        });
        Body::from_stream(pieces)
    }
}

impl Taken {
    fn next(&mut self) -> Option<Bytes> {
        let end = self.delivery.range.end.min(self.position.saturating_add(PIECE));
        if self.position >= end {
            return None;
        }
        // The range lies within the content, which is in memory: both fit usize.
        let piece = self.delivery.content.slice(self.position as usize..end as usize);
        self.position = end;
        Some(piece)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Delivery { directory, to, name, content, range } = &self.delivery;
        directory.observe(Fact::File {
            to: *to,
            name: name.clone(),
            over: "HTTP",
            bytes: self.position - range.start,
            complete: self.position == content.len() as u64,
        });
    }
}
