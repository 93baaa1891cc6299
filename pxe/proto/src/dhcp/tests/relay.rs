//! Through relays: which subnet, what comes back, and who is not answered.

use super::*;

/// A relay with two subnets of its own, one within an address of the other, and one that is outside of all.
const NEAR: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 9);
const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const THROUGH: Arrival = Arrival { source: NEAR, destination: SERVER, service: Service::Dhcp };

fn far_settings() -> Settings {
    let subnet = |third: u8, relay| Subnet {
        relay,
        routers: vec![Ipv4Addr::new(10, third, 0, 1)],
        system_lease: 1000 * u32::from(third),
        ..Subnet::new(Ipv4Addr::new(10, third, 0, 0), 24)
    };
    let mut settings = settings();
    settings.subnets.extend([subnet(78, None), subnet(79, Some(NEAR)), subnet(80, Some(FAR))]);
    settings
}

fn relayed(message_type: u8, relay: Ipv4Addr, ciaddr: Ipv4Addr, options: &[(u8, &[u8])]) -> Request {
    let mut packet = message(message_type, ciaddr, options);
    packet[24..28].copy_from_slice(&relay.octets());
    parse(&packet, &THROUGH).unwrap()
}

#[test]
fn the_subnet_by_table() {
    let undeclared = |relay| Err(Silence::UndeclaredRelay { relay });
    let strange = |last| Err(Silence::UndeclaredSubnet { address: Ipv4Addr::new(192, 0, 2, last) });
    type Row = (Ipv4Addr, &'static [(u8, &'static [u8])], Result<usize, Silence>, &'static [usize]);
    let rows: [Row; 11] = [
        (NONE, &[], Ok(0), &[]),
        (NONE, &[(118, &[10, 79, 0, 0])], Ok(0), &[]),
        (Ipv4Addr::new(10, 77, 0, 9), &[], Ok(0), &[]),
        (NEAR, &[], Ok(1), &[2]),
        (FAR, &[], Ok(3), &[]),
        (STRANGER, &[], undeclared(STRANGER), &[]),
        (NEAR, &[(118, &[10, 79, 0, 0])], Ok(2), &[1]),
        (NEAR, &[(82, &[1, 1, 7, 5, 4, 10, 80, 0, 0])], Ok(3), &[]),
        (NEAR, &[(118, &[10, 79, 0, 0]), (82, &[5, 4, 10, 80, 0, 0])], Ok(3), &[]),
        (NEAR, &[(118, &[192, 0, 2, 5])], strange(5), &[]),
        (STRANGER, &[(82, &[5, 4, 10, 80, 0, 0])], undeclared(STRANGER), &[]),
    ];
    let settings = far_settings();
    for (relay, options, expected, others) in rows {
        let request = relayed(1, relay, NONE, options);
        let asked = ask(&request, &settings).map(|asked| match asked {
            Ask::Offer { subnet, seconds } => {
                assert_eq!(seconds, settings.subnets[subnet].system_lease);
                assert_eq!(select::siblings(subnet, &settings).collect::<Vec<_>>(), others);
                subnet
            }
            asked => panic!("{asked:?}"),
        });
        assert_eq!(asked, expected, "{relay} {options:?}");
    }
}

#[test]
fn an_offer_of_another_subnet_behind_the_relay_is_told_of_that_subnet() {
    // A relay that stands on our own link, but serves a subnet behind it.
    let mut settings = far_settings();
    settings.subnets[3].relay = Some(Ipv4Addr::new(10, 77, 0, 200));
    let remote = relayed(1, Ipv4Addr::new(10, 77, 0, 200), NONE, &[]);
    assert_eq!(ask(&remote, &settings), Ok(Ask::Offer { subnet: 3, seconds: 80_000 }));

    let request = relayed(1, NEAR, NONE, &[]);
    let offer = |address: [u8; 4]| decide(&request, &answer(Some(address.into())), &far_settings());
    let Verdict::Reply(reply) = offer([10, 79, 0, 50]) else { panic!("silent") };
    let message = v4::Message::decode(&mut Decoder::new(&reply.datagram)).unwrap();
    let router = DhcpOption::Router(vec![Ipv4Addr::new(10, 79, 0, 1)]);
    assert_eq!(message.opts().get(OptionCode::Router), Some(&router));
    assert_eq!(message.opts().get(OptionCode::AddressLeaseTime), Some(&DhcpOption::AddressLeaseTime(79_000)));
    assert_eq!(route(&request, &reply), Destination::Relay(NEAR));
    for foreign in [[10, 77, 0, 100], [10, 80, 0, 100]] {
        assert_eq!(offer(foreign), Verdict::Silent(Silence::NoAddress), "{foreign:?}");
    }
}

#[test]
fn what_the_relay_said_comes_back_as_the_last_of_all() {
    let long = [3; 250];
    let information: [(u8, &[u8]); 3] = [(82, &[1, 2, 9, 9]), (82, &long), (60, b"udhcp")];
    let request = relayed(1, NEAR, NONE, &information);
    assert_eq!((request.circuit(), request.remote()), (Some([9, 9].as_slice()), None));
    let address = Address::Given(Ipv4Addr::new(10, 78, 0, 100));
    let Verdict::Reply(reply) =
        decide(&request, &Answer { address, boot: BootAnswer::Disk }, &far_settings())
    else {
        panic!("silent")
    };
    let expected = [&[1, 2, 9, 9], long.as_slice()].concat();
    assert_eq!(request.relay_information(), Some(expected.as_slice()));
    let piece = [[82, 254].as_slice(), &expected, &[255]].concat();
    assert!(reply.datagram.ends_with(&piece));
}

