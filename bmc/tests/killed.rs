//! A client that is killed at any moment leaves sessions open at the BMC, which has few; the next one closes them.

#![allow(clippy::print_stderr, reason = "the process that is killed talks to its parent")]

use bmc::{Bmc, Cipher, Credentials, Drivers, Endpoint, PowerState, Privilege, Protocol, Settings};
use bmc_mock::MemoryChassis;
use bmc_mock::ipmi::{Control, Server, User};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

const PORT: &str = "BMC_TEST_KILLED_PORT";
const FOLDER: &str = "BMC_TEST_KILLED_FOLDER";
const SESSIONS: usize = 4;
const KILLS: u64 = 50;

fn connect(port: u16, folder: &Path) -> Arc<dyn Bmc> {
    let drivers = Drivers::new(Settings { sessions: Some(folder.to_owned()), ..Settings::default() });
    drivers.connect(Endpoint {
        protocol: Protocol::Ipmi { cipher: Cipher::Suite17, privilege: Privilege::default() },
        host: "127.0.0.1".into(),
        port: Some(port),
        credentials: Credentials {
            username: "admin".into(),
            password: Zeroizing::new("correct-horse".into()),
            bmc_key: None,
        },
        keeper: None,
    })
}

/// The process that gets killed: logs in again and again.
#[tokio::test]
#[ignore = "it is the other process of the test below"]
async fn client() {
    let (Ok(port), Some(folder)) = (std::env::var(PORT), std::env::var_os(FOLDER)) else { return };
    let (port, folder) = (port.parse().unwrap(), PathBuf::from(folder));
    for round in 0u64.. {
        let bmc = connect(port, &folder);
        let power = bmc.power().await;
        // Standard output is the test harness's.
        eprintln!("answer {power:?}");
        if round % 2 == 0 {
            bmc.close().await;
        }
    }
}

struct Client(Child);

impl Client {
    /// Starts it and waits until it has got its first answer.
    fn start(port: u16, folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "client", "--ignored", "--nocapture"])
            .env(PORT, port.to_string())
            .env(FOLDER, folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let client = Self(child);
        let mut line = String::new();
        while errors.read_line(&mut line).unwrap() > 0 && !line.contains("answer ") {}
        assert!(line.contains("answer Ok(Off)"), "the client could not log in: {line}");
        // The client's standard error must stay open.
        std::thread::spawn(move || errors.lines().count());
        client
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SIGKILL.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn serve() -> (u16, Control, CancellationToken) {
    let users = vec![User::administrator("admin", "correct-horse")];
    let chassis = Arc::new(MemoryChassis::new());
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), users, chassis, [7; 16]).await.unwrap();
    let (port, control) = (server.local_addr().unwrap().port(), server.control());
    control.set_limits(|limits| {
        limits.sessions = SESSIONS;
        // Half-open ones age out; those that are open stay for longer than this test takes.
        limits.login = Duration::from_secs(2);
        limits.idle = Duration::from_secs(3600);
    });
    let shutdown = CancellationToken::new();
    tokio::spawn(server.run(shutdown.clone()));
    (port, control, shutdown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_killed_clients_never_exhaust_a_bmc_of_four_sessions() {
    let (port, control, shutdown) = serve().await;
    let folder = tempfile::tempdir().unwrap();
    let (mut left, mut half) = (0, 0);
    let mut random = 20u64;
    for kill in 0..KILLS {
        let path = folder.path().to_owned();
        // Any moment of the client's rounds of a few milliseconds.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = Duration::from_micros((random >> 33) % 25_000);
        tokio::task::spawn_blocking(move || {
            let client = Client::start(port, &path);
            std::thread::sleep(moment);
            drop(client);
        })
        .await
        .unwrap();
        left += control.open_sessions();
        half += control.half_open_sessions();
        assert!(control.open_sessions() < SESSIONS, "after {kill} kills nobody could log in");

        // Whoever logs in next clears up: mostly the next client, now and then we.
        if kill % 5 == 4 {
            let bmc = connect(port, folder.path());
            let begin = Instant::now();
            assert_eq!(bmc.power().await.unwrap(), PowerState::Off, "after {kill} kills");
            assert!(begin.elapsed() < Duration::from_secs(10), "{:?} for a login", begin.elapsed());
            // A login whose first answer had not arrived when the client was killed has a number that nobody knows:
            // the BMC drops it by itself after seconds. All others are closed.
            assert_eq!(control.open_sessions(), 1, "after {kill} kills");
            bmc.close().await;
            assert_eq!(control.open_sessions(), 0);
        }
    }
    // Otherwise nothing was shown.
    assert!(left + half > 10, "the killed clients left only {left} + {half} sessions");
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "sessions")).collect();
    assert!(files.len() <= 1, "the files of dead processes stay: {files:?}");
    shutdown.cancel();
}
