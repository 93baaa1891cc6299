//! The power of all racks fails and returns: everything that ran boots again, all at once.

use super::{Load, Outcome, Outcomes};
use crate::fleet::PhaseName;
use crate::fleet::entry::SeenKind;
use anyhow::Result;
use provisioner_api::{InstanceState, MachineAction};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the power is off.
const DARK: Duration = Duration::from_secs(2);

/// Between two looks at the machines.
const TICK: Duration = Duration::from_millis(500);

/// How long no machine may come up before it is said that no more will.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn power_up(load: &Arc<Load>) -> Result<Outcomes> {
    let Some(view) = load.view().await else { return Ok(Outcomes::default()) };
    let running: BTreeSet<String> = view
        .instances
        .into_iter()
        .filter(|instance| instance.status.state == InstanceState::Running)
        .filter_map(|instance| instance.status.machine_name)
        .collect();
    let sims: Vec<_> =
        load.fleet.machines().iter().filter(|sim| running.contains(sim.name())).cloned().collect();
    let racks = load.fleet.racks();
    (0..racks).for_each(|rack| load.fleet.rack_power(rack, false));
    tokio::time::sleep(DARK).await;
    (0..racks).for_each(|rack| load.fleet.rack_power(rack, true));
    // Machines whose firmware stays off when power returns are switched on by their owner.
    for sim in sims.iter().filter(|sim| !sim.power()) {
        if let Outcome::Refused(why) = load.caller.act(sim.name(), MachineAction::PowerOn).await {
            load.problem("no-refusal", sim.name(), format!("switching it on was refused: {why}"));
        }
    }
    let wanted = sims.len() as u64;
    let mut moved = (Instant::now(), 0);
    loop {
        let done = sims.iter().filter(|sim| sim.phase() == PhaseName::Running).count() as u64;
        let movement = load.eyes.count(SeenKind::Ack) + load.eyes.count(SeenKind::Power);
        if moved.1 != movement {
            moved = (Instant::now(), movement);
        }
        if done >= wanted || moved.0.elapsed() > PATIENCE || load.stop.is_cancelled() {
            return Ok(Outcomes { done, missing: wanted - done.min(wanted), ..Outcomes::default() });
        }
        tokio::time::sleep(TICK).await;
    }
}
