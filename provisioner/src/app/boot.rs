//! What the boot server is given: files, networks, ports. Made once, at the start.

use crate::{config::Config, service::BootServer};
use anyhow::Context;
use axum::Router;
use bytes::Bytes;
use pxe_proto::{
    boot::Arch,
    uki::{Parts, Template},
};
use std::{path::Path, sync::Arc};

/// What firmware's boot menus call us.
const OS_RELEASE: &str = "ID=billet\nNAME=Billet\nPRETTY_NAME=\"Billet agent\"\n";

/// Whom the agent trusts.
pub(super) struct Trust<'a> {
    /// The CA of the service that it calls, PEM.
    pub(super) ca_pem: &'a str,
    /// The key that permits are signed with, hex. Not the CA: who can make certificates may not wipe disks for that.
    pub(super) permit_key: &'a str,
}

/// What firmware and loaders may fetch. The ramdisks get our CA and the key of permits appended, so that the agent trusts
/// nobody else.
pub(super) fn files(config: &Config, trust: &Trust<'_>) -> anyhow::Result<Arc<pxe::Files>> {
    let (boot, files) = (&config.boot, pxe::Files::new());
    let x64 = System {
        arch: Arch::X64,
        kernel: (&boot.kernel, "boot.kernel"),
        ramdisk: (&boot.ramdisk, "boot.ramdisk"),
        stub: boot.stub_x64.as_deref().map(|path| (path, "boot.stub_x64")),
    };
    x64.add(&files, trust)?;
    if let (Some(kernel), Some(ramdisk)) = (&boot.kernel_arm64, &boot.ramdisk_arm64) {
        let arm64 = System {
            arch: Arch::Arm64,
            kernel: (kernel, "boot.kernel_arm64"),
            ramdisk: (ramdisk, "boot.ramdisk_arm64"),
            stub: boot.stub_arm64.as_deref().map(|path| (path, "boot.stub_arm64")),
        };
        arm64.add(&files, trust)?;
    }
    for name in ["undionly.kpxe", "snponly.efi"] {
        files.insert(name, read(&boot.ipxe.join(name), "boot.ipxe")?);
    }
    // Not every package of iPXE has it; without it the chain `ipxe` is not there.
    let own_drivers = boot.ipxe.join("ipxe.efi");
    if own_drivers.exists() {
        files.insert("ipxe.efi", read(&own_drivers, "boot.ipxe")?);
    }
    Ok(Arc::new(files))
}

/// The agent's system for one architecture: paths, and the keys that set them.
struct System<'a> {
    arch: Arch,
    kernel: (&'a Path, &'static str),
    ramdisk: (&'a Path, &'static str),
    stub: Option<(&'a Path, &'static str)>,
}

impl System<'_> {
    fn add(&self, files: &pxe::Files, trust: &Trust<'_>) -> anyhow::Result<()> {
        let kernel = read(self.kernel.0, self.kernel.1)?;
        let mut ramdisk = read(self.ramdisk.0, self.ramdisk.1)?;
        let key = format!("{}\n", trust.permit_key);
        let tail = images::cpio::Archive::new()
            .dir("etc")
            .dir("etc/billet")
            .file("etc/billet/ca.pem", 0o644, trust.ca_pem.as_bytes())
            .file(provisioner_api::permit::KEY_FILE, 0o644, key.as_bytes());
        ramdisk.extend(tail.finish_behind(ramdisk.len() as u64));
        if let Some((path, key)) = self.stub {
            let stub = read(path, key)?;
            let parts = Parts { stub: &stub, os_release: OS_RELEASE, kernel: &kernel, ramdisk: &ramdisk };
            let template = Template::new(&parts)
                .with_context(|| format!("can't make a unified kernel image with {}", path.display()))?;
            anyhow::ensure!(
                template.arch() == self.arch,
                "{} is not for {}; `{key}` sets it",
                path.display(),
                self.arch.word()
            );
            files.insert_uki(template);
        }
        files.insert(self.arch.kernel(), kernel);
        files.insert(self.arch.ramdisk(), Bytes::from(ramdisk));
        Ok(())
    }
}

fn read(path: &Path, key: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("can't read {}; `{key}` sets it", path.display()))
}

/// The boot server's own configuration.
pub(super) fn server(
    config: &Config,
    files: Arc<pxe::Files>,
    shared: &BootServer,
    routes: Router,
) -> pxe::Config {
    pxe::Config {
        networks: config.networks.iter().map(crate::config::Network::served).collect(),
        ports: pxe::Ports {
            dhcp_server: config.boot.dhcp_port,
            tftp: config.boot.tftp_port,
            http: config.boot.http_port,
            ..pxe::Ports::default()
        },
        files,
        peers: Arc::new(pxe::Peers::new()),
        leases: shared.leases.clone(),
        counters: Arc::clone(&shared.counters),
        status: Arc::clone(&shared.status),
        routes,
    }
}
