//! The boot override: the change that is sent, and whether what is read back is it.

use super::models::{Boot, ComputerSystem};
use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
use super::text::printable;
use serde::Serialize;

/// From what to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// A USB device.
    Usb,
    /// UEFI HTTP boot, from this address or, with `None`, from the one that DHCP tells.
    Http(Option<String>),
    /// The device with this UEFI device path.
    UefiDevice(String),
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The mode is a BIOS setting.
    #[error("its boot mode is {shown} and is no part of the override; set the mode in its BIOS settings")]
    ModeElsewhere {
        /// The mode that it shows.
        shown: String,
    },
    /// A UEFI target is for one boot.
    #[error("it boots a UEFI device path by override once only; set the boot order for more")]
    OnceOnly,
}

/// The body of the `PATCH` of a system that sets the override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BootPatch {
    boot: Change,
    /// Whether an override for one boot may read back as one for every boot.
    #[serde(skip)]
    once_lasts: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Change {
    #[serde(rename = "BootSourceOverrideTarget", skip_serializing_if = "Option::is_none")]
    target: Option<&'static str>,
    #[serde(rename = "BootSourceOverrideEnabled", skip_serializing_if = "Option::is_none")]
    enabled: Option<&'static str>,
    #[serde(rename = "BootSourceOverrideMode", skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    /// An inner `None` is sent as null, which takes an address away that is set.
    #[serde(rename = "HttpBootUri", skip_serializing_if = "Option::is_none")]
    uri: Option<Option<String>>,
    #[serde(rename = "UefiTargetBootSourceOverride", skip_serializing_if = "Option::is_none")]
    device: Option<String>,
}

impl BootPatch {
    /// The change that brings what is wanted, in the words that this BMC allows. The mode is sent only where the BMC
    /// shows one: the others refuse the property.
    pub fn plan(shown: Option<&Boot>, wanted: &Wanted, quirks: &Quirks) -> Result<Self, BootRefusal> {
        let shown = shown.ok_or(BootRefusal::NoOverride)?;
        if wanted.target == Target::Default {
            return Ok(Self { boot: Change::none(shown, quirks), once_lasts: false });
        }
        let lasting_device = wanted.persistent && matches!(wanted.target, Target::UefiDevice(_));
        if lasting_device && quirks.has(Effect::UefiTargetOnceOnly) {
            return Err(BootRefusal::OnceOnly);
        }
        let uri = match &wanted.target {
            Target::Http(Some(uri)) => Some(Some(uri.clone())),
            Target::Http(None) if has_uri(shown) => Some(None),
            _ => None,
        };
        let device = match &wanted.target {
            Target::UefiDevice(path) => Some(path.clone()),
            _ => None,
        };
        let boot = Change {
            target: Some(target_word(shown, wanted, quirks)?),
            enabled: Some(enabled_word(shown, wanted.persistent)?),
            mode: mode_word(shown, wanted, quirks)?,
            uri,
            device,
        };
        Ok(Self { boot, once_lasts: !wanted.persistent && quirks.has(Effect::OnceLasts) })
    }

    /// Whether nothing needs to be sent: there is no override and none is wanted. One that is wanted is sent also when
    /// it is shown, since some BMCs go on showing one that was used up.
    pub fn is_needless(&self, shown: Option<&Boot>) -> bool {
        self.boot.enabled.is_none_or(|enabled| enabled == "Disabled") && self.is_done(shown)
    }

    /// Whether what is read back is what was sent. A mode that the BMC no longer shows is not held against it.
    pub fn is_done(&self, shown: Option<&Boot>) -> bool {
        let Some(shown) = shown else { return false };
        let change = &self.boot;
        if change.enabled.is_none_or(|enabled| enabled == "Disabled") {
            return is_off(shown);
        }
        let uri = match &change.uri {
            None => true,
            Some(None) => !has_uri(shown),
            Some(Some(uri)) => shown.http_boot_uri.as_deref() == Some(uri),
        };
        is(shown.target.as_deref(), change.target)
            && (is(shown.enabled.as_deref(), change.enabled)
                || self.once_lasts && is(shown.enabled.as_deref(), Some("Continuous")))
            && (change.mode.is_none() || shown.mode.is_none() || is(shown.mode.as_deref(), change.mode))
            && uri
            && (change.device.is_none() || shown.uefi_target == change.device)
    }
}

