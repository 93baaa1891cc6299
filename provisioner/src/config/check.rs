//! From what was written to what is right. Pure; every mistake is collected, none ends the checking.

use super::{
    Api, Bmc, Boot, Config, Console, History, Images, Log, PostgresDatabase, Problem, Rate, Recording,
    SESSION, network, telemetry, value, wire,
};
use crate::caches::Cache;
use images::import::{Trust, TrustedKey};
use jiff::SignedDuration;
use provisioner_lifecycle::Limits;
use pxe_proto::boot::Preference;
use rustls_pki_types::ServerName;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};
use tracing_subscriber::EnvFilter;

/// The most that a rate of the API may be: more than it can answer.
const MOST_A_SECOND: u32 = 1_000_000;

/// Collects mistakes.
#[derive(Default)]
pub(super) struct Checker {
    pub(super) problems: Vec<Problem>,
}

impl Checker {
    /// Takes down a mistake.
    pub(super) fn problem(&mut self, key: impl Into<String>, detail: impl Into<String>) {
        self.problems.push(Problem::new(key, detail));
    }

    /// The value, or `instead` and a mistake. A configuration with mistakes is never used, so that `instead` only
    /// lets the checking go on.
    pub(super) fn take<T>(&mut self, key: impl Into<String>, value: Result<T, String>, instead: T) -> T {
        value.unwrap_or_else(|detail| {
            self.problem(key, detail);
            instead
        })
    }
}

/// Checks a file.
pub(super) fn config(file: wire::File) -> (Config, Vec<Problem>) {
    let mut checker = Checker::default();
    let config = Config {
        data: path(&mut checker, "data", file.data, "/var/lib/billet"),
        database: database(&mut checker, file.database, file.database_password_file),
        api: api(&mut checker, file.api),
        boot: boot(&mut checker, file.boot),
        console: console(&mut checker, file.console),
        images: images(&mut checker, &file.images),
        bmc: bmc(&mut checker, file.bmc),
        networks: network::networks(&mut checker, file.networks),
        limits: limits(&mut checker, file.limits),
        history: history(&mut checker, &file.history),
        freeze_on_clock_leap: file.freeze_on_clock_leap.unwrap_or(true),
        log: log(&mut checker, file.log),
        telemetry: telemetry::telemetry(&mut checker, file.telemetry),
    };
    ports(&mut checker, &config);
    chains(&mut checker, &config);
    (config, checker.problems)
}

/// A database on a server.
fn database(
    checker: &mut Checker,
    text: Option<String>,
    password_file: Option<String>,
) -> Option<PostgresDatabase> {
    let password_file = optional(checker, "database_password_file", password_file);
    let Some(text) = text else {
        if password_file.is_some() {
            checker.problem("database_password_file", "there is no `database` that it is for; set that, too");
        }
        return None;
    };
    let read = PostgresDatabase::parse(&text, password_file).map(Some);
    checker.take("database", read, None)
}

fn api(checker: &mut Checker, api: wire::Api) -> Api {
    let default = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7443));
    let listen = api.listen.map_or(Ok(default), |text| {
        text.parse().map_err(|_| {
            format!("`{text}` is not an address with a port; write it like 0.0.0.0:7443 or [::]:7443")
        })
    });
    for name in &api.names {
        if ServerName::try_from(name.as_str()).is_err() {
            checker.problem("api.names", format!("`{name}` is neither a host name nor an IP address"));
        }
    }
    let session = api.session.as_deref().map_or(Ok(SESSION), value::duration);
    let session = checker.take("api.session", session, SESSION);
    let rate = rate(checker, &api.rate);
    Api { listen: checker.take("api.listen", listen, default), names: api.names, session, rate }
}

fn rate(checker: &mut Checker, rate: &wire::Rate) -> Rate {
    let default = Rate::default();
    let mut number = |key: &str, number: Option<u32>, default: u32| {
        let number = number.unwrap_or(default);
        if !(1..=MOST_A_SECOND).contains(&number) {
            checker.problem(format!("api.rate.{key}"), format!("{number} is not from 1 to {MOST_A_SECOND}"));
        }
        number
    };
    Rate {
        per_token: number("per_token", rate.per_token, default.per_token),
        per_address: number("per_address", rate.per_address, default.per_address),
        per_agent: number("per_agent", rate.per_agent, default.per_agent),
        agents_per_address: number("agents_per_address", rate.agents_per_address, default.agents_per_address),
        at_once: number("at_once", rate.at_once, default.at_once),
    }
}

