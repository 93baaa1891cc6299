//! What an instance says of the disk that gets its system.

use super::Fields;
use provisioner_api::DiskHints;

/// How many disks may be allowed by name.
const MOST_ALLOWED: usize = 64;
/// The longest text that a disk says of itself, with room.
const LONGEST: usize = 200;

/// Whether each hint can hold of some disk.
pub(super) fn check(fields: &mut Fields, at: &str, hints: &DiskHints) {
    let texts = [
        ("serial", &hints.serial),
        ("wwn", &hints.wwn),
        ("model", &hints.model),
        ("vendor", &hints.vendor),
        ("bus", &hints.bus),
        ("path", &hints.path),
    ];
    let named = texts.into_iter().filter_map(|(key, text)| Some((format!("{at}.{key}"), text.as_ref()?)));
    let allowed = hints.allow.iter().enumerate().map(|(index, disk)| (format!("{at}.allow[{index}]"), disk));
    for (field, text) in named.chain(allowed) {
        let good = !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
        fields.check(good, &field, format!("write 1 to {LONGEST} characters, or leave it out"));
    }
    fields.check(
        hints.allow.len() <= MOST_ALLOWED,
        &format!("{at}.allow"),
        format!("at most {MOST_ALLOWED} disks can be allowed by name"),
    );
    let (least, most) = (hints.min_bytes.unwrap_or(1), hints.max_bytes.unwrap_or(u64::MAX));
    fields.check(
        least <= most && most > 0,
        &format!("{at}.max_bytes"),
        "no disk is at least as large as `min_bytes` and at most as large as this",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_hold_of_no_disk_is_told_by_its_field() {
        let text = |text: &str| Some(text.to_owned());
        for (hints, field) in [
            (DiskHints::default(), None),
            (
                DiskHints {
                    model: text("SAMSUNG*"),
                    min_bytes: Some(5),
                    max_bytes: Some(5),
                    ..DiskHints::default()
                },
                None,
            ),
            (DiskHints { serial: text(" "), ..DiskHints::default() }, Some("d.serial")),
            (DiskHints { path: text("a\nb"), ..DiskHints::default() }, Some("d.path")),
            (
                DiskHints { allow: vec!["A".into(), String::new()], ..DiskHints::default() },
                Some("d.allow[1]"),
            ),
            (DiskHints { allow: vec!["A".into(); 65], ..DiskHints::default() }, Some("d.allow")),
            (
                DiskHints { min_bytes: Some(6), max_bytes: Some(5), ..DiskHints::default() },
                Some("d.max_bytes"),
            ),
            (DiskHints { max_bytes: Some(0), ..DiskHints::default() }, Some("d.max_bytes")),
        ] {
            let mut fields = Fields::default();
            check(&mut fields, "d", &hints);
            let told: Vec<_> = fields.0.iter().map(|error| error.field.as_str()).collect();
            assert_eq!(told, field.into_iter().collect::<Vec<_>>(), "{hints:?}");
        }
    }
}
