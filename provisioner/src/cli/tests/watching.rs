//! `--watch`, `-o jsonpath` and `billet top` against a service that answers by script.

use super::{
    User,
    fake::{Fake, problem},
    samples,
};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing,
};
use provisioner_api::{
    InstanceList, Machine, MachineId, MachineList, MachineState, WATCH_BEGAN, WATCH_CHANGED, WATCH_DELETED,
    WATCH_RESET, WatchBegan, WatchChange, WatchKind, WatchReset, paths,
};
use serde::Serialize;
use serde_json::json;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

const LIST: &str = "GET /v1/machines?limit=250";

/// What is said where there is no stream of changes.
const ABSENT: &str =
    "billet: the service does not tell of changes, as older ones don't; it is asked again and again\n";

/// Query and `Last-Event-ID` of a connection.
type Connection = (String, Option<String>);

/// What a stream of changes answers by script: each connection's text, after which it breaks off; the last is kept.
#[derive(Clone, Default)]
struct Streams {
    texts: Arc<Mutex<VecDeque<String>>>,
    asked: Arc<Mutex<Vec<Connection>>>,
}

impl Streams {
    fn new(texts: &[String]) -> Self {
        Self { texts: Arc::new(Mutex::new(texts.iter().cloned().collect())), ..Self::default() }
    }

    fn router(&self) -> Router {
        Router::new().route(paths::WATCH, routing::get(stream)).with_state(self.clone())
    }

    fn asked(&self) -> Vec<(String, Option<String>)> {
        self.asked.lock().unwrap().clone()
    }
}

/// After the last text whoever asks is refused.
async fn stream(State(streams): State<Streams>, uri: Uri, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").map(|last| last.to_str().unwrap().to_owned());
    streams.asked.lock().unwrap().push((uri.query().unwrap_or_default().to_owned(), last));
    match streams.texts.lock().unwrap().pop_front() {
        Some(text) => ([(header::CONTENT_TYPE, "text/event-stream")], text).into_response(),
        None => (StatusCode::UNAUTHORIZED, Json(problem(401, "this token has expired"))).into_response(),
    }
}

/// An event's text.
fn told(name: &str, id: &str, data: &impl Serialize) -> String {
    format!("event: {name}\nid: {id}\ndata: {}\n\n", serde_json::to_string(data).unwrap())
}

fn began(id: &str) -> String {
    told(WATCH_BEGAN, id, &WatchBegan { since: id.to_owned() })
}

/// A change of a machine.
fn change(machine: &Machine, with: bool) -> WatchChange {
    WatchChange {
        kind: WatchKind::Machine,
        id: machine.id.0,
        name: machine.name.clone(),
        machine: with.then(|| Box::new(machine.clone())),
        instance: None,
        image: None,
    }
}

/// Machines with ids of their own.
fn numbered(number: u128, state: MachineState) -> Machine {
    let mut machine = samples::machine(&format!("m{number}"));
    machine.id = MachineId(uuid::Uuid::from_u128(number));
    machine.status.state = state;
    machine
}

#[tokio::test]
async fn a_watched_list_follows_the_stream_over_broken_connections_until_its_token_ends() {
    use MachineState::{Available, Deploying};
    let (m1, m2, m3) = (numbered(1, Available), numbered(2, Available), numbered(3, Available));
    let deploying = Machine { version: m2.version + 1, ..numbered(2, Deploying) };
    let older = Machine { version: m2.version - 1, ..numbered(2, MachineState::Discovered) };
    let gone = change(&m1, false);
    let streams = Streams::new(&[
        began("a-1") + &told(WATCH_CHANGED, "a-2", &change(&older, true)) + ": alive\nid: a-3\n\n",
        began("a-3") + &told(WATCH_CHANGED, "a-4", &change(&deploying, true)) + "event: future\ndata: x\n\n",
        began("a-4") + &told(WATCH_DELETED, "a-5", &gone) + "event: changed\nid: a-6\ndata: half",
        began("b-0") + &told(WATCH_RESET, "b-1", &WatchReset { detail: "list again".into() }),
    ]);
    let fake = Fake::with(streams.router()).await;
    let list = |items: &[&Machine]| MachineList {
        items: items.iter().map(|machine| (*machine).clone()).collect(),
        next: None,
        resume: None,
    };
    let narrow = "GET /v1/machines?pool=a&limit=250";
    fake.says(narrow, 200, &list(&[&m1, &m2])).says(narrow, 200, &list(&[&deploying, &m3]));
    let ran = User::of(fake.connection()).run("machine list --pool a --watch").await;
    let firsts: Vec<_> =
        ran.out.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    let want = ["NAME STATE", "m1 available", "m2 available", "m2 deploying", "m3 available"];
    assert_eq!(firsts, want, "{ran:?}");
    assert!(ran.code == 2 && ran.err.starts_with("billet: m1 is gone\n"), "{ran:?}");
    assert!(ran.err.contains("this token has expired"), "{ran:?}");
    let asked = streams.asked();
    let query = "kind=machine&pool=a";
    let lasts: Vec<_> = asked.iter().map(|(_, last)| last.as_deref()).collect();
    assert!(asked.iter().all(|(asked, _)| asked == query), "{asked:?}");
    assert_eq!(lasts, [None, Some("a-3"), Some("a-4"), Some("a-5"), Some("b-1")], "half an event is none");
    let lists = fake.asked().iter().filter(|asked| asked.line == narrow).count();
    assert_eq!(lists, 2, "once, and once after the reset");
}

