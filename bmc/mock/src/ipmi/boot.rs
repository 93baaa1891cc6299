//! System boot options (28.12 to 28.14): what was written is what is read, until a boot or time clears it.
//!
//! The flags that a chassis knows are the chassis' own, so that a boot uses them up; all else is kept here.
//! Deliberately not here: service partitions and mailboxes.

use super::commands::Call;
use super::group::{Done, answer, lock, refuse};
use super::power::failed;
use crate::{BootDevice, BootFlags, Chassis, ChassisError};
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::boot::{self, Device, parameter};
use std::sync::Mutex;
use std::time::Duration;

/// Version of the parameters (28.13).
const VERSION: u8 = 0x01;
/// Who started the boot, and when (table 28-14).
const INITIATOR: u8 = 6;
const INITIATOR_LEN: usize = 9;
/// "Parameter is locked", in requests and answers.
const LOCKED: u8 = 0x80;
const VALID: u8 = 0x80;
const PERSISTENT: u8 = 0x40;
/// Of the parameter "valid bit clearing": not because no power command came.
const KEEP_WITHOUT_COMMAND: u8 = 0x08;

/// The boot options of a machine.
#[derive(Default)]
pub(super) struct BootOptions {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    in_progress: u8,
    clearing: u8,
    acknowledged: u8,
    flags: [u8; 5],
    initiator: Option<Box<[u8; INITIATOR_LEN]>>,
    /// Bit n: parameter n is locked.
    locked: u8,
    /// When the flags were set, or the last power command came.
    since: Duration,
}

impl BootOptions {
    /// Set System Boot Options.
    pub(super) async fn set(&self, call: &Call<'_>, chassis: &dyn Chassis) -> Done {
        let Some((&first, data)) = call.body().split_first() else { return refuse(Answer::INVALID_LENGTH) };
        let wanted = first & !LOCKED;
        if wanted > INITIATOR || matches!(wanted, 1 | 2) {
            return refuse(Answer::PARAMETER_UNSUPPORTED);
        }
        if !data.is_empty() {
            let done = match wanted {
                parameter::BOOT_FLAGS => self.set_flags(data, call, chassis).await,
                _ => self.keep(wanted, data),
            };
            if done.0 != Answer::OK {
                return done;
            }
        }
        // An empty parameter only changes its lock.
        let mut state = lock(&self.state);
        state.locked = state.locked & !(1 << wanted) | u8::from(first & LOCKED != 0) << wanted;
        answer([])
    }

    fn keep(&self, wanted: u8, data: &[u8]) -> Done {
        let mut state = lock(&self.state);
        match (wanted, data) {
            // "Commit write" (2) completes, as there is nothing to roll back.
            (parameter::SET_IN_PROGRESS, &[value]) => state.in_progress = u8::from(value & 3 == 1),
            (parameter::VALID_BIT_CLEARING, &[value]) => state.clearing = value & 0x1F,
            (parameter::ACKNOWLEDGE, &[mask, bits]) => {
                state.acknowledged = state.acknowledged & !mask | bits & mask & 0x1F;
            }
            (INITIATOR, data) => match <[u8; INITIATOR_LEN]>::try_from(data) {
                Ok(data) => state.initiator = Some(Box::new(data)),
                Err(_) => return refuse(Answer::INVALID_LENGTH),
            },
            _ => return refuse(Answer::INVALID_LENGTH),
        }
        answer([])
    }

    async fn set_flags(&self, data: &[u8], call: &Call<'_>, chassis: &dyn Chassis) -> Done {
        let Ok(mut flags) = <[u8; 5]>::try_from(data) else { return refuse(Answer::INVALID_LENGTH) };
        let faults = call.faulty(|faulty| faulty.faults().clone()).unwrap_or_default();
        if faults.ignores_boot_flags {
            return answer([]);
        }
        if faults.clears_valid_bit {
            flags[0] &= !VALID;
        }
        if let Err(error) = chassis.set_boot(for_chassis(flags)).await {
            return failed(&error);
        }
        let mut state = lock(&self.state);
        (state.flags, state.since) = (flags, call.now);
        answer([])
    }

