//! Requests: may this be asked of that machine now? Changes `want` only.

use crate::{
    adopt::{adopt, is_to_be_adopted},
    choice::{choose, may_write_over, skip_disk, use_disk},
    confirm::{given_back, is_unconfirmed},
    erasure::Erasing,
    machine::{Job, Machine, Owner, PowerWish},
    plan::StepName,
    reinstall::{NoRootDisk, reinstall},
    rescue::{rescue, unrescue},
    service::{self, NoService},
    wipe::{left_out, unwiped},
};
use provisioner_api::{Choice, ErasePolicy, InstanceId, JobKind, MachineState, ServiceStep};

/// What somebody asks of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Take it in.
    Accept,
    /// Inventory it again.
    Inspect,
    /// Try again: what is held from its first step, what waits to be tried again at once.
    Retry,
    /// Stop what runs: an inspection, a deployment, which gives its instance back, or for a while a wiping.
    Cancel {
        /// How the disks are to be wiped where a deployment wrote something.
        erase: ErasePolicy,
    },
    /// Answer a hold.
    Choose {
        /// Which, by its number: another one is refused.
        hold: u64,
        /// What is chosen.
        choice: Choice,
        /// As of `Cancel`.
        erase: ErasePolicy,
    },
    /// Switch it.
    Power {
        /// On or off.
        on: bool,
    },
    /// Give it to an instance.
    Assign(Owner),
    /// Give it to an instance that runs on it already.
    Adopt(Owner),
    /// The instance gives it back.
    Release {
        /// Which instance; another's request is refused.
        instance: InstanceId,
        /// How its disks are to be wiped.
        erase: ErasePolicy,
        /// Who asked for that, in words, where that is known.
        by: Option<String>,
    },
    /// Write the root disk of its instance anew.
    Reinstall(Reinstall),
    /// Do planned work on it, in this order, after which it is what it was.
    Service(Vec<ServiceStep>),
    /// Let its instance's machine run the rescue system.
    Rescue {
        /// Which instance; another's request is refused.
        instance: InstanceId,
        /// Who may log in as root: SSH public keys, of which there is one at least.
        authorized_keys: Vec<String>,
    },
    /// End that.
    Unrescue {
        /// Which instance; another's request is refused.
        instance: InstanceId,
    },
    /// Forget the owner whose release is done.
    Disown {
        /// Which instance.
        instance: InstanceId,
    },
    /// Leave a disk out of the wiping that is held, and retire the machine.
    SkipDisk {
        /// The hold, as of `Choose`.
        hold: u64,
        /// The disk's serial number.
        disk: String,
    },
    /// Let this disk get the system of the deployment that is held.
    UseDisk {
        /// The hold, as of `Choose`.
        hold: u64,
        /// The disk's serial number.
        disk: String,
    },
    /// Its BMC was set (`true`) or taken away.
    Bmc(bool),
    /// In or out of maintenance.
    Maintenance(bool),
    /// What is on its disks is to stay, or no longer.
    Protected(bool),
    /// It is to get no new instance, or to get them again.
    Retired(bool),
}

/// What an instance is to be installed with anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reinstall {
    /// Which instance; another's request is refused.
    pub instance: InstanceId,
    /// SHA-256 of the image's manifest, hex.
    pub manifest: String,
    /// Bytes of the disk that the image makes.
    pub disk_bytes: u64,
    /// The root disk's serial number, for a machine of which it is not known.
    pub root_disk_serial: Option<String>,
}

