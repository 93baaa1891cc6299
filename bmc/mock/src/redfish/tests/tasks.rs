//! Tasks and how they can end: well, badly, never, and with a BMC that restarts meanwhile.

use super::*;
use std::time::Duration;

const UPDATE: &str = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";
const BIOS: &str = "/redfish/v1/UpdateService/FirmwareInventory/BIOS";

impl Desk {
    /// Starts an update of the BIOS; answers where its task is.
    async fn update(&self) -> String {
        let body = json!({"ImageURI": "http://192.0.2.1/bios-9.8.7.bin", "Targets": [BIOS]});
        let said = self.ask(Method::POST, UPDATE, &[BASIC], body).await;
        assert_eq!(said.status, StatusCode::ACCEPTED, "{}", said.body);
        assert_eq!(said.header("location"), said.body["TaskMonitor"]);
        said.body["@odata.id"].as_str().unwrap().to_owned()
    }

    /// The state and the percentage that a task shows when it is looked at again and again.
    async fn looks(&self, task: &str, times: usize) -> Vec<(String, u64)> {
        let mut looks = Vec::new();
        for _ in 0..times {
            let body = self.get(task).await.body;
            let state = body["TaskState"].as_str().unwrap_or("gone").to_owned();
            looks.push((state, body["PercentComplete"].as_u64().unwrap_or(0)));
        }
        looks
    }

    async fn bios_version(&self) -> Value {
        self.get(BIOS).await.body["Version"].clone()
    }

    fn tasks(&self) -> &Tasks {
        &self.state.controls.parts().tasks
    }
}

fn state(word: &str, percent: u64) -> (String, u64) {
    (word.to_owned(), percent)
}

#[tokio::test]
async fn one_that_ends_well_brings_about_what_it_was_for() {
    let desk = Desk::new();
    let task = desk.update().await;
    assert_ne!(desk.bios_version().await, "9.8.7");
    assert_eq!(
        desk.looks(&task, 3).await,
        [state("Running", 50), state("Completed", 100), state("Completed", 100)]
    );
    assert_eq!(desk.bios_version().await, "9.8.7");
}

#[tokio::test]
async fn one_that_fails_says_why() {
    let desk = Desk::new();
    desk.tasks().set_fate(Fate::Fail("The image's signature is wrong.".into()));
    let task = desk.update().await;
    assert_eq!(desk.looks(&task, 2).await[1].0, "Exception");
    let body = desk.get(&task).await.body;
    assert_eq!(body["TaskStatus"], "Critical");
    assert_eq!(body["Messages"][0]["Message"], "The image's signature is wrong.");
    assert_ne!(desk.bios_version().await, "9.8.7");
}

#[tokio::test]
async fn one_that_hangs_goes_half_way_and_no_further() {
    let desk = Desk::new();
    desk.tasks().set_polls(4);
    desk.tasks().set_fate(Fate::Hang);
    let task = desk.update().await;
    let looks = desk.looks(&task, 20).await;
    assert_eq!((looks[0].1, looks[1].1, looks[19].clone()), (25, 50, state("Running", 50)));
    assert_ne!(desk.bios_version().await, "9.8.7");
}

#[tokio::test]
async fn a_bmc_that_restarts_half_way_goes_on_with_it_or_has_forgotten_it() {
    for forgets in [false, true] {
        let desk = Desk::new();
        desk.tasks().set_forgets(forgets);
        desk.tasks().set_fate(Fate::Restart(Duration::ZERO));
        let login = json!({"UserName": "admin", "Password": "secret"});
        desk.ask(Method::POST, SESSIONS, &[], login).await;
        let task = desk.update().await;
        desk.looks(&task, 2).await;
        assert_eq!(desk.state.controls.sessions(), 0, "it forgets sessions");
        let after = desk.looks(&task, 4).await;
        let expected = if forgets { state("gone", 0) } else { state("Completed", 100) };
        assert_eq!(after[3], expected, "{after:?}");
        assert_eq!(desk.tasks().count(), usize::from(!forgets));
        // Who forgets the task did it nevertheless.
        assert_eq!(desk.bios_version().await, "9.8.7");
    }
}
