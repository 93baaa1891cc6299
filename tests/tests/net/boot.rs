//! What firmware is told to boot, and who is told nothing.

use crate::Test;
use crate::site::{link, mac, mac_text, pair};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use tests::net::{BootClient, Message, Namespace, SERVER, Service, cable, discover};

pub(crate) const TESTS: &[Test] = &[
    ("boot::every_firmware_is_told_its_loader", every_firmware_is_told_its_loader),
    ("boot::a_stranger_is_sent_to_its_disk", a_stranger_is_sent_to_its_disk),
    ("boot::a_link_that_nobody_declared_hears_nothing", a_link_that_nobody_declared_hears_nothing),
    ("boot::what_was_acknowledged_outlives_a_kill", what_was_acknowledged_outlives_a_kill),
];

const RANGE: &str = "range = [\"10.77.0.100\", \"10.77.0.199\"]\n";

/// Firmware's DISCOVER with another vendor class.
fn http_client(mac: [u8; 6], architecture: u16) -> Message {
    let class = format!("HTTPClient:Arch:{architecture:05}:UNDI:003001");
    discover(mac).option(60, class.as_bytes()).option(93, &architecture.to_be_bytes())
}

/// The DISCOVER of an iPXE that can HTTP (feature 19).
fn ipxe(mac: [u8; 6], architecture: u16) -> Message {
    discover(mac).pxe(architecture).option(77, b"iPXE").option(175, &[19, 1, 1, 0xb1, 4, 1, 0x80, 0x86, 0x10])
}

fn every_firmware_is_told_its_loader(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, &format!("{RANGE}discovery = true\n"))?;
    let rom = BootClient::new(&client, "lan0")?;
    let base = format!("http://{SERVER}:8080/boot");
    let script = |number| format!("{base}/script?mac={}", mac_text(number));
    let table = [
        (discover(mac(1)).pxe(0), "undionly.kpxe".to_owned()),
        (discover(mac(2)).pxe(7), "snponly.efi".to_owned()),
        (discover(mac(3)).pxe(9), "snponly.efi".to_owned()),
        (http_client(mac(4), 16), format!("{base}/files/snponly.efi")),
        (ipxe(mac(5), 0), script(5)),
        (ipxe(mac(6), 7), script(6)),
        // There is nothing here for 32-bit UEFI, RISC-V and an architecture of nobody's.
        (discover(mac(7)).pxe(6), String::new()),
        (discover(mac(8)).pxe(27), String::new()),
        (discover(mac(9)).pxe(0xfffe), String::new()),
        (discover(mac(10)), String::new()),
    ];
    let mut urls = Vec::new();
    for (message, expected) in table {
        let offer = rom.ask(&message, |answer| answer.kind() == 2)?;
        let file = offer.boot_file();
        ensure!(file.starts_with(&expected), "{file:?} instead of {expected:?}");
        ensure!(file.is_empty() == expected.is_empty(), "{file:?} for {message:02x?}");
        if file.starts_with("http") {
            urls.push(file);
        }
    }
    // What it is told is there.
    client.ip("addr add 10.77.0.3/24 dev lan0")?;
    for url in urls {
        client.program("curl").words("-sS --fail -o body").folder(service.folder()).args([&url]).run()?;
    }
    // The trace says why the others got nothing.
    let told = service.billet(&format!("boot-trace {}", mac_text(8)))?;
    ensure!(told.contains("27") || told.to_lowercase().contains("risc"), "{told}");
    Ok(())
}

fn a_stranger_is_sent_to_its_disk(folder: &Path) -> Result<()> {
    let (_service, client) = pair(folder, RANGE)?;
    let rom = BootClient::new(&client, "lan0")?;
    for (number, architecture) in [(1, 0), (2, 7), (3, 11)] {
        let offer = rom.ask(&discover(mac(number)).pxe(architecture), |answer| answer.kind() == 2)?;
        ensure!(offer.boot_file().is_empty(), "a stranger boots {}", offer.boot_file());
        ensure!(offer.address(20).is_unspecified(), "a next server: {}", offer.address(20));
        ensure!(offer.get(66).is_none(), "a server name");
    }
    // A script that is asked for all the same leads to the disk.
    client.ip("addr add 10.77.0.3/24 dev lan0")?;
    let url = format!("http://{SERVER}:8080/boot/script?mac={}", mac_text(1));
    let script = client.program("curl").words("-sS --fail").args([url]).run()?;
    ensure!(script.starts_with("#!ipxe\n") && !script.contains("kernel"), "{script}");
    Ok(())
}

fn a_link_that_nobody_declared_hears_nothing(folder: &Path) -> Result<()> {
    let [server, inside, outside] = [Namespace::new()?, Namespace::new()?, Namespace::new()?];
    cable((&server, "lan0"), (&inside, "lan0"))?;
    cable((&server, "lan1"), (&outside, "lan0"))?;
    server.ip(&format!("addr add {SERVER}/24 dev lan0"))?;
    server.ip("addr add 10.88.0.1/24 dev lan1")?;
    let _service = Service::start(server, folder, &link(&format!("{RANGE}discovery = true\n")))?;
    let stranger = BootClient::new(&outside, "lan0")?;
    let known = BootClient::new(&inside, "lan0")?;
    for number in 1..=3 {
        stranger.broadcast(discover(mac(number)).bytes())?;
        stranger.broadcast(discover(mac(number)).pxe(7).bytes())?;
        known.ask(&discover(mac(100 + number)), |answer| answer.kind() == 2)?;
    }
    ensure!(stranger.receive()?.is_none(), "an answer on a link that nobody declared");
    Ok(())
}

fn what_was_acknowledged_outlives_a_kill(folder: &Path) -> Result<()> {
    let (mut service, client) = pair(folder, "range = [\"10.77.0.20\", \"10.77.0.250\"]\n")?;
    let rom = BootClient::new(&client, "lan0")?;
    let mut requests = Vec::new();
    for number in 1..=100 {
        let offer = rom.ask(&discover(mac(number)), |answer| answer.kind() == 2)?;
        let request = Message::new(3, mac(number)).option(50, &offer.address(16).octets());
        requests.push(request.option(54, &SERVER.octets()));
    }
    // All at once; the service dies while it answers.
    let mut told: BTreeMap<u8, Ipv4Addr> = BTreeMap::new();
    for request in &requests {
        rom.broadcast(request.bytes())?;
    }
    while let Some(answer) = rom.receive()? {
        if answer.kind() == 5 {
            told.insert(answer.bytes()[33], answer.address(16));
        }
        if told.len() == 30 {
            service.kill();
        }
    }
    ensure!(told.len() >= 30, "only {} were answered", told.len());
    service.serve()?;
    let leases = service.json("network leases lan")?.to_string();
    for (number, address) in &told {
        ensure!(leases.contains(&format!("\"{address}\"")), "{address} is forgotten: {leases}");
        let offer = rom.ask(&discover(mac(*number)), |answer| answer.kind() == 2)?;
        ensure!(offer.address(16) == *address, "{address} became {}", offer.address(16));
    }
    Ok(())
}
