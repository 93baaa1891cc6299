//! A simulated machine of the fleet's (`lab::fleet`), alone behind a BMC of its own that speaks IPMI or Redfish at a
//! port of its own.
//!
//! What it does and when is the fleet's model; here is only what journeys ask of one machine. It asks the boot server
//! for its script straight away: no DHCP, no loaders and no time for anything.

use anyhow::{Context, Result};
use bmc_mock::{BootDevice, BootFlags, Chassis, SerialDevice, ipmi, redfish};
use images_agent::{Host, Pace};
use lab::fleet::model::{FirmwareKind, Path, Timings, Traits};
use lab::fleet::{Blocks, DiskFault, DiskSpec, Eyes, Loaded, MachineTruth, SimHost, Wires};
use provisioner_api::{BmcProtocol, BmcSpec, MachineCreate, Secret};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Site, TestImage};

/// The first pause of whatever tries again; it doubles three times.
const RETRY: Duration = Duration::from_millis(50);

/// How a machine's BMC is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// IPMI 2.0, cipher suite 17.
    Ipmi,
    /// Redfish.
    Redfish,
}

/// What a simulated machine is like.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// Its BMC.
    pub protocol: Protocol,
    /// In the shapes of which maker it answers, if it speaks Redfish.
    pub profile: redfish::Profile,
    /// MiB of its disk.
    pub disk_mib: u64,
    /// Disks beside that one, of the same size.
    pub data_disks: u32,
    /// Whether its firmware tries the network before the disk when nothing else is set.
    pub network_first: bool,
    /// The key Kg that is set in its BMC, if it speaks IPMI.
    pub bmc_key: Option<Vec<u8>>,
    /// Disks beside the one for systems, which must never be written: by turns removable and read-only.
    pub canaries: u32,
    /// MiB that its disk writes a second; 0: at once.
    pub disk_speed: f64,
    /// The image that [`Sim::truth`] compares its disk with.
    pub image: Option<Arc<TestImage>>,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            protocol: Protocol::Redfish,
            profile: redfish::Profile::default(),
            disk_mib: 128,
            data_disks: 0,
            network_first: false,
            bmc_key: None,
            canaries: 0,
            disk_speed: 0.0,
            image: None,
        }
    }
}

/// A simulated machine. It is switched off for ever when dropped.
pub struct Sim {
    /// Its name.
    pub name: String,
    /// Its MAC address, which goes with its number.
    pub mac: String,
    /// The serial number of its disk, of the first one that is for systems.
    pub serial: String,
    machine: Arc<lab::fleet::Sim>,
    serial_port: Arc<SerialDevice>,
    bmc: SocketAddr,
    control: Option<ipmi::Control>,
    controls: Option<Arc<redfish::Controls>>,
    protocol: Protocol,
    _end: DropGuard,
}

const USER: &str = "admin";
const PASSWORD: &str = "s3cret-of-bmc";

impl Sim {
    /// Screws a machine into the rack: its BMC answers, it is off.
    ///
    /// # Errors
    /// When its BMC can't listen.
    pub async fn start(site: &Site, name: &str, number: u8, options: SimOptions) -> Result<Self> {
        // Nobody looks.
        Self::start_on(site.wires().await?, Eyes::new(None), name, number, options).await
    }

    /// The same on these wires. `eyes` see what it does, but for what its agent says on the wires.
    ///
    /// # Errors
    /// When its BMC can't listen.
    pub async fn start_on(
        wires: &Arc<Wires>,
        eyes: Arc<Eyes>,
        name: &str,
        number: u8,
        options: SimOptions,
    ) -> Result<Self> {
        let machine = machine(wires, eyes, name, number, &options);
        let (mac, serial_port) = (machine.mac(), machine.serial_port());
        let inventory = machine.host().inventory()?;
        // Canaries come behind it.
        let serial = inventory.disks.first().and_then(|disk| disk.serial.clone());
        let serial = serial.context("its disk has a serial number")?;
        let end = CancellationToken::new();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (mut control, mut controls) = (None, None);
        let bmc = match options.protocol {
            Protocol::Ipmi => {
                let users = vec![ipmi::User::administrator(USER, PASSWORD)];
                let uuid = [0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, number];
                let identity = ipmi::Identity::new(users, machine.chassis(), uuid);
                let identity = ipmi::Identity { bmc_key: options.bmc_key, ..identity };
                let server = ipmi::Server::new(any, identity.with_product("Billet", "Sim", name))?;
                let address = server.local_addr()?;
                control = Some(server.control());
                tokio::spawn(server.run(end.clone()));
                address
            }
            Protocol::Redfish => {
                let identity = redfish::Identity {
                    name: name.into(),
                    uuid: format!("00000000-0000-0000-0000-0000000000{number:02x}"),
                    macs: vec![mac.clone()],
                    model: "Sim".into(),
                };
                let like = redfish::Options::new(USER, PASSWORD, machine.chassis(), identity)
                    .with_profile(options.profile);
                let server = redfish::Server::start(any, &like).await?;
                let address = server.local_addr();
                controls = Some(server.controls());
                tokio::spawn(server.run(end.clone()));
                address
            }
        };
        let (name, protocol, end) = (name.into(), options.protocol, end.drop_guard());
        Ok(Self { name, mac, serial, machine, serial_port, bmc, control, controls, protocol, _end: end })
    }

