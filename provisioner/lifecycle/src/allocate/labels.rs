//! Whether labels are as a selector wants them, with the meaning that Kubernetes gives to its operators
//! (`metav1.LabelSelector`). Reading what is typed is not here.

use provisioner_api::{LabelExpression, LabelOperator};
use std::collections::BTreeMap;

/// Whether these labels have each of the selector and satisfy each expression.
pub fn satisfy(
    labels: &BTreeMap<String, String>,
    selector: &BTreeMap<String, String>,
    expressions: &[LabelExpression],
) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.iter().all(|expression| holds(labels, expression))
}

fn holds(labels: &BTreeMap<String, String>, expression: &LabelExpression) -> bool {
    let value = labels.get(&expression.key);
    let among = |value: &String| expression.values.contains(value);
    match expression.operator {
        LabelOperator::In => value.is_some_and(among),
        // A label that is not there has none of the values.
        LabelOperator::NotIn => !value.is_some_and(among),
        LabelOperator::Exists => value.is_some(),
        LabelOperator::DoesNotExist => value.is_none(),
    }
}

/// Selector and expressions in one line, as `kubectl -l` takes them.
pub(super) fn write(selector: &BTreeMap<String, String>, expressions: &[LabelExpression]) -> String {
    let equal = selector.iter().map(|(key, value)| format!("{key}={value}"));
    equal.chain(expressions.iter().map(ToString::to_string)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_mean_what_they_mean_in_kubernetes() {
        let labels = BTreeMap::from([("disk".to_owned(), "ssd".to_owned()), ("gpu".into(), String::new())]);
        for (key, operator, values, holds) in [
            ("disk", LabelOperator::In, &["hdd", "ssd"][..], true),
            ("disk", LabelOperator::In, &["hdd"], false),
            ("rack", LabelOperator::In, &["r1"], false),
            ("disk", LabelOperator::NotIn, &["hdd"], true),
            ("disk", LabelOperator::NotIn, &["hdd", "ssd"], false),
            ("rack", LabelOperator::NotIn, &["r1"], true),
            ("gpu", LabelOperator::Exists, &[], true),
            ("rack", LabelOperator::Exists, &[], false),
            ("gpu", LabelOperator::DoesNotExist, &[], false),
            ("rack", LabelOperator::DoesNotExist, &[], true),
        ] {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            let expression = LabelExpression { key: key.into(), operator, values };
            assert_eq!(
                satisfy(&labels, &BTreeMap::new(), std::slice::from_ref(&expression)),
                holds,
                "{expression}"
            );
        }
    }

    #[test]
    fn all_of_it_has_to_hold() {
        let labels = BTreeMap::from([("disk".to_owned(), "ssd".to_owned())]);
        let has_gpu = LabelExpression { key: "gpu".into(), operator: LabelOperator::Exists, values: vec![] };
        assert!(satisfy(&labels, &labels, &[]));
        assert!(!satisfy(&labels, &labels, std::slice::from_ref(&has_gpu)));
        assert_eq!(write(&labels, &[has_gpu]), "disk=ssd,gpu");
    }
}
