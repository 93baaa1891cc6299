//! The eyes of a run: they count what machines do, wake who waits for it, and write it down if anybody wants it.
//!
//! Counting takes no lock, since ten thousand machines are seen at once. Judging is not here (`check`).

use super::entry::{Entry, Seen, SeenKind, What};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// The kinds that are counted.
const KINDS: usize = SeenKind::ALL.len();

/// Sees all that machines do and meet.
#[derive(Debug)]
pub struct Eyes {
    born: Instant,
    counts: [AtomicU64; KINDS],
    /// Woken at each of its kind.
    wakes: [Notify; KINDS],
    sink: Option<mpsc::UnboundedSender<Entry>>,
}

impl Eyes {
    /// Eyes that have seen nothing. What they see goes to `sink`, if there is one. The run begins now.
    #[must_use]
    pub fn new(sink: Option<mpsc::UnboundedSender<Entry>>) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            wakes: std::array::from_fn(|_| Notify::new()),
            sink,
        })
    }

    /// A machine did or met something.
    pub fn see(&self, machine: u32, seen: Seen) {
        self.write(Some(machine), What::Seen(seen));
    }

    /// Anything happened. Requests to the API and their answers are counted, too.
    pub fn write(&self, machine: Option<u32>, what: What) {
        let kind = match &what {
            What::Seen(seen) => Some(seen.kind()),
            What::Call { .. } => Some(SeenKind::Call),
            What::Answer { .. } => Some(SeenKind::Answer),
            _ => None,
        };
        if let Some(sink) = &self.sink {
            let at_us = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX);
            // Nobody reads any more: the run is over.
            let _over = sink.send(Entry { at_us, machine, what });
        }
        // Last, so that who is woken by it finds it written down.
        if let Some(kind) = kind {
            self.counts[kind as usize].fetch_add(1, Ordering::SeqCst);
            self.wakes[kind as usize].notify_waiters();
        }
    }

    /// How many of a kind were seen.
    #[must_use]
    pub fn count(&self, kind: SeenKind) -> u64 {
        self.counts[kind as usize].load(Ordering::SeqCst)
    }

    /// Returns when so many of a kind were seen, the first being number 1.
    pub async fn reached(&self, kind: SeenKind, nth: u64) {
        loop {
            let mut woken = std::pin::pin!(self.wakes[kind as usize].notified());
            // Before the look, so that none is missed between look and wait.
            woken.as_mut().enable();
            if self.count(kind) >= nth {
                return;
            }
            woken.await;
        }
    }

    /// Returns at the next of any of these kinds, with which it was and the how many-th. Never, if there are none.
    pub(crate) async fn next_of(&self, kinds: &[SeenKind]) -> (SeenKind, u64) {
        let one = |kind: SeenKind| {
            let nth = self.count(kind) + 1;
            Box::pin(async move {
                self.reached(kind, nth).await;
                (kind, nth)
            })
        };
        let mut all: Vec<_> = kinds.iter().copied().map(one).collect();
        std::future::poll_fn(|context| {
            let first = all.iter_mut().find_map(|one| match one.as_mut().poll(context) {
                Poll::Ready(seen) => Some(seen),
                Poll::Pending => None,
            });
            first.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_woken_at_the_nth() {
        let (sink, mut entries) = mpsc::unbounded_channel();
        let eyes = Eyes::new(Some(sink));
        let waiting = tokio::spawn({
            let eyes = Arc::clone(&eyes);
            async move { eyes.reached(SeenKind::Claimed, 3).await }
        });
        for _ in 0..2 {
            eyes.see(7, Seen::Claimed);
        }
        eyes.see(7, Seen::Nak);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        eyes.see(8, Seen::Claimed);
        waiting.await.unwrap();
        assert_eq!((eyes.count(SeenKind::Claimed), eyes.count(SeenKind::Nak)), (3, 1));
        entries.close();
        let mut machines = vec![];
        while let Some(entry) = entries.recv().await {
            machines.push(entry.machine);
        }
        assert_eq!(machines, [Some(7), Some(7), Some(7), Some(8)]);
    }

    #[tokio::test]
    async fn whatever_comes_next_is_told() {
        let eyes = Eyes::new(None);
        eyes.see(7, Seen::Nak);
        let waiting = tokio::spawn({
            let eyes = Arc::clone(&eyes);
            async move { eyes.next_of(&[SeenKind::Claimed, SeenKind::Nak]).await }
        });
        tokio::task::yield_now().await;
        eyes.see(7, Seen::NothingOnDisk);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        eyes.see(7, Seen::Nak);
        assert_eq!(waiting.await.unwrap(), (SeenKind::Nak, 2));
    }

    #[test]
    fn each_kind_has_a_counter_of_its_own() {
        for (place, kind) in SeenKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }
}
