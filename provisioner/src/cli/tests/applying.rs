//! `billet apply` against a service that answers by script: what is sent, in which order, and what never is.

use super::{
    User,
    fake::{Asked, Fake, problem},
    samples,
};
use provisioner_api::{MachineCreate, MachineUpdate, Reservation, ReservationList};
use serde_json::json;

const RACK: &str = "\
kind: instance
name: web
image: debian-12
machine: m1
---
kind: machine
name: m1
macs: [52:54:00:00:00:01]
bmc: ipmi://admin@10.0.0.9?cipher=3
protected: true
---
kind: machine
name: m2
pool: gpu
---
kind: reservation
network: lan
mac: 52:54:00:00:00:01
address: 10.0.0.7
";

/// A service that knows of `m2`, of the image, and of a network with a reservation.
async fn service() -> Fake {
    let fake = Fake::start().await;
    let reservations = ReservationList {
        items: vec![Reservation { mac: "52:54:00:00:00:02".into(), address: "10.0.0.8".into() }],
        next: None,
    };
    fake.says("GET /v1/machines/m2", 200, &samples::machine("m2"));
    fake.says("GET /v1/images/debian-12", 200, &json!({
        "id": samples::machine("x").id, "name": "debian-12",
        "spec": { "name": "debian-12", "digest": format!("sha256:{}", "ab".repeat(32)), "format": "raw" },
        "status": { "imported": "2026-11-21T03:30:00Z", "disk_bytes": 1, "stored_bytes": 1, "chunks": 1, "manifest_sha256": "00" },
    }));
    fake.says("GET /v1/networks/lan/reservations?limit=250", 200, &reservations);
    fake
}

/// The requests that change something.
fn changes(fake: &Fake) -> Vec<Asked> {
    fake.asked().into_iter().filter(|asked| !asked.line.starts_with("GET ")).collect()
}

fn lines(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|asked| asked.line.as_str()).collect()
}

#[tokio::test]
async fn what_one_thing_needs_comes_before_it() {
    let fake = service().await;
    let reserved = Reservation { mac: "52:54:00:00:00:01".into(), address: "10.0.0.7".into() };
    fake.says("POST /v1/networks/lan/reservations", 201, &reserved);
    fake.says("POST /v1/machines", 201, &samples::machine("m1"));
    fake.says("PATCH /v1/machines/m1", 200, &samples::machine("m1"));
    fake.says("PATCH /v1/machines/m2", 200, &samples::machine("m2"));
    fake.says("POST /v1/instances", 201, &samples::instance("web"));
    let mut user = User::of(fake.connection());
    user.password = Some("hunter2".to_owned());
    let file = user.file("rack.yaml", RACK);
    let dry = user.run(&format!("apply -f {file} --dry-run")).await;
    let told = "\
reservation/lan/52:54:00:00:00:01 created
machine/m1 created
machine/m2 changed: pool default → gpu
instance/web created
";
    assert_eq!((dry.code, dry.err.as_str()), (0, ""), "{dry:?}");
    assert_eq!(dry.out, format!("{told}dry run: nothing was done\n"));
    assert_eq!(changes(&fake).len(), 0, "a dry run only asks");
    let ran = user.run(&format!("apply -f {file}")).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, told), "{ran:?}");
    let sent = changes(&fake);
    assert_eq!(
        lines(&sent),
        [
            "POST /v1/networks/lan/reservations",
            "POST /v1/machines",
            "PATCH /v1/machines/m1",
            "PATCH /v1/machines/m2",
            "POST /v1/instances",
        ]
    );
    let create: MachineCreate = serde_json::from_slice(&sent[1].body).unwrap();
    assert_eq!(create.bmc_password.reveal(), "hunter2");
    let versions: Vec<_> = sent[2..4].iter().map(|asked| asked.if_match.as_deref()).collect();
    let seen = Some("\"00000000000000000000000000000001-7\"");
    assert_eq!(versions, [seen, seen], "a change names the version that was seen");
    let update: MachineUpdate = serde_json::from_slice(&sent[3].body).unwrap();
    assert!(
        update.pool.as_deref() == Some("gpu") && update.bmc_password.is_none() && update.labels.is_none()
    );
}

#[tokio::test]
async fn all_mistakes_of_all_files_are_told_before_anything_is_changed() {
    let fake = service().await;
    let user = User::of(fake.connection());
    let good = user.file("a.yaml", "kind: machine\nname: m2\npool: gpu\n");
    let bad =
        user.file("b.yaml", "kind: machine\nname: m3\npoool: x\n---\nkind: instance\nname: W\nimage: i\n");
    let table = user.file("c.csv", "name,macs\nm4,52:54\n");
    let ran = user.run(&format!("apply -f {good} -f {bad} -f {table}")).await;
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    for want in [
        "billet: nothing was changed, because of 3 mistakes:\n",
        "b.yaml:3: unknown field `poool`",
        "b.yaml:6: name: `W` is not a good name",
        "c.csv:2: macs: `52:54` is not a MAC address",
    ] {
        assert!(ran.err.contains(want), "{want}: {}", ran.err);
    }
    assert_eq!(fake.asked().len(), 0, "the service is not even asked");
}

