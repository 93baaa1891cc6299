//! Accounts: showing and changing the table of users (`users`), in the maker's way: made and deleted, or slots that are
//! always there. Roles, lock-out, and what passwords have to be like.

use super::access::forbidden;
use super::answer::{
    Refusal, error, foreign_error, missing, not_in_list, unknown_property, with_json, wrong_method,
    wrong_type,
};
use super::controls::Controls;
use super::group::{Group, Request};
use super::profiles::{AccountIds, Profile};
use super::state::Shared;
use super::users::{Account, UserTable};
use crate::ChassisError;
use async_trait::async_trait;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::Instant;

const SERVICE: &str = "/redfish/v1/AccountService";
/// The most accounts that can be made.
const MOST: usize = 16;
/// Roles of the standard, and those of nobody at Dell.
const ROLES: [&str; 3] = ["Administrator", "Operator", "ReadOnly"];

/// The accounts.
pub(super) struct Accounts;

/// An account, as a test may look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// Its id.
    pub id: String,
    /// The password.
    pub password: String,
    /// The role.
    pub role: String,
    /// Whether the user may log in.
    pub enabled: bool,
    /// Whether the user is locked out now.
    pub locked: bool,
    /// Whether the password must be changed before anything else.
    pub must_change: bool,
}

impl Controls {
    /// The account of a user, if there is one.
    pub fn account(&self, name: &str) -> Option<AccountState> {
        let bmc = self.bmc()?;
        let users = bmc.users();
        users.accounts.iter().find(|account| account.name == name).map(|account| AccountState {
            id: account.id.clone(),
            password: account.password.clone(),
            role: account.role.clone(),
            enabled: account.enabled,
            locked: is_locked(account),
            must_change: account.must_change,
        })
    }

    /// Locks users out after so many wrong passwords (0: never), for so long.
    pub fn set_lock_out(&self, after: u32, lasts: Duration) {
        if let Some(bmc) = self.bmc() {
            let mut users = bmc.users();
            (users.lock_out.after, users.lock_out.lasts) = (after, lasts);
        }
    }

    /// Lets a user do nothing before the password is changed.
    pub fn require_password_change(&self, name: &str) {
        if let Some(bmc) = self.bmc()
            && let Some(account) = bmc.users().accounts.iter_mut().find(|account| account.name == name)
        {
            account.must_change = true;
        }
    }
}

fn is_locked(account: &Account) -> bool {
    account.locked_until.is_some_and(|until| Instant::now() < until)
}

fn slots(bmc: &Shared) -> Option<u32> {
    match bmc.tree.manners.accounts {
        AccountIds::Slots(count) => Some(count),
        AccountIds::Numbers(_) => None,
    }
}

fn roles(bmc: &Shared) -> Vec<&'static str> {
    ROLES.into_iter().chain(slots(bmc).map(|_| "None")).collect()
}

fn empty(id: &str) -> Account {
    Account {
        id: id.into(),
        name: String::new(),
        password: String::new(),
        role: "None".into(),
        enabled: false,
        must_change: false,
        failures: 0,
        locked_until: None,
    }
}

/// The account of this id; an empty slot is one, too.
fn find(bmc: &Shared, users: &UserTable, id: &str) -> Option<Account> {
    if let Some(account) = users.accounts.iter().find(|account| account.id == id) {
        return Some(account.clone());
    }
    let number: u32 = id.parse().ok()?;
    (1..=slots(bmc)?).contains(&number).then(|| empty(id))
}

fn ids(bmc: &Shared, users: &UserTable) -> Vec<String> {
    match slots(bmc) {
        Some(count) => (1..=count).map(|number| number.to_string()).collect(),
        None => users.accounts.iter().map(|account| account.id.clone()).collect(),
    }
}

