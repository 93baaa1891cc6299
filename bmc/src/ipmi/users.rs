//! The BMC's users. Every change is read back; one that would lock us out is not made.

use super::Ipmi;
use super::optional::ABSENT;
use crate::capability::{BmcUser, PasswordPolicy, UserPrivilege, Users};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::user::{
    AccessBits, AccessLimit, EnableStatus, GetUserAccess, GetUserName, PASSWORD_DIFFERS,
    PASSWORD_SIZE_DIFFERS, Password, PasswordOperation, SHORT_PASSWORD, SetUserAccess, SetUserName,
    SetUserPassword, UserAccess,
};
use bmc_proto::ipmi::handshake::{MAX_PASSWORD, MAX_USERNAME};

const LISTING: &str = "listing its users";
const NAMING: &str = "setting a user name";
const PASSWORD: &str = "setting a password";
const ENABLING: &str = "enabling or disabling a user";
const LIMITING: &str = "setting a user's privilege";
/// Slots that are looked at where the BMC doesn't say how many it has.
const USUAL_SLOTS: u8 = 16;
/// Slots that a number of six bits can have.
const MAX_SLOT: u8 = 63;
/// A list is of up to 126 commands.
const LIST_CALLS: u32 = 4;

#[async_trait]
impl Users for Ipmi {
    async fn users(&self) -> Result<Vec<BmcUser>, BmcError> {
        self.bounded(self.timing.call * LIST_CALLS, LISTING, self.list_users()).await
    }

    async fn add_user(
        &self,
        name: &str,
        password: &str,
        privilege: UserPrivilege,
    ) -> Result<String, BmcError> {
        if name.is_empty() {
            return Err(self.cannot("a user needs a name"));
        }
        let users = self.users().await?;
        if users.iter().any(|user| user.name == name) {
            return Err(self.cannot(format!("it has a user `{name}` already")));
        }
        let Some(free) = users.iter().find(|user| user.name.is_empty() && user.slot_number() > Some(1))
        else {
            return Err(self.cannot("all its user slots are taken; free one first"));
        };
        let id = free.id.clone();
        self.set_user_name(&id, name).await?;
        let made = async {
            self.set_user_password(&id, password).await?;
            self.set_user_privilege(&id, privilege).await?;
            self.set_user_enabled(&id, true).await
        };
        if let Err(error) = made.await {
            // Half a user has the password and the rights of whoever had the slot before.
            if let Err(left) = self.remove_user(&id).await {
                tracing::warn!(address = %self.errors.address, slot = id, error = %left, "half a user is left");
            }
            return Err(error);
        }
        Ok(id)
    }

    async fn remove_user(&self, id: &str) -> Result<(), BmcError> {
        let slot = self.slot(id)?;
        self.check_slot(slot)?;
        // The name goes last. The first slot has none and is the anonymous user's all the same.
        let name = self.bounded(self.timing.call, LISTING, self.user_name(slot, LISTING));
        if slot > 1 && name.await?.is_empty() {
            return Ok(());
        }
        self.set_user_enabled(id, false).await?;
        self.set_user_privilege(id, UserPrivilege::NoAccess).await?;
        self.set_user_name(id, "").await
    }

    async fn set_user_name(&self, id: &str, name: &str) -> Result<(), BmcError> {
        let slot = self.slot(id)?;
        self.bounded(self.timing.call, NAMING, self.write_name(slot, name)).await
    }

    async fn set_user_password(&self, id: &str, password: &str) -> Result<(), BmcError> {
        let slot = self.slot(id)?;
        self.bounded(self.timing.call, PASSWORD, self.write_password(slot, password)).await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), BmcError> {
        let slot = self.slot(id)?;
        self.bounded(self.timing.call, ENABLING, self.write_enabled(slot, enabled)).await
    }

    async fn set_user_privilege(&self, id: &str, privilege: UserPrivilege) -> Result<(), BmcError> {
        let slot = self.slot(id)?;
        self.bounded(self.timing.call, LIMITING, self.write_privilege(slot, privilege)).await
    }

    async fn password_policy(&self) -> Result<PasswordPolicy, BmcError> {
        // Every IPMI 2.0 BMC takes 16 bytes (table 22-30); not all take 20.
        Ok(PasswordPolicy { shortest: 8, longest: 16, kinds: 3, marks: "-_.+" })
    }
}

impl BmcUser {
    /// The number of an IPMI slot.
    fn slot_number(&self) -> Option<u8> {
        self.id.parse().ok()
    }
}

impl Ipmi {
    fn slot(&self, id: &str) -> Result<u8, BmcError> {
        id.parse().map_err(|_| self.cannot(format!("its users are numbered slots, and `{id}` is no number")))
    }

