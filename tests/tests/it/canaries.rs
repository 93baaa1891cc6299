//! Recognisable secrets are put wherever a secret can enter, and looked for wherever anything comes out: answers and errors of
//! the API, every route that reads, metrics, audit log, backup, every file of the data folder, traces, and the log at its finest.
//!
//! Three of them have a place where they are meant to be: the first administrator's token in `admin.toml`, from which the
//! command line logs in on the same host, the site key in its file, and what a client itself sends. Deliberately not here: what a BMC repeats in its
//! errors (`bmc_secrets`).

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use provisioner_api::{
    BmcUserAdd, BmcUserPrivilege, InstanceCreate, InstanceSpec, InstanceState, Login, MachineCreate,
    MachineState, MachineUpdate, Role, Secret, TokenCreate, UserCreate,
};
use provisioner_client::JobFilter;
use reqwest::Method;
use std::path::{Path, PathBuf};
use tests::{Protocol, Sim, SimOptions, Site, eventually, gpt_image};

use crate::{
    collector::{Collector, TOKEN},
    log::Log,
};

/// The API, as a client knows it: every route that reads is in it.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// Where the first administrator's token is meant to be.
const ADMIN_FILE: &str = "admin.toml";

/// Where the site key is meant to be.
const KEY_FILE: &str = "site.key";

/// A secret and its name.
struct Canary {
    name: &'static str,
    bytes: Vec<u8>,
}

impl Canary {
    fn new(name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name, bytes: bytes.into() }
    }
}

/// Bytes as text, each a character of its own: what is no UTF-8 can be looked for, too.
fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// What came out of somewhere.
struct Shown {
    place: String,
    text: String,
}

impl Shown {
    fn new(place: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self { place: place.into(), text: text_of(bytes.as_ref()) }
    }
}

/// How a secret may be written: as it is, hex, percent-encoded, base64 from each of the three places that its first byte can
/// have in a longer text.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    let mut all = vec![
        text_of(bytes),
        hex::encode(bytes),
        hex::encode_upper(bytes),
        percent.to_ascii_lowercase(),
        percent,
    ];
    for (before, mixed) in [(0, 0), (1, 2), (2, 3)] {
        let longer = [vec![0; before], bytes.to_vec()].concat();
        // Characters that hold bits of what is before or behind are left out.
        let whole = longer.len() * 8 / 6;
        let text = &STANDARD_NO_PAD.encode(&longer)[mixed..whole];
        all.push(text.to_owned());
        all.push(text.replace('+', "-").replace('/', "_"));
    }
    all
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let longer = |offset: usize| STANDARD_NO_PAD.encode(format!("{}canary/9+x?and more", &"abc"[..offset]));
    let all = spellings(b"canary/9+x?");
    for offset in 0..3 {
        assert!(all.iter().any(|spelling| longer(offset).contains(spelling.as_str())), "{offset}");
    }
    assert!(all.contains(&hex::encode("canary/9+x?")));
    let raw = [0x80, 0xff, 0x00, 0xc3];
    let shown = [Shown::new("a file", [b"before ".as_slice(), &raw, b" behind"].concat())];
    assert_eq!(hits(&shown, &[Canary::new("key", raw)]).len(), 1, "what is no text is found as it is");
}

/// Every canary in all that was shown.
fn hits(shown: &[Shown], canaries: &[Canary]) -> Vec<String> {
    let mut hits = Vec::new();
    for canary in canaries {
        for spelling in spellings(&canary.bytes) {
            for Shown { place, text } in shown {
                let Some(at) = text.find(&spelling) else { continue };
                let before: String = text[..at].chars().rev().take(200).collect();
                let before: String = before.chars().rev().collect();
                hits.push(format!("{place} tells the {} as `{spelling}`: …{before}", canary.name));
            }
        }
    }
    hits
}

/// The files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => files(&entry.path(), found)?,
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    Ok(())
}

