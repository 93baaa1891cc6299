//! What joins hosts: a veth pair between two of them, or a switch in user space between many.

use super::Namespace;
use anyhow::{Context, Result};
use lab::{Faults, PacketSocket, Switch, without_offloads};
use tokio::runtime::Runtime;

/// Joins two hosts directly; each end is an interface of that host's, up.
///
/// # Errors
/// `ip` refuses.
pub fn cable(one: (&Namespace, &str), other: (&Namespace, &str)) -> Result<()> {
    let path = other.0.path().display().to_string();
    one.0.ip(&format!("link add {} type veth peer name {} netns {path}", one.1, other.1))?;
    for (host, interface) in [one, other] {
        host.ip(&format!("link set {interface} up"))?;
    }
    Ok(())
}

/// A switch in user space.
pub struct Hub {
    runtime: Runtime,
    switch: Switch,
}

impl Hub {
    /// A switch without ports on which this goes wrong.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn new(faults: Faults) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { runtime, switch: Switch::of_hosts(faults) })
    }

    /// From now on, this goes wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.switch.set_faults(faults);
    }

    /// Gives a host an interface on it, up.
    ///
    /// # Errors
    /// `ip` refuses, or packet sockets aren't allowed.
    pub fn attach(&self, host: &Namespace, interface: &str) -> Result<()> {
        let port = format!("{interface}-sw");
        host.ip(&format!("link add {interface} type veth peer name {port}"))?;
        // The switch's end is a cable, not a host: it must not speak IPv6 for itself.
        host.ip(&format!("link set {port} addrgenmode none"))?;
        let (switch, runtime, ours) =
            (self.switch.clone(), self.runtime.handle().clone(), interface.to_owned());
        let plug = move || {
            let _inside = runtime.enter();
            without_offloads(&ours)?;
            without_offloads(&port)?;
            switch.connect_packet(PacketSocket::open(&port)?);
            Ok(port)
        };
        let port = host.inside(plug).with_context(|| format!("can't connect {interface}"))?;
        host.ip(&format!("link set {port} up"))?;
        host.ip(&format!("link set {interface} up"))
    }
}
