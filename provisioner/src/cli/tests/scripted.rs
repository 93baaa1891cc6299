//! Commands against a service that answers by script: requests as they are sent, waiting, refusals.

use super::{
    User,
    fake::{Fake, problem},
    samples,
};
use crate::{clock, tls::Identity};
use provisioner_api::{
    Address, AddressList, BootChain, BootTrace, DhcpMode, Diagnosis, ErasePolicy, Event, EventId, EventList,
    Image, ImageFormat, ImageId, ImageList, ImageSpec, ImageStatus, Instance, InstanceCreate, InstanceState,
    Lease, LeaseList, LeaseRelay, LeaseState, Machine, MachineCreate, MachineList, MachineState,
    MachineUpdate, Network, NetworkList, NetworkStatus, OtherServer, Reservation, ReservationList, Subnet,
    Timeline, TimelineEntry, TraceEntry, UndeclaredRelay,
};
use provisioner_client::{Client, ClientError, Connection};
use std::net::TcpListener;
use uuid::Uuid;

/// Machines as a list answers.
fn list(items: Vec<Machine>) -> MachineList {
    MachineList { items, next: None, resume: None }
}

#[tokio::test]
async fn a_client_trusts_our_ca_only() {
    let fake = Fake::start().await;
    fake.says("GET /v1/machines?limit=250", 200, &list(vec![samples::machine("m1")]));
    let client = Client::new(fake.connection()).unwrap();
    assert_eq!(client.machines(&Default::default()).await.unwrap()[0].name, "m1");
    let folder = tempfile::tempdir().unwrap();
    let other = Identity::open(folder.path(), &["127.0.0.1".to_owned()].into(), clock::now()).unwrap();
    let connection = Connection { ca_pem: other.ca_pem().to_owned(), ..fake.connection().clone() };
    let asked = fake.asked().len();
    let refused = Client::new(&connection).unwrap().machines(&Default::default()).await.unwrap_err();
    assert!(matches!(refused, ClientError::Untrusted { .. }), "{refused:?}");
    assert!(refused.to_string().contains("signed by another CA"), "{refused}");
    assert!(!refused.is_transient());
    assert_eq!(fake.asked().len(), asked, "the token was not sent to a stranger");
    // The right CA, but an address that the certificate does not hold.
    let connection = Connection {
        url: fake.connection().url.replace("127.0.0.1", "localhost"),
        ..fake.connection().clone()
    };
    let refused = Client::new(&connection).unwrap().machines(&Default::default()).await.unwrap_err();
    assert!(refused.to_string().contains("add this one to `api.names`"), "{refused}");
}

#[tokio::test]
async fn nobody_there_is_told_with_code_6() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fake = Fake::start().await;
    let connection = Connection { url: format!("https://{free}"), ..fake.connection().clone() };
    let ran = User::of(&connection).run("machine list").await;
    assert_eq!(ran.code, 6, "{ran:?}");
    let want =
        format!("billet: can't reach https://{free}: connection refused; is `billet serve` running there?\n");
    assert_eq!(ran.err, want);
}

#[tokio::test]
async fn output_in_every_format() {
    let fake = Fake::start().await;
    let mut owned = samples::machine("m1");
    owned.status.instance = Some(samples::instance("web").id);
    owned.status.instance_name = Some("web".to_owned());
    fake.says(
        "GET /v1/machines?state=available&pool=a%26b&limit=250",
        200,
        &list(vec![owned, samples::machine("m2")]),
    );
    let user = User::of(fake.connection());
    let run = async |format: &str| {
        let ran = user.run(&format!("machine list --state available --pool a&b -o {format}")).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        ran.out
    };
    assert_eq!(run("name").await, "m1\nm2\n");
    let json: Vec<Machine> = serde_json::from_str(&run("json").await).unwrap();
    assert_eq!(json[1].name, "m2");
    let yaml: Vec<Machine> = serde_yaml_ng::from_str(&run("yaml").await).unwrap();
    assert_eq!(yaml[0].spec.macs, ["52:54:00:00:00:01"]);
    assert!(run("table").await.lines().nth(1).unwrap().contains(" web "));
    assert!(run("wide").await.contains("10.0.0.9"));
}

