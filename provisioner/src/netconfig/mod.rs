//! The network of an instance: from what is asked for to network-config version 2, as cloud-init's NoCloud takes it.
//!
//! Pure, in three steps. [`read`] checks a document and makes a [`Model`] of it; [`Plan`] says which addresses it takes
//! out of the address plan, and writes them in; [`render`] makes the YAML. Which network cards are meant is the
//! lifecycle's to say; taking addresses is the store's.
//!
//! <https://docs.cloud-init.io/en/latest/reference/network-config-format-v2.html>

mod addresses;
mod cidr;
mod model;
mod openstack;
mod plan;
mod read;
mod render;
mod wiring;

#[cfg(test)]
mod tests;

pub(crate) use openstack::{dhcp_on, network_data, not_in_openstack};
pub(crate) use plan::Plan;
pub(crate) use read::{Stage, read};
pub(crate) use render::render;

use cidr::Cidr;
use model::{Interface, Kind, Model, Route};
use provisioner_api::{FieldError, NetworkSpec, NicMatch};

/// The network cards that a document names, in its order.
pub(crate) fn nics_of(spec: &NetworkSpec) -> Vec<NicMatch> {
    // However its MAC address is written.
    let canonical = |nic: &NicMatch| {
        let mac = nic.mac.as_ref().map(|mac| crate::text::parse_mac(mac).unwrap_or_else(|| mac.clone()));
        NicMatch { mac, ..nic.clone() }
    };
    spec.interfaces.iter().filter_map(|interface| interface.nic.as_ref().map(canonical)).collect()
}

/// What is wrong, each with its field. `at` is where the document is in the request.
#[derive(Debug)]
struct Report<'a> {
    at: &'a str,
    problems: Vec<FieldError>,
}

impl Report<'_> {
    /// Takes a problem down if the condition doesn't hold.
    fn check(&mut self, holds: bool, field: impl AsRef<str>, detail: impl Into<String>) {
        if !holds {
            let field = format!("{}.{}", self.at, field.as_ref());
            self.problems.push(FieldError { field, detail: detail.into() });
        }
    }

    /// What was read, or nothing and a problem.
    fn take<T>(&mut self, field: impl AsRef<str>, read: Result<T, String>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(detail) => {
                self.check(false, field, detail);
                None
            }
        }
    }
}
