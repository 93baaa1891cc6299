//! The BMC's users, and the password that Billet itself logs in with.

use super::{ApiError, PATIENCE, Reached, accepted, bounded_by, change, failed, no_bmc, reach, reach_alone};
use crate::{
    api::{error::Body, validate::Fields},
    bmc_calls as calls,
    bmcs::PasswordChange,
    service::Service,
    text::word,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use provisioner_api::{BmcUserAdd, BmcUserEntry, BmcUserList, BmcUserUpdate};
use std::sync::Arc;

/// Lists the BMC's users.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_USERS, tag = "bmc",
    responses((status = 200, body = BmcUserList)),
)]
pub(in crate::api) async fn users(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcUserList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::users(&*reached.bmc, &reached.address)).await?))
}

/// Changes what is given of a user of the BMC.
#[utoipa::path(
    patch, path = provisioner_api::paths::MACHINE_BMC_USER, tag = "bmc",
    request_body = BmcUserUpdate,
    responses((status = 200, body = BmcUserEntry)),
)]
pub(in crate::api) async fn update_user(
    State(service): State<Arc<Service>>,
    Path((key, id)): Path<(String, String)>,
    Body(body): Body<BmcUserUpdate>,
) -> Result<Json<BmcUserEntry>, ApiError> {
    let mut reached = reach(&service, &key).await?;
    let Some(spec) = &reached.record.spec.bmc else { return Err(no_bmc(&reached.record.name)) };
    let username = spec.username.clone();
    let mut fields = Fields::default();
    fields.bmc_user(spec.protocol, &body);
    fields.done()?;
    let user = reached.ask(calls::user(&*reached.bmc, &reached.address, &id)).await?;
    let user = user.ok_or_else(|| no_user(&id))?;
    let is_ours = !username.is_empty() && user.name == username;
    if is_ours {
        may_change_ours(&body, &user)?;
    }
    let message = format!("an operator changes BMC user {id} `{}`: {}", user.name, changes(&body));
    match &body.password {
        Some(password) if is_ours => {
            change_ours(&service, &key, &id, password.reveal(), &message).await?;
            // The next call logs in with the new password, and thereby tries it.
            reached = reach(&service, &key).await?;
        }
        _ => {
            let call = calls::user_update(&*reached.bmc, &reached.address, &id, &body);
            change(&service, &reached, message, call).await?;
        }
    }
    let user = reached.ask(calls::user(&*reached.bmc, &reached.address, &id)).await?;
    user.map(Json).ok_or_else(|| no_user(&id))
}

/// What is to be changed of a user, in words; never the password itself.
fn changes(body: &BmcUserUpdate) -> String {
    let mut said = Vec::new();
    said.extend(body.name.as_ref().map(|name| format!("name `{name}`")));
    said.extend(body.password.as_ref().map(|_| "password".to_owned()));
    said.extend(body.privilege.map(|privilege| format!("privilege {}", word(&privilege))));
    said.extend(body.enabled.map(|on| if on { "enabled" } else { "disabled" }.to_owned()));
    said.join(", ")
}

/// Of the user that Billet itself logs in as nothing may change but the password: it would lock itself out.
fn may_change_ours(body: &BmcUserUpdate, user: &BmcUserEntry) -> Result<(), ApiError> {
    let renamed = body.name.as_ref().is_some_and(|name| *name != user.name);
    let limited = body.privilege.is_some_and(|privilege| privilege != user.privilege);
    if !renamed && !limited && body.enabled != Some(false) {
        return Ok(());
    }
    Err(ours(user))
}

fn ours(user: &BmcUserEntry) -> ApiError {
    let detail = format!(
        "Billet itself logs in as `{}`: make another user, give it to Billet with `billet machine set --bmc`, then change this one",
        user.name
    );
    ApiError::new(StatusCode::CONFLICT, "refused", detail)
}

