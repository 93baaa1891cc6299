//! Each way in which a BMC's address, certificate or TLS can be wrong, and the sentence for it.

use crate::redfish::Redfish;
use crate::redfish::rig::{Rig, endpoint, options};
use crate::redfish::timing::QUICK;
use crate::{Bmc as _, BmcError, Endpoint, Protocol, Trust};
use bmc_mock::MemoryChassis;
use bmc_mock::redfish::{Authority, Certificate, Effect, Fault};
use rustls::CertificateError;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A BMC that shows this, and a driver that believes this authority.
async fn believing(authority: &Authority, certificate: Certificate) -> (Rig, Redfish) {
    let chassis = Arc::new(MemoryChassis::new());
    let options = options(chassis.clone()).with_certificate(certificate);
    let rig = Rig::start(&options, chassis, "127.0.0.1:0").await;
    let protocol = Protocol::Redfish { trust: Trust::Authorities(authority.pem().to_owned()) };
    let bmc = Redfish::with_timing(&Endpoint { protocol, ..rig.endpoint(None) }, QUICK);
    (rig, bmc)
}

#[tokio::test]
async fn a_certificate_of_the_authority_is_believed() {
    let authority = Arc::new(Authority::new().unwrap());
    let (rig, bmc) = believing(&authority, Certificate::issued_by(&authority)).await;
    assert_eq!(bmc.info().await.unwrap().tls_sha256, Some(rig.fingerprint));
}

#[tokio::test]
async fn other_certificates_are_not_believed_and_told_why() {
    let authority = Arc::new(Authority::new().unwrap());
    let stranger = Arc::new(Authority::new().unwrap());
    for (certificate, told) in [
        (Certificate::own(), "authorities in tls_ca"),
        (Certificate::issued_by(&stranger), "authorities in tls_ca"),
        (Certificate::issued_by(&authority).expired(), "expired"),
        (Certificate::issued_by(&authority).named(&["other.example"]), "other.example"),
    ] {
        let (rig, bmc) = believing(&authority, certificate).await;
        let error = bmc.power().await.unwrap_err();
        assert!(matches!(error, BmcError::Untrusted { .. }), "{error:?}");
        assert!(
            error.to_string().contains(told)
                && !error.to_string().contains("DnsName")
                && error.to_string().contains(&rig.address.to_string()),
            "{error}"
        );
        assert_eq!(rig.controls.requests(), 0);
    }
}

#[test]
fn what_webpki_says_is_put_into_words() {
    #[derive(Debug, thiserror::Error)]
    #[error("x")]
    struct CaUsedAsEndEntity;
    #[derive(Debug, thiserror::Error)]
    #[error("x")]
    struct UnsupportedCertVersion;
    let other = |error: Arc<dyn std::error::Error + Send + Sync>| {
        super::of_certificate(&CertificateError::Other(rustls::OtherError(error)))
    };
    let own = other(Arc::new(CaUsedAsEndEntity));
    assert!(own.contains("it signed itself") && own.contains("tls_sha256"), "{own}");
    assert_eq!(other(Arc::new(UnsupportedCertVersion)), "it can't be verified: UnsupportedCertVersion");
    for (shown, name) in
        [("DnsName(\"a.example\")", "a.example"), ("IpAddress(10.0.0.1)", "10.0.0.1"), ("b", "b")]
    {
        assert_eq!(super::bare(shown), name);
    }
}

#[tokio::test]
async fn a_web_server_is_no_bmc() {
    let rig = Rig::new().await;
    rig.controls.add_fault(Fault::new(Effect::Answer(200, "<html>Welcome</html>".into())));
    let error = rig.redfish.power().await.unwrap_err();
    assert!(matches!(&error, BmcError::NotABmc { what, .. } if what.contains("web server")), "{error:?}");
    assert!(rig.controls.seen().iter().all(|seen| !seen.credentials));
}

