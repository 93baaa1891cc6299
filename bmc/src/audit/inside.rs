//! What the BMC tells the user that we log in as.

use super::{AccountFacts, ServiceFacts};
use crate::capability::{BmcUser, SecurityFacts, UserPrivilege};
use crate::driver::{Bmc, BmcError};
use bmc_proto::audit::UserFacts;

/// What was read, logged in.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// Whether our own login worked.
    pub(super) logged_in: bool,
    /// Whether the BMC answered to it, if only to refuse it.
    pub(super) answered: bool,
    pub(super) makers: Vec<String>,
    pub(super) models: Vec<String>,
    pub(super) firmware: Option<String>,
    pub(super) accounts: AccountFacts,
    pub(super) services: ServiceFacts,
}

/// Reads it. The error is that of the login, or of a BMC that doesn't answer.
pub(super) async fn look(bmc: &dyn Bmc, unchecked: &mut Vec<String>) -> Result<Inside, BmcError> {
    let info = bmc.info().await?;
    let told = match bmc.security() {
        Some(can) => can.security().await.unwrap_or_else(|error| {
            unchecked.push(format!("its rules for passwords and its services: {error}"));
            SecurityFacts::default()
        }),
        None => SecurityFacts::default(),
    };
    let users = match bmc.users() {
        Some(can) => match can.users().await {
            Ok(users) => Some(users.iter().map(facts).collect()),
            Err(error) => {
                unchecked.push(format!("its users: {error}"));
                None
            }
        },
        None => None,
    };
    let or = |list: Vec<String>, one: Option<String>| {
        if list.is_empty() { one.into_iter().collect() } else { list }
    };
    Ok(Inside {
        logged_in: true,
        answered: true,
        makers: or(told.makers, info.manufacturer),
        models: or(told.models, info.product),
        firmware: told.firmware.or(info.firmware),
        accounts: AccountFacts {
            users,
            lock_out_after: told.lock_out_after,
            shortest_password: told.shortest_password,
        },
        services: ServiceFacts { telnet: told.telnet, old_snmp: told.old_snmp, ipmi: None },
    })
}

fn facts(user: &BmcUser) -> UserFacts {
    let may = user.enabled != Some(false) && user.locked != Some(true);
    UserFacts {
        name: user.name.clone(),
        usable: may && user.privilege != UserPrivilege::NoAccess,
        administrator: user.privilege == UserPrivilege::Administrator,
    }
}
