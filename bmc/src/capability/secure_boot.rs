//! UEFI Secure Boot.

use crate::BmcError;
use async_trait::async_trait;

/// A BMC that sets Secure Boot.
#[async_trait]
pub trait SecureBoot: Send + Sync {
    /// Its state.
    async fn secure_boot(&self) -> Result<SecureBootState, BmcError>;
    /// Sets whether it holds from the next boot on; reads the setting back.
    async fn set_secure_boot(&self, enabled: bool) -> Result<(), BmcError>;
    /// Resets its keys. A change that can lock an operating system out: never done by itself.
    async fn reset_secure_boot_keys(&self, reset: KeysReset) -> Result<(), BmcError>;
}

/// The state of Secure Boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecureBootState {
    /// Whether it is set to hold from the next boot on.
    pub enabled: Option<bool>,
    /// Whether it held at the last boot.
    pub current: Option<bool>,
    /// `SetupMode`, `UserMode`, `AuditMode`, `DeployedMode`, as the BMC says it.
    pub mode: Option<String>,
}

/// How the keys are reset (DSP8010 `SecureBoot.ResetKeysType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysReset {
    /// To those that the maker put in.
    Default,
    /// All away: Setup Mode.
    DeleteAll,
    /// The platform key away.
    DeletePk,
}
