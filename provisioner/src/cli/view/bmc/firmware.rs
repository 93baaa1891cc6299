//! Firmware and tasks.

use crate::cli::{
    ui::HasName,
    view::{
        layout::{Page, table},
        word,
    },
};
use provisioner_api::{BmcFirmwareItem, BmcTask, BmcTaskState};

impl HasName for BmcFirmwareItem {
    fn name(&self) -> String {
        self.id.clone()
    }
}

impl HasName for BmcTask {
    fn name(&self) -> String {
        self.id.clone()
    }
}

/// A table of firmware.
pub(in crate::cli) fn bmc_firmware(items: &[BmcFirmwareItem]) -> String {
    let rows = items.iter().map(|item| {
        let updateable = match item.updateable {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        [
            item.id.clone(),
            item.name.clone(),
            item.version.clone().unwrap_or_default(),
            updateable.to_owned(),
            item.health.clone().unwrap_or_default(),
        ]
    });
    table(["ID", "NAME", "VERSION", "UPDATEABLE", "HEALTH"], rows)
}

/// What changed from one list of firmware to the next: a sentence for each item.
pub(in crate::cli) fn bmc_firmware_changes(
    before: &[BmcFirmwareItem],
    after: &[BmcFirmwareItem],
) -> Vec<String> {
    let version = |item: &BmcFirmwareItem| item.version.clone().unwrap_or_else(|| "no version".to_owned());
    let mut changes = Vec::new();
    for item in after {
        match before.iter().find(|old| old.id == item.id) {
            Some(old) if old.version != item.version => {
                changes.push(format!("{}: {} is now {}", item.name, version(old), version(item)));
            }
            Some(_) => {}
            None => changes.push(format!("{}: {} is new", item.name, version(item))),
        }
    }
    changes
}

/// A table of tasks.
pub(in crate::cli) fn bmc_tasks(tasks: &[BmcTask]) -> String {
    let rows = tasks.iter().map(|task| {
        [
            task.id.clone(),
            task.name.clone(),
            word(task.state),
            task.percent.map(|percent| format!("{percent}%")).unwrap_or_default(),
            task.messages.last().cloned().unwrap_or_default(),
        ]
    });
    table(["ID", "NAME", "STATE", "DONE", "LAST MESSAGE"], rows)
}

/// A page: a task.
pub(in crate::cli) fn bmc_task(task: &BmcTask) -> String {
    let mut page = Page::default();
    page.line("Task", &task.id)
        .line("Name", &task.name)
        .line("State", bmc_task_state(task.state))
        .line("Done", task.percent.map(|percent| format!("{percent}%")).unwrap_or_default());
    if task.followed {
        page.line("Followed", "Billet does not switch the machine before its end");
    }
    for message in &task.messages {
        page.line("The BMC says", message);
    }
    page.end()
}

/// How far a task is, in words.
pub(in crate::cli) fn bmc_task_state(state: BmcTaskState) -> &'static str {
    match state {
        BmcTaskState::Running => "running",
        BmcTaskState::AwaitsBoot => "goes on when the machine boots",
        BmcTaskState::Done => "done",
        BmcTaskState::Failed => "failed",
        BmcTaskState::Gone => "not known to the BMC any more",
    }
}