#[tokio::test]
async fn a_certificate_that_changes_is_not_believed_though_the_tls_session_could_go_on() {
    let rig = Rig::new().await;
    rig.redfish.power().await.unwrap();
    let seen = rig.controls.set_certificate(&Certificate::own(), rig.address.ip()).unwrap();
    let error = rig.redfish.power().await.unwrap_err();
    assert!(
        matches!(&error, BmcError::WrongCertificate { seen: shown, .. } if *shown == hex::encode(seen)),
        "{error:?}"
    );
}

#[tokio::test]
async fn connections_come_back_with_a_ticket() {
    let rig = Rig::new().await;
    rig.redfish.power().await.unwrap();
    for _ in 0..3 {
        rig.controls.cut_connections();
        rig.redfish.power().await.unwrap();
    }
    assert_eq!(rig.controls.connections(), 4);
}

#[tokio::test]
async fn plain_http_is_told() {
    let chassis = Arc::new(MemoryChassis::new());
    let plain = Rig::start(&options(chassis.clone()).without_tls(), chassis, "127.0.0.1:0").await;
    let bmc = Redfish::with_timing(&plain.endpoint(None), QUICK);
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(&error, BmcError::NotABmc { what, .. } if what.contains("plain http")), "{error:?}");
    // Nothing that is secret was said.
    assert!(plain.controls.seen().iter().all(|seen| !seen.credentials));
}

/// What answers with these bytes, whatever it is asked.
async fn answering(bytes: &'static [u8]) -> Redfish {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Closing with bytes unread would reset the connection, and the answer be lost.
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(bytes).await;
        }
    });
    Redfish::with_timing(&endpoint(address, "secret", None), QUICK)
}

#[tokio::test]
async fn old_tls_is_told() {
    // An alert: protocol_version (RFC 5246 section 7.2), as a server sends it that speaks TLS 1.0 at the most.
    let refusing = answering(b"\x15\x03\x01\x00\x02\x02\x46").await;
    // A ServerHello that chooses TLS 1.0.
    let mut hello = b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01".to_vec();
    hello.extend([7; 32]);
    hello.extend(b"\x00\x00\x2f\x00");
    let choosing = answering(Box::leak(hello.into_boxed_slice())).await;
    for bmc in [refusing, choosing] {
        let error = bmc.power().await.unwrap_err();
        assert!(
            matches!(&error, BmcError::Unsupported { what, .. } if what.contains("TLS 1.2")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn no_common_cipher_is_told() {
    // An alert: handshake_failure.
    let error = answering(b"\x15\x03\x03\x00\x02\x02\x28").await.power().await.unwrap_err();
    assert!(matches!(&error, BmcError::Unsupported { what, .. } if what.contains("cipher")), "{error:?}");
}

#[tokio::test]
async fn a_closed_port_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = Redfish::with_timing(&endpoint(address, "secret", None), QUICK).power().await.unwrap_err();
    assert!(
        matches!(&error, BmcError::Unreachable { reason: Some(reason), .. } if reason.contains("refused")),
        "{error:?}"
    );
}

#[tokio::test]
async fn tls_12_is_spoken() {
    let chassis = Arc::new(MemoryChassis::new());
    let options = options(chassis.clone()).with_certificate(Certificate::own().over_tls12());
    let rig = Rig::start(&options, chassis, "127.0.0.1:0").await;
    rig.redfish.power().await.unwrap();
    rig.controls.cut_connections();
    rig.redfish.power().await.unwrap();
    let bad = Redfish::with_timing(&rig.endpoint(Some([1; 32])), QUICK);
    assert!(matches!(bad.power().await.unwrap_err(), BmcError::WrongCertificate { .. }));
}

#[tokio::test]
async fn a_bad_tls_ca_is_a_matter_of_settings() {
    let rig = Rig::new().await;
    let protocol = Protocol::Redfish { trust: Trust::Authorities("nothing".into()) };
    let bmc = Redfish::with_timing(&Endpoint { protocol, ..rig.endpoint(None) }, QUICK);
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(&error, BmcError::Unsupported { what, .. } if what.contains("tls_ca")), "{error:?}");
    assert_eq!(rig.controls.requests(), 0);
}
