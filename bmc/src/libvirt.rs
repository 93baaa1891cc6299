//! The driver of a libvirt domain, by `virsh`: for labs, and for virtual machines that are treated as metal.
//!
//! libvirt knows no "once": a boot device holds until another is set, in the stored definition, and counts from the next
//! start on, not for a reset. Deliberately not here: making domains, and libvirt's own protocol.

mod boot_xml;

use crate::program::{Printed, Program};
use crate::{Bmc, BmcError, BmcInfo, BootMode, BootOverride, BootTarget, Button, Persistence, PowerState};
use async_trait::async_trait;
use bmc_proto::redfish::printable;
use boot_xml::Device;
use std::path::Path;

const READ_POWER: &str = "read the domain's state";
const SET_POWER: &str = "set power";
const SET_BOOT: &str = "set the boot device";

/// A domain of libvirt.
pub(crate) struct Libvirt {
    virsh: Program,
    uri: String,
    domain: String,
}

/// A domain's state, as far as it bears on power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// It has its memory, but its processors are halted.
    Halted,
    Off,
}

impl State {
    /// Reads `virsh domstate` (virsh(1); the words of `virDomainState`).
    fn read(word: &str) -> Option<Self> {
        match word {
            "running" | "idle" | "in shutdown" => Some(Self::Running),
            "paused" | "pmsuspended" | "crashed" => Some(Self::Halted),
            "shut off" => Some(Self::Off),
            _ => None,
        }
    }
}

impl Libvirt {
    /// Runs nothing yet.
    pub(crate) fn new(virsh: &Path, uri: &str, domain: &str) -> Self {
        let address = format!("libvirt domain {domain}");
        let virsh = Program::new(virsh, &address, "libvirt-clients");
        Self { virsh, uri: uri.to_owned(), domain: domain.to_owned() }
    }

    /// Runs `virsh COMMAND OPTIONS -- DOMAIN`.
    async fn virsh(
        &self,
        command: &str,
        options: &[&str],
        during: &'static str,
    ) -> Result<Printed, BmcError> {
        let mut words = vec!["-q", "-c", &self.uri, command];
        words.extend(options);
        words.extend(["--", &self.domain]);
        self.virsh.run(&words, b"", during).await
    }

    /// As `virsh`; what it printed if it went well.
    async fn obeyed(
        &self,
        command: &str,
        options: &[&str],
        during: &'static str,
    ) -> Result<String, BmcError> {
        let printed = self.virsh(command, options, during).await?;
        if printed.success { Ok(printed.output) } else { Err(self.failed(&printed, during)) }
    }

    fn failed(&self, printed: &Printed, during: &'static str) -> BmcError {
        let address = self.virsh.address().to_owned();
        let said: Vec<&str> =
            printed.errors.lines().map(|line| line.trim_start_matches("error: ").trim()).collect();
        let said = said.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
        let said = printable(&said, 300);
        if said.contains("failed to get domain") {
            let what = format!("{} has no domain `{}` ({said})", self.uri, self.domain);
            return BmcError::NotABmc { address, what };
        }
        if said.contains("authentication") || said.contains("polkit") {
            let why = format!("{said}; who runs this needs access to {} (group libvirt)", self.uri);
            return BmcError::AuthenticationFailed { address, username: "this process".into(), why };
        }
        if said.contains("failed to connect to the hypervisor") {
            return BmcError::Unreachable { address, during, reason: Some(said) };
        }
        BmcError::Refused { address, during, answer: said }
    }

    async fn state(&self) -> Result<State, BmcError> {
        let word = self.obeyed("domstate", &[], READ_POWER).await?;
        State::read(word.trim())
            .ok_or_else(|| self.broken(READ_POWER, format!("its state is `{}`", printable(&word, 40))))
    }

    fn broken(&self, during: &'static str, what: String) -> BmcError {
        BmcError::Protocol { address: self.virsh.address().to_owned(), during, what }
    }

    fn unsupported(&self, what: &str) -> BmcError {
        BmcError::Unsupported { address: self.virsh.address().to_owned(), what: what.to_owned() }
    }

    /// The stored definition, with its secrets: defining it again without would lose them.
    async fn definition(&self) -> Result<String, BmcError> {
        self.obeyed("dumpxml", &["--inactive", "--security-info"], SET_BOOT).await
    }

    async fn first_device(&self) -> Result<Option<Device>, BmcError> {
        boot_xml::first(&self.definition().await?)
            .map_err(|error| self.broken(SET_BOOT, printable(&error.to_string(), 300)))
    }
}

