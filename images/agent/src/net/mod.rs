//! The agent's network: one NIC, one IPv4 address by DHCP, one default route.
//!
//! `dhcp` and `netlink` are pure (bytes in, bytes out); `client` and `link` have the sockets.

mod client;
mod dhcp;
mod link;
mod netlink;

use crate::{Host, RealHost};
use client::{Client, Got};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How long the NIC that netbooted is waited for, before any other one is tried.
const BOOT_NIC_PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing is said of links: most come up by then.
const QUIET: Duration = Duration::from_secs(3);

/// The pause between two looks for NICs and links.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Gets an address, however long it takes, and keeps it from then on in the background.
pub(crate) async fn come_up(host: Arc<RealHost>, boot_mac: Option<String>) {
    if let Err(error) = link::up("lo") {
        host.say(&format!("can't bring up lo: {error}"));
    }
    let begun = Instant::now();
    let mut said = String::new();
    loop {
        match candidates(&host, boot_mac.as_deref(), begun) {
            Ok(nics) => {
                for (name, mac) in nics {
                    if let Some((client, got)) = try_nic(&host, &name, mac).await {
                        tokio::spawn(keep(host, name, client, got));
                        return;
                    }
                }
            }
            Err(why) if why != said && begun.elapsed() > QUIET => {
                host.say(&format!("no network yet: {why}; waiting"));
                said = why;
            }
            Err(_) => {}
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// The NICs to try now, by name and MAC address: the one that netbooted, if it is there and up; others when it does
/// not appear, or is not known. Every NIC is switched on by the way: none shows a link before.
fn candidates(
    host: &RealHost,
    boot_mac: Option<&str>,
    begun: Instant,
) -> Result<Vec<(String, [u8; 6])>, String> {
    let nics = host.nics().map_err(|error| error.to_string())?;
    if nics.is_empty() {
        return Err("there is no network interface (is its driver in the ramdisk?)".to_owned());
    }
    let is_boot = |mac: &str| boot_mac.is_some_and(|boot| boot.eq_ignore_ascii_case(mac));
    let boot_nic_is_here = nics.iter().any(|nic| is_boot(&nic.mac));
    let any = boot_mac.is_none() || (!boot_nic_is_here && begun.elapsed() > BOOT_NIC_PATIENCE);
    let (mut ready, mut down) = (Vec::new(), Vec::new());
    for nic in nics.iter().filter(|nic| any || is_boot(&nic.mac)) {
        let Some(mac) = dhcp::parse_mac(&nic.mac) else { continue };
        if let Err(error) = link::up(&nic.name) {
            return Err(format!("can't bring up {}: {error}", nic.name));
        }
        if nic.link { ready.push((nic.name.clone(), mac)) } else { down.push(nic.name.as_str()) }
    }
    match (ready.is_empty(), boot_mac) {
        (false, _) => Ok(ready),
        (true, _) if !down.is_empty() => Err(format!("{} has no link", down.join(", "))),
        (true, Some(mac)) => Err(format!("the interface that netbooted ({mac}) has not appeared")),
        (true, None) => Err("no network interface has an Ethernet address".to_owned()),
    }
}

/// Asks on one NIC for an address and sets it.
async fn try_nic(host: &RealHost, name: &str, mac: [u8; 6]) -> Option<(Client, Got)> {
    let client = Client::new(name, mac);
    host.say(&format!("asking for an address on {name}"));
    match client.discover().await {
        Ok(got) => match link::set(name, &got.lease) {
            Ok(()) => {
                host.say(&format!("{name} has address {}/{}", got.lease.address, got.lease.prefix));
                Some((client, got))
            }
            Err(error) => {
                host.say(&format!("can't give {name} the address {}: {error}", got.lease.address));
                None
            }
        },
        Err(error) => {
            host.say(&format!("no address on {name}: {error}; asking again"));
            None
        }
    }
}

/// Renews the lease at half its time; when that fails to its end, begins anew.
async fn keep(host: Arc<RealHost>, name: String, client: Client, mut got: Got) {
    loop {
        sleep_until_half(&got).await;
        let renewed = client.renew(&got).await;
        got = match renewed {
            Ok(renewed) => renewed,
            Err(error) => {
                host.say(&format!("{name}: the lease of {} was not renewed: {error}", got.lease.address));
                client.discover_for_ever().await
            }
        };
        if let Err(error) = link::set(&name, &got.lease) {
            host.say(&format!("can't give {name} the address {}: {error}", got.lease.address));
        }
    }
}

async fn sleep_until_half(got: &Got) {
    tokio::time::sleep_until(got.since + got.lease.time / 2).await;
}
