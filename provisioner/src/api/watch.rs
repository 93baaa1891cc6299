//! `/v1/watch`: what changes, as server-sent events. Each watcher has a task that reads the feed from where it is, so that
//! nothing waits in memory for who reads slowly; and each event is held against the token and its pools when it is sent.
//!
//! Deliberately not here: how changes are found (`feed`), and what ends a right (`auth::held`).

use super::{
    auth::Held,
    caller::Caller,
    convert,
    error::{ApiError, Query},
    machines,
};
use crate::{
    clock,
    feed::{self, Entry, Facet, Labels, Missed, Object, Place, Pool, Position},
    selector::Selector,
    service::{Service, ServiceError},
    store::StoreError,
    text::{logged, word},
};
use axum::{
    Extension,
    extract::State,
    http::{Extensions, HeaderMap, StatusCode},
    response::{IntoResponse, Response, Sse, sse},
};
use provisioner_api::{
    InstanceState, MachineState, WATCH_BEGAN, WATCH_CHANGED, WATCH_DELETED, WATCH_ENDED, WATCH_LEFT,
    WATCH_RESET, WatchBegan, WatchChange, WatchEnded, WatchKind, WatchReset,
};
use serde::{Deserialize, Serialize};
use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

/// How often a stream without news shows that it is alive: proxies and firewalls drop silent ones.
const ALIVE: Duration = Duration::from_secs(15);

/// How many changes are read of the feed at once.
const PART: usize = 64;

/// How many events wait for who reads them: no more than has to, since what waits is sent even if the right to it ends meanwhile.
const WAITING: usize = 1;

/// How long an event waits for its reader before the stream ends. Who comes again goes on where it ended.
const STUCK: Duration = Duration::from_secs(30);

/// How long a watcher waits. Tests have shorter ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// See [`ALIVE`].
    pub(super) alive: Duration,
    /// See [`STUCK`].
    pub(super) stuck: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { alive: ALIVE, stuck: STUCK }
    }
}

/// What a browser sends when it comes again (HTML Living Standard, section 9.2.4).
const LAST: &str = "last-event-id";

/// Which changes, and from where on.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Watched {
    /// Of this kind; none: of all.
    #[param(inline)]
    kind: Option<WatchKind>,
    /// With this name or id.
    object: Option<String>,
    /// In this state. It needs `kind`: `machine` or `instance`.
    state: Option<String>,
    /// In this pool: machines, and instances on them or waiting for them.
    pool: Option<String>,
    /// Machines whose work waits for a person, or doesn't.
    held: Option<bool>,
    /// Machines with such labels, as the list of machines takes it.
    labels: Option<String>,
    /// Only what changed behind this: the `resume` of a list, or the id of the last event. `Last-Event-ID` goes before it.
    since: Option<String>,
}

/// Who watches what.
struct Watcher {
    service: Arc<Service>,
    caller: Caller,
    held: Held,
    filter: Watched,
    /// What `labels` of it says.
    labels: Option<Selector>,
    /// Up to where everything was told.
    position: Position,
    pace: Pace,
    /// What is told last, behind all that waits.
    last: Arc<OnceLock<&'static str>>,
    _place: Place,
}

/// Follows what changes of machines, instances and images.
#[utoipa::path(
    get, path = provisioner_api::paths::WATCH, tag = "service",
    operation_id = "watch",
    params(Watched, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was read: the stream goes on behind it")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "`began` with a `WatchBegan`; `changed`, `left` and `deleted` with a `WatchChange`; `reset` with a `WatchReset`: list again, the stream goes on meanwhile; `ended` with a `WatchEnded`: come again"),
        (status = 429)
    ),
)]
pub(crate) async fn watch(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Extension(held): Extension<Held>,
    headers: HeaderMap,
    extensions: Extensions,
    Query(filter): Query<Watched>,
) -> Result<Response, ApiError> {
    check(&filter)?;
    let labels = machines::wanted_labels(filter.labels.as_deref())?;
    let since = since(&headers, &filter)?;
    let place = feed::place(&service, caller.name()).ok_or_else(crowded)?;
    let now = feed::position(&service).await?;
    let (events, told) = mpsc::channel(WAITING);
    let last = Arc::new(OnceLock::new());
    let watcher = Watcher {
        service,
        caller,
        held,
        filter,
        labels,
        position: since.unwrap_or(now),
        pace: extensions.get().copied().unwrap_or_default(),
        last: Arc::clone(&last),
        _place: place,
    };
    tokio::spawn(watcher.watch(events));
    let stream = futures::stream::unfold((told, Some(last)), async |(mut told, last)| {
        if let Some(event) = told.recv().await {
            return Some((Ok::<_, Infallible>(event), (told, last)));
        }
        let event = ended(last?.get()?);
        Some((Ok(event), (told, None)))
    });
    // For proxies that would wait for more.
    Ok(([("x-accel-buffering", "no")], Sse::new(stream)).into_response())
}

