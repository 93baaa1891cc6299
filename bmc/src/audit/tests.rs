//! Audits of simulated BMCs on loopback.

use super::*;
use crate::{Cipher, Credentials, Privilege};
use bmc_mock::ipmi::Openness;
use bmc_mock::redfish::{Certificate, Controls, Effect, Fault, Identity, Options, Profile, Server, User};
use bmc_mock::{MemoryChassis, ipmi};
use bmc_proto::audit::TlsAnswer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A simulated BMC that speaks Redfish.
struct Rig {
    controls: Arc<Controls>,
    address: SocketAddr,
    pin: [u8; 32],
    _stop: DropGuard,
}

impl Rig {
    async fn start(options: Options) -> Self {
        let server = Server::start("127.0.0.1:0".parse().unwrap(), &options).await.unwrap();
        let (address, controls, pin) = (server.local_addr(), server.controls(), server.certificate_sha256());
        controls.watch();
        controls.set_lock_out(5, Duration::from_secs(60));
        let stop = CancellationToken::new();
        tokio::spawn(server.run(stop.clone()));
        Self { controls, address, pin, _stop: stop.drop_guard() }
    }

    fn endpoint(&self, username: &str, password: &str) -> Endpoint {
        let protocol = Protocol::Redfish { trust: Trust::Pinned(self.pin) };
        endpoint(protocol, self.address.port(), username, password)
    }

    async fn audit(&self, username: &str, password: &str) -> Audit {
        audit(&self.endpoint(username, password), &options()).await.unwrap()
    }
}

fn endpoint(protocol: Protocol, port: u16, username: &str, password: &str) -> Endpoint {
    let password = String::from(password).into();
    let credentials = Credentials { username: username.into(), password, bmc_key: None };
    Endpoint { protocol, host: "127.0.0.1".into(), port: Some(port), credentials, keeper: None }
}

/// Only what the test itself started: the other ports are those of nobody.
fn options() -> AuditOptions {
    AuditOptions { logins: true, ipmi_port: Some(1), https_port: None, http_port: Some(1) }
}

async fn audit(endpoint: &Endpoint, options: &AuditOptions) -> Result<Audit, BmcError> {
    let drivers = Drivers::default();
    let bmc = drivers.connect(endpoint.clone());
    let audit = drivers.audit(&*bmc, endpoint, options).await;
    bmc.close().await;
    audit
}

fn of(profile: Profile) -> Options {
    let chassis = Arc::new(MemoryChassis::new());
    Options::new("billet", "right", chassis, Identity { name: "x".into(), ..Identity::default() })
        .with_profile(profile)
}

fn ids(audit: &Audit) -> Vec<&'static str> {
    audit.findings.iter().map(|finding| finding.rule.id()).collect()
}

#[tokio::test]
async fn nothing_bad_is_found_where_nothing_is() {
    let rig = Rig::start(of(Profile::Lenovo)).await;
    let audit = rig.audit("billet", "right").await;
    assert_eq!(ids(&audit), ["certificate-self-signed"], "{audit:?}");
    assert_eq!((audit.unchecked.len(), audit.tried.len()), (0, 0), "{audit:?}");
    assert_eq!((rig.controls.refused_logins(), rig.controls.sessions()), (0, 0));
}

#[tokio::test]
async fn a_makers_password_is_found_with_one_login() {
    let rig = Rig::start(of(Profile::Dell).with_user(User::administrator("root", "calvin"))).await;
    let audit = rig.audit("billet", "right").await;
    assert_eq!((ids(&audit)[0], audit.tried.as_slice()), ("default-password", &["root".to_owned()][..]));
    assert_eq!(rig.controls.refused_logins(), 0);
    let told = format!("{audit:?}");
    assert!(!told.contains("calvin"), "whoever reads it does not get the password handed: {told}");
    assert!(ids(&audit).contains(&"other-administrators") && ids(&audit).contains(&"default-user-name"));
    // One that has to be changed at the first login is known to everybody all the same.
    rig.controls.require_password_change("root");
    assert_eq!(ids(&rig.audit("billet", "right").await)[0], "default-password");
    assert_eq!(rig.controls.sessions(), 0);

    let rig = Rig::start(of(Profile::Dell).with_user(User::administrator("root", "other"))).await;
    let audit = rig.audit("billet", "right").await;
    assert!(!ids(&audit).contains(&"default-password"), "{audit:?}");
    assert_eq!((audit.tried.len(), rig.controls.refused_logins()), (1, 1), "tried, and once");
}