#[tokio::test]
async fn a_list_is_read_page_by_page_to_its_end() {
    let fake = Fake::start().await;
    let page = |name: &str, next: Option<&str>| MachineList {
        items: vec![samples::machine(name)],
        next: next.map(Into::into),
        resume: None,
    };
    fake.says("GET /v1/machines?held=true&limit=250", 200, &page("m1", Some("m1 & more")));
    fake.says("GET /v1/machines?held=true&limit=250&after=m1+%26+more", 200, &page("m2", Some("m2")));
    // One that leads nowhere: it would be asked for ever.
    fake.says("GET /v1/machines?held=true&limit=250&after=m2", 200, &page("m3", Some("m2")));
    fake.says("GET /v1/machines?limit=1", 200, &page("m1", Some("m1")));
    let user = User::of(fake.connection());
    assert_eq!(user.run("machine list --held -o name").await.out, "m1\nm2\nm3\n");
    let ran = user.run("machine list --limit 1 -o name").await;
    assert_eq!(ran.out, "m1\n");
    assert!(ran.err.contains("there are more machines"), "{ran:?}");
    assert_eq!(user.run("machine list --limit 1001").await.code, 2);
}

#[tokio::test]
async fn a_timeline_is_read_to_its_end_or_from_near_it() {
    let fake = Fake::start().await;
    let event = |number: u128| Event {
        id: EventId(Uuid::from_u128(number)),
        at: samples::at("2026-11-21T03:45:00Z"),
        machine: None,
        instance: None,
        kind: "boot".to_owned(),
        message: format!("event {number}"),
    };
    let first = event(1).id.to_string();
    let path = "GET /v1/machines/m1/events";
    let page = EventList { items: vec![event(1)], next: Some(first.clone()) };
    fake.says(&format!("{path}?limit=250"), 200, &page);
    let page = EventList { items: vec![event(2)], next: None };
    fake.says(&format!("{path}?limit=250&after={first}"), 200, &page);
    fake.says(&format!("{path}?newest=1"), 200, &page);
    let user = User::of(fake.connection());
    let all = user.run("machine events m1").await.out;
    assert!(all.contains("event 1") && all.contains("event 2"), "{all}");
    let last = user.run("machine events m1 --newest 1").await.out;
    assert!(!last.contains("event 1") && last.contains("event 2"), "{last}");
}

#[tokio::test]
async fn a_story_is_asked_for_in_parts() {
    let fake = Fake::start().await;
    let entry = |number: i64| TimelineEntry {
        id: format!("{number}.a"),
        at: samples::at("2026-11-21T03:45:00Z"),
        machine: None,
        instance: None,
        kind: "boot".to_owned(),
        message: format!("entry {number}"),
    };
    let path = "GET /v1/machines/m1/timeline";
    let part = "since=2026-11-21T03%3A00%3A00Z&kinds=boot%2Cstep";
    let page = Timeline { items: vec![entry(1)], next: Some("1.a".to_owned()) };
    fake.says(&format!("{path}?{part}&limit=250"), 200, &page);
    let page = Timeline { items: vec![entry(2)], next: None };
    fake.says(&format!("{path}?{part}&limit=250&after=1.a"), 200, &page);
    fake.says("GET /v1/instances/a/timeline?newest=1", 200, &page);
    let user = User::of(fake.connection());
    let asked = "machine timeline m1 --since 2026-11-21T03:00:00Z --kind boot --kind step";
    let all = user.run(asked).await.out;
    assert!(all.contains("entry 1") && all.contains("entry 2"), "{all}");
    assert_eq!(user.run("instance timeline a --newest 1 -o name").await.out, "2.a\n");
    assert_eq!(user.run("machine timeline m1 --since yesterday").await.code, 2);
}

