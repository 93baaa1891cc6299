//! A simulated machine as its agent sees it: an inventory, disks, a console of few lines. It also knows what the agent
//! doesn't ask: what its disks really hold.
//!
//! What the machine does is not here (`model`), nor the disks themselves (`disk`).

mod system;

pub use system::PhoneHome;

use super::disk::{Blocks, Content, DiskFault, DiskSpec, Hand, OpenSimDisk, Platter, Witness, lock};
use super::entry::{DiskTruth, Seen};
use super::eyes::Eyes;
use super::image::FleetImage;
use images::write::Crew;
use images_agent::{Host, HostError, LoadError, OpenDisk};
use provisioner_api::{BootMode, Cpu, Disk, Inventory, Nic, RescueAccess};
use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Lines of the console that are kept.
const LINES: usize = 12;

/// A simulated machine's inside. Clones are the same machine.
#[derive(Clone)]
pub struct SimHost(Arc<Machine>);

struct Machine {
    number: u32,
    mac: Box<str>,
    spec: DiskSpec,
    image: Option<Arc<FleetImage>>,
    eyes: Arc<Eyes>,
    blocks: Arc<Blocks>,
    /// What is on canaries.
    canary: Content,
    /// The first is for systems, then come the canaries, then those for data.
    disks: Vec<Arc<Platter>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Box<str>>,
    /// The order in hand; the number counts them.
    order: Hand,
    /// The system that was loaded to run from RAM.
    loaded: Option<Loaded>,
    /// Who may log in to its rescue system, while that runs.
    rescued: Option<Vec<String>>,
    /// Cancelled when the power is cut: what was open then is open no more.
    life: CancellationToken,
}

/// A system that was loaded to run from RAM.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The kernel's command line.
    pub cmdline: String,
    /// SHA-256 of kernel and initrd, the seed aside, as the image has them.
    pub image: String,
    /// Where it reports in, if its seed says so.
    home: Option<PhoneHome>,
}

impl SimHost {
    /// A machine with this MAC address and empty disks, whose canaries hold something. `image` is what its truth is
    /// compared with; none: nothing.
    #[must_use]
    pub fn new(
        number: u32,
        mac: &str,
        spec: &DiskSpec,
        blocks: Arc<Blocks>,
        image: impl Into<Option<Arc<FleetImage>>>,
        eyes: Arc<Eyes>,
    ) -> Self {
        let canary = canary(&blocks, if spec.canaries > 0 { spec.bytes() } else { 0 });
        let contents = std::iter::once(Content::blank(&blocks))
            .chain((0..spec.canaries).map(|_| canary.clone()))
            .chain((0..spec.data).map(|_| Content::blank(&blocks)));
        let disks = contents.map(|content| Arc::new(Platter::new(spec.bytes(), content))).collect();
        let state = Mutex::new(State { order: Hand { number: 1, step: None }, ..State::default() });
        let (mac, spec, image) = (mac.into(), spec.clone(), image.into());
        Self(Arc::new(Machine { number, mac, spec, image, eyes, blocks, canary, disks, state }))
    }

    /// The system on its disk: where it reports in, and who it is. None: there is no system.
    #[must_use]
    pub fn found_on_disk(&self) -> Option<PhoneHome> {
        if self.0.disks[0].fault() == Some(DiskFault::Gone) {
            return None;
        }
        self.0.look()?.home
    }

    /// Who the system is that was loaded last: where it reports in. None: there is none.
    #[must_use]
    pub fn found_loaded(&self) -> Option<PhoneHome> {
        self.loaded()?.home
    }

    /// The system that was loaded since power came.
    #[must_use]
    pub fn loaded(&self) -> Option<Loaded> {
        lock(&self.0.state).loaded.clone()
    }

    /// What its disks really hold.
    #[must_use]
    pub fn disks_truth(&self) -> Vec<DiskTruth> {
        (0..self.0.disks.len()).map(|at| self.0.truth(at)).collect()
    }

