//! A BMC as it is asked for: unknown fields are refused, since a certificate's pin that is misspelt would silently pin
//! nothing.
//!
//! What is stored and shown is read without that (`BmcSpec`): a field that a later version has must not make an older one,
//! after a step back or beside it, take a machine for damaged.

use crate::{BmcProtocol, BmcSpec};
use serde::{Deserialize, Deserializer};

/// How to reach a BMC. Its password is a field beside it.
// It has the fields of `BmcSpec`; without one of them it does not compile.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(remote = "BmcSpec", deny_unknown_fields)]
pub(crate) struct GivenBmc {
    /// The protocol.
    protocol: BmcProtocol,
    /// Host or IP address, with `:port` if not the protocol's own (623, 443). `webhook`: the `https://` URL. `libvirt`:
    /// the hypervisor's URI, such as `qemu:///system`. `wake-on-lan`: where the packet goes, a broadcast address with
    /// `:port` if not 9. `manual`, `vbox`: nothing.
    #[serde(default)]
    address: String,
    /// User name (IPMI, Redfish; `webhook` if it wants one).
    #[serde(default)]
    username: String,
    /// IPMI cipher suite: 17, or 3 by explicit setting, which is shown as weak.
    #[serde(default)]
    cipher_suite: Option<u8>,
    /// SHA-256 of the BMC's certificate, hex; set at first contact when not given.
    #[serde(default)]
    tls_sha256: Option<String>,
    /// PEM of the authorities whose certificates are believed for that host (Redfish), instead of one pinned
    /// certificate.
    #[serde(default)]
    tls_ca: Option<String>,
    /// The virtual machine's name or UUID (`libvirt`, `vbox`).
    #[serde(default)]
    domain: Option<String>,
    /// The MAC address of the port that listens for the packet (`wake-on-lan`).
    #[serde(default)]
    mac: Option<String>,
}

/// One that has to be given.
pub(crate) fn required<'de, D: Deserializer<'de>>(value: D) -> Result<BmcSpec, D::Error> {
    GivenBmc::deserialize(value)
}

/// One that may be given.
pub(crate) fn optional<'de, D: Deserializer<'de>>(value: D) -> Result<Option<BmcSpec>, D::Error> {
    #[derive(Deserialize)]
    struct Given(#[serde(deserialize_with = "required")] BmcSpec);

    Ok(Option::<Given>::deserialize(value)?.map(|Given(bmc)| bmc))
}

#[cfg(test)]
mod tests {
    use crate::{BmcSpec, MachineCreate, MachineUpdate};

    /// `tls_sha` instead of `tls_sha256`.
    const MISSPELT: &str =
        r#"{"protocol": "redfish", "address": "10.0.0.9", "username": "admin", "tls_sha": "00"}"#;

    #[test]
    fn what_is_asked_for_is_refused_with_an_unknown_field() {
        let create = format!(r#"{{"name": "m1", "macs": ["52:54:00:00:00:01"], "bmc": {MISSPELT}}}"#);
        let update = format!(r#"{{"bmc": {MISSPELT}}}"#);
        let create = serde_json::from_str::<MachineCreate>(&create).unwrap_err().to_string();
        let update = serde_json::from_str::<MachineUpdate>(&update).unwrap_err().to_string();
        for error in [create, update] {
            assert!(error.contains("unknown field `tls_sha`"), "{error}");
        }
    }

    #[test]
    fn what_is_kept_is_read_with_fields_of_a_later_version() {
        let kept: BmcSpec = serde_json::from_str(MISSPELT).unwrap();
        assert_eq!((&*kept.address, &*kept.username, kept.tls_sha256), ("10.0.0.9", "admin", None));
    }

    #[test]
    fn what_is_asked_for_is_read_as_it_was_written() {
        let bmc = BmcSpec {
            address: "10.0.0.9:623".into(),
            username: "admin".into(),
            cipher_suite: Some(3),
            tls_sha256: Some("00".into()),
            tls_ca: Some("PEM".into()),
            domain: Some("vm".into()),
            mac: Some("52:54:00:00:00:02".into()),
            ..BmcSpec::new(crate::BmcProtocol::Ipmi)
        };
        let create = MachineCreate::new("m1", "52:54:00:00:00:01", bmc.clone());
        let read: MachineCreate = serde_json::from_value(serde_json::to_value(&create).unwrap()).unwrap();
        assert_eq!(read.bmc, bmc);
        let update = MachineUpdate { bmc: Some(bmc.clone()), ..MachineUpdate::default() };
        let read: MachineUpdate = serde_json::from_value(serde_json::to_value(&update).unwrap()).unwrap();
        assert_eq!(read.bmc, Some(bmc));
        for nothing in ["{}", r#"{"bmc": null}"#] {
            let read: MachineUpdate = serde_json::from_str(nothing).unwrap();
            assert_eq!(read.bmc, None, "{nothing}");
        }
    }
}
