//! `billet bmc` with a machine: firmware and tasks, hardware, logs, reports, users that come and go.

use super::{
    User,
    bmc::changes,
    fake::{Fake, problem},
};
use axum::{Router, http::header, routing::get};
use provisioner_api::{
    BmcDrive, BmcFirmwareItem, BmcFirmwareList, BmcHardware, BmcLog, BmcLogEntries, BmcLogList,
    BmcNetworkPort, BmcProcessor, BmcSelEntry, BmcSubscription, BmcSubscriptionList, BmcTask, BmcTaskList,
    BmcTaskState, BmcUserEntry, BmcUserList, BmcUserPrivilege, Problem,
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The task's id, and the same in a path.
const TASK: (&str, &str) = ("/redfish/v1/TaskService/Tasks/7", "%2Fredfish%2Fv1%2FTaskService%2FTasks%2F7");

fn firmware(version: &str) -> BmcFirmwareList {
    let item = |id: &str, name: &str, version: &str| BmcFirmwareItem {
        id: id.to_owned(),
        name: name.to_owned(),
        version: Some(version.to_owned()),
        updateable: Some(true),
        health: None,
    };
    BmcFirmwareList { items: vec![item("BMC", "BMC image", "1.0"), item("BIOS", "System ROM", version)] }
}

fn task(state: BmcTaskState, percent: Option<u8>, message: &str) -> BmcTask {
    let messages = if message.is_empty() { Vec::new() } else { vec![message.to_owned()] };
    BmcTask { id: TASK.0.to_owned(), name: "Update".to_owned(), state, percent, messages, followed: true }
}

fn unreachable() -> Problem {
    Problem { kind: "bmc-unreachable".to_owned(), ..problem(504, "the BMC does not answer") }
}

/// A service whose BMC has firmware, takes an update, and says this of its task.
async fn updating(looks: &[BmcTask]) -> Fake {
    let fake = Fake::start().await;
    fake.says("GET /v1/machines/m1/bmc/firmware", 200, &firmware("2.0"));
    fake.says("GET /v1/machines/m1/bmc/firmware", 200, &firmware("2.1"));
    fake.says("POST /v1/machines/m1/bmc/firmware", 202, &task(BmcTaskState::Running, None, ""));
    for look in looks {
        fake.says(&format!("GET /v1/machines/m1/bmc/tasks/{}", TASK.1), 200, look);
    }
    fake
}

#[tokio::test]
async fn an_update_is_followed_to_its_end_also_while_the_bmc_restarts() {
    let path = format!("GET /v1/machines/m1/bmc/tasks/{}", TASK.1);
    let fake = updating(&[task(BmcTaskState::Running, Some(42), "writing")]).await;
    fake.says(&path, 504, &unreachable()).says(&path, 200, &task(BmcTaskState::Done, Some(100), ""));
    let user = User::of(fake.connection());
    let line = "bmc firmware update m1 --url https://h/bios.bin --target BIOS --apply immediate --yes";
    let ran = user.run(line).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "machine m1: System ROM: 2.0 is now 2.1\nmachine m1: the update is done\n"),
        "{ran:?}"
    );
    assert_eq!(
        ran.err,
        "\
billet: machine m1: Update: running, 40%: writing
billet: machine m1: Update: no news, trying on: the BMC does not answer
billet: machine m1: Update: done, 100%
"
    );
    let body = r#"{"url":"https://h/bios.bin","targets":["BIOS"],"apply":"immediate"}"#;
    assert_eq!(changes(&fake), [format!("POST /v1/machines/m1/bmc/firmware {body}")]);
}

#[tokio::test]
async fn an_update_that_fails_waits_or_is_forgotten() {
    let line = "bmc firmware update m1 --url https://h/bios.bin --yes";
    for (last, code, want) in [
        (
            task(BmcTaskState::Failed, None, "the image is signed by nobody"),
            1,
            "failed: the image is signed by nobody",
        ),
        (task(BmcTaskState::Failed, None, ""), 1, "does not say why"),
        (task(BmcTaskState::AwaitsBoot, None, ""), 0, "waits for the machine's next boot"),
        (task(BmcTaskState::Gone, None, ""), 0, "System ROM: 2.0 is now 2.1"),
    ] {
        let fake = updating(&[last]).await;
        let ran = User::of(fake.connection()).run(line).await;
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(format!("{}{}", ran.out, ran.err).contains(want), "{ran:?}");
    }
    // The BMC forgot it, and nothing is another version.
    let fake = Fake::start().await;
    fake.says("GET /v1/machines/m1/bmc/firmware", 200, &firmware("2.0"));
    fake.says("POST /v1/machines/m1/bmc/firmware", 202, &task(BmcTaskState::Running, None, ""));
    let gone = task(BmcTaskState::Gone, None, "");
    fake.says(&format!("GET /v1/machines/m1/bmc/tasks/{}", TASK.1), 200, &gone);
    let ran = User::of(fake.connection()).run(line).await;
    assert!(ran.code == 1 && ran.err.contains("all versions are as they were"), "{ran:?}");
}

