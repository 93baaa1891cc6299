//! A recorded BMC again: `replay FILE --password-file F [--address 127.0.0.1:9643] [--user admin]` serves what
//! `billet bmc record` wrote, says `ready`, its address and the SHA-256 of its certificate, and goes on until its standard
//! input is closed or it gets SIGTERM.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use anyhow::Context;
use bmc_mock::MemoryChassis;
use bmc_mock::redfish::{Identity, Options, Recording, Server};
use clap::Parser;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Arguments {
    /// The recording.
    file: PathBuf,
    /// Where to listen; port 0 takes a free one, which is then told.
    #[arg(long, default_value = "127.0.0.1:9643")]
    address: SocketAddr,
    /// The user that can log in.
    #[arg(long, default_value = "admin")]
    user: String,
    /// A file with that user's password; a newline at its end is none of it.
    #[arg(long)]
    password_file: PathBuf,
    /// It speaks plain HTTP.
    #[arg(long)]
    plain: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("can't read {}", path.display()));
    let recording = Recording::parse(&read(&arguments.file)?)
        .with_context(|| format!("can't replay {}", arguments.file.display()))?;
    let password = String::from_utf8(read(&arguments.password_file)?).context("the password is no text")?;
    let password = password.trim_end_matches('\n');
    let chassis = Arc::new(MemoryChassis::new());
    let options =
        Options::new(&arguments.user, password, chassis, Identity::default()).with_recording(&recording);
    let options = if arguments.plain { options.without_tls() } else { options };
    let server = Server::start(arguments.address, &options).await?;

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
    let fingerprint: String = server.certificate_sha256().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("ready {} {fingerprint}", server.local_addr());
    server.run(stop).await;
    Ok(())
}
