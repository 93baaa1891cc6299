//! Whoever watches is told what changes and is theirs, also after their connection broke, or is told to list again.

use super::*;
use crate::{
    api::watch::Pace,
    config::{Config, PostgresDatabase},
};
use axum::body::BodyDataStream;
use futures::StreamExt;
use provisioner_api::{
    MachineList, WATCH_BEGAN, WATCH_CHANGED, WATCH_DELETED, WATCH_ENDED, WATCH_LEFT, WATCH_RESET, WatchChange,
};
use std::time::Duration;

/// Something that never comes fails the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event as it is read.
#[derive(Debug)]
struct Told {
    name: String,
    id: String,
    data: String,
}

impl Told {
    /// `changed m1`, …
    fn short(&self) -> String {
        let change = serde_json::from_str::<WatchChange>(&self.data);
        format!("{} {}", self.name, change.map(|change| change.name).unwrap_or_default())
    }
}

/// A connection; dropping it is what a client does that is killed.
struct Stream {
    body: BodyDataStream,
    read: String,
}

impl Stream {
    /// The next event; none: the stream ended.
    async fn next(&mut self) -> Option<Told> {
        loop {
            while let Some((block, rest)) = self.read.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.read = rest;
                let of = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    line.map(|value| value.trim_start().to_owned())
                };
                if let Some(name) = of("event") {
                    return Some(Told {
                        name,
                        id: of("id").unwrap_or_default(),
                        data: of("data").unwrap_or_default(),
                    });
                }
            }
            let piece = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("something comes")?;
            self.read.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    /// Reads until this came, whatever it is a part of; what was read up to there.
    async fn until(&mut self, wanted: &str) -> String {
        loop {
            if let Some(at) = self.read.find(wanted) {
                let rest = self.read.split_off(at + wanted.len());
                return std::mem::replace(&mut self.read, rest);
            }
            let piece = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("something comes");
            self.read.push_str(std::str::from_utf8(&piece.expect("it goes on").unwrap()).unwrap());
        }
    }

    /// The next event in short.
    async fn short(&mut self) -> String {
        self.next().await.expect("the stream goes on").short()
    }
}

/// Connects; what is refused, as status and headers.
async fn connect(
    world: &World,
    token: &str,
    query: &str,
    last: Option<&str>,
) -> Result<Stream, axum::http::Response<Body>> {
    connect_at(world, token, query, last, Pace::default()).await
}

/// Connects as one who waits so long.
async fn connect_at(
    world: &World,
    token: &str,
    query: &str,
    last: Option<&str>,
    pace: Pace,
) -> Result<Stream, axum::http::Response<Body>> {
    let mut request = Request::builder().uri(format!("{}?{query}", paths::WATCH)).extension(pace);
    request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last);
    }
    let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    if response.status() != StatusCode::OK {
        return Err(response);
    }
    Ok(Stream { body: response.into_body().into_data_stream(), read: String::new() })
}

/// Connects, and reads where the stream begins.
async fn watch(world: &World, token: &str, query: &str, last: Option<&str>) -> (Stream, String) {
    let mut stream = connect(world, token, query, last).await.expect("it may watch");
    let began = stream.next().await.unwrap();
    assert_eq!(began.name, WATCH_BEGAN);
    (stream, began.id)
}

async fn change(world: &World, admin: &str, method: Method, path: &str, body: &str) {
    let (status, text) = world.ask(Some(admin), &method, path, body).await;
    assert!(status.is_success(), "{method} {path}: {status} {text}");
}