/// Changes the password that Billet logs in with; what came of it.
async fn change_ours(
    service: &Arc<Service>,
    key: &str,
    user: &str,
    password: &str,
    message: &str,
) -> Result<(), ApiError> {
    // A deed that is under way would log in with the old one, be refused, and be given up.
    let reached = &reach_alone(service, key).await?;
    accepted(&reached.record)?;
    let changing = service.bmcs.change_password(&reached.record, user, password, message);
    let change = bounded_by(PATIENCE, changing).await??;
    came_of(service, reached, message, change).await
}

/// What a person is told of a change of our password.
async fn came_of(
    service: &Service,
    reached: &Reached,
    message: &str,
    change: PasswordChange,
) -> Result<(), ApiError> {
    let name = &reached.record.name;
    let refused = |detail: String| Err(ApiError::new(StatusCode::CONFLICT, "refused", detail));
    match change {
        PasswordChange::Done => Ok(()),
        PasswordChange::NotDone(error) => {
            failed(service, reached, message, &error).await?;
            Err(error.into())
        }
        PasswordChange::Open(error) => {
            let told =
                format!("{message}; old and new password are both kept until the BMC says which it knows");
            failed(service, reached, &told, &error).await?;
            Err(error.into())
        }
        PasswordChange::Earlier => refused(format!(
            "which of two passwords the BMC of machine `{name}` knows since the last change could not be found out yet: try again when it answers, or `billet machine set {name} --bmc-password-file …`"
        )),
        PasswordChange::NoSuchUser => refused(format!(
            "the BMC of machine `{name}` lists no user of the name that Billet logs in with, so its password can't be changed there"
        )),
        PasswordChange::Gone => Err(ApiError::not_found("machine", name)),
    }
}

/// Changes the password that Billet logs in with to a new random one.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_ROTATE_PASSWORD, tag = "bmc",
    responses((status = 204)),
)]
pub(in crate::api) async fn rotate_password(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    let reached = reach_alone(&service, &key).await?;
    accepted(&reached.record)?;
    let message = "an operator has the BMC's password changed to a new random one";
    let change = bounded_by(PATIENCE, service.bmcs.rotate(&reached.record, message)).await??;
    came_of(&service, &reached, message, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds a user to the BMC.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_USERS, tag = "bmc",
    request_body = BmcUserAdd,
    responses((status = 201, body = BmcUserEntry)),
)]
pub(in crate::api) async fn add_user(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcUserAdd>,
) -> Result<(StatusCode, Json<BmcUserEntry>), ApiError> {
    let reached = reach(&service, &key).await?;
    let Some(spec) = &reached.record.spec.bmc else { return Err(no_bmc(&reached.record.name)) };
    let mut fields = Fields::default();
    let update = BmcUserUpdate {
        name: Some(body.name.clone()),
        password: Some(body.password.clone()),
        ..Default::default()
    };
    fields.check(!body.name.is_empty(), "name", "a user needs a name");
    fields.bmc_user(spec.protocol, &update);
    fields.done()?;
    let message =
        format!("an operator adds BMC user `{}` with privilege {}", body.name, word(&body.privilege));
    let call = calls::user_add(&*reached.bmc, &reached.address, &body);
    Ok((StatusCode::CREATED, Json(change(&service, &reached, message, call).await?)))
}

/// Removes a user of the BMC.
#[utoipa::path(
    delete, path = provisioner_api::paths::MACHINE_BMC_USER, tag = "bmc",
    responses((status = 204)),
)]
pub(in crate::api) async fn remove_user(
    State(service): State<Arc<Service>>,
    Path((key, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let reached = reach(&service, &key).await?;
    let username = reached.record.spec.bmc.as_ref().map(|spec| spec.username.clone()).unwrap_or_default();
    let Some(user) = reached.ask(calls::user(&*reached.bmc, &reached.address, &id)).await? else {
        return Err(no_user(&id));
    };
    if !username.is_empty() && user.name == username {
        return Err(ours(&user));
    }
    let message = format!("an operator removes BMC user {id} `{}`", user.name);
    change(&service, &reached, message, calls::user_remove(&*reached.bmc, &reached.address, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_user(id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not-found", format!("the BMC has no user with the id `{id}`"))
}
