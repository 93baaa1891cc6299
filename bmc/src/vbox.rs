//! The driver of a VirtualBox machine, by `VBoxManage`: for labs on laptops.
//!
//! Tested against a stand-in that answers as VirtualBox 7 does; not yet tried on a real VirtualBox. The machine is one of
//! the user who runs this: VirtualBox keeps a list for each user. VirtualBox knows no "once" and changes the boot order
//! of a running machine never.

mod info;

use crate::program::{Printed, Program};
use crate::{Bmc, BmcError, BmcInfo, BootOverride, BootTarget, Button, Persistence, PowerState};
use async_trait::async_trait;
use bmc_proto::redfish::printable;
use info::{Info, State};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const READ: &str = "read the machine's state";
const SET_POWER: &str = "set power";
const SET_BOOT: &str = "set the boot order";

/// How long a change of state may take, and the pause between two looks: a machine that is powered off stays locked by
/// its process for a moment.
const SETTLE: Duration = Duration::from_secs(15);
/// The code of that (VirtualBox's SDK, `VBOX_E_INVALID_OBJECT_STATE`).
const LOCKED: &str = "VBOX_E_INVALID_OBJECT_STATE";
const POLL: Duration = Duration::from_millis(500);

/// A machine of VirtualBox.
pub(crate) struct VirtualBox {
    manage: Program,
    machine: String,
}

impl VirtualBox {
    /// Runs nothing yet.
    pub(crate) fn new(manage: &Path, machine: &str) -> Self {
        let address = format!("VirtualBox machine {machine}");
        Self { manage: Program::new(manage, &address, "VirtualBox"), machine: machine.to_owned() }
    }

    /// Runs it; while the machine is locked, again. What is refused so was not done.
    async fn manage(&self, words: &[&str], during: &'static str) -> Result<String, BmcError> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let printed = self.manage.run(words, b"", during).await?;
            if printed.success {
                return Ok(printed.output);
            }
            if !printed.errors.contains(LOCKED) || Instant::now() >= deadline {
                return Err(self.failed(&printed, during));
            }
            sleep(POLL).await;
        }
    }

    fn failed(&self, printed: &Printed, during: &'static str) -> BmcError {
        let address = self.manage.address().to_owned();
        // `VBoxManage: error: …` and then details for programmers.
        let line = printed.errors.lines().find_map(|line| line.strip_prefix("VBoxManage: error: "));
        let said = printable(line.unwrap_or("it failed without a word"), 300);
        if printed.errors.contains("VBOX_E_OBJECT_NOT_FOUND")
            || said.contains("Could not find a registered machine")
        {
            let what = format!("this user's VirtualBox has no machine `{}` ({said})", self.machine);
            return BmcError::NotABmc { address, what };
        }
        BmcError::Refused { address, during, answer: said }
    }

    async fn look(&self) -> Result<Info, BmcError> {
        let printed = self.manage(&["showvminfo", &self.machine, "--machinereadable"], READ).await?;
        Info::read(&printed).ok_or_else(|| BmcError::Protocol {
            address: self.manage.address().to_owned(),
            during: READ,
            what: "it tells no VMState".into(),
        })
    }

    fn not_done(&self, during: &'static str, found: String) -> BmcError {
        BmcError::NotDone { address: self.manage.address().to_owned(), during, found }
    }

    async fn settled(&self, done: impl Fn(&State) -> bool) -> Result<(), BmcError> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let state = self.look().await?.state;
            if done(&state) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.not_done(SET_POWER, format!("{state:?}")));
            }
            sleep(POLL).await;
        }
    }

    fn unsupported(&self, what: &str) -> BmcError {
        BmcError::Unsupported { address: self.manage.address().to_owned(), what: what.to_owned() }
    }
}

#[async_trait]
impl Bmc for VirtualBox {
    async fn power(&self) -> Result<PowerState, BmcError> {
        Ok(if self.look().await?.state.is_on() { PowerState::On } else { PowerState::Off })
    }

