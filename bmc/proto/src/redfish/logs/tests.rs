use super::*;
use crate::redfish::sensors::tests::any_json;
use proptest::prelude::*;
use serde_json::json;

fn service(id: &str, kind: &str) -> LogService {
    serde_json::from_value(json!({"Id": id, "LogEntryType": kind})).unwrap()
}

#[test]
fn the_hardware_log_is_found_at_every_maker() {
    type Services<'a> = &'a [(&'a str, &'a str)];
    let table: [(Services<'_>, Option<usize>); 7] = [
        // Dell
        (&[("Lclog", "Event"), ("Sel", "SEL"), ("FaultList", "Event")], Some(1)),
        // HPE: system first, then the manager's own.
        (&[("IML", "OEM"), ("SL", "OEM"), ("IEL", "OEM")], Some(0)),
        // Lenovo
        (&[("AuditLog", "Event"), ("PlatformLog", "Event"), ("SEL", "SEL")], Some(2)),
        (&[("AuditLog", "Event"), ("PlatformLog", "Event")], Some(1)),
        // AMI: by the type of entries, whatever the id.
        (&[("Logs", "Event"), ("Hardware", "SEL")], Some(1)),
        (&[("Log1", "Event")], Some(0)),
        (&[], None),
    ];
    for (logs, picked) in table {
        let logs: Vec<LogService> = logs.iter().map(|(id, kind)| service(id, kind)).collect();
        assert_eq!(pick_event_log(logs.iter()), picked, "{logs:?}");
    }
}

#[test]
fn a_log_is_emptied_by_its_action() {
    let modern =
        json!({"Actions": {"#LogService.ClearLog": {"target": "/redfish/v1/x/Actions/LogService.ClearLog"}}});
    let old = json!({"Actions": {"#LogService.Reset": {"target": "/redfish/v1/x/Actions/LogService.Reset"}}});
    assert!(clear_action(&modern).unwrap().target.path().ends_with("ClearLog"));
    assert!(clear_action(&old).unwrap().target.path().ends_with("Reset"));
    assert_eq!(clear_action(&json!({"Id": "SEL"})), None);
}

#[test]
fn entries_are_read_as_makers_write_them() {
    let sel = json!({
        "Id": "7", "EntryType": "SEL", "Created": "2024-03-01T12:00:00-06:00", "Severity": "Critical",
        "SensorType": "Temperature", "SensorNumber": 48, "EntryCode": "Upper Critical - going high",
        "Message": "CPU 1 temperature is above the limit.", "MessageId": "TMP0100",
    });
    assert_eq!(
        log_record(&sel),
        Some(LogRecord {
            id: "7".into(),
            at: Some(1_709_316_000),
            sensor: "#0x30".into(),
            kind: "Temperature".into(),
            message: "CPU 1 temperature is above the limit. (Upper Critical - going high)".into(),
            asserted: true,
            severity: Some("Critical".into()),
        })
    );
    let event = log_record(&json!({"Id": 12, "EntryType": "Event", "EventTimestamp": "2024-03-01T12:00:00Z",
        "Message": "Power on", "MessageId": "iLOEvents.2.1.ServerPoweredOn"}))
    .unwrap();
    assert_eq!((event.id.as_str(), event.kind.as_str()), ("12", "iLOEvents.2.1.ServerPoweredOn"));
    assert_eq!(event.at, Some(1_709_294_400));
    for (code, asserted, message) in
        [("Assert", true, "x"), ("Deassert", false, "x"), ("De-assert", false, "x"), ("Log Entry", true, "x")]
    {
        let record = log_record(&json!({"Id": "1", "EntryCode": code, "Message": "x"})).unwrap();
        assert_eq!((record.asserted, record.message.as_str()), (asserted, message), "{code}");
    }
    let terse = log_record(&json!({"Id": "1", "SensorType": ["Fan"], "EntryCode": "Fully Redundant", "Created": "1970-01-01T00:00:07Z"})).unwrap();
    assert_eq!((terse.message.as_str(), terse.kind.as_str(), terse.at), ("Fully Redundant", "Fan", None));
    // A link is no entry.
    assert_eq!(log_record(&json!({"@odata.id": "/redfish/v1/x/1"})), None);
}

fn record(id: &str, at: Option<i64>) -> LogRecord {
    LogRecord { id: id.into(), at, ..LogRecord::default() }
}

#[test]
fn the_order_is_told_by_times_else_by_ids() {
    let table = [
        (vec![record("9", Some(200)), record("8", Some(100))], Some(true)),
        (vec![record("1", Some(100)), record("2", Some(200))], Some(false)),
        // Times are worth more than ids.
        (vec![record("1", Some(200)), record("2", Some(100))], Some(true)),
        (vec![record("5", None), record("4", Some(1))], Some(true)),
        (vec![record("4", Some(1)), record("5", Some(1))], Some(false)),
        (vec![record("a", None), record("b", None)], None),
        (vec![record("1", Some(1))], None),
        (vec![], None),
    ];
    for (records, newest_first) in table {
        assert_eq!(is_newest_first(&records), newest_first, "{records:?}");
    }
}

#[test]
fn the_last_page_is_made_from_the_next() {
    let next = |link: &str| ResourcePath::from_link(link).unwrap();
    let made =
        |link: &str, total, newest| last_pages(&next(link), total, newest).map(|path| path.to_string());
    let link = "/redfish/v1/x/Entries?$skip=50";
    assert_eq!(made(link, 1000, 20).as_deref(), Some("/redfish/v1/x/Entries?$skip=980"));
    assert_eq!(made("/x?$top=50&$skip=50&a", 1000, 20).as_deref(), Some("/x?$top=50&$skip=980&a"));
    assert_eq!(made("/x?%24skip=50", 1000, 20).as_deref(), Some("/x?%24skip=980"));
    // Nothing to leave out, no skip, a token, more wanted than there is.
    for (link, total, newest) in [
        (link, 60, 20),
        ("/x?page=2", 1000, 20),
        ("/x", 1000, 20),
        ("/x?$skip=abc", 1000, 20),
        (link, 10, 20),
    ] {
        assert_eq!(made(link, total, newest), None, "{link} {total} {newest}");
    }
}

#[test]
fn an_emptied_log_has_nothing_of_before() {
    let before = [record("1", Some(100)), record("2", Some(200))];
    assert!(is_emptied(&before, &[]));
    // What notes that it was emptied.
    assert!(is_emptied(&before, &[record("1", Some(300))]));
    assert!(!is_emptied(&before, &[record("3", Some(300)), record("2", Some(200))]));
}

proptest! {
    #[test]
    fn nothing_that_a_bmc_says_makes_it_panic(value in any_json()) {
        log_record(&value);
        clear_action(&value);
        if let Ok(log) = serde_json::from_value::<LogService>(value) {
            pick_event_log(std::iter::once(&log));
        }
    }
}
