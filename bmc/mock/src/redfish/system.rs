//! The computer system: its state, its boot override and its reset.

use super::answer::{Refusal, broken, error, not_in_list, object, resource};
use super::state::{Shared, lock};
use crate::{BootDevice, BootFlags, ChassisError};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

const SYSTEM: &str = "/redfish/v1/Systems/1";
const RESETS: [&str; 4] = ["On", "ForceOff", "GracefulShutdown", "ForceRestart"];
const TARGETS: [(&str, Option<BootDevice>); 5] = [
    ("None", None),
    ("Pxe", Some(BootDevice::Network)),
    ("Hdd", Some(BootDevice::Disk)),
    ("Cd", Some(BootDevice::Cd)),
    ("BiosSetup", Some(BootDevice::Setup)),
];

/// GET of the system.
pub(super) async fn show(State(state): State<Shared>) -> Response {
    match shown(&state, true).await {
        Ok((value, tag)) => {
            let mut response = resource(&value);
            response.headers_mut().insert(ETAG, tag);
            response
        }
        Err(error) => broken(&error),
    }
}

/// GET of what resets there are.
pub(super) async fn action_info() -> Response {
    resource(&json!({
        "@odata.id": format!("{SYSTEM}/ResetActionInfo"),
        "@odata.type": "#ActionInfo.v1_4_2.ActionInfo",
        "Id": "ResetActionInfo",
        "Name": "Reset Action Info",
        "Parameters": [{"Name": "ResetType", "Required": true, "DataType": "String", "AllowableValues": RESETS}],
    }))
}

/// PATCH of the system: the boot override, and nothing else.
pub(super) async fn change(State(state): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    match changed(&state, &headers, &body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => *refusal,
    }
}

/// POST of a reset.
pub(super) async fn reset(State(state): State<Shared>, body: Bytes) -> Response {
    match was_reset(&state, &body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => *refusal,
    }
}

/// The system and its version. A reading uses up a stale power state, if there is one.
async fn shown(state: &Shared, reading: bool) -> Result<(Value, HeaderValue), ChassisError> {
    let power = stale_power(state, reading).unwrap_or(state.chassis.power().await?);
    let boot = shown_boot(state.chassis.boot().await?);
    let faults = state.controls.faults().clone();
    let mut reset = json!({"target": format!("{SYSTEM}/Actions/ComputerSystem.Reset")});
    if faults.action_info {
        reset["@Redfish.ActionInfo"] = format!("{SYSTEM}/ResetActionInfo").into();
    } else {
        reset["ResetType@Redfish.AllowableValues"] = json!(RESETS);
    }
    let mut value = json!({
        "@odata.id": SYSTEM,
        "@odata.type": "#ComputerSystem.v1_22_1.ComputerSystem",
        "Id": "1",
        "Name": state.identity.name,
        "SystemType": "Virtual",
        "Manufacturer": "Billet",
        "Model": state.identity.model,
        "UUID": state.identity.uuid,
        "PowerState": if power { "On" } else { "Off" },
        "Status": {"State": if power { "Enabled" } else { "StandbyOffline" }, "Health": "OK"},
        "Boot": boot,
        "EthernetInterfaces": {"@odata.id": format!("{SYSTEM}/EthernetInterfaces")},
        "Links": {
            "Chassis": [{"@odata.id": "/redfish/v1/Chassis/1"}],
            "ManagedBy": [{"@odata.id": "/redfish/v1/Managers/1"}],
        },
        "Actions": {"#ComputerSystem.Reset": reset},
    });
    let digest = hex::encode(&Sha256::digest(value.to_string())[..8]);
    let tag = if faults.weak_etags { format!("W/\"{digest}\"") } else { format!("\"{digest}\"") };
    value["@odata.etag"] = tag.as_str().into();
    let header = HeaderValue::from_str(&tag).map_err(|error| ChassisError(error.to_string()))?;
    Ok((value, header))
}

fn stale_power(state: &Shared, reading: bool) -> Option<bool> {
    let mut stale = lock(&state.stale);
    let (on, left) = (*stale)?;
    if reading {
        *stale = (left > 1).then_some((on, left - 1));
    }
    Some(on)
}

