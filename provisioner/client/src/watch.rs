//! The stream of changes (`GET /v1/watch`), which goes on over broken connections from where it was.
//!
//! Deliberately not here: what is made of a change, and listing. Whoever watches lists once they were told [`WatchEvent::Began`],
//! and again after each [`WatchEvent::Reset`]: what the list does not have comes behind it.

use crate::{Client, ClientError, answer, bmc_parts::WATCH_TIMEOUT, rest::word, sse};
use futures::future::{BoxFuture, FutureExt};
use provisioner_api::{
    WATCH_BEGAN, WATCH_CHANGED, WATCH_DELETED, WATCH_LEFT, WATCH_RESET, WatchChange, WatchKind, WatchReset,
    paths,
};
use reqwest::{Method, RequestBuilder, Response, header};
use serde::de::DeserializeOwned;
use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// What the service has for the place in the stream (HTML Living Standard, section 9.2.4).
const LAST: &str = "last-event-id";

/// When nothing comes for so long, not even the head of the answer, the connection is dead: the service shows that it is alive
/// each 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// How long is waited before the first and, at the most, before any other try to connect again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A connection that stood for so long was a good one: the next pause is short again.
const GOOD: Duration = Duration::from_secs(10);

/// What is watched.
#[derive(Debug, Clone, Default)]
pub struct WatchFilter {
    /// Only objects of this kind.
    pub kind: Option<WatchKind>,
    /// Only the object with this name or id.
    pub object: Option<String>,
    /// Only those in this state; it needs a kind.
    pub state: Option<String>,
    /// Only those of this pool.
    pub pool: Option<String>,
    /// Only machines whose work waits for a person, or whose work does not.
    pub held: Option<bool>,
    /// Only machines with such labels, as `kubectl -l` takes it.
    pub labels: Option<String>,
}

impl WatchFilter {
    fn query(&self) -> Result<Vec<(&'static str, String)>, ClientError> {
        let mut query = Vec::new();
        query.extend(self.kind.map(word).transpose()?.map(|kind| ("kind", kind)));
        query.extend(self.object.clone().map(|object| ("object", object)));
        query.extend(self.state.clone().map(|state| ("state", state)));
        query.extend(self.pool.clone().map(|pool| ("pool", pool)));
        query.extend(self.held.map(|held| ("held", held.to_string())));
        query.extend(self.labels.clone().map(|labels| ("labels", labels)));
        Ok(query)
    }
}

/// What is told.
#[derive(Debug)]
pub enum WatchEvent {
    /// The first one: from here on nothing is left out.
    Began,
    /// An object is new, or another than before; how it is now is with it.
    Changed(Box<WatchChange>),
    /// An object is there still, but not one of those that are watched.
    Left(Box<WatchChange>),
    /// An object is gone, or is the caller's no more.
    Deleted(Box<WatchChange>),
    /// Changes were missed: list again. The stream goes on meanwhile.
    Reset {
        /// Why, in the service's words.
        detail: String,
    },
    /// The service can't be asked just now. It is told once, and tried on.
    Broken(ClientError),
    /// The stream goes on after that, and nothing was missed.
    Resumed,
}

/// A stream of changes. Dropping it leaves it.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    filter: WatchFilter,
    /// The place behind all that was told; none: it did not begin yet.
    place: Option<String>,
    /// A connection under way: it goes on when [`Watch::next`] is dropped and called again.
    connecting: Option<Connecting>,
    connected: Option<Connected>,
    retry: Retry,
    /// Whether it was told that there is no connection.
    told: bool,
}

#[derive(Debug)]
struct Connected {
    response: Response,
    events: sse::Events,
    since: Instant,
    /// When something came of it last. Silence goes on while nobody reads.
    heard: Instant,
}

