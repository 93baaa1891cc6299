//! What people ask of a BMC, as the API words it: one function for each, over any driver. The service uses them for
//! machines, the CLI for a bare address.
//!
//! Deliberately not here: who may, timelines, status codes.

mod parts;
mod settings;

pub(crate) use parts::{
    firmware, firmware_start, follow_reports, hardware, log, log_clear, logs, record, subscribe,
    subscriptions, task, tasks, unsubscribe,
};
pub(crate) use settings::{
    bios, bios_reset, bios_set, boot_order, boot_order_set, media, media_eject, media_insert, restart,
    secure_boot, secure_boot_reset_keys, secure_boot_set,
};

use crate::bmc_view as view;
use bmc::{Bmc, BmcError, PasswordPolicy};
use jiff::Timestamp;
use provisioner_api::{
    BmcBoot, BmcDetails, BmcFruList, BmcIdentify, BmcSel, BmcSensorList, BmcSettingsUpdate, BmcUserAdd,
    BmcUserEntry, BmcUserList, BmcUserUpdate,
};

/// What a BMC says of itself, whatever of it it can. `weak` and `health` are the caller's to say.
pub(crate) async fn details(bmc: &dyn Bmc, address: &str) -> Result<BmcDetails, BmcError> {
    let info = bmc.info().await?;
    let mut details = view::details(info, address.to_owned(), view::capabilities(bmc));
    if let Some(settings) = bmc.network_settings() {
        details.network = optional(settings.lan().await)?.map(view::network);
    }
    if let Some(tag) = bmc.asset_tag() {
        details.asset_tag = optional(tag.asset_tag().await)?;
    }
    if let Some(meter) = bmc.power_meter() {
        details.power_reading = optional(meter.power_reading().await)?.map(view::power_reading);
    }
    if let Some(watchdog) = bmc.watchdog() {
        details.watchdog = optional(watchdog.watchdog().await)?.map(view::watchdog);
    }
    Ok(details)
}

