//! Pools: their policy, and their machines counted.

use super::{
    layout::{Page, table},
    overview::counts,
    word,
};
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::Pool;

impl HasName for Pool {
    fn name(&self) -> String {
        self.group.name.clone()
    }
}

/// A table of pools.
pub(in crate::cli) fn pools(pools: &[Pool], wide: bool) -> String {
    let rows = pools.iter().map(|pool| {
        let [name, machines, held, states] = counts(&pool.group);
        [name, machines, in_use(pool), held, policy(pool), states]
    });
    if !wide {
        return table(["POOL", "MACHINES", "IN USE", "HELD", "POLICY", "STATES"], rows);
    }
    let rows = rows.zip(pools).map(|([name, machines, in_use, held, policy, states], pool)| {
        let description = pool.spec.as_ref().and_then(|spec| spec.description.clone()).unwrap_or_default();
        [name, machines, in_use, held, policy, states, description]
    });
    table(["POOL", "MACHINES", "IN USE", "HELD", "POLICY", "STATES", "DESCRIPTION"], rows)
}

/// A page about one.
pub(in crate::cli) fn pool(pool: &Pool, context: &Context) -> String {
    let [name, machines, held, states] = counts(&pool.group);
    let mut page = Page::default();
    page.line("Name", name);
    if let Some(description) = pool.spec.as_ref().and_then(|spec| spec.description.as_ref()) {
        page.line("Description", description);
    }
    page.line("Policy", policy(pool));
    page.line("Machines", machines).line("In use", in_use(pool)).line("Held", held).line("States", states);
    if let (Some(created), Some(changed)) = (pool.created, pool.changed) {
        page.line("Made", context.time(created)).line("Changed", context.time(changed));
    }
    page.end()
}

/// Its policy in short.
pub(in crate::cli) fn policy(pool: &Pool) -> String {
    if pool.damaged {
        return format!("damaged: `billet pool set {} …` says it anew", pool.group.name);
    }
    let Some(spec) = &pool.spec else { return "none".to_owned() };
    let erase = spec.erase.map(|erase| format!("wipes by {} at least", word(erase)));
    let limit = spec.max_machines.map(|number| format!("at most {number} in use"));
    let said: Vec<_> = erase.into_iter().chain(limit).collect();
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}

fn in_use(pool: &Pool) -> String {
    match pool.spec.as_ref().and_then(|spec| spec.max_machines) {
        Some(most) => format!("{} of {most}", pool.taken),
        None => pool.taken.to_string(),
    }
}
