//! The search against simulated BMCs on loopback.

use super::*;
use bmc_mock::{MemoryChassis, ipmi, redfish};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn it_finds_those_that_are_there() {
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let chassis = Arc::new(MemoryChassis::new());
    // One speaks Redfish, another IPMI; a third address has a web server that is no BMC, the others have nobody.
    let identity = redfish::Identity { name: "x".into(), ..redfish::Identity::default() };
    let server = redfish::Server::bind("127.7.0.2:0".parse().unwrap(), "a", "b", chassis.clone(), identity);
    let server = server.await.unwrap();
    let (port, fingerprint) = (server.local_addr().port(), server.certificate_sha256());
    tokio::spawn(server.run(stop.clone()));
    let users = vec![ipmi::User::administrator("a", "b")];
    let identity = ipmi::Identity::new(users, chassis, [7; 16]);
    let server = ipmi::Server::new("127.7.0.5:0".parse().unwrap(), identity).unwrap();
    let rmcp = server.local_addr().unwrap().port();
    tokio::spawn(server.run(stop.clone()));
    let other = tokio::net::TcpListener::bind(("127.7.0.3", port)).await.unwrap();
    tokio::spawn(async move { while other.accept().await.is_ok() {} });

    let subnet: Subnet = "127.7.0.0/29".parse().unwrap();
    let found = scan(subnet, ScanPorts { rmcp, redfish: port }).await.unwrap();
    let told: Vec<_> =
        found.iter().map(|one| (one.address.octets()[3], one.ipmi, one.redfish.is_some())).collect();
    assert_eq!(told, [(2, false, true), (5, true, false)]);
    let redfish = found[0].redfish.as_ref().unwrap();
    assert_eq!(redfish.tls_sha256, Some(fingerprint));
    assert!(redfish.version.starts_with("1."), "{redfish:?}");
}

#[tokio::test]
async fn what_is_too_large_is_not_begun() {
    let subnet: Subnet = "10.0.0.0/19".parse().unwrap();
    let error = scan(subnet, ScanPorts::default()).await.unwrap_err();
    assert!(error.to_string().contains("in parts of /20"), "{error}");
}

#[test]
fn only_a_service_root_is_one() {
    let root = br#"{"RedfishVersion": "1.6.0", "UUID": "ABC", "Vendor": "Maker\u0000", "Product": 7}"#;
    let found = read_root(root, None).unwrap();
    assert_eq!(found.version, "1.6.0");
    assert_eq!(
        (found.vendor.as_deref(), found.product, found.uuid.as_deref()),
        (Some("Maker"), None, Some("abc"))
    );
    for body in [&b"<html>"[..], b"{}", b"[]", br#"{"RedfishVersion": 1}"#, b""] {
        assert_eq!(read_root(body, None), None);
    }
}

proptest::proptest! {
    #[test]
    fn any_root_is_read(version in "\\PC{0,100}", vendor in "[\u{0}-\u{3ff}]{0,200}", rest in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
        proptest::prop_assert!(read_root(&rest, None).is_none_or(|root| !root.version.is_empty()));
        let body = serde_json::json!({"RedfishVersion": version, "Vendor": vendor, "Product": 7, "UUID": vendor}).to_string();
        if let Some(root) = read_root(body.as_bytes(), None) {
            proptest::prop_assert_eq!(root.product, None);
            for word in [Some(root.version), root.vendor].into_iter().flatten() {
                proptest::prop_assert!(word.chars().count() <= 80 && !word.contains(char::is_control), "{word:?}");
            }
        }
    }
}
