//! Faults begin and end: by the scenario and the dice, or as a journal has it. Each is written down.

use super::Deed;
use crate::dice::Dice;
use crate::fleet::disk::DiskFault;
use crate::fleet::entry::What;
use crate::fleet::fleet::Fleet;
use crate::fleet::journal::Change;
use crate::fleet::records::Postgres;
use crate::fleet::scenario::{Fault, FaultKind, NetworkFaults, Span};
use crate::fleet::{Eyes, Wires};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What any trouble on the way may lead to, if it lasts: parts of the reasons for which the service holds machines.
const SLOW: [&str; 2] = ["took longer than", "it was tried"];

/// Lets faults begin and end.
pub(crate) struct Faults {
    fleet: Arc<Fleet>,
    wires: Arc<Wires>,
    /// The database's server, if it is ours to stop.
    database: Option<Arc<Postgres>>,
    eyes: Arc<Eyes>,
    machines: u32,
    racks: u32,
    dice: Dice,
    active: Mutex<Vec<Deed>>,
}

impl Faults {
    pub(crate) fn new(
        fleet: Arc<Fleet>,
        wires: Arc<Wires>,
        database: Option<Arc<Postgres>>,
        eyes: Arc<Eyes>,
        dice: &Dice,
    ) -> Arc<Self> {
        let machines = u32::try_from(fleet.machines().len()).unwrap_or(u32::MAX);
        let (racks, dice) = (fleet.racks(), dice.fork("faults", 0));
        Arc::new(Self { fleet, wires, database, eyes, machines, racks, dice, active: Mutex::default() })
    }

    /// The faults of a phase, the `number`-th of the run, until `stop`; then all of them have ended.
    pub(crate) async fn during(
        self: Arc<Self>,
        phase: &str,
        number: u64,
        faults: &[Fault],
        script: Option<Vec<Change>>,
        stop: CancellationToken,
    ) {
        let mut running = JoinSet::new();
        if let Some(changes) = script {
            running.spawn(Arc::clone(&self).replay(changes));
        } else {
            let of_phase =
                faults.iter().enumerate().filter(|(_, one)| one.during == "*" || one.during == phase);
            for (place, fault) in of_phase {
                let dice = self.dice.fork(phase, number * 1000 + place as u64);
                running.spawn(Arc::clone(&self).repeat(fault.clone(), dice));
            }
        }
        stop.cancelled().await;
        running.shutdown().await;
        self.end_all().await;
    }

    /// Begins and ends what a journal has, at the same times of the phase.
    async fn replay(self: Arc<Self>, changes: Vec<Change>) {
        let begun = Instant::now();
        for change in changes {
            tokio::time::sleep_until(begun + change.after).await;
            if change.begins { self.begin(change.deed).await } else { self.end(&change.deed).await }
        }
    }

