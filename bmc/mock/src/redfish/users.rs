//! The simulated BMC's users: the table that logins look at. The resources that show and change them are the accounts'
//! (`accounts`).

use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// A user that a simulated BMC is born with.
#[derive(Clone)]
pub struct User {
    pub(super) name: String,
    pub(super) password: String,
    pub(super) role: String,
}

impl User {
    /// One who may do everything.
    pub fn administrator(name: &str, password: &str) -> Self {
        Self::with_role(name, password, "Administrator")
    }

    /// One who may read and switch the power.
    pub fn operator(name: &str, password: &str) -> Self {
        Self::with_role(name, password, "Operator")
    }

    /// One who may read.
    pub fn reader(name: &str, password: &str) -> Self {
        Self::with_role(name, password, "ReadOnly")
    }

    fn with_role(name: &str, password: &str, role: &str) -> Self {
        Self { name: name.into(), password: password.into(), role: role.into() }
    }
}

/// An account.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// Its id: the last part of its path.
    pub(super) id: String,
    /// The user's name; empty for a slot without a user.
    pub(super) name: String,
    /// The password.
    pub(super) password: String,
    /// `Administrator`, `Operator`, `ReadOnly`, or the maker's own.
    pub(super) role: String,
    /// Whether the user may log in.
    pub(super) enabled: bool,
    /// Whether the password must be changed before anything else.
    pub(super) must_change: bool,
    /// Wrong passwords since the last right one.
    pub(super) failures: u32,
    /// Locked out until then.
    pub(super) locked_until: Option<Instant>,
}

/// How users are locked out.
#[derive(Debug, Clone, Copy)]
pub(super) struct LockOut {
    /// After so many wrong passwords; 0: never.
    pub(super) after: u32,
    /// For so long.
    pub(super) lasts: Duration,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The account's id.
    pub(super) id: String,
    /// The user's name.
    pub(super) name: String,
    /// The role.
    pub(super) role: String,
    /// Whether the password must be changed before anything else.
    pub(super) must_change: bool,
}

/// All users.
#[derive(Debug)]
pub(super) struct UserTable {
    /// In the order of their ids.
    pub(super) accounts: Vec<Account>,
    /// How users are locked out.
    pub(super) lock_out: LockOut,
}

impl UserTable {
    /// These users, with these ids in turn. Nobody is ever locked out, until that is set.
    pub(super) fn new(users: &[User], ids: Vec<String>) -> Self {
        let accounts = ids
            .into_iter()
            .zip(users)
            .map(|(id, user)| Account {
                id,
                name: user.name.clone(),
                password: user.password.clone(),
                role: user.role.clone(),
                enabled: true,
                must_change: false,
                failures: 0,
                locked_until: None,
            })
            .collect();
        Self { accounts, lock_out: LockOut { after: 0, lasts: Duration::from_secs(600) } }
    }

    /// Whose user name and password these are; `None` also for somebody who is locked out or may not log in. Each
    /// wrong password counts.
    pub(super) fn login(&mut self, name: &str, password: &str, now: Instant) -> Option<Caller> {
        let LockOut { after, lasts } = self.lock_out;
        let account =
            self.accounts.iter_mut().find(|account| !account.name.is_empty() && account.name == name)?;
        if account.locked_until.is_some_and(|until| now < until) {
            return None;
        }
        account.locked_until = None;
        if !bool::from(account.password.as_bytes().ct_eq(password.as_bytes())) {
            account.failures += 1;
            if after > 0 && account.failures >= after {
                account.failures = 0;
                account.locked_until = Some(now + lasts);
            }
            return None;
        }
        account.failures = 0;
        account.enabled.then(|| account.caller())
    }

    /// The user of this id, who logged in before; `None`: gone or disabled meanwhile.
    pub(super) fn caller(&self, id: &str) -> Option<Caller> {
        self.accounts.iter().find(|account| account.id == id && account.enabled).map(Account::caller)
    }
}

impl Account {
    fn caller(&self) -> Caller {
        Caller {
            id: self.id.clone(),
            name: self.name.clone(),
            role: self.role.clone(),
            must_change: self.must_change,
        }
    }
}
