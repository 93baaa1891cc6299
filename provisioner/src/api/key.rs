//! `/v1/key`: rotates the site key, and says how far that is.

use super::{auth::still_held, error::ApiError};
use crate::{
    key_rotation::{self, RotateError, Standing},
    keys::KeyPrint,
    service::Service,
};
use axum::{Json, extract::State, http::StatusCode};
use provisioner_api::{KeyList, SiteKeyPrint};
use std::sync::Arc;

/// Says which keys there are, and what is sealed with them.
#[utoipa::path(
    get, path = provisioner_api::paths::KEY, tag = "service",
    operation_id = "key",
    responses((status = 200, body = KeyList), (status = 409)),
)]
pub(crate) async fn show(State(service): State<Arc<Service>>) -> Result<Json<KeyList>, ApiError> {
    Ok(Json(list(key_rotation::standing(&service).await?)))
}

/// Makes a new key, and seals every secret with it.
#[utoipa::path(
    post, path = provisioner_api::paths::KEY_ROTATE, tag = "service",
    operation_id = "rotate_key",
    responses((status = 200, body = KeyList), (status = 409)),
)]
pub(crate) async fn rotate(State(service): State<Arc<Service>>) -> Result<Json<KeyList>, ApiError> {
    let turn = key_rotation::turn(&service).await;
    still_held().await?;
    key_rotation::rotate(&service, &turn).await?;
    drop(turn);
    show(State(service)).await
}

/// Takes the older keys away.
#[utoipa::path(
    post, path = provisioner_api::paths::KEY_RETIRE, tag = "service",
    operation_id = "retire_keys",
    responses((status = 200, body = KeyList), (status = 409)),
)]
pub(crate) async fn retire(State(service): State<Arc<Service>>) -> Result<Json<KeyList>, ApiError> {
    let turn = key_rotation::turn(&service).await;
    still_held().await?;
    key_rotation::retire(&service, &turn).await?;
    drop(turn);
    show(State(service)).await
}

fn list(standing: Standing) -> KeyList {
    let Standing { keys, secrets, older, unreadable } = standing;
    let print =
        |KeyPrint { generation, fingerprint, current }| SiteKeyPrint { generation, fingerprint, current };
    KeyList { items: keys.into_iter().map(print).collect(), secrets, older, unreadable }
}

impl From<RotateError> for ApiError {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Service(error) => error.into(),
            refused => Self::new(StatusCode::CONFLICT, "key", refused.to_string()),
        }
    }
}
