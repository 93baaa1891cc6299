use super::super::story::{OTHER_INSTANCE, Story, fault, only, silent, time};
use crate::fleet::entry::Seen;
use provisioner_api::{Held, InstanceState, Waiting};

const NAME: &str = "comes-to-rest";

fn held(why: &str) -> Option<Held> {
    Some(Held { why: why.to_owned(), since: time(-50).parse().unwrap(), ..Held::default() })
}

fn waits(since: i64, until: Option<i64>) -> Option<Waiting> {
    let until = until.map(|until| time(until).parse().unwrap());
    Some(Waiting {
        why: "the agent writes".to_owned(),
        since: time(since).parse().unwrap(),
        until,
        ..Waiting::default()
    })
}

#[test]
fn said_to_run_and_does_not() {
    type Change = fn(&mut Story);
    let changes: [Change; 5] = [
        |story| story.snapshot.truth[0].disks[0].instance = None,
        |story| story.snapshot.truth[0].disks[0].instance = Some(OTHER_INSTANCE.to_owned()),
        |story| story.snapshot.truth[0].disks[0].image_whole = false,
        |story| story.snapshot.truth[0].runs = None,
        |story| story.snapshot.truth[0].runs = Some("0190a5c0-7d3e-7000-8000-0000000000b0".to_owned()),
    ];
    for change in changes {
        let mut story = Story::good();
        change(&mut story);
        only(&story, NAME);
    }
}

#[test]
fn without_power_nothing_runs() {
    let mut story = Story::good();
    story.snapshot.truth[0].on = false;
    story.snapshot.truth[0].runs = None;
    only(&story, NAME);
}

#[test]
fn who_got_power_back_just_now_still_boots() {
    let mut story = Story::good();
    story.snapshot.truth[0].runs = None;
    story.seen(0, Seen::Power { on: true });
    silent(&story);
    story.pass(100);
    story.seen(1, Seen::Nak);
    only(&story, NAME);
}

#[test]
fn who_booted_from_a_broken_disk_hangs() {
    let mut story = Story::good();
    story.snapshot.truth[0].runs = None;
    story.push(Some(0), fault("disk: gone", &[]));
    silent(&story);
    // A system that is another's is never excused.
    story.snapshot.truth[0].runs = Some("0190a5c0-7d3e-7000-8000-0000000000b0".to_owned());
    only(&story, NAME);
}

#[test]
fn a_hold_needs_a_fault_that_explains_it() {
    let mut story = Story::good();
    story.snapshot.instances[0].status.state = InstanceState::Deploying;
    story.snapshot.instances[0].status.held = held("write-image failed 20 times: the disk says no");
    only(&story, NAME);
    story.snapshot.truth[0].may_hold = vec![String::new(), "write-image failed".to_owned()];
    silent(&story);

    // A machine that belongs to nobody, and the fault of another one.
    let mut story = Story::good();
    story.snapshot.machines[0].status.held = held("write-image failed 20 times");
    silent(&story);
    story.snapshot.machines[1].status.held = held("erase failed 20 times");
    only(&story, NAME);
    story.push(Some(0), fault("disk: gone", &["erase failed"]));
    only(&story, NAME);
    story.push(Some(1), fault("disk: gone", &["erase failed"]));
    silent(&story);
    // What may happen to all.
    story.snapshot.machines[1].status.held = held("the agent did not call in within 1 minutes");
    silent(&story);
}

#[test]
fn neither_waits_nor_held() {
    for state in [InstanceState::Pending, InstanceState::Deploying] {
        let mut story = Story::good();
        story.snapshot.instances[1].status.state = state;
        story.snapshot.instances[1].status.waiting = None;
        only(&story, NAME);
    }
}

#[test]
fn waits_without_an_end() {
    let story = |waiting| {
        let mut story = Story::good();
        story.snapshot.instances[0].status.state = InstanceState::Deploying;
        story.snapshot.instances[0].status.waiting = waiting;
        story
    };
    only(&story(waits(-4000, None)), NAME);
    silent(&story(waits(-4000, Some(30))));
    // A BMC is just asked for something.
    silent(&story(waits(-100, None)));
    let mut nameless = waits(-10, Some(30));
    nameless.as_mut().unwrap().why.clear();
    only(&story(nameless), NAME);
}

#[test]
fn waits_for_a_machine_although_one_is_free() {
    let mut story = Story::good();
    story.snapshot.instances[1].spec.machine = None;
    only(&story, NAME);
    // Each of these is a reason to wait.
    type Change = fn(&mut Story);
    let changes: [Change; 6] = [
        |story| story.snapshot.machines[1].spec.maintenance = true,
        |story| story.snapshot.machines[1].spec.pool = "gpu".to_owned(),
        |story| story.snapshot.machines[1].status.bmc.health = provisioner_api::BmcHealth::Unreachable,
        |story| story.snapshot.machines[1].status.inventory = None,
        |story| story.snapshot.instances[1].spec.pool = Some("gpu".to_owned()),
        |story| {
            story.snapshot.instances[1].spec.selector.insert("rack".to_owned(), "r7".to_owned());
        },
    ];
    for change in changes {
        let mut story = Story::good();
        story.snapshot.instances[1].spec.machine = None;
        change(&mut story);
        silent(&story);
    }
    // Exactly this one, which is free.
    let mut story = Story::good();
    story.snapshot.instances[1].spec.machine = Some(story.snapshot.machines[1].id.to_string());
    only(&story, NAME);
}