#[tokio::test]
async fn adding_sends_what_was_typed_and_the_password_from_elsewhere() {
    let fake = Fake::start().await;
    fake.says("POST /v1/machines", 201, &samples::machine("m1"));
    let mut user = User::of(fake.connection());
    let line = "machine add m1 --mac 52-54-00-00-00-01 --bmc ipmi://admin@10.0.0.9:623?cipher=3 --label rack=r7 --boot-mode bios";
    let ran = user.run(line).await;
    assert_eq!(ran.code, 2, "there is no password");
    assert!(
        ran.err.contains("--bmc-password-file") && ran.err.contains("BILLET_BMC_PASSWORD"),
        "{}",
        ran.err
    );
    assert!(fake.asked().is_empty());
    user.password = Some("from variable".to_owned());
    let ran = user.run(line).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "machine m1 is added; see `billet why m1`\n"), "{ran:?}");
    let file = user.file("password", "from file\n");
    assert_eq!(user.run(&format!("{line} --bmc-password-file {file}")).await.code, 0);
    user.types = "from input\n".to_owned();
    assert_eq!(user.run(&format!("{line} --bmc-password-file -")).await.code, 0);
    let sent: Vec<MachineCreate> =
        fake.asked().iter().map(|asked| serde_json::from_slice(&asked.body).unwrap()).collect();
    let passwords: Vec<_> = sent.iter().map(|create| create.bmc_password.reveal()).collect();
    assert_eq!(passwords, ["from variable", "from file", "from input"]);
    assert_eq!(sent[0].macs, ["52:54:00:00:00:01"]);
    assert_eq!((sent[0].bmc.address.as_str(), sent[0].bmc.cipher_suite), ("10.0.0.9:623", Some(3)));
    assert_eq!(sent[0].labels["rack"], "r7");
}

#[tokio::test]
async fn changing_keeps_other_labels_and_names_the_version() {
    let fake = Fake::start().await;
    let mut machine = samples::machine("m1");
    machine.spec.labels.insert("old".to_owned(), "x".to_owned());
    fake.says("GET /v1/machines/m1", 200, &machine).says("PATCH /v1/machines/m1", 200, &machine);
    let ran = User::of(fake.connection())
        .run("machine set m1 --label a=b --remove-label old --maintenance off")
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let patch = fake.asked().pop().unwrap();
    assert_eq!(patch.if_match.as_deref(), Some("\"00000000000000000000000000000001-7\""));
    let update: MachineUpdate = serde_json::from_slice(&patch.body).unwrap();
    assert_eq!(update.maintenance, Some(false));
    let labels: Vec<_> = update.labels.unwrap().into_iter().collect();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(labels, [pair("a", "b"), pair("rack", "r7")]);
    assert!(update.name.is_none() && update.macs.is_none() && update.bmc.is_none());
}

#[tokio::test]
async fn waiting_tells_each_change_once_and_survives_a_restart_of_the_service() {
    let fake = Fake::start().await;
    let path = "GET /v1/machines/m1";
    let mut machine = samples::machine("m1");
    machine.status.state = MachineState::Inspecting;
    machine.status.waiting = Some(samples::waiting());
    fake.says("POST /v1/machines", 201, &machine);
    fake.says(path, 200, &machine).says(path, 200, &machine).says(path, 503, &problem(503, "starting"));
    fake.says(path, 200, &samples::machine("m1"));
    let mut user = User::of(fake.connection());
    user.password = Some("x".to_owned());
    let line = "machine add m1 --mac 52:54:00:00:00:01 --bmc ipmi://a@h --wait --timeout 20s";
    let ran = user.run(line).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "machine m1 is available\n"), "{ran:?}");
    assert_eq!(
        ran.err,
        "\
billet: machine m1: inspecting: the agent to call in
billet: the service does not tell of changes, as older ones don't; it is asked again and again
billet: machine m1: no news, trying on: starting
billet: machine m1: available
"
    );
}

