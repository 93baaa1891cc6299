//! Local users: people who log in with a name and a password. A log-in gives a token that ends by itself and may what its
//! user may at that moment. Passwords only ever come in.

use crate::{Role, Secret};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A user as the API shows it: never its password.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// Its name, unique among users, a DNS label.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The pools to which that is limited; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pools: Option<Vec<String>>,
    /// It can't log in.
    #[serde(default)]
    pub disabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it logged in last; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Timestamp>,
    /// Its version, for `If-Match`; a log-in does not change it.
    pub version: u64,
}

/// `POST /v1/users`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    /// A DNS label.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The pools to which that is limited; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 64))]
    pub pools: Option<Vec<String>>,
    /// Its password: 12 characters at least, 1024 bytes at most, and not of what is tried first.
    pub password: Secret,
}

/// `PATCH /v1/users/{user}`: only what is given changes. Any change ends the user's log-ins. `If-Match` is heeded where it
/// is given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserUpdate {
    /// Another role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Other pools; `null`: all.
    #[serde(default, deserialize_with = "crate::machine::given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub pools: Option<Option<Vec<String>>>,
    /// Whether it can't log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Another password, as in `UserCreate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// `GET /v1/users`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserList {
    /// The users, by name; those too that are disabled.
    pub items: Vec<User>,
}

/// `POST /v1/login`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: Secret,
}

/// `POST /v1/password`, by a user who is logged in. All their log-ins end, and the answer is a new one, a `LoggedIn`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password that it is now.
    pub old: Secret,
    /// The one that it is to be, as in `UserCreate`.
    pub new: Secret,
}

/// What that answers, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoggedIn {
    /// Who is logged in, and until when.
    pub who: WhoAmI,
    /// What is sent as a token from now on. Nobody can look it up later.
    pub secret: Secret,
}

/// Whether somebody asks with a token or is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WhoKind {
    /// An API token.
    Token,
    /// A user who is logged in.
    User,
}

/// `GET /v1/whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WhoAmI {
    /// The name of the token or the user.
    pub name: String,
    /// Which of the two it is.
    pub kind: WhoKind,
    /// What they may do.
    pub role: Role,
    /// The pools to which that is limited; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pools: Option<Vec<String>>,
    /// From when on they are refused; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}
