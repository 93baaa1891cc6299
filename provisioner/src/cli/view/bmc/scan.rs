//! BMCs that a search found.

use crate::cli::{ui::HasName, view::layout::table};
use provisioner_api::{BmcFound, BmcFoundRedfish};

impl HasName for BmcFound {
    fn name(&self) -> String {
        self.address.clone()
    }
}

/// A table of BMCs that were found.
pub(in crate::cli) fn bmc_found(found: &[BmcFound], wide: bool) -> String {
    let redfish = |one: &BmcFound, what: fn(&BmcFoundRedfish) -> Option<String>| {
        one.redfish.as_ref().and_then(what).unwrap_or_default()
    };
    let short = |one: &BmcFound| {
        [
            one.address.clone(),
            if one.ipmi { "yes" } else { "no" }.to_owned(),
            if one.redfish.is_some() {
                redfish(one, |root| Some(root.version.clone()))
            } else {
                "no".to_owned()
            },
            redfish(one, |root| root.vendor.clone()),
            redfish(one, |root| root.product.clone()),
            one.already.join(", "),
        ]
    };
    if !wide {
        return table(
            ["ADDRESS", "IPMI", "REDFISH", "VENDOR", "PRODUCT", "MACHINE"],
            found.iter().map(short),
        );
    }
    let rows = found.iter().map(|one| {
        let [address, ipmi, version, vendor, product, machine] = short(one);
        let (uuid, print) =
            (redfish(one, |root| root.uuid.clone()), redfish(one, |root| root.tls_sha256.clone()));
        [address, ipmi, version, vendor, product, machine, uuid, print]
    });
    table(["ADDRESS", "IPMI", "REDFISH", "VENDOR", "PRODUCT", "MACHINE", "UUID", "TLS SHA-256"], rows)
}

#[cfg(test)]
mod tests {
    use super::bmc_found;
    use provisioner_api::{BmcFound, BmcFoundRedfish};

    #[test]
    fn a_table() {
        let root = BmcFoundRedfish {
            version: "1.11.0".to_owned(),
            vendor: Some("Dell".to_owned()),
            tls_sha256: Some("ab".repeat(32)),
            ..BmcFoundRedfish::default()
        };
        let both = BmcFound {
            address: "10.0.0.7".to_owned(),
            ipmi: true,
            redfish: Some(root),
            already: vec!["m1".to_owned()],
        };
        let old = BmcFound { address: "10.0.0.9".to_owned(), ipmi: true, ..BmcFound::default() };
        let found = [both, old];
        let want = "\
ADDRESS   IPMI  REDFISH  VENDOR  PRODUCT  MACHINE
10.0.0.7  yes   1.11.0   Dell    -        m1
10.0.0.9  yes   no       -       -        -
";
        assert_eq!(bmc_found(&found, false), want);
        assert!(bmc_found(&found, true).contains(&"ab".repeat(32)));
    }
}
