//! The computer system: its power, its boot override and its reset; and the power of its chassis.
//!
//! Not here: boot options and the lasting boot order, asset tag, lamp (other groups have their say in the system).

use super::answer::{
    Refusal, broken, conflict, foreign_error, not_in_list, parameter_missing, parameter_unknown,
    unknown_property, wrong_type,
};
use super::group::{Event, Group, Request};
use super::state::{Shared, lock};
use crate::{BootDevice, BootFlags, ChassisError};
use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Mutex;

/// Words of DSP8010's `BootSource` and the devices that they are; the first of a device is how it is shown.
const TARGETS: [(&str, Option<BootDevice>); 10] = [
    ("None", None),
    ("Pxe", Some(BootDevice::Network)),
    ("Hdd", Some(BootDevice::Disk)),
    ("Cd", Some(BootDevice::Cd)),
    ("UsbCd", Some(BootDevice::Cd)),
    ("BiosSetup", Some(BootDevice::Setup)),
    ("Usb", Some(BootDevice::Usb)),
    ("UefiHttp", Some(BootDevice::Http)),
    ("UefiTarget", Some(BootDevice::Uefi)),
    ("UefiBootNext", Some(BootDevice::Uefi)),
];
const ACTION: &str = "ComputerSystem.Reset";

/// The system: power and boot.
#[derive(Default)]
pub struct System {
    state: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Power as it still shows, and for how many readings.
    stale: Option<(&'static str, u32)>,
    /// What the override says beside the device.
    http_uri: String,
    uefi_target: String,
    /// Whether the mode was set to UEFI; until somebody sets it, it is what machines have today.
    uefi: Option<bool>,
    /// The word in which the target was set, where a device has several.
    word: String,
    /// Resets that were carried out, in turn.
    resets: Vec<String>,
    /// An override that firmware should have used up, and that shows on (`Faults::once_stays`).
    stays: Option<BootFlags>,
}

impl System {
    /// The resets that were carried out, by `ResetType`, in turn.
    pub fn resets(&self) -> Vec<String> {
        lock(&self.state).resets.clone()
    }

    /// The address that UEFI HTTP boot was set to; empty: none.
    pub fn http_uri(&self) -> String {
        lock(&self.state).http_uri.clone()
    }

    /// The device path that the override was set to; empty: none.
    pub fn uefi_target(&self) -> String {
        lock(&self.state).uefi_target.clone()
    }

    /// `PowerState`, rather an old one or one on the way if a fault wants it. A reading uses it up.
    fn stale_power(&self, reading: bool) -> Option<&'static str> {
        let mut inner = lock(&self.state);
        let (word, left) = inner.stale?;
        if reading {
            inner.stale = (left > 1).then_some((word, left - 1));
        }
        Some(word)
    }

    /// The mode: of the override, or, while there is none, of the machine.
    fn is_uefi(&self, flags: BootFlags) -> bool {
        if flags.device.is_some() { flags.uefi } else { lock(&self.state).uefi.unwrap_or(true) }
    }

    async fn show_system(
        &self,
        bmc: &Shared,
        system: &mut Map<String, Value>,
        reading: bool,
    ) -> Result<(), ChassisError> {
        let power = power_word(bmc).await?;
        let shown = self.stale_power(reading).unwrap_or(power);
        system.insert("PowerState".into(), shown.into());
        let state = if power == "Off" { bmc.tree.manners.state_when_off } else { "Enabled" };
        if let Some(status) = system.get_mut("Status") {
            status["State"] = state.into();
        }
        if bmc.controls.faults().action_info
            && let Some(action) =
                system.get_mut("Actions").and_then(|all| all.get_mut("#ComputerSystem.Reset"))
            && let Some(action) = action.as_object_mut()
        {
            action.remove("ResetType@Redfish.AllowableValues");
            let info = format!("{}/ResetActionInfo", bmc.places().system);
            action.insert("@Redfish.ActionInfo".into(), info.into());
        }
        Ok(())
    }

    /// The override, in the system and in what is pending for it where that has one.
    async fn show_override(
        &self,
        bmc: &Shared,
        resource: &mut Map<String, Value>,
    ) -> Result<(), ChassisError> {
        let mut flags = bmc.chassis.boot().await?;
        if let Some(stays) = lock(&self.state).stays.filter(|_| flags.device.is_none()) {
            flags = stays;
        }
        if let Some(boot) = resource.get_mut("Boot").and_then(Value::as_object_mut) {
            self.show_boot(boot, flags);
        }
        Ok(())
    }

