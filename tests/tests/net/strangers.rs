//! The machines of the simulated fleet before servers that we did not write: what boots from ours because ours and
//! they were made by the same people would not boot from these.
//!
//! ```text
//! dnsmasq (DHCP, TFTP), atftpd, Python's HTTP server ── lan0 ══ lan0 ── relay ── machines, each at its lease
//! ```

use crate::Test;
use anyhow::{Context, Result, ensure};
use lab::fleet::model::{FirmwareKind, Path as Way, Timings, Traits};
use lab::fleet::{
    Blocks, DiskSpec, Entry, Eyes, Fetched, FleetImage, Seen, SeenKind, Sim, SimHost, Site, What, Wires,
};
use provisioner_api::Secret;
use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tests::net::{Namespace, Process, SERVER, cable, until};
use tokio_util::sync::CancellationToken;

pub(crate) const TESTS: &[Test] = &[
    ("strangers::the_fleet_boots_from_dnsmasq", |folder| boots(folder, Tftp::Dnsmasq)),
    ("strangers::the_fleet_boots_from_dnsmasq_and_atftpd", |folder| boots(folder, Tftp::Atftpd)),
];

/// The relay, which is the machines' router too.
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
/// What is served, with lengths that are no multiple of any block size.
const LOADERS: [(&str, usize); 2] = [("undionly.kpxe", 70_001), ("snponly.efi", 300_007)];
/// Sends a machine to its disk.
const SCRIPT: &str = "#!ipxe\nexit 1\n";
/// How long three machines may take: a lost datagram costs a second or two.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose TFTP.
#[derive(Clone, Copy, PartialEq)]
enum Tftp {
    Dnsmasq,
    Atftpd,
}

/// Files in a folder of their own: both servers give out all that is there.
fn files(folder: &Path) -> Result<PathBuf> {
    let folder = folder.join("served");
    fs::create_dir(&folder)?;
    for (name, length) in LOADERS {
        fs::write(folder.join(name), content(length))?;
    }
    fs::write(folder.join("boot.ipxe"), SCRIPT)?;
    Ok(folder)
}

/// Bytes of which no block is like another.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 256 + at * 7) as u8).collect()
}

/// The servers' processes; they end with this.
fn serve(host: &Namespace, folder: &Path, tftp: Tftp) -> Result<Vec<Process>> {
    let served = files(folder)?;
    let dnsmasq = host.program("dnsmasq").words(
        "--no-daemon --conf-file=/dev/null --port=0 --no-ping --dhcp-authoritative --interface=lan0 \
         --bind-interfaces --log-dhcp --dhcp-range=10.77.0.200,10.77.0.209,1h \
         --dhcp-range=10.78.0.100,10.78.0.109,255.255.255.0,1h \
         --dhcp-match=set:ipxe,175 --dhcp-match=set:web,option:client-arch,16 \
         --dhcp-match=set:efi,option:client-arch,7 \
         --dhcp-boot=tag:ipxe,http://10.77.0.1:8000/boot.ipxe \
         --dhcp-boot=tag:!ipxe,tag:web,http://10.77.0.1:8000/snponly.efi \
         --dhcp-option-force=tag:web,60,HTTPClient \
         --dhcp-boot=tag:!ipxe,tag:efi,snponly.efi,,10.77.0.1 \
         --dhcp-boot=tag:!ipxe,tag:!efi,tag:!web,undionly.kpxe,,10.77.0.1",
    );
    let mut dnsmasq = dnsmasq.args([format!("--dhcp-leasefile={}", folder.join("leases").display())]);
    if tftp == Tftp::Dnsmasq {
        dnsmasq = dnsmasq.args(["--enable-tftp".to_owned(), format!("--tftp-root={}", served.display())]);
    }
    let mut processes = vec![ready("dnsmasq", dnsmasq.start()?, "IP range")?];
    if tftp == Tftp::Atftpd {
        let atftpd = host.program("atftpd").words(
            "--daemon --no-fork --user root --group root --bind-address 10.77.0.1 --port 69 --logfile - --verbose=6",
        );
        processes.push(ready("atftpd", atftpd.args([&served]).start()?, "started")?);
    }
    let python = host.program("python3").words("-u -m http.server --bind 10.77.0.1 8000 --directory");
    processes.push(ready("python3", python.args([&served]).start()?, "Serving HTTP")?);
    Ok(processes)
}

/// A process that says this when it is ready.
fn ready(name: &str, mut process: Process, word: &str) -> Result<Process> {
    until(&format!("{name} serves"), || {
        ensure!(process.runs()?, "{name} ended: {}", process.said()?);
        Ok(process.said()?.contains(word).then_some(()))
    })?;
    Ok(process)
}

