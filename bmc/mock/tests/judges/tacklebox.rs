//! DMTF's Tacklebox (`redfish_utilities`), which is made of its Python library `redfish`.

use super::rig::{Clients, PASSWORD, Rig, USER, each};
use bmc_mock::redfish::Profile;
use bmc_mock::{BootDevice, Chassis};
use serde_json::{Value, json};

struct Tacklebox<'c> {
    url: &'c str,
    clients: &'c mut Clients,
}

impl Tacklebox<'_> {
    fn words(&self, program: &str, words: &[&str]) -> Value {
        json!([&[program, "-r", self.url, "-u", USER, "-p", PASSWORD], words].concat())
    }

    /// What one of its programs says.
    async fn ask(&mut self, program: &str, words: &[&str]) -> String {
        let said = self.clients.ask(self.words(program, words)).await;
        said.as_str().unwrap_or_default().to_owned()
    }

    async fn fails(&mut self, program: &str, words: &[&str], because: &str) {
        self.clients.fails(self.words(program, words), because).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tacklebox_can_do_its_work() {
    each(|rig| async move {
        let mut box_ = Tacklebox { url: &rig.url, clients: &mut rig.clients() };
        power_and_boot(&rig, &mut box_).await;
        media(&rig, &mut box_).await;
        bios(&rig, &mut box_).await;
        accounts(&rig, &mut box_).await;
        logs_and_events(&rig, &mut box_).await;
        updates(&rig, &mut box_).await;
        readings(&rig, &mut box_).await;
        assert_eq!(rig.controls.sessions(), 0, "{}: it logs out", rig.profile);
    })
    .await;
}

async fn power_and_boot(rig: &Rig, tool: &mut Tacklebox<'_>) {
    let (profile, pxe) = (rig.profile, ["--target", "Pxe"]);
    if profile == Profile::Ami {
        tool.fails("rf_boot_override.py", &pxe, "ended with").await;
    } else {
        tool.ask("rf_boot_override.py", &pxe).await;
        assert_eq!(rig.chassis.boot().await.unwrap().device, Some(BootDevice::Network), "{profile}");
        tool.ask("rf_boot_override.py", &["--target", "None"]).await;
    }
    assert_eq!(rig.chassis.boot().await.unwrap().device, None, "{profile}");
    for (kind, on) in [("On", true), ("ForceRestart", true), ("ForceOff", false)] {
        tool.ask("rf_power_reset.py", &["--type", kind]).await;
        assert_eq!(rig.is_on().await, on, "{profile}: {kind}");
    }
}

async fn media(rig: &Rig, tool: &mut Tacklebox<'_>) {
    let (profile, image) = (rig.profile, "http://192.0.2.1/boot.iso");
    let insert = ["insert", "--image", image, "--mediatypes", "CD"];
    // MegaRAC wants to be told how the image is transferred, which this program doesn't say.
    if profile == Profile::Ami {
        return tool.fails("rf_virtual_media.py", &insert, "ended with").await;
    }
    tool.ask("rf_virtual_media.py", &insert).await;
    let media = &rig.controls.parts().media;
    assert_eq!(media.images(), [image], "{profile}");
    let slot = media.slots().remove(0);
    tool.ask("rf_virtual_media.py", &["eject", "--id", &slot]).await;
    assert!(media.images().is_empty(), "{profile}");
}

async fn bios(rig: &Rig, tool: &mut Tacklebox<'_>) {
    let profile = rig.profile;
    let (name, value) = match profile {
        Profile::Generic | Profile::Dell => ("LogicalProc", "Disabled"),
        Profile::Ami => ("CPU005", "Disabled"),
        Profile::Hpe => ("ProcHyperthreading", "Disabled"),
        Profile::Lenovo => ("Processors_HyperThreading", "Disabled"),
        Profile::Supermicro => ("Hyper_Threading_ALL__0037", "Disable"),
    };
    assert!(tool.ask("rf_bios_settings.py", &[]).await.contains(name), "{profile}");
    tool.ask("rf_bios_settings.py", &["--attribute", name, value]).await;
    assert_eq!(rig.controls.parts().bios.pending().get(name), Some(&json!(value)), "{profile}");
}

async fn accounts(rig: &Rig, tool: &mut Tacklebox<'_>) {
    let profile = rig.profile;
    let add = ["--add", "bob", "Secret 12 word", "Operator"];
    if profile == Profile::Hpe {
        return tool.fails("rf_accounts.py", &add, "ended with").await;
    }
    tool.ask("rf_accounts.py", &add).await;
    let account = rig.controls.account("bob").unwrap();
    // iDRAC's slots are to be enabled besides, which this program doesn't know.
    assert_eq!((account.role.as_str(), account.enabled), ("Operator", profile != Profile::Dell), "{profile}");
    tool.ask("rf_accounts.py", &["--setpassword", "bob", "Secret 13 word"]).await;
    assert_eq!(rig.controls.account("bob").unwrap().password, "Secret 13 word", "{profile}");
    tool.ask("rf_accounts.py", &["--delete", "bob"]).await;
    assert_eq!(rig.controls.account("bob"), None, "{profile}");
}

async fn logs_and_events(rig: &Rig, tool: &mut Tacklebox<'_>) {
    let profile = rig.profile;
    let logs = &rig.controls.parts().logs;
    let log = logs.ids().remove(0);
    logs.add(&log, 1_767_225_600, "Warning", "Fan 1 is slow.");
    let owner = match profile {
        Profile::Ami | Profile::Dell => "--manager",
        _ => "--system",
    };
    let list = [owner, "--log", &log];
    if matches!(profile, Profile::Hpe | Profile::Supermicro) {
        // They show links to entries, where the program looks for the entries.
        tool.fails("rf_logs.py", &list, "'Id'").await;
    } else {
        let said = tool.ask("rf_logs.py", &list).await;
        assert!(said.contains("Fan 1 is slow."), "{profile}: {said}");
    }
    tool.ask("rf_logs.py", &[owner, "--log", &log, "--clear"]).await;
    assert!(logs.len(&log) <= usize::from(profile == Profile::Dell), "{profile}");
    let subscribe = ["subscribe", "--destination", "http://192.0.2.1/events"];
    // iLO wants to be told the types of events.
    let types: &[&str] = if profile == Profile::Hpe { &["--eventtypes", "Alert"] } else { &[] };
    tool.ask("rf_event_service.py", &[&subscribe, types].concat()).await;
    assert_eq!(rig.controls.parts().events.destinations(), ["http://192.0.2.1/events"], "{profile}");
    let id = rig.controls.parts().events.ids().remove(0);
    tool.ask("rf_event_service.py", &["unsubscribe", "--id", &id]).await;
    assert!(rig.controls.parts().events.destinations().is_empty(), "{profile}");
}

async fn updates(rig: &Rig, tool: &mut Tacklebox<'_>) {
    let (profile, image) = (rig.profile, ["--image", "http://192.0.2.1/BIOS-9.8.7.bin"]);
    if profile == Profile::Hpe {
        // iLO says whole URLs in `Location`, which the library takes for paths.
        tool.fails("rf_update.py", &image, "ended with 1").await;
    } else {
        tool.ask("rf_update.py", &image).await;
    }
    assert_eq!(rig.controls.parts().update.fetched().len(), 1, "{profile}");
    // Where `Location` says the task's monitor, it follows it to its end; where it says the task, it takes its being
    // there for the end.
    let said = tool.ask("rf_firmware_inventory.py", &[]).await;
    let ended = matches!(profile, Profile::Generic | Profile::Lenovo);
    assert_eq!(said.contains("9.8.7"), ended, "{profile}: {said}");
}

async fn readings(rig: &Rig, tool: &mut Tacklebox<'_>) {
    for program in ["rf_sensor_list.py", "rf_sys_inventory.py"] {
        let said = tool.ask(program, &[]).await;
        assert!(said.lines().count() > 5, "{}, {program}: {said}", rig.profile);
    }
    let said = tool.ask("rf_manager_config.py", &["getprotocol"]).await;
    assert!(said.contains("HTTPS"), "{}: {said}", rig.profile);
}
