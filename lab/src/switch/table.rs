//! Where a frame goes: the learning table of a switch. Bytes in, a route out.

use std::collections::HashMap;

/// Addresses that are remembered; with more, frames for the newcomers are flooded.
const CAPACITY: usize = 4096;

/// A port of the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PortId(pub(super) usize);

/// Where a frame goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To one port.
    To(PortId),
    /// To all but the one that it came from.
    Flood,
    /// Nowhere: it is broken, or its receiver is where it came from.
    Nowhere,
}

/// Which address was seen at which port.
#[derive(Default)]
pub(super) struct Table {
    ports: HashMap<[u8; 6], PortId>,
}

impl Table {
    /// Learns from a frame and says where it goes.
    pub(super) fn route(&mut self, from: PortId, frame: &[u8]) -> Route {
        // Destination, source, type (IEEE 802.3 clause 3).
        let (Some(destination), Some(source), true) =
            (frame.first_chunk::<6>(), frame.get(6..).and_then(<[u8]>::first_chunk::<6>), frame.len() >= 14)
        else {
            return Route::Nowhere;
        };
        if is_group(source) {
            return Route::Nowhere;
        }
        if self.ports.len() < CAPACITY || self.ports.contains_key(source) {
            self.ports.insert(*source, from);
        }
        if is_group(destination) {
            return Route::Flood;
        }
        match self.ports.get(destination) {
            None => Route::Flood,
            Some(port) if *port == from => Route::Nowhere,
            Some(port) => Route::To(*port),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ports.len()
    }
}

/// Multicast or broadcast.
fn is_group(address: &[u8; 6]) -> bool {
    address[0] & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
    const B: [u8; 6] = [0x52, 0x54, 0, 0, 0, 2];
    const ALL: [u8; 6] = [0xff; 6];

    fn frame(to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
        [&to[..], &from[..], &[8, 0, 1, 2, 3]].concat()
    }

    #[test]
    fn it_learns_and_forwards() {
        let mut table = Table::default();
        let (p0, p1, p2) = (PortId(0), PortId(1), PortId(2));
        let steps = [
            (p0, frame(B, A), Route::Flood, "unknown receiver"),
            (p1, frame(A, B), Route::To(p0), "A was learnt"),
            (p0, frame(B, A), Route::To(p1), "B was learnt"),
            (p0, frame(ALL, A), Route::Flood, "broadcast"),
            (p0, frame([1, 0, 0x5e, 0, 0, 1], A), Route::Flood, "multicast"),
            (p1, frame(B, A), Route::Nowhere, "the receiver is at the same port; A has moved there"),
            (p2, frame(A, B), Route::To(p1), "B has moved too, and A's new place is known"),
            (p2, frame(A, ALL), Route::Nowhere, "a group can't be a sender"),
            (p2, frame(B, A)[..13].to_vec(), Route::Nowhere, "too short"),
            (p2, Vec::new(), Route::Nowhere, "empty"),
        ];
        for (port, bytes, expected, why) in steps {
            assert_eq!(table.route(port, &bytes), expected, "{why}");
        }
    }

    #[test]
    fn a_flood_of_senders_does_not_grow_it() {
        let mut table = Table::default();
        table.route(PortId(0), &frame(B, A));
        for number in 0..CAPACITY as u32 * 2 {
            let [a, b, c, d] = number.to_be_bytes();
            table.route(PortId(1), &frame(B, [2, 1, a, b, c, d]));
        }
        assert_eq!(table.len(), CAPACITY);
        assert_eq!(table.route(PortId(1), &frame(A, B)), Route::To(PortId(0)), "who was known stays known");
    }
}