    /// Get System Boot Options.
    pub(super) async fn get(&self, call: &Call<'_>, chassis: &dyn Chassis) -> Done {
        let &[first, _, _] = call.body() else { return refuse(Answer::INVALID_LENGTH) };
        let wanted = first & !LOCKED;
        let flags = match self.current(call, chassis).await {
            Ok(flags) => flags,
            Err(error) => return failed(&error),
        };
        let state = lock(&self.state);
        let data = match wanted {
            parameter::SET_IN_PROGRESS => vec![state.in_progress],
            parameter::VALID_BIT_CLEARING => vec![state.clearing],
            parameter::ACKNOWLEDGE => vec![0, state.acknowledged],
            parameter::BOOT_FLAGS => flags.to_vec(),
            INITIATOR => {
                state.initiator.as_ref().map_or_else(|| vec![0; INITIATOR_LEN], |data| data.to_vec())
            }
            _ => return refuse(Answer::PARAMETER_UNSUPPORTED),
        };
        let locked = (state.locked >> wanted & 1) << 7;
        answer([&[VERSION, wanted | locked][..], &data].concat())
    }

    /// The flags as they are now: as written, as long as the chassis has them still.
    async fn current(&self, call: &Call<'_>, chassis: &dyn Chassis) -> Result<[u8; 5], ChassisError> {
        self.expire(call, chassis).await?;
        let there = chassis.boot().await?;
        let kept = lock(&self.state).flags;
        let same =
            for_chassis(kept) == there || (there.device.is_none() && for_chassis(kept).device.is_none());
        Ok(if same { kept } else { of_chassis(there) })
    }

    /// Clears the valid bit when its time is over. The clock is only looked at when somebody asks.
    pub(super) async fn expire(&self, call: &Call<'_>, chassis: &dyn Chassis) -> Result<(), ChassisError> {
        let over = {
            let mut state = lock(&self.state);
            let over = state.flags[0] & VALID != 0
                && state.clearing & KEEP_WITHOUT_COMMAND == 0
                && call.now.saturating_sub(state.since) >= call.hold;
            if over {
                state.flags[0] &= !VALID;
            }
            over
        };
        if over { chassis.set_boot(BootFlags::default()).await } else { Ok(()) }
    }

    /// A power command was done; with it, perhaps, a boot began.
    pub(super) fn commanded(&self, now: Duration, boots: bool) {
        let mut state = lock(&self.state);
        state.since = now;
        // The chassis clears those that it knows; the others went to nobody but us.
        if boots && state.flags[0] & PERSISTENT == 0 && for_chassis(state.flags).device.is_none() {
            state.flags[0] &= !VALID;
        }
    }
}

/// What a chassis is told. Devices that it doesn't know are no override to it.
fn for_chassis(flags: [u8; 5]) -> BootFlags {
    let Some(flags) = boot::BootFlags::decode(&flags).filter(|flags| flags.valid) else {
        return BootFlags::default();
    };
    let device = match flags.device {
        Device::Network => BootDevice::Network,
        Device::Disk => BootDevice::Disk,
        Device::Cd => BootDevice::Cd,
        Device::Setup => BootDevice::Setup,
        Device::None | Device::Other(_) => return BootFlags::default(),
    };
    BootFlags { device: Some(device), persistent: flags.persistent, uefi: flags.efi }
}

/// A chassis' own flags on the wire. Without a device nothing is valid.
fn of_chassis(flags: BootFlags) -> [u8; 5] {
    let device = match flags.device {
        // A device of the UEFI boot manager's has no number here.
        None | Some(BootDevice::Uefi) => Device::None,
        Some(BootDevice::Network | BootDevice::Http) => Device::Network,
        // "Primary removable media" (table 28-14).
        Some(BootDevice::Usb) => Device::Other(15),
        Some(BootDevice::Disk) => Device::Disk,
        Some(BootDevice::Cd) => Device::Cd,
        Some(BootDevice::Setup) => Device::Setup,
    };
    let valid = device != Device::None;
    boot::BootFlags { valid, persistent: valid && flags.persistent, efi: valid && flags.uefi, device }
        .encode()
}
