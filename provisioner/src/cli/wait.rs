//! `--wait`: looking at an object until it is where it should be, and showing how far it is.
//!
//! A change is looked at as soon as the service tells of it (`bell`). What an object's looks mean is decided in `goal`; how they are shown, in `display`; a BMC's task is followed in `task`.
//! The service may be restarted meanwhile: that is waited out.

mod display;
mod goal;
mod task;

pub(super) use goal::{Goal, Look, instance_look, machine_look};
pub(super) use task::{TaskWatch, task_end};

use super::{bell::Bell, error::CliError, text, ui::Ui};
use display::Display;
use goal::Verdict;
use jiff::{SignedDuration, Timestamp};
use provisioner_client::ClientError;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// How long between two looks while the service tells of changes by itself: how far a step is, it doesn't.
const UNTOLD: Duration = Duration::from_secs(2);

/// How long a hold from before the request is overlooked: the service may not have taken the request up yet.
const GRACE: Duration = Duration::from_secs(10);

/// What is waited for.
pub(super) struct Watch<'a> {
    /// `machine` or `instance`.
    pub(super) kind: &'static str,
    /// Its name.
    pub(super) name: &'a str,
    /// Where it should come to.
    pub(super) goal: Goal,
    /// For how long.
    pub(super) timeout: SignedDuration,
    /// Since when it was held before the request, if it was.
    pub(super) held_before: Option<Timestamp>,
}

/// Looks again and again, and when `bell` rings, until the goal is reached, the work is held, or the time is over.
pub(super) async fn until(
    ui: &mut Ui,
    watch: &Watch<'_>,
    mut bell: Bell,
    mut look: impl AsyncFnMut() -> Result<Look, ClientError>,
) -> Result<(), CliError> {
    let object = format!("{} {}", watch.kind, watch.name);
    let begun = Instant::now();
    let deadline = begun + Duration::try_from(watch.timeout).unwrap_or_default();
    let mut display = Display::new(&object, ui.live);
    let mut last = "nothing was seen of it".to_owned();
    let result = loop {
        match timeout_at(deadline, look()).await {
            Err(_) => {}
            Ok(Err(error)) if error.is_transient() => {
                last = error.to_string();
                display.trouble(ui, &last);
            }
            Ok(Err(error)) => break Err(error.into()),
            Ok(Ok(look)) => {
                last = look.summary(false);
                display.show(ui, &look);
                match look.verdict {
                    Verdict::Reached => break Ok(()),
                    Verdict::Held(held)
                        if Some(held.since) != watch.held_before || begun.elapsed() > GRACE =>
                    {
                        break Err(CliError::Held { object: object.clone(), held: Box::new(held) });
                    }
                    Verdict::Held(_) | Verdict::Going => {}
                }
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left <= PAUSE {
            break Err(CliError::TimedOut {
                object: object.clone(),
                goal: watch.goal.word(),
                waited: text::duration(watch.timeout),
                last,
                see: format!("billet why {}", watch.name),
            });
        }
        // The last look is just before the end.
        if let Some(remark) = bell.wait(UNTOLD.min(left - PAUSE).max(PAUSE), PAUSE).await {
            display.remark(ui, &remark);
        }
    };
    display.end();
    result
}
