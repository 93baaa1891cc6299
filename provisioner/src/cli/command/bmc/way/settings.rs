//! What a BMC sets of its machine, over both ways.

use super::Way;
use crate::{
    bmc_calls as calls, bmc_view as convert,
    cli::{command::bmc::direct::Direct, error::CliError},
};
use provisioner_api::{
    BmcAudit, BmcAuditRequest, BmcBiosChange, BmcBiosList, BmcBiosUpdate, BmcBootOrder, BmcBootOrderUpdate,
    BmcMediaInsert, BmcMediaList, BmcMediaSlot, BmcSecureBoot, BmcSecureBootKeys,
};

impl Way {
    /// Audits it.
    pub(in crate::cli::command::bmc) async fn audit(
        &self,
        request: &BmcAuditRequest,
    ) -> Result<BmcAudit, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_audit(name, request).await?),
            Self::Direct(Direct { bmc, drivers, endpoint, .. }) => {
                let options = convert::audit_options(request);
                Ok(convert::audit(drivers.audit(&**bmc, endpoint, &options).await?))
            }
        }
    }

    /// The slots for virtual media.
    pub(in crate::cli::command::bmc) async fn media(&self) -> Result<BmcMediaList, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_media(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::media(&**bmc, address).await?),
        }
    }

    /// Puts an image in.
    pub(in crate::cli::command::bmc) async fn media_insert(
        &self,
        insert: &BmcMediaInsert,
    ) -> Result<BmcMediaSlot, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_media_insert(name, insert).await?),
            Self::Direct(Direct { bmc, address, .. }) => {
                Ok(calls::media_insert(&**bmc, address, insert).await?)
            }
        }
    }

    /// Takes out what is in a slot, or in all of them.
    pub(in crate::cli::command::bmc) async fn media_eject(&self, slot: Option<&str>) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_media_eject(name, slot).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::media_eject(&**bmc, address, slot).await?),
        }
    }

    /// The state of Secure Boot.
    pub(in crate::cli::command::bmc) async fn secure_boot(&self) -> Result<BmcSecureBoot, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_secure_boot(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::secure_boot(&**bmc, address).await?),
        }
    }

    /// Sets whether Secure Boot holds; its state then.
    pub(in crate::cli::command::bmc) async fn secure_boot_set(
        &self,
        enabled: bool,
    ) -> Result<BmcSecureBoot, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_secure_boot_set(name, enabled).await?),
            Self::Direct(Direct { bmc, address, .. }) => {
                calls::secure_boot_set(&**bmc, address, enabled).await?;
                self.secure_boot().await
            }
        }
    }

    /// Resets the keys of Secure Boot; its state then.
    pub(in crate::cli::command::bmc) async fn secure_boot_reset_keys(
        &self,
        keys: BmcSecureBootKeys,
    ) -> Result<BmcSecureBoot, CliError> {
        match self {
            Self::Machine { client, name } => {
                Ok(client.machine_bmc_secure_boot_reset_keys(name, keys).await?)
            }
            Self::Direct(Direct { bmc, address, .. }) => {
                calls::secure_boot_reset_keys(&**bmc, address, keys).await?;
                self.secure_boot().await
            }
        }
    }

    /// The firmware's setup.
    pub(in crate::cli::command::bmc) async fn bios(&self) -> Result<BmcBiosList, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_bios(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::bios(&**bmc, address).await?),
        }
    }

    /// Sets attributes of the firmware's setup.
    pub(in crate::cli::command::bmc) async fn bios_set(
        &self,
        update: &BmcBiosUpdate,
    ) -> Result<BmcBiosChange, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_bios_set(name, update).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::bios_set(&**bmc, address, update).await?),
        }
    }

    /// Sets the firmware's setup to the maker's defaults.
    pub(in crate::cli::command::bmc) async fn bios_reset(&self) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_bios_reset(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::bios_reset(&**bmc, address).await?),
        }
    }

    /// The boot order.
    pub(in crate::cli::command::bmc) async fn boot_order(&self) -> Result<BmcBootOrder, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_boot_order(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::boot_order(&**bmc, address).await?),
        }
    }

    /// Sets what comes first in the boot order; the order then.
    pub(in crate::cli::command::bmc) async fn boot_order_set(
        &self,
        update: &BmcBootOrderUpdate,
    ) -> Result<BmcBootOrder, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_boot_order_set(name, update).await?),
            Self::Direct(Direct { bmc, address, .. }) => {
                calls::boot_order_set(&**bmc, address, update).await?;
                self.boot_order().await
            }
        }
    }
}