    async fn list_users(&self) -> Result<Vec<BmcUser>, BmcError> {
        let channel = self.lan_channel(LISTING).await?;
        let mut users = Vec::new();
        let (mut slot, mut slots) = (1, USUAL_SLOTS);
        while slot <= slots {
            // A slot that can't be looked at (some reserve the first) is left out.
            if let Some(access) = self.optional(GetUserAccess { channel, user: slot }, LISTING).await? {
                slots = if access.slots == 0 { slots } else { access.slots };
                users.push(BmcUser {
                    id: slot.to_string(),
                    name: self.user_name(slot, LISTING).await?,
                    enabled: enabled(&access),
                    locked: None,
                    privilege: privilege(&access),
                });
            }
            slot += 1;
        }
        Ok(users)
    }

    /// The name of a slot. BMCs that refuse to tell an empty one are taken at their word.
    async fn user_name(&self, slot: u8, during: &'static str) -> Result<String, BmcError> {
        let codes = [&ABSENT[..], &[0xCE, Answer::UNSPECIFIED]].concat();
        Ok(self.unless(GetUserName { user: slot }, &codes, during).await?.unwrap_or_default())
    }

    async fn write_name(&self, slot: u8, name: &str) -> Result<(), BmcError> {
        self.check_slot(slot)?;
        let Some(command) = SetUserName::new(slot, name) else {
            return Err(
                self.cannot(format!("user names have {MAX_USERNAME} bytes at the most, none of them zero"))
            );
        };
        let before = self.user_name(slot, NAMING).await?;
        if before == name {
            return Ok(());
        }
        self.check_other(slot, &before, "renaming")?;
        // Empty slots and fixed names are refused alike.
        let codes = [Answer::INVALID_FIELD, Answer::OUT_OF_RANGE, 0xCB];
        if self.unless(command, &codes, NAMING).await?.is_none() {
            return Err(self.cannot(format!(
                "it does not let user slot {slot} be named `{name}` (it may be reserved, or the name be taken or not \
                 to its liking); choose another slot or name, or disable the user instead of emptying its name"
            )));
        }
        let found = self.user_name(slot, NAMING).await?;
        if found == name { Ok(()) } else { Err(self.errors.not_done(NAMING, format!("the name `{found}`"))) }
    }

    async fn write_password(&self, slot: u8, password: &str) -> Result<(), BmcError> {
        self.check_slot(slot)?;
        if password.is_empty() {
            return Err(self.cannot("an empty password would let everybody in; disable the user instead"));
        }
        let Some(password) = Password::new(password) else {
            return Err(
                self.cannot(format!("IPMI passwords have {MAX_PASSWORD} bytes at the most, none zero"))
            );
        };
        let set = SetUserPassword { user: slot, operation: PasswordOperation::Set(password.clone()) };
        let too_long: &[u8] = if password.is_long() { &[Answer::INVALID_LENGTH, 0xC8] } else { &[] };
        if self.unless(set, too_long, PASSWORD).await?.is_none() {
            return Err(self.cannot(format!(
                "it takes passwords of {SHORT_PASSWORD} bytes at the most; choose a shorter one"
            )));
        }
        self.test_password(slot, password).await
    }

    /// Has the BMC test the password that it was given.
    async fn test_password(&self, slot: u8, password: Password) -> Result<(), BmcError> {
        let long = password.is_long();
        let mut answer = self.test(slot, password.clone()).await?;
        if answer.completion == PASSWORD_SIZE_DIFFERS && !long {
            // It keeps all of them as 20 bytes.
            answer = self.test(slot, password.clone().lengthened()).await?;
        }
        match answer.completion {
            // There are BMCs that cut a password off, and then take the test for passed.
            Answer::OK if long && self.test(slot, password.cut_off()).await?.completion == Answer::OK => {
                Err(self.cut_off())
            }
            Answer::OK => Ok(()),
            PASSWORD_SIZE_DIFFERS if long => Err(self.cut_off()),
            PASSWORD_DIFFERS | PASSWORD_SIZE_DIFFERS => {
                Err(self.errors.not_done(PASSWORD, "another password".into()))
            }
            // The test is mandatory, but there are BMCs without it.
            Answer::INVALID_COMMAND | Answer::INVALID_FIELD | 0xD6 => {
                tracing::warn!(address = %self.errors.address, slot, "the BMC can't test the new password");
                Ok(())
            }
            _ => Err(self.errors.refused(&answer, PASSWORD)),
        }
    }

    fn cut_off(&self) -> BmcError {
        let found = format!("that {SHORT_PASSWORD} bytes of it suffice; choose a password that is no longer");
        self.errors.not_done(PASSWORD, found)
    }