/// A connection under way.
struct Connecting(BoxFuture<'static, Result<Response, ClientError>>);

impl Connecting {
    /// One whose answer begins in time.
    fn new(sent: impl Future<Output = Result<Response, ClientError>> + Send + 'static) -> Self {
        Self::within(SILENCE, sent)
    }

    fn within(
        patience: Duration,
        sent: impl Future<Output = Result<Response, ClientError>> + Send + 'static,
    ) -> Self {
        let sent = timeout(patience, sent);
        Self(async move { sent.await.unwrap_or_else(|_| Err(silent())) }.boxed())
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connecting")
    }
}

impl Client {
    /// Watches what changes. Nothing is asked before [`Watch::next`].
    pub fn watch(&self, filter: WatchFilter) -> Watch {
        let (client, retry) = (self.clone(), Retry::default());
        Watch { client, filter, place: None, connecting: None, connected: None, retry, told: false }
    }
}

impl Watch {
    /// The next event, however long it takes. It may be dropped while it waits; nothing is lost by that.
    ///
    /// # Errors
    /// Before [`WatchEvent::Began`] whatever refuses the stream: 404 says that the service is older than it, 429 that this
    /// token has too many; [`ClientError::Silent`] and [`ClientError::Ended`] that nothing comes of it, such as when a proxy
    /// holds it back. After that only what no patience mends, such as 401 for a token that expired.
    pub async fn next(&mut self) -> Result<WatchEvent, ClientError> {
        loop {
            let Some(connected) = &mut self.connected else {
                if let Some(event) = self.connect().await? {
                    return Ok(event);
                }
                continue;
            };
            let read = connected.read().await;
            let place = connected.events.last_id().map(ToOwned::to_owned);
            self.place = place.or(self.place.take());
            let lost = match read {
                Ok(Some(event)) => match self.told(event)? {
                    Some(event) => return Ok(event),
                    None => continue,
                },
                // The service stops, or ends those who read too slowly.
                Ok(None) => None,
                Err(error) if error.is_transient() => Some(error),
                Err(error) => return Err(error),
            };
            self.lose();
            if !self.goes_on() {
                return Err(lost.unwrap_or(ClientError::Ended));
            }
            if let Some(error) = lost {
                self.told = true;
                return Ok(WatchEvent::Broken(error));
            }
        }
    }

    /// Whether it began, so that it can go on from where it was.
    fn goes_on(&self) -> bool {
        self.retry.began && self.place.is_some()
    }

    /// Takes down that the connection is gone.
    fn lose(&mut self) {
        if let Some(connected) = self.connected.take() {
            self.retry.lost(Instant::now(), connected.since.elapsed() >= GOOD, random());
        }
    }

    /// Connects, when it is time; whether there is something to tell.
    async fn connect(&mut self) -> Result<Option<WatchEvent>, ClientError> {
        if let Some(due) = self.retry.due {
            sleep_until(due).await;
        }
        if self.connecting.is_none() {
            self.connecting = Some(Connecting::new(answer::send(self.request()?)));
        }
        let Some(Connecting(answer)) = &mut self.connecting else { return Ok(None) };
        let answer = answer.await;
        self.connecting = None;
        match answer {
            Ok(response) => {
                let (events, since) = (sse::Events::default(), Instant::now());
                self.connected = Some(Connected { response, events, since, heard: since });
                Ok(None)
            }
            Err(error) if error.is_transient() && self.goes_on() => {
                self.retry.lost(Instant::now(), false, random());
                let news = !std::mem::replace(&mut self.told, true);
                Ok(news.then_some(WatchEvent::Broken(error)))
            }
            Err(error) => {
                self.retry.lost(Instant::now(), false, random());
                Err(error)
            }
        }
    }

    fn request(&self) -> Result<RequestBuilder, ClientError> {
        let query = self.filter.query()?;
        let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let request = self.client.request_with(Method::GET, paths::WATCH, &[], &query)?;
        let request = request.timeout(WATCH_TIMEOUT).header(header::ACCEPT, "text/event-stream");
        Ok(match &self.place {
            Some(place) => request.header(LAST, place),
            None => request,
        })
    }

    /// What an event means; nothing for one that this version doesn't know.
    fn told(&mut self, event: sse::Event) -> Result<Option<WatchEvent>, ClientError> {
        let data = &event.data;
        Ok(Some(match event.name.as_str() {
            WATCH_BEGAN => {
                let first = self.retry.began();
                let broken = std::mem::take(&mut self.told);
                return Ok(match (first, broken) {
                    (true, _) => Some(WatchEvent::Began),
                    (false, true) => Some(WatchEvent::Resumed),
                    (false, false) => None,
                });
            }
            WATCH_CHANGED => WatchEvent::Changed(read(data)?),
            WATCH_LEFT => WatchEvent::Left(read(data)?),
            WATCH_DELETED => WatchEvent::Deleted(read(data)?),
            WATCH_RESET => WatchEvent::Reset { detail: read::<WatchReset>(data)?.detail },
            _ => return Ok(None),
        }))
    }
}

impl Connected {
    /// The next event; none: the stream ended.
    async fn read(&mut self) -> Result<Option<sse::Event>, ClientError> {
        loop {
            if let Some(event) = self.events.next().map_err(|error| garbled(&error.to_string()))? {
                return Ok(Some(event));
            }
            let piece =
                timeout_at(self.heard + SILENCE, self.response.chunk()).await.map_err(|_| silent())?;
            let Some(bytes) = piece.map_err(ClientError::broken)? else { return Ok(None) };
            self.heard = Instant::now();
            self.events.push(&bytes);
        }
    }
}

/// When to connect again.
#[derive(Debug, Default)]
struct Retry {
    /// Not before this.
    due: Option<Instant>,
    /// How often it failed without a good connection between.
    failed: u32,
    /// Whether the stream ever began.
    began: bool,
}

impl Retry {
    /// Whether the stream begins for the first time.
    fn began(&mut self) -> bool {
        !std::mem::replace(&mut self.began, true)
    }

    /// There is no connection, and there was a good one or not. `random` spreads many clients of one service.
    fn lost(&mut self, now: Instant, good: bool, random: u64) {
        self.failed = if good { 0 } else { self.failed.saturating_add(1) };
        let (first, most) = PAUSES;
        let pause = first.saturating_mul(1 << self.failed.saturating_sub(1).min(10)).min(most);
        // Between half of it and all of it.
        let share = u32::try_from(random % 1000).unwrap_or_default();
        self.due = Some(now + pause / 2 + pause / 2 * share / 1000);
    }
}

/// Any number: no secret, and no other program's.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn read<T: DeserializeOwned>(data: &str) -> Result<T, ClientError> {
    serde_json::from_str(data).map_err(|error| garbled(&error.to_string()))
}

