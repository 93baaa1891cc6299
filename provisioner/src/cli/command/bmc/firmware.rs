//! `billet bmc firmware`, `task`: updates and what takes long, followed to their end.

use super::{
    Asked, Question,
    way::{Image, Way},
};
use crate::cli::{
    args::{ApplyWord, FirmwareCommand, Output, TaskCommand, Update},
    error::CliError,
    signals::Signals,
    text::bytes,
    ui::Ui,
    view,
    wait::{TaskWatch, task_end},
};
use jiff::SignedDuration;
use provisioner_api::{BmcApplyTime, BmcFirmwareItem, BmcTask, BmcTaskState};
use std::path::Path;

/// `billet bmc firmware`.
pub(super) async fn run(asked: &mut Asked<'_>, way: &Way, command: FirmwareCommand) -> Result<(), CliError> {
    match command {
        FirmwareCommand::List(_) => {
            let items = way.firmware().await?.items;
            asked.ui.list(&items, |_| view::bmc_firmware(&items))
        }
        FirmwareCommand::Update(update) => self::update(asked, way, update).await,
    }
}

/// `billet bmc firmware update`.
async fn update(asked: &mut Asked<'_>, way: &Way, update: Update) -> Result<(), CliError> {
    let whose = way.whose();
    let what = update.url.clone().or_else(|| update.file.as_ref().map(|file| file.display().to_string()));
    let image = image(asked.ui, way, &update)?;
    let question = Question {
        what: &format!("update firmware of {whose} from {}", what.unwrap_or_default()),
        undone: &format!("no firmware of {whose} was updated"),
        consequence: "the machine or its BMC may restart, and an image that does not fit may break it",
    };
    asked.sure(update.sure, &question)?;
    // Once it is begun it goes on without us: a signal has to be answered with how to look at it.
    let mut signals = Signals::new()?;
    let before = tokio::select! {
        before = versions(way, &update.targets) => before?,
        error = signals.next() => return Err(error),
    };
    let apply = update.apply.map(|apply| match apply {
        ApplyWord::Immediate => BmcApplyTime::Immediate,
        ApplyWord::OnReset => BmcApplyTime::OnReset,
    });
    let started = tokio::select! {
        started = way.firmware_update(image, update.targets, apply) => started?,
        error = signals.next() => {
            asked.ui.note(&format!(
                "whether the update was begun is not known; `billet bmc task list {0}` and `billet bmc firmware list {0}` tell",
                way.typed()
            ));
            return Err(error);
        }
    };
    if update.no_wait {
        let done = format!("{whose}: the update is begun; `{}` follows it", to_follow(way, &started.id));
        return asked.ui.outcome(&started, &done);
    }
    let end = follow(asked, way, &started, update.timeout, true, &mut signals).await?;
    told(asked, way, &end, &before).await
}

/// Where the image comes from, as far as it can be checked here.
fn image(ui: &mut Ui, way: &Way, update: &Update) -> Result<Image, CliError> {
    let Some(path) = &update.file else {
        return Ok(Image::Url(update.url.clone().unwrap_or_default()));
    };
    if way.is_direct() {
        ui.note(&format!("{} ({}) is pushed to the BMC", path.display(), bytes(size(path)?)));
    }
    Ok(Image::File(path.clone()))
}

/// The size of a file with an image.
fn size(path: &Path) -> Result<u64, CliError> {
    let read = |source| CliError::File { what: "read the image", path: path.to_owned(), source };
    let found = std::fs::metadata(path).map_err(read)?;
    if !found.is_file() || found.len() == 0 {
        return Err(CliError::Input(format!(
            "{} is no image of firmware: it is empty, or no file",
            path.display()
        )));
    }
    Ok(found.len())
}

