//! The whole composition on one page: open everything, know every address, then run until told to stop.

mod boot;
mod database;
mod prune;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use prune::prune;

use crate::{
    address_plan, api,
    bmcs::Bmcs,
    caches::PlainChunks,
    clock,
    config::Config,
    console::{Consoles, Lines},
    directory::BootDirectory,
    elsewhere,
    erasures::ErasureSigner,
    first_start,
    hub::Hub,
    key_rotation,
    keys::{SiteKey, sha256_hex},
    leader, leases,
    listener::{Peer, TlsListener},
    locks::Lock,
    permits::PermitSigner,
    progress::ProgressBoard,
    rate::Rates,
    replicas::{self, Replica},
    rescue::RescueArchives,
    service::{BootServer, Parts, Service},
    sessions::Sessions,
    store::{Store, TokenRecord},
    telemetry::{Exporter, Telemetry},
    tls,
    trace::{TraceWriter, Traces},
    works::{self, Works},
};
use anyhow::Context;
use provisioner_api::Secret;
use std::{
    fs::{File, TryLockError},
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

/// How long requests in flight may take at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// How long what was asked for and is under way may take at shutdown, mostly at a BMC. What takes longer is told in the audit
/// log as cut off.
const DEEDS: Duration = Duration::from_secs(15);

/// How long sessions and connections may take to be closed, each kind.
const CLOSING: Duration = Duration::from_secs(10);

/// How often the certificate and the consoles' records are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(6 * 3600);

/// How long a stop may take in all, but for the second that each part of it has at least.
const STOP: Duration = Duration::from_secs(30);

/// How long a leader may take to end what it has under way, and to give its turn up.
const FAREWELL: Duration = Duration::from_secs(15);

/// The service with all sockets bound and nothing running yet.
pub struct App {
    service: Arc<Service>,
    identity: tls::Identity,
    listener: TcpListener,
    boot: pxe::Server,
    keeper: pxe::leases::Keeper,
    traces: TraceWriter,
    exporter: Option<Exporter>,
    first_login: Option<FirstLogin>,
    lock: File,
}

/// What the first start made, and what to tell about it.
pub struct FirstLogin {
    /// The administrator's token.
    pub token: Secret,
    /// The file that the CLI reads.
    pub admin_file: PathBuf,
    /// How to log in, for the terminal.
    pub welcome: String,
}

fn consoles(bmcs: &Arc<Bmcs>, config: &Config) -> Consoles {
    let lines = Arc::clone(bmcs) as Arc<dyn Lines>;
    Consoles::new(lines, config.data.join("consoles"), config.console.record)
}

/// What signs permits; what signs certificates of erasure is the store's. The public keys lie in the data folder then.
fn signers(key: &Arc<SiteKey>, store: &Store, data: &Path) -> anyhow::Result<PermitSigner> {
    let permits = PermitSigner::new(key)?;
    permits.publish(data)?;
    let certificates = ErasureSigner::new(Arc::clone(key));
    certificates.publish(data)?;
    store.sign_with(certificates);
    Ok(permits)
}

impl App {
    /// Opens database, keys, images and all sockets. The first start makes what is missing.
    ///
    /// # Errors
    /// A sentence for the operator with its causes; nothing runs then.
    pub async fn bind(mut config: Config) -> anyhow::Result<Self> {
        let lock = make_folders(&config.data).await?;
        let (key, store) = database::open(&config).await?;
        replicas::check_key(&store, &key, &config.data).await?;
        address_plan::keep(&mut config.networks, &store.address_all().await?);
        let permits = signers(&key, &store, &config.data)?;
        let names = tls::names(&config, tls::hostname().as_deref());
        let identity = tls::Identity::open(&config.data, &names, clock::now())?;
        replicas::check_site(&store, &key, &identity, &config.data).await?;
        let listener = listen(config.api.listen).await?;
        let api_port = listener.local_addr()?.port();
        let trust = boot::Trust { ca_pem: identity.ca_pem(), permit_key: &permits.public_key() };
        let files = boot::files(&config, &trust)?;
        let rescue = RescueArchives::open(&config.boot)?;
        let counters = Arc::new(pxe::Counters::new());
        let mut replica = Replica::open(&config, api_port)?;
        replica.settle(&store, &config.data).await?;
        let (leases, keeper) = leases::open(&store, &replica, &config).await.context("can't serve leases")?;
        let keeper = keeper.counting(Arc::clone(&counters));
        let (traces, observed) = Traces::open(&store, Arc::clone(&counters)).await?;
        let (telemetry, exporter) = Telemetry::open(config.telemetry.as_ref(), &replica.owner)?;
        let works = Works::open(&store, config.database.is_none()).await?;
        let bmcs = Arc::new(Bmcs::new(Arc::clone(&store), Arc::clone(&key), &config.data, &config.bmc));
        let parts = Parts {
            replica,
            standing: Default::default(),
            consoles: consoles(&bmcs, &config),
            bmcs,
            key,
            permits,
            rescue,
            images: images(&config, &files)?,
            image_names: Lock::new(Arc::clone(&store), "images"),
            scanning: tokio::sync::Mutex::default(),
            uploads: config.data.join("uploads"),
            api_port,
            http_port: OnceLock::new(),
            boot: BootServer { leases, status: Arc::new(pxe::Status::new()), counters },
            traces,
            sessions: Sessions::default(),
            used_tokens: Default::default(),
            audit: Default::default(),
            deeds: Default::default(),
            logins: Default::default(),
            rates: Rates::new(config.api.rate),
            progress: ProgressBoard::default(),
            telemetry,
            slow: Default::default(),
            damaged: Default::default(),
            hub: Hub::default(),
            feed: Default::default(),
            works,
            rotation: Default::default(),
            ready: Default::default(),
            started: clock::now(),
            first_polls: Default::default(),
            stopping: CancellationToken::new(),
            config,
        };
        let service = Arc::new(Service::new(store, parts));
        let traces = TraceWriter::new(Arc::clone(&service), observed);
        let directory = BootDirectory::new(Arc::clone(&service), Arc::clone(&files));
        let routes = api::phone_home_router(Arc::clone(&service));
        let config = boot::server(&service.config, files, &service.boot, routes);
        let boot = pxe::Server::bind(config, directory).await?;
        boot.addresses().first().map(|first| service.http_port.get_or_init(|| first.http.port()));
        // Last: a start that fails has told nobody how to log in, so the next one must.
        let first_login = first_login(&service.config, &service.store, &identity).await?;
        Ok(Self { service, identity, listener, boot, keeper, traces, exporter, first_login, lock })
    }

    /// Where the API listens.
    pub fn api_address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where the boot server listens, network by network.
    pub fn boot_addresses(&self) -> Vec<pxe::Addresses> {
        self.boot.addresses()
    }

    /// What this start, if it was the first, made.
    pub fn first_login(&self) -> Option<&FirstLogin> {
        self.first_login.as_ref()
    }

    /// The CA that clients have to trust, PEM.
    pub fn ca_pem(&self) -> &str {
        self.identity.ca_pem()
    }

    /// The key that agents check permits with, hex.
    pub fn permit_key(&self) -> String {
        self.service.permits.public_key()
    }

    /// Serves until cancelled, then gives the turn up, lets requests end, closes BMC sessions and the database.
    ///
    /// # Errors
    /// When a part ends that must not.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { service, identity, listener, boot, keeper, traces, exporter, lock: _lock, .. } = self;
        // Who leads ends first; till then the others go on.
        let serving = CancellationToken::new();
        let tls = TlsListener::new(listener, identity.server_config()?)?;
        let stop = serving.clone();
        // The router is made ready once here: given as it is, axum would make all its routes anew for each connection.
        let routes = api::router(Arc::clone(&service)).into_make_service_with_connect_info::<Peer>();
        let serve = axum::serve(tls, routes).with_graceful_shutdown(async move { stop.cancelled().await });
        let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
        tasks.spawn(async move { serve.await.context("the API server failed") });
        tasks.spawn(run_boot(boot, serving.clone()));
        let stop = serving.clone();
        tasks.spawn(async move {
            keeper.run(stop).await;
            Ok(())
        });
        tasks.spawn(housekeeping(Arc::clone(&service), identity, serving.clone()));
        tasks.spawn(run_traces(traces, serving.clone()));
        tasks.spawn(works::follow(Arc::clone(&service), serving.clone()));
        tasks.spawn(key_rotation::run(Arc::clone(&service), serving.clone()));
        let words = elsewhere::run(Arc::clone(&service), serving.clone());
        tasks.spawn(async move {
            words.await;
            Ok(())
        });
        // Apart from the others: the service goes on without it.
        let sent = CancellationToken::new();
        let sending = exporter.map(|exporter| tokio::spawn(exporter.run(sent.clone())));
        let leading = leader::run(Arc::clone(&service), shutdown.clone());
        let mut leader: JoinSet<anyhow::Result<()>> = JoinSet::new();
        leader.spawn(async move { leading.await.context("the reconciler failed") });
        let ended = tokio::select! {
            ended = supervise(&mut tasks, &shutdown) => ended,
            ended = supervise(&mut leader, &shutdown) => ended,
        };
        let end = Instant::now() + STOP;
        drain(&mut leader, left(end, FAREWELL)).await;
        serving.cancel();
        // Answers that follow a console would never end by themselves.
        service.consoles.close();
        service.stopping.cancel();
        drain(&mut tasks, left(end, DRAIN)).await;
        api::end_deeds(&service, left(end, DEEDS)).await;
        elsewhere::last_words(&service).await;
        sent.cancel();
        let sending = async {
            if let Some(sending) = sending {
                drop(sending.await)
            }
        };
        // Side by side: a collector that hangs takes nothing from the BMCs, which would keep the sessions open.
        tokio::join!(
            closed("the way to the collector of traces", left(end, CLOSING), sending),
            closed("the sessions with BMCs", left(end, CLOSING), service.bmcs.close()),
        );
        closed("the connections to the database", left(end, CLOSING), service.store.close()).await;
        ended
    }
}

