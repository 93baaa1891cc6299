//! An operator's day with the command line alone, against the service itself: a new service gets a name, a rack is
//! declared in a file, an image and an instance come, and everything is looked at.

use super::{
    User,
    real::{Running, ok},
};
use sha2::{Digest, Sha256};

/// What the operator declares: nobody is at the addresses of these BMCs.
const RACK: &str = "\
kind: instance
name: web
image: disk
pool: racks
protected: true
---
kind: image
name: disk
file: disk.img
digest: sha256:DIGEST
format: raw
seed: config-2
grow: last
";

const MACHINES: &str = "\
name,macs,bmc,bmc_password_file,pool,zone,rack,label:row,maintenance
m1,52:54:00:00:00:01,redfish://admin@127.0.0.1:1,m1.pw,racks,a,r7,1,true
m2,52:54:00:00:00:02 52:54:00:00:00:03,redfish://admin@127.0.0.1:2,m1.pw,racks,a,r8,2,true
";

#[tokio::test(flavor = "multi_thread")]
async fn a_day() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let user = User::of(&service.connection);
    // The image is sent with its digest; the password is in a file of its own.
    let content = "disk".repeat(1024);
    user.file("disk.img", &content);
    user.file("m1.pw", "hunter2\n");
    std::fs::create_dir(user.folder.path().join("site")).unwrap();
    let digest = hex::encode(Sha256::digest(content.as_bytes()));
    let rack = user.file("rack.yaml", &RACK.replace("DIGEST", &digest));
    let machines = user.file("machines.csv", MACHINES);
    let apply = format!("apply -f {rack} -f {machines}");

    let dry = ok(user.run(&format!("{apply} --dry-run")).await);
    assert!(dry.starts_with("image/disk created\nmachine/m1 created\n"), "{dry}");
    assert_eq!(ok(user.run("machine list -o name").await), "");
    let ran = user.run(&apply).await;
    let told = "image/disk created\nmachine/m1 created\nmachine/m2 created\ninstance/web created\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, told), "{ran:?}");
    let again = ok(user.run(&apply).await);
    assert!(again.lines().count() == 4 && again.lines().all(|line| line.ends_with(" unchanged")), "{again}");

    let follows = ["image", "show", "disk", "-o", "jsonpath={.spec.seed} {.spec.grow}"];
    assert_eq!(ok(user.run_words(&follows).await).trim_end(), "config-2 last");
    let other = user.file("other.yaml", &RACK.replace("DIGEST", &digest).replace("config-2", "nocloud"));
    let refused = user.run(&format!("apply -f {other}")).await;
    assert!(refused.code == 2 && refused.err.contains("declared otherwise"), "{refused:?}");

    // One line is changed, and nothing else changes.
    let machines = user.file("machines.csv", &MACHINES.replace("racks,a,r8", "racks,b,r8"));
    let changed = ok(user.run(&format!("apply -f {machines}")).await);
    assert_eq!(changed, "machine/m1 unchanged\nmachine/m2 changed: zone a → b\n");
    let places = [
        "machine",
        "list",
        "-o",
        "jsonpath={range .items[*]}{.name} {.spec.zone} {.spec.maintenance}{\"\\n\"}{end}",
    ];
    assert_eq!(ok(user.run_words(&places).await), "m1 a true\nm2 b true\n");
    let shown = ok(user.run("machine show m2 -o yaml").await);
    assert!(!shown.contains("hunter2"), "{shown}");

    // Looking at the whole.
    let picture = ok(user.run("top").await);
    assert!(picture.contains("machines 2: ") && picture.contains("2 in maintenance"), "{picture}");
    assert!(picture.contains("instances 1: pending 1\n"), "{picture}");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_services_have_names() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let mut user = User::of(&service.connection);
    user.settings = Some(user.folder.path().join("config"));
    let client = user.folder.path().join("client.toml").display().to_string();
    let plain = async |words: &[&str]| user.run_plain(&[&["billet"], words].concat()).await;
    assert_eq!(ok(plain(&["context", "list", "-o", "name"]).await), "");
    assert_eq!(plain(&["machine", "list"]).await.code, 2, "no service is known");
    let added = ok(plain(&["context", "add", "prod", "--from", &client, "--use"]).await);
    assert_eq!(added, format!("context prod is {}, and in use\n", service.connection.url));
    assert_eq!(ok(plain(&["machine", "list", "-o", "name"]).await), "");
    ok(plain(&["context", "add", "lab", "--from", &client]).await);
    let list = ok(plain(&["context", "list"]).await);
    assert!(list.contains("*     prod  https://") && list.contains("-     lab   https://"), "{list}");
    assert!(ok(plain(&["context", "show"]).await).contains("Name:         prod\n"));
    let json = ok(plain(&["context", "list", "-o", "json"]).await);
    assert!(!json.contains(service.connection.token.reveal()), "no token is shown");
    assert_eq!(ok(plain(&["--service", "lab", "machine", "list", "-o", "name"]).await), "");
    assert_eq!(plain(&["--service", "none", "machine", "list"]).await.code, 5);
    assert_eq!(plain(&["--service", "lab", "--client", &client, "machine", "list"]).await.code, 2);
    assert_eq!(plain(&["context", "remove", "prod"]).await.code, 2, "it is in use");
    ok(plain(&["context", "use", "lab"]).await);
    ok(plain(&["context", "remove", "prod"]).await);
    service.end().await;
}
