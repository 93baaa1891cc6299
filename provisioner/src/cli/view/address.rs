//! Addresses that are taken out of the address plan.

use super::layout::{Page, table};
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::Address;

impl HasName for Address {
    fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.address.clone())
    }
}

/// A table of addresses.
pub(in crate::cli) fn addresses(addresses: &[Address], context: &Context) -> String {
    let rows = addresses.iter().map(|address| {
        [
            address.address.clone(),
            address.network.clone(),
            address.subnet.clone(),
            address.name.clone().unwrap_or_default(),
            instances(address),
            context.age(address.since),
        ]
    });
    table(["ADDRESS", "NETWORK", "SUBNET", "NAME", "INSTANCE", "FOR"], rows)
}

/// A page about one.
pub(in crate::cli) fn address(address: &Address, context: &Context) -> String {
    let mut page = Page::default();
    page.line("Name", address.name.as_deref().unwrap_or_default());
    page.line("Address", &address.address);
    page.line("Subnet", &address.subnet).line("Network", &address.network);
    page.line("Pool", address.pool.as_deref().unwrap_or_default());
    page.line("Instance", instances(address));
    page.line("Taken", context.time_and_age(address.since));
    page.end()
}

/// Whose it is, or who uses it.
fn instances(address: &Address) -> String {
    let own = address.instance_name.as_ref().map(|name| {
        let interface = address.interface.as_deref().unwrap_or_default();
        format!("{name} ({interface})")
    });
    own.unwrap_or_else(|| address.used_by.join(","))
}
