//! The table: single rules here, what holds whatever happens in `world.rs`.

mod world;

use super::*;

const HOUR: u64 = 3_600_000;

/// 10.0.0.0/27 with two ranges, an exclusion, our own address and the router inside them; 10.0.1.0/28 behind the same
/// relay; 10.0.2.0/28 apart.
pub(super) fn plan() -> Plan {
    let address = |subnet: u8, last: u8| Ipv4Addr::new(10, 0, subnet, last);
    Plan::new(&[
        SubnetPlan {
            address: address(0, 0),
            prefix: 27,
            relay: None,
            ranges: vec![(address(0, 4), address(0, 8)), (address(0, 16), address(0, 18))],
            exclude: vec![(address(0, 6), address(0, 6))],
            own: vec![address(0, 1), address(0, 17)],
        },
        SubnetPlan {
            address: address(1, 0),
            prefix: 28,
            relay: Some(address(0, 1)),
            ranges: vec![(address(1, 2), address(1, 3))],
            exclude: Vec::new(),
            own: Vec::new(),
        },
        SubnetPlan {
            address: address(2, 0),
            prefix: 28,
            relay: None,
            ranges: vec![(address(2, 2), address(2, 4))],
            exclude: Vec::new(),
            own: Vec::new(),
        },
    ])
}

fn table() -> Table {
    let mut table = Table::new(plan());
    for block in table.wanted_blocks() {
        table.hold(block, []);
    }
    table
}

fn mac(number: u8) -> Mac {
    [2, 0, 0, 0, 0, number]
}

