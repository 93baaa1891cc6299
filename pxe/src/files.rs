//! The files that TFTP and HTTP serve: a map of names to bytes in memory.
//!
//! Requirement R-15: the text of a request is only ever a key here; no file system is behind it.

use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Names and contents.
#[derive(Debug, Default)]
pub struct Files(RwLock<HashMap<String, Bytes>>);

impl Files {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Files::default()
    }

    /// Adds a file, or replaces it; transfers that run keep what they began with.
    pub fn insert(&self, name: impl Into<String>, content: impl Into<Bytes>) {
        // A panic can't leave the map half written: one call is one change.
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.into(), content.into());
    }

    /// The content of a file.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Bytes> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_exact_name_only() {
        let files = Files::new();
        files.insert("vmlinuz", &b"kernel"[..]);
        files.insert("vmlinuz", &b"newer"[..]);
        assert_eq!(files.get("vmlinuz").as_deref(), Some(&b"newer"[..]));
        for name in ["/vmlinuz", "./vmlinuz", "../vmlinuz", "VMLINUZ", "vmlinuz\0", ""] {
            assert_eq!(files.get(name), None, "{name:?}");
        }
        assert_eq!(files.names(), ["vmlinuz"]);
    }
}
