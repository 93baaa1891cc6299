//! `/v1/users`: people who log in with a name and a password. Only administrators come here; a password comes in, is hashed,
//! and is never answered.

use super::{
    error::{ApiError, Body},
    tokens::check_pools,
    unchanged,
    validate::Fields,
    version::{Bare, is_wanted},
};
use crate::{
    clock,
    logins::{self, PasswordError},
    service::{Service, ServiceError},
    store::{UserRecord, UserRemoval, UserSwap},
};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use provisioner_api::{Secret, User, UserCreate, UserList, UserUpdate, etag};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use uuid::Uuid;

/// Lists the users by name.
#[utoipa::path(
    get, path = provisioner_api::paths::USERS, tag = "users",
    responses((status = 200, body = UserList)),
)]
pub(crate) async fn list(State(service): State<Arc<Service>>) -> Result<Json<UserList>, ApiError> {
    let users = service.store.user_list().await.map_err(ServiceError::from)?;
    Ok(Json(UserList { items: users.into_iter().map(wire).collect() }))
}

/// Makes a user.
#[utoipa::path(
    post, path = provisioner_api::paths::USERS, tag = "users",
    request_body = UserCreate,
    responses((status = 201, body = User), (status = 409)),
)]
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    Body(body): Body<UserCreate>,
) -> Result<Response, ApiError> {
    let mut fields = Fields::default();
    fields.name("name", &body.name);
    check_pools(&mut fields, body.role, body.pools.as_deref());
    check_password(&mut fields, "password", &body.password, &body.name);
    fields.done()?;
    let UserCreate { name, role, pools, password } = body;
    let password = hashed(&service, password).await?;
    let created = clock::now();
    let user = UserRecord { name, role, pools, password, disabled: false, version: 1, created, login: None };
    service.store.user_insert(&user).await?;
    tracing::info!(user = user.name, role = role.word(), "a user was made");
    Ok((StatusCode::CREATED, tagged(user)).into_response())
}

/// Shows a user.
#[utoipa::path(
    get, path = provisioner_api::paths::USER, tag = "users",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of what is known already: 304 if it is that still")),
    responses((status = 200, body = User), (status = 304)),
)]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let user = found(&service, &name).await?;
    let version = etag(id(&user), user.version);
    Ok(unchanged::shown(&headers, &version, &wire(user)))
}

/// Changes a user. Any change ends the user's log-ins.
#[utoipa::path(
    patch, path = provisioner_api::paths::USER, tag = "users",
    summary = "Changes a user",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is to be changed; another one is refused. `*`: any")),
    request_body = UserUpdate,
    responses((status = 200, body = User), (status = 409), (status = 412)),
)]
pub(crate) async fn update(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(body): Body<UserUpdate>,
) -> Result<Response, ApiError> {
    let before = found(&service, &name).await?;
    if !is_wanted(&headers, id(&before), before.version, Bare::Taken) {
        return Err(stale(&name));
    }
    let mut next = changed(&before, &body)?;
    if let Some(password) = body.password {
        next.password = hashed(&service, password).await?;
    }
    if next == before {
        return Ok(tagged(before));
    }
    match service.store.user_update(&before, &next).await? {
        UserSwap::Updated => {
            tracing::info!(user = name, "a user was changed");
            Ok(tagged(UserRecord { version: before.version + 1, ..next }))
        }
        UserSwap::Stale => Err(stale(&name)),
        UserSwap::Last => Err(last(&name)),
    }
}

/// Takes a user away.
#[utoipa::path(
    delete, path = provisioner_api::paths::USER, tag = "users",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is to be taken away; another one is refused. `*`: any")),
    responses((status = 204), (status = 409), (status = 412)),
)]
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let before = found(&service, &name).await?;
    if !is_wanted(&headers, id(&before), before.version, Bare::Refused) {
        return Err(stale(&name));
    }
    // Who says which one they mean takes away no other; else whoever has the name by now goes.
    let exactly = headers.contains_key(header::IF_MATCH).then_some(&before);
    match service.store.user_delete(&name, exactly).await? {
        UserRemoval::Stale => Err(stale(&name)),
        UserRemoval::Done => {
            tracing::info!(user = name, "a user was taken away");
            Ok(StatusCode::NO_CONTENT)
        }
        UserRemoval::Missing => Err(ApiError::not_found("user", &name)),
        UserRemoval::Last => Err(last(&name)),
    }
}

/// The user of this name.
pub(super) async fn found(service: &Service, name: &str) -> Result<UserRecord, ApiError> {
    let found = service.store.user_find(name).await.map_err(ServiceError::from)?;
    found.ok_or_else(|| ApiError::not_found("user", name))
}