#[tokio::test]
async fn an_update_is_begun_only_when_meant_and_need_not_be_waited_for() {
    let fake = updating(&[task(BmcTaskState::Running, Some(3), "")]).await;
    let mut user = User::of(fake.connection());
    let line = "bmc firmware update m1 --url https://h/bios.bin";
    let ran = user.run(line).await;
    assert!(ran.code == 2 && ran.err.contains("may break it") && ran.err.contains("--yes"), "{ran:?}");
    let ran = user.run("bmc firmware update m1 --file /f --yes").await;
    assert!(ran.code == 2 && ran.err.contains("with -H"), "{ran:?}");
    let ran = user.run(&format!("{line} --target BOIS --yes")).await;
    assert!(ran.code == 5 && ran.err.contains("there are BMC, BIOS"), "{ran:?}");
    assert!(changes(&fake).is_empty());
    user.person = true;
    user.types = "y\n".to_owned();
    let ran = user.run(&format!("{line} --no-wait")).await;
    let want =
        format!("machine m1: the update is begun; `billet bmc task show {} m1 --wait` follows it\n", TASK.0);
    assert_eq!((ran.code, ran.out), (0, want));
    let ran = user.run(&format!("{line} --timeout 1s")).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("is not at its end after 1s: running, 3%"), "{ran:?}");
    assert!(ran.err.contains(&format!("`billet bmc task show {} m1 --wait`", TASK.0)), "{ran:?}");
}

#[tokio::test]
async fn tasks_are_listed_shown_and_forgotten() {
    let running = task(BmcTaskState::Running, Some(42), "writing\x1b");
    let fake = updating(&[running.clone(), task(BmcTaskState::Done, Some(100), "")]).await;
    fake.says("GET /v1/machines/m1/bmc/tasks", 200, &BmcTaskList { items: vec![running] });
    fake.says(&format!("DELETE /v1/machines/m1/bmc/tasks/{}", TASK.1), 204, &());
    let user = User::of(fake.connection());
    assert_eq!(
        user.run("bmc task list m1").await.out,
        "\
ID                               NAME    STATE    DONE  LAST MESSAGE
/redfish/v1/TaskService/Tasks/7  Update  running  42%   writing\u{fffd}
"
    );
    assert_eq!(
        user.run("bmc task show 7 m1").await.out,
        "\
Task:         /redfish/v1/TaskService/Tasks/7
Name:         Update
State:        running
Done:         42%
Followed:     Billet does not switch the machine before its end
The BMC says: writing\u{fffd}
"
    );
    let ran = user.run("bmc task show 7 m1 --wait -o json").await;
    let end: BmcTask = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(end.state, BmcTaskState::Done);
    let ran = user.run("bmc task forget 7 m1").await;
    assert!(ran.code == 2 && ran.err.contains("still writes firmware"), "{ran:?}");
    assert_eq!(user.run("bmc task forget 7 m1 --yes").await.code, 0);
    assert_eq!(changes(&fake).len(), 1);
}

