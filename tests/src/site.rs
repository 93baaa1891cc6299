//! The service in this process: started on free ports, killed without warning, started again on the same data.

use anyhow::{Context, Result};
use images::import::ImportProgram;
use lab::fleet::{Eyes, Wires};
use provisioner::{
    app::App,
    config::{Api, Bmc, Boot, Config, Images, Log, Network, PostgresDatabase, Rate, Telemetry},
};
use provisioner_api::{
    DhcpMode, DiskHints, Held, ImageFormat, ImageSpec, Instance, InstanceCreate, InstanceSpec, InstanceState,
    Machine, MachineState, Secret,
};
use provisioner_client::{Client, Connection};
use provisioner_lifecycle::Limits;
use reqwest::{Method, StatusCode};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::OnceCell, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{TestImage, ask, process_site::program};

/// How long anything in a journey may take; journeys end as soon as what they wait for is so.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running service with its data.
pub struct Site {
    folder: TempDir,
    config: Config,
    connection: Connection,
    permit_key: String,
    boot: SocketAddr,
    running: Option<Runtime>,
    service: Option<JoinHandle<Result<()>>>,
    /// Made for the first machine.
    wires: OnceCell<Arc<Wires>>,
    end: CancellationToken,
}

impl Site {
    /// Starts the service for the first time.
    ///
    /// # Errors
    /// When it doesn't start.
    pub async fn start() -> Result<Self> {
        Self::start_with(Limits::default()).await
    }

    /// As `start`, with other time limits.
    ///
    /// # Errors
    /// When it doesn't start.
    pub async fn start_with(limits: Limits) -> Result<Self> {
        Self::start_on(None, limits, None).await
    }

    /// As `start`, with its database on a server.
    ///
    /// # Errors
    /// When it doesn't start.
    pub async fn start_on_postgres(url: &str) -> Result<Self> {
        let database = PostgresDatabase::parse(url, None).map_err(anyhow::Error::msg)?;
        Self::start_on(Some(database), Limits::default(), None).await
    }

    /// As `start`, with traces sent to this collector, with the headers of a file.
    ///
    /// # Errors
    /// When it doesn't start.
    pub async fn start_traced(collector: &str, headers: &Path) -> Result<Self> {
        let telemetry = Telemetry::to(collector).map_err(anyhow::Error::msg)?;
        let telemetry = Telemetry { headers_file: Some(headers.to_owned()), ..telemetry };
        Self::start_on(None, Limits::default(), Some(telemetry)).await
    }

    async fn start_on(
        database: Option<PostgresDatabase>,
        limits: Limits,
        telemetry: Option<Telemetry>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let artefact = |name: &str| -> Result<PathBuf> {
            let path = folder.path().join(name);
            std::fs::write(&path, name)?;
            Ok(path)
        };
        for loader in ["undionly.kpxe", "snponly.efi"] {
            artefact(loader)?;
        }
        let local = Ipv4Addr::LOCALHOST;
        // DHCP itself is not part of these journeys: simulated machines know their boot server.
        let mut network = Network::new("loopback", "lo", local, (Ipv4Addr::new(127, 0, 0, 0), 8));
        network.dhcp = DhcpMode::Off;
        network.discovery = true;
        network.router_advertisements = false;
        network.subnets[0].ranges = vec![(Ipv4Addr::new(127, 1, 0, 1), Ipv4Addr::new(127, 1, 0, 99))];
        let config = Config {
            data: folder.path().join("data"),
            database,
            api: Api {
                listen: SocketAddr::from((local, 0)),
                names: Vec::new(),
                session: jiff::SignedDuration::from_hours(12),
                rate: Rate::default(),
            },
            boot: Boot {
                http_port: 0,
                dhcp_port: 0,
                tftp_port: 0,
                kernel: artefact("vmlinuz")?,
                ramdisk: artefact("ramdisk")?,
                kernel_arm64: None,
                ramdisk_arm64: None,
                rescue: Some(artefact("rescue")?),
                rescue_arm64: None,
                stub_x64: None,
                stub_arm64: None,
                ipxe: folder.path().to_owned(),
                kernel_parameters: Vec::new(),
            },
            console: Default::default(),
            images: Images { program: ImportProgram::At(program()?), ..Images::default() },
            bmc: Default::default(),
            networks: vec![network],
            limits,
            history: Default::default(),
            freeze_on_clock_leap: true,
            log: Log { filter: "info".into(), json: false },
            telemetry,
        };
        let connection = Connection { url: String::new(), token: Secret::new(""), ca_pem: String::new() };
        let boot = SocketAddr::from((local, 0));
        let (wires, end) = (OnceCell::new(), CancellationToken::new());
        let permit_key = String::new();
        let mut site =
            Self { folder, config, connection, permit_key, boot, running: None, service: None, wires, end };
        site.launch().await?;
        Ok(site)
    }

