//! Networks, reservations, boot chains and metrics through the public API.

use anyhow::Result;
use provisioner_api::{BootChain, LeaseState, MachineUpdate, Reservation};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tests::{Sim, SimOptions, Site};

fn reservation(mac: &str, address: &str) -> Reservation {
    Reservation { mac: mac.into(), address: address.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_shows_its_plan_and_what_is_free() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let network = client.network("loopback").await?;
    let link = &network.subnets[0];
    assert_eq!((link.subnet.as_str(), link.addresses, link.used, link.free), ("127.0.0.0/8", 99, 0, 99));
    assert_eq!(network.server_identifier, "127.0.0.1");
    assert!(network.status.rogues.is_empty() && !network.status.silent);
    client.add_reservation("loopback", &reservation("52:54:00:00:00:01", "127.1.0.7")).await?;
    client.add_reservation("loopback", &reservation("52:54:00:00:00:02", "127.2.0.7")).await?;
    let network = client.networks().await?.remove(0);
    assert_eq!(network.subnets[0].free, 98, "one of the two is in the range");
    assert_eq!(network.status.reservations, 2);
    assert!(client.leases("loopback").await?.iter().all(|lease| lease.state == LeaseState::Active));
    assert_eq!(client.leases("nowhere").await.unwrap_err().status(), Some(404));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_are_added_once_and_survive() -> Result<()> {
    let mut site = Site::start().await?;
    let client = site.client()?;
    let (one, two) = ("52:54:00:00:00:01", "52:54:00:00:00:02");
    let made = client.add_reservation("loopback", &reservation("52-54-00-00-00-01", "127.1.0.7")).await?;
    assert_eq!(made, reservation(one, "127.1.0.7"), "as it is kept");
    assert_eq!(client.add_reservation("loopback", &made).await?, made, "the same again is no mistake");
    client.add_reservation("loopback", &reservation(two, "127.1.0.8")).await?;
    let admin = site.connection().token.reveal().to_owned();
    let wrong = [
        (json!({ "mac": "x", "address": "127.1.0.9" }), StatusCode::UNPROCESSABLE_ENTITY, "mac", "unicast"),
        (json!({ "mac": one, "address": "x" }), StatusCode::UNPROCESSABLE_ENTITY, "address", "IPv4"),
        (
            json!({ "mac": one, "address": "10.0.0.1" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "address",
            "no subnet",
        ),
        (
            json!({ "mac": one, "address": "127.0.0.1" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "address",
            "our own",
        ),
        (
            json!({ "mac": one, "address": "127.0.0.0" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "address",
            "no host",
        ),
        (json!({ "mac": one, "address": "127.1.0.8" }), StatusCode::CONFLICT, "address", two),
    ];
    for (body, status, field, word) in wrong {
        let path = "/v1/networks/loopback/reservations";
        let (code, problem) = site.send(Some(&admin), Method::POST, path, Some(&body.to_string())).await?;
        let problem = problem.expect("a problem document");
        assert_eq!(code, status, "{problem}");
        assert_eq!(problem["fields"][0]["field"], field, "{problem}");
        assert!(problem["fields"][0]["detail"].as_str().is_some_and(|text| text.contains(word)), "{problem}");
    }
    // Another address for the same client takes the place of the first.
    client.add_reservation("loopback", &reservation(one, "127.1.0.6")).await?;
    site.restart().await?;
    let client = site.client()?;
    let kept = [reservation(one, "127.1.0.6"), reservation(two, "127.1.0.8")];
    assert_eq!(client.reservations("loopback").await?, kept);
    client.delete_reservation("loopback", one).await?;
    assert_eq!(client.delete_reservation("loopback", one).await.unwrap_err().status(), Some(404));
    assert_eq!(client.reservations("loopback").await?, kept[1..]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_boot_chain_is_set_and_taken_back() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    let machine = client.add_machine(&sim.enrolment()).await?;
    assert_eq!(machine.spec.boot_chain, None);
    let set = |chain| MachineUpdate { boot_chain: Some(chain), ..MachineUpdate::default() };
    let machine = client.update_machine("m1", machine.version, &set(Some(BootChain::Uki))).await?;
    assert_eq!(machine.spec.boot_chain, Some(BootChain::Uki));
    let machine = client.update_machine("m1", machine.version, &MachineUpdate::default()).await?;
    assert_eq!(machine.spec.boot_chain, Some(BootChain::Uki), "what is not given stays");
    let machine = client.update_machine("m1", machine.version, &set(None)).await?;
    assert_eq!(machine.spec.boot_chain, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_need_a_token_and_tell_what_there_is() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let (status, _) = site.send(None, Method::GET, "/metrics", None).await?;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.boot_script("52:54:00:00:00:99").await?;
    let text = client.metrics().await?;
    for want in [
        "billet_machines{state=\"",
        "billet_machines_held 0",
        "billet_leases{network=\"loopback\",state=\"free\"} 99",
        "billet_http_requests_total{path=\"script\",status=\"200\"} ",
        "# TYPE billet_instances gauge",
    ] {
        assert!(text.contains(want), "{want}: {text}");
    }
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    Ok(())
}