fn silent() -> ClientError {
    ClientError::Silent { seconds: SILENCE.as_secs() }
}

fn garbled(why: &str) -> ClientError {
    ClientError::Garbled { url: "the stream of changes".to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Connection;
    use provisioner_api::Secret;
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        sync::oneshot,
    };

    fn ca() -> String {
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem()
    }

    fn watch() -> Watch {
        let url = "https://127.0.0.1:1".to_owned();
        let connection = Connection { url, token: Secret::new("token"), ca_pem: ca() };
        Client::new(&connection).unwrap().watch(WatchFilter::default())
    }

    #[tokio::test]
    async fn an_answer_that_never_begins_is_given_up() {
        let mut watch = watch();
        watch.connecting = Some(Connecting::within(Duration::from_millis(1), pending()));
        let error = watch.next().await.unwrap_err();
        assert!(matches!(error, ClientError::Silent { .. }) && error.is_transient(), "{error}");
        // Once it began, that is told, and tried on.
        (watch.retry.began, watch.place) = (true, Some("a-1".to_owned()));
        watch.connecting = Some(Connecting::within(Duration::from_millis(1), pending()));
        assert!(matches!(watch.next().await, Ok(WatchEvent::Broken(ClientError::Silent { .. }))));
    }

    /// Tells that it was dropped.
    struct Dropped(Arc<AtomicBool>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_connection_under_way_outlives_who_stops_waiting() {
        let (answer, answered) = oneshot::channel();
        let gone = Arc::new(AtomicBool::new(false));
        let dropped = Dropped(Arc::clone(&gone));
        let mut watch = watch();
        watch.connecting = Some(Connecting::new(async move {
            let _dropped = dropped;
            answered.await.unwrap()
        }));
        for _ in 0..3 {
            assert!(timeout(Duration::ZERO, watch.next()).await.is_err());
            assert!(!gone.load(Ordering::Relaxed));
        }
        answer.send(Err(ClientError::Ended)).unwrap();
        assert!(matches!(watch.next().await, Err(ClientError::Ended)));
        assert!(gone.load(Ordering::Relaxed));
    }

    /// An answer whose body never comes; the connection is with it.
    async fn answer() -> (Response, tokio::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            assert!(stream.read(&mut asked).await.unwrap() > 0);
            stream.write_all(head.as_bytes()).await.unwrap();
            stream
        };
        let tls = crate::tls::TlsSettings::new(ca().as_bytes()).unwrap();
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls.of_one_client());
        let http = http.no_proxy().build().unwrap();
        let (response, stream) = tokio::join!(http.get(url).send(), served);
        (response.unwrap(), stream)
    }

    #[tokio::test]
    async fn silence_goes_on_while_nobody_reads() {
        let (response, _stream) = answer().await;
        let since = Instant::now();
        let heard = since.checked_sub(SILENCE).unwrap();
        let mut connected = Connected { response, events: sse::Events::default(), since, heard };
        // At once: whoever asked before and stopped waiting did not begin it anew.
        let read = timeout(SILENCE / 2, connected.read()).await.unwrap();
        assert!(matches!(read, Err(ClientError::Silent { .. })), "{read:?}");
    }

    #[test]
    fn pauses_grow_to_their_bound_and_are_short_again_after_a_good_connection() {
        let (now, mut retry) = (Instant::now(), Retry::default());
        let mut pause = |good, random| {
            retry.lost(now, good, random);
            retry.due.unwrap() - now
        };
        assert_eq!(pause(false, 0), Duration::from_millis(250));
        assert_eq!(pause(false, 0), Duration::from_millis(500));
        assert!(pause(false, 999) > Duration::from_millis(1900));
        for _ in 0..100 {
            assert!(pause(false, u64::MAX) <= PAUSES.1);
        }
        assert_eq!(pause(false, 0), PAUSES.1 / 2);
        assert_eq!(pause(true, 0), Duration::from_millis(250));
    }
}
