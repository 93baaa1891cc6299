//! The command line as scripts and people use it: what is typed, what is printed, which exit code comes out.

mod fake;
mod pages;
mod parsing;
mod real;
pub(super) mod samples;
mod scripted;

use super::{
    args::{Cli, Command, Output},
    command,
    environment::Environment,
    ui::Ui,
};
use clap::Parser;
use provisioner_client::Connection;
use std::{
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex},
};

/// A writer that keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
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
        Self { folder, password: None, person: false, types: String::new() }
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
        let words = ["billet", "--client", &client].into_iter().chain(words.iter().copied());
        let cli = match Cli::try_parse_from(words) {
            Ok(cli) => cli,
            Err(refusal) => return Ran { code: 2, out: String::new(), err: refusal.render().to_string() },
        };
        let types = self.types.clone();
        let environment = Environment {
            settings: None,
            admin: self.folder.path().join("none.toml"),
            bmc_password: self.password.clone(),
            person: self.person,
            input: Box::new(move || Ok(types.clone())),
        };
        let (out, err) = (Kept::default(), Kept::default());
        let mut ui = Ui::new(Box::new(out.clone()), Box::new(err.clone()), cli.global.output);
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