#[tokio::test]
async fn our_own_user_is_never_tried() {
    let chassis = Arc::new(MemoryChassis::new());
    let identity = Identity { name: "x".into(), ..Identity::default() };
    for (password, found) in [("right", false), ("calvin", true)] {
        let options =
            Options::new("root", password, chassis.clone(), identity.clone()).with_profile(Profile::Dell);
        let rig = Rig::start(options).await;
        let audit = rig.audit("root", password).await;
        assert_eq!(ids(&audit).contains(&"default-password"), found, "{audit:?}");
        assert_eq!((audit.tried.len(), rig.controls.refused_logins()), (0, 0));
    }
}

#[tokio::test]
async fn no_login_is_tried_when_none_is_wanted_or_one_would_lock() {
    let rig = Rig::start(of(Profile::Dell).with_user(User::administrator("root", "calvin"))).await;
    let without = AuditOptions { logins: false, ..options() };
    let audit = audit(&rig.endpoint("billet", "right"), &without).await.unwrap();
    assert!(audit.tried.is_empty() && audit.unchecked[0].contains("as was asked for"), "{audit:?}");
    rig.controls.set_lock_out(1, Duration::from_secs(60));
    let audit = rig.audit("billet", "right").await;
    assert!(audit.tried.is_empty() && audit.unchecked[0].contains("locks a user out"), "{audit:?}");
}

#[tokio::test]
async fn it_stops_at_the_first_user_that_is_locked_out() {
    let options = of(Profile::Generic)
        .with_user(User::administrator("admin", "other"))
        .with_user(User::administrator("root", "other"));
    let rig = Rig::start(options).await;
    rig.controls.set_lock_out(2, Duration::from_secs(60));
    // Somebody else was wrong before.
    let endpoint = rig.endpoint("billet", "right");
    assert!(!crate::redfish::lets_in(&endpoint, "admin", "wrong").await.unwrap());
    let audit = rig.audit("billet", "right").await;
    assert_eq!(audit.tried, ["admin"], "{audit:?}");
    assert!(audit.unchecked.iter().any(|what| what.contains("`admin` is locked out now")), "{audit:?}");
    assert_eq!(rig.controls.refused_logins(), 2);
}

#[tokio::test]
async fn what_a_stranger_sees() {
    let rig = Rig::start(of(Profile::Lenovo)).await;
    let collection = r#"{"Members": [{"@odata.id": "/redfish/v1/Systems/1"}]}"#;
    let open = Fault::new(Effect::Answer(200, collection.into())).at("/redfish/v1/Systems").by("GET");
    rig.controls.add_fault(open);
    let plain = Rig::start(of(Profile::Lenovo).without_tls()).await;
    let options = AuditOptions { http_port: Some(plain.address.port()), ..options() };
    let audit = audit(&rig.endpoint("billet", "right"), &options).await.unwrap();
    assert_eq!(ids(&audit), ["redfish-anonymous", "http-plain", "certificate-self-signed"], "{audit:?}");
    assert!(plain.controls.requests() > 0);
    assert!(plain.controls.seen().iter().all(|seen| !seen.credentials && seen.method == "GET"));
    // Whom the driver may not believe gets no password, and is looked at all the same.
    let before = rig.controls.logins();
    let mut endpoint = rig.endpoint("billet", "right");
    endpoint.protocol = Protocol::Redfish { trust: Trust::Pinned([7; 32]) };
    let audit = super::tests::audit(&endpoint, &options).await.unwrap();
    assert!(ids(&audit).contains(&"redfish-anonymous"), "{audit:?}");
    assert!(audit.unchecked.iter().any(|what| what.contains("pinned is 0707")), "{audit:?}");
    assert_eq!((rig.controls.logins(), rig.controls.refused_logins()), (before, 0));
}

#[tokio::test]
async fn certificates() {
    let rig = Rig::start(of(Profile::Lenovo).with_certificate(Certificate::own().expired())).await;
    let mut endpoint = rig.endpoint("billet", "right");
    endpoint.protocol = Protocol::Redfish { trust: Trust::FirstUse };
    let audit = audit(&endpoint, &options()).await.unwrap();
    let expected = ["certificate-expired", "certificate-self-signed", "certificate-not-pinned"];
    assert_eq!(ids(&audit), expected, "{audit:?}");
    assert!(audit.findings[2].what.ends_with(&hex::encode(rig.pin)), "{audit:?}");
}