fn boot(checker: &mut Checker, boot: wire::Boot) -> Boot {
    let mut kernel_parameters = Vec::new();
    for text in &boot.kernel_parameters {
        match value::kernel_parameter(text) {
            Ok(parameter) => kernel_parameters.push(parameter),
            Err(detail) => checker.problem("boot.kernel_parameters", detail),
        }
    }
    let boot = Boot {
        http_port: boot.http_port.unwrap_or(8080),
        dhcp_port: boot.dhcp_port.unwrap_or(67),
        tftp_port: boot.tftp_port.unwrap_or(69),
        kernel: path(checker, "boot.kernel", boot.kernel, "/usr/lib/billet/vmlinuz"),
        ramdisk: path(checker, "boot.ramdisk", boot.ramdisk, "/usr/lib/billet/initrd.img"),
        kernel_arm64: optional(checker, "boot.kernel_arm64", boot.kernel_arm64),
        ramdisk_arm64: optional(checker, "boot.ramdisk_arm64", boot.ramdisk_arm64),
        rescue: optional(checker, "boot.rescue", boot.rescue),
        rescue_arm64: optional(checker, "boot.rescue_arm64", boot.rescue_arm64),
        stub_x64: optional(checker, "boot.stub_x64", boot.stub_x64),
        stub_arm64: optional(checker, "boot.stub_arm64", boot.stub_arm64),
        ipxe: path(checker, "boot.ipxe", boot.ipxe, "/usr/lib/ipxe"),
        kernel_parameters,
    };
    arm64(checker, &boot);
    boot
}

/// The files for 64-bit Arm belong together. There is no iPXE for it, so the stub is needed too.
fn arm64(checker: &mut Checker, boot: &Boot) {
    let files = [
        ("boot.kernel_arm64", &boot.kernel_arm64),
        ("boot.ramdisk_arm64", &boot.ramdisk_arm64),
        ("boot.stub_arm64", &boot.stub_arm64),
    ];
    if files.iter().all(|(_, file)| file.is_none()) {
        return;
    }
    for (key, _) in files.iter().filter(|(_, file)| file.is_none()) {
        checker.problem(
            *key,
            "it is missing: machines with 64-bit Arm boot with kernel, ramdisk and stub together, or not at all",
        );
    }
}

/// A network that wants unified kernel images boots nothing without a stub.
fn chains(checker: &mut Checker, config: &Config) {
    if config.boot.stub_x64.is_some() || config.boot.stub_arm64.is_some() {
        return;
    }
    for network in config.networks.iter().filter(|network| network.boot_chain == Preference::Uki) {
        checker.problem(
            format!("networks.{}.boot_chain", network.name),
            "\"uki\" needs a stub to make images with; set `boot.stub_x64`, or choose another chain",
        );
    }
}

/// A path that need not be given.
pub(super) fn optional(checker: &mut Checker, key: &str, text: Option<String>) -> Option<PathBuf> {
    text.map(|text| path(checker, key, Some(text), ""))
}

/// An absolute path: where the service was started from must not matter.
fn path(checker: &mut Checker, key: &str, text: Option<String>, default: &str) -> PathBuf {
    let path = PathBuf::from(text.unwrap_or_else(|| default.to_owned()));
    if !path.is_absolute() {
        checker.problem(key, format!("`{}` is a relative path; begin it with `/`", path.display()));
    }
    path
}

/// Whose signatures of images are believed.
fn images(checker: &mut Checker, images: &wire::Images) -> Images {
    let mut trust = Trust { keys: Vec::new(), required: images.required.unwrap_or(false) };
    for (number, text) in images.trust.iter().enumerate() {
        match TrustedKey::parse(text) {
            Ok(key) => trust.keys.push(key),
            Err(error) => checker.problem(format!("images.trust[{number}]"), error.to_string()),
        }
    }
    if trust.required && images.trust.is_empty() {
        checker.problem(
            "images.required",
            "no key is trusted, so that no image could be imported; set `images.trust`",
        );
    }
    let caches = images.caches.iter().enumerate();
    let caches = caches.map(|(number, cache)| self::cache(checker, number, cache)).collect();
    Images { trust, caches, ..Images::default() }
}

/// A cache in a rack.
fn cache(checker: &mut Checker, number: usize, cache: &wire::Cache) -> Cache {
    let wire::Cache { url, zone, rack } = cache;
    if let Err(error) = provisioner_client::agent::check_cache(url) {
        checker.problem(format!("images.caches[{number}].url"), error.to_string());
    }
    if rack.is_some() && zone.is_none() {
        let why = "a rack is one of its zone; set `zone`, too";
        checker.problem(format!("images.caches[{number}].rack"), why);
    }
    Cache { url: url.clone(), zone: zone.clone(), rack: rack.clone() }
}

