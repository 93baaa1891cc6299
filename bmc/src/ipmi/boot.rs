//! The boot override.
//!
//! Known quirk, tolerated with a warning: OpenIPMI's ipmi_sim keeps the device only and reads back flags without the
//! valid, persistent and EFI bits, and some real BMCs clear the valid bit early. A wrong *device* is always an error.

use super::Ipmi;
use crate::driver::{BmcError, BootMode, BootOverride, BootTarget, Persistence};
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::boot::{BootFlags, Device, GetBootFlags, SetBootOption};

/// For error messages.
pub(super) const READING: &str = "reading the boot override";
/// For error messages.
pub(super) const WRITING: &str = "setting the boot override";

impl Ipmi {
    /// The override; `None` for a device that we don't know.
    pub(super) async fn read_boot(&self) -> Result<Option<BootOverride>, BmcError> {
        Ok(from_flags(self.call(GetBootFlags, READING).await?))
    }

    pub(super) async fn write_boot(&self, boot: BootOverride) -> Result<(), BmcError> {
        let efi = match boot.mode {
            Some(mode) => mode == BootMode::Uefi,
            None => self.call(GetBootFlags, READING).await?.efi,
        };
        let Some(wanted) = to_flags(&boot, efi) else {
            let what = "IPMI has no words for that device; use pxe, disk, cdrom or bios";
            return Err(self.errors.unsupported(what.into()));
        };
        for option in
            [SetBootOption::in_progress(true), SetBootOption::keep_valid(), SetBootOption::acknowledge()]
        {
            self.try_option(option).await?;
        }
        let answer = self.answer(SetBootOption::flags(wanted).into(), WRITING).await?;
        // Also after a refusal: a BMC left "in progress" refuses others.
        self.try_option(SetBootOption::in_progress(false)).await?;
        self.read::<SetBootOption>(&answer, WRITING)?;
        let found = self.call(GetBootFlags, READING).await?;
        self.compare(wanted, found)
    }

    /// Sets an option that many BMCs do without. That it isn't taken means nothing, unless we lack the privilege.
    async fn try_option(&self, option: SetBootOption) -> Result<(), BmcError> {
        let answer = self.answer(option.into(), WRITING).await?;
        match answer.completion {
            Answer::INSUFFICIENT_PRIVILEGE => Err(self.errors.refused(&answer, WRITING)),
            _ => Ok(()),
        }
    }

    pub(super) fn compare(&self, wanted: BootFlags, found: BootFlags) -> Result<(), BmcError> {
        if found == wanted {
            return Ok(());
        }
        // No override is set, too, where the BMC keeps a device but says that it doesn't hold.
        let holds_none = !wanted.valid && !found.valid;
        if found.device != wanted.device && !holds_none {
            return Err(self.errors.not_done(WRITING, format!("{:?}", found.device)));
        }
        if wanted.valid {
            tracing::warn!(
                address = %self.errors.address,
                ?wanted,
                ?found,
                "the BMC kept the boot device but not all boot flags"
            );
        }
        Ok(())
    }
}

/// The flags; `None` for a device that IPMI has no word for.
fn to_flags(boot: &BootOverride, efi: bool) -> Option<BootFlags> {
    let device = match boot.target {
        // No override at all.
        BootTarget::Default => {
            return Some(BootFlags { valid: false, persistent: false, efi: false, device: Device::None });
        }
        BootTarget::Network => Device::Network,
        BootTarget::Disk => Device::Disk,
        BootTarget::Cd => Device::Cd,
        BootTarget::Setup => Device::Setup,
        BootTarget::Usb | BootTarget::Http { .. } | BootTarget::UefiDevice(_) => return None,
    };
    Some(BootFlags { valid: true, persistent: boot.persistence == Persistence::Persistent, efi, device })
}

fn from_flags(flags: BootFlags) -> Option<BootOverride> {
    let target = match flags.device {
        _ if !flags.valid => BootTarget::Default,
        Device::None => BootTarget::Default,
        Device::Network => BootTarget::Network,
        Device::Disk => BootTarget::Disk,
        Device::Cd => BootTarget::Cd,
        Device::Setup => BootTarget::Setup,
        Device::Other(_) => return None,
    };
    let set = target != BootTarget::Default;
    Some(BootOverride {
        target,
        persistence: if set && flags.persistent { Persistence::Persistent } else { Persistence::Once },
        mode: set.then_some(if flags.efi { BootMode::Uefi } else { BootMode::Bios }),
    })
}
