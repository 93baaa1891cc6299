//! Inventory and updates of every profile, followed to their ends, whatever happens to the BMC meanwhile.

use super::*;
use crate::redfish::rig::Rig;
use crate::redfish::timing::{QUICK, Timing};
use crate::{Bmc as _, PowerState, Task, TaskState, Tasks as _};
use bmc_mock::redfish::{Effect, Fate, Fault, Profile};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

fn from_url(targets: &[String]) -> FirmwareUpdate {
    let source = FirmwareSource::Url("http://10.0.0.1/bios-9.9.9.bin".into());
    FirmwareUpdate { source, targets: targets.to_vec(), apply: None }
}

async fn updateable(redfish: &Redfish) -> FirmwareItem {
    let items = Firmware::firmware(redfish).await.unwrap();
    items.into_iter().rfind(|item| item.updateable == Some(true)).expect("something can be updated")
}

async fn version(redfish: &Redfish, id: &str) -> Option<String> {
    Firmware::firmware(redfish)
        .await
        .unwrap()
        .into_iter()
        .find(|item| item.id == id)
        .and_then(|item| item.version)
}

/// Looks until it ends; a BMC that is away meanwhile says nothing about the task.
async fn follow(redfish: &Redfish, handle: &TaskHandle) -> Task {
    for _ in 0..10_000 {
        match redfish.task(handle).await {
            Ok(task) if task.state == TaskState::Running => {}
            Ok(task) => return task,
            Err(BmcError::Unreachable { .. } | BmcError::Resting { .. } | BmcError::Unknown { .. }) => {
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("{} never ended", handle.0)
}

#[tokio::test]
async fn an_update_from_a_url_is_followed_to_its_end() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let item = updateable(bmc).await;
        let handle = bmc.start_update(&from_url(std::slice::from_ref(&item.id))).await;
        let handle = handle.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!(version(bmc, &item.id).await, item.version, "{profile}: not yet");
        let first = bmc.task(&handle).await.unwrap();
        assert_eq!(first.state, TaskState::Running, "{profile}");
        assert!(first.percent.is_some_and(|percent| percent < 100), "{profile}: {first:?}");
        let end = follow(bmc, &handle).await;
        assert_eq!((end.state, &end.handle), (TaskState::Done, &handle), "{profile}: {end:?}");
        assert_eq!(version(bmc, &item.id).await.as_deref(), Some("9.9.9"), "{profile}");
        assert!(
            crate::Tasks::tasks(bmc).await.unwrap().iter().any(|task| task.state == TaskState::Done),
            "{profile}"
        );
    }
}

#[tokio::test]
async fn a_file_is_pushed_in_the_way_that_the_maker_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bios-7.7.7.bin");
    let mut image = b"bios-7.7.7\n".to_vec();
    image.extend((0..300_000u32).flat_map(u32::to_le_bytes));
    std::fs::write(&file, &image).unwrap();
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let update =
            FirmwareUpdate { source: FirmwareSource::File(file.clone()), targets: vec![], apply: None };
        let started = bmc.start_update(&update).await;
        if profile == Profile::Hpe {
            // Its push is the form of its web interface.
            let error = started.unwrap_err();
            assert!(error.to_string().contains("give a URL"), "{error}");
            assert!(rig.writes().is_empty());
            continue;
        }
        let handle = started.unwrap_or_else(|error| panic!("{profile}: {error}"));
        let end = follow(bmc, &handle).await;
        assert_eq!(end.state, TaskState::Done, "{profile}: {end:?}");
        let pushed = rig.parts().update.pushed();
        assert_eq!((pushed.len(), pushed[0].size), (1, image.len()), "{profile}");
        assert_eq!(pushed[0].sha256, <[u8; 32]>::from(Sha256::digest(&image)), "{profile}");
        assert_eq!(pushed[0].oem.is_null(), profile != Profile::Ami, "{profile}");
        let items = Firmware::firmware(bmc).await.unwrap();
        assert!(items.iter().any(|item| item.version.as_deref() == Some("7.7.7")), "{profile}: {items:?}");
    }
}

#[tokio::test]
async fn a_plain_push_says_beside_what_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.bin");
    std::fs::write(&file, "4.4.4\n").unwrap();
    let rig = Rig::of(Profile::Generic).await;
    let only_plain = json!({"MultipartHttpPushUri": null, "HttpPushUriTargets": []});
    rig.controls.add_fault(Fault::new(Effect::Merge(only_plain)).at("/redfish/v1/UpdateService").by("GET"));
    let update =
        FirmwareUpdate { source: FirmwareSource::File(file), targets: vec!["BIOS".into()], apply: None };
    let handle = rig.redfish.start_update(&update).await.unwrap();
    assert_eq!(follow(&rig.redfish, &handle).await.state, TaskState::Done);
    assert_eq!(version(&rig.redfish, "BIOS").await.as_deref(), Some("4.4.4"));
    assert!(rig.parts().update.pushed()[0].parameters.is_null());
}

