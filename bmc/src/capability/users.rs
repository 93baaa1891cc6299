//! The BMC's own users.

use crate::BmcError;
use async_trait::async_trait;

/// A BMC whose users can be listed and changed. Users are named by their id: a slot's number (IPMI), or the id of
/// their account (Redfish), which is a number at some makers and the user's name at others.
#[async_trait]
pub trait Users: Send + Sync {
    /// All of them, with the empty slots where there are such.
    async fn users(&self) -> Result<Vec<BmcUser>, BmcError>;
    /// Adds a user, enabled; answers the id. Reads it back. A name that exists is an error.
    async fn add_user(
        &self,
        name: &str,
        password: &str,
        privilege: UserPrivilege,
    ) -> Result<String, BmcError>;
    /// Removes a user, or frees the slot. A user who is not there is success.
    async fn remove_user(&self, id: &str) -> Result<(), BmcError>;
    /// Names a user or a slot; an empty name frees a slot. Reads it back.
    async fn set_user_name(&self, id: &str, name: &str) -> Result<(), BmcError>;
    /// Sets a password, and proves that the BMC has it.
    async fn set_user_password(&self, id: &str, password: &str) -> Result<(), BmcError>;
    /// Lets a user log in over the network, or not.
    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), BmcError>;
    /// Sets what a user may do over the network; reads it back.
    async fn set_user_privilege(&self, id: &str, privilege: UserPrivilege) -> Result<(), BmcError>;
    /// What a password has to be like here, as far as the BMC tells or its maker is known to want.
    async fn password_policy(&self) -> Result<PasswordPolicy, BmcError>;
}

/// What a BMC wants of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// The fewest characters.
    pub shortest: u8,
    /// The most characters.
    pub longest: u8,
    /// Of how many kinds characters must be: lower case, upper case, digits, marks.
    pub kinds: u8,
    /// The marks that are safe there.
    pub marks: &'static str,
}

/// A user, or a slot for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BmcUser {
    /// Its id.
    pub id: String,
    /// Its user name; empty: the slot is free, or the anonymous user's.
    pub name: String,
    /// Whether the user may log in at all; `None`: the BMC doesn't tell.
    pub enabled: Option<bool>,
    /// Whether the BMC locked the user out after wrong passwords; `None`: it doesn't tell.
    pub locked: Option<bool>,
    /// What the user may do over the network.
    pub privilege: UserPrivilege,
}

/// What a user may do (IPMI 2.0 section 6.8; Redfish `RoleId`s `ReadOnly`, `Operator`, `Administrator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserPrivilege {
    /// Nothing, over the network.
    NoAccess,
    /// Ask to be called back.
    Callback,
    /// Read.
    User,
    /// Read, and switch the power.
    Operator,
    /// Everything.
    Administrator,
    /// What the manufacturer thought of.
    Oem,
}