/// Why a request is refused. Display says what would mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was not taken in.
    #[error("nobody accepted this machine yet; `billet machine accept` takes it in")]
    NotAccepted,
    /// It has no BMC.
    #[error("this machine has no BMC; give it one with `billet machine set --bmc`")]
    NoBmc,
    /// It belongs to an instance.
    #[error("an instance owns this machine; release it with `billet instance delete` first")]
    Owned,
    /// It is in the wrong state.
    #[error("this can't be done while the machine is {state}{}", mend(*.state))]
    State {
        /// The state.
        state: Word,
    },
    /// Nothing is held.
    #[error(
        "nothing is held on this machine, and nothing waits to be tried again; `billet why` says what it is at"
    )]
    NotHeld,
    /// Another hold than the one that was answered.
    #[error(
        "hold {asked} is over: the machine is held for another reason now (hold {stands}); look at it again with `billet why`"
    )]
    OtherHold {
        /// The one that was answered.
        asked: u64,
        /// The one that stands.
        stands: u64,
    },
    /// This can't be chosen.
    #[error("`{}` can't be chosen for what is held now; {offered}", choice.word())]
    NoChoice {
        /// What was chosen.
        choice: Choice,
        /// What can be, as half a sentence.
        offered: String,
    },
    /// Nothing runs that could be stopped so.
    #[error(
        "nothing runs on this machine that could be cancelled; an instance that runs is given back with `billet instance delete`"
    )]
    NothingToCancel,
    /// A release that does not wipe just now.
    #[error(
        "a release can't be cancelled: what its last instance wrote has to be wiped before anybody gets this machine; let it go on (once the wiping is due, `billet machine cancel` pauses it), and if it is held, `billet why` says what may be chosen"
    )]
    NotWiping,
    /// What is on its disks is to stay.
    #[error(
        "the machine is protected: what is on its disks stays; lift that first with `billet machine set NAME --protected off`"
    )]
    Protected,
    /// It is too late to protect it.
    #[error(
        "its instance is being given back, so its disks are being wiped, and protection comes too late; `billet machine cancel` pauses a wiping"
    )]
    GivenBack,
    /// It can't be protected yet.
    #[error(
        "an instance has this machine, and its disks are about to be written, which protection would not stop; `billet machine cancel NAME` first, then protect it"
    )]
    ToBeWritten,
    /// It can't be protected yet.
    #[error(
        "data disks of this machine are about to be erased in its servicing, which protection would not stop; `billet machine cancel NAME` first, then protect it"
    )]
    ToBeErased,
    /// It can't be serviced so.
    #[error(transparent)]
    Service(#[from] NoService),
    /// It is written anew already.
    #[error(
        "its instance is being installed anew already; wait for its end, or stop it with `billet machine cancel NAME`"
    )]
    Reinstalling,
    /// There is nothing on a disk to be written anew.
    #[error(
        "its instance runs from RAM, so nothing of it is on a disk that could be written anew; `billet machine power off NAME`, then `power on`, boots its image afresh, another image needs another instance"
    )]
    RunsFromRam,
    /// It needs a restart, which the instance does not survive.
    #[error(
        "its instance runs from RAM, and is gone with the restart that this needs; `billet machine power off NAME`, then `power on`, boots its image afresh, `billet instance delete` gives the machine back"
    )]
    EndsWithRam,
    /// It is in rescue, or on its way there or back.
    #[error(
        "its instance is in rescue, or on its way there or back; end that with `billet instance unrescue` and wait until it runs"
    )]
    Rescued,
    /// There is no rescue to end.
    #[error("its instance is not in rescue; `billet instance rescue NAME --ssh-key FILE` begins one")]
    NotRescued,
    /// It is too late to go back.
    #[error(
        "the reinstallation is stopped already, and the old system is gone: its root disk was written to; `billet machine retry NAME` writes it anew, `billet instance delete` gives the machine back"
    )]
    OldSystemGone,
    /// It is not known, or another one than was said, which disk is the root disk.
    #[error(transparent)]
    RootDisk(#[from] NoRootDisk),
    /// This disk can't be left out.
    #[error("disk `{disk}` can't be left out of what is held now; {}", disks_in_words(.there))]
    NoSkip {
        /// The disk.
        disk: String,
        /// Those that can be.
        there: Vec<String>,
    },
    /// This disk can't be chosen.
    #[error("disk `{disk}` can't be chosen for the system now; {}", usable_in_words(.there))]
    NoUse {
        /// The disk.
        disk: String,
        /// Those that can be.
        there: Vec<String>,
    },
    /// A disk in it was never wiped.
    #[error(
        "disk `{disk}` was left out when the machine was wiped, and is still in it; take it out, then `billet machine inspect NAME`"
    )]
    Unwiped {
        /// The disk.
        disk: String,
    },
    /// It has served its time.
    #[error("the machine is retired; lift that with `billet machine set NAME --retired off`")]
    Retired,
    /// An operator works on it.
    #[error("the machine is in maintenance; end that with `billet machine set NAME --maintenance off`")]
    Maintenance,
    /// Another instance owns it.
    #[error("another instance owns this machine")]
    NotYours,
    /// A job runs.
    #[error(
        "a job runs on this machine; wait for its end (an inspection or a servicing can be cancelled, a deployment be given back)"
    )]
    Busy,
    /// The database was restored, and nobody confirmed yet what is known of it.
    #[error(
        "the database was restored from a backup, and nobody confirmed yet what is known of this machine; `billet why NAME` says what may be chosen"
    )]
    Unconfirmed,
    /// Its firmware is being updated.
    #[error(
        "its BMC is at a firmware update ({what}), and a machine that is switched meanwhile may never start again; `billet bmc task list` shows it, `billet bmc task forget` lets it go"
    )]
    Updating {
        /// What is updated.
        what: String,
    },
}