#[tokio::test]
async fn an_update_at_the_next_boot_awaits_it() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let item = updateable(bmc).await;
        let update =
            FirmwareUpdate { apply: Some(ApplyTime::OnReset), ..from_url(std::slice::from_ref(&item.id)) };
        let handle = bmc.start_update(&update).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!(bmc.task(&handle).await.unwrap().state, TaskState::AwaitsBoot, "{profile}");
        bmc.set_power(PowerState::On).await.unwrap();
        assert_eq!(follow(bmc, &handle).await.state, TaskState::Done, "{profile}");
        assert_eq!(version(bmc, &item.id).await.as_deref(), Some("9.9.9"), "{profile}");
    }
}

#[tokio::test]
async fn a_task_that_hangs_runs_and_one_that_fails_says_why() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let item = updateable(bmc).await;
        rig.parts().tasks.set_fate(Fate::Hang);
        let handle = bmc.start_update(&from_url(std::slice::from_ref(&item.id))).await.unwrap();
        for _ in 0..10 {
            assert_eq!(bmc.task(&handle).await.unwrap().state, TaskState::Running, "{profile}");
        }
        rig.parts().tasks.set_fate(Fate::Fail("The image's signature is wrong.".into()));
        let handle = bmc.start_update(&from_url(std::slice::from_ref(&item.id))).await.unwrap();
        let end = follow(bmc, &handle).await;
        assert_eq!(end.state, TaskState::Failed, "{profile}");
        assert!(end.messages.join(" ").contains("The image's signature is wrong."), "{profile}: {end:?}");
        assert_eq!(version(bmc, &item.id).await, item.version, "{profile}");
    }
}

#[tokio::test]
async fn a_handle_outlives_a_restart_of_the_bmc() {
    for profile in Profile::ALL {
        for forgets in [false, true] {
            let rig = Rig::of(profile).await;
            // A task that is gone right after it was made could be one that shows late; here it soon is not new any more.
            let bmc = &rig.driver_with(Timing { young: Duration::from_millis(500), ..QUICK });
            let item = updateable(bmc).await;
            rig.parts().tasks.set_polls(6);
            rig.parts().tasks.set_fate(Fate::Restart(Duration::from_millis(30)));
            rig.parts().tasks.set_forgets(forgets);
            let handle = bmc.start_update(&from_url(std::slice::from_ref(&item.id))).await.unwrap();
            let end = follow(bmc, &handle).await;
            let expected = if forgets { TaskState::Gone } else { TaskState::Done };
            assert_eq!(end.state, expected, "{profile}: {end:?}");
            assert_eq!(version(bmc, &item.id).await.as_deref(), Some("9.9.9"), "{profile}");
        }
    }
}

#[tokio::test]
async fn a_lost_answer_to_an_update_is_never_repeated() {
    let rig = Rig::of(Profile::Generic).await;
    rig.controls.add_fault(Fault::new(Effect::LoseAnswer).by("POST").at("*.SimpleUpdate"));
    let error = rig.redfish.start_update(&from_url(&[])).await.unwrap_err();
    assert!(matches!(error, BmcError::Unknown { .. }), "{error:?}");
    assert_eq!(rig.parts().update.fetched().len(), 1);
}

#[tokio::test]
async fn without_a_task_the_service_shows_how_far_it_is() {
    let rig = Rig::of(Profile::Hpe).await;
    rig.parts().update.set_without_task(true);
    let old = json!({"Model": "iLO 5", "FirmwareVersion": "iLO 5 v2.18"});
    rig.controls.add_fault(Fault::new(Effect::Merge(old)).at("/redfish/v1/Managers/*").by("GET"));
    let item = updateable(&rig.redfish).await;
    let handle = rig.redfish.start_update(&from_url(std::slice::from_ref(&item.id))).await.unwrap();
    assert_eq!(rig.redfish.task(&handle).await.unwrap().state, TaskState::Running);
    assert_eq!(follow(&rig.redfish, &handle).await.state, TaskState::Done);
    assert_eq!(version(&rig.redfish, &item.id).await.as_deref(), Some("9.9.9"));
}

#[tokio::test]
async fn what_can_not_be_is_told_before_anything_is_sent() {
    let rig = Rig::of(Profile::Generic).await;
    let bmc = &rig.redfish;
    let url = |url: &str| FirmwareUpdate { source: FirmwareSource::Url(url.into()), ..from_url(&[]) };
    let file = FirmwareUpdate { source: FirmwareSource::File("/nowhere/x.bin".into()), ..from_url(&[]) };
    for (update, words) in [
        (url("nfs://h/x"), "HTTP, HTTPS"),
        (from_url(&["Toaster".into()]), "no firmware `Toaster`"),
        (file, "/nowhere/x.bin"),
    ] {
        let error = bmc.start_update(&update).await.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(rig.writes().is_empty());
    let error = bmc.task(&TaskHandle("not a path".into())).await.unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error:?}");
    let gone = bmc.task(&TaskHandle("/redfish/v1/TaskService/Tasks/99".into())).await.unwrap();
    assert_eq!(gone.state, TaskState::Gone);
}