#[tokio::test]
async fn held_work_ends_waiting_with_code_3_and_the_choices() {
    let fake = Fake::start().await;
    let mut machine = samples::machine("m1");
    machine.status.held = Some(samples::held());
    fake.says("POST /v1/machines/m1/actions", 200, &machine);
    // A hold from before the request is not taken for its outcome.
    fake.says("GET /v1/machines/m1", 200, &machine).says("GET /v1/machines/m1", 200, &machine);
    machine.status.held.as_mut().unwrap().since = samples::at("2026-11-21T04:00:00Z");
    machine.status.held.as_mut().unwrap().why = "again no call".to_owned();
    fake.says("GET /v1/machines/m1", 200, &machine);
    let ran = User::of(fake.connection()).run("machine inspect m1 --wait").await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.err.ends_with("billet: machine m1 is held: again no call; you may: retry, delete\n"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn time_over_is_code_4_and_says_what_was_seen_last() {
    let fake = Fake::start().await;
    let mut machine = samples::machine("m1");
    machine.status.state = MachineState::Inspecting;
    machine.status.waiting = Some(samples::waiting());
    fake.says("GET /v1/machines/m1", 200, &machine).says("POST /v1/machines/m1/actions", 200, &machine);
    let ran = User::of(fake.connection()).run("machine accept m1 --wait --timeout 1s").await;
    assert_eq!(ran.code, 4, "{ran:?}");
    let last = ran.err.lines().last().unwrap();
    assert_eq!(
        last,
        "billet: machine m1 is not available after 1s: inspecting: the agent to call in; the work itself goes on, see `billet why m1`"
    );
}

#[tokio::test]
async fn an_instance_is_created_watched_and_deleted() {
    let fake = Fake::start().await;
    let mut instance = samples::instance("web");
    fake.says("POST /v1/instances", 201, &instance).says("GET /v1/instances/web", 200, &instance);
    let mut machine = samples::machine("m1");
    machine.status.state = MachineState::Deploying;
    machine.status.job = Some(samples::job());
    instance.status.state = InstanceState::Deploying;
    instance.status.machine = Some(machine.id);
    instance.status.machine_name = Some("m1".to_owned());
    fake.says("GET /v1/instances/web", 200, &instance);
    fake.says(&format!("GET /v1/machines/{}", machine.id), 200, &machine);
    instance.status.state = InstanceState::Running;
    instance.status.addresses = vec!["10.77.0.100".to_owned()];
    fake.says("GET /v1/instances/web", 200, &instance);
    let mut user = User::of(fake.connection());
    let key = user.file("id.pub", "ssh-ed25519 AAAA me\n");
    let ran = user
        .run(&format!(
            "instance create web --image debian-12 --pool default --user ops --ssh-key {key} --wait"
        ))
        .await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "instance web is running on m1 at 10.77.0.100\n"),
        "{ran:?}"
    );
    assert_eq!(
        ran.err,
        "\
billet: instance web: pending
billet: the service does not tell of changes, as older ones don't; it is asked again and again
billet: instance web: deploying, write-image 40%, try 2
billet: instance web: running, write-image 40%, try 2
"
    );
    let create: InstanceCreate = serde_json::from_slice(&fake.asked()[0].body).unwrap();
    assert_eq!(
        (create.spec.ssh_keys, create.spec.erase),
        (vec!["ssh-ed25519 AAAA me".to_owned()], ErasePolicy::Metadata)
    );
    deleting(&fake, &mut user).await;
}

/// Deleting: never without a yes.
async fn deleting(fake: &Fake, user: &mut User) {
    let deletes = || fake.asked().iter().filter(|asked| asked.line.starts_with("DELETE")).count();
    fake.says("DELETE /v1/instances/web", 202, &samples::instance("web"));
    let ran = user.run("instance delete web").await;
    assert_eq!((ran.code, deletes()), (2, 0), "nobody could be asked");
    assert!(
        ran.err.contains("the disks of machine m1 will be wiped (metadata)") && ran.err.contains("--yes"),
        "{ran:?}"
    );
    user.person = true;
    for no in ["\n", "n\n", "what?\n"] {
        user.types = no.to_owned();
        let ran = user.run("instance delete web --erase overwrite").await;
        assert_eq!((ran.code, deletes()), (2, 0), "{no:?}");
        assert!(
            ran.err.contains("will be wiped (overwrite). [y/N] billet: instance web was not deleted"),
            "{ran:?}"
        );
    }
    user.types = "y\n".to_owned();
    assert_eq!((user.run("instance delete web").await.code, deletes()), (0, 1));
    // The last one known is said for ever; so this one is gone after one more look.
    fake.says("GET /v1/instances/web", 404, &problem(404, "there is no instance `web`"));
    let ran = user.run("instance delete web --yes --erase overwrite").await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let body = fake.asked().pop().unwrap().body;
    assert_eq!(body, br#"{"erase":"overwrite"}"#);
    let ran = user.run("instance show web").await;
    assert_eq!((ran.code, ran.err.as_str()), (5, "billet: there is no instance `web`\n"));
}

#[tokio::test]
async fn deleting_waits_until_it_is_gone() {
    let fake = Fake::start().await;
    let instance = Instance { name: "web".to_owned(), ..samples::instance("web") };
    fake.says("DELETE /v1/instances/web", 202, &instance);
    fake.says("GET /v1/instances/web", 200, &instance).says("GET /v1/instances/web", 200, &instance);
    fake.says("GET /v1/instances/web", 404, &problem(404, "gone"));
    let ran = User::of(fake.connection()).run("instance delete web --yes --wait").await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "instance web is gone\n"), "{ran:?}");
}