#[async_trait]
impl Bmc for Libvirt {
    async fn power(&self) -> Result<PowerState, BmcError> {
        Ok(if self.state().await? == State::Off { PowerState::Off } else { PowerState::On })
    }

    async fn set_power(&self, target: PowerState) -> Result<(), BmcError> {
        let command = match (target, self.state().await?) {
            (PowerState::On, State::Running) | (PowerState::Off, State::Off) => return Ok(()),
            (PowerState::Off, _) => "destroy",
            (PowerState::On, State::Off) => "start",
            (PowerState::On, State::Halted) => "resume",
        };
        let refusal = self.obeyed(command, &[], SET_POWER).await.err();
        let (state, done) = match self.state().await? {
            State::Off => ("shut off", target == PowerState::Off),
            State::Halted => ("halted", false),
            State::Running => ("running", target == PowerState::On),
        };
        if done {
            // A domain that ended by itself meanwhile refuses; it is so all the same.
            return Ok(());
        }
        Err(refusal.unwrap_or_else(|| BmcError::NotDone {
            address: self.virsh.address().to_owned(),
            during: SET_POWER,
            found: state.to_owned(),
        }))
    }

    async fn set_boot(&self, boot: BootOverride) -> Result<(), BmcError> {
        let device = match boot.target {
            BootTarget::Network => Device::Network,
            BootTarget::Disk => Device::Disk,
            BootTarget::Cd => Device::Cd,
            _ => {
                return Err(
                    self.unsupported("a libvirt domain boots from network, disk or optical drive only")
                );
            }
        };
        let before = self.definition().await?;
        let broken = |error: boot_xml::XmlError| self.broken(SET_BOOT, error.to_string());
        if boot_xml::first(&before).map_err(broken)? == Some(device) {
            return Ok(());
        }
        let after =
            boot_xml::put_first(&before, device).map_err(|error| self.unsupported(&error.to_string()))?;
        let words = ["-q", "-c", &self.uri, "define", "/dev/stdin"];
        let printed = self.virsh.run(&words, after.as_bytes(), SET_BOOT).await?;
        if !printed.success {
            return Err(self.failed(&printed, SET_BOOT));
        }
        let found = self.first_device().await?;
        if found == Some(device) {
            return Ok(());
        }
        Err(BmcError::NotDone {
            address: self.virsh.address().to_owned(),
            during: SET_BOOT,
            found: format!("{found:?} first"),
        })
    }

    async fn boot(&self) -> Result<Option<BootOverride>, BmcError> {
        let target = match self.first_device().await? {
            Some(Device::Network) => BootTarget::Network,
            Some(Device::Disk) => BootTarget::Disk,
            Some(Device::Cd) => BootTarget::Cd,
            None => return Ok(None),
        };
        // Which firmware it has is its definition's, and not set from here.
        let mode: Option<BootMode> = None;
        Ok(Some(BootOverride { target, persistence: Persistence::Persistent, mode }))
    }

    async fn info(&self) -> Result<BmcInfo, BmcError> {
        let uuid = self.obeyed("domuuid", &[], "read the domain's UUID").await?;
        Ok(BmcInfo {
            manufacturer: Some("libvirt".into()),
            product: Some(format!("domain {}", self.domain)),
            system_uuid: Some(printable(&uuid, 80).to_lowercase()).filter(|uuid| !uuid.is_empty()),
            ..BmcInfo::default()
        })
    }

    async fn close(&self) {}

    async fn press(&self, button: Button) -> Result<(), BmcError> {
        const PRESS: &str = "press a button";
        let (command, options): (&str, &[&str]) = match button {
            Button::Cycle => {
                self.obeyed("destroy", &[], PRESS).await?;
                ("start", &[])
            }
            Button::Reset => ("reset", &[]),
            Button::ShutDown | Button::PushPower => ("shutdown", &["--mode", "acpi"]),
            Button::Restart => ("reboot", &["--mode", "acpi"]),
            Button::Diagnostic => ("inject-nmi", &[]),
            Button::Pause => ("suspend", &[]),
            Button::Resume => ("resume", &[]),
            Button::Suspend | Button::FullCycle => {
                return Err(self.unsupported(
                    "a libvirt domain has no standby power, and is paused rather than suspended",
                ));
            }
        };
        self.obeyed(command, options, PRESS).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
