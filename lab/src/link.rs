//! The lab's interfaces: loopback, and a veth pair with the service at one end and the switch at the other.

use anyhow::{Context, bail};
use std::process::Command;

use crate::spec::Network;
use crate::switch::without_offloads;

/// Makes the interfaces; gives the name of the switch's end.
pub(crate) fn make(network: &Network) -> anyhow::Result<String> {
    let ours = network.interface.as_str();
    let switch = format!("{ours}-sw");
    ip(&["link", "set", "lo", "up"])?;
    ip(&["link", "add", ours, "type", "veth", "peer", "name", &switch])?;
    for end in [ours, &switch] {
        without_offloads(end)?;
    }
    // The switch's end is a cable, not a host: it must not speak IPv6 for itself.
    ip(&["link", "set", &switch, "addrgenmode", "none"])?;
    ip(&["addr", "add", &format!("{}/{}", network.address, network.subnet.prefix), "dev", ours])?;
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
