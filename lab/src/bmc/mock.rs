//! Our simulated BMC: Redfish, and IPMI with cipher suites 17 and 3.

use bmc_mock::{Chassis, ipmi, redfish};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{HTTPS_PORT, IPMI_PORT, PASSWORD, Surroundings, USERNAME, uuid_bytes};
use crate::report::{BmcReport, IpmiReport, RedfishReport};
use crate::spec::{BmcKind, Machine};

pub(super) async fn start(
    around: &Surroundings<'_>,
    machine: &Machine,
    address: IpAddr,
    chassis: Arc<dyn Chassis>,
) -> anyhow::Result<BmcReport> {
    let (ipmi_address, https) = (SocketAddr::new(address, IPMI_PORT), SocketAddr::new(address, HTTPS_PORT));
    let ipmi = ipmi::Server::new(ipmi_address, identity(machine, address, chassis.clone()))?;
    let identity = redfish::Identity {
        name: machine.name.clone(),
        uuid: machine.uuid(),
        macs: vec![machine.mac.clone()],
        model: "lab-machine".to_owned(),
    };
    let redfish = redfish::Server::bind(https, USERNAME, PASSWORD, chassis, identity).await?;
    let certificate = redfish.certificate_sha256().iter().map(|byte| format!("{byte:02x}")).collect();
    around.tasks.spawn(redfish.run(around.stop.clone()));
    let (stop, name) = (around.stop.clone(), machine.name.clone());
    around.tasks.spawn(async move {
        if let Err(error) = ipmi.run(stop).await {
            tracing::error!(machine = name, %error, "the BMC's IPMI side is gone");
        }
    });
    Ok(BmcReport {
        kind: BmcKind::Mock,
        address,
        username: USERNAME.to_owned(),
        password: PASSWORD.to_owned(),
        ipmi: Some(IpmiReport { address: ipmi_address, cipher: 17 }),
        redfish: Some(RedfishReport { url: format!("https://{address}"), tls_sha256: certificate }),
        libvirt: None,
    })
}

/// What the BMC says of its machine is what the machine's SMBIOS says.
fn identity(machine: &Machine, address: IpAddr, chassis: Arc<dyn Chassis>) -> ipmi::Identity {
    let users = vec![ipmi::User::administrator(USERNAME, PASSWORD)];
    let identity = ipmi::Identity::new(users, chassis, uuid_bytes(&machine.uuid()));
    let mut identity = identity.with_product("Billet", "lab-machine", &machine.serial());
    if let IpAddr::V4(address) = address {
        identity.lan.address = address;
    }
    identity
}