async fn move_to(world: &World, admin: &str, name: &str, pool: &str) {
    let body = format!(r#"{{"pool":"{pool}"}}"#);
    change(world, admin, Method::PATCH, &format!("/v1/machines/{name}"), &body).await;
}

#[tokio::test]
async fn who_lists_and_then_watches_loses_nothing_however_often_the_connection_breaks() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    world.machine(1, "a").await;
    let (_, text) = world.ask(Some(&admin), &Method::GET, "/v1/machines?resume=true", "").await;
    let list: MachineList = serde_json::from_str(&text).unwrap();
    let resume = list.resume.unwrap();
    assert_eq!(list.items.len(), 1);
    // Between the list and the watch.
    move_to(&world, &admin, "m1", "b").await;
    let (mut stream, _) = watch(&world, &admin, &format!("since={resume}"), None).await;
    let told = stream.next().await.unwrap();
    assert_eq!(told.short(), format!("{WATCH_CHANGED} m1"));
    let machine = serde_json::from_str::<WatchChange>(&told.data).unwrap().machine.unwrap();
    assert_eq!(machine.spec.pool, "b");
    let mut last = told.id;
    for round in 0..5 {
        drop(stream);
        // While nobody watches.
        world.machine(10 + round, "a").await;
        move_to(&world, &admin, "m1", &format!("p{round}")).await;
        (stream, _) = watch(&world, &admin, &format!("since={resume}"), Some(&last)).await;
        let mut told = Vec::new();
        while told.len() < 2 {
            let event = stream.next().await.unwrap();
            last = event.id.clone();
            told.push(event.short());
        }
        told.sort();
        told.dedup();
        assert_eq!(told, [format!("{WATCH_CHANGED} m1"), format!("{WATCH_CHANGED} m{}", 10 + round)]);
    }
    drop(stream);
    change(&world, &admin, Method::DELETE, "/v1/machines/m1", "").await;
    let (mut stream, _) = watch(&world, &admin, "", Some(&last)).await;
    let gone = stream.next().await.unwrap();
    assert_eq!(gone.short(), format!("{WATCH_DELETED} m1"));
    let gone: WatchChange = serde_json::from_str(&gone.data).unwrap();
    assert_eq!(gone.id, samples::machine_id(1).0);
    assert!(gone.machine.is_none());
}

#[tokio::test]
async fn a_watcher_is_told_of_its_own_pools_only() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let tenant = world.token(Role::Tenant, Some(&["own"])).await;
    world.machine(1, "others").await;
    let (mut stream, _) = watch(&world, &tenant, "", None).await;
    world.machine(2, "others").await;
    world.instance(1, "others").await;
    world.instance(2, "own").await;
    move_to(&world, &admin, "m1", "more").await;
    assert_eq!(stream.short().await, format!("{WATCH_CHANGED} i2"));
    move_to(&world, &admin, "m1", "own").await;
    let told = stream.next().await.unwrap();
    assert_eq!(told.short(), format!("{WATCH_CHANGED} m1"));
    let machine = serde_json::from_str::<WatchChange>(&told.data).unwrap().machine.unwrap();
    assert!(machine.spec.bmc.is_none(), "as a tenant sees it");
    // It goes to others under a name that is not to be known.
    change(&world, &admin, Method::PATCH, "/v1/machines/m1", r#"{"pool":"others","name":"hidden"}"#).await;
    assert_eq!(stream.short().await, format!("{WATCH_DELETED} m1"));
    change(&world, &admin, Method::DELETE, "/v1/machines/hidden", "").await;
    let mut image = samples::image();
    (image.id, image.name) = (provisioner_api::ImageId(uuid::Uuid::from_u128(2)), "rescue".into());
    world.service.store.image_insert(&image).await.unwrap();
    world.service.hub.tell_watchers();
    assert_eq!(stream.short().await, format!("{WATCH_CHANGED} rescue"), "nothing of others between");
}

#[tokio::test]
async fn what_leaves_the_filter_is_not_gone() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    world.machine(1, "a").await;
    let (mut stream, _) = watch(&world, &admin, "kind=machine&pool=a", None).await;
    world.instance(1, "a").await;
    move_to(&world, &admin, "m1", "b").await;
    assert_eq!(stream.short().await, format!("{WATCH_LEFT} m1"));
    move_to(&world, &admin, "m1", "a").await;
    assert_eq!(stream.short().await, format!("{WATCH_CHANGED} m1"));
    change(&world, &admin, Method::DELETE, "/v1/machines/m1", "").await;
    assert_eq!(stream.short().await, format!("{WATCH_DELETED} m1"));
}

