//! What the BMC reports by itself: streams of server-sent events, and subscriptions that it posts to.
//!
//! Posts go to `http://` only, once and without waiting for what is answered: a real one retries, and its TLS is no
//! matter of this.

use super::answer::{Refusal, error, missing, unknown_property, with_json};
use super::controls::Controls;
use super::group::{Event, Group, Request};
use super::profiles::Profile;
use super::state::{Shared, lock};
use crate::ChassisError;
use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use bmc_proto::redfish::date_time;
use http_body::Frame;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Events that wait for a slow reader; more are lost to it.
const WAITING: usize = 256;
/// The most subscriptions.
const MOST: usize = 20;
/// How long a post may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The event service.
#[derive(Default)]
pub struct Events {
    streams: Mutex<Vec<mpsc::Sender<Bytes>>>,
    subscriptions: Mutex<Vec<Subscription>>,
    last: AtomicU64,
}

#[derive(Clone)]
struct Subscription {
    id: String,
    destination: String,
    context: String,
    resource: Value,
}

impl Events {
    /// How many streams are open.
    pub fn streams(&self) -> usize {
        let mut streams = lock(&self.streams);
        streams.retain(|stream| !stream.is_closed());
        streams.len()
    }

    /// The ids of the subscriptions.
    pub fn ids(&self) -> Vec<String> {
        lock(&self.subscriptions).iter().map(|subscription| subscription.id.clone()).collect()
    }

    /// Where is posted to.
    pub fn destinations(&self) -> Vec<String> {
        lock(&self.subscriptions).iter().map(|subscription| subscription.destination.clone()).collect()
    }

    /// Ends all streams, as a BMC does now and then.
    pub fn end_streams(&self) {
        lock(&self.streams).clear();
    }

