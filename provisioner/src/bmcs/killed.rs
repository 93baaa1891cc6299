//! A process that changes a BMC's password is killed anywhere, some hundred times; afterwards the one password that is
//! stored is the one that works, and nobody was locked out.
//!
//! Where it is killed is decided outside of it, by what passes between it and the BMC: before a request arrives (all of
//! the database's writes up to there are done), after the BMC did it and before the answer arrives, or some microseconds
//! after an answer, among the writes that follow it.

#![allow(clippy::print_stderr, reason = "the process that is killed talks to its parent")]

use super::*;
use crate::{keys::SiteKey, samples};
use bmc_mock::{MemoryChassis, ipmi, redfish};
use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};
use tokio_util::sync::{CancellationToken, DropGuard};

const FOLDER: &str = "BILLET_TEST_KILLED_FOLDER";

/// How many processes are begun for both protocols together, when `RUNS_OF` says nothing: each place's turn comes. Some
/// hundred more, and it comes with a delay, too.
const RUNS: u64 = 200;

/// The variable that says how many: 1000 took 84 s on two busy cores.
const RUNS_OF: &str = "BILLET_TEST_KILLED_RUNS";

/// The longest that a kill comes after what passed.
const LATER_MICROS: u64 = 6000;

/// How many processes are begun for one protocol.
fn runs() -> u64 {
    std::env::var(RUNS_OF).map_or(RUNS, |runs| runs.parse().expect("a number")) / 2
}

fn machine() -> MachineId {
    samples::machine_id(1)
}

/// The service's part, on its own database.
struct Side {
    store: Arc<Store>,
    bmcs: Bmcs,
}

impl Side {
    async fn open(folder: &Path) -> Self {
        let database = folder.join("billet.db");
        let key = Arc::new(SiteKey::open(&folder.join("site.key"), database.exists()).unwrap());
        let store = Arc::new(Store::open(&database).await.unwrap());
        Self { bmcs: Bmcs::new(Arc::clone(&store), key, folder, &config::Bmc::default()), store }
    }

    async fn record(&self) -> MachineRecord {
        self.store.machine_get(machine()).await.unwrap().expect("the machine was added")
    }

    async fn has_next(&self) -> bool {
        self.store.secret_get(&secret_owner(machine()), NEXT).await.unwrap().is_some()
    }

    async fn close(self) {
        self.bmcs.close().await;
        self.store.close().await;
    }
}

/// The process that gets killed: changes the password once.
#[tokio::test]
#[ignore = "it is the other process of the tests below"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let side = Side::open(&folder).await;
    let change = side.bmcs.rotate(&side.record().await, "a test changes the password").await;
    // Standard output is the test harness's.
    eprintln!("answer {change:?}");
    assert!(matches!(change, Ok(PasswordChange::Done)), "{change:?}");
    side.close().await;
}

/// What stands between the process and the BMC.
#[derive(Default)]
struct Gate(Mutex<Watch>);

#[derive(Default)]
struct Watch {
    child: Option<Child>,
    /// How many more pieces pass until it is killed; `None`: it is not.
    left: Option<u64>,
    /// How long after the last of them; `None`: instead of it.
    later: Option<Duration>,
    /// How many passed since it began.
    passed: u64,
    /// Whether it was killed.
    cut: bool,
}

impl Gate {
    fn lock(&self) -> std::sync::MutexGuard<'_, Watch> {
        self.0.lock().unwrap()
    }

    /// Whether what just came may pass.
    fn pass(self: &Arc<Self>) -> bool {
        let mut watch = self.lock();
        if watch.cut {
            // It may have sent more before it noticed.
            return watch.child.is_none();
        }
        watch.passed += 1;
        if watch.left != Some(watch.passed) {
            return true;
        }
        let Some(later) = watch.later else {
            watch.kill();
            return false;
        };
        let gate = Arc::clone(self);
        std::thread::spawn(move || {
            // The moment of the kill, no waiting for anything.
            std::thread::sleep(later);
            gate.lock().kill();
        });
        true
    }

    /// Waits until it is dead; whether it was killed, and how many pieces passed.
    fn end(&self) -> (bool, u64) {
        loop {
            let mut watch = self.lock();
            let child = watch.child.as_mut().expect("it was begun");
            if let Some(status) = child.try_wait().unwrap() {
                watch.child = None;
                let ended = (watch.cut, watch.passed);
                assert!(watch.cut || status.success(), "the process failed by itself");
                // What a BMC's answer to the dead may set off is of no interest any more.
                *watch = Watch { cut: true, ..Watch::default() };
                return ended;
            }
            drop(watch);
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}

impl Watch {
    fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            // SIGKILL. It may have ended by itself just before.
            self.cut = child.try_wait().unwrap().is_none();
            let _ = child.kill();
        }
    }
}

