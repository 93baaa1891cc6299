//! A simulated machine: a BMC that speaks IPMI or Redfish, firmware that asks the boot server for its script, the
//! real agent on made-up disks, and an operating system that phones home if it was written to the disk.

use anyhow::{Context, Result};
use async_trait::async_trait;
use bmc_mock::{BootDevice, BootFlags, Chassis, ChassisError, SerialDevice, SerialPort, ipmi, redfish};
use images_agent::{BootParameters, Exit, FakeDisk, FakeHost, Pace};
use provisioner_api::{BmcProtocol, BmcSpec, MachineCreate, Secret};
use provisioner_client::agent::AgentClient;
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Site;

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
    /// Whether its firmware tries the network before the disk when nothing else is set.
    pub network_first: bool,
    /// The key Kg that is set in its BMC, if it speaks IPMI.
    pub bmc_key: Option<Vec<u8>>,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            protocol: Protocol::Redfish,
            profile: redfish::Profile::default(),
            disk_mib: 128,
            network_first: false,
            bmc_key: None,
        }
    }
}

/// A simulated machine. It is switched off for ever when dropped.
pub struct Sim {
    /// Its name, with which its MAC and serial numbers go.
    pub name: String,
    /// Its MAC address.
    pub mac: String,
    /// The serial number of its disk.
    pub serial: String,
    /// The file behind its disk.
    pub disk: PathBuf,
    chassis: Arc<SimChassis>,
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
    /// When its BMC can't listen or its disk can't be made.
    pub async fn start(site: &Site, name: &str, number: u8, options: SimOptions) -> Result<Self> {
        let mac = format!("52:54:00:00:00:{number:02x}");
        let serial = format!("disk-of-{name}");
        let disk = site.folder().join(format!("{name}.disk"));
        let fake = FakeDisk::in_file("vda", &serial, options.disk_mib << 20, &disk)?;
        let host = FakeHost::new(&mac).with_disk(fake);
        let end = CancellationToken::new();
        let chassis = Arc::new(SimChassis {
            host,
            mac: mac.clone(),
            disk: disk.clone(),
            boot: site.boot(),
            ca_pem: site.connection().ca_pem.clone(),
            network_first: options.network_first,
            serial: Arc::new(SerialDevice::new(false)),
            state: Mutex::default(),
            end: end.clone(),
        });
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (mut control, mut controls) = (None, None);
        let bmc = match options.protocol {
            Protocol::Ipmi => {
                let users = vec![ipmi::User::administrator(USER, PASSWORD)];
                let uuid = [0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, number];
                let identity = ipmi::Identity::new(users, Arc::new(Wired(chassis.clone())), uuid);
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
                let wired = Arc::new(Wired(chassis.clone()));
                let like =
                    redfish::Options::new(USER, PASSWORD, wired, identity).with_profile(options.profile);
                let server = redfish::Server::start(any, &like).await?;
                let address = server.local_addr();
                controls = Some(server.controls());
                tokio::spawn(server.run(end.clone()));
                address
            }
        };
        let protocol = options.protocol;
        Ok(Self {
            name: name.into(),
            mac,
            serial,
            disk,
            chassis,
            bmc,
            control,
            controls,
            protocol,
            _end: end.drop_guard(),
        })
    }

    /// What an operator would say to add it.
    pub fn enrolment(&self) -> MachineCreate {
        MachineCreate {
            name: self.name.clone(),
            pool: None,
            macs: vec![self.mac.clone()],
            bmc: BmcSpec {
                protocol: match self.protocol {
                    Protocol::Ipmi => BmcProtocol::Ipmi,
                    Protocol::Redfish => BmcProtocol::Redfish,
                },
                address: self.bmc.to_string(),
                username: USER.into(),
                cipher_suite: None,
                tls_sha256: None,
                tls_ca: None,
                domain: None,
                mac: None,
            },
            bmc_password: Secret::new(PASSWORD),
            bmc_key: None,
            boot_mode: None,
            boot_chain: None,
            labels: Default::default(),
        }
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
        Arc::new(Wired(self.chassis.clone()))
    }

