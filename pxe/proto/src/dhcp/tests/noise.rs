//! Whatever comes: nothing panics, and every reply is one that its client can read and may have.

use super::*;
use dhcproto::v4::borrowed::DhcpOptionIterator;
use proptest::prelude::*;

/// Longest datagram of one frame.
const FRAME: usize = 1472;

/// What a client takes, in bytes of the datagram.
fn limit(request: &Request) -> usize {
    usize::from(request.message_size().unwrap_or(576).clamp(576, 1500)) - 28
}

/// A network with much to tell, in one of the modes.
fn crowded(mode: Mode) -> Settings {
    let mut settings = settings();
    settings.mode = mode;
    let link = &mut settings.subnets[0];
    link.ntp = vec![SERVER; 9];
    link.domain = Some("lab.example".to_owned());
    link.search = (0..30).map(|n| format!("rack{n}.lab.example")).collect();
    link.mtu = Some(9000);
    link.routes = vec![Route { to: Ipv4Addr::new(10, 0, 0, 0), prefix: 8, via: SERVER }; 12];
    link.options = vec![(150, vec![10, 77, 0, 1]), (224, vec![7; 300])];
    link.url = Some("https://boot.example/".to_owned());
    let behind =
        Subnet { relay: Some(Ipv4Addr::new(10, 77, 0, 200)), ..Subnet::new([10, 78, 0, 0].into(), 24) };
    settings.subnets.push(behind);
    settings
}

/// Everything that can be done with a datagram.
fn exercise(datagram: &[u8]) {
    for arrival in [BROADCAST, UNICAST, Arrival { service: Service::BootServer, ..UNICAST }] {
        let Ok(request) = parse(datagram, &arrival) else { continue };
        let _ = (request.host_name(), request.circuit(), request.remote(), request.interface());
        for mode in [Mode::Full, Mode::ReservedOnly, Mode::Proxy] {
            let settings = crowded(mode);
            for address in [Address::Refused, Address::Unknown, Address::Given(CLIENT)] {
                for boot in [BootAnswer::Boot(Chain::Snponly), BootAnswer::Boot(Chain::Uki), BootAnswer::Disk]
                {
                    check(&request, &Answer { address, boot }, &settings);
                }
            }
        }
    }
}

fn check(request: &Request, answer: &Answer, settings: &Settings) {
    let Verdict::Reply(reply) = decide(request, answer, settings) else { return };
    let _ = route(request, &reply);
    let bytes = &reply.datagram;
    let message = v4::Message::decode(&mut Decoder::new(bytes)).expect("dhcproto reads it");
    assert_eq!((message.xid(), message.chaddr()), (request.xid, request.mac.as_slice()));
    assert_eq!(message.yiaddr(), reply.address.unwrap_or(NONE));
    let relayed: usize = DhcpOptionIterator::new(&bytes[240..])
        .filter(|option| u8::from(option.code()) == 82)
        .map(|option| option.len() + 2 * option.len().div_ceil(255))
        .sum();
    let most = limit(request).max(300);
    assert!((300..=FRAME).contains(&bytes.len()), "{} bytes", bytes.len());
    assert!(bytes.len() - relayed <= most, "{} bytes without the relay's {relayed}, of {most}", bytes.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn random_bytes_never_panic(datagram in proptest::collection::vec(any::<u8>(), 0..700)) {
        exercise(&datagram);
    }

    #[test]
    fn random_options_never_panic(options in proptest::collection::vec(any::<u8>(), 0..300), message_type in 0u8..10) {
        let mut packet = message(message_type, NONE, &[]);
        packet.pop();
        packet.extend_from_slice(&options);
        exercise(&packet);
    }

    #[test]
    fn replies_fit(
        class in prop::sample::select(vec![b"PXEClient".as_slice(), b"HTTPClient:Arch:00016", b"udhcp"]),
        size in any::<u16>(),
        wanted in proptest::collection::vec(any::<u8>(), 0..40),
        relay in proptest::collection::vec(any::<u8>(), 0..250),
        identifier in proptest::collection::vec(any::<u8>(), 0..250),
        message_type in prop::sample::select(vec![1, 3, 8]),
    ) {
        let size = size.to_be_bytes();
        let options: [(u8, &[u8]); 7] = [
            (60, class), (57, &size), (55, &wanted), (50, &[10, 77, 0, 100]), (61, &identifier), (82, &relay),
            (82, &relay),
        ];
        exercise(&message(message_type, NONE, &options));
    }

    #[test]
    fn mutated_packets_never_panic(
        which in 0usize..4,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut packet = [ipxe, ovmf_pxe, ovmf_http, udhcpc][which]();
        for (at, value) in changes {
            let at = at.index(packet.len());
            packet[at] = value;
        }
        if !whole {
            packet.truncate(cut.index(packet.len()));
        }
        exercise(&packet);
    }
}