/// Every route that reads and can be asked for with what there is. Followed ones never end, and the agent's are not a
/// person's.
fn read_paths(job: &str) -> Result<Vec<String>> {
    let document: serde_json::Value = serde_json::from_str(DOCUMENT)?;
    let paths = document["paths"].as_object().context("paths")?;
    let read = paths.iter().filter(|(_, methods)| methods.get("get").is_some());
    let names = [
        ("{machine}", "m1"),
        ("{instance}", "os"),
        ("{image}", "test-os"),
        ("{network}", "loopback"),
        ("{pool}", "default"),
        ("{name}", "none"),
        ("{id}", "1"),
        ("{job}", job),
        ("{user}", "ann"),
        ("{erasure}", "00000000-0000-0000-0000-000000000000"),
    ];
    let filled = read.map(|(path, _)| {
        names.iter().fold(path.clone(), |path, (parameter, value)| path.replace(parameter, value))
    });
    let endless =
        |path: &str| ["/bmc/reports", "/console", "/v1/watch"].iter().any(|end| path.ends_with(end));
    let asked: Vec<_> = filled.filter(|path| !path.starts_with("/agent/") && !endless(path)).collect();
    ensure!(asked.iter().all(|path| !path.contains('{')), "a new parameter: {asked:?}");
    ensure!(asked.len() > 40, "the document has the routes: {asked:?}");
    Ok(asked)
}

/// What every route that reads answers to the administrator.
async fn read_everything(site: &Site) -> Result<Vec<Shown>> {
    let (http, connection) = (site.http()?, site.connection());
    let mut shown = Vec::new();
    let jobs = site.client()?.jobs(&JobFilter::default(), 1).await?;
    let job = jobs.first().context("a job")?.job.id.to_string();
    let more = "/v1/support?machine=m1".to_owned();
    for path in read_paths(&job)?.into_iter().chain([more]) {
        let request = http.get(format!("{}{path}", connection.url)).bearer_auth(connection.token.reveal());
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), format!("{:?}", answer.headers()));
        let body = answer.bytes().await?;
        // A BMC may lack what is asked for, or know another password.
        ensure!(
            !status.is_server_error() || path.contains("/bmc/") || path.ends_with("/bmc"),
            "{path}: {status}"
        );
        if path.starts_with("/v1/support") {
            shown.extend(bundle(&path, &body)?);
        }
        if path == "/v1/backup" {
            // Its lines, which are packed.
            let frame = std::io::Cursor::new(&body);
            shown.push(Shown::new(&path, unpacked(frame)?));
        }
        shown.push(Shown::new(format!("{path} ({status})"), body));
        shown.push(Shown::new(format!("the headers of {path}"), headers));
    }
    Ok(shown)
}

/// The parts of a support bundle.
fn bundle(path: &str, packed: &[u8]) -> Result<Vec<Shown>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let mut shown = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content)?;
        shown.push(Shown::new(format!("{path}: {}", entry.path()?.display()), content));
    }
    let log = shown.iter().find(|part| part.place.ends_with("/log.txt")).context("the log")?;
    ensure!(log.text.contains("TRACE"), "its log is at its finest: {} bytes", log.text.len());
    ensure!(shown.len() > 14, "the bundle has its parts");
    Ok(shown)
}

/// The lines of a backup.
fn unpacked(from: impl std::io::Read) -> Result<Vec<u8>> {
    let mut decoder = zstd::Decoder::new(from)?.single_frame();
    let mut lines = Vec::new();
    std::io::Read::read_to_end(&mut decoder, &mut lines)?;
    ensure!(lines.starts_with(b"{\"billet-backup\""), "a backup");
    Ok(lines)
}

