//! The BMC's own network: which protocols it serves, its name, its time servers, its addresses. Changes are remembered
//! and shown; the BMC goes on listening where it does.
//!
//! Arrays are changed as DSP0266 section 7.9 has it: `null` removes an element, `{}` leaves it, a shorter array
//! truncates.

use super::answer::{Refusal, unknown_property, wrong_type};
use super::group::Group;
use super::state::Shared;
use async_trait::async_trait;
use axum::http::Method;
use serde_json::{Map, Value};

/// What can be set in `ManagerNetworkProtocol`.
const PROTOCOLS: [&str; 6] = ["HostName", "HTTP", "HTTPS", "SSH", "IPMI", "NTP"];
/// What can be set in the manager's `EthernetInterface`.
const PORT: [&str; 5] = ["HostName", "InterfaceEnabled", "DHCPv4", "IPv4StaticAddresses", "VLAN"];

/// The network of the BMC.
pub(super) struct Network;

#[async_trait]
impl Group for Network {
    async fn patch(
        &self,
        bmc: &Shared,
        path: &str,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        if !writable(bmc, path).contains(&property) {
            return None;
        }
        let before = bmc.stored(path)?.get(property)?.clone();
        Some(changed(property, &before, value).map(|after| {
            bmc.merge(path, Value::Object(Map::from_iter([(property.to_owned(), after)])));
        }))
    }

    fn methods(&self, bmc: &Shared, path: &str) -> &'static [Method] {
        if writable(bmc, path).is_empty() { &[] } else { &[Method::PATCH] }
    }
}

fn writable(bmc: &Shared, path: &str) -> &'static [&'static str] {
    let places = bmc.places();
    if path.strip_prefix(places.manager.as_str()) == Some("/NetworkProtocol") {
        &PROTOCOLS
    } else if places.manager_ports.iter().any(|port| port == path) {
        &PORT
    } else {
        &[]
    }
}

/// A value after a change of it; of what was there before it takes the properties and the types.
fn changed(property: &str, before: &Value, change: &Value) -> Result<Value, Refusal> {
    match (before, change) {
        (Value::Object(before), Value::Object(change)) => {
            let mut after = before.clone();
            for (name, change) in change {
                let known = before.get(name).ok_or_else(|| Box::new(unknown_property(name)))?;
                after.insert(name.clone(), changed(name, known, change)?);
            }
            Ok(Value::Object(after))
        }
        (Value::Array(before), Value::Array(change)) => Ok(elements(before, change).into()),
        (Value::Null | Value::String(_), Value::Null | Value::String(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_)) => Ok(change.clone()),
        _ => Err(wrong_type(property, change).into()),
    }
}

fn elements(before: &[Value], change: &[Value]) -> Vec<Value> {
    let element = |(place, new): (usize, &Value)| match new {
        Value::Null => None,
        Value::Object(fields) => {
            let mut after = before.get(place).cloned().unwrap_or(Value::Null);
            if fields.is_empty() {
                return Some(after).filter(|after| !after.is_null());
            }
            super::tree::merge(&mut after, new.clone(), false);
            Some(after)
        }
        new => Some(new.clone()),
    };
    change.iter().enumerate().filter_map(element).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arrays_are_changed_element_by_element() {
        let before = json!(["a", "b", "c"]);
        for (change, after) in [
            (json!(["x", "b", "c"]), json!(["x", "b", "c"])),
            (json!([null, {}, {}]), json!(["b", "c"])),
            (json!([{}]), json!(["a"])),
            (json!([{}, {}, {}, "d"]), json!(["a", "b", "c", "d"])),
            (json!([]), json!([])),
        ] {
            assert_eq!(changed("NTPServers", &before, &change).unwrap(), after, "{change}");
        }
        let address = json!([{"Address": "192.0.2.1", "Gateway": null}]);
        let change = json!([{"Gateway": "192.0.2.254"}]);
        let after = json!([{"Address": "192.0.2.1", "Gateway": "192.0.2.254"}]);
        assert_eq!(changed("IPv4StaticAddresses", &address, &change).unwrap(), after);
    }

    #[test]
    fn unknown_names_and_other_types_are_refused() {
        let before = json!({"ProtocolEnabled": true, "Port": 623});
        for change in
            [json!({"Ports": 1}), json!({"Port": "623"}), json!({"ProtocolEnabled": null}), json!(1)]
        {
            assert!(changed("IPMI", &before, &change).is_err(), "{change}");
        }
        let after = changed("IPMI", &before, &json!({"ProtocolEnabled": false})).unwrap();
        assert_eq!(after, json!({"ProtocolEnabled": false, "Port": 623}));
    }
}