/// The chunk store. That images can be read is found out beside the start, which does not hang on it: machines are
/// served all the same. Where there are caches, the boot server gives them its chunks.
fn images(config: &Config, files: &pxe::Files) -> anyhow::Result<Arc<images::import::Store>> {
    let crate::config::Images { program, trust, caches } = config.images.clone();
    let store = images::import::Store::open(&config.data.join("images"))?;
    let store = store.with_program(program).with_trust(trust);
    let checked = store.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = checked.check_program() {
            tracing::error!(
                error = crate::text::logged(&error),
                "images are read by a confined process only, and that does not work here: none can be imported"
            );
        }
    });
    let store = Arc::new(store);
    if !caches.is_empty() {
        files.serve_chunks(Arc::new(PlainChunks(Arc::clone(&store))));
    }
    Ok(store)
}

/// The API's socket.
async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let why =
        || format!("can't listen on {address}; is another program there? `api.listen` sets the address");
    TcpListener::bind(address).await.with_context(why)
}

/// Waits for the shutdown, or for the first part that ends before it.
async fn supervise(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        Some(ended) = tasks.join_next() => {
            let by_request = shutdown.is_cancelled();
            shutdown.cancel();
            match ended {
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(error) => Err(error.into()),
                Ok(Ok(())) if by_request => Ok(()),
                Ok(Ok(())) => Err(anyhow::anyhow!("a part of the service ended by itself")),
                Ok(Err(error)) => Err(error),
            }
        }
    }
}

