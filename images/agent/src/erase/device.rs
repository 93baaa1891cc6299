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
/// Bytes that a slow disk writes in a second.
const SLOW: u64 = 30_000_000;
/// How long a question to an ATA device may take: it may have to spin up.
const ASK: Duration = Duration::from_secs(30);

/// How a device will erase itself.
#[derive(Debug, Clone, Copy)]
enum Way {
    NvmeSanitize(nvme::Sanitize),
    NvmeFormat(u32, nvme::Namespace),
    AtaSanitize(ata::Sanitize),
    AtaSecurity(ata::Security),
}

/// What a device will do, and the firmware that will.
#[derive(Debug)]
pub(super) struct Plan {
    way: Way,
    firmware: String,
}

/// Asks a device what it can, and takes the best of it. Nothing is lost yet that an earlier erasure did not give up: one that
/// still goes on is followed to its end, one that failed is done again, since nothing else is possible then, and what our own
/// password locked is unlocked.
pub(super) fn plan(interface: &Interface<'_>, watch: &mut Watch<'_>) -> Result<Plan, NotDone> {
    match interface {
        Interface::Nvme(device) => plan_nvme(*device, watch),
        Interface::Ata(device) => plan_ata(*device, watch),
    }
}

/// Has the device erase itself. `size` is that of the disk, bytes.
pub(super) fn carry_out(
    plan: &Plan,
    interface: &Interface<'_>,
    size: u64,
    watch: &mut Watch<'_>,
) -> Result<Erased, NotDone> {
    watch.stands()?;
    let method = match (plan.way, interface) {
        (Way::NvmeSanitize(how), Interface::Nvme(device)) => {
            sanitize_nvme(*device, how, watch)?;
            sanitized_nvme(how)
        }
        (Way::NvmeFormat(own, namespace), Interface::Nvme(device)) => {
            let command = nvme::format(own, namespace);
            let done = meanwhile(watch, FORMAT_TAKES, || device.admin(&command, &mut []));
            done?.map_err(failed("the disk did not format itself"))?;
            EraseMethod::NvmeFormat
        }
        (Way::AtaSanitize(how), Interface::Ata(device)) => {
            sanitize_ata(*device, how, watch)?;
            sanitized_ata(how)
        }
        (Way::AtaSecurity(security), Interface::Ata(device)) => {
            security_erase(*device, security, size, watch)?
        }
        _ => return Err(unable("it became a device of another kind")),
    };
    Ok(Erased { method, firmware: plan.firmware.clone() })
}

fn plan_nvme(device: &dyn Nvme, watch: &mut Watch<'_>) -> Result<Plan, NotDone> {
    let own = device.namespace().map_err(failed("the kernel did not say which namespace it is"))?;
    let page = nvme_page(device, &nvme::identify_controller(), "identify its controller")?;
    let controller = nvme::Controller::read(&page);
    alone(device, &controller, own)?;
    let firmware = controller.firmware.clone();
    if let Some(how) = controller.sanitize.first().copied() {
        // It goes on over a loss of power; until it ended nothing else is taken, and after a failure nothing but another one.
        if follow_nvme(device, watch)? == nvme::SanitizeState::Failed {
            sanitize_nvme(device, how, watch)?;
        }
        return Ok(Plan { way: Way::NvmeSanitize(how), firmware });
    }
    if !controller.format {
        return Err(unable("its controller can neither sanitize nor format"));
    }
    let page = nvme_page(device, &nvme::identify_namespace(own), "identify its namespace")?;
    Ok(Plan { way: Way::NvmeFormat(own, nvme::Namespace::read(&page)), firmware })
}

fn sanitize_nvme(device: &dyn Nvme, how: nvme::Sanitize, watch: &mut Watch<'_>) -> Result<(), NotDone> {
    watch.stands()?;
    let begun = device.admin(&nvme::sanitize(how), &mut []);
    begun.map_err(failed("the disk did not take the command to sanitize itself"))?;
    match follow_nvme(device, watch)? {
        nvme::SanitizeState::Completed => Ok(()),
        nvme::SanitizeState::Failed => Err(ended("its sanitize failed")),
        nvme::SanitizeState::Never | nvme::SanitizeState::Runs(_) => {
            Err(ended("it took the command to sanitize itself, and says that none was done"))
        }
    }
}

