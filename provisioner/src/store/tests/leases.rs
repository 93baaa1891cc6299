//! What is counted of leases and reservations.

use super::{super::lease::push_counts, super::*, on_both, store};
use crate::store::db::{Conn, sql};
use std::net::Ipv4Addr;

on_both! {
    leases_and_reservations_are_counted_in_each_part_of_their_network_alone
}

const NOW: u64 = 1_000;

fn at(last: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) | last)
}

/// What stands at an address: its lease's state and end, and whether it is reserved. All that there may be comes soon.
fn site(last: u32) -> (Option<(u32, u64)>, bool) {
    let lease = (!last.is_multiple_of(2)).then_some((last / 2 % 4, NOW - 1 + u64::from(last / 8 % 3)));
    (lease, last.is_multiple_of(5))
}

async fn fill(conn: &mut Conn, network: &str) {
    for last in 0..256 {
        let (lease, reserved) = site(last);
        if let Some((state, expires)) = lease {
            sql(
                "INSERT INTO lease (network, address, mac, state, expires, firmware) VALUES (?, ?, ?, ?, ?, FALSE)",
            )
            .bind(network)
            .bind(u32::from(at(last)))
            .bind(last)
            .bind(state)
            .bind(i64::try_from(expires).unwrap())
            .execute(&mut *conn)
            .await
            .unwrap();
        }
        if reserved {
            sql("INSERT INTO reservation (network, mac, address) VALUES (?, ?, ?)")
                .bind(network)
                .bind(last)
                .bind(u32::from(at(last)))
                .execute(&mut *conn)
                .await
                .unwrap();
        }
    }
}

/// The same by going through all addresses.
fn counted(pieces: &[(Ipv4Addr, Ipv4Addr)]) -> LeaseCounts {
    let mut counts = LeaseCounts::default();
    for last in 0..256 {
        if !pieces.iter().any(|(low, high)| (*low..=*high).contains(&at(last))) {
            continue;
        }
        let (lease, reserved) = site(last);
        let runs = lease.filter(|(state, expires)| *state != 1 && *expires > NOW);
        match runs {
            Some((0, _)) => counts.active += 1,
            // Also a state that a newer version knows.
            Some(_) => counts.quarantined += 1,
            None => counts.idle += u64::from(reserved),
        }
        counts.reserved += u64::from(reserved);
    }
    counts
}

async fn leases_and_reservations_are_counted_in_each_part_of_their_network_alone() {
    let (_folder, store) = store().await;
    for network in ["a", "b"] {
        fill(&mut store.writer.get().await.unwrap(), network).await;
    }
    let all = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    let parts = [
        vec![all],
        vec![(at(10), at(10)), (at(20), at(99)), (at(200), Ipv4Addr::new(10, 9, 9, 9))],
        vec![],
        vec![(at(100), at(199))],
        vec![(Ipv4Addr::new(10, 1, 0, 0), Ipv4Addr::BROADCAST)],
    ];
    let expected: Vec<_> = parts.iter().map(|pieces| counted(pieces)).collect();
    assert!(expected[0].active > 9 && expected[0].quarantined > 9 && expected[0].idle > 9, "{expected:?}");
    assert!(expected[0].idle < expected[0].reserved, "{expected:?}");
    for network in ["a", "b"] {
        assert_eq!(store.lease_counts(network, &parts, NOW).await.unwrap(), expected, "{network}");
    }
    assert_eq!(store.lease_counts("c", &parts, NOW).await.unwrap(), [LeaseCounts::default(); 5]);
    assert_eq!(store.lease_counts("a", &[vec![]], NOW).await.unwrap(), [LeaseCounts::default()]);
}

#[tokio::test]
async fn nothing_is_gone_through_to_count_it() {
    let (_folder, store) = store().await;
    let mut query = sql("EXPLAIN QUERY PLAN ");
    push_counts(&mut query, "a", &[vec![(at(1), at(9))], vec![(at(20), at(29))]], NOW);
    let rows = query.fetch_all(&mut store.reader.get().await.unwrap()).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
    let sought = plan.iter().filter(|step| step.starts_with("SEARCH ")).count();
    assert_eq!(sought, 3, "leases, reservations, and the leases of these: {plan:#?}");
    assert!(
        !plan.iter().any(|step| step.starts_with("SCAN lease") || step.starts_with("SCAN reser")),
        "{plan:#?}"
    );
}
