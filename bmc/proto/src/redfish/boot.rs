//! The boot override: the change that is sent, and whether what is read back is it.

use super::models::Boot;
use super::text::printable;
use serde::Serialize;

/// From what to boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The firmware's own order.
    Default,
    /// The network.
    Network,
    /// The disk.
    Disk,
    /// An optical drive, real or virtual.
    Cd,
    /// The firmware's setup.
    Setup,
}

/// The mode of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Legacy BIOS.
    Legacy,
    /// UEFI.
    Uefi,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Legacy => "Legacy",
            Self::Uefi => "UEFI",
        }
    }
}

/// The override that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// From what.
    pub target: Target,
    /// For every boot, not only the next. Means nothing for the firmware's own order.
    pub persistent: bool,
    /// In which mode; `None` leaves it as it is.
    pub mode: Option<Mode>,
}

/// What the BMC doesn't offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootRefusal {
    /// The system has no `Boot`.
    #[error("its system shows no Boot property; update the BMC's firmware, or set the boot order by hand")]
    NoOverride,
    /// Not among the allowable values.
    #[error("its {property} can't be {wanted}, only {allowed}")]
    NotAllowed {
        /// The property.
        property: &'static str,
        /// What is wanted.
        wanted: &'static str,
        /// What is allowed.
        allowed: String,
    },
}

/// The body of the `PATCH` of a system that sets the override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BootPatch {
    boot: Change,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Change {
    #[serde(rename = "BootSourceOverrideTarget", skip_serializing_if = "Option::is_none")]
    target: Option<&'static str>,
    #[serde(rename = "BootSourceOverrideEnabled", skip_serializing_if = "Option::is_none")]
    enabled: Option<&'static str>,
    #[serde(rename = "BootSourceOverrideMode", skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
}

impl BootPatch {
    /// The change that brings what is wanted, in the words that this BMC allows. The mode is sent only where the BMC
    /// shows one: the others refuse the property.
    pub fn plan(shown: Option<&Boot>, wanted: Wanted) -> Result<Self, BootRefusal> {
        let shown = shown.ok_or(BootRefusal::NoOverride)?;
        let boot = match wanted.target {
            Target::Default => Change::none(shown),
            Target::Network | Target::Disk | Target::Cd | Target::Setup => Change {
                target: Some(target_word(shown, wanted)?),
                enabled: Some(enabled_word(shown, wanted.persistent)?),
                mode: mode_word(shown, wanted.mode)?,
            },
        };
        Ok(Self { boot })
    }

    /// Whether what is read back is what was sent. A mode that the BMC no longer shows is not held against it.
    pub fn is_done(&self, shown: Option<&Boot>) -> bool {
        let Some(shown) = shown else { return false };
        if self.boot.enabled.is_none_or(|enabled| enabled == "Disabled") {
            return is_off(shown);
        }
        is(shown.target.as_deref(), self.boot.target)
            && is(shown.enabled.as_deref(), self.boot.enabled)
            && (self.boot.mode.is_none() || shown.mode.is_none() || is(shown.mode.as_deref(), self.boot.mode))
    }
}

impl Change {
    /// No override: both words for it, as far as they are allowed, because BMCs heed one or the other.
    fn none(shown: &Boot) -> Self {
        let target = allows(&shown.target_allowable, "None").then_some("None");
        let enabled = allows(&shown.enabled_allowable, "Disabled").then_some("Disabled");
        // With neither allowed, the standard's word is tried all the same.
        let enabled = enabled.or(if target.is_none() { Some("Disabled") } else { None });
        Self { target, enabled, mode: None }
    }
}

/// What override a BMC shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// One that we have words for.
    Known(Wanted),
    /// Another device, or nothing that can be read.
    Unknown,
}

/// Reads the override. No override is the firmware's own order, for every boot.
pub fn read_boot(shown: &Boot) -> Reading {
    let mode = match shown.mode.as_deref() {
        Some("UEFI") => Some(Mode::Uefi),
        Some("Legacy") => Some(Mode::Legacy),
        _ => None,
    };
    if shown.enabled.is_none() && shown.target.is_none() {
        return Reading::Unknown;
    }
    if is_off(shown) {
        return Reading::Known(Wanted { target: Target::Default, persistent: true, mode });
    }
    let target = match shown.target.as_deref() {
        Some("Pxe" | "UefiHttp") => Target::Network,
        Some("Hdd") => Target::Disk,
        Some("Cd") => Target::Cd,
        Some("BiosSetup") => Target::Setup,
        _ => return Reading::Unknown,
    };
    match shown.enabled.as_deref() {
        Some("Once") => Reading::Known(Wanted { target, persistent: false, mode }),
        Some("Continuous") => Reading::Known(Wanted { target, persistent: true, mode }),
        _ => Reading::Unknown,
    }
}

impl Boot {
    /// What it shows, in words for an operator.
    pub fn describe(&self) -> String {
        let show =
            |value: &Option<String>| value.as_deref().map_or("absent".into(), |text| printable(text, 40));
        format!(
            "BootSourceOverrideTarget {}, BootSourceOverrideEnabled {}, BootSourceOverrideMode {}",
            show(&self.target),
            show(&self.enabled),
            show(&self.mode)
        )
    }
}

fn is_off(shown: &Boot) -> bool {
    is(shown.enabled.as_deref(), Some("Disabled")) || is(shown.target.as_deref(), Some("None"))
}

fn is(shown: Option<&str>, sent: Option<&'static str>) -> bool {
    matches!((shown, sent), (Some(shown), Some(sent)) if shown.eq_ignore_ascii_case(sent))
}

fn target_word(shown: &Boot, wanted: Wanted) -> Result<&'static str, BootRefusal> {
    let allowable = &shown.target_allowable;
    let word = match wanted.target {
        Target::Default => "None",
        Target::Network => "Pxe",
        Target::Disk => "Hdd",
        Target::Cd => "Cd",
        Target::Setup => "BiosSetup",
    };
    // Firmware without PXE boots the network by HTTP, which legacy BIOS can't.
    let http =
        word == "Pxe" && wanted.mode != Some(Mode::Legacy) && allowable.iter().any(|a| a == "UefiHttp");
    if !allows(allowable, word) && http {
        return Ok("UefiHttp");
    }
    check("BootSourceOverrideTarget", allowable, word)
}

fn enabled_word(shown: &Boot, persistent: bool) -> Result<&'static str, BootRefusal> {
    let word = if persistent { "Continuous" } else { "Once" };
    check("BootSourceOverrideEnabled", &shown.enabled_allowable, word)
}

fn mode_word(shown: &Boot, mode: Option<Mode>) -> Result<Option<&'static str>, BootRefusal> {
    match mode {
        Some(mode) if shown.mode.is_some() => {
            check("BootSourceOverrideMode", &shown.mode_allowable, mode.word()).map(Some)
        }
        _ => Ok(None),
    }
}

fn check(
    property: &'static str,
    allowable: &[String],
    wanted: &'static str,
) -> Result<&'static str, BootRefusal> {
    if allows(allowable, wanted) {
        return Ok(wanted);
    }
    Err(BootRefusal::NotAllowed { property, wanted, allowed: printable(&allowable.join(", "), 200) })
}

/// An empty list means that the BMC doesn't tell.
fn allows(allowable: &[String], word: &str) -> bool {
    allowable.is_empty() || allowable.iter().any(|allowed| allowed == word)
}