fn shown(bmc: &Shared, account: &Account) -> Value {
    let places = bmc.places();
    let mut value = bmc.tree.link(&format!("{}/{}", places.accounts, account.id));
    let more = json!({
        "@odata.type": "#ManagerAccount.v1_12_0.ManagerAccount",
        "Id": account.id,
        "Name": "User Account",
        "UserName": account.name,
        "Password": null,
        "RoleId": account.role,
        "Enabled": account.enabled,
        "Locked": is_locked(account),
        "PasswordChangeRequired": account.must_change,
        "AccountTypes": ["Redfish"],
        "Links": {"Role": bmc.tree.link(&format!("{}/{}", places.roles, account.role))},
    });
    super::tree::merge(&mut value, more, false);
    if bmc.profile == Profile::Hpe {
        value["Oem"] = json!({"Hpe": {"LoginName": account.name, "Privileges": privileges(&account.role)}});
        // iLO 5 has no such property.
        if let Some(map) = value.as_object_mut() {
            map.remove("Enabled");
        }
    }
    value
}

/// iLO's privileges, and for which roles they are there.
const PRIVILEGES: [(&str, &[&str]); 9] = [
    ("LoginPriv", &["Administrator", "Operator", "ReadOnly"]),
    ("RemoteConsolePriv", &["Administrator", "Operator"]),
    ("VirtualPowerAndResetPriv", &["Administrator", "Operator"]),
    ("VirtualMediaPriv", &["Administrator", "Operator"]),
    ("HostBIOSConfigPriv", &["Administrator"]),
    ("HostNICConfigPriv", &["Administrator"]),
    ("HostStorageConfigPriv", &["Administrator"]),
    ("iLOConfigPriv", &["Administrator"]),
    ("UserConfigPriv", &["Administrator"]),
];

fn privileges(role: &str) -> Value {
    PRIVILEGES.iter().map(|(name, roles)| ((*name).to_owned(), Value::from(roles.contains(&role)))).collect()
}

/// The role that a list of iLO's privileges comes to.
fn role_of(privileges: &Value) -> Result<&'static str, Refusal> {
    let Some(map) = privileges.as_object() else { return Err(wrong_type("Privileges", privileges).into()) };
    if let Some(name) = map.keys().find(|name| !PRIVILEGES.iter().any(|(known, _)| known == name)) {
        return Err(unknown_property(name).into());
    }
    let has = |name: &str| map.get(name) == Some(&Value::Bool(true));
    Ok(if has("UserConfigPriv") {
        "Administrator"
    } else if has("VirtualPowerAndResetPriv") {
        "Operator"
    } else if has("LoginPriv") {
        "ReadOnly"
    } else {
        "None"
    })
}

/// Refuses a password that isn't as the service says.
fn check_password(bmc: &Shared, password: &str) -> Result<(), Refusal> {
    let service = bmc.stored(SERVICE).unwrap_or_default();
    let told = |name: &str, otherwise: u64| service[name].as_u64().unwrap_or(otherwise);
    let length = password.chars().count() as u64;
    if (told("MinPasswordLength", 8).max(1)..=told("MaxPasswordLength", 39)).contains(&length) {
        return Ok(());
    }
    if bmc.profile == Profile::Hpe {
        let message = "A password length between 8 and 39 must be used.";
        return Err(foreign_error(
            StatusCode::BAD_REQUEST,
            "iLO.2.14.InvalidPasswordLength",
            message,
            "None.",
        )
        .into());
    }
    let message =
        "The value provided for the property Password is of a different format than the property can accept.";
    let mend = "Correct the value for the property in the request body and resubmit the request.";
    Err(error(StatusCode::BAD_REQUEST, "PropertyValueFormatError", message, mend).into())
}

/// Reads the properties of a body into an account.
fn apply(bmc: &Shared, account: &mut Account, body: &Map<String, Value>) -> Result<(), Refusal> {
    for (property, value) in body.iter().filter(|(name, _)| !name.starts_with("@odata.")) {
        match (property.as_str(), value) {
            ("UserName", Value::String(name)) => account.name.clone_from(name),
            ("Password", Value::String(password)) => {
                check_password(bmc, password)?;
                account.password.clone_from(password);
                account.must_change = false;
            }
            ("RoleId", Value::String(role)) if roles(bmc).contains(&role.as_str()) => {
                account.role.clone_from(role)
            }
            ("RoleId", _) => return Err(not_in_list(property, value).into()),
            ("Enabled", Value::Bool(enabled)) if bmc.profile != Profile::Hpe => account.enabled = *enabled,
            ("Locked", Value::Bool(false)) => {
                account.locked_until = None;
                account.failures = 0;
            }
            ("PasswordChangeRequired", Value::Bool(must)) => account.must_change = *must,
            ("Oem", Value::Object(oem)) if bmc.profile == Profile::Hpe => {
                if let Some(privileges) = oem.get("Hpe").and_then(|hpe| hpe.get("Privileges")) {
                    account.role = role_of(privileges)?.into();
                }
            }
            ("UserName" | "Password" | "Enabled" | "PasswordChangeRequired", _) => {
                return Err(wrong_type(property, value).into());
            }
            _ => return Err(unknown_property(property).into()),
        }
    }
    Ok(())
}

