//! UEFI Secure Boot: its state, what sets it, whether it is set.

use super::action::action;
use super::path::ResourcePath;
use super::value::{flag, link, shown, text};
use serde_json::{Value, json};

const RESET: &str = "#SecureBoot.ResetKeys";

/// What `SecureBoot` (DSP8010) says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// `SecureBootEnable`: whether it holds from the next boot on.
    pub enabled: Option<bool>,
    /// `SecureBootCurrentBoot`: whether it held at the last boot.
    pub current: Option<bool>,
    /// `SecureBootMode`, as it is written.
    pub mode: Option<String>,
}

/// How keys are reset (`SecureBoot.ResetKeysType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// `ResetAllKeysToDefault`.
    Default,
    /// `DeleteAllKeys`.
    DeleteAll,
    /// `DeletePK`.
    DeletePk,
}

impl Keys {
    fn word(self) -> &'static str {
        match self {
            Self::Default => "ResetAllKeysToDefault",
            Self::DeleteAll => "DeleteAllKeys",
            Self::DeletePk => "DeletePK",
        }
    }
}

/// What can't be done about Secure Boot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecureBootRefusal {
    /// The system links to none.
    #[error("its system shows no Secure Boot; boot it in UEFI mode once, or set it in the firmware's setup")]
    None,
    /// No key can be reset.
    #[error("its Secure Boot offers no reset of keys; do it in the firmware's setup")]
    NoReset,
    /// Not in this way.
    #[error("its Secure Boot keys can't be reset by {wanted}, only by {allowed}")]
    NotAllowed {
        /// What is wanted.
        wanted: &'static str,
        /// What is allowed.
        allowed: String,
    },
}

/// Where a system's `SecureBoot` is.
pub fn secure_boot_link(system: &Value) -> Result<ResourcePath, SecureBootRefusal> {
    link(system, "/SecureBoot").ok_or(SecureBootRefusal::None)
}

/// Reads it; `settings` is its settings object, whose word on the next boot goes before.
pub fn read_secure_boot(resource: &Value, settings: Option<&Value>) -> State {
    let pending = settings.and_then(|settings| flag(settings, "/SecureBootEnable"));
    State {
        enabled: pending.or_else(|| flag(resource, "/SecureBootEnable")),
        current: match text(resource, "/SecureBootCurrentBoot") {
            Some("Enabled") => Some(true),
            Some("Disabled") => Some(false),
            _ => None,
        },
        mode: shown(resource, "/SecureBootMode", 40),
    }
}

/// What sets it.
pub fn secure_boot_patch(enabled: bool) -> Value {
    json!({ "SecureBootEnable": enabled })
}

/// Where the reset of keys is posted to, and what.
pub fn plan_keys_reset(resource: &Value, keys: Keys) -> Result<(ResourcePath, Value), SecureBootRefusal> {
    let action = action(resource, RESET).ok_or(SecureBootRefusal::NoReset)?;
    let wanted = keys.word();
    if !action.allows("ResetKeysType", wanted) {
        let allowed = super::text::printable(&action.allowable("ResetKeysType").join(", "), 200);
        return Err(SecureBootRefusal::NotAllowed { wanted, allowed });
    }
    Ok((action.target, json!({ "ResetKeysType": wanted })))
}

/// Whether the mode that a reset leads to is shown already: only without keys is it told apart from before.
pub fn keys_are_gone(state: &State) -> bool {
    state.mode.as_deref() == Some("SetupMode")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_read_whatever_is_missing() {
        let table = [
            (
                json!({"SecureBootEnable": true, "SecureBootCurrentBoot": "Disabled", "SecureBootMode": "UserMode"}),
                None,
                (Some(true), Some(false), Some("UserMode")),
            ),
            (
                json!({"SecureBootEnable": false}),
                Some(json!({"SecureBootEnable": true})),
                (Some(true), None, None),
            ),
            (json!({"SecureBootEnable": "yes", "SecureBootCurrentBoot": 1}), None, (None, None, None)),
        ];
        for (resource, settings, expected) in table {
            let state = read_secure_boot(&resource, settings.as_ref());
            assert_eq!((state.enabled, state.current, state.mode.as_deref()), expected, "{resource}");
        }
        let unset = json!({"SecureBootMode": "SetupMode"});
        assert!(keys_are_gone(&read_secure_boot(&unset, None)) && !keys_are_gone(&State::default()));
    }

    #[test]
    fn keys_are_reset_in_the_ways_that_are_allowed() {
        let resource = json!({"Actions": {"#SecureBoot.ResetKeys": {"target": "/reset",
            "ResetKeysType@Redfish.AllowableValues": ["ResetAllKeysToDefault", "DeletePK"]}}});
        let (target, body) = plan_keys_reset(&resource, Keys::DeletePk).unwrap();
        assert_eq!((target.path(), body), ("/reset", json!({"ResetKeysType": "DeletePK"})));
        let refusal = plan_keys_reset(&resource, Keys::DeleteAll).unwrap_err();
        assert!(matches!(refusal, SecureBootRefusal::NotAllowed { wanted: "DeleteAllKeys", .. }));
        assert_eq!(plan_keys_reset(&json!({}), Keys::Default), Err(SecureBootRefusal::NoReset));
        assert_eq!(secure_boot_link(&json!({})), Err(SecureBootRefusal::None));
    }
}
