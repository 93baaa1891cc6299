use super::super::story::{Story, only, silent, time};
use provisioner_api::{Held, Machine, MachineState, Waiting};

const NAME: &str = "no-silence";

/// Machine 1 is being inspected, and this is what it says.
fn working(change: impl FnOnce(&mut Machine)) -> Story {
    let mut story = Story::good();
    let machine = &mut story.snapshot.machines[1];
    machine.status.state = MachineState::Inspecting;
    machine.status.job.as_mut().unwrap().ended = None;
    change(machine);
    story
}

fn waits(until: Option<i64>) -> Option<Waiting> {
    let until = until.map(|until| time(until).parse().unwrap());
    Some(Waiting {
        why: "the agent has to call in".to_owned(),
        since: time(-60).parse().unwrap(),
        until,
        ..Waiting::default()
    })
}

#[test]
fn a_working_machine_says_what_it_waits_for() {
    only(&working(|_| {}), NAME);
    silent(&working(|machine| machine.status.waiting = waits(Some(60))));
    silent(&working(|machine| machine.status.waiting = waits(None)));
}

#[test]
fn a_wait_that_is_over_or_never_will_be() {
    only(&working(|machine| machine.status.waiting = waits(Some(-200))), NAME);
    silent(&working(|machine| machine.status.waiting = waits(Some(-20))));
    // A day is what wiping may take under the default limits.
    only(&working(|machine| machine.status.waiting = waits(Some(100_000))), NAME);
}

#[test]
fn a_held_machine_waits_for_a_person() {
    let mut story = working(|machine| {
        let why = "the agent did not call in within 15 minutes".to_owned();
        machine.status.held = Some(Held { why, since: time(-50).parse().unwrap(), ..Held::default() });
    });
    silent(&story);
    story.snapshot.machines[1].status.job = None;
    only(&story, NAME);
}

#[test]
fn a_job_runs_where_there_is_nothing_to_do() {
    let mut story = Story::good();
    story.snapshot.machines[1].status.job.as_mut().unwrap().ended = None;
    only(&story, NAME);
}

#[test]
fn a_line_of_the_log() {
    let mut story = Story::good();
    story.snapshot.bad_log_lines = vec!["thread 'main' panicked at src/hub.rs:1".to_owned()];
    only(&story, NAME);
}
