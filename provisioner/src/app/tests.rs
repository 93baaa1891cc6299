//! The service opened, nothing running: what booting clients are told, and what is written down of them.

mod restart;

use super::App;
use crate::{
    config::{Config, Network},
    directory::BootDirectory,
    samples,
    service::{Parts, Service},
    store::{EventsOf, MachineRecord, Store},
    trace::TraceWriter,
};
use provisioner_api::{BootChain, DhcpMode};
use pxe::{BootAnswer, Client, Directory};
use pxe_proto::{
    boot::{Arch, Chain, Firmware},
    trace::{Dhcp, Entry, Transfer, What},
};
use std::{net::Ipv4Addr, path::Path, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const PXE: Firmware = Firmware::UefiPxe(Arch::X64);

/// The configuration of a service with one network on loopback that discovers.
pub(crate) fn config(folder: &Path) -> Config {
    for name in ["undionly.kpxe", "snponly.efi", "ipxe.efi", "vmlinuz", "initrd.img"] {
        std::fs::write(folder.join(name), name).unwrap();
    }
    let file = folder.join("billet.toml");
    let of = |name: &str| folder.join(name);
    let text = format!(
        "data = {:?}\n[boot]\nkernel = {:?}\nramdisk = {:?}\nipxe = {folder:?}\n",
        of("data"),
        of("vmlinuz"),
        of("initrd.img")
    );
    std::fs::write(&file, text).unwrap();
    let mut config = Config::load(&file, []).unwrap();
    config.api.listen = "127.0.0.1:0".parse().unwrap();
    (config.boot.http_port, config.boot.tftp_port) = (0, 0);
    let mut network = Network::new("lab", "lo", Ipv4Addr::LOCALHOST, (Ipv4Addr::new(127, 0, 0, 0), 8));
    (network.dhcp, network.discovery, network.router_advertisements) = (DhcpMode::Off, true, false);
    config.networks = vec![network];
    // The program of these tests has no child in it; tests/ has imports in the true way.
    config.images.program = images::import::ImportProgram::InProcess;
    config
}

async fn app(folder: &Path) -> App {
    App::bind(config(folder)).await.unwrap()
}

/// Its parts, nothing running.
pub(crate) async fn service(folder: &Path) -> Arc<Service> {
    app(folder).await.service
}

/// The parts of a service with this configuration, nothing running.
pub(crate) async fn bound(config: Config) -> anyhow::Result<Arc<Service>> {
    Ok(App::bind(config).await?.service)
}

/// The same with parts that are changed before anybody has them.
pub(crate) async fn service_with(
    folder: &Path,
    change: impl AsyncFnOnce(&Store, &mut Parts),
) -> Arc<Service> {
    let mut service = service(folder).await;
    // What was bound for it and is dropped ends a little later.
    let let_go = async {
        while Arc::get_mut(&mut service).and_then(Service::parts_mut).is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), let_go).await.expect("nothing of it runs");
    let store = Arc::clone(&service.store);
    let parts = Arc::get_mut(&mut service).and_then(Service::parts_mut);
    change(&store, parts.expect("it was let go")).await;
    service
}

fn dhcp(at: u64, firmware: Option<Firmware>) -> Entry {
    let dhcp = Dhcp {
        firmware,
        reply: Some("OFFER".into()),
        address: Some(Ipv4Addr::new(127, 1, 0, 9)),
        boot: firmware.map(|_| BootAnswer::Boot(Chain::Snponly)),
        ..Dhcp::new("DISCOVER", 67)
    };
    Entry { at, mac: MAC, network: "lab".into(), what: What::Dhcp(dhcp) }
}

fn fetched(at: u64, name: &str) -> Entry {
    let what = What::Tftp { name: name.into(), stage: Transfer::Done { bytes: 5, millis: 1 } };
    Entry { at, mac: MAC, network: "lab".into(), what }
}

fn now() -> u64 {
    crate::clock::now().as_millisecond().try_into().unwrap()
}

