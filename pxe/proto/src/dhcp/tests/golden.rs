//! Messages of real clients, whole: what is read from them.

use super::*;

/// What a client says of itself.
struct Client {
    name: &'static str,
    text: &'static str,
    firmware: Option<Firmware>,
    broadcast: bool,
    /// Largest message that it takes.
    size: Option<u16>,
    /// How many options it asks for.
    wanted: usize,
    host: Option<&'static str>,
}

macro_rules! client {
    ($name:literal, $firmware:expr, $broadcast:expr, $size:expr, $wanted:expr, $host:expr) => {
        Client {
            name: $name,
            text: include_str!(concat!("../fixtures/", $name, "-discover.hex")),
            firmware: $firmware,
            broadcast: $broadcast,
            size: $size,
            wanted: $wanted,
            host: $host,
        }
    };
}

fn clients() -> Vec<Client> {
    vec![
        client!("ipxe-bios", Some(Firmware::IpxeBios), false, Some(1472), 23, None),
        client!("ovmf-pxe", Some(Firmware::UefiPxe(Arch::X64)), true, Some(1472), 35, None),
        client!("ovmf-http", Some(Firmware::UefiHttp(Arch::X64)), true, Some(1472), 27, None),
        client!("aavmf-pxe", Some(Firmware::UefiPxe(Arch::Arm64)), true, Some(1472), 35, None),
        client!("intel-rom", Some(Firmware::BiosPxe), true, Some(1260), 36, None),
        client!("ipxe-uefi", Some(Firmware::IpxeUefi(Arch::X64)), false, Some(1472), 23, None),
        client!("dhclient", None, false, None, 13, Some("vm")),
        client!("networkd", None, false, Some(1472), 9, Some("vm")),
        client!("udhcpc", None, false, Some(576), 7, None),
        client!("windows", None, false, None, 14, Some("DESKTOP-7Q2")),
    ]
}

#[test]
fn discovers_are_understood() {
    for client in clients() {
        let request =
            parse(&hex(client.text), &BROADCAST).unwrap_or_else(|why| panic!("{}: {why}", client.name));
        let name = client.name;
        assert!(client.text.starts_with("# "), "{name} says where it comes from");
        assert_eq!((request.kind, request.server), (Kind::Discover, None), "{name}");
        assert_eq!((request.firmware, request.unsupported), (client.firmware, None), "{name}");
        assert_eq!(request.wants_broadcast(), client.broadcast, "{name}");
        assert_eq!(request.message_size(), client.size, "{name}");
        assert_eq!(request.wanted().len(), client.wanted, "{name}");
        assert_eq!(request.host_name(), client.host, "{name}");
        assert_eq!(request.interface().is_some(), client.firmware.is_some(), "{name}");
        let seconds = if client.firmware.is_some() { 600 } else { 12 * 3600 };
        assert_eq!(ask(&request, &settings()), Ok(Ask::Offer { subnet: 0, seconds }), "{name}");
    }
}

#[test]
fn a_board_without_an_identifier_has_none() {
    for packet in [ipxe(), ovmf_pxe(), ovmf_http()] {
        assert_eq!(parse(&packet, &BROADCAST).unwrap().uuid, None, "all zeros is no UUID");
    }
    let board = parse(&hex(include_str!("../fixtures/intel-rom-discover.hex")), &BROADCAST).unwrap();
    assert_eq!(board.uuid.map(|uuid| uuid[..4].to_vec()), Some(b"LLED".to_vec()));
}

#[test]
fn firmware_that_took_another_servers_address_asks_the_boot_server() {
    let settings = Settings { mode: Mode::Proxy, ..settings() };
    let select = parse(&hex(include_str!("../fixtures/ovmf-pxe-request.hex")), &BROADCAST).unwrap();
    assert_eq!(select.message_size(), Some(0xff00));
    assert_eq!(ask(&select, &settings), Err(Silence::ProxyOnly));

    let client = Ipv4Addr::new(10, 9, 0, 189);
    let to_4011 = Arrival { source: client, destination: SERVER, service: Service::BootServer };
    let table = [
        (include_str!("../fixtures/ovmf-pxe-bootserver.hex"), Firmware::UefiPxe(Arch::X64), None),
        (
            include_str!("../fixtures/ipxe-uefi-bootserver.hex"),
            Firmware::IpxeUefi(Arch::X64),
            Some(Ipv4Addr::new(10, 9, 0, 2)),
        ),
    ];
    for (text, firmware, server) in table {
        let request = parse(&hex(text), &to_4011).unwrap();
        assert_eq!((request.firmware, request.ciaddr, request.server), (Some(firmware), client, server));
        assert_eq!(ask(&request, &settings), Ok(Ask::BootOnly));
        let Verdict::Reply(reply) = decide(&request, &answer(None), &settings) else { panic!("silent") };
        assert_eq!((reply.kind, reply.address), (ReplyKind::Ack, None));
        assert_eq!(route(&request, &reply), Destination::Back(client));
    }
}
