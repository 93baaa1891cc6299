//! Commands against the service itself, with its database, keys and TLS, without any network to boot from.

use super::{Output, Ran, Ui, User, command, direct::Bmc, write_private};
use crate::{app::App, config::Config};
use provisioner_api::{Image, ImageFormat, ImageSpec, Machine, Secret};
use provisioner_client::{Client, Connection};
use sha2::{Digest, Sha256};
use std::{path::Path, time::Duration};
use tokio_util::sync::CancellationToken;

/// From the documentation of `minisign-verify`, with a signature of a file `test` that has four bytes.
const MINISIGN_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
    RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
    trusted comment: timestamp:1633700835\tfile:test\tprehashed\n\
    wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==";

/// A running service; it ends with the value.
pub(super) struct Running {
    pub(super) connection: Connection,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Starts one over this data folder.
    pub(super) async fn start(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        for name in ["undionly.kpxe", "snponly.efi", "vmlinuz", "initrd.img"] {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        let text = format!(
            "data = {:?}\n[boot]\nkernel = {:?}\nramdisk = {:?}\nipxe = {:?}\n[log]\nfilter = 'off'\n",
            folder.join("data"),
            folder.join("vmlinuz"),
            folder.join("initrd.img"),
            folder
        );
        write_private(&folder.join("billet.toml"), &text);
        let mut config = Config::load(&folder.join("billet.toml"), []).unwrap();
        config.api.listen = "127.0.0.1:0".parse().unwrap();
        // The program of these tests has no child in it; tests/ has imports in the true way.
        config.images.program = images::import::ImportProgram::InProcess;
        config.images.trust.keys = vec![images::import::TrustedKey::parse(MINISIGN_KEY).unwrap()];
        let app = App::bind(config).await.unwrap();
        let token = match app.first_login() {
            Some(login) => login.token.clone(),
            None => panic!("this folder is used once"),
        };
        let url = format!("https://{}", app.api_address().unwrap());
        let connection = Connection { url, token, ca_pem: app.ca_pem().to_owned() };
        let stop = CancellationToken::new();
        let task = tokio::spawn(app.run(stop.clone()));
        Self { connection, stop, task }
    }

    pub(super) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

pub(super) fn ok(ran: Ran) -> String {
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    ran.out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_added_looked_at_changed_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let mut user = User::of(&service.connection);
    user.password = Some("hunter2".to_owned());
    assert_eq!(ok(user.run("machine list -o json").await), "[]\n");
    // Port 1 of the loopback: nobody is there.
    let add = "machine add m1 --mac 52:54:00:00:00:01 --bmc redfish://admin@127.0.0.1:1 --label rack=r7";
    assert_eq!(ok(user.run(add).await), "machine m1 is added; see `billet why m1`\n");
    let again = user.run(add).await;
    assert_eq!(again.code, 2, "{again:?}");
    let shown = ok(user.run("machine show m1").await);
    assert!(shown.contains("redfish://admin@127.0.0.1:1") && !shown.contains("hunter2"), "{shown}");
    let why = ok(user.run("why m1").await);
    assert!(why.contains("Object:       machine m1"), "{why}");
    let events = ok(user.run("machine events m1").await);
    assert!(events.contains("added by an operator"), "{events}");
    ok(user.run("machine set m1 --label room=a --maintenance on").await);
    let machine: Machine = serde_json::from_str(&ok(user.run("machine show m1 -o json").await)).unwrap();
    assert_eq!(machine.spec.labels.len(), 2);
    assert!(machine.spec.maintenance);
    let waited = user.run("machine accept m1 --wait --timeout 1s").await;
    assert!([2, 3, 4].contains(&waited.code), "{waited:?}");
    let missing = user.run("machine show nobody").await;
    assert_eq!(missing.code, 5, "{missing:?}");
    assert_eq!(ok(user.run("network list -o name").await), "");
    assert!(ok(user.run("metrics").await).contains("billet_machines{state=\"inspecting\"} 1\n"));
    assert!(ok(user.run("boot-trace m1").await).contains("nothing was heard"));
    assert_eq!(ok(user.run("instance list -o name").await), "");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_imported_and_an_instance_waits_for_a_machine() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let user = User::of(&service.connection);
    let content = "disk".repeat(512 * 1024);
    let file = user.file("disk.img", &content);
    let digest = hex::encode(Sha256::digest(content.as_bytes()));
    let line = format!("image import {file} --name disk --format raw --digest sha256:{digest} --verify");
    let said = ok_but_progress(user.run(&line).await);
    assert!(said.starts_with("image disk is imported: a disk of 2.0 MiB"), "{said}");
    let image: Image = serde_json::from_str(&ok(user.run("image show disk -o json").await)).unwrap();
    assert_eq!(image.status.disk_bytes, content.len() as u64);
    assert!(ok(user.run(&line).await).contains("imported already"));
    let bad = user.file("bad.img", "other");
    let ran = user.run(&format!("image import {bad} --name bad --format raw --digest sha256:{digest}")).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    let ran = user.run("instance create web --image disk --pool default --wait --timeout 1s").await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("instance web: pending"), "{ran:?}");
    let none = user.run("instance create other --image none --pool default").await;
    assert_eq!(none.code, 2);
    assert!(none.err.contains("spec.image"), "{none:?}");
    let ran = user.run("instance delete web --yes --wait --timeout 20s").await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "instance web is gone\n"), "{ran:?}");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_says_who_signed_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let user = User::of(&service.connection);
    let import = |content: &'static str, name: &'static str| {
        let (file, signature) = (user.file(name, content), user.file("test.minisig", SIGNATURE));
        let digest = hex::encode(sha2::Sha512::digest(content));
        let line = "--format raw --verify --digest sha512:";
        format!("image import {file} --name {name} {line}{digest} --signature {signature}")
    };
    let line = import("test", "signed");
    ok_but_progress(user.run(&line).await);
    let image: Image = serde_json::from_str(&ok(user.run("image show signed -o json").await)).unwrap();
    let by = image.status.signed_by.unwrap();
    assert_eq!((by.scheme.as_str(), by.key.as_str()), ("minisign", "E7620F1842B4E81F"));
    assert!(image.spec.digest.starts_with("sha512:"));
    let page = ok(user.run("image show signed").await);
    assert!(page.contains("minisign key E7620F1842B4E81F"), "{page}");
    // The same without the signature is the same image.
    let unsigned = line.split(" --signature").next().unwrap();
    assert!(ok(user.run(unsigned).await).contains("imported already"));
    let forged = user.run(&import("Test", "forged")).await;
    assert!(forged.code == 2 && forged.err.contains("not one of this file by a trusted key"), "{forged:?}");
    assert_eq!(user.run("image show forged").await.code, 5);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_bmc_is_asked_through_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let bmc = Bmc::plain();
    let mut user = User::of(&service.connection);
    user.password = Some("right".to_owned());
    let address = format!("ipmi://admin@{}", bmc.address);
    ok(user.run(&format!("machine add m1 --mac 52:54:00:00:00:01 --bmc {address}")).await);
    until_job(&user, |ended| !ended).await;
    let busy = user.run("bmc power reset m1").await;
    assert!(busy.code == 2 && busy.err.contains("billet machine cancel"), "it is being inspected: {busy:?}");
    ok(user.run("machine cancel m1").await);
    until_job(&user, |ended| ended).await;
    let info = ok(user.run("bmc info m1").await);
    assert!(info.contains(&bmc.address.to_string()) && info.contains("console"), "{info}");
    assert!(ok(user.run("bmc sensors m1").await).contains("degrees C"));
    assert!(ok(user.run("bmc fru m1").await).contains("(number 0)"));
    assert!(ok(user.run("bmc user list m1").await).contains("administrator"));
    console_of_a_machine(&bmc, &user).await;
    let file = user.file("new", "better\n");
    let list = ok(user.run("bmc user list m1 -o json").await);
    let users: Vec<provisioner_api::BmcUserEntry> = serde_json::from_str(&list).unwrap();
    let own = &users.iter().find(|user| user.name == "admin").unwrap().id;
    ok(user.run(&format!("bmc user set-password {own} m1 --yes --new-password-file {file}")).await);
    ok(user.run("bmc power status m1").await);
    let direct = user.run(&format!("bmc power status -H {} -U admin", bmc.address)).await;
    assert!(direct.code == 2 && direct.err.contains("password is wrong"), "{direct:?}");
    service.end().await;
    assert_eq!(bmc.control.open_sessions(), 0, "the service gives its session back");
}