/// A state's word in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word(pub MachineState);

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(crate::decide::word(self.0))
    }
}

fn usable_in_words(disks: &[String]) -> String {
    if disks.is_empty() {
        return "disks are chosen for a deployment that is held because it is not clear which one is meant, nowhere else".into();
    }
    format!("there is `{}`", disks.join("`, `"))
}

fn disks_in_words(disks: &[String]) -> String {
    if disks.is_empty() {
        return "disks are left out of a wiping that is held, nowhere else".into();
    }
    format!("there is `{}`", disks.join("`, `"))
}

fn mend(Word(state): Word) -> &'static str {
    match state {
        MachineState::Discovered => "; it has to be inspected first",
        MachineState::Available => "",
        MachineState::Inspecting
        | MachineState::Deploying
        | MachineState::Releasing
        | MachineState::Servicing => "; wait for its end",
        MachineState::Deployed => "; release its instance first",
        MachineState::Rescue => "; end that with `billet instance unrescue` and wait until its instance runs",
    }
}

/// Decides about a request. Repeating one that is already so changes nothing and is no error.
pub fn admit(machine: &Machine, request: &Request) -> Result<Machine, Refusal> {
    let mut next = machine.clone();
    let want = &mut next.want;
    match request {
        Request::Accept => {
            // The first acceptance asks for the first inspection.
            want.accepted = true;
            want.inspect = want.inspect.max(1);
        }
        Request::Inspect => {
            check_free(machine)?;
            if machine.running_job().is_some() {
                return Err(Refusal::Busy);
            }
            want.inspect += 1;
        }
        Request::Retry => want.retry = want.retry.max(tried(machine)? + 1),
        Request::Cancel { erase } => {
            // A reinstallation that did not begin is only a wish.
            if !wishes_to_reinstall(machine) {
                check_confirmed(machine)?;
            }
            // It ran, and is only started again: to end it is somebody else's word.
            if starts_again(machine) {
                return Err(Refusal::NothingToCancel);
            }
            cancel(&mut next, *erase)?;
        }
        Request::SkipDisk { hold, disk } => return skip_disk(machine, *hold, disk),
        Request::UseDisk { hold, disk } => return use_disk(machine, *hold, disk),
        Request::Choose { hold, choice, erase } => return choose(machine, *hold, *choice, *erase),
        Request::Power { on } => {
            check_power(machine)?;
            want.power = Some(PowerWish { on: *on, number: want.power.map_or(0, |wish| wish.number) + 1 });
        }
        // The same instance again: already so, and a release that it asked for meanwhile stands.
        Request::Assign(owner) if want.owner.as_ref().is_some_and(|now| now.instance == owner.instance) => {}
        Request::Assign(owner) => {
            check_assign(machine)?;
            want.owner = Some(owner.clone());
        }
        Request::Adopt(owner) => adopt(&mut next, owner)?,
        Request::Release { instance, erase, by } => release(&mut next, *instance, (*erase, by.as_ref()))?,
        Request::Reinstall(asked) => reinstall(&mut next, asked)?,
        Request::Service(steps) => service::ask(&mut next, steps)?,
        Request::Rescue { instance, authorized_keys } => rescue(&mut next, *instance, authorized_keys)?,
        Request::Unrescue { instance } => unrescue(&mut next, *instance)?,
        Request::Disown { instance } => disown(&mut next, *instance)?,
        Request::Bmc(has) => {
            if !has && machine.running_job().is_some() {
                return Err(Refusal::Busy);
            }
            want.bmc = *has;
        }
        Request::Maintenance(on) => want.maintenance = *on,
        Request::Protected(on) => {
            if *on {
                check_protect(machine)?;
            }
            want.protected = *on;
        }
        Request::Retired(on) => {
            if let Some(disk) = left_out(machine).or_else(|| unwiped(machine)).filter(|_| !on) {
                return Err(Refusal::Unwiped { disk: disk.clone() });
            }
            want.retired = *on;
        }
    }
    Ok(next)
}

