//! A fleet: its machines, in racks, with their BMCs; what an operator would say to add them; what they really are.

use super::bmc::{Bmc, BmcFault, Bmcs, Nameplate, PASSWORD, Protocol, Troubles, USER};
use super::disk::{Blocks, DiskFault, DiskSpec};
use super::entry::MachineTruth;
use super::eyes::Eyes;
use super::host::SimHost;
use super::image::FleetImage;
use super::model::{Compress, FirmwareKind, Path, PhaseName, Timings, Traits, uuid};
use super::scenario::{FirmwareMix, Mix};
use super::sim::Sim;
use super::wire::Wires;
use crate::dice::Dice;
use anyhow::{Context as _, Result};
use images_agent::Pace;
use provisioner_api::{BmcProtocol, BmcSpec, MachineCreate, Secret};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Most machines of a fleet: their BMCs' addresses are of two /10 networks, their names have five digits.
const MOST: u32 = 99_999;

/// What a fleet is like.
#[derive(Debug, Clone)]
pub struct FleetSpec {
    /// How many machines.
    pub machines: u32,
    /// Which machines, by weights, and how many are in a rack.
    pub mix: Mix,
    /// How many times faster than in life the machines are.
    pub compress: f64,
    /// Where the dice start.
    pub seed: u64,
    /// Their disks.
    pub disk: DiskSpec,
    /// The image that will be deployed to them.
    pub image: Arc<FleetImage>,
}

/// Many simulated machines.
pub struct Fleet {
    machines: Vec<Arc<Sim>>,
    bmcs: Vec<Arc<Bmc>>,
    troubles: Arc<Troubles>,
    rack: u32,
}

impl Fleet {
    /// Screws machines into racks: their BMCs answer until `stop`, and they are off. Machines are numbered from 0.
    ///
    /// # Errors
    /// The BMCs' ports can't be had, or there are more machines than addresses.
    pub async fn start(
        spec: &FleetSpec,
        wires: Arc<Wires>,
        eyes: Arc<Eyes>,
        stop: CancellationToken,
    ) -> Result<Arc<Self>> {
        anyhow::ensure!(spec.machines <= MOST, "a fleet has {MOST} machines at the most");
        let bmcs = Bmcs::bind().await?;
        let blocks = Arc::new(Blocks::default());
        let (kinds, pace) = (Kinds::new(spec), pace(spec.compress));
        let mut fleet =
            Self { machines: vec![], bmcs: vec![], troubles: Arc::default(), rack: spec.mix.rack.max(1) };
        for number in 0..spec.machines {
            let (traits, protocol) = kinds.of(number);
            let name = format!("sim-{number:05}");
            let mac = Sim::mac_of(number);
            let host =
                SimHost::new(number, &mac, &spec.disk, blocks.clone(), spec.image.clone(), eyes.clone());
            let sim = Sim::new(number, name, traits, spec.seed, host, wires.clone(), eyes.clone(), pace);
            let plate = Nameplate { number, name: sim.name(), uuid: uuid(number), mac };
            fleet.bmcs.push(Arc::new(bmcs.add(&plate, protocol, sim.chassis())));
            fleet.machines.push(sim);
        }
        bmcs.run(&stop);
        let fleet = Arc::new(fleet);
        tokio::spawn({
            let fleet = Arc::downgrade(&fleet);
            async move {
                stop.cancelled().await;
                if let Some(fleet) = fleet.upgrade() {
                    fleet.machines.iter().for_each(|sim| sim.end());
                }
            }
        });
        Ok(fleet)
    }

    /// Its machines, by number.
    #[must_use]
    pub fn machines(&self) -> &[Arc<Sim>] {
        &self.machines
    }

    /// A machine and its BMC.
    fn find(&self, number: u32) -> Option<(&Arc<Sim>, &Arc<Bmc>)> {
        let place = number as usize;
        Some((self.machines.get(place)?, self.bmcs.get(place)?))
    }

    /// What an operator would say to add a machine.
    ///
    /// # Errors
    /// There is no such machine.
    pub fn enrolment(&self, number: u32) -> Result<MachineCreate> {
        let (sim, bmc) = self.find(number).with_context(|| format!("there is no machine {number}"))?;
        let protocol = match bmc.protocol() {
            Protocol::Ipmi => BmcProtocol::Ipmi,
            Protocol::Redfish => BmcProtocol::Redfish,
        };
        let (address, username) = (bmc.address().to_string(), USER.into());
        let bmc = BmcSpec { address, username, ..BmcSpec::new(protocol) };
        Ok(MachineCreate {
            bmc_password: Secret::new(PASSWORD),
            labels: BTreeMap::from([("rack".to_owned(), self.rack_of(number).to_string())]),
            ..MachineCreate::new(sim.name(), sim.mac(), bmc)
        })
    }

    /// In which rack a machine is; the first is 0.
    #[must_use]
    pub fn rack_of(&self, number: u32) -> u32 {
        number / self.rack
    }

    /// How many racks there are.
    #[must_use]
    pub fn racks(&self) -> u32 {
        u32::try_from(self.machines.len()).unwrap_or(u32::MAX).div_ceil(self.rack)
    }