    /// What an operator would say to add it.
    pub fn enrolment(&self) -> MachineCreate {
        let protocol = match self.protocol {
            Protocol::Ipmi => BmcProtocol::Ipmi,
            Protocol::Redfish => BmcProtocol::Redfish,
        };
        let (address, username) = (self.bmc.to_string(), USER.into());
        let bmc = BmcSpec { address, username, ..BmcSpec::new(protocol) };
        let plain = MachineCreate::new(&self.name, &self.mac, bmc);
        MachineCreate { bmc_password: Secret::new(PASSWORD), ..plain }
    }

    /// Looks at and disturbs its BMC, which must speak IPMI.
    ///
    /// # Errors
    /// When it speaks something else.
    pub fn control(&self) -> Result<&ipmi::Control> {
        self.control.as_ref().context("its BMC speaks IPMI")
    }

    /// The same for one that speaks Redfish.
    ///
    /// # Errors
    /// When it speaks something else.
    pub fn redfish(&self) -> Result<&redfish::Controls> {
        self.controls.as_deref().context("its BMC speaks Redfish")
    }

    /// Itself, for whoever switches it by other means than its BMC: a person, a webhook.
    pub fn chassis(&self) -> Arc<dyn Chassis> {
        self.machine.chassis()
    }

    /// Its serial port.
    pub fn serial_port(&self) -> &SerialDevice {
        &self.serial_port
    }

    /// What its disk holds.
    ///
    /// # Errors
    /// Never, for now.
    pub fn content(&self) -> Result<Vec<u8>> {
        Ok(self.machine.host().content())
    }

    /// What it really is, looked up in the simulation.
    pub fn truth(&self) -> MachineTruth {
        self.machine.truth()
    }

    /// What its disk for data holds.
    ///
    /// # Errors
    /// When it has none.
    pub fn data(&self) -> Result<Vec<u8>> {
        self.machine.host().data_content().context("it has a disk for data")
    }

    /// Somebody's data is on its disk for data.
    pub fn put_on_data(&self, bytes: &[u8]) {
        self.machine.host().put_on_data(bytes);
    }

    /// Puts its disks for data in, or takes them out.
    pub fn insert_data(&self, there: bool) {
        self.machine.host().set_data_fault((!there).then_some(DiskFault::Gone));
    }

    /// Where the system on its disk reports in.
    ///
    /// # Errors
    /// When there is no system.
    pub fn phone_home(&self) -> Result<String> {
        Ok(self.machine.host().found_on_disk().context("there is a system")?.url)
    }

    /// Somebody's data is on its disk, from before it came here.
    pub fn put_on_disk(&self, bytes: &[u8]) {
        self.machine.host().put_on_disk(bytes);
    }

    /// When its disk was written for the first and for the last time in the last order that wrote it.
    pub fn wrote(&self) -> Option<(Instant, Instant)> {
        self.machine.host().wrote()
    }

    /// The system that its agent loaded to run from RAM, until the power goes or it starts anew.
    ///
    /// # Errors
    /// When there is none.
    pub fn loaded(&self) -> Result<Loaded> {
        self.machine.host().loaded().context("a system is loaded")
    }

    /// Starts it anew, as the operating system that runs would.
    ///
    /// # Errors
    /// When it is off.
    pub async fn restart(&self) -> Result<()> {
        Ok(self.chassis().reset().await?)
    }

    /// Presses its power button.
    ///
    /// # Errors
    /// Never, for now.
    pub async fn press_power(&self) -> Result<()> {
        Ok(self.chassis().set_power(true).await?)
    }

    /// Restarts it with the network as its next boot device, as a careless person at the console would.
    ///
    /// # Errors
    /// When it is off.
    pub async fn restart_from_network(&self) -> Result<()> {
        let chassis = self.chassis();
        let network = BootFlags { device: Some(BootDevice::Network), persistent: false, uefi: false };
        chassis.set_boot(network).await?;
        Ok(chassis.reset().await?)
    }

    /// What it booted, newest last: `script: agent`, `script: disk`, `disk: nothing`, `disk: phoned home`, …
    ///
    /// What others did to it (power, boot flags) is left out: that is no boot.
    pub fn history(&self) -> Vec<String> {
        let booted = |word: &String| ["script: ", "disk: ", "broke: "].iter().any(|of| word.starts_with(of));
        self.machine.history().into_iter().filter(booted).collect()
    }

    /// Who may log in to its rescue system. None: that does not run.
    pub fn rescued(&self) -> Option<Vec<String>> {
        self.machine.host().rescued()
    }

    /// What its agent said on the console: the last lines.
    pub fn console(&self) -> Vec<String> {
        self.machine.host().console()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.machine.end();
    }
}

/// The machine itself, which is off and has an empty disk.
fn machine(
    wires: &Arc<Wires>,
    eyes: Arc<Eyes>,
    name: &str,
    number: u8,
    options: &SimOptions,
) -> Arc<lab::fleet::Sim> {
    let number = u32::from(number);
    let traits = Traits {
        firmware: FirmwareKind::UefiHttp,
        network_first: options.network_first,
        path: Path::Script,
        timings: Timings::none(RETRY),
    };
    let pace =
        Pace { idle: RETRY, retry_first: RETRY, retry_most: Duration::from_millis(500), ..Pace::default() };
    let mut disk = DiskSpec::new(options.disk_mib, options.disk_speed, options.canaries, 1);
    disk.data = options.data_disks;
    let mac = lab::fleet::Sim::mac_of(number);
    let host = SimHost::new(number, &mac, &disk, Blocks::new(), options.image.clone(), Arc::clone(&eyes));
    // Dice decide nothing here: no time spreads, and nobody asks by DHCP.
    let seed = 0;
    lab::fleet::Sim::new(number, name.into(), Arc::new(traits), seed, host, Arc::clone(wires), eyes, pace)
}