    /// Every byte of the disk for systems.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        self.content_of(0)
    }

    /// Every byte of the first disk for data. None: it has no such disk.
    #[must_use]
    pub fn data_content(&self) -> Option<Vec<u8>> {
        self.0.data().next().map(|at| self.content_of(at))
    }

    fn content_of(&self, at: usize) -> Vec<u8> {
        let content = self.0.disks[at].inner().content.clone();
        let mut bytes = vec![0; usize::try_from(self.0.spec.bytes()).unwrap_or(usize::MAX)];
        content.read(&mut bytes, 0);
        bytes
    }

    /// Somebody's data is on the beginning of the disk for systems, from before it came here. What has no room is left
    /// out.
    pub fn put_on_disk(&self, bytes: &[u8]) {
        self.put(0, bytes);
    }

    /// The same on the beginning of each disk for data.
    pub fn put_on_data(&self, bytes: &[u8]) {
        self.0.data().for_each(|at| self.put(at, bytes));
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        let room = usize::try_from(self.0.spec.bytes()).unwrap_or(usize::MAX);
        let mut inner = self.0.disks[at].inner();
        inner.content.write(&bytes[..bytes.len().min(room)], 0);
        inner.changed = true;
    }

    /// When the disk for systems was written for the first and for the last time in the last order that wrote it.
    #[must_use]
    pub fn wrote(&self) -> Option<(Instant, Instant)> {
        self.0.disks[0].inner().wrote
    }

    /// Breaks the disk for systems, or mends it.
    pub fn set_fault(&self, fault: Option<DiskFault>) {
        self.0.disks[0].set_fault(fault);
    }

    /// Breaks the disks for data, or mends them.
    pub fn set_data_fault(&self, fault: Option<DiskFault>) {
        self.0.data().for_each(|at| self.0.disks[at].set_fault(fault));
    }

    /// What is wrong with the disk for systems.
    #[must_use]
    pub fn fault(&self) -> Option<DiskFault> {
        self.0.disks[0].fault()
    }

    /// Tells the disks which step of an order the agent has in hand; none: it has none.
    pub fn order_in_hand(&self, step: Option<String>) {
        let order = &mut lock(&self.0.state).order;
        *order = Hand { number: order.number + 1, step: step.map(Into::into) };
    }

    /// Power is cut, or the machine starts anew: nothing is written any more to disks that were opened before.
    pub fn power_cut(&self) {
        let life = {
            let mut state = lock(&self.0.state);
            state.loaded = None;
            state.rescued = None;
            std::mem::take(&mut state.life)
        };
        life.cancel();
        // Whoever was in the middle of a write has ended it when the lock is free.
        for disk in &self.0.disks {
            drop(disk.inner());
        }
        // Not before: whoever was in the middle of a write wrote it for the order that was in hand.
        self.order_in_hand(None);
    }

    /// Who may log in to its rescue system. None: that does not run.
    #[must_use]
    pub fn rescued(&self) -> Option<Vec<String>> {
        lock(&self.0.state).rescued.clone()
    }

    /// What was said on the console: the last lines.
    #[must_use]
    pub fn console(&self) -> Vec<String> {
        lock(&self.0.state).lines.iter().map(ToString::to_string).collect()
    }
}

/// What is on a canary of so many bytes: something at its start and in its middle, the same on all.
fn canary(blocks: &Arc<Blocks>, bytes: u64) -> Content {
    let mut content = Content::blank(blocks);
    let text = b"Nobody may write to this disk. ".repeat(16);
    for at in [0, bytes / 2] {
        if at + (text.len() as u64) < bytes {
            content.write(&text, at);
        }
    }
    content.shrink();
    content
}

impl Machine {
    /// The places of the disks for data.
    fn data(&self) -> std::ops::Range<usize> {
        1 + self.spec.canaries as usize..self.disks.len()
    }

    fn is_canary(&self, at: usize) -> bool {
        at > 0 && at < self.data().start
    }

    /// What a disk says of itself.
    fn about(&self, at: usize) -> Disk {
        let (canary, data) = (self.is_canary(at), self.data().contains(&at));
        let word = if canary {
            "CANARY"
        } else if data {
            "DATA"
        } else {
            "DISK"
        };
        // An SMBIOS-like number: unique in the fleet, the same after a restart.
        let serial = format!("{word}{:06}-{at}", self.number);
        Disk {
            // By name, the canaries come first: who guesses takes the wrong one.
            name: match at.checked_sub(self.data().start) {
                Some(data) => format!("vd{}", letter(data + 1)),
                None if canary => format!("sd{}", letter(at - 1)),
                None => "vda".into(),
            },
            serial: Some(serial),
            wwn: None,
            model: Some("simulated disk".into()),
            size_bytes: self.spec.bytes(),
            rotational: false,
            removable: canary && !at.is_multiple_of(2),
            read_only: canary && at.is_multiple_of(2),
            sector_bytes: 512,
            ..Disk::default()
        }
    }

    /// Looks for a system on the first disk, and tells when there is another than before.
    fn look(&self) -> Option<system::Seed> {
        let disk = &self.disks[0];
        let content = {
            let mut inner = disk.inner();
            inner.changed = false;
            inner.content.clone()
        };
        let seed = system::seed(&content, self.spec.bytes());
        let instance = seed.as_ref().and_then(|seed| seed.home.as_ref()).map(|home| home.instance.as_str());
        let mut inner = disk.inner();
        if inner.seeded.as_deref() != instance {
            inner.seeded = instance.map(Into::into);
            drop(inner);
            if let Some(instance) = instance {
                self.eyes.see(self.number, Seen::Seeded { instance: instance.into() });
            }
        }
        seed
    }

