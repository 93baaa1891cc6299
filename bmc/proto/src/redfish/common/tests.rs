use super::*;
use serde_json::json;

#[test]
fn times_are_read_as_bmcs_write_them() {
    let table = [
        ("2024-03-01T12:00:00Z", Some(1_709_294_400)),
        ("2024-03-01T12:00:00+00:00", Some(1_709_294_400)),
        ("2024-03-01T14:00:00+02:00", Some(1_709_294_400)),
        ("2024-03-01T06:00:00.123-06:00", Some(1_709_294_400)),
        (" 2024-03-01T12:00:00 ", Some(1_709_294_400)),
        ("1970-01-01T00:01:39+00:00", None),
        ("0000-00-00T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ];
    for (text, seconds) in table {
        assert_eq!(timestamp(text), seconds, "{text}");
    }
    assert_eq!(date_time(1_709_294_400).as_deref(), Some("2024-03-01T12:00:00+00:00"));
    assert_eq!(date_time(i64::MAX), None);
}

#[test]
fn numbers_are_read_as_bmcs_write_them() {
    for (value, expected) in [
        (json!(3), Some(3.0)),
        (json!("42.5"), Some(42.5)),
        (json!("hot"), None),
        (json!("NaN"), None),
        (json!("inf"), None),
        (json!(null), None),
        (json!([1]), None),
    ] {
        assert_eq!(number(&value), expected, "{value}");
    }
    assert_eq!(whole(Some(2.6)), Some(3));
    assert_eq!((whole(Some(-1.0)), whole(Some(1e300)), whole(None)), (None, None, None));
}

#[test]
fn health_is_the_parts_own_first() {
    let status = |value: Value| serde_json::from_value::<Status>(value).unwrap();
    assert_eq!(status(json!({"Health": "OK", "HealthRollup": "Critical"})).health().as_deref(), Some("OK"));
    assert_eq!(
        status(json!({"Health": null, "HealthRollup": "Warning"})).health().as_deref(),
        Some("Warning")
    );
    assert_eq!(status(json!({"Health": 3})).health(), None);
    assert!(!status(json!({"State": "Absent"})).is_present() && status(json!({})).is_present());
}
