//! What an instance asks of its machine, and where a machine stands.

use super::Fields;
use provisioner_api::{InstanceSpec, LabelExpression, LabelOperator, Minimum};
use std::collections::BTreeMap;

impl Fields {
    /// A zone or a rack.
    pub(crate) fn place(&mut self, field: &str, name: &str) {
        let good = (1..=63).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        self.check(good, field, format!("`{name}` must be 1 to 63 letters, digits, `.`, `_`, `-`"));
    }

    /// What an instance asks of its machine, but for what only the store knows.
    pub(super) fn placement(&mut self, spec: &InstanceSpec) {
        self.labels("spec.selector", &spec.selector);
        for (index, expression) in spec.expressions.iter().enumerate() {
            self.expression(&format!("spec.expressions[{index}]"), expression);
        }
        self.minimum(&spec.minimum);
        let architecture =
            spec.architecture.as_deref().is_none_or(|name| ["x86_64", "aarch64"].contains(&name));
        self.check(
            architecture,
            "spec.architecture",
            "use x86_64 or aarch64, or leave it out for the image's",
        );
        spec.zone.iter().for_each(|zone| self.place("spec.zone", zone));
        spec.spread.iter().for_each(|spread| self.name("spec.spread.group", &spread.group));
        let free = spec.machine.is_none() || (spec.prefer_machine.is_none() && !spec.sticky);
        let field = if spec.sticky { "spec.sticky" } else { "spec.prefer_machine" };
        self.check(free, field, "`machine` names the only one that will do; leave one of them out");
    }

    fn expression(&mut self, field: &str, expression: &LabelExpression) {
        let LabelExpression { key, operator, values } = expression;
        self.labels(&format!("{field}.key"), &BTreeMap::from([(key.clone(), String::new())]));
        for value in values {
            self.labels(&format!("{field}.values"), &BTreeMap::from([(key.clone(), value.clone())]));
        }
        let needs = matches!(operator, LabelOperator::In | LabelOperator::NotIn);
        let detail = if needs {
            "In and NotIn need at least one value"
        } else {
            "Exists and DoesNotExist take no values"
        };
        self.check(needs != values.is_empty(), &format!("{field}.values"), detail);
    }

    fn minimum(&mut self, minimum: &Minimum) {
        let Minimum { cpu_cores, memory_bytes, disk_bytes, gpus, nics, nic_speed_mbps } = *minimum;
        for (field, least) in [
            ("cpu_cores", cpu_cores.map(u64::from)),
            ("memory_bytes", memory_bytes),
            ("disk_bytes", disk_bytes),
            ("gpus", gpus.map(u64::from)),
            ("nics", nics.map(u64::from)),
            ("nic_speed_mbps", nic_speed_mbps.map(u64::from)),
        ] {
            let field = format!("spec.minimum.{field}");
            self.check(least != Some(0), &field, "0 asks for nothing; leave it out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The field that is wrong; none if all is well.
    fn wrong(spec: &str) -> Option<String> {
        let mut fields = Fields::default();
        fields.instance(&serde_json::from_str(spec).expect(spec));
        fields.0.first().map(|error| error.field.clone())
    }

    #[test]
    fn what_is_asked_of_a_machine() {
        for (spec, field) in [
            (r#""minimum": {"cpu_cores": 4, "memory_bytes": 1024}"#, None),
            (r#""minimum": {"gpus": 0}"#, Some("spec.minimum.gpus")),
            (r#""expressions": [{"key": "a", "operator": "In", "values": ["b"]}]"#, None),
            (r#""expressions": [{"key": "a", "operator": "In"}]"#, Some("spec.expressions[0].values")),
            (
                r#""expressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]"#,
                Some("spec.expressions[0].values"),
            ),
            (r#""expressions": [{"key": "", "operator": "Exists"}]"#, Some("spec.expressions[0].key")),
            (
                r#""expressions": [{"key": "a", "operator": "NotIn", "values": ["b c"]}]"#,
                Some("spec.expressions[0].values"),
            ),
            (r#""architecture": "mips""#, Some("spec.architecture")),
            (r#""zone": "a/b""#, Some("spec.zone")),
            (r#""spread": {"group": "web", "by": "zone"}"#, None),
            (r#""spread": {"group": "Web"}"#, Some("spec.spread.group")),
            (r#""machine": "m1", "prefer_machine": "m2""#, Some("spec.prefer_machine")),
            (r#""machine": "m1", "sticky": true"#, Some("spec.sticky")),
        ] {
            assert_eq!(wrong(&format!(r#"{{"image": "os", {spec}}}"#)).as_deref(), field, "{spec}");
        }
    }

    #[test]
    fn what_is_misspelt_is_no_wish_that_is_passed_over() {
        for spec in [
            r#""protectd": true"#,
            r#""minimum": {"memory": 1}"#,
            r#""spread": {"group": "web", "by": "row"}"#,
            r#""expressions": [{"key": "a", "operator": "in", "values": ["b"]}]"#,
        ] {
            let spec = format!(r#"{{"image": "os", {spec}}}"#);
            assert!(serde_json::from_str::<InstanceSpec>(&spec).is_err(), "{spec}");
        }
    }
}
