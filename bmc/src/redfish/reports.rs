//! What the BMC reports by itself: a stream of server-sent events, and subscriptions that it posts to.
//!
//! Not here: listening again when the stream has ended (the caller), and receiving posts.

use super::Redfish;
use super::client::or_look;
use super::transport::Request;
use crate::capability::{Report, Reports, Subscription};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::redfish::events::{EventDestination, EventRecord, EventService, SseParser, event_records};
use bmc_proto::redfish::{ResourcePath, own_path, path_of, word_of};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::sync::mpsc;

const FOLLOWING: &str = "listen to its reports";
const LISTING: &str = "list its subscriptions";
const SUBSCRIBING: &str = "subscribe to its reports";
const UNSUBSCRIBING: &str = "end a subscription";
/// The most subscriptions that are looked at.
const SUBSCRIPTIONS_MAX: usize = 256;
/// Reports that wait for a slow reader; then the BMC waits.
const WAITING: usize = 64;

impl Redfish {
    async fn event_service(&self, during: &'static str) -> Result<EventService, BmcError> {
        let path = path_of(self.root().await?.event_service.as_ref());
        let service: Option<EventService> = match path {
            Some(path) => self.read_optional(&path, during).await?,
            None => None,
        };
        let Some(service) = service else {
            return Err(self.cannot("it has no event service, and so reports nothing by itself"));
        };
        if service.service_enabled == Some(false) {
            return Err(self.cannot("its event service is switched off; switch it on in the BMC's settings"));
        }
        Ok(service)
    }

    /// The subscriptions, and where each is.
    async fn destinations(
        &self,
        service: &EventService,
    ) -> Result<(ResourcePath, Vec<(ResourcePath, EventDestination)>), BmcError> {
        let Some(collection) = path_of(service.subscriptions.as_ref()) else {
            return Err(self.cannot("its event service takes no subscriptions"));
        };
        let listing = self.list(&collection, SUBSCRIPTIONS_MAX, LISTING).await?;
        let read = |resource: &Value| Some((own_path(resource)?, self.model(resource, LISTING).ok()?));
        Ok((collection, listing.members.iter().filter_map(read).collect()))
    }
}

#[async_trait]
impl Reports for Redfish {
    async fn follow_reports(&self) -> Result<mpsc::Receiver<Report>, BmcError> {
        let service = self.event_service(FOLLOWING).await?;
        let Some(path) = service.stream(&self.quirks().await?) else {
            return Err(self.cannot(
                "it streams no reports (no ServerSentEventUri); have it post them to a URL with a subscription",
            ));
        };
        let response = self.stream(&path, FOLLOWING).await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(pump(response, sender));
        Ok(receiver)
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, BmcError> {
        let service = self.event_service(LISTING).await?;
        let (_, destinations) = self.destinations(&service).await?;
        Ok(destinations.into_iter().filter_map(|(path, destination)| told(&path, destination)).collect())
    }

    async fn subscribe(&self, destination: &str, context: &str) -> Result<String, BmcError> {
        let service = self.event_service(SUBSCRIBING).await?;
        let (collection, before) = self.destinations(&service).await?;
        if let Some(id) = id_of(before, destination, context) {
            return Ok(id);
        }
        let bodies = service.subscriptions_to(destination, context);
        let mut answer = None;
        for body in bodies {
            let mut request = Request::post(&collection, body, SUBSCRIBING);
            request.once = true;
            let next = self.insist(&request).await?;
            let malformed = next.status == StatusCode::BAD_REQUEST;
            // What the first refusal says is worth the most.
            if answer.is_none() || !malformed {
                answer = Some(next);
            }
            if !malformed {
                break;
            }
        }
        if let Some(answer) = answer {
            self.outcome(answer, SUBSCRIBING).await?;
        }
        self.await_that(self.timing.settle, SUBSCRIBING, || async {
            let (_, after) = self.destinations(&service).await?;
            Ok(id_of(after, destination, context).ok_or_else(|| "no such subscription".into()))
        })
        .await
    }

    async fn unsubscribe(&self, id: &str) -> Result<(), BmcError> {
        let service = self.event_service(UNSUBSCRIBING).await?;
        let place = || async {
            let (_, all) = self.destinations(&service).await?;
            let found =
                all.into_iter().find(|(path, one)| told(path, one.clone()).is_some_and(|told| told.id == id));
            Ok::<Option<ResourcePath>, BmcError>(found.map(|(path, _)| path))
        };
        let Some(path) = place().await? else { return Ok(()) };
        or_look(self.delete(&path, UNSUBSCRIBING).await)?;
        self.await_that(self.timing.settle, UNSUBSCRIBING, || async {
            Ok(if place().await?.is_none() { Ok(()) } else { Err("that it is still there".into()) })
        })
        .await
    }
}

fn id_of(all: Vec<(ResourcePath, EventDestination)>, destination: &str, context: &str) -> Option<String> {
    let (path, found) = all.into_iter().find(|(_, one)| one.is(destination, context))?;
    told(&path, found).map(|told| told.id)
}

/// A subscription; `None` for one that posts nowhere, as an open stream is listed at some.
fn told(path: &ResourcePath, destination: EventDestination) -> Option<Subscription> {
    let last = || path.path().trim_end_matches('/').rsplit('/').next().map(str::to_owned);
    Some(Subscription {
        id: word_of(destination.id.as_deref()).or_else(last)?,
        destination: word_of(destination.destination.as_deref())?,
        context: word_of(destination.context.as_deref()),
    })
}

/// Hands on what comes, until the BMC ends it or nobody listens.
async fn pump(mut response: reqwest::Response, sender: mpsc::Sender<Report>) {
    let mut parser = SseParser::default();
    loop {
        let chunk = tokio::select! {
            () = sender.closed() => return,
            chunk = response.chunk() => chunk,
        };
        let bytes = match chunk {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(error) => return tracing::debug!(%error, "redfish stream of reports ended"),
        };
        for record in parser.feed(&bytes).iter().flat_map(|event| event_records(event)) {
            if sender.send(report(record)).await.is_err() {
                return;
            }
        }
    }
}

fn report(record: EventRecord) -> Report {
    Report {
        at: record.at,
        message_id: record.message_id,
        message: record.message,
        severity: record.severity,
        origin: record.origin,
    }
}

#[cfg(test)]
mod tests;
