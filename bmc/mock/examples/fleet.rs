//! Thousands of simulated BMCs on one UDP port, an address each: for benchmarks and for trying things out.
//!
//! `fleet --count 10000 --first 127.1.0.1 --port 9623 --user admin --password-file F` says `ready` when it listens,
//! and serves until its standard input is closed or it gets SIGTERM.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use anyhow::{Context, ensure};
use bmc_mock::MemoryChassis;
use bmc_mock::ipmi::{CipherSuite, Faults, Fleet, Identity, Openness, Share, User};
use clap::Parser;
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
    #[arg(long, default_value = "127.1.0.1")]
    first: Ipv4Addr,
    /// Their UDP port; 0 takes a free one, which is then told.
    #[arg(long, default_value_t = 9623)]
    port: u16,
    /// The administrator of each.
    #[arg(long, default_value = "admin")]
    user: String,
    /// A file with the administrator's password; a newline at its end is none of it.
    #[arg(long)]
    password_file: PathBuf,
    /// The cipher suite that they speak: 17 or 3; both otherwise.
    #[arg(long)]
    suite: Option<u8>,
    /// Which share of datagrams is lost, each way; 0.2 is every fifth.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// They are open to what an audit looks for: cipher suite 0, anonymous logins, IPMI 1.5 sessions.
    #[arg(long)]
    open: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let password = std::fs::read_to_string(&arguments.password_file)
        .with_context(|| format!("can't read {}", arguments.password_file.display()))?;
    let fleet = Fleet::bind((Ipv4Addr::UNSPECIFIED, arguments.port).into()).context("can't listen")?;
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
    println!("ready {}", fleet.local_addr()?.port());
    fleet.run(stop).await.context("the socket is gone")
}

fn populate(fleet: &Fleet, arguments: &Arguments, password: &str) -> anyhow::Result<()> {
    let suites = match arguments.suite {
        None => CipherSuite::ALL.to_vec(),
        Some(number) => CipherSuite::ALL.into_iter().filter(|suite| suite.id() == number).collect(),
    };
    ensure!(!suites.is_empty(), "there is no such cipher suite here: 17 or 3");
    let user = User::administrator(&arguments.user, password);
    let first = u32::from(arguments.first);
    for number in 0..arguments.count {
        let address = first.checked_add(number).context("there are not so many addresses")?;
        let mut uuid = [0; 16];
        uuid[6] = 0x40;
        uuid[8] = 0x80;
        uuid[12..].copy_from_slice(&address.to_be_bytes());
        let chassis = Arc::new(MemoryChassis::new());
        let identity = Identity {
            suites: suites.clone(),
            openness: Openness {
                suite_zero: arguments.open,
                anonymous: arguments.open,
                old_sessions: arguments.open,
            },
            ..Identity::new(vec![user.clone()], chassis, uuid)
        };
        let control = fleet.add(IpAddr::V4(address.into()), identity);
        if arguments.loss > 0.0 {
            let lost = Share::Random(arguments.loss);
            let seed = u64::from(number);
            control.set_faults(Faults { seed, lost_requests: lost, lost_answers: lost, ..Faults::default() });
        }
    }
    Ok(())
}
