//! Polls the power of many BMCs, each in its interval, and tells in one line of JSON what that cost: for the benchmarks.
//! Over IPMI or, with `--redfish`, over Redfish; there a BMC that is polled within some seconds keeps its connection.
//!
//! `poll --count 10000 --first 127.1.0.1 --port 9623 --user admin --password-file F --interval 60 --seconds 180`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use anyhow::{Context, ensure};
use bmc::{Bmc, BmcError, Cipher, Credentials, Drivers, Endpoint, Privilege, Protocol, Settings, Trust};
use clap::Parser;
use nix::sys::resource::{UsageWho, getrusage};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How many BMCs are asked at once where they are asked together.
const AT_ONCE: usize = 32;

#[derive(Parser)]
struct Arguments {
    /// How many BMCs.
    #[arg(long, default_value_t = 10_000)]
    count: u32,
    /// Address of the first; the others follow.
    #[arg(long, default_value = "127.1.0.1")]
    first: Ipv4Addr,
    /// Their port; 9623, and 9443 for Redfish, when it isn't given.
    #[arg(long)]
    port: Option<u16>,
    /// Over Redfish instead of IPMI.
    #[arg(long)]
    redfish: bool,
    /// The user.
    #[arg(long, default_value = "admin")]
    user: String,
    /// A file with the password; a newline at its end is none of it.
    #[arg(long)]
    password_file: PathBuf,
    /// Seconds between two polls of a BMC. All of them are spread over it evenly.
    #[arg(long, default_value_t = 60.0)]
    interval: f64,
    /// Begin those together that are due within so many seconds, 32 at a time, as the service does with each second's.
    #[arg(long, default_value_t = 0.0)]
    together: f64,
    /// For how many seconds.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// The cipher suite: 17 or 3.
    #[arg(long, default_value_t = 17)]
    suite: u8,
    /// Where open sessions are noted.
    #[arg(long)]
    sessions: Option<PathBuf>,
    /// Threads of the runtime; 0 for one that has none of its own.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut runtime = match arguments.threads {
        0 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    // As a task: the future that a runtime blocks on is woken through a pipe, which the polls would be charged for.
    runtime.enable_all().build()?.block_on(async { tokio::spawn(run(arguments)).await? })
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    ensure!(arguments.count > 0 && arguments.interval > 0.0, "--count and --interval must be more than 0");
    let bmcs = connect(&arguments)?;
    let before = Usage::now()?;
    let mut logged_in = None;
    let found = Arc::new(Mutex::new(Found::default()));
    let start = Instant::now();
    let step = arguments.interval / f64::from(arguments.count);
    let at_once = Arc::new(Semaphore::new(if arguments.together > 0.0 { AT_ONCE } else { bmcs.len() }));
    // The interval's share of each BMC comes again and again.
    for (poll, bmc) in bmcs.iter().cycle().enumerate() {
        let mut at = step * poll as f64;
        if arguments.together > 0.0 {
            at = (at / arguments.together).floor() * arguments.together;
        }
        if at >= arguments.seconds {
            break;
        }
        tokio::time::sleep_until(start + Duration::from_secs_f64(at)).await;
        if poll == bmcs.len() {
            logged_in = Some(Usage::now()?);
        }
        let (bmc, found, at_once) = (Arc::clone(bmc), Arc::clone(&found), Arc::clone(&at_once));
        tokio::spawn(async move {
            let _turn = at_once.acquire().await;
            let begin = Instant::now();
            let result = bmc.power().await;
            note(&found, begin.elapsed(), result.err().as_ref());
        });
    }
    tokio::time::sleep_until(start + Duration::from_secs_f64(arguments.seconds)).await;
    // What was begun and has no answer yet counts when it has.
    while Arc::strong_count(&found) > 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let polled = Usage::now()?;
    let resident = resident_kib()?;
    close(bmcs).await?;
    let after = Usage::now()?;
    let found = std::mem::take(&mut *lock(&found));
    let mut report = found.report(after.cpu - before.cpu, after.max_rss_kib);
    // What it costs once all are logged in, and until they are logged out again.
    let steady = logged_in.map(|logged_in| (polled.cpu - logged_in.cpu).as_secs_f64());
    report["steady_cpu_seconds"] = steady.into();
    report["steady_seconds"] = (arguments.seconds - arguments.interval).max(0.0).into();
    report["steady_rss_kib"] = resident.into();
    println!("{report}");
    Ok(())
}

