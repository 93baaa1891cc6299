use super::*;
use images_agent::ServiceError;
use provisioner_api::{Inventory, Secret, agent::ClaimRequest};
use std::net::UdpSocket;
use tokio::net::TcpListener;

/// Wires to this service, and their relay at an address of each test's own.
async fn wires(api: SocketAddr, last: u8, stop: &CancellationToken) -> Arc<Wires> {
    let relay = Ipv4Addr::new(127, 64, 201, last);
    let dhcp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let key = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let site = Site {
        api: format!("https://{api}"),
        ca_pem: key.cert.pem(),
        permit_key: "00".repeat(32).parse().unwrap(),
        token: Secret::new("t"),
        boot_http: api,
        dhcp: SocketAddrV4::new(Ipv4Addr::LOCALHOST, dhcp),
        tftp: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9),
        relay,
    };
    Wires::new(&site, Eyes::new(None), 1, stop.clone()).await.unwrap()
}

#[tokio::test]
async fn an_agent_calls_from_the_address_that_its_machine_was_leased() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (api, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let wires = wires(api, 1, &stop).await;
    let from = Ipv4Addr::new(127, 64, 9, 9);
    let agent = wires.agent(3, Some(from), &format!("https://{api}"), Arc::new(|_| {})).unwrap();
    let claim = ClaimRequest {
        token: Secret::new("t"),
        nonce: "00".to_owned(),
        inventory: Inventory::default(),
        agent_version: "1".to_owned(),
    };
    // Who hangs up before TLS is no service; where the call came from is all that is wanted.
    let hang_up = async { listener.accept().await.unwrap().1.ip() };
    let (answer, peer) = tokio::join!(agent.claim(&claim), hang_up);
    assert_eq!(peer, from);
    assert!(matches!(answer, Err(ServiceError::Unavailable { .. })), "{:?}", answer.err());
    assert_eq!(wires.traffic().agent, (0, 1));
    assert!(matches!(
        wires.agent(3, None, "http://not-https", Arc::new(|_| {})),
        Err(NetError::BadUrl { .. })
    ));
    stop.cancel();
}

#[tokio::test]
async fn no_more_sockets_are_open_than_there_are_slots() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (api, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let wires = wires(api, 2, &stop).await;
    let all = wires.slots.clone().acquire_many_owned(u32::try_from(SLOTS).unwrap()).await.unwrap();
    let mut fetching = std::pin::pin!(wires.http_get(1, None, "/boot/x", 10));
    let waits = still_waits(fetching.as_mut()).await;
    assert!(waits, "without a slot nothing is connected");
    drop(all);
    let answer = async {
        use tokio::io::AsyncWriteExt;
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        stream
    };
    let (fetched, _stream) = tokio::join!(fetching, answer);
    assert_eq!(fetched, Ok(Fetched { bytes: 2, kept: b"ok".to_vec() }));
    assert_eq!(wires.slots.available_permits(), SLOTS);
    stop.cancel();
}

/// Polls once; whether it still waits.
async fn still_waits(mut future: std::pin::Pin<&mut (impl Future + ?Sized)>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
}
