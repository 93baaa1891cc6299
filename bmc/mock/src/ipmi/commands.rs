//! What the simulated BMC does: device id, GUID, power, boot options; each by its completion code.

use super::group::{Done, Group, Request, refuse};
use crate::{BootDevice, BootFlags, Chassis, ChassisError};
use bmc_proto::ipmi::command::boot::{self, Device, parameter};
use bmc_proto::ipmi::command::{ChassisControl, GetChassisStatus, GetSystemGuid};
use bmc_proto::ipmi::handshake::privilege;
use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::{Answer, CipherSuite, NetFn};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

const GET_DEVICE_ID: u8 = 0x01;
const GET_CHANNEL_AUTHENTICATION_CAPABILITIES: u8 = 0x38;
const GET_CHANNEL_CIPHER_SUITES: u8 = 0x54;
/// The channel that everybody talks on.
const CHANNEL: u8 = 1;
/// Version of the boot option parameters (28.13).
const PARAMETER_VERSION: u8 = 0x01;

/// Executes commands on a chassis.
pub(super) struct Commands {
    chassis: Arc<dyn Chassis>,
    guid: [u8; 16],
    /// Boot options that are only kept: set in progress, valid bit clearing, acknowledge.
    options: Mutex<BTreeMap<u8, Vec<u8>>>,
    /// The suites that are listed.
    pub(super) suites: Vec<CipherSuite>,
    /// Everything else that it can do; asked in turn.
    pub(super) groups: Vec<Arc<dyn Group>>,
}

impl Commands {
    pub(super) fn new(chassis: Arc<dyn Chassis>, guid: [u8; 16]) -> Self {
        Self {
            chassis,
            guid,
            options: Mutex::default(),
            suites: CipherSuite::ALL.to_vec(),
            groups: Vec::new(),
        }
    }

    /// Commands that need no session.
    pub(super) fn before_login(&self, request: &LanMessage) -> Done {
        if request.netfn != NetFn::App.request_value() {
            return refuse(Answer::INSUFFICIENT_PRIVILEGE);
        }
        match (request.command, request.body.as_slice()) {
            (GET_CHANNEL_AUTHENTICATION_CAPABILITIES, &[_, _]) => {
                // No IPMI 1.5 authentication type; extended data; user names; IPMI 2.0 only; no OEM type.
                (Answer::OK, vec![CHANNEL, 0x80, 0x04, 0x02, 0, 0, 0, 0])
            }
            (GET_CHANNEL_CIPHER_SUITES, &[_, _, index]) => (Answer::OK, cipher_suites(&self.suites, index)),
            (GetSystemGuid::COMMAND, []) => (Answer::OK, self.guid.to_vec()),
            (
                GET_CHANNEL_AUTHENTICATION_CAPABILITIES | GET_CHANNEL_CIPHER_SUITES | GetSystemGuid::COMMAND,
                _,
            ) => refuse(Answer::INVALID_LENGTH),
            _ => refuse(Answer::INSUFFICIENT_PRIVILEGE),
        }
    }

    /// Any command, inside a session of this privilege.
    pub(super) async fn execute(&self, request: &LanMessage, level: u8) -> Done {
        let body = request.body.as_slice();
        match (NetFn::from(request.netfn), request.command) {
            (
                NetFn::App,
                GET_CHANNEL_AUTHENTICATION_CAPABILITIES | GET_CHANNEL_CIPHER_SUITES | GetSystemGuid::COMMAND,
            ) => self.before_login(request),
            (NetFn::App, GET_DEVICE_ID) => (Answer::OK, device_id()),
            (NetFn::Chassis, GetChassisStatus::COMMAND) => self.status().await,
            (NetFn::Chassis, ChassisControl::COMMAND | boot::SET_COMMAND | boot::GET_COMMAND)
                if level < privilege::OPERATOR =>
            {
                refuse(Answer::INSUFFICIENT_PRIVILEGE)
            }
            (NetFn::Chassis, ChassisControl::COMMAND) => self.control(body).await,
            (NetFn::Chassis, boot::SET_COMMAND) => self.set_boot_option(body).await,
            (NetFn::Chassis, boot::GET_COMMAND) => self.boot_option(body).await,
            (netfn, command) => {
                let request = Request { netfn, command, body, privilege: level, unix: unix() };
                let done = self.groups.iter().find_map(|group| group.execute(&request));
                done.unwrap_or_else(|| refuse(Answer::INVALID_COMMAND))
            }
        }
    }

    async fn status(&self) -> Done {
        match self.chassis.power().await {
            // Power restore policy "stays off", no last event, no misc state.
            Ok(on) => (Answer::OK, vec![u8::from(on), 0, 0]),
            Err(error) => failed(&error),
        }
    }

    async fn control(&self, body: &[u8]) -> Done {
        let &[byte] = body else { return refuse(Answer::INVALID_LENGTH) };
        let Some(control) = ChassisControl::from_byte(byte) else { return refuse(Answer::INVALID_FIELD) };
        let done = match control {
            ChassisControl::PowerDown => self.chassis.set_power(false).await,
            ChassisControl::PowerUp => self.chassis.set_power(true).await,
            ChassisControl::SoftShutdown => self.chassis.shut_down().await,
            ChassisControl::PowerCycle | ChassisControl::HardReset => return self.restart(control).await,
        };
        done.map_or_else(|error| failed(&error), |()| (Answer::OK, vec![]))
    }

