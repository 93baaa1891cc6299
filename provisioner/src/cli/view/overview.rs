//! The whole fleet at a glance: jobs, events, and machines by pool and zone.

use super::{
    job::{block, current, phase},
    layout::{Page, table},
    word,
};
use crate::cli::{
    text::{Context, clean, duration},
    ui::HasName,
};
use provisioner_api::{FleetEvent, Group, ListedJob};

impl HasName for ListedJob {
    fn name(&self) -> String {
        self.job.id.to_string()
    }
}

impl HasName for FleetEvent {
    fn name(&self) -> String {
        self.event.id.to_string()
    }
}

impl HasName for Group {
    fn name(&self) -> String {
        self.name.clone()
    }
}

/// A table of jobs.
pub(in crate::cli) fn jobs(jobs: &[ListedJob], wide: bool, context: &Context) -> String {
    let rows = jobs.iter().map(|listed| {
        let job = &listed.job;
        let at = match (job.ended, current(job)) {
            (Some(_), _) => "ended".to_owned(),
            (None, Some(step)) => format!("{} ({})", step.name, phase(step)),
            (None, None) => String::new(),
        };
        let took = match job.ended {
            Some(ended) => duration(ended.duration_since(job.started)),
            None => context.age(job.started),
        };
        [listed.machine_name.clone(), word(job.kind), at, context.time(job.started), took]
    });
    if !wide {
        return table(["MACHINE", "KIND", "STEP", "BEGAN", "TOOK"], rows);
    }
    let rows = rows.zip(jobs).map(|([machine, kind, at, began, took], listed)| {
        [machine, kind, at, began, took, listed.pool.clone(), listed.job.id.to_string()]
    });
    table(["MACHINE", "KIND", "STEP", "BEGAN", "TOOK", "POOL", "ID"], rows)
}

/// A page about one.
pub(in crate::cli) fn job(listed: &ListedJob, context: &Context) -> String {
    let mut page = Page::default();
    page.line("Machine", &listed.machine_name).line("Pool", &listed.pool);
    block(&mut page, &listed.job, context);
    page.end()
}

/// A table of events; without titles when it goes on below another one.
pub(in crate::cli) fn fleet_events(events: &[FleetEvent], titles: bool, context: &Context) -> String {
    let rows = events.iter().map(|told| {
        let event = &told.event;
        let names: Vec<_> = told.machine_name.iter().chain(&told.instance_name).cloned().collect();
        [context.time(event.at), names.join(" "), event.kind.clone(), event.message.clone()]
    });
    if titles {
        return table(["TIME", "OF", "KIND", "EVENT"], rows);
    }
    rows.map(|[time, names, kind, message]| {
        clean(&format!("{time}  {names:<8}  {kind:<8}  {message}")) + "\n"
    })
    .collect()
}

/// A table of zones.
pub(in crate::cli) fn zones(zones: &[Group]) -> String {
    let rows = zones.iter().map(|zone| {
        let [name, machines, held, states] = counts(zone);
        [name, zone.racks.join(","), machines, held, states]
    });
    table(["ZONE", "RACKS", "MACHINES", "HELD", "STATES"], rows)
}

/// Name, machines, those of them that are held, and states.
pub(super) fn counts(group: &Group) -> [String; 4] {
    let states: Vec<_> = group.states.iter().map(|(state, number)| format!("{number} {state}")).collect();
    [group.name.clone(), group.machines.to_string(), group.held.to_string(), states.join(", ")]
}
