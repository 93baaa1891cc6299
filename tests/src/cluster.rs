//! Several replicas of the service on one database, each a process of its own that can be stopped, killed, and started
//! again. The process is this test program once more: its test `serve` (see [`serve`]) is the replica.

use anyhow::{Context, Result, ensure};
use images::import::ImportProgram;
use lab::fleet::{Eyes, Wires, free_ports};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use provisioner::config::Config;
use provisioner_api::{
    ImageFormat, ImageSpec, Instance, InstanceCreate, InstanceSpec, InstanceState, Machine, MachineState,
    Replica, Secret,
};
use provisioner_client::{Client, Connection};
use serde::Deserialize;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::{TestImage, ask, eventually, process_site::program};

/// In a replica's environment: its configuration.
const CONFIG: &str = "BILLET_TEST_REPLICA";

/// What all replicas of a site have in common.
const SHARED: [&str; 3] = ["site.key", "tls/ca.key", "tls/ca.pem"];

/// The replicas, and how they are reached.
pub struct Cluster {
    folder: TempDir,
    nodes: Vec<Node>,
    token: Secret,
    ca_pem: String,
    permit_key: String,
    end: CancellationToken,
}

/// One replica.
struct Node {
    dir: PathBuf,
    api: u16,
    http: u16,
    child: Mutex<Option<Child>>,
    wires: OnceCell<Arc<Wires>>,
}

/// What the first start leaves for the administrator.
#[derive(Deserialize)]
struct Admin {
    token: Secret,
}

/// A replica's life, if this process is to be one: call it from a test that is run by its name.
///
/// # Errors
/// When it can't serve.
pub async fn serve() -> Result<()> {
    let Some(file) = std::env::var_os(CONFIG) else { return Ok(()) };
    let mut config = Config::load(Path::new(&file), [])?;
    // This program reads no images.
    config.images.program = ImportProgram::At(program()?);
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(&config.log.filter);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    provisioner::app::serve(config).await
}

impl Cluster {
    /// Starts so many on a database. `serve` is the name of the test that calls [`serve`].
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start(count: usize, database: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let images = folder.path().join("images");
        std::fs::create_dir(&images)?;
        for name in ["vmlinuz", "initrd.img", "undionly.kpxe", "snponly.efi"] {
            std::fs::write(folder.path().join(name), name)?;
        }
        let mut nodes = Vec::new();
        for number in 0..count {
            let dir = folder.path().join(format!("r{number}"));
            std::fs::create_dir_all(dir.join("data/tls"))?;
            for private in ["data", "data/tls"] {
                std::fs::set_permissions(dir.join(private), PermissionsExt::from_mode(0o700))?;
            }
            std::os::unix::fs::symlink(&images, dir.join("data/images"))?;
            let ports @ [api, http, ..] = free_ports(0)?;
            std::fs::write(dir.join("billet.toml"), configuration(folder.path(), &dir, database, ports))?;
            nodes.push(Node { dir, api, http, child: Mutex::new(None), wires: OnceCell::new() });
        }
        let none = Secret::new("");
        let (ca_pem, permit_key, end) = (String::new(), String::new(), CancellationToken::new());
        let mut cluster = Self { folder, nodes, token: none, ca_pem, permit_key, end };
        cluster.launch(0).await?;
        let data = cluster.nodes[0].dir.join("data");
        let admin: Admin = toml::from_str(&std::fs::read_to_string(data.join("admin.toml"))?)?;
        cluster.token = admin.token;
        cluster.ca_pem = std::fs::read_to_string(data.join("tls/ca.pem"))?;
        cluster.permit_key = std::fs::read_to_string(data.join("permit.pub"))?.trim().to_owned();
        for node in &cluster.nodes[1..] {
            for name in SHARED {
                std::fs::copy(data.join(name), node.dir.join("data").join(name))?;
            }
        }
        for number in 1..count {
            cluster.launch(number).await?;
        }
        Ok(cluster)
    }

