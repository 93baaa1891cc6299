//! What a BMC says over Redfish: any JSON, and what is none, is read by every reader. Nothing panics; links never leave the
//! BMC; numbers are finite; words are short and print; a walk ends, and a recording of it tells no secret.
//!
//! An input that begins like JSON is a body as it stands; of any other one, JSON is made that readers know more of.
#![no_main]

use bmc_proto::redfish::record::{Known, Limits, Recording, Walk};
use bmc_proto::redfish::{
    ActionInfo, Collection, ComputerSystem, Identity, Manager, Names, Quirks, ResourcePath, ServiceRoot,
    Session, SessionService, accounts, action, bios, boot_order, chassis, date_time, error_report, events,
    firmware, hardware, logs, manager_path, media, merged_boot, normal_uuid, number, own_path, parse,
    pick_system, printable, read_boot, read_power, read_power_of, receipt, secure_boot, sensors, settings,
    task, timestamp, value, verdict,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::collections::BTreeMap;
use tests_fuzz::{Knobs, json};

/// Words of a BMC are cut to this at the latest.
const WORD_MAX: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let Some(first) = data.first() else { return };
    let raw = b"{[ \n\"".contains(first);
    let body =
        if raw { data.to_vec() } else { json::resource(&mut Knobs::all(data)).to_string().into_bytes() };
    let quirks = quirks(&body);
    judged(&body, &quirks);
    streamed(&body);
    let Ok(resource) = parse::<Value>(&body) else { return };
    linked(&resource);
    read(&resource, &quirks);
    measured(&resource);
    set(&resource, &quirks);
    walked(&body);
});

/// Who it is, and what holds for it.
fn quirks(body: &[u8]) -> Quirks {
    let root: ServiceRoot = parse(body).unwrap_or_default();
    let system: Option<ComputerSystem> = parse(body).ok();
    let manager: Option<Manager> = parse(body).ok();
    let identity = Identity::of(&root, system.as_ref(), manager.as_ref());
    let quirks = Quirks::of(&identity);
    assert!(quirks.rows().iter().all(|row| row.holds(&identity)));
    quirks
}

/// Answers as a whole: errors, receipts, tasks, power.
fn judged(body: &[u8], quirks: &Quirks) {
    let report = error_report(body);
    for status in [200, 201, 202, 400, 401, 404, 409, 412, 503] {
        let _ = verdict(status, &report);
        let _ = receipt(status, None, body, quirks);
        let _ = receipt(status, Some(&ResourcePath::root()), body, quirks);
        let _ = task::judge_task(status, body);
    }
    let _ = read_power_of(body);
    let _ = parse::<Session>(body);
    let _ = parse::<SessionService>(body);
    let _ = parse::<Names>(body);
    let _ = parse::<ActionInfo>(body).map(|info| info.allowable("ResetType").len());
    if let Ok(collection) = parse::<Collection>(body) {
        let next = collection.next_link.as_deref().and_then(ResourcePath::from_link);
        next.iter().for_each(own);
    }
    for record in events::event_records(body) {
        word(&record.message);
    }
    if let Some(registry) = bios::Registry::parse(body) {
        let _ = registry.rule("BootMode");
    }
    let _ = Recording::parse(body);
}

/// A stream in pieces is the stream as a whole.
fn streamed(body: &[u8]) {
    let whole = events::SseParser::default().feed(body);
    for size in [1, 7] {
        let mut parser = events::SseParser::default();
        let pieces: Vec<_> = body.chunks(size).flat_map(|piece| parser.feed(piece)).collect();
        assert_eq!(pieces, whole, "in pieces of {size}");
    }
    for event in whole {
        let _ = events::event_records(&event);
    }
}

/// Each link leads to a path of the BMC, and to the same when it is written down.
fn linked(resource: &Value) {
    let mut texts = Vec::new();
    all_texts(resource, &mut texts);
    for text in texts {
        if let Some(path) = ResourcePath::from_link(text) {
            own(&path);
            assert_eq!(ResourcePath::from_link(&path.to_string()), Some(path));
        }
        if let Some(seconds) = timestamp(text) {
            let written = date_time(seconds).expect("what was a time is one");
            assert_eq!(timestamp(&written), Some(seconds));
        }
        let _ = (normal_uuid(text), chassis::normal_mac(text));
        word(&printable(text, 100));
    }
    own_path(resource).iter().for_each(own);
    for name in
        ["#VirtualMedia.InsertMedia", "#ComputerSystem.Reset", "#Bios.ResetBios", "#LogService.ClearLog"]
    {
        if let Some(action) = action(resource, name) {
            own(&action.target);
        }
    }
}

fn own(path: &ResourcePath) {
    assert!(path.path().starts_with('/') && !path.path().starts_with("//"), "{path}");
    assert!(!path.path().split('/').any(|step| step == ".."), "{path}");
    assert!(path.to_string().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{path:?}");
}

fn word(text: &str) {
    assert!(text.len() <= WORD_MAX && !text.contains(char::is_control), "{text:?}");
}

fn all_texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| all_texts(item, found)),
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            found.push(name);
            all_texts(value, found);
        }),
        _ => {}
    }
}