async fn label(world: &World, admin: &str, name: &str, labels: &str) {
    let body = format!(r#"{{"labels":{labels}}}"#);
    change(world, admin, Method::PATCH, &format!("/v1/machines/{name}"), &body).await;
}

#[tokio::test]
async fn machines_are_listed_and_watched_by_their_labels() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let tenant = world.token(Role::Tenant, Some(&["own"])).await;
    for (number, pool) in [(1, "own"), (2, "own"), (3, "others")] {
        world.machine(number, pool).await;
    }
    label(&world, &admin, "m1", r#"{"rack":"r1","disk":"ssd"}"#).await;
    label(&world, &admin, "m3", r#"{"rack":"r1"}"#).await;
    let names = async |token: &str, query: &str| {
        let path = format!("/v1/machines?resume=true&{query}");
        let (status, text) = world.ask(Some(token), &Method::GET, &path, "").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let list: MachineList = serde_json::from_str(&text).unwrap();
        let names: Vec<_> = list.items.iter().map(|machine| machine.name.clone()).collect();
        (names.join(" "), list.next, list.resume.unwrap())
    };
    for (query, found) in [
        ("labels=rack%3Dr1", "m1 m3"),
        ("labels=rack%3Dr1,disk", "m1"),
        ("labels=!rack", "m2"),
        ("labels=rack%20in%20(r1,r2),disk!%3Dssd", "m3"),
        ("labels=rack%3Dr1&pool=own", "m1"),
        ("labels=rack%3Dr2", ""),
    ] {
        assert_eq!(names(&admin, query).await.0, found, "{query}");
    }
    let (first, next, _) = names(&admin, "labels=rack%3Dr1&limit=1").await;
    assert_eq!((first.as_str(), next.as_deref()), ("m1", Some("m1")));
    assert_eq!(names(&admin, "labels=rack%3Dr1&limit=1&after=m1").await.0, "m3");
    assert_eq!(names(&tenant, "labels=rack%3Dr1").await.0, "m1", "only theirs");
    let (_, _, resume) = names(&tenant, "labels=rack%3Dr1").await;
    // Between the list and the watch.
    label(&world, &admin, "m1", r#"{"rack":"r2"}"#).await;
    let query = format!("labels=rack%3Dr1&since={resume}");
    let (mut stream, _) = watch(&world, &tenant, &query, None).await;
    let left = stream.next().await.unwrap();
    assert_eq!(left.short(), format!("{WATCH_LEFT} m1"));
    // Nothing of others, nor of what fits neither before nor after, nor of what has no labels.
    label(&world, &admin, "m3", r#"{"rack":"r1","disk":"ssd"}"#).await;
    label(&world, &admin, "m1", r#"{"rack":"r3"}"#).await;
    world.instance(1, "own").await;
    label(&world, &admin, "m2", r#"{"rack":"r1"}"#).await;
    assert_eq!(stream.short().await, format!("{WATCH_CHANGED} m2"));
    drop(stream);
    label(&world, &admin, "m2", r#"{}"#).await;
    let (mut stream, _) = watch(&world, &tenant, "labels=rack%3Dr1", Some(&left.id)).await;
    // As it is now, and then that it left: what is told last is how it is.
    let mut last = stream.short().await;
    while last != format!("{WATCH_LEFT} m2") {
        assert_eq!(last, format!("{WATCH_CHANGED} m2"));
        last = stream.short().await;
    }
    change(&world, &admin, Method::DELETE, "/v1/machines/m2", "").await;
    label(&world, &admin, "m1", r#"{"rack":"r1"}"#).await;
    assert_eq!(stream.short().await, format!("{WATCH_CHANGED} m1"), "m2 had left before it was deleted");
    for path in ["/v1/machines?labels=a%20b", "/v1/watch?labels=a%20b"] {
        let (status, text) = world.ask(Some(&admin), &Method::GET, path, "").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(text.contains(r#""field":"labels""#), "{text}");
    }
}

#[tokio::test]
async fn who_was_too_long_away_is_told_to_list_again_and_goes_on() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    world.machine(1, "a").await;
    let other = format!("{}-3", uuid::Uuid::from_u128(3).simple());
    let (mut stream, _) = watch(&world, &admin, "", Some(&other)).await;
    let reset = stream.next().await.unwrap();
    assert_eq!(reset.name, WATCH_RESET);
    assert!(reset.data.contains("list again"), "{reset:?}");
    move_to(&world, &admin, "m1", "b").await;
    assert_eq!(stream.short().await, format!("{WATCH_CHANGED} m1"));
    drop(stream);
    // Where it was told to go on from is good.
    let (mut stream, _) = watch(&world, &admin, "", Some(&reset.id)).await;
    assert_eq!(stream.short().await, format!("{WATCH_CHANGED} m1"));
    for (query, last, field) in [
        ("since=x", None, "since"),
        ("", Some("x"), "Last-Event-ID"),
        ("kind=x", None, "kind"),
        ("state=free", None, "state"),
        ("kind=machine&state=x", None, "state"),
        ("colour=red", None, "colour"),
    ] {
        let Err(refused) = connect(&world, &admin, query, last).await else { panic!("{query}") };
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        let text = to_bytes(refused.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains(&format!(r#""field":"{field}""#)), "{query}: {text}");
    }
}

#[tokio::test]
async fn no_token_has_more_watchers_than_its_share() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let other = world.token(Role::Viewer, None).await;
    let mut streams = Vec::new();
    let refused = loop {
        match connect(&world, &admin, "", None).await {
            Ok(stream) => streams.push(stream),
            Err(refused) => break refused,
        }
    };
    assert_eq!((streams.len(), refused.status()), (16, StatusCode::TOO_MANY_REQUESTS));
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert!(connect(&world, &other, "", None).await.is_ok(), "another's are its own");
    drop(streams);
    let freed = async {
        while connect(&world, &admin, "", None).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.expect("who goes makes room");
}

#[tokio::test]
async fn a_watch_ends_with_its_token() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let viewer = world.token(Role::Viewer, None).await;
    let (mut stream, _) = watch(&world, &viewer, "", None).await;
    change(&world, &admin, Method::DELETE, &format!("/v1/tokens/{viewer}"), "").await;
    assert!(stream.next().await.is_none());
    let Err(refused) = connect(&world, &viewer, "", None).await else { panic!("it is revoked") };
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn one_object_is_watched_by_its_name_or_id() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    world.machine(1, "a").await;
    world.machine(2, "a").await;
    let (mut named, _) = watch(&world, &admin, "object=m2", None).await;
    let id = samples::machine_id(2);
    let (mut by_id, _) = watch(&world, &admin, &format!("kind=machine&object={id}"), None).await;
    move_to(&world, &admin, "m1", "b").await;
    move_to(&world, &admin, "m2", "b").await;
    for stream in [&mut named, &mut by_id] {
        assert_eq!(stream.short().await, format!("{WATCH_CHANGED} m2"));
    }
    change(&world, &admin, Method::PATCH, "/v1/machines/m2", r#"{"name":"other"}"#).await;
    assert_eq!(named.short().await, format!("{WATCH_LEFT} other"));
    assert_eq!(by_id.short().await, format!("{WATCH_CHANGED} other"));
}

#[tokio::test]
async fn who_reads_nothing_is_cut_off_and_told_and_misses_nothing() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    world.machine(1, "a").await;
    let pace = Pace { stuck: Duration::from_millis(50), ..Pace::default() };
    let mut slow = connect_at(&world, &admin, "", None, pace).await.unwrap();
    let (mut other, _) = watch(&world, &admin, "", None).await;
    for round in 0..10 {
        move_to(&world, &admin, "m1", &format!("p{round}")).await;
        // So that each is a change of its own.
        assert_eq!(other.short().await, format!("{WATCH_CHANGED} m1"));
    }
    let cut_off = async {
        while world.service.feed.watchers() > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, cut_off).await.expect("its place is free again");
    let mut told = Vec::new();
    while let Some(event) = slow.next().await {
        told.push(event);
    }
    let names: Vec<_> = told.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, [WATCH_BEGAN, WATCH_ENDED], "no more than one event waits for a reader");
    assert!(told[1].data.contains("was not read for too long") && told[1].id.is_empty(), "{told:?}");
    let (mut again, _) = watch(&world, &admin, "", Some(&told[0].id)).await;
    for _ in 0..10 {
        assert_eq!(again.short().await, format!("{WATCH_CHANGED} m1"));
    }
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_is_alive_and_moves_on_past_what_is_not_theirs() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let tenant = world.token(Role::Tenant, Some(&["own"])).await;
    world.machine(1, "others").await;
    let pace = Pace { alive: Duration::from_millis(20), ..Pace::default() };
    let mut stream = connect_at(&world, &tenant, "", None, pace).await.unwrap();
    let began = stream.next().await.unwrap().id;
    stream.until(&format!(": alive\nid: {began}\n\n")).await;
    move_to(&world, &admin, "m1", "more").await;
    let (history, at) = began.split_once('-').unwrap();
    let next = format!("{history}-{}", at.parse::<u64>().unwrap() + 1);
    let between = stream.until(&format!(": alive\nid: {next}\n\n")).await;
    assert!(!between.contains("event:") && !between.contains("m1"), "{between}");
}

#[tokio::test]
async fn several_watchers_are_told_the_same_in_the_same_order() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let viewer = world.token(Role::Viewer, None).await;
    world.machine(1, "a").await;
    let mut streams = Vec::new();
    for token in [&admin, &viewer, &admin, &viewer] {
        streams.push(watch(&world, token, "", None).await.0);
    }
    let mut told = vec![Vec::new(); streams.len()];
    for round in 0..5 {
        move_to(&world, &admin, "m1", &format!("p{round}")).await;
        world.instance(1 + round, "a").await;
        world.service.hub.tell_watchers();
        for (stream, told) in streams.iter_mut().zip(&mut told) {
            for _ in 0..2 {
                let event = stream.next().await.unwrap();
                told.push((event.short(), event.id));
            }
        }
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
}

/// A replica on this database; nothing of it runs, so that nothing is said to the others.
async fn replica(url: &str, key: Option<&World>) -> World {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        database: Some(PostgresDatabase::parse(url, None).unwrap()),
        ..crate::app::tests::config(folder.path())
    };
    if let Some(other) = key {
        // What all replicas of a site share.
        std::fs::create_dir_all(config.data.join("tls")).unwrap();
        for file in ["site.key", "tls/ca.key", "tls/ca.pem"] {
            std::fs::copy(other.service.config.data.join(file), config.data.join(file)).unwrap();
        }
    }
    let service = crate::app::tests::bound(config).await.unwrap();
    World { router: router(Arc::clone(&service)), service, _folder: folder }
}

#[tokio::test]
async fn each_replica_tells_of_the_others_changes_also_where_no_word_of_them_came() {
    let database = tests_postgres::Server::shared().await.unwrap().database().await.unwrap();
    let one = replica(database.url(), None).await;
    let two = replica(database.url(), Some(&one)).await;
    let admin = one.token(Role::Admin, None).await;
    one.machine(1, "a").await;
    let (mut at_one, position) = watch(&one, &admin, "kind=machine", None).await;
    let (mut at_two, _) = watch(&two, &admin, "kind=machine", None).await;
    for (world, pool) in [(&one, "b"), (&two, "c")] {
        move_to(world, &admin, "m1", pool).await;
        for stream in [&mut at_one, &mut at_two] {
            let told = stream.next().await.unwrap();
            let change: WatchChange = serde_json::from_str(&told.data).unwrap();
            assert_eq!((told.name.as_str(), &*change.machine.unwrap().spec.pool), (WATCH_CHANGED, pool));
        }
    }
    // Who comes to another replica can't go on, and is told to list again.
    let (mut moved, _) = watch(&two, &admin, "kind=machine", Some(&position)).await;
    assert_eq!(moved.next().await.unwrap().name, WATCH_RESET);
}