#[tokio::test]
async fn waiting_looks_as_soon_as_it_is_told_of_a_change() {
    let path = "GET /v1/machines/m1";
    let mut machine = samples::machine("m1");
    machine.status.state = MachineState::Inspecting;
    let streams = Streams::new(&[began("a-1"), began("a-1")]);
    let fake = Fake::with(streams.router()).await;
    fake.says(path, 200, &machine).says("POST /v1/machines/m1/actions", 200, &machine);
    fake.says(path, 200, &machine).says(path, 200, &samples::machine("m1"));
    let ran = User::of(fake.connection()).run("machine accept m1 --wait --timeout 20s").await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "machine m1 is available\n"), "{ran:?}");
    let asked = streams.asked();
    assert_eq!(asked[0], ("kind=machine&object=m1".to_owned(), None));
    assert!(!ran.err.contains("does not tell"), "{ran:?}");
}

#[tokio::test]
async fn a_stream_that_ends_before_it_began_is_done_without() {
    use MachineState::{Available, Deploying};
    let streams = Streams::new(&[": alive\n\n".to_owned()]);
    let fake = Fake::with(streams.router()).await;
    fake.says(LIST, 200, &machines(&[("m1", Available), ("m2", Available)]));
    fake.says(LIST, 200, &machines(&[("m2", Deploying)]));
    let user = User::of(fake.connection());
    tokio::select! {
        ran = user.run("machine list --watch") => panic!("it ended: {ran:?}"),
        () = user.err.until("m1 is gone") => {}
    }
    assert!(
        user.err.text().starts_with("billet: nothing comes of the stream of changes"),
        "{}",
        user.err.text()
    );
    assert_eq!(streams.asked().len(), 1);
}

fn machines(states: &[(&str, MachineState)]) -> MachineList {
    let of = |(name, state): &(&str, MachineState)| {
        let mut machine = samples::machine(name);
        machine.status.state = *state;
        machine
    };
    MachineList { items: states.iter().map(of).collect(), next: None, resume: None }
}

#[tokio::test]
async fn a_watched_list_prints_what_changed() {
    use MachineState::{Available, Deploying};
    let fake = Fake::start().await;
    fake.says(LIST, 200, &machines(&[("m1", Available), ("m2", Available)]));
    fake.says(LIST, 503, &super::fake::problem(503, "starting"));
    fake.says(LIST, 200, &machines(&[("m1", Available), ("m2", Deploying)]));
    fake.says(LIST, 200, &machines(&[("m2", Deploying)]));
    let user = User::of(fake.connection());
    tokio::select! {
        ran = user.run("machine list --watch") => panic!("it ended: {ran:?}"),
        () = user.err.until("m1 is gone") => {}
    }
    let out = user.out.text();
    let firsts: Vec<_> =
        out.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(firsts, ["NAME STATE", "m1 available", "m2 available", "m2 deploying"]);
    let want = format!("{ABSENT}billet: no news, trying on: starting\nbillet: m1 is gone\n");
    assert_eq!(user.err.text(), want);
}