/// What is answered to those who err with a secret in their hands.
async fn errors(site: &Site, admin: &str) -> Result<Vec<Shown>> {
    let mut shown = Vec::new();
    let machine = r#""name":"m3","spec":{"pool":"default"},"bmc_password":"canary-error-password""#;
    for (method, path, body) in [
        // Misspelt, cut, of another type, too long, and beside something that is wrong.
        (Method::POST, "/v1/machines", format!("{{{machine},\"nonsense\":1}}")),
        (Method::POST, "/v1/machines", format!("{{{machine}")),
        (Method::POST, "/v1/machines", r#"{"bmc_password":["canary-error-password"]}"#.into()),
        (Method::PATCH, "/v1/machines/m1", r#"{"bmc_key":"canary-error-bmc-key-that-is-too-long"}"#.into()),
        (Method::PATCH, "/v1/machines/m1", r#"{"bmc_password":{"a":"canary-error-password"}}"#.into()),
        (Method::POST, "/v1/instances", r##"{"name":"No Name","spec":{"image":"test-os","user_data":"#cloud-config canary-error-user-data"}}"##.into()),
        (Method::POST, "/v1/instances", r#"{"name":"b","spec":{"image":"test-os","user_data":7,"hostname":"x"},"user_data":"canary-error-user-data"}"#.into()),
        (Method::POST, "/v1/machines/m1/bmc/users", r#"{"name":"x","password":"canary-error-password","privilege":"none at all"}"#.into()),
        (Method::PATCH, "/v1/machines/m1/bmc/users/77", r#"{"password":"canary-error-password"}"#.into()),
    ] {
        let (status, answer) = site.send(Some(admin), method, path, Some(&body)).await?;
        ensure!(status.is_client_error() || status.is_server_error(), "{path} {body}: {status}");
        shown.push(Shown::new(format!("{path} ({status})"), answer.context("a JSON answer")?.to_string()));
    }
    for wrong in ["billet_canary-wrong-token", "canary-wrong-token\u{e9}"] {
        let (status, answer) = site.send(Some(wrong), Method::GET, "/v1/machines", None).await?;
        ensure!(status == 401, "{status}");
        shown.push(Shown::new("a wrong token", answer.context("a JSON answer")?.to_string()));
    }
    Ok(shown)
}

/// What machines, users and tokens are given that nobody else may see.
async fn plant(site: &Site, sim: &Sim) -> Result<Vec<Canary>> {
    let client = site.client()?;
    let (name, pools, expires) = ("canary".to_owned(), None, None);
    let token = client.create_token(&TokenCreate { name, role: Role::Operator, pools, expires }).await?;
    let token = token.secret.reveal().to_owned();
    let (status, _) = site.send(Some(&token), Method::GET, "/v1/machines", None).await?;
    ensure!(status == 200, "the token is good: {status}");
    client.revoke_token("canary").await?;
    let (status, _) = site.send(Some(&token), Method::GET, "/v1/machines", None).await?;
    ensure!(status == 401, "it is revoked: {status}");

    let password = Secret::new("canary-password-of-ann");
    let ann = UserCreate { name: "ann".into(), role: Role::Viewer, pools: None, password: password.clone() };
    client.create_user(&ann).await?;
    let login = client.login(&Login { user: "ann".into(), password }).await?;
    let wrong = Login { user: "ann".into(), password: Secret::new("canary-wrong-password") };
    ensure!(client.login(&wrong).await.is_err_and(|error| error.status() == Some(401)), "it is wrong");

    let image = gpt_image(site.folder(), "image.raw", 16, 3);
    site.import("test-os", &image).await?;
    let user_data = "#cloud-config\npassword: canary-user-data\n".to_owned();
    let spec = InstanceSpec {
        user_data: Some(user_data),
        machine: Some("m1".into()),
        ..InstanceSpec::new("test-os")
    };
    client.create_instance(&InstanceCreate { name: "os".into(), spec }).await?;
    site.instance_in("os", InstanceState::Running).await?;

    let user = BmcUserAdd {
        name: "helper".into(),
        password: Secret::new("Canary-bmc-user-1"),
        privilege: BmcUserPrivilege::Operator,
    };
    client.machine_bmc_user_add("m1", &user).await?;
    // A stranger that is discovered: what proves that it was booted from here.
    let script = site.boot_script("52:54:00:aa:bb:cc").await?;
    let claim = script.split("billet.token=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let claim = claim.with_context(|| format!("a token in {script}"))?.to_owned();
    let phone_home = sim.phone_home()?.rsplit('/').next().context("a path")?.to_owned();
    let password = sim.redfish()?.account("admin").context("our own")?.password;
    let canary = |name, text: String| Canary::new(name, text);
    Ok(vec![
        canary("password of a BMC", password),
        canary("password of a BMC's user", "Canary-bmc-user-1".into()),
        canary("password of a user", "canary-password-of-ann".into()),
        canary("wrong password of a user", "canary-wrong-password".into()),
        canary("token of a log-in", login.secret.reveal().to_owned()),
        canary("token that was revoked", token),
        canary("token of the administrator", site.connection().token.reveal().to_owned()),
        canary("user data", "canary-user-data".into()),
        canary("claim token", claim),
        canary("phone-home token", phone_home),
    ])
}

/// A password that the BMC does not know.
async fn plant_wrong(site: &Site, sim: &Sim) -> Result<Vec<Shown>> {
    let client = site.client()?;
    let update = MachineUpdate { bmc_password: Some(Secret::new("canary-bmc-wrong")), ..Default::default() };
    client.update_machine("m1", client.machine("m1").await?.version, &update).await?;
    sim.redfish()?.drop_sessions();
    let error = client.machine_bmc_power("m1").await.unwrap_err().to_string();
    Ok(vec![Shown::new("a login that fails", error)])
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_is_seen_anywhere() -> Result<()> {
    let log = Log::start()?;
    let collector = Collector::start().await?;
    let mut site = Site::start_traced(&collector.url, &collector.headers).await?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    site.client()?.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    // Redfish has no BMC key.
    let bmc_key = Some(b"canary-bmc-key".to_vec());
    let options = SimOptions { protocol: Protocol::Ipmi, bmc_key, ..SimOptions::default() };
    let second = Sim::start(&site, "m2", 2, options).await?;
    let bmc_key = Some(Secret::new("canary-bmc-key"));
    site.client()?.add_machine(&MachineCreate { bmc_key, ..second.enrolment() }).await?;
    site.machine_in("m2", MachineState::Available).await?;
    let mut canaries = plant(&site, &sim).await?;
    let mut shown = read_everything(&site).await?;
    shown.extend(plant_wrong(&site, &sim).await?);
    shown.extend(errors(&site, site.connection().token.reveal()).await?);
    for name in [
        TOKEN,
        "canary-bmc-wrong",
        "canary-bmc-key",
        "canary-error-password",
        "canary-error-bmc-key",
        "canary-error-user-data",
        "canary-wrong-token",
    ] {
        canaries.push(Canary::new(name, name));
    }
    shown.extend(read_everything(&site).await?);
    // What is on its way into the database is there after a clean look at it: the audit log is written behind.
    eventually("the refusals are in the audit log", async || {
        let (_, log) = site
            .send(Some(site.connection().token.reveal()), Method::GET, "/v1/audit?newest=100", None)
            .await?;
        Ok(log.is_some_and(|log| log.to_string().contains("401")).then_some(()))
    })
    .await?;
    eventually("requests, jobs, steps and deeds are told to the collector", async || {
        let text = collector.text();
        let told = ["GET /v1/machines/{machine}", "job deploy", "step write-image", "bmc power-on"];
        Ok(told.iter().all(|name| text.contains(name)).then_some(()))
    })
    .await?;
    let data = site.database().parent().context("a data folder")?.to_owned();
    let key = std::fs::read(data.join(KEY_FILE))?;
    ensure!(key.len() == 32, "the bytes of one key");
    canaries.push(Canary::new("site key", key));
    let scan = |shown: &mut Vec<Shown>| -> Result<()> {
        let mut found = Vec::new();
        files(&data, &mut found)?;
        ensure!(found.iter().any(|path| path.ends_with("billet.db")), "the database: {found:?}");
        for path in found.into_iter().filter(|path| !path.ends_with(ADMIN_FILE) && !path.ends_with(KEY_FILE))
        {
            shown.push(Shown::new(path.display().to_string(), std::fs::read(&path)?));
        }
        Ok(())
    };
    scan(&mut shown)?;
    // The next process reads all of it, and folds the write-ahead log in.
    site.restart().await?;
    shown.extend(read_everything(&site).await?);
    scan(&mut shown)?;
    shown.push(Shown::new("the traces", collector.text()));
    let text = log.text();
    ensure!(text.contains("m1"), "nothing was logged: {} bytes", text.len());
    shown.push(Shown::new("the log", text));
    let admin = std::fs::read_to_string(data.join(ADMIN_FILE))?;
    ensure!(admin.contains(site.connection().token.reveal()), "where the one exception is");
    let hits = hits(&shown, &canaries);
    assert!(hits.is_empty(), "{} hits:\n{}", hits.len(), hits.join("\n"));
    Ok(())
}