#[tokio::test]
async fn hardware_is_shown_also_when_some_of_it_can_not_be_read() {
    let fake = Fake::start().await;
    let hardware = BmcHardware {
        manufacturer: Some("Dell Inc.".to_owned()),
        model: Some("R760".to_owned()),
        serial: Some("SN1".to_owned()),
        memory_bytes: Some(64 << 30),
        processors: vec![BmcProcessor {
            id: "CPU.1".to_owned(),
            model: Some("Xeon".to_owned()),
            cores: Some(32),
            mhz: Some(4000),
            ..BmcProcessor::default()
        }],
        drives: vec![BmcDrive { id: "Disk.0".to_owned(), bytes: Some(480 << 30), ..BmcDrive::default() }],
        ports: vec![BmcNetworkPort {
            id: "NIC.1".to_owned(),
            mac: Some("52:54:00:00:00:01".to_owned()),
            link: Some(true),
            mbit: Some(25_000),
            ..BmcNetworkPort::default()
        }],
        problems: vec!["memory: 500 Internal Server Error\x1b".to_owned()],
        ..BmcHardware::default()
    };
    fake.says("GET /v1/machines/m1/bmc/hardware", 200, &hardware);
    let user = User::of(fake.connection());
    assert_eq!(
        user.run("bmc hardware m1").await.out,
        "\
System:       Dell Inc. R760
Serial:       SN1
Memory:       64.0 GiB

Processors
  ID     KIND  MODEL  CORES  THREADS  SPEED     HEALTH
  CPU.1  -     Xeon   32     -        4000 MHz  -

Drives
  ID      SIZE       MEDIA  BY  MODEL  SERIAL  FIRMWARE  CONTROLLER  HEALTH
  Disk.0  480.0 GiB  -      -   -      -       -         -           -

Network ports
  ID     MAC                LINK             UEFI PATH  HEALTH
  NIC.1  52:54:00:00:00:01  up 25000 Mbit/s  -          -

What could not be read
  memory: 500 Internal Server Error\u{fffd}
"
    );
    assert_eq!(user.run("bmc hardware m1 -o name").await.out, "SN1\n");
}

#[tokio::test]
async fn logs_are_listed_read_and_emptied() {
    let fake = Fake::start().await;
    let log = |id: &str, clearable| BmcLog {
        id: id.to_owned(),
        name: "Log".to_owned(),
        entries: Some(3),
        clearable,
    };
    let logs = BmcLogList { items: vec![log("system/SEL", true), log("manager/Audit", false)] };
    let entry = BmcSelEntry {
        id: "17".to_owned(),
        at: None,
        sensor: String::new(),
        kind: "Memory".to_owned(),
        message: "ECC".to_owned(),
        asserted: true,
        raw: String::new(),
    };
    let path = "/v1/machines/m1/bmc/logs";
    fake.says(&format!("GET {path}"), 200, &logs);
    fake.says(&format!("GET {path}/system%2FSEL?newest=5"), 200, &BmcLogEntries { items: vec![entry] });
    fake.says(&format!("DELETE {path}/system%2FSEL"), 204, &());
    let user = User::of(fake.connection());
    assert_eq!(
        user.run("bmc log list m1").await.out,
        "\
ID             NAME  ENTRIES  CAN BE EMPTIED
system/SEL     Log   3        yes
manager/Audit  Log   3        no
"
    );
    let shown = user.run("bmc log show system/SEL m1 --newest 5").await.out;
    assert!(
        shown.ends_with("\n17  clock not set  Memory  ECC    asserted\n"),
        "decimal as the BMC has it: {shown}"
    );
    let ran = user.run("bmc log clear system/SEL m1").await;
    assert!(ran.code == 2 && ran.err.contains("its entries will be lost"), "{ran:?}");
    assert_eq!(user.run("bmc log clear system/SEL m1 --yes").await.code, 0);
    assert_eq!(changes(&fake), [format!("DELETE {path}/system%2FSEL ")]);
}