/// The firmware that there is; a target that is not among it is an error. A BMC that lists none is believed its
/// targets.
async fn versions(way: &Way, targets: &[String]) -> Result<Vec<BmcFirmwareItem>, CliError> {
    let items = match way.firmware().await {
        Ok(list) => list.items,
        Err(error) if error.is_unsupported() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let unknown =
        targets.iter().find(|target| !items.is_empty() && !items.iter().any(|item| item.id == **target));
    if let Some(target) = unknown {
        let ids: Vec<_> = items.iter().map(|item| item.id.as_str()).collect();
        return Err(CliError::Missing(format!(
            "{} has no firmware with the id {target}; there are {}",
            way.whose(),
            ids.join(", ")
        )));
    }
    Ok(items)
}

/// The command that follows a task.
fn to_follow(way: &Way, id: &str) -> String {
    format!("billet bmc task show {id} {} --wait", way.typed())
}

/// Follows a task to its end, or with `until_boot` to where only a boot helps on. A signal ends the following only.
async fn follow(
    asked: &mut Asked<'_>,
    way: &Way,
    task: &BmcTask,
    timeout: SignedDuration,
    until_boot: bool,
    signals: &mut Signals,
) -> Result<BmcTask, CliError> {
    let again = to_follow(way, &task.id);
    let object = format!("{}: {}", way.whose(), if task.name.is_empty() { "task" } else { &task.name });
    let watch = TaskWatch { object: &object, timeout, until_boot, again: &again };
    tokio::select! {
        end = task_end(asked.ui, &watch, async || way.task(&task.id).await) => end,
        error = signals.next() => {
            asked.ui.note(&format!("the BMC goes on with it; `{again}` follows it further"));
            Err(error)
        }
    }
}

/// Tells what came of an update: what the BMC said, and which versions are others now.
async fn told(
    asked: &mut Asked<'_>,
    way: &Way,
    end: &BmcTask,
    before: &[BmcFirmwareItem],
) -> Result<(), CliError> {
    let whose = way.whose();
    if !matches!(asked.ui.output, Output::Table | Output::Wide) {
        asked.ui.object(end, String::new)?;
    }
    if end.state == BmcTaskState::AwaitsBoot {
        return asked.ui.done(&format!("{whose}: the update waits for the machine's next boot"));
    }
    // The update is over, whatever the list says now.
    let after = way.firmware().await.map(|list| list.items).unwrap_or_default();
    let changes = view::bmc_firmware_changes(before, &after);
    for change in &changes {
        asked.ui.done(&format!("{whose}: {change}"))?;
    }
    match (end.state, changes.is_empty()) {
        (BmcTaskState::Gone, true) => Err(CliError::Task(format!(
            "{whose}: the BMC does not know the task any more, and all versions are as they were; look at its logs with `billet bmc log list {}`",
            way.typed()
        ))),
        (_, true) => asked.ui.done(&format!(
            "{whose}: the update is done; no version is another one yet, the next boot may be needed"
        )),
        (_, false) => asked.ui.done(&format!("{whose}: the update is done")),
    }
}

/// `billet bmc task`.
pub(super) async fn task(asked: &mut Asked<'_>, way: &Way, command: TaskCommand) -> Result<(), CliError> {
    let whose = way.whose();
    match command {
        TaskCommand::List(_) => {
            let tasks = way.tasks().await?.items;
            asked.ui.list(&tasks, |_| view::bmc_tasks(&tasks))
        }
        TaskCommand::Show { id, wait, timeout, .. } => {
            let mut signals = Signals::new()?;
            let id = full_id(way, id).await?;
            let mut task = way.task(&id).await?;
            if wait {
                task = follow(asked, way, &task, timeout, false, &mut signals).await?;
            }
            asked.ui.object(&task, || view::bmc_task(&task))?;
            if wait && task.state == BmcTaskState::Gone {
                return Err(CliError::Task(format!(
                    "whether the task came to a good end is not known: the BMC does not know it any more; compare the versions with `billet bmc firmware list {}`",
                    way.typed()
                )));
            }
            Ok(())
        }
        TaskCommand::Forget { id, sure, .. } => {
            // The BMC may have forgotten it, or be gone itself.
            let id = full_id(way, id.clone()).await.unwrap_or(id);
            let question = Question {
                what: &format!("no longer wait for the task {id} of {whose}"),
                undone: &format!("the task {id} of {whose} is still waited for"),
                consequence: "the machine may be switched off while the BMC still writes firmware, which can break it",
            };
            asked.sure(sure, &question)?;
            way.task_forget(&id).await?;
            asked.ui.done(&format!("{whose}: the task {id} is not waited for any more"))
        }
    }
}

/// The id of a task; the last part of one is enough.
async fn full_id(way: &Way, id: String) -> Result<String, CliError> {
    if id.contains('/') {
        return Ok(id);
    }
    let tasks = way.tasks().await?.items;
    if tasks.iter().any(|task| task.id == id) {
        return Ok(id);
    }
    // Some makers end their paths with a slash.
    let last = |task: &&BmcTask| task.id.trim_end_matches('/').rsplit('/').next() == Some(id.as_str());
    let mut ending = tasks.iter().filter(last);
    match (ending.next(), ending.next()) {
        (Some(task), None) => Ok(task.id.clone()),
        (Some(_), Some(_)) => {
            Err(CliError::Input(format!("there are several tasks {id}; give the whole id")))
        }
        (None, _) => Err(CliError::Missing(format!(
            "{} has no task {id}; `billet bmc task list {}` lists those that there are, and one that is not listed any more is asked for by its whole id, as it was told",
            way.whose(),
            way.typed()
        ))),
    }
}
