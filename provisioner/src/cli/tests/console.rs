//! A console through the service: reading on after a break, typing in order, leaving.

use super::{
    User,
    fake::{Fake, problem},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Response, StatusCode, Uri},
    routing::{get, post},
};
use futures::{StreamExt, stream};
use provisioner_api::CONSOLE_POSITION;
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Notify, Semaphore, mpsc};

/// What the machine said since its record began, at position 100.
const SAID: &str = "Booting...\r\nlogin: ";

/// How a connection goes.
#[derive(Clone, Copy)]
enum Go {
    /// Up to this position, and then it breaks.
    BreakAt(u64),
    /// Up to this position, and then nothing more comes.
    StayAt(u64),
    /// All, and it ends.
    End,
    /// It is refused.
    Refuse(u16),
    /// From this position on, though an earlier one was asked for, and then nothing more comes.
    StartAt(u64),
}

/// A machine's console at a service.
struct Machine {
    /// How the next connections go, the last one first.
    goes: Mutex<Vec<Go>>,
    /// The queries that were asked.
    asked: Mutex<Vec<String>>,
    /// What was typed, and `BREAK`.
    typed: Mutex<Vec<String>>,
    /// How many more pieces are taken.
    takes: Semaphore,
    more: Notify,
}

impl Machine {
    /// A service with the machine `m1`.
    async fn start(goes: &[Go], takes: usize) -> (Arc<Self>, Fake) {
        let machine = Arc::new(Self {
            goes: Mutex::new(goes.iter().rev().copied().collect()),
            takes: Semaphore::new(takes),
            ..Self::empty()
        });
        let routes = Router::new()
            .route("/v1/machines/m1/console", get(read).post(typed))
            .route("/v1/machines/m1/console/break", post(broken))
            .with_state(Arc::clone(&machine));
        let fake = Fake::with(routes).await;
        (machine, fake)
    }

    fn empty() -> Self {
        Self {
            goes: Mutex::default(),
            asked: Mutex::default(),
            typed: Mutex::default(),
            takes: Semaphore::new(0),
            more: Notify::new(),
        }
    }

    /// Waits until so many pieces were typed.
    async fn until(&self, pieces: usize) {
        while self.typed.lock().unwrap().len() < pieces {
            self.more.notified().await;
        }
    }

    async fn took(&self, what: String) {
        self.typed.lock().unwrap().push(what);
        self.more.notify_one();
        self.takes.acquire().await.unwrap().forget();
    }
}

async fn read(State(machine): State<Arc<Machine>>, uri: Uri) -> Response<Body> {
    let query = uri.query().unwrap_or_default().to_owned();
    machine.asked.lock().unwrap().push(query.clone());
    let go = machine.goes.lock().unwrap().pop().unwrap();
    let from = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("from="))
        .map_or(100, |from| from.parse().unwrap());
    let end = 100 + SAID.len() as u64;
    let (from, to) = match go {
        Go::BreakAt(to) | Go::StayAt(to) => (from, to),
        Go::StartAt(from) => (from, end),
        Go::End => (from, end),
        Go::Refuse(status) => {
            return Response::builder()
                .status(status)
                .header("content-type", "application/problem+json")
                .body(Body::from(serde_json::to_vec(&problem(status, "it can't be")).unwrap()))
                .unwrap();
        }
    };
    let at = |position: u64| usize::try_from(position - 100).unwrap();
    let bytes = Bytes::from_static(&SAID.as_bytes()[at(from)..at(to)]);
    let body = stream::iter([Ok::<_, io::Error>(bytes)]);
    let body = match go {
        // Not at once, or what was said before would not be sent.
        Go::BreakAt(_) => Body::from_stream(body.chain(stream::once(async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Err(io::Error::other("gone"))
        }))),
        Go::StayAt(_) | Go::StartAt(_) => Body::from_stream(body.chain(stream::pending())),
        Go::End | Go::Refuse(_) => Body::from_stream(body),
    };
    Response::builder().header(CONSOLE_POSITION, from).body(body).unwrap()
}

async fn typed(State(machine): State<Arc<Machine>>, body: Bytes) -> StatusCode {
    machine.took(String::from_utf8(body.to_vec()).unwrap()).await;
    StatusCode::NO_CONTENT
}

async fn broken(State(machine): State<Arc<Machine>>) -> StatusCode {
    machine.took("BREAK".to_owned()).await;
    StatusCode::NO_CONTENT
}

async fn key(keys: &mpsc::Sender<Vec<u8>>, text: &str) {
    keys.send(text.as_bytes().to_vec()).await.unwrap();
}