fn at(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub(super) fn ask(client: u8, subnet: usize) -> Ask {
    Ask {
        mac: mac(client),
        client_id: None,
        subnet,
        requested: None,
        seconds: 600,
        relay: None,
        hostname: None,
        firmware: false,
        reserved_only: false,
    }
}

/// Asks for an address, and has it stored.
fn lease(table: &mut Table, ask: &Ask, address: &str, now: u64) -> Vec<Write> {
    let Grant::Write(writes) = table.request(ask, at(address), now) else {
        panic!("{address} should need a write for {ask:?}");
    };
    assert!(table.stored(writes.last().unwrap()));
    writes
}

#[test]
fn the_plan_hands_out_what_is_in_ranges_and_not_excluded_or_ours() {
    let plan = plan();
    let all: Vec<Ipv4Addr> = (0..=255)
        .flat_map(|last| [Ipv4Addr::new(10, 0, 0, last), Ipv4Addr::new(10, 0, 1, last)])
        .filter(|&address| plan.pooled(address.into()).is_some())
        .collect();
    let expected =
        ["10.0.1.2", "10.0.1.3", "10.0.0.4", "10.0.0.5", "10.0.0.7", "10.0.0.8", "10.0.0.16", "10.0.0.18"];
    assert_eq!(all, expected.map(at));
    assert_eq!(plan.subnet_of(at("10.0.1.15")), Some(1));
    assert_eq!(plan.subnet_of(at("10.0.3.1")), None);
}

#[test]
fn what_can_be_reserved_is_a_host_of_a_subnet_that_is_not_ours() {
    let plan = plan();
    let address = at("10.0.9.9");
    assert_eq!(plan.check_reservation(address), Err(ReservationProblem::Outside { address }));
    let address = at("10.0.0.31");
    assert_eq!(plan.check_reservation(address), Err(ReservationProblem::NoHost { address }));
    let address = at("10.0.0.1");
    assert_eq!(plan.check_reservation(address), Err(ReservationProblem::Own { address }));
    assert_eq!(plan.check_reservation(at("10.0.0.30")), Ok(()));
}

#[test]
fn blocks_cover_all_that_is_handed_out_and_depend_on_the_prefix_alone() {
    let one = |prefix, from: [u8; 4], to: [u8; 4]| {
        Plan::new(&[SubnetPlan {
            address: Ipv4Addr::from(from),
            prefix,
            relay: None,
            ranges: vec![(from.into(), to.into())],
            exclude: Vec::new(),
            own: Vec::new(),
        }])
    };
    let blocks = one(24, [10, 0, 0, 100], [10, 0, 0, 199]).blocks();
    assert_eq!(blocks.len(), 7, "96 to 207 in sixteens: {blocks:?}");
    assert!(blocks.iter().all(|block| block.first % 16 == 0 && block.last == block.first + 15));
    assert_eq!(one(16, [10, 0, 0, 1], [10, 0, 255, 254]).blocks().len(), 256);
    assert_eq!(one(8, [10, 0, 0, 1], [10, 255, 255, 254]).blocks().len(), 256);
    assert_eq!(
        one(30, [10, 0, 0, 0], [10, 0, 0, 3]).blocks(),
        [Block { first: 0x0a00_0000, last: 0x0a00_0003 }]
    );
    assert_eq!(one(0, [0, 0, 0, 0], [255, 255, 255, 255]).blocks().len(), 65_536);
}

#[test]
fn an_address_is_chosen_by_the_rules() {
    let mut table = table();
    assert_eq!(table.offer(&ask(1, 0), 0), Some(at("10.0.0.4")), "the first that was never used");
    assert_eq!(table.offer(&ask(1, 0), 0), Some(at("10.0.0.4")), "the same again");
    assert_eq!(
        table.offer(&Ask { requested: Some(at("10.0.0.18")), ..ask(2, 0) }, 0),
        Some(at("10.0.0.18")),
        "asked for"
    );
    assert_eq!(
        table.offer(&Ask { requested: Some(at("10.0.0.4")), ..ask(3, 0) }, 0),
        Some(at("10.0.0.5")),
        "another's"
    );
    for (client, bad) in [(4, "10.0.0.6"), (5, "10.0.0.17"), (6, "10.0.2.2")] {
        let offered = table.offer(&Ask { requested: Some(at(bad)), ..ask(client, 0) }, 0);
        assert!(offered.is_some() && offered != Some(at(bad)), "excluded, ours, another link's: {offered:?}");
    }
    assert_eq!(
        table.offer(&ask(7, 0), 0),
        Some(at("10.0.1.2")),
        "the subnet is full, its alternative is not"
    );
    assert_eq!(table.offer(&ask(8, 0), 0), Some(at("10.0.1.3")));
    assert_eq!(table.offer(&ask(9, 0), 0), None, "all are offered");
    assert_eq!(
        table.offer(&ask(9, 0), OFFER),
        Some(at("10.0.0.4")),
        "until the offers end, the oldest first"
    );
}

#[test]
fn the_address_that_expired_longest_ago_comes_first_and_its_own_before_that() {
    let mut table = table();
    for (client, address, now) in [(1, "10.0.2.3", 0), (2, "10.0.2.2", 10), (3, "10.0.2.4", 20)] {
        lease(&mut table, &ask(client, 2), address, now);
    }
    assert_eq!(table.offer(&ask(4, 2), HOUR / 6), None, "they last twice as long as was told");
    assert_eq!(table.offer(&ask(4, 2), HOUR), Some(at("10.0.2.3")));
    assert_eq!(table.offer(&ask(3, 2), HOUR), Some(at("10.0.2.4")), "its own, expired or not");
    assert_eq!(table.offer(&ask(1, 2), HOUR), Some(at("10.0.2.2")), "its own went to another");
}

#[test]
fn a_renewal_that_is_covered_by_what_is_stored_needs_no_write() {
    let mut table = table();
    let client = ask(1, 0);
    let writes = lease(&mut table, &client, "10.0.0.4", 0);
    assert_eq!(writes[0].lease.expires, 1_200_000, "twice what is told");
    assert_eq!(table.request(&client, at("10.0.0.4"), 300_000), Grant::Covered);
    assert_eq!(table.request(&client, at("10.0.0.4"), 600_000), Grant::Covered);
    assert!(matches!(table.request(&client, at("10.0.0.4"), 600_001), Grant::Write(_)));
}

#[test]
fn a_shorter_stage_never_shortens_what_a_longer_one_was_told() {
    let mut table = table();
    let system = Ask { seconds: 43_200, hostname: Some("host".into()), ..ask(1, 0) };
    lease(&mut table, &system, "10.0.0.4", 0);
    let firmware = Ask { firmware: true, ..ask(1, 0) };
    assert_eq!(table.request(&firmware, at("10.0.0.4"), 1000), Grant::Covered);
    // Not stored yet when the shorter one comes: the later write must still carry the longer end.
    let mut table = self::table();
    let Grant::Write(long) = table.request(&system, at("10.0.0.4"), 0) else { panic!() };
    let Grant::Write(short) = table.request(&firmware, at("10.0.0.4"), 1) else { panic!() };
    assert_eq!(short[0].lease.expires, long[0].lease.expires);
    assert_eq!(short[0].lease.hostname.as_deref(), Some("host"), "what it left out stays");
}

#[test]
fn a_new_host_name_or_relay_is_stored() {
    let mut table = table();
    lease(&mut table, &ask(1, 0), "10.0.0.4", 0);
    let named = Ask { hostname: Some("é".repeat(200)), ..ask(1, 0) };
    let writes = lease(&mut table, &named, "10.0.0.4", 1);
    assert_eq!(writes[0].lease.hostname.as_deref().map(str::len), Some(254), "cut between characters");
    assert_eq!(table.request(&named, at("10.0.0.4"), 2), Grant::Covered);
    let relay = RelayInfo { address: Some(at("10.0.0.1")), circuit_id: Some(vec![7]), remote_id: None };
    let moved = Ask { relay: Some(relay.clone()), ..ask(1, 0) };
    assert_eq!(lease(&mut table, &moved, "10.0.0.4", 3)[0].lease.relay, Some(relay));
}

#[test]
fn a_request_is_refused_or_left_to_others() {
    let mut table = table();
    lease(&mut table, &ask(1, 0), "10.0.0.4", 0);
    assert_eq!(table.request(&ask(2, 0), at("10.0.0.4"), 1), Grant::Refused, "another's");
    assert_eq!(table.request(&ask(2, 0), at("10.0.2.2"), 1), Grant::Refused, "another link's");
    assert_eq!(table.request(&ask(2, 0), at("192.168.0.1"), 1), Grant::Refused, "another network's");
    assert_eq!(table.request(&ask(2, 0), at("10.0.0.6"), 1), Grant::Refused, "excluded");
    let guest = Ask { reserved_only: true, ..ask(2, 0) };
    assert_eq!(table.request(&guest, at("10.0.0.5"), 1), Grant::Unknown, "not a guest of ours");
    let block = table.plan().block_of(at("10.0.0.4")).unwrap();
    table.drop_block(block);
    assert_eq!(table.request(&ask(1, 0), at("10.0.0.4"), 1), Grant::Unknown, "another replica's to say");
    assert_eq!(table.offer(&ask(3, 0), 1), Some(at("10.0.0.16")), "only what we hold is offered");
}

#[test]
fn a_client_has_one_address_at_a_time_on_a_link() {
    let mut table = table();
    lease(&mut table, &ask(1, 0), "10.0.0.4", 0);
    lease(&mut table, &ask(1, 2), "10.0.2.2", 0);
    let writes = lease(&mut table, &ask(1, 0), "10.0.0.5", 1);
    assert_eq!(writes.len(), 2, "the other link's stays: {writes:?}");
    assert_eq!((writes[0].lease.address, writes[0].lease.state), (at("10.0.0.4"), LeaseState::Released));
    assert_eq!(table.offer(&Ask { requested: Some(at("10.0.0.4")), ..ask(2, 0) }, 1), Some(at("10.0.0.4")));
}

#[test]
fn a_reserved_address_is_never_anothers() {
    let mut table = table();
    // In a range; outside all of them, in a block of its own.
    table.reserve(Reservation { mac: mac(1), address: at("10.0.2.2") });
    table.reserve(Reservation { mac: mac(2), address: at("10.0.0.30") });
    assert_eq!(table.offer(&Ask { requested: Some(at("10.0.2.2")), ..ask(3, 2) }, 0), Some(at("10.0.2.3")));
    assert_eq!(table.offer(&ask(4, 2), 0), Some(at("10.0.2.4")));
    assert_eq!(table.offer(&ask(5, 2), 0), None);
    assert_eq!(table.request(&ask(5, 2), at("10.0.2.2"), 0), Grant::Refused);
    assert_eq!(table.offer(&Ask { requested: Some(at("10.0.2.3")), ..ask(1, 2) }, 0), Some(at("10.0.2.2")));
    assert_eq!(table.offer(&Ask { reserved_only: true, ..ask(2, 0) }, 0), Some(at("10.0.0.30")));
    lease(&mut table, &ask(2, 0), "10.0.0.30", 0);
    assert_eq!(
        table.offer(&Ask { requested: Some(at("10.0.2.2")), ..ask(5, 2) }, OFFER),
        Some(at("10.0.2.3"))
    );
    table.unreserve(mac(1));
    assert_eq!(
        table.offer(&Ask { requested: Some(at("10.0.2.2")), ..ask(6, 2) }, OFFER),
        Some(at("10.0.2.2"))
    );
}

#[test]
fn a_reservation_takes_effect_at_once_and_moves_its_client() {
    let mut table = table();
    lease(&mut table, &ask(1, 2), "10.0.2.2", 0);
    lease(&mut table, &ask(2, 2), "10.0.2.3", 0);
    table.set_reservations(&[Reservation { mac: mac(1), address: at("10.0.2.3") }]);
    assert_eq!(table.request(&ask(1, 2), at("10.0.2.2"), 1), Grant::Covered, "its own is still another's");
    assert_eq!(table.request(&ask(2, 2), at("10.0.2.3"), 1), Grant::Refused, "who gives it up now");
    table.release(mac(2), at("10.0.2.3"), 2);
    assert_eq!(table.request(&ask(1, 2), at("10.0.2.2"), 3), Grant::Refused, "it is to move");
    assert_eq!(table.offer(&ask(1, 2), 3), Some(at("10.0.2.3")));
    table.set_reservations(&[]);
    assert_eq!(table.usage(3)[2].reserved, 0);
    assert_eq!(table.request(&ask(1, 2), at("10.0.2.2"), 3), Grant::Covered);
}

#[test]
fn what_another_host_uses_is_left_alone_for_a_while() {
    let mut table = table();
    lease(&mut table, &ask(1, 2), "10.0.2.2", 0);
    assert_eq!(table.decline(mac(2), at("10.0.2.2"), 1), None, "not its own");
    let write = table.decline(mac(1), at("10.0.2.2"), 1).unwrap();
    assert_eq!((write.lease.state, write.lease.expires), (LeaseState::Quarantined, 1 + QUARANTINE));
    assert_eq!(table.offer(&ask(1, 2), 2), Some(at("10.0.2.3")));
    let write = table.conflict(at("10.0.2.3"), mac(9), 3).unwrap();
    assert_eq!((write.lease.state, write.lease.mac), (LeaseState::Quarantined, mac(9)));
    assert_eq!(table.request(&ask(1, 2), at("10.0.2.3"), 4), Grant::Refused);
    assert_eq!(table.conflict(at("10.0.2.3"), mac(9), 5), None, "known already");
    assert_eq!(table.usage(5)[2], Usage { total: 3, held: 3, free: 1, quarantined: 2, ..Usage::default() });
    assert_eq!(table.offer(&ask(1, 2), 6), Some(at("10.0.2.4")));
    assert_eq!(table.offer(&ask(2, 2), 6), None);
    lease(&mut table, &Ask { seconds: 7200, ..ask(1, 2) }, "10.0.2.4", 7);
    assert_eq!(table.offer(&ask(2, 2), QUARANTINE), None);
    assert_eq!(table.offer(&ask(2, 2), 1 + QUARANTINE), Some(at("10.0.2.2")), "it ends");
}

#[test]
fn a_client_is_in_nobodys_way_at_its_own_address() {
    let mut table = table();
    lease(&mut table, &ask(1, 2), "10.0.2.2", 0);
    assert_eq!(table.conflict(at("10.0.2.2"), mac(1), 1), None, "an answer to a probe for another");
    assert_eq!(table.request(&ask(1, 2), at("10.0.2.2"), 2), Grant::Covered);
    assert!(table.conflict(at("10.0.2.2"), mac(1), 2 * HOUR).is_some(), "its lease is over, and it stays");
}

#[test]
fn a_failed_write_leaves_an_offer_and_a_late_one_tells_nobody() {
    let mut table = table();
    let Grant::Write(writes) = table.request(&ask(1, 2), at("10.0.2.2"), 0) else { panic!() };
    table.not_stored(&writes[0], 1000);
    assert_eq!(table.request(&ask(2, 2), at("10.0.2.2"), 2000), Grant::Refused, "it waits for its client");
    assert!(matches!(table.request(&ask(1, 2), at("10.0.2.2"), 3000), Grant::Write(_)), "which asks again");
    let mut table = self::table();
    let Grant::Write(writes) = table.request(&ask(1, 2), at("10.0.2.2"), 0) else { panic!() };
    table.release(mac(1), at("10.0.2.2"), 1);
    assert!(!table.stored(&writes[0]), "given back before it was told");
}

#[test]
fn a_failed_write_takes_nothing_back_that_was_told() {
    // Asked twice while the store was slow: the first write came through, and the client was told.
    let mut table = table();
    let Grant::Write(first) = table.request(&ask(1, 2), at("10.0.2.2"), 0) else { panic!() };
    let Grant::Write(second) = table.request(&ask(1, 2), at("10.0.2.2"), 1000) else { panic!() };
    assert!(table.stored(&first[0]));
    table.not_stored(&second[0], 2000);
    let later = 2000 + OFFER;
    assert_eq!(table.request(&ask(2, 2), at("10.0.2.2"), later), Grant::Refused, "somebody has it");
    assert_eq!(table.request(&ask(1, 2), at("10.0.2.2"), later), Grant::Covered);
    // The clock was set, and the store fails.
    let mut table = self::table();
    lease(&mut table, &ask(1, 2), "10.0.2.2", 0);
    table.shift(HOUR.cast_signed());
    let Grant::Write(writes) = table.request(&ask(1, 2), at("10.0.2.2"), HOUR + 1) else { panic!() };
    table.not_stored(&writes[0], HOUR + 2);
    assert_eq!(table.request(&ask(2, 2), at("10.0.2.2"), HOUR + 2 + OFFER), Grant::Refused);
}

#[test]
fn clients_of_another_replica_are_left_to_it() {
    let mut table = table();
    let block = table.plan().block_of(at("10.0.0.4")).unwrap();
    table.drop_block(block);
    table.set_elsewhere([(mac(1), at("10.0.0.4"), HOUR)], 0);
    assert_eq!(table.offer(&ask(1, 0), 1), None);
    assert_eq!(
        (table.mac_of(at("10.0.0.4")), table.address_of(mac(1))),
        (Some(mac(1)), Some(at("10.0.0.4")))
    );
    assert!(table.offer(&ask(1, 2), 1).is_some(), "on another link it is nobody's");
    assert_eq!(table.offer(&ask(1, 0), HOUR), Some(at("10.0.0.16")), "its lease ended");
    // Heard on the wire: it takes the other's offer, and what it had here ends.
    lease(&mut table, &ask(2, 0), "10.0.0.18", 0);
    let writes = table.elsewhere(mac(2), Some(at("10.0.0.5")), 1);
    assert_eq!((writes.len(), writes[0].lease.state), (1, LeaseState::Released));
    assert_eq!(table.offer(&ask(2, 0), 2), None);
    // Another server altogether: only the offer ends.
    let offer = table.offer(&ask(3, 2), 2);
    assert_eq!(table.elsewhere(mac(3), Some(at("192.168.0.9")), 3), []);
    assert_eq!(table.offer(&Ask { requested: offer, ..ask(4, 2) }, 4), offer);
}

#[test]
fn what_is_stored_of_a_block_comes_back_with_it_even_out_of_range() {
    let mut table = Table::new(plan());
    let block = table.plan().block_of(at("10.0.2.2")).unwrap();
    let known = |address: &str, client, state| Lease {
        address: at(address),
        mac: mac(client),
        state,
        expires: HOUR,
        client_id: Some(vec![1]),
        hostname: Some("h".into()),
        relay: None,
        firmware: true,
    };
    table.hold(
        block,
        [
            known("10.0.2.2", 1, LeaseState::Leased),
            known("10.0.2.3", 2, LeaseState::Quarantined),
            known("10.0.2.9", 3, LeaseState::Leased),
        ],
    );
    assert_eq!(table.request(&ask(1, 2), at("10.0.2.2"), 0), Grant::Covered);
    assert_eq!(table.request(&ask(2, 2), at("10.0.2.3"), 0), Grant::Refused);
    assert_eq!(table.request(&ask(3, 2), at("10.0.2.9"), 0), Grant::Refused, "no longer handed out");
    table.reserve(Reservation { mac: mac(4), address: at("10.0.2.9") });
    assert_eq!(table.offer(&ask(4, 2), 0), Some(at("10.0.2.4")), "still somebody's");
    assert_eq!(table.offer(&ask(4, 2), HOUR), Some(at("10.0.2.9")));
    assert_eq!(table.mac_of(at("10.0.2.2")), Some(mac(1)));
    assert_eq!(table.address_of(mac(1)), Some(at("10.0.2.2")));
}

#[test]
fn a_clock_that_is_set_ends_no_lease() {
    let mut table = table();
    lease(&mut table, &ask(1, 2), "10.0.2.2", 0);
    table.shift(HOUR.cast_signed());
    assert_eq!(table.request(&ask(2, 2), at("10.0.2.2"), HOUR + 1), Grant::Refused);
    let Grant::Write(writes) = table.request(&ask(1, 2), at("10.0.2.2"), HOUR + 1) else { panic!() };
    assert_eq!(writes[0].lease.expires, HOUR + 1 + 1_200_000, "stored anew, by the new clock");
}
