//! The model: where a machine is in its life, and what follows of what happens to it.
//!
//! A life begins when power or a reset button starts the machine and ends when it stops or starts anew; what was under
//! way for an earlier life is not heard any more.

use super::deed::{Content, Fetch, Input, Item, Origin, Output, Outputs, Refusal};
use super::dhcp_client::{DhcpClient, Heard, Lease, Stage, Who};
use super::phase::PhaseName;
use super::script::{self, Script};
use super::traits::{Path, Timings, Traits};
use crate::dice::Dice;
use crate::fleet::entry::Seen;
use crate::fleet::host::PhoneHome;
use bmc_mock::{BootDevice, BootFlags};
use images_agent::{BootParameters, Exit};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// What is kept of a boot script, in bytes.
const SCRIPT: usize = 64 * 1024;
/// What is kept of a unified kernel image: its command line is in its beginning, behind the stub.
const IMAGE_HEAD: usize = 1 << 20;

/// A machine.
#[derive(Debug)]
pub struct Model {
    number: u32,
    mac: [u8; 6],
    traits: Arc<Traits>,
    dice: Dice,
    flags: BootFlags,
    life: u32,
    timers: u32,
    /// The timer that counts.
    timer: Option<u32>,
    /// The devices that are still to be tried in this boot, the next first.
    devices: [Option<Device>; 2],
    address: Option<Ipv4Addr>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Device {
    Network,
    Disk,
}

/// What large states there are, are on the heap: most machines rest.
#[derive(Debug)]
enum Phase {
    Off,
    /// Until the timer rings.
    Wait(Box<Then>),
    Dhcp(Box<Dhcp>),
    /// Until the file is here.
    Fetching(Box<Job>),
    Agent,
    /// Until it is known what the disk has, or what was loaded.
    Looking,
    /// Until the service heard it.
    Calling(Box<Call>),
    Running(Box<str>),
    Hung,
}

/// What a wait is for.
#[derive(Debug)]
enum Then {
    /// The first boot device.
    Devices,
    /// An address.
    Dhcp(Stage),
    /// The file again.
    Fetch(Job),
    /// The agent's kernel runs.
    Kernel(BootParameters),
    /// The system on the disk starts.
    System(PhoneHome),
    /// Another call.
    Call(Call),
}

#[derive(Debug)]
struct Dhcp {
    stage: Stage,
    client: DhcpClient,
    after: Option<After>,
}

/// What needs an address, where that isn't asked of DHCP.
#[derive(Debug)]
enum After {
    Agent(BootParameters),
    System(PhoneHome),
}

#[derive(Debug)]
struct Call {
    home: PhoneHome,
    failed: u32,
}

/// Something to fetch, and what goes with it.
#[derive(Debug, Clone)]
struct Job {
    fetch: Fetch,
    /// Tries of this, or of the kernel that belongs to it, that failed.
    failed: u32,
    /// Kernel and ramdisk to come, and what they are started with.
    agent: Option<Box<AgentFiles>>,
}

#[derive(Debug, Clone)]
struct AgentFiles {
    kernel: String,
    ramdisk: Option<String>,
    boot: BootParameters,
}

impl Model {
    /// A machine that is off and has no boot flags.
    #[must_use]
    pub fn new(number: u32, mac: [u8; 6], traits: Arc<Traits>, seed: u64) -> Self {
        Self {
            number,
            mac,
            traits,
            dice: Dice::new(seed).fork("machine", number.into()),
            flags: BootFlags::default(),
            life: 0,
            timers: 0,
            timer: None,
            devices: [None; 2],
            address: None,
            phase: Phase::Off,
        }
    }

    /// Whether it is on.
    #[must_use]
    pub fn power(&self) -> bool {
        !matches!(self.phase, Phase::Off)
    }

    /// Its boot flags.
    #[must_use]
    pub fn flags(&self) -> BootFlags {
        self.flags
    }

    /// Which life it lives: the inputs of this one count.
    #[must_use]
    pub fn life(&self) -> u32 {
        self.life
    }

    /// Whether it waits for nothing: it is off, runs, or has nothing to boot.
    #[must_use]
    pub fn rests(&self) -> bool {
        matches!(self.phase, Phase::Off | Phase::Running(_) | Phase::Hung)
    }

