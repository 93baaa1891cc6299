//! Thousands of simulated Redfish BMCs on one TCP port, an address each: for benchmarks and for trying things out.
//!
//! `redfish_fleet --count 10000 --first 127.2.0.1 --port 9643 --user admin --password-file F` says `ready`, its port and
//! the SHA-256 of the certificate that all show when it listens, and serves until its standard input is closed or it
//! gets SIGTERM.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use anyhow::Context;
use bmc_mock::MemoryChassis;
use bmc_mock::redfish::{Certificate, Fleet, Identity, Options, Profile};
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Arguments {
    /// How many BMCs.
    #[arg(long, default_value_t = 10_000)]
    count: u32,
    /// Address of the first; the others follow.
    #[arg(long, default_value = "127.2.0.1")]
    first: Ipv4Addr,
    /// Their TCP port; 0 takes a free one, which is then told.
    #[arg(long, default_value_t = 9643)]
    port: u16,
    /// The administrator of each.
    #[arg(long, default_value = "admin")]
    user: String,
    /// A file with the administrator's password; a newline at its end is none of it.
    #[arg(long)]
    password_file: PathBuf,
    /// In the shapes of which maker they answer: generic, ami, dell, hpe, lenovo, supermicro, or `mixed`.
    #[arg(long, default_value = "generic")]
    profile: String,
    /// They speak plain HTTP.
    #[arg(long)]
    plain: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let password = std::fs::read_to_string(&arguments.password_file)
        .with_context(|| format!("can't read {}", arguments.password_file.display()))?;
    // A connection each.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("can't read the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("can't raise the limit of open files")?;
    let certificate = (!arguments.plain).then(Certificate::own);
    let fleet = Fleet::bind((Ipv4Addr::UNSPECIFIED, arguments.port).into(), certificate.as_ref()).await?;
    populate(&fleet, &arguments, password.trim_end_matches('\n'))?;

    let stop = CancellationToken::new();
    let mut terminated = signal(SignalKind::terminate())?;
    let by_signal = stop.clone();
    tokio::spawn(async move {
        terminated.recv().await;
        by_signal.cancel();
    });
    let by_input = stop.clone();
    std::thread::spawn(move || {
        // Whatever ends the input ends us.
        let _bytes = std::io::stdin().read_to_end(&mut Vec::new());
        by_input.cancel();
    });
    let fingerprint: String = fleet.certificate_sha256().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("ready {} {fingerprint}", fleet.local_addr().port());
    fleet.run(stop).await;
    Ok(())
}

fn populate(fleet: &Fleet, arguments: &Arguments, password: &str) -> anyhow::Result<()> {
    let profiles = match arguments.profile.as_str() {
        "mixed" => Profile::ALL.to_vec(),
        name => vec![name.parse::<Profile>()?],
    };
    let first = u32::from(arguments.first);
    for (number, profile) in (0..arguments.count).zip(profiles.iter().cycle()) {
        let address = first.checked_add(number).context("there are not so many addresses")?;
        let [a, b, c, d] = address.to_be_bytes();
        let identity = Identity {
            name: format!("node{number}"),
            uuid: format!("00000000-0000-4000-8000-0000{address:08x}"),
            macs: vec![format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")],
            model: "Simulated".into(),
        };
        let options = Options::new(&arguments.user, password, Arc::new(MemoryChassis::new()), identity);
        fleet.add(IpAddr::V4(address.into()), &options.with_profile(*profile));
    }
    Ok(())
}