#[tokio::test]
async fn refusals_name_the_fields() {
    let fake = Fake::start().await;
    let mut refusal = problem(422, "two fields are wrong");
    refusal.fields =
        vec![provisioner_api::FieldError { field: "spec.image".into(), detail: "no such image\x1b".into() }];
    fake.says("POST /v1/instances", 422, &refusal);
    let ran = User::of(fake.connection()).run("instance create a --image x").await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (2, "billet: two fields are wrong\n  spec.image: no such image\u{fffd}\n")
    );
}

/// An image as the service knows it.
fn image(spec: ImageSpec) -> Image {
    Image {
        id: ImageId(Uuid::from_u128(4)),
        name: spec.name.clone(),
        spec,
        status: ImageStatus {
            imported: clock::now(),
            disk_bytes: 4 << 30,
            stored_bytes: 1 << 20,
            chunks: 9,
            manifest_sha256: "00".repeat(32),
            memory_bytes: None,
            signed_by: None,
        },
    }
}

#[tokio::test]
async fn importing_sends_the_file_with_its_digest() {
    let fake = Fake::start().await;
    let user = User::of(fake.connection());
    let content = "0123456789".repeat(100_000);
    let file = user.file("i.img", &content);
    let ran = user.run(&format!("image import {file} --name d --format raw")).await;
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains(&format!("sha256sum {file}")), "{}", ran.err);
    let digest = format!("sha256:{}", "ab".repeat(32));
    let line = format!("image import {file} --name d --format raw --arch amd64 --digest {digest}");
    let ran = user.run(&format!("{line} --verify")).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("download it again"), "{}", ran.err);
    assert!(fake.asked().is_empty(), "nothing was sent so far");
    let spec = ImageSpec {
        architecture: Some("x86_64".to_owned()),
        ..ImageSpec::disk("d", &digest, ImageFormat::Raw)
    };
    let post =
        format!("POST /v1/images?name=d&digest=sha256%3A{}&format=raw&architecture=x86_64", "ab".repeat(32));
    fake.says(&post, 201, &image(spec.clone()));
    let ran = user.run(&line).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "image d is imported: a disk of 4.0 GiB, 1.0 MiB stored\n"),
        "{ran:?}"
    );
    assert!(ran.err.ends_with("billet: sent; the service checks and unpacks it\n"), "{ran:?}");
    assert_eq!(fake.asked().pop().unwrap().body, content.as_bytes());
    fake.says("GET /v1/images/d", 200, &image(spec));
    assert_eq!(user.run(&line).await.out, "image d is imported already\n");
    let ran = user.run(&line.replace("amd64", "arm64")).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    fake.says("GET /v1/images", 200, &ImageList { items: Vec::new(), resume: None });
    assert_eq!(user.run("image list -o json").await.out, "[]\n");
}

