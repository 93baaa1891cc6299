//! The simulated BMC's users: the table that logins look at, and the commands that change it (22.26 to 22.30).
//!
//! Deliberately not here: logging in (`sessions`).

use super::group::{Done, Request, answer, lock, refuse};
use super::lan::Lan;
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::user::{
    AccessBits, AccessLimit, EnableStatus, GetUserAccess, GetUserName, PASSWORD_DIFFERS,
    PASSWORD_SIZE_DIFFERS, Password, PasswordOperation, SHORT_PASSWORD, SetUserAccess, SetUserName,
    SetUserPassword, UserAccess,
};
use bmc_proto::ipmi::handshake::{MAX_PASSWORD, MAX_USERNAME};
use std::sync::{Arc, Mutex, MutexGuard};

/// Slots, as many as common BMCs have.
const SLOTS: u8 = 16;

/// A user that a simulated BMC is born with.
#[derive(Clone)]
pub struct User {
    username: String,
    password: String,
    limit: AccessLimit,
}

impl User {
    /// One who may do everything. Of the name 16 bytes are kept, of the password 20.
    pub fn administrator(username: &str, password: &str) -> Self {
        Self { username: username.into(), password: password.into(), limit: AccessLimit::Administrator }
    }

    /// One who may read and switch the power.
    pub fn operator(username: &str, password: &str) -> Self {
        Self { limit: AccessLimit::Operator, ..Self::administrator(username, password) }
    }

    /// One who may read.
    pub fn reader(username: &str, password: &str) -> Self {
        Self { limit: AccessLimit::User, ..Self::administrator(username, password) }
    }
}

/// What a login needs to know of a user.
#[derive(Clone)]
pub(crate) struct Account {
    /// The slot's number, from 1.
    pub(crate) slot: u8,
    /// Filled up with zeros.
    pub(crate) password: [u8; MAX_PASSWORD],
    /// The most that a session may do, see `bmc_proto::ipmi::handshake::privilege`.
    pub(crate) limit: u8,
    /// Whether the user may log in over the network.
    pub(crate) enabled: bool,
}

/// All users. Slot 1 is the anonymous one's, whose name is fixed; it is disabled at birth.
pub(crate) struct UserTable {
    /// Slot 1 first. Those behind the last one are empty.
    slots: Vec<Slot>,
    quirks: UserQuirks,
}

/// How a BMC's users differ from the specification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserQuirks {
    /// Takes passwords of 16 bytes only, as IPMI 1.5 has them.
    pub short_passwords_only: bool,
    /// Refuses to tell the name of an empty slot.
    pub empty_names_refused: bool,
    /// Refuses to take an empty name.
    pub names_stay: bool,
    /// Does not tell whether a user is enabled.
    pub silent_status: bool,
    /// Says yes to every change and makes none.
    pub deaf: bool,
}

#[derive(Clone, Copy)]
struct Slot {
    name: [u8; MAX_USERNAME],
    password: [u8; MAX_PASSWORD],
    /// Whether the password was set in its long form.
    long: bool,
    status: EnableStatus,
    bits: AccessBits,
    limit: AccessLimit,
}

impl Slot {
    const EMPTY: Self = Self {
        name: [0; MAX_USERNAME],
        password: [0; MAX_PASSWORD],
        long: false,
        status: EnableStatus::Disabled,
        bits: AccessBits { callback_only: false, link_authentication: false, messaging: false },
        limit: AccessLimit::NoAccess,
    };

    fn of(user: &User) -> Self {
        Self {
            name: padded(user.username.as_bytes()),
            password: padded(user.password.as_bytes()),
            long: user.password.len() > SHORT_PASSWORD,
            status: EnableStatus::Enabled,
            bits: AccessBits { messaging: true, ..AccessBits::default() },
            limit: user.limit,
        }
    }

    fn name(&self) -> &[u8] {
        let end = self.name.iter().position(|byte| *byte == 0).unwrap_or(MAX_USERNAME);
        &self.name[..end]
    }

