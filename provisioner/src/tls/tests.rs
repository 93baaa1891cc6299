//! First start, later starts, and folders that somebody or something has been at.

use super::{Identity, TlsError, certificate, names};
use crate::config;
use jiff::{SignedDuration, Timestamp};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn now() -> Timestamp {
    crate::clock::now()
}

fn open(data: &Path, names: &[&str]) -> Result<Identity, TlsError> {
    Identity::open(data, &set(names), now())
}

/// The server's certificate.
fn leaf(identity: &Identity) -> CertificateDer<'static> {
    identity.current.get().cert[0].clone()
}

/// A client that trusts this CA alone, and knows no server yet.
fn trusting(ca_pem: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// A whole handshake with a server under this name, with the tickets after it; how it went.
fn handshake(
    client: &Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &str,
) -> Result<Option<HandshakeKind>, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(server)?;
    while client.wants_write() || server.wants_write() {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut there).unwrap();
        }
        server.read_tls(&mut there.as_slice()).unwrap();
        server.process_new_packets()?;
        while server.wants_write() {
            server.write_tls(&mut back).unwrap();
        }
        client.read_tls(&mut back.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking(), "nobody has anything to say any more");
    Ok(client.handshake_kind())
}

/// Whether a client that trusts `ca_pem` completes a handshake with the server under this name.
fn shakes_hands(identity: &Identity, ca_pem: &str, name: &str) -> Result<(), rustls::Error> {
    handshake(&trusting(ca_pem), identity.server_config().unwrap(), name).map(|_| ())
}

#[test]
fn an_agents_next_connection_is_spared_the_signature_however_many_others_came_between() {
    let folder = tempfile::tempdir().unwrap();
    let identity = open(folder.path(), &["localhost"]).unwrap();
    let server = identity.server_config().unwrap();
    let shake = |client: &Arc<ClientConfig>, server: &Arc<ServerConfig>| {
        handshake(client, Arc::clone(server), "localhost").unwrap()
    };
    let client = || trusting(identity.ca_pem());
    let first = client();
    assert_ne!(shake(&first, &server), Some(HandshakeKind::Resumed));
    // More than a server without tickets would remember.
    for _ in 0..300 {
        assert_ne!(shake(&client(), &server), Some(HandshakeKind::Resumed));
    }
    assert_eq!(shake(&first, &server), Some(HandshakeKind::Resumed));
    let other = identity.server_config().unwrap();
    assert_ne!(shake(&first, &other), Some(HandshakeKind::Resumed), "the keys are each process's own");
}

#[test]
fn clients_with_our_ca_accept_each_name_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let identity = open(folder.path(), &["localhost", "10.77.0.1", "billet.example.org", "fd00::1"]).unwrap();
    for name in ["localhost", "10.77.0.1", "billet.example.org", "fd00::1"] {
        shakes_hands(&identity, identity.ca_pem(), name).unwrap();
    }
    for name in ["example.org", "10.77.0.2"] {
        assert!(shakes_hands(&identity, identity.ca_pem(), name).is_err(), "{name}");
    }
    let other = tempfile::tempdir().unwrap();
    let stranger = open(other.path(), &["localhost"]).unwrap();
    assert!(shakes_hands(&identity, stranger.ca_pem(), "localhost").is_err());
}

#[test]
fn a_second_start_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), &["localhost", "a"]).unwrap();
    let second = open(folder.path(), &["localhost"]).unwrap();
    assert_eq!(first.ca_pem(), second.ca_pem());
    assert_eq!(leaf(&first), leaf(&second), "fewer names are no reason for another certificate");
}

#[test]
fn secrets_are_private_and_the_ca_certificate_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let identity = open(folder.path(), &["localhost"]).unwrap();
    let mode =
        |name: &str| fs::metadata(folder.path().join("tls").join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("ca.key"), mode("server.pem"), mode("ca.pem")), (0o700, 0o600, 0o600, 0o644));
    assert!(!format!("{identity:?}").contains("PRIVATE"));
    assert!(!identity.ca_pem().contains("PRIVATE"));
}

#[test]
fn a_new_name_makes_a_new_certificate_of_the_same_ca() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), &["localhost"]).unwrap();
    let second = open(folder.path(), &["localhost", "10.9.9.9"]).unwrap();
    assert_ne!(leaf(&first), leaf(&second));
    shakes_hands(&second, first.ca_pem(), "10.9.9.9").unwrap();
}

#[test]
fn a_certificate_is_made_anew_before_it_ends_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let identity = open(folder.path(), &["localhost"]).unwrap();
    let server = identity.server_config().unwrap();
    let old = leaf(&identity);
    let days = |days: i64| now() + SignedDuration::from_hours(24 * days);
    assert!(!identity.renew(days(334)).unwrap());
    assert_eq!(leaf(&identity), old);
    assert!(identity.renew(days(336)).unwrap());
    assert_ne!(leaf(&identity), old);
    assert!(!identity.renew(days(336)).unwrap(), "once is enough");
    drop(server);
    let next = Identity::open(folder.path(), &set(&["localhost"]), days(337)).unwrap();
    assert_eq!(leaf(&next), leaf(&identity), "what was renewed is what the next start finds");
    shakes_hands(&identity, identity.ca_pem(), "localhost").unwrap();
}

