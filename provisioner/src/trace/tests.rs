//! Rings: what is kept, what goes first.

use super::{BOOT, ENTRIES, MACS, PLAIN, Rings, Traces, first_id, is_boot};
use crate::store::Store;
use pxe::Counters;
use pxe_proto::boot::{Arch, Firmware};
use pxe_proto::trace::{Dhcp, Entry, What};
use std::sync::Arc;

fn mac(number: usize) -> [u8; 6] {
    let [a, b, c, d] = (number as u32).to_be_bytes();
    [2, 0, a, b, c, d]
}

fn dhcp(number: usize, at: u64, firmware: Option<Firmware>) -> Entry {
    let dhcp = Dhcp { firmware, ..Dhcp::new("DISCOVER", 67) };
    Entry { at, mac: mac(number), network: "lab".into(), what: What::Dhcp(dhcp) }
}

const PXE: Option<Firmware> = Some(Firmware::UefiPxe(Arch::X64));

#[test]
fn plain_dhcp_does_not_push_a_boot_out() {
    let mut rings = Rings::default();
    rings.push(1, Arc::new(dhcp(1, 1, PXE)));
    for id in 2..2000 {
        rings.push(id, Arc::new(dhcp(1, id, None)));
    }
    let ring = &rings.by_mac[&mac(1)];
    assert_eq!((ring.boot.len(), ring.plain.len(), rings.entries), (1, PLAIN, PLAIN + 1));
    for id in 2000..4000 {
        rings.push(id, Arc::new(dhcp(1, id, PXE)));
    }
    let ring = &rings.by_mac[&mac(1)];
    assert_eq!((ring.boot.len(), rings.entries), (BOOT, BOOT + PLAIN));
    assert_eq!(ring.boot.back().map(|(id, _)| *id), Some(3999));
}

#[test]
fn who_was_heard_longest_ago_is_forgotten_first() {
    let mut rings = Rings::default();
    for number in 0..MACS {
        rings.push(number as u64 + 1, Arc::new(dhcp(number, 0, None)));
    }
    // The oldest one speaks again, so the second oldest has to go.
    rings.push(MACS as u64 + 1, Arc::new(dhcp(0, 0, None)));
    rings.push(MACS as u64 + 2, Arc::new(dhcp(MACS, 0, None)));
    assert_eq!(rings.by_mac.len(), MACS);
    assert!(rings.by_mac.contains_key(&mac(0)) && !rings.by_mac.contains_key(&mac(1)));
    assert!(rings.by_mac.contains_key(&mac(MACS)));
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut rings = Rings::default();
    let mut id = 0;
    for number in 0..ENTRIES / BOOT + 10 {
        for _ in 0..BOOT {
            id += 1;
            rings.push(id, Arc::new(dhcp(number, 0, PXE)));
        }
    }
    let counted: usize = rings.by_mac.values().map(|ring| ring.boot.len() + ring.plain.len()).sum();
    assert_eq!(counted, rings.entries);
    assert!(counted <= ENTRIES, "{counted}");
    assert!(rings.order.len() <= rings.by_mac.len() + 1);
}

#[tokio::test]
async fn entries_are_numbered_by_time_and_come_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("b.db")).await.unwrap();
    let counters = Arc::new(Counters::new());
    let (traces, mut queue) = Traces::open(&store, Arc::clone(&counters)).await.unwrap();
    for at in [1000, 1000, 999, 2000] {
        traces.record(dhcp(1, at, PXE));
    }
    traces.record(dhcp(2, 3000, None));
    let ids: Vec<_> = traces.of(&[mac(1), mac(2)]).into_iter().map(|(id, _)| id).collect();
    let first = first_id(1000);
    assert_eq!(ids, [first, first + 1, first + 2, first_id(2000), first_id(3000)]);
    let mut queued = Vec::new();
    while let Ok(entry) = queue.try_recv() {
        queued.push(entry);
    }
    assert_eq!(queued.len(), 4, "plain DHCP of a stranger is for memory only");
    assert!(queued.iter().all(|(_, entry)| is_boot(entry)));
    store.boot_trace_insert(&queued).await.unwrap();
    store.boot_trace_insert(&queued[..1]).await.unwrap();
    let (again, _queue) = Traces::open(&store, counters).await.unwrap();
    assert_eq!(again.of(&[mac(1)]), traces.of(&[mac(1)]));
    assert_eq!(store.boot_trace_list("02:00:00:00:00:01").await.unwrap(), traces.of(&[mac(1)]));
    let other = Arc::new(dhcp(2, 1000, PXE));
    store.boot_trace_insert(&[(1, Arc::clone(&other)), (2, Arc::clone(&other)), (3, other)]).await.unwrap();
    store.boot_trace_trim(&["02:00:00:00:00:01".into(), "02:00:00:00:00:02".into()], 2).await.unwrap();
    let of = async |mac| {
        store.boot_trace_list(mac).await.unwrap().into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(of("02:00:00:00:00:01").await, [first + 2, first_id(2000)]);
    assert_eq!(of("02:00:00:00:00:02").await, [2, 3]);
    store.boot_trace_prune(first_id(2000), 10).await.unwrap();
    assert_eq!(store.boot_trace_newest(10).await.unwrap().len(), 1);
    store.boot_trace_prune(0, 0).await.unwrap();
    assert_eq!(store.boot_trace_newest(10).await.unwrap(), []);
}
