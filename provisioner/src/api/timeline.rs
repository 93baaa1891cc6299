//! `…/timeline`: what is known of a machine or an instance, from every source, as one story; and the last facts of it.

mod source;

use self::source::{SLACK, Source, page};
use super::{
    boot_trace,
    caller::Caller,
    error::{ApiError, Query},
    pages,
};
use crate::{
    service::{Service, ServiceError},
    store::{EventsOf, InstanceRecord, ListedInstance, MachineRecord},
    text::parse_mac_bytes,
    timeline::{self, Part},
};
use axum::{
    Extension, Json,
    extract::{Path, State},
};
use jiff::Timestamp;
use provisioner_api::{Event, InstanceId, MachineId, Timeline};
use serde::Deserialize;
use std::sync::Arc;

/// Which part, and which page of it.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimelineQuery {
    /// Not before then.
    #[param(value_type = Option<Timestamp>)]
    since: Option<String>,
    /// Not after then.
    #[param(value_type = Option<Timestamp>)]
    until: Option<String>,
    /// Only these kinds, with commas between them: `dhcp,boot`.
    #[param(pattern = "^[a-z-]+(,[a-z-]+)*$")]
    kinds: Option<String>,
    /// Only what comes after this entry: its id, or the `next` of the page before.
    after: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// The last so many, instead of `after` and `limit`.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    newest: Option<String>,
}

/// Tells the story of a machine.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_TIMELINE, tag = "timeline",
    params(TimelineQuery),
    responses((status = 200, body = Timeline)),
)]
pub(crate) async fn of_machine(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Query(query): Query<TimelineQuery>,
) -> Result<Json<Timeline>, ApiError> {
    let record = service.machine(&key).await?;
    answer(&service, Some(&record), record.owner(), Begin::default(), &query).await
}

/// Tells the story of an instance.
#[utoipa::path(
    get, path = provisioner_api::paths::INSTANCE_TIMELINE, tag = "timeline",
    params(TimelineQuery),
    responses((status = 200, body = Timeline)),
)]
pub(crate) async fn of_instance(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    Query(query): Query<TimelineQuery>,
) -> Result<Json<Timeline>, ApiError> {
    let ListedInstance { record, machine } = super::instances::find(&service, &key).await?;
    let Json(mut told) =
        answer(&service, machine.as_ref(), Some(record.id), Begin::of(&record), &query).await?;
    told.items.retain(|entry| caller.hears_of(&entry.kind));
    Ok(Json(told))
}

/// The end of a machine's story, and of its instance's.
pub(super) async fn newest_of_machine(
    service: &Service,
    record: &MachineRecord,
    newest: u32,
) -> Result<Timeline, ApiError> {
    let query = TimelineQuery { newest: Some(newest.to_string()), ..TimelineQuery::default() };
    Ok(answer(service, Some(record), record.owner(), Begin::default(), &query).await?.0)
}

/// From when on a story is told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Begin {
    /// The instance's.
    instance: Option<Timestamp>,
    /// Its machine's: what that did before is another's story.
    machine: Option<Timestamp>,
}

impl Begin {
    /// An instance's story.
    pub(super) fn of(record: &InstanceRecord) -> Self {
        let created = Some(record.created);
        Self { instance: created, machine: record.standing.got.or(created) }
    }

    fn of_whose(self, of: EventsOf) -> Option<Timestamp> {
        match of {
            EventsOf::Machine(_) => self.machine,
            EventsOf::Instance(_) => self.instance,
        }
    }
}