/// From where on a list can be watched, if that is asked for. To be asked before the list is read.
pub(super) async fn resume(service: &Arc<Service>, asked: bool) -> Result<Option<String>, ApiError> {
    if !asked {
        return Ok(None);
    }
    Ok(Some(feed::position(service).await?.to_string()))
}

/// Whether the filter makes sense.
fn check(filter: &Watched) -> Result<(), ApiError> {
    let Some(state) = &filter.state else { return Ok(()) };
    let known = match filter.kind {
        Some(WatchKind::Machine) => is_word::<MachineState>(state),
        Some(WatchKind::Instance) => is_word::<InstanceState>(state),
        _ => {
            let detail = "it needs `kind=machine` or `kind=instance`: only these have one";
            return Err(ApiError::field("state", detail));
        }
    };
    if known { Ok(()) } else { Err(ApiError::field("state", format!("there is no state `{state}`"))) }
}

/// Whether a word stands for a value of this type.
fn is_word<T: for<'de> Deserialize<'de>>(text: &str) -> bool {
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text)).is_ok()
}

/// From where on somebody watches; none: from now on.
fn since(headers: &HeaderMap, filter: &Watched) -> Result<Option<Position>, ApiError> {
    let last = headers.get(LAST).map(|last| ("Last-Event-ID", last.to_str().unwrap_or_default()));
    let asked = last.or_else(|| Some(("since", filter.since.as_deref()?)));
    let Some((field, text)) = asked else { return Ok(None) };
    text.parse().map(Some).map_err(|()| {
        let detail = "it is no place in the stream of changes; take the `resume` of a list with `?resume=true`, or the id of an event";
        ApiError::field(field, detail)
    })
}

fn crowded() -> ApiError {
    let detail = "too many watch already with this token, or in all; end one, or come again later";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "limit", detail)
}

/// Why nothing more is told.
enum Over {
    /// The reader is gone, or may not watch any more.
    Gone,
    /// The reader takes nothing.
    Stuck,
    /// What is to be told can't be read.
    Unreadable,
}

impl Over {
    /// What the reader is told of it, if there is one who may hear it.
    fn detail(&self) -> Option<&'static str> {
        match self {
            Self::Gone => None,
            Self::Stuck => Some(
                "what was told was not read for too long; come again with the id of the last event, and nothing is missed",
            ),
            Self::Unreadable => {
                Some("what changed can't be read just now; come again with the id of the last event")
            }
        }
    }
}

impl Watcher {
    async fn watch(mut self, events: mpsc::Sender<sse::Event>) {
        let stopping = self.service.stopping.clone();
        let detail = tokio::select! {
            () = stopping.cancelled() => Some("the service stops; come again with the id of the last event"),
            () = events.closed() => None,
            over = self.tell(&events) => over.err().and_then(|over| over.detail()),
        };
        // Before `events` is closed by the end of this.
        if let Some(detail) = detail {
            let _ = self.last.set(detail);
        }
    }

