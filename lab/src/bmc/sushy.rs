//! sushy-tools' Redfish emulator before a machine of libvirt's: a BMC and a chassis that we did not write.
//!
//! Each such machine has a libvirt daemon of its own (`libvirt`), without privileges, that defines it as a domain
//! (`domain`); its QEMU is libvirt's child, so the lab's own requests can't switch it: only its BMC does. The emulator is a
//! Python program that `lab/setup` installs; it listens on HTTPS with a certificate of ours.
//!
//! Deliberately not here: sessions, events, logs and IPMI, none of which the emulator has.

mod domain;
mod libvirt;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::{HTTPS_PORT, PASSWORD, Surroundings, USERNAME};
use crate::child;
use crate::report::{BmcReport, RedfishReport};
use crate::spec::{BmcKind, Machine};

pub(super) use domain::Cable;
use domain::{CODE, VARIABLES, VARIABLES_SECURE};

const PROGRAM: &str = "sushy-emulator";

/// How long the emulator may take until it listens: it is Python, and machines are slow.
const START: Duration = Duration::from_secs(60);

/// `PASSWORD` by bcrypt at its least cost, the only digest that the emulator knows.
const PASSWORD_BCRYPT: &str = "$2b$04$lqo0nxm9acc5FBQ/4.G.FuXSWqPtK5eClMCTAhpMU3ArzncOEjk62";

/// Where `lab/setup` puts Python programs.
fn python_programs() -> PathBuf {
    let cache = std::env::var_os("BILLET_CACHE").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/billet");
    cache.unwrap_or_else(home).join("python/bin")
}

/// What is not installed of what such a BMC needs.
pub(crate) fn missing() -> Vec<String> {
    let programs = ["libvirtd", "virsh", "unshare"].into_iter();
    let mut missing: Vec<_> =
        programs.filter(|program| child::find(program).is_none()).map(str::to_owned).collect();
    let emulator = python_programs().join(PROGRAM);
    let files = [CODE, VARIABLES, VARIABLES_SECURE].map(PathBuf::from);
    let absent = std::iter::once(emulator).chain(files).filter(|file| !file.is_file());
    missing.extend(absent.map(|file| file.display().to_string()));
    missing
}

pub(super) async fn start(
    around: &Surroundings<'_>,
    machine: &Machine,
    address: IpAddr,
) -> anyhow::Result<BmcReport> {
    let address = SocketAddr::new(address, HTTPS_PORT);
    let files = around.layout.machine(&machine.name);
    let folder = files.sushy();
    // Domains and media of an earlier run would come back.
    let _first_run = std::fs::remove_dir_all(&folder);
    for name in ["state", "tmp", "media"] {
        std::fs::create_dir_all(folder.join(name))?;
    }
    let libvirt = libvirt::start(&folder).await?;
    libvirt.define(&domain::xml(machine, &files, Cable::at(address.ip()))).await?;
    libvirt.make_pool(&folder.join("media")).await?;
    let tls_sha256 = write_certificate(&folder, address.ip())?;
    std::fs::write(folder.join("users"), format!("{USERNAME}:{PASSWORD_BCRYPT}\n"))?;
    std::fs::write(folder.join("emulator.conf"), configuration(machine, &folder, address, libvirt.uri()))?;
    let mut emulator = spawn(&folder)?;
    tokio::select! {
        ended = emulator.wait() => bail!("{PROGRAM} ended at once ({}); see {}", ended?, folder.join("log").display()),
        listens = await_listener(address) => listens.with_context(|| format!("see {}", folder.join("log").display()))?,
    }
    let uri = libvirt.uri().to_owned();
    let (stop, name) = (around.stop.clone(), machine.name.clone());
    around.tasks.spawn(async move {
        let mut libvirt = libvirt;
        tokio::select! {
            () = stop.cancelled() => {}
            ended = emulator.wait() => tracing::error!(machine = name, ?ended, "the BMC is gone: {PROGRAM} ended"),
            ended = libvirt.ended() => tracing::error!(machine = name, ?ended, "libvirt's daemon is gone"),
        }
        let _gone_already = emulator.kill().await;
        libvirt.end().await;
    });
    Ok(BmcReport {
        kind: BmcKind::Sushy,
        address: address.ip(),
        username: USERNAME.to_owned(),
        password: PASSWORD.to_owned(),
        ipmi: None,
        redfish: Some(RedfishReport { url: format!("https://{}", address.ip()), tls_sha256 }),
        libvirt: Some(uri),
    })
}

