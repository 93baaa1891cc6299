//! Users of a BMC: what an account says, what a role allows, how one is added, changed and removed at whose BMC, and
//! what a password has to be like there.

use super::common::word_of;
use super::lenient::{lenient, lenient_list};
use super::models::Link;
use super::quirks::{Effect, Quirks, Vendor};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// `AccountService`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccountService {
    /// The accounts.
    #[serde(default, deserialize_with = "lenient")]
    pub accounts: Option<Link>,
    /// The roles.
    #[serde(default, deserialize_with = "lenient")]
    pub roles: Option<Link>,
    /// The fewest characters of a password.
    #[serde(default, deserialize_with = "lenient")]
    pub min_password_length: Option<u64>,
    /// The most characters of a password.
    #[serde(default, deserialize_with = "lenient")]
    pub max_password_length: Option<u64>,
    /// After how many wrong passwords an account is locked.
    #[serde(default, deserialize_with = "lenient")]
    pub account_lockout_threshold: Option<u64>,
}

/// `ManagerAccount`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Account {
    /// Its id.
    #[serde(default, deserialize_with = "lenient")]
    pub id: Option<Value>,
    /// The user's name; empty in a free slot.
    #[serde(default, deserialize_with = "lenient")]
    pub user_name: Option<String>,
    /// Whether the user may log in.
    #[serde(default, deserialize_with = "lenient")]
    pub enabled: Option<bool>,
    /// Whether it is locked after wrong passwords.
    #[serde(default, deserialize_with = "lenient")]
    pub locked: Option<bool>,
    /// Its role.
    #[serde(default, deserialize_with = "lenient")]
    pub role_id: Option<String>,
    /// What `role_id` may be set to; empty: not told.
    #[serde(rename = "RoleId@Redfish.AllowableValues", default, deserialize_with = "lenient_list")]
    pub roles_allowable: Vec<String>,
    /// Whether nothing else is allowed before the password is changed.
    #[serde(default, deserialize_with = "lenient")]
    pub password_change_required: Option<bool>,
    /// What else it belongs to.
    #[serde(default, deserialize_with = "lenient")]
    pub links: Option<AccountLinks>,
    /// The maker's own.
    #[serde(default, deserialize_with = "lenient")]
    pub oem: Option<Value>,
}

/// `ManagerAccount.Links`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccountLinks {
    /// Its role.
    #[serde(default, deserialize_with = "lenient")]
    pub role: Option<Link>,
}

