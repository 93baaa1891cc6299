//! What is others' is not there in lists, and not in bodies either: no effect, and no tell.

use super::*;
use crate::{bmcs, store::NewEvent};
use provisioner_api::{InstanceList, MachineId, MachineList};
use provisioner_lifecycle::{Fact, observe};

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
    // One that waits for that machine, and one that does so only while that is in a pool.
    for (number, pool) in [(6, None), (7, Some("more".to_owned()))] {
        let mut named = samples::instance(number);
        (named.spec.machine, named.spec.pool) = (Some(samples::machine_id(2).to_string()), pool);
        world.service.store.instance_insert(&named, None, &[], samples::NOW).await.unwrap();
    }

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
    assert_eq!(names, ["i1", "i3", "i5", "i7"]);
    let everybody = world.token(Role::Viewer, None).await;
    let (_, all) = world.ask(Some(&everybody), &Method::GET, paths::INSTANCES, "").await;
    assert_eq!(serde_json::from_str::<InstanceList>(&all).unwrap().items.len(), 7);
}

#[tokio::test]
async fn a_tenant_hears_nothing_of_bmcs() {
    let world = World::new().await;
    let (tenant, viewer) = (world.token(Role::Tenant, None).await, world.token(Role::Viewer, None).await);
    let why = "the BMC at 10.0.0.9:443 refuses user `bmcadmin`";
    let mut machine = samples::machine(1);
    machine.spec.bmc =
        serde_json::from_str(r#"{"protocol":"ipmi","address":"10.0.0.9","username":"bmcadmin"}"#).ok();
    assert!(machine.spec.bmc.is_some());
    let trouble = Fact::BmcTrouble { why: why.into(), authentication: true };
    machine.machine = observe(&machine.machine, &trouble, samples::NOW);
    let events =
        [NewEvent::machine(machine.id(), "bmc", why), NewEvent::machine(machine.id(), "boot", "it boots")];
    let store = &world.service.store;
    store.machine_insert(&machine, &[], &events, samples::NOW).await.unwrap();
    let mut instance = samples::instance(1);
    instance.machine = Some(machine.id());
    store.instance_insert(&instance, None, &[], samples::NOW).await.unwrap();

    let told = async |token: &str, path: &str| world.ask(Some(token), &Method::GET, path, "").await;
    for path in [paths::MACHINES, "/v1/machines/m1", "/v1/instances/i1/timeline", "/v1/instances/i1/why"] {
        let (looks, hears) = (told(&viewer, path).await, told(&tenant, path).await);
        assert_eq!((looks.0, hears.0), (StatusCode::OK, StatusCode::OK), "{path}: {looks:?} {hears:?}");
        assert!(looks.1.contains("10.0.0.9"), "{path} has nothing to hide: {}", looks.1);
        assert!(!hears.1.contains("10.0.0.9") && !hears.1.contains("bmcadmin"), "{path}: {}", hears.1);
        let instances = path.starts_with("/v1/instances");
        assert!(!instances || hears.1.contains("it boots"), "{path}: {}", hears.1);
    }
    for path in ["/v1/instances/i1", "/v1/instances/i1/events", paths::INSTANCES] {
        let (status, text) = told(&tenant, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        assert!(!text.contains("10.0.0.9"), "{path}: {text}");
    }
    for path in ["/v1/machines/m1/events", "/v1/machines/m1/timeline", "/v1/machines/m1/why"] {
        assert!(told(&viewer, path).await.1.contains("10.0.0.9"), "{path}");
        assert_eq!(told(&tenant, path).await.0, StatusCode::FORBIDDEN, "{path}");
    }
}

/// The trace of a MAC address is its machine's, unless a machine has it for a name.
#[tokio::test]
async fn the_name_of_a_foreign_machine_is_not_taken_for_an_own_mac() {
    let world = World::new().await;
    let viewer = world.token(Role::Viewer, Some(&["own"])).await;
    let mut own = samples::machine(1);
    (own.spec.pool, own.spec.macs) = ("own".into(), vec!["02:00:00:00:00:08".into()]);
    let trace = async || {
        let path = "/v1/boot-traces/020000000008";
        world.ask(Some(&viewer), &Method::GET, path, "").await.0
    };
    world.service.store.machine_insert(&own, &[], &[], samples::NOW).await.unwrap();
    assert_eq!(trace().await, StatusCode::OK, "its own, by its MAC address");
    let mut foreign = samples::machine(2);
    (foreign.spec.pool, foreign.name) = ("others".into(), "020000000008".into());
    world.service.store.machine_insert(&foreign, &[], &[], samples::NOW).await.unwrap();
    assert_eq!(trace().await, StatusCode::NOT_FOUND);
}

/// A machine of the pool `own` with this BMC, and a password for it.
async fn with_bmc(world: &World, number: u128, bmc: &str) -> MachineId {
    let mut machine = samples::machine(number);
    machine.spec.pool = "own".into();
    machine.spec.bmc = Some(serde_json::from_str(bmc).unwrap());
    let id = machine.id();
    let secrets = bmcs::new_password(&world.service.key, id, "the site's").unwrap();
    world.service.store.machine_insert(&machine, &secrets, &[], samples::NOW).await.unwrap();
    id
}

#[tokio::test]
async fn a_stored_password_goes_to_no_bmc_that_somebody_of_one_pool_names() {
    let world = World::new().await;
    let operator = world.token(Role::Operator, Some(&["own"])).await;
    let everywhere = world.token(Role::Operator, None).await;
    let set = async |token: &str, machine: &str, body: &str| {
        world.ask(Some(token), &Method::PATCH, &format!("/v1/machines/{machine}"), body).await
    };
    let redfish = r#"{"protocol":"redfish","address":"10.0.0.9","username":"root"}"#;
    with_bmc(&world, 1, redfish).await;
    let evil = redfish.replace("10.0.0.9", "evil:443");
    let ipmi = redfish.replace("redfish", "ipmi");
    for bmc in [&evil, &ipmi] {
        let (status, text) = set(&operator, "m1", &format!(r#"{{"bmc":{bmc}}}"#)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        assert!(text.contains("bmc_password"), "{text}");
    }
    let user = redfish.replace("root", "other");
    let same = set(&operator, "m1", &format!(r#"{{"bmc":{user}}}"#)).await;
    assert_eq!(same.0, StatusCode::OK, "the same BMC: {}", same.1);
    let anew = set(&operator, "m1", &format!(r#"{{"bmc":{evil},"bmc_password":"its own"}}"#)).await;
    assert_eq!(anew.0, StatusCode::OK, "{}", anew.1);
    let back = set(&everywhere, "m1", &format!(r#"{{"bmc":{redfish}}}"#)).await;
    assert_eq!(back.0, StatusCode::OK, "who has all pools knows what they do: {}", back.1);

    // Whoever answers there without its key would be told the password as well.
    let pinned = |pin: char| {
        let pin = pin.to_string().repeat(64);
        redfish.replace('}', &format!(r#","tls_sha256":"{pin}"}}"#))
    };
    with_bmc(&world, 3, &pinned('a').replace("0.9", "0.3")).await;
    for bmc in [redfish.to_owned(), pinned('b')] {
        let (status, text) =
            set(&operator, "m3", &format!(r#"{{"bmc":{}}}"#, bmc.replace("0.9", "0.3"))).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        assert!(text.contains("bmc_password"), "{text}");
    }
    let user = pinned('a').replace("0.9", "0.3").replace("root", "other");
    let same = set(&operator, "m3", &format!(r#"{{"bmc":{user}}}"#)).await;
    assert_eq!(same.0, StatusCode::OK, "the same key: {}", same.1);

    // Where none is needed the old one is forgotten.
    let hook = |host: &str| format!(r#"{{"protocol":"webhook","address":"https://{host}/","username":"u"}}"#);
    let id = with_bmc(&world, 2, &hook("site")).await;
    let (owner, name) = (format!("machine {id}"), "bmc-password");
    let kept = async || {
        let secrets = world.service.store.secret_all(&owner).await.unwrap();
        world.service.key.open_sealed(&owner, name, &secrets[name]).unwrap().to_string()
    };
    assert_eq!(kept().await, "the site's");
    let moved = set(&operator, "m2", &format!(r#"{{"bmc":{}}}"#, hook("evil"))).await;
    assert_eq!(moved.0, StatusCode::OK, "{}", moved.1);
    assert_eq!(kept().await, "");
}

#[tokio::test]
async fn a_hypervisor_is_no_bmc_for_who_has_some_pools_only() {
    let world = World::new().await;
    let operator = world.token(Role::Operator, Some(&["own"])).await;
    world.machine(1, "own").await;
    let libvirt = r#"{"protocol":"libvirt","address":"qemu:///system","domain":"foreign"}"#;
    let body = format!(r#"{{"name":"n","pool":"own","macs":[],"bmc":{libvirt}}}"#);
    let made = world.ask(Some(&operator), &Method::POST, paths::MACHINES, &body).await;
    let open = body.replace(libvirt, r#"{"protocol":"webhook","address":"https://pdu/m7"}"#);
    let open = world.ask(Some(&operator), &Method::POST, paths::MACHINES, &open).await;
    let body = format!(r#"{{"bmc":{libvirt}}}"#);
    let set = world.ask(Some(&operator), &Method::PATCH, "/v1/machines/m1", &body).await;
    for (status, text) in [made, open, set] {
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        assert!(text.contains("bmc.protocol") && text.contains("token for all pools"), "{text}");
    }
    let everywhere = world.token(Role::Operator, None).await;
    let (status, text) = world.ask(Some(&everywhere), &Method::PATCH, "/v1/machines/m1", &body).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    // What stays as it is may be said again.
    let (status, text) = world.ask(Some(&operator), &Method::PATCH, "/v1/machines/m1", &body).await;
    assert_eq!(status, StatusCode::OK, "{text}");
}

#[tokio::test]
async fn a_machine_that_moves_takes_no_console_along_and_no_instance_that_waits_for_it() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let tenant = world.token(Role::Tenant, Some(&["own", "more"])).await;
    world.machine(1, "own").await;
    let body = r#"{"name":"web","spec":{"image":"os","machine":"m1"}}"#;
    let (status, text) = world.ask(Some(&tenant), &Method::POST, paths::INSTANCES, body).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let made = world.service.store.instance_find("web").await.unwrap().unwrap();
    assert_eq!(made.spec.pool.as_deref(), Some("own"), "it has to be of that pool when it is given");

    let record = world.service.config.data.join("consoles").join(samples::machine_id(1).to_string());
    std::fs::create_dir_all(&record).unwrap();
    let set = async |body: &str| {
        let (status, text) = world.ask(Some(&admin), &Method::PATCH, "/v1/machines/m1", body).await;
        assert_eq!(status, StatusCode::OK, "{text}");
    };
    set(r#"{"zone":"z1"}"#).await;
    assert!(record.exists(), "it stays where it is");
    set(r#"{"pool":"others"}"#).await;
    assert!(!record.exists(), "what it said was said to the pool that had it");
    let (status, _) = world.ask(Some(&tenant), &Method::GET, "/v1/instances/web", "").await;
    assert_eq!(status, StatusCode::OK, "it is still theirs, and waits");
}

#[tokio::test]
async fn what_could_not_be_understood_is_refused_after_who_may_not_ask() {
    let world = World::new().await;
    let viewer = world.token(Role::Viewer, None).await;
    let limited = world.token(Role::Viewer, Some(&["own"])).await;
    let path = "/v1/machines?pol=own";
    for (token, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some(viewer.as_str()), StatusCode::UNPROCESSABLE_ENTITY),
        (Some(limited.as_str()), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let (said, text) = world.ask(token, &Method::GET, path, "").await;
        assert_eq!(said, status, "{token:?}: {text}");
    }
    for token in [&viewer, &limited] {
        for path in ["/v1/machines/%00", "/v1/machines/%ff"] {
            let (status, text) = world.ask(Some(token), &Method::GET, path, "").await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{token} {path}: {text}");
        }
    }
}

#[tokio::test]
async fn a_virtual_address_is_its_pools_and_one_without_a_pool_the_sites() {
    use crate::api::addresses::tests as plan;
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new().await;
    world.service = plan::service(folder.path()).await;
    world.router = router(Arc::clone(&world.service));
    world.service.store.image_insert(&samples::image()).await.unwrap();
    let tenant = world.token(Role::Tenant, Some(&["own"])).await;
    let operator = world.token(Role::Operator, Some(&["own"])).await;
    let site = world.token(Role::Operator, None).await;
    for (name, pool) in [("ours", r#","pool":"own""#), ("theirs", r#","pool":"others""#), ("old", "")] {
        let body = format!(r#"{{"name":"{name}","subnet":"lab"{pool}}}"#);
        let (status, text) = world.ask(Some(&site), &Method::POST, paths::ADDRESSES, &body).await;
        assert_eq!(status, StatusCode::CREATED, "{text}");
        assert_eq!(world.ask(Some(&site), &Method::POST, paths::ADDRESSES, &body).await.0, StatusCode::OK);
    }
    let other = r#"{"name":"theirs","subnet":"lab","pool":"own"}"#;
    let (status, text) = world.ask(Some(&site), &Method::POST, paths::ADDRESSES, other).await;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    assert!(text.contains(r#""field":"pool""#) && text.contains("of pool others"), "{text}");

    let create = (Method::POST, paths::INSTANCES);
    let of = |name: &str, address: &str| {
        format!(
            r#"{{"name":"{name}","spec":{{"image":"os","pool":"own","network":{{"interfaces":[{{"name":"lan0","nic":{{"name":"eno1"}},"dhcp4":true}}],"virtual_addresses":["{address}"]}}}}}}"#
        )
    };
    for token in [&tenant, &operator] {
        for foreign in ["theirs", "old"] {
            both(&world, token, create.clone(), &of("web", "NAME"), [foreign, "absent"]).await;
        }
    }
    for (token, name, address) in [(&tenant, "a", "ours"), (&site, "b", "theirs"), (&site, "c", "old")] {
        let (status, text) = world.ask(Some(token), &create.0, create.1, &of(name, address)).await;
        assert_eq!(status, StatusCode::CREATED, "{text}");
    }
}
