//! A machine that is declared, and what differs from the one that there is. Pure.

use crate::cli::{bmc_url, manifest::MachineDoc, view::word};
use provisioner_api::{BmcHealth, BmcSpec, Machine, MachineCreate, MachineUpdate, Secret};

/// A machine that is declared.
pub(super) struct Wanted<'a> {
    pub(super) doc: &'a MachineDoc,
    /// Its BMC, with the certificates that it is believed by.
    pub(super) bmc: Option<BmcSpec>,
}

/// Whether the BMC's password and key are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// No: the service has them, and nothing of the BMC is changed.
    None,
    /// If they are given.
    Welcome,
    /// There must be a password: it is another BMC, and it must not be shown the one of the BMC before it.
    Needed,
}

/// The BMC that is declared, believed by certificates of a CA if one is named.
pub(super) fn with_ca(doc: &MachineDoc, ca: Option<String>) -> Option<BmcSpec> {
    let bmc = doc.bmc.as_ref()?.0.clone();
    Some(match ca {
        Some(ca) => BmcSpec { tls_ca: Some(ca), tls_sha256: None, ..bmc },
        None => bmc,
    })
}

/// Whether both are at the same place, so that what was pinned of one holds for the other.
fn same_place(one: &BmcSpec, other: &BmcSpec) -> bool {
    let place = |bmc: &BmcSpec| (bmc.protocol, bmc.address.clone(), bmc.domain.clone(), bmc.mac.clone());
    place(one) == place(other)
}

/// The BMC as it is to be: a certificate that was pinned at first contact, and cipher suite 17, need not be declared.
fn merged(old: &BmcSpec, wanted: &BmcSpec) -> BmcSpec {
    let mut new = wanted.clone();
    if !same_place(old, wanted) {
        return new;
    }
    if new.tls_sha256.is_none() && new.tls_ca.is_none() {
        new.tls_sha256.clone_from(&old.tls_sha256);
        new.tls_ca.clone_from(&old.tls_ca);
    }
    if new.cipher_suite.unwrap_or(17) == old.cipher_suite.unwrap_or(17) {
        new.cipher_suite = old.cipher_suite;
    }
    new
}

