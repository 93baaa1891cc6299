//! Pages of any size make the story that all events at once make, on both databases, and a page reads what is near it.

use super::*;
use crate::{api::pages, samples, trace};
use provisioner_api::InstanceId;
use pxe_proto::trace::{Entry, Transfer, What};
use std::sync::Arc;
use uuid::{NoContext, Uuid};

/// Seconds since 1970 at which the story begins.
const START: u64 = 1_700_000_000;

/// How many events there are, one a minute.
const COUNT: u64 = 1200;

fn instance() -> InstanceId {
    InstanceId(Uuid::from_u128(7))
}

fn time(second: u64) -> Timestamp {
    Timestamp::from_second((START + second).cast_signed()).unwrap()
}

/// An event of the machine that was written so many seconds after it happened.
fn event(second: u64, late: u64, kind: &str, message: String) -> Event {
    let written = uuid::Timestamp::from_unix(NoContext, START + second, 0);
    Event {
        id: EventId(Uuid::new_v7(written)),
        at: time(second - late),
        machine: Some(samples::machine_id(1)),
        instance: None,
        kind: kind.into(),
        message,
    }
}

/// A file that was fetched, as the boot server heard it.
fn heard(second: u64) -> Numbered {
    let at = (START + second) * 1000;
    let stage = Transfer::Done { bytes: 9, millis: 1 };
    let what = What::Http { path: format!("/{second}"), status: 200, head: false, stage };
    (trace::first_id(at), Arc::new(Entry { at, mac: [2, 0, 0, 0, 0, 1], network: "lab".into(), what }))
}

/// An event each minute. Of each seven one is written half an hour late, at the moment of another; of each five one is
/// the instance's, too, and one the instance's alone; each eleventh is five of one moment.
fn told() -> Vec<Event> {
    let mut told = Vec::new();
    for number in 60..60 + COUNT {
        let late = if number.is_multiple_of(7) { 35 * 60 } else { 0 };
        for twin in 0..if number.is_multiple_of(11) { 5 } else { 1 } {
            let mut event = event(60 * number, late, "step", format!("{number}.{twin}"));
            event.instance = (number % 5 < 2).then(instance);
            event.machine = event.machine.filter(|_| number % 5 != 0);
            told.push(event);
        }
    }
    told
}

/// What the boot server heard: each second one has an event, some of them of an earlier version, seconds later.
fn conversation(told: &mut Vec<Event>) -> Vec<Numbered> {
    let mut conversation = Vec::new();
    for number in (61..60 + COUNT).step_by(13) {
        let heard = heard(60 * number);
        if number.is_multiple_of(2) {
            let (kind, text) = trace::line(&heard.1).unwrap();
            told.push(event(60 * number + number % 4, 0, kind, text));
        }
        conversation.push(heard);
    }
    conversation
}

fn sources(part: &Part) -> [Source; 2] {
    [EventsOf::Machine(samples::machine_id(1)), EventsOf::Instance(instance())]
        .map(|of| Source::new(of, None, part))
}

/// A part in pages of so many, and the most events that one of them read.
async fn paged(
    store: &Store,
    conversation: &[Numbered],
    part: &Part,
    limit: u32,
) -> (Vec<TimelineEntry>, usize) {
    let (mut story, mut most, mut part) = (Vec::new(), 0, part.clone());
    loop {
        let mut sources = sources(&part);
        let items = page(store, &mut sources, None, conversation, &part, limit).await.unwrap();
        most = sources.iter().map(|source| source.events.len()).max().max(Some(most)).unwrap_or(0);
        let (items, next) = pages::cut(items, limit, |entry| entry.id.clone());
        story.extend(items);
        let Some(next) = next else { return (story, most) };
        part.after = Some(next.parse().unwrap());
    }
}

async fn pages_make_the_story(store: &Store) {
    let mut told = told();
    let conversation = conversation(&mut told);
    told.push(event(60 * (COUNT + 60), 0, "seldom", "x".into()));
    store.timeline_put(&told).await.unwrap();
    let whole = |part: &Part| timeline::merge(told.clone(), None, &conversation, part);

    let all = Part::default();
    for limit in [100, 37] {
        let (story, most) = paged(store, &conversation, &all, limit).await;
        assert_eq!(story, whole(&all), "pages of {limit}");
        assert!(most <= (limit + SLACK) as usize, "a page of {limit} read {most} events");
    }
    let seldom = Part { kinds: vec!["seldom".into()], ..Part::default() };
    assert_eq!(paged(store, &conversation, &seldom, 5).await.0, whole(&seldom));
    assert_eq!(whole(&seldom).len(), 1);
    // A window's end is an end: what comes behind it is not read.
    let window = Part { since: Some(time(90 * 60)), until: Some(time(130 * 60)), ..Part::default() };
    let (story, most) = paged(store, &conversation, &window, 200).await;
    assert_eq!(story, whole(&window));
    assert!(story.len() > 40 && most <= (200 + SLACK) as usize, "{} of {most}", story.len());
}

/// Thousands within an hour: then nothing is known before all of them were read.
async fn a_burst_is_told_whole(store: &Store) {
    let burst: Vec<_> =
        (0..700).map(|number| event(number, number % 3, "step", number.to_string())).collect();
    store.timeline_put(&burst).await.unwrap();
    let (story, _) = paged(store, &[], &Part::default(), 100).await;
    assert_eq!(story, timeline::merge(burst, None, &[], &Part::default()));
}

#[tokio::test]
async fn sqlite() {
    for number in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("billet.db")).await.unwrap();
        check(number, &store).await;
    }
}

#[tokio::test]
async fn postgres() {
    let server = tests_postgres::Server::shared().await.unwrap();
    for number in 0..2 {
        let database = server.database().await.unwrap();
        let store = Store::open_server(&database.url().parse().unwrap()).await.unwrap();
        check(number, &store).await;
        store.close().await;
    }
}

async fn check(number: u8, store: &Store) {
    match number {
        0 => pages_make_the_story(store).await,
        _ => a_burst_is_told_whole(store).await,
    }
}
