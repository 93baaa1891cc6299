//! All that is read and written, against BMCs that don't answer, answer nonsense, or whose answers are lost: no silence
//! is ever taken for "nothing there", and nothing that is done once is done twice.

use super::Redfish;
use super::rig::Rig;
use super::timing::{QUICK, Timing};
use crate::{
    Bmc, BmcError, FirmwareSource, FirmwareUpdate, KeysReset, MediaInsert, MediaKind, UserPrivilege,
};
use bmc_mock::redfish::{Effect, Fault, Profile, Seen};
use bmc_proto::redfish::Vendor;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

type Call<'a> = Pin<Box<dyn Future<Output = Result<(), BmcError>> + Send + 'a>>;

/// What is read, by name.
const READERS: [&str; 17] = [
    "power",
    "boot",
    "info",
    "media",
    "secure boot",
    "bios",
    "boot order",
    "firmware",
    "tasks",
    "logs",
    "events",
    "sensors",
    "hardware",
    "inventory",
    "users",
    "network",
    "asset tag",
];

fn read<'a>(bmc: &'a Redfish, what: &str) -> Call<'a> {
    let bmc: &'a dyn Bmc = bmc;
    match what {
        "power" => Box::pin(async { bmc.power().await.map(drop) }),
        "boot" => Box::pin(async { bmc.boot().await.map(drop) }),
        "info" => Box::pin(async { bmc.info().await.map(drop) }),
        "media" => Box::pin(async { bmc.virtual_media().unwrap().media().await.map(drop) }),
        "secure boot" => Box::pin(async { bmc.secure_boot().unwrap().secure_boot().await.map(drop) }),
        "bios" => Box::pin(async { bmc.bios().unwrap().bios().await.map(drop) }),
        "boot order" => Box::pin(async { bmc.boot_order().unwrap().boot_order().await.map(drop) }),
        "firmware" => Box::pin(async { bmc.firmware().unwrap().firmware().await.map(drop) }),
        "tasks" => Box::pin(async { bmc.tasks().unwrap().tasks().await.map(drop) }),
        "logs" => Box::pin(async { bmc.logs().unwrap().logs().await.map(drop) }),
        "events" => Box::pin(async { bmc.event_log().unwrap().events().await.map(drop) }),
        "sensors" => Box::pin(async { bmc.sensors().unwrap().sensors().await.map(drop) }),
        "hardware" => Box::pin(async { bmc.hardware().unwrap().hardware().await.map(drop) }),
        "inventory" => Box::pin(async { bmc.inventory().unwrap().units().await.map(drop) }),
        "users" => Box::pin(async { bmc.users().unwrap().users().await.map(drop) }),
        "network" => Box::pin(async { bmc.network_settings().unwrap().lan().await.map(drop) }),
        "asset tag" => Box::pin(async { bmc.asset_tag().unwrap().asset_tag().await.map(drop) }),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn silence_and_nonsense_are_never_taken_for_nothing() {
    for profile in Profile::ALL {
        for effect in [Effect::Cut, Effect::Status(500), Effect::Answer(200, "{".into())] {
            let rig = Rig::of(profile).await;
            for what in READERS {
                let bmc = rig.driver();
                read(&bmc, what).await.unwrap_or_else(|error| panic!("{profile} {what}: {error}"));
                bmc.close().await;
            }
            rig.controls.add_fault(Fault::new(effect.clone()));
            for what in READERS {
                let answer = read(&rig.driver(), what).await;
                assert!(answer.is_err(), "{profile} {what} {effect:?}");
            }
        }
    }
}

/// What is written, by name.
const WRITERS: [&str; 11] = [
    "insert media",
    "set secure boot",
    "reset keys",
    "set bios",
    "reset bios",
    "boot order",
    "update",
    "subscribe",
    "add user",
    "clear log",
    "asset tag",
];

async fn write(bmc: &Redfish, what: &str) -> Result<(), BmcError> {
    let bmc: &dyn Bmc = bmc;
    match what {
        "insert media" => {
            let image = "http://10.0.0.1/os.iso".into();
            let insert = MediaInsert { image, slot: None, kind: MediaKind::Cd };
            bmc.virtual_media().unwrap().insert_media(&insert).await.map(drop)
        }
        "set secure boot" => bmc.secure_boot().unwrap().set_secure_boot(true).await,
        "reset keys" => bmc.secure_boot().unwrap().reset_secure_boot_keys(KeysReset::Default).await,
        "set bios" => {
            let bios = bmc.bios().unwrap();
            let all = bios.bios().await?;
            let other = |one: &crate::BiosAttribute| {
                let rule = one.rule.as_ref().filter(|rule| rule.needs_reset == Some(true))?;
                Some((one.name.clone(), crate::BiosValue::Text(rule.allowed.get(1)?.clone())))
            };
            let changes: BTreeMap<_, _> = all.iter().filter_map(other).take(1).collect();
            bios.set_bios(&changes).await.map(drop)
        }
        "reset bios" => bmc.bios().unwrap().reset_bios().await,
        "boot order" => {
            let order = bmc.boot_order().unwrap();
            let last = order.boot_order().await?.pop().unwrap().reference;
            order.set_boot_order(&[last]).await
        }
        "update" => {
            let source = FirmwareSource::Url("http://10.0.0.1/bios-9.9.9.bin".into());
            let update = FirmwareUpdate { source, targets: vec![], apply: None };
            bmc.firmware().unwrap().start_update(&update).await.map(drop)
        }
        "subscribe" => bmc.reports().unwrap().subscribe("https://10.0.0.1/hook", "c").await.map(drop),
        "add user" => {
            let users = bmc.users().unwrap();
            users.add_user("carol", "First-Pass-1", UserPrivilege::Operator).await.map(drop)
        }
        "clear log" => bmc.event_log().unwrap().clear_events().await,
        "asset tag" => bmc.asset_tag().unwrap().set_asset_tag("rack 7").await,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_is_done_once_is_not_done_twice_when_its_answer_is_lost() {
    for profile in Profile::ALL {
        for what in WRITERS {
            let rig = Rig::of(profile).await;
            // Logged in before, so that no login is lost.
            rig.redfish.power().await.unwrap();
            for method in ["POST", "PATCH"] {
                rig.controls.add_fault(Fault::new(Effect::LoseAnswer).by(method).times(1));
            }
            let answer = write(&rig.redfish, what).await;
            let understood = matches!(answer, Ok(()) | Err(BmcError::Unknown { .. }));
            assert!(understood, "{profile} {what}: {answer:?}");
            let mut posts: Vec<String> =
                rig.writes().into_iter().filter(|line| line.starts_with("POST")).collect();
            let all = posts.len();
            posts.sort();
            posts.dedup();
            assert_eq!(posts.len(), all, "{profile} {what}: {:?}", rig.writes());
        }
    }
}

#[tokio::test]
async fn after_an_update_all_is_found_anew() {
    let rig = Rig::new().await;
    let bmc = rig.driver_with(Timing { identity: Duration::ZERO, ..QUICK });
    assert_eq!(bmc.quirks().await.unwrap().vendor(), None);
    let manager = bmc.manager_path().await.unwrap().unwrap();
    let other = serde_json::json!({ "Manufacturer": "Dell Inc." });
    rig.controls.add_fault(Fault::new(Effect::Merge(other)).at(manager.path()));
    assert_eq!(bmc.quirks().await.unwrap().vendor(), Some(Vendor::Dell), "who it is is read again");

    let bmc = rig.driver();
    let system = bmc.system().await.unwrap().path;
    bmc.quirks().await.unwrap();
    let before = rig.controls.seen().len();
    rig.controls.add_fault(Fault::new(Effect::Status(404)).at(system.path()).times(1));
    bmc.system().await.unwrap();
    let roots = |seen: &[Seen]| seen.iter().filter(|seen| seen.path == "/redfish/v1/").count();
    assert_eq!(roots(&rig.controls.seen()[before..]), 1, "links are followed from the root on");
}