/// Up to which request to try again all are dealt with, if another one may come. Writing again what may run by now is
/// no mend for a machine whose disks are to stay as they are.
fn tried(machine: &Machine) -> Result<u64, Refusal> {
    if machine.want.protected && may_write_over(machine) {
        return Err(Refusal::Protected);
    }
    match &machine.state.hold {
        // What is confirmed with it is not what it was; that is another choice.
        Some(hold) if hold.restored && machine.running_job().is_none() && given_back(machine) => {
            Err(Refusal::Unconfirmed)
        }
        Some(hold) => Ok(hold.retry),
        None if waits_to_try(machine) || machine.rests_in_rescue() => Ok(machine.state.retry),
        None => Err(Refusal::NotHeld),
    }
}

/// Whether protection would keep anything: not what is being wiped, nor what is about to be written.
fn check_protect(machine: &Machine) -> Result<(), Refusal> {
    match &machine.want.owner {
        _ if !machine.want.protected && service::is_to_erase(machine) => Err(Refusal::ToBeErased),
        Some(owner) if owner.release.is_some() => Err(Refusal::GivenBack),
        Some(_) if !machine.want.protected && to_be_written(machine) => Err(Refusal::ToBeWritten),
        _ => Ok(()),
    }
}

/// Whether its root disk is about to be written, for the first time or anew.
fn to_be_written(machine: &Machine) -> bool {
    !machine.state.dirty || machine.reinstalls() && !machine.is_written()
}

/// Whether the step in hand failed, and waits for its next try.
fn waits_to_try(machine: &Machine) -> bool {
    let step = machine.running_job().and_then(Job::current);
    step.is_some_and(|step| step.not_before.is_some())
}

/// Whether its instance, which ran from RAM, is being started again.
fn starts_again(machine: &Machine) -> bool {
    let ran = |owner: &Owner| {
        let reported = machine.facts.phoned_home;
        owner.release.is_none() && reported.is_some_and(|(instance, _)| instance == owner.instance)
    };
    machine.runs_from_ram()
        && machine.state.name == MachineState::Deploying
        && machine.want.owner.as_ref().is_some_and(ran)
}

/// What is stopped when it is not to go on.
pub(crate) fn cancel(machine: &mut Machine, erase: ErasePolicy) -> Result<(), Refusal> {
    // One that waits for leave to wipe is as good as wiping: its turn may come at any moment.
    let wipes = machine.state.dirty && Erasing::of_machine(machine).is_some();
    let goes_back = machine.running_job().is_some_and(|job| job.kind == JobKind::Reinstall);
    let returns = machine.running_job().is_some_and(Job::only_returns);
    let to_be_adopted = is_to_be_adopted(machine);
    let rescued = machine.is_rescued();
    let gone = machine.is_written() && machine.state.hold.is_some();
    let asked = service::is_asked(machine) && machine.running_job().is_none();
    let (want, state) = (&mut machine.want, &machine.state);
    match (state.name, &mut want.owner) {
        // Its job did not begin yet.
        _ if asked => want.service = None,
        (MachineState::Servicing, _) => {
            if !returns {
                want.cancel = want.cancel.max(state.cancel + 1);
            }
        }
        (MachineState::Inspecting, _) => {
            // One that was cut short is cancelled already.
            if !machine.job.as_ref().is_some_and(Job::only_rests) {
                want.cancel = want.cancel.max(state.cancel + 1);
            }
        }
        // Whether it is asked for, begun, or rests there: nothing is taken from anybody.
        (MachineState::Deployed | MachineState::Rescue, Some(owner))
            if rescued && owner.release.is_none() =>
        {
            owner.rescue = None;
        }
        // Its job did not begin yet.
        (MachineState::Deployed, Some(owner)) if owner.installation > state.installation => {
            owner.installation = state.installation;
        }
        (MachineState::Deploying, Some(owner)) if goes_back && owner.release.is_none() => {
            if gone {
                return Err(Refusal::OldSystemGone);
            }
            if !returns {
                want.cancel = want.cancel.max(state.cancel + 1);
            }
        }
        _ if to_be_adopted => return Err(Refusal::NothingToCancel),
        (MachineState::Available | MachineState::Deploying, Some(owner)) => {
            // What was not written yet stays as it is: it is only switched off.
            if want.protected && state.dirty && owner.release.is_none() {
                return Err(Refusal::Protected);
            }
            owner.release.get_or_insert(erase);
        }
        (MachineState::Releasing, _) if wipes => want.cancel = want.cancel.max(state.cancel + 1),
        (MachineState::Releasing, _) => return Err(Refusal::NotWiping),
        _ => return Err(Refusal::NothingToCancel),
    }
    Ok(())
}