#[tokio::test]
async fn what_leaves_a_filter_is_told_from_what_is_gone() {
    use MachineState::Available;
    let fake = Fake::start().await;
    let list = "GET /v1/machines?state=available&limit=250";
    fake.says(list, 200, &machines(&[("m1", Available), ("m2", Available), ("m3", Available)]));
    fake.says(list, 200, &machines(&[("m3", Available)]));
    fake.says("GET /v1/machines/m1", 200, &samples::machine("m1"));
    fake.says("GET /v1/machines/m2", 404, &super::fake::problem(404, "there is no machine `m2`"));
    let user = User::of(fake.connection());
    tokio::select! {
        ran = user.run("machine list --state available --watch -o yaml") => panic!("it ended: {ran:?}"),
        () = user.err.until("m2 is gone") => {}
    }
    let want =
        format!("{ABSENT}billet: m1 is not one of those any more; it is still there\nbillet: m2 is gone\n");
    assert_eq!(user.err.text(), want);
    let out = user.out.text();
    let names: Vec<_> = out.lines().filter(|line| line.starts_with("name: ") || *line == "---").collect();
    assert_eq!(names, ["name: m1", "---", "name: m2", "---", "name: m3"], "{out}");
}

#[tokio::test]
async fn a_watched_page_is_printed_anew_and_ends_with_its_object() {
    let fake = Fake::start().await;
    let path = "GET /v1/machines/m1";
    let mut changed = samples::machine("m1");
    changed.status.state = MachineState::Deploying;
    fake.says(path, 200, &samples::machine("m1")).says(path, 200, &changed);
    fake.says(path, 404, &super::fake::problem(404, "there is no machine `m1`"));
    let user = User::of(fake.connection());
    let ran = user
        .run_words(&["machine", "show", "m1", "--watch", "-o", "jsonpath={.status.state}{\"\\n\"}"])
        .await;
    assert_eq!((ran.code, ran.out.as_str()), (5, "available\ndeploying\n"), "{ran:?}");
}

#[tokio::test]
async fn a_template_takes_out_what_is_wanted() {
    let fake = Fake::start().await;
    fake.says(LIST, 200, &machines(&[("m1", MachineState::Available), ("m2", MachineState::Deploying)]));
    let user = User::of(fake.connection());
    for (template, want) in [
        ("jsonpath={.items[*].name}", "m1 m2"),
        ("jsonpath={range .items[*]}{.name}={.status.state}{\"\\n\"}{end}", "m1=available\nm2=deploying\n"),
        ("jsonpath={.items[?(@.status.state==\"deploying\")].name}", "m2"),
    ] {
        let ran = user.run_words(&["machine", "list", "-o", template]).await;
        assert_eq!((ran.code, ran.out.as_str()), (0, want), "{ran:?}");
    }
    for (format, want) in [
        ("jsonpath", "write jsonpath={.name}"),
        ("jsonpath={.a", "the `}` is missing"),
        ("jsonpath=.a", "no path in braces"),
        ("xml", "use table, wide, json, yaml, name or jsonpath=TEMPLATE"),
    ] {
        let ran = user.run_words(&["machine", "list", "-o", format]).await;
        assert!(ran.code == 2 && ran.err.contains(want), "{format}: {ran:?}");
    }
}

#[tokio::test]
async fn top_is_one_picture_without_a_terminal() {
    let fake = Fake::start().await;
    fake.says(LIST, 200, &machines(&[("m1", MachineState::Available)]));
    fake.says("GET /v1/instances?limit=250", 200, &InstanceList { items: vec![], next: None, resume: None });
    fake.says(
        "GET /v1/works",
        200,
        &json!({ "frozen": null, "erasing": { "running": 0, "queued": 0, "limit": 10 } }),
    );
    let user = User::of(fake.connection());
    let ran = user.run("top").await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert!(ran.out.contains("machines 1: available 1\n") && !ran.out.contains('\x1b'), "{}", ran.out);
    let json: serde_json::Value = serde_json::from_str(&user.run("top -o json").await.out).unwrap();
    assert_eq!(json["machines"][0]["name"], "m1");
}

#[tokio::test]
async fn what_follows_from_machines_is_looked_at_when_one_of_them_changed() {
    let m1 = numbered(1, MachineState::Deploying);
    let streams = Streams::new(&[began("a-1") + &told(WATCH_CHANGED, "a-2", &change(&m1, true))]);
    let fake = Fake::with(streams.router()).await;
    let pools = |machines: u64| json!({ "items": [{ "name": "racks", "machines": machines, "held": 0, "states": {} }] });
    let line = "GET /v1/pools";
    fake.says(line, 200, &pools(1)).says(line, 200, &pools(2)).says(line, 403, &problem(403, "no more"));
    let ran = User::of(fake.connection()).run("pool list --watch").await;
    let rows: Vec<_> = ran.out.lines().skip(1).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(rows, ["1", "2"], "{ran:?}");
    assert!(ran.code == 2 && ran.err.contains("no more"), "{ran:?}");
    let (query, _) = streams.asked().into_iter().next().unwrap();
    assert_eq!(query, "", "machines and instances, all of them");
}