#[tokio::test]
async fn a_push_names_what_its_maker_wants_to_hear() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bios-8.8.8.bin");
    std::fs::write(&file, "bios-8.8.8\n").unwrap();
    for (profile, bios, expected) in [
        (
            Profile::Supermicro,
            "BIOS",
            json!({"Targets": ["/redfish/v1/Systems/1/Bios"], "@Redfish.OperationApplyTime": "Immediate"}),
        ),
        (Profile::Dell, "", json!({"Targets": [], "Oem": {}, "@Redfish.OperationApplyTime": "Immediate"})),
    ] {
        let rig = Rig::of(profile).await;
        let targets = if bios.is_empty() { vec![] } else { vec![bios.to_owned()] };
        let update = FirmwareUpdate { source: FirmwareSource::File(file.clone()), targets, apply: None };
        let handle =
            rig.redfish.start_update(&update).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!(follow(&rig.redfish, &handle).await.state, TaskState::Done, "{profile}");
        assert_eq!(rig.parts().update.pushed()[0].parameters, expected, "{profile}");
    }
}

#[tokio::test]
async fn a_refused_update_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.bin");
    std::fs::write(&file, "4.4.4\n").unwrap();
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let text = "The license of this server does not cover updates.".to_owned();
        let refusal = Effect::Error(400, "Base.1.8.ActionNotSupported".into(), text);
        rig.controls.add_fault(Fault::new(refusal).by("POST"));
        let pushed =
            FirmwareUpdate { source: FirmwareSource::File(file.clone()), targets: vec![], apply: None };
        let mut updates = vec![from_url(&[])];
        // A session was opened before this fault, or the login itself would be refused.
        updates.extend((profile != Profile::Hpe).then_some(pushed));
        for update in updates {
            let error = rig.redfish.start_update(&update).await.unwrap_err();
            let refused = matches!(&error, BmcError::Refused { answer, .. } if answer.contains("license"));
            assert!(refused, "{profile}: {error:?}");
        }
        assert!(
            rig.parts().update.fetched().is_empty() && rig.parts().update.pushed().is_empty(),
            "{profile}"
        );
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_push_is_never_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.bin");
    std::fs::write(&file, "4.4.4\n").unwrap();
    let rig = Rig::of(Profile::Generic).await;
    rig.controls.add_fault(Fault::new(Effect::LoseAnswer).by("POST").at("*/UpdateService/upload"));
    let update = FirmwareUpdate { source: FirmwareSource::File(file), targets: vec![], apply: None };
    let error = rig.redfish.start_update(&update).await.unwrap_err();
    assert!(matches!(error, BmcError::Unknown { .. }), "{error:?}");
    assert_eq!(rig.parts().update.pushed().len(), 1);
}

#[tokio::test]
async fn a_task_that_does_not_show_yet_is_not_gone() {
    for (profile, expected) in [(Profile::Dell, TaskState::Running), (Profile::Ami, TaskState::Gone)] {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let handle = bmc.start_update(&from_url(&[])).await.unwrap();
        rig.controls.add_fault(Fault::new(Effect::Status(404)).at(&handle.0).times(1));
        let none = json!({"Members": []}).to_string();
        rig.controls.add_fault(Fault::new(Effect::Answer(200, none)).at("*/Jobs").times(1));
        assert_eq!(bmc.task(&handle).await.unwrap().state, expected, "{profile}");
        assert_eq!(follow(bmc, &handle).await.state, TaskState::Done, "{profile}");
        // One that nobody has made just now is gone.
        let other = TaskHandle(format!("{}9", handle.0));
        assert_eq!(bmc.task(&other).await.unwrap().state, TaskState::Gone, "{profile}");
    }
}

#[tokio::test]
async fn a_task_that_was_the_order_only_is_followed_to_its_job() {
    let rig = Rig::of(Profile::Lenovo).await;
    let handle = rig.redfish.start_update(&from_url(&[])).await.unwrap();
    let job = "/redfish/v1/JobService/Jobs/7";
    let ordered = json!({"TaskState": "Completed", "TaskStatus": "OK", "Messages": [
        {"MessageId": "Update.1.1.OperationTransitionedToJob", "MessageArgs": [job]}]});
    rig.controls.add_fault(Fault::new(Effect::Answer(200, ordered.to_string())).at(&handle.0));
    let running = json!({"Name": "Update", "JobState": "Running", "PercentComplete": 30});
    rig.controls.add_fault(Fault::new(Effect::Answer(200, running.to_string())).at(job));
    let task = rig.redfish.task(&handle).await.unwrap();
    assert_eq!((task.state, task.percent, task.handle), (TaskState::Running, Some(30), handle));
}
