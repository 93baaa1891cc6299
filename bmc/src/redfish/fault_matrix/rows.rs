//! The faults, and how each deed ends under them.

use super::{Boot, Deed, Either, End, Firmware, Media, Off, On, Right, Row, Told};
use crate::redfish::rig::Rig;
use bmc_mock::redfish::{Certificate, Effect, Fate, Fault, Faults, Profile};
use serde_json::json;
use std::time::Duration;

type Change = fn(Fault) -> Fault;

/// At every change but logging in.
fn at_writes(rig: &Rig, change: Change, effect: &Effect) {
    let places = [("*/Actions/*", "POST"), ("*/Systems/*", "PATCH"), ("*/VirtualMedia/*", "PATCH")];
    for (path, method) in places {
        rig.controls.add_fault(change(Fault::new(effect.clone()).at(path).by(method)));
    }
}

/// At everything that is read below the services, systems, managers.
fn at_reads(rig: &Rig, change: Change, effect: Effect) {
    rig.controls.add_fault(change(Fault::new(effect).at("/redfish/v1/*/*").by("GET")));
}

fn at_systems(rig: &Rig, effect: Effect) {
    rig.controls.add_fault(Fault::new(effect).at("/redfish/v1/Systems*").by("GET"));
}

fn always(fault: Fault) -> Fault {
    fault
}

fn once(fault: Fault) -> Fault {
    fault.times(1)
}

fn twice(fault: Fault) -> Fault {
    fault.times(2)
}

/// A refusal in a maker's words.
fn said(status: u16, id: &str, message: &str) -> Effect {
    Effect::Error(status, id.into(), message.into())
}

fn short() -> Duration {
    Duration::from_millis(30)
}

fn right(_: Deed, _: Profile) -> End {
    Right
}

fn refused(_: Deed, _: Profile) -> End {
    Told(&["refused"])
}

fn protocol(_: Deed, _: Profile) -> End {
    Told(&["protocol"])
}

fn authentication(_: Deed, _: Profile) -> End {
    Told(&["authentication"])
}

fn unreachable(_: Deed, _: Profile) -> End {
    Told(&["unreachable", "resting"])
}

/// AMI's first insertion is refused, for a parameter that it wants; the fault garbles or swallows that refusal.
const AMI: End = Told(&["refused", "unknown", "resting"]);

/// The answer to a change that was made. An update is not to be begun twice.
fn lost(deed: Deed, profile: Profile) -> End {
    match deed {
        Media if profile == Profile::Ami => AMI,
        // Where the answer is so short that nothing of it is lost.
        Firmware => Either(&["unknown"]),
        _ => Right,
    }
}

macro_rules! faults {
    ($($field:ident: $value:expr),*) => { |rig| rig.faults(Faults { $($field: $value,)* ..Faults::default() }) };
}

const fn row(name: &'static str, warm: bool, set: fn(&Rig), end: fn(Deed, Profile) -> End) -> Row {
    Row { name, warm, set, end }
}

const COLD: bool = false;
const WARM: bool = true;