#[tokio::test]
async fn reports_are_printed_as_they_come_and_followed_anew() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let stream = move || async move {
        // Three times a report and an end; then it is gone.
        let number = count.fetch_add(1, Ordering::SeqCst);
        let kind = [(header::CONTENT_TYPE, "text/event-stream")];
        if number < 3 {
            let data = format!(
                "data: {{\"at\":\"2026-11-21T03:30:00Z\",\"severity\":\"OK\",\"message\":\"number {number}\\u001b\"}}\n\n"
            );
            (axum::http::StatusCode::OK, kind, data)
        } else {
            (axum::http::StatusCode::NOT_FOUND, kind, String::new())
        }
    };
    let fake = Fake::with(Router::new().route("/v1/machines/m1/bmc/reports", get(stream))).await;
    let user = User::of(fake.connection());
    let ran = user.run("bmc events m1").await;
    assert!(ran.code == 0 && ran.out.ends_with("  OK  number 0\u{fffd}\n"), "{ran:?}");
    assert!(ran.err.contains("with --follow it is listened to anew"), "{ran:?}");
    let ran = user.run("bmc events m1 --follow -o json").await;
    assert_eq!(ran.code, 5, "the machine is gone: {ran:?}");
    assert!(ran.out.contains("number 1") && ran.out.contains("number 2"), "{ran:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn subscriptions() {
    let fake = Fake::start().await;
    let one = BmcSubscription {
        id: "3".to_owned(),
        destination: "https://h/r".to_owned(),
        context: Some("billet".to_owned()),
    };
    let path = "/v1/machines/m1/bmc/subscriptions";
    fake.says(&format!("GET {path}"), 200, &BmcSubscriptionList { items: vec![one.clone()] });
    fake.says(&format!("POST {path}"), 201, &one).says(&format!("DELETE {path}/3"), 204, &());
    let user = User::of(fake.connection());
    assert_eq!(
        user.run("bmc subscription list m1").await.out,
        "ID  POSTS TO     MARKED WITH\n3   https://h/r  billet\n"
    );
    let ran = user.run("bmc subscription add https://h/r m1").await;
    assert_eq!(ran.out, "machine m1: the BMC posts to https://h/r (subscription 3)\n", "{ran:?}");
    assert_eq!(user.run("bmc subscription remove 3 m1").await.code, 0);
    assert_eq!(
        changes(&fake),
        [
            format!(r#"POST {path} {{"destination":"https://h/r","context":"billet"}}"#),
            format!("DELETE {path}/3 "),
        ]
    );
}

#[tokio::test]
async fn users_come_and_go() {
    let fake = Fake::start().await;
    let ops = BmcUserEntry {
        id: "4".to_owned(),
        name: "ops".to_owned(),
        enabled: Some(true),
        locked: Some(true),
        privilege: BmcUserPrivilege::Operator,
    };
    let path = "/v1/machines/m1/bmc/users";
    fake.says(&format!("GET {path}"), 200, &BmcUserList { items: vec![ops.clone()] });
    fake.says(&format!("POST {path}"), 201, &ops).says(&format!("DELETE {path}/4"), 204, &());
    fake.says("POST /v1/machines/m1/bmc/rotate-password", 204, &());
    fake.says("POST /v1/machines/m1/bmc/restart", 202, &());
    let user = User::of(fake.connection());
    assert!(user.run("bmc user list m1").await.out.contains("\n4   ops   locked out  operator\n"));
    let file = user.file("new", "better\n");
    let ran = user.run("bmc user add ops m1 --level operator").await;
    assert!(ran.code == 2 && ran.err.contains("--new-password-file"), "{ran:?}");
    let ran = user.run(&format!("bmc user add ops m1 --level operator --new-password-file {file}")).await;
    assert_eq!(ran.out, "machine m1: user ops is added with id 4\n", "{ran:?}");
    let ran = user.run("bmc user remove 4 m1").await;
    assert!(ran.code == 2 && ran.err.contains("add --yes"), "{ran:?}");
    assert_eq!(user.run("bmc user remove 4 m1 --yes").await.out, "machine m1: user 4 is removed\n");
    let ran = user.run("bmc rotate-password m1").await;
    assert_eq!(ran.out, "machine m1: Billet logs in with a new random password from now on\n");
    let ran = user.run("bmc restart m1").await;
    assert!(ran.code == 2 && ran.err.contains("some minutes"), "{ran:?}");
    assert_eq!(user.run("bmc restart m1 --yes").await.code, 0);
    assert_eq!(
        changes(&fake),
        [
            format!(r#"POST {path} {{"name":"ops","password":"better","privilege":"operator"}}"#),
            format!("DELETE {path}/4 "),
            "POST /v1/machines/m1/bmc/rotate-password ".to_owned(),
            "POST /v1/machines/m1/bmc/restart ".to_owned(),
        ]
    );
    // A name where an id belongs: nothing is changed.
    for verb in ["remove ops m1 --yes", "disable ops m1", "set-privilege ops user m1"] {
        let ran = user.run(&format!("bmc user {verb}")).await;
        assert!(ran.code == 5 && ran.err.contains("the id of user ops is 4"), "{verb}: {ran:?}");
    }
    let ran = user.run(&format!("bmc user set-password ops m1 --new-password-file {file}")).await;
    assert_eq!(ran.code, 5, "{ran:?}");
}