    fn may_log_in(&self) -> bool {
        self.status == EnableStatus::Enabled
            && self.bits.messaging
            && !self.bits.callback_only
            && self.limit != AccessLimit::NoAccess
    }
}

impl UserTable {
    /// These users, from slot 2 on; more than fit are left out.
    pub(crate) fn new(users: &[User]) -> Self {
        let slots = std::iter::once(Slot::EMPTY).chain(users.iter().map(Slot::of));
        Self { slots: slots.take(usize::from(SLOTS)).collect(), quirks: UserQuirks::default() }
    }

    /// The user of this name, rather one that may log in. The empty name is the anonymous user's.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Account> {
        let mut named = (1..)
            .zip(&self.slots)
            .filter(|(number, slot)| slot.name() == name && (!name.is_empty() || *number == 1));
        let first = named.next()?;
        let (slot, found) = if first.1.may_log_in() {
            first
        } else {
            named.find(|(_, slot)| slot.may_log_in()).unwrap_or(first)
        };
        Some(Account {
            slot,
            password: found.password,
            limit: found.limit.bits(),
            enabled: found.may_log_in(),
        })
    }

    /// An existing slot, made when it was empty. `None`: there is no such slot.
    fn slot(&mut self, number: u8) -> Option<&mut Slot> {
        if number == 0 || number > SLOTS {
            return None;
        }
        let index = usize::from(number) - 1;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, Slot::EMPTY);
        }
        self.slots.get_mut(index)
    }

    /// What a slot has; one that was never used is empty. `None`: there is no such slot.
    fn look(&self, number: u8) -> Option<Slot> {
        let index = usize::from(number.checked_sub(1)?);
        (number <= SLOTS).then(|| self.slots.get(index).copied().unwrap_or(Slot::EMPTY))
    }
}

/// The commands about users; also how a test looks at them.
pub struct Users {
    table: Arc<Mutex<UserTable>>,
    lan: Arc<Lan>,
}

/// A slot, for tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSlot {
    /// Its user's name.
    pub name: String,
    /// Whether the user may log in over the network.
    pub enabled: bool,
    /// What the user may do.
    pub limit: AccessLimit,
    /// The password, without the zeros behind it.
    pub password: Vec<u8>,
}

impl Users {
    pub(super) fn new(table: Arc<Mutex<UserTable>>, lan: Arc<Lan>) -> Self {
        Self { table, lan }
    }

    /// What a slot has. `None`: there is no such slot.
    pub fn slot(&self, number: u8) -> Option<UserSlot> {
        let slot = self.lock().look(number)?;
        let end = slot.password.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Some(UserSlot {
            name: String::from_utf8_lossy(slot.name()).into_owned(),
            enabled: slot.may_log_in(),
            limit: slot.limit,
            password: slot.password[..end].to_vec(),
        })
    }

    /// Makes it differ from the specification.
    pub fn set_quirks(&self, quirks: UserQuirks) {
        self.lock().quirks = quirks;
    }

