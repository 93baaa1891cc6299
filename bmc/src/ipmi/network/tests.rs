//! The shared sockets on loopback.

use super::*;

async fn soon(wake: &Notify) {
    tokio::time::timeout(Duration::from_secs(10), wake.notified()).await.expect("nothing came");
}

/// An address where nothing listens.
fn closed(host: &str) -> Option<SocketAddr> {
    std::net::UdpSocket::bind((host, 0)).ok()?.local_addr().ok()
}

fn sockets(network: &Network) -> usize {
    network.sockets.lock().unwrap().iter().filter(|socket| socket.strong_count() > 0).count()
}

#[tokio::test]
async fn sockets_are_few_and_end_with_their_sessions() {
    let network = Network::default();
    let attach =
        |number: u16| network.attach(([127, 0, 0, 1], 20_000 + number).into(), Arc::default()).unwrap();
    let all: Vec<Attachment> = (0..300).map(attach).collect();
    assert_eq!(sockets(&network), 2);
    // A second session with one BMC is on the other socket, and a third needs its own.
    let more = [attach(0), attach(0)];
    assert_eq!(sockets(&network), 3);
    let v6 = network.attach("[::1]:20000".parse().unwrap(), Arc::default());
    assert_eq!(sockets(&network), 3 + usize::from(v6.is_ok()));
    drop((all, more, v6));
    assert_eq!(sockets(&network), 0);
}

#[tokio::test]
async fn a_closed_port_is_told_to_its_session_only() {
    let network = Network::default();
    for host in ["127.0.0.1", "::1"] {
        let Some(nobody) = closed(host) else { continue };
        let somebody = tokio::net::UdpSocket::bind((host, 0)).await.unwrap();
        let wakes: [Arc<Notify>; 2] = Default::default();
        let dead = network.attach(nobody, Arc::clone(&wakes[0])).unwrap();
        let good = network.attach(somebody.local_addr().unwrap(), Arc::clone(&wakes[1])).unwrap();
        for number in 0..5 {
            dead.send(b"?").unwrap();
            // The error of the other datagram does not cost this one.
            good.send(&[number]).unwrap();
            let mut buffer = [0; 9];
            let (length, from) = somebody.recv_from(&mut buffer).await.unwrap();
            assert_eq!(buffer[..length], [number]);
            somebody.send_to(b"!", from).await.unwrap();
            soon(&wakes[0]).await;
            soon(&wakes[1]).await;
            assert!(matches!(dead.take(), Some(Incoming::Trouble(Trouble::PortClosed))), "{host}");
            assert!(matches!(good.take(), Some(Incoming::Datagram(bytes)) if *bytes == *b"!"), "{host}");
            assert!(dead.take().is_none() && good.take().is_none(), "{host}");
        }
    }
}

#[tokio::test]
async fn strangers_are_not_heard() {
    let network = Network::default();
    let peer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let wake = Arc::new(Notify::new());
    let session = network.attach(peer.local_addr().unwrap(), Arc::clone(&wake)).unwrap();
    session.send(b"?").unwrap();
    let (_, from) = peer.recv_from(&mut [0; 9]).await.unwrap();
    stranger.send_to(b"forged", from).await.unwrap();
    peer.send_to(b"real", from).await.unwrap();
    soon(&wake).await;
    assert!(matches!(session.take(), Some(Incoming::Datagram(bytes)) if *bytes == *b"real"));
    assert!(session.take().is_none());
}
