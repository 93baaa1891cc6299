//! Whatever the sources hold: the story is in order, complete, tells nothing twice, and its pages make it whole.

use super::{Part, Place, merge, newest};
use crate::{samples::machine_id, store::Numbered, trace};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use provisioner_api::{Event, EventId};
use pxe_proto::trace::{Entry, Transfer, What};
use std::sync::Arc;
use uuid::Uuid;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

fn event(id: u128, millis: i64, kind: &str, message: &str) -> Event {
    Event {
        id: EventId(Uuid::from_u128(id)),
        at: Timestamp::from_millisecond(millis).unwrap(),
        machine: Some(machine_id(1)),
        instance: None,
        kind: kind.to_owned(),
        message: message.to_owned(),
    }
}

fn heard(millis: u64, what: What) -> Numbered {
    (trace::first_id(millis), Arc::new(Entry { at: millis, mac: MAC, network: "lab".into(), what }))
}

fn fetched(name: &str, stage: Transfer) -> What {
    What::Http { path: name.into(), status: 200, head: false, stage }
}

fn story(events: Vec<Event>, conversation: &[Numbered], part: &Part) -> Vec<(i64, String, String)> {
    let entries = merge(events, Some(machine_id(1)), conversation, part);
    let row = |entry: provisioner_api::TimelineEntry| (entry.at.as_millisecond(), entry.kind, entry.message);
    entries.into_iter().map(row).collect()
}

#[test]
fn a_boot_is_told_once_and_in_order() {
    let done = Transfer::Done { bytes: 9, millis: 40 };
    let conversation = [
        heard(900, fetched("/early", done.clone())),
        heard(1000, fetched("/kernel", Transfer::Begun { size: 9 })),
        heard(1040, fetched("/kernel", done.clone())),
        heard(1060, What::Agent),
    ];
    let line = |numbered: &Numbered| trace::line(&numbered.1).unwrap().1;
    let events = vec![
        event(1, 990, "step", "power-on done"),
        event(3, 1060, "agent", "called in"),
        // Written after the agent called in, of what was before.
        event(4, 1040, "boot", &line(&conversation[2])),
    ];
    let told = story(events.clone(), &conversation, &Part::default());
    let told: Vec<_> = told.iter().map(|(at, kind, text)| (*at, kind.as_str(), text.as_str())).collect();
    let early = line(&conversation[0]);
    let kernel = line(&conversation[2]);
    assert_eq!(
        told,
        [
            (900, "boot", early.as_str()),
            (990, "step", "power-on done"),
            (1000, "boot", "GET /kernel: 200, sending 9 bytes"),
            (1040, "boot", kernel.as_str()),
            (1060, "agent", "called in"),
        ]
    );
    // An earlier version gave the event the time of its writing.
    let late = vec![event(4, 1500, "boot", &kernel)];
    let told = story(late, &conversation[2..3], &Part::default());
    assert_eq!(told, [(1500, "boot".to_owned(), kernel)]);
}

#[test]
fn a_part_is_from_to_and_of_kinds() {
    let events = || (1..=6).map(|n| event(n, n as i64 * 10, ["step", "bmc"][n as usize % 2], "x")).collect();
    let at = |millis| Timestamp::from_millisecond(millis).ok();
    let times = |part: &Part| story(events(), &[], part).iter().map(|row| row.0).collect::<Vec<_>>();
    let all = Part::default();
    assert_eq!(times(&all), [10, 20, 30, 40, 50, 60]);
    assert_eq!(times(&Part { since: at(30), ..all.clone() }), [30, 40, 50, 60]);
    assert_eq!(times(&Part { until: at(30), ..all.clone() }), [10, 20]);
    assert_eq!(times(&Part { kinds: vec!["bmc".into()], ..all.clone() }), [10, 30, 50]);
    assert_eq!(times(&Part { kinds: vec!["none".into()], ..all }), [0_i64; 0]);
}