    async fn launch(&mut self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let config = self.config.clone();
        let app = runtime.spawn(App::bind(config)).await??;
        self.config.api.listen = app.api_address()?;
        self.connection.url = format!("https://{}", app.api_address()?);
        app.ca_pem().clone_into(&mut self.connection.ca_pem);
        self.permit_key = app.permit_key();
        if let Some(first) = app.first_login() {
            self.connection.token = first.token.clone();
        }
        self.boot = app.boot_addresses().first().context("there is one network")?.http.into();
        self.config.boot.http_port = self.boot.port();
        self.service = Some(runtime.spawn(app.run(CancellationToken::new())));
        self.running = Some(runtime);
        Ok(())
    }

    /// Ends the service as SIGKILL does: every task stops where it is, nothing is closed or written.
    pub fn kill(&mut self) {
        drop(self.service.take());
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
    }

    /// Waits until it ends by itself, and answers why.
    ///
    /// # Errors
    /// When it goes on, or ends without an error.
    pub async fn ended(&mut self) -> Result<anyhow::Error> {
        let service = self.service.take().context("it was not started")?;
        let ended = tokio::time::timeout(PATIENCE, service).await.context("the service goes on")?;
        ended?.err().context("the service ended without an error")
    }

    /// Starts it again on the same data and ports.
    ///
    /// # Errors
    /// When it doesn't start.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        // The old sockets close a moment after the tasks are dropped.
        eventually("the service's port is free", async || {
            Ok(std::net::TcpListener::bind(self.config.api.listen).is_ok().then_some(()))
        })
        .await?;
        self.launch().await
    }

    /// Puts a backup in the place of its database while it is stopped, and starts it again.
    ///
    /// # Errors
    /// When it is refused, or the service doesn't start.
    pub async fn restore(&mut self, backup: &Path) -> Result<()> {
        self.kill();
        eventually("the backup is restored", async || {
            let now = jiff::Timestamp::now();
            match provisioner::restore::restore(&self.config, backup, true, now).await {
                Ok(_) => Ok(Some(())),
                // Its connections close a moment after its tasks are dropped.
                Err(error) if error.to_string().contains("still in use") => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await?;
        self.restart().await
    }

    /// The file of its database.
    pub fn database(&self) -> PathBuf {
        self.config.data.join("billet.db")
    }

    /// A client with the administrator's token.
    ///
    /// # Errors
    /// When the CA can't be read.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.connection)?)
    }

    /// How the CLI would reach it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sends a request as a stranger's program would; the answer's status and JSON body, if it has one.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn send(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> Result<(StatusCode, Option<serde_json::Value>)> {
        let mut request = self.http()?.request(method, format!("{}{path}", self.connection.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await?;
        Ok((answer.status(), answer.json().await.ok()))
    }

    /// A stranger's HTTP client, which trusts its authority.
    ///
    /// # Errors
    /// When the CA can't be read.
    pub fn http(&self) -> Result<reqwest::Client> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.connection.ca_pem.as_bytes())?)?;
        let tls =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build()?)
    }

    /// The rescue archive; it holds from the next start on.
    pub fn set_rescue(&mut self, archive: Option<PathBuf>) {
        self.config.boot.rescue = archive;
    }

    /// Where the service may search for BMCs; it holds from the next start on.
    pub fn set_bmc(&mut self, bmc: Bmc) {
        self.config.bmc = bmc;
    }

    /// The boot server's HTTP.
    pub fn boot(&self) -> SocketAddr {
        self.boot
    }

    /// The boot script that firmware with this MAC address is given.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn boot_script(&self, mac: &str) -> Result<String> {
        let path = format!("/boot/script?mac={mac}");
        let script = self.wires().await?.http_get(0, None, &path, 64 << 10).await?;
        Ok(String::from_utf8(script.kept)?)
    }

    /// The ways from simulated machines to it, which last from start to start: it keeps its ports.
    ///
    /// # Errors
    /// When a socket can't be had.
    pub async fn wires(&self) -> Result<&Arc<Wires>> {
        let nowhere = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let wires = async || {
            let site = lab::fleet::Site {
                api: self.connection.url.clone(),
                ca_pem: self.connection.ca_pem.clone(),
                permit_key: self.permit_key.parse()?,
                token: self.connection.token.clone(),
                boot_http: self.boot,
                // Neither is asked here; the relay takes any port.
                dhcp: nowhere,
                tftp: nowhere,
                relay: Ipv4Addr::LOCALHOST,
            };
            Wires::new(&site, Eyes::new(None), 0, self.end.clone()).await
        };
        self.wires.get_or_try_init(wires).await
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Imports an image.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn import(&self, name: &str, image: &TestImage) -> Result<()> {
        let spec = ImageSpec::disk(name, &image.digest, ImageFormat::Raw);
        self.client()?.import_image(&spec, &image.path, |_| {}).await?;
        Ok(())
    }

    /// Asks for an instance of an image on a machine, if it is written then on its smallest disk.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create(&self, name: &str, image: &str, machine: Option<&str>) -> Result<Instance> {
        let client = self.client()?;
        // What runs from RAM takes no word on disks.
        let written = client.image(image).await.is_ok_and(|image| !image.spec.runs_from_ram());
        let root_disk = written.then(DiskHints::smallest);
        let spec = InstanceSpec { machine: machine.map(Into::into), root_disk, ..InstanceSpec::new(image) };
        Ok(client.create_instance(&InstanceCreate { name: name.into(), spec }).await?)
    }

    /// Waits until a machine is in a state and not held.
    ///
    /// # Errors
    /// When it is held, or never gets there.
    pub async fn machine_in(&self, name: &str, state: MachineState) -> Result<Machine> {
        ask::machine_in(&self.client()?, name, state).await
    }

    /// Waits until a machine is held.
    ///
    /// # Errors
    /// When it never is.
    pub async fn machine_held(&self, name: &str) -> Result<Held> {
        let client = self.client()?;
        eventually(&format!("machine {name} is held"), async || Ok(client.machine(name).await?.status.held))
            .await
    }

    /// Waits until an instance is in a state.
    ///
    /// # Errors
    /// When it never gets there.
    pub async fn instance_in(&self, name: &str, state: InstanceState) -> Result<Instance> {
        ask::instance_in(&self.client()?, name, state).await
    }

    /// Waits until an instance is gone.
    ///
    /// # Errors
    /// When it never is.
    pub async fn instance_gone(&self, name: &str) -> Result<()> {
        ask::instance_gone(&self.client()?, name).await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.end.cancel();
        self.kill();
    }
}

/// Asks until the answer is there; an error ends it at once.
///
/// # Errors
/// The question's own, or that it took too long.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let asking = async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            // Between two questions, not a guess how long something takes.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.with_context(|| format!("it took too long until {what}"))?
}
