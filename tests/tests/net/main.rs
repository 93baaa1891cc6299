//! Real clients against the real boot server, each in its own network namespace.
//!
//! Every test has a folder of its own, which stays for whoever looks for the reason of a failure. Firmware is not
//! here: that is the target `lab`.

mod addresses;
mod bad;
mod boot;
mod caches;
mod http;
mod others;
mod relay;
mod site;
mod strangers;
mod tftp;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tests::net::enter;

/// A test: its name and what it does, given a folder.
type Test = (&'static str, fn(&Path) -> Result<()>);

fn main() -> ExitCode {
    match enter() {
        Ok(Some(code)) => return code,
        Ok(None) => {}
        Err(error) => {
            drop(writeln!(std::io::stderr(), "{error:#}"));
            return ExitCode::FAILURE;
        }
    }
    let all = [
        addresses::TESTS,
        bad::TESTS,
        boot::TESTS,
        caches::TESTS,
        http::TESTS,
        others::TESTS,
        relay::TESTS,
        strangers::TESTS,
        tftp::TESTS,
    ];
    let trials = all.into_iter().flatten().map(|(name, test)| Trial::test(*name, move || run(name, *test)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Runs a test in an empty folder; on failure says where the folder is and how the service's log ends.
fn run(name: &str, test: fn(&Path) -> Result<()>) -> Result<(), Failed> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("net").join(name.replace("::", "-"));
    let prepare = || -> Result<()> {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        Ok(std::fs::create_dir_all(&folder)?)
    };
    prepare().context("can't make the test's folder").and_then(|()| test(&folder)).map_err(|error| {
        let log = std::fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(30)..].join("\n");
        Failed::from(format!("{error:#}\nThe service's log in {} ends:\n{tail}", folder.display()))
    })
}
