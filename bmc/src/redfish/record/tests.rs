//! Each profile of the simulated BMC is recorded and replayed: what the driver reads of the replay is what it reads of the
//! original, but for what tells whose it is.

use super::*;
use crate::redfish::rig::{Rig, UUID, options};
use crate::{
    Bmc, BootOverride, BootTarget, MediaInsert, MediaKind, Persistence, PowerReading, PowerState, Sensor,
    UserPrivilege,
};
use bmc_mock::redfish::{Effect, Fault, Identity, Options, Profile};
use bmc_mock::{Chassis, MemoryChassis};
use bmc_proto::redfish::record::{Limits, Redactor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// A user that no BMC is sold with.
const USER: &str = "jdoe-dc7";
const TAG: &str = "Rack 12 unit 3";
const IMAGE: &str = "https://deploy.dc7.corp.net/images/token-81726354/rescue.iso";

/// What the driver reads, in words. What differs with time and with the connection is left out.
async fn readings(bmc: &dyn Bmc) -> BTreeMap<&'static str, String> {
    fn shown<T: Debug>(read: Result<T, BmcError>) -> String {
        match read {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("error: {}", error.to_string().split(" at ").next().unwrap_or_default()),
        }
    }
    let info =
        bmc.info().await.map(|info| (info.manufacturer, info.product, info.firmware, info.system_uuid));
    // Readings change while one looks.
    let sensors = bmc.sensors().unwrap().sensors().await.map(|sensors| {
        let lasting = |sensor: Sensor| Sensor { reading: sensor.reading.map(|_| 0.0), ..sensor };
        sensors.into_iter().map(lasting).collect::<Vec<_>>()
    });
    let meter = bmc.power_meter().unwrap().power_reading().await;
    let meter = meter.map(|meter| PowerReading { now: 0, ..meter });
    let mut all = BTreeMap::from([
        ("info", shown(info)),
        ("power", shown(bmc.power().await)),
        ("boot", shown(bmc.boot().await)),
        ("sensors", shown(sensors)),
        ("hardware", shown(bmc.hardware().unwrap().hardware().await)),
        ("users", shown(bmc.users().unwrap().users().await)),
        ("policy", shown(bmc.users().unwrap().password_policy().await)),
        ("bios", shown(bmc.bios().unwrap().bios().await)),
        ("boot order", shown(bmc.boot_order().unwrap().boot_order().await)),
        ("firmware", shown(bmc.firmware().unwrap().firmware().await)),
        ("media", shown(bmc.virtual_media().unwrap().media().await)),
        ("secure boot", shown(bmc.secure_boot().unwrap().secure_boot().await)),
        ("parts", shown(bmc.inventory().unwrap().units().await)),
        ("network", shown(bmc.network_settings().unwrap().lan().await)),
        ("meter", shown(meter)),
        ("tag", shown(bmc.asset_tag().unwrap().asset_tag().await)),
        ("tasks", shown(bmc.tasks().unwrap().tasks().await)),
        ("subscriptions", shown(bmc.reports().unwrap().subscriptions().await)),
        ("logs", shown(bmc.logs().unwrap().logs().await)),
    ]);
    let mut entries = String::new();
    for log in bmc.logs().unwrap().logs().await.unwrap_or_default() {
        let found = bmc.logs().unwrap().log(&log.id, 20).await.unwrap();
        // What they say is hidden, except about hardware.
        entries.extend(found.iter().map(|entry| format!("{} {}; ", log.id, entry.id)));
    }
    all.insert("entries", entries);
    all
}

/// A machine that runs, with what its owner gave it.
async fn inhabited(profile: Profile) -> Rig {
    let rig = Rig::of(profile).await;
    rig.chassis.set_power(true).await.unwrap();
    let bmc = &rig.redfish;
    let boot = BootOverride { target: BootTarget::Network, persistence: Persistence::Once, mode: None };
    bmc.set_boot(boot).await.unwrap();
    let insert = MediaInsert { image: IMAGE.into(), slot: None, kind: MediaKind::Cd };
    bmc.virtual_media().unwrap().insert_media(&insert).await.unwrap();
    let users = bmc.users().unwrap();
    users.add_user(USER, "Horse-7-Battery", UserPrivilege::Operator).await.unwrap();
    // Not everywhere it can be set.
    let _ = bmc.asset_tag().unwrap().set_asset_tag(TAG).await;
    rig
}

/// All texts of resources as they were, of properties that tell whose it is.
fn telling(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| telling(item, found)),
        Value::Object(map) => {
            for (name, value) in map {
                let name = name.to_ascii_lowercase();
                let ends = [
                    "serialnumber",
                    "uuid",
                    "macaddress",
                    "hostname",
                    "fqdn",
                    "username",
                    "assettag",
                    "servicetag",
                ];
                if ends.iter().any(|end| name.ends_with(end))
                    || ["address", "gateway", "sku"].contains(&name.as_str())
                {
                    found.extend(value.as_str().map(str::to_owned));
                }
                telling(value, found);
            }
        }
        _ => {}
    }
}

