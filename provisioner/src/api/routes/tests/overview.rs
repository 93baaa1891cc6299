//! Whose jobs, events, pools and zones are told, and what is wrong with a question about them.

use super::*;
use crate::store::{NewEvent, Swap};
use provisioner_api::{JobKind, StepPhase};
use provisioner_lifecycle::StepName;
use serde_json::Value;

/// The names that a list has at this place.
fn names(body: &str, place: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    let items = body["items"].as_array().unwrap_or_else(|| panic!("no list: {body}"));
    items.iter().map(|item| item[place].as_str().unwrap_or("-")).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn everybody_is_told_of_their_own_pools() {
    let world = World::new().await;
    let store = &world.service.store;
    for (number, pool) in [(1, "own"), (2, "others")] {
        let name = world.machine(number, pool).await;
        let machine = store.machine_find(&name).await.unwrap().unwrap();
        let mut next = machine.clone();
        next.spec.zone = Some(format!("{pool}-zone"));
        let step = samples::step(StepName::ALL[0], 1, StepPhase::Intent);
        next.machine.job = Some(samples::job(number, JobKind::Inspect, vec![step]));
        let event = NewEvent::machine(machine.id(), "step", pool);
        assert_eq!(
            store.machine_update(&machine, &next, &[], &[event], samples::NOW).await.unwrap(),
            Swap::Updated
        );
    }
    let all = world.token(Role::Viewer, None).await;
    let limited = world.token(Role::Viewer, Some(&["own", "empty"])).await;
    for (path, place, of_all, of_own) in [
        ("/v1/jobs", "machine_name", "m2 m1", "m1"),
        ("/v1/jobs?machine=m1&state=running&kind=inspect", "machine_name", "m1", "m1"),
        ("/v1/events", "message", "own others", "own"),
        ("/v1/events?newest=9&kinds=step,bmc", "message", "own others", "own"),
        ("/v1/pools", "name", "others own", "empty own"),
        ("/v1/zones", "name", "others-zone own-zone", "own-zone"),
    ] {
        for (token, wanted) in [(&all, of_all), (&limited, of_own)] {
            let (status, body) = world.ask(Some(token), &Method::GET, path, "").await;
            assert_eq!((status, names(&body, place).as_str()), (StatusCode::OK, wanted), "{path}: {body}");
        }
    }
    let (_, body) = world.ask(Some(&all), &Method::GET, "/v1/jobs", "").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let path = |index: usize| format!("/v1/jobs/{}", body["items"][index]["id"].as_str().unwrap());
    let (status, own) = world.ask(Some(&limited), &Method::GET, &path(1), "").await;
    assert!(status == StatusCode::OK && own.contains(r#""phase":"intent""#), "{own}");
    let (foreign, says) = world.ask(Some(&limited), &Method::GET, &path(0), "").await;
    assert_eq!(foreign, StatusCode::NOT_FOUND, "{says}");
    let (status, _) = world.ask(Some(&all), &Method::GET, &path(0), "").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_wrong_with_the_question_is_named() {
    let world = World::new().await;
    world.machine(2, "others").await;
    let token = world.token(Role::Viewer, Some(&["own"])).await;
    for (path, status, field) in [
        ("/v1/jobs?state=over", 422, "state"),
        ("/v1/jobs?kind=erase", 422, "kind"),
        ("/v1/jobs?limit=0", 422, "limit"),
        ("/v1/jobs?after=x", 422, "after"),
        ("/v1/jobs?machine=m9", 422, "machine"),
        // Another's is as one that is not there.
        ("/v1/jobs?machine=m2", 422, "machine"),
        ("/v1/jobs?pool=own", 422, "pool"),
        ("/v1/jobs/x", 404, "-"),
        ("/v1/jobs/0190f2c4-0000-7000-8000-000000000000", 404, "-"),
        ("/v1/events?kinds=Step", 422, "kinds"),
        ("/v1/events?kinds=", 422, "kinds"),
        ("/v1/events?newest=3&limit=3", 422, "newest"),
        ("/v1/pools?limit=3", 422, "limit"),
    ] {
        let (answered, body) = world.ask(Some(&token), &Method::GET, path, "").await;
        let problem: Value = serde_json::from_str(&body).unwrap();
        let named = problem["fields"][0]["field"].as_str().unwrap_or("-");
        assert_eq!((answered.as_u16(), named), (status, field), "{path}: {body}");
    }
}
