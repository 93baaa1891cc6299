//! Beside a server that gives the addresses: `proxy`, port 4011, and `reserved-only`.

use super::*;

const TO_4011: Arrival = Arrival { service: Service::BootServer, ..UNICAST };
const ROM: (u8, &[u8]) = (60, b"PXEClient:Arch:00000:UNDI:002001");
const BIOS: (u8, &[u8]) = (93, &[0, 0]);
const UEFI: (u8, &[u8]) = (93, &[0, 7]);
const UUID: (u8, &[u8]) = (97, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

fn in_mode(mode: Mode) -> Settings {
    Settings { mode, identifier: Ipv4Addr::new(10, 77, 0, 7), ..settings() }
}

type Sent = &'static [(u8, &'static [u8])];

/// What of a reply says what to boot: class, vendor options, name.
type Said = (Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

fn said(message: &v4::Message) -> Said {
    let class = match message.opts().get(OptionCode::ClassIdentifier) {
        Some(DhcpOption::ClassIdentifier(class)) => Some(class.clone()),
        _ => None,
    };
    let vendor = match message.opts().get(OptionCode::VendorExtensions) {
        Some(DhcpOption::VendorExtensions(vendor)) => Some(vendor.clone()),
        _ => None,
    };
    let name = match message.opts().get(OptionCode::BootfileName) {
        Some(DhcpOption::BootfileName(name)) => Some(name.clone()),
        _ => None,
    };
    (class, vendor, name)
}

fn decoded(request: &Request, boot: BootAnswer, settings: &Settings) -> (Reply, v4::Message) {
    let answer = Answer { address: Address::Unknown, boot };
    let Verdict::Reply(reply) = decide(request, &answer, settings) else { panic!("silent") };
    let message = v4::Message::decode(&mut Decoder::new(&reply.datagram)).unwrap();
    (reply, message)
}

#[test]
fn a_proxy_offers_what_to_boot_and_no_address() {
    let settings = in_mode(Mode::Proxy);
    let bios = message(1, NONE, &[ROM, BIOS, UUID]);
    let uefi = message(1, NONE, &[(60, b"PXEClient:Arch:00007:UNDI:003016"), UEFI, UUID]);
    let url = |tail: &str| Some(format!("http://10.77.0.1:8080/boot/{tail}").into_bytes());
    let file = |name: &str| Some(name.as_bytes().to_vec());
    let pxe = || Some(b"PXEClient".to_vec());
    let script = url("script?mac=52:54:00:00:00:01&arch=x64");
    // A BIOS takes the file from here; UEFI asks again on 4011; iPXE and HTTP boot take the URL.
    let rows: [(Vec<u8>, Said); 4] = [
        (bios, (pxe(), Some(vec![6, 1, 8, 255]), file("undionly.kpxe"))),
        (uefi, (pxe(), None, file("snponly.efi"))),
        (ovmf_http(), (Some(b"HTTPClient".to_vec()), None, url("files/snponly.efi"))),
        (ipxe(), (pxe(), None, script)),
    ];
    for (packet, expected) in rows {
        let request = parse(&packet, &BROADCAST).unwrap();
        assert_eq!(ask(&request, &settings), Ok(Ask::BootOnly));
        let (reply, message) = decoded(&request, BootAnswer::Boot(Chain::Snponly), &settings);
        assert_eq!((reply.kind, reply.address), (ReplyKind::Offer, None));
        assert_eq!((message.yiaddr(), message.siaddr()), (NONE, SERVER));
        assert_eq!(said(&message), expected);
        // It is spoken to at this address, whatever our identifier is elsewhere.
        let server = DhcpOption::ServerIdentifier(SERVER);
        assert_eq!(message.opts().get(OptionCode::ServerIdentifier), Some(&server));
        for code in [OptionCode::AddressLeaseTime, OptionCode::SubnetMask, OptionCode::Router] {
            assert!(!message.opts().contains(code), "{code:?}");
        }
        assert_eq!(route(&request, &reply), Destination::Broadcast);
        assert!(message.flags().broadcast(), "a relay would send it to 0.0.0.0");
        let identifier = request.machine_identifier().filter(|_| expected.0 == pxe());
        assert_eq!(message.opts().contains(OptionCode::ClientMachineIdentifier), identifier.is_some());
    }
}

#[test]
fn a_proxy_sends_firmware_to_its_disk() {
    let settings = in_mode(Mode::Proxy);
    for (packet, class) in [(ovmf_pxe(), b"PXEClient".to_vec()), (ovmf_http(), b"HTTPClient".to_vec())] {
        let request = parse(&packet, &BROADCAST).unwrap();
        let (reply, message) = decoded(&request, BootAnswer::Disk, &settings);
        assert_eq!((reply.boot, message.siaddr(), message.fname()), (BootAnswer::Disk, NONE, None));
        assert_eq!(said(&message).0, Some(class));
    }
    let request = parse(&ipxe(), &BROADCAST).unwrap();
    let silent = decide(&request, &Answer { address: Address::Unknown, boot: BootAnswer::Disk }, &settings);
    assert_eq!(silent, Verdict::Silent(Silence::NothingToBoot));
}

#[test]
fn a_proxy_leaves_addresses_to_the_other_server() {
    let settings = in_mode(Mode::Proxy);
    let rows: [(u8, Ipv4Addr, Arrival, Sent); 7] = [
        (1, NONE, BROADCAST, &[]),
        (3, NONE, BROADCAST, &[ROM, BIOS, THERE, MINE]),
        (3, NONE, BROADCAST, &[ROM, BIOS, HERE, MINE]),
        (3, NONE, BROADCAST, &[MINE]),
        (3, CLIENT, UNICAST, &[]),
        (7, CLIENT, UNICAST, &[]),
        (8, CLIENT, UNICAST, &[]),
    ];
    for (message_type, ciaddr, arrival, options) in rows {
        let request = request(message_type, ciaddr, &arrival, options);
        assert_eq!(ask(&request, &settings), Err(Silence::ProxyOnly), "{options:?}");
    }
}

#[test]
fn the_boot_server_acknowledges_a_request_on_its_own_port() {
    // Firmware names its address server, us, or nobody; it has its address, or says so by its source alone.
    let rows: [(Ipv4Addr, Sent); 4] = [
        (CLIENT, &[ROM, UEFI]),
        (CLIENT, &[ROM, UEFI, THERE]),
        (CLIENT, &[ROM, UEFI, HERE, MINE]),
        (NONE, &[ROM, UEFI]),
    ];
    for mode in [Mode::Proxy, Mode::Full, Mode::ReservedOnly] {
        for (ciaddr, options) in rows {
            for (message_type, kind) in [(1, ReplyKind::Offer), (3, ReplyKind::Ack), (8, ReplyKind::Ack)] {
                let request = request(message_type, ciaddr, &TO_4011, options);
                assert_eq!(ask(&request, &in_mode(mode)), Ok(Ask::BootOnly));
                let (reply, message) = decoded(&request, BootAnswer::Boot(Chain::Snponly), &in_mode(mode));
                assert_eq!((reply.kind, message.yiaddr(), message.siaddr()), (kind, NONE, SERVER));
                let name = Some(b"snponly.efi".to_vec());
                assert_eq!(said(&message), (Some(b"PXEClient".to_vec()), None, name));
                assert_eq!(route(&request, &reply), Destination::Back(CLIENT));
            }
        }
    }
}

#[test]
fn the_boot_server_returns_the_item_that_was_chosen() {
    let request = request(3, CLIENT, &TO_4011, &[ROM, BIOS, (43, &[71, 4, 0, 0, 0, 0, 255])]);
    let (_, message) = decoded(&request, BootAnswer::Boot(Chain::Snponly), &in_mode(Mode::Proxy));
    assert_eq!(said(&message).1, Some(vec![6, 1, 8, 71, 4, 0, 0, 0, 0, 255]));
}

#[test]
fn the_boot_server_hears_only_firmware() {
    let from = |options: &[(u8, &[u8])]| ask(&request(3, CLIENT, &TO_4011, options), &in_mode(Mode::Proxy));
    assert_eq!(from(&[]), Err(Silence::NothingToBoot));
    assert_eq!(from(&[ROM, (93, &[0, 6])]), Ok(Ask::BootOnly), "to be told of its disk");
    for message_type in [4, 7] {
        let packet = message(message_type, CLIENT, &[ROM, MINE]);
        assert_eq!(parse(&packet, &TO_4011), Err(Ignored::NotForServers { message_type }));
    }
    let nowhere = Arrival { source: NONE, ..TO_4011 };
    assert_eq!(parse(&message(3, NONE, &[ROM]), &nowhere), Err(Ignored::NoAddress));
}

#[test]
fn reserved_only_is_silent_to_strangers() {
    let settings = in_mode(Mode::ReservedOnly);
    let verdict =
        |request: &Request, address| decide(request, &Answer { address, boot: BootAnswer::Disk }, &settings);
    let discover = request(1, NONE, &BROADCAST, &[]);
    assert_eq!(verdict(&discover, Address::Refused), Verdict::Silent(Silence::NoReservation));
    assert!(matches!(verdict(&discover, Address::Given(CLIENT)), Verdict::Reply(_)));
    // Another server's client that wakes up here with an address of anywhere: only a reservation makes it ours.
    for address in [&[10, 77, 0, 100], &[192, 168, 1, 9]] {
        let reboot = request(3, NONE, &BROADCAST, &[(50, address)]);
        assert!(matches!(ask(&reboot, &settings), Ok(Ask::Keep { .. })));
        assert_eq!(verdict(&reboot, Address::Unknown), Verdict::Silent(Silence::NotOurs));
        let Verdict::Reply(nak) = verdict(&reboot, Address::Refused) else { panic!("silent") };
        assert_eq!(nak.kind, ReplyKind::Nak);
    }
    assert_eq!(ask(&request(8, CLIENT, &UNICAST, &[]), &settings), Err(Silence::NoReservation));
}

#[test]
fn unsupported_firmware_gets_an_address_and_its_disk() {
    let request = request(1, NONE, &BROADCAST, &[(60, b"PXEClient:Arch:00006:UNDI:003016"), (93, &[0, 6])]);
    assert_eq!((request.firmware, request.unsupported), (None, Some(Unsupported(6))));
    let (reply, message) = reply(&request, &answer(Some(CLIENT)));
    assert_eq!((reply.boot, reply.address, message.fname()), (BootAnswer::Disk, Some(CLIENT), None));
    assert_eq!(said(&message).0, Some(b"PXEClient".to_vec()), "its disk, in its words");
    assert!(!message.opts().contains(OptionCode::BootfileName));
    assert_eq!(message.opts().get(OptionCode::AddressLeaseTime), Some(&DhcpOption::AddressLeaseTime(600)));
}