#[tokio::test]
async fn why_asks_for_both_kinds() {
    let fake = Fake::start().await;
    let why = |object: &str| provisioner_api::Why {
        object: object.to_owned(),
        state: "available".to_owned(),
        sentence: format!("{object} waits for nothing."),
        waiting: None,
        held: None,
        machine: None,
        job: None,
        diagnoses: Vec::new(),
        choices: Vec::new(),
        facts: Vec::new(),
    };
    fake.says("GET /v1/machines/m1/why", 200, &why("machine m1"));
    let user = User::of(fake.connection());
    let ran = user.run("why m1").await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("machine m1 waits for nothing."), "{}", ran.out);
    let ran = user.run("why instance/m1").await;
    assert_eq!(ran.code, 5);
    let ran = user.run("why other").await;
    assert_eq!(ran.code, 5);
    assert!(ran.err.starts_with("billet: there is neither a machine nor an instance `other`"), "{}", ran.err);
    fake.says("GET /v1/instances/m1/why", 200, &why("instance m1"));
    assert_eq!(user.run("why m1 -o name").await.out, "instance m1\nmachine m1\n");
}

/// A network with all that can be wrong on one.
/// A network `lab` that gives addresses to those alone for whom one is reserved.
pub(super) fn network() -> Network {
    let at = samples::at("2026-11-21T03:30:00Z");
    Network {
        name: "lab".to_owned(),
        interface: "eth1".to_owned(),
        dhcp: DhcpMode::ReservedOnly,
        address: "10.77.0.1".to_owned(),
        server_identifier: "10.77.0.2".to_owned(),
        discovery: true,
        boot_chain: BootChain::Uki,
        subnets: vec![Subnet {
            name: None,
            subnet: "10.77.0.0/24".to_owned(),
            relay: None,
            ranges: vec![("10.77.0.100".to_owned(), "10.77.0.199".to_owned())],
            exclude: Vec::new(),
            static_ranges: Vec::new(),
            gateway: Some("10.77.0.254".to_owned()),
            dns: Vec::new(),
            addresses: 100,
            used: 1,
            free: 98,
        }],
        status: NetworkStatus {
            silent: true,
            leases: 1,
            quarantined: 1,
            rogues: vec![OtherServer {
                server: "10.77.0.66".to_owned(),
                mac: "02:00:00:00:00:66".to_owned(),
                gives_addresses: true,
                first_seen: at,
                last_seen: at,
            }],
            undeclared_relays: vec![UndeclaredRelay {
                relay: "10.99.0.1".to_owned(),
                packets: 3,
                last_seen: at,
            }],
            ..NetworkStatus::default()
        },
    }
}

#[tokio::test]
async fn a_network_shows_what_is_wrong_on_it() {
    let fake = Fake::start().await;
    fake.says("GET /v1/networks", 200, &NetworkList { items: vec![network()] });
    fake.says("GET /v1/networks/lab", 200, &network());
    let user = User::of(fake.connection());
    let ran = user.run("network list").await;
    assert_eq!(
        ran.out,
        "\
NAME  SUBNET        INTERFACE  DHCP           DISCOVERY  LEASES  FREE  TROUBLE
lab   10.77.0.0/24  eth1       reserved-only  yes        1       98    other DHCP server 10.77.0.66; silent; undeclared relays: 1
"
    );
    let page = user.run("network show lab").await.out;
    for want in [
        "Identifier:   10.77.0.2\n",
        "Silent:       no DHCP message is answered while another server is there\n",
        "Leases:       1, and 1 addresses in quarantine\n",
        "  10.77.0.66  02:00:00:00:00:66  addresses  ",
        "  10.99.0.1  3        ",
        "  10.77.0.0/24  -      10.77.0.100 to 10.77.0.199  100        1     98    10.77.0.254  -\n",
    ] {
        assert!(page.contains(want), "{want}: {page}");
    }
}

#[tokio::test]
async fn leases_that_ended_are_shown_when_asked_for() {
    let fake = Fake::start().await;
    let lease = |last: u8, state| Lease {
        network: "lab".to_owned(),
        address: format!("10.77.0.{last}"),
        mac: "52:54:00:00:00:01".to_owned(),
        state,
        machine: Some(samples::machine("m1").id),
        machine_name: Some("m1".to_owned()),
        hostname: Some("web\x1b".to_owned()),
        relay: Some(LeaseRelay { address: None, circuit: Some("eth1/7".to_owned()), remote: None }),
        expires: samples::at("2026-11-21T03:45:00Z"),
    };
    let items =
        vec![lease(1, LeaseState::Active), lease(2, LeaseState::Released), lease(3, LeaseState::Quarantined)];
    fake.says("GET /v1/networks/lab/leases?limit=250", 200, &LeaseList { items, next: None });
    let user = User::of(fake.connection());
    assert_eq!(user.run("network leases lab -o name").await.out, "10.77.0.1\n10.77.0.3\n");
    let all = user.run("network leases lab --all -o wide").await.out;
    let second = all.lines().nth(2).unwrap();
    assert!(second.starts_with("10.77.0.2  52:54:00:00:00:01  released     m1       web\u{fffd}"), "{all}");
    assert!(second.ends_with("-      eth1/7   -"), "{all}");
}