/// Logs out, of some at a time: all at once would be thousands of connections.
async fn close(bmcs: Vec<Arc<dyn Bmc>>) -> anyhow::Result<()> {
    let mut closing = tokio::task::JoinSet::new();
    for bmc in bmcs {
        if closing.len() >= 64 {
            closing.join_next().await.transpose()?;
        }
        closing.spawn(async move { bmc.close().await });
    }
    while closing.join_next().await.transpose()?.is_some() {}
    Ok(())
}

/// What of this process is in memory now.
fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc")?;
    line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")
}

fn connect(arguments: &Arguments) -> anyhow::Result<Vec<Arc<dyn Bmc>>> {
    let password = std::fs::read_to_string(&arguments.password_file)
        .with_context(|| format!("can't read {}", arguments.password_file.display()))?;
    let cipher = match arguments.suite {
        17 => Cipher::Suite17,
        3 => Cipher::Suite3,
        other => anyhow::bail!("suite {other} is not spoken; 17 and 3 are"),
    };
    let (protocol, port) = if arguments.redfish {
        (Protocol::Redfish { trust: Trust::FirstUse }, 9443)
    } else {
        (Protocol::Ipmi { cipher, privilege: Privilege::default() }, 9623)
    };
    let drivers = Drivers::new(Settings { sessions: arguments.sessions.clone(), ..Settings::default() });
    let first = u32::from(arguments.first);
    let last = first.checked_add(arguments.count).context("there are not so many addresses")?;
    let connect = |address: u32| {
        drivers.connect(Endpoint {
            protocol: protocol.clone(),
            host: Ipv4Addr::from(address).to_string(),
            port: Some(arguments.port.unwrap_or(port)),
            credentials: Credentials {
                username: arguments.user.clone(),
                password: Zeroizing::new(password.trim_end_matches('\n').to_owned()),
                bmc_key: None,
            },
            keeper: None,
        })
    };
    Ok((first..last).map(connect).collect())
}

/// What the polls came to.
#[derive(Default)]
struct Found {
    latencies: Vec<Duration>,
    errors: u64,
    /// One sentence of each kind of error.
    sentences: BTreeMap<String, u64>,
}

impl Found {
    fn report(mut self, cpu: Duration, max_rss_kib: i64) -> serde_json::Value {
        self.latencies.sort();
        let at = |share: f64| {
            // An index within a vector.
            let index =
                ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
            self.latencies.get(index).map(|latency| latency.as_secs_f64() * 1000.0)
        };
        for (sentence, count) in self.sentences.iter().take(5) {
            eprintln!("{count} times: {sentence}");
        }
        serde_json::json!({
            "polls": self.latencies.len() as u64 + self.errors,
            "errors": self.errors,
            "cpu_seconds": cpu.as_secs_f64(),
            "max_rss_kib": max_rss_kib,
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
        })
    }
}

fn note(found: &Mutex<Found>, latency: Duration, error: Option<&BmcError>) {
    let mut found = lock(found);
    let Some(error) = error else { return found.latencies.push(latency) };
    found.errors += 1;
    // With the address it would be another sentence for each BMC.
    let sentence = error.to_string();
    let words: Vec<&str> = sentence.split(' ').filter(|word| !word.starts_with("127.")).collect();
    *found.sentences.entry(words.join(" ")).or_default() += 1;
}

fn lock(found: &Mutex<Found>) -> std::sync::MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What this process has used.
struct Usage {
    cpu: Duration,
    max_rss_kib: i64,
}

impl Usage {
    fn now() -> anyhow::Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let time = |time: nix::sys::time::TimeVal| {
            Duration::from_micros(u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0))
        };
        Ok(Self { cpu: time(usage.user_time()) + time(usage.system_time()), max_rss_kib: usage.max_rss() })
    }
}
