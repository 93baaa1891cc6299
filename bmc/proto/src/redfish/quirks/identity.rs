//! Who a BMC is, as far as its quirks depend on it.

use super::Vendor;
use crate::redfish::models::{ComputerSystem, Manager, ServiceRoot};

/// What a BMC says of itself, word for word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `ServiceRoot.Vendor`, the names below `ServiceRoot.Oem`, the system's and the manager's `Manufacturer`: in this
    /// order, as many as there are.
    pub vendors: Vec<String>,
    /// The system's model.
    pub model: Option<String>,
    /// The manager's model.
    pub manager_model: Option<String>,
    /// The version of the manager's firmware.
    pub firmware: Option<String>,
}

/// Words in a vendor's name, and whose they are. AMI is last, because makers put their own name beside it.
const NAMES: &[(&str, Vendor)] = &[
    ("dell", Vendor::Dell),
    ("hewlett", Vendor::Hpe),
    ("hpe", Vendor::Hpe),
    ("hp", Vendor::Hpe),
    ("lenovo", Vendor::Lenovo),
    ("supermicro", Vendor::Supermicro),
    ("super", Vendor::Supermicro),
    ("cisco", Vendor::Cisco),
    ("huawei", Vendor::Huawei),
    ("xfusion", Vendor::Huawei),
    ("asrockrack", Vendor::Asrock),
    ("asrock", Vendor::Asrock),
    ("sushy", Vendor::SushyTools),
    ("ami", Vendor::Ami),
    ("megatrends", Vendor::Ami),
];

impl Identity {
    /// What these resources say.
    pub fn of(root: &ServiceRoot, system: Option<&ComputerSystem>, manager: Option<&Manager>) -> Self {
        let oem = root.oem.iter().flat_map(|names| names.0.iter().cloned());
        let makers = [
            system.and_then(|system| system.manufacturer.clone()),
            manager.and_then(|m| m.manufacturer.clone()),
        ];
        Self {
            vendors: root.vendor.iter().cloned().chain(oem).chain(makers.into_iter().flatten()).collect(),
            model: system.and_then(|system| system.model.clone()),
            manager_model: manager.and_then(|manager| manager.model.clone()),
            firmware: manager.and_then(|manager| manager.firmware_version.clone()),
        }
    }

    /// The maker, if it is one whose quirks we know: the first of `vendors` that is known.
    pub fn vendor(&self) -> Option<Vendor> {
        self.vendors.iter().find_map(|name| {
            let name = name.to_ascii_lowercase();
            let words = || name.split(|c: char| !c.is_ascii_alphanumeric());
            NAMES.iter().find(|(word, _)| words().any(|found| found == *word)).map(|(_, vendor)| *vendor)
        })
    }

    /// Whether the system's or the manager's model starts so, or in another way of those with `|` between them; the
    /// empty start is that of any.
    pub(super) fn has_model(&self, starts: &str) -> bool {
        let fits = |model: &Option<String>, start: &str| {
            let model = model.as_deref().unwrap_or_default().trim().as_bytes();
            model.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
        };
        starts.split('|').any(|start| fits(&self.model, start) || fits(&self.manager_model, start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makers_are_known_by_their_names() {
        let table = [
            (&["Dell Inc."][..], Some(Vendor::Dell)),
            (&["Dell"], Some(Vendor::Dell)),
            (&["HPE"], Some(Vendor::Hpe)),
            (&["Hp"], Some(Vendor::Hpe)),
            (&["Hewlett Packard Enterprise"], Some(Vendor::Hpe)),
            (&["Lenovo"], Some(Vendor::Lenovo)),
            (&["Super Micro Computer, Inc."], Some(Vendor::Supermicro)),
            (&["AMI"], Some(Vendor::Ami)),
            (&["American Megatrends International LLC."], Some(Vendor::Ami)),
            (&["AMI", "Dell"], Some(Vendor::Ami)),
            (&["Unknown", "Lenovo"], Some(Vendor::Lenovo)),
            (&["Sushy Emulator"], Some(Vendor::SushyTools)),
            (&["Cisco Systems Inc"], Some(Vendor::Cisco)),
            (&["xFusion"], Some(Vendor::Huawei)),
            (&["ASRockRack"], Some(Vendor::Asrock)),
            (&["Miami Servers"], None),
            (&[], None),
        ];
        for (names, vendor) in table {
            let identity =
                Identity { vendors: names.iter().map(ToString::to_string).collect(), ..Identity::default() };
            assert_eq!(identity.vendor(), vendor, "{names:?}");
        }
    }

    #[test]
    fn models_are_known_by_their_start() {
        let identity = Identity {
            model: Some("PowerEdge R640".into()),
            manager_model: Some("14G Monolithic".into()),
            ..Identity::default()
        };
        for (start, fits) in [
            ("", true),
            ("poweredge", true),
            ("14G", true),
            ("R640", false),
            ("PowerEdge R6400", false),
            ("13G|14g|15G", true),
            ("12G|13G", false),
        ] {
            assert_eq!(identity.has_model(start), fits, "{start}");
        }
        assert!(!Identity::default().has_model("x") && Identity::default().has_model(""));
    }
}