impl Account {
    /// Its id as text.
    pub fn id(&self) -> Option<String> {
        match self.id.as_ref()? {
            Value::String(text) => word_of(Some(text)),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The user's name, as it is written at login.
    pub fn name(&self) -> &str {
        self.user_name.as_deref().unwrap_or_default()
    }

    /// Whether it is a slot without a user.
    pub fn is_free(&self) -> bool {
        self.name().is_empty()
    }

    /// Whether the user can log in, as far as it tells.
    pub fn may_log_in(&self) -> bool {
        self.enabled != Some(false) && self.locked != Some(true) && self.rank() != Some(Rank::Nothing)
    }

    /// What the user may do, by name of the role or the maker's list of privileges. `None`: a role of the maker's or the
    /// operator's own, see [`role_rank`].
    pub fn rank(&self) -> Option<Rank> {
        if let Some(rank) = self.role_id.as_deref().and_then(named_rank) {
            return Some(rank);
        }
        self.oem_privileges().map(ilo_rank)
    }

    /// iLO's list of privileges (`Oem.Hpe.Privileges`; `Hp` up to iLO 4).
    fn oem_privileges(&self) -> Option<&Map<String, Value>> {
        let oem = self.oem.as_ref()?;
        let maker = oem.get("Hpe").or_else(|| oem.get("Hp"))?;
        maker.get("Privileges")?.as_object()
    }
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Nothing.
    Nothing,
    /// Read.
    ReadOnly,
    /// Read, and switch the power.
    Operator,
    /// Everything.
    Administrator,
}

/// The rank that a role's name stands for (DSP0266 section 13.2.8; `None` and `NoAccess` are makers' own).
pub fn named_rank(role: &str) -> Option<Rank> {
    match role.to_ascii_lowercase().as_str() {
        "administrator" | "admin" => Some(Rank::Administrator),
        "operator" => Some(Rank::Operator),
        "readonly" | "readonlyuser" | "user" => Some(Rank::ReadOnly),
        "none" | "noaccess" | "no access" | "" => Some(Rank::Nothing),
        _ => None,
    }
}

/// The rank of a `Role` by its `AssignedPrivileges` (DSP0266 section 13.2.7).
pub fn role_rank(role: &Value) -> Rank {
    let list = role.get("AssignedPrivileges").and_then(Value::as_array);
    let has =
        |name: &str| list.is_some_and(|list| list.iter().any(|privilege| privilege.as_str() == Some(name)));
    if has("ConfigureUsers") && has("ConfigureManager") {
        Rank::Administrator
    } else if has("ConfigureComponents") {
        Rank::Operator
    } else if has("Login") {
        Rank::ReadOnly
    } else {
        Rank::Nothing
    }
}

fn ilo_rank(privileges: &Map<String, Value>) -> Rank {
    let has = |name: &str| privileges.get(name).and_then(Value::as_bool) == Some(true);
    if has("UserConfigPriv") && has("iLOConfigPriv") {
        Rank::Administrator
    } else if has("VirtualPowerAndResetPriv") {
        Rank::Operator
    } else if privileges.get("LoginPriv").is_none_or(|login| login.as_bool() == Some(true)) {
        Rank::ReadOnly
    } else {
        Rank::Nothing
    }
}

/// The name of the role for a rank, among those that there are (empty: not told). `None`: there is none.
pub fn role_for(rank: Rank, there: &[String]) -> Option<String> {
    let usual = match rank {
        Rank::Administrator => "Administrator",
        Rank::Operator => "Operator",
        Rank::ReadOnly => "ReadOnly",
        // Not of the standard: only where it is offered.
        Rank::Nothing => return there.iter().find(|role| named_rank(role) == Some(Rank::Nothing)).cloned(),
    };
    if there.is_empty() || there.iter().any(|role| role == usual) {
        return Some(usual.into());
    }
    there.iter().find(|role| named_rank(role) == Some(rank)).cloned()
}

/// How users are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStyle {
    /// By POST to the collection.
    Created {
        /// With iLO's `LoginName` and list of privileges.
        ilo: bool,
    },
    /// By PATCH of an empty slot.
    Slot,
}

impl AccountStyle {
    /// How it is done at this BMC. Slots that are all taken are for the BMC to tell: later firmware of the same maker
    /// creates accounts.
    pub fn of(quirks: &Quirks, accounts: &[Account]) -> Self {
        if quirks.has(Effect::AccountsAreSlots) && free_slot(accounts).is_some() {
            return Self::Slot;
        }
        Self::Created { ilo: quirks.has(Effect::AccountsWantLoginName) }
    }
}

/// What is posted, or written to a slot, to add a user.
pub fn new_account(style: AccountStyle, name: &str, password: &str, role: &str, rank: Rank) -> Value {
    let mut body = json!({ "UserName": name, "Password": password });
    match style {
        AccountStyle::Created { ilo: true } => {
            // `RoleId` came with iLO 5 1.40 or so; the list of privileges all of them know.
            let privileges = ilo_privileges(rank);
            body["Oem"] = json!({ "Hpe": { "LoginName": name, "Privileges": privileges } });
        }
        AccountStyle::Created { ilo: false } | AccountStyle::Slot => {
            body["RoleId"] = role.into();
            body["Enabled"] = true.into();
        }
    }
    body
}

/// iLO's list of privileges for a rank.
pub fn ilo_privileges(rank: Rank) -> Value {
    let operates = matches!(rank, Rank::Operator | Rank::Administrator);
    let all = rank == Rank::Administrator;
    json!({
        "LoginPriv": rank != Rank::Nothing,
        "RemoteConsolePriv": operates,
        "VirtualPowerAndResetPriv": operates,
        "VirtualMediaPriv": operates,
        "HostBIOSConfigPriv": all,
        "HostNICConfigPriv": all,
        "HostStorageConfigPriv": all,
        "iLOConfigPriv": all,
        "UserConfigPriv": all,
    })
}

/// The slot that a new user gets: its index. The first of them is the makers' own, as it is IPMI's anonymous user's.
pub fn free_slot(accounts: &[Account]) -> Option<usize> {
    let usable = |account: &Account| account.is_free() && account.id().is_some_and(|id| id != "1");
    accounts.iter().position(usable)
}

/// What frees a slot, one after the other. `nothing`: the name of the role of nobody, where there is one.
pub fn emptying(nothing: Option<&str>) -> [Value; 2] {
    let mut disable = json!({ "Enabled": false });
    if let Some(role) = nothing {
        disable["RoleId"] = role.into();
    }
    [disable, json!({ "UserName": "" })]
}

/// What a BMC of a maker wants of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordRules {
    /// The fewest characters.
    pub shortest: u8,
    /// The most characters.
    pub longest: u8,
    /// Of how many kinds characters must be: lower case, upper case, digits, marks.
    pub kinds: u8,
    /// The marks that are safe there.
    pub marks: &'static str,
}