/// A page of the story of a machine and an instance, or its end.
async fn answer(
    service: &Service,
    machine: Option<&MachineRecord>,
    instance: Option<InstanceId>,
    begin: Begin,
    query: &TimelineQuery,
) -> Result<Json<Timeline>, ApiError> {
    let asked = part(query)?;
    let newest = pages::number("newest", query.newest.as_deref())?;
    if newest.is_some() && (query.after.is_some() || query.limit.is_some()) {
        let detail = "it goes without `after` and `limit`: give either it or them";
        return Err(ApiError::field("newest", detail));
    }
    let limit = pages::limit(query.limit.as_deref())?;
    let part = Part { since: asked.since.max(begin.instance), ..asked };
    let id = machine.map(MachineRecord::id);
    let macs = machine.into_iter().flat_map(|machine| &machine.spec.macs);
    let macs: Vec<_> = macs.filter_map(|mac| parse_mac_bytes(mac)).collect();
    let mut conversation = boot_trace::entries(service, &macs).await?;
    conversation.retain(|(_, heard)| begin.machine.is_none_or(|begin| crate::trace::time(heard) >= begin));
    let mut sources: Vec<_> =
        whose(id, instance).map(|of| Source::new(of, begin.of_whose(of), &part)).collect();
    let Some(newest) = newest else {
        let items = page(&service.store, &mut sources, id, &conversation, &part, limit).await?;
        let (items, next) = pages::cut(items, limit, |entry| entry.id.clone());
        return Ok(Json(Timeline { items, next }));
    };
    let all = service.config.history.most;
    let few = part.kinds.is_empty() && part.until.is_none();
    let most = if few { all.min(newest + SLACK) } else { all };
    let mut events = Vec::new();
    for source in &sources {
        let told = service.store.timeline_events(source.of, source.since, most).await?;
        events.extend(told.into_iter().filter(|event| source.has(event)));
    }
    let mut items = timeline::merge(events, id, &conversation, &part);
    let items = items.split_off(items.len().saturating_sub(newest as usize));
    Ok(Json(Timeline { items, next: None }))
}

/// The newest facts of a machine and the instance that has it, or of an instance and its machine; oldest first.
pub(super) async fn facts(
    service: &Service,
    machine: Option<MachineId>,
    instance: Option<InstanceId>,
    begin: Begin,
    most: u32,
) -> Result<Vec<Event>, ServiceError> {
    let mut events = Vec::new();
    for of in whose(machine, instance) {
        let told = service.store.event_newest(of, most).await?;
        events.extend(
            told.into_iter().filter(|event| begin.of_whose(of).is_none_or(|begin| event.at >= begin)),
        );
    }
    Ok(timeline::newest(events, most as usize))
}

fn whose(machine: Option<MachineId>, instance: Option<InstanceId>) -> impl Iterator<Item = EventsOf> {
    machine.map(EventsOf::Machine).into_iter().chain(instance.map(EventsOf::Instance))
}

fn part(query: &TimelineQuery) -> Result<Part, ApiError> {
    let kinds = query.kinds.as_deref().map(|kinds| kinds.split(',').map(str::to_owned).collect::<Vec<_>>());
    let kinds = kinds.unwrap_or_default();
    let is_word = |kind: &String| {
        !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    if let Some(kind) = kinds.iter().find(|kind| !is_word(kind)) {
        let detail = format!("`{kind}` is no kind; write kinds like `dhcp,boot,agent`");
        return Err(ApiError::field("kinds", detail));
    }
    Ok(Part {
        since: time("since", query.since.as_deref())?,
        until: time("until", query.until.as_deref())?,
        kinds,
        after: pages::cursor(query.after.as_deref())?,
    })
}

fn time(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        ApiError::field(field, format!("`{text}` is no time; write it like 2026-11-22T10:00:00Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[test]
    fn a_part_is_read_or_the_field_is_named() {
        let query = TimelineQuery {
            since: Some("2026-11-22T10:00:00Z".into()),
            kinds: Some("dhcp,boot".into()),
            after: Some("5.a".into()),
            ..TimelineQuery::default()
        };
        let read = part(&query).unwrap();
        assert_eq!(read.since.map(|since| since.to_string()).as_deref(), Some("2026-11-22T10:00:00Z"));
        assert_eq!((read.until, read.kinds), (None, vec!["dhcp".to_owned(), "boot".to_owned()]));
        assert_eq!(read.after.map(|after| after.to_string()).as_deref(), Some("5.a"));
        let wrong = |query: TimelineQuery| part(&query).unwrap_err().into_response().status().as_u16();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(wrong(TimelineQuery { since: some("yesterday"), ..TimelineQuery::default() }), 422);
        assert_eq!(wrong(TimelineQuery { until: some(""), ..TimelineQuery::default() }), 422);
        assert_eq!(wrong(TimelineQuery { kinds: some("dhcp,,boot"), ..TimelineQuery::default() }), 422);
        assert_eq!(wrong(TimelineQuery { kinds: some("DHCP"), ..TimelineQuery::default() }), 422);
        assert_eq!(wrong(TimelineQuery { after: some("first"), ..TimelineQuery::default() }), 422);
    }
}
