//! Follows a firmware update at a machine's BMC to its end, through restarts of the service and of the BMC.

use crate::{
    clock,
    service::{Change, Service, ServiceError},
    store::{MachineRecord, NewEvent},
    text::without_secrets,
};
use bmc::{Bmc, BmcError, Task, TaskHandle, TaskState};
use jiff::{SignedDuration, Timestamp};
use provisioner_lifecycle::{Fact, FirmwareTask, observe};

/// How often a BMC is asked how far it is.
const LOOK: SignedDuration = SignedDuration::from_secs(3);

/// After how long without any progress somebody is told.
const STALLED: SignedDuration = SignedDuration::from_hours(1);

/// After how long somebody is told that no task is found of an update whose answer was lost: some BMCs show it only when
/// they have the image.
const SEARCH: SignedDuration = SignedDuration::from_mins(2);

/// After how many percent it is told how far it is.
const MILESTONES: [u8; 3] = [25, 50, 75];

/// Looks at the update, if there is one and a look is due; answers when to look again. `asked` is when the BMC was last
/// asked: it is asked each few seconds, and that nothing is new is not written down.
pub(super) async fn follow(
    service: &Service,
    record: &MachineRecord,
    asked: &mut Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, ServiceError> {
    let Some(task) = &record.machine.facts.firmware else {
        *asked = None;
        return Ok(None);
    };
    let due = asked.map_or(now, |asked| asked.saturating_add(LOOK).unwrap_or(now));
    let next = now.saturating_add(LOOK).unwrap_or(now);
    if due > now {
        return Ok(Some(due));
    }
    // Whoever asks the BMC for it just now does a deed; what comes of it is not known yet.
    if service.bmcs.deed(record.id()).try_lock().await.is_none() {
        return Ok(Some(next));
    }
    let (after, told) = match service.bmcs.driver(record).await {
        Ok(Some(bmc)) => look(&*bmc, task, now).await,
        Ok(None) => (
            None,
            vec![format!(
                "the machine has no BMC any more: its firmware update ({}) is no longer followed",
                task.what
            )],
        ),
        Err(ServiceError::Key(_)) => (Some(task.clone()), Vec::new()),
        Err(error) => return Err(error),
    };
    *asked = Some(now);
    if told.is_empty() && after.as_ref().is_some_and(|after| !is_news(task, after)) {
        return Ok(Some(next));
    }
    let ended = after.is_none();
    let events: Vec<_> = told.into_iter().map(|told| NewEvent::machine(record.id(), "bmc", told)).collect();
    service
        .machine_change_loaded(record, |record, now| {
            // Somebody had it forgotten meanwhile, or began another one.
            if record.machine.facts.firmware.as_ref() != Some(task) {
                return Ok::<_, ServiceError>(None);
            }
            let machine = observe(&record.machine, &Fact::Firmware(after.clone()), now);
            let change = Change::new(MachineRecord { machine, ..record.clone() }, events.clone());
            // Only its end, and that it waits for a boot, lets others go on.
            let quiet = after.as_ref().is_some_and(|after| after.awaits_boot == task.awaits_boot);
            Ok(Some(Change { quiet, ..change }))
        })
        .await?;
    Ok(Some(if ended { clock::now() } else { next }))
}

/// Whether more is known than that it was looked at.
fn is_news(before: &FirmwareTask, after: &FirmwareTask) -> bool {
    FirmwareTask { seen: before.seen, ..after.clone() } != *before
}

/// Asks the BMC; what is so now, and what is to be told.
async fn look(bmc: &dyn Bmc, task: &FirmwareTask, now: Timestamp) -> (Option<FirmwareTask>, Vec<String>) {
    let Some(tasks) = bmc.tasks() else {
        let told = format!(
            "the firmware update ({}) can't be followed: the BMC shows no tasks; `billet bmc firmware list` shows the versions",
            task.what
        );
        return (None, vec![told]);
    };
    let seen = match &task.handle {
        Some(handle) => tasks.task(&TaskHandle(handle.clone())).await.map(|seen| news(task, &seen, now)),
        None => tasks.tasks().await.map(|all| search(task, &all, now)),
    };
    // A BMC that starts anew with its new firmware is silent for minutes; that says nothing of the update.
    seen.unwrap_or_else(|error| silence(task, &error, now))
}

/// The BMC could not be asked.
fn silence(task: &FirmwareTask, error: &BmcError, now: Timestamp) -> (Option<FirmwareTask>, Vec<String>) {
    tracing::debug!(error = crate::text::logged(error), "a firmware update's task can't be read");
    let told = stalled(task, now).map(|told| format!("{told}; the BMC can't be asked: {error}"));
    (Some(FirmwareTask { seen: now, ..task.clone() }), told.into_iter().collect())
}

/// Whether a long time without news was just reached.
fn stalled(task: &FirmwareTask, now: Timestamp) -> Option<String> {
    let late = |at: Timestamp| at.duration_since(task.moved) >= STALLED;
    (late(now) && !late(task.seen)).then(|| {
        format!("the firmware update ({}) has made no progress for {} minutes", task.what, STALLED.as_mins())
    })
}

/// What a task that was read means.
fn news(task: &FirmwareTask, seen: &Task, now: Timestamp) -> (Option<FirmwareTask>, Vec<String>) {
    let what = &task.what;
    let said = seen.messages.last().map(|said| format!(": {}", without_secrets(said))).unwrap_or_default();
    let end = match seen.state {
        TaskState::Done => Some(format!("the firmware update ({what}) is done{said}")),
        TaskState::Failed => Some(format!("the firmware update ({what}) failed{said}")),
        TaskState::Gone => Some(format!(
            "the BMC doesn't know the task of the firmware update ({what}) any more; `billet bmc firmware list` shows whether the version is the new one"
        )),
        TaskState::Running | TaskState::AwaitsBoot => None,
    };
    if let Some(end) = end {
        return (None, vec![end]);
    }
    let awaits_boot = seen.state == TaskState::AwaitsBoot;
    let percent = seen.percent.or(task.percent);
    let moved = percent != task.percent || awaits_boot != task.awaits_boot;
    let mut told = Vec::new();
    if awaits_boot && !task.awaits_boot {
        told.push(format!("the firmware update ({what}) goes on when the machine boots{said}"));
    }
    if !awaits_boot && task.awaits_boot {
        told.push(format!("the firmware update ({what}) goes on: the machine is not switched until its end"));
    }
    let (before, after) = (task.percent.unwrap_or(0), percent.unwrap_or(0));
    if let Some(mark) = MILESTONES.iter().rev().find(|mark| (before..after).contains(&(**mark - 1))) {
        told.push(format!("the firmware update ({what}) is {mark} % done"));
    }
    // One that waits for a boot may wait for weeks.
    if !moved && !awaits_boot {
        told.extend(stalled(task, now).map(|told| format!("{told}{said}")));
    }
    let moved = if moved { now } else { task.moved };
    (Some(FirmwareTask { percent, awaits_boot, seen: now, moved, ..task.clone() }), told)
}

/// The BMC was asked, and the answer was lost: what it is at tells whether it took the update.
fn search(task: &FirmwareTask, all: &[Task], now: Timestamp) -> (Option<FirmwareTask>, Vec<String>) {
    let what = &task.what;
    let news = |seen: &&Task| !task.others.contains(&seen.handle.0);
    let Some(found) = all.iter().rfind(news) else {
        let late = |at: Timestamp| at.duration_since(task.started) >= SEARCH;
        // A BMC may write firmware without a task that shows it: only a person knows when that is over.
        let told = (late(now) && !late(task.seen)).then(|| {
            format!(
                "whether the BMC took the firmware update ({what}) is not known: its answer was lost, and it shows no task for it; nobody switches the machine until somebody looked at the BMC and let it go with `billet bmc task forget -`"
            )
        });
        return (Some(FirmwareTask { seen: now, ..task.clone() }), told.into_iter().collect());
    };
    let told = format!(
        "the BMC's answer about the firmware update ({what}) was lost; its task {} is taken for it",
        found.handle.0
    );
    (Some(FirmwareTask { handle: Some(found.handle.0.clone()), seen: now, ..task.clone() }), vec![told])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn begun() -> FirmwareTask {
        FirmwareTask {
            handle: Some("/t/1".into()),
            what: "bios.bin".into(),
            others: Vec::new(),
            started: at(0),
            percent: None,
            awaits_boot: false,
            seen: at(0),
            moved: at(0),
        }
    }

    fn shown(state: TaskState, percent: Option<u8>) -> Task {
        Task {
            handle: TaskHandle("/t/1".into()),
            name: "update".into(),
            state,
            percent,
            messages: vec!["first".into(), "last".into()],
        }
    }

    #[test]
    fn each_milestone_is_told_once_and_only_the_highest_that_was_passed() {
        let (mut task, mut told) = (begun(), Vec::new());
        for percent in [0, 3, 25, 25, 49, 80, 80, 99, 100] {
            let (after, news) = news(&task, &shown(TaskState::Running, Some(percent)), at(10));
            task = after.unwrap();
            told.extend(news.into_iter().map(|line| line.rsplit(" is ").next().unwrap().to_owned()));
        }
        assert_eq!(told, ["25 % done", "75 % done"]);
    }

    #[test]
    fn ends_are_told_and_let_go() {
        for (state, words) in [
            (TaskState::Done, "is done: last"),
            (TaskState::Failed, "failed: last"),
            (TaskState::Gone, "doesn't know the task"),
        ] {
            let (after, told) = news(&begun(), &shown(state, None), at(10));
            assert_eq!(after, None);
            assert!(told.len() == 1 && told[0].contains(words), "{told:?}");
        }
    }

    #[test]
    fn one_that_waits_for_a_boot_does_not_lock_until_it_goes_on() {
        let (after, told) = news(&begun(), &shown(TaskState::AwaitsBoot, Some(50)), at(10));
        let after = after.unwrap();
        assert!(!after.locks() && told[0].contains("when the machine boots"), "{told:?}");
        assert!(is_news(&begun(), &after));
        // It may wait for weeks.
        let month = at(30 * 86_400);
        let (waiting, told) = news(&after, &shown(TaskState::AwaitsBoot, Some(50)), month);
        assert!(told.is_empty(), "{told:?}");
        assert!(!is_news(&after, waiting.as_ref().unwrap()), "nothing to write down");
        let (after, told) = news(&waiting.unwrap(), &shown(TaskState::Running, Some(50)), month);
        assert!(after.unwrap().locks() && told[0].contains("goes on"), "{told:?}");
    }

    #[test]
    fn that_nothing_moves_is_told_once_and_changes_nothing() {
        let (mut task, mut told) = (begun(), Vec::new());
        for minute in 1..200 {
            let (after, news) = news(&task, &shown(TaskState::Running, Some(7)), at(minute * 60));
            task = after.unwrap();
            told.extend(news);
        }
        assert!(told.len() == 1 && told[0].contains("no progress for 60 minutes"), "{told:?}");
        assert!(task.locks());
        let error = BmcError::Unknown { address: "a".into(), during: "x" };
        let (after, told) =
            silence(&FirmwareTask { moved: at(0), seen: at(3599), ..begun() }, &error, at(3600));
        assert!(after.unwrap().locks() && told[0].contains("can't be asked"), "{told:?}");
    }

    #[test]
    fn what_the_bmc_is_at_tells_whether_it_took_an_update_whose_answer_was_lost() {
        let old = |id: &str| Task { handle: TaskHandle(id.into()), ..shown(TaskState::Running, None) };
        let lost = FirmwareTask { handle: None, others: vec!["/t/0".into(), "/t/9".into()], ..begun() };
        // What it was at before is not it; the task may come yet.
        let (after, told) = search(&lost, &[old("/t/0"), old("/t/9")], at(10));
        assert!(told.is_empty() && after.as_ref().is_some_and(FirmwareTask::locks), "{told:?}");
        // It is told once that a person has to look; until then it locks.
        let (after, told) = search(&after.unwrap(), &[old("/t/0")], at(120));
        assert!(told.len() == 1 && told[0].contains("not known"), "{told:?}");
        let (after, told) = search(&after.unwrap(), &[old("/t/0")], at(1000));
        assert!(told.is_empty() && after.is_some_and(|after| after.locks()), "{told:?}");
        // One that ended already is told with its end at the next look.
        for state in [TaskState::Running, TaskState::AwaitsBoot, TaskState::Failed] {
            let (after, _) = search(&lost, &[old("/t/0"), shown(state, None), old("/t/9")], at(10));
            assert_eq!(after.unwrap().handle.as_deref(), Some("/t/1"));
        }
    }
}
