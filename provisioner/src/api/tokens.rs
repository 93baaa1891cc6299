//! `/v1/tokens`: who may ask, and for what. A secret is told once, to whoever has it made; its hash is what stays.

use super::{
    error::{ApiError, Body},
    validate::Fields,
};
use crate::{
    clock, first_start,
    keys::sha256_hex,
    service::{Service, ServiceError},
    store::{Revoked, TokenRecord},
};
use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use provisioner_api::{Role, Token, TokenCreate, TokenCreated, TokenList};
use std::sync::Arc;

/// Most pools of one token.
const POOLS: usize = 64;

/// Lists the API tokens by name.
#[utoipa::path(
    get, path = provisioner_api::paths::TOKENS, tag = "tokens",
    responses((status = 200, body = TokenList)),
)]
pub(crate) async fn list(State(service): State<Arc<Service>>) -> Result<Json<TokenList>, ApiError> {
    let tokens = service.store.token_list().await.map_err(ServiceError::from)?;
    Ok(Json(TokenList { items: tokens.into_iter().map(wire).collect() }))
}

/// Makes an API token. Its secret is told this once.
#[utoipa::path(
    post, path = provisioner_api::paths::TOKENS, tag = "tokens",
    summary = "Makes an API token",
    request_body = TokenCreate,
    responses(
        (status = 201, body = TokenCreated, headers(("cache-control" = String, description = "`no-store`: it has the secret"))),
        (status = 409)
    ),
)]
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    Body(body): Body<TokenCreate>,
) -> Result<Response, ApiError> {
    let now = clock::now();
    check(&body, now)?;
    let secret = first_start::first_token().map_err(|error| ApiError::internal(&error))?;
    let TokenCreate { name, role, pools, expires } = body;
    let token = TokenRecord { role, pools, expires, ..TokenRecord::admin(&name, now) };
    service.store.token_insert(&sha256_hex(secret.reveal()), &token).await?;
    tracing::info!(token = name, role = role.word(), "an API token was made");
    let answer = Json(TokenCreated { token: wire(token), secret });
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], answer).into_response())
}

/// Revokes an API token.
#[utoipa::path(
    delete, path = provisioner_api::paths::TOKEN, tag = "tokens",
    responses((status = 204), (status = 409)),
)]
pub(crate) async fn revoke(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    match service.store.token_delete(&name).await? {
        Revoked::Done => {
            tracing::info!(token = name, "an API token was revoked");
            Ok(StatusCode::NO_CONTENT)
        }
        Revoked::Missing => Err(ApiError::not_found("token", &name)),
        Revoked::Last => {
            let detail = format!(
                "token `{name}` is the last administrator's that never expires, and without it nobody could make another; make one first: `billet token create NAME --role admin --expires never`"
            );
            Err(ApiError::new(StatusCode::CONFLICT, "refused", detail))
        }
    }
}

fn check(body: &TokenCreate, now: Timestamp) -> Result<(), ApiError> {
    let mut fields = Fields::default();
    fields.name("name", &body.name);
    check_pools(&mut fields, body.role, body.pools.as_deref());
    if let Some(expires) = body.expires {
        let past = format!("{expires} is past, it is {now:.0}; give a time that is to come");
        fields.check(expires > now, "expires", past);
    }
    fields.done()
}

/// Whether somebody of this role can be limited to these pools.
pub(super) fn check_pools(fields: &mut Fields, role: Role, pools: Option<&[String]>) {
    let Some(pools) = pools else { return };
    let few = (1..=POOLS).contains(&pools.len());
    fields.check(few, "pools", format!("name 1 to {POOLS} pools, or leave it out for all"));
    pools.iter().for_each(|pool| fields.name("pools", pool));
    let all = "what an admin may do concerns all pools; leave `pools` out, or choose another role";
    fields.check(role != Role::Admin, "pools", all);
}

fn wire(token: TokenRecord) -> Token {
    let TokenRecord { name, role, pools, created, expires, used, is_login: _ } = token;
    Token { name, role, pools, created, expires, used }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_token_can_be_names_its_field() {
        let now = Timestamp::UNIX_EPOCH;
        let token = |role, pools: Option<&[&str]>, expires| TokenCreate {
            name: "ci".into(),
            role,
            pools: pools.map(|pools| pools.iter().map(|pool| (*pool).to_owned()).collect()),
            expires,
        };
        let later = Timestamp::from_second(60).unwrap();
        for (token, wrong) in [
            (token(Role::Admin, None, None), None),
            (token(Role::Tenant, Some(&["a", "b"]), Some(later)), None),
            (token(Role::Tenant, Some(&[]), None), Some("pools")),
            (token(Role::Tenant, Some(&["A b"]), None), Some("pools")),
            (token(Role::Admin, Some(&["a"]), None), Some("pools")),
            (token(Role::Viewer, None, Some(now)), Some("expires")),
            (TokenCreate { name: "A".into(), ..token(Role::Viewer, None, None) }, Some("name")),
        ] {
            let said = check(&token, now).map_err(|error| format!("{error:?}"));
            match wrong {
                None => assert!(said.is_ok(), "{token:?}: {said:?}"),
                Some(field) => {
                    assert!(said.unwrap_err().contains(&format!("field: \"{field}\"")), "{token:?}")
                }
            }
        }
    }
}
