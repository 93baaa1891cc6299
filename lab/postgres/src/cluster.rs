//! One cluster of databases on disk and the process that serves it: made, started, stopped, killed. Everything blocks.

use crate::certificates::Certificates;
use crate::folder::Folder;
use crate::programs::{Programs, spawn};
use crate::server::Options;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// Whose databases they are: a role without other rights, as a service should have.
pub(crate) const ROLE: &str = "billet";
/// Recovery after a kill takes a moment; more than this is a hang.
const START: Duration = Duration::from_secs(60);
/// Lines of its log that an error shows.
const SHOWN: usize = 30;

pub(crate) struct Cluster {
    programs: Programs,
    folder: Folder,
    options: Options,
    port: u16,
    password: String,
    running: Mutex<Option<Child>>,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Cluster {
    /// A new cluster, served, with the role that will own its databases.
    pub(crate) fn new(options: Options) -> Result<Self> {
        let programs = Programs::find()?;
        let folder = Folder::new(&programs)?;
        let password = random_password()?;
        let mut cluster = Self {
            port: 0,
            running: Mutex::new(None),
            log: Arc::default(),
            programs,
            folder,
            options,
            password,
        };
        cluster.initialise()?;
        cluster.start_somewhere()?;
        let password = &cluster.password;
        cluster.sql("postgres", &[&format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'")])?;
        Ok(cluster)
    }

    fn initialise(&self) -> Result<()> {
        let mut command = self.programs.command("initdb", self.folder.path());
        command.arg("--pgdata").arg(self.folder.path().join("data"));
        command.args(["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]);
        command.args(["--locale=C", "--encoding=UTF8", "--no-sync", "--no-instructions"]);
        // Without this initdb wants the superuser to have a password. Nobody logs in as it over TCP.
        let password = self.folder.path().join("password");
        std::fs::write(&password, random_password()?).context("can't write a password")?;
        self.programs.hand_over(&password)?;
        command.arg("--pwfile").arg(&password);
        self.programs.run(command, "initdb")?;
        std::fs::remove_file(&password).context("can't remove the password's file")?;
        if self.options.tls { self.certify() } else { Ok(()) }
    }

    /// Puts its certificate and key where it looks for them, and the CA beside its data.
    fn certify(&self) -> Result<()> {
        let Certificates { ca, certificate, key } = Certificates::new()?;
        std::fs::write(self.ca(), ca).context("can't write a CA's certificate")?;
        let data = self.folder.path().join("data");
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            std::fs::write(&path, text).context("can't write the server's certificate")?;
            // It refuses a key that others may read.
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, mode).context("can't protect the server's key")?;
            self.programs.hand_over(&path)?;
        }
        Ok(())
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Starts it for the first time. Another process may take a port between our look and the server's; then another is tried.
    fn start_somewhere(&mut self) -> Result<()> {
        let mut tried = 0;
        loop {
            self.port = free_port()?;
            tried += 1;
            match self.start() {
                Err(error) if tried < 5 && format!("{error:#}").contains("could not bind") => {}
                result => return result,
            }
        }
    }

    /// Starts the process and returns once it takes connections.
    pub(crate) fn start(&self) -> Result<()> {
        let mut running = self.running();
        if running.is_some() {
            bail!("PostgreSQL on port {} runs already", self.port);
        }
        let mut child = spawn(self.serve()).context("can't run postgres by setpriv (util-linux)")?;
        let stderr = child.stderr.take().context("its log is a pipe")?;
        let (tell, ready) = mpsc::channel();
        let log = self.log.clone();
        std::thread::spawn(move || follow(stderr, &log, &tell));
        let result = ready.recv_timeout(START);
        if result.is_err() {
            // Ended by itself already, or hangs.
            let _ = child.kill();
            let status = child.wait().context("can't wait for postgres")?;
            bail!("PostgreSQL did not start ({status}):\n{}", self.log_lines());
        }
        *running = Some(child);
        Ok(())
    }

    fn serve(&self) -> Command {
        let mut command = self.programs.command("postgres", self.folder.path());
        command.arg("-D").arg(self.folder.path().join("data")).args(["-p", &self.port.to_string()]);
        let mut sockets = std::ffi::OsString::from("unix_socket_directories=");
        sockets.push(self.folder.path());
        command.arg("-c").arg(sockets);
        let mut settings = vec![
            "listen_addresses=127.0.0.1",
            "max_connections=200",
            "timezone=UTC",
            "jit=off",
            // What a killed server leaves is in its folder then, not in /dev/shm.
            "dynamic_shared_memory_type=mmap",
        ];
        if !self.options.fsync {
            settings.extend(["fsync=off", "full_page_writes=off"]);
        }
        if self.options.tls {
            settings.push("ssl=on");
        }
        for setting in settings {
            command.args(["-c", setting]);
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        // Ctrl-C goes to all of the terminal's foreground group: the server must hear of the end from us, and after its clients.
        command.process_group(0);
        command
    }

    /// Ends it: open transactions are undone, clients are told, what is in memory is written ("fast"). Nothing happens
    /// when it doesn't run.
    pub(crate) fn stop(&self) -> Result<()> {
        self.end(Signal::SIGINT)
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let Some(mut child) = self.running().take() else { return Ok(()) };
        kill(pid(&child), signal).context("can't signal postgres")?;
        child.wait().context("can't wait for postgres")?;
        Ok(())
    }

    /// What a power failure does to it: each of its processes is gone at once.
    pub(crate) fn kill(&self) -> Result<()> {
        let Some(mut child) = self.running().take() else { return Ok(()) };
        let workers = children(child.id());
        child.kill().context("can't kill postgres")?;
        for worker in &workers {
            // Some end by themselves when their parent is gone.
            let _ = kill(Pid::from_raw(worker.cast_signed()), Signal::SIGKILL);
        }
        child.wait().context("can't wait for postgres")?;
        for _ in 0..2000 {
            if !workers.iter().any(|worker| lives(*worker)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("processes of a killed PostgreSQL are still there after 10 s: {workers:?}");
    }

    /// Runs statements as superuser, each in a transaction of its own, by psql over the socket in our folder.
    pub(crate) fn sql(&self, database: &str, statements: &[&str]) -> Result<String> {
        let mut command = self.programs.command("psql", self.folder.path());
        command.arg("-h").arg(self.folder.path()).args(["-p", &self.port.to_string()]);
        command.args(["-U", "postgres", "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1"]);
        for statement in statements {
            command.args(["-c", statement]);
        }
        let answer = self.programs.run(command, "psql").with_context(|| statements.join("; "))?;
        Ok(answer.trim_end().to_owned())
    }

    /// What `pg_amcheck` finds wrong in a database: every page of every table, and every index beside its table.
    pub(crate) fn damage(&self, database: &str) -> Result<Vec<String>> {
        let mut command = self.programs.command("pg_amcheck", self.folder.path());
        command.arg("-h").arg(self.folder.path()).args(["-p", &self.port.to_string(), "-U", "postgres"]);
        command.args(["--install-missing", "--heapallindexed", "-d", database]);
        let output = command.output().context("can't run pg_amcheck by setpriv (util-linux)")?;
        if output.status.success() {
            return Ok(Vec::new());
        }
        let said = [output.stdout, output.stderr].concat();
        let lines: Vec<_> = String::from_utf8_lossy(&said).lines().map(str::to_owned).collect();
        Ok(if lines.is_empty() { vec![format!("pg_amcheck ended with {}", output.status)] } else { lines })
    }

    pub(crate) fn runs(&self) -> bool {
        self.running().is_some()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    fn running(&self) -> MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last lines that it logged.
    fn log_lines(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its data go with the folder: SIGQUIT, "end at once".
        let _ = self.end(Signal::SIGQUIT);
    }
}

/// Reads a server's log to its end, or the server would block; says once when it takes connections. When the log ends
/// before that, `ready` is dropped, which says so too.
fn follow(stderr: ChildStderr, log: &Mutex<VecDeque<String>>, ready: &mpsc::Sender<()>) {
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains("database system is ready to accept connections") {
            // Who waited may have given up.
            let _ = ready.send(());
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == SHOWN {
            log.pop_front();
        }
        log.push_back(line);
    }
}

/// A port that nobody has now, below those that the kernel hands out by itself (32768 and up): a server that is stopped
/// for a while must find its own free again.
fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 15_000;
    const COUNT: u32 = 16_000;
    for _ in 0..COUNT {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = std::process::id().wrapping_mul(37).wrapping_add(turn) % COUNT;
        let port = u16::try_from(FIRST + offset).context("below 31000")?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port of 127.0.0.1 from {FIRST} on is free");
}

fn random_password() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("no randomness")?;
    Ok(hex::encode(bytes))
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// The processes whose parent is `parent` (proc(5)).
fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let processes = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|process| stat(*process).is_some_and(|(_, its)| its == parent)).collect()
}

fn lives(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z")
}

/// A process's state and parent. Its name stands before them in brackets and may hold anything.
fn stat(process: u32) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}
