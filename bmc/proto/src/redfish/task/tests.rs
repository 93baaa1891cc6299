//! What tasks, monitors and jobs of several makers answer.

use super::*;
use crate::redfish::Identity;
use proptest::prelude::*;
use serde_json::json;

fn state(resource: &Value) -> Option<State> {
    read_task(resource).map(|reading| reading.state)
}

#[test]
fn states_of_tasks_and_jobs() {
    let table = [
        (json!({"TaskState": "New"}), State::Running),
        (json!({"TaskState": "running", "PercentComplete": 3}), State::Running),
        (json!({"TaskState": "Completed", "TaskStatus": "OK"}), State::Done),
        (json!({"TaskState": "Completed", "TaskStatus": "Warning"}), State::Done),
        (json!({"TaskState": "Completed", "TaskStatus": "Critical"}), State::Failed),
        (json!({"TaskState": "Exception"}), State::Failed),
        (json!({"TaskState": "Cancelled"}), State::Failed),
        (json!({"TaskState": "UserIntervention"}), State::AwaitsBoot),
        (json!({"TaskState": "SomethingNew"}), State::Running),
        (json!({"JobState": "Scheduled"}), State::AwaitsBoot),
        (json!({"JobState": "CompletedWithErrors"}), State::Failed),
        (json!({"JobState": "RebootPending"}), State::AwaitsBoot),
        (json!({"TaskState": "Starting", "Oem": {"Dell": {"JobState": "Scheduled"}}}), State::AwaitsBoot),
        (json!({"Oem": {"Hpe": {"State": "Complete"}}}), State::Done),
        (json!({"Oem": {"Hpe": {"State": "Idle"}}}), State::Gone),
    ];
    for (resource, expected) in table {
        assert_eq!(state(&resource), Some(expected), "{resource}");
    }
    for none in [json!({}), json!({"TaskState": 3}), json!([]), json!({"Status": {"State": "Enabled"}})] {
        assert_eq!(state(&none), None, "{none}");
    }
}

#[test]
fn the_state_and_the_last_answer_of_a_monitor() {
    let running = json!({"TaskState": "Running", "PercentComplete": 40}).to_string();
    let failed =
        json!({"error": {"@Message.ExtendedInfo": [{"Message": "The image is corrupt."}]}}).to_string();
    let table = [
        (202, "", Some(State::Running)),
        (202, running.as_str(), Some(State::Running)),
        (200, running.as_str(), Some(State::Running)),
        (200, "{}", Some(State::Done)),
        (204, "", Some(State::Done)),
        (200, r##"{"@odata.type": "#UpdateService.v1_2_0.UpdateService"}"##, Some(State::Gone)),
        (404, "", Some(State::Gone)),
        (410, failed.as_str(), Some(State::Gone)),
        (400, failed.as_str(), Some(State::Failed)),
        (500, failed.as_str(), None),
        (503, "", None),
        (401, "", None),
    ];
    for (status, body, expected) in table {
        let judged = judge_task(status, body.as_bytes());
        assert_eq!(judged.as_ref().map(|reading| reading.state), expected, "{status} {body}");
    }
    assert_eq!(judge_task(400, failed.as_bytes()).unwrap().messages, ["The image is corrupt."]);
    assert_eq!(judge_task(202, running.as_bytes()).unwrap().percent, Some(40));
}

#[test]
fn a_finished_job_is_read_from_its_fixture() {
    let fixture: Value =
        serde_json::from_str(include_str!("../../../fixtures/quirks/dell-jobs-outlive-tasks.json")).unwrap();
    let reading = read_task(&fixture["resource"]).unwrap();
    assert_eq!((reading.state, reading.percent), (State::Done, Some(100)));
    assert_eq!(reading.name, "Firmware Update: Diagnostics");
    assert_eq!(reading.messages, ["Job completed successfully."]);
    let job = ResourcePath::from_link(fixture["resource"]["@odata.id"].as_str().unwrap()).unwrap();
    let task = ResourcePath::from_link(fixture["task"].as_str().unwrap()).unwrap();
    let other = ResourcePath::from_link("/redfish/v1/Managers/iDRAC.Embedded.1/Jobs/JID_1").unwrap();
    let dell = Identity { vendors: vec!["Dell".into()], ..Identity::default() };
    let (quirks, all) = (Quirks::of(&dell), [other.clone(), job.clone()]);
    assert_eq!(same_job(&task, &all, &quirks), Some(job));
    assert_eq!(same_job(&task, &all, &Quirks::default()), None);
    assert_eq!(same_job(&task, &[other], &quirks), None);
}

#[test]
fn a_task_tells_of_the_job_that_goes_on() {
    let message = |id: &str| json!({"MessageId": id, "MessageArgs": ["/redfish/v1/JobService/Jobs/7"]});
    let task = |id: &str| json!({"TaskState": "Completed", "Messages": [{"MessageId": 1}, message(id)]});
    let job = |task: Value| read_task(&task).unwrap().job.map(|path| path.to_string());
    let told = "Update.1.1.OperationTransitionedToJob";
    assert_eq!(job(task(told)).as_deref(), Some("/redfish/v1/JobService/Jobs/7"));
    assert_eq!(job(task("Update.1.1.UpdateSuccessful")), None);
    assert_eq!(job(json!({"TaskState": "Completed", "Messages": [{"MessageId": told}]})), None);
}

#[test]
fn a_monitor_that_ends_with_an_error_has_failed() {
    let body = json!({"error": {"@Message.ExtendedInfo": [
        {"MessageId": "Base.1.8.InternalError", "Message": "It broke.", "Severity": "Critical"}]}});
    let reading = judge_task(200, body.to_string().as_bytes()).unwrap();
    assert_eq!((reading.state, reading.messages), (State::Failed, vec!["It broke.".to_owned()]));
    let success = json!({"error": {"@Message.ExtendedInfo": [{"MessageId": "iLO.2.14.Success"}]}});
    assert_eq!(judge_task(200, success.to_string().as_bytes()).unwrap().state, State::Done);
}

#[test]
fn messages_are_few_and_the_newest_are_kept() {
    let messages: Vec<Value> = (0..30).map(|number| json!({"Message": format!("step {number}")})).collect();
    let reading = read_task(&json!({"TaskState": "Running", "Messages": messages})).unwrap();
    assert_eq!(reading.messages.len(), MESSAGES_MAX);
    assert_eq!(reading.messages.last().map(String::as_str), Some("step 29"));
}

proptest! {
    #[test]
    fn any_number_is_a_percentage(number in any::<f64>()) {
        let percent = read_task(&json!({"TaskState": "Running", "PercentComplete": number})).unwrap().percent;
        prop_assert!(percent.is_none_or(|percent| percent <= 100));
    }

    #[test]
    fn any_body_is_judged(status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = judge_task(status, &body);
    }
}
