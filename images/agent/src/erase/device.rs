//! An erasure by the device itself: which of its commands, in which order, and how it is followed to its end.
//!
//! A device that can't is refused, never wiped in another way. Not here: the bytes of the commands (`nvme`, `ata`), and the
//! look at what is left on the disk (`sample`).

use super::{
    ata::{self, Ata, Data, Registers},
    nvme::{self, Nvme},
};
use provisioner_api::EraseMethod;
use std::{
    fmt, io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

/// How a device is told to erase itself.
pub enum Interface<'a> {
    /// NVMe admin commands.
    Nvme(&'a dyn Nvme),
    /// ATA commands.
    Ata(&'a dyn Ata),
}

impl fmt::Debug for Interface<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nvme(_) => "Nvme",
            Self::Ata(_) => "Ata",
        })
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Erased {
    /// How.
    pub(super) method: EraseMethod,
    /// The firmware that did it.
    pub(super) firmware: String,
}

/// Why a device did not erase itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDone {
    /// It can't, or must not: again doesn't help.
    #[error("{0}")]
    Unable(String),
    /// It failed.
    #[error("{what}")]
    Failed {
        what: String,
        #[source]
        source: Option<io::Error>,
    },
    /// The order was taken back. The device may go on by itself.
    #[error("stopped on request")]
    Cancelled,
}

/// Who waits meanwhile.
pub(super) struct Watch<'a> {
    /// Pulled when it is to end.
    pub(super) cancel: &'a AtomicBool,
    /// Waits so long.
    pub(super) pause: &'a (dyn Fn(Duration) + Sync),
    /// Hears how many of 65536 parts are done.
    pub(super) told: &'a mut dyn FnMut(u64),
}

/// Between two looks at a device that erases itself.
const LOOK: Duration = Duration::from_secs(1);
/// All parts.
pub(super) const WHOLE: u64 = 1 << 16;
/// Most that is told of what is only reckoned.
const NEARLY: u64 = WHOLE - WHOLE / 64;
/// How long a format is reckoned to take.
const FORMAT_TAKES: Duration = Duration::from_secs(5 * 60);
/// How long a question to an ATA device may take: it may have to spin up.
const ASK: Duration = Duration::from_secs(30);

/// Has the device erase itself, in the best way that it has.
pub(super) fn erase(interface: &Interface<'_>, watch: &mut Watch<'_>) -> Result<Erased, NotDone> {
    match interface {
        Interface::Nvme(device) => by_nvme(*device, watch),
        Interface::Ata(device) => by_ata(*device, watch),
    }
}

fn by_nvme(device: &dyn Nvme, watch: &mut Watch<'_>) -> Result<Erased, NotDone> {
    let own = device.namespace().map_err(failed("the kernel did not say which namespace it is"))?;
    let page = nvme_page(device, &nvme::identify_controller(), "identify its controller")?;
    let controller = nvme::Controller::read(&page);
    alone(device, &controller, own)?;
    let firmware = controller.firmware.clone();
    if let Some(how) = controller.sanitize.first().copied() {
        // One that an earlier boot began goes on over a loss of power; until it ended nothing else is taken.
        follow_nvme(device, watch)?;
        let begun = device.admin(&nvme::sanitize(how), &mut []);
        begun.map_err(failed("the disk did not take the command to sanitize itself"))?;
        return match follow_nvme(device, watch)? {
            nvme::SanitizeState::Completed => Ok(Erased { method: sanitized_nvme(how), firmware }),
            other => Err(ended(&format!("{other:?}"))),
        };
    }
    if !controller.format {
        return Err(unable("its controller can neither sanitize nor format"));
    }
    let page = nvme_page(device, &nvme::identify_namespace(own), "identify its namespace")?;
    let command = nvme::format(own, nvme::Namespace::read(&page));
    meanwhile(watch, FORMAT_TAKES, || device.admin(&command, &mut []))?
        .map_err(failed("the disk did not format itself"))?;
    Ok(Erased { method: EraseMethod::NvmeFormat, firmware })
}

