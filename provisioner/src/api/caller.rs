//! Who asks, by token or log-in: what may be theirs of what is named in a path, listed, or named in a body.
//!
//! What isn't theirs isn't there: whoever looks here gets the same answer for both.

use super::error::ApiError;
use crate::{
    service::{Service, ServiceError},
    store::{ListedInstance, MachineRecord, StoreError, TokenRecord},
    text::{format_mac, parse_mac_bytes},
};
use axum::http::StatusCode;
use jiff::Timestamp;
use provisioner_api::{Machine, Role};
use std::sync::Arc;

/// The pool of what names none.
const DEFAULT_POOL: &str = "default";

/// The word for what BMCs said.
const BMC: &str = "bmc";

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(super) Arc<TokenRecord>);

impl Caller {
    /// The name of the token, or of the user who is logged in.
    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it is a user who is logged in.
    pub(super) fn is_login(&self) -> bool {
        self.0.is_login
    }

    /// Who it is, in words; no two are called the same.
    pub(super) fn who(&self) -> String {
        let kind = if self.is_login() { "user" } else { "token" };
        format!("{kind} `{}`", self.name())
    }

    /// From when on they are refused; none: never.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        self.0.expires
    }

    /// What it may do.
    pub(super) fn role(&self) -> Role {
        self.0.role
    }

    /// The pools that it is limited to; none: all.
    pub(super) fn pools(&self) -> Option<&[String]> {
        self.0.pools.as_deref()
    }

    /// Whether a token as it is now lets its bearer do what this one did.
    pub(super) fn may_as_before(&self, now: &TokenRecord) -> bool {
        (now.role, &now.pools, now.expires) == (self.0.role, &self.0.pools, self.0.expires)
    }

    /// Whether a pool is theirs.
    pub(super) fn has(&self, pool: &str) -> bool {
        self.pools().is_none_or(|pools| pools.iter().any(|own| own == pool))
    }

    /// Whether a virtual address of this pool is theirs; of no pool it is the site's, whom all pools are.
    pub(super) fn has_address(&self, pool: Option<&str>) -> bool {
        self.pools().is_none() || pool.is_some_and(|pool| self.has(pool))
    }

    /// A machine by name or id, if it is theirs.
    pub(super) async fn machine(
        &self,
        service: &Service,
        key: &str,
    ) -> Result<Option<MachineRecord>, ServiceError> {
        Ok(self.legible(service.store.machine_find(key).await)?.filter(|found| self.has(&found.spec.pool)))
    }

    /// Whether a MAC address is that of a machine of theirs.
    async fn has_mac(&self, service: &Service, mac: &str) -> Result<bool, ServiceError> {
        let Some(mac) = parse_mac_bytes(mac) else { return Ok(false) };
        let found = self.legible(service.store.machine_by_mac(&format_mac(mac)).await)?;
        Ok(found.is_some_and(|found| self.has(&found.spec.pool)))
    }

    /// Whether a machine of this name or id is theirs, or, only if there is none, the one with this MAC address: in the
    /// order in which it is looked up.
    pub(super) async fn has_machine_or_mac(
        &self,
        service: &Service,
        key: &str,
    ) -> Result<bool, ServiceError> {
        match service.store.machine_find(key).await {
            Ok(None) => self.has_mac(service, key).await,
            found => Ok(self.legible(found)?.is_some_and(|found| self.has(&found.spec.pool))),
        }
    }

    /// Whether there is an instance of this name or id that is theirs.
    pub(super) async fn has_instance(&self, service: &Service, key: &str) -> Result<bool, ServiceError> {
        match self.legible(service.store.instance_with_machine(key).await)? {
            Some(found) => self.has_listed(service, &found).await,
            None => Ok(false),
        }
    }

    /// Whether an instance is theirs: by its machine, or, while it has none, by where it may get one.
    pub(super) async fn has_listed(
        &self,
        service: &Service,
        found: &ListedInstance,
    ) -> Result<bool, ServiceError> {
        if self.pools().is_none() {
            return Ok(true);
        }
        let spec = &found.record.spec;
        match (&found.machine, spec.pool.as_deref(), spec.machine.as_deref()) {
            (Some(machine), _, _) => Ok(self.has(&machine.spec.pool)),
            // The machine that it names has to be of that pool when it gets it.
            (None, Some(pool), _) => Ok(self.has(pool)),
            (None, None, Some(wanted)) => Ok(self.machine(service, wanted).await?.is_some()),
            (None, None, None) => Ok(self.has(DEFAULT_POOL)),
        }
    }

    /// The pool of something new: as is asked for, if it is theirs; the only one that they have, if nothing is.
    ///
    /// # Errors
    /// What is wrong with the field.
    pub(super) fn pool(&self, asked: Option<&str>) -> Result<Option<String>, String> {
        let Some(own) = self.pools() else { return Ok(asked.map(str::to_owned)) };
        match (asked, own) {
            (Some(asked), _) if self.has(asked) => Ok(Some(asked.to_owned())),
            (Some(asked), _) => Err(format!("you have no pool `{asked}`; yours: {}", own.join(", "))),
            (None, [only]) => Ok(Some(only.clone())),
            (None, _) if self.has(DEFAULT_POOL) => Ok(Some(DEFAULT_POOL.to_owned())),
            (None, _) => Err(format!("say in which of your pools: {}", own.join(", "))),
        }
    }

    /// A machine as they may see it.
    pub(super) fn sees(&self, mut machine: Machine) -> Machine {
        if self.role() == Role::Tenant {
            machine.spec.bmc = None;
            // What a BMC answered names it, and who logs in.
            machine.status.bmc.error = None;
            machine.status.bmc.weak.clear();
        }
        machine
    }

    /// Whether they may hear what is told under this word.
    pub(super) fn hears_of(&self, kind: &str) -> bool {
        self.role() != Role::Tenant || kind != BMC
    }

    /// An error as they may hear it: what is in the way may be another's.
    pub(super) fn hears(&self, error: impl Into<ApiError>) -> ApiError {
        let error = error.into();
        if self.pools().is_some() { error.without_whose() } else { error }
    }

    /// Nothing instead of a damaged record: that there is one would be told by the error.
    fn legible<T>(&self, read: Result<Option<T>, StoreError>) -> Result<Option<T>, ServiceError> {
        match read {
            Err(error) if error.is_damage() && self.pools().is_some() => Ok(None),
            read => Ok(read?),
        }
    }
}