    /// Starts one, also once more, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn launch(&self, number: usize) -> Result<()> {
        let node = &self.nodes[number];
        let log = std::fs::File::options().create(true).append(true).open(node.dir.join("log"))?;
        let served = |log: String| log.matches("the API listens").count();
        let before = served(self.log(number)?);
        // The kernel ends it with the thread that starts it, however that ends.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(std::env::current_exe()?)
            .args(["--exact", "replicas::serve", "--ignored", "--nocapture", "--test-threads=1"])
            .env(CONFIG, node.dir.join("billet.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        *node.child() = Some(child);
        eventually(&format!("replica {number} answers"), async || {
            if let Some(child) = node.child().as_mut()
                && let Some(status) = child.try_wait()?
            {
                anyhow::bail!("replica {number} ended with {status}: {}", self.log(number)?);
            }
            Ok((served(self.log(number)?) > before).then_some(()))
        })
        .await?;
        Ok(())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, number: usize, signal: Signal) -> Result<()> {
        let pid = self.nodes[number].child().as_ref().context("it does not run")?.id();
        Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
    }

    /// Ends it as SIGKILL does.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self, number: usize) -> Result<()> {
        let mut child = self.nodes[number].child().take().context("it does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it goes on, or fails.
    pub async fn ended(&self, number: usize) -> Result<()> {
        let node = &self.nodes[number];
        let status = eventually("it ends", async || {
            Ok(node.child().as_mut().context("it does not run")?.try_wait()?)
        });
        let status = status.await?;
        ensure!(status.success(), "it ended with {status}: {}", self.log(number)?);
        *node.child() = None;
        Ok(())
    }

    /// A client of one of them.
    ///
    /// # Errors
    /// When the CA can't be read.
    pub fn client(&self, number: usize) -> Result<Client> {
        let url = format!("https://127.0.0.1:{}", self.nodes[number].api);
        Ok(Client::new(&Connection { url, token: self.token.clone(), ca_pem: self.ca_pem.clone() })?)
    }

    /// Which of them leads, as this one tells; none: nobody does just now.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn leader(&self, asked: usize) -> Result<Option<usize>> {
        let leads = |replica: &Replica| replica.leads;
        let Some(leader) = self.client(asked)?.replicas().await?.into_iter().find(leads) else {
            return Ok(None);
        };
        for (number, node) in self.nodes.iter().enumerate() {
            if std::fs::read_to_string(node.dir.join("data/replica.id")).is_ok_and(|id| id == leader.id) {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// What it logged.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn log(&self, number: usize) -> Result<String> {
        Ok(std::fs::read_to_string(self.nodes[number].dir.join("log"))?)
    }

    /// The data folder of one.
    pub fn data(&self, number: usize) -> PathBuf {
        self.nodes[number].dir.join("data")
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The ways from simulated machines to one of them, where they boot; their agents know all.
    ///
    /// # Errors
    /// When a socket can't be had.
    pub async fn wires(&self, number: usize) -> Result<&Arc<Wires>> {
        let node = &self.nodes[number];
        let nowhere = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let wires = async || {
            let site = lab::fleet::Site {
                api: format!("https://127.0.0.1:{}", node.api),
                ca_pem: self.ca_pem.clone(),
                permit_key: self.permit_key.parse()?,
                token: self.token.clone(),
                boot_http: SocketAddr::from((Ipv4Addr::LOCALHOST, node.http)),
                // Neither is asked here; the relay takes any port.
                dhcp: nowhere,
                tftp: nowhere,
                relay: Ipv4Addr::LOCALHOST,
            };
            Wires::new(&site, Eyes::new(None), 0, self.end.clone()).await
        };
        node.wires.get_or_try_init(wires).await
    }

    /// Imports an image.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn import(&self, by: usize, name: &str, image: &TestImage) -> Result<()> {
        let spec = ImageSpec::disk(name, &image.digest, ImageFormat::Raw);
        self.client(by)?.import_image(&spec, &image.path, |_| {}).await?;
        Ok(())
    }

    /// Asks one of them for an instance.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create(&self, by: usize, name: &str, image: &str, machine: Option<&str>) -> Result<()> {
        let spec = InstanceSpec { machine: machine.map(Into::into), ..InstanceSpec::new(image) };
        self.client(by)?.create_instance(&InstanceCreate { name: name.into(), spec }).await?;
        Ok(())
    }

    /// Waits until one of them says that a machine is in a state, and not held.
    ///
    /// # Errors
    /// When it is held, or never gets there.
    pub async fn machine_in(&self, asked: usize, name: &str, state: MachineState) -> Result<Machine> {
        ask::machine_in(&self.client(asked)?, name, state).await
    }

    /// Waits until one of them says that an instance is in a state.
    ///
    /// # Errors
    /// When it never gets there.
    pub async fn instance_in(&self, asked: usize, name: &str, state: InstanceState) -> Result<Instance> {
        ask::instance_in(&self.client(asked)?, name, state).await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end.cancel();
        for node in &self.nodes {
            if let Some(mut child) = node.child().take() {
                _ = child.kill();
                _ = child.wait();
            }
        }
        // A journey that ends with an error does not panic: whoever asks gets the logs anyhow.
        if std::thread::panicking() || std::env::var_os("BILLET_TEST_LOGS").is_some() {
            for number in 0..self.nodes.len() {
                let log = self.log(number).unwrap_or_default();
                _ = writeln!(std::io::stderr(), "--- replica {number}\n{log}");
            }
        }
    }
}

impl Node {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn configuration(folder: &Path, dir: &Path, database: &str, ports: [u16; 4]) -> String {
    let [api, http, dhcp, tftp] = ports;
    let (data, kernel, ramdisk) = (dir.join("data"), folder.join("vmlinuz"), folder.join("initrd.img"));
    format!(
        "data = {data:?}\ndatabase = {database:?}\n\
         [api]\nlisten = \"127.0.0.1:{api}\"\n\
         [boot]\nhttp_port = {http}\ndhcp_port = {dhcp}\ntftp_port = {tftp}\nkernel = {kernel:?}\nramdisk = {ramdisk:?}\n\
         ipxe = {folder:?}\n\
         [log]\nfilter = \"info\"\n\
         [[networks]]\nname = \"loopback\"\ninterface = \"lo\"\naddress = \"127.0.0.1\"\nsubnet = \"127.0.0.0/8\"\n\
         dhcp = \"off\"\ndiscovery = true\nrouter_advertisements = false\n"
    )
}