/// Waits until the machine `m1` has a job, and it is ended or not.
async fn until_job(user: &User, fits: impl Fn(bool) -> bool) {
    for _ in 0..1000 {
        let machine: Machine = serde_json::from_str(&ok(user.run("machine show m1 -o json").await)).unwrap();
        if machine.status.job.is_some_and(|job| fits(job.ended.is_some())) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the job never came so far");
}

/// Watching, typing, and what is recorded of it.
async fn console_of_a_machine(bmc: &Bmc, user: &User) {
    let serial = bmc.chassis.serial_device();
    serial.set_power(true);
    let keys = user.keyboard(true);
    let (ran, ()) = tokio::join!(user.run("machine console m1"), async {
        user.err.until("~. at the start of a line leaves").await;
        keys.send(b"root\r".to_vec()).await.unwrap();
        user.out.until("root").await;
        serial.say(b"welcome\r\n");
        user.out.until("welcome").await;
        keys.send(b"~.".to_vec()).await.unwrap();
    });
    assert_eq!(ran.code, 0, "{ran:?}");
    let record = ok(user.run("machine console m1 --follow=false --backlog all").await);
    assert!(record.contains("root") && record.contains("welcome\r\n"), "{record}");
}

/// An import says on standard error how much is sent; that is no complaint.
fn ok_but_progress(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let stranger = Connection { token: Secret::new("billet_no"), ..service.connection.clone() };
    let ran = User::of(&stranger).run("machine list").await;
    assert_eq!(ran.code, 2, "{ran:?}");
    service.end().await;
}

/// A refusal that comes while a large body is on its way is heard, not lost in a broken connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(&folder.path().join("service")).await;
    let file = folder.path().join("i.img");
    std::fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
    let mut spec = ImageSpec::disk("d", "x", ImageFormat::Raw);
    let stranger = Connection { token: Secret::new("billet_no"), ..service.connection.clone() };
    for (connection, name, status) in [(&stranger, "d", 401), (&service.connection, "No name", 422)] {
        let client = Client::new(connection).unwrap();
        spec.name = name.to_owned();
        // More than once, since who is first, the answer or the broken pipe, is a matter of luck.
        for _ in 0..10 {
            let refused = client.import_image(&spec, &file, |_| ()).await.unwrap_err();
            assert_eq!(refused.status(), Some(status), "{refused:?}");
        }
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrators_file_logs_in() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let path = folder.path().join("data/admin.toml");
    // The file names the port that was asked for, and that was "any".
    let text =
        std::fs::read_to_string(&path).unwrap().replace("https://127.0.0.1:0", &service.connection.url);
    let user = User::of(&service.connection);
    write_private(&user.folder.path().join("client.toml"), &text);
    assert_eq!(ok(user.run("machine list -o name").await), "");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_a_private_file_that_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let mut user = User::of(&service.connection);
    user.password = Some("hunter2".to_owned());
    ok(user.run("machine add m1 --mac 52:54:00:00:00:01 --bmc redfish://admin@127.0.0.1:1").await);
    let path = folder.path().join("b.backup");
    let line = format!("backup --file {}", path.display());
    assert!(ok(user.run(&line).await).starts_with("1 machines and all else are saved in "));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let whole = std::fs::read(&path).unwrap();
    assert!(!whole.windows(7).any(|part| part == b"hunter2"));
    let again = user.run(&line).await;
    assert!(again.code == 2 && again.err.contains("--force"), "{again:?}");
    assert!(std::fs::read(&path).unwrap() == whole, "what is there stays");
    ok(user.run(&format!("{line} --force")).await);
    let mut ui = Ui::new(Box::new(user.out.clone()), Box::new(user.err.clone()), Output::Table);
    user.out.bytes.lock().unwrap().clear();
    command::check_backup(&path, &mut ui).unwrap();
    assert!(user.out.text().contains("\n  machine: 1\n"), "{}", user.out.text());
    service.end().await;
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().ends_with(".part")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_breaks_off_or_was_changed_on_its_way_is_no_file() {
    let cut = async || {
        let pieces = [Ok(axum::body::Bytes::from_static(b"half of it")), Err(std::io::Error::other("gone"))];
        axum::body::Body::from_stream(futures::stream::iter(pieces))
    };
    let short = async || {
        axum::body::Body::from("not a backup, though all of it came, and with a length that would do")
    };
    for routes in [
        axum::Router::new().route(provisioner_api::paths::BACKUP, axum::routing::get(cut)),
        axum::Router::new().route(provisioner_api::paths::BACKUP, axum::routing::get(short)),
    ] {
        let service = super::fake::Fake::with(routes).await;
        let user = User::of(service.connection());
        let path = user.folder.path().join("b.backup");
        let ran = user.run(&format!("backup --file {}", path.display())).await;
        assert!(ran.code != 0 && !ran.err.is_empty(), "{ran:?}");
        assert_eq!(
            std::fs::read_dir(user.folder.path()).unwrap().count(),
            1,
            "only the client's file: {ran:?}"
        );
        let ran = user.run("backup --file -").await;
        assert!(ran.code != 0, "{ran:?}");
    }
}

/// Machines at rest are confirmed all at once after a restore, but not those whose instance is to be given back.
#[tokio::test(flavor = "multi_thread")]
async fn restored_machines_at_rest_are_confirmed_at_once() {
    let service = super::fake::Fake::start().await;
    let held = |restored| Some(provisioner_api::Held { restored, number: 3, ..super::samples::held() });
    let machine = |name: &str, restored| {
        let mut machine = super::samples::machine(name);
        machine.status.held = held(restored);
        machine
    };
    let list =
        serde_json::json!({ "items": [machine("m1", true), machine("m2", false), machine("m3", true)] });
    service.says("GET /v1/machines?state=available&held=true&limit=250", 200, &list);
    for name in ["m1", "m3"] {
        service.says(&format!("POST /v1/machines/{name}/choose"), 200, &serde_json::json!({}));
    }
    let user = User::of(service.connection());
    let asked = user.run("machine confirm --state available").await;
    assert!(asked.code == 2 && asked.err.contains("--yes"), "{asked:?}");
    assert_eq!(ok(user.run("machine confirm --state available --yes").await), "2 machines are confirmed\n");
    let chosen: Vec<_> = service.asked().into_iter().filter(|asked| asked.line.starts_with("POST")).collect();
    assert_eq!(chosen.len(), 2);
    assert!(String::from_utf8_lossy(&chosen[0].body).contains("\"hold\":3"));
    let wrong = user.run("machine confirm --state deploying").await;
    assert!(wrong.code == 2 && wrong.err.contains("choose"), "{wrong:?}");
}

#[test]
fn a_restore_says_what_somebody_has_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("b.backup");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let service = Running::start(folder.path()).await;
        let mut user = User::of(&service.connection);
        user.password = Some("hunter2".to_owned());
        ok(user.run("machine add m1 --mac 52:54:00:00:00:01 --bmc redfish://admin@127.0.0.1:1").await);
        until_job(&user, |ended| !ended).await;
        ok(user.run(&format!("backup --file {}", backup.display())).await);
        service.end().await;
    });
    drop(runtime);
    let (out, err) = (super::Kept::default(), super::Kept::default());
    let mut ui = Ui::new(Box::new(out.clone()), Box::new(err.clone()), Output::Table);
    let config = folder.path().join("billet.toml");
    let restore = |replace, dry_run| crate::cli::args::Restore {
        file: backup.clone(),
        config: config.clone(),
        replace,
        dry: crate::cli::args::DryRun { dry_run },
    };
    let asked = |replace| restore(replace, false);
    crate::cli::restore::restore(&restore(true, true), &mut ui).unwrap();
    assert!(out.text().contains("is whole and unchanged") && out.text().contains("nothing was done"));
    let refused = crate::cli::restore::restore(&asked(false), &mut ui).unwrap_err();
    assert_eq!(refused.code(), 1);
    let sentence = refused.sentence().unwrap();
    assert!(sentence.starts_with("nothing was restored: the database is not empty"), "{sentence}");
    crate::cli::restore::restore(&asked(true), &mut ui).unwrap();
    for words in [
        "is restored (billet ",
        "what was there before is in ",
        "machines that were at work (1): m1 (inspect)\n",
        "1 machines are held until somebody confirmed",
        "before `billet unfreeze`",
    ] {
        assert!(out.text().contains(words), "{words}: {}", out.text());
    }
}