/// What a BMC says that it can't do is left out; one that doesn't answer any more is an error.
fn optional<T>(answer: Result<T, BmcError>) -> Result<Option<T>, BmcError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(
            BmcError::Refused { .. }
            | BmcError::Unsupported { .. }
            | BmcError::Protocol { .. }
            | BmcError::NotDone { .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Changes small settings.
pub(crate) async fn update(bmc: &dyn Bmc, address: &str, update: &BmcSettingsUpdate) -> Result<(), BmcError> {
    if let Some(tag) = &update.asset_tag {
        let can = bmc.asset_tag().ok_or_else(|| lacks(address, "asset tag", "asset-tag"))?;
        can.set_asset_tag(tag).await?;
    }
    if update.watchdog == Some(false) {
        let can = bmc.watchdog().ok_or_else(|| lacks(address, "watchdog", "watchdog"))?;
        can.stop_watchdog().await?;
    }
    Ok(())
}

/// The boot override that is set.
pub(crate) async fn boot(bmc: &dyn Bmc) -> Result<BmcBoot, BmcError> {
    Ok(view::boot(bmc.boot().await?))
}

/// The sensors.
pub(crate) async fn sensors(bmc: &dyn Bmc, address: &str) -> Result<BmcSensorList, BmcError> {
    let can = bmc.sensors().ok_or_else(|| lacks(address, "sensors", "sensors"))?;
    Ok(BmcSensorList { items: can.sensors().await?.into_iter().map(view::sensor).collect() })
}

/// The hardware's event log.
pub(crate) async fn sel(bmc: &dyn Bmc, address: &str) -> Result<BmcSel, BmcError> {
    let can = bmc.event_log().ok_or_else(|| lacks_log(address))?;
    Ok(view::sel(can.log_info().await?, can.events().await?))
}

/// How full the hardware's event log is and what its clock says, without its entries.
pub(crate) async fn sel_info(bmc: &dyn Bmc, address: &str) -> Result<BmcSel, BmcError> {
    let can = bmc.event_log().ok_or_else(|| lacks_log(address))?;
    Ok(view::sel(can.log_info().await?, Vec::new()))
}

/// Empties the hardware's event log.
pub(crate) async fn sel_clear(bmc: &dyn Bmc, address: &str) -> Result<(), BmcError> {
    bmc.event_log().ok_or_else(|| lacks_log(address))?.clear_events().await
}

/// Sets the clock of the hardware's event log, in whole seconds.
pub(crate) async fn sel_clock(bmc: &dyn Bmc, address: &str, clock: Timestamp) -> Result<(), BmcError> {
    bmc.event_log().ok_or_else(|| lacks_log(address))?.set_log_clock(clock.as_second()).await
}

/// The field replaceable units.
pub(crate) async fn fru(bmc: &dyn Bmc, address: &str) -> Result<BmcFruList, BmcError> {
    let can = bmc.inventory().ok_or_else(|| lacks(address, "inventory of parts", "inventory"))?;
    Ok(BmcFruList { items: can.units().await?.into_iter().map(view::fru).collect() })
}

/// Switches the lamp.
pub(crate) async fn identify(bmc: &dyn Bmc, address: &str, identify: &BmcIdentify) -> Result<(), BmcError> {
    let can = bmc.identify().ok_or_else(|| lacks(address, "lamp to identify it by", "identify"))?;
    can.identify(view::lamp(identify)).await
}

/// The users.
pub(crate) async fn users(bmc: &dyn Bmc, address: &str) -> Result<BmcUserList, BmcError> {
    Ok(BmcUserList { items: users_of(bmc, address)?.users().await?.into_iter().map(view::user).collect() })
}

/// The user with an id; none, if the BMC has no such user.
pub(crate) async fn user(bmc: &dyn Bmc, address: &str, id: &str) -> Result<Option<BmcUserEntry>, BmcError> {
    Ok(users(bmc, address).await?.items.into_iter().find(|user| user.id == id))
}

/// Adds a user; answers the user as the BMC shows it then.
pub(crate) async fn user_add(
    bmc: &dyn Bmc,
    address: &str,
    add: &BmcUserAdd,
) -> Result<BmcUserEntry, BmcError> {
    let can = users_of(bmc, address)?;
    let id = can.add_user(&add.name, add.password.reveal(), view::privilege(add.privilege)).await?;
    user(bmc, address, &id).await?.ok_or_else(|| BmcError::NotDone {
        address: address.to_owned(),
        during: "adding the user",
        found: format!("no user {id}"),
    })
}

/// Removes a user.
pub(crate) async fn user_remove(bmc: &dyn Bmc, address: &str, id: &str) -> Result<(), BmcError> {
    users_of(bmc, address)?.remove_user(id).await
}

/// What a password has to be like.
pub(crate) async fn password_policy(bmc: &dyn Bmc, address: &str) -> Result<PasswordPolicy, BmcError> {
    users_of(bmc, address)?.password_policy().await
}

/// Changes a user: what is given, in the order of the fields.
pub(crate) async fn user_update(
    bmc: &dyn Bmc,
    address: &str,
    id: &str,
    update: &BmcUserUpdate,
) -> Result<(), BmcError> {
    let can = users_of(bmc, address)?;
    if let Some(name) = &update.name {
        can.set_user_name(id, name).await?;
    }
    if let Some(password) = &update.password {
        can.set_user_password(id, password.reveal()).await?;
    }
    if let Some(privilege) = update.privilege {
        can.set_user_privilege(id, view::privilege(privilege)).await?;
    }
    if let Some(enabled) = update.enabled {
        can.set_user_enabled(id, enabled).await?;
    }
    Ok(())
}

/// Sets a user's password.
pub(crate) async fn user_password(
    bmc: &dyn Bmc,
    address: &str,
    id: &str,
    password: &str,
) -> Result<(), BmcError> {
    users_of(bmc, address)?.set_user_password(id, password).await
}

fn users_of<'a>(bmc: &'a dyn Bmc, address: &str) -> Result<&'a dyn bmc::Users, BmcError> {
    bmc.users().ok_or_else(|| lacks(address, "list of users that can be changed", "users"))
}

fn lacks_log(address: &str) -> BmcError {
    lacks(address, "event log", "event-log")
}

/// That a driver lacks a capability.
pub(crate) fn lacks(address: &str, what: &str, capability: &str) -> BmcError {
    BmcError::Unsupported {
        address: address.to_owned(),
        what: format!("its protocol has no {what} (capability `{capability}`)"),
    }
}
