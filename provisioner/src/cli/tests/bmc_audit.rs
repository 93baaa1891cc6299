//! `billet bmc audit`: of a machine, of all, and from here.

use super::{User, bmc::changes, fake::Fake, fake::problem, samples};
use bmc::Rule;
use bmc_mock::{MemoryChassis, ipmi, redfish};
use provisioner_api::{BmcAudit, BmcFinding, BmcProtocol, BmcSeverity, BmcSpec, Machine, MachineList};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The guide.
const GUIDE: &str = include_str!("../../../../docs/bmc.md");

fn finding(id: &str, severity: BmcSeverity) -> BmcFinding {
    BmcFinding { id: id.to_owned(), severity, what: format!("it is {id}\x1b"), mend: "mend it".to_owned() }
}

fn bad() -> BmcAudit {
    BmcAudit {
        findings: vec![finding("cipher-0", BmcSeverity::High), finding("tls-old", BmcSeverity::Medium)],
        unchecked: vec!["its users: no answer".to_owned()],
        tried: vec!["ADMIN".to_owned()],
    }
}

fn machine(name: &str, protocol: Option<BmcProtocol>) -> Machine {
    let mut machine = samples::machine(name);
    machine.spec.bmc =
        protocol.and_then(|protocol| machine.spec.bmc.take().map(|bmc| BmcSpec { protocol, ..bmc }));
    machine
}

#[tokio::test]
async fn what_was_found_is_told_with_what_mends_it() {
    let fake = Fake::start().await;
    let mild = BmcAudit { findings: vec![finding("tls-old", BmcSeverity::Medium)], ..BmcAudit::default() };
    for audit in [bad(), bad(), mild, BmcAudit::default()] {
        fake.says("POST /v1/machines/m1/bmc/audit", 200, &audit);
    }
    let user = User::of(fake.connection());
    let ran = user.run("bmc audit m1").await;
    assert_eq!(
        ran.out,
        "\
high    cipher-0
        it is cipher-0\u{fffd}
        mend: mend it
medium  tls-old
        it is tls-old\u{fffd}
        mend: mend it
not looked at: its users: no answer
default passwords were tried for: ADMIN
"
    );
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.err.contains("high severity was found at the BMC of machine m1"), "{ran:?}");
    let ran = user.run("bmc audit m1 --no-logins --ipmi-port 6230 -o json").await;
    assert_eq!(serde_json::from_str::<BmcAudit>(&ran.out).unwrap(), bad(), "{ran:?}");
    assert_eq!(user.run("bmc audit m1").await.code, 0, "nothing of high severity");
    assert_eq!(user.run("bmc audit m1").await.out, "nothing weak was found\n");
    assert_eq!(
        changes(&fake)[..2],
        [
            r#"POST /v1/machines/m1/bmc/audit {"logins":true}"#,
            r#"POST /v1/machines/m1/bmc/audit {"logins":false,"ipmi_port":6230}"#,
        ]
    );
}

#[tokio::test]
async fn all_machines_are_audited_that_can_be() {
    let fake = Fake::start().await;
    let items = vec![
        machine("m3", Some(BmcProtocol::Redfish)),
        machine("m1", Some(BmcProtocol::Ipmi)),
        machine("m2", Some(BmcProtocol::Manual)),
        machine("m4", None),
        machine("m5", Some(BmcProtocol::Redfish)),
    ];
    fake.says("GET /v1/machines?limit=250", 200, &MachineList { items, next: None, resume: None });
    fake.says("POST /v1/machines/m1/bmc/audit", 200, &BmcAudit::default());
    fake.says("POST /v1/machines/m3/bmc/audit", 200, &bad());
    fake.says("POST /v1/machines/m3/bmc/audit", 200, &BmcAudit::default());
    fake.says("POST /v1/machines/m5/bmc/audit", 502, &problem(502, "it does not answer"));
    let user = User::of(fake.connection());
    let ran = user.run("bmc audit --all").await;
    assert_eq!(
        ran.out,
        "\
MACHINE  SEVERITY       FINDING   WHAT
m1       -              -         nothing weak was found
m3       high           cipher-0  it is cipher-0\u{fffd}
m3       medium         tls-old   it is tls-old\u{fffd}
m3       not looked at  -         its users: no answer
m5       not audited    -         it does not answer
"
    );
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.err.contains("the BMC of machine m3"), "{ran:?}");
    let ran = user.run("bmc audit --all -o json").await;
    assert_eq!(ran.code, 1, "one was not audited: {ran:?}");
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((told[2]["machine"].as_str(), told[2]["findings"].is_null()), (Some("m5"), true), "{told}");
    for line in ["bmc audit --all m1", "bmc audit --all -H 10.0.0.1 -U a", "bmc audit"] {
        assert_eq!(user.run(line).await.code, 2, "{line}");
    }
}

#[tokio::test]
async fn a_bmc_is_audited_from_here() {
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let chassis = Arc::new(MemoryChassis::new());
    let options = redfish::Options::new("billet", "right", chassis.clone(), redfish::Identity::default())
        .with_profile(redfish::Profile::Dell)
        .with_user(redfish::User::administrator("root", "calvin"));
    let server = redfish::Server::start("127.0.0.1:0".parse().unwrap(), &options).await.unwrap();
    let (controls, at) = (server.controls(), server.local_addr());
    tokio::spawn(server.run(stop.clone()));
    let users = vec![ipmi::User::administrator("billet", "right")];
    let openness = ipmi::Openness { suite_zero: true, ..ipmi::Openness::default() };
    let identity = ipmi::Identity { openness, ..ipmi::Identity::new(users, chassis, [7; 16]) };
    let bmc = ipmi::Server::new("127.0.0.1:0".parse().unwrap(), identity).unwrap();
    let port = bmc.local_addr().unwrap().port();
    tokio::spawn(bmc.run(stop.clone()));

    let mut user = User::nobody();
    user.password = Some("right".to_owned());
    let ran = user
        .run(&format!("bmc audit -H {at} -U billet --redfish --ipmi-port {port} --http-port 1 -o name"))
        .await;
    let found: Vec<&str> = ran.out.trim_end().split(',').collect();
    assert_eq!(found[..2], ["default-password", "cipher-0"], "{ran:?}");
    for id in
        ["ipmi-beside-redfish", "certificate-self-signed", "certificate-not-pinned", "other-administrators"]
    {
        assert!(found.contains(&id), "{id}: {ran:?}");
    }
    assert_eq!((ran.code, controls.sessions(), controls.refused_logins()), (7, 0, 0), "{ran:?}");
    let ran = user
        .run(&format!(
            "bmc audit -H 127.0.0.1:{port} -U billet --no-logins --https-port {} -o name",
            at.port()
        ))
        .await;
    assert!(ran.out.starts_with("cipher-0,") && !ran.out.contains("default-password"), "{ran:?}");
}

#[test]
fn the_guide_tells_of_everything_that_can_be_found() {
    for rule in Rule::ALL {
        let row = format!("| {} | `{}` |", rule.severity(), rule.id());
        assert!(GUIDE.contains(&row), "docs/bmc.md has no row `{row}`");
    }
}