    async fn tell(&mut self, events: &mpsc::Sender<sse::Event>) -> Result<(), Over> {
        let mut bell = self.service.feed.bell();
        let began = WatchBegan { since: self.position.to_string() };
        self.send(events, event(WATCH_BEGAN, self.position, &began)).await?;
        let mut due = Instant::now() + self.pace.alive;
        loop {
            bell.mark_unchanged();
            match self.service.feed.behind(self.position, PART) {
                // It is rung for others' changes, too.
                Ok(entries) if entries.is_empty() => {
                    let _ = timeout_at(due, bell.changed()).await;
                }
                Ok(entries) => {
                    for entry in entries {
                        self.tell_entry(events, &entry).await?;
                        self.position = entry.position;
                    }
                }
                Err(missed) => self.reset(events, missed).await?,
            }
            if Instant::now() >= due {
                // What isn't theirs moves them on, too, so that they are not too far behind when they come again.
                let alive = sse::Event::default().comment("alive").id(self.position.to_string());
                self.send(events, alive).await?;
                due = Instant::now() + self.pace.alive;
            }
        }
    }

    async fn tell_entry(&self, events: &mpsc::Sender<sse::Event>, entry: &Entry) -> Result<(), Over> {
        let Some((name, change)) = self.news(entry) else { return Ok(()) };
        // First the place, then the right and the object: neither is old when it is sent.
        let place = self.place(events).await?;
        let _turn = self.service.feed.reading().await;
        self.check_right().await?;
        let shown = if name == WATCH_CHANGED { self.shown(change).await } else { Ok(Some(change)) };
        match shown {
            Ok(Some(change)) => place.send(event(name, entry.position, &change)),
            Ok(None) => {}
            // Who comes again goes on before it.
            Err(error) => {
                tracing::debug!(
                    error = logged(&error),
                    "a change can't be told; its watcher has to come again"
                );
                return Err(Over::Unreadable);
            }
        }
        Ok(())
    }

    async fn send(&self, events: &mpsc::Sender<sse::Event>, event: sse::Event) -> Result<(), Over> {
        let place = self.place(events).await?;
        self.check_right().await?;
        place.send(event);
        Ok(())
    }

    /// A place for an event, as soon as its reader has one.
    async fn place<'a>(
        &self,
        events: &'a mpsc::Sender<sse::Event>,
    ) -> Result<mpsc::Permit<'a, sse::Event>, Over> {
        timeout(self.pace.stuck, events.reserve()).await.map_err(|_| Over::Stuck)?.map_err(|_| Over::Gone)
    }

    /// Who may not watch any more is told nothing more, also if their socket took nothing meanwhile.
    async fn check_right(&self) -> Result<(), Over> {
        if self.held.is_held().await { Ok(()) } else { Err(Over::Gone) }
    }

    /// From now on, before the reader lists: what the list doesn't have comes behind.
    async fn reset(&mut self, events: &mpsc::Sender<sse::Event>, missed: Missed) -> Result<(), Over> {
        self.position = feed::position(&self.service).await.map_err(|_| Over::Unreadable)?;
        let detail = format!("changes were missed: {missed}; list again, this stream goes on meanwhile");
        self.send(events, event(WATCH_RESET, self.position, &WatchReset { detail })).await
    }

    /// Whether an object is one of those that are asked for.
    fn asks_for(&self, object: Object, facet: &Facet) -> bool {
        let fits = |labels: &Selector| object.kind == WatchKind::Machine && labels.fits(&facet.labels);
        matches(&self.filter, object, facet) && self.labels.as_ref().is_none_or(fits)
    }

    /// What is told of a change, without the object; nothing, if it is none of theirs.
    fn news(&self, entry: &Entry) -> Option<(&'static str, WatchChange)> {
        let kind = entry.object.kind;
        let id = entry.object.id;
        let sees = |facet: &&Facet| is_seen(&self.caller, kind, facet) && self.asks_for(entry.object, facet);
        let (before, after) = (entry.before.as_ref().filter(sees), entry.after.as_ref());
        let of = |name: &str| WatchChange {
            kind,
            id,
            name: name.to_owned(),
            machine: None,
            instance: None,
            image: None,
        };
        match (before, after, after.filter(sees)) {
            (_, _, Some(seen)) => Some((WATCH_CHANGED, of(&seen.name))),
            (None, _, None) => None,
            // By its new name only if they may know that.
            (Some(_), Some(after), None) if is_seen(&self.caller, kind, after) => {
                Some((WATCH_LEFT, of(&after.name)))
            }
            (Some(before), _, _) => Some((WATCH_DELETED, of(&before.name))),
        }
    }

    /// With the object as it is now. Nothing, if it is gone or not theirs by now: another change tells that.
    async fn shown(&self, mut change: WatchChange) -> Result<Option<WatchChange>, ServiceError> {
        let (service, key) = (&self.service, change.id.to_string());
        match change.kind {
            WatchKind::Machine => {
                let Some(found) = legible(service.store.machine_find(&key).await)? else {
                    return Ok(Some(change));
                };
                let Some(record) = found else { return Ok(None) };
                let facet = Facet {
                    name: record.name.clone(),
                    pool: Pool::Of(record.spec.pool.clone()),
                    state: Some(word(&record.machine.state.name)),
                    held: record.machine.state.hold.is_some(),
                    labels: Labels::default(),
                };
                if !is_seen(&self.caller, change.kind, &facet) {
                    return Ok(None);
                }
                let machine = machines::wire(service, &record).await?;
                change.name.clone_from(&machine.name);
                change.machine = Some(Box::new(self.caller.sees(machine)));
            }
            WatchKind::Instance => {
                let Some(found) = legible(service.store.instance_with_machine(&key).await)? else {
                    return Ok(Some(change));
                };
                let Some(found) = found else { return Ok(None) };
                if !self.caller.has_listed(service, &found).await? {
                    return Ok(None);
                }
                let instance =
                    convert::instance(service, &found.record, found.machine.as_ref(), clock::now());
                change.name.clone_from(&instance.name);
                change.instance = Some(Box::new(instance));
            }
            WatchKind::Image => {
                let Some(image) = service.store.image_find(&key).await? else { return Ok(None) };
                change.image = Some(Box::new(image));
            }
        }
        Ok(Some(change))
    }
}

