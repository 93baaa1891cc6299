//! The OpenAPI document judged by programs that we did not write: `openapi-spec-validator` says whether it is one, and
//! `schemathesis` whether the service does what it says. Nothing that is asked may be answered with a failure of the
//! service's, with a status or a body that the document doesn't have, or as if it were good although it is not.
//!
//! It takes two minutes at most: what is the same each time comes first, what is made up at random goes on for what is left.
//! It all happens in a network namespace: what is asked at random names hosts at random. `lab/setup` installs the programs;
//! without them the tests are skipped with a line, but not on a build server. What is left out, and why, is in
//! `schemathesis.toml`.

mod fleet;

use anyhow::{Context, Result, ensure};
use fleet::Fleet;
use libtest_mimic::{Arguments, Failed, Trial};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{ExitCode, Output, Stdio},
    time::Duration,
};
use tests::net::enter;
use tokio::{process::Command, runtime::Runtime, time::timeout};

/// How long a program is let go on.
const SPAN: Duration = Duration::from_secs(80);

/// How long it may take to end then: as long as one request, and what it writes.
const END: Duration = Duration::from_secs(30);

/// The last so many bytes that a program said are shown.
const SHOWN: usize = 32 << 10;

fn main() -> ExitCode {
    let entered = enter().and_then(|code| if code.is_none() { loopback().map(|()| code) } else { Ok(code) });
    match entered {
        Ok(Some(code)) => return code,
        Ok(None) => {}
        Err(error) => {
            drop(writeln!(std::io::stderr(), "{error:#}"));
            return ExitCode::FAILURE;
        }
    }
    let trials = vec![
        Trial::test("the_document_is_valid", || judge(validate)),
        Trial::test("the_service_does_what_the_document_says", || judge(ask)),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A new network namespace has its loopback down.
fn loopback() -> Result<()> {
    let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
    ensure!(up.context("can't run ip; lab/setup installs it")?.success(), "the loopback can't be set up");
    Ok(())
}

/// Runs a test, if the programs are there.
fn judge(test: impl AsyncFnOnce(&Path) -> Result<()>) -> Result<(), Failed> {
    let Some(programs) = programs()? else { return Ok(()) };
    let runtime = Runtime::new()?;
    runtime.block_on(test(&programs)).map_err(|error| Failed::from(format!("{error:#}")))
}

/// Where `lab/setup` puts Python programs; `None`: they are not there, and that is allowed here.
fn programs() -> Result<Option<PathBuf>> {
    let cache = std::env::var_os("BILLET_CACHE").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/billet");
    let folder = cache.unwrap_or_else(home).join("python/bin");
    if folder.join("schemathesis").is_file() {
        return Ok(Some(folder));
    }
    ensure!(std::env::var("CI").as_deref() != Ok("true"), "CI needs what lab/setup installs");
    let at = folder.display();
    writeln!(std::io::stderr(), "skipped: there is no schemathesis in {at}; lab/setup installs it")?;
    Ok(None)
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

async fn validate(programs: &Path) -> Result<()> {
    let mut validator = Command::new(programs.join("openapi-spec-validator"));
    validator.arg(source("../docs/openapi.json"));
    let output = run("openapi-spec-validator", validator).await?;
    ensure!(output.status.success(), "docs/openapi.json is not valid:\n{}", said(&output));
    Ok(())
}

async fn ask(programs: &Path) -> Result<()> {
    let fleet = Fleet::start().await?;
    let folder = tempfile::tempdir()?;
    let (authority, report) = (folder.path().join("ca.pem"), folder.path().join("report.xml"));
    let connection = fleet.site.connection();
    std::fs::write(&authority, &connection.ca_pem)?;
    let mut schemathesis = Command::new(programs.join("schemathesis"));
    schemathesis
        .arg("--config-file")
        .arg(source("tests/openapi/schemathesis.toml"))
        .args(["run", &format!("{}/v1/openapi.json", connection.url)])
        .arg("--report-junit-path")
        .arg(&report)
        .env("BILLET_TOKEN", connection.token.reveal())
        .env("BILLET_CA", &authority)
        .current_dir(folder.path());
    if let Some(seed) = std::env::var_os("SEED") {
        schemathesis.arg("--seed").arg(seed);
    }
    let output = run("schemathesis", schemathesis).await?;
    // Whatever was asked, the service still answers.
    fleet.site.client()?.works().await.context("the service does not answer any more")?;
    let report =
        std::fs::read_to_string(&report).with_context(|| format!("no report:\n{}", said(&output)))?;
    // Of a program that was told to end its status doesn't say what it found until then.
    let [asked, failures, errors] =
        [count(&report, "tests")?, count(&report, "failures")?, count(&report, "errors")?];
    let good = output.status.success() && failures == 0 && errors == 0;
    ensure!(good, "schemathesis found something in {failures} operations:\n{}", said(&output));
    ensure!(asked > 0, "schemathesis asked nothing:\n{}", said(&output));
    Ok(())
}

/// A number of a report's first element: how many operations there were, or failed.
fn count(report: &str, what: &str) -> Result<u32> {
    let found = || {
        let all = report.split_once("<testsuites ")?.1.split('>').next()?;
        all.split_once(&format!("{what}=\""))?.1.split('"').next()?.parse().ok()
    };
    found().with_context(|| format!("the report has no number of {what}"))
}

/// Runs a program until it ends, or until it was told to because its time is over.
async fn run(name: &str, mut program: Command) -> Result<Output> {
    program.env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1").kill_on_drop(true);
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = program.spawn().with_context(|| format!("can't run {name}"))?;
    let id = child.id().context("it runs, since nobody waited for it")?;
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    if let Ok(output) = timeout(SPAN, ended.as_mut()).await {
        return Ok(output?);
    }
    writeln!(std::io::stderr(), "{name} is told to end after {} s", SPAN.as_secs())?;
    kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGINT)?;
    let output = timeout(END, ended).await;
    Ok(output.with_context(|| format!("{name} does not end"))??)
}

/// The last of what a program said.
fn said(output: &Output) -> String {
    let said = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&said[said.len().saturating_sub(SHOWN)..]).into_owned()
}
