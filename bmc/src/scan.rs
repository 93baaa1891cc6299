//! The search for BMCs on a subnet: the RMCP presence ping, and the Redfish service root. Nobody logs in.
//!
//! Bounded: at most 4096 addresses, each asked with two datagrams and one connection, a fixed number at once. Which
//! subnets may be searched is the caller's to say.

mod asf;
mod subnet;

pub use subnet::Subnet;

use crate::Trust;
use crate::redfish::Https;
use bmc_proto::redfish::printable;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

/// The most addresses of one search: a /20.
const ADDRESSES_MAX: u64 = 4096;

/// How many addresses are connected to at once.
const AT_ONCE: usize = 128;

/// How long a connection may take. BMCs are near, and slow only behind it.
const CONNECT: Duration = Duration::from_millis(1500);

/// How long the service root may take, TLS of a slow BMC included.
const ANSWER: Duration = Duration::from_secs(10);

/// The largest service root that is read, in bytes.
const ROOT_MAX: usize = 64 * 1024;

/// How many pings go out in a row before a pause: a switch's buffer, and our own, hold that many.
const BURST: usize = 64;

/// The pause behind them.
const PAUSE: Duration = Duration::from_millis(10);

/// How long pongs are waited for, behind the last ping of a round.
const PONGS: Duration = Duration::from_secs(1);

/// How often each address is pinged.
const ROUNDS: u32 = 2;

/// The ports that are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanPorts {
    /// Of RMCP, UDP.
    pub rmcp: u16,
    /// Of Redfish, TCP.
    pub redfish: u16,
}

impl Default for ScanPorts {
    fn default() -> Self {
        Self { rmcp: 623, redfish: 443 }
    }
}

/// A BMC that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub address: Ipv4Addr,
    /// Whether it answered the RMCP ping with "IPMI is spoken here".
    pub ipmi: bool,
    /// What it says of itself over Redfish, if it speaks it.
    pub redfish: Option<FoundRedfish>,
}

/// What a service root tells everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRedfish {
    /// Version of the protocol.
    pub version: String,
    /// Who made the service.
    pub vendor: Option<String>,
    /// What it belongs to.
    pub product: Option<String>,
    /// The service's UUID.
    pub uuid: Option<String>,
    /// SHA-256 of the certificate that it showed: compare it with the BMC's own before it is pinned.
    pub tls_sha256: Option<[u8; 32]>,
}

/// Why nothing was searched.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// Too many addresses.
    #[error("{subnet} has more than {ADDRESSES_MAX} addresses; search it in parts of /20 or smaller")]
    TooLarge {
        /// What was asked for.
        subnet: Subnet,
    },
    /// No socket.
    #[error("can't send pings from this host")]
    Socket(#[source] io::Error),
}

/// Searches a subnet; the found by address.
///
/// # Errors
/// When it is too large, or this host has no socket for it. That nobody answers is no error.
pub async fn scan(subnet: Subnet, ports: ScanPorts) -> Result<Vec<Found>, ScanError> {
    if subnet.size() > ADDRESSES_MAX {
        return Err(ScanError::TooLarge { subnet });
    }
    let hosts: Vec<Ipv4Addr> = subnet.hosts().collect();
    let (ipmi, mut redfish) = tokio::join!(pings(&hosts, ports.rmcp), roots(&hosts, ports.redfish));
    let ipmi = ipmi.map_err(ScanError::Socket)?;
    let found = hosts.into_iter().filter_map(|address| {
        let found = Found { address, ipmi: ipmi.contains(&address), redfish: redfish.remove(&address) };
        (found.ipmi || found.redfish.is_some()).then_some(found)
    });
    Ok(found.collect())
}

/// The tag by which an address's pong is known; never 0xff, which would ask for none.
fn tag(address: Ipv4Addr) -> u8 {
    address.octets()[3] & 0x7f
}

/// Who answers a ping.
async fn pings(hosts: &[Ipv4Addr], port: u16) -> io::Result<BTreeSet<Ipv4Addr>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    let asked: BTreeSet<Ipv4Addr> = hosts.iter().copied().collect();
    let mut found = BTreeSet::new();
    for _ in 0..ROUNDS {
        let send = async {
            for burst in hosts.chunks(BURST) {
                for address in burst {
                    // Where there is no route there is no BMC.
                    let _ = socket.send_to(&asf::ping(tag(*address)), (*address, port)).await;
                }
                sleep(PAUSE).await;
            }
            Instant::now() + PONGS
        };
        let mut heard = BTreeSet::new();
        let mut buffer = [0; 64];
        tokio::pin!(send);
        let mut deadline = None;
        loop {
            tokio::select! {
                until = &mut send, if deadline.is_none() => deadline = Some(until),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => break,
                received = socket.recv_from(&mut buffer) => {
                    // An error here is of an earlier datagram: a host that refuses.
                    let Ok((length, SocketAddr::V4(from))) = received else { continue };
                    let from = *from.ip();
                    if asked.contains(&from) && asf::is_pong(&buffer[..length], tag(from)) {
                        heard.insert(from);
                    }
                }
            }
        }
        found.extend(heard);
    }
    Ok(found)
}

/// Who shows a Redfish service root.
async fn roots(hosts: &[Ipv4Addr], port: u16) -> BTreeMap<Ipv4Addr, FoundRedfish> {
    let mut found = BTreeMap::new();
    let mut tasks = JoinSet::new();
    let mut left = hosts.iter().copied();
    loop {
        while tasks.len() < AT_ONCE
            && let Some(address) = left.next()
        {
            tasks.spawn(async move { Some((address, root(address, port).await?)) });
        }
        match tasks.join_next().await {
            Some(Ok(Some((address, redfish)))) => drop(found.insert(address, redfish)),
            Some(_) => {}
            None => return found,
        }
    }
}

async fn root(address: Ipv4Addr, port: u16) -> Option<FoundRedfish> {
    let at = SocketAddr::new(IpAddr::V4(address), port);
    // Most addresses have nobody: they don't deserve a TLS client.
    drop(timeout(CONNECT, TcpStream::connect(at)).await.ok()?.ok()?);
    let https = Https::new(&Trust::FirstUse, CONNECT, ANSWER).ok()?;
    let get = https.client().get(format!("https://{at}/redfish/v1/")).header("accept", "application/json");
    let deadline = Instant::now() + ANSWER;
    let mut response = timeout_at(deadline, get.send()).await.ok()?.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let mut body = Vec::new();
    while let Some(chunk) = timeout_at(deadline, response.chunk()).await.ok()?.ok()? {
        if body.len() + chunk.len() > ROOT_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    read_root(&body, https.seen())
}

fn read_root(body: &[u8], tls_sha256: Option<[u8; 32]>) -> Option<FoundRedfish> {
    let root: Value = serde_json::from_slice(body).ok()?;
    let word = |name: &str| {
        let word = printable(root.get(name)?.as_str()?, 80);
        (!word.is_empty()).then_some(word)
    };
    Some(FoundRedfish {
        version: word("RedfishVersion")?,
        vendor: word("Vendor"),
        product: word("Product"),
        uuid: word("UUID").map(|uuid| uuid.to_lowercase()),
        tls_sha256,
    })
}

#[cfg(test)]
mod tests;
