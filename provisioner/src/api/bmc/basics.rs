//! What a BMC says of itself, power, boot override, small settings.

use super::{ApiError, Reached, change, reach, reach_alone};
use crate::{
    api::{error::Body, validate::Fields},
    bmc_calls as calls, bmc_view as view,
    service::Service,
    text::{without_secrets, word},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use provisioner_api::{BmcBoot, BmcBootDevice, BmcDetails, BmcPower, BmcPress, BmcSettingsUpdate};
use std::sync::Arc;

/// Shows what the BMC says of itself.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC, tag = "bmc",
    responses((status = 200, body = BmcDetails)),
)]
pub(in crate::api) async fn show(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcDetails>, ApiError> {
    details(&reach(&service, &key).await?).await
}

async fn details(reached: &Reached) -> Result<Json<BmcDetails>, ApiError> {
    let mut details = reached.ask(calls::details(&*reached.bmc, &reached.address)).await?;
    details.weak = view::weak(reached.record.spec.bmc.as_ref().and_then(|bmc| bmc.cipher_suite));
    Ok(Json(details))
}

/// Changes small settings of the BMC.
#[utoipa::path(
    patch, path = provisioner_api::paths::MACHINE_BMC, tag = "bmc",
    request_body = BmcSettingsUpdate,
    responses((status = 200, body = BmcDetails)),
)]
pub(in crate::api) async fn update(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcSettingsUpdate>,
) -> Result<Json<BmcDetails>, ApiError> {
    let mut fields = Fields::default();
    let tag = body.asset_tag.as_deref().unwrap_or_default();
    fields.check(
        tag.len() <= 63 && !tag.chars().any(char::is_control),
        "asset_tag",
        "at most 63 bytes without control characters fit a BMC",
    );
    fields.check(
        body.watchdog != Some(true),
        "watchdog",
        "it can only be stopped from here: the operating system starts its own",
    );
    fields.done()?;
    let reached = reach(&service, &key).await?;
    let mut said = Vec::new();
    said.extend(body.asset_tag.as_ref().map(|tag| format!("sets the asset tag to `{tag}`")));
    said.extend((body.watchdog == Some(false)).then(|| "stops the watchdog".to_owned()));
    if !said.is_empty() {
        let message = format!("an operator {}", said.join(" and "));
        change(&service, &reached, message, calls::update(&*reached.bmc, &reached.address, &body)).await?;
    }
    details(&reached).await
}

/// Shows the power as the BMC says it.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_POWER, tag = "bmc",
    responses((status = 200, body = BmcPower)),
)]
pub(in crate::api) async fn power(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcPower>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(BmcPower { power: view::power(reached.ask(reached.bmc.power()).await?) }))
}

/// Presses a button.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_POWER, tag = "bmc",
    request_body = BmcPress,
    responses((status = 204)),
)]
pub(in crate::api) async fn press(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcPress>,
) -> Result<StatusCode, ApiError> {
    let reached = reach_alone(&service, &key).await?;
    let message = format!("an operator presses a button: {}", word(&body.button));
    change(&service, &reached, message, reached.bmc.press(view::button(body.button))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the boot override.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_BOOT, tag = "bmc",
    responses((status = 200, body = BmcBoot)),
)]
pub(in crate::api) async fn boot(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcBoot>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::boot(&*reached.bmc)).await?))
}

/// Sets the boot override.
#[utoipa::path(
    put, path = provisioner_api::paths::MACHINE_BMC_BOOT, tag = "bmc",
    request_body = BmcBoot,
    responses((status = 200, body = BmcBoot)),
)]
pub(in crate::api) async fn set_boot(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcBoot>,
) -> Result<Json<BmcBoot>, ApiError> {
    let mut fields = Fields::default();
    fields.bmc_boot(&body);
    fields.done()?;
    let Some(wanted) = view::boot_override(&body) else {
        let choose = "`other` is only read; choose none, pxe, disk, cdrom, bios, usb, http or uefi-device";
        return Err(ApiError::field("device", choose));
    };
    let reached = reach_alone(&service, &key).await?;
    let device = match body.device {
        BmcBootDevice::None => "in the firmware's own order".to_owned(),
        BmcBootDevice::Http => {
            format!("from http {}", body.uri.as_deref().map_or("as DHCP says".into(), without_secrets))
        }
        BmcBootDevice::UefiDevice => format!("from {}", body.path.as_deref().unwrap_or_default()),
        device => format!("from {}", word(&device)),
    };
    let which = if body.persistent { "every boot" } else { "the next boot" };
    let message = format!("an operator sets {which}: {device}");
    change(&service, &reached, message, reached.bmc.set_boot(wanted)).await?;
    Ok(Json(reached.ask(calls::boot(&*reached.bmc)).await?))
}
