//! Adding machines, until each is inspected and available.

use super::{Counts, Hint, Load, Outcome, Outcomes};
use crate::fleet::scenario::Phase;
use anyhow::Result;
use provisioner_api::MachineState;
use std::sync::Arc;

pub(super) async fn intake(load: &Arc<Load>, phase: &Phase) -> Result<Outcomes> {
    let all = load.scenario.machines;
    let numbers = (0..phase.count.unwrap_or(all).min(all)).collect::<Vec<_>>();
    let wanted = numbers.len() as u64;
    load.each(phase, numbers, |load, number| async move {
        // Numbers below the scenario's are all there.
        let Ok(machine) = load.fleet.enrolment(number) else { return };
        if let Outcome::Refused(why) = load.caller.add(&machine).await {
            load.problem("no-refusal", &machine.name, format!("adding it was refused: {why}"));
        }
    })
    .await;
    let hint = move |counts: &Counts| {
        let known: u64 = counts.machines.values().sum();
        let open = counts.machines_in(&["discovered", "inspecting"]);
        match (counts.held, open) {
            (0, 0) if known == wanted => Hint::Done(wanted),
            (held, open) if known >= wanted && open <= held => Hint::Likely,
            _ => Hint::Works,
        }
    };
    let judge = move |view: &super::View| {
        let held = view.held().count() as u64;
        let done = view
            .machines
            .iter()
            .filter(|machine| {
                machine.status.held.is_none()
                    && !matches!(machine.status.state, MachineState::Discovered | MachineState::Inspecting)
            })
            .count() as u64;
        Outcomes { done, held, missing: wanted.saturating_sub(done + held), ..Outcomes::default() }
    };
    Ok(load.until_settled(hint, judge).await)
}
