//! What each row changes: what is done at the BMC of its fixture with the row and without it, as the fixture tells.
//!
//! `behaviour` has an arm for every effect, so that none can be added without saying what it changes.

use super::tests::{fixture, identity};
use super::{Effect, Quirks, TABLE};
use crate::redfish::accounts::{Account, AccountStyle, Rank, new_account};
use crate::redfish::bios::{Setting, judge_bios, plan_bios_reset};
use crate::redfish::chassis::LampWords;
use crate::redfish::events::EventService;
use crate::redfish::firmware::{Apply, PushPlan, Service, push_targets};
use crate::redfish::media::{Change, Kind, Slot, choose, next_choice, plan_eject, plan_insert};
use crate::redfish::receipt::receipt;
use crate::redfish::settings::with_apply_time;
use crate::redfish::task::{judge_task, same_job, unknown_task};
use crate::redfish::{
    Boot, BootPatch, Mode, Press, Receipt, ResourcePath, ServiceRoot, Target, Wanted, cd_attributes,
    full_cycle, press_harms,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const IMAGE: &str = "http://10.0.0.1/os.iso";

/// What is sent, believed or refused at the BMC of this fixture where this effect matters.
fn behaviour(effect: Effect, fixture: &Value, quirks: &Quirks) -> Value {
    let resource = &fixture["resource"];
    match effect {
        Effect::AcceptedLocationIsNoTask | Effect::TaskInMessage => answered(fixture, quirks),
        Effect::OverrideModeAlwaysSent => boot(resource, Target::Network, None, quirks),
        Effect::OverrideModeReadOnly => boot(resource, Target::Network, Some(Mode::Uefi), quirks),
        Effect::OverrideClearedWithoutTarget => boot(resource, Target::Default, None, quirks),
        Effect::VirtualCdIsUsbCd | Effect::VirtualCdIsCd => boot(resource, Target::Cd, None, quirks),
        Effect::UefiTargetOnceOnly => lasting(resource, Target::UefiDevice("PciRoot(0x0)".into()), quirks),
        Effect::OnceLasts => once_is_done(resource, quirks),
        Effect::VirtualCdByAttribute => json!(cd_attributes(&wanted(Target::Cd, None), quirks)),
        Effect::ResetHangs => json!(press_harms(Press::Reset, quirks)),
        Effect::FullCycleByMaker => pair(full_cycle(resource, quirks)),
        Effect::AccountsAreSlots | Effect::AccountsWantLoginName => added_user(resource, quirks),
        Effect::SteadyLampIsHealthy => json!(LampWords::of(quirks).on),
        Effect::ReportsWantFilter => {
            let service: EventService = serde_json::from_value(resource.clone()).unwrap();
            path(service.stream(quirks))
        }
        Effect::ExpandDropsProperties => {
            let root: ServiceRoot = serde_json::from_value(fixture["identity"]["root"].clone()).unwrap();
            let collection = ResourcePath::from_link(resource["@odata.id"].as_str().unwrap()).unwrap();
            path(root.protocol_features_supported.unwrap().expanded(&collection, quirks))
        }
        Effect::MediaImageStays => json!({ "inserted": Slot::read(resource, quirks).inserted }),
        Effect::MediaOnlyExternal | Effect::MediaFirstSlotOnly => {
            let slots = slots(fixture, quirks);
            json!(slots[choose(&slots, None, Kind::Cd, IMAGE, quirks).unwrap()].id)
        }
        Effect::MediaSlotsMayRefuse => {
            let slots = slots(fixture, quirks);
            json!(next_choice(&slots, &[0], Kind::Cd, IMAGE, quirks).map(|index| slots[index].id.clone()))
        }
        Effect::MediaActionsInOem | Effect::MediaByVmmControl | Effect::MediaWantsCredentials => {
            let insert = plan_insert(resource, None, Kind::Cd, IMAGE, quirks);
            json!([change(insert), change(plan_eject(resource, quirks))])
        }
        Effect::SettingsNeedApplyTime => with_apply_time(json!({}), resource, None, quirks),
        Effect::BiosShowsPending => {
            let sent = BTreeMap::from([("MemTest".to_owned(), Setting::Text("Disabled".into()))]);
            debug(judge_bios(&sent, resource, fixture.get("settings"), true, quirks))
        }
        Effect::BiosResetNeedsType => pair(plan_bios_reset(resource, fixture.get("settings"), quirks).ok()),
        Effect::PushNeedsImageType
        | Effect::PushNeedsOem
        | Effect::PushTargetsResources
        | Effect::PlainPushIsForm => pushed(resource, quirks),
        Effect::JobsOutliveTasks => {
            let link = |value: &Value| ResourcePath::from_link(value.as_str().unwrap()).unwrap();
            path(same_job(&link(&fixture["task"]), &[link(&resource["@odata.id"])], quirks))
        }
        Effect::TasksShowLate => {
            let status = u16::try_from(fixture["status"].as_u64().unwrap()).unwrap();
            let reading = judge_task(status, resource.to_string().as_bytes()).unwrap();
            json!([format!("{:?}", reading.state), format!("{:?}", unknown_task(true, quirks))])
        }
    }
}

fn debug(value: impl std::fmt::Debug) -> Value {
    format!("{value:?}").into()
}

fn path(path: Option<ResourcePath>) -> Value {
    json!(path.map(|path| path.to_string()))
}

fn pair(posted: Option<(ResourcePath, Value)>) -> Value {
    json!(posted.map(|(target, body)| json!([target.to_string(), body])))
}

fn answered(fixture: &Value, quirks: &Quirks) -> Value {
    let location = fixture.get("location").and_then(Value::as_str).and_then(ResourcePath::from_link);
    let body = fixture["resource"].to_string();
    match receipt(202, location.as_ref(), body.as_bytes(), quirks) {
        Receipt::Task(task) => json!({ "task": task.to_string() }),
        other => debug(other),
    }
}

fn wanted(target: Target, mode: Option<Mode>) -> Wanted {
    Wanted { target, persistent: false, mode }
}

fn planned(resource: &Value, wanted: &Wanted, quirks: &Quirks) -> Value {
    let boot: Boot = serde_json::from_value(resource["Boot"].clone()).unwrap();
    match BootPatch::plan(Some(&boot), wanted, quirks) {
        Ok(patch) => serde_json::to_value(patch).unwrap()["Boot"].clone(),
        Err(refusal) => refusal.to_string().into(),
    }
}

fn boot(resource: &Value, target: Target, mode: Option<Mode>, quirks: &Quirks) -> Value {
    planned(resource, &wanted(target, mode), quirks)
}

fn lasting(resource: &Value, target: Target, quirks: &Quirks) -> Value {
    planned(resource, &Wanted { persistent: true, ..wanted(target, None) }, quirks)
}

fn once_is_done(resource: &Value, quirks: &Quirks) -> Value {
    let boot: Boot = serde_json::from_value(resource["Boot"].clone()).unwrap();
    let patch = BootPatch::plan(Some(&boot), &wanted(Target::Network, None), quirks).unwrap();
    json!({ "done": patch.is_done(Some(&boot)) })
}

fn added_user(resource: &Value, quirks: &Quirks) -> Value {
    let list = resource["Members"].as_array().cloned().unwrap_or_default();
    let accounts: Vec<Account> =
        list.into_iter().map(|account| serde_json::from_value(account).unwrap()).collect();
    let style = AccountStyle::of(quirks, &accounts);
    let body = new_account(style, "carol", "secret", "ReadOnly", Rank::ReadOnly);
    let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
    names.sort();
    json!([format!("{style:?}"), names])
}

fn slots(fixture: &Value, quirks: &Quirks) -> Vec<Slot> {
    let others = fixture["others"].as_array().cloned().unwrap_or_default();
    std::iter::once(&fixture["resource"]).chain(&others).map(|slot| Slot::read(slot, quirks)).collect()
}

fn change(change: Result<Change, crate::redfish::media::MediaRefusal>) -> Value {
    match change {
        Ok(Change::Post(target, body)) => json!([target.to_string(), body]),
        Ok(Change::Patch(body)) => json!(["PATCH", body]),
        Err(refusal) => refusal.to_string().into(),
    }
}

fn pushed(resource: &Value, quirks: &Quirks) -> Value {
    let link = |path: &str| ResourcePath::from_link(path).unwrap();
    let items = vec![link("/redfish/v1/UpdateService/FirmwareInventory/BIOS")];
    let (bios, manager) = (link("/redfish/v1/Systems/1/Bios"), link("/redfish/v1/Managers/1"));
    let targets = push_targets(items, Some(&bios), Some(&manager), quirks);
    // A plain push can't name any.
    let targets = if resource.get("MultipartHttpPushUri").is_some() { targets } else { Vec::new() };
    match Service::new(resource).unwrap().plan_push(1, &targets, None::<Apply>, quirks) {
        Ok(PushPlan::Multipart { parameters, oem, .. }) => json!([parameters, oem]),
        Ok(PushPlan::Plain { to, .. }) => to.to_string().into(),
        Err(refusal) => refusal.to_string().into(),
    }
}

#[test]
fn each_row_changes_what_its_fixture_tells() {
    for quirk in TABLE {
        let fixture = fixture(quirk.id);
        let all = Quirks::of(&identity(&fixture));
        let mut others = all.clone();
        others.rows.retain(|row| row.id != quirk.id);
        assert_eq!(others.rows.len() + 1, all.rows.len(), "{}", quirk.id);
        let with = behaviour(quirk.effect, &fixture, &all);
        let without = behaviour(quirk.effect, &fixture, &others);
        let found = json!({ "with": with, "without": without });
        assert_ne!(with, without, "{} changes nothing", quirk.id);
        assert_eq!(found, fixture["effect"], "{}", quirk.id);
    }
}
