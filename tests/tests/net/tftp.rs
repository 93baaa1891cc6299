//! Files by TFTP to real clients, on a good wire and on a bad one.

use crate::Test;
use crate::site::{link, pair};
use anyhow::{Result, ensure};
use lab::Faults;
use std::path::Path;
use tests::net::{Hub, Namespace, Program, SERVER, Service, until};

pub(crate) const TESTS: &[Test] = &[
    ("tftp::every_client_gets_the_file", every_client_gets_the_file),
    ("tftp::every_client_gets_the_file_over_a_bad_wire", every_client_gets_the_file_over_a_bad_wire),
];

const NETWORK: &str = "range = [\"10.77.0.100\", \"10.77.0.199\"]\ndiscovery = true\n";

/// A way to fetch a file into the folder under another name.
type Fetch = (&'static str, fn(&Namespace, &str, &str) -> Program);

const CLIENTS: &[Fetch] = &[
    ("tftp-hpa", |host, name, to| {
        host.program("tftp").words("-m binary").args([&SERVER.to_string(), "-c", "get", name, to])
    }),
    ("atftp", |host, name, to| {
        host.program("atftp").words("--tftp-timeout 1 -g -r").args([name, "-l", to, &SERVER.to_string()])
    }),
    ("atftp, blocks of 1428", |host, name, to| {
        let program = host.program("atftp").words("--tftp-timeout 1").args([
            "--option",
            "blksize 1428",
            "--option",
            "tsize 0",
        ]);
        program.args(["-g", "-r", name, "-l", to, &SERVER.to_string()])
    }),
    ("atftp, windows of 16", |host, name, to| {
        let program = host.program("atftp").words("--tftp-timeout 1").args([
            "--option",
            "windowsize 16",
            "--option",
            "blksize 1428",
        ]);
        program.args(["-g", "-r", name, "-l", to, &SERVER.to_string()])
    }),
    ("curl", |host, name, to| {
        host.program("curl")
            .words("-sS --tftp-blksize 1400 -o")
            .args([to, &format!("tftp://{SERVER}/{name}")])
    }),
    ("curl, without options", |host, name, to| {
        host.program("curl").words("-sS --tftp-no-options -o").args([to, &format!("tftp://{SERVER}/{name}")])
    }),
];

fn fetch_all(service: &Service, client: &Namespace, name: &str) -> Result<()> {
    for (what, fetch) in CLIENTS {
        let to = service.folder().join("fetched");
        drop(std::fs::remove_file(&to));
        let said = until(&format!("{what} has {name}"), || {
            let ended = fetch(client, name, "fetched").folder(service.folder()).finish()?;
            // atftp gives up at a second option acknowledgement, which any server sends when an answer to the first
            // is lost.
            let gave_up = ended.said.contains("unexpected OACK");
            ensure!(ended.success || gave_up, "{what} failed: {}", ended.said);
            Ok(ended.success.then_some(ended.said))
        })?;
        let same = std::fs::read(&to).is_ok_and(|got| Ok(got) == service.file(name).map_err(drop));
        ensure!(same, "{what} got another {name}: {said}");
    }
    Ok(())
}

fn every_client_gets_the_file(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, NETWORK)?;
    client.ip("addr add 10.77.0.2/24 dev lan0")?;
    for name in ["undionly.kpxe", "snponly.efi", "ipxe.efi"] {
        fetch_all(&service, &client, name)?;
    }
    Ok(())
}

fn every_client_gets_the_file_over_a_bad_wire(folder: &Path) -> Result<()> {
    let (server, client) = (Namespace::new()?, Namespace::new()?);
    let hub = Hub::new(Faults::default())?;
    for (host, address) in [(&server, "10.77.0.1/24"), (&client, "10.77.0.2/24")] {
        hub.attach(host, "lan0")?;
        host.ip(&format!("addr add {address} dev lan0"))?;
    }
    let service = Service::start(server, folder, &link(NETWORK))?;
    fetch_all(&service, &client, "undionly.kpxe")?;
    // One in five is lost, one in ten comes twice, and up to 5 ms of difference let packets overtake each other.
    hub.set_faults(Faults { drop: 0.2, duplicate: 0.1, delay_ms: 0, jitter_ms: 5, seed: 7 });
    fetch_all(&service, &client, "undionly.kpxe")
}
