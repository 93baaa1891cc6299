//! UEFI Secure Boot: the setting that holds from the next boot on, what held at the last one, and its keys.

use super::answer::{Refusal, not_in_list, parameter_missing, wrong_type};
use super::group::{Event, Group, Request};
use super::state::{Shared, lock};
use crate::ChassisError;
use async_trait::async_trait;
use axum::http::Method;
use axum::response::Response;
use serde_json::{Map, Value};
use std::sync::Mutex;

/// Secure Boot.
#[derive(Default)]
pub struct SecureBoot {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    enabled: bool,
    current: bool,
    no_pk: bool,
    resets: u32,
}

impl SecureBoot {
    /// Whether it is set to hold from the next boot on.
    pub fn enabled(&self) -> bool {
        lock(&self.state).enabled
    }

    /// Whether it held at the last boot.
    pub fn current(&self) -> bool {
        lock(&self.state).current
    }

    /// How often its keys were reset.
    pub fn resets(&self) -> u32 {
        lock(&self.state).resets
    }

    fn reset(&self, bmc: &Shared, request: &Request) -> Result<Response, Refusal> {
        let body = request.json()?;
        let Some(kind) = body.get("ResetKeysType") else {
            return Err(parameter_missing("SecureBoot.ResetKeys", "ResetKeysType").into());
        };
        let mut state = lock(&self.state);
        state.no_pk = match kind.as_str() {
            Some("ResetAllKeysToDefault") => false,
            Some("DeleteAllKeys" | "DeletePK") => true,
            _ => return Err(not_in_list("ResetKeysType", kind).into()),
        };
        state.resets += 1;
        Ok(bmc.tree.manners.done())
    }
}

#[async_trait]
impl Group for SecureBoot {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        _reading: bool,
    ) -> Result<(), ChassisError> {
        if bmc.places().secure_boot.as_deref() == Some(path) {
            let state = *lock(&self.state);
            resource.insert("SecureBootEnable".into(), state.enabled.into());
            let current = if state.current { "Enabled" } else { "Disabled" };
            resource.insert("SecureBootCurrentBoot".into(), current.into());
            resource
                .insert("SecureBootMode".into(), if state.no_pk { "SetupMode" } else { "UserMode" }.into());
        }
        Ok(())
    }

    async fn patch(
        &self,
        bmc: &Shared,
        path: &str,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        if bmc.places().secure_boot.as_deref() != Some(path) || property != "SecureBootEnable" {
            return None;
        }
        let Some(enabled) = value.as_bool() else { return Some(Err(wrong_type(property, value).into())) };
        lock(&self.state).enabled = enabled;
        Some(Ok(()))
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        let place = bmc.places().secure_boot.as_deref()?;
        let action = request.path.strip_prefix(place)?;
        if request.method != Method::POST || action != "/Actions/SecureBoot.ResetKeys" {
            return None;
        }
        Some(self.reset(bmc, request).unwrap_or_else(|refusal| *refusal))
    }

    fn methods(&self, bmc: &Shared, path: &str) -> &'static [Method] {
        if bmc.places().secure_boot.as_deref() == Some(path) { &[Method::PATCH] } else { &[] }
    }

    fn happened(&self, _bmc: &Shared, event: &Event) {
        if matches!(event, Event::Boot) {
            let mut state = lock(&self.state);
            state.current = state.enabled && !state.no_pk;
        }
    }
}
