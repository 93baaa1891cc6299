//! Adding machines, until each is inspected and available.

use super::view::TICK;
use super::{Counts, Hint, Load, Outcome, Outcomes};
use crate::fleet::scenario::Phase;
use anyhow::Result;
use provisioner_api::{Machine, MachineState};
use provisioner_client::MachineFilter;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::Instant;

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
    let mut outcomes = load.until_settled(hint, judge).await;
    if let Some(ended) = &mut outcomes.ended {
        let filter = MachineFilter::default();
        let machines = load.caller.until_read(|| load.client.machines(&filter)).await;
        #[expect(
            clippy::disallowed_methods,
            reason = "machines say by the clock since when they are available"
        )]
        let clock = SystemTime::now();
        *ended = last_available(&machines.unwrap_or_default(), *ended, Instant::now(), clock);
    }
    Ok(outcomes)
}

/// When the last machine was available. Counters are read each second: the machines say when between two readings it was.
fn last_available(machines: &[Machine], ended: Instant, now: Instant, clock: SystemTime) -> Instant {
    let available = machines.iter().filter(|machine| machine.status.state == MachineState::Available);
    let ago =
        available.map(|machine| clock.duration_since(machine.status.since.into()).unwrap_or_default()).min();
    let before = ended.checked_sub(TICK).unwrap_or(ended);
    ago.and_then(|ago| now.checked_sub(ago)).unwrap_or(ended).clamp(before, ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::{Duration, UNIX_EPOCH};

    fn machine(state: &str, since: &str) -> Machine {
        let status = json!({ "state": state, "since": since, "power": "off", "bmc": { "health": "ok" } });
        let spec = json!({ "pool": "default", "macs": [], "accepted": true });
        let id = "00000000-0000-4000-8000-000000000001";
        serde_json::from_value(json!({ "id": id, "name": "m", "version": 1, "spec": spec, "status": status }))
            .unwrap()
    }

    #[test]
    fn the_end_is_that_of_the_last_machine_within_the_last_second() {
        // It is second 100 by the clock, and the counters said two seconds ago that it is over.
        let (now, clock) = (Instant::now() + Duration::from_secs(60), UNIX_EPOCH + Duration::from_secs(100));
        let ended = now - Duration::from_secs(2);
        let at = |second: f64| now - Duration::from_secs_f64(100.0 - second);
        let since = |second: u32, milli: u32| {
            format!("1970-01-01T00:{:02}:{:02}.{milli:03}Z", second / 60, second % 60)
        };
        for (machines, expected) in [
            (vec![], 98.0),
            (vec![machine("available", &since(95, 0)), machine("available", &since(97, 250))], 97.25),
            (vec![machine("available", &since(90, 0))], 97.0),
            (vec![machine("available", &since(99, 0))], 98.0),
            (vec![machine("deploying", &since(97, 500))], 98.0),
        ] {
            let found = last_available(&machines, ended, now, clock);
            let off = found.max(at(expected)) - found.min(at(expected));
            assert!(off < Duration::from_micros(10), "{expected}: {off:?}");
        }
    }
}
