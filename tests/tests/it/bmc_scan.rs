//! The service searches a declared subnet for BMCs, and tells nobody there a password.

use anyhow::{Context, Result};
use bmc_mock::{MemoryChassis, ipmi, redfish};
use provisioner::config::Bmc;
use provisioner_api::{BmcProtocol, BmcScan, BmcSpec, MachineCreate, Secret};
use provisioner_client::ClientError;
use std::net::SocketAddr;
use std::sync::Arc;
use tests::Site;
use tokio_util::sync::CancellationToken;

const PASSWORD: &str = "s3cret-of-bmc";

fn fields(error: &ClientError) -> String {
    match error {
        ClientError::Problem(problem) => format!("{:?}", problem.fields),
        other => other.to_string(),
    }
}

fn enrolment(redfish: SocketAddr) -> MachineCreate {
    let bmc = BmcSpec {
        address: redfish.to_string(),
        username: "admin".into(),
        ..BmcSpec::new(BmcProtocol::Redfish)
    };
    let plain = MachineCreate::new("m1", "52:54:00:00:00:01", bmc);
    MachineCreate { bmc_password: Secret::new(PASSWORD), ..plain }
}

#[tokio::test(flavor = "multi_thread")]
async fn bmcs_on_a_declared_subnet_are_found_without_a_login() -> Result<()> {
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let chassis = Arc::new(MemoryChassis::new());
    let server = redfish::Server::bind(
        "127.9.0.2:0".parse()?,
        "admin",
        PASSWORD,
        chassis.clone(),
        redfish::Identity::default(),
    );
    let server = server.await?;
    let (redfish, controls, print) = (server.local_addr(), server.controls(), server.certificate_sha256());
    controls.watch();
    tokio::spawn(server.run(stop.clone()));
    let identity = ipmi::Identity::new(vec![ipmi::User::administrator("admin", PASSWORD)], chassis, [7; 16]);
    let server = ipmi::Server::new("127.9.0.5:0".parse()?, identity)?;
    let rmcp = server.local_addr()?.port();
    tokio::spawn(server.run(stop));

    let mut site = Site::start().await?;
    let scan = |subnet: &str| BmcScan { subnet: subnet.into() };
    let error = site.client()?.scan_for_bmcs(&scan("127.9.0.0/29")).await.unwrap_err();
    assert!(fields(&error).contains("none is") && fields(&error).contains("[bmc]"), "{}", fields(&error));

    let scan_ports = bmc::ScanPorts { rmcp, redfish: redfish.port() };
    let subnets = vec!["127.9.0.0/16".parse().map_err(anyhow::Error::msg)?];
    site.set_bmc(Bmc { subnets, scan_ports, ..Bmc::default() });
    site.restart().await?;
    let client = site.client()?;
    let found = client.scan_for_bmcs(&scan("127.9.0.0/29")).await?.items;
    let seen = controls.seen();
    assert!(!seen.is_empty() && seen.iter().all(|seen| !seen.credentials), "{seen:?}");
    assert!(seen.iter().all(|seen| seen.method == "GET" && seen.path == "/redfish/v1/"), "{seen:?}");
    assert_eq!((controls.logins(), controls.basic()), (0, 0));
    let told: Vec<_> = found.iter().map(|one| (one.address.as_str(), one.ipmi, one.already.len())).collect();
    assert_eq!(told, [("127.9.0.2", false, 0), ("127.9.0.5", true, 0)]);
    let root = found[0].redfish.as_ref().context("it speaks Redfish")?;
    assert_eq!(root.tls_sha256, Some(hex::encode(print)));
    assert_eq!(client.machines(&Default::default()).await?.len(), 0, "nothing is enrolled by a search");

    client.add_machine(&enrolment(redfish)).await?;
    let found = client.scan_for_bmcs(&scan("127.9.0.2/32")).await?.items;
    assert_eq!(found[0].already, ["m1"]);

    for (subnet, words) in [
        ("127.9.0.1/16", "did you mean"),
        ("127.9.0.0/16", "in parts of /20"),
        ("127.8.0.0/24", "declared are 127.9.0.0/16"),
    ] {
        let error = client.scan_for_bmcs(&scan(subnet)).await.unwrap_err();
        assert_eq!(error.status(), Some(422), "{error}");
        assert!(fields(&error).contains(words), "{subnet}: {}", fields(&error));
    }
    // One at a time: for pongs alone each waits some seconds.
    let (one, two) = (scan("127.9.4.0/24"), scan("127.9.5.0/24"));
    let (one, two) = tokio::join!(client.scan_for_bmcs(&one), client.scan_for_bmcs(&two));
    let refused = [&one, &two].into_iter().filter_map(|scan| scan.as_ref().err()).collect::<Vec<_>>();
    assert!(refused.len() == 1 && refused[0].status() == Some(409), "{one:?} {two:?}");
    Ok(())
}
