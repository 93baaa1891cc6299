//! The transfers that run, by slot and by client, and what a new request means beside them.

use super::super::outlet::Outlet;
use super::super::report::Asked;
use pxe_proto::tftp::Transfer;
use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::time::Duration;

/// Most transfers of one address at once; more are dropped, clients ask again.
pub(super) const MAX_TRANSFERS: usize = 4096;
/// Most transfers that one client (address and port) has at once: more than one only while it is not clear which of
/// them it listens to.
const MAX_PER_CLIENT: usize = 4;

/// A transfer that runs.
pub(super) struct Running {
    pub(super) asked: Asked,
    pub(super) transfer: Transfer,
    pub(super) outlet: Outlet,
    /// When it began, on the thread's clock.
    pub(super) since: Duration,
}

/// What a request means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It came twice: the transfer in this slot begins again, from the same port, so that a request that the network
    /// doubled does no harm.
    Repeated(usize),
    /// There are too many.
    Full,
    /// A new transfer. Those in the slots named are dead: the client asks for something else from the same port.
    New {
        /// The dead ones.
        superseded: Vec<usize>,
    },
}

/// All transfers.
pub(super) struct Table {
    slots: Vec<Option<Running>>,
    free: Vec<usize>,
    of_client: HashMap<SocketAddrV4, Vec<usize>>,
}

impl Table {
    pub(super) fn new() -> Self {
        Table { slots: Vec::new(), free: Vec::new(), of_client: HashMap::new() }
    }

    /// What to do with a request.
    pub(super) fn judge(&self, asked: &Asked) -> Verdict {
        let mut superseded = Vec::new();
        let of_client = self.of_client.get(&asked.peer).map_or(&[][..], Vec::as_slice);
        for &slot in of_client {
            let Some(running) = self.get(slot) else { continue };
            let same = running.asked.datagram == asked.datagram;
            if same && !running.transfer.has_begun() {
                return Verdict::Repeated(slot);
            }
            if !same {
                superseded.push(slot);
            }
        }
        let left = of_client.len() - superseded.len();
        let running = self.slots.len() - self.free.len() - superseded.len();
        if left >= MAX_PER_CLIENT || running >= MAX_TRANSFERS {
            return Verdict::Full;
        }
        Verdict::New { superseded }
    }

    /// Takes a transfer in; its slot.
    pub(super) fn insert(&mut self, running: Running) -> usize {
        let peer = running.asked.peer;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(running);
                slot
            }
            None => {
                self.slots.push(Some(running));
                self.slots.len() - 1
            }
        };
        self.of_client.entry(peer).or_default().push(slot);
        slot
    }

    pub(super) fn get(&self, slot: usize) -> Option<&Running> {
        self.slots.get(slot)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: usize) -> Option<&mut Running> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Takes a transfer out.
    pub(super) fn remove(&mut self, slot: usize) -> Option<Running> {
        let running = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        if let Some(of_client) = self.of_client.get_mut(&running.asked.peer) {
            of_client.retain(|other| *other != slot);
            if of_client.is_empty() {
                self.of_client.remove(&running.asked.peer);
            }
        }
        Some(running)
    }

    /// Slots that may be taken.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pxe_proto::tftp::{MAX_BLOCK, parse_request};
    use std::net::Ipv4Addr;

    fn asked(port: u16, name: &str) -> Asked {
        let datagram = format!("\0\x01{name}\0octet\0").into_bytes();
        let request = parse_request(&datagram).unwrap();
        let peer = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        Asked { peer, mac: None, shown: name.to_owned(), request, datagram }
    }

    fn running(asked: Asked) -> Running {
        let transfer = Transfer::start(&asked.request, vec![0; 5000], MAX_BLOCK);
        let outlet = Outlet::open(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), asked.peer).unwrap();
        Running { asked, transfer, outlet, since: Duration::ZERO }
    }

    #[test]
    fn what_a_request_means_beside_others() {
        let mut table = Table::new();
        let new = Verdict::New { superseded: Vec::new() };
        assert_eq!(table.judge(&asked(1000, "a")), new);
        let first = table.insert(running(asked(1000, "a")));
        assert_eq!(table.judge(&asked(1001, "a")), new, "another port");
        assert_eq!(table.judge(&asked(1000, "a")), Verdict::Repeated(first));
        assert_eq!(table.judge(&asked(1000, "b")), Verdict::New { superseded: vec![first] });
        // Once it has begun, the same request may be a late copy, or a client that starts again: nobody knows.
        let begun = &mut table.get_mut(first).unwrap().transfer;
        begun.poll_transmit(Duration::ZERO, &mut Vec::new()).unwrap();
        begun.handle_packet(&[0, 4, 0, 1], Duration::ZERO);
        assert_eq!(table.judge(&asked(1000, "a")), new);
        table.remove(first).unwrap();
        assert!(table.remove(first).is_none() && table.of_client.is_empty());
        assert_eq!(table.insert(running(asked(1002, "a"))), first, "slots are used again");
    }

    #[test]
    fn one_client_has_few_transfers() {
        let mut table = Table::new();
        for _ in 0..MAX_PER_CLIENT {
            let slot = table.insert(running(asked(1000, "a")));
            let begun = &mut table.get_mut(slot).unwrap().transfer;
            begun.poll_transmit(Duration::ZERO, &mut Vec::new()).unwrap();
            begun.handle_packet(&[0, 4, 0, 1], Duration::ZERO);
        }
        assert_eq!(table.judge(&asked(1000, "a")), Verdict::Full);
        assert!(
            matches!(table.judge(&asked(1000, "b")), Verdict::New { superseded } if superseded.len() == 4)
        );
    }
}