fn history(checker: &mut Checker, history: &wire::History) -> History {
    let default = History::default();
    let mut age = |key: &str, text: &Option<String>, default| {
        let value = text.as_deref().map_or(Ok(default), value::age);
        checker.take(format!("history.{key}"), value, default)
    };
    let events = age("events", &history.events, default.events);
    let boots = age("boots", &history.boots, default.boots);
    let most = history.most.unwrap_or(default.most);
    if !(1000..=100_000).contains(&most) {
        checker.problem("history.most", format!("{most} is not from 1000 to 100000"));
    }
    History { events, most, boots }
}

fn limits(checker: &mut Checker, limits: wire::Limits) -> Limits {
    let default = Limits::default();
    let erase_limit = match limits.erase_limit {
        None => Ok(default.erase_limit),
        Some(wire::EraseLimit::Number(number)) => value::erase_limit(&number.to_string()),
        Some(wire::EraseLimit::Text(text)) => value::erase_limit(&text),
    };
    let erase_limit = checker.take("limits.erase_limit", erase_limit, default.erase_limit);
    let mut time = |key: &str, text: Option<String>, default: SignedDuration| {
        let value = text.map_or(Ok(default), |text| value::duration(&text));
        checker.take(format!("limits.{key}"), value, default)
    };
    let mut limits = Limits {
        bmc: time("bmc", limits.bmc, default.bmc),
        person: time("person", limits.person, default.person),
        agent_call_in: time("agent_call_in", limits.agent_call_in, default.agent_call_in),
        agent_silence: time("agent_silence", limits.agent_silence, default.agent_silence),
        inspect: time("inspect", limits.inspect, default.inspect),
        write: time("write", limits.write, default.write),
        write_stall: time("write_stall", limits.write_stall, default.write_stall),
        erase: time("erase", limits.erase, default.erase),
        erase_stall: time("erase_stall", limits.erase_stall, default.erase_stall),
        phone_home: time("phone_home", limits.phone_home, default.phone_home),
        restarts: limits.restarts.unwrap_or(default.restarts),
        order_attempts: limits.order_attempts.unwrap_or(default.order_attempts),
        erase_limit,
    };
    if limits.order_attempts == 0 {
        checker.problem("limits.order_attempts", "0 would never try anything; write 1 or more");
        limits.order_attempts = 1;
    }
    limits
}

fn bmc(checker: &mut Checker, bmc: wire::Bmc) -> Bmc {
    let mut program = |key: &str, text: Option<String>| text.map(|text| path(checker, key, Some(text), ""));
    let (virsh, vboxmanage) = (program("bmc.virsh", bmc.virsh), program("bmc.vboxmanage", bmc.vboxmanage));
    let mut subnets = Vec::new();
    for text in &bmc.subnets {
        match text.parse() {
            Ok(subnet) => subnets.push(subnet),
            Err(detail) => checker.problem("bmc.subnets", detail),
        }
    }
    Bmc { virsh, vboxmanage, subnets, scan_ports: Default::default() }
}

fn console(checker: &mut Checker, console: wire::Console) -> Console {
    let record = match console.record.as_deref() {
        None => Ok(Recording::default()),
        Some("jobs") => Ok(Recording::Jobs),
        Some("always") => Ok(Recording::Always),
        Some("never") => Ok(Recording::Never),
        Some(other) => Err(format!("`{other}` is none of \"jobs\", \"always\" and \"never\"")),
    };
    Console { record: checker.take("console.record", record, Recording::default()) }
}

fn log(checker: &mut Checker, log: wire::Log) -> Log {
    let filter = log.filter.unwrap_or_else(|| "info".to_owned());
    if let Err(error) = EnvFilter::builder().parse(&filter) {
        checker.problem(
            "log.filter",
            format!("`{filter}` is no log filter ({error}); write it like info,pxe=debug"),
        );
    }
    Log { filter, json: log.json.unwrap_or(false) }
}

/// Ports must be real ones and not in each other's way.
fn ports(checker: &mut Checker, config: &Config) {
    let boot = &config.boot;
    let named = [
        ("api.listen", config.api.listen.port()),
        ("boot.http_port", boot.http_port),
        ("boot.dhcp_port", boot.dhcp_port),
        ("boot.tftp_port", boot.tftp_port),
    ];
    for (key, port) in named {
        if port == 0 {
            checker.problem(key, "port 0 is none; choose one from 1 to 65535");
        }
    }
    if boot.http_port == config.api.listen.port() {
        checker.problem(
            "boot.http_port",
            format!("{} is the API's port already; choose another", boot.http_port),
        );
    }
    if boot.dhcp_port == boot.tftp_port {
        checker
            .problem("boot.tftp_port", format!("{} is DHCP's port already; choose another", boot.tftp_port));
    }
}

/// The iPXE files that the boot server hands out.
pub(super) fn ipxe_files(folder: &Path) -> [PathBuf; 2] {
    ["undionly.kpxe", "snponly.efi"].map(|name| folder.join(name))
}
