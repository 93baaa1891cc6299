//! `/v1/machines/{machine}/console`: the serial console as a stream of bytes, and what is typed.

use super::{
    auth::still_held,
    bmc::{accepted, bounded_by, no_bmc},
    error::{ApiError, Query},
};
use crate::{
    clock,
    console::{Keyboard, Trouble},
    service::Service,
    store::{MachineRecord, NewEvent},
};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use provisioner_api::{CONSOLE_POSITION, CONSOLE_TYPED, ConsoleStatus};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};

/// How long typing may take: a serial line of 9600 baud takes 4 s for as much as may be typed at once.
const TYPING: Duration = Duration::from_secs(60);

/// Which bytes.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// From this position on.
    from: Option<u64>,
    /// So many of the last bytes, instead of `from`.
    tail: Option<u64>,
    /// Whether it goes on with what comes, until the client goes.
    #[serde(default)]
    follow: bool,
}

/// The recorded bytes, then, if it is to follow, what comes: one chunk as soon as there is one, until the client goes.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_CONSOLE, tag = "console",
    summary = "Reads the serial console",
    params(Which),
    responses(
        (status = 200, body = inline(crate::api::openapi::File), content_type = "application/octet-stream", headers(("billet-console-position" = u64, description = "The position of the first byte"))),
        (status = 429),
        (status = 507)
    ),
)]
pub(crate) async fn read(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, ApiError> {
    if which.from.is_some() && which.tail.is_some() {
        return Err(ApiError::field("tail", "give either `from` or `tail`"));
    }
    let record = service.machine(&key).await?;
    let reader = service.consoles.read(record.id(), which.from, which.tail, which.follow).await;
    let reader = reader.map_err(|trouble| told(&record, &trouble))?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/octet-stream".to_owned()),
        (header::CACHE_CONTROL.as_str(), "no-store".to_owned()),
        // For proxies that would wait for more.
        ("x-accel-buffering", "no".to_owned()),
        (CONSOLE_POSITION, reader.position().to_string()),
    ];
    let bytes = futures::stream::try_unfold(reader, async |mut reader| {
        Ok::<_, std::io::Error>(reader.next().await?.map(|bytes| (Bytes::from(bytes), reader)))
    });
    Ok((headers, Body::from_stream(bytes)).into_response())
}

/// Types the body.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_CONSOLE, tag = "console",
    summary = "Types on the serial console",
    request_body(content = inline(crate::api::openapi::File), content_type = "application/octet-stream", description = "At most 4096 bytes"),
    responses((status = 204), (status = 413), (status = 507)),
)]
pub(crate) async fn write(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let record = service.machine(&key).await?;
    accepted(&record)?;
    let bytes = axum::body::to_bytes(request.into_body(), CONSOLE_TYPED).await.map_err(|_| {
        let detail =
            format!("at most {CONSOLE_TYPED} bytes can be typed at once; send the rest with another");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid", detail)
    })?;
    if bytes.is_empty() {
        return Ok(StatusCode::NO_CONTENT);
    }
    if service.consoles.typed(record.id()) {
        tell(&service, &record, "an operator types on the console").await?;
    }
    bounded_by(TYPING, async {
        let keyboard = keyboard(&service, &record).await?;
        keyboard.type_bytes(&bytes).await.map_err(|trouble| told(&record, &trouble))
    })
    .await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a break.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_CONSOLE_BREAK, tag = "console",
    summary = "Sends a break on the serial console",
    operation_id = "break",
    responses((status = 204), (status = 507)),
)]
pub(crate) async fn send_break(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    let record = service.machine(&key).await?;
    accepted(&record)?;
    tell(&service, &record, "an operator sends a break on the console").await?;
    bounded_by(TYPING, async {
        let keyboard = keyboard(&service, &record).await?;
        keyboard.send_break().await.map_err(|trouble| told(&record, &trouble))
    })
    .await??;
    Ok(StatusCode::NO_CONTENT)
}

/// The console, connected, for who still may type when it is.
async fn keyboard(service: &Service, record: &MachineRecord) -> Result<Keyboard, ApiError> {
    let keyboard = service.consoles.keyboard(record.id()).await.map_err(|trouble| told(record, &trouble))?;
    still_held().await?;
    Ok(keyboard)
}

/// Says whether the console is connected, and what of it is recorded.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_CONSOLE_STATUS, tag = "console",
    responses((status = 200, body = ConsoleStatus), (status = 507)),
)]
pub(crate) async fn status(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<ConsoleStatus>, ApiError> {
    let record = service.machine(&key).await?;
    let status = service.consoles.status(record.id()).await;
    Ok(Json(status.map_err(|trouble| told(&record, &trouble))?))
}

async fn tell(service: &Service, record: &MachineRecord, message: &str) -> Result<(), ApiError> {
    let event = NewEvent::machine(record.id(), "request", message);
    Ok(service.store.event_insert(&[event], clock::now()).await?)
}

/// What a client is told of trouble with a console.
fn told(record: &MachineRecord, trouble: &Trouble) -> ApiError {
    use StatusCode as S;
    let (status, kind) = match trouble {
        Trouble::NoBmc => return no_bmc(&record.name),
        Trouble::Bmc(error) => return ApiError::bmc(error),
        Trouble::NoConsole => (S::UNPROCESSABLE_ENTITY, "bmc-unsupported"),
        Trouble::Record(_) => (S::INSUFFICIENT_STORAGE, "no-room"),
        Trouble::Interrupted(_) | Trouble::Closed(_) => (S::BAD_GATEWAY, "bmc-console"),
        Trouble::Crowded => (S::TOO_MANY_REQUESTS, "limit"),
        Trouble::Slow => (S::GATEWAY_TIMEOUT, "bmc-slow"),
        Trouble::Service(_) => (S::INTERNAL_SERVER_ERROR, "internal"),
        Trouble::Ended => (S::SERVICE_UNAVAILABLE, "stopping"),
    };
    ApiError::new(status, kind, format!("the console of machine `{}`: {trouble}", record.name))
}
