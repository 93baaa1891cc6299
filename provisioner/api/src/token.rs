//! API tokens: who may ask, for what. A token's secret is told once, when it is made; the service keeps its hash.

use crate::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a token's bearer may do. `docs/routes.md` lists each route with the roles that may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks at everything but secrets.
    Viewer,
    /// Asks for instances, and looks at the machines that they may get; no BMC.
    Tenant,
    /// Works on machines, instances, images and networks.
    Operator,
    /// Everything: tokens, backups, the freeze and the replicas, too.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Tenant, Self::Operator, Self::Admin];

    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Tenant => "tenant",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// A token as the API shows it: never its secret.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Its name, unique, a DNS label.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// The pools to which that is limited; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pools: Option<Vec<String>>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When it was used last, to a minute; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Timestamp>,
}

/// `POST /v1/tokens`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    /// A DNS label.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// The pools to which that is limited; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 64))]
    pub pools: Option<Vec<String>>,
    /// From when on it is refused; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// What that answers, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenCreated {
    /// The token.
    pub token: Token,
    /// What its bearer sends. Nobody can look it up later.
    pub secret: Secret,
}

/// `GET /v1/tokens`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenList {
    /// The tokens, by name; those too that have expired.
    pub items: Vec<Token>,
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn a_roles_word_is_that_of_the_wire() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.word());
        }
    }
}
