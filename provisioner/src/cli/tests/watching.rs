//! `--watch`, `-o jsonpath` and `billet top` against a service that answers by script.

use super::{User, fake::Fake, samples};
use provisioner_api::{InstanceList, MachineList, MachineState};
use serde_json::json;

const LIST: &str = "GET /v1/machines?limit=250";

fn machines(states: &[(&str, MachineState)]) -> MachineList {
    let of = |(name, state): &(&str, MachineState)| {
        let mut machine = samples::machine(name);
        machine.status.state = *state;
        machine
    };
    MachineList { items: states.iter().map(of).collect(), next: None, resume: None }
}

#[tokio::test]
async fn a_watched_list_prints_what_changed() {
    use MachineState::{Available, Deploying};
    let fake = Fake::start().await;
    fake.says(LIST, 200, &machines(&[("m1", Available), ("m2", Available)]));
    fake.says(LIST, 503, &super::fake::problem(503, "starting"));
    fake.says(LIST, 200, &machines(&[("m1", Available), ("m2", Deploying)]));
    fake.says(LIST, 200, &machines(&[("m2", Deploying)]));
    let user = User::of(fake.connection());
    tokio::select! {
        ran = user.run("machine list --watch") => panic!("it ended: {ran:?}"),
        () = user.err.until("m1 is gone") => {}
    }
    let out = user.out.text();
    let firsts: Vec<_> =
        out.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(firsts, ["NAME STATE", "m1 available", "m2 available", "m2 deploying"]);
    assert_eq!(user.err.text(), "billet: no news, trying on: starting\nbillet: m1 is gone\n");
}

#[tokio::test]
async fn what_leaves_a_filter_is_told_from_what_is_gone() {
    use MachineState::Available;
    let fake = Fake::start().await;
    let list = "GET /v1/machines?state=available&limit=250";
    fake.says(list, 200, &machines(&[("m1", Available), ("m2", Available), ("m3", Available)]));
    fake.says(list, 200, &machines(&[("m3", Available)]));
    fake.says("GET /v1/machines/m1", 200, &samples::machine("m1"));
    fake.says("GET /v1/machines/m2", 404, &super::fake::problem(404, "there is no machine `m2`"));
    let user = User::of(fake.connection());
    tokio::select! {
        ran = user.run("machine list --state available --watch -o yaml") => panic!("it ended: {ran:?}"),
        () = user.err.until("m2 is gone") => {}
    }
    assert_eq!(
        user.err.text(),
        "billet: m1 is not one of those any more; it is still there\nbillet: m2 is gone\n"
    );
    let out = user.out.text();
    let names: Vec<_> = out.lines().filter(|line| line.starts_with("name: ") || *line == "---").collect();
    assert_eq!(names, ["name: m1", "---", "name: m2", "---", "name: m3"], "{out}");
}

#[tokio::test]
async fn a_watched_page_is_printed_anew_and_ends_with_its_object() {
    let fake = Fake::start().await;
    let path = "GET /v1/machines/m1";
    let mut changed = samples::machine("m1");
    changed.status.state = MachineState::Deploying;
    fake.says(path, 200, &samples::machine("m1")).says(path, 200, &changed);
    fake.says(path, 404, &super::fake::problem(404, "there is no machine `m1`"));
    let user = User::of(fake.connection());
    let ran = user
        .run_words(&["machine", "show", "m1", "--watch", "-o", "jsonpath={.status.state}{\"\\n\"}"])
        .await;
    assert_eq!((ran.code, ran.out.as_str()), (5, "available\ndeploying\n"), "{ran:?}");
}

#[tokio::test]
async fn a_template_takes_out_what_is_wanted() {
    let fake = Fake::start().await;
    fake.says(LIST, 200, &machines(&[("m1", MachineState::Available), ("m2", MachineState::Deploying)]));
    let user = User::of(fake.connection());
    for (template, want) in [
        ("jsonpath={.items[*].name}", "m1 m2"),
        ("jsonpath={range .items[*]}{.name}={.status.state}{\"\\n\"}{end}", "m1=available\nm2=deploying\n"),
        ("jsonpath={.items[?(@.status.state==\"deploying\")].name}", "m2"),
    ] {
        let ran = user.run_words(&["machine", "list", "-o", template]).await;
        assert_eq!((ran.code, ran.out.as_str()), (0, want), "{ran:?}");
    }
    for (format, want) in [
        ("jsonpath", "write jsonpath={.name}"),
        ("jsonpath={.a", "the `}` is missing"),
        ("jsonpath=.a", "no path in braces"),
        ("xml", "use table, wide, json, yaml, name or jsonpath=TEMPLATE"),
    ] {
        let ran = user.run_words(&["machine", "list", "-o", format]).await;
        assert!(ran.code == 2 && ran.err.contains(want), "{format}: {ran:?}");
    }
}

#[tokio::test]
async fn top_is_one_picture_without_a_terminal() {
    let fake = Fake::start().await;
    fake.says(LIST, 200, &machines(&[("m1", MachineState::Available)]));
    fake.says("GET /v1/instances?limit=250", 200, &InstanceList { items: vec![], next: None, resume: None });
    fake.says(
        "GET /v1/works",
        200,
        &json!({ "frozen": null, "erasing": { "running": 0, "queued": 0, "limit": 10 } }),
    );
    let user = User::of(fake.connection());
    let ran = user.run("top").await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert!(ran.out.contains("machines 1: available 1\n") && !ran.out.contains('\x1b'), "{}", ran.out);
    let json: serde_json::Value = serde_json::from_str(&user.run("top -o json").await.out).unwrap();
    assert_eq!(json["machines"][0]["name"], "m1");
}
