//! Runs a hypervisor's command line program: an argument vector, never a shell, bounded in time and in what it prints.
//!
//! Deliberately not here: what the programs are told and what their words mean.

use crate::BmcError;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// How long one run may take. Starting a virtual machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most that is read of what it prints, in bytes.
const OUTPUT_MAX: u64 = 1024 * 1024;

/// A program and for whom it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    /// Whose errors these are: the virtual machine, in words.
    address: String,
    /// What to install when it isn't there.
    package: &'static str,
    patience: Duration,
}

/// What a run printed, and whether it went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Printed {
    /// Exit code 0.
    pub(crate) success: bool,
    /// Standard output.
    pub(crate) output: String,
    /// Standard error.
    pub(crate) errors: String,
}

impl Program {
    /// Runs nothing yet.
    pub(crate) fn new(path: &Path, address: &str, package: &'static str) -> Self {
        Self { path: path.to_owned(), address: address.to_owned(), package, patience: PATIENCE }
    }

    #[cfg(test)]
    fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Whose errors these are.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Runs it with these words, with `input` on its standard input.
    pub(crate) async fn run<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
        input: &[u8],
        during: &'static str,
    ) -> Result<Printed, BmcError> {
        let unreachable = |reason: String| BmcError::Unreachable {
            address: self.address.clone(),
            during,
            reason: Some(reason),
        };
        let mut child = Command::new(&self.path)
            .args(arguments)
            // Its words are read here.
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.not_started(&error))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that doesn't read to the end says by its exit code what was wrong.
                let _ = stdin.write_all(input).await;
            }
        };
        let running = async {
            let ((), output, errors) = tokio::join!(feed, read(stdout), read(stderr));
            Ok::<_, std::io::Error>((output?, errors?, child.wait().await?))
        };
        let ended = tokio::time::timeout(self.patience, running).await;
        let name = self.path.display();
        let (output, errors, status) = ended
            .map_err(|_| unreachable(format!("`{name}` did not end within {} s", self.patience.as_secs())))?
            .map_err(|error| unreachable(format!("`{name}`: {error}")))?;
        tracing::debug!(program = %name, during, code = status.code(), "ran");
        Ok(Printed { success: status.success(), output, errors })
    }

    fn not_started(&self, error: &std::io::Error) -> BmcError {
        let name = self.path.display();
        let what = if error.kind() == std::io::ErrorKind::NotFound {
            format!(
                "there is no program `{name}` on this host; install {}, or say where it is, below `[bmc]` in the configuration",
                self.package
            )
        } else {
            format!("`{name}` can't be run: {error}")
        };
        BmcError::Unsupported { address: self.address.clone(), what }
    }
}

/// All that comes, up to the limit; the rest is read and dropped, so that the program can end.
async fn read(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let Some(mut pipe) = pipe else { return Ok(String::new()) };
    let mut bytes = Vec::new();
    (&mut pipe).take(OUTPUT_MAX).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(path: &str) -> Program {
        Program::new(Path::new(path), "vm", "the package").with_patience(Duration::from_millis(300))
    }

    #[tokio::test]
    async fn it_is_fed_and_heard() {
        let printed = program("/bin/cat").run::<&str>(&[], b"hello", "x").await.unwrap();
        assert_eq!((printed.success, printed.output.as_str()), (true, "hello"));
        let printed = program("/bin/cat").run(&["/no/such/file; echo $HOME"], b"", "x").await.unwrap();
        assert!(!printed.success && printed.errors.contains("/no/such/file; echo $HOME"), "{printed:?}");
    }

    #[tokio::test]
    async fn what_is_not_there_or_hangs_is_told() {
        let error = program("/no/such/program").run::<&str>(&[], b"", "x").await.unwrap_err();
        let told = error.to_string();
        assert!(told.contains("install the package") && told.contains("vm"), "{told}");
        let error = program("/bin/sleep").run(&["1000"], b"", "x").await.unwrap_err();
        assert!(matches!(error, BmcError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("did not end within"), "{error}");
    }

    #[tokio::test]
    async fn what_prints_without_end_is_cut_and_what_fits_is_whole() {
        let printed = Program::new(Path::new("/bin/dd"), "vm", "coreutils")
            .run(&["if=/dev/zero", "bs=1M", "count=3", "status=none"], b"", "x")
            .await
            .unwrap();
        assert_eq!((printed.success, printed.output.len() as u64), (true, OUTPUT_MAX));
    }
}