impl Change {
    /// No override: both words for it, as far as they are allowed, because BMCs heed one or the other.
    fn none(shown: &Boot, quirks: &Quirks) -> Self {
        let target = allows(&shown.target_allowable, "None").then_some("None");
        let enabled = allows(&shown.enabled_allowable, "Disabled").then_some("Disabled");
        let alone = enabled.is_some() && quirks.has(Effect::OverrideClearedWithoutTarget);
        let target = target.filter(|_| !alone);
        // With neither allowed, the standard's word is tried all the same.
        let enabled = enabled.or(if target.is_none() { Some("Disabled") } else { None });
        let mode = shown_mode(shown).filter(|_| quirks.has(Effect::OverrideModeAlwaysSent)).map(Mode::word);
        Self { target, enabled, mode, uri: None, device: None }
    }
}

/// Where the override is set, if that is not the system itself: its settings resource (DSP0266 section 9.10). iDRAC 10
/// has the override only there: <https://github.com/dell/iDRAC-Redfish-Scripting/issues/324>.
pub fn boot_settings(system: &ComputerSystem) -> Option<ResourcePath> {
    let settings = system.settings.as_ref()?.object.as_ref()?;
    ResourcePath::from_link(settings.odata_id.as_deref()?)
}

/// The override of a system that has a settings resource: what the settings say, and where they say nothing what the
/// system says. `None` when the settings have no part in the override.
pub fn merged_boot(system: Option<&Boot>, settings: Option<&Boot>) -> Option<Boot> {
    let pending = settings.filter(|boot| boot.target.is_some() || !boot.target_allowable.is_empty())?;
    let Some(active) = system else { return Some(pending.clone()) };
    let or = |first: &Option<String>, second: &Option<String>| first.clone().or_else(|| second.clone());
    let list = |first: &Vec<String>, second: &Vec<String>| {
        if first.is_empty() { second.clone() } else { first.clone() }
    };
    Some(Boot {
        enabled: or(&pending.enabled, &active.enabled),
        enabled_allowable: list(&pending.enabled_allowable, &active.enabled_allowable),
        target: or(&pending.target, &active.target),
        target_allowable: list(&pending.target_allowable, &active.target_allowable),
        mode: or(&pending.mode, &active.mode),
        mode_allowable: list(&pending.mode_allowable, &active.mode_allowable),
        http_boot_uri: or(&pending.http_boot_uri, &active.http_boot_uri),
        uefi_target: or(&pending.uefi_target, &active.uefi_target),
    })
}

/// What override a BMC shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// One that we have words for.
    Known(Wanted),
    /// Another device, or nothing that can be read.
    Unknown,
}

/// Reads the override. No override is the firmware's own order, for every boot.
pub fn read_boot(shown: &Boot) -> Reading {
    let mode = shown_mode(shown);
    if shown.enabled.is_none() && shown.target.is_none() {
        return Reading::Unknown;
    }
    if is_off(shown) {
        return Reading::Known(Wanted { target: Target::Default, persistent: true, mode });
    }
    let target = match shown.target.as_deref() {
        Some("Pxe") => Target::Network,
        // Where there is no PXE, it is how the network is booted.
        Some("UefiHttp") if !has_uri(shown) && !allows(&shown.target_allowable, "Pxe") => Target::Network,
        Some("UefiHttp") => Target::Http(shown.http_boot_uri.clone().filter(|uri| !uri.is_empty())),
        Some("Hdd") => Target::Disk,
        Some("Cd" | "UsbCd") => Target::Cd,
        Some("BiosSetup") => Target::Setup,
        Some("Usb") => Target::Usb,
        Some("UefiTarget") => Target::UefiDevice(shown.uefi_target.clone().unwrap_or_default()),
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
        let mut text = format!(
            "BootSourceOverrideTarget {}, BootSourceOverrideEnabled {}, BootSourceOverrideMode {}",
            show(&self.target),
            show(&self.enabled),
            show(&self.mode)
        );
        for (name, value) in
            [("HttpBootUri", &self.http_boot_uri), ("UefiTargetBootSourceOverride", &self.uefi_target)]
        {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                text.push_str(&format!(", {name} {}", printable(value, 120)));
            }
        }
        text
    }
}

