//! Virtual media, Secure Boot, the firmware's setup and its boot order, the BMC's own restart.

use super::{ApiError, change, reach, reach_alone};
use crate::{
    api::{error::Body, validate::Fields},
    bmc_calls as calls,
    service::Service,
    text::{without_secrets, word},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use provisioner_api::{
    BmcBiosChange, BmcBiosList, BmcBiosUpdate, BmcBootOrder, BmcBootOrderUpdate, BmcMediaInsert,
    BmcMediaList, BmcMediaSlot, BmcSecureBoot, BmcSecureBootReset, BmcSecureBootUpdate,
};
use std::sync::Arc;

/// The most attributes of one change: more than any firmware has.
const ATTRIBUTES_MAX: usize = 8192;

/// The most boot options of one change. Each is compared with those before it.
const FIRST_MAX: usize = 256;

/// Lists the slots for virtual media.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_MEDIA, tag = "bmc",
    responses((status = 200, body = BmcMediaList)),
)]
pub(in crate::api) async fn media(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcMediaList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::media(&*reached.bmc, &reached.address)).await?))
}

/// Puts an image into a slot for virtual media.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_MEDIA, tag = "bmc",
    request_body = BmcMediaInsert,
    responses((status = 200, body = BmcMediaSlot)),
)]
pub(in crate::api) async fn insert_media(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcMediaInsert>,
) -> Result<Json<BmcMediaSlot>, ApiError> {
    let mut fields = Fields::default();
    fields.url("image", &body.image);
    fields.check(body.slot.as_ref().is_none_or(|slot| !slot.is_empty()), "slot", "a slot has an id");
    fields.done()?;
    let reached = reach_alone(&service, &key).await?;
    let slot = body.slot.as_deref().map(|slot| format!(" `{slot}`")).unwrap_or_default();
    let message = format!(
        "an operator puts {} into virtual media{slot} as {}",
        without_secrets(&body.image),
        word(&body.kind)
    );
    let call = calls::media_insert(&*reached.bmc, &reached.address, &body);
    Ok(Json(change(&service, &reached, message, call).await?))
}

/// Ejects all virtual media.
#[utoipa::path(
    delete, path = provisioner_api::paths::MACHINE_BMC_MEDIA, tag = "bmc",
    responses((status = 204)),
)]
pub(in crate::api) async fn eject_all(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    eject(&service, &key, None).await
}

/// Ejects what is in a slot for virtual media.
#[utoipa::path(
    delete, path = provisioner_api::paths::MACHINE_BMC_MEDIA_SLOT, tag = "bmc",
    responses((status = 204)),
)]
pub(in crate::api) async fn eject_media(
    State(service): State<Arc<Service>>,
    Path((key, slot)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    eject(&service, &key, Some(&slot)).await
}

async fn eject(service: &Arc<Service>, key: &str, slot: Option<&str>) -> Result<StatusCode, ApiError> {
    let reached = reach_alone(service, key).await?;
    let which = slot.map_or_else(|| "all virtual media".to_owned(), |slot| format!("virtual media `{slot}`"));
    let message = format!("an operator ejects {which}");
    change(service, &reached, message, calls::media_eject(&*reached.bmc, &reached.address, slot)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the state of Secure Boot.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_SECURE_BOOT, tag = "bmc",
    responses((status = 200, body = BmcSecureBoot)),
)]
pub(in crate::api) async fn secure_boot(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcSecureBoot>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::secure_boot(&*reached.bmc, &reached.address)).await?))
}

/// Switches Secure Boot.
#[utoipa::path(
    patch, path = provisioner_api::paths::MACHINE_BMC_SECURE_BOOT, tag = "bmc",
    request_body = BmcSecureBootUpdate,
    responses((status = 200, body = BmcSecureBoot)),
)]
pub(in crate::api) async fn set_secure_boot(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcSecureBootUpdate>,
) -> Result<Json<BmcSecureBoot>, ApiError> {
    let reached = reach_alone(&service, &key).await?;
    let message = format!("an operator switches Secure Boot {}", if body.enabled { "on" } else { "off" });
    let call = calls::secure_boot_set(&*reached.bmc, &reached.address, body.enabled);
    change(&service, &reached, message, call).await?;
    Ok(Json(reached.ask(calls::secure_boot(&*reached.bmc, &reached.address)).await?))
}

