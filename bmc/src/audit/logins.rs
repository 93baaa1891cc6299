//! Default passwords: ours, which is known, and a few tries of others.

use super::inside::Inside;
use super::{Audit, Finding, Rule};
use crate::driver::{Bmc, BmcError, Credentials, Endpoint, Protocol};
use crate::drivers::Drivers;
use crate::redfish::lets_in;
use bmc_proto::audit::{DefaultLogin, default_logins, is_default};
use zeroize::Zeroizing;

/// Looks for default passwords; tries some if that is wanted.
pub(super) async fn look(
    drivers: &Drivers,
    bmc: &dyn Bmc,
    endpoint: &Endpoint,
    inside: &Inside,
    makers: &[String],
    wanted: bool,
    audit: &mut Audit,
) {
    let own = &endpoint.credentials;
    if inside.logged_in && is_default(&own.username, &own.password) {
        let what =
            format!("the user that is logged in, `{}`, has a password that a maker delivers", own.username);
        audit.findings.push(Finding { rule: Rule::DefaultPassword, what });
    }
    if !wanted {
        audit.unchecked.push("default passwords of other users: no login was tried, as was asked for".into());
        return;
    }
    if !inside.answered {
        audit.unchecked.push("default passwords of other users: our own login was not answered".into());
        return;
    }
    if inside.accounts.lock_out_after == Some(1) {
        audit
            .unchecked
            .push("default passwords of other users: one wrong password locks a user out here".into());
        return;
    }
    for login in default_logins(makers, &own.username, inside.accounts.users.as_deref()) {
        audit.tried.push(login.user.to_owned());
        match attempt(drivers, endpoint, login).await {
            Ok(true) => {
                // The password is known to everybody who can read; the user is what has to be told.
                let what = format!("the user `{}` has a password that a maker delivers", login.user);
                audit.findings.push(Finding { rule: Rule::DefaultPassword, what });
            }
            Ok(false) if is_locked(bmc, login.user).await => {
                audit.unchecked.push(format!(
                    "further default passwords: after a wrong one the user `{}` is locked out now",
                    login.user
                ));
                return;
            }
            Ok(false) => {}
            Err(error) => {
                audit
                    .unchecked
                    .push(format!("default passwords, from the user `{}` on: {error}", login.user));
                return;
            }
        }
    }
}

/// One login. Whatever is neither yes nor no is an error: it may be a lock-out.
async fn attempt(drivers: &Drivers, endpoint: &Endpoint, login: &DefaultLogin) -> Result<bool, BmcError> {
    if matches!(endpoint.protocol, Protocol::Redfish { .. }) {
        return lets_in(endpoint, login.user, login.password).await;
    }
    let credentials = Credentials {
        username: login.user.to_owned(),
        password: Zeroizing::new(login.password.to_owned()),
        bmc_key: endpoint.credentials.bmc_key.clone(),
    };
    let tried = drivers.connect(Endpoint { credentials, keeper: None, ..endpoint.clone() });
    let result = tried.info().await;
    tried.close().await;
    match result {
        Ok(_) => Ok(true),
        Err(BmcError::AuthenticationFailed { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the BMC says that a user is locked out.
async fn is_locked(bmc: &dyn Bmc, name: &str) -> bool {
    let Some(can) = bmc.users() else { return false };
    let users = can.users().await.unwrap_or_default();
    users.iter().any(|user| user.name == name && user.locked == Some(true))
}
