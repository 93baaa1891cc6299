//! What is others' is not there in lists, and not in bodies either: no effect, and no tell.

use super::*;
use provisioner_api::{InstanceList, MachineList};

/// What two bodies that name something of others' and something that isn't there are answered, without those names.
async fn both(
    world: &World,
    token: &str,
    (method, path): (Method, &str),
    body: &str,
    [foreign, absent]: [&str; 2],
) {
    let mut answers = Vec::new();
    for name in [foreign, absent] {
        let (status, text) = world.ask(Some(token), &method, path, &body.replace("NAME", name)).await;
        assert!(status.is_client_error(), "{method} {path} {name}: {status} {text}");
        answers.push((status, text.replace(name, "NAME")));
    }
    assert_eq!(answers[0], answers[1], "{method} {path}");
}

#[tokio::test]
async fn what_a_body_names_is_looked_for_among_the_callers_own() {
    let world = World::new().await;
    let tenant = world.token(Role::Tenant, Some(&["own"])).await;
    let operator = world.token(Role::Operator, Some(&["own"])).await;
    let (own, foreign) = (world.machine(1, "own").await, world.machine(2, "others").await);
    let mac = "52:54:00:00:00:07";
    let mut with_mac = samples::machine(3);
    (with_mac.spec.pool, with_mac.spec.macs) = ("others".into(), vec![mac.into()]);
    world.service.store.machine_insert(&with_mac, &[], &[], samples::NOW).await.unwrap();

    let create = (Method::POST, paths::INSTANCES);
    for field in ["machine", "prefer_machine"] {
        let body = format!(r#"{{"name":"web","spec":{{"image":"os","{field}":"NAME"}}}}"#);
        both(&world, &tenant, create.clone(), &body, [&foreign, "absent"]).await;
    }
    let body = r#"{"name":"web","spec":{"image":"os","pool":"NAME"}}"#;
    both(&world, &tenant, create.clone(), body, ["others", "absent"]).await;
    let body = r#"{"name":"n","pool":"NAME","macs":[],"bmc":{"protocol":"manual"}}"#;
    both(&world, &operator, (Method::POST, paths::MACHINES), body, ["others", "absent"]).await;
    let one = format!("/v1/machines/{own}");
    both(&world, &operator, (Method::PATCH, &one), r#"{"pool":"NAME"}"#, ["others", "absent"]).await;
    let trace = |mac: &str| format!("/v1/boot-traces/{mac}");
    let heard = world.ask(Some(&operator), &Method::GET, &trace(mac), "").await;
    let unheard = world.ask(Some(&operator), &Method::GET, &trace("52:54:00:00:00:08"), "").await;
    assert_eq!((heard.0, heard.1.replace(mac, "52:54:00:00:00:08")), unheard);
    assert_eq!(unheard.0, StatusCode::NOT_FOUND);

    let taken = format!(r#"{{"macs":["{mac}"]}}"#);
    let (status, text) = world.ask(Some(&operator), &Method::PATCH, &one, &taken).await;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    assert!(!text.contains(&with_mac.name), "it tells whose it is: {text}");
    let stored = world.service.store.machine_find(&own).await.unwrap().unwrap();
    assert_eq!((stored.spec.pool.as_str(), stored.version), ("own", 1));

    let body = r#"{"name":"web","spec":{"image":"os"}}"#;
    let (status, text) = world.ask(Some(&tenant), &Method::POST, paths::INSTANCES, body).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let made = world.service.store.instance_find("web").await.unwrap().unwrap();
    assert_eq!(made.spec.pool.as_deref(), Some("own"), "not of a pool that isn't theirs");
}

#[tokio::test]
async fn lists_have_what_is_the_callers_own() {
    let world = World::new().await;
    let tenant = world.token(Role::Tenant, Some(&["own", "more"])).await;
    for (number, pool) in [(1, "own"), (2, "others"), (3, "more"), (4, "default"), (5, "own")] {
        world.machine(number, pool).await;
        world.instance(number, pool).await;
    }
    // One that waits for that machine, whatever pool it says.
    let mut named = samples::instance(6);
    (named.spec.machine, named.spec.pool) = (Some(samples::machine_id(2).to_string()), Some("own".into()));
    world.service.store.instance_insert(&named, None, &[], samples::NOW).await.unwrap();

    let ask = async |path: &str| {
        let (status, body) = world.ask(Some(&tenant), &Method::GET, path, "").await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    };
    let machines: MachineList = serde_json::from_str(&ask(paths::MACHINES).await).unwrap();
    let names: Vec<_> = machines.items.iter().map(|machine| machine.name.as_str()).collect();
    assert_eq!((names, machines.next), (vec!["m1", "m3", "m5"], None));
    let others: MachineList = serde_json::from_str(&ask("/v1/machines?pool=others").await).unwrap();
    assert!(others.items.is_empty());
    let mut names = Vec::new();
    let mut path = "/v1/instances?limit=1".to_owned();
    loop {
        let page: InstanceList = serde_json::from_str(&ask(&path).await).unwrap();
        names.extend(page.items.into_iter().map(|instance| instance.name));
        let Some(next) = page.next else { break };
        path = format!("/v1/instances?limit=1&after={next}");
    }
    assert_eq!(names, ["i1", "i3", "i5"]);
    let everybody = world.token(Role::Viewer, None).await;
    let (_, all) = world.ask(Some(&everybody), &Method::GET, paths::INSTANCES, "").await;
    assert_eq!(serde_json::from_str::<InstanceList>(&all).unwrap().items.len(), 6);
}

#[tokio::test]
async fn a_tenant_hears_nothing_of_bmcs() {
    let world = World::new().await;
    let (tenant, viewer) = (world.token(Role::Tenant, None).await, world.token(Role::Viewer, None).await);
    let mut machine = samples::machine(1);
    machine.spec.bmc =
        serde_json::from_str(r#"{"protocol":"ipmi","address":"10.0.0.9","username":"admin"}"#).ok();
    assert!(machine.spec.bmc.is_some());
    world.service.store.machine_insert(&machine, &[], &[], samples::NOW).await.unwrap();
    for path in [paths::MACHINES, "/v1/machines/m1"] {
        let told =
            async |token: &str| world.ask(Some(token), &Method::GET, path, "").await.1.contains("10.0.0.9");
        assert!(told(&viewer).await && !told(&tenant).await, "{path}");
    }
}