/// A sanitize hits the whole subsystem, and a format may: what others have there must not go with it.
fn alone(device: &dyn Nvme, controller: &nvme::Controller, own: u32) -> Result<(), NotDone> {
    if controller.namespaces == 1 {
        return Ok(());
    }
    let mut lists = vec![nvme::active_namespaces()];
    if controller.manages {
        lists.push(nvme::allocated_namespaces());
    }
    for list in lists {
        let found = nvme::namespaces(&nvme_page(device, &list, "list its namespaces")?);
        if let Some(other) = found.iter().find(|number| **number != own) {
            return Err(unable(&format!(
                "it is namespace {own} of a device that has namespace {other}, too, which would be erased with it"
            )));
        }
    }
    Ok(())
}

fn nvme_page(
    device: &dyn Nvme,
    command: &nvme::AdminCommand,
    what: &str,
) -> Result<[u8; nvme::PAGE], NotDone> {
    let mut page = [0; nvme::PAGE];
    device.admin(command, &mut page).map_err(failed(&format!("the disk did not {what}")))?;
    Ok(page)
}

/// Waits for the end of a sanitize that runs.
fn follow_nvme(device: &dyn Nvme, watch: &mut Watch<'_>) -> Result<nvme::SanitizeState, NotDone> {
    loop {
        let mut log = [0; nvme::SANITIZE_LOG];
        let told = device.admin(&nvme::sanitize_status(), &mut log);
        told.map_err(failed("the disk did not say how its sanitize goes"))?;
        match nvme::sanitize_state(&log) {
            nvme::SanitizeState::Runs(parts) => watch.wait(u64::from(parts))?,
            other => return Ok(other),
        }
    }
}

fn sanitized_nvme(how: nvme::Sanitize) -> EraseMethod {
    match how {
        nvme::Sanitize::Block => EraseMethod::NvmeSanitizeBlock,
        nvme::Sanitize::Overwrite => EraseMethod::NvmeSanitizeOverwrite,
        nvme::Sanitize::Crypto => EraseMethod::NvmeSanitizeCrypto,
    }
}

fn by_ata(device: &dyn Ata, watch: &mut Watch<'_>) -> Result<Erased, NotDone> {
    let about = identify(device)?;
    let firmware = about.firmware.clone();
    if let Some(how) = about.sanitize.first().copied()
        && follow_ata(device, watch)? != ata::SanitizeState::Frozen
    {
        let begun = device.command(&ata::sanitize(how), Data::None, ASK);
        begun.map_err(failed("the disk did not take the command to sanitize itself"))?;
        return match follow_ata(device, watch)? {
            ata::SanitizeState::Completed => Ok(Erased { method: sanitized_ata(how), firmware }),
            other => Err(ended(&format!("{other:?}"))),
        };
    }
    let Some(security) = about.security else {
        return Err(unable(if about.sanitize.is_empty() {
            "it can neither sanitize itself nor has it the security feature set"
        } else {
            "its sanitize is frozen until the next power-on, and it has no security feature set"
        }));
    };
    let method = security_erase(device, security, watch)?;
    Ok(Erased { method, firmware })
}

/// The erasure of the security feature set (ACS-4, 4.18 and 7.36 to 7.42).
fn security_erase(
    device: &dyn Ata,
    security: ata::Security,
    watch: &mut Watch<'_>,
) -> Result<EraseMethod, NotDone> {
    if security.frozen {
        return Err(unable(
            "its security is frozen until the next power-on, by the machine's firmware as a rule: switch the freeze lock off in the firmware's set-up, or take its power away and give it back while the agent runs",
        ));
    }
    let send = |command: u8, enhanced: bool| {
        device.command(&ata::security(command), Data::Out(&ata::password(enhanced)), ASK).map(drop)
    };
    if security.locked {
        // A loss of power in the middle of an earlier one of ours leaves it so.
        send(ata::UNLOCK, false).map_err(|error| {
            unable(&format!("it is locked with a password that is not Billet's ({error})"))
        })?;
    } else if !security.enabled {
        send(ata::SET_PASSWORD, false)
            .map_err(failed("the disk did not take the password of its erasure"))?;
    }
    let takes = security.estimate;
    // Twice what it says, and an hour for one that says nothing or too little.
    let most = takes * 2 + Duration::from_secs(60 * 60);
    let erased = meanwhile(watch, takes.max(FORMAT_TAKES), || {
        device.command(&ata::security(ata::ERASE_PREPARE), Data::None, ASK)?;
        let sector = ata::password(security.enhanced);
        device.command(&ata::security(ata::ERASE_UNIT), Data::Out(&sector), most)
    })?;
    if let Err(source) = erased {
        // What did not begin must not leave the disk locked; if it refuses, the next try unlocks it.
        let _ = send(ata::DISABLE_PASSWORD, false);
        return Err(NotDone::Failed { what: "the disk did not erase itself".into(), source: Some(source) });
    }
    if identify(device)?.security.is_none_or(|after| after.enabled) {
        return Err(ended("its password is still set"));
    }
    Ok(if security.enhanced { EraseMethod::AtaSecureEraseEnhanced } else { EraseMethod::AtaSecureErase })
}