#[tokio::test]
async fn reservations_are_added_listed_and_removed() {
    let fake = Fake::start().await;
    let reservation = Reservation { mac: "52:54:00:00:00:01".to_owned(), address: "10.77.0.50".to_owned() };
    let path = "/v1/networks/lab/reservations";
    fake.says(&format!("POST {path}"), 201, &reservation);
    fake.says(
        &format!("GET {path}?limit=250"),
        200,
        &ReservationList { items: vec![reservation.clone()], next: None },
    );
    fake.says(&format!("DELETE {path}/52:54:00:00:00:01"), 204, &());
    let user = User::of(fake.connection());
    let ran = user.run("network reservation add lab 52-54-00-00-00-01 10.77.0.50").await;
    assert_eq!(ran.out, "10.77.0.50 on network lab is reserved for 52:54:00:00:00:01\n", "{ran:?}");
    let sent: Reservation = serde_json::from_slice(&fake.asked()[0].body).unwrap();
    assert_eq!(sent, reservation);
    let listed = user.run("network reservation list lab").await.out;
    assert_eq!(listed, "ADDRESS     MAC\n10.77.0.50  52:54:00:00:00:01\n");
    let ran = user.run("network reservation remove lab 52:54:00:00:00:01").await;
    assert_eq!(ran.out, "nothing on network lab is reserved for 52:54:00:00:00:01 any more\n", "{ran:?}");
    assert_eq!(user.run("network reservation add lab nonsense 10.77.0.50").await.code, 2);
    assert_eq!(user.run("network reservation add lab 52:54:00:00:00:01 ten").await.code, 2);
}