/// What was found; none: its record can't be read.
fn legible<T>(read: Result<Option<T>, StoreError>) -> Result<Option<Option<T>>, StoreError> {
    match read {
        Err(error) if error.is_damage() => Ok(None),
        read => read.map(Some),
    }
}

/// Whether somebody may see an object.
fn is_seen(caller: &Caller, kind: WatchKind, facet: &Facet) -> bool {
    match (&facet.pool, kind) {
        (Pool::Shared, WatchKind::Image) => true,
        (Pool::Of(pool), _) => caller.has(pool),
        (Pool::Unknown | Pool::Shared, _) => caller.pools().is_none(),
    }
}

/// Whether an object is one of those that are asked for, by all but its labels.
fn matches(filter: &Watched, Object { kind, id }: Object, facet: &Facet) -> bool {
    // As everywhere: a name, or an id in any of its forms.
    let named = |asked: &String| *asked == facet.name || asked.parse() == Ok(id);
    let pool = |asked: &String| matches!(&facet.pool, Pool::Of(pool) if pool == asked);
    filter.kind.is_none_or(|asked| asked == kind)
        && filter.object.as_ref().is_none_or(named)
        && filter.state.as_ref().is_none_or(|asked| facet.state.as_ref() == Some(asked))
        && filter.pool.as_ref().is_none_or(pool)
        && filter.held.is_none_or(|asked| kind == WatchKind::Machine && facet.held == asked)
}

/// An event; just behind it the stream goes on.
fn event(name: &str, position: Position, data: &impl Serialize) -> sse::Event {
    // Our own types always serialise, without line ends: JSON escapes those.
    let data = serde_json::to_string(data).unwrap_or_default();
    sse::Event::default().event(name).id(position.to_string()).data(data)
}

/// The last event of a stream. It has no id: whoever comes again goes on behind the one before.
fn ended(detail: &str) -> sse::Event {
    let data = serde_json::to_string(&WatchEnded { detail: detail.to_owned() }).unwrap_or_default();
    sse::Event::default().event(WATCH_ENDED).data(data)
}
