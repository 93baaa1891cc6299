//! The boot override: planned in `bmc_proto::redfish`, written where the BMC wants it, and read back.

use super::Redfish;
use super::client::Loaded;
use crate::{BmcError, BootMode, BootOverride, BootTarget, Persistence};
use bmc_proto::redfish::{
    Boot, BootPatch, ComputerSystem, Mode, Reading, ResourcePath, Target, Wanted, are_attributes,
    attributes_link, boot_settings, cd_attributes, merged_boot, read_boot,
};
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use std::sync::OnceLock;
use tokio::time::Instant;

/// For error messages.
pub(super) const SETTING: &str = "set the boot override";
const READING: &str = "read the boot override";

/// The override as it is shown, and where it is written.
struct Place {
    boot: Option<Boot>,
    path: ResourcePath,
    /// With the version, where it came with the reading.
    etag: Option<HeaderValue>,
    is_system: bool,
}

impl Redfish {
    /// Sets the override and reads it back.
    pub(super) async fn write_boot(&self, boot: &BootOverride) -> Result<(), BmcError> {
        let wanted = wanted(boot);
        let quirks = self.quirks().await?;
        if let Some(attributes) = cd_attributes(&wanted, &quirks)
            && let Some(path) = self.attributes_path().await?
        {
            return self.write_attributes(&path, attributes).await;
        }
        let place = self.boot_place().await?;
        let patch = BootPatch::plan(place.boot.as_ref(), &wanted, &quirks)
            .map_err(|refusal| self.cannot(refusal.to_string()))?;
        if patch.is_needless(place.boot.as_ref()) {
            return Ok(());
        }
        let body = serde_json::to_value(&patch).map_err(|error| BmcError::Protocol {
            address: self.address.clone(),
            during: SETTING,
            what: format!("the change is no JSON: {error}"),
        })?;
        let first = match self.send_boot(&place, body.clone()).await {
            Ok(()) => return self.await_boot(&patch).await,
            Err(lost @ (BmcError::Unreachable { .. } | BmcError::Unknown { .. })) => lost,
            Err(BmcError::Refused { answer, .. }) if is_about_uri(&wanted, &answer) => {
                return Err(self.cannot(
                    "it takes no address for UEFI HTTP boot (HttpBootUri); without one, DHCP tells the machine from where",
                ));
            }
            Err(error) => return Err(error),
        };
        // It was done, or not, and doing it twice is the same as once.
        if self.shows_after_all(&patch).await.map_err(|_| first)? {
            return Ok(());
        }
        let place = self.boot_place().await?;
        self.send_boot(&place, body).await?;
        self.await_boot(&patch).await
    }

    async fn send_boot(&self, place: &Place, body: Value) -> Result<(), BmcError> {
        if place.is_system {
            self.patch_from(&place.path, place.etag.clone(), body, SETTING).await.map(drop)
        } else {
            self.patch(&place.path, body, SETTING).await.map(drop)
        }
    }

    async fn await_boot(&self, patch: &BootPatch) -> Result<(), BmcError> {
        self.await_that(self.timing.boot, SETTING, || async {
            let shown = self.boot_place().await?.boot;
            if patch.is_done(shown.as_ref()) {
                return Ok(Ok(()));
            }
            Ok(Err(shown.map_or_else(|| "no Boot property".into(), |shown| shown.describe())))
        })
        .await
    }

    /// Whether a change shows whose answer was lost. A BMC that restarts is waited for; from its first answer on, what
    /// doesn't show soon was not done.
    async fn shows_after_all(&self, patch: &BootPatch) -> Result<bool, BmcError> {
        let answers_since = OnceLock::new();
        let soon = self.timing.insist.min(self.timing.boot);
        let shown = self.await_that(self.timing.boot, SETTING, || async {
            let shown = self.boot_place().await?.boot;
            if patch.is_done(shown.as_ref()) {
                return Ok(Ok(true));
            }
            let is_soon = answers_since.get_or_init(Instant::now).elapsed() < soon;
            Ok(if is_soon { Err("not yet".into()) } else { Ok(false) })
        });
        match shown.await {
            Err(BmcError::NotDone { .. }) => Ok(false),
            other => other,
        }
    }