#[tokio::test]
async fn old_tls_is_taken_or_not() {
    let rig = Rig::start(of(Profile::Lenovo)).await;
    let at = rig.address.to_string();
    assert_eq!(web::old_tls("127.0.0.1", &at).await.unwrap(), TlsAnswer::Refused);
    // A server that takes TLS 1.0: its ServerHello as OpenSSL writes it, byte by byte.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 512];
        let length = stream.read(&mut greeting).await.unwrap();
        assert_eq!(greeting[..3], [22, 3, 1], "{length} bytes");
        for byte in hex::decode("160301004a020000460301").unwrap() {
            stream.write_all(&[byte]).await.unwrap();
            stream.flush().await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    assert_eq!(web::old_tls("localhost", &at).await.unwrap(), TlsAnswer::Accepted { minor: 1 });
}

fn ipmi_server(openness: Openness, users: Vec<ipmi::User>) -> (ipmi::Control, u16, DropGuard) {
    let chassis = Arc::new(MemoryChassis::new());
    let identity =
        ipmi::Identity { openness, maker: (10876, 1), ..ipmi::Identity::new(users, chassis, [7; 16]) };
    let server = ipmi::Server::new("127.0.0.1:0".parse().unwrap(), identity).unwrap();
    let (control, port) = (server.control(), server.local_addr().unwrap().port());
    let stop = CancellationToken::new();
    tokio::spawn(server.run(stop.clone()));
    (control, port, stop.drop_guard())
}

fn over_ipmi(port: u16) -> Endpoint {
    let protocol = Protocol::Ipmi { cipher: Cipher::Suite17, privilege: Privilege::Administrator };
    endpoint(protocol, port, "billet", "right")
}

#[tokio::test]
async fn what_ipmi_is_open_to() {
    let users =
        vec![ipmi::User::administrator("billet", "right"), ipmi::User::administrator("ADMIN", "ADMIN")];
    let all = Openness { suite_zero: true, anonymous: true, old_sessions: true };
    let (control, port, _stop) = ipmi_server(all, users.clone());
    let options = AuditOptions { ipmi_port: None, https_port: Some(1), ..options() };
    let audit = super::tests::audit(&over_ipmi(port), &options).await.unwrap();
    let expected = [
        "default-password",
        "cipher-0",
        "ipmi-anonymous",
        "ipmi-no-password",
        "ipmi-1.5",
        "ipmi-null-user",
        "firmware-advisory",
        "ipmi-hash",
        "other-administrators",
        "default-user-name",
    ];
    assert_eq!(ids(&audit), expected, "{audit:?}");
    assert_eq!((audit.tried.as_slice(), audit.unchecked.len()), (&["ADMIN".to_owned()][..], 0), "{audit:?}");
    assert_eq!((control.half_open_sessions(), control.open_sessions()), (0, 0), "all are given back");
    assert_eq!(control.refused_logins(), 0);

    // A BMC that is closed, and whose users have passwords of their own.
    let users = vec![users[0].clone(), ipmi::User::administrator("ADMIN", "other")];
    let (control, port, _stop) = ipmi_server(Openness::default(), users);
    let audit = super::tests::audit(&over_ipmi(port), &options).await.unwrap();
    let expected = ["firmware-advisory", "ipmi-hash", "other-administrators", "default-user-name"];
    assert_eq!(ids(&audit), expected, "{audit:?}");
    assert_eq!((audit.tried.len(), control.half_open_sessions()), (1, 0));
}

#[tokio::test]
async fn ipmi_beside_redfish() {
    let (_control, port, _stop) = ipmi_server(Openness::default(), vec![]);
    let rig = Rig::start(of(Profile::Lenovo)).await;
    let options = AuditOptions { ipmi_port: Some(port), ..options() };
    let audit = audit(&rig.endpoint("billet", "right"), &options).await.unwrap();
    assert_eq!(ids(&audit), ["ipmi-beside-redfish", "certificate-self-signed"], "{audit:?}");
}

#[tokio::test]
async fn a_wrong_password_of_ours_is_told_and_the_rest_looked_at() {
    let rig = Rig::start(of(Profile::Lenovo)).await;
    let audit = rig.audit("billet", "wrong").await;
    assert!(audit.unchecked[0].starts_with("what it tells users only: "), "{audit:?}");
    assert_eq!(ids(&audit), ["certificate-self-signed"], "{audit:?}");
}

#[tokio::test]
async fn nobody_there_is_an_error_and_so_is_what_is_no_bmc() {
    let protocol = Protocol::Redfish { trust: Trust::FirstUse };
    let error = audit(&endpoint(protocol, 1, "a", "b"), &options()).await.unwrap_err();
    assert!(matches!(error, BmcError::Unreachable { .. } | BmcError::NotABmc { .. }), "{error}");
    let error = audit(&endpoint(Protocol::Manual, 1, "", ""), &options()).await.unwrap_err();
    assert!(error.to_string().contains("Redfish or IPMI"), "{error}");
}