/// The user as they are to be, but for the password.
fn changed(before: &UserRecord, body: &UserUpdate) -> Result<UserRecord, ApiError> {
    let mut next = before.clone();
    next.role = body.role.unwrap_or(before.role);
    next.disabled = body.disabled.unwrap_or(before.disabled);
    if let Some(pools) = &body.pools {
        next.pools.clone_from(pools);
    }
    let mut fields = Fields::default();
    check_pools(&mut fields, next.role, next.pools.as_deref());
    body.password.iter().for_each(|password| check_password(&mut fields, "password", password, &before.name));
    fields.done()?;
    Ok(next)
}

/// Checks a password that a user is to have.
pub(super) fn check_password(fields: &mut Fields, field: &str, password: &Secret, user: &str) {
    let text = password.reveal();
    let (enough, few) = (text.chars().count() >= logins::LEAST, text.len() <= logins::MOST);
    fields.check(enough, field, format!("it is too short: use {} characters at least", logins::LEAST));
    fields.check(few, field, format!("it is too long: use {} bytes at most", logins::MOST));
    let common = logins::common(text, user).filter(|_| enough && few);
    fields.check(common.is_none(), field, common.unwrap_or_default());
}

/// A password as it is kept.
pub(super) async fn hashed(service: &Service, password: Secret) -> Result<Secret, ApiError> {
    let hashed = service.logins.passwords.hash(password).await;
    hashed.map_err(|error: PasswordError| ApiError::internal(&error))
}

/// Somebody else was first.
pub(super) fn stale(name: &str) -> ApiError {
    let detail = format!("user `{name}` was changed by somebody else meanwhile; look at it again");
    ApiError::new(StatusCode::PRECONDITION_FAILED, "stale", detail)
}

fn last(name: &str) -> ApiError {
    let detail = format!(
        "user `{name}` is the last administrator who can get in for ever, and without one nobody could make another; make one first: `billet user create NAME --role admin`"
    );
    ApiError::new(StatusCode::CONFLICT, "refused", detail)
}

fn tagged(user: UserRecord) -> Response {
    ([(header::ETAG, etag(id(&user), user.version))], Json(wire(user))).into_response()
}

/// What tells a user from another one who had the name before. It is nowhere else.
fn id(user: &UserRecord) -> Uuid {
    let digest = Sha256::digest(format!("{} {}", user.name, user.created.as_microsecond()));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bytes)
}

fn wire(user: UserRecord) -> User {
    let UserRecord { name, role, pools, disabled, version, created, login, password: _ } = user;
    User { name, role, pools, disabled, created, login, version }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::Role;

    fn tenant() -> UserRecord {
        UserRecord {
            name: "ann".into(),
            role: Role::Tenant,
            pools: Some(vec!["a".into()]),
            password: Secret::new("hash"),
            disabled: false,
            version: 3,
            created: crate::samples::NOW,
            login: None,
        }
    }

    #[test]
    fn what_a_user_can_not_be_names_its_field_and_the_mend() {
        for (body, field, mend) in [
            (r#"{"role":"admin"}"#, "pools", "leave `pools` out"),
            (r#"{"pools":[]}"#, "pools", "1 to 64 pools"),
            (r#"{"pools":["A b"]}"#, "pools", "DNS label"),
            (r#"{"password":"eleven char"}"#, "password", "12 characters at least"),
            (r#"{"password":"Password12345"}"#, "password", "what is tried first"),
        ] {
            let body: UserUpdate = serde_json::from_str(body).unwrap();
            let said = format!("{:?}", changed(&tenant(), &body).unwrap_err());
            assert!(said.contains(&format!("field: \"{field}\"")) && said.contains(mend), "{said}");
            assert!(!said.contains("eleven"), "{said}");
        }
        let long = UserUpdate { password: Some(Secret::new("x".repeat(1025))), ..UserUpdate::default() };
        let said = format!("{:?}", changed(&tenant(), &long).unwrap_err());
        assert!(said.contains("1024 bytes at most"), "{said}");
    }

    #[test]
    fn only_what_is_given_changes() {
        let change = |body: &str| changed(&tenant(), &serde_json::from_str(body).unwrap()).unwrap();
        assert_eq!(change("{}"), tenant());
        assert_eq!(change(r#"{"pools":null}"#), UserRecord { pools: None, ..tenant() });
        let admin = change(r#"{"role":"admin","pools":null,"disabled":true}"#);
        assert_eq!((admin.role, admin.pools, admin.disabled), (Role::Admin, None, true));
        for body in [r#"{"name":"bob"}"#, r#"{"is_superuser":true}"#] {
            assert!(serde_json::from_str::<UserUpdate>(body).is_err(), "{body}");
        }
    }
}
