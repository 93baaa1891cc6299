//! The BMC's own users.

use crate::BmcError;
use async_trait::async_trait;

/// A BMC whose users can be listed and changed.
#[async_trait]
pub trait Users: Send + Sync {
    /// All slots, the empty ones, too.
    async fn users(&self) -> Result<Vec<BmcUser>, BmcError>;
    /// Names a slot; an empty name empties it. Reads it back.
    async fn set_user_name(&self, slot: u8, name: &str) -> Result<(), BmcError>;
    /// Sets a slot's password, and has the BMC test it.
    async fn set_user_password(&self, slot: u8, password: &str) -> Result<(), BmcError>;
    /// Lets a slot's user log in over the network, or not.
    async fn set_user_enabled(&self, slot: u8, enabled: bool) -> Result<(), BmcError>;
    /// Sets what a slot's user may do over the network; reads it back.
    async fn set_user_privilege(&self, slot: u8, privilege: UserPrivilege) -> Result<(), BmcError>;
}

/// A user slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BmcUser {
    /// Its number.
    pub slot: u8,
    /// Its user name; empty: the slot is free, or the anonymous user's.
    pub name: String,
    /// Whether the user may log in at all; `None`: the BMC doesn't tell.
    pub enabled: Option<bool>,
    /// What the user may do over the network.
    pub privilege: UserPrivilege,
}

/// What a user may do (IPMI 2.0 section 6.8).
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
