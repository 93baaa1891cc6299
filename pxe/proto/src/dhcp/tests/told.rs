//! What a subnet's clients are told, and what is left out when they have no room for it.

use super::*;
use dhcproto::v4::borrowed::DhcpOptionIterator;

fn rich() -> Settings {
    let mut settings = settings();
    let link = &mut settings.subnets[0];
    link.ntp = vec![Ipv4Addr::new(10, 77, 0, 123)];
    link.domain = Some("lab.example".to_owned());
    link.search = vec!["a.example".to_owned(), "bad..name".to_owned(), "b.example.".to_owned()];
    link.mtu = Some(9000);
    link.routes =
        vec![Route { to: Ipv4Addr::new(10, 1, 2, 3), prefix: 12, via: Ipv4Addr::new(10, 77, 0, 9) }];
    link.options =
        vec![(150, vec![10, 77, 0, 1]), (3, vec![1, 2, 3, 4]), (43, b"os".to_vec()), (224, Vec::new())];
    link.url = Some("https://boot.example/".to_owned());
    settings
}

fn ack(request: &Request, settings: &Settings) -> Vec<u8> {
    let asked = ask(request, settings);
    let address = Address::Given(CLIENT);
    let Verdict::Reply(reply) = decide(request, &Answer { address, boot: BootAnswer::Disk }, settings) else {
        panic!("silent to {asked:?}")
    };
    reply.datagram
}

fn option(area: &[u8], wanted: u8) -> Option<Vec<u8>> {
    let mut found = DhcpOptionIterator::new(area).filter(|option| u8::from(option.code()) == wanted);
    let first = found.next().map(|option| option.data().to_vec());
    assert!(found.next().is_none(), "option {wanted} twice");
    first
}

#[test]
fn everything_that_is_configured_is_told() {
    let datagram = ack(&request(1, NONE, &BROADCAST, &[]), &rich());
    let told = |code| option(&datagram[240..], code);
    let rows: [(u8, Option<&[u8]>); 12] = [
        (1, Some(&[255, 255, 255, 0])),
        (3, Some(&[10, 77, 0, 254])),
        (6, Some(&[10, 77, 0, 53, 10, 77, 0, 54])),
        (15, Some(b"lab.example")),
        (26, Some(&[0x23, 0x28])),
        (42, Some(&[10, 77, 0, 123])),
        (43, Some(b"os")),
        (114, Some(b"https://boot.example/")),
        (119, Some(b"\x01a\x07example\0\x01b\x07example\0")),
        // The destination without its host part, and the default route.
        (121, Some(&[12, 10, 0, 10, 77, 0, 9, 0, 10, 77, 0, 254])),
        (150, Some(&[10, 77, 0, 1])),
        (249, None),
    ];
    for (code, value) in rows {
        assert_eq!(told(code).as_deref(), value, "option {code}");
    }
    assert_eq!(told(224), None, "nothing to say");
}

#[test]
fn routes_go_by_the_number_that_the_client_asks_for() {
    for (wanted, number) in [([249, 3].as_slice(), 249), (&[121, 249], 121), (&[3], 121)] {
        let datagram = ack(&request(1, NONE, &BROADCAST, &[(55, wanted)]), &rich());
        let told = [121, 249].map(|code| option(&datagram[240..], code).is_some());
        assert_eq!(told, [number == 121, number == 249], "{wanted:?}");
    }
    let mut settings = rich();
    settings.subnets[0].routes[0].prefix = 0;
    let datagram = ack(&request(1, NONE, &BROADCAST, &[]), &settings);
    assert_eq!(
        option(&datagram[240..], 121).unwrap(),
        [0, 10, 77, 0, 9],
        "it has a default route of its own"
    );
}

#[test]
fn what_we_make_can_not_be_set_freely() {
    let ours =
        [0, 1, 3, 6, 15, 26, 42, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 66, 67, 82, 97, 114, 119, 121];
    assert!(ours.iter().chain(&[175, 249, 255]).all(|code| is_ours(*code)));
    assert!(![2, 12, 43, 60, 62, 150, 224].iter().any(|code| is_ours(*code)));
    // Firmware takes 43 and 60 for ours.
    let disk = Answer { address: Address::Given(CLIENT), boot: BootAnswer::Disk };
    let request = parse(&ovmf_pxe(), &BROADCAST).unwrap();
    let Verdict::Reply(reply) = decide(&request, &disk, &rich()) else { panic!("silent") };
    assert_ne!(option(&reply.datagram[240..], 43).unwrap(), b"os");
}

#[test]
fn the_times_of_a_lease_by_table() {
    let forever = u32::MAX;
    let rows = [
        (3600, None, None, (1800, 3150)),
        (3600, Some(600), Some(2000), (600, 2000)),
        (3600, Some(3600), Some(9000), (1800, 3150)),
        (3600, Some(2500), Some(2000), (1800, 2000)),
        (3600, None, Some(1000), (1000, 1000)),
        (1, None, None, (0, 1)),
        (0, None, None, (0, 0)),
        (forever, None, None, (forever, forever)),
        (forever, Some(60), None, (60, forever)),
    ];
    for (lease, t1, t2, expected) in rows {
        let mut settings = settings();
        let link = &mut settings.subnets[0];
        (link.system_lease, link.t1, link.t2) = (lease, t1, t2);
        let datagram = ack(&request(1, NONE, &BROADCAST, &[]), &settings);
        let number = |code| u32::from_be_bytes(option(&datagram[240..], code).unwrap().try_into().unwrap());
        assert_eq!((number(51), (number(58), number(59))), (lease, expected));
    }
}

