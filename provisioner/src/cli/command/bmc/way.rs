//! The two ways to a BMC, through the service and from here: the same questions and the same answers.
//!
//! - here: the BMC itself, power, boot override, sensors, event log, users;
//! - `settings`: media, Secure Boot, the firmware's setup and boot order;
//! - `parts`: firmware, tasks, hardware, logs;
//! - `reports`: what it reports by itself.

mod parts;
mod reports;
mod settings;

pub(super) use parts::Image;

use super::direct::Direct;
use crate::{
    bmc_calls as calls, bmc_view as convert,
    cli::{args::PowerVerb, command::console::Line, error::CliError},
};
use bmc::PowerState;
use provisioner_api::{
    BmcBoot, BmcButton, BmcConfirm, BmcDetails, BmcFruList, BmcHealth, BmcIdentify, BmcPower, BmcSel,
    BmcSelUpdate, BmcSensorList, BmcSettingsUpdate, BmcUserAdd, BmcUserEntry, BmcUserList, BmcUserUpdate,
    MachineAction, Power,
};
use provisioner_client::Client;

/// A way to a BMC.
pub(super) enum Way {
    /// A machine's, through the service.
    Machine {
        /// The service.
        client: Client,
        /// The machine.
        name: String,
    },
    /// Any, from here.
    Direct(Direct),
}

impl Way {
    /// Whose BMC, in sentences: `machine m1`, `10.0.0.9:623`.
    pub(super) fn whose(&self) -> String {
        match self {
            Self::Machine { name, .. } => format!("machine {name}"),
            Self::Direct(direct) => direct.address.clone(),
        }
    }

    /// What was typed, when the same is to be typed again: the machine's name, or the options of `-H` but for secrets.
    pub(super) fn typed(&self) -> String {
        match self {
            Self::Machine { name, .. } => name.clone(),
            Self::Direct(direct) => direct.typed.clone(),
        }
    }

    /// Whether the BMC is asked from here.
    pub(super) fn is_direct(&self) -> bool {
        matches!(self, Self::Direct(_))
    }

    /// The user that is logged in as.
    pub(super) async fn own_user(&self) -> Result<Option<String>, CliError> {
        Ok(match self {
            Self::Machine { client, name } => client.machine(name).await?.spec.bmc.map(|bmc| bmc.username),
            Self::Direct(direct) => Some(direct.username.clone()),
        })
    }

    /// Its console.
    pub(super) fn line(&self, take_over: bool) -> Result<Line, CliError> {
        match self {
            Self::Machine { .. } if take_over => Err(CliError::Input(
                "--take-over is only for a BMC given with -H; the service never takes a console from others"
                    .to_owned(),
            )),
            Self::Machine { client, name } => {
                Ok(Line::Service { client: client.clone(), machine: name.clone() })
            }
            Self::Direct(Direct { bmc, address, .. }) => {
                Ok(Line::Direct { bmc: bmc.clone(), address: address.clone(), take_over })
            }
        }
    }

