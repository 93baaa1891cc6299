//! The command line as scripts and people use it: what is typed, what is printed, which exit code comes out.

mod applying;
mod bmc;
mod bmc_audit;
mod bmc_parts;
mod bmc_settings;
mod console;
mod day;
mod destroying;
mod direct;
mod docs;
mod erasures;
mod fake;
mod keys;
mod pages;
mod parsing;
mod pools;
mod real;
mod redfish;
pub(super) mod samples;
mod scan;
mod scripted;
mod users;
mod verbs;
mod watching;

use super::{
    args::{Cli, Command, Output},
    command,
    environment::Environment,
    terminal::Keyboard,
    ui::Ui,
};
use clap::Parser;
use provisioner_client::Connection;
use std::{
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Notify, mpsc};

/// A writer that keeps what is written.
#[derive(Clone, Default)]
struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    more: Arc<Notify>,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap().extend(bytes);
        self.more.notify_one();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    /// Waits until this was written.
    async fn until(&self, want: &str) {
        while !self.text().contains(want) {
            let more = tokio::time::timeout(Duration::from_secs(30), self.more.notified()).await;
            assert!(more.is_ok(), "{want:?} was not written, but {:?}", self.text());
        }
    }
}

/// What came of a command.
#[derive(Debug)]
struct Ran {
    code: u8,
    out: String,
    err: String,
}

/// Somebody at a terminal of a machine.
struct User {
    folder: tempfile::TempDir,
    password: Option<String>,
    person: bool,
    types: String,
    /// Where its settings are.
    settings: Option<PathBuf>,
    /// What is typed where it is not shown.
    hidden: Vec<String>,
    /// What is typed on a console.
    keys: Arc<Mutex<Option<Keyboard>>>,
    /// What the next command prints.
    out: Kept,
    /// What it remarks.
    err: Kept,
}

impl User {
    /// One whose client file leads to this service.
    fn of(connection: &Connection) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = format!(
            "url = {:?}\ntoken = {:?}\nca = '''{}'''\n",
            connection.url,
            connection.token.reveal(),
            connection.ca_pem
        );
        write_private(&folder.path().join("client.toml"), &file);
        Self { folder, ..Self::nobody() }
    }

    /// One who knows of no service.
    fn nobody() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            password: None,
            person: false,
            types: String::new(),
            settings: None,
            hidden: Vec::new(),
            keys: Arc::default(),
            out: Kept::default(),
            err: Kept::default(),
        }
    }

    /// A keyboard for the next console: a terminal's if `raw`, else a pipe.
    fn keyboard(&self, raw: bool) -> mpsc::Sender<Vec<u8>> {
        let (send, bytes) = mpsc::channel(64);
        *self.keys.lock().unwrap() = Some(Keyboard { bytes, raw, _mode: None });
        send
    }

    /// A file in the user's folder.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Runs a command line; words are separated by spaces.
    async fn run(&self, line: &str) -> Ran {
        self.run_words(&line.split(' ').collect::<Vec<_>>()).await
    }

    /// Runs a command line.
    async fn run_words(&self, words: &[&str]) -> Ran {
        let client = self.folder.path().join("client.toml").display().to_string();
        let words: Vec<_> =
            ["billet", "--client", &client].into_iter().chain(words.iter().copied()).collect();
        self.run_plain(&words).await
    }

    /// Runs a command line that names the program, too, and the client file or not.
    async fn run_plain(&self, words: &[&str]) -> Ran {
        let cli = match Cli::try_parse_from(words) {
            Ok(cli) => cli,
            Err(refusal) => return Ran { code: 2, out: String::new(), err: refusal.render().to_string() },
        };
        let types = self.types.clone();
        let hidden = Mutex::new(self.hidden.clone().into_iter());
        let keys = Arc::clone(&self.keys);
        let end = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let environment = Environment {
            settings: self.settings.clone(),
            bmc_password: self.password.clone(),
            person: self.person,
            input: Box::new(move || Ok(types.clone())),
            hidden: Box::new(move || hidden.lock().unwrap().next().ok_or_else(end)),
            keyboard: Box::new(move || keys.lock().unwrap().take().ok_or_else(end)),
            ..Environment::nobody(self.folder.path())
        };
        let (out, err) = (self.out.clone(), self.err.clone());
        out.bytes.lock().unwrap().clear();
        err.bytes.lock().unwrap().clear();
        let mut ui = Ui::new(Box::new(out.clone()), Box::new(err.clone()), cli.global.output.clone());
        let code = match command::run(cli, &environment, &mut ui).await {
            Ok(()) => 0,
            Err(error) => {
                ui.complain(&error);
                error.code()
            }
        };
        Ran { code, out: out.text(), err: err.text() }
    }
}

fn write_private(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