#[test]
fn a_place_is_read_back_and_nothing_else_is_one() {
    let entries = merge(
        vec![event(7, 1234, "step", "x")],
        None,
        &[heard(2, fetched("/x", Transfer::Begun { size: 1 }))],
        &Part::default(),
    );
    for entry in entries {
        let place: Place = entry.id.parse().unwrap();
        assert_eq!((place.to_string(), place.at()), (entry.id, entry.at));
    }
    for text in
        ["", ".", "1.", ".a", "1", "x.a", "1.A", "1.a b", "99999999999999999999.a", "9223372036854775807.a"]
    {
        assert!(text.parse::<Place>().is_err(), "{text}");
    }
    assert!(format!("1.{}", "a".repeat(41)).parse::<Place>().is_err());
}

#[test]
fn the_newest_facts_of_two_lists_count_once() {
    let events =
        vec![event(3, 30, "c", ""), event(1, 10, "a", ""), event(2, 20, "b", ""), event(3, 30, "c", "")];
    let kinds = |most| newest(events.clone(), most).into_iter().map(|event| event.kind).collect::<String>();
    assert_eq!((kinds(0), kinds(2), kinds(9)), ("".into(), "bc".into(), "abc".into()));
}

/// Files that were fetched, each begun and done; whether the second has an event, and how late that was written.
fn sources() -> impl Strategy<Value = (Vec<Event>, Vec<Numbered>, usize)> {
    let file = (0..200_u64, any::<bool>(), 0..3000_i64);
    let other = (0..200_i64, 0..3_usize);
    (prop::collection::vec(file, 0..12), prop::collection::vec(other, 0..12)).prop_map(|(files, others)| {
        let (mut events, mut conversation) = (Vec::new(), Vec::new());
        for (number, (at, written, late)) in files.iter().enumerate() {
            let name = format!("/{number}");
            conversation.push(heard(*at, fetched(&name, Transfer::Begun { size: 1 })));
            let done = heard(at + 1, fetched(&name, Transfer::Done { bytes: 1, millis: 1 }));
            if *written {
                let (kind, text) = trace::line(&done.1).unwrap();
                events.push(event(1000 + number as u128, *at as i64 + 1 + late, kind, &text));
            }
            conversation.push(done);
        }
        for (number, (at, kind)) in others.iter().enumerate() {
            events.push(event(number as u128, *at, ["step", "agent", "bmc"][*kind], "x"));
        }
        // Entries of one MAC have ids of their own.
        conversation.sort_by_key(|(_, entry)| entry.at);
        for (number, (id, _)) in conversation.iter_mut().enumerate() {
            *id += number as u64;
        }
        let count = files.len() * 2 + others.len();
        (events, conversation, count)
    })
}

proptest! {
    #[test]
    fn the_story_is_ordered_whole_and_without_repetition((events, conversation, count) in sources()) {
        let told = merge(events.clone(), None, &conversation, &Part::default());
        prop_assert_eq!(told.len(), count);
        prop_assert!(told.is_sorted_by_key(|entry| entry.id.parse::<Place>().unwrap()));
        prop_assert!(told.is_sorted_by_key(|entry| entry.at));
        let mut again = events;
        again.extend(again.clone());
        again.reverse();
        prop_assert_eq!(merge(again, None, &conversation, &Part::default()), told);
    }

    #[test]
    fn pages_make_the_whole((events, conversation, _) in sources(), size in 1..5_usize) {
        let whole = merge(events.clone(), None, &conversation, &Part::default());
        let (mut pages, mut part) = (Vec::new(), Part::default());
        loop {
            // What is read of events begins where the part does.
            let begin = part.begin();
            let read = events.iter().filter(|event| begin.is_none_or(|begin| event.at >= begin)).cloned();
            let rest = merge(read.collect(), None, &conversation, &part);
            let Some(last) = rest.iter().take(size).next_back() else { break };
            part.after = last.id.parse().ok();
            pages.extend(rest.into_iter().take(size));
        }
        prop_assert_eq!(pages, whole);
    }

    #[test]
    fn a_window_of_time_is_that_of_the_whole((events, conversation, _) in sources(), from in 0..250_i64, length in 0..100_i64) {
        let since = Timestamp::from_millisecond(from).unwrap();
        let until = since + SignedDuration::from_millis(length);
        let whole = merge(events.clone(), None, &conversation, &Part::default());
        let within: Vec<_> = whole.into_iter().filter(|entry| entry.at >= since && entry.at < until).collect();
        let part = Part { since: Some(since), until: Some(until), ..Part::default() };
        prop_assert_eq!(merge(events, None, &conversation, &part), within);
    }
}
