//! A simulated BMC of each profile, and Python programs that are let loose on it.

use bmc_mock::redfish::{Controls, Identity, Options, Profile, Server};
use bmc_mock::{Chassis, MemoryChassis};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const USER: &str = "admin";
pub(crate) const PASSWORD: &str = "a long Secret 20 byt";
pub(crate) const UUID: &str = "12345678-9abc-4def-8123-456789abcdef";

/// The longest that a program, or one step of it, may take; the validators read hundreds of files of schemas first.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where `lab/setup` puts Python programs; `None`: they are not there, and that is allowed here.
fn programs() -> Option<PathBuf> {
    let cache = std::env::var_os("BILLET_CACHE").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/billet");
    let folder = cache.unwrap_or_else(home).join("python/bin");
    if folder.join("python").is_file() {
        return Some(folder);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "CI needs the Python programs that lab/setup installs"
    );
    let _ = writeln!(
        std::io::stderr(),
        "skipped: no Python programs are in {}; lab/setup installs them",
        folder.display()
    );
    None
}

/// Has a BMC of each profile judged, all at once; of none where the programs are not installed.
pub(crate) async fn each<J: Future<Output = ()> + Send + 'static>(judge: impl Fn(Rig) -> J) {
    let Some(programs) = programs() else { return };
    let mut judges = JoinSet::new();
    for profile in Profile::ALL {
        judges.spawn(judge(Rig::new(profile, programs.clone()).await));
    }
    while let Some(ended) = judges.join_next().await {
        // One that fails ends the others, and says which profile it was.
        ended.unwrap();
    }
}

/// A BMC that is being judged.
pub(crate) struct Rig {
    pub(crate) profile: Profile,
    pub(crate) chassis: Arc<MemoryChassis>,
    pub(crate) controls: Arc<Controls>,
    pub(crate) url: String,
    programs: PathBuf,
    _stop: DropGuard,
}

impl Rig {
    async fn new(profile: Profile, programs: PathBuf) -> Self {
        let chassis = Arc::new(MemoryChassis::new());
        let identity = Identity {
            name: "m1".to_owned(),
            uuid: UUID.to_owned(),
            macs: vec!["52:54:00:00:00:01".to_owned()],
            model: "lab-machine".to_owned(),
        };
        let options = Options::new(USER, PASSWORD, chassis.clone(), identity).with_profile(profile);
        let server = Server::start(([127, 0, 0, 1], 0).into(), &options).await.unwrap();
        let (url, controls) = (format!("https://{}", server.local_addr()), server.controls());
        let stop = CancellationToken::new();
        tokio::spawn(server.run(stop.clone()));
        Self { profile, chassis, controls, url, programs, _stop: stop.drop_guard() }
    }

    pub(crate) async fn is_on(&self) -> bool {
        self.chassis.power().await.unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        // None of them may write beside its source, or ask a proxy for an address of this machine; and what the
        // environment trusts must not overrule that they were told not to look at the certificate.
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "127.0.0.1")
            .env("PYTHONWARNINGS", "ignore")
            .env_remove("REQUESTS_CA_BUNDLE")
            .env_remove("CURL_CA_BUNDLE")
            .kill_on_drop(true);
        command
    }

    /// Runs one of the programs in a folder, to its end.
    pub(crate) async fn run(&self, program: &str, arguments: &[&str], folder: &Path) -> Output {
        let mut command = self.command(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        let ran = timeout(PATIENCE, command.output()).await;
        ran.unwrap_or_else(|_| panic!("{program} takes too long on {}", self.profile)).unwrap()
    }

    /// Clients that are told what to do step by step.
    pub(crate) fn clients(&self) -> Clients {
        const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/clients.py");
        let mut command = self.command("python");
        command.args([SCRIPT, &self.url, USER, PASSWORD]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Clients { profile: self.profile, input, output: BufReader::new(output).lines(), _child: child }
    }
}

/// Python programs in one process.
pub(crate) struct Clients {
    profile: Profile,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Clients {
    /// What came of a step; an error is a traceback.
    pub(crate) async fn attempt(&mut self, words: &Value) -> Result<Value, String> {
        self.input.write_all(format!("{words}\n").as_bytes()).await.unwrap();
        let line = timeout(PATIENCE, self.output.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{}, {words}: it takes too long", self.profile)).unwrap();
        let line = line.unwrap_or_else(|| panic!("{}, {words}: the clients ended", self.profile));
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        match answer["failed"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(answer["said"].take()),
        }
    }

    /// What came of a step that must succeed.
    pub(crate) async fn ask(&mut self, words: Value) -> Value {
        let answer = self.attempt(&words).await;
        answer.unwrap_or_else(|why| panic!("{}, {words}: {why}", self.profile))
    }

    /// What came of a step that must fail, in these words.
    pub(crate) async fn fails(&mut self, words: Value, because: &str) {
        match self.attempt(&words).await {
            Ok(said) => panic!("{}, {words} must fail: {said}", self.profile),
            Err(why) => assert!(why.contains(because), "{}, {words}: {why}", self.profile),
        }
    }
}
