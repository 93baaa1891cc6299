//! Forgetting a machine that is scrap: what is on its disks can't be wiped any more, and its release would be held for
//! ever. Whoever says so names each disk that was not wiped: nothing is forgotten by a slip, or by what was true before.
//!
//! Deliberately not here: to forget a machine that is clean and nobody's (the API's `delete`), and to leave one disk out of
//! a wiping that goes on (`choice`).

use crate::{
    admit::Refusal,
    confirm::is_unconfirmed,
    foreign::owed,
    machine::{Job, Machine},
    plan::StepName,
    shell::shell_word,
    wipe::{serials, skipped},
};
use provisioner_api::{JobKind, StepPhase};

/// Why a machine can't be forgotten as scrap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoScrap {
    /// Hands are to be kept off it, or another hold stands.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its instance was not given back.
    #[error(
        "an instance has this machine and was not given back; `billet instance delete` first, and once the wiping is held the machine can be forgotten as scrap"
    )]
    Owned,
    /// Work goes on.
    #[error(
        "work goes on on this machine, so it is not scrap yet; it can be forgotten so once that is held, or ended with `billet machine cancel NAME`"
    )]
    Working,
    /// It is held, and the hold was not named.
    #[error(
        "the machine is held: give the number of that hold ({stands}) as `hold`, so that it is the one that you saw"
    )]
    Held {
        /// Its number.
        stands: u64,
    },
    /// Other disks were named than those that are not known to be wiped.
    #[error("{}", disks_in_words(.unwiped))]
    Disks {
        /// Those that are not.
        unwiped: Vec<String>,
    },
}

fn disks_in_words(disks: &[String]) -> String {
    if disks.is_empty() {
        return "no disk of this machine is known to be unwiped: `unwiped` must name none".into();
    }
    let options: Vec<_> = disks.iter().map(|disk| format!("--unwiped {}", shell_word(disk))).collect();
    format!(
        "`unwiped` must name exactly the disks of this machine that are not known to be wiped: `{}` (`billet machine delete NAME --scrap {}`)",
        disks.join("`, `"),
        options.join(" ")
    )
}

/// Whether a machine may be forgotten as scrap, by the number of the hold that was seen and the serial numbers of all
/// disks that are not known to be wiped. Answers the latter.
///
/// # Errors
/// Somebody needs it, work goes on, or what was said is not so.
pub fn scrap(machine: &Machine, hold: Option<u64>, named: &[String]) -> Result<Vec<String>, NoScrap> {
    if machine.want.protected {
        return Err(Refusal::Protected.into());
    }
    if is_unconfirmed(machine) {
        return Err(Refusal::Unconfirmed.into());
    }
    match (hold, machine.state.hold.as_ref().map(|hold| hold.number)) {
        (Some(asked), Some(stands)) if asked != stands => {
            return Err(Refusal::OtherHold { asked, stands }.into());
        }
        (Some(_), None) => return Err(Refusal::NotHeld.into()),
        (None, Some(stands)) => return Err(NoScrap::Held { stands }),
        _ => {}
    }
    if machine.want.owner.as_ref().is_some_and(|owner| owner.release.is_none()) {
        return Err(NoScrap::Owned);
    }
    let at_work = machine.running_job().is_some() || machine.want.owner.is_some();
    if at_work && machine.state.hold.is_none() {
        return Err(NoScrap::Working);
    }
    let unwiped = not_wiped(machine);
    let mut named = named.to_vec();
    named.sort();
    named.dedup();
    if named == unwiped { Ok(unwiped) } else { Err(NoScrap::Disks { unwiped }) }
}

/// The command that forgets a machine whose release is held, if nothing else stands against that; `{machine}` stands for
/// its name.
pub fn scrap_command(machine: &Machine) -> Option<String> {
    let release = machine.running_job().is_some_and(|job| job.kind == JobKind::Release);
    let hold = machine.state.hold.as_ref().filter(|_| release)?;
    let unwiped = not_wiped(machine);
    scrap(machine, Some(hold.number), &unwiped).ok()?;
    let options: String = unwiped.iter().map(|disk| format!(" --unwiped {}", shell_word(disk))).collect();
    Some(format!("billet machine delete {{machine}} --scrap{options}"))
}

/// The disks that are not known to be wiped: left out, or all while what was written is not proven to be gone.
fn not_wiped(machine: &Machine) -> Vec<String> {
    let mut disks = machine.state.unwiped.clone();
    disks.extend(skipped(machine));
    if machine.state.dirty && !machine.running_job().is_some_and(is_wiped) {
        disks.extend(owed(machine));
        disks.extend(serials(machine));
    }
    disks.sort();
    disks.dedup();
    disks
}

/// Whether there is proof for each disk that it wipes.
fn is_wiped(job: &Job) -> bool {
    // A servicing wipes some disks only.
    job.kind == JobKind::Release
        && job.steps.iter().any(|step| step.name == StepName::Erase && step.phase == StepPhase::Done)
}
