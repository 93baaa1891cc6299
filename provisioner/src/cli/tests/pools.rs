//! An administrator gives a pool a policy, by verbs and by files, looks at it, changes it and takes it away.

use super::{
    User,
    fake::{Fake, problem},
    real::{Running, ok},
    scripted::network,
};
use crate::cli::view::word;
use provisioner_api::{Reservation, ReservationList};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_gets_a_policy_that_is_shown_changed_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let admin = User::of(&service.connection);
    let made = ok(admin.run("pool create gpu --description racks --erase overwrite --max-machines 4").await);
    assert_eq!(made, "pool gpu is made: wipes by overwrite at least, at most 4 in use\n");
    let table = ok(admin.run("pool list -o wide").await);
    for said in ["gpu", "0 of 4", "wipes by overwrite at least, at most 4 in use", "racks"] {
        assert!(table.contains(said), "{said}: {table}");
    }
    assert_eq!(ok(admin.run("pool list -o name").await), "gpu\n");
    let nothing = admin.run("pool set gpu").await;
    assert!(nothing.code == 2 && nothing.err.contains("--max-machines"), "{nothing:?}");
    let set = ok(admin.run("pool set gpu --erase none --max-machines 6").await);
    assert_eq!(set, "pool gpu is changed: at most 6 in use\n");
    let page = ok(admin.run("pool show gpu").await);
    assert!(page.contains("racks") && page.contains("0 of 6") && !page.contains("overwrite"), "{page}");
    let json = ok(admin.run("pool show gpu -o json").await);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["name"], &json["spec"]["max_machines"]), (&"gpu".into(), &6.into()));
    let dry = ok(admin.run("pool delete gpu --dry-run").await);
    assert!(dry.contains("pool gpu would have no policy any more (at most 6 in use)"), "{dry}");
    assert_eq!(ok(admin.run("pool delete gpu").await), "pool gpu has no policy any more\n");
    let gone = admin.run("pool set gpu --erase overwrite").await;
    assert!(gone.code == 5 && gone.err.contains("billet pool create gpu"), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_are_declared_in_files_and_changed_only_as_they_were_seen() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let admin = User::of(&service.connection);
    admin.file("pw", "hunter2\n");
    let rack = "\
kind: machine
name: m1
macs: [52:54:00:00:00:01]
bmc: redfish://admin@127.0.0.1:1
bmc_password_file: pw
pool: racks
---
kind: pool
name: racks
description: rack 7
erase: overwrite
max_machines: 4
";
    let rack = admin.file("rack.yaml", rack);
    let told =
        "pool/racks created: description \"rack 7\", erase overwrite, max_machines 4\nmachine/m1 created\n";
    let dry = ok(admin.run(&format!("apply -f {rack} --dry-run")).await);
    assert_eq!(dry, format!("{told}dry run: nothing was done\n"));
    assert_eq!(ok(admin.run("pool list -o name").await), "");
    assert_eq!(ok(admin.run(&format!("apply -f {rack}")).await), told, "the pool comes before its machine");
    let again = ok(admin.run(&format!("apply -f {rack}")).await);
    assert_eq!(again, "pool/racks unchanged\nmachine/m1 unchanged\n");

    // The same in a table, with another limit.
    let table =
        admin.file("pools.csv", "kind,name,erase,max_machines\npool,racks,overwrite,6\npool,free,,none\n");
    let told = "pool/racks changed: max_machines 4 → 6\npool/free created\n";
    let dry = ok(admin.run(&format!("apply -f {table} --dry-run")).await);
    assert_eq!(dry, format!("{told}dry run: nothing was done\n"));
    assert_eq!(ok(admin.run(&format!("apply -f {table}")).await), told);
    let page = ok(admin.run("pool show racks").await);
    assert!(page.contains("rack 7") && page.contains("of 6"), "what is not said stays: {page}");
    let wrong = admin.file("wrong.csv", "kind,name,erase\npool,ok,overwrite\npool,bad,all\n");
    let refused = admin.run(&format!("apply -f {wrong}")).await;
    assert!(refused.code == 2 && refused.err.contains("wrong.csv:3: erase: use metadata"), "{refused:?}");
    assert!(!ok(admin.run("pool list -o name").await).contains("ok\n"), "nothing of the file was done");
    let network = admin.file("net.yaml", "kind: network\nname: lan\ndhcp: full\n");
    let refused = admin.run(&format!("apply -f {network}")).await;
    assert!(
        refused.code == 2 && refused.err.contains("there is no network `lan`; declare it"),
        "{refused:?}"
    );
    service.end().await;
}

#[tokio::test]
async fn a_pool_that_somebody_changed_meanwhile_is_left() {
    let fake = Fake::start().await;
    let racks = json!({ "name": "racks", "machines": 1, "held": 0, "states": {}, "spec": {},
        "id": "00000000-0000-0000-0000-000000000001", "version": 3 });
    fake.says("GET /v1/pools/racks", 200, &racks);
    fake.says(
        "PATCH /v1/pools/racks",
        412,
        &problem(412, "pool `racks` was changed by somebody else meanwhile"),
    );
    let admin = User::of(fake.connection());
    let file = admin.file("a.yaml", "kind: pool\nname: racks\nerase: overwrite\n");
    let ran = admin.run(&format!("apply -f {file}")).await;
    assert!(ran.code == 2 && ran.err.contains("somebody else") && ran.err.contains("0 of 1"), "{ran:?}");
    let sent = fake.asked().pop().unwrap();
    assert_eq!(sent.if_match.as_deref(), Some("\"00000000000000000000000000000001-3\""));
}

#[tokio::test]
async fn a_network_is_compared_and_what_is_reserved_on_it_is_made() {
    let fake = Fake::start().await;
    fake.says("GET /v1/networks/lab", 200, &network());
    let none = ReservationList { items: Vec::new(), next: None };
    fake.says("GET /v1/networks/lab/reservations?limit=250", 200, &none);
    let reserved = Reservation { mac: "52:54:00:00:00:01".into(), address: "10.77.0.7".into() };
    fake.says("POST /v1/networks/lab/reservations", 201, &reserved);
    let user = User::of(fake.connection());
    let dhcp = word(network().dhcp);
    let good = user.file(
        "a.yaml",
        &format!("kind: network\nname: lab\ndhcp: {dhcp}\nreservations:\n- mac: 52:54:00:00:00:01\n  address: 10.77.0.7\n"),
    );
    let told = ok(user.run(&format!("apply -f {good}")).await);
    assert_eq!(told, "network/lab unchanged\nreservation/lab/52:54:00:00:00:01 created\n");
    let table = user.file("n.csv", "kind,name,dhcp,gateway\nnetwork,lab,off,10.99.0.1\n");
    let ran = user.run(&format!("apply -f {table}")).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    for want in [
        "n.csv:2: dhcp: network lab has",
        "and not off; change the service's configuration",
        "n.csv:2: gateway:",
    ] {
        assert!(ran.err.contains(want), "{want}: {}", ran.err);
    }
}