/// Agents wait in long polls: requests get a moment to end, and are cut off then. Nothing is lost by that.
async fn drain(tasks: &mut JoinSet<anyhow::Result<()>>, patience: Duration) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, all).await.is_err() {
        tracing::info!("requests in flight are cut off");
    }
    tasks.shutdown().await;
}

/// How long a part of a stop may take that is to be over then.
fn left(end: Instant, patience: Duration) -> Duration {
    patience.min(end.saturating_duration_since(Instant::now())).max(Duration::from_secs(1))
}

/// What doesn't end in time ends with the process.
async fn closed(what: &str, patience: Duration, closing: impl Future<Output = ()>) {
    if tokio::time::timeout(patience, closing).await.is_err() {
        let seconds = patience.as_secs();
        tracing::warn!(what, seconds, "can't be closed in time; they are cut off");
    }
}

async fn run_boot(boot: pxe::Server, shutdown: CancellationToken) -> anyhow::Result<()> {
    boot.run(shutdown.clone()).await;
    // Without any network there is nothing to run, and that is no failure.
    shutdown.cancelled().await;
    Ok(())
}

/// What is observed until the end is written down.
async fn run_traces(traces: TraceWriter, shutdown: CancellationToken) -> anyhow::Result<()> {
    traces.run(shutdown).await;
    Ok(())
}