    async fn set_power(&self, target: PowerState) -> Result<(), BmcError> {
        let state = self.look().await?.state;
        let vm = self.machine.as_str();
        let words: &[&str] = match (target, state) {
            (PowerState::On, State::Running) | (PowerState::Off, State::Off) => return Ok(()),
            (PowerState::On, State::Off | State::Saved) => &["startvm", vm, "--type", "headless"],
            (PowerState::On, _) => &["controlvm", vm, "resume"],
            // Hard off is off, with nothing to come back to: a saved state would be gone on with instead of booting.
            (PowerState::Off, State::Saved) => &["discardstate", vm],
            (PowerState::Off, _) => &["controlvm", vm, "poweroff"],
        };
        let refusal = self.manage(words, SET_POWER).await.err();
        let done = |state: &State| match target {
            PowerState::On => *state == State::Running,
            PowerState::Off => *state == State::Off,
        };
        match (refusal, self.look().await?.state) {
            (_, state) if done(&state) => Ok(()),
            (Some(error), _) => Err(error),
            (None, _) => self.settled(done).await,
        }
    }

    async fn set_boot(&self, boot: BootOverride) -> Result<(), BmcError> {
        let first = match boot.target {
            BootTarget::Network => "net",
            BootTarget::Disk => "disk",
            BootTarget::Cd => "dvd",
            _ => {
                return Err(
                    self.unsupported("a VirtualBox machine boots from network, disk or optical drive only")
                );
            }
        };
        let before = self.look().await?;
        if before.boot.first().is_some_and(|device| device == first) {
            return Ok(());
        }
        if before.state != State::Off {
            let address = self.manage.address().to_owned();
            return Err(BmcError::OnlyWhileOff { address, what: "what it boots from" });
        }
        let second = if first == "disk" { "net" } else { "disk" };
        let words = [
            "modifyvm",
            &self.machine,
            "--boot1",
            first,
            "--boot2",
            second,
            "--boot3",
            "none",
            "--boot4",
            "none",
        ];
        self.manage(&words, SET_BOOT).await?;
        let found = self.look().await?.boot;
        if found.first().is_some_and(|device| device == first) {
            return Ok(());
        }
        Err(self.not_done(SET_BOOT, printable(&found.join(", "), 80)))
    }

    async fn boot(&self) -> Result<Option<BootOverride>, BmcError> {
        let target = match self.look().await?.boot.first().map(String::as_str) {
            Some("net") => BootTarget::Network,
            Some("disk") => BootTarget::Disk,
            Some("dvd") => BootTarget::Cd,
            _ => return Ok(None),
        };
        Ok(Some(BootOverride { target, persistence: Persistence::Persistent, mode: None }))
    }

    async fn info(&self) -> Result<BmcInfo, BmcError> {
        let info = self.look().await?;
        Ok(BmcInfo {
            manufacturer: Some("VirtualBox".into()),
            product: Some(format!("machine {}", self.machine)),
            system_uuid: info.uuid,
            ..BmcInfo::default()
        })
    }

    async fn close(&self) {}

    async fn press(&self, button: Button) -> Result<(), BmcError> {
        const PRESS: &str = "press a button";
        let vm = self.machine.as_str();
        let words: &[&str] = match button {
            Button::Cycle => {
                self.set_power(PowerState::Off).await?;
                return self.set_power(PowerState::On).await;
            }
            Button::Reset => &["controlvm", vm, "reset"],
            Button::ShutDown | Button::PushPower => &["controlvm", vm, "acpipowerbutton"],
            Button::Restart => &["controlvm", vm, "reboot"],
            Button::Suspend => &["controlvm", vm, "acpisleepbutton"],
            Button::Pause => &["controlvm", vm, "pause"],
            Button::Resume => &["controlvm", vm, "resume"],
            Button::Diagnostic => &["debugvm", vm, "injectnmi"],
            Button::FullCycle => return Err(self.unsupported("a VirtualBox machine has no standby power")),
        };
        self.manage(words, PRESS).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
