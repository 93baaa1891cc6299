//! DHCPv4 through relays: whatever a relay puts into option 82 comes back to it byte for byte, last of all options,
//! and only relays of declared subnets are answered, with addresses of what they reach.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxe_proto::dhcp::{Arrival, Destination, ReplyKind, Service, Verdict, decide, parse, route};
use std::net::Ipv4Addr;
use tests_fuzz::{Knobs, SERVER, answer, check, settings};

// The input is 40 bytes of choices and option 82.
fuzz_target!(|data: &[u8]| {
    let (choices, information) = data.split_at(data.len().min(40));
    let mut knobs = Knobs::all(choices);
    let relay = knobs.pick(&[
        Ipv4Addr::new(10, 78, 0, 1),
        Ipv4Addr::new(10, 79, 0, 1),
        Ipv4Addr::new(10, 77, 0, 9),
        Ipv4Addr::new(192, 0, 2, 1),
    ]);
    let message_type = knobs.pick(&[1, 3, 8]);
    let mut options = vec![(53, vec![message_type])];
    if message_type == 3 {
        options.push((50, knobs.pick(&[[10, 78, 0, 100], [10, 79, 0, 100], [10, 77, 0, 100]]).to_vec()));
    }
    if knobs.flip() {
        options.push((54, knobs.pick(&[SERVER, relay, Ipv4Addr::new(10, 77, 0, 2)]).octets().to_vec()));
    }
    if knobs.flip() {
        options.push((118, knobs.pick(&[[10, 79, 0, 0], [10, 78, 0, 0], [10, 77, 0, 0]]).to_vec()));
    }
    if knobs.flip() {
        options.push((60, b"PXEClient:Arch:00007:UNDI:003000".to_vec()));
        options.push((93, vec![0, 7]));
    }
    let information = &information[..information.len().min(900)];
    options.extend(information.chunks(255).map(|piece| (82, piece.to_vec())));

    let arrival = Arrival { source: relay, destination: SERVER, service: Service::Dhcp };
    let Ok(request) = parse(&datagram(relay, &options), &arrival) else { return };
    let answer = answer(&request, &mut knobs);
    let settings = settings(&mut knobs);
    let Verdict::Reply(reply) = decide(&request, &answer, &settings) else { return };

    let reached = |subnet: &&pxe_proto::dhcp::Subnet| subnet.relay == Some(relay) || subnet.contains(relay);
    assert!(settings.subnets.iter().any(|subnet| reached(&subnet)), "an answer to an undeclared relay");
    assert_eq!(route(&request, &reply), Destination::Relay(relay));
    let message = check(&request, &reply, &settings);
    if !information.is_empty() {
        assert_eq!(message.option(82), Some(information), "option 82 is not as it was");
        let others = message.order.iter().rposition(|code| *code != 82);
        let first = message.order.iter().position(|code| *code == 82);
        assert!(others < first, "option 82 is not last: {:?}", message.order);
    }
    if reply.kind == ReplyKind::Nak {
        assert_eq!(reply.datagram[10] & 0x80, 0x80, "the relay must broadcast a NAK");
    }
});

/// A client's message that came through a relay.
fn datagram(relay: Ipv4Addr, options: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut packet = vec![0; 240];
    packet[..8].copy_from_slice(&[1, 1, 6, 1, 0xde, 0xad, 0xbe, 0xef]);
    packet[24..28].copy_from_slice(&relay.octets());
    packet[28..34].copy_from_slice(&[0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
    packet[236..240].copy_from_slice(&[99, 130, 83, 99]);
    for (code, value) in options {
        packet.extend_from_slice(&[*code, value.len() as u8]);
        packet.extend_from_slice(value);
    }
    packet.push(255);
    packet
}