async fn recorded_and_replayed(profile: Profile) {
    let rig = inhabited(profile).await;
    let walk = rig.redfish.walk(RecordSettings::default(), &|_, _| {}).await.unwrap();
    let raw = walk.resources().clone();
    let known = Known { host: "127.0.0.1", username: "admin", password: "secret" };
    let redactor = Redactor::learn(&raw, &known);
    let before = readings(&rig.redfish).await;
    let recording = rig.redfish.recording(walk).await;
    let text = serde_json::to_string(&recording).unwrap();
    assert!(recording.left_out.is_empty(), "{:?}", recording.left_out);
    assert!(recording.resources.len() > 40, "{}", recording.resources.len());

    let mut words = vec![UUID.to_owned(), "52:54:00:00:00:01".into(), USER.into(), IMAGE.into(), TAG.into()];
    raw.values().filter_map(|one| one.body.as_ref()).for_each(|body| telling(body, &mut words));
    words.retain(|word| {
        let common = ["admin", "administrator", "anonymous", "root", "", "0.0.0.0", "::", "dhcp", "static"];
        let telling = word.contains(|c: char| c.is_ascii_digit());
        telling && !common.contains(&word.to_ascii_lowercase().as_str()) && word.len() > 3
    });
    assert!(words.len() > 8, "{words:?}");
    for word in words {
        let lower = text.to_ascii_lowercase();
        assert!(!lower.contains(&word.to_ascii_lowercase()), "{profile}: {word} is in the recording");
        let bare: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
        let long = bare.len() >= 8;
        assert!(
            !long || !lower.contains(&bare.to_ascii_lowercase()),
            "{profile}: {bare} is in the recording"
        );
    }
    for word in ["dc7", "corp.net", "81726354", "Horse-7"] {
        assert!(!text.contains(word), "{profile}: {word}");
    }

    let recording = Recording::parse(text.as_bytes()).unwrap();
    let chassis = Arc::new(MemoryChassis::new());
    let options =
        Options::new("admin", "secret", chassis.clone(), Identity::default()).with_recording(&recording);
    let replay = Rig::start(&options, chassis, "127.0.0.1:0").await;
    let after = readings(&replay.redfish).await;
    for (what, before) in &before {
        let mut wanted = redactor.text(before);
        // A serial number that is a word is replaced where it is one, not in every sentence.
        if let Some(at) = after[what].find("SERIAL0").filter(|_| wanted.contains("SIMULATED")) {
            wanted = wanted.replace("SIMULATED", &after[what][at..at + "SERIAL0000".len()]);
        }
        assert_eq!(after[what], wanted, "{profile}: {what}");
        assert!(
            !before.starts_with("error") || ["meter", "tag", "logs"].contains(what),
            "{profile}: {what}: {before}"
        );
    }
    // And it is a BMC.
    replay.redfish.set_power(PowerState::Off).await.unwrap();
    assert!(!replay.chassis.power().await.unwrap(), "{profile}");
}

#[tokio::test]
async fn generic() {
    recorded_and_replayed(Profile::Generic).await;
}

#[tokio::test]
async fn ami() {
    recorded_and_replayed(Profile::Ami).await;
}

#[tokio::test]
async fn dell() {
    recorded_and_replayed(Profile::Dell).await;
}

#[tokio::test]
async fn hpe() {
    recorded_and_replayed(Profile::Hpe).await;
}

#[tokio::test]
async fn lenovo() {
    recorded_and_replayed(Profile::Lenovo).await;
}

#[tokio::test]
async fn supermicro() {
    recorded_and_replayed(Profile::Supermicro).await;
}

#[tokio::test]
async fn only_reads_and_what_fails_is_told() {
    let rig =
        Rig::start(&options(Arc::new(MemoryChassis::new())), Arc::new(MemoryChassis::new()), "127.0.0.1:0")
            .await;
    rig.controls.add_fault(Fault::new(Effect::Status(500)).at("*/SecureBoot").by("GET"));
    rig.controls.add_fault(Fault::new(Effect::Answer(200, "<html>".into())).at("*/UpdateService").by("GET"));
    let seen = std::sync::Mutex::new(Vec::new());
    let recording = rig
        .redfish
        .record(RecordSettings::default(), &|read, ahead| seen.lock().unwrap().push((read, ahead)))
        .await
        .unwrap();
    assert!(rig.writes().is_empty(), "{:?}", rig.writes());
    let status = |end: &str| recording.resources.iter().find(|(path, _)| path.ends_with(end)).unwrap().1;
    assert_eq!(status("/SecureBoot").status, 500);
    assert_eq!((status("/UpdateService").status, &status("/UpdateService").body), (200, &None));
    let (read, ahead) = *seen.lock().unwrap().last().unwrap();
    assert_eq!((read, ahead), (recording.resources.len(), 0));

    let few =
        RecordSettings { limits: Limits { resources: 5, ..Limits::default() }, ..RecordSettings::default() };
    let recording = rig.redfish.record(few, &|_, _| {}).await.unwrap();
    assert_eq!(recording.resources.len(), 5);
    assert!(recording.left_out[0].contains("not followed"), "{:?}", recording.left_out);

    let late = RecordSettings { patience: std::time::Duration::ZERO, ..RecordSettings::default() };
    let recording = rig.redfish.record(late, &|_, _| {}).await.unwrap();
    assert!(
        recording.resources.is_empty() && recording.left_out.iter().any(|text| text.contains("time of 0 s"))
    );

    rig.controls.add_fault(Fault::new(Effect::Cut));
    assert!(rig.redfish.record(RecordSettings::default(), &|_, _| {}).await.is_err());
}
