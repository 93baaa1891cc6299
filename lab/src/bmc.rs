//! The BMCs: each machine has one at its own loopback address, on the ports that real ones use.

mod board;
mod control;
mod ipmi_sim;
mod line;
mod mock;
mod sushy;

pub(crate) use control::obey;
pub(crate) use sushy::missing as missing_for_sushy;

use anyhow::Context;
use bmc_mock::Chassis;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::layout::Layout;
use crate::report::BmcReport;
use crate::spec::{BmcKind, Machine};

/// The port of IPMI over LAN (IPMI 2.0 section 13.1.1).
const IPMI_PORT: u16 = 623;
/// The port of HTTPS.
const HTTPS_PORT: u16 = 443;
/// Who may log in to every BMC. The lab's network has no way out.
const USERNAME: &str = "admin";
const PASSWORD: &str = "lab-secret";

/// What a BMC runs in.
pub(crate) struct Surroundings<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) tasks: &'a TaskTracker,
    pub(crate) stop: &'a CancellationToken,
}

impl Surroundings<'_> {
    /// Starts the BMC of the machine with this number in the spec, from 0. Without a chassis it brings its own.
    pub(crate) async fn start(
        &self,
        number: u8,
        machine: &Machine,
        chassis: Option<Arc<dyn Chassis>>,
    ) -> anyhow::Result<BmcReport> {
        let address = address(number);
        let chassis = || chassis.context("the lab has made no chassis for it");
        match machine.bmc {
            BmcKind::IpmiSim => ipmi_sim::start(self, machine, address, &*chassis()?).await,
            BmcKind::Mock => mock::start(self, machine, address, chassis()?).await,
            BmcKind::Sushy => sushy::start(self, machine, address).await,
        }
    }
}

/// The address of the BMC of the machine with this number.
fn address(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 1, number + 1))
}

/// The switch's end of the cable of a machine that its BMC makes, and the card's end.
pub(crate) fn cable(number: u8) -> (SocketAddr, SocketAddr) {
    let cable = sushy::Cable::at(address(number));
    (cable.port, cable.nic)
}

/// A UUID's bytes in the order of its text. `text` is one that `spec` made.
fn uuid_bytes(text: &str) -> [u8; 16] {
    let digits: String = text.chars().filter(|digit| *digit != '-').collect();
    u128::from_str_radix(&digits, 16).unwrap_or_default().to_be_bytes()
}
