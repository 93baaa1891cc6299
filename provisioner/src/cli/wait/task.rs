//! Following a BMC's task to its end.
//!
//! A BMC that restarts meanwhile, as after an update of its own firmware, is waited for.

use super::{Look, display::Display};
use crate::cli::{error::CliError, text, ui::Ui};
use jiff::SignedDuration;
use provisioner_api::{BmcTask, BmcTaskState};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long between two looks: at first, and at the most. BMCs are slow, and tasks take minutes.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// What is followed.
pub(in crate::cli) struct TaskWatch<'a> {
    /// What it is, for people: `machine m1: BIOS update`.
    pub(in crate::cli) object: &'a str,
    /// For how long.
    pub(in crate::cli) timeout: SignedDuration,
    /// Whether it is enough that it waits for the machine's boot.
    pub(in crate::cli) until_boot: bool,
    /// The command that follows it further.
    pub(in crate::cli) again: &'a str,
}

/// Looks again and again, until the task is at its end or the time is over; one that failed is an error.
pub(in crate::cli) async fn task_end(
    ui: &mut Ui,
    watch: &TaskWatch<'_>,
    mut look: impl AsyncFnMut() -> Result<BmcTask, CliError>,
) -> Result<BmcTask, CliError> {
    let deadline = Instant::now() + Duration::try_from(watch.timeout).unwrap_or_default();
    let mut display = Display::new(watch.object, ui.live);
    let mut last = "nothing was seen of it".to_owned();
    let mut pause = PAUSES.0;
    let result = loop {
        match timeout_at(deadline, look()).await {
            Err(_) => {}
            Ok(Err(error)) if error.is_transient() => {
                last = error.to_string();
                display.trouble(ui, &last);
            }
            Ok(Err(error)) => break Err(error),
            Ok(Ok(task)) => {
                let seen = Look::task(&task);
                last = seen.summary(false);
                display.show(ui, &seen);
                match task.state {
                    BmcTaskState::Failed => break Err(CliError::Task(failure(watch.object, &task))),
                    BmcTaskState::Done | BmcTaskState::Gone => break Ok(task),
                    BmcTaskState::AwaitsBoot if watch.until_boot => break Ok(task),
                    BmcTaskState::AwaitsBoot | BmcTaskState::Running => {}
                }
            }
        }
        if Instant::now() + pause >= deadline {
            break Err(CliError::TimedOut {
                object: watch.object.to_owned(),
                goal: "at its end",
                waited: text::duration(watch.timeout),
                last,
                see: watch.again.to_owned(),
            });
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    };
    display.end();
    result
}

/// Why a task failed, as the BMC says it.
fn failure(object: &str, task: &BmcTask) -> String {
    if task.messages.is_empty() {
        format!("{object} failed, and the BMC does not say why; its logs may")
    } else {
        format!("{object} failed: {}", task.messages.join("; "))
    }
}
