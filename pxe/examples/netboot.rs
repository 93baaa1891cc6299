//! A boot server with fixed answers, to try real firmware against: no database, no machines.
//!
//! `netboot INTERFACE ADDRESS FOLDER MODE [KEY=VALUE …]` serves the files of FOLDER. MODE is `boot` (the agent),
//! `disk` (addresses, no loaders) or `exit` (loaders, and a script that goes on to the disk). The rest are
//! kernel parameters.

use anyhow::{Context, bail};
use async_trait::async_trait;
use pxe::{BootAnswer, Client, Config, Directory, Fact, Files, Leases, Mac, Network, Ports, Server};
use pxe_proto::boot::BootScript;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Everybody gets the same answers; the address follows from the MAC's last byte.
struct Static {
    subnet: Ipv4Addr,
    boot: BootAnswer,
    script: BootScript,
}

#[async_trait]
impl Directory for Static {
    async fn boot(&self, _: &Client) -> BootAnswer {
        self.boot
    }

    async fn lease(&self, client: &Client, _: bool) -> Option<Ipv4Addr> {
        let [a, b, c, _] = self.subnet.octets();
        Some(Ipv4Addr::new(a, b, c, 100 + client.mac[5] % 100))
    }

    async fn release(&self, client: &Client) {
        info!(?client, "release");
    }

    async fn decline(&self, client: &Client, address: Ipv4Addr) {
        info!(?client, %address, "decline");
    }

    async fn script(&self, mac: Mac, uuid: Option<&str>, from: Ipv4Addr) -> BootScript {
        info!(?mac, uuid, %from, "script");
        self.script.clone()
    }

    fn observe(&self, fact: Fact) {
        info!(?fact, "fact");
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, address, folder, mode, parameters @ ..] = arguments.as_slice() else {
        bail!("usage: netboot INTERFACE ADDRESS FOLDER boot|disk|exit [KEY=VALUE ...]");
    };
    let address: Ipv4Addr = address.parse().context("ADDRESS is no IPv4 address")?;
    let parameters = parameters
        .iter()
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let (boot, script) = match mode.as_str() {
        "boot" => (BootAnswer::Boot, BootScript::Agent { parameters: parameters.collect() }),
        "disk" => (BootAnswer::Disk, BootScript::Disk),
        "exit" => (BootAnswer::Boot, BootScript::Disk),
        other => bail!("MODE is {other:?}, not boot, disk or exit"),
    };
    let files = Arc::new(Files::new());
    for entry in std::fs::read_dir(folder).with_context(|| format!("can't read the folder {folder}"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, std::fs::read(entry.path())?);
    }
    let network = Network {
        name: "lab".to_owned(),
        interface: interface.clone(),
        address,
        prefix: 24,
        router: None,
        dns: Vec::new(),
        dhcp: true,
        leases: Leases::default(),
    };
    let config =
        Config { networks: vec![network], ports: Ports::default(), files, routes: axum::Router::new() };
    let server = Server::bind(config, Arc::new(Static { subnet: address, boot, script })).await?;
    server.run(CancellationToken::new()).await;
    Ok(())
}
