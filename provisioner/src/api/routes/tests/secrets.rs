//! The life of a token.

use super::*;
use axum::body::Bytes;
use futures::{StreamExt, stream};
use provisioner_api::{Role, TokenCreated, TokenList};
use std::convert::Infallible;

#[tokio::test]
async fn a_token_is_made_used_and_taken_away() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let body = r#"{"name":"ci","role":"tenant","pools":["a"]}"#;
    let (status, text) = world.ask(Some(&admin), &Method::POST, paths::TOKENS, body).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let made: TokenCreated = serde_json::from_str(&text).unwrap();
    let (status, text) = world.ask(Some(&admin), &Method::POST, paths::TOKENS, body).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("`ci` is taken"), "{text}");

    let with = Some(made.secret.reveal());
    let looks = async || world.ask(with, &Method::GET, paths::MACHINES, "").await;
    assert_eq!(looks().await.0, StatusCode::OK);
    let (_, text) = world.ask(Some(&admin), &Method::GET, paths::TOKENS, "").await;
    assert!(
        !text.contains(made.secret.reveal()) && !text.contains(&sha256_hex(made.secret.reveal())),
        "{text}"
    );
    let listed: TokenList = serde_json::from_str(&text).unwrap();
    let ci = listed.items.into_iter().find(|token| token.name == "ci").unwrap();
    assert_eq!((ci.role, ci.pools, ci.expires), (Role::Tenant, Some(vec!["a".into()]), None));

    let (status, _) = world.ask(Some(&admin), &Method::DELETE, "/v1/tokens/ci", "").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(looks().await.0, StatusCode::UNAUTHORIZED, "at once");
    let (status, _) = world.ask(Some(&admin), &Method::DELETE, "/v1/tokens/ci", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_last_way_in_stays() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    // That of the first start.
    let (status, text) = world.ask(Some(&admin), &Method::DELETE, "/v1/tokens/admin", "").await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{text}");
    let (status, text) = world.ask(Some(&admin), &Method::DELETE, "/v1/tokens/admin-all", "").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("make one first"), "{text}");
}

#[tokio::test]
async fn an_expired_token_is_told_since_when_and_what_to_do() {
    let world = World::new().await;
    let expired = TokenRecord { expires: Some(samples::NOW), ..TokenRecord::admin("old", samples::NOW) };
    world.service.store.token_insert(&sha256_hex("old"), &expired).await.unwrap();
    let (status, text) = world.ask(Some("old"), &Method::GET, paths::MACHINES, "").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    for said in ["`old` expired at 1970-01-01T00:00:00Z", "billet token create", "\"expired\""] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

/// Whoever sends slowly is looked at again when all is there.
#[tokio::test]
async fn a_token_that_was_revoked_while_its_bearer_sent_does_nothing_any_more() {
    let world = World::new().await;
    let body = r#"{"name":"mine","role":"admin"}"#;
    for length in [Some(body.len()), None] {
        let leaked = TokenRecord::admin("leaked", samples::NOW);
        world.service.store.token_insert(&sha256_hex("leaked"), &leaked).await.unwrap();
        let service = Arc::clone(&world.service);
        let (begin, end) = body.split_at(7);
        let end = async move {
            service.store.token_delete("leaked").await.unwrap();
            Ok::<_, Infallible>(Bytes::from(end))
        };
        let pieces = stream::iter([Ok(Bytes::from(begin))]).chain(stream::once(end));
        let mut request = Request::builder().method(Method::POST).uri(paths::TOKENS);
        request = request.header(header::AUTHORIZATION, "Bearer leaked");
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        let request = request.body(Body::from_stream(pieces)).unwrap();
        let response = world.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{length:?}");
        let tokens = world.service.store.token_list().await.unwrap();
        assert!(tokens.iter().all(|token| token.name != "mine"), "{tokens:?}");
    }
}