    /// What it says of itself.
    pub(super) async fn details(&self) -> Result<BmcDetails, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc(name).await?),
            Self::Direct(Direct { bmc, address, cipher, .. }) => {
                let mut details = calls::details(&**bmc, address).await?;
                details.weak = convert::weak(*cipher);
                details.health = BmcHealth::Ok;
                Ok(details)
            }
        }
    }

    /// Changes small settings; what it says of itself then.
    pub(super) async fn update(&self, update: &BmcSettingsUpdate) -> Result<BmcDetails, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_update(name, update).await?),
            Self::Direct(Direct { bmc, address, .. }) => {
                calls::update(&**bmc, address, update).await?;
                self.details().await
            }
        }
    }

    /// Whether the machine is on.
    pub(super) async fn power(&self) -> Result<BmcPower, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_power(name).await?),
            Self::Direct(Direct { bmc, .. }) => Ok(BmcPower { power: convert::power(bmc.power().await?) }),
        }
    }

    /// Switches the power. `None`: it is asked for and done by the service; else it is so.
    pub(super) async fn switch(&self, on: bool) -> Result<Option<BmcPower>, CliError> {
        match self {
            Self::Machine { client, name } => {
                let action = if on { MachineAction::PowerOn } else { MachineAction::PowerOff };
                client.machine_action(name, action).await?;
                Ok(None)
            }
            Self::Direct(Direct { bmc, .. }) => {
                bmc.set_power(if on { PowerState::On } else { PowerState::Off }).await?;
                Ok(Some(BmcPower { power: if on { Power::On } else { Power::Off } }))
            }
        }
    }

    /// Presses a button.
    pub(super) async fn press(&self, button: BmcButton) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_press(name, button).await?),
            Self::Direct(Direct { bmc, .. }) => Ok(bmc.press(convert::button(button)).await?),
        }
    }

    /// The boot override that is set.
    pub(super) async fn boot(&self) -> Result<BmcBoot, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_boot(name).await?),
            Self::Direct(Direct { bmc, .. }) => Ok(calls::boot(&**bmc).await?),
        }
    }

    /// Sets the boot override; what is set then.
    pub(super) async fn set_boot(&self, boot: &BmcBoot) -> Result<BmcBoot, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_set_boot(name, boot).await?),
            Self::Direct(Direct { bmc, .. }) => {
                let wanted = convert::boot_override(boot)
                    .ok_or_else(|| CliError::Input("that can't be booted from".to_owned()))?;
                bmc.set_boot(wanted).await?;
                Ok(boot.clone())
            }
        }
    }

    /// The sensors.
    pub(super) async fn sensors(&self) -> Result<BmcSensorList, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_sensors(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::sensors(&**bmc, address).await?),
        }
    }

    /// The event log.
    pub(super) async fn sel(&self) -> Result<BmcSel, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_sel(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::sel(&**bmc, address).await?),
        }
    }

    /// How full the event log is, without its entries.
    pub(super) async fn sel_info(&self) -> Result<BmcSel, CliError> {
        match self {
            Self::Machine { .. } => Ok(BmcSel { items: Vec::new(), ..self.sel().await? }),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::sel_info(&**bmc, address).await?),
        }
    }

    /// Empties the event log.
    pub(super) async fn sel_clear(&self) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_sel_clear(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::sel_clear(&**bmc, address).await?),
        }
    }

    /// Sets the event log's clock.
    pub(super) async fn sel_clock(&self, update: BmcSelUpdate) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_sel_clock(name, &update).await?),
            Self::Direct(Direct { bmc, address, .. }) => {
                Ok(calls::sel_clock(&**bmc, address, update.clock).await?)
            }
        }
    }

    /// The parts.
    pub(super) async fn fru(&self) -> Result<BmcFruList, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_fru(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::fru(&**bmc, address).await?),
        }
    }

    /// Switches the lamp.
    pub(super) async fn identify(&self, identify: &BmcIdentify) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_identify(name, identify).await?),
            Self::Direct(Direct { bmc, address, .. }) => {
                Ok(calls::identify(&**bmc, address, identify).await?)
            }
        }
    }

    /// The users.
    pub(super) async fn users(&self) -> Result<BmcUserList, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_users(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::users(&**bmc, address).await?),
        }
    }

    /// Adds a user.
    pub(super) async fn user_add(&self, add: &BmcUserAdd) -> Result<BmcUserEntry, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_user_add(name, add).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::user_add(&**bmc, address, add).await?),
        }
    }

    /// Removes a user.
    pub(super) async fn user_remove(&self, id: &str) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_user_remove(name, id).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::user_remove(&**bmc, address, id).await?),
        }
    }

    /// Changes a user.
    pub(super) async fn user_update(&self, id: &str, update: &BmcUserUpdate) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => {
                Ok(client.machine_bmc_user_update(name, id, update).await.map(drop)?)
            }
            Self::Direct(Direct { bmc, address, .. }) => {
                Ok(calls::user_update(&**bmc, address, id, update).await?)
            }
        }
    }

    /// Has the service give its own user a new random password.
    pub(super) async fn rotate_password(&self) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_rotate_password(name).await?),
            Self::Direct(_) => Err(CliError::Input(
                "a random password has to be kept somewhere, which the service does: name a machine; with -H, set one with `billet bmc user set-password`"
                    .to_owned(),
            )),
        }
    }

    /// Takes a person's word for how the power is.
    pub(super) async fn confirm(&self, power: Power) -> Result<BmcPower, CliError> {
        match self {
            Self::Machine { client, name } => {
                Ok(client.machine_bmc_confirm(name, &BmcConfirm { power }).await?)
            }
            Self::Direct(_) => Err(super::nothing_to_confirm()),
        }
    }

    /// Restarts the BMC.
    pub(super) async fn restart(&self) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_restart(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::restart(&**bmc, address).await?),
        }
    }
}

/// The button of a verb; none for those that name an end.
pub(super) fn button(verb: PowerVerb) -> Option<BmcButton> {
    match verb {
        PowerVerb::Status | PowerVerb::On | PowerVerb::Off => None,
        PowerVerb::Cycle => Some(BmcButton::Cycle),
        PowerVerb::Reset => Some(BmcButton::Reset),
        PowerVerb::Soft => Some(BmcButton::Soft),
        PowerVerb::Diag => Some(BmcButton::Diag),
        PowerVerb::Restart => Some(BmcButton::Restart),
        PowerVerb::Push => Some(BmcButton::Push),
        PowerVerb::FullCycle => Some(BmcButton::FullCycle),
        PowerVerb::Suspend => Some(BmcButton::Suspend),
        PowerVerb::Pause => Some(BmcButton::Pause),
        PowerVerb::Resume => Some(BmcButton::Resume),
    }
}
