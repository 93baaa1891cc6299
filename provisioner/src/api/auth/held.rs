//! What somebody sends, follows and waits for, which may take long: a right that they lose meanwhile ends it.

use super::{
    super::{
        caller::Caller,
        error::{ApiError, STOPPING},
    },
    expired, unauthorized,
};
use crate::{
    clock,
    service::{Service, ServiceError},
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use futures::StreamExt;
use provisioner_api::MachineId;
use std::{io, sync::Arc, time::Duration};

/// How often it is looked whether they still may.
const LOOK: Duration = Duration::from_secs(2);

tokio::task_local! {
    /// The right of whoever asked for what is being done.
    static IN_HAND: Held;
}

/// Asks again, after a wait and right before a deed, whether who asked for it still may.
///
/// # Errors
/// 401 when the token is gone, over or another by now, 404 when the machine is not theirs any more, 503 when the service
/// stops. Outside a request that was let in nobody may do anything.
pub(in crate::api) async fn still_held() -> Result<(), ApiError> {
    let held = IN_HAND.try_with(Held::clone).map_err(|error| ApiError::internal(&error))?;
    held.check().await
}

/// A right as it was when the request came.
#[derive(Clone)]
pub(in crate::api) struct Held {
    pub(super) service: Arc<Service>,
    pub(super) caller: Caller,
    /// The hash of the token.
    pub(super) hash: String,
    /// The machine that has to stay in the token's pools.
    pub(super) machine: Option<MachineId>,
}

impl Held {
    /// An answer that ends when they may not follow it any more.
    pub(super) fn followed(self, body: Body) -> Body {
        ended(body, self.over())
    }

    /// A file that breaks off when they may not send it, or have it, any more.
    pub(super) fn file(self, body: Body) -> Body {
        broken_off(body, self.over())
    }

    /// Does what they asked for, which may ask again whether they still may.
    pub(super) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        IN_HAND.scope(self, work).await
    }

    /// As [`still_held`]. What can't be asked is an error here: a deed is not done on trust.
    async fn check(&self) -> Result<(), ApiError> {
        if self.service.stopping.is_cancelled() {
            return Err(stopping());
        }
        if self.caller.0.is_expired(clock::now()) {
            return Err(expired(&self.caller.0));
        }
        let now = self.service.store.token_find(&self.hash).await.map_err(ServiceError::from)?;
        if now.is_none_or(|now| !self.caller.may_as_before(&now)) {
            let detail = format!(
                "{} was revoked or changed while this waited, so it was not done; ask again with another token",
                self.caller.who()
            );
            return Err(unauthorized("unauthorized", detail));
        }
        let Some(machine) = self.machine.map(|machine| machine.to_string()) else { return Ok(()) };
        match self.caller.machine(&self.service, &machine).await? {
            Some(_) => Ok(()),
            None => Err(ApiError::not_found("machine", &machine)),
        }
    }

    async fn over(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.is_held().await {
                return;
            }
        }
    }

    /// Whether they still may.
    pub(in crate::api) async fn is_held(&self) -> bool {
        // Its end is known, also while the database is away.
        if self.caller.0.is_expired(clock::now()) {
            return false;
        }
        // What can't be asked now is asked again; who can't reach the database takes nothing away.
        let now = self.service.store.token_find(&self.hash).await;
        if now.is_ok_and(|now| now.is_none_or(|now| !self.caller.may_as_before(&now))) {
            return false;
        }
        let Some(machine) = self.machine else { return true };
        !matches!(self.caller.machine(&self.service, &machine.to_string()).await, Ok(None))
    }
}

/// What is told of what comes while the service stops.
pub(super) fn stopping() -> ApiError {
    let detail = "the service is stopping, so this was not begun any more; ask again in a minute";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, STOPPING, detail)
}

fn ended(body: Body, over: impl Future<Output = ()> + Send + 'static) -> Body {
    Body::from_stream(body.into_data_stream().take_until(Box::pin(over)))
}

/// An error, so that what is cut is never taken for the whole.
fn broken_off(body: Body, over: impl Future<Output = ()> + Send + 'static) -> Body {
    let state = (body.into_data_stream(), Box::pin(over));
    let pieces = futures::stream::try_unfold(state, |(mut pieces, mut over)| async move {
        tokio::select! {
            () = &mut over => Err(io::Error::other("the token is not good any more")),
            piece = pieces.next() => {
                let piece = piece.transpose().map_err(io::Error::other)?;
                Ok(piece.map(|piece| (piece, (pieces, over))))
            }
        }
    });
    Body::from_stream(pieces)
}