fn boots(folder: &Path, tftp: Tftp) -> Result<()> {
    let (server, machines) = (Namespace::new()?, Namespace::new()?);
    cable((&server, "lan0"), (&machines, "lan0"))?;
    server.ip(&format!("addr add {SERVER}/24 dev lan0"))?;
    server.ip("route add 10.78.0.0/24 via 10.77.0.254")?;
    machines.ip("addr add 10.77.0.254/24 dev lan0")?;
    machines.ip(&format!("addr add {RELAY}/32 dev lo"))?;
    // Each of them is ours, so that a machine may be at any.
    machines.ip("route add local 10.78.0.0/24 dev lo")?;
    let mut processes = serve(&server, folder, tftp)?;

    let work = folder.to_owned();
    let inside = move || {
        // All on this thread, which is the namespace's.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { tokio::time::timeout(PATIENCE, fleet(&work)).await })?
    };
    let ended = machines.inside(inside).with_context(|| {
        let said: Vec<_> = processes.iter_mut().map(|process| process.said().unwrap_or_default()).collect();
        said.join("\n")
    });
    let (journal, files) = ended?;
    for (fetched, (name, length)) in files.iter().zip(LOADERS) {
        ensure!(fetched.bytes == length as u64, "{name} has {} bytes of {length}", fetched.bytes);
        ensure!(content(length).starts_with(&fetched.kept) && !fetched.kept.is_empty(), "{name} is another");
    }
    let mut addresses = BTreeSet::new();
    for (number, firmware) in (0..).zip(FirmwareKind::ALL) {
        addresses.insert(judge(number, firmware, &journal)?);
    }
    ensure!(addresses.len() == FirmwareKind::ALL.len(), "two machines have one address: {addresses:?}");
    Ok(())
}

/// Three machines, one of each firmware, until each has found its disk empty; and both loaders by TFTP alone.
async fn fleet(folder: &Path) -> Result<(Vec<Entry>, Vec<Fetched>)> {
    let (sink, mut journal) = tokio::sync::mpsc::unbounded_channel();
    let (eyes, stop) = (Eyes::new(Some(sink)), CancellationToken::new());
    let _stopped = stop.clone().drop_guard();
    let site = Site {
        api: format!("https://{SERVER}:7443"),
        ca_pem: rcgen::generate_simple_self_signed(vec!["nobody".to_owned()])?.cert.pem(),
        permit_key: "00".repeat(32).parse()?,
        token: Secret::new("none"),
        boot_http: SocketAddr::from((SERVER, 8000)),
        dhcp: SocketAddrV4::new(SERVER, 67),
        tftp: SocketAddrV4::new(SERVER, 69),
        relay: RELAY,
    };
    let wires = Wires::new(&site, eyes.clone(), 1, stop).await?;
    let (image, blocks) =
        (Arc::new(FleetImage::make(folder, "fleet.raw", 8, 1)?), Arc::new(Blocks::default()));
    let disk = DiskSpec::new(8, 0.0, 0, 1);
    let sims: Vec<_> = (0..)
        .zip(FirmwareKind::ALL)
        .map(|(number, firmware)| {
            let timings = Timings::none(Duration::from_millis(500));
            let traits = Arc::new(Traits { firmware, network_first: true, path: Way::Full, timings });
            let mac = format!("02:5a:00:00:00:{number:02x}");
            let host = SimHost::new(number, &mac, &disk, blocks.clone(), image.clone(), eyes.clone());
            let pace = images_agent::Pace::default();
            Sim::new(number, format!("sim-{number}"), traits, 1, host, wires.clone(), eyes.clone(), pace)
        })
        .collect();
    for sim in &sims {
        sim.chassis().set_power(true).await?;
    }
    eyes.reached(SeenKind::NothingOnDisk, sims.len() as u64).await;
    let mut fetched = Vec::new();
    for (number, (name, _)) in (100..).zip(LOADERS) {
        fetched.push(wires.tftp(number, Ipv4Addr::new(10, 78, 0, 200), site.tftp, name).await?);
    }
    let mut entries = Vec::new();
    while let Ok(entry) = journal.try_recv() {
        entries.push(entry);
    }
    Ok((entries, fetched))
}

/// Whether a machine did what one of its kind does; its address.
fn judge(number: u32, firmware: FirmwareKind, journal: &[Entry]) -> Result<Ipv4Addr> {
    let seen: Vec<&Seen> = journal
        .iter()
        .filter(|entry| entry.machine == Some(number))
        .filter_map(|entry| if let What::Seen(seen) = &entry.what { Some(seen) } else { None })
        .filter(|seen| !matches!(seen, Seen::Bmc { .. } | Seen::Power { .. }))
        .collect();
    let loader = if firmware == FirmwareKind::BiosPxe { LOADERS[0] } else { LOADERS[1] };
    let [
        Seen::Ack { address, lease_s: 3600, .. },
        Seen::Fetched { file: first, bytes: loader_bytes },
        Seen::Ack { address: again, .. },
        Seen::Fetched { file: second, bytes: script_bytes },
        Seen::Script { agent: false },
        Seen::NothingOnDisk,
        ..,
    ] = seen.as_slice()
    else {
        anyhow::bail!("{firmware:?}: {seen:?}")
    };
    ensure!((first.as_str(), *loader_bytes) == ("loader", loader.1 as u64), "{firmware:?}: {seen:?}");
    ensure!((second.as_str(), *script_bytes) == ("script", SCRIPT.len() as u64), "{firmware:?}: {seen:?}");
    let leased = Ipv4Addr::new(10, 78, 0, 100)..=Ipv4Addr::new(10, 78, 0, 109);
    ensure!(address == again && leased.contains(address), "{firmware:?}: {seen:?}");
    Ok(*address)
}
