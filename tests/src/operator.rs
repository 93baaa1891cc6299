//! Somebody at a shell who has nothing but the program `billet`: a home of their own, files, and what is typed.

use anyhow::{Context, Result, ensure};
use provisioner_client::Connection;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use tokio::process::Command;

use crate::process_site::program;

/// An operator, a tenant, anybody.
pub struct Operator {
    home: TempDir,
    program: PathBuf,
}

/// What came of a command.
#[derive(Debug)]
pub struct Said {
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Operator {
    /// One who knows of no service yet.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn new() -> Result<Self> {
        Ok(Self { home: tempfile::tempdir()?, program: program()? })
    }

    /// Where the user's files are.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file that nobody else may read, into the home; its path.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn file(&self, name: &str, content: &str) -> Result<String> {
        let path = self.home.path().join(name);
        fs::write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(path.to_str().context("a UTF-8 path")?.to_owned())
    }

    /// Writes a client file, such as the service's first start leaves for its administrator; its path.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn client_file(&self, name: &str, connection: &Connection) -> Result<String> {
        let (token, ca) = (connection.token.reveal(), &connection.ca_pem);
        self.file(name, &format!("url = {:?}\ntoken = {token:?}\nca = '''{ca}'''\n", connection.url))
    }

    /// Runs `billet` with these words, at the home, with nobody at standard input.
    ///
    /// # Errors
    /// When it can't be run, or says something that is no text.
    pub async fn words(&self, words: &[&str]) -> Result<Said> {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(self.home.path()).env_clear();
        command.env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await?;
        let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        Ok(Said { code: output.status.code().unwrap_or(-1), out, err })
    }

    /// Runs `billet` with the words of a line, which spaces separate.
    ///
    /// # Errors
    /// When it can't be run.
    pub async fn types(&self, line: &str) -> Result<Said> {
        self.words(&line.split(' ').collect::<Vec<_>>()).await
    }

    /// What a line prints that has to succeed.
    ///
    /// # Errors
    /// When it fails.
    pub async fn ok(&self, line: &str) -> Result<String> {
        let said = self.types(line).await?;
        ensure!(said.code == 0, "billet {line}: {said:?}");
        Ok(said.out)
    }
}