/// Resets the keys of Secure Boot.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_SECURE_BOOT_KEYS, tag = "bmc",
    request_body = BmcSecureBootReset,
    responses((status = 200, body = BmcSecureBoot)),
)]
pub(in crate::api) async fn reset_keys(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcSecureBootReset>,
) -> Result<Json<BmcSecureBoot>, ApiError> {
    let reached = reach_alone(&service, &key).await?;
    let message = format!("an operator resets the keys of Secure Boot to: {}", word(&body.keys));
    let call = calls::secure_boot_reset_keys(&*reached.bmc, &reached.address, body.keys);
    change(&service, &reached, message, call).await?;
    Ok(Json(reached.ask(calls::secure_boot(&*reached.bmc, &reached.address)).await?))
}

/// Lists the attributes of the firmware's setup.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_BIOS, tag = "bmc",
    responses((status = 200, body = BmcBiosList)),
)]
pub(in crate::api) async fn bios(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcBiosList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::bios(&*reached.bmc, &reached.address)).await?))
}

/// Changes attributes of the firmware's setup.
#[utoipa::path(
    patch, path = provisioner_api::paths::MACHINE_BMC_BIOS, tag = "bmc",
    request_body = BmcBiosUpdate,
    responses((status = 200, body = BmcBiosChange)),
)]
pub(in crate::api) async fn set_bios(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcBiosUpdate>,
) -> Result<Json<BmcBiosChange>, ApiError> {
    if !(1..=ATTRIBUTES_MAX).contains(&body.attributes.len()) {
        let detail = format!("name 1 to {ATTRIBUTES_MAX} attributes and their values");
        return Err(ApiError::field("attributes", detail));
    }
    let reached = reach_alone(&service, &key).await?;
    // Names only: a value may be a setup password.
    let names: Vec<_> = body.attributes.keys().map(String::as_str).collect();
    let message = format!("an operator sets the firmware's {}", names.join(", "));
    let call = calls::bios_set(&*reached.bmc, &reached.address, &body);
    Ok(Json(change(&service, &reached, message, call).await?))
}

/// Sets the firmware's setup to the maker's defaults, at the next boot.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_BIOS_RESET, tag = "bmc",
    responses((status = 204)),
)]
pub(in crate::api) async fn reset_bios(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    let reached = reach_alone(&service, &key).await?;
    let message = "an operator sets the firmware's setup to the maker's defaults".to_owned();
    change(&service, &reached, message, calls::bios_reset(&*reached.bmc, &reached.address)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the firmware's lasting boot order.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_BOOT_ORDER, tag = "bmc",
    responses((status = 200, body = BmcBootOrder)),
)]
pub(in crate::api) async fn boot_order(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcBootOrder>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::boot_order(&*reached.bmc, &reached.address)).await?))
}

/// Sets what comes first in the boot order.
#[utoipa::path(
    put, path = provisioner_api::paths::MACHINE_BMC_BOOT_ORDER, tag = "bmc",
    request_body = BmcBootOrderUpdate,
    responses((status = 200, body = BmcBootOrder)),
)]
pub(in crate::api) async fn set_boot_order(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcBootOrderUpdate>,
) -> Result<Json<BmcBootOrder>, ApiError> {
    let mut fields = Fields::default();
    let some = (1..=FIRST_MAX).contains(&body.first.len());
    fields.check(some, "first", format!("name 1 to {FIRST_MAX} boot options by their references"));
    for (index, reference) in body.first.iter().take(FIRST_MAX).enumerate() {
        let twice = body.first[..index].contains(reference);
        fields.check(!twice, &format!("first[{index}]"), format!("`{reference}` is named twice"));
    }
    fields.done()?;
    let reached = reach_alone(&service, &key).await?;
    let message = format!("an operator puts first in the boot order: {}", body.first.join(", "));
    let call = calls::boot_order_set(&*reached.bmc, &reached.address, &body);
    change(&service, &reached, message, call).await?;
    Ok(Json(reached.ask(calls::boot_order(&*reached.bmc, &reached.address)).await?))
}

/// Restarts the BMC.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_RESTART, tag = "bmc",
    responses((status = 204)),
)]
pub(in crate::api) async fn restart(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    let reached = reach_alone(&service, &key).await?;
    let message = "an operator restarts the BMC; it answers again in a few minutes".to_owned();
    change(&service, &reached, message, calls::restart(&*reached.bmc, &reached.address)).await?;
    Ok(StatusCode::NO_CONTENT)
}
