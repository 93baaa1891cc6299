//! The BMC's own users.

use crate::cli::{
    ui::HasName,
    view::{layout::table, word},
};
use provisioner_api::BmcUserEntry;

impl HasName for BmcUserEntry {
    fn name(&self) -> String {
        if self.name.is_empty() { format!("#{}", self.id) } else { self.name.clone() }
    }
}

/// A table of users.
pub(in crate::cli) fn bmc_users(users: &[BmcUserEntry]) -> String {
    let rows = users.iter().map(|user| {
        let enabled = user.enabled.map(|enabled| if enabled { "yes" } else { "no" });
        [
            user.id.clone(),
            user.name.clone(),
            if user.locked == Some(true) { "locked out" } else { enabled.unwrap_or_default() }.to_owned(),
            word(user.privilege),
        ]
    });
    table(["ID", "NAME", "MAY LOG IN", "PRIVILEGE"], rows)
}