#[tokio::test]
async fn addresses_are_claimed_listed_and_released() {
    let fake = Fake::start().await;
    let claimed = Address {
        pool: None,
        address: "10.77.0.200".to_owned(),
        subnet: "10.77.0.0/24".to_owned(),
        network: "lab".to_owned(),
        name: Some("cp".to_owned()),
        instance: None,
        instance_name: None,
        interface: None,
        used_by: vec!["node1".to_owned()],
        since: clock::now(),
    };
    let of_instance = Address {
        address: "10.77.0.201".to_owned(),
        name: None,
        instance_name: Some("web".to_owned()),
        interface: Some("bond0".to_owned()),
        used_by: Vec::new(),
        ..claimed.clone()
    };
    fake.says("POST /v1/addresses", 201, &claimed);
    let items = vec![claimed.clone(), of_instance];
    fake.says("GET /v1/addresses?limit=250", 200, &AddressList { items, next: None });
    fake.says("GET /v1/addresses/cp", 200, &claimed);
    fake.says("DELETE /v1/addresses/cp", 204, &());
    let user = User::of(fake.connection());
    let ran = user.run("address claim cp --subnet lab").await;
    assert_eq!(ran.out, "10.77.0.200 of subnet 10.77.0.0/24 is claimed as cp\n", "{ran:?}");
    assert_eq!(String::from_utf8(fake.asked()[0].body.clone()).unwrap(), r#"{"name":"cp","subnet":"lab"}"#);
    let listed = user.run("address list").await.out;
    assert!(listed.starts_with("ADDRESS      NETWORK  SUBNET        NAME  INSTANCE     FOR\n"), "{listed}");
    assert!(listed.contains("10.77.0.201  lab      10.77.0.0/24  -     web (bond0)  "), "{listed}");
    assert_eq!(user.run("address list -o name").await.out, "cp\n10.77.0.201\n");
    assert!(user.run("address show cp").await.out.contains("Instance:     node1\n"));
    let dry = user.run("address release cp --dry-run").await;
    assert!(dry.out.contains("cp (10.77.0.200) would be released") && dry.out.contains("No disk"), "{dry:?}");
    assert_eq!(user.run("address release cp").await.out, "the address cp is released\n");
    assert_eq!(user.run("address claim Cp --subnet lab").await.code, 2);
    assert_eq!(user.run("address claim cp").await.code, 2);
}

#[tokio::test]
async fn a_boot_chain_is_set_or_left_to_the_network() {
    let fake = Fake::start().await;
    fake.says("GET /v1/machines/m1", 200, &samples::machine("m1"));
    fake.says("PATCH /v1/machines/m1", 200, &samples::machine("m1"));
    let user = User::of(fake.connection());
    for (word, body) in [("uki", r#"{"boot_chain":"uki"}"#), ("network", r#"{"boot_chain":null}"#)] {
        assert_eq!(user.run(&format!("machine set m1 --boot-chain {word}")).await.code, 0);
        assert_eq!(String::from_utf8(fake.asked().pop().unwrap().body).unwrap(), body);
    }
    assert_eq!(user.run("machine set m1 --boot-chain grub").await.code, 2);
}

#[tokio::test]
async fn a_boot_conversation_is_printed_with_its_meaning() {
    let fake = Fake::start().await;
    let entry = |id, at: &str, kind: &str, asked: &str, answered: &str| TraceEntry {
        id,
        at: samples::at(at),
        mac: "52:54:00:00:00:01".to_owned(),
        network: "lab".to_owned(),
        kind: kind.to_owned(),
        asked: asked.to_owned(),
        answered: answered.to_owned(),
        ..TraceEntry::default()
    };
    let mut trace = BootTrace {
        machine: None,
        machine_name: Some("m1".to_owned()),
        macs: vec!["52:54:00:00:00:01".to_owned()],
        entries: vec![
            entry(1, "2026-11-21T03:30:00Z", "dhcp", "DISCOVER from UEFI PXE", "OFFER 10.77.0.100\x1b"),
            entry(2, "2026-11-21T03:30:01.5Z", "tftp", "snponly.efi", "999 bytes in 7 ms"),
            entry(3, "2026-11-21T03:32:00Z", "script", "what to boot", "boot the agent"),
        ],
        diagnoses: vec![Diagnosis {
            kind: "no-kernel-request".to_owned(),
            sentence: "It never asked for the kernel.".to_owned(),
            mend: "Look at its console.".to_owned(),
        }],
    };
    fake.says("GET /v1/boot-traces/m1", 200, &trace);
    let user = User::of(fake.connection());
    let text = user.run("boot-trace m1").await.out;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "Machine:      m1");
    assert!(text.contains("  AFTER    ASKED  ") && text.contains("  +0.000s  dhcp: "), "{text}");
    let two =
        BootTrace { macs: vec![trace.macs[0].clone(), "52:54:00:00:00:02".to_owned()], ..trace.clone() };
    fake.says("GET /v1/boot-traces/two", 200, &two);
    let text_of_two = user.run("boot-trace two").await.out;
    assert!(text_of_two.contains("  +0.000s  52:54:00:00:00:01  dhcp: "), "{text_of_two}");
    assert!(text.contains("+1.500s") && text.contains("+2m  "), "{text}");
    assert!(text.contains("dhcp: DISCOVER from UEFI PXE  OFFER 10.77.0.100\u{fffd}"), "{text}");
    assert!(
        text.ends_with(
            "\nDiagnosis\n  It never asked for the kernel. (no-kernel-request)\n    Look at its console.\n"
        ),
        "{text}"
    );
    trace.diagnoses.clear();
    trace.entries.clear();
    fake.says("GET /v1/boot-traces/m2", 200, &trace);
    let text = user.run("boot-trace m2").await.out;
    assert!(
        text.contains("nothing was heard") && text.ends_with("as far as can be seen from here\n"),
        "{text}"
    );
    let data: BootTrace = serde_json::from_str(&user.run("boot-trace m2 -o json").await.out).unwrap();
    assert_eq!(data, trace);
    assert_eq!(user.run("boot-trace m2 -o name").await.out, "m1\n");
    assert_eq!(user.run("boot-trace nobody").await.code, 5);
}