/// Marks that no BMC is known to choke on, in a JSON string, a web form or an IPMI password.
const SAFE_MARKS: &str = "-_.+";

/// What is known of makers. The last column says where from.
const RULES: [(Vendor, PasswordRules, &str); 5] = [
    (
        Vendor::Dell,
        PasswordRules { shortest: 8, longest: 20, kinds: 3, marks: SAFE_MARKS },
        "iDRAC7/8 take 20 characters, iDRAC9 40; https://www.dell.com/support/kbdoc/en-us/000133536",
    ),
    (
        Vendor::Hpe,
        PasswordRules { shortest: 8, longest: 39, kinds: 3, marks: SAFE_MARKS },
        "39 characters; https://servermanagementportal.ext.hpe.com/docs/redfishservices/ilos/",
    ),
    (
        Vendor::Lenovo,
        PasswordRules { shortest: 10, longest: 32, kinds: 4, marks: SAFE_MARKS },
        "XCC: 10 to 32 of several kinds; https://pubs.lenovo.com/xcc-restapi/create_an_account_post",
    ),
    (
        Vendor::Supermicro,
        PasswordRules { shortest: 8, longest: 20, kinds: 4, marks: SAFE_MARKS },
        "8 to 20 characters of several kinds, as IPMI has them; https://www.supermicro.com/manuals/other/",
    ),
    (
        Vendor::Ami,
        PasswordRules { shortest: 8, longest: 20, kinds: 3, marks: SAFE_MARKS },
        "8 to 20, shared with IPMI; https://pubs.lenovo.com/tsm/patch_change_account_instance",
    ),
];

/// What nobody is known to refuse.
const CAUTIOUS: PasswordRules = PasswordRules { shortest: 8, longest: 16, kinds: 4, marks: SAFE_MARKS };

/// What a password has to be like: what the service tells, within what its maker is known to want. What a service
/// doesn't tell is guessed with caution.
pub fn password_rules(service: &AccountService, maker: Option<Vendor>) -> PasswordRules {
    let known = RULES.iter().find(|(vendor, ..)| maker == Some(*vendor)).map(|(_, rules, _)| *rules);
    let told = |length: Option<u64>| {
        length.and_then(|length| u8::try_from(length).ok()).filter(|length| *length > 0)
    };
    let mut rules = known.unwrap_or(CAUTIOUS);
    if let Some(longest) = told(service.max_password_length) {
        // A maker's own word is better than ours about it; without one, more than 64 helps nobody.
        rules.longest = longest.min(64);
    }
    if let Some(shortest) = told(service.min_password_length) {
        rules.shortest = rules.shortest.max(shortest).min(rules.longest);
    }
    rules.shortest = rules.shortest.min(rules.longest);
    rules
}

#[cfg(test)]
mod tests;