fn taken(name: &str) -> Response {
    let message = format!(
        "The requested resource of type ManagerAccount with the property UserName with the value '{name}' already exists."
    );
    error(StatusCode::BAD_REQUEST, "ResourceAlreadyExists", &message, "Do not repeat the create operation.")
}

fn property_missing(property: &str) -> Response {
    let message =
        format!("The property {property} is a required property and must be included in the request.");
    let mend =
        "Ensure that the property is in the request body and has a valid value and resubmit the request.";
    error(StatusCode::BAD_REQUEST, "PropertyMissing", &message, mend)
}

impl Accounts {
    fn create(&self, bmc: &Shared, request: &Request) -> Result<Response, Refusal> {
        if slots(bmc).is_some() {
            return Err(wrong_method().into());
        }
        let body = request.json()?;
        let named =
            |property: &str| body.get(property).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(name) = named("UserName") else { return Err(property_missing("UserName").into()) };
        if named("Password").is_none() {
            return Err(property_missing("Password").into());
        }
        let mut account = Account { enabled: true, ..empty("") };
        if bmc.profile == Profile::Hpe {
            if body.get("Oem").and_then(|oem| oem["Hpe"]["LoginName"].as_str()).is_none() {
                return Err(property_missing("LoginName").into());
            }
            account.role = "ReadOnly".into();
        } else if named("RoleId").is_none() {
            return Err(property_missing("RoleId").into());
        }
        apply(bmc, &mut account, &body)?;
        // XCC has it so, unless the request says otherwise.
        account.must_change = bmc.profile == Profile::Lenovo && !body.contains_key("PasswordChangeRequired");
        let mut users = bmc.users();
        if users.accounts.iter().any(|other| other.name == name) {
            return Err(taken(name).into());
        }
        if users.accounts.len() >= MOST {
            let message = "The create operation failed because the resource has reached the limit of possible resources.";
            return Err(
                error(StatusCode::BAD_REQUEST, "CreateLimitReachedForResource", message, "None.").into()
            );
        }
        let free = (1_u32..).find(|id| !users.accounts.iter().any(|other| other.id == id.to_string()));
        account.id = free.unwrap_or_default().to_string();
        let value = shown(bmc, &account);
        users.accounts.push(account);
        drop(users);
        let mut response = with_json(StatusCode::CREATED, &value);
        if let Some(location) = value["@odata.id"].as_str().and_then(|link| HeaderValue::from_str(link).ok())
        {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    async fn change(&self, bmc: &Shared, request: &Request, id: &str) -> Result<Response, Refusal> {
        bmc.precondition(request, &request.path).await?;
        let body = request.json()?;
        let caller = request.caller.as_ref();
        let administrator =
            caller.is_some_and(|caller| caller.role == "Administrator" && !caller.must_change);
        let own = caller.is_some_and(|caller| caller.id == id);
        let may = administrator || own && body.keys().all(|name| name == "Password");
        if !may {
            return Err(forbidden().into());
        }
        let mut users = bmc.users();
        let Some(mut account) = find(bmc, &users, id) else { return Err(missing().into()) };
        let before = account.name.clone();
        apply(bmc, &mut account, &body)?;
        let name = account.name.clone();
        if name != before && !name.is_empty() && users.accounts.iter().any(|other| other.name == name) {
            return Err(taken(&name).into());
        }
        if name.is_empty() && slots(bmc).is_none() {
            return Err(property_missing("UserName").into());
        }
        if name.is_empty() && before.is_empty() && account.enabled {
            return Err(property_missing("UserName").into());
        }
        users.accounts.retain(|other| other.id != id);
        if !name.is_empty() {
            users.accounts.push(account);
            users.accounts.sort_by_key(|account| (account.id.parse::<u32>().ok(), account.id.clone()));
        }
        drop(users);
        if body.contains_key("Password") && bmc.controls.faults().password_ends_sessions {
            let open = bmc.sessions().remove_of(id);
            bmc.controls.set_sessions(open);
        }
        Ok(bmc.tree.manners.done())
    }

    fn delete(&self, bmc: &Shared, id: &str) -> Response {
        if slots(bmc).is_some() {
            return wrong_method();
        }
        let mut users = bmc.users();
        let before = users.accounts.len();
        users.accounts.retain(|account| account.id != id);
        if users.accounts.len() < before { bmc.tree.manners.done() } else { missing() }
    }
}

#[async_trait]
impl Group for Accounts {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        _reading: bool,
    ) -> Result<(), ChassisError> {
        let places = bmc.places();
        let members: Vec<Value> = if path == places.accounts {
            let ids = ids(bmc, &bmc.users());
            ids.iter().map(|id| bmc.tree.link(&format!("{path}/{id}"))).collect()
        } else if path == places.roles {
            roles(bmc).iter().map(|role| bmc.tree.link(&format!("{path}/{role}"))).collect()
        } else {
            if path == SERVICE {
                let lock_out = bmc.users().lock_out;
                resource.insert("AccountLockoutThreshold".into(), lock_out.after.into());
                resource.insert("AccountLockoutDuration".into(), lock_out.lasts.as_secs().into());
            }
            return Ok(());
        };
        resource.insert("Members@odata.count".into(), members.len().into());
        resource.insert("Members".into(), members.into());
        Ok(())
    }

    fn make(&self, bmc: &Shared, path: &str) -> Option<Value> {
        let places = bmc.places();
        if slots(bmc).is_some() && *path == format!("{}/None", places.roles) {
            let mut role = bmc.tree.link(path);
            role["@odata.type"] = "#Role.v1_3_1.Role".into();
            role["Id"] = "None".into();
            role["Name"] = "None".into();
            role["RoleId"] = "None".into();
            role["IsPredefined"] = true.into();
            role["AssignedPrivileges"] = json!([]);
            return Some(role);
        }
        let id = path.strip_prefix(places.accounts.as_str())?.strip_prefix('/')?;
        let account = find(bmc, &bmc.users(), id)?;
        Some(shown(bmc, &account))
    }

    async fn patch(
        &self,
        bmc: &Shared,
        path: &str,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        if path != SERVICE {
            return None;
        }
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        let (Some(number), true) =
            (number, ["AccountLockoutThreshold", "AccountLockoutDuration"].contains(&property))
        else {
            return Some(Err(unknown_property(property).into()));
        };
        let mut users = bmc.users();
        if property == "AccountLockoutThreshold" {
            users.lock_out.after = number;
        } else {
            users.lock_out.lasts = Duration::from_secs(number.into());
        }
        Some(Ok(()))
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        let rest = request.path.strip_prefix(bmc.places().accounts.as_str())?;
        if rest.is_empty() {
            let made = (request.method == Method::POST).then(|| self.create(bmc, request))?;
            return Some(made.unwrap_or_else(|refusal| *refusal));
        }
        let id = rest.strip_prefix('/')?;
        match request.method {
            Method::PATCH => Some(self.change(bmc, request, id).await.unwrap_or_else(|refusal| *refusal)),
            Method::DELETE => Some(self.delete(bmc, id)),
            _ => None,
        }
    }

    fn methods(&self, bmc: &Shared, path: &str) -> &'static [Method] {
        let slots = slots(bmc).is_some();
        match path.strip_prefix(bmc.places().accounts.as_str()) {
            Some("") if !slots => &[Method::POST],
            Some("") => &[],
            Some(_) if slots => &[Method::PATCH],
            Some(_) => &[Method::PATCH, Method::DELETE],
            None if path == SERVICE => &[Method::PATCH],
            None => &[],
        }
    }
}