    async fn test(&self, slot: u8, password: Password) -> Result<Answer, BmcError> {
        let test = SetUserPassword { user: slot, operation: PasswordOperation::Test(password) };
        self.answer(test.into(), PASSWORD).await
    }

    async fn write_enabled(&self, slot: u8, wanted: bool) -> Result<(), BmcError> {
        self.check_slot(slot)?;
        let channel = self.lan_channel(ENABLING).await?;
        let before = self.call(GetUserAccess { channel, user: slot }, ENABLING).await?;
        if !wanted {
            self.check_other(slot, &self.user_name(slot, ENABLING).await?, "disabling")?;
        }
        let operation = if wanted { PasswordOperation::Enable } else { PasswordOperation::Disable };
        if enabled(&before) != Some(wanted) {
            self.call(SetUserPassword { user: slot, operation }, ENABLING).await?;
        }
        if wanted && !before.bits.messaging && before.limit != AccessLimit::NoAccess {
            // Enabled as it is, it could not send us anything.
            let bits = Some(AccessBits { messaging: true, ..before.bits });
            self.call(SetUserAccess { channel, user: slot, bits, limit: before.limit }, ENABLING).await?;
        }
        let after = self.call(GetUserAccess { channel, user: slot }, ENABLING).await?;
        match enabled(&after) {
            Some(found) if found != wanted => {
                let found = if found { "that it is enabled" } else { "that it is disabled" };
                Err(self.errors.not_done(ENABLING, found.into()))
            }
            // As wanted, or the BMC doesn't tell.
            _ => Ok(()),
        }
    }

    async fn write_privilege(&self, slot: u8, wanted: UserPrivilege) -> Result<(), BmcError> {
        self.check_slot(slot)?;
        let channel = self.lan_channel(LIMITING).await?;
        let before = self.call(GetUserAccess { channel, user: slot }, LIMITING).await?;
        if privilege(&before) == wanted {
            return Ok(());
        }
        if wanted != UserPrivilege::Administrator {
            self.check_other(slot, &self.user_name(slot, LIMITING).await?, "taking privileges from")?;
        }
        let messaging = wanted != UserPrivilege::NoAccess;
        let bits = Some(AccessBits { messaging, callback_only: false, ..before.bits });
        let command = SetUserAccess { channel, user: slot, bits, limit: limit(wanted) };
        self.call(command, LIMITING).await?;
        let found = privilege(&self.call(GetUserAccess { channel, user: slot }, LIMITING).await?);
        if found == wanted { Ok(()) } else { Err(self.errors.not_done(LIMITING, format!("{found:?}"))) }
    }

    fn check_slot(&self, slot: u8) -> Result<(), BmcError> {
        if (1..=MAX_SLOT).contains(&slot) {
            return Ok(());
        }
        Err(self.cannot(format!("there is no user slot {slot}; slots are counted from 1")))
    }

    /// Refuses to do something to the user that we log in as.
    fn check_other(&self, slot: u8, name: &str, doing: &str) -> Result<(), BmcError> {
        let ours = &self.errors.username;
        // Empty slots have the anonymous user's name, but only the first is the anonymous user's.
        if name != ours || (ours.is_empty() && slot != 1) {
            return Ok(());
        }
        Err(self.cannot(format!(
            "`{name}` is the user that is logged in, and {doing} it would lock us out; log in as another administrator \
             of this BMC and do it from there"
        )))
    }
}

fn enabled(access: &UserAccess) -> Option<bool> {
    match access.status {
        EnableStatus::Enabled => Some(true),
        EnableStatus::Disabled => Some(false),
        EnableStatus::Unspecified => None,
    }
}

/// Who may not send messages may do nothing, whatever the limit.
fn privilege(access: &UserAccess) -> UserPrivilege {
    match access.limit {
        _ if !access.bits.messaging => UserPrivilege::NoAccess,
        AccessLimit::Callback => UserPrivilege::Callback,
        AccessLimit::User => UserPrivilege::User,
        AccessLimit::Operator => UserPrivilege::Operator,
        AccessLimit::Administrator => UserPrivilege::Administrator,
        AccessLimit::Oem => UserPrivilege::Oem,
        AccessLimit::NoAccess | AccessLimit::Other(_) => UserPrivilege::NoAccess,
    }
}

fn limit(privilege: UserPrivilege) -> AccessLimit {
    match privilege {
        UserPrivilege::NoAccess => AccessLimit::NoAccess,
        UserPrivilege::Callback => AccessLimit::Callback,
        UserPrivilege::User => AccessLimit::User,
        UserPrivilege::Operator => AccessLimit::Operator,
        UserPrivilege::Administrator => AccessLimit::Administrator,
        UserPrivilege::Oem => AccessLimit::Oem,
    }
}
