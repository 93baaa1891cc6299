//! How long a DHCP message takes, from datagram to reply: `cargo run --release -p pxe-proto --example dhcp_speed`.
//!
//! Only the bytes: no socket, no lease.
#![allow(clippy::print_stdout, reason = "it is for people")]

use pxe_proto::boot::{BootAnswer, Chain};
use pxe_proto::dhcp::{
    Address, Answer, Arrival, Mode, Service, Settings, Subnet, Verdict, ask, decide, parse,
};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

const ROUNDS: u32 = 1_000_000;
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

fn main() {
    let mut link = Subnet::new(Ipv4Addr::new(10, 77, 0, 0), 24);
    link.routers = vec![Ipv4Addr::new(10, 77, 0, 254)];
    link.dns = vec![Ipv4Addr::new(10, 77, 0, 53), Ipv4Addr::new(10, 77, 0, 54)];
    link.domain = Some("lab.example".to_owned());
    let settings = Settings {
        mode: Mode::Full,
        server: SERVER,
        identifier: SERVER,
        http_port: 8080,
        subnets: vec![link],
    };

    let wanted: &[u8] = &[1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42];
    let system: &[(u8, &[u8])] = &[(12, b"vm"), (55, wanted), (61, &[1, 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc])];
    let chosen: &[(u8, &[u8])] = &[(54, &[10, 77, 0, 1]), (50, &[10, 77, 0, 100])];
    let rom: &[(u8, &[u8])] = &[
        (55, wanted),
        (57, &[4, 0xec]),
        (97, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        (93, &[0, 7]),
        (94, &[1, 3, 0]),
        (60, b"PXEClient:Arch:00007:UNDI:003000"),
    ];
    let table = [
        ("DISCOVER of an operating system", message(1, system)),
        ("REQUEST of an operating system", message(3, &[system, chosen].concat())),
        ("DISCOVER of UEFI firmware", message(1, rom)),
    ];
    for (name, datagram) in table {
        let best = (0..5).map(|_| measure(&datagram, &settings)).min().unwrap_or_default();
        println!("{name}: {} ns", best.as_nanos() / u128::from(ROUNDS));
    }
}

/// The time for all rounds.
#[expect(clippy::disallowed_methods, reason = "this program measures time")]
fn measure(datagram: &[u8], settings: &Settings) -> Duration {
    let arrival =
        Arrival { source: Ipv4Addr::UNSPECIFIED, destination: Ipv4Addr::BROADCAST, service: Service::Dhcp };
    let answer = Answer { address: Address::Given(CLIENT), boot: BootAnswer::Boot(Chain::Snponly) };
    let start = std::time::Instant::now();
    for _ in 0..ROUNDS {
        let request = parse(black_box(datagram), &arrival).expect("it is a DHCP message");
        let asked = ask(&request, settings);
        assert!(asked.is_ok());
        let verdict = decide(&request, &answer, settings);
        assert!(matches!(black_box(verdict), Verdict::Reply(_)));
    }
    start.elapsed()
}

fn message(message_type: u8, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut packet = vec![0; 240];
    packet[..8].copy_from_slice(&[1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
    packet[28..34].copy_from_slice(&[0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
    packet[236..240].copy_from_slice(&[99, 130, 83, 99]);
    for (code, value) in [(53, [message_type].as_slice())].iter().chain(options) {
        packet.extend_from_slice(&[*code, value.len() as u8]);
        packet.extend_from_slice(value);
    }
    packet.push(255);
    packet.resize(packet.len().max(300), 0);
    packet
}