    /// Where the maker's own attributes are, if the manager has some.
    async fn attributes_path(&self) -> Result<Option<ResourcePath>, BmcError> {
        let Some(path) = self.manager_path().await? else { return Ok(None) };
        let manager: Value = self.read(&path, "read the manager").await?;
        Ok(attributes_link(&manager))
    }

    /// Sets the boot by the maker's own attributes and reads them back.
    async fn write_attributes(&self, path: &ResourcePath, attributes: Value) -> Result<(), BmcError> {
        self.patch(path, json!({ "Attributes": attributes }), SETTING).await?;
        self.await_that(self.timing.boot, SETTING, || async {
            let shown: Value = self.read(path, READING).await?;
            let device = "ServerBoot.1.FirstBootDevice";
            let found = shown.get("Attributes").and_then(|all| all.get(device)).and_then(Value::as_str);
            let found = bmc_proto::redfish::printable(found.unwrap_or("absent"), 40);
            Ok(if are_attributes(&attributes, &shown) { Ok(()) } else { Err(format!("{device} {found}")) })
        })
        .await
    }

    /// The override; `None` for one that we have no words for.
    pub(super) async fn shown_boot(&self) -> Result<Option<BootOverride>, BmcError> {
        let shown = self.boot_place().await?.boot;
        Ok(match shown.as_ref().map(read_boot) {
            Some(Reading::Known(known)) => Some(shown_override(known)),
            Some(Reading::Unknown) | None => None,
        })
    }

    async fn boot_place(&self) -> Result<Place, BmcError> {
        let Loaded { system, etag, path, .. } = self.system().await?;
        if let Some(settings) = boot_settings(&system) {
            let pending: Option<ComputerSystem> = self.read_optional(&settings, READING).await?;
            let pending = pending.and_then(|pending| pending.boot);
            if let Some(boot) = merged_boot(system.boot.as_ref(), pending.as_ref()) {
                return Ok(Place { boot: Some(boot), path: settings, etag: None, is_system: false });
            }
        }
        Ok(Place { boot: system.boot, path, etag, is_system: true })
    }
}

/// Whether the BMC refused the property that carries the address: iLO 5 and old Supermicro know `UefiHttp` alone.
fn is_about_uri(wanted: &Wanted, answer: &str) -> bool {
    matches!(wanted.target, Target::Http(Some(_))) && answer.contains("HttpBootUri")
}

fn wanted(boot: &BootOverride) -> Wanted {
    let target = match &boot.target {
        BootTarget::Default => Target::Default,
        BootTarget::Network => Target::Network,
        BootTarget::Disk => Target::Disk,
        BootTarget::Cd => Target::Cd,
        BootTarget::Setup => Target::Setup,
        BootTarget::Usb => Target::Usb,
        BootTarget::Http { uri } => Target::Http(uri.clone()),
        BootTarget::UefiDevice(path) => Target::UefiDevice(path.clone()),
    };
    let mode = boot.mode.map(|mode| match mode {
        BootMode::Bios => Mode::Legacy,
        BootMode::Uefi => Mode::Uefi,
    });
    Wanted { target, persistent: boot.persistence == Persistence::Persistent, mode }
}

fn shown_override(known: Wanted) -> BootOverride {
    let target = match known.target {
        Target::Default => BootTarget::Default,
        Target::Network => BootTarget::Network,
        Target::Disk => BootTarget::Disk,
        Target::Cd => BootTarget::Cd,
        Target::Setup => BootTarget::Setup,
        Target::Usb => BootTarget::Usb,
        Target::Http(uri) => BootTarget::Http { uri },
        Target::UefiDevice(path) => BootTarget::UefiDevice(path),
    };
    let mode = known.mode.map(|mode| match mode {
        Mode::Legacy => BootMode::Bios,
        Mode::Uefi => BootMode::Uefi,
    });
    let persistence = if known.persistent { Persistence::Persistent } else { Persistence::Once };
    BootOverride { target, persistence, mode }
}

#[cfg(test)]
mod tests;
