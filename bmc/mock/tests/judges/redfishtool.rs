//! `redfishtool`: a command line, by Basic and by sessions.

use super::rig::{Clients, PASSWORD, Rig, USER, UUID, each};
use bmc_mock::redfish::Profile;
use bmc_mock::{BootDevice, Chassis};
use serde_json::{Value, json};

/// The program at a BMC.
struct Tool<'c> {
    host: String,
    clients: &'c mut Clients,
}

impl Tool<'_> {
    fn words(&self, authentication: &str, words: &[&str]) -> Value {
        let program = ["redfishtool.py", "-r", &self.host, "-u", USER, "-p", PASSWORD];
        let ways = ["-A", authentication, "-S", "Always", "-T", "30"];
        json!([&program[..], &ways, words].concat())
    }

    /// What it says; JSON.
    async fn ask(&mut self, authentication: &str, words: &[&str]) -> Value {
        let said = self.clients.ask(self.words(authentication, words)).await;
        serde_json::from_str(said.as_str().unwrap_or_default()).unwrap_or(said)
    }

    async fn fails(&mut self, words: &[&str], because: &str) {
        self.clients.fails(self.words("Basic", words), because).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redfishtool_can_do_its_work() {
    each(|rig| async move {
        let host = rig.url.trim_start_matches("https://").to_owned();
        let mut tool = Tool { host, clients: &mut rig.clients() };
        resources_and_sessions(&rig, &mut tool).await;
        power_and_boot(&rig, &mut tool).await;
        accounts(&rig, &mut tool).await;
        logs(&rig, &mut tool).await;
    })
    .await;
}

async fn resources_and_sessions(rig: &Rig, tool: &mut Tool<'_>) {
    let profile = rig.profile;
    for authentication in ["Basic", "Session"] {
        let system = tool.ask(authentication, &["Systems", "-1", "get"]).await;
        assert_eq!(
            system["UUID"].as_str().map(str::to_lowercase).as_deref(),
            Some(UUID),
            "{profile}: {system}"
        );
        assert_eq!(rig.controls.sessions(), 0, "{profile}: it logs out");
    }
    for noun in ["Chassis", "Managers"] {
        let first = tool.ask("Basic", &[noun, "-F", "get"]).await;
        assert!(first["Id"].is_string(), "{profile}, {noun}: {first}");
    }
    let service = tool.ask("Basic", &["SessionService", "get"]).await;
    assert!(service["SessionTimeout"].is_number(), "{profile}: {service}");
    let sessions = tool.ask("Session", &["SessionService", "Sessions", "-a"]).await;
    assert_eq!(sessions["Members"][0]["UserName"], USER, "{profile}: {sessions}");
}

async fn power_and_boot(rig: &Rig, tool: &mut Tool<'_>) {
    let profile = rig.profile;
    let once = ["Systems", "-1", "setBootOverride", "Once", "Pxe"];
    // MegaRAC takes overrides by its settings resource only, which this program doesn't know.
    let settles = profile != Profile::Ami;
    if settles {
        tool.ask("Basic", &once).await;
        let flags = rig.chassis.boot().await.unwrap();
        assert_eq!((flags.device, flags.persistent), (Some(BootDevice::Network), false), "{profile}");
    } else {
        tool.fails(&once, "ended with").await;
        assert_eq!(rig.chassis.boot().await.unwrap().device, None, "{profile}");
    }
    tool.ask("Session", &["Systems", "-1", "reset", "On"]).await;
    assert!(rig.is_on().await, "{profile}");
    tool.ask("Session", &["Systems", "-1", "reset", "ForceOff"]).await;
    assert!(!rig.is_on().await, "{profile}");
    if settles {
        tool.ask("Basic", &once).await;
        tool.ask("Basic", &["Systems", "-1", "setBootOverride", "Disabled"]).await;
    }
    assert_eq!(rig.chassis.boot().await.unwrap().device, None, "{profile}");
}

async fn accounts(rig: &Rig, tool: &mut Tool<'_>) {
    let profile = rig.profile;
    let add = ["AccountService", "adduser", "bob", "Secret 12 word", "Operator"];
    match profile {
        // iDRAC's slots take no POST, and iLO wants a login name of its own with it.
        Profile::Dell | Profile::Hpe => return tool.fails(&add, "ended with").await,
        _ => tool.ask("Basic", &add).await,
    };
    let account = rig.controls.account("bob").unwrap();
    assert_eq!(
        (account.password.as_str(), account.role.as_str()),
        ("Secret 12 word", "Operator"),
        "{profile}"
    );
    tool.ask("Basic", &["AccountService", "setpassword", "bob", "Secret 13 word"]).await;
    assert_eq!(rig.controls.account("bob").unwrap().password, "Secret 13 word", "{profile}");
    tool.ask("Basic", &["AccountService", "useradmin", "bob", "disable"]).await;
    assert!(!rig.controls.account("bob").unwrap().enabled, "{profile}");
    tool.ask("Basic", &["AccountService", "deleteuser", "bob"]).await;
    assert_eq!(rig.controls.account("bob"), None, "{profile}");
}

async fn logs(rig: &Rig, tool: &mut Tool<'_>) {
    let profile = rig.profile;
    // Some have them at the system, some at the manager only.
    let noun = if profile == Profile::Dell { "Managers" } else { "Systems" };
    let logs = tool.ask("Basic", &[noun, "-F", "Logs"]).await;
    let link = logs["Members"][0]["@odata.id"].as_str();
    let link = link.unwrap_or_else(|| panic!("{profile}: {logs}")).trim_end_matches('/');
    let first = link.rsplit('/').next().unwrap_or_default().to_owned();
    rig.controls.parts().logs.add(&first, 1_767_225_600, "Warning", "Fan 1 is slow.");
    let log = tool.ask("Basic", &[noun, "-F", "Logs", "-i", &first, "-E"]).await;
    assert!(log.to_string().contains("Entries"), "{profile}: {log}");
}