    /// Cycle and reset, which do nothing to a machine that is off (28.3).
    async fn restart(&self, control: ChassisControl) -> Done {
        match self.chassis.power().await {
            Ok(true) => {}
            Ok(false) => return refuse(Answer::WRONG_STATE),
            Err(error) => return failed(&error),
        }
        let done = match control {
            ChassisControl::HardReset => self.chassis.reset().await,
            _ => match self.chassis.set_power(false).await {
                Ok(()) => self.chassis.set_power(true).await,
                Err(error) => Err(error),
            },
        };
        done.map_or_else(|error| failed(&error), |()| (Answer::OK, vec![]))
    }

    async fn set_boot_option(&self, body: &[u8]) -> Done {
        let Some((&first, data)) = body.split_first() else { return refuse(Answer::INVALID_LENGTH) };
        // Bit 7 would lock the parameter.
        match first & 0x7F {
            parameter::BOOT_FLAGS => self.set_boot_flags(data).await,
            kept @ (parameter::SET_IN_PROGRESS | parameter::VALID_BIT_CLEARING | parameter::ACKNOWLEDGE) => {
                self.options.lock().unwrap_or_else(PoisonError::into_inner).insert(kept, data.to_vec());
                (Answer::OK, vec![])
            }
            _ => refuse(Answer::PARAMETER_UNSUPPORTED),
        }
    }

    async fn set_boot_flags(&self, data: &[u8]) -> Done {
        // An empty parameter only changes its lock (28.12).
        if data.is_empty() {
            return (Answer::OK, vec![]);
        }
        let Some(flags) = boot::BootFlags::decode(data).filter(|_| data.len() == 5) else {
            return refuse(Answer::INVALID_LENGTH);
        };
        let device = match flags.device {
            _ if !flags.valid => None,
            Device::None => None,
            Device::Network => Some(BootDevice::Network),
            Device::Disk => Some(BootDevice::Disk),
            Device::Cd => Some(BootDevice::Cd),
            Device::Setup => Some(BootDevice::Setup),
            Device::Other(_) => return refuse(Answer::INVALID_FIELD),
        };
        let flags = BootFlags { device, persistent: flags.persistent, uefi: flags.efi };
        match self.chassis.set_boot(flags).await {
            Ok(()) => (Answer::OK, vec![]),
            Err(error) => failed(&error),
        }
    }

    async fn boot_option(&self, body: &[u8]) -> Done {
        let &[first, _, _] = body else { return refuse(Answer::INVALID_LENGTH) };
        let wanted = first & 0x7F;
        let data = match wanted {
            parameter::BOOT_FLAGS => match self.chassis.boot().await {
                Ok(flags) => boot_flags(flags).encode().to_vec(),
                Err(error) => return failed(&error),
            },
            parameter::SET_IN_PROGRESS | parameter::VALID_BIT_CLEARING => self.kept(wanted, &[0]),
            parameter::ACKNOWLEDGE => self.kept(wanted, &[0, 0]),
            _ => return refuse(Answer::PARAMETER_UNSUPPORTED),
        };
        let mut answer = vec![PARAMETER_VERSION, wanted];
        answer.extend(data);
        (Answer::OK, answer)
    }

    fn kept(&self, wanted: u8, default: &[u8]) -> Vec<u8> {
        let options = self.options.lock().unwrap_or_else(PoisonError::into_inner);
        options.get(&wanted).cloned().unwrap_or_else(|| default.to_vec())
    }
}

/// The chassis's flags on the wire. Without a device nothing is valid.
fn boot_flags(flags: BootFlags) -> boot::BootFlags {
    let device = match flags.device {
        None => Device::None,
        Some(BootDevice::Network) => Device::Network,
        Some(BootDevice::Disk) => Device::Disk,
        Some(BootDevice::Cd) => Device::Cd,
        Some(BootDevice::Setup) => Device::Setup,
    };
    let valid = device != Device::None;
    boot::BootFlags { valid, persistent: valid && flags.persistent, efi: valid && flags.uefi, device }
}

/// Get Device ID (20.1): device 0x20, firmware 1.00, IPMI 2.0, a chassis, manufacturer unspecified.
fn device_id() -> Vec<u8> {
    vec![0x20, 0x01, 0x01, 0x00, 0x02, 0x80, 0, 0, 0, 0x01, 0x00]
}

/// Get Channel Cipher Suites (22.15): the channel and up to 16 bytes of the records from this index on.
fn cipher_suites(suites: &[CipherSuite], index: u8) -> Vec<u8> {
    let records: Vec<u8> = suites
        .iter()
        .flat_map(|suite| {
            let [authentication, integrity, confidentiality] = suite.algorithms();
            [0xC0, suite.id(), authentication, 0x40 | integrity, 0x80 | confidentiality]
        })
        .collect();
    let part = records.chunks(16).nth(usize::from(index & 0x3F)).unwrap_or_default();
    [&[CHANNEL], part].concat()
}

/// Seconds since 1970 UTC, as far as 32 bits go.
#[expect(clippy::disallowed_methods, reason = "the simulated BMC's own clock")]
fn unix() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
}

fn failed(error: &ChassisError) -> Done {
    tracing::warn!(%error, "the chassis did not obey");
    refuse(Answer::UNSPECIFIED)
}