    /// Its serial port.
    pub fn serial_port(&self) -> &SerialDevice {
        &self.chassis.serial
    }

    /// What its disk holds.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn content(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(&self.disk)?)
    }

    /// Presses its power button.
    ///
    /// # Errors
    /// Never, for now.
    pub async fn press_power(&self) -> Result<()> {
        Ok(Wired(self.chassis.clone()).set_power(true).await?)
    }

    /// Restarts it with the network as its next boot device, as a careless person at the console would.
    ///
    /// # Errors
    /// When it is off.
    pub async fn restart_from_network(&self) -> Result<()> {
        let wired = Wired(self.chassis.clone());
        wired
            .set_boot(BootFlags { device: Some(BootDevice::Network), persistent: false, uefi: false })
            .await?;
        Ok(wired.reset().await?)
    }

    /// What it did, newest last: `script: agent`, `script: disk`, `disk: nothing`, `disk: phoned home`, …
    pub fn history(&self) -> Vec<String> {
        self.chassis.with(|state| state.history.clone())
    }

    /// What its agent said on the console.
    pub fn console(&self) -> Vec<String> {
        self.chassis.host.console()
    }
}

struct SimChassis {
    host: FakeHost,
    mac: String,
    disk: PathBuf,
    boot: SocketAddr,
    ca_pem: String,
    network_first: bool,
    serial: Arc<SerialDevice>,
    state: Mutex<SimState>,
    end: CancellationToken,
}

#[derive(Default)]
struct SimState {
    /// Cancelled when power goes off.
    power: Option<CancellationToken>,
    flags: BootFlags,
    history: Vec<String>,
}