    /// The instance whose system runs or starts.
    #[must_use]
    pub fn runs(&self) -> Option<&str> {
        match &self.phase {
            Phase::Running(instance) => Some(instance),
            Phase::Calling(call) => Some(&call.home.instance),
            Phase::Wait(then) => match &**then {
                Then::System(home) => Some(&home.instance),
                Then::Call(call) => Some(&call.home.instance),
                _ => None,
            },
            Phase::Dhcp(dhcp) => match &dhcp.after {
                Some(After::System(home)) => Some(&home.instance),
                _ => None,
            },
            _ => None,
        }
    }

    /// Where in its life it is.
    #[must_use]
    pub fn phase(&self) -> PhaseName {
        match &self.phase {
            Phase::Off => PhaseName::Off,
            Phase::Wait(then) => match &**then {
                Then::Devices => PhaseName::Post,
                Then::Dhcp(_) => PhaseName::Dhcp,
                Then::Fetch(_) => PhaseName::Fetch,
                Then::Kernel(_) => PhaseName::Kernel,
                Then::System(_) | Then::Call(_) => PhaseName::Disk,
            },
            Phase::Dhcp(_) => PhaseName::Dhcp,
            Phase::Fetching(_) => PhaseName::Fetch,
            Phase::Agent => PhaseName::Agent,
            Phase::Looking | Phase::Calling(_) => PhaseName::Disk,
            Phase::Running(_) => PhaseName::Running,
            Phase::Hung => PhaseName::Hung,
        }
    }

    /// Something happens. What comes from outside (power, reset, boot flags) happens in any life; everything else only
    /// in its own.
    pub fn step(&mut self, life: u32, input: Input) -> Outputs {
        let mut out = Outputs::new();
        match input {
            Input::Power(true) if !self.power() => {
                out.push(Output::Note(Seen::Power { on: true }));
                self.start(None, &mut out);
            }
            Input::Power(false) if self.power() => self.stop(&mut out),
            Input::Reset if self.power() => self.start(None, &mut out),
            Input::SetBoot(flags) => {
                self.flags = flags;
                out.push(Output::Note(Seen::BootSet {
                    device: flags.device.map_or("none", BootDevice::word).into(),
                }));
            }
            Input::Power(_) | Input::Reset => {}
            own if life == self.life && self.power() => self.lives(own, &mut out),
            _ => {}
        }
        out
    }

    /// Something of this life.
    fn lives(&mut self, input: Input, out: &mut Outputs) {
        match (input, &mut self.phase) {
            (Input::Timer(number), _) if self.timer == Some(number) => {
                self.timer = None;
                self.rang(out);
            }
            (Input::Dhcp(bytes), Phase::Dhcp(_)) => self.heard(bytes, out),
            (Input::Fetched(result), Phase::Fetching(_)) => {
                let Phase::Fetching(job) = std::mem::replace(&mut self.phase, Phase::Hung) else { return };
                match result {
                    Ok(content) => self.fetched(*job, &content, out),
                    Err(refusal) => self.not_fetched(*job, refusal, out),
                }
            }
            (Input::AgentEnded(ended), Phase::Agent) => self.agent_ended(ended, out),
            (Input::Found(home), Phase::Looking) => match home {
                Some(home) => self.wait(self.traits.timings.system, Then::System(home), out),
                None => {
                    out.push(Output::Note(Seen::NothingOnDisk));
                    self.next_device(out);
                }
            },
            (Input::PhonedHome(heard), Phase::Calling(_)) => {
                let Phase::Calling(mut call) = std::mem::replace(&mut self.phase, Phase::Hung) else {
                    return;
                };
                if heard {
                    let instance = call.home.instance;
                    self.phase = Phase::Running(instance.as_str().into());
                    out.push(Output::Note(Seen::PhonedHome { instance }));
                } else {
                    let pause = Timings::backoff(self.traits.timings.retry, call.failed);
                    call.failed = call.failed.saturating_add(1);
                    self.wait(pause, Then::Call(*call), out);
                }
            }
            _ => {}
        }
    }