/// A certificate for the address and its key, as files; gives its SHA-256.
fn write_certificate(folder: &Path, address: IpAddr) -> anyhow::Result<String> {
    let made = rcgen::generate_simple_self_signed(vec![address.to_string()])?;
    std::fs::write(folder.join("certificate.pem"), made.cert.pem())?;
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(Sha256::digest(made.cert.der()).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The emulator's configuration: a Python file of assignments (sushy-tools, "Configuration file").
fn configuration(machine: &Machine, folder: &Path, address: SocketAddr, libvirt: &str) -> String {
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut text = format!("SUSHY_EMULATOR_LISTEN_PORT = {}\n", address.port());
    let mut set = |key: &str, value: &str| text += &format!("SUSHY_EMULATOR_{key} = {}\n", python(value));
    set("LISTEN_IP", &address.ip().to_string());
    set("SSL_CERT", &file("certificate.pem"));
    set("SSL_KEY", &file("key.pem"));
    set("AUTH_FILE", &file("users"));
    set("STATE_DIR", &file("state"));
    set("LIBVIRT_URI", libvirt);
    set("SECURE_BOOT_ENABLED_NVRAM", VARIABLES_SECURE);
    set("SECURE_BOOT_DISABLED_NVRAM", VARIABLES);
    text += &format!("SUSHY_EMULATOR_ALLOWED_INSTANCES = [{}]\n", python(&machine.uuid()));
    text += &format!(
        "SUSHY_EMULATOR_BOOT_LOADER_MAP = {{'UEFI': {{'x86_64': {}}}, 'Legacy': {{'x86_64': None}}}}\n",
        python(CODE)
    );
    // The image's server is the test's own.
    text + "SUSHY_EMULATOR_VMEDIA_VERIFY_SSL = False\n"
}

/// A text as Python writes it; JSON writes it the same way.
fn python(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn spawn(folder: &Path) -> anyhow::Result<Child> {
    let log = std::fs::File::create(folder.join("log"))?;
    let program = python_programs().join(PROGRAM);
    let child = child::command(&program.to_string_lossy())
        .current_dir(folder)
        // Where it downloads images to.
        .env("TMPDIR", folder.join("tmp"))
        .arg("--config")
        .arg(folder.join("emulator.conf"))
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn();
    child.with_context(|| format!("can't start {}; `lab/setup` installs it", program.display()))
}

/// Waits until somebody listens there.
async fn await_listener(address: SocketAddr) -> anyhow::Result<()> {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    bail!("{PROGRAM} does not listen at {address}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Firmware;

    #[test]
    fn the_configuration_is_python_whatever_the_folder_is_called() {
        let machine = Machine::new("m1", Firmware::Bios, BmcKind::Sushy);
        let address = "127.0.1.1:443".parse().unwrap();
        let text = configuration(&machine, Path::new("/l'a\"b"), address, "qemu+unix:///session?socket=/x");
        for line in [
            "SUSHY_EMULATOR_LISTEN_PORT = 443",
            "SUSHY_EMULATOR_LISTEN_IP = \"127.0.1.1\"",
            "SUSHY_EMULATOR_SSL_KEY = \"/l'a\\\"b/key.pem\"",
            "SUSHY_EMULATOR_LIBVIRT_URI = \"qemu+unix:///session?socket=/x\"",
            &format!("SUSHY_EMULATOR_ALLOWED_INSTANCES = [\"{}\"]", machine.uuid()),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
