//! What came in for one session and was not read yet.

use super::trouble::Trouble;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Unread datagrams that are kept; what comes beyond is lost, as everywhere with UDP.
const ROOM: usize = 32;

/// From the network.
#[derive(Debug)]
pub(in crate::ipmi) enum Incoming {
    /// A datagram from the BMC's address. Nothing else is known of its origin.
    Datagram(Box<[u8]>),
    /// One of ours did not arrive.
    Trouble(Trouble),
}

/// A mailbox with one reader.
pub(in crate::ipmi) struct Mailbox {
    queue: Mutex<VecDeque<Incoming>>,
    reader: Arc<Notify>,
}

impl Mailbox {
    /// `reader` is told when something came.
    pub(super) fn new(reader: Arc<Notify>) -> Self {
        Self { queue: Mutex::default(), reader }
    }

    pub(super) fn put(&self, incoming: Incoming) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() < ROOM {
            queue.push_back(incoming);
            drop(queue);
            self.reader.notify_one();
        }
    }

    pub(super) fn take(&self) -> Option<Incoming> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_mailbox_loses_what_comes_last() {
        let mailbox = Mailbox::new(Arc::default());
        for number in 0..100 {
            mailbox.put(Incoming::Datagram([number].into()));
        }
        let mut read = Vec::new();
        while let Some(Incoming::Datagram(bytes)) = mailbox.take() {
            read.push(bytes[0]);
        }
        assert_eq!(read, (0..32).collect::<Vec<u8>>());
    }
}