    fn lock(&self) -> MutexGuard<'_, UserTable> {
        lock(&self.table)
    }

    /// Commands under the application network function. Privileges were checked.
    pub(super) fn execute(&self, request: &Request<'_>) -> Option<Done> {
        Some(match request.command {
            GetUserAccess::COMMAND => self.access(request.body),
            SetUserAccess::COMMAND => self.set_access(request.body),
            GetUserName::COMMAND => self.name(request.body),
            SetUserName::COMMAND => self.set_name(request.body),
            SetUserPassword::COMMAND => self.set_password(request.body),
            _ => return None,
        })
    }

    fn access(&self, body: &[u8]) -> Done {
        let &[channel, user] = body else { return refuse(Answer::INVALID_LENGTH) };
        if !self.lan.is_here(channel & 0x0F) {
            return refuse(Answer::INVALID_FIELD);
        }
        let table = self.lock();
        let Some(slot) = table.look(user & 0x3F) else { return refuse(Answer::OUT_OF_RANGE) };
        let enabled = table.slots.iter().filter(|slot| slot.status == EnableStatus::Enabled).count();
        let status = if table.quirks.silent_status { EnableStatus::Unspecified } else { slot.status };
        let access = UserAccess {
            slots: SLOTS,
            status,
            enabled_users: u8::try_from(enabled).unwrap_or(SLOTS),
            fixed_names: 1,
            bits: slot.bits,
            limit: slot.limit,
        };
        answer(access.encode())
    }

    fn set_access(&self, body: &[u8]) -> Done {
        let Some(set) = SetUserAccess::decode(body) else { return refuse(Answer::INVALID_LENGTH) };
        if !self.lan.is_here(set.channel) || matches!(set.limit, AccessLimit::Other(_)) {
            return refuse(Answer::INVALID_FIELD);
        }
        self.change(set.user, |slot| {
            slot.limit = set.limit;
            slot.bits = set.bits.unwrap_or(slot.bits);
            answer([])
        })
    }

    fn name(&self, body: &[u8]) -> Done {
        let &[user] = body else { return refuse(Answer::INVALID_LENGTH) };
        let table = self.lock();
        match table.look(user & 0x3F) {
            None => refuse(Answer::OUT_OF_RANGE),
            Some(slot) if slot.name().is_empty() && table.quirks.empty_names_refused => {
                refuse(Answer::INVALID_FIELD)
            }
            Some(slot) => answer(slot.name),
        }
    }

    fn set_name(&self, body: &[u8]) -> Done {
        let Some((&user, name)) = body.split_first() else { return refuse(Answer::INVALID_LENGTH) };
        let Ok(name) = <[u8; MAX_USERNAME]>::try_from(name) else { return refuse(Answer::INVALID_LENGTH) };
        // The anonymous user's name is fixed.
        if user & 0x3F == 1 || (name[0] == 0 && self.lock().quirks.names_stay) {
            return refuse(Answer::INVALID_FIELD);
        }
        self.change(user & 0x3F, |slot| {
            slot.name = name;
            answer([])
        })
    }

    fn set_password(&self, body: &[u8]) -> Done {
        if body.first().is_some_and(|first| first & 0x80 != 0) && self.lock().quirks.short_passwords_only {
            return refuse(Answer::INVALID_LENGTH);
        }
        let Some(set) = SetUserPassword::decode(body) else { return refuse(Answer::INVALID_LENGTH) };
        if let PasswordOperation::Test(password) = &set.operation {
            return match self.lock().look(set.user) {
                None => refuse(Answer::OUT_OF_RANGE),
                Some(slot) => test(&slot, password),
            };
        }
        self.change(set.user, |slot| {
            match &set.operation {
                PasswordOperation::Disable => slot.status = EnableStatus::Disabled,
                PasswordOperation::Enable => slot.status = EnableStatus::Enabled,
                PasswordOperation::Set(password) => {
                    slot.password = *password.bytes();
                    slot.long = password.is_long();
                }
                PasswordOperation::Test(_) => {}
            }
            answer([])
        })
    }

    fn change(&self, user: u8, change: impl FnOnce(&mut Slot) -> Done) -> Done {
        let mut table = self.lock();
        let deaf = table.quirks.deaf;
        match table.slot(user) {
            None => refuse(Answer::OUT_OF_RANGE),
            Some(_) if deaf => answer([]),
            Some(slot) => change(slot),
        }
    }
}

fn test(slot: &Slot, password: &Password) -> Done {
    if password.is_long() != slot.long {
        refuse(PASSWORD_SIZE_DIFFERS)
    } else if *password.bytes() != slot.password {
        refuse(PASSWORD_DIFFERS)
    } else {
        answer([])
    }
}

/// The beginning, filled up with zeros.
fn padded<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let length = text.len().min(N);
    bytes[..length].copy_from_slice(&text[..length]);
    bytes
}
