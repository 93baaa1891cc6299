//! A refused upload is heard: what its sender still sends is read and thrown away for a while.
//!
//! A server that closes a connection with unread data resets it, and the sender loses the answer that was under
//! way (RFC 9112, 9.6). Which requests are refused is not decided here.

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use futures::StreamExt;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// How long a refused body is read: a sender that has not seen the answer by then never will.
const LONGEST: Duration = Duration::from_secs(10);
/// How much of it is read, in bytes: kernel buffers on both sides are far smaller.
const MOST: u64 = 1 << 30;

/// The same request; its body outlives the handler that drops it unread.
pub(crate) fn linger(request: Request) -> Request {
    request.map(|body| Body::new(Lingering(body)))
}

struct Lingering(Body);

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let rest = std::mem::take(&mut self.0);
        if !rest.is_end_stream()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(tokio::time::timeout(LONGEST, discard(rest)));
        }
    }
}

async fn discard(body: Body) {
    let mut pieces = body.into_data_stream();
    let mut left = MOST;
    while let Some(Ok(piece)) = pieces.next().await {
        left = left.saturating_sub(piece.len() as u64);
        if left == 0 {
            return;
        }
    }
}