fn shown_boot(flags: BootFlags) -> Value {
    let words = TARGETS.map(|(word, _)| word);
    let target = TARGETS.iter().find(|(_, device)| *device == flags.device).map_or("None", |(word, _)| word);
    let enabled = match flags {
        BootFlags { device: None, .. } => "Disabled",
        BootFlags { persistent: true, .. } => "Continuous",
        BootFlags { .. } => "Once",
    };
    json!({
        "BootSourceOverrideEnabled": enabled,
        "BootSourceOverrideTarget": target,
        "BootSourceOverrideTarget@Redfish.AllowableValues": words,
        "BootSourceOverrideMode": if flags.uefi { "UEFI" } else { "Legacy" },
        "BootSourceOverrideMode@Redfish.AllowableValues": ["UEFI", "Legacy"],
    })
}

async fn changed(state: &Shared, headers: &HeaderMap, body: &Bytes) -> Result<(), Refusal> {
    let body = object(body)?;
    let (_, tag) = shown(state, false).await.map_err(|error| Box::new(broken(&error)))?;
    let stale = state.controls.count_down(|faults| &mut faults.stale_etags);
    if stale || headers.get(IF_MATCH).is_some_and(|given| !matches(given, &tag)) {
        let message = "The ETag supplied did not match the ETag required to change this resource.";
        let mend = "Try the operation again using the appropriate ETag.";
        return Err(error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message, mend).into());
    }
    let change = match body.get("Boot") {
        Some(Value::Object(change)) if body.len() == 1 => change,
        _ => {
            return Err(unknown(body.keys().find(|key| *key != "Boot").map_or("Boot", String::as_str)).into());
        }
    };
    let before = state.chassis.boot().await.map_err(|error| Box::new(broken(&error)))?;
    let after = new_flags(before, change)?;
    if state.controls.faults().ignore_boot {
        return Ok(());
    }
    state.chassis.set_boot(after).await.map_err(|error| Box::new(broken(&error)))
}

/// Strong comparison: a weak tag matches nothing (RFC 9110 section 13.1.1).
fn matches(given: &HeaderValue, tag: &HeaderValue) -> bool {
    given == "*" || (given == tag && !tag.as_bytes().starts_with(b"W/"))
}

fn new_flags(before: BootFlags, change: &Map<String, Value>) -> Result<BootFlags, Refusal> {
    const KNOWN: [&str; 3] =
        ["BootSourceOverrideEnabled", "BootSourceOverrideTarget", "BootSourceOverrideMode"];
    if let Some(key) = change.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(unknown(key).into());
    }
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
    flags.persistent &= flags.device.is_some();
    Ok(flags)
}

fn unknown(property: &str) -> Response {
    let message = format!("The property {property} is not in the list of valid properties for the resource.");
    let mend = "Remove the unknown property from the request body and resubmit the request.";
    error(StatusCode::BAD_REQUEST, "PropertyUnknown", &message, mend)
}

async fn was_reset(state: &Shared, body: &Bytes) -> Result<(), Refusal> {
    let body = object(body)?;
    let Some(kind) = body.get("ResetType") else {
        let message = "The action ComputerSystem.Reset requires the parameter ResetType to be present.";
        return Err(error(
            StatusCode::BAD_REQUEST,
            "ActionParameterMissing",
            message,
            "Supply the parameter.",
        )
        .into());
    };
    let kind = RESETS
        .iter()
        .find(|word| kind.as_str() == Some(word))
        .ok_or_else(|| Box::new(not_in_list("ResetType", kind)))?;
    let on = state.chassis.power().await.map_err(|error| Box::new(broken(&error)))?;
    if (*kind == "On") == on {
        let message =
            format!("The request can't be done while the system is {}.", if on { "on" } else { "off" });
        let mend = "Change the power state, or send no request if it is as wanted.";
        return Err(error(StatusCode::CONFLICT, "ResourceInUse", &message, mend).into());
    }
    let faults = state.controls.faults().clone();
    if faults.ignore_reset {
        return Ok(());
    }
    let chassis = &state.chassis;
    match *kind {
        "On" => chassis.set_power(true).await,
        "ForceOff" => chassis.set_power(false).await,
        "GracefulShutdown" => chassis.shut_down().await,
        _ => chassis.reset().await,
    }
    .map_err(|error| Box::new(broken(&error)))?;
    *lock(&state.stale) = (faults.stale_power > 0).then_some((on, faults.stale_power));
    Ok(())
}