async fn housekeeping(
    service: Arc<Service>,
    identity: tls::Identity,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let now = clock::now();
        match identity.renew(now) {
            Ok(true) => tracing::info!("the server's certificate was made anew"),
            Ok(false) => {}
            Err(error) => tracing::error!(
                error = crate::text::logged(&error),
                "the server's certificate can't be made anew"
            ),
        }
        prune_consoles(&service).await;
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(HOUSEKEEPING) => {}
        }
    }
}

/// Records of machines that were forgotten go with them; a crash may have left some.
async fn prune_consoles(service: &Service) {
    let pruned = match service.store.machine_ids().await {
        Ok(machines) => service.consoles.prune(&machines.into_iter().collect()).await,
        Err(error) => Err(std::io::Error::other(error)),
    };
    if let Err(error) = pruned {
        tracing::error!(
            error = crate::text::logged(&error),
            "consoles' records of forgotten machines can't be removed"
        );
    }
}

/// Only one service works with a data folder: two would know nothing of each other's boot windows and pokes.
async fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("lock");
    let why = || format!("can't lock {}", path.display());
    let file = File::options().create(true).truncate(false).write(true).open(&path).with_context(why)?;
    // One that is just ending gets a moment.
    for _ in 0..50 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(TryLockError::Error(error)) => return Err(error).with_context(why),
        }
    }
    anyhow::bail!(
        "another `billet serve` works with {}; stop it, or set another `data` folder",
        data.display()
    )
}

/// Makes the data folder, and takes its lock for as long as the answer is kept.
pub(crate) async fn make_folders(data: &Path) -> anyhow::Result<File> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let why = || format!("can't make the data folder {}; `data` sets it", data.display());
    builder.create(data).with_context(why)?;
    let lock = lock(data).await?;
    let uploads = data.join("uploads");
    // Uploads that a crash left behind.
    match std::fs::remove_dir_all(&uploads) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(why),
        _ => {}
    }
    builder.create(uploads).with_context(why)?;
    Ok(lock)
}

/// Makes the administrator's token if there is none yet. The file comes first: a token that nobody knows is worse
/// than a file with a token that is not valid yet, which the next start replaces.
async fn first_login(
    config: &Config,
    store: &Store,
    identity: &tls::Identity,
) -> anyhow::Result<Option<FirstLogin>> {
    if store.token_any().await? {
        return Ok(None);
    }
    let token = first_start::first_token()?;
    let admin_file = first_start::write_admin_file(config, &token, identity.ca_path())?;
    let record = TokenRecord::admin("admin", clock::now());
    store.token_insert(&sha256_hex(token.reveal()), &record).await?;
    let welcome = first_start::welcome(config, &admin_file, identity.ca_path(), &identity.ca_sha256());
    Ok(Some(FirstLogin { token, admin_file, welcome }))
}

/// `billet serve`: binds, tells how to log in if this is the first start, and serves until SIGTERM or SIGINT; a second
/// signal ends it at once.
///
/// # Errors
/// As [`App::bind`] and [`App::run`].
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let app = App::bind(config).await?;
    if let Some(first) = app.first_login() {
        let mut out = std::io::stdout().lock();
        // Nobody may be reading; the file says it too.
        let _ = writeln!(out, "{}", first.welcome);
    }
    tracing::info!(address = %app.api_address()?, "the API listens");
    let shutdown = CancellationToken::new();
    let signals = signals(shutdown.clone())?;
    let ended = app.run(shutdown).await;
    signals.abort();
    ended
}

fn signals(shutdown: CancellationToken) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if shutdown.is_cancelled() {
                tracing::warn!("told twice to stop: stopping at once");
                std::process::exit(130);
            }
            tracing::info!("stopping");
            shutdown.cancel();
        }
    }))
}
