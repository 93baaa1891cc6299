//! Real DHCP clients: busybox's udhcpc and ISC's dhclient.

use super::{Namespace, until};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The script that both call.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/net/leased");

/// What a client was given.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// All that the client told its script, by the client's own names.
    pub values: BTreeMap<String, String>,
}

impl Lease {
    fn read(file: &Path, address: &str) -> Result<Self> {
        let text = fs::read_to_string(file)?;
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let values: BTreeMap<_, _> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let address = values.get(address).context("the client was given no address")?.parse()?;
        Ok(Self { address, values })
    }

    /// One value, empty if there is none.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }
}

/// A file of the folder that no other client uses.
fn fresh(folder: &Path, name: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    folder.join(format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))
}

/// A run of udhcpc.
pub struct Udhcpc<'a> {
    host: &'a Namespace,
    interface: &'a str,
    folder: &'a Path,
    options: String,
}

impl<'a> Udhcpc<'a> {
    /// A run on an interface, as the computer with this hardware address.
    ///
    /// # Errors
    /// The interface doesn't take the address.
    pub fn new(host: &'a Namespace, interface: &'a str, mac: &str, folder: &'a Path) -> Result<Self> {
        host.ip(&format!("link set {interface} address {mac}"))?;
        Ok(Self { host, interface, folder, options: "-t 15 -T 1 -A 1".to_owned() })
    }

    /// Adds options.
    #[must_use]
    pub fn words(mut self, options: &str) -> Self {
        self.options = format!("{} {options}", self.options);
        self
    }

    /// Asks until it has a lease.
    ///
    /// # Errors
    /// It gets none.
    pub fn lease(self) -> Result<Lease> {
        match self.run()? {
            (Some(lease), _) => Ok(lease),
            (None, said) => bail!("udhcpc got no lease: {}", said.trim()),
        }
    }

    /// Asks so many times; the lease if it got one.
    ///
    /// # Errors
    /// It can't be run.
    pub fn tries(self, times: u8) -> Result<Option<Lease>> {
        Ok(self.words(&format!("-n -t {times}")).run()?.0)
    }

    fn run(self) -> Result<(Option<Lease>, String)> {
        let file = fresh(self.folder, "udhcpc");
        // In the foreground, until it has a lease.
        let program = self.host.program("udhcpc").words("-f -q -i").args([self.interface]);
        let program = program.args(["-s", SCRIPT]).words(&self.options).env("LEASE", &file);
        let ended = program.finish()?;
        let lease = if file.exists() { Some(Lease::read(&file, "ip")?) } else { None };
        Ok((lease, ended.said))
    }
}

/// Runs dhclient until it has a lease.
///
/// # Errors
/// It gets none.
pub fn dhclient(host: &Namespace, interface: &str, mac: &str, folder: &Path) -> Result<Lease> {
    host.ip(&format!("link set {interface} address {mac}"))?;
    let file = fresh(folder, "dhclient");
    let config = file.with_extension("conf");
    fs::write(
        &config,
        "timeout 40;\nretry 1;\nbackoff-cutoff 2;\ninitial-interval 1;\n\
         request subnet-mask, routers, domain-name, domain-name-servers, domain-search, interface-mtu, \
         ntp-servers, rfc3442-classless-static-routes;\n\
         option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;\n",
    )?;
    let program = host.program("dhclient").words("-4 -1 -d -v").args(["-sf", SCRIPT]);
    let program = program.args([OsStr::new("-cf"), config.as_os_str()]);
    let program = program.args([OsStr::new("-lf"), file.with_extension("leases").as_os_str()]);
    let program = program.args([OsStr::new("-pf"), file.with_extension("pid").as_os_str()]);
    let program = program.args(["-e".to_owned(), format!("LEASE={}", file.display()), interface.to_owned()]);
    let mut process = program.start()?;
    let got = until("dhclient has a lease", || {
        anyhow::ensure!(file.exists() || process.runs()?, "dhclient ended");
        Ok(file.exists().then_some(()))
    });
    got.with_context(|| process.said().unwrap_or_default())?;
    Lease::read(&file, "new_ip_address")
}
