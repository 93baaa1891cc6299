//! Connections: certificates, cuts, the BMC's restart, many BMCs behind one port.

use super::*;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::DropGuard;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Running {
    controls: Arc<Controls>,
    address: SocketAddr,
    fingerprint: [u8; 32],
    _stop: DropGuard,
}

fn options() -> Options {
    Options::new("admin", "secret", Arc::new(MemoryChassis::new()), Identity::default())
}

async fn run(options: Options) -> Running {
    let server = Server::start(SocketAddr::new(LOOPBACK, 0), &options).await.unwrap();
    let stop = CancellationToken::new();
    let running = Running {
        controls: server.controls(),
        address: server.local_addr(),
        fingerprint: server.certificate_sha256(),
        _stop: stop.clone().drop_guard(),
    };
    tokio::spawn(server.run(stop));
    running
}

/// Asks for a path over a plain connection; what came before it ended.
async fn plain(stream: &mut TcpStream, path: &str) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: bmc\r\nAuthorization: {}\r\nConnection: close\r\n\r\n",
        BASIC.1
    );
    // The other side may have gone already.
    let _cut = stream.write_all(request.as_bytes()).await;
    let mut said = vec![];
    let _cut = stream.read_to_end(&mut said).await;
    String::from_utf8(said).unwrap()
}

/// Why a client that trusts this authority does not believe it; `None`: it does. And the TLS version.
async fn handshake(address: SocketAddr, authority: &Authority) -> Result<rustls::ProtocolVersion, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::IpAddress(LOOPBACK.into());
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream = stream.map_err(|error| error.to_string())?;
    Ok(stream.get_ref().1.protocol_version().unwrap())
}

#[tokio::test]
async fn certificates_are_as_asked_for() {
    let authority = Arc::new(Authority::new().unwrap());
    let issued = || Certificate::issued_by(&authority);
    for (certificate, wrong) in [
        (issued(), None),
        (issued().expired(), Some("expired")),
        (issued().named(&["elsewhere.example"]), Some("not valid for name")),
        (Certificate::own(), Some("UnknownIssuer")),
    ] {
        let bmc = run(options().with_certificate(certificate)).await;
        match (handshake(bmc.address, &authority).await, wrong) {
            (Ok(_), None) => {}
            (Err(why), Some(wrong)) => assert!(why.contains(wrong), "{why}"),
            (found, wrong) => panic!("{found:?} instead of {wrong:?}"),
        }
    }
    let bmc = run(options().with_certificate(issued().over_tls12())).await;
    let version = handshake(bmc.address, &authority).await.unwrap();
    assert_eq!(version, rustls::ProtocolVersion::TLSv1_2);
}

#[tokio::test]
async fn a_certificate_changes_while_it_runs() {
    let authority = Arc::new(Authority::new().unwrap());
    let bmc = run(options()).await;
    assert!(handshake(bmc.address, &authority).await.is_err());
    let new = bmc.controls.set_certificate(&Certificate::issued_by(&authority), LOOPBACK).unwrap();
    assert_ne!(new, bmc.fingerprint);
    handshake(bmc.address, &authority).await.unwrap();
}

#[tokio::test]
async fn plain_http_and_answers_that_break_off() {
    let bmc = run(options().without_tls()).await;
    let ask = async || {
        let mut stream = TcpStream::connect(bmc.address).await.unwrap();
        plain(&mut stream, SYSTEM).await
    };
    let whole = ask().await;
    assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with('}'), "{whole}");
    bmc.controls.add_fault(Fault::new(Effect::Truncate(10)).times(1));
    let part = ask().await;
    let (_, body) = part.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), 10);
    bmc.controls.add_fault(Fault::new(Effect::Cut).times(1));
    assert_eq!(ask().await, "");
    assert_eq!(ask().await, whole);
    assert_eq!(bmc.controls.connections(), 4);
}

#[tokio::test]
async fn a_restart_cuts_connections_and_lets_nobody_in_for_a_while() {
    let bmc = run(options().without_tls()).await;
    let mut idle = TcpStream::connect(bmc.address).await.unwrap();
    // Taken in for sure when the next one was answered.
    let ask = async || plain(&mut TcpStream::connect(bmc.address).await.unwrap(), SYSTEM).await;
    assert!(ask().await.starts_with("HTTP/1.1 200"));
    bmc.controls.restart(Duration::from_secs(3600));
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert_eq!(ask().await, "");
    bmc.controls.restart(Duration::ZERO);
    assert!(ask().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn somebody_restarts_it_by_redfish() {
    let chassis = Arc::new(MemoryChassis::new());
    let bmc = run(Options::new("admin", "secret", chassis, Identity::default()).without_tls()).await;
    bmc.controls.parts().manager.set_downtime(Duration::ZERO);
    let mut idle = TcpStream::connect(bmc.address).await.unwrap();
    let mut stream = TcpStream::connect(bmc.address).await.unwrap();
    let body = "{\"ResetType\":\"ForceRestart\"}";
    let request = format!(
        "POST /redfish/v1/Managers/1/Actions/Manager.Reset HTTP/1.1\r\nHost: bmc\r\nAuthorization: {}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        BASIC.1,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = vec![];
    stream.read_to_end(&mut said).await.unwrap();
    assert!(said.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&said));
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert_eq!(bmc.controls.parts().manager.restarts(), 1);
}

#[tokio::test]
async fn a_fleet_is_many() {
    let fleet = Fleet::bind("0.0.0.0:0".parse().unwrap(), None).await.unwrap();
    let port = fleet.local_addr().port();
    let address = |last: u8| SocketAddr::from(([127, 77, 3, last], port));
    let named = |name: &str| {
        let identity = Identity { name: name.into(), ..Identity::default() };
        Options::new("admin", "secret", Arc::new(MemoryChassis::new()), identity)
    };
    let first = fleet.add(address(1).ip(), &named("one"));
    fleet.add(address(2).ip(), &named("two").with_profile(Profile::Dell));
    assert!(fleet.controls(address(3).ip()).is_none());
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(fleet.run(stop));
    let ask =
        async |last: u8, path: &str| plain(&mut TcpStream::connect(address(last)).await.unwrap(), path).await;
    assert!(ask(1, SYSTEM).await.contains("\"one\""));
    assert!(ask(2, "/redfish/v1/Systems/System.Embedded.1").await.contains("\"two\""));
    assert_eq!(ask(3, SYSTEM).await, "");
    assert_eq!(first.requests(), 1);
}
