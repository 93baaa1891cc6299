//! The BMC's accounts. Every change is read back, a password is proved by a login, and nothing is done that would lock
//! us out.
//!
//! Not here: which of two passwords the service keeps (its rotation of credentials).

use super::Redfish;
use super::client::is_passing;
use super::session::{Session, judge};
use super::transport::{Request, without};
use crate::capability::{BmcUser, PasswordPolicy, UserPrivilege, Users};
use crate::driver::{BmcError, Credentials};
use async_trait::async_trait;
use bmc_proto::redfish::accounts::{
    Account, AccountService, AccountStyle, Rank, emptying, free_slot, ilo_privileges, new_account,
    password_rules, role_for, role_rank,
};
use bmc_proto::redfish::{Effect, ResourcePath, Verdict, own_path, path_of, word_of};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

const LISTING: &str = "list its users";
const ADDING: &str = "add a user";
const REMOVING: &str = "remove a user";
const NAMING: &str = "set a user name";
const PASSWORD: &str = "set a password";
const PROVING: &str = "log in with the new password";
const ENABLING: &str = "enable or disable a user";
const LIMITING: &str = "set a user's privilege";
/// The most accounts, and roles.
const ACCOUNTS_MAX: usize = 256;
/// How often a new password is tried: some BMCs take a moment, and all lock out after a few wrong ones.
const LOGINS: u32 = 2;

/// An account and where it is.
struct Known {
    path: ResourcePath,
    account: Account,
}

impl Known {
    fn id(&self) -> String {
        let last =
            || self.path.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        self.account.id().unwrap_or_else(last)
    }
}

/// The account service and its accounts.
struct Accounts {
    service: AccountService,
    collection: ResourcePath,
    all: Vec<Known>,
}

impl Redfish {
    pub(super) async fn account_service(&self, during: &'static str) -> Result<AccountService, BmcError> {
        let service = match path_of(self.root().await?.account_service.as_ref()) {
            Some(path) => self.read_optional(&path, during).await?,
            None => None,
        };
        service.ok_or_else(|| self.cannot("it has no account service"))
    }

    async fn accounts(&self) -> Result<Accounts, BmcError> {
        let service = self.account_service(LISTING).await?;
        let Some(collection) = path_of(service.accounts.as_ref()) else {
            return Err(self.cannot("its account service doesn't list its accounts"));
        };
        let listing = self.list(&collection, ACCOUNTS_MAX, LISTING).await?;
        for problem in &listing.problems {
            tracing::debug!(address = %self.address, %problem, "an account is left out");
        }
        let read = |resource: &Value| {
            Some(Known { path: own_path(resource)?, account: self.model(resource, LISTING).ok()? })
        };
        let all = listing.members.iter().filter_map(read).collect();
        Ok(Accounts { service, collection, all })
    }

    async fn account(&self, id: &str) -> Result<Option<Known>, BmcError> {
        let accounts = self.accounts().await?;
        Ok(accounts.all.into_iter().find(|known| known.id() == id))
    }

    async fn known(&self, id: &str) -> Result<Known, BmcError> {
        match self.account(id).await? {
            Some(known) => Ok(known),
            None => {
                Err(self.cannot(format!("it has no user with the id `{id}`; list its users for their ids")))
            }
        }
    }

    /// The account as it is now.
    async fn again(&self, path: &ResourcePath, during: &'static str) -> Result<Account, BmcError> {
        self.read(path, during).await
    }