    /// A life begins, from this device first if it says so.
    fn start(&mut self, first: Option<Device>, out: &mut Outputs) {
        let flagged = self.take_flags();
        let network = match first {
            Some(device) => device == Device::Network,
            None => flagged,
        };
        self.devices = if network {
            [Some(Device::Network), Some(Device::Disk)]
        } else {
            [Some(Device::Disk), Some(Device::Network)]
        };
        self.life = self.life.wrapping_add(1);
        self.address = None;
        out.push(Output::Cut);
        let timings = &self.traits.timings;
        let spread = timings.post_spread.mul_f64(self.dice.roll() * 2.0);
        let post = (timings.post + spread).saturating_sub(timings.post_spread);
        self.wait(post, Then::Devices, out);
    }

    /// Whether this boot is from the network first; a flag for one boot is used up by it.
    fn take_flags(&mut self) -> bool {
        let flags = self.flags;
        if !flags.persistent {
            self.flags = BootFlags::default();
        }
        let network = |device| matches!(device, BootDevice::Network | BootDevice::Http);
        flags.device.map_or(self.traits.network_first, network)
    }

    /// Power goes off.
    fn stop(&mut self, out: &mut Outputs) {
        self.phase = Phase::Off;
        self.timer = None;
        out.push(Output::Cut);
        out.push(Output::Note(Seen::Power { on: false }));
    }

    fn wait(&mut self, after: Duration, then: Then, out: &mut Outputs) {
        self.phase = Phase::Wait(Box::new(then));
        self.set_timer(after, out);
    }

    fn set_timer(&mut self, after: Duration, out: &mut Outputs) {
        self.timers = self.timers.wrapping_add(1);
        self.timer = Some(self.timers);
        out.push(Output::Timer { number: self.timers, after });
    }

    fn rang(&mut self, out: &mut Outputs) {
        match std::mem::replace(&mut self.phase, Phase::Hung) {
            Phase::Wait(then) => match *then {
                Then::Devices => self.next_device(out),
                Then::Dhcp(stage) => {
                    let client = DhcpClient::new(&mut self.dice);
                    self.ask(Dhcp { stage, client, after: None }, out);
                }
                Then::Fetch(job) => self.fetch(job, out),
                Then::Kernel(boot) => self.agent_needs_address(boot, out),
                Then::System(home) => self.system_needs_address(home, out),
                Then::Call(call) => self.call(call, out),
            },
            Phase::Dhcp(mut dhcp) => {
                dhcp.client.timed_out(&mut self.dice);
                self.ask(*dhcp, out);
            }
            other => self.phase = other,
        }
    }