/// Resources that are read only.
fn read(resource: &Value, quirks: &Quirks) {
    let _ = value::shown(resource, "/Name", 64).map(|text| word(&text));
    let _ = (value::words(resource, "/Members"), value::flag(resource, "/Enabled"));
    if let Some(record) = logs::log_record(resource) {
        word(&record.message);
    }
    let _ = logs::clear_action(resource);
    let _ = logs::last_pages(&ResourcePath::root(), u64::MAX, 7).map(|path| own(&path));
    let _ = task::read_task(resource);
    let _ = (task::tasks_link(resource), task::jobs_link(resource));
    let _ = (hardware::simple_storage(resource), hardware::pci_function(resource));
    let _ = firmware::Item::read(resource);
    firmware::inventories(resource).iter().for_each(own);
    let _ = media::Slot::read(resource, quirks).describe();
    let _ = (media::media_link(resource), media::insert_info(resource));
    for (_, text) in chassis::identity_fields(resource) {
        word(&text);
    }
    let _ = (chassis::is_present(resource), accounts::role_rank(resource));
    let system: ComputerSystem = serde_json::from_value(resource.clone()).unwrap_or_default();
    let _ =
        (read_power(&system), manager_path(&system).map(|path| own(&path)), pick_system(&[system.clone()]));
    if let Some(boot) = merged_boot(system.boot.as_ref(), system.boot.as_ref()) {
        let _ = read_boot(&boot);
    }
    if let Some(order) = boot_order::read_order(resource) {
        let first: Vec<String> = order.iter().rev().take(2).cloned().collect();
        if let Ok(planned) = boot_order::plan_order(&order, &first) {
            assert!(planned.starts_with(&first) && planned.len() == order.len());
        }
    }
}

/// What is measured is a number.
fn measured(resource: &Value) {
    let mut all = sensors::thermal(resource);
    all.extend(sensors::power(resource));
    all.extend(sensors::power_supply(resource));
    all.extend(sensors::sensor(resource));
    all.extend(sensors::fan(resource));
    all.extend(sensors::thermal_metrics(resource));
    let count = all.len();
    let all = sensors::without_repetitions(all);
    assert!(all.len() <= count);
    for one in all {
        word(&one.name);
        assert!(one.reading.is_none_or(f64::is_finite), "{one:?}");
    }
    assert!(sensors::supply_watts(resource).is_none_or(f64::is_finite));
    let _ = (sensors::consumption(resource), sensors::environment_consumption(resource));
    let mut numbers = vec![resource];
    while let Some(next) = numbers.pop() {
        assert!(number(next).is_none_or(f64::is_finite));
        match next {
            Value::Array(items) => numbers.extend(items),
            Value::Object(map) => numbers.extend(map.values()),
            _ => {}
        }
    }
}

/// What is written after it was read.
fn set(resource: &Value, quirks: &Quirks) {
    let registry = bios::Registry::parse(resource.to_string().as_bytes());
    let attributes = bios::read_attributes(resource, Some(resource), registry.as_ref());
    let wanted: BTreeMap<_, _> =
        attributes.iter().take(3).map(|one| (one.name.clone(), bios::Setting::Number(1))).collect();
    if let Ok(planned) = bios::plan_bios(&attributes, &wanted) {
        let body = bios::bios_patch(&planned);
        let _ = settings::with_apply_time(body, resource, Some(resource), quirks);
        let _ = bios::judge_bios(&planned, resource, Some(resource), true, quirks);
    }
    let _ = bios::plan_bios_reset(resource, None, quirks).map(|(path, _)| own(&path));
    let _ = settings::applying_failed(resource).map(|text| word(&text));
    let state = secure_boot::read_secure_boot(resource, Some(resource));
    let _ = secure_boot::keys_are_gone(&state);
    let _ = secure_boot::plan_keys_reset(resource, secure_boot::Keys::Default).map(|(path, _)| own(&path));
    let _ = media::plan_eject(resource, quirks);
    let _ = bios::registry_location(resource).map(|path| own(&path));
}

/// A BMC that answers everything with this: a walk ends, and what it says of passwords is hidden.
fn walked(body: &[u8]) {
    let limits = Limits { resources: 20, ..Limits::default() };
    let mut walk = Walk::new(limits);
    let mut asked = 0;
    while let Some(path) = walk.next_path() {
        own(&path);
        asked += 1;
        assert!(asked <= limits.resources);
        walk.took(&path, 200, [("ETag", "\"1\"")], body);
    }
    let known = Known { host: "srv17.dc1.corp.net", username: "jdoe", password: "hunter22" };
    let recording = walk.finish("fuzz", &known);
    let text = serde_json::to_vec(&recording).expect("it is JSON");
    // Another number may be written for a very large one.
    assert_eq!(Recording::parse(&text).expect("it is read again").resources.len(), recording.resources.len());
    for recorded in recording.resources.values().filter_map(|one| one.body.as_ref()) {
        hidden(recorded);
    }
}

fn hidden(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(hidden),
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            if name == "Password"
                && let Value::String(text) = value
            {
                let word = |byte: u8| byte.is_ascii_alphabetic() || b" ./".contains(&byte);
                let setting = text.len() <= 24 && text.trim().bytes().all(word);
                assert!(text == "redacted" || setting, "{text}");
            }
            hidden(value);
        }),
        _ => {}
    }
}
