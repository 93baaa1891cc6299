//! Whose address is it? What DHCP, boot scripts and the kernel's neighbour table say of an address.
//!
//! Hints for the timeline, never identity: anybody can take an address.

use crate::directory::Mac;
use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

/// Most addresses that are remembered; the one learnt first is forgotten first.
const MOST: usize = 65_536;

/// Addresses and the hardware addresses that were last seen with them.
#[derive(Debug, Default)]
pub struct Peers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_address: HashMap<Ipv4Addr, Mac>,
    order: VecDeque<Ipv4Addr>,
}

impl Peers {
    /// Nobody is known.
    #[must_use]
    pub fn new() -> Self {
        Peers::default()
    }

    /// An address was given to this client, or it said so itself.
    pub fn learn(&self, address: Ipv4Addr, mac: Mac) {
        // A panic can't leave the map half written: the order only forgets.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.by_address.insert(address, mac).is_none() {
            known.order.push_back(address);
            if known.order.len() > MOST
                && let Some(oldest) = known.order.pop_front()
            {
                known.by_address.remove(&oldest);
            }
        }
    }

    /// Who was last seen with this address.
    #[must_use]
    pub fn mac_of(&self, address: Ipv4Addr) -> Option<Mac> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).by_address.get(&address).copied();
        known.or_else(|| {
            let mac = neighbour(&std::fs::read_to_string("/proc/net/arp").ok()?, address)?;
            self.learn(address, mac);
            Some(mac)
        })
    }
}

/// The complete entry of an address in the text of `/proc/net/arp`.
fn neighbour(table: &str, address: Ipv4Addr) -> Option<Mac> {
    let text = address.to_string();
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        if words.next() != Some(text.as_str()) {
            return None;
        }
        let mac = words.nth(2)?;
        let mut bytes = mac.split(':').map(|byte| u8::from_str_radix(byte, 16));
        let mut found: Mac = [0; 6];
        for byte in &mut found {
            *byte = bytes.next()?.ok()?;
        }
        (found != [0; 6]).then_some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "IP address       HW type     Flags       HW address            Mask     Device
10.77.0.100      0x1         0x2         52:54:00:aa:bb:cc     *        br0
10.77.0.101      0x1         0x0         00:00:00:00:00:00     *        br0
";

    #[test]
    fn the_kernels_table_is_read() {
        let of = |last| neighbour(TABLE, Ipv4Addr::new(10, 77, 0, last));
        assert_eq!(of(100), Some([0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]));
        assert_eq!(of(101), None, "asked for, never answered");
        assert_eq!(of(10), None, "another address with the same beginning");
    }

    #[test]
    fn the_last_word_counts_and_memory_is_bounded() {
        let peers = Peers::new();
        let address = Ipv4Addr::new(203, 0, 113, 77);
        peers.learn(address, [2, 0, 0, 0, 0, 1]);
        peers.learn(address, [2, 0, 0, 0, 0, 2]);
        assert_eq!(peers.mac_of(address), Some([2, 0, 0, 0, 0, 2]));
        for number in 0..MOST as u32 {
            peers.learn(Ipv4Addr::from(0x0a00_0000 + number), [2; 6]);
        }
        assert_eq!(peers.0.lock().unwrap().by_address.len(), MOST);
        assert_eq!(peers.mac_of(address), None);
    }
}
