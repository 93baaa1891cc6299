//! Virtual media, Secure Boot, the firmware's setup and its boot order, the BMC's own restart.

use super::lacks;
use crate::bmc_view as view;
use bmc::{BiosSettings, Bmc, BmcError, SecureBoot, VirtualMedia};
use provisioner_api::{
    BmcBiosChange, BmcBiosList, BmcBiosUpdate, BmcBootOrder, BmcBootOrderUpdate, BmcMediaInsert,
    BmcMediaList, BmcMediaSlot, BmcSecureBoot, BmcSecureBootKeys,
};

fn media_of<'a>(bmc: &'a dyn Bmc, address: &str) -> Result<&'a dyn VirtualMedia, BmcError> {
    bmc.virtual_media().ok_or_else(|| lacks(address, "virtual media", "virtual-media"))
}

/// The slots for virtual media.
pub(crate) async fn media(bmc: &dyn Bmc, address: &str) -> Result<BmcMediaList, BmcError> {
    Ok(BmcMediaList { items: media_of(bmc, address)?.media().await?.into_iter().map(view::media).collect() })
}

/// Puts an image into a slot; answers the slot.
pub(crate) async fn media_insert(
    bmc: &dyn Bmc,
    address: &str,
    insert: &BmcMediaInsert,
) -> Result<BmcMediaSlot, BmcError> {
    media_of(bmc, address)?.insert_media(&view::media_insert(insert)).await.map(view::media)
}

/// Takes out what is in a slot, or in all of them.
pub(crate) async fn media_eject(bmc: &dyn Bmc, address: &str, slot: Option<&str>) -> Result<(), BmcError> {
    media_of(bmc, address)?.eject_media(slot).await
}

fn secure_boot_of<'a>(bmc: &'a dyn Bmc, address: &str) -> Result<&'a dyn SecureBoot, BmcError> {
    bmc.secure_boot().ok_or_else(|| lacks(address, "Secure Boot", "secure-boot"))
}

/// The state of Secure Boot.
pub(crate) async fn secure_boot(bmc: &dyn Bmc, address: &str) -> Result<BmcSecureBoot, BmcError> {
    secure_boot_of(bmc, address)?.secure_boot().await.map(view::secure_boot)
}

/// Sets whether Secure Boot holds from the next boot on.
pub(crate) async fn secure_boot_set(bmc: &dyn Bmc, address: &str, enabled: bool) -> Result<(), BmcError> {
    secure_boot_of(bmc, address)?.set_secure_boot(enabled).await
}

/// Resets the keys of Secure Boot.
pub(crate) async fn secure_boot_reset_keys(
    bmc: &dyn Bmc,
    address: &str,
    keys: BmcSecureBootKeys,
) -> Result<(), BmcError> {
    secure_boot_of(bmc, address)?.reset_secure_boot_keys(view::keys(keys)).await
}

fn bios_of<'a>(bmc: &'a dyn Bmc, address: &str) -> Result<&'a dyn BiosSettings, BmcError> {
    bmc.bios().ok_or_else(|| lacks(address, "way into the firmware's setup", "bios"))
}

/// The firmware's setup.
pub(crate) async fn bios(bmc: &dyn Bmc, address: &str) -> Result<BmcBiosList, BmcError> {
    Ok(BmcBiosList { items: bios_of(bmc, address)?.bios().await?.into_iter().map(view::bios).collect() })
}

/// Sets attributes of the firmware's setup; answers when they hold, and how they are now.
pub(crate) async fn bios_set(
    bmc: &dyn Bmc,
    address: &str,
    update: &BmcBiosUpdate,
) -> Result<BmcBiosChange, BmcError> {
    let can = bios_of(bmc, address)?;
    let wanted = update.attributes.iter().map(|(name, value)| (name.clone(), view::wanted_bios_value(value)));
    let applies = view::applies(can.set_bios(&wanted.collect()).await?);
    let named = |attribute: &bmc::BiosAttribute| update.attributes.contains_key(&attribute.name);
    let items = can.bios().await?.into_iter().filter(named).map(view::bios).collect();
    Ok(BmcBiosChange { applies, items })
}

/// Sets the firmware's setup to the maker's defaults, at the next boot.
pub(crate) async fn bios_reset(bmc: &dyn Bmc, address: &str) -> Result<(), BmcError> {
    bios_of(bmc, address)?.reset_bios().await
}

fn boot_order_of<'a>(bmc: &'a dyn Bmc, address: &str) -> Result<&'a dyn bmc::BootOrder, BmcError> {
    bmc.boot_order().ok_or_else(|| lacks(address, "boot order", "boot-order"))
}

/// The firmware's boot order.
pub(crate) async fn boot_order(bmc: &dyn Bmc, address: &str) -> Result<BmcBootOrder, BmcError> {
    let items = boot_order_of(bmc, address)?.boot_order().await?;
    Ok(BmcBootOrder { items: items.into_iter().map(view::boot_option).collect() })
}

/// Sets what comes first in the firmware's boot order.
pub(crate) async fn boot_order_set(
    bmc: &dyn Bmc,
    address: &str,
    update: &BmcBootOrderUpdate,
) -> Result<(), BmcError> {
    boot_order_of(bmc, address)?.set_boot_order(&update.first).await
}

/// Restarts the BMC.
pub(crate) async fn restart(bmc: &dyn Bmc, address: &str) -> Result<(), BmcError> {
    bmc.restart().ok_or_else(|| lacks(address, "restart of the BMC", "restart"))?.restart().await
}
