//! `/v1/erasures`: the records of erasures, their certificates, and the keys that these are verified with.
//!
//! A record is of the pool that its machine was in when it was wiped: whoever has that pool may see it, though the machine is
//! elsewhere by now, or gone.

use super::{
    caller::Caller,
    error::{ApiError, Query},
    pages,
};
use crate::{
    erasures::{ErasureSigner, key_id, to_pem},
    service::Service,
    store::{ErasureFilter, ErasureRecord, StoreError},
};
use axum::{
    Extension, Json,
    extract::{Path, State},
};
use jiff::Timestamp;
use provisioner_api::{Erasure, ErasureId, ErasureKey, ErasureKeyList, ErasureList, SignedCertificate};
use serde::Deserialize;
use std::sync::Arc;

/// Which records, and which page of them.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErasureQuery {
    /// Only of this machine: its id, or its name when it was wiped. It need not be there any more.
    machine: Option<String>,
    /// Only those of a disk with this serial number.
    serial: Option<String>,
    /// Only from this time on.
    #[param(value_type = Option<Timestamp>)]
    since: Option<String>,
    /// Only from before this time.
    #[param(value_type = Option<Timestamp>)]
    until: Option<String>,
    /// Only newer than this record: its id, or the `next` of the page before. Empty: from the beginning on.
    after: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
}

/// Lists the records of erasures, oldest first.
#[utoipa::path(
    get, path = provisioner_api::paths::ERASURES, tag = "erasures",
    params(ErasureQuery),
    responses((status = 200, body = ErasureList)),
)]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<ErasureQuery>,
) -> Result<Json<ErasureList>, ApiError> {
    let limit = pages::limit(query.limit.as_deref())?;
    let after: Option<ErasureId> = pages::cursor(query.after.as_deref())?;
    let filter = ErasureFilter {
        machine: query.machine,
        serial: query.serial,
        since: moment("since", query.since.as_deref())?,
        until: moment("until", query.until.as_deref())?,
        pools: caller.pools().map(<[String]>::to_vec),
    };
    let rows = service.store.erasure_page(&filter, after, pages::rows(limit)).await?;
    let (items, next) = pages::cut(rows, limit, |row| row.erasure.id.to_string());
    Ok(Json(ErasureList { items: items.into_iter().map(|row| row.erasure).collect(), next }))
}

/// Shows the record of an erasure.
#[utoipa::path(
    get, path = provisioner_api::paths::ERASURE, tag = "erasures",
    responses((status = 200, body = Erasure)),
)]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
) -> Result<Json<Erasure>, ApiError> {
    Ok(Json(found(&service, &caller, &key).await?.erasure))
}

/// Hands out the certificate of an erasure: the very text that was signed, and its signature.
#[utoipa::path(
    get, path = provisioner_api::paths::ERASURE_CERTIFICATE, tag = "erasures",
    responses((status = 200, body = SignedCertificate)),
)]
pub(crate) async fn certificate(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
) -> Result<Json<SignedCertificate>, ApiError> {
    Ok(Json(found(&service, &caller, &key).await?.signed))
}

/// Lists the public keys that certificates are verified with: the one that signs, and those that did before.
#[utoipa::path(
    get, path = provisioner_api::paths::ERASURE_KEYS, tag = "erasures",
    responses((status = 200, body = ErasureKeyList)),
)]
pub(crate) async fn keys(State(service): State<Arc<Service>>) -> Result<Json<ErasureKeyList>, ApiError> {
    let signs = ErasureSigner::new(Arc::clone(&service.key)).public_key();
    let signs = signs.map_err(StoreError::from)?;
    let used = service.store.erasure_keys().await?;
    let since = used.iter().find(|key| key.public_key == signs).map(|key| key.since);
    let wire = |public_key: &[u8], since, current| ErasureKey {
        id: key_id(public_key),
        pem: to_pem(public_key),
        current,
        since,
    };
    let before = used.iter().filter(|key| key.public_key != signs);
    let before = before.map(|key| wire(&key.public_key, Some(key.since), false));
    Ok(Json(ErasureKeyList { items: std::iter::once(wire(&signs, since, true)).chain(before).collect() }))
}

async fn found(service: &Service, caller: &Caller, key: &str) -> Result<ErasureRecord, ApiError> {
    let missing = || ApiError::not_found("erasure", key);
    let id: ErasureId = key.parse().map_err(|_| missing())?;
    service.store.erasure_get(id, caller.pools()).await?.ok_or_else(missing)
}

/// Reads a time.
fn moment(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        ApiError::field(field, format!("`{text}` is no time; write it like 2026-11-23T05:00:00Z"))
    })
}