/// The whole body, before anything is done with it.
///
/// # Errors
/// 413 when it is, or says that it is, longer than `most` bytes; 400 when it breaks off.
pub(super) async fn whole(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, ApiError> {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|said| said.to_str().ok()?.parse::<u64>().ok());
    let too_large = || {
        let detail = format!("the body is over the length limit of {most} bytes; send less at once");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid", detail)
    };
    if said.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let mut pieces = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            let detail = format!("the request broke off: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "invalid", detail)
        })?;
        if read.len() + piece.len() > most {
            return Err(too_large());
        }
        read.extend_from_slice(&piece);
    }
    Ok(read.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app, samples,
        store::{Swap, TokenRecord},
    };
    use axum::{body::to_bytes, http::HeaderValue};
    use futures::stream;
    use jiff::SignedDuration;

    /// A right to a machine of the pool `own`.
    async fn held(service: &Arc<Service>, hash: &str, expires: Option<SignedDuration>) -> Held {
        let mut token = TokenRecord::admin(hash, samples::NOW);
        token.pools = Some(vec!["own".to_owned()]);
        token.expires = expires.map(|expires| clock::now() + expires);
        service.store.token_insert(hash, &token).await.unwrap();
        Held {
            service: Arc::clone(service),
            caller: Caller(Arc::new(token)),
            hash: hash.to_owned(),
            machine: Some(samples::machine_id(1)),
        }
    }

    #[tokio::test]
    async fn a_right_ends_with_the_token_and_with_the_pool_of_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let service = app::tests::service(folder.path()).await;
        let mut machine = samples::machine(1);
        machine.spec.pool = "own".into();
        service.store.machine_insert(&machine, &[], &[], samples::NOW).await.unwrap();
        let hour = SignedDuration::from_hours(1);
        let (lasting, revoked) =
            (held(&service, "lasting", Some(hour)).await, held(&service, "revoked", None).await);
        let expired = held(&service, "expired", Some(-hour)).await;
        assert!(lasting.is_held().await && revoked.is_held().await);
        assert!(!expired.is_held().await, "its end is known without the database");
        service.store.token_delete("revoked").await.unwrap();
        assert!(!revoked.is_held().await);
        let mut moved = machine.clone();
        moved.spec.pool = "others".into();
        let done = service.store.machine_update(&machine, &moved, &[], &[], samples::NOW).await.unwrap();
        assert_eq!(done, Swap::Updated);
        assert!(!lasting.is_held().await, "what the machine says by now is another's");
        assert!(Held { machine: None, ..lasting }.is_held().await, "the token itself is good");
    }

    #[tokio::test]
    async fn an_upload_of_a_lost_right_breaks_off_and_an_answer_ends() {
        let stalled = || {
            let first = stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"first"))]);
            Body::from_stream(first.chain(stream::pending()))
        };
        let upload = to_bytes(broken_off(stalled(), std::future::ready(())), 100).await;
        assert!(upload.is_err(), "what is cut is never taken for the whole: {upload:?}");
        let followed = to_bytes(ended(stalled(), std::future::ready(())), 100).await;
        assert!(followed.is_ok(), "{followed:?}");
        let whole = to_bytes(broken_off(Body::from("whole"), std::future::pending()), 100).await.unwrap();
        assert_eq!(whole, &b"whole"[..]);
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let pieces =
            |number| Body::from_stream(stream::iter((0..number).map(|_| Ok::<_, io::Error>("12345"))));
        let read = async |body: Body, said: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(said) = said {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static(said));
            }
            whole(&headers, body, 10).await.map_err(|error| error.status().as_u16())
        };
        assert_eq!(read(pieces(2), None).await, Ok(Bytes::from_static(b"1234512345")));
        assert_eq!(read(Body::empty(), Some("0")).await, Ok(Bytes::new()));
        assert_eq!(read(pieces(3), None).await, Err(413), "of unknown length");
        assert_eq!(read(pieces(1), Some("11")).await, Err(413), "it is not even read");
        let broken = stream::iter([Ok("1"), Err(io::Error::other("gone"))]);
        assert_eq!(read(Body::from_stream(broken), None).await, Err(400));
    }
}
