//! Lists through the public API: page by page, chosen, and with words for who asks for too much.

use anyhow::Result;
use provisioner_api::{BmcProtocol, BmcSpec, MachineCreate};
use provisioner_client::{Client, MachineFilter, Page};
use reqwest::{Method, StatusCode};
use tests::Site;

/// A machine that a person switches: nobody asks a BMC for it.
fn enrolment(number: u8, pool: &str) -> MachineCreate {
    let (name, mac) = (format!("m{number:03}"), format!("52:54:00:00:01:{number:02x}"));
    let plain = MachineCreate::new(name, mac, BmcSpec::new(BmcProtocol::Manual));
    MachineCreate { pool: Some(pool.into()), ..plain }
}

async fn fleet(client: &Client) -> Result<()> {
    for number in 0..105 {
        client.add_machine(&enrolment(number, if number % 2 == 0 { "even" } else { "odd" })).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_come_in_pages_and_all_of_them_come() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    fleet(&client).await?;
    let all = client.machines(&MachineFilter::default()).await?;
    let names: Vec<_> = all.iter().map(|machine| machine.name.as_str()).collect();
    assert_eq!(names.len(), 105);
    assert!(names.is_sorted());

    // Who says nothing gets the first hundred, and is told that there are more.
    let first = client.machines_page(&MachineFilter::default(), &Page::default()).await?;
    assert_eq!((first.items.len(), first.next.as_deref()), (100, Some("m099")));
    let rest = Page { after: first.next, limit: None };
    let last = client.machines_page(&MachineFilter::default(), &rest).await?;
    assert_eq!((last.items.len(), last.next), (5, None));

    let odd = MachineFilter { pool: Some("odd".into()), ..Default::default() };
    let page = client.machines_page(&odd, &Page { after: Some("m090".into()), limit: Some(3) }).await?;
    let names: Vec<_> = page.items.iter().map(|machine| machine.name.as_str()).collect();
    assert_eq!((names, page.next.as_deref()), (vec!["m091", "m093", "m095"], Some("m095")));
    let held = MachineFilter { held: Some(true), ..Default::default() };
    assert!(client.machines(&held).await?.is_empty());

    let metrics = client.metrics().await?;
    let counted: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("billet_machines{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(counted, 105, "{metrics}");
    assert!(metrics.contains("billet_machines_held 0\n"), "{metrics}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_comes_in_pages_or_from_its_end() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    client.add_machine(&enrolment(1, "default")).await?;
    let labels = |number: u32| provisioner_api::MachineUpdate {
        labels: Some([("n".to_owned(), number.to_string())].into()),
        ..Default::default()
    };
    for number in 0..120 {
        let machine = client.machine("m001").await?;
        client.update_machine("m001", machine.version, &labels(number)).await?;
    }
    let all = client.machine_events("m001", None).await?;
    assert!(all.len() > 120 && all.is_sorted_by_key(|event| event.id));
    let after = client.machine_events("m001", Some(all[99].id)).await?;
    assert_eq!(after[..10], all[100..110], "what came after it, the oldest first");
    let newest = client.machine_newest_events("m001", 1).await?;
    assert!(newest[0].id >= all[all.len() - 1].id);
    let admin = site.connection().token.reveal().to_owned();
    let path = "/v1/machines/m001/events";
    let (_, page) = site.send(Some(&admin), Method::GET, path, None).await?;
    let page = page.expect("JSON");
    assert_eq!(page["items"].as_array().map(Vec::len), Some(100));
    assert_eq!(page["next"], page["items"][99]["id"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_can_not_be_is_refused_by_field() -> Result<()> {
    let site = Site::start().await?;
    site.client()?.add_machine(&enrolment(1, "default")).await?;
    let admin = site.connection().token.reveal().to_owned();
    let lists = [
        "/v1/machines",
        "/v1/instances",
        "/v1/machines/m001/events",
        "/v1/networks/loopback/leases",
        "/v1/networks/loopback/reservations",
    ];
    let mut cases = Vec::new();
    for list in lists {
        cases.extend(["0", "1001", "many"].map(|limit| (format!("{list}?limit={limit}"), "limit")));
    }
    cases.push(("/v1/machines/m001/events?after=yesterday".into(), "after"));
    cases.push(("/v1/machines/m001/events?newest=0".into(), "newest"));
    cases.push(("/v1/machines/m001/events?newest=5&limit=5".into(), "newest"));
    cases.push(("/v1/networks/loopback/leases?after=m001".into(), "after"));
    for (path, field) in cases {
        let (status, problem) = site.send(Some(&admin), Method::GET, &path, None).await?;
        let problem = problem.expect("a problem document");
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {problem}");
        assert_eq!(problem["fields"][0]["field"], field, "{path}: {problem}");
    }
    for list in lists {
        let (status, page) =
            site.send(Some(&admin), Method::GET, &format!("{list}?limit=1000"), None).await?;
        assert_eq!(status, StatusCode::OK, "{list}");
        assert!(page.expect("JSON")["items"].is_array(), "{list}");
    }
    let (status, problem) = site.send(Some(&admin), Method::GET, "/v1/machines?colour=red", None).await?;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem.expect("a problem document").to_string().contains("colour"));
    Ok(())
}