fn identify(device: &dyn Ata) -> Result<ata::Device, NotDone> {
    let mut page = [0; 512];
    device
        .command(&ata::identify(), Data::In(&mut page), ASK)
        .map_err(|error| unable(&format!("it does not identify itself as an ATA device ({error})")))?;
    Ok(ata::Device::read(&page))
}

/// Waits for the end of a sanitize that runs.
fn follow_ata(device: &dyn Ata, watch: &mut Watch<'_>) -> Result<ata::SanitizeState, NotDone> {
    loop {
        let told = device.command(&ata::sanitize_status(), Data::None, ASK);
        let told: Option<Registers> = told.map_err(failed("the disk did not say how its sanitize goes"))?;
        let none =
            || NotDone::Failed { what: "the disk did not say how its sanitize goes".into(), source: None };
        match ata::sanitize_state(told.ok_or_else(none)?) {
            ata::SanitizeState::Runs(parts) => watch.wait(u64::from(parts))?,
            other => return Ok(other),
        }
    }
}

fn sanitized_ata(how: ata::Sanitize) -> EraseMethod {
    match how {
        ata::Sanitize::Block => EraseMethod::AtaSanitizeBlock,
        ata::Sanitize::Overwrite => EraseMethod::AtaSanitizeOverwrite,
        ata::Sanitize::Crypto => EraseMethod::AtaSanitizeCrypto,
    }
}

impl Watch<'_> {
    /// Waits for the next look.
    fn wait(&mut self, parts: u64) -> Result<(), NotDone> {
        if self.cancel.load(Relaxed) {
            return Err(NotDone::Cancelled);
        }
        (self.told)(parts.min(NEARLY));
        (self.pause)(LOOK);
        Ok(())
    }
}

/// Does what can't be interrupted and tells nothing of itself, on a thread of its own, while what is reckoned is told.
fn meanwhile<T: Send>(
    watch: &mut Watch<'_>,
    takes: Duration,
    deed: impl FnOnce() -> io::Result<T> + Send,
) -> Result<io::Result<T>, NotDone> {
    if watch.cancel.load(Relaxed) {
        return Err(NotDone::Cancelled);
    }
    std::thread::scope(|scope| {
        let deed = scope.spawn(deed);
        let mut waited = Duration::ZERO;
        while !deed.is_finished() {
            (watch.pause)(LOOK);
            waited += LOOK;
            let parts = u64::try_from(waited.as_millis() * u128::from(WHOLE) / takes.as_millis().max(1));
            (watch.told)(parts.unwrap_or(WHOLE).min(NEARLY));
        }
        let panicked =
            |_| NotDone::Failed { what: "the thread of the erasure panicked".into(), source: None };
        deed.join().map_err(panicked)
    })
}

/// A disk that has no commands for it.
pub(super) fn no_interface() -> NotDone {
    unable("it is neither an NVMe nor an ATA disk")
}

fn unable(why: &str) -> NotDone {
    NotDone::Unable(format!("the disk can't erase itself: {why}; ask for `overwrite`"))
}

fn ended(how: &str) -> NotDone {
    NotDone::Failed {
        what: format!("the disk's erasure of itself ended without success: {how}"),
        source: None,
    }
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> NotDone {
    let what = what.to_owned();
    move |source| NotDone::Failed { what, source: Some(source) }
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