impl SimChassis {
    fn with<T>(&self, act: impl FnOnce(&mut SimState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, what: impl Into<String>) {
        let what = what.into();
        self.with(|state| state.history.push(what));
    }

    fn is_on(&self) -> bool {
        self.with(|state| state.power.as_ref().is_some_and(|power| !power.is_cancelled()))
    }

    fn switch_off(&self) {
        if let Some(power) = self.with(|state| state.power.take()) {
            power.cancel();
        }
        self.serial.set_power(false);
    }

    fn switch_on(self: &Arc<Self>) {
        let power = self.end.child_token();
        self.with(|state| state.power = Some(power.clone()));
        self.serial.set_power(true);
        let chassis = Arc::clone(self);
        tokio::spawn(async move {
            let cut = power.clone();
            tokio::select! {
                () = cut.cancelled() => {}
                ended = chassis.live(&power) => {
                    if let Err(error) = ended {
                        chassis.note(format!("broke: {error:#}"));
                    }
                    power.cancel();
                }
            }
        });
    }

    /// Boot after boot, until the agent switches it off.
    async fn live(&self, power: &CancellationToken) -> Result<()> {
        loop {
            let network_first = self.take_flags();
            let exit = if network_first {
                match self.netboot(power).await? {
                    None => self.run_disk().await?,
                    exit => exit,
                }
            } else {
                match self.run_disk().await? {
                    // Nothing to boot there: firmware falls through to the network.
                    None => self.netboot(power).await?,
                    exit => exit,
                }
            };
            match exit {
                Some(Exit::Reboot | Exit::RebootToDisk) => {}
                Some(Exit::PowerOff | Exit::Cancelled) => return Ok(()),
                // Nothing to boot anywhere: a line on the screen, for ever.
                None => std::future::pending().await,
            }
        }
    }

    /// Whether this boot is from the network first; a flag for one boot is used up by it.
    fn take_flags(&self) -> bool {
        self.with(|state| {
            let flags = state.flags;
            if !flags.persistent {
                state.flags = BootFlags::default();
            }
            flags.device.map_or(self.network_first, |device| device == BootDevice::Network)
        })
    }

    /// The operating system on the disk runs until power goes off; `None`: there is none.
    async fn run_disk(&self) -> Result<Option<Exit>> {
        if self.boot_disk().await? { std::future::pending().await } else { Ok(None) }
    }

    /// Fetches the boot script and runs what it says; `None`: it says "disk".
    async fn netboot(&self, power: &CancellationToken) -> Result<Option<Exit>> {
        let script = self.script().await?;
        let Some(kernel) = script.lines().find(|line| line.trim_start().starts_with("kernel ")) else {
            self.note("script: disk");
            return Ok(None);
        };
        self.note("script: agent");
        let boot = BootParameters::parse(kernel)?;
        let client = Arc::new(AgentClient::new(&boot.url, self.ca_pem.as_bytes())?);
        let pace = Pace {
            idle: Duration::from_millis(50),
            retry_first: Duration::from_millis(50),
            retry_most: Duration::from_millis(500),
            ..Pace::default()
        };
        let host = Arc::new(self.host.clone());
        Ok(Some(images_agent::run(host, client, boot.token, pace, power.clone()).await?))
    }

    /// Firmware asks again and again while nobody answers.
    async fn script(&self) -> Result<String> {
        loop {
            if let Ok(script) = http_get(self.boot, &format!("/boot/script?mac={}", self.mac)).await {
                return Ok(script);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// "Boots" the disk: an operating system is there if a seed is, and it phones home to the address in it.
    async fn boot_disk(&self) -> Result<bool> {
        let content = std::fs::read(&self.disk)?;
        let Some(url) = find_phone_home(&content) else {
            self.note("disk: nothing");
            return Ok(false);
        };
        let path =
            url.split_once("/boot/").map(|(_, path)| format!("/boot/{path}")).context("a phone-home path")?;
        loop {
            let form = "hostname=sim&pub_key_ed25519=ssh-ed25519+AAAA+root%40sim";
            if http_post(self.boot, &path, form).await.is_ok() {
                self.note("disk: phoned home");
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The URL in the seed's vendor-data.
fn find_phone_home(content: &[u8]) -> Option<String> {
    let marker = b"/boot/phone-home/";
    let at = content.windows(marker.len()).position(|window| window == marker)?;
    let outside = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'"' || *byte == 0;
    let start = content[..at].iter().rposition(outside)? + 1;
    let length = content[at..].iter().position(outside)?;
    String::from_utf8(content[start..at + length].to_vec()).ok()
}

pub(crate) async fn http_get(server: SocketAddr, path: &str) -> Result<String> {
    exchange(server, &format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")).await
}

async fn http_post(server: SocketAddr, path: &str, form: &str) -> Result<String> {
    let length = form.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\nContent-Length: {length}\r\n"
    );
    exchange(server, &format!("{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}")).await
}

/// Firmware's HTTP is as plain as this.
async fn exchange(server: SocketAddr, request: &str) -> Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer has a head")?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(body.to_owned())
}

/// What the BMCs control. Switching it on starts a task, which keeps the machine alive.
struct Wired(Arc<SimChassis>);

#[async_trait]
impl Chassis for Wired {
    async fn power(&self) -> Result<bool, ChassisError> {
        Ok(self.0.is_on())
    }

    async fn set_power(&self, on: bool) -> Result<(), ChassisError> {
        if !on {
            self.0.switch_off();
        } else if !self.0.is_on() {
            self.0.switch_on();
        }
        Ok(())
    }

    async fn reset(&self) -> Result<(), ChassisError> {
        if !self.0.is_on() {
            return Err(ChassisError("it is off".into()));
        }
        self.0.switch_off();
        self.0.switch_on();
        Ok(())
    }

    async fn shut_down(&self) -> Result<(), ChassisError> {
        self.set_power(false).await
    }

    async fn boot(&self) -> Result<BootFlags, ChassisError> {
        Ok(self.0.with(|state| state.flags))
    }

    async fn set_boot(&self, flags: BootFlags) -> Result<(), ChassisError> {
        self.0.with(|state| state.flags = flags);
        Ok(())
    }

    fn serial(&self) -> Option<Arc<dyn SerialPort>> {
        Some(Arc::clone(&self.0.serial) as Arc<dyn SerialPort>)
    }
}