#[test]
fn a_nak_is_broadcast_by_the_relay() {
    let request = relayed(3, NEAR, NONE, &[(50, &[10, 77, 0, 100]), (82, &[1, 1, 7])]);
    assert_eq!(ask(&request, &far_settings()), Ok(Ask::Refuse), "it moved here");
    let Verdict::Reply(nak) = decide(&request, &answer(None), &far_settings()) else { panic!("silent") };
    let message = v4::Message::decode(&mut Decoder::new(&nak.datagram)).unwrap();
    assert_eq!((nak.kind, message.giaddr()), (ReplyKind::Nak, NEAR));
    assert!(message.flags().broadcast());
    assert!(message.opts().contains(OptionCode::RelayAgentInformation));
    assert_eq!(route(&request, &nak), Destination::Relay(NEAR));
}

#[test]
fn a_relay_broadcasts_what_gives_no_address() {
    let client = Ipv4Addr::new(10, 78, 0, 100);
    let inform = relayed(8, NEAR, client, &[]);
    let Verdict::Reply(reply) = decide(&inform, &answer(None), &far_settings()) else { panic!("silent") };
    let message = v4::Message::decode(&mut Decoder::new(&reply.datagram)).unwrap();
    assert_eq!((message.ciaddr(), message.yiaddr()), (client, NONE));
    assert!(message.flags().broadcast(), "the relay would send it to 0.0.0.0");
    let router = DhcpOption::Router(vec![Ipv4Addr::new(10, 78, 0, 1)]);
    assert_eq!(message.opts().get(OptionCode::Router), Some(&router), "of its own subnet");
}

#[test]
fn a_relay_that_stands_in_for_the_server_is_believed() {
    // RFC 5107: the client is told the relay's address, and names it from then on.
    let called = (82, [11, 4, 10, 78, 0, 1].as_slice());
    let discover = relayed(1, NEAR, NONE, &[called]);
    let address = Ipv4Addr::new(10, 78, 0, 100);
    let Verdict::Reply(reply) = decide(&discover, &answer(Some(address)), &far_settings()) else {
        panic!("silent")
    };
    let message = v4::Message::decode(&mut Decoder::new(&reply.datagram)).unwrap();
    let named = DhcpOption::ServerIdentifier(NEAR);
    assert_eq!(message.opts().get(OptionCode::ServerIdentifier), Some(&named));

    let names_relay = (54, NEAR.octets());
    let mine = (50, address.octets());
    let select = |options: &[(u8, &[u8])]| ask(&relayed(3, NEAR, NONE, options), &far_settings());
    let keep = Ok(Ask::Keep { subnet: 1, address, seconds: 78_000 });
    assert_eq!(select(&[(54, &names_relay.1), (50, &mine.1), called]), keep);
    assert_eq!(select(&[(54, &names_relay.1), (50, &mine.1)]), Ok(Ask::Withdraw), "without the relay's word");
}

#[test]
fn a_client_behind_a_relay_speaks_to_us_directly() {
    let settings = far_settings();
    let address = Ipv4Addr::new(10, 79, 0, 50);
    let direct = Arrival { source: address, destination: SERVER, service: Service::Dhcp };
    let renew = request(3, address, &direct, &[]);
    assert_eq!(ask(&renew, &settings), Ok(Ask::Keep { subnet: 2, address, seconds: 79_000 }));
    let Verdict::Reply(ack) = decide(&renew, &answer(Some(address)), &settings) else { panic!("silent") };
    assert_eq!((ack.kind, route(&renew, &ack)), (ReplyKind::Ack, Destination::Client(address)));
    assert_eq!(ask(&request(7, address, &direct, &[]), &settings), Ok(Ask::Release(address)));
    assert_eq!(ask(&request(8, address, &direct, &[]), &settings), Ok(Ask::BootOnly));
    // But when it broadcasts that on the link, it has moved.
    assert_eq!(ask(&request(3, address, &BROADCAST, &[]), &settings), Ok(Ask::Refuse));
}

#[test]
fn loopback_addresses_count_behind_a_relay_on_loopback_only() {
    let address = Ipv4Addr::new(127, 64, 1, 7);
    let here = Ipv4Addr::new(127, 64, 0, 1);
    let options: &[(u8, &[u8])] = &[(54, &SERVER.octets()), (50, &address.octets())];
    assert_eq!(relayed(3, here, NONE, options).kind, Kind::Select { server: SERVER, address });
    assert_eq!(relayed(3, here, address, &[]).ciaddr, address);
    let mut packet = message(3, NONE, options);
    packet[24..28].copy_from_slice(&NEAR.octets());
    assert_eq!(parse(&packet, &THROUGH).unwrap_err(), Ignored::NoAddress);
}
