//! The lab's interfaces: loopback, and veth pairs with the service at one end and the switch at the other: one for the
//! network, and one for each VLAN in which the service's host is.

use anyhow::{Context, bail};
use std::net::Ipv4Addr;
use std::process::Command;

use crate::spec::{Network, Subnet};
use crate::switch::without_offloads;

/// Makes the interfaces; gives the names of the switch's ends: the network's, and the VLANs' in the spec's order.
pub(crate) fn make(network: &Network) -> anyhow::Result<(String, Vec<String>)> {
    ip(&["link", "set", "lo", "up"])?;
    let end = pair(&network.interface, network.address, network.subnet)?;
    let vlans = network.vlans.iter();
    let vlans = vlans.map(|vlan| pair(&vlan.interface(), vlan.address, vlan.subnet));
    Ok((end, vlans.collect::<anyhow::Result<_>>()?))
}

/// Makes a pair whose first end has this name and address; gives the name of the other.
fn pair(ours: &str, address: Ipv4Addr, subnet: Subnet) -> anyhow::Result<String> {
    let switch = format!("{ours}-sw");
    ip(&["link", "add", ours, "type", "veth", "peer", "name", &switch])?;
    for end in [ours, &switch] {
        without_offloads(end)?;
    }
    // The switch's end is a cable, not a host: it must not speak IPv6 for itself.
    ip(&["link", "set", &switch, "addrgenmode", "none"])?;
    ip(&["addr", "add", &format!("{address}/{}", subnet.prefix), "dev", ours])?;
    ip(&["link", "set", &switch, "up"])?;
    ip(&["link", "set", ours, "up"])?;
    Ok(switch)
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .context("can't run `ip`; install iproute2 (lab/setup does)")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`ip {}` failed: {}; on Ubuntu, kernel.apparmor_restrict_unprivileged_userns=0 may be missing",
            arguments.join(" "),
            said.trim()
        );
    }
    Ok(())
}
