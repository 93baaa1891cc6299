use super::super::story::{Story, only, silent};
use super::*;
use serde_json::json;

const NAME: &str = "no-lost-request";

/// Asks for `i-9`.
fn ask(story: &mut Story, status: Option<u16>) {
    let body = json!({ "name": "i-9", "spec": { "image": "fleet" } });
    story.call("POST", "/v1/instances", "i-9", body, status);
}

/// Gives an instance back.
fn give_back(story: &mut Story, name: &str, status: Option<u16>) {
    story.call("DELETE", &format!("/v1/instances/{name}"), name, Value::Null, status);
}

fn killed(story: &mut Story) {
    story.push(None, What::Killed { after: None, plus_us: 0 });
    story.push(None, What::Started { pid: 9 });
}

#[test]
fn what_was_answered_with_yes_is_not_there() {
    let mut story = Story::good();
    ask(&mut story, Some(201));
    killed(&mut story);
    only(&story, NAME);
    let mut story = Story::good();
    story.call("POST", "/v1/machines", "m-9", json!({ "name": "m-9", "macs": [] }), Some(201));
    only(&story, NAME);
}

#[test]
fn what_nobody_answered_or_what_was_refused_may_be_missing() {
    for status in [None, Some(500), Some(503), Some(422), Some(409)] {
        let mut story = Story::good();
        ask(&mut story, status);
        silent(&story);
    }
    let mut story = Story::good();
    story.ask("POST", "/v1/instances", "i-9", json!({ "spec": {} }));
    silent(&story);
}

#[test]
fn a_conflict_with_our_own_try_counts_as_yes() {
    let mut story = Story::good();
    ask(&mut story, None);
    ask(&mut story, Some(409));
    only(&story, NAME);
}

#[test]
fn what_was_given_back_stays() {
    let mut story = Story::good();
    give_back(&mut story, "i-0", Some(202));
    only(&story, NAME);
    // While it is on its way that is as it should be.
    story.snapshot.instances[0].status.state = provisioner_api::InstanceState::Releasing;
    story.snapshot.instances[0].status.waiting = story.snapshot.instances[1].status.waiting.clone();
    silent(&story);
    // Nobody knows, and both are right.
    let mut story = Story::good();
    give_back(&mut story, "i-0", None);
    silent(&story);
}

#[test]
fn what_nobody_gave_back_is_being_given_back() {
    let mut story = Story::good();
    story.snapshot.instances[0].status.state = provisioner_api::InstanceState::Releasing;
    story.snapshot.instances[0].status.waiting = story.snapshot.instances[1].status.waiting.clone();
    only(&story, NAME);
}

#[test]
fn what_must_be_there_is_not_known() {
    let mut story = Story::good();
    give_back(&mut story, "i-0", Some(404));
    story.snapshot.instances.remove(0);
    story.snapshot.machines[0].status.instance = None;
    only(&story, NAME);
    // It was given back by a try that nobody answered.
    let mut story = Story::good();
    give_back(&mut story, "i-0", None);
    give_back(&mut story, "i-0", Some(404));
    story.snapshot.instances.remove(0);
    story.snapshot.machines[0].status.instance = None;
    silent(&story);
}

#[test]
fn a_request_that_is_done_late_undoes_nothing_that_is_promised() {
    // The first try may still be on its way when the deletion is answered.
    let mut story = Story::good();
    ask(&mut story, None);
    give_back(&mut story, "i-9", Some(404));
    let mut late = story.snapshot.instances[1].clone();
    late.name = "i-9".to_owned();
    late.id = "0190a5c0-7d3e-7000-8000-0000000000a9".parse().unwrap();
    story.snapshot.instances.push(late.clone());
    silent(&story);
    // It died with the service.
    let mut story = Story::good();
    ask(&mut story, None);
    killed(&mut story);
    give_back(&mut story, "i-9", Some(404));
    story.snapshot.instances.push(late);
    only(&story, NAME);
}

#[test]
fn requests_that_overlap_prove_nothing() {
    let mut story = Story::good();
    let add = story.ask("POST", "/v1/instances", "i-9", json!({ "spec": {} }));
    let remove = story.ask("DELETE", "/v1/instances/i-9", "i-9", Value::Null);
    story.push(None, What::Answer { id: add, status: Some(201) });
    story.push(None, What::Answer { id: remove, status: Some(202) });
    silent(&story);
    // The next one alone does.
    ask(&mut story, Some(201));
    killed(&mut story);
    only(&story, NAME);
}

#[test]
fn a_change_is_lost() {
    let change = |status| {
        let mut story = Story::good();
        story.call("PATCH", "/v1/machines/m-1", "m-1", json!({ "pool": "gpu" }), status);
        story
    };
    only(&change(Some(200)), NAME);
    silent(&change(None));
    let mut story = change(Some(200));
    story.snapshot.machines[1].spec.pool = "gpu".to_owned();
    silent(&story);
    // A later one that nobody answered makes either right.
    let mut story = change(Some(200));
    story.call("PATCH", "/v1/machines/m-1", "m-1", json!({ "pool": "default" }), None);
    silent(&story);
}

#[test]
fn another_thing_than_was_asked_for() {
    let mut story = Story::good();
    story.snapshot.instances[0].spec.image = "other".to_owned();
    only(&story, NAME);
    let mut story = Story::good();
    story.snapshot.machines[0].spec.macs = vec!["02:00:00:00:00:77".to_owned()];
    only(&story, NAME);
}

#[test]
fn actions_add_nothing() {
    let mut story = Story::good();
    story.call("POST", "/v1/machines/m-7/actions", "m-7", json!({ "action": "retry" }), Some(200));
    story.call("DELETE", "/v1/machines/m-0/bmc/sessions", "m-0", Value::Null, Some(200));
    silent(&story);
}
