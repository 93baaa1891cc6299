//! What a BMC offers beside the API: other services, plain HTTP, resources without a login, old TLS.

use super::{Finding, Rule, TlsAnswer};
use serde_json::Value;

/// The services that a BMC says are on (`ManagerNetworkProtocol`); `None`: it doesn't tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    /// Telnet.
    pub telnet: Option<bool>,
    /// SNMP 1 or 2c.
    pub old_snmp: Option<bool>,
    /// IPMI over LAN.
    pub ipmi: Option<bool>,
}

impl ServiceFacts {
    /// What the resource says.
    pub fn of(resource: &Value) -> Self {
        let on = |service: &str, property: &str| resource.get(service)?.get(property)?.as_bool();
        let snmp = on("SNMP", "ProtocolEnabled");
        let old = [on("SNMP", "EnableSNMPv1"), on("SNMP", "EnableSNMPv2c")];
        Self {
            telnet: on("Telnet", "ProtocolEnabled"),
            // One that doesn't tell its versions may well have SNMPv3 only.
            old_snmp: snmp.map(|snmp| snmp && old.contains(&Some(true))),
            ipmi: on("IPMI", "ProtocolEnabled"),
        }
    }
}

/// What is weak about services.
pub fn of_services(facts: &ServiceFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.telnet == Some(true) {
        findings.push(Finding::new(Rule::Telnet, "Telnet is on: passwords go over the network in the clear"));
    }
    if facts.old_snmp == Some(true) {
        let what = "SNMP 1 or 2c is on: it is asked with a word that goes over the network in the clear";
        findings.push(Finding::new(Rule::OldSnmp, what));
    }
    findings
}

/// What was seen over HTTP and HTTPS by somebody who is not logged in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebFacts {
    /// Whether plain HTTP answers with the service root: the port.
    pub plain: Option<u16>,
    /// Which resource behind the login was shown to nobody in particular.
    pub open: Option<String>,
    /// The answer to a greeting in TLS 1.1.
    pub old_tls: Option<TlsAnswer>,
}

/// What is weak about that.
pub fn of_web(facts: &WebFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(path) = &facts.open {
        findings.push(Finding::new(
            Rule::RedfishAnonymous,
            format!("it shows {path} to whoever asks, without a login"),
        ));
    }
    if let Some(port) = facts.plain {
        let what = format!(
            "Redfish answers in plain HTTP, too (port {port}): whoever logs in there shows the password to the network"
        );
        findings.push(Finding::new(Rule::PlainHttp, what));
    }
    if let Some(TlsAnswer::Accepted { minor }) = facts.old_tls {
        let version = match minor {
            0 => "SSL 3.0".to_owned(),
            minor => format!("TLS 1.{}", minor - 1),
        };
        findings.push(Finding::new(Rule::OldTls, format!("it takes {version}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ids(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.rule.id()).collect()
    }

    #[test]
    fn services() {
        let table = [
            (json!({}), vec![]),
            (json!([]), vec![]),
            (json!({"Telnet": {"ProtocolEnabled": false}, "SNMP": {"ProtocolEnabled": true}}), vec![]),
            (json!({"Telnet": {"ProtocolEnabled": true}}), vec!["telnet"]),
            (json!({"Telnet": {"ProtocolEnabled": "true"}, "SNMP": 7}), vec![]),
            (json!({"SNMP": {"ProtocolEnabled": true, "EnableSNMPv2c": true}}), vec!["snmp-old"]),
            (json!({"SNMP": {"ProtocolEnabled": false, "EnableSNMPv1": true}}), vec![]),
        ];
        for (resource, expected) in table {
            assert_eq!(ids(&of_services(&ServiceFacts::of(&resource))), expected, "{resource}");
        }
    }

    #[test]
    fn the_web() {
        assert_eq!(ids(&of_web(&WebFacts::default())), [""; 0]);
        let refused = WebFacts { old_tls: Some(TlsAnswer::Refused), ..WebFacts::default() };
        assert_eq!(ids(&of_web(&refused)), [""; 0]);
        let bad = WebFacts {
            plain: Some(80),
            open: Some("/redfish/v1/Systems".into()),
            old_tls: Some(TlsAnswer::Accepted { minor: 1 }),
        };
        assert_eq!(ids(&of_web(&bad)), ["redfish-anonymous", "http-plain", "tls-old"]);
        assert_eq!(of_web(&bad)[2].what, "it takes TLS 1.0");
    }
}
