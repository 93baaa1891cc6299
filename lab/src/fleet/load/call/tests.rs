use super::*;
use crate::fleet::entry::SeenKind;
use provisioner_api::{Problem, Secret};
use std::sync::Mutex;

fn problem(status: u16) -> ClientError {
    ClientError::Problem(Problem { kind: "x".into(), status, detail: "no".into(), fields: vec![] })
}

fn caller() -> (Caller, Arc<Eyes>, CancellationToken) {
    let connection = provisioner_client::Connection {
        url: "https://127.0.0.1:1".into(),
        token: Secret::new("t"),
        ca_pem: rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().cert.pem(),
    };
    let (eyes, stop) = (Eyes::new(None), CancellationToken::new());
    (Caller::new(Client::new(&connection).unwrap(), eyes.clone(), stop.clone()), eyes, stop)
}

/// The outcome of a call whose tries are answered like this, and how many there were.
async fn tried(answers: Vec<Result<(), ClientError>>) -> (Outcome, u64) {
    let (caller, eyes, _) = caller();
    let words = Words { method: "POST", path: "/v1/x".into(), about: "x", body: serde_json::Value::Null };
    let answers = Mutex::new(answers.into_iter());
    let next = || async { answers.lock().unwrap().next().expect("no more tries than answers") };
    let answer = caller.until_answered(&words, next).await;
    assert_eq!(eyes.count(SeenKind::Call), eyes.count(SeenKind::Answer), "each try has its answer");
    (outcome(answer), eyes.count(SeenKind::Call))
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_told() {
    let garbled = || ClientError::Status { url: "u".into(), status: 503 };
    assert_eq!(tried(vec![Err(garbled()), Err(problem(429)), Ok(())]).await, (Outcome::Done, 3));
    assert!(matches!(tried(vec![Err(problem(422))]).await, (Outcome::Refused(_), 1)));
}

#[tokio::test]
async fn nobody_there_is_no_answer_and_the_end_of_the_run_ends_it() {
    let (caller, eyes, stop) = caller();
    let delete = DeleteInstance::default();
    let asking = caller.delete("i-1", &delete);
    let ending = async {
        eyes.reached(SeenKind::Call, 3).await;
        stop.cancel();
    };
    let (outcome, ()) = tokio::join!(asking, ending);
    assert_eq!(outcome, Outcome::Ended);
}

#[test]
fn passwords_are_not_written_down() {
    let machine = serde_json::json!({ "name": "m-1", "bmc_password": "hunter2", "bmc_key": "k" });
    assert_eq!(without_secrets(&machine), serde_json::json!({ "name": "m-1" }));
}