#[tokio::test]
async fn what_only_the_service_knows_to_be_wrong_is_told_before_anything_is_changed() {
    let fake = service().await;
    let mut releasing = samples::instance("old");
    releasing.status.state = provisioner_api::InstanceState::Releasing;
    fake.says("GET /v1/instances/old", 200, &releasing);
    fake.says("GET /v1/instances/web", 200, &samples::instance("web"));
    let user = User::of(fake.connection());
    let text = "\
kind: machine
name: m2
pool: gpu
---
kind: machine
name: m3
---
kind: machine
name: m5
macs: [52:54:00:00:00:05]
bmc: redfish://a@h
---
kind: instance
name: web
image: debian-13
---
kind: instance
name: old
image: debian-12
---
kind: instance
name: new
image: none
machine: m9
---
kind: reservation
network: wan
mac: 52:54:00:00:00:01
address: 10.0.0.7
---
kind: reservation
network: lan
mac: 52:54:00:00:00:03
address: 10.0.0.8
";
    let file = user.file("a.yaml", text);
    let ran = user.run(&format!("apply -f {file}")).await;
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    for want in [
        ":5: macs: machine m3 is not there yet",
        ":8: bmc_password_file: the BMC's password is missing",
        ":13: image: instance web has image debian-12; apply never writes a disk anew: `billet instance reinstall web",
        ":17: name: instance old is being given back",
        ":21: image: there is no image `none`",
        ":21: machine: there is no machine `m9`",
        ":26: network: there is no network `wan`",
        ":31: address: 10.0.0.8 is reserved for 52:54:00:00:00:02 already",
    ] {
        assert!(ran.err.contains(want), "{want}: {}", ran.err);
    }
    assert_eq!(changes(&fake).len(), 0);
}

#[tokio::test]
async fn a_break_tells_how_far_it_came_and_the_same_command_goes_on() {
    let fake = Fake::start().await;
    fake.says("GET /v1/machines/m1", 200, &samples::machine("m1"));
    fake.says("GET /v1/machines/m2", 200, &samples::machine("m2"));
    fake.says("PATCH /v1/machines/m1", 200, &samples::machine("m1"));
    fake.says(
        "PATCH /v1/machines/m2",
        412,
        &problem(412, "machine `m2` was changed by somebody else meanwhile"),
    );
    let user = User::of(fake.connection());
    let file = user.file("a.csv", "name,zone\nm1,a\nm2,a\n");
    let ran = user.run(&format!("apply -f {file}")).await;
    assert_eq!((ran.code, ran.out.as_str()), (2, "machine/m1 changed: zone none → a\n"), "{ran:?}");
    let hint = "that was machine/m2: 1 of 2 objects are as the files say; once that is mended, the same command goes on";
    assert!(ran.err.contains("somebody else") && ran.err.contains(hint), "{ran:?}");
}

#[tokio::test]
async fn folders_standard_input_and_what_is_neither() {
    let fake = service().await;
    let mut user = User::of(fake.connection());
    user.types = "kind: machine\nname: m2\n".to_owned();
    assert_eq!(user.run("apply -f -").await.out, "machine/m2 unchanged\n");
    let json = user.run("apply -f - -o json").await.out;
    assert!(json.contains("\"outcome\": \"unchanged\""), "{json}");
    assert_eq!(user.run_words(&["apply", "-f", "-", "-o", "jsonpath={.items[*].name}"]).await.out, "m2");
    std::fs::create_dir(user.folder.path().join("d")).unwrap();
    let folder = user.folder.path().join("d").display().to_string();
    let empty = user.run(&format!("apply -f {folder}")).await;
    assert!(empty.code == 2 && empty.err.contains("holds no .yaml, .yml or .csv file"), "{empty:?}");
    user.file("d/b.csv", "name\nm2\n");
    user.file("d/notes.txt", "not read");
    assert_eq!(user.run(&format!("apply -f {folder}")).await.out, "machine/m2 unchanged\n");
    let other = user.file("a.json", "{}");
    assert!(user.run(&format!("apply -f {other}")).await.err.contains("rename it"));
    let nothing = user.file("n.yaml", "# nothing\n");
    assert!(user.run(&format!("apply -f {nothing}")).await.err.contains("nothing is declared"));
    user.types = "x".repeat(1024 * 1024);
    assert!(
        user.run("apply -f -").await.err.contains("longer than 1 MiB"),
        "what was cut off is not applied"
    );
}
