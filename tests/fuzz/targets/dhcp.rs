//! DHCPv4 from datagram to destination, on any network: nothing panics, and every reply is one that its client can
//! read and may have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxe_proto::dhcp::{Arrival, ReplyKind, Service, Verdict, ask, decide, parse};
use std::net::Ipv4Addr;
use tests_fuzz::{Knobs, SERVER, answer, check, settings};

fuzz_target!(|data: &[u8]| {
    let (datagram, mut knobs) = Knobs::split(data, 32);
    let source = knobs.pick(&[Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(10, 77, 0, 100), SERVER]);
    let destination = knobs.pick(&[Ipv4Addr::BROADCAST, SERVER, Ipv4Addr::UNSPECIFIED]);
    let service = knobs.pick(&[Service::Dhcp, Service::Dhcp, Service::BootServer]);
    let Ok(request) = parse(datagram, &Arrival { source, destination, service }) else { return };
    let answer = answer(&request, &mut knobs);
    let settings = settings(&mut knobs);

    let asked = ask(&request, &settings);
    match decide(&request, &answer, &settings) {
        Verdict::Silent(_) => {}
        Verdict::Reply(reply) => {
            assert!(asked.is_ok(), "an answer to what is none of our business");
            assert!(request.mac != [0; 6] && request.mac[0] & 1 == 0, "an answer to a group");
            check(&request, &reply, &settings);
            let asks = request.kind.name();
            assert!(matches!(asks, "DISCOVER" | "REQUEST" | "INFORM"), "an answer to a {asks}");
            assert!(reply.kind != ReplyKind::Nak || asks == "REQUEST", "a NAK to a {asks}");
        }
    }
});
