//! The service's counters: how many machines and instances are in which state (`GET /metrics`).

use std::collections::BTreeMap;

/// How many there are of what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Machines by state.
    pub(crate) machines: BTreeMap<String, u64>,
    /// Machines that wait for a person.
    pub(crate) held: u64,
    /// Instances by state.
    pub(crate) instances: BTreeMap<String, u64>,
}

impl Counts {
    /// Reads the text format of Prometheus; what is not ours is passed over.
    pub(crate) fn read(text: &str) -> Self {
        let mut counts = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            // Counts of things are whole.
            let value = value as u64;
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            let state = labels.strip_prefix("state=\"").and_then(|rest| rest.split('"').next());
            match (name, state) {
                ("billet_machines", Some(state)) => _ = counts.machines.insert(state.to_owned(), value),
                ("billet_instances", Some(state)) => _ = counts.instances.insert(state.to_owned(), value),
                ("billet_machines_held", None) => counts.held = value,
                _ => {}
            }
        }
        counts
    }

    /// Machines in these states.
    pub(crate) fn machines_in(&self, states: &[&str]) -> u64 {
        states.iter().filter_map(|state| self.machines.get(*state)).sum()
    }

    /// Instances in these states.
    pub(crate) fn instances_in(&self, states: &[&str]) -> u64 {
        states.iter().filter_map(|state| self.instances.get(*state)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_and_the_rest_is_not() {
        let text = "# HELP billet_machines Machines by state.\nbillet_machines{state=\"available\"} 12\n\
                    billet_machines{state=\"deploying\"} 3\nbillet_machines_held 2\nbillet_instances{state=\"running\"} 7\n\
                    pxe_leases{network=\"fleet\",state=\"free\"} 99\n# EOF\n";
        let counts = Counts::read(text);
        assert_eq!(counts.machines_in(&["available", "deploying", "lost"]), 15);
        assert_eq!((counts.held, counts.instances_in(&["running"])), (2, 7));
        assert_eq!(counts.machines.len() + counts.instances.len(), 3);
    }
}