fn machine(boot_chain: Option<BootChain>) -> MachineRecord {
    let mut record = samples::machine(7);
    record.name = "m1".into();
    record.spec.macs = vec![crate::text::format_mac(MAC)];
    (record.spec.boot_chain, record.spec.accepted) = (boot_chain, false);
    record
}

async fn asked(directory: &BootDirectory, firmware: Firmware) -> BootAnswer {
    let client =
        Client { mac: MAC, uuid: None, firmware: Some(firmware), network: "lab".into(), requested: None };
    directory.boot(&client).await.unwrap()
}

/// The directory of an app, and its service.
fn directory(app: &App) -> (Arc<Service>, Arc<BootDirectory>) {
    let trust = super::boot::Trust { ca_pem: "CA", permit_key: "KEY" };
    let files = super::boot::files(&app.service.config, &trust).unwrap();
    (Arc::clone(&app.service), BootDirectory::new(Arc::clone(&app.service), files))
}

#[tokio::test]
async fn the_ramdisk_that_machines_boot_has_our_ca_and_the_key_of_permits() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let trust = super::boot::Trust { ca_pem: "OUR CA", permit_key: "OUR KEY" };
    let files = super::boot::files(&app.service.config, &trust).unwrap();
    let directory = BootDirectory::new(Arc::clone(&app.service), files.clone());
    let ramdisk = files.lookup(Arch::X64.ramdisk(), Ipv4Addr::LOCALHOST, &*directory).await.unwrap();
    let ramdisk = ramdisk.in_memory().unwrap().concat();
    let text = String::from_utf8_lossy(&ramdisk);
    assert!(text.starts_with("initrd.img"), "what was configured comes first");
    // As the agent reads it: name and content stand next to each other in an archive (cpio, newc).
    for (name, content) in [("etc/billet/ca.pem", "OUR CA"), (provisioner_api::permit::KEY_FILE, "OUR KEY\n")]
    {
        let at = text.find(name).unwrap_or_else(|| panic!("{name} is missing"));
        let behind = text[at + name.len()..].trim_start_matches('\0');
        assert!(behind.starts_with(content), "{name}");
    }
}

/// Tests and labs start it in a task.
#[test]
fn a_service_can_be_bound_in_a_task() {
    fn is_send<T: Send>(_: impl FnOnce(Config) -> T) {}
    is_send(App::bind);
}

/// Who is told to boot its disk takes that for an answer: its job would wait for it in vain until a limit is over.
#[tokio::test]
async fn nobody_is_sent_to_its_disk_because_the_database_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let (service, directory) = directory(&app);
    service.store.close().await;
    let client = Client { mac: MAC, uuid: None, firmware: Some(PXE), network: "lab".into(), requested: None };
    assert_eq!(directory.boot(&client).await, None);
    assert_eq!(directory.script(MAC, None, Ipv4Addr::LOCALHOST, Arch::X64).await, None);
    let system = Client { firmware: None, ..client };
    assert_eq!(directory.boot(&system).await, Some(BootAnswer::Disk), "that needs no database");
}

#[tokio::test]
async fn a_chain_that_failed_twice_gives_way_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let (_, directory) = directory(&app);
    assert_eq!(asked(&directory, PXE).await, BootAnswer::Boot(Chain::Snponly));
    for boot in 0..2 {
        let at = now() + boot * 1000;
        directory.trace(dhcp(at, Some(PXE)));
        directory.trace(fetched(at + 10, "snponly.efi"));
    }
    // No stub is configured, so no unified kernel image.
    assert_eq!(asked(&directory, PXE).await, BootAnswer::Boot(Chain::Ipxe));
    assert_eq!(asked(&directory, Firmware::UefiPxe(Arch::Arm64)).await, BootAnswer::Disk, "nothing for it");
    assert_eq!(asked(&directory, Firmware::BiosPxe).await, BootAnswer::Boot(Chain::Snponly), "one way only");
    let stranger = Client { mac: MAC, uuid: None, firmware: None, network: "lab".into(), requested: None };
    assert_eq!(directory.boot(&stranger).await, Some(BootAnswer::Disk), "an operating system boots nothing");
}

