use super::*;
use crate::fleet::NetworkFaults;
use pxe_proto::tftp::{Transfer, parse_request};
use std::sync::mpsc;
use tokio::time::Instant;

/// A server of one transfer at a time, from a port of its own, as servers have it (RFC 1350, 4). It tells who asked.
fn serve(bytes: Vec<u8>) -> (SocketAddrV4, mpsc::Receiver<Ipv4Addr>) {
    let requests = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let SocketAddr::V4(address) = requests.local_addr().unwrap() else { unreachable!() };
    let (tell, told) = mpsc::channel();
    tokio::spawn(async move {
        requests.set_nonblocking(true).unwrap();
        let requests = UdpSocket::from_std(requests).unwrap();
        let mut buffer = [0; 2048];
        loop {
            let (length, peer) = requests.recv_from(&mut buffer).await.unwrap();
            let SocketAddr::V4(from) = peer else { unreachable!() };
            let _nobody_asks = tell.send(*from.ip());
            let transfer = Transfer::start(&parse_request(&buffer[..length]).unwrap(), bytes.clone(), 1468);
            tokio::spawn(carry(transfer, peer));
        }
    });
    (address, told)
}

async fn carry(mut transfer: Transfer, peer: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let begun = Instant::now();
    let (mut out, mut buffer) = (Vec::new(), [0; 2048]);
    while transfer.outcome().is_none() {
        while let Some(run) = transfer.poll_transmit(begun.elapsed(), &mut out) {
            for packet in out.chunks(run.segment) {
                socket.send_to(packet, peer).await.unwrap();
            }
        }
        let Some(deadline) = transfer.poll_timeout() else { return };
        match tokio::time::timeout_at(begun + deadline, socket.recv_from(&mut buffer)).await {
            Ok(Ok((length, _))) => transfer.handle_packet(&buffer[..length], begun.elapsed()),
            Ok(Err(_)) => return,
            Err(_) => transfer.handle_timeout(begun.elapsed()),
        }
    }
}

#[tokio::test]
async fn a_file_comes_whole_also_over_a_bad_network() {
    let bytes: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    let (server, told) = serve(bytes.clone());
    let from = Ipv4Addr::new(127, 64, 7, 7);
    for faults in [NetworkFaults::default(), NetworkFaults { drop: 0.03, duplicate: 0.05, jitter_ms: 2 }] {
        let fates = Fates::new(5);
        fates.set(faults);
        let fetched = fetch(1, from, server, "undionly.kpxe", &fates, PATIENCE).await.unwrap();
        assert_eq!(fetched.bytes, bytes.len() as u64);
        assert_eq!(fetched.kept, bytes[..KEPT]);
        assert_eq!(told.recv().unwrap(), from);
    }
}

#[tokio::test]
async fn a_refusal_and_a_dead_server_are_told() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let SocketAddr::V4(address) = server.local_addr().unwrap() else { unreachable!() };
    let refusing = tokio::spawn(async move {
        let mut buffer = [0; 2048];
        let (_, peer) = server.recv_from(&mut buffer).await.unwrap();
        server.send_to(b"\0\x05\0\x01no such file\0", peer).await.unwrap();
    });
    let error = fetch(1, Ipv4Addr::LOCALHOST, address, "x", &Fates::new(1), PATIENCE).await.unwrap_err();
    assert!(matches!(error, NetError::Refused { code: 1, .. }), "{error}");
    refusing.await.unwrap();
}

#[tokio::test]
async fn silence_is_told_after_five_waits_each_twice_as_long() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let SocketAddr::V4(address) = server.local_addr().unwrap() else { unreachable!() };
    let (begun, patience) = (Instant::now(), Duration::from_millis(4));
    let error = fetch(1, Ipv4Addr::LOCALHOST, address, "x", &Fates::new(1), patience).await.unwrap_err();
    assert!(matches!(error, NetError::Silent { .. }), "{error}");
    assert!(begun.elapsed() >= patience * 31, "{:?}", begun.elapsed());
    let mut buffer = [0; 100];
    for _ in 0..TRIES {
        let request = tokio::time::timeout(Duration::from_secs(5), server.recv(&mut buffer)).await.unwrap();
        assert_eq!(buffer[..request.unwrap()][..5], *b"\0\x01x\0o", "each time it is asked for again");
    }
}
