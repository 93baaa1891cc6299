use super::*;
use crate::fleet::NetworkFaults;
use std::net::UdpSocket as Plain;
use std::time::Duration;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// A relay, and the server behind it: a socket that says what the test wants.
struct Site {
    relay: Arc<Relay>,
    server: Plain,
    fates: Arc<Fates>,
    stop: CancellationToken,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Each test has a relay address of its own.
fn site(last: u8) -> Site {
    let server = Plain::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let std::net::SocketAddr::V4(at) = server.local_addr().unwrap() else { unreachable!() };
    let (fates, stop) = (Arc::new(Fates::new(1)), CancellationToken::new());
    let address = Ipv4Addr::new(127, 64, 200, last);
    let relay = Relay::open(address, at, fates.clone(), Arc::default()).unwrap();
    relay.carry(stop.clone()).unwrap();
    Site { relay, server, fates, stop }
}

fn message(mac: [u8; 6], xid: u8) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes[..8].copy_from_slice(&[1, 1, 6, 0, 0, 0, 0, xid]);
    bytes[28..34].copy_from_slice(&mac);
    bytes.extend_from_slice(&[53, 1, 1, 255]);
    bytes
}

impl Site {
    fn heard(&self) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let (length, from) = self.server.recv_from(&mut buffer).unwrap();
        assert_eq!(from.ip(), self.relay.address);
        buffer[..length].to_vec()
    }

    /// Answers a message that was heard, as a server does.
    fn answer(&self, heard: &[u8]) {
        let mut reply = heard.to_vec();
        reply[0] = 2;
        let to = SocketAddrV4::new(self.relay.address, self.server.local_addr().unwrap().port());
        self.server.send_to(&reply, to).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_machine_gets_its_own_answers() {
    let site = site(1);
    let (mut one, mut other) = (site.relay.port(1, MAC), site.relay.port(2, OTHER));
    one.send(&message(MAC, 11));
    let first = site.heard();
    other.send(&message(OTHER, 22));
    let second = site.heard();
    assert_eq!(first[24..28], site.relay.address.octets());
    assert!(first.windows(6).any(|words| words == b"port 1"), "option 82 names the port");
    site.answer(&second);
    site.answer(&first);
    assert_eq!(one.recv().await[7], 11);
    let got = other.recv().await;
    assert_eq!(got[7], 22);
    assert_eq!(got[240..], [53, 1, 1, 255], "nothing of option 82 is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_exchanges_and_closed_ports_get_nothing() {
    let site = site(2);
    let mut port = site.relay.port(1, MAC);
    port.send(&message(MAC, 1));
    let mut stale = site.heard();
    stale[7] = 99;
    site.answer(&stale);
    port.send(&message(MAC, 2));
    site.answer(&site.heard());
    assert_eq!(port.recv().await[7], 2, "the answer to exchange 99, which nobody began, is dropped");
    let second = site.relay.port(1, MAC);
    drop(port);
    assert_eq!(site.relay.ports().len(), 1, "the old port doesn't close the new one");
    drop(second);
    assert!(site.relay.ports().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_loses_and_doubles() {
    let site = site(3);
    let mut port = site.relay.port(1, MAC);
    site.fates.set(NetworkFaults { drop: 1.0, ..NetworkFaults::default() });
    port.send(&message(MAC, 1));
    site.fates.set(NetworkFaults { duplicate: 1.0, jitter_ms: 2, ..NetworkFaults::default() });
    port.send(&message(MAC, 2));
    let heard = site.heard();
    assert_eq!(heard[7], 2, "the first one was lost");
    assert_eq!(site.heard(), heard, "the second one comes twice");
    site.answer(&heard);
    assert_eq!((port.recv().await[7], port.recv().await[7]), (2, 2));
    assert_eq!(site.fates.lost(), 1);
}

#[tokio::test]
async fn a_rack_of_replies_waits_for_nobody() {
    let site = site(4);
    let macs: Vec<[u8; 6]> = (0..100).map(|number| [2, 0, 0, 0, 1, number]).collect();
    let mut ports: Vec<_> = (0..).zip(&macs).map(|(number, mac)| site.relay.port(number, *mac)).collect();
    for (port, mac) in ports.iter().zip(&macs) {
        port.send(&message(*mac, 7));
    }
    // This runtime has one worker, and it is busy with this very loop.
    for _ in &macs {
        site.answer(&site.heard());
    }
    for (port, mac) in ports.iter_mut().zip(&macs) {
        assert_eq!(port.recv().await[28..34], *mac);
    }
}
