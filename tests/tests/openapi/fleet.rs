//! A service with a little of everything, so that what is asked is also found.

use anyhow::Result;
use provisioner_api::{
    BmcProtocol, BmcSpec, InstanceState, MachineCreate, MachineState, Reservation, Role, Secret, TokenCreate,
    UserCreate,
};
use tests::{Protocol, Sim, SimOptions, Site, gpt_image};

/// The names are those in `schemathesis.toml`.
pub(crate) struct Fleet {
    pub(crate) site: Site,
    _machines: Vec<Sim>,
}

impl Fleet {
    /// Machines behind both protocols, one of them with an instance that runs; one that a person switches, and that
    /// nobody accepted.
    pub(crate) async fn start() -> Result<Self> {
        let site = Site::start().await?;
        let client = site.client()?;
        let mut machines = Vec::new();
        for (number, protocol) in [(1, Protocol::Redfish), (2, Protocol::Ipmi)] {
            let options = SimOptions { protocol, data_disks: 1, ..SimOptions::default() };
            let name = format!("m{number}");
            let sim = Sim::start(&site, &name, number, options).await?;
            client.add_machine(&sim.enrolment()).await?;
            machines.push(sim);
        }
        let plain = MachineCreate::new("m3", "52:54:00:00:00:03", BmcSpec::new(BmcProtocol::Manual));
        client.add_machine(&MachineCreate { accept: false, ..plain }).await?;
        site.import("os", &gpt_image(site.folder(), "os.raw", 24, 3)).await?;
        site.create("web", "os", Some("m1")).await?;
        let reserved = Reservation { mac: "52:54:00:00:00:04".into(), address: "127.1.0.7".into() };
        client.add_reservation("loopback", &reserved).await?;
        let reader = TokenCreate { name: "reader".into(), role: Role::Viewer, pools: None, expires: None };
        client.create_token(&reader).await?;
        let password = Secret::new("lawn-otter-cliff");
        let ann = UserCreate { name: "ann".into(), role: Role::Viewer, pools: None, password };
        client.create_user(&ann).await?;
        site.instance_in("web", InstanceState::Running).await?;
        site.machine_in("m2", MachineState::Available).await?;
        Ok(Self { site, _machines: machines })
    }
}