#[tokio::test]
async fn a_broken_connection_is_made_again_at_the_same_byte() {
    let goes = [Go::BreakAt(107), Go::Refuse(503), Go::BreakAt(107), Go::StayAt(119)];
    let (machine, fake) = Machine::start(&goes, 0).await;
    let user = User::of(fake.connection());
    let keys = user.keyboard(true);
    let (ran, ()) = tokio::join!(user.run("machine console m1"), async {
        user.out.until("login: ").await;
        key(&keys, "~.").await;
    });
    assert_eq!((ran.code, ran.out.as_str()), (0, SAID), "{ran:?}");
    assert_eq!(
        *machine.asked.lock().unwrap(),
        ["tail=16384&follow=true", "from=107&follow=true", "from=107&follow=true", "from=107&follow=true"]
    );
    assert!(ran.err.contains("[billet: the console of m1; ~. at the start of a line leaves"), "{ran:?}");
    assert!(ran.err.contains("[billet: the console is interrupted: "), "{ran:?}");
    assert!(
        ran.err.contains("[billet: the console goes on; all that the service recorded is here]"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn what_is_no_longer_recorded_is_told() {
    let (machine, fake) = Machine::start(&[Go::BreakAt(103), Go::StartAt(112)], 0).await;
    let user = User::of(fake.connection());
    let keys = user.keyboard(true);
    let (ran, ()) = tokio::join!(user.run("bmc console m1 --backlog 7"), async {
        user.out.until("login: ").await;
        key(&keys, "~.").await;
    });
    assert_eq!((ran.code, ran.out.as_str()), (0, "Boologin: "), "{ran:?}");
    assert!(ran.err.contains("the console goes on; 9 bytes are no longer in the record"), "{ran:?}");
    assert_eq!(machine.asked.lock().unwrap()[0], "tail=7&follow=true");
}

#[tokio::test]
async fn what_is_typed_while_another_piece_is_sent_goes_together_and_in_order() {
    let (machine, fake) = Machine::start(&[Go::StayAt(119)], 0).await;
    let user = User::of(fake.connection());
    let keys = user.keyboard(true);
    let (ran, ()) = tokio::join!(user.run("machine console m1"), async {
        key(&keys, "r").await;
        machine.until(1).await;
        for text in ["o", "ot", "\r", "~", "B", "~", "~x", "\r~?"] {
            key(&keys, text).await;
        }
        user.err.until("types ~ itself").await;
        machine.takes.add_permits(10);
        machine.until(4).await;
        key(&keys, "bye~.\r~.").await;
    });
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(*machine.typed.lock().unwrap(), ["r", "oot\r", "BREAK", "~x\r", "bye~.\r"]);
}

#[tokio::test]
async fn leaving_does_not_wait_for_what_hangs() {
    let (machine, fake) = Machine::start(&[Go::StayAt(119)], 0).await;
    let user = User::of(fake.connection());
    let keys = user.keyboard(true);
    let (ran, ()) = tokio::join!(user.run("machine console m1"), async {
        key(&keys, "x\r").await;
        machine.until(1).await;
        key(&keys, "~.").await;
    });
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("what was typed last may not have arrived"), "{ran:?}");
}

#[tokio::test]
async fn a_pipe_is_typed_as_it_is_and_its_end_does_not_end_the_watching() {
    let goes = [Go::BreakAt(112), Go::Refuse(404)];
    let (machine, fake) = Machine::start(&goes, 10).await;
    let user = User::of(fake.connection());
    let keys = user.keyboard(false);
    key(&keys, "~.\rreboot\r").await;
    drop(keys);
    let ran = user.run("machine console m1 --backlog all").await;
    assert_eq!((ran.code, ran.out.as_str()), (5, "Booting...\r\n"), "{ran:?}");
    assert!(ran.err.starts_with("billet: the console is interrupted: "), "{ran:?}");
    assert!(ran.err.ends_with("billet: it can't be\n"), "{ran:?}");
    assert_eq!(*machine.typed.lock().unwrap(), ["~.\rreboot\r"]);
    assert_eq!(machine.asked.lock().unwrap()[0], "follow=true");
}

#[tokio::test]
async fn a_record_is_printed_without_a_keyboard() {
    let (machine, fake) = Machine::start(&[Go::End, Go::Refuse(409)], 0).await;
    let user = User::of(fake.connection());
    let ran = user.run("machine console m1 --follow=false --backlog all").await;
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, SAID, ""), "{ran:?}");
    assert_eq!(*machine.asked.lock().unwrap(), [""]);
    let ran = user.run("machine console m1 --no-input").await;
    assert_eq!((ran.code, ran.err.as_str()), (2, "billet: it can't be\n"), "{ran:?}");
}

#[tokio::test]
async fn typing_that_fails_is_told_and_not_repeated() {
    let routes = Router::new()
        .route("/v1/machines/m1/console", get(read))
        .with_state(Arc::new(Machine { goes: Mutex::new(vec![Go::StayAt(119)]), ..Machine::empty() }));
    let fake = Fake::with(routes).await;
    let user = User::of(fake.connection());
    let keys = user.keyboard(true);
    let (ran, ()) = tokio::join!(user.run("machine console m1"), async {
        key(&keys, "x").await;
        user.err.until("what was typed may be lost").await;
        key(&keys, "\r~.").await;
    });
    assert_eq!(ran.code, 0, "{ran:?}");
}