#[tokio::test]
async fn a_machines_own_chain_counts_whatever_failed() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let (service, directory) = directory(&app);
    service
        .store
        .machine_insert(&machine(Some(BootChain::Ipxe)), &[], &[], crate::clock::now())
        .await
        .unwrap();
    assert_eq!(asked(&directory, PXE).await, BootAnswer::Boot(Chain::Ipxe));
    for boot in 0..2 {
        directory.trace(dhcp(now() + boot * 1000, Some(PXE)));
        directory.trace(fetched(now() + boot * 1000 + 10, "ipxe.efi"));
    }
    assert_eq!(asked(&directory, PXE).await, BootAnswer::Boot(Chain::Ipxe));
}

#[tokio::test]
async fn boots_are_stored_and_told_in_the_machines_timeline() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let (service, directory) = directory(&app);
    let App { traces, .. } = app;
    let record = machine(None);
    service.store.machine_insert(&record, &[], &[], crate::clock::now()).await.unwrap();
    directory.trace(dhcp(1000, Some(PXE)));
    directory.trace(fetched(1001, "snponly.efi"));
    directory.trace(Entry { mac: [2; 6], ..dhcp(1002, Some(PXE)) });
    // Told to stop, it still writes down what waits.
    let stop = CancellationToken::new();
    stop.cancel();
    traces.run(stop.clone()).await;
    let events = service.store.event_newest(EventsOf::Machine(record.id()), 10).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| event.message.as_str()).collect();
    let dhcp_line = "DISCOVER by UEFI PXE: OFFER 127.1.0.9, boots our agent by snponly";
    assert_eq!(told, [dhcp_line, "fetched snponly.efi over TFTP (5 bytes)"]);
    let stored = service.store.machine_get(record.id()).await.unwrap().unwrap();
    assert!(stored.machine.facts.netboot.is_some());
    assert_eq!(service.store.boot_trace_list(&record.spec.macs[0]).await.unwrap().len(), 2);
    assert_eq!(
        service.store.boot_trace_list("02:02:02:02:02:02").await.unwrap().len(),
        1,
        "a stranger's too"
    );
}

/// Plain DHCP of an operating system is a line of the timeline, but not kept in the database as a conversation.
#[tokio::test]
async fn plain_dhcp_is_told_of_machines_only() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let service = Arc::clone(&app.service);
    let record = machine(None);
    service.store.machine_insert(&record, &[], &[], crate::clock::now()).await.unwrap();
    let (traces, queue) = crate::trace::Traces::open(&service.store, Arc::default()).await.unwrap();
    traces.know([MAC].into());
    traces.record(dhcp(1000, None));
    traces.record(Entry { mac: [2; 6], ..dhcp(1000, None) });
    assert_eq!(queue.len(), 1, "the stranger's stays in memory");
    let stop = CancellationToken::new();
    stop.cancel();
    let mut writer = TraceWriter::new(Arc::clone(&service), queue);
    writer.look().await.unwrap();
    writer.run(stop).await;
    let events = service.store.event_newest(EventsOf::Machine(record.id()), 10).await.unwrap();
    assert_eq!(events[0].message, "DISCOVER by an operating system: OFFER 127.1.0.9");
    assert_eq!(service.store.boot_trace_newest(10).await.unwrap(), []);
}

#[tokio::test]
async fn made_up_clients_do_not_fill_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let service = Arc::clone(&app.service);
    let (traces, queue) = crate::trace::Traces::open(&service.store, Arc::default()).await.unwrap();
    for number in 0..100 {
        traces.record(Entry { mac: [2, 0, 0, 0, 0, number], ..dhcp(1000 + u64::from(number), Some(PXE)) });
    }
    let stop = CancellationToken::new();
    stop.cancel();
    TraceWriter::with_limits(Arc::clone(&service), queue, (50, 20)).run(stop).await;
    let stored = service.store.boot_trace_newest(1000).await.unwrap();
    let newest: Vec<u8> = stored.iter().map(|(_, entry)| entry.mac[5]).collect();
    assert_eq!(newest, (80..100).collect::<Vec<u8>>());
}