    /// What a user may do; a role that isn't known by name is looked at.
    async fn rank(&self, account: &Account) -> Result<Option<Rank>, BmcError> {
        if let Some(rank) = account.rank() {
            return Ok(Some(rank));
        }
        let role = account.links.as_ref().and_then(|links| path_of(links.role.as_ref()));
        let Some(path) = role else { return Ok(None) };
        match self.read_optional::<Value>(&path, LISTING).await {
            Ok(role) => Ok(role.as_ref().map(role_rank)),
            Err(BmcError::Refused { .. } | BmcError::Protocol { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The roles that an account can have: as it says, else all that there are.
    async fn roles(
        &self,
        service: &AccountService,
        account: Option<&Account>,
    ) -> Result<Vec<String>, BmcError> {
        if let Some(told) = account.map(|account| &account.roles_allowable).filter(|told| !told.is_empty()) {
            return Ok(told.clone());
        }
        let mut problems = Vec::new();
        let roles =
            self.list_optional(path_of(service.roles.as_ref()), ACCOUNTS_MAX, LISTING, &mut problems).await?;
        let name = |role: &Value| {
            let name = role.get("RoleId").or_else(|| role.get("Id"))?.as_str();
            word_of(name)
        };
        Ok(roles.iter().filter_map(name).collect())
    }

    fn role(&self, rank: Rank, roles: &[String]) -> Result<String, BmcError> {
        role_for(rank, roles).ok_or_else(|| match rank {
            Rank::Nothing => {
                self.cannot("it has no role for somebody who may do nothing; disable the user instead")
            }
            _ => self.cannot(format!("it has no such role, only {}", roles.join(", "))),
        })
    }

    /// Whether it is the user that we log in as. Some BMCs don't tell capitals from small letters.
    fn is_own(&self, account: &Account) -> bool {
        !account.is_free() && account.name().eq_ignore_ascii_case(self.session.username())
    }

    /// Refuses to do something to the user that we log in as.
    fn check_other(&self, account: &Account, doing: &str) -> Result<(), BmcError> {
        if !self.is_own(account) {
            return Ok(());
        }
        let name = account.name();
        Err(self.cannot(format!(
            "`{name}` is the user that is logged in, and {doing} it would lock us out; log in as another administrator \
             of this BMC and do it from there"
        )))
    }

    /// Writes to an account and reads until it is as wanted.
    async fn change(
        &self,
        path: &ResourcePath,
        body: Value,
        during: &'static str,
        done: impl Fn(&Account) -> Result<(), String> + Sync,
    ) -> Result<(), BmcError> {
        self.patch_and_look(path, body, during).await?;
        self.await_that(self.timing.settle, during, || async { Ok(done(&self.again(path, during).await?)) })
            .await
    }

    /// Whether the BMC lets somebody in with these, on a session of their own which is ended at once.
    pub(super) async fn lets_in(
        &self,
        name: &str,
        password: &str,
        path: &ResourcePath,
    ) -> Result<bool, BmcError> {
        let password = Zeroizing::new(password.to_owned());
        let credentials = Credentials { username: name.into(), password, bmc_key: None };
        let session = Session::new(credentials, None, Arc::clone(&self.timing));
        let transport = self.transport()?;
        // Any answer but 401 shows that the password was right, also one that the user may not see that.
        let answer = session.call(transport, &Request::get(path, PROVING)).await;
        session.close(transport).await;
        match answer {
            Ok(_) => Ok(true),
            Err(BmcError::AuthenticationFailed { why, .. }) if why.contains("must be changed") => Ok(true),
            Err(BmcError::AuthenticationFailed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Proves a password by a login; that of somebody who may not log in can't be.
    async fn prove(&self, known: &Known, password: &str) -> Result<(), BmcError> {
        // How ours is by now could only be asked with the old password.
        let account = match self.is_own(&known.account) {
            true => known.account.clone(),
            false => self.again(&known.path, PASSWORD).await?,
        };
        if !account.may_log_in() {
            tracing::debug!(address = %self.address, "the password of a user who may not log in is not proved");
            return Ok(());
        }
        for login in 1..=LOGINS {
            match self.lets_in(account.name(), password, &known.path).await {
                Ok(true) => return Ok(()),
                // A login that was lost tells nothing of the password.
                Err(error) if login == LOGINS || !is_passing(&error) => return Err(error),
                Ok(false) | Err(_) => {}
            }
            if login < LOGINS {
                tokio::time::sleep(self.timing.poll).await;
            }
        }
        Err(self.not_done(PASSWORD, "another password: it lets nobody in with the new one"))
    }

    /// A password that an administrator sets must not have to be changed at the first login: nobody could.
    async fn lift_change(&self, path: &ResourcePath, during: &'static str) -> Result<(), BmcError> {
        if self.again(path, during).await?.password_change_required != Some(true) {
            return Ok(());
        }
        match self.patch_and_look(path, json!({ "PasswordChangeRequired": false }), during).await {
            Ok(_) => {}
            Err(BmcError::Refused { answer, .. }) => {
                return Err(self.cannot(format!(
                    "it wants the new password to be changed at the first login ({answer}); turn that demand off on the \
                     BMC"
                )));
            }
            Err(error) => return Err(error),
        }
        self.await_that(self.timing.settle, during, || async {
            let required = self.again(path, during).await?.password_change_required == Some(true);
            Ok(if required { Err("that the password must be changed first".into()) } else { Ok(()) })
        })
        .await
    }

    async fn write_new(
        &self,
        accounts: &Accounts,
        name: &str,
        password: &str,
        rank: Rank,
    ) -> Result<(), BmcError> {
        let all: Vec<Account> = accounts.all.iter().map(|known| known.account.clone()).collect();
        let free = free_slot(&all).map(|index| &accounts.all[index]);
        let roles = self.roles(&accounts.service, free.map(|known| &known.account)).await?;
        let role = self.role(rank, &roles)?;
        let quirks = self.quirks().await?;
        let style = AccountStyle::of(&quirks, &all);
        if style != AccountStyle::Slot {
            let body = new_account(style, name, password, &role, rank);
            let mut request = Request::post(&accounts.collection, body, ADDING);
            request.once = true;
            let answer = self.insist(&request).await?;
            // 405: accounts are slots here, too, whoever made it.
            if answer.status.is_success() || judge(&answer) != Verdict::Absent {
                return self.outcome(answer, ADDING).await.map(drop);
            }
        }
        let Some(slot) = free else {
            return Err(self.cannot("all its user slots are taken; remove a user first"));
        };
        let body = new_account(AccountStyle::Slot, name, password, &role, rank);
        self.patch_and_look(&slot.path, body, ADDING).await.map(drop)
    }

    /// Empties a slot, in two steps as some BMCs want it.
    async fn free_up(&self, known: &Known, service: &AccountService) -> Result<(), BmcError> {
        let roles = self.roles(service, Some(&known.account)).await?;
        for body in emptying(role_for(Rank::Nothing, &roles).as_deref()) {
            self.patch_and_look(&known.path, body, REMOVING).await?;
        }
        Ok(())
    }

    async fn list_users(&self) -> Result<Vec<BmcUser>, BmcError> {
        let mut users = Vec::new();
        for known in self.accounts().await?.all {
            let rank = self.rank(&known.account).await?;
            users.push(BmcUser {
                id: known.id(),
                name: word_of(Some(known.account.name())).unwrap_or_default(),
                enabled: known.account.enabled,
                locked: known.account.locked,
                privilege: rank.map_or(UserPrivilege::Oem, privilege),
            });
        }
        Ok(users)
    }
}

#[async_trait]
impl Users for Redfish {
    async fn users(&self) -> Result<Vec<BmcUser>, BmcError> {
        self.list_users().await
    }

    async fn add_user(
        &self,
        name: &str,
        password: &str,
        privilege: UserPrivilege,
    ) -> Result<String, BmcError> {
        if name.is_empty() || password.is_empty() {
            return Err(self.cannot("a user needs a name and a password"));
        }
        let rank = self.wanted(privilege)?;
        let accounts = self.accounts().await?;
        if accounts.all.iter().any(|known| known.account.name() == name) {
            return Err(self.cannot(format!("it has a user `{name}` already")));
        }
        match self.write_new(&accounts, name, password, rank).await {
            // If it is there, what is read back below tells whether it is as wanted.
            Ok(()) | Err(BmcError::Unknown { .. }) => {}
            // A refusal may repeat what it refuses.
            Err(error) => return Err(without(error, password)),
        }
        let known = self
            .await_that(self.timing.settle, ADDING, || async {
                let found = self.accounts().await?.all.into_iter().find(|known| known.account.name() == name);
                Ok(found.ok_or_else(|| "no such user".into()))
            })
            .await?;
        let id = known.id();
        self.lift_change(&known.path, ADDING).await?;
        if self.rank(&known.account).await?.is_some_and(|found| found != rank) {
            self.set_user_privilege(&id, privilege).await?;
        }
        // Lenovo leaves a user disabled who was written to a slot.
        if known.account.enabled == Some(false) {
            self.set_user_enabled(&id, true).await?;
        }
        self.prove(&known, password).await?;
        Ok(id)
    }

    async fn remove_user(&self, id: &str) -> Result<(), BmcError> {
        let accounts = self.accounts().await?;
        let Some(known) = accounts.all.iter().find(|known| known.id() == id) else { return Ok(()) };
        if known.account.is_free() {
            return Ok(());
        }
        self.check_other(&known.account, "removing")?;
        let slots = self.quirks().await?.has(Effect::AccountsAreSlots)
            && accounts.all.iter().any(|known| known.account.is_free());
        if slots {
            self.free_up(known, &accounts.service).await?;
        } else {
            let answer = self.insist(&Request::new(Method::DELETE, &known.path, REMOVING)).await?;
            match judge(&answer) {
                Verdict::Absent if answer.status == 404 => {}
                Verdict::Absent if !answer.status.is_success() => {
                    self.free_up(known, &accounts.service).await?
                }
                _ => self.outcome(answer, REMOVING).await.map(drop)?,
            }
        }
        self.await_that(self.timing.settle, REMOVING, || async {
            let gone = self.account(id).await?.is_none_or(|known| known.account.is_free());
            Ok(if gone { Ok(()) } else { Err("that the user is still there".into()) })
        })
        .await
    }

    async fn set_user_name(&self, id: &str, name: &str) -> Result<(), BmcError> {
        if name.is_empty() {
            return self.remove_user(id).await;
        }
        let known = self.known(id).await?;
        if known.account.name() == name {
            return Ok(());
        }
        self.check_other(&known.account, "renaming")?;
        let mut body = json!({ "UserName": name });
        if self.quirks().await?.has(Effect::AccountsWantLoginName) {
            body["Oem"] = json!({ "Hpe": { "LoginName": name } });
        }
        let named = |account: &Account| {
            if account.name() == name { Ok(()) } else { Err(format!("the name `{}`", account.name())) }
        };
        self.change(&known.path, body, NAMING, named).await
    }

    async fn set_user_password(&self, id: &str, password: &str) -> Result<(), BmcError> {
        if password.is_empty() {
            return Err(self.cannot("an empty password would let everybody in; disable the user instead"));
        }
        let known = self.known(id).await?;
        if known.account.is_free() {
            return Err(self.cannot(format!("nobody is in user slot {id}; name it first")));
        }
        let set = self.patch(&known.path, json!({ "Password": password }), PASSWORD).await;
        // A refusal may repeat what it refuses.
        set.map_err(|error| without(error, password))?;
        // Nobody has to change what was changed just now by its own user, whose sessions may have ended with that.
        if !self.is_own(&known.account) {
            self.lift_change(&known.path, PASSWORD).await?;
        }
        self.prove(&known, password).await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), BmcError> {
        let known = self.known(id).await?;
        let locked = known.account.locked == Some(true);
        match known.account.enabled {
            None => return Err(self.cannot("its users can't be disabled; remove the user, or add it again")),
            Some(now) if now == enabled && !(enabled && locked) => return Ok(()),
            Some(_) => {}
        }
        if !enabled {
            self.check_other(&known.account, "disabling")?;
        }
        if enabled && locked {
            // Somebody who is locked out can't log in, however enabled.
            self.patch(&known.path, json!({ "Locked": false }), ENABLING).await?;
        }
        self.change(&known.path, json!({ "Enabled": enabled }), ENABLING, |account| match account.enabled {
            Some(found) if found == enabled => Ok(()),
            Some(true) => Err("that it is enabled".into()),
            _ => Err("that it is disabled".into()),
        })
        .await
    }

    async fn set_user_privilege(&self, id: &str, privilege: UserPrivilege) -> Result<(), BmcError> {
        let rank = self.wanted(privilege)?;
        let known = self.known(id).await?;
        if self.rank(&known.account).await? == Some(rank) {
            return Ok(());
        }
        if rank != Rank::Administrator {
            self.check_other(&known.account, "taking privileges from")?;
        }
        let body = if self.quirks().await?.has(Effect::AccountsWantLoginName) {
            json!({ "Oem": { "Hpe": { "Privileges": ilo_privileges(rank) } } })
        } else {
            let service = self.account_service(LIMITING).await?;
            let roles = self.roles(&service, Some(&known.account)).await?;
            json!({ "RoleId": self.role(rank, &roles)? })
        };
        self.patch(&known.path, body, LIMITING).await?;
        self.await_that(self.timing.settle, LIMITING, || async {
            let account = self.again(&known.path, LIMITING).await?;
            let found = self.rank(&account).await?;
            Ok(if found == Some(rank) { Ok(()) } else { Err(format!("{found:?}")) })
        })
        .await
    }

    async fn password_policy(&self) -> Result<PasswordPolicy, BmcError> {
        let service = self.account_service("read what passwords it takes").await?;
        let rules = password_rules(&service, self.quirks().await?.vendor());
        Ok(PasswordPolicy {
            shortest: rules.shortest,
            longest: rules.longest,
            kinds: rules.kinds,
            marks: rules.marks,
        })
    }
}

impl Redfish {
    fn wanted(&self, privilege: UserPrivilege) -> Result<Rank, BmcError> {
        Ok(match privilege {
            UserPrivilege::NoAccess => Rank::Nothing,
            UserPrivilege::User => Rank::ReadOnly,
            UserPrivilege::Operator => Rank::Operator,
            UserPrivilege::Administrator => Rank::Administrator,
            UserPrivilege::Callback | UserPrivilege::Oem => {
                return Err(self.cannot(
                    "Redfish has no such privilege; choose no-access, user, operator or administrator",
                ));
            }
        })
    }
}

fn privilege(rank: Rank) -> UserPrivilege {
    match rank {
        Rank::Nothing => UserPrivilege::NoAccess,
        Rank::ReadOnly => UserPrivilege::User,
        Rank::Operator => UserPrivilege::Operator,
        Rank::Administrator => UserPrivilege::Administrator,
    }
}

#[cfg(test)]
mod tests;