/// Whether this instance has the machine, and was not given back.
pub(crate) fn check_owner(machine: &Machine, instance: InstanceId) -> Result<(), Refusal> {
    match &machine.want.owner {
        Some(owner) if owner.instance != instance => Err(Refusal::NotYours),
        Some(owner) if owner.release.is_some() => Err(Refusal::GivenBack),
        Some(_) => Ok(()),
        None => Err(Refusal::NotYours),
    }
}

pub(crate) fn check_confirmed(machine: &Machine) -> Result<(), Refusal> {
    if is_unconfirmed(machine) { Err(Refusal::Unconfirmed) } else { Ok(()) }
}

/// Whether it is to be installed anew, and no job of that began.
fn wishes_to_reinstall(machine: &Machine) -> bool {
    let asked =
        machine.want.owner.as_ref().is_some_and(|owner| owner.installation > machine.state.installation);
    asked && machine.state.name == MachineState::Deployed
}

fn check_free(machine: &Machine) -> Result<(), Refusal> {
    check_confirmed(machine)?;
    if !machine.want.accepted {
        return Err(Refusal::NotAccepted);
    }
    if machine.want.owner.is_some() {
        return Err(Refusal::Owned);
    }
    if !machine.want.bmc {
        return Err(Refusal::NoBmc);
    }
    Ok(())
}

fn check_power(machine: &Machine) -> Result<(), Refusal> {
    check_confirmed(machine)?;
    if !machine.want.accepted {
        return Err(Refusal::NotAccepted);
    }
    if !machine.want.bmc {
        return Err(Refusal::NoBmc);
    }
    if let Some(task) = machine.facts.firmware.as_ref().filter(|task| task.locks()) {
        return Err(Refusal::Updating { what: task.what.clone() });
    }
    // While the new system boots, power is the operator's: the machine may have lost it.
    let booting = |job: &Job| job.current().is_some_and(|step| step.name == StepName::PhoneHome);
    if machine.running_job().is_some_and(|job| !booting(job)) {
        return Err(Refusal::Busy);
    }
    Ok(())
}

fn check_assign(machine: &Machine) -> Result<(), Refusal> {
    check_free(machine)?;
    if machine.want.maintenance {
        return Err(Refusal::Maintenance);
    }
    if let Some(disk) = unwiped(machine) {
        return Err(Refusal::Unwiped { disk: disk.clone() });
    }
    if machine.want.retired {
        return Err(Refusal::Retired);
    }
    if machine.want.protected {
        return Err(Refusal::Protected);
    }
    let asked = machine.want.inspect > machine.state.inspect || service::is_asked(machine);
    if machine.state.name != MachineState::Available || asked {
        return Err(Refusal::State { state: Word(machine.state.name) });
    }
    Ok(())
}

/// Its instance gives it back.
fn release(
    machine: &mut Machine,
    instance: InstanceId,
    (erase, by): (ErasePolicy, Option<&String>),
) -> Result<(), Refusal> {
    let to_be_adopted = is_to_be_adopted(machine);
    let (want, state) = (&mut machine.want, &machine.state);
    let Some(owner) = want.owner.as_mut().filter(|owner| owner.instance == instance) else {
        return Err(Refusal::NotYours);
    };
    if want.protected && owner.release.is_none() {
        return Err(Refusal::Protected);
    }
    // What may be on its disks is not in the books yet.
    if to_be_adopted {
        return Err(Refusal::State { state: Word(state.name) });
    }
    // The first word on erasing stands, but for one that came to nothing: else it would be held for ever.
    if owner.release.is_none() || state.hold.is_some() {
        owner.release = Some(erase);
        want.released_by = by.cloned();
    }
    Ok(())
}

/// Ownership ends only when the machine is back among the available: never while its disks may hold something.
fn disown(machine: &mut Machine, instance: InstanceId) -> Result<(), Refusal> {
    let Some(owner) = &machine.want.owner else { return Ok(()) };
    if owner.instance != instance {
        return Err(Refusal::NotYours);
    }
    if machine.state.name != MachineState::Available || owner.release.is_none() {
        return Err(Refusal::State { state: Word(machine.state.name) });
    }
    machine.want.released_by = None;
    // Documents of earlier versions don't say who it was.
    machine.want.last =
        machine.want.owner.take().map(|owner| owner.name).filter(|last| !last.name.is_empty());
    Ok(())
}