    /// The next boot device; with none left, a line on the screen, for ever.
    fn next_device(&mut self, out: &mut Outputs) {
        let [next, last] = self.devices;
        self.devices = [last, None];
        match (next, self.traits.path) {
            (None, _) => self.phase = Phase::Hung,
            (Some(Device::Disk), _) => {
                self.phase = Phase::Looking;
                out.push(Output::LookAtDisk);
            }
            (Some(Device::Network), Path::Full) => {
                self.wait(self.traits.timings.rom, Then::Dhcp(Stage::Firmware), out);
            }
            (Some(Device::Network), Path::Script) => {
                let [a, b, c, d, e, f] = self.mac;
                let path = format!("/boot/script?mac={a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
                self.fetch(Job::new(Item::Script, Origin::Http(path), SCRIPT), out);
            }
        }
    }

    /// Sends what its DHCP client has to say now, and waits for the answer.
    fn ask(&mut self, dhcp: Dhcp, out: &mut Outputs) {
        out.push(Output::Dhcp(dhcp.client.datagram(&self.who(dhcp.stage))));
        let patience = Timings::backoff(self.traits.timings.dhcp_retry, dhcp.client.failed());
        self.phase = Phase::Dhcp(Box::new(dhcp));
        self.set_timer(patience, out);
    }

    fn who(&self, stage: Stage) -> Who {
        Who { stage, firmware: self.traits.firmware, mac: self.mac, uuid: uuid_on_wire(self.number) }
    }

    fn heard(&mut self, bytes: Vec<u8>, out: &mut Outputs) {
        let Phase::Dhcp(dhcp) = &mut self.phase else { return };
        let who = Who {
            stage: dhcp.stage,
            firmware: self.traits.firmware,
            mac: self.mac,
            uuid: uuid_on_wire(self.number),
        };
        match dhcp.client.hear(bytes, &who, &mut self.dice) {
            Heard::Nothing => {}
            Heard::Offered => {
                let Phase::Dhcp(dhcp) = std::mem::replace(&mut self.phase, Phase::Hung) else { return };
                self.ask(*dhcp, out);
            }
            Heard::Refused => {
                out.push(Output::Note(Seen::Nak));
                self.set_timer(self.traits.timings.dhcp_retry, out);
            }
            Heard::Leased(lease) => {
                let Phase::Dhcp(dhcp) = std::mem::replace(&mut self.phase, Phase::Hung) else { return };
                self.leased(*dhcp, lease, out);
            }
        }
    }

    fn leased(&mut self, dhcp: Dhcp, lease: Lease, out: &mut Outputs) {
        let Lease { address, seconds, next_server, file } = lease;
        self.address = Some(address);
        self.timer = None;
        out.push(Output::DhcpDone);
        out.push(Output::Note(Seen::Ack { address, lease_s: seconds, mac: mac_text(self.mac) }));
        match (dhcp.after, dhcp.stage, file) {
            (Some(After::Agent(boot)), ..) => self.start_agent(boot, out),
            (Some(After::System(home)), ..) => self.call(Call { home, failed: 0 }, out),
            // An address alone: boot from the disk.
            (None, _, None) => self.next_device(out),
            (None, Stage::Firmware, Some(file)) => {
                let keep = if script::is_uki(&file) { IMAGE_HEAD } else { 0 };
                let origin = if file.starts_with("http://") {
                    Origin::Http(file)
                } else {
                    Origin::Tftp { server: next_server, file }
                };
                self.fetch(Job::new(Item::Loader, origin, keep), out);
            }
            (None, _, Some(file)) => self.fetch(Job::new(Item::Script, Origin::Http(file), SCRIPT), out),
        }
    }

    fn fetch(&mut self, mut job: Job, out: &mut Outputs) {
        job.fetch.from = self.address;
        out.push(Output::Fetch(job.fetch.clone()));
        self.phase = Phase::Fetching(Box::new(job));
    }

    fn fetched(&mut self, job: Job, content: &Content, out: &mut Outputs) {
        let item = job.fetch.item;
        out.push(Output::Note(Seen::Fetched { file: item.word().into(), bytes: content.bytes }));
        match item {
            Item::Loader if job.fetch.keep > 0 => match script::uki_command_line(&content.kept) {
                Ok(boot) => self.wait(self.traits.timings.kernel, Then::Kernel(boot), out),
                Err(why) => self.broke(why, out),
            },
            Item::Loader => self.wait(self.traits.timings.rom, Then::Dhcp(Stage::Ipxe), out),
            Item::Script => match Script::read(&String::from_utf8_lossy(&content.kept)) {
                Ok(Script::Disk) => {
                    out.push(Output::Note(Seen::Script { agent: false }));
                    self.next_device(out);
                }
                Ok(Script::Later { again, pause }) => {
                    let again = Job::new(Item::Script, Origin::Http(again), SCRIPT);
                    self.wait(pause, Then::Fetch(again), out);
                }
                Ok(Script::Agent { kernel, ramdisk, boot }) => {
                    out.push(Output::Note(Seen::Script { agent: true }));
                    if self.traits.path == Path::Script {
                        return self.start_agent(boot, out);
                    }
                    self.fetch(AgentFiles { kernel, ramdisk, boot }.kernel_job(0), out);
                }
                Err(why) => self.broke(why, out),
            },
            Item::Kernel | Item::Ramdisk => {
                let Some(files) = job.agent else { return self.broke("a kernel of nobody".into(), out) };
                let ramdisk = files.ramdisk.clone().filter(|_| item == Item::Kernel);
                match ramdisk {
                    Some(url) => {
                        let next = Job::new(Item::Ramdisk, Origin::Http(url), 0);
                        self.fetch(Job { failed: job.failed, agent: Some(files), ..next }, out);
                    }
                    None => self.wait(self.traits.timings.kernel, Then::Kernel(files.boot), out),
                }
            }
        }
    }

    /// A file is not to be had. What firmware and script then do:
    fn not_fetched(&mut self, mut job: Job, refusal: Refusal, out: &mut Outputs) {
        let timings = &self.traits.timings;
        let pause = Timings::backoff(timings.retry, job.failed);
        let exhausted = job.failed + 1 >= timings.tries;
        job.failed = job.failed.saturating_add(1);
        match (job.fetch.item, refusal) {
            // There is never anything at the address that stands for the disk.
            (Item::Loader, Refusal::Refused) => self.next_device(out),
            (Item::Loader, Refusal::Lost) if exhausted => {
                self.wait(pause, Then::Dhcp(Stage::Firmware), out);
            }
            // The script says so: all again, and in the end back to the firmware.
            (Item::Kernel | Item::Ramdisk, _) if exhausted => self.next_device(out),
            (Item::Kernel | Item::Ramdisk, _) => {
                let Some(files) = job.agent else { return self.next_device(out) };
                let again = files.kernel_job(job.failed);
                self.wait(pause, Then::Fetch(again), out);
            }
            (Item::Loader | Item::Script, _) => self.wait(pause, Then::Fetch(job), out),
        }
    }

    fn agent_needs_address(&mut self, boot: BootParameters, out: &mut Outputs) {
        let client = DhcpClient::new(&mut self.dice);
        self.ask(Dhcp { stage: Stage::Ramdisk, client, after: Some(After::Agent(boot)) }, out);
    }

    fn system_needs_address(&mut self, home: PhoneHome, out: &mut Outputs) {
        if self.traits.path == Path::Script {
            return self.call(Call { home, failed: 0 }, out);
        }
        let client = DhcpClient::new(&mut self.dice);
        self.ask(Dhcp { stage: Stage::System, client, after: Some(After::System(home)) }, out);
    }

    fn start_agent(&mut self, boot: BootParameters, out: &mut Outputs) {
        self.phase = Phase::Agent;
        out.push(Output::StartAgent { boot, from: self.address });
    }

    fn agent_ended(&mut self, ended: Result<Exit, String>, out: &mut Outputs) {
        match ended {
            Ok(Exit::Reboot) => self.start(None, out),
            // The agent sets UEFI's BootNext; a BIOS has no such thing.
            Ok(Exit::RebootToDisk) => {
                let next = self.traits.path == Path::Full && self.traits.firmware.is_uefi();
                self.start(next.then_some(Device::Disk), out);
            }
            // No firmware comes between: the same life goes on with another kernel.
            Ok(Exit::StartLoaded) => {
                self.phase = Phase::Looking;
                out.push(Output::LookAtLoaded);
            }
            Ok(Exit::PowerOff | Exit::Cancelled) => self.stop(out),
            Err(why) => self.broke(why, out),
        }
    }

    fn call(&mut self, call: Call, out: &mut Outputs) {
        out.push(Output::Call { url: call.home.url.clone(), from: self.address });
        self.phase = Phase::Calling(Box::new(call));
    }

    fn broke(&mut self, why: String, out: &mut Outputs) {
        out.push(Output::Note(Seen::Broke { why }));
        self.stop(out);
    }
}

impl Job {
    fn new(item: Item, origin: Origin, keep: usize) -> Self {
        Self { fetch: Fetch { item, origin, from: None, keep }, failed: 0, agent: None }
    }
}

impl AgentFiles {
    fn kernel_job(self, failed: u32) -> Job {
        let job = Job::new(Item::Kernel, Origin::Http(self.kernel.clone()), 0);
        Job { failed, agent: Some(Box::new(self)), ..job }
    }
}

fn mac_text([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// The UUID of a machine as text has it: `00000000-0000-4000-8000-0000` and its number.
pub(in crate::fleet) fn uuid(number: u32) -> [u8; 16] {
    let mut uuid = [0; 16];
    uuid[6] = 0x40;
    uuid[8] = 0x80;
    uuid[12..].copy_from_slice(&number.to_be_bytes());
    uuid
}

/// The same on the wire: the first three fields are little-endian (DSP0134, 7.2.1).
fn uuid_on_wire(number: u32) -> [u8; 16] {
    let mut uuid = uuid(number);
    uuid[..4].reverse();
    uuid[4..6].reverse();
    uuid[6..8].reverse();
    uuid
}

#[cfg(test)]
mod tests;