    fn stream(&self, bmc: &Shared, request: &Request) -> Response {
        let (sender, receiver) = mpsc::channel(WAITING);
        // There is room for it.
        let _sent = sender.try_send(Bytes::from_static(b": stream keep-alive\r\n\r\n"));
        // iDRAC streams only what a filter names.
        if bmc.profile != Profile::Dell || request.query.contains("EventFormatType") {
            lock(&self.streams).push(sender);
        } else {
            let open = bmc.controls.life();
            tokio::spawn(async move {
                tokio::select! {
                    () = open.cancelled() => {}
                    () = sender.closed() => {}
                }
            });
        }
        let mut response = Response::new(Body::new(Stream(receiver)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        response
    }

    fn subscribe(&self, bmc: &Shared, request: &Request) -> Result<Response, Refusal> {
        let body = request.json()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let (Some(destination), Some("Redfish")) = (text("Destination"), text("Protocol")) else {
            return Err(property_missing("Destination").into());
        };
        self.check(bmc, &body)?;
        let mut subscriptions = lock(&self.subscriptions);
        if subscriptions.len() >= MOST {
            let message = "The create operation failed because the resource has reached the limit of possible resources.";
            return Err(
                error(StatusCode::BAD_REQUEST, "CreateLimitReachedForResource", message, "None.").into()
            );
        }
        let id = (self.last.fetch_add(1, Relaxed) + 1).to_string();
        let collection = bmc.places().subscriptions.clone().unwrap_or_default();
        let context = text("Context").unwrap_or_default().to_owned();
        let mut resource = bmc.tree.link(&format!("{collection}/{id}"));
        let link = resource["@odata.id"].as_str().unwrap_or_default().to_owned();
        for (name, value) in [
            ("@odata.type", "#EventDestination.v1_14_0.EventDestination".into()),
            ("Id", id.as_str().into()),
            ("Name", "Event Subscription".into()),
            ("Destination", destination.into()),
            ("Context", context.as_str().into()),
            ("Protocol", "Redfish".into()),
            ("SubscriptionType", "RedfishEvent".into()),
            ("EventFormatType", "Event".into()),
        ] {
            resource[name] = value;
        }
        subscriptions.push(Subscription {
            id,
            destination: destination.into(),
            context,
            resource: resource.clone(),
        });
        drop(subscriptions);
        let mut response = with_json(StatusCode::CREATED, &resource);
        if let Ok(location) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    /// Old services want to be told types of events, new ones know them no more.
    fn check(&self, bmc: &Shared, body: &Map<String, Value>) -> Result<(), Refusal> {
        let service = bmc.places().events.as_deref().and_then(|path| bmc.stored(path)).unwrap_or_default();
        let offered = service["EventTypesForSubscription"].as_array();
        let wanted = body.get("EventTypes").and_then(Value::as_array);
        match (offered, wanted) {
            (None, Some(_)) => Err(unknown_property("EventTypes").into()),
            (Some(_), None) if bmc.profile == Profile::Hpe => Err(property_missing("EventTypes").into()),
            (Some(offered), Some(wanted)) => match wanted.iter().find(|kind| !offered.contains(kind)) {
                Some(kind) => Err(super::answer::not_in_list("EventTypes", kind).into()),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Sends an event to all who want it.
    fn publish(&self, record: &Value, at: i64) {
        let number = self.last.fetch_add(1, Relaxed) + 1;
        let event = |context: &str| {
            let mut record = record.clone();
            record["Context"] = context.into();
            record["EventId"] = number.to_string().into();
            record["EventTimestamp"] = date_time(at).into();
            json!({
                "@odata.type": "#Event.v1_7_0.Event",
                "Id": number.to_string(),
                "Name": "Event Array",
                "Context": context,
                "Events": [record],
            })
        };
        let line = Bytes::from(format!("id: {number}\r\ndata: {}\r\n\r\n", event("")));
        // Who is too slow, or gone, loses it.
        lock(&self.streams).retain(|stream| {
            !matches!(stream.try_send(line.clone()), Err(mpsc::error::TrySendError::Closed(_)))
        });
        for subscription in lock(&self.subscriptions).clone() {
            let body = event(&subscription.context).to_string();
            tokio::spawn(async move {
                if timeout(PATIENCE, post(&subscription.destination, &body)).await.is_err() {
                    tracing::debug!(destination = %subscription.destination, "a report could not be posted");
                }
            });
        }
    }
}

impl Controls {
    /// Has the BMC report something, and log it.
    pub fn report(&self, message_id: &str, message: &str, severity: &'static str, origin: &str) {
        if let Some(bmc) = self.bmc() {
            bmc.announce(&Event::Report {
                message_id: message_id.into(),
                message: message.into(),
                severity,
                origin: origin.into(),
            });
        }
    }
}

fn property_missing(property: &str) -> Response {
    let message =
        format!("The property {property} is a required property and must be included in the request.");
    let mend =
        "Ensure that the property is in the request body and has a valid value and resubmit the request.";
    error(StatusCode::BAD_REQUEST, "PropertyMissing", &message, mend)
}

/// POST over plain HTTP/1.1.
async fn post(destination: &str, body: &str) -> std::io::Result<()> {
    let invalid = || std::io::Error::from(std::io::ErrorKind::InvalidInput);
    let rest = destination.strip_prefix("http://").ok_or_else(invalid)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    // Until it was taken.
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

/// A body that goes on.
struct Stream(mpsc::Receiver<Bytes>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Where the stream is, without the query.
fn stream_path(bmc: &Shared) -> Option<String> {
    let service = bmc.stored(bmc.places().events.as_deref()?)?;
    let uri = service["ServerSentEventUri"].as_str()?;
    let path = uri.split_once('?').map_or(uri, |(path, _)| path);
    Some(super::tree::trimmed(path).to_owned())
}

#[async_trait]
impl Group for Events {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        _reading: bool,
    ) -> Result<(), ChassisError> {
        if bmc.places().subscriptions.as_deref() == Some(path) {
            let link = |one: &Subscription| bmc.tree.link(&format!("{path}/{}", one.id));
            let members: Vec<Value> = lock(&self.subscriptions).iter().map(link).collect();
            resource.insert("Members@odata.count".into(), members.len().into());
            resource.insert("Members".into(), members.into());
        }
        Ok(())
    }

    fn make(&self, bmc: &Shared, path: &str) -> Option<Value> {
        let id = path.strip_prefix(bmc.places().subscriptions.as_deref()?)?.strip_prefix('/')?;
        let all = lock(&self.subscriptions);
        all.iter().find(|one| one.id == id).map(|one| one.resource.clone())
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        let collection = bmc.places().subscriptions.clone()?;
        if request.method == Method::GET && stream_path(bmc).as_deref() == Some(request.path.as_str()) {
            return Some(self.stream(bmc, request));
        }
        if request.posts_to(&collection) {
            return Some(self.subscribe(bmc, request).unwrap_or_else(|refusal| *refusal));
        }
        let test = format!("{}/Actions/EventService.SubmitTestEvent", bmc.places().events.as_deref()?);
        if request.posts_to(&test) {
            let origin = bmc.places().system.clone();
            bmc.controls.report("ResourceEvent.1.3.TestMessage", "A test.", "OK", &origin);
            return Some(bmc.tree.manners.done());
        }
        let id = request.path.strip_prefix(&collection)?.strip_prefix('/')?;
        if request.method != Method::DELETE {
            return None;
        }
        let mut all = lock(&self.subscriptions);
        let before = all.len();
        all.retain(|one| one.id != id);
        Some(if all.len() < before { bmc.tree.manners.done() } else { missing() })
    }

    fn methods(&self, bmc: &Shared, path: &str) -> &'static [Method] {
        let Some(collection) = bmc.places().subscriptions.as_deref() else { return &[] };
        match path.strip_prefix(collection) {
            Some("") => &[Method::POST],
            Some(_) => &[Method::DELETE],
            None => &[],
        }
    }

    fn happened(&self, bmc: &Shared, event: &Event) {
        match event {
            Event::Report { message_id, message, severity, origin } => {
                let record = json!({
                    "MemberId": "0",
                    "EventType": "Alert",
                    "MessageId": message_id,
                    "Message": message,
                    "Severity": severity,
                    "MessageSeverity": severity,
                    "OriginOfCondition": bmc.tree.link(origin),
                });
                self.publish(&record, bmc.controls.parts().settings.clock());
            }
            Event::ManagerRestart => self.end_streams(),
            Event::Power { .. } | Event::Boot => {}
        }
    }
}