    /// The machines of a rack.
    fn in_rack(&self, rack: u32) -> impl Iterator<Item = u32> {
        let first = rack.saturating_mul(self.rack);
        let end = u32::try_from(self.machines.len()).unwrap_or(u32::MAX);
        first.min(end)..first.saturating_add(self.rack).min(end)
    }

    /// What the machines really are, looked up in the simulation. Looks at every byte of every disk.
    #[must_use]
    pub fn truth(&self) -> Vec<MachineTruth> {
        let one = |(sim, bmc): (&Arc<Sim>, &Arc<Bmc>)| MachineTruth {
            bmc_sessions: bmc.sessions(),
            bmc_half_open: bmc.half_open(),
            ..sim.truth()
        };
        self.machines.iter().zip(&self.bmcs).map(one).collect()
    }

    /// How many machines are where in their lives. All phases are there.
    #[must_use]
    pub fn phases(&self) -> BTreeMap<PhaseName, usize> {
        let mut phases: BTreeMap<PhaseName, usize> =
            PhaseName::ALL.into_iter().map(|phase| (phase, 0)).collect();
        for sim in &self.machines {
            *phases.entry(sim.phase()).or_default() += 1;
        }
        phases
    }

    /// A fault of a machine's BMC begins or ends. Needs a runtime.
    ///
    /// # Errors
    /// There is no such fault or machine.
    pub fn bmc_fault(&self, number: u32, name: &str, on: bool) -> Result<()> {
        let fault: BmcFault = name.parse()?;
        let (_, bmc) = self.find(number).with_context(|| format!("there is no machine {number}"))?;
        Troubles::set(&self.troubles, number, bmc, fault, on);
        Ok(())
    }

    /// A fault of a machine's disk begins or ends. There is one at a time; another one ends it.
    ///
    /// # Errors
    /// There is no such fault or machine.
    pub fn disk_fault(&self, number: u32, name: &str, on: bool) -> Result<()> {
        let fault: DiskFault = name.parse()?;
        let (sim, _) = self.find(number).with_context(|| format!("there is no machine {number}"))?;
        if on {
            sim.host().set_fault(Some(fault));
        } else if sim.host().fault() == Some(fault) {
            sim.host().set_fault(None);
        }
        Ok(())
    }

    /// A rack loses its power, its BMCs' too, or gets it back: then its machines are as they were.
    pub fn rack_power(&self, rack: u32, on: bool) {
        for number in self.in_rack(rack) {
            let Some((sim, bmc)) = self.find(number) else { continue };
            if on {
                sim.restore_power();
            } else {
                sim.cut_power();
                bmc.forget_sessions();
            }
            Troubles::set(&self.troubles, number, bmc, BmcFault::Dead, !on);
        }
    }
}

/// The kinds of machines of a fleet, and which machine is of which.
struct Kinds {
    kinds: [Arc<Traits>; 3],
    firmware: [u32; 3],
    protocols: [u32; 2],
    dice: Dice,
}

impl Kinds {
    fn new(spec: &FleetSpec) -> Self {
        let timings = Compress(spec.compress).timings(&Timings::default());
        let kinds = FirmwareKind::ALL.map(|firmware| {
            // As servers are delivered: disk first.
            Arc::new(Traits { firmware, network_first: false, path: Path::Full, timings })
        });
        let Mix { ipmi, redfish, firmware: FirmwareMix { bios_pxe, uefi_pxe, uefi_http }, .. } = spec.mix;
        let firmware = [bios_pxe, uefi_pxe, uefi_http];
        Self { kinds, firmware, protocols: [ipmi, redfish], dice: Dice::new(spec.seed) }
    }

    /// Each machine's kind comes from its own number, so that a larger fleet begins with the same machines.
    fn of(&self, number: u32) -> (Arc<Traits>, Protocol) {
        let mut dice = self.dice.fork("kind", number.into());
        let firmware = pick(&self.firmware, &mut dice);
        let protocol = [Protocol::Ipmi, Protocol::Redfish][pick(&self.protocols, &mut dice)];
        (Arc::clone(&self.kinds[firmware]), protocol)
    }
}

/// One of these, by weights; the first if there are none.
fn pick(weights: &[u32], dice: &mut Dice) -> usize {
    let total: f64 = weights.iter().copied().map(f64::from).sum();
    let mut left = dice.roll() * total;
    for (place, weight) in weights.iter().copied().enumerate() {
        left -= f64::from(weight);
        if left < 0.0 {
            return place;
        }
    }
    0
}

/// The pace of the agents: compressed, but no faster than a service that pushes back can bear.
fn pace(compress: f64) -> Pace {
    let usual = Pace::default();
    let least = |time: Duration| Compress(compress).time(time).max(Duration::from_millis(250));
    Pace {
        // The service holds the answer back: that costs nobody anything.
        order_wait: usual.order_wait,
        idle: least(usual.idle),
        progress: usual.progress,
        retry_first: least(usual.retry_first),
        retry_most: least(usual.retry_most).max(Duration::from_secs(2)),
    }
}

#[cfg(test)]
mod tests;