/// Passes datagrams on, each way.
async fn pass_datagrams(front: Arc<UdpSocket>, bmc: SocketAddr, gate: Arc<Gate>) {
    let mut backs: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut buffer = [0; 2048];
    while let Ok((size, client)) = front.recv_from(&mut buffer).await {
        let back = match backs.get(&client) {
            Some(back) => Arc::clone(back),
            None => {
                let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                back.connect(bmc).await.unwrap();
                backs.insert(client, Arc::clone(&back));
                tokio::spawn(pass_answers(Arc::clone(&back), Arc::clone(&front), client, Arc::clone(&gate)));
                back
            }
        };
        if gate.pass() {
            let _ = back.send(&buffer[..size]).await;
        }
    }
}

/// Passes the BMC's datagrams on to one client.
async fn pass_answers(back: Arc<UdpSocket>, front: Arc<UdpSocket>, client: SocketAddr, gate: Arc<Gate>) {
    let mut buffer = [0; 2048];
    while let Ok(size) = back.recv(&mut buffer).await {
        if gate.pass() {
            let _ = front.send_to(&buffer[..size], client).await;
        }
    }
}

/// Passes connections on, piece by piece: with one request in flight each is a request, an answer, or a part of TLS's
/// greeting.
async fn pass_connections(front: TcpListener, bmc: SocketAddr, gate: Arc<Gate>) {
    while let Ok((client, _)) = front.accept().await {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            let Ok(back) = TcpStream::connect(bmc).await else { return };
            let (client_in, client_out) = client.into_split();
            let (back_in, back_out) = back.into_split();
            tokio::join!(
                pass_bytes(client_in, back_out, Arc::clone(&gate)),
                pass_bytes(back_in, client_out, gate)
            );
        });
    }
}

async fn pass_bytes(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    gate: Arc<Gate>,
) {
    let mut buffer = [0; 32 * 1024];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        if !gate.pass() || to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}

/// A machine whose BMC is behind the gate.
struct Setting {
    folder: tempfile::TempDir,
    gate: Arc<Gate>,
    _end: DropGuard,
}

impl Setting {
    async fn new(spec: BmcSpec, gate: Arc<Gate>, end: CancellationToken) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let side = Side::open(folder.path()).await;
        let mut record = samples::machine(1);
        record.spec.bmc = Some(spec);
        let secrets = new_password(&side.bmcs.key, record.id(), "First-s3cret-word").unwrap();
        side.store.machine_insert(&record, &secrets, &[], samples::NOW).await.unwrap();
        side.close().await;
        Self { folder, gate, _end: end.drop_guard() }
    }

    fn begin(&self, left: Option<u64>, later: Option<Duration>) {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "bmcs::killed::child", "--ignored", "--nocapture"])
            .env(FOLDER, self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Held over the spawn: nothing passes before the gate knows whom to kill.
        let mut watch = self.gate.lock();
        let child = child.spawn().unwrap();
        *watch = Watch { child: Some(child), left, later, passed: 0, cut: false };
    }

    /// One process from its start to its end; whether it was killed, and how much passed.
    async fn run(&self, left: Option<u64>, later: Option<Duration>) -> (bool, u64) {
        self.begin(left, later);
        let gate = Arc::clone(&self.gate);
        tokio::task::spawn_blocking(move || gate.end()).await.unwrap()
    }

    /// All runs. `wrong` counts the BMC's refused logins so far.
    async fn kill_everywhere(&self, wrong: impl Fn() -> usize, between: impl Fn(u64)) {
        let (killed, whole) = self.run(None, None).await;
        assert!(!killed && whole > 10, "{whole} pieces are no change of a password");
        let runs = runs();
        let (mut kills, mut open, mut found) = (0, 0, 0);
        let mut random = 20u64;
        for run in 0..runs {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Each piece in turn, then in turn again with some delay.
            let later = (run / whole % 2 == 1).then(|| Duration::from_micros((random >> 33) % LATER_MICROS));
            let (killed, _) = self.run(Some(run % whole + 1), later).await;
            kills += u64::from(killed);
            let side = Side::open(self.folder.path()).await;
            open += u64::from(side.has_next().await);
            let (before, record) = (wrong(), side.record().await);
            let driver = side.bmcs.driver(&record).await.unwrap().expect("it has a BMC");
            let power = driver.power().await;
            assert!(power.is_ok(), "run {run}: {power:?}");
            assert!(!side.has_next().await, "run {run}: two passwords are left");
            let refused = wrong() - before;
            assert!(refused <= 1, "run {run}: {refused} wrong logins until the right password was found");
            found += refused;
            // With the stored password alone, and no session to go by.
            driver.close().await;
            let power = driver.power().await;
            assert!(power.is_ok(), "run {run}: {power:?}");
            assert!(wrong() - before <= 1, "run {run}: a wrong login with the password that was found");
            side.close().await;
            between(run);
        }
        eprintln!(
            "{kills} of {runs} were killed at {whole} places, {open} with two passwords, {found} with the new one at the BMC"
        );
        // Otherwise nothing was shown.
        assert!(kills > runs * 8 / 10, "only {kills} of {runs} were killed");
        assert!(open > runs / 20, "only {open} of {kills} with two passwords");
        assert!(u64::try_from(found).unwrap() > runs / 100, "the BMC had the new one in only {found}");
    }
}

