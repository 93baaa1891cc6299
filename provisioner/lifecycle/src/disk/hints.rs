//! Whether a disk is what the hints say. Whether it may be touched, and which of several is taken, is not here.

use provisioner_api::{Disk, DiskHints};

/// Whether all that is given holds.
pub(super) fn match_disk(hints: &DiskHints, disk: &Disk) -> bool {
    let place = |wanted: &String| [&disk.path, &disk.hctl].contains(&&Some(wanted.clone()));
    hints.serial.as_ref().is_none_or(|serial| disk.serial.as_ref() == Some(serial))
        && hints.min_bytes.is_none_or(|least| disk.size_bytes >= least)
        && hints.max_bytes.is_none_or(|most| disk.size_bytes <= most)
        && hints.kind.is_none_or(|kind| disk.kind() == kind)
        && hints.rotational.is_none_or(|spins| disk.rotational == spins)
        && hints.bus.as_ref().is_none_or(|bus| disk.bus.as_ref() == Some(bus))
        && hints.path.as_ref().is_none_or(place)
        && hints.wwn.as_ref().is_none_or(|wwn| has_wwn(disk, wwn))
        && hints.model.as_ref().is_none_or(|model| is_like(disk.model.as_deref(), model))
        && hints.vendor.as_ref().is_none_or(|vendor| is_like(disk.vendor.as_deref(), vendor))
}

fn has_wwn(disk: &Disk, wanted: &str) -> bool {
    disk.wwn.as_deref().is_some_and(|wwn| bare(wwn) == bare(wanted))
}

/// A WWN without what the kernel, udev and people write before and between its digits.
fn bare(wwn: &str) -> String {
    let wwn = wwn.trim().to_ascii_lowercase();
    let digits = ["naa.", "eui.", "uuid.", "0x"].iter().find_map(|prefix| wwn.strip_prefix(prefix));
    digits.unwrap_or(&wwn).chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// Whether a text is what the pattern says, in letters of either case; `*` stands for any characters.
fn is_like(text: Option<&str>, pattern: &str) -> bool {
    let Some(text) = text.map(str::to_ascii_lowercase) else { return false };
    let pattern = pattern.to_ascii_lowercase();
    let mut parts = pattern.split('*');
    // `split` gives one part at least.
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (text, pattern, like) in [
            ("SAMSUNG MZ7L3480", "samsung mz7l3480", true),
            ("SAMSUNG MZ7L3480", "samsung", false),
            ("SAMSUNG MZ7L3480", "samsung*", true),
            ("SAMSUNG MZ7L3480", "*3480", true),
            ("SAMSUNG MZ7L3480", "*MZ7*", true),
            ("SAMSUNG MZ7L3480", "s*7*7*", false),
            ("aba", "ab*ba", false),
            ("abba", "ab*ba", true),
            ("", "*", true),
        ] {
            assert_eq!(is_like(Some(text), pattern), like, "{text} {pattern}");
        }
        assert!(!is_like(None, "*"), "what it doesn't say it is not");
    }

    #[test]
    fn a_wwn_is_the_same_however_it_is_written() {
        let disk = |wwn: &str| Disk { wwn: Some(wwn.into()), ..Disk::default() };
        for (has, wanted, same) in [
            ("naa.5000c50015ea71ad", "0x5000C50015EA71AD", true),
            ("eui.0025385b71b0a3c4", "0025385b71b0a3c4", true),
            ("uuid.a1b2c3d4-0000-4000-8000-000000000001", "a1b2c3d4000040008000000000000001", true),
            ("naa.5000c50015ea71ad", "5000c50015ea71ae", false),
        ] {
            assert_eq!(has_wwn(&disk(has), wanted), same, "{has} {wanted}");
        }
    }
}
