//! A way for another protocol (serial over LAN) to use the session beside the requests: payloads out, payloads in.
//!
//! As unreliable as UDP, and only the session's protection is added. Deliberately not here: what the payloads mean.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Payloads kept in each direction; what comes beyond is lost.
const ROOM: usize = 64;

/// What a port hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PortEvent {
    /// An authentic payload from the BMC.
    Bytes(Vec<u8>),
    /// The session is over; nothing follows. Attach anew.
    SessionLost,
}

/// The session's payloads, until it is dropped. The session stays open as long.
pub(super) struct PayloadPort {
    wire: Arc<Wire>,
    session_id: Option<u32>,
}

impl PayloadPort {
    /// Waits for the next payload, or the end. Nothing is lost when it is cancelled.
    pub(super) async fn recv(&mut self) -> PortEvent {
        loop {
            if let Some(bytes) = take(&self.wire.incoming) {
                return PortEvent::Bytes(bytes);
            }
            if self.is_lost() {
                return PortEvent::SessionLost;
            }
            self.wire.arrived.notified().await;
        }
    }

    /// Sends a payload soon.
    pub(super) fn send(&self, bytes: Vec<u8>) {
        put(&self.wire.outgoing, bytes);
        self.wire.actor.notify_one();
    }

    /// Whether the session is over.
    pub(super) fn is_lost(&self) -> bool {
        self.wire.lost.load(Ordering::Acquire)
    }

    /// Throws away what came so far.
    pub(super) fn forget(&self) {
        while take(&self.wire.incoming).is_some() {}
    }

    /// The same port, of this session (the BMC's id).
    pub(super) fn of_session(mut self, session_id: Option<u32>) -> Self {
        self.session_id = session_id;
        self
    }

    /// The BMC's id of the session.
    pub(super) fn session_id(&self) -> Option<u32> {
        self.session_id
    }
}

impl Drop for PayloadPort {
    fn drop(&mut self) {
        self.wire.left.store(true, Ordering::Release);
        self.wire.actor.notify_one();
    }
}

/// What a port and the actor share.
pub(super) struct Wire {
    incoming: Mutex<VecDeque<Vec<u8>>>,
    outgoing: Mutex<VecDeque<Vec<u8>>>,
    /// Tells the port.
    arrived: Notify,
    /// Tells the actor.
    actor: Arc<Notify>,
    lost: AtomicBool,
    left: AtomicBool,
}

impl Wire {
    /// A wire with the port at its other end.
    pub(super) fn pair(actor: Arc<Notify>) -> (Plug, PayloadPort) {
        let wire = Arc::new(Self {
            incoming: Mutex::default(),
            outgoing: Mutex::default(),
            arrived: Notify::new(),
            actor,
            lost: AtomicBool::new(false),
            left: AtomicBool::new(false),
        });
        (Plug(Arc::clone(&wire)), PayloadPort { wire, session_id: None })
    }

    /// Hands a payload to the port.
    pub(super) fn deliver(&self, bytes: Vec<u8>) {
        put(&self.incoming, bytes);
        self.arrived.notify_one();
    }

    /// The next payload to send.
    pub(super) fn take_outgoing(&self) -> Option<Vec<u8>> {
        take(&self.outgoing)
    }

    /// Whether the port was dropped.
    pub(super) fn is_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }
}

/// The actor's end; its drop tells the port that the session is over.
pub(super) struct Plug(pub(super) Arc<Wire>);

impl Drop for Plug {
    fn drop(&mut self) {
        self.0.lost.store(true, Ordering::Release);
        self.0.arrived.notify_one();
    }
}

fn put(queue: &Mutex<VecDeque<Vec<u8>>>, bytes: Vec<u8>) {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    if queue.len() < ROOM {
        queue.push_back(bytes);
    }
}

fn take(queue: &Mutex<VecDeque<Vec<u8>>>) -> Option<Vec<u8>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_came_before_the_end_is_heard() {
        let (plug, mut port) = Wire::pair(Arc::default());
        plug.0.deliver(vec![1]);
        port.send(vec![2]);
        assert_eq!(plug.0.take_outgoing(), Some(vec![2]));
        assert!(!plug.0.is_left());
        assert!(!port.is_lost());
        drop(plug);
        assert!(port.is_lost());
        assert_eq!(port.recv().await, PortEvent::Bytes(vec![1]));
        assert_eq!([port.recv().await, port.recv().await], [PortEvent::SessionLost, PortEvent::SessionLost]);
    }

    #[tokio::test]
    async fn a_port_that_nobody_reads_stays_small() {
        let (plug, port) = Wire::pair(Arc::default());
        for number in 0..200 {
            plug.0.deliver(vec![number]);
            port.send(vec![number]);
        }
        assert_eq!(plug.0.incoming.lock().unwrap().len(), ROOM);
        assert_eq!(plug.0.outgoing.lock().unwrap().len(), ROOM);
        drop(port);
        assert!(plug.0.is_left());
    }
}