#[test]
fn an_ended_ca_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let identity = open(folder.path(), &["localhost"]).unwrap();
    let near = now() + SignedDuration::from_hours(24 * 3645);
    Identity::open(folder.path(), &set(&["localhost"]), near).unwrap();
    assert!(!Identity::open(folder.path(), &set(&["localhost"]), near).unwrap().renew(near).unwrap());
    drop(identity);
    let late = now() + SignedDuration::from_hours(24 * 3651);
    let refused = Identity::open(folder.path(), &set(&["localhost"]), late);
    assert!(matches!(refused, Err(TlsError::Expired { .. })), "{refused:?}");
}

/// `kill -9` between any two files of the first start.
#[test]
fn a_first_start_that_was_cut_short_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), &["localhost"]).unwrap();
    let file = |name: &str| folder.path().join("tls").join(name);
    fs::remove_file(file("server.pem")).unwrap();
    let second = open(folder.path(), &["localhost"]).unwrap();
    assert_eq!(second.ca_pem(), first.ca_pem());
    fs::remove_file(file("server.pem")).unwrap();
    fs::remove_file(file("ca.pem")).unwrap();
    fs::write(file("ca.pem.new"), "half a certif").unwrap();
    let third = open(folder.path(), &["localhost"]).unwrap();
    // Whoever got the first ca.pem still trusts this server.
    shakes_hands(&third, first.ca_pem(), "localhost").unwrap();
}

#[test]
fn damaged_folders_are_refused_with_a_sentence() {
    type Damage = fn(&Path);
    let table: [(&str, Damage); 7] = [
        ("ca.key holds a secret and others may read it (mode 644); run `chmod 600`", |folder| {
            fs::set_permissions(folder.join("ca.key"), fs::Permissions::from_mode(0o644)).unwrap();
        }),
        ("server.pem holds a secret and others may read it", |folder| {
            fs::set_permissions(folder.join("server.pem"), fs::Permissions::from_mode(0o660)).unwrap();
        }),
        ("ca.key is damaged: it holds no private key; restore the folder", |folder| {
            halve(&folder.join("ca.key"))
        }),
        ("ca.pem is damaged: it holds no certificate", |folder| halve(&folder.join("ca.pem"))),
        ("server.pem is damaged: it holds no private key; delete it", |folder| {
            fs::write(folder.join("server.pem"), "").unwrap();
        }),
        ("ca.key is damaged: it is gone, but ca.pem is there", |folder| {
            fs::remove_file(folder.join("ca.key")).unwrap()
        }),
        ("ca.pem is damaged: it does not belong to the key in ca.key", |folder| {
            let other = tempfile::tempdir().unwrap();
            let other = open(other.path(), &["localhost"]).unwrap();
            fs::write(folder.join("ca.pem"), other.ca_pem()).unwrap();
        }),
    ];
    for (want, damage) in table {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), &["localhost"]).unwrap();
        damage(&folder.path().join("tls"));
        let said = open(folder.path(), &["localhost"]).unwrap_err().to_string();
        assert!(said.contains(want), "{said}");
    }
}

/// Keeps the first half of a file.
fn halve(path: &Path) {
    let content = fs::read(path).unwrap();
    fs::write(path, &content[..content.len() / 2]).unwrap();
}

#[test]
fn a_server_certificate_of_another_ca_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let identity = open(folder.path(), &["localhost"]).unwrap();
    open(other.path(), &["localhost"]).unwrap();
    fs::copy(other.path().join("tls/server.pem"), folder.path().join("tls/server.pem")).unwrap();
    let again = open(folder.path(), &["localhost"]).unwrap();
    shakes_hands(&again, identity.ca_pem(), "localhost").unwrap();
}

#[test]
fn a_certificate_without_its_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &["localhost"]).unwrap();
    let pem = fs::read_to_string(folder.path().join("tls/server.pem")).unwrap();
    let key_only = pem.split_once("-----BEGIN CERTIFICATE").unwrap().0;
    assert_eq!(certificate::read(key_only.as_bytes()).unwrap_err(), "its certificates are missing");
}

#[test]
fn the_names_of_a_service() {
    let config = config::Config {
        data: "/d".into(),
        database: None,
        api: config::Api {
            listen: "192.0.2.7:7443".parse().unwrap(),
            names: vec!["Billet.Example.org".to_owned(), "FD00::0001".to_owned()],
            session: config::SESSION,
            rate: config::Rate::default(),
        },
        boot: config::Boot {
            kernel_arm64: None,
            ramdisk_arm64: None,
            rescue: None,
            rescue_arm64: None,
            stub_x64: None,
            stub_arm64: None,
            http_port: 1,
            dhcp_port: 2,
            tftp_port: 3,
            kernel: "/k".into(),
            ramdisk: "/r".into(),
            ipxe: "/i".into(),
            kernel_parameters: Vec::new(),
        },
        bmc: Default::default(),
        images: Default::default(),
        console: config::Console::default(),
        networks: Vec::new(),
        limits: provisioner_lifecycle::Limits::default(),
        history: config::History::default(),
        freeze_on_clock_leap: true,
        log: config::Log { filter: "info".to_owned(), json: false },
        telemetry: None,
    };
    let want = set(&["127.0.0.1", "192.0.2.7", "billet.example.org", "fd00::1", "head", "localhost"]);
    assert_eq!(names(&config, Some("head")), want);
}