#[test]
fn our_name_stays_the_same_and_is_known_by_its_address_too() {
    let identifier = Ipv4Addr::new(10, 77, 0, 7);
    let settings = Settings { identifier, ..settings() };
    let datagram = ack(&request(1, NONE, &BROADCAST, &[]), &settings);
    assert_eq!(option(&datagram[240..], 54).unwrap(), identifier.octets());
    for named in [identifier, SERVER] {
        let select = request(3, NONE, &BROADCAST, &[(54, &named.octets()), MINE]);
        assert!(matches!(ask(&select, &settings), Ok(Ask::Keep { .. })), "{named}");
    }
    let boot = Answer { address: Address::Given(CLIENT), boot: BootAnswer::Boot(Chain::Snponly) };
    let Verdict::Reply(offer) = decide(&parse(&ovmf_pxe(), &BROADCAST).unwrap(), &boot, &settings) else {
        panic!("silent")
    };
    assert_eq!(offer.datagram[20..24], SERVER.octets(), "files come from here");
    for given in [identifier, SERVER] {
        let answer = Answer { address: Address::Given(given), boot: BootAnswer::Disk };
        let silent = decide(&request(1, NONE, &BROADCAST, &[]), &answer, &settings);
        assert_eq!(silent, Verdict::Silent(Silence::NoAddress), "{given} is ours");
    }
}

#[test]
fn without_room_unused_fields_are_used_and_the_least_wanted_is_left_out() {
    let mut settings = rich();
    // 548 bytes: 200 + 60 + 60 + 126 for the first ones, the rest has to go elsewhere.
    settings.subnets[0].options = vec![
        (224, vec![1; 80]),
        (225, vec![2; 110]),
        (226, vec![3; 60]),
        (227, vec![4; 250]),
        (228, vec![5; 20]),
    ];
    let wanted: &[u8] = &[228, 226, 1, 3, 225];
    let datagram = ack(&request(1, NONE, &BROADCAST, &[(55, wanted), (57, &[2, 64])]), &settings);
    assert!(datagram.len() <= 548, "{}", datagram.len());
    let areas = [&datagram[240..], &datagram[108..236], &datagram[44..108]];
    let overload = option(areas[0], 52).unwrap();
    let place = |code| areas.iter().position(|area| option(area, code).is_some());
    assert_eq!([228, 226, 225].map(place), [Some(0); 3], "what is asked for stands first");
    assert_eq!(place(227), None, "there is room for it nowhere");
    assert_eq!(place(224), Some(1), "not asked for, but it fits into the file field");
    assert_eq!([53, 54, 51, 1, 3].map(place), [Some(0); 5]);
    assert_eq!(overload, [1], "the name field is free yet");
    // With room for all there is no need.
    let datagram = ack(&request(1, NONE, &BROADCAST, &[(55, wanted), (57, &[5, 220])]), &settings);
    assert_eq!(
        (option(&datagram[240..], 52), option(&datagram[240..], 227).map(|it| it.len())),
        (None, Some(250))
    );
}

#[test]
fn a_boot_file_keeps_its_field() {
    let mut settings = rich();
    settings.subnets[0].options = vec![(224, vec![1; 100]), (225, vec![2; 50])];
    let request = request(1, NONE, &BROADCAST, &[(60, b"PXEClient"), (93, &[0, 0])]);
    let boot = Answer { address: Address::Given(CLIENT), boot: BootAnswer::Boot(Chain::Snponly) };
    let Verdict::Reply(reply) = decide(&request, &boot, &settings) else { panic!("silent") };
    let datagram = reply.datagram;
    assert!(datagram.len() <= 548 && datagram[108..].starts_with(b"undionly.kpxe\0"));
    assert_eq!(option(&datagram[240..], 67).unwrap(), b"undionly.kpxe");
    assert_eq!(option(&datagram[240..], 52).unwrap(), [2]);
    assert_eq!(option(&datagram[44..108], 225).unwrap(), [2; 50]);
}

#[test]
fn what_must_be_told_and_does_not_fit_is_silence() {
    // A relay's information is returned whole, or nothing is sent.
    let told = |lengths: &[usize]| {
        let pieces: Vec<Vec<u8>> = lengths.iter().map(|length| vec![7; *length]).collect();
        let mut options: Vec<(u8, &[u8])> = pieces.iter().map(|piece| (82, piece.as_slice())).collect();
        options.push((61, &[1; 30]));
        let mut packet = message(1, NONE, &options);
        packet[24..28].copy_from_slice(&[10, 77, 0, 200]);
        decide(&parse(&packet, &BROADCAST).unwrap(), &answer(Some(CLIENT)), &rich())
    };
    let Verdict::Reply(reply) = told(&[255; 4]) else { panic!("silent") };
    assert!(reply.datagram.len() <= 1472, "{}", reply.datagram.len());
    assert_eq!(option(&reply.datagram[240..], 82).unwrap(), [7; 1020]);
    assert_eq!(option(&reply.datagram[240..], 51).unwrap().len(), 4);
    assert_eq!(told(&[255, 255, 255, 255, 180]), Verdict::Silent(Silence::TooLong));
}
