//! The site keys.

use super::layout::table;
use crate::cli::ui::HasName;
use provisioner_api::KeyList;

impl HasName for KeyList {
    fn name(&self) -> String {
        current(self).to_owned()
    }
}

/// A table of keys, and what they encrypted.
pub(in crate::cli) fn keys(keys: &KeyList) -> String {
    let rows = keys.items.iter().map(|key| {
        let use_ = if key.current { "encrypts" } else { "still read" };
        [key.generation.to_string(), key.fingerprint.clone(), use_.to_owned()]
    });
    let KeyList { secrets, older, unreadable, .. } = keys;
    let lost = match unreadable {
        0 => String::new(),
        lost => format!("; {lost} can't be read with any key: set them anew"),
    };
    let table = table(["NUMBER", "FINGERPRINT", "USE"], rows);
    format!("{table}\n{secrets} secrets, {older} of them encrypted with an older key{lost}\n")
}

/// What is said after a rotation.
pub(in crate::cli) fn rotated(keys: &KeyList) -> String {
    format!(
        "the site key is {} now and encrypts {} secrets; save the key file anew, beside the one before for older backups. \
         `billet key retire` takes the older keys out of it",
        current(keys),
        keys.secrets.saturating_sub(keys.older).saturating_sub(keys.unreadable),
    )
}

fn current(keys: &KeyList) -> &str {
    keys.items.iter().find(|key| key.current).map_or("unknown", |key| &key.fingerprint)
}