    /// Of the properties of `Boot`, those that the profile has.
    fn show_boot(&self, boot: &mut Map<String, Value>, flags: BootFlags) {
        let uefi = self.is_uefi(flags);
        let inner = lock(&self.state);
        let enabled = match flags {
            BootFlags { device: None, .. } => "Disabled",
            BootFlags { persistent: true, .. } => "Continuous",
            BootFlags { .. } => "Once",
        };
        let fits = |(word, device): &&(&str, _)| *device == flags.device && *word == inner.word;
        let first = |(_, device): &&(&str, _)| *device == flags.device;
        let target = TARGETS.iter().find(fits).or_else(|| TARGETS.iter().find(first));
        let target = target.map_or("None", |(word, _)| word);
        let mode = if uefi { "UEFI" } else { "Legacy" };
        let values = [
            ("BootSourceOverrideEnabled", enabled),
            ("BootSourceOverrideTarget", target),
            ("BootSourceOverrideMode", mode),
            ("HttpBootUri", inner.http_uri.as_str()),
            ("UefiTargetBootSourceOverride", inner.uefi_target.as_str()),
        ];
        for (name, value) in values {
            if let Some(shown) = boot.get_mut(name) {
                *shown = value.into();
            }
        }
    }

    async fn set_boot(&self, bmc: &Shared, path: &str, change: &Value) -> Result<(), Refusal> {
        let stored = bmc.stored(path).unwrap_or_default();
        let known = &stored["Boot"];
        let Some(change) = change.as_object() else { return Err(wrong_type("Boot", change).into()) };
        for (name, value) in change {
            if known.get(name).is_none() {
                return Err(unknown_property(name).into());
            }
            let allowable = known[format!("{name}@Redfish.AllowableValues")].as_array();
            if allowable.is_some_and(|words| !words.contains(value)) {
                return Err(not_in_list(name, value).into());
            }
        }
        let before = bmc.chassis.boot().await.map_err(|error| Box::new(broken(&error)))?;
        let after = new_flags(BootFlags { uefi: self.is_uefi(before), ..before }, change)?;
        if bmc.controls.faults().ignore_boot {
            return Ok(());
        }
        bmc.chassis.set_boot(after).await.map_err(|error| Box::new(broken(&error)))?;
        let mut inner = lock(&self.state);
        inner.stays = None;
        inner.uefi = Some(after.uefi);
        let text = |name: &str| change.get(name).and_then(Value::as_str).map(str::to_owned);
        inner.word = text("BootSourceOverrideTarget").unwrap_or_else(|| inner.word.clone());
        inner.http_uri = text("HttpBootUri").unwrap_or_else(|| inner.http_uri.clone());
        inner.uefi_target = text("UefiTargetBootSourceOverride").unwrap_or_else(|| inner.uefi_target.clone());
        Ok(())
    }

    async fn reset(&self, bmc: &Shared, request: &Request) -> Result<Response, Refusal> {
        let body = request.json()?;
        let Some(kind) = body.get("ResetType") else {
            return Err(parameter_missing(ACTION, "ResetType").into());
        };
        if let Some(other) = body.keys().find(|name| *name != "ResetType") {
            return Err(parameter_unknown(ACTION, other).into());
        }
        let allowed = bmc.tree.manners.resets;
        let kind = allowed
            .iter()
            .find(|word| kind.as_str() == Some(word))
            .ok_or_else(|| Box::new(not_in_list("ResetType", kind)))?;
        let failed = |error: ChassisError| Box::new(broken(&error));
        let before = power_word(bmc).await.map_err(failed)?;
        if !fits(kind, before) {
            let message = format!("The request can't be done while the system is {}.", before.to_lowercase());
            return Ok(bmc.tree.manners.already().unwrap_or_else(|| conflict(&message)));
        }
        let faults = bmc.controls.faults().clone();
        if faults.ignore_reset {
            return Ok(bmc.tree.manners.done());
        }
        let flags = bmc.chassis.boot().await.map_err(failed)?;
        carry_out(bmc, kind).await.map_err(failed)?;
        let after = power_word(bmc).await.map_err(failed)?;
        {
            let mut inner = lock(&self.state);
            inner.resets.push((*kind).to_owned());
            inner.stale = match (before == after, faults.stale_power, faults.slow_power) {
                (_, 0, 0) => None,
                (true, 0, _) => None,
                (_, 0, slow) => Some((if after == "On" { "PoweringOn" } else { "PoweringOff" }, slow)),
                (_, stale, _) => Some((before, stale)),
            };
            inner.stays = Some(flags).filter(|flags| faults.once_stays && !flags.persistent);
        }
        self.tell(bmc, kind, before, after);
        Ok(bmc.tree.manners.done())
    }

    /// Tells the other groups what a reset brought.
    fn tell(&self, bmc: &Shared, kind: &str, before: &str, after: &'static str) {
        if before != after {
            bmc.announce(&Event::Power { on: after == "On" });
        }
        let boots = (after == "On" && before == "Off")
            || matches!(kind, "ForceRestart" | "GracefulRestart" | "PowerCycle" | "FullPowerCycle");
        if boots {
            bmc.announce(&Event::Boot);
        }
        bmc.announce(&Event::Report {
            message_id: "ResourceEvent.1.3.ResourceChanged".into(),
            message: format!("The system was told {kind} and is {}.", after.to_lowercase()),
            severity: "OK",
            origin: bmc.places().system.clone(),
        });
    }
}

