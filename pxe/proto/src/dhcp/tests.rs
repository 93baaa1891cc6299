//! Whole conversations with a server that gives addresses: golden packets of real clients, and tables of verdicts.

mod golden;
mod noise;
mod proxy;
mod relay;
mod told;

use super::*;
use crate::boot::{Arch, BootAnswer, Chain, Firmware};
use dhcproto::v4::{self, DhcpOption, OptionCode};
use dhcproto::{Decodable, Decoder};
use std::net::Ipv4Addr;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 101);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const BROADCAST: Arrival = Arrival { source: NONE, destination: Ipv4Addr::BROADCAST, service: Service::Dhcp };
const UNICAST: Arrival = Arrival { source: CLIENT, destination: SERVER, service: Service::Dhcp };

fn settings() -> Settings {
    Settings {
        mode: Mode::Full,
        server: SERVER,
        identifier: SERVER,
        http_port: 8080,
        subnets: vec![Subnet {
            routers: vec![Ipv4Addr::new(10, 77, 0, 254)],
            dns: vec![Ipv4Addr::new(10, 77, 0, 53), Ipv4Addr::new(10, 77, 0, 54)],
            ..Subnet::new(Ipv4Addr::new(10, 77, 0, 0), 24)
        }],
    }
}

/// A client's message with these options, from a machine with a UUID.
fn message(message_type: u8, ciaddr: Ipv4Addr, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut packet = vec![0; 240];
    packet[..8].copy_from_slice(&[1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
    packet[12..16].copy_from_slice(&ciaddr.octets());
    packet[28..34].copy_from_slice(&[0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
    packet[236..240].copy_from_slice(&[99, 130, 83, 99]);
    for (code, value) in [(53, [message_type].as_slice())].iter().chain(options) {
        packet.extend_from_slice(&[*code, value.len() as u8]);
        packet.extend_from_slice(value);
    }
    packet.push(255);
    packet
}

fn request(message_type: u8, ciaddr: Ipv4Addr, arrival: &Arrival, options: &[(u8, &[u8])]) -> Request {
    parse(&message(message_type, ciaddr, options), arrival).unwrap()
}

fn answer(address: Option<Ipv4Addr>) -> Answer {
    Answer {
        address: address.map_or(Address::Refused, Address::Given),
        boot: BootAnswer::Boot(Chain::Snponly),
    }
}

/// A datagram from a file of hexadecimal bytes; a line that begins with `#` says where they come from.
fn hex(text: &str) -> Vec<u8> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let digits: Vec<u32> = lines.flat_map(str::chars).filter_map(|c| c.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn ipxe() -> Vec<u8> {
    hex(include_str!("fixtures/ipxe-bios-discover.hex"))
}

fn ovmf_pxe() -> Vec<u8> {
    hex(include_str!("fixtures/ovmf-pxe-discover.hex"))
}

fn ovmf_http() -> Vec<u8> {
    hex(include_str!("fixtures/ovmf-http-discover.hex"))
}

fn udhcpc() -> Vec<u8> {
    hex(include_str!("fixtures/udhcpc-discover.hex"))
}

fn reply(request: &Request, answer: &Answer) -> (Reply, v4::Message) {
    match decide(request, answer, &settings()) {
        Verdict::Reply(reply) => {
            let message = v4::Message::decode(&mut Decoder::new(&reply.datagram)).unwrap();
            (reply, message)
        }
        Verdict::Silent(silence) => panic!("silent: {silence}"),
    }
}

#[test]
fn every_stage_gets_its_loader() {
    let base = "http://10.77.0.1:8080";
    let uuid: &[u8] = &[0, 0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 1, 2, 3, 4, 5, 6];
    let bios = message(1, NONE, &[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0])]);
    let named = message(1, NONE, &[(60, b"PXEClient"), (77, b"iPXE"), (93, &[0, 7]), (97, uuid)]);
    type Row<'a> = (&'a [u8], String, bool, Option<&'a [u8]>);
    let table: [Row<'_>; 5] = [
        (&bios, "undionly.kpxe".to_owned(), true, None),
        (&ovmf_pxe(), "snponly.efi".to_owned(), true, None),
        (&ovmf_http(), format!("{base}/boot/files/snponly.efi"), false, Some(b"HTTPClient")),
        (&ipxe(), format!("{base}/boot/script?mac=52:54:00:00:00:01&arch=x64"), false, None),
        (
            &named,
            format!(
                "{base}/boot/script?mac=52:54:00:aa:bb:cc&arch=x64&uuid=00112233-4455-6677-8899-010203040506"
            ),
            false,
            None,
        ),
    ];
    for (packet, file, tftp, class) in table {
        let request = parse(packet, &BROADCAST).unwrap();
        let (reply, message) = reply(&request, &answer(Some(CLIENT)));
        assert_eq!((reply.kind, reply.boot), (ReplyKind::Offer, BootAnswer::Boot(Chain::Snponly)));
        assert_eq!((message.yiaddr(), message.siaddr(), message.xid()), (CLIENT, SERVER, request.xid));
        // dhcproto keeps the zero that ends the name.
        assert_eq!(message.fname(), Some([file.as_bytes(), &[0]].concat().as_slice()));
        let options = message.opts();
        let name = DhcpOption::BootfileName(file.into_bytes());
        assert_eq!(options.get(OptionCode::BootfileName), Some(&name));
        assert_eq!(options.contains(OptionCode::TFTPServerName), tftp);
        let class = class.map(|class| DhcpOption::ClassIdentifier(class.to_vec()));
        assert_eq!(options.get(OptionCode::ClassIdentifier), class.as_ref());
        assert_eq!(options.get(OptionCode::AddressLeaseTime), Some(&DhcpOption::AddressLeaseTime(600)));
        assert!((300..=548).contains(&reply.datagram.len()), "{}", reply.datagram.len());
    }
}

#[test]
fn the_offer_to_an_operating_system_is_these_bytes() {
    let client_identifier: &[u8] = &[1, 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
    let request = request(1, NONE, &BROADCAST, &[(61, client_identifier), (82, &[1, 2, 9, 9])]);
    let (reply, _) = reply(&request, &answer(Some(CLIENT)));
    let mut expected = vec![0; 240];
    expected[..8].copy_from_slice(&[2, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
    expected[16..20].copy_from_slice(&[10, 77, 0, 100]);
    expected[28..34].copy_from_slice(&[0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
    expected[236..240].copy_from_slice(&[99, 130, 83, 99]);
    #[rustfmt::skip]
    let options = [
        53, 1, 2, 54, 4, 10, 77, 0, 1, 51, 4, 0, 0, 0xa8, 0xc0, 58, 4, 0, 0, 0x54, 0x60, 59, 4, 0, 0, 0x93, 0xa8,
        1, 4, 255, 255, 255, 0, 3, 4, 10, 77, 0, 254, 6, 8, 10, 77, 0, 53, 10, 77, 0, 54,
        61, 7, 1, 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc, 82, 4, 1, 2, 9, 9, 255,
    ];
    expected.extend_from_slice(&options);
    assert_eq!(reply.datagram, expected);
}

#[test]
fn without_a_window_firmware_gets_an_address_and_no_loader() {
    let bios = message(1, NONE, &[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0])]);
    for packet in [&bios, &ipxe(), &ovmf_pxe(), &ovmf_http()] {
        let request = parse(packet, &BROADCAST).unwrap();
        let (reply, message) = reply(&request, &DISK);
        assert_eq!((reply.boot, message.yiaddr(), message.siaddr()), (BootAnswer::Disk, CLIENT, NONE));
        assert_eq!(message.fname(), None);
        let text = String::from_utf8_lossy(&reply.datagram).into_owned();
        assert!(
            !["undionly", "snponly", "/boot/files", "/boot/script"].iter().any(|word| text.contains(word))
        );
        assert!(!message.opts().contains(OptionCode::TFTPServerName));
    }
}

#[test]
fn firmware_that_shall_boot_its_disk_is_told_so_in_its_own_words() {
    let options = |packet: &[u8]| {
        let message = reply(&parse(packet, &BROADCAST).unwrap(), &DISK).1;
        let get = |code| message.opts().get(code).cloned();
        let (class, vendor) = (get(OptionCode::ClassIdentifier), get(OptionCode::VendorExtensions));
        (class, vendor, get(OptionCode::BootfileName), get(OptionCode::Unknown(175)).is_some())
    };
    let class = |text: &[u8]| Some(DhcpOption::ClassIdentifier(text.to_vec()));
    // Discovery control; a menu of one item of type 0 and 4 letters; a prompt that waits 0 seconds; the end.
    #[rustfmt::skip]
    let local_boot = vec![
        6, 1, 3, 9, 7, 0, 0, 4, b'D', b'i', b's', b'k', 10, 5, 0, b'D', b'i', b's', b'k', 255,
    ];
    let local_boot = Some(DhcpOption::VendorExtensions(local_boot));
    assert_eq!(options(&ovmf_pxe()), (class(b"PXEClient"), local_boot, None, false));
    let nothing = Some(DhcpOption::BootfileName(b"http://10.77.0.1:8080/boot/none".to_vec()));
    assert_eq!(options(&ovmf_http()), (class(b"HTTPClient"), None, nothing, false));
    assert_eq!(options(&ipxe()), (None, None, None, true));
    assert_eq!(options(&udhcpc()), (None, None, None, false));
}

/// What comes out, in short.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Out {
    Ack(Destination),
    Nak,
    Silent(Silence),
}

/// It may have its address, but not boot.
const DISK: Answer = Answer { address: Address::Given(CLIENT), boot: BootAnswer::Disk };

const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const FOREIGN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 9);
const HERE: (u8, &[u8]) = (54, &[10, 77, 0, 1]);
const THERE: (u8, &[u8]) = (54, &[10, 77, 0, 2]);
const MINE: (u8, &[u8]) = (50, &[10, 77, 0, 100]);
const FOREIGN_OPTION: (u8, &[u8]) = (50, &[192, 168, 1, 9]);

/// A case: name, message type, ciaddr, arrival, options, the directory's address, question, outcome.
type Row = (
    &'static str,
    u8,
    Ipv4Addr,
    Arrival,
    &'static [(u8, &'static [u8])],
    Option<Ipv4Addr>,
    Result<Ask, Silence>,
    Out,
);

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let to_mac = Out::Ack(Destination::Hardware { address: CLIENT, mac: [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc] });
    let to_client = Out::Ack(Destination::Client(CLIENT));
    let lease = Ok(Ask::Keep { subnet: 0, address: CLIENT, seconds: 12 * 3600 });
    let (release, refuse) = (Ok(Ask::Release(CLIENT)), Ok(Ask::Refuse));
    let (mine, other) = (Some(CLIENT), Some(OTHER));
    let another = Silence::AnotherServer { server: ELSEWHERE };
    let foreign = Silence::ForeignAddress { address: FOREIGN };
    let none_due = Out::Silent(Silence::NoneDue);
    vec![
        ("select", 3, NONE, BROADCAST, &[HERE, MINE], mine, lease, to_mac),
        ("select, taken", 3, NONE, BROADCAST, &[HERE, MINE], other, lease, Out::Nak),
        ("select, none left", 3, NONE, BROADCAST, &[HERE, MINE], None, lease, Out::Nak),
        ("select another", 3, NONE, BROADCAST, &[THERE, MINE], mine, Ok(Ask::Withdraw), Out::Silent(another)),
        ("reboot", 3, NONE, BROADCAST, &[MINE], mine, lease, to_mac),
        ("reboot, moved here", 3, NONE, BROADCAST, &[FOREIGN_OPTION], Some(FOREIGN), refuse, Out::Nak),
        ("renew", 3, CLIENT, UNICAST, &[], mine, lease, to_client),
        ("renew, names us", 3, CLIENT, UNICAST, &[HERE], mine, lease, to_client),
        ("renew, lost", 3, CLIENT, UNICAST, &[], other, lease, Out::Nak),
        ("rebind", 3, CLIENT, BROADCAST, &[], mine, lease, to_client),
        ("renew, foreign", 3, FOREIGN, UNICAST, &[], mine, refuse, Out::Nak),
        ("rebind, foreign", 3, FOREIGN, BROADCAST, &[], mine, refuse, Out::Nak),
        ("rebind to another", 3, CLIENT, BROADCAST, &[THERE], mine, Err(another), Out::Silent(another)),
        ("inform", 8, CLIENT, UNICAST, &[], None, Ok(Ask::BootOnly), to_client),
        ("inform, no ciaddr", 8, NONE, UNICAST, &[], None, Ok(Ask::BootOnly), to_client),
        ("inform, foreign", 8, FOREIGN, UNICAST, &[], None, Err(foreign), Out::Silent(foreign)),
        ("release", 7, CLIENT, UNICAST, &[HERE], None, release, none_due),
        ("release, foreign", 7, FOREIGN, UNICAST, &[HERE], None, Err(foreign), Out::Silent(foreign)),
        ("decline", 4, NONE, BROADCAST, &[HERE, MINE], None, Ok(Ask::Decline(CLIENT)), none_due),
        ("decline another's", 4, NONE, BROADCAST, &[THERE, MINE], None, Err(another), Out::Silent(another)),
    ]
}

#[test]
fn requests_by_table() {
    for (name, message_type, ciaddr, arrival, options, address, asked, out) in rows() {
        let request = request(message_type, ciaddr, &arrival, options);
        assert_eq!(ask(&request, &settings()), asked, "{name}");
        let got = match decide(&request, &answer(address), &settings()) {
            Verdict::Silent(silence) => Out::Silent(silence),
            Verdict::Reply(reply) if reply.kind == ReplyKind::Nak => {
                let nak = v4::Message::decode(&mut Decoder::new(&reply.datagram)).unwrap();
                assert_eq!((nak.yiaddr(), nak.ciaddr(), nak.siaddr()), (NONE, NONE, NONE), "{name}");
                assert!(!nak.opts().contains(OptionCode::AddressLeaseTime), "{name}");
                assert_eq!(route(&request, &reply), Destination::Broadcast);
                Out::Nak
            }
            Verdict::Reply(reply) => Out::Ack(route(&request, &reply)),
        };
        assert_eq!(got, out, "{name}");
    }
}

#[test]
fn the_answer_to_an_inform_gives_no_lease() {
    let (_, message) = reply(&request(8, CLIENT, &UNICAST, &[]), &answer(None));
    assert_eq!((message.ciaddr(), message.yiaddr()), (CLIENT, NONE));
    assert!(!message.opts().contains(OptionCode::AddressLeaseTime));
    assert!(message.opts().contains(OptionCode::SubnetMask));
}

#[test]
fn the_way_of_an_offer() {
    let via = |packet: &[u8]| {
        let request = parse(packet, &BROADCAST).unwrap();
        let (reply, message) = reply(&request, &answer(Some(CLIENT)));
        assert_eq!(message.flags().broadcast(), request.wants_broadcast());
        route(&request, &reply)
    };
    assert_eq!(via(&ovmf_pxe()), Destination::Broadcast);
    let mac = [0x52, 0x54, 0, 0, 0, 1];
    assert_eq!(via(&ipxe()), Destination::Hardware { address: CLIENT, mac });

    let relay = Ipv4Addr::new(10, 77, 0, 200);
    let mut relayed = ipxe();
    relayed[24..28].copy_from_slice(&relay.octets());
    assert_eq!(via(&relayed), Destination::Relay(relay));
    relayed[24..28].copy_from_slice(&[10, 78, 0, 1]);
    let request = parse(&relayed, &BROADCAST).unwrap();
    let silence = Silence::UndeclaredRelay { relay: Ipv4Addr::new(10, 78, 0, 1) };
    assert_eq!(decide(&request, &answer(Some(CLIENT)), &settings()), Verdict::Silent(silence));
}

#[test]
fn an_address_that_is_not_of_the_network_is_never_given() {
    let request = parse(&udhcpc(), &BROADCAST).unwrap();
    for address in [[10, 78, 0, 5], [10, 77, 0, 0], [10, 77, 0, 255], [10, 77, 0, 1]] {
        let verdict = decide(&request, &answer(Some(address.into())), &settings());
        assert_eq!(verdict, Verdict::Silent(Silence::NoAddress), "{address:?}");
    }
}

#[test]
fn masks_by_table() {
    let table = [(24, [255, 255, 255, 0]), (0, [0, 0, 0, 0]), (32, [255; 4]), (20, [255, 255, 240, 0])];
    for (prefix, mask) in table {
        assert_eq!(Subnet::new(SERVER, prefix).mask().octets(), mask);
    }
    let point_to_point = Subnet::new(Ipv4Addr::new(10, 0, 0, 0), 31);
    assert!(point_to_point.contains(Ipv4Addr::new(10, 0, 0, 1)));
}

#[test]
fn what_is_ignored_has_a_reason() {
    let good = message(1, NONE, &[]);
    let changed = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        parse(&packet, &BROADCAST).unwrap_err()
    };
    assert_eq!(changed(0, 2), Ignored::NotARequest { op: 2 });
    assert_eq!(changed(1, 6), Ignored::NotEthernet { htype: 6, hlen: 6 });
    // dhcproto would panic here.
    assert_eq!(changed(2, 17), Ignored::NotEthernet { htype: 1, hlen: 17 });
    assert_eq!(changed(2, 255), Ignored::NotEthernet { htype: 1, hlen: 255 });
    assert_eq!(changed(28, 1), Ignored::HardwareAddress);
    assert_eq!(changed(236, 0), Ignored::NoCookie);
    assert_eq!(changed(240, 12), Ignored::NoMessageType);
    for message_type in [0, 2, 5, 6, 9, 13, 255] {
        assert_eq!(changed(242, message_type), Ignored::NotForServers { message_type });
    }
    for message_type in [3, 4, 7, 8] {
        assert_eq!(changed(242, message_type), Ignored::NoAddress);
    }
    assert_eq!(parse(&good[..239], &BROADCAST), Err(Ignored::Length { length: 239 }));
    assert_eq!(parse(&[], &BROADCAST), Err(Ignored::Length { length: 0 }));
    assert_eq!(parse(&vec![0; 1501], &BROADCAST), Err(Ignored::Length { length: 1501 }));
}

#[test]
fn options_in_the_file_field_and_in_pieces_are_read() {
    let mut packet = message(1, NONE, &[(52, &[1]), (60, b"PXECl")]);
    let end = packet.len() - 1;
    packet.splice(end.., [12, 1, b'x', 60, 4, b'i', b'e', b'n', b't', 255]);
    packet[108..115].copy_from_slice(&[93, 2, 0, 7, 0, 0, 255]);
    let request = parse(&packet, &BROADCAST).unwrap();
    assert_eq!(request.firmware, Some(Firmware::UefiPxe(Arch::X64)));
}
