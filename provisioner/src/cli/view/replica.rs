//! Replicas of the service.

use super::layout::table;
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::Replica;

impl HasName for Replica {
    fn name(&self) -> String {
        self.id.clone()
    }
}

/// A table of replicas.
pub(in crate::cli) fn replicas(replicas: &[Replica], wide: bool, context: &Context) -> String {
    let state = |replica: &Replica| match replica {
        Replica { leads: true, .. } => "leads",
        Replica { alive: true, .. } => "stands by",
        _ => "gone",
    };
    let rows = replicas.iter().map(|replica| {
        [
            replica.host.clone().unwrap_or_default(),
            state(replica).to_owned(),
            replica.since.map(|since| context.age(since)).unwrap_or_default(),
            context.age(replica.beat),
            replica.url.clone().unwrap_or_default(),
        ]
    });
    if !wide {
        return table(["HOST", "STATE", "SINCE", "LAST BEAT", "URL"], rows);
    }
    let rows = rows.zip(replicas).map(|([host, state, since, beat, url], replica)| {
        let here = if replica.answers { "yes" } else { "" };
        [host, state, since, beat, url, replica.id.clone(), here.to_owned()]
    });
    table(["HOST", "STATE", "SINCE", "LAST BEAT", "URL", "ID", "ANSWERS"], rows)
}