pub(super) const ROWS: &[Row] = &[
    row("nothing", COLD, |_| {}, right),
    // Everywhere.
    row("503 twice", COLD, faults!(unavailable: 2), right),
    row("503 for ever", WARM, faults!(unavailable: 9999), refused),
    row("silent", WARM, faults!(silent: true), unreachable),
    row(
        "redirects elsewhere",
        WARM,
        faults!(redirect: Some("https://192.0.2.1/redfish/v1/".into())),
        protocol,
    ),
    row("huge answers", WARM, faults!(padding: 5 * 1024 * 1024), protocol),
    row("no sessions", COLD, faults!(no_sessions: true), right),
    row("neither sessions nor Basic", COLD, faults!(no_sessions: true, no_basic: true), authentication),
    row("all sessions taken", COLD, faults!(session_cap: Some(0)), right),
    row("all sessions taken, no Basic", COLD, faults!(session_cap: Some(0), no_basic: true), |_, _| {
        Told(&["no session"])
    }),
    row("pages of one member", COLD, faults!(page_size: Some(1)), right),
    row("override forgotten", WARM, faults!(ignore_boot: true), |deed, _| match deed {
        Boot => Told(&["not done"]),
        _ => Right,
    }),
    row("reset forgotten", WARM, faults!(ignore_reset: true), |deed, _| match deed {
        On | Off => Told(&["not done"]),
        _ => Right,
    }),
    row("stale power", WARM, faults!(stale_power: 4), right),
    row("slow power", WARM, faults!(slow_power: 4), right),
    row("once stays", WARM, faults!(once_stays: true), right),
    row("version changed once", WARM, faults!(stale_etags: 1), right),
    row("version changes for ever", WARM, faults!(stale_etags: 9999), |deed, profile| {
        match (deed, profile) {
            (Boot, _) => Told(&["refused"]),
            (Media, Profile::Lenovo) => Either(&["refused"]),
            _ => Right,
        }
    }),
    row("weak versions that never match", WARM, faults!(weak_etags: true), right),
    row("version demanded", WARM, faults!(require_etag: true), right),
    row("reset types elsewhere", WARM, faults!(action_info: true), right),
    // Sessions, as they end.
    row("session lost", WARM, |rig| rig.controls.drop_sessions(), right),
    row("401 once at a change", WARM, |rig| at_writes(rig, once, &Effect::Status(401)), right),
    row("401 for ever at changes", WARM, |rig| at_writes(rig, always, &Effect::Status(401)), authentication),
    row("connections cut", WARM, |rig| rig.controls.cut_connections(), right),
    row("restarted", WARM, |rig| rig.controls.restart(Duration::ZERO), right),
    // Changes.
    row("change: 500", WARM, |rig| at_writes(rig, always, &Effect::Status(500)), refused),
    row("change: 400", WARM, |rig| at_writes(rig, always, &Effect::Status(400)), refused),
    row("change: 403", WARM, |rig| at_writes(rig, always, &Effect::Status(403)), refused),
    row("change: 404", WARM, |rig| at_writes(rig, always, &Effect::Status(404)), refused),
    row("change: 503 twice", WARM, |rig| at_writes(rig, twice, &Effect::Status(503)), right),
    row(
        "change: 429, Retry-After a day",
        WARM,
        |rig| {
            at_writes(rig, once, &Effect::Status(429));
            at_writes(rig, once, &Effect::Header("Retry-After".into(), "86400".into()));
        },
        right,
    ),
    row(
        "change: busy in Dell's words",
        WARM,
        |rig| at_writes(rig, twice, &said(400, "IDRAC.2.8.SYS518", "Data sources are unavailable.")),
        right,
    ),
    row(
        "change: not now, twice",
        WARM,
        |rig| at_writes(rig, twice, &said(400, "iLO.2.37.UnableToModifyDuringSystemPOST", "")),
        right,
    ),
    row(
        "change: not now, for ever",
        WARM,
        |rig| at_writes(rig, always, &said(400, "iLO.2.37.UnableToModifyDuringSystemPOST", "")),
        |deed, _| match deed {
            On | Off => Told(&["not done"]),
            _ => Told(&["refused"]),
        },
    ),
    row(
        "change: so already, and it is not",
        WARM,
        |rig| at_writes(rig, always, &said(409, "IDRAC.1.6.PSU501", "Server is already powered.")),
        |deed, _| match deed {
            On | Off => Told(&["not done"]),
            _ => Told(&["refused"]),
        },
    ),
    row(
        "change: 200 with an error inside",
        WARM,
        |rig| {
            let body = json!({"@Message.ExtendedInfo": [{"MessageId": "Base.1.8.PropertyNotWritable", "Message": "No.", "Severity": "Warning"}]});
            at_writes(rig, always, &Effect::Answer(200, body.to_string()));
        },
        refused,
    ),
    row(
        "change: 200 with no JSON",
        WARM,
        |rig| at_writes(rig, always, &Effect::Answer(200, "<html>".into())),
        |deed, _| match deed {
            Firmware => Told(&["task ended", "task runs"]),
            _ => Told(&["not done"]),
        },
    ),
    row(
        "change: ignored",
        WARM,
        |rig| at_writes(rig, always, &Effect::Ignore),
        |deed, _| match deed {
            Firmware => Told(&["task ended", "task runs"]),
            _ => Told(&["not done"]),
        },
    ),
    row("change: late", WARM, |rig| at_writes(rig, always, &Effect::Delay(short())), right),
    row(
        "change: never answered",
        WARM,
        |rig| at_writes(rig, always, &Effect::Hang),
        |_, _| Told(&["unknown", "unreachable"]),
    ),
    row(
        "change: cut",
        WARM,
        |rig| at_writes(rig, always, &Effect::Cut),
        |_, _| Told(&["unknown", "unreachable"]),
    ),
    row(
        "change: cut once",
        WARM,
        |rig| at_writes(rig, once, &Effect::Cut),
        |deed, _| match deed {
            Media | Firmware => Told(&["unknown", "unreachable"]),
            _ => Right,
        },
    ),
    row("change: done, answer lost", WARM, |rig| at_writes(rig, once, &Effect::LoseAnswer), lost),
    row("change: done, answer breaks off", WARM, |rig| at_writes(rig, once, &Effect::Truncate(3)), lost),
    row(
        "change: done, another answer",
        WARM,
        |rig| at_writes(rig, once, &Effect::Replace(json!([1, {"error": 7}]))),
        |deed, profile| match deed {
            Media if profile == Profile::Ami => AMI,
            // Where the task is was in the answer.
            Firmware => Told(&["task ended"]),
            _ => Right,
        },
    ),
    row(
        "change: done, more in the answer",
        WARM,
        |rig| at_writes(rig, once, &Effect::Merge(json!({"@odata.id": 7, "error": [], "Name": null}))),
        |deed, profile| match deed {
            Media if profile == Profile::Ami => AMI,
            _ => Right,
        },
    ),
    row(
        "change: done, and the BMC restarts",
        WARM,
        |rig| at_writes(rig, once, &Effect::Restart(short())),
        lost,
    ),
    row(
        "change: redirected",
        WARM,
        |rig| {
            at_writes(rig, always, &Effect::Answer(307, String::new()));
            at_writes(rig, always, &Effect::Header("Location".into(), "/redfish/v1/".into()));
        },
        protocol,
    ),
    // Reading.
    row("reading: 500", COLD, |rig| at_reads(rig, always, Effect::Status(500)), refused),
    row("reading: 503 twice", COLD, |rig| at_reads(rig, twice, Effect::Status(503)), right),
    row(
        "reading: no JSON",
        COLD,
        |rig| at_reads(rig, always, Effect::Answer(200, "<html>".into())),
        protocol,
    ),
    row(
        "reading: too deep",
        COLD,
        |rig| at_reads(rig, always, Effect::Answer(200, "[".repeat(100_000))),
        protocol,
    ),
    row(
        "reading: another thing",
        COLD,
        |rig| at_systems(rig, Effect::Replace(json!({"Members": 7}))),
        |deed, _| match deed {
            Media | Firmware => Either(&["protocol", "unsupported"]),
            _ => Told(&["protocol", "unsupported"]),
        },
    ),
    row(
        "reading: an empty resource",
        WARM,
        |rig| at_systems(rig, Effect::Replace(json!({}))),
        |deed, _| match deed {
            Media | Firmware => Either(&["protocol", "unsupported"]),
            _ => Told(&["protocol", "unsupported"]),
        },
    ),
    row(
        "reading: wrong types",
        WARM,
        |rig| {
            let odd = json!({"PowerState": 7, "Boot": [], "Actions": "x", "Links": 3, "Status": [1], "VirtualMedia": {"@odata.id": 5}});
            at_reads(rig, always, Effect::Merge(odd));
        },
        |deed, _| match deed {
            Media => Told(&["unsupported"]),
            Firmware => Either(&["task runs"]),
            Boot => Told(&["unsupported", "not done", "refused"]),
            _ => Told(&["protocol"]),
        },
    ),
    row("reading: late", COLD, |rig| at_reads(rig, always, Effect::Delay(Duration::from_millis(5))), right),
    row("reading: never answered", WARM, |rig| at_reads(rig, always, Effect::Hang), unreachable),
    row("reading: cut once", COLD, |rig| at_reads(rig, once, Effect::Cut), right),
    row("reading: breaks off once", COLD, |rig| at_reads(rig, once, Effect::Truncate(20)), right),
    row(
        "reading: breaks off",
        WARM,
        |rig| at_reads(rig, always, Effect::Truncate(20)),
        |_, _| Told(&["unreachable", "resting", "protocol"]),
    ),
    // Tasks.
    row(
        "task hangs",
        WARM,
        |rig| rig.parts().tasks.set_fate(Fate::Hang),
        |deed, profile| match (deed, profile) {
            (Firmware, _) => Told(&["task runs"]),
            (Media, Profile::Ami) => Told(&["not done"]),
            _ => Right,
        },
    ),
    row(
        "task fails",
        WARM,
        |rig| rig.parts().tasks.set_fate(Fate::Fail("Transfer failed.".into())),
        |deed, profile| match (deed, profile) {
            (Firmware, _) => Told(&["task failed"]),
            (Media, Profile::Ami) => Told(&["not done"]),
            _ => Right,
        },
    ),
    row(
        "the BMC restarts in mid-task",
        WARM,
        |rig| rig.parts().tasks.set_fate(Fate::Restart(short())),
        right,
    ),
    row("an image shows late", WARM, |rig| rig.parts().media.set_slow(5), right),
    // Trust.
    row(
        "another certificate",
        WARM,
        |rig| {
            rig.controls.set_certificate(&Certificate::own(), rig.address.ip()).unwrap();
        },
        |_, _| Told(&["certificate"]),
    ),
    row(
        "a password that must be changed",
        COLD,
        |rig| rig.controls.require_password_change("admin"),
        authentication,
    ),
];