fn is_off(shown: &Boot) -> bool {
    is(shown.enabled.as_deref(), Some("Disabled")) || is(shown.target.as_deref(), Some("None"))
}

fn is(shown: Option<&str>, sent: Option<&'static str>) -> bool {
    matches!((shown, sent), (Some(shown), Some(sent)) if shown.eq_ignore_ascii_case(sent))
}

fn has_uri(shown: &Boot) -> bool {
    shown.http_boot_uri.as_ref().is_some_and(|uri| !uri.is_empty())
}

fn shown_mode(shown: &Boot) -> Option<Mode> {
    match shown.mode.as_deref() {
        Some("UEFI") => Some(Mode::Uefi),
        Some("Legacy") => Some(Mode::Legacy),
        _ => None,
    }
}

fn target_word(shown: &Boot, wanted: &Wanted, quirks: &Quirks) -> Result<&'static str, BootRefusal> {
    let allowable = &shown.target_allowable;
    let has = |word: &str| allowable.iter().any(|allowed| allowed == word);
    let word = match wanted.target {
        Target::Default => "None",
        Target::Network => "Pxe",
        Target::Disk => "Hdd",
        Target::Cd => "Cd",
        Target::Setup => "BiosSetup",
        Target::Usb => "Usb",
        Target::Http(_) => "UefiHttp",
        Target::UefiDevice(_) => "UefiTarget",
    };
    // Firmware without PXE boots the network by HTTP, which legacy BIOS can't.
    if word == "Pxe" && !allows(allowable, word) && wanted.mode != Some(Mode::Legacy) && has("UefiHttp") {
        return Ok("UefiHttp");
    }
    let usb_cd = quirks.has(Effect::VirtualCdIsUsbCd) && !quirks.has(Effect::VirtualCdIsCd);
    if word == "Cd" && usb_cd && has("UsbCd") {
        return Ok("UsbCd");
    }
    check("BootSourceOverrideTarget", allowable, word)
}

fn enabled_word(shown: &Boot, persistent: bool) -> Result<&'static str, BootRefusal> {
    let word = if persistent { "Continuous" } else { "Once" };
    check("BootSourceOverrideEnabled", &shown.enabled_allowable, word)
}

fn mode_word(shown: &Boot, wanted: &Wanted, quirks: &Quirks) -> Result<Option<&'static str>, BootRefusal> {
    let only_uefi = matches!(wanted.target, Target::Http(_) | Target::UefiDevice(_));
    let mode = if only_uefi { Some(Mode::Uefi) } else { wanted.mode };
    let Some(current) = &shown.mode else { return Ok(None) };
    if quirks.has(Effect::OverrideModeReadOnly) {
        return match mode {
            Some(mode) if !is(Some(current), Some(mode.word())) => {
                Err(BootRefusal::ModeElsewhere { shown: printable(current, 40) })
            }
            _ => Ok(None),
        };
    }
    let kept = || shown_mode(shown).filter(|_| quirks.has(Effect::OverrideModeAlwaysSent));
    match mode {
        Some(mode) => check("BootSourceOverrideMode", &shown.mode_allowable, mode.word()).map(Some),
        None => Ok(kept().map(Mode::word)),
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