fn spec(protocol: BmcProtocol, address: SocketAddr) -> BmcSpec {
    BmcSpec { address: address.to_string(), username: "admin".into(), ..BmcSpec::new(protocol) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_during_a_rotation_over_redfish_locks_us_out() {
    let end = CancellationToken::new();
    let chassis = Arc::new(MemoryChassis::new());
    let (any, identity) = ("127.0.0.1:0".parse().unwrap(), redfish::Identity::default());
    let server = redfish::Server::bind(any, "admin", "First-s3cret-word", chassis, identity).await.unwrap();
    let (bmc, controls) = (server.local_addr(), server.controls());
    // The second wrong one would lock us out for good.
    controls.set_lock_out(2, Duration::from_secs(86_400));
    tokio::spawn(server.run(end.clone()));
    let gate = Arc::new(Gate::default());
    let front = TcpListener::bind(any).await.unwrap();
    let setting = spec(BmcProtocol::Redfish, front.local_addr().unwrap());
    tokio::spawn(pass_connections(front, bmc, Arc::clone(&gate)));
    let setting = Setting::new(setting, gate, end).await;
    let wrong = || controls.refused_logins();
    // A session whose first answer never arrived is one that nobody can end: the BMC drops it half an hour later.
    setting
        .kill_everywhere(wrong, |run| {
            if run % 4 == 3 {
                controls.drop_sessions()
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_during_a_rotation_over_ipmi_locks_us_out() {
    let end = CancellationToken::new();
    let users = vec![ipmi::User::administrator("admin", "First-s3cret-word")];
    let (any, chassis) = ("127.0.0.1:0".parse().unwrap(), Arc::new(MemoryChassis::new()));
    let server = ipmi::Server::bind(any, users, chassis, [7; 16]).await.unwrap();
    let (bmc, control) = (server.local_addr().unwrap(), server.control());
    // The second wrong one would lock us out for good.
    let lock_out = Some(ipmi::LockOut { after: 2, lasts: Duration::from_secs(86_400) });
    control.set_limits(|limits| {
        limits.lock_out = lock_out;
        limits.login = Duration::from_secs(1);
        limits.sessions = 16;
    });
    tokio::spawn(server.run(end.clone()));
    let gate = Arc::new(Gate::default());
    let front = Arc::new(UdpSocket::bind(any).await.unwrap());
    let setting = spec(BmcProtocol::Ipmi, front.local_addr().unwrap());
    tokio::spawn(pass_datagrams(front, bmc, Arc::clone(&gate)));
    let setting = Setting::new(setting, gate, end).await;
    setting.kill_everywhere(|| usize::try_from(control.refused_logins()).unwrap(), |_| {}).await;
}