    /// Chooses who has the fault, and others again and again.
    async fn repeat(self: Arc<Self>, fault: Fault, mut dice: Dice) {
        loop {
            let deeds = self.choose(&fault, &mut dice);
            let next = fault.every.map(|Span(every)| Instant::now() + every);
            // All at once would be no accident.
            let spread = fault.lasts.or(fault.every).map_or(Duration::ZERO, |Span(span)| span / 4);
            for deed in &deeds {
                self.begin(deed.clone()).await;
                tokio::time::sleep(spread / u32::try_from(deeds.len()).unwrap_or(1).max(1)).await;
            }
            if let Some(Span(lasts)) = fault.lasts {
                tokio::time::sleep(lasts).await;
                self.end_these(&deeds).await;
            }
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => return std::future::pending().await,
            }
            self.end_these(&deeds).await;
        }
    }

    /// Who has it this time.
    fn choose(&self, fault: &Fault, dice: &mut Dice) -> Vec<Deed> {
        let share = fault.share.unwrap_or(0.0);
        let mut of_machines = |make: fn(u32, String) -> Deed| {
            let mut deeds = Vec::new();
            for number in 0..self.machines {
                if dice.hits(share) {
                    let kind = &fault.kinds[(dice.roll() * fault.kinds.len() as f64) as usize];
                    deeds.push(make(number, kind.clone()));
                }
            }
            deeds
        };
        match fault.what {
            FaultKind::Network => vec![Deed::Network(fault.network())],
            FaultKind::Bmc => of_machines(Deed::Bmc),
            FaultKind::Disk => of_machines(Deed::Disk),
            FaultKind::Rack => vec![Deed::Rack((dice.roll() * f64::from(self.racks)) as u32)],
            FaultKind::Database => {
                let kind = &fault.kinds[(dice.roll() * fault.kinds.len() as f64) as usize];
                // The scenario's kinds were checked before.
                kind.parse().map(Deed::Database).into_iter().collect()
            }
        }
    }

    async fn begin(&self, deed: Deed) {
        {
            let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            if active.contains(&deed) {
                return;
            }
            active.push(deed.clone());
        }
        // First the words: what comes of it must not be seen before them.
        let what = What::Fault { words: deed.to_string(), may_hold: may_hold(&deed) };
        self.eyes.write(deed.machine(), what);
        self.put(&deed, true);
        if let (Deed::Database(how), Some(server)) = (&deed, &self.database) {
            told(server.down(*how).await);
        }
    }

    async fn end(&self, deed: &Deed) {
        // Until it is back it counts as away: whoever is stopped meanwhile is followed by `end_all`.
        if let (Deed::Database(_), Some(server), true) = (deed, &self.database, self.is_active(deed)) {
            told(server.up().await);
        }
        {
            let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(place) = active.iter().position(|one| one == deed) else { return };
            active.swap_remove(place);
        }
        self.put(deed, false);
        // The wires have one state: another fault of theirs that goes on is put in place again.
        let other = {
            let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            active.iter().rfind(|one| matches!(one, Deed::Network(_))).cloned()
        };
        if let (Deed::Network(_), Some(other)) = (deed, other) {
            self.put(&other, true);
        }
        self.eyes.write(deed.machine(), What::Mended { words: deed.to_string() });
    }

    /// Ends whatever has not ended.
    async fn end_all(&self) {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.end_these(&active).await;
    }

    fn is_active(&self, deed: &Deed) -> bool {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).contains(deed)
    }

    async fn end_these(&self, deeds: &[Deed]) {
        for deed in deeds {
            self.end(deed).await;
        }
    }

    fn put(&self, deed: &Deed, on: bool) {
        let done = match deed {
            Deed::Network(faults) => {
                self.wires.set_faults(if on { *faults } else { NetworkFaults::default() });
                Ok(())
            }
            Deed::Bmc(machine, kind) => self.fleet.bmc_fault(*machine, kind, on),
            Deed::Disk(machine, kind) => self.fleet.disk_fault(*machine, kind, on),
            Deed::Rack(rack) => {
                // The fault is that it has none.
                self.fleet.rack_power(*rack, !on);
                Ok(())
            }
            // It takes its time: whoever begins and ends it waits for that.
            Deed::Database(_) => Ok(()),
        };
        // The scenario's kinds were checked before; only a journal of another version has others.
        told(done);
    }
}

fn told(done: anyhow::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(error = format!("{error:#}"), "a fault could not be put in place, or not be ended");
    }
}

/// Parts of the reasons for which the service may hold a machine that met this.
fn may_hold(deed: &Deed) -> Vec<String> {
    let own = match deed {
        Deed::Disk(_, kind) => kind.parse().map(DiskFault::may_hold).unwrap_or_default(),
        Deed::Network(_) | Deed::Bmc(..) | Deed::Rack(_) | Deed::Database(_) => &[],
    };
    SLOW.iter().chain(own).map(|part| (*part).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_kind_of_fault_is_known() {
        for name in crate::fleet::scenario::names() {
            let scenario = crate::fleet::Scenario::find(name).unwrap();
            for fault in &scenario.faults {
                for kind in &fault.kinds {
                    let known = match fault.what {
                        FaultKind::Bmc => kind.parse::<crate::fleet::bmc::BmcFault>().is_ok(),
                        FaultKind::Disk => kind.parse::<DiskFault>().is_ok(),
                        FaultKind::Database => kind.parse::<crate::fleet::Outage>().is_ok(),
                        FaultKind::Network | FaultKind::Rack => false,
                    };
                    assert!(known, "{name}: {kind}");
                }
            }
        }
    }

    #[test]
    fn a_disk_that_lies_may_be_held_for_what_reading_back_shows() {
        let parts = may_hold(&Deed::Disk(3, "loses-writes".into()));
        assert!(parts.iter().any(|part| part == "does not hold what was written"), "{parts:?}");
        assert!(may_hold(&Deed::Rack(1)).iter().all(|part| !part.contains("disk")));
    }
}