impl Wanted<'_> {
    /// Whether secrets are sent.
    pub(super) fn secrets(&self, before: Option<&Machine>) -> Secrets {
        let Some(bmc) = &self.bmc else { return Secrets::None };
        match before.and_then(|before| before.spec.bmc.as_ref()) {
            Some(old) if merged(old, bmc) == *old => Secrets::None,
            Some(old) if same_place(old, bmc) => Secrets::Welcome,
            _ if bmc.protocol.needs_login() => Secrets::Needed,
            _ => Secrets::Welcome,
        }
    }

    /// The request that adds it, and the one that follows.
    ///
    /// # Errors
    /// The field that is missing, and why it is needed.
    pub(super) fn create(
        &self,
        password: Option<Secret>,
        key: Option<Secret>,
    ) -> Result<(MachineCreate, Option<MachineUpdate>), (&'static str, String)> {
        let doc = self.doc;
        let name = &doc.name.0;
        let macs = doc.macs.as_ref().ok_or_else(|| {
            ("macs", format!("machine {name} is not there yet; give the MAC addresses that it boots from"))
        })?;
        let bmc = self.bmc.clone().ok_or_else(|| {
            ("bmc", format!("machine {name} is not there yet; give its BMC, or 'manual:' if it has none"))
        })?;
        let create = MachineCreate {
            name: name.clone(),
            pool: doc.pool.as_ref().map(|pool| pool.0.clone()),
            macs: macs.iter().map(|mac| mac.0.clone()).collect(),
            bmc,
            bmc_password: password.unwrap_or_default(),
            bmc_key: key,
            boot_mode: doc.boot_mode.as_ref().map(|mode| mode.0),
            boot_chain: doc.boot_chain.as_ref().and_then(|chain| chain.0.0),
            labels: doc.labels().unwrap_or_default(),
            zone: doc.zone.as_ref().map(|zone| zone.0.clone()),
            rack: doc.rack.as_ref().map(|rack| rack.0.clone()),
            accept: true,
        };
        // A new machine has none of these.
        let on = |switch: &Option<crate::cli::manifest::Switch>| {
            switch.as_ref().map(|switch| switch.0).filter(|on| *on)
        };
        let flags = [on(&doc.maintenance), on(&doc.protected), on(&doc.retired)];
        let [maintenance, protected, retired] = flags;
        let then = MachineUpdate { maintenance, protected, retired, ..MachineUpdate::default() };
        Ok((create, flags.iter().any(Option::is_some).then_some(then)))
    }

    /// The request that changes one, and what it changes, in words; no words: nothing differs.
    pub(super) fn update(
        &self,
        before: &Machine,
        password: Option<Secret>,
        key: Option<Secret>,
    ) -> (MachineUpdate, Vec<String>) {
        let (doc, spec) = (self.doc, &before.spec);
        let mut changes = Vec::new();
        let pool = doc.pool.as_ref().map(|pool| pool.0.clone()).filter(|pool| *pool != spec.pool);
        changes.extend(pool.as_ref().map(|pool| format!("pool {} → {pool}", spec.pool)));
        let macs = doc.macs.as_ref().map(|macs| macs.iter().map(|mac| mac.0.clone()).collect::<Vec<_>>());
        let macs = macs.filter(|macs| *macs != spec.macs);
        changes
            .extend(macs.as_ref().map(|macs| format!("macs {} → {}", spec.macs.join(" "), macs.join(" "))));
        let bmc = self.bmc.as_ref().and_then(|wanted| match &spec.bmc {
            Some(old) => Some(merged(old, wanted)).filter(|new| new != old),
            None => Some(wanted.clone()),
        });
        changes.extend(bmc.as_ref().map(|bmc| {
            let old = spec.bmc.as_ref().map_or_else(|| "none".to_owned(), bmc_url::write);
            match bmc_url::write(bmc) {
                new if new == old => "certificates of the BMC".to_owned(),
                new => format!("bmc {old} → {new}"),
            }
        }));
        let labels = doc.labels().map(|mut labels| {
            if doc.some_labels {
                let others = spec.labels.iter().filter(|(key, _)| !labels.contains_key(*key));
                let others: Vec<_> = others.map(|(key, value)| (key.clone(), value.clone())).collect();
                labels.extend(others);
            }
            labels
        });
        let labels = labels.filter(|labels| *labels != spec.labels);
        changes.extend(labels.as_ref().map(|new| {
            let gone = spec.labels.keys().filter(|key| !new.contains_key(*key));
            let gone: Vec<_> = gone.map(String::as_str).collect();
            if gone.is_empty() {
                "labels".to_owned()
            } else {
                format!("labels (without {})", gone.join(", "))
            }
        }));
        let zone = doc.zone.as_ref().map(|zone| Some(zone.0.clone())).filter(|zone| *zone != spec.zone);
        let rack = doc.rack.as_ref().map(|rack| Some(rack.0.clone())).filter(|rack| *rack != spec.rack);
        for (field, old, new) in [("zone", &spec.zone, &zone), ("rack", &spec.rack, &rack)] {
            let old = old.as_deref().unwrap_or("none");
            changes.extend(new.iter().flatten().map(|new| format!("{field} {old} → {new}")));
        }
        let boot_chain =
            doc.boot_chain.as_ref().map(|chain| chain.0.0).filter(|chain| *chain != spec.boot_chain);
        changes.extend(boot_chain.map(|new| {
            let name = |chain: Option<_>| chain.map_or_else(|| "network".to_owned(), word);
            format!("boot_chain {} → {}", name(spec.boot_chain), name(new))
        }));
        let mut flag = |field: &str, wanted: Option<bool>, is: bool| {
            let new = wanted.filter(|wanted| *wanted != is);
            changes.extend(new.map(|new| format!("{field} {is} → {new}")));
            new
        };
        let update = MachineUpdate {
            name: None,
            pool,
            macs,
            bmc,
            bmc_password: password,
            bmc_key: key,
            maintenance: flag("maintenance", doc.maintenance.as_ref().map(|on| on.0), spec.maintenance),
            protected: flag("protected", doc.protected.as_ref().map(|on| on.0), spec.protected),
            retired: flag("retired", doc.retired.as_ref().map(|on| on.0), spec.retired),
            boot_chain,
            labels,
            zone,
            rack,
        };
        (update, changes)
    }

    /// What is not as declared, and is not changed.
    pub(super) fn notes(&self, before: &Machine) -> Vec<String> {
        let name = &before.name;
        let mut notes = Vec::new();
        let wanted = self.doc.boot_mode.as_ref().map(|mode| mode.0);
        if let (Some(wanted), Some(seen)) = (wanted, before.spec.boot_mode)
            && wanted != seen
        {
            notes.push(format!(
                "machine {name} boots by {}, as was seen, and not by {}",
                word(seen),
                word(wanted)
            ));
        }
        let refused = before.status.bmc.health == BmcHealth::AuthenticationFailed;
        if refused && self.doc.bmc_password_file.is_some() {
            notes.push(format!(
                "machine {name}: its BMC refuses the password that the service has; apply doesn't send another: `billet machine set {name} --bmc-password-file …` does"
            ));
        }
        if !before.spec.accepted {
            notes.push(format!("machine {name} is not accepted; `billet machine accept {name}` does that"));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{manifest::read_machine, tests::samples};

    fn update(text: &str) -> (MachineUpdate, Vec<String>) {
        let doc = read_machine(text);
        let wanted = Wanted { doc: &doc, bmc: with_ca(&doc, None) };
        wanted.update(&samples::machine("m1"), None, None)
    }

    #[test]
    fn what_is_as_declared_is_left_alone() {
        for text in [
            "",
            "bmc: ipmi://admin@10.0.0.9?cipher=3\n",
            "pool: default\nmacs: [52-54-00-00-00-01]\nlabels: { rack: r7 }\nprotected: false\nboot_chain: network\n",
        ] {
            let (_, changes) = update(text);
            assert_eq!(changes, [] as [String; 0], "{text}");
        }
    }

    #[test]
    fn what_differs_is_changed_and_told() {
        let (update, changes) = update(
            "pool: gpu\nbmc: ipmi://admin@10.0.0.10?cipher=3\nlabels: {}\nzone: a\nmaintenance: true\nboot_chain: uki\n",
        );
        assert_eq!(
            changes,
            [
                "pool default → gpu",
                "bmc ipmi://admin@10.0.0.9?cipher=3 → ipmi://admin@10.0.0.10?cipher=3",
                "labels (without rack)",
                "zone none → a",
                "boot_chain network → uki",
                "maintenance false → true",
            ]
        );
        assert_eq!((update.zone, update.maintenance), (Some(Some("a".into())), Some(true)));
        assert!(update.labels.unwrap().is_empty() && update.macs.is_none() && update.rack.is_none());
    }

    #[test]
    fn a_pinned_certificate_stays_with_its_bmc_alone() {
        let old = bmc_url::parse(&format!("redfish://a@h?tls-sha256={}", "ab".repeat(32))).unwrap();
        let same = bmc_url::parse("redfish://a@h").unwrap();
        assert_eq!(merged(&old, &same), old);
        let other = bmc_url::parse("redfish://a@i").unwrap();
        assert_eq!(merged(&old, &other).tls_sha256, None);
    }

    #[test]
    fn another_bmc_needs_its_own_password() {
        let before = samples::machine("m1");
        for (bmc, want) in [
            ("ipmi://admin@10.0.0.9?cipher=3", Secrets::None),
            ("ipmi://root@10.0.0.9?cipher=3", Secrets::Welcome),
            ("ipmi://admin@10.0.0.10?cipher=3", Secrets::Needed),
            ("manual:", Secrets::Welcome),
        ] {
            let doc = read_machine(&format!("bmc: '{bmc}'\n"));
            let wanted = Wanted { doc: &doc, bmc: with_ca(&doc, None) };
            assert_eq!(wanted.secrets(Some(&before)), want, "{bmc}");
        }
        let doc = read_machine("bmc: ipmi://admin@h\n");
        let wanted = Wanted { doc: &doc, bmc: with_ca(&doc, None) };
        assert_eq!(wanted.secrets(None), Secrets::Needed);
        assert_eq!(wanted.create(None, None).unwrap_err().0, "macs");
    }
}