/// A sanitize hits the whole subsystem, and a format may: what others have there must not go with it.
fn alone(device: &dyn Nvme, controller: &nvme::Controller, own: u32) -> Result<(), NotDone> {
    if controller.namespaces == 1 {
        return Ok(());
    }
    if controller.shares && !controller.manages {
        return Err(unable(
            "other controllers may have namespaces in it, which would be erased with it, and it does not list them",
        ));
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

fn plan_ata(device: &dyn Ata, watch: &mut Watch<'_>) -> Result<Plan, NotDone> {
    let about = identify(device)
        .map_err(|error| unable(&format!("it does not identify itself as an ATA device ({error})")))?;
    let firmware = about.firmware.clone();
    if let Some(security) = about.security {
        open(device, security)?;
    }
    if let Some(how) = about.sanitize.first().copied()
        && follow_ata(device, watch)? != ata::SanitizeState::Frozen
    {
        return Ok(Plan { way: Way::AtaSanitize(how), firmware });
    }
    let Some(security) = about.security else {
        return Err(unable(if about.sanitize.is_empty() {
            "it can neither sanitize itself nor has it the security feature set"
        } else {
            "its sanitize is frozen until the next power-on, and it has no security feature set"
        }));
    };
    if security.frozen {
        return Err(unable(
            "its security is frozen until the next power-on, by the machine's firmware as a rule: switch the freeze lock off in the firmware's set-up, or take its power away and give it back while the agent runs",
        ));
    }
    Ok(Plan { way: Way::AtaSecurity(security), firmware })
}

/// Takes our own password from a disk that a loss of power left with it in the middle of an erasure.
fn open(device: &dyn Ata, security: ata::Security) -> Result<(), NotDone> {
    if !security.enabled {
        return Ok(());
    }
    if security.expired {
        return Err(unable(
            "too many wrong passwords were tried on it; take its power away and give it back",
        ));
    }
    let opened = if security.locked { send(device, ata::UNLOCK) } else { Ok(()) };
    opened.and_then(|()| send(device, ata::DISABLE_PASSWORD)).map_err(|error| {
        unable(&format!("it has a password that is not Billet's, or refuses to forget it ({error})"))
    })
}

/// A command of the security feature set with our password.
fn send(device: &dyn Ata, command: u8) -> io::Result<()> {
    device.command(&ata::security(command), Data::Out(&ata::password(false)), ASK).map(drop)
}

fn sanitize_ata(device: &dyn Ata, how: ata::Sanitize, watch: &mut Watch<'_>) -> Result<(), NotDone> {
    watch.stands()?;
    let begun = device.command(&ata::sanitize(how), Data::None, ASK);
    begun.map_err(failed("the disk did not take the command to sanitize itself"))?;
    match follow_ata(device, watch)? {
        ata::SanitizeState::Completed => Ok(()),
        ata::SanitizeState::Frozen => Err(ended("its sanitize is frozen")),
        ata::SanitizeState::Idle | ata::SanitizeState::Runs(_) => {
            Err(ended("its sanitize failed, or was none"))
        }
    }
}

/// The erasure of the security feature set (ACS-4, 4.18 and 7.36 to 7.42). Whatever happens, our password is not left.
fn security_erase(
    device: &dyn Ata,
    security: ata::Security,
    size: u64,
    watch: &mut Watch<'_>,
) -> Result<EraseMethod, NotDone> {
    // Where the disk doesn't say: what a slow one takes to be written.
    let takes = security.estimate.unwrap_or(Duration::from_secs(size / SLOW)).max(FORMAT_TAKES);
    // Twice that, and an hour more: a command that the kernel gives up ends in a reset in the middle.
    let most = takes * 2 + Duration::from_secs(60 * 60);
    if let Err(source) = send(device, ata::SET_PASSWORD) {
        let _ = send(device, ata::DISABLE_PASSWORD);
        return Err(failed("the disk did not take the password of its erasure")(source));
    }
    let erased = meanwhile(watch, takes, || {
        device.command(&ata::security(ata::ERASE_PREPARE), Data::None, ASK)?;
        let sector = ata::password(security.enhanced);
        device.command(&ata::security(ata::ERASE_UNIT), Data::Out(&sector), most)
    });
    let erased = erased.and_then(|done| done.map_err(failed("the disk did not erase itself")));
    if let Err(error) = erased {
        // It may be locked by now; then the next try opens it.
        let _ = send(device, ata::DISABLE_PASSWORD);
        return Err(error);
    }
    // Right behind an erasure the link may be on its way up again.
    let mut after = identify(device);
    for _ in 0..10 {
        if after.is_ok() {
            break;
        }
        (watch.pause)(LOOK);
        after = identify(device);
    }
    let after = after.map_err(failed("the disk does not answer after its erasure"))?;
    if after.security.is_none_or(|after| after.enabled) {
        return Err(ended("its password is still set"));
    }
    Ok(if security.enhanced { EraseMethod::AtaSecureEraseEnhanced } else { EraseMethod::AtaSecureErase })
}

fn identify(device: &dyn Ata) -> io::Result<ata::Device> {
    let mut page = [0; 512];
    device.command(&ata::identify(), Data::In(&mut page), ASK)?;
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
    /// Right before what can't be stopped any more: whether the order was not taken back.
    fn stands(&self) -> Result<(), NotDone> {
        if self.cancel.load(Relaxed) { Err(NotDone::Cancelled) } else { Ok(()) }
    }

    /// Waits for the next look.
    fn wait(&mut self, parts: u64) -> Result<(), NotDone> {
        self.stands()?;
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
    NotDone::Unable(format!("the disk can't erase itself: {why}"))
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
