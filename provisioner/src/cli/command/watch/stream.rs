//! A watched list of what the service tells of by itself: it is listed once, and again only where changes were missed.

use super::{Seen, Trouble, list, print, rest, went};
use crate::cli::{args::Watched, bell::absent, command::Session, error::CliError, ui::HasName, ui::Ui};
use provisioner_api::{Image, Instance, Machine, WatchChange, WatchKind};
use provisioner_client::{ClientError, Watch, WatchEvent, WatchFilter};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// How long is gathered what comes at once: the rows of a large fleet are laid out together.
const TOGETHER: Duration = Duration::from_millis(100);

/// How many events are taken together at most.
const MOST: usize = 1000;

/// What the service tells of by itself.
pub(in crate::cli::command) trait Told: Serialize + HasName {
    /// What it is.
    const KIND: WatchKind;
    /// Its id.
    fn id(&self) -> Uuid;
    /// Its version; of what never changes, 0.
    fn version(&self) -> u64;
    /// The object of a change.
    fn of(change: WatchChange) -> Option<Self>
    where
        Self: Sized;
}

impl Told for Machine {
    const KIND: WatchKind = WatchKind::Machine;
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn of(change: WatchChange) -> Option<Self> {
        change.machine.map(|machine| *machine)
    }
}

impl Told for Instance {
    const KIND: WatchKind = WatchKind::Instance;
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn of(change: WatchChange) -> Option<Self> {
        change.instance.map(|instance| *instance)
    }
}

impl Told for Image {
    const KIND: WatchKind = WatchKind::Image;
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn version(&self) -> u64 {
        0
    }
    fn of(change: WatchChange) -> Option<Self> {
        change.image.map(|image| *image)
    }
}

/// As `list`, of what the service tells of by itself; where it doesn't, that is said, and it is asked again and again.
pub(in crate::cli::command) async fn followed<T: Told>(
    session: &mut Session<'_>,
    watched: Watched,
    filter: WatchFilter,
    mut look: impl AsyncFnMut() -> Result<Vec<T>, ClientError>,
    mut stays: impl AsyncFnMut(&str) -> Result<bool, ClientError>,
    table: impl Fn(&[T], bool) -> String,
) -> Result<(), CliError> {
    if !watched.watch {
        return list(session.ui, watched, look, stays, table).await;
    }
    let mut watch = session.client.watch(WatchFilter { kind: Some(T::KIND), ..filter });
    // Before it is listed: what the list does not have comes behind.
    if let Err(error) = watch.next().await {
        let Some(why) = absent(&error) else { return Err(error.into()) };
        session.ui.note(why);
        return list(session.ui, watched, look, stays, table).await;
    }
    let ui = &mut *session.ui;
    let mut fleet = Fleet { objects: look().await?, went: BTreeMap::new() };
    let mut seen = Seen::default();
    let mut first = true;
    loop {
        let (changed, gone) = seen.look(&fleet.objects);
        print(ui, &fleet.objects, &changed, first, &table)?;
        first = false;
        for name in gone {
            let stays = match fleet.went.remove(&name) {
                Some(stays) => Ok(stays),
                None => stays(&name).await,
            };
            ui.note(&went(&name, stays));
        }
        fleet.went.clear();
        if gather(ui, &mut watch, &mut fleet).await? {
            fleet.objects = relisted(ui, &mut look).await?;
        }
    }
}

/// Waits for changes and takes them down, those that come at once together. Whether it has to be listed again.
async fn gather<T: Told>(ui: &mut Ui, watch: &mut Watch, fleet: &mut Fleet<T>) -> Result<bool, ClientError> {
    let mut event = watch.next().await?;
    let until = Instant::now() + TOGETHER;
    let mut taken = 0;
    loop {
        match event {
            WatchEvent::Changed(change) => fleet.put(*change),
            WatchEvent::Left(change) => fleet.drop(&change, true),
            WatchEvent::Deleted(change) => fleet.drop(&change, false),
            WatchEvent::Reset { .. } => return Ok(true),
            WatchEvent::Broken(error) => ui.note(&format!("no news, trying on: {error}")),
            WatchEvent::Began | WatchEvent::Resumed => {}
        }
        taken += 1;
        if taken == MOST {
            return Ok(false);
        }
        event = match timeout_at(until, watch.next()).await {
            Ok(event) => event?,
            Err(_) => return Ok(false),
        };
    }
}

/// The list anew. The service may be restarted meanwhile.
async fn relisted<T>(
    ui: &mut Ui,
    look: &mut impl AsyncFnMut() -> Result<Vec<T>, ClientError>,
) -> Result<Vec<T>, CliError> {
    let mut trouble = Trouble::default();
    loop {
        let began = Instant::now();
        if let Some(objects) = trouble.pass(ui, look().await)? {
            return Ok(objects);
        }
        rest(began).await;
    }
}

/// What there is, by name.
struct Fleet<T> {
    objects: Vec<T>,
    /// What went by an event's word, by name; whether it is there still.
    went: BTreeMap<String, bool>,
}

impl<T: Told> Fleet<T> {
    /// Takes down how an object is now.
    fn put(&mut self, change: WatchChange) {
        // A record that can't be read: what was known of it stays.
        let Some(object) = T::of(change) else { return };
        match self.objects.iter_mut().find(|known| known.id() == object.id()) {
            // Told before the list was read.
            Some(known) if known.version() > object.version() => return,
            Some(known) if known.name() == object.name() => {
                *known = object;
                return;
            }
            Some(known) => *known = object,
            None => self.objects.push(object),
        }
        self.objects.sort_by_cached_key(HasName::name);
    }

    fn drop(&mut self, change: &WatchChange, stays: bool) {
        if let Some(index) = self.objects.iter().position(|known| known.id() == change.id) {
            let name = self.objects.remove(index).name();
            self.went.insert(name, stays);
        }
    }
}
