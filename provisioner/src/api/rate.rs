//! Who asks too often, or too much at once, is told when to come again, before anything is done or looked up for them.
//!
//! Each refusal is counted in the metrics. The audit log gets one entry in ten minutes of each who is known, with how many
//! were left out, and a few of all strangers together: a flood of requests must not become one of entries.

use super::{auth::unlisted, caller::Caller, error::ApiError};
use crate::{
    listener::Peer,
    rate::{Asks, Place, TooMany},
    service::Service,
};
use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// Why somebody is refused, and what is to be told of it.
pub(super) struct Refused {
    /// The answer.
    pub(super) error: ApiError,
    /// Under which name that is told in the audit log, and how often in ten minutes.
    pub(super) told: (String, u32),
}

/// Most entries in ten minutes of all strangers who ask too often.
const STRANGERS: u32 = 6;

/// Where a request comes from. Headers that say something else are not believed.
pub(super) fn address(extensions: &axum::http::Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<Peer>>().map(|peer| peer.0.0.ip())
}

/// Who asks, for the buckets.
pub(super) fn asks(caller: &Caller) -> Asks<'_> {
    Asks::Caller { name: caller.name(), is_user: caller.is_login() }
}

/// Counts a request of somebody.
pub(super) fn count(service: &Service, asks: Asks<'_>) -> Result<(), Refused> {
    service.rates.ask(asks).map_err(|TooMany { wait }| {
        let seconds = seconds(wait);
        let (who, setting) = words(asks);
        let detail = format!(
            "{who} asked more often than may be; nothing was done. Ask again in {seconds} s, and slower{setting}"
        );
        refused(asks, ApiError::rate(seconds, detail))
    })
}

/// A place for a request of somebody among those that they have under way.
pub(super) fn place(service: &Service, asks: Asks<'_>) -> Result<Arc<Place>, Refused> {
    service.rates.place(asks).map(Arc::new).ok_or_else(|| {
        let (who, _) = words(asks);
        let most = service.config.api.rate.at_once;
        let detail = format!(
            "{who} has {most} requests under way already; nothing was done. End some and ask again; `at_once` in [api.rate] sets how many"
        );
        refused(asks, ApiError::rate(1, detail))
    })
}

fn refused(asks: Asks<'_>, error: ApiError) -> Refused {
    let told = match asks {
        Asks::Caller { name, is_user: true } => (format!("rate of user {name}"), 1),
        Asks::Caller { name, is_user: false } => (format!("rate of token {name}"), 1),
        _ => ("rate of strangers".to_owned(), STRANGERS),
    };
    Refused { error, told }
}

/// Who it is, and where it is set how often they may ask.
fn words(asks: Asks<'_>) -> (String, &'static str) {
    match asks {
        Asks::Caller { name, is_user } => {
            let kind = if is_user { "user" } else { "token" };
            (format!("{kind} `{name}`"), "; `per_token` in [api.rate] says how often")
        }
        Asks::Agent(machine) => {
            (format!("the agent of machine {machine}"), "; `per_agent` in [api.rate] says how often")
        }
        Asks::Stranger(_) => {
            let who = "this address, by requests without a token that is known,";
            (who.to_owned(), "; `per_address` in [api.rate] says how often")
        }
        Asks::NewAgent(_) => {
            let who = "this address, by agents without a session,";
            (who.to_owned(), "; `agents_per_address` in [api.rate] says how often")
        }
        Asks::System(instance) => (format!("the system of instance {instance}"), ""),
    }
}

/// A part of a second is one more: who comes when told gets through.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Counts what asks for no route at all.
pub(super) async fn strangers(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match count(&service, Asks::Stranger(address(&parts.extensions))) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refused) => unlisted(&service, "", &parts, None, refused).into_response(),
    }
}