    fn truth(&self, at: usize) -> DiskTruth {
        let serial = self.about(at).serial.unwrap_or_default();
        let content = self.disks[at].inner().content.clone();
        if self.data().contains(&at) {
            let blank = content.is_blank();
            return DiskTruth { serial, intact: true, blank, ..DiskTruth::default() };
        }
        if at > 0 {
            let intact = content == self.canary;
            return DiskTruth { serial, canary: true, intact, ..DiskTruth::default() };
        }
        let seed = system::seed(&content, self.spec.bytes());
        let place = seed.as_ref().map(|seed| &seed.place);
        DiskTruth {
            serial,
            canary: false,
            intact: true,
            blank: content.is_blank(),
            image_whole: self.image.as_ref().is_some_and(|image| image.whole(&content, &self.blocks, place)),
            instance: seed.and_then(|seed| seed.home).map(|home| home.instance),
        }
    }
}

/// The letters of disks' names: a to z, then again.
fn letter(at: usize) -> char {
    char::from(b'a' + (at % 26) as u8)
}

/// One of a machine's disks, as it sees itself.
struct Watch {
    machine: Arc<Machine>,
    at: usize,
}

impl Witness for Watch {
    fn order(&self) -> Hand {
        lock(&self.machine.state).order.clone()
    }

    fn wrote(&self, order: Hand) {
        let step = order.step.as_deref().map(ToOwned::to_owned);
        let disk = self.machine.about(self.at).serial.unwrap_or_default();
        self.machine
            .eyes
            .see(self.machine.number, Seen::Wrote { disk, step, canary: self.machine.is_canary(self.at) });
    }

    fn flushed(&self) {
        if self.at == 0 && self.machine.disks[0].inner().changed {
            self.machine.look();
        }
    }
}

impl Host for SimHost {
    fn inventory(&self) -> Result<Inventory, HostError> {
        let machine = &self.0;
        let nic = Nic {
            name: "eth0".into(),
            mac: machine.mac.as_ref().into(),
            driver: Some("virtio_net".into()),
            link: true,
            speed_mbps: Some(10_000),
            addresses: Vec::new(),
        };
        let there = |at: &usize| machine.disks[*at].fault() != Some(DiskFault::Gone);
        Ok(Inventory {
            serial: Some(format!("SIM{:06}", machine.number)),
            manufacturer: Some("Billet".into()),
            product: Some("simulated machine".into()),
            architecture: "x86_64".into(),
            boot_mode: Some(BootMode::Uefi),
            cpu: Cpu { model: "simulated".into(), threads: 2, cores: 2, sockets: 1 },
            memory_bytes: 4 << 30,
            disks: (0..machine.disks.len()).filter(there).map(|at| machine.about(at)).collect(),
            nics: vec![nic],
            ..Inventory::default()
        })
    }

    fn open(&self, disk: &Disk) -> Result<Box<dyn OpenDisk>, HostError> {
        let machine = &self.0;
        let Some(at) = (0..machine.disks.len()).find(|at| machine.about(*at).name == disk.name) else {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(HostError::Open { name: disk.name.clone(), source });
        };
        let found = machine.about(at).serial;
        if found != disk.serial {
            return Err(HostError::Exchanged {
                name: disk.name.clone(),
                expected: format!("{:?}", disk.serial),
                found: format!("{found:?}"),
            });
        }
        let life = lock(&machine.state).life.clone();
        let watch = Box::new(Watch { machine: Arc::clone(machine), at });
        let open = OpenSimDisk::open(Arc::clone(&machine.disks[at]), &machine.spec, watch, life);
        match open {
            Ok(open) => Ok(Box::new(open)),
            Err(source) => Err(HostError::Open { name: disk.name.clone(), source }),
        }
    }

    fn load_system(&self, kernel: &File, initrd: &File, cmdline: &str) -> Result<(), LoadError> {
        let loaded = system::loaded(kernel, initrd, cmdline).map_err(LoadError::Failed)?;
        lock(&self.0.state).loaded = Some(loaded);
        Ok(())
    }

    /// Nothing is unpacked, and nobody can log in; that it was asked for is kept, until the power is cut.
    fn start_rescue(&self, archive: &[u8], authorized_keys: &[String]) -> Result<RescueAccess, HostError> {
        if archive.is_empty() {
            return Err(HostError::Rescue("the archive is empty".into()));
        }
        lock(&self.0.state).rescued = Some(authorized_keys.to_vec());
        let host_key = format!("SHA256:sim{:06}", self.0.number);
        Ok(RescueAccess { addresses: vec!["127.0.0.1".into()], host_key })
    }

    /// One thread and small buffers: hundreds of machines write at once.
    fn crew(&self) -> Crew {
        Crew::ALONE
    }

    fn say(&self, line: &str) {
        let mut state = lock(&self.0.state);
        if state.lines.len() == LINES {
            state.lines.pop_front();
        }
        state.lines.push_back(line.into());
    }
}

#[cfg(test)]
mod tests;