#[async_trait]
impl Group for System {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        reading: bool,
    ) -> Result<(), ChassisError> {
        let places = bmc.places();
        if path == places.system {
            self.show_system(bmc, resource, reading).await?;
            self.show_override(bmc, resource).await?;
        } else if places.system_settings.as_deref() == Some(path) {
            self.show_override(bmc, resource).await?;
        } else if places.chassis.iter().any(|chassis| chassis == path) && resource.contains_key("PowerState")
        {
            resource.insert("PowerState".into(), power_word(bmc).await?.into());
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
        let places = bmc.places();
        let pending = places.system_settings.as_deref() == Some(path);
        if (path != places.system && !pending) || property != "Boot" {
            return None;
        }
        // The lasting order is another group's.
        if value.get("BootOrder").is_some() {
            return None;
        }
        if bmc.tree.manners.boot_in_settings && !pending {
            return Some(Err(elsewhere(places.system_settings.as_deref().unwrap_or_default()).into()));
        }
        Some(self.set_boot(bmc, path, value).await)
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        let action = request.path.strip_prefix(bmc.places().system.as_str())?;
        if request.method != Method::POST || action != "/Actions/ComputerSystem.Reset" {
            return None;
        }
        Some(self.reset(bmc, request).await.unwrap_or_else(|refusal| *refusal))
    }

    fn methods(&self, bmc: &Shared, path: &str) -> &'static [Method] {
        let places = bmc.places();
        let ours = path == places.system || places.system_settings.as_deref() == Some(path);
        if ours { &[Method::PATCH] } else { &[] }
    }
}

/// AMI's words for an override that its settings resource takes only.
fn elsewhere(settings: &str) -> Response {
    let message =
        format!("Support of this Operation for Boot Properties is moved to FutureState URI({settings})");
    let id = "Ami.1.0.OperationSupportedInFutureStateURI";
    foreign_error(StatusCode::BAD_REQUEST, id, &message, "Use the FutureState URI.")
}

async fn power_word(bmc: &Shared) -> Result<&'static str, ChassisError> {
    Ok(match (bmc.chassis.power().await?, bmc.chassis.paused().await?) {
        (false, _) => "Off",
        (true, true) => "Paused",
        (true, false) => "On",
    })
}

/// Whether a reset can be done while the power is so.
fn fits(kind: &str, power: &str) -> bool {
    match kind {
        "On" | "ForceOn" => power == "Off",
        "PushPowerButton" => true,
        "Resume" => power == "Paused",
        "Suspend" | "Pause" => power == "On",
        _ => power != "Off",
    }
}

async fn carry_out(bmc: &Shared, kind: &str) -> Result<(), ChassisError> {
    let chassis = &bmc.chassis;
    match kind {
        "On" | "ForceOn" => chassis.set_power(true).await,
        "ForceOff" => chassis.set_power(false).await,
        "GracefulShutdown" => chassis.shut_down().await,
        "GracefulRestart" => chassis.restart().await,
        "Nmi" => chassis.diagnostic().await,
        "PowerCycle" | "FullPowerCycle" => {
            chassis.set_power(false).await?;
            chassis.set_power(true).await
        }
        "PushPowerButton" if chassis.power().await? => chassis.shut_down().await,
        "PushPowerButton" => chassis.set_power(true).await,
        "Suspend" | "Pause" => chassis.pause().await,
        "Resume" => chassis.resume().await,
        _ => chassis.reset().await,
    }
}

/// The override after a change whose words were looked at.
fn new_flags(before: BootFlags, change: &Map<String, Value>) -> Result<BootFlags, Refusal> {
    let mut flags = before;
    if let Some(mode) = change.get("BootSourceOverrideMode") {
        flags.uefi = match mode.as_str() {
            Some("UEFI") => true,
            Some("Legacy") => false,
            _ => return Err(not_in_list("BootSourceOverrideMode", mode).into()),
        };
    }
    if let Some(target) = change.get("BootSourceOverrideTarget") {
        let found = TARGETS.iter().find(|(word, _)| target.as_str() == Some(word));
        flags.device = found.ok_or_else(|| Box::new(not_in_list("BootSourceOverrideTarget", target)))?.1;
        // A target alone holds once, as an override that is switched off can't be remembered here.
        flags.persistent &= before.device.is_some();
    }
    if let Some(enabled) = change.get("BootSourceOverrideEnabled") {
        match enabled.as_str() {
            Some("Disabled") => flags.device = None,
            Some("Once") => flags.persistent = false,
            Some("Continuous") => flags.persistent = true,
            _ => return Err(not_in_list("BootSourceOverrideEnabled", enabled).into()),
        }
    }
    for name in ["HttpBootUri", "UefiTargetBootSourceOverride"] {
        if let Some(value) = change.get(name).filter(|value| !value.is_string() && !value.is_null()) {
            return Err(wrong_type(name, value).into());
        }
    }
    flags.persistent &= flags.device.is_some();
    Ok(flags)
}

/// What the system says of its resets, from the profile.
pub(super) fn reset_action(system: &str, words: &[&str], by_info: bool) -> Value {
    let mut action = json!({"target": format!("{system}/Actions/ComputerSystem.Reset")});
    if by_info {
        action["@Redfish.ActionInfo"] = format!("{system}/ResetActionInfo").into();
    } else {
        action["ResetType@Redfish.AllowableValues"] = json!(words);
    }
    action
}