/// What somebody is told whose role or pools are not enough.
pub(super) fn forbidden(detail: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(pools: Option<&[&str]>) -> Caller {
        let pools = pools.map(|pools| pools.iter().map(|pool| (*pool).to_owned()).collect());
        Caller(Arc::new(TokenRecord { pools, ..TokenRecord::admin("t", Timestamp::UNIX_EPOCH) }))
    }

    #[test]
    fn something_new_is_of_a_pool_of_theirs() {
        let two: &[&str] = &["a", "b"];
        for (pools, asked, got) in [
            (None, None, Ok(None)),
            (None, Some("x"), Ok(Some("x"))),
            (Some(&["a"][..]), None, Ok(Some("a"))),
            (Some(two), Some("b"), Ok(Some("b"))),
            (Some(two), None, Err("say in which of your pools: a, b")),
            (Some(&["a", "default"][..]), None, Ok(Some("default"))),
            (Some(two), Some("c"), Err("you have no pool `c`; yours: a, b")),
        ] {
            let got = got.map(|pool| pool.map(str::to_owned)).map_err(str::to_owned);
            assert_eq!(caller(pools).pool(asked), got, "{pools:?} {asked:?}");
        }
        assert!(!caller(Some(&[])).has("a"), "none is not all");
    }
}
