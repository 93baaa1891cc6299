//! A support bundle as a file: parts under one folder, each bounded, and a list of what could not be read and why.
//! Pure; what goes into it is `api::support`'s.

use crate::text::without_secrets;
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::{fmt::Write, io};

/// Most bytes of one part, before it is packed.
const MOST: usize = 4 << 20;

/// What stands at the beginning of its README.
const ABOUT: &str = "\
What a Billet service says of itself, for whoever is to help with it. Passwords, tokens, keys and user data are not in
here; names, addresses, serial numbers and the last lines of the log are: look through it before you give it away.
";

/// What the name of a part ends with of which only the beginning is there: it is no document of its kind any more.
const CUT: &str = ".cut";

/// What is known so far.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    parts: Vec<(String, Vec<u8>)>,
    cut: Vec<String>,
    missing: Vec<(String, String)>,
}

impl Bundle {
    /// Adds a document, or why there is none.
    pub(crate) fn json<T: Serialize>(&mut self, name: &str, read: Result<T, String>) {
        let text = read.and_then(|value| {
            let value = serde_json::to_value(&value).map(cleaned);
            value.and_then(|value| serde_json::to_vec_pretty(&value)).map_err(|error| error.to_string())
        });
        match text {
            Ok(text) => self.bytes(name, text),
            Err(why) => self.lacks(name, why),
        }
    }

    /// Adds a text, or why there is none. Of one that is too long the end is kept: it is the newest.
    pub(crate) fn text(&mut self, name: &str, read: Result<String, String>) {
        let mut text = match read {
            Ok(text) => text.into_bytes(),
            Err(why) => return self.lacks(name, why),
        };
        if text.len() > MOST {
            self.cut.push(format!("{name}: the last {MOST} of {} bytes", text.len()));
            text.drain(..text.len() - MOST);
        }
        self.parts.push((name.to_owned(), text));
    }

    /// Of a document that is too long the beginning is kept.
    fn bytes(&mut self, name: &str, mut bytes: Vec<u8>) {
        if bytes.len() <= MOST {
            return self.parts.push((name.to_owned(), bytes));
        }
        self.cut.push(format!("{name}{CUT}: the first {MOST} of {} bytes", bytes.len()));
        bytes.truncate(MOST);
        self.parts.push((format!("{name}{CUT}"), bytes));
    }

    fn lacks(&mut self, name: &str, why: String) {
        self.missing.push((name.to_owned(), without_secrets(&why)));
    }

    fn readme(&self, version: &str, at: Timestamp) -> String {
        let mut text = format!("{ABOUT}\nmade: {at:.0}\nby: billet {version}\n\nparts:\n");
        // Writing to a String can't fail.
        for (name, bytes) in &self.parts {
            let _ = writeln!(text, "  {name}: {} bytes", bytes.len());
        }
        if !self.cut.is_empty() {
            text.push_str("\nWhat was too long, and is cut:\n");
        }
        for line in &self.cut {
            let _ = writeln!(text, "  {line}");
        }
        match self.missing.is_empty() {
            true => text.push_str("\nAll that was asked for could be read.\n"),
            false => text.push_str("\nWhat could not be read:\n"),
        }
        for (name, why) in &self.missing {
            let _ = writeln!(text, "  {name}: {why}");
        }
        text
    }

    /// All of it, packed (tar, gzip), under a folder of this name.
    ///
    /// # Errors
    /// None that memory could have.
    pub(crate) fn packed(self, folder: &str, version: &str, at: Timestamp) -> io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        let readme = ("README.txt".to_owned(), self.readme(version, at).into_bytes());
        for (name, bytes) in std::iter::once(&readme).chain(&self.parts) {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(u64::try_from(at.as_second()).unwrap_or(0));
            archive.append_data(&mut header, format!("{folder}/{name}"), bytes.as_slice())?;
        }
        archive.into_inner()?.finish()
    }
}

/// A document none of whose texts has a URL with a login or a signature.
fn cleaned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_secrets(&text)),
        Value::Array(items) => items.into_iter().map(cleaned).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (without_secrets(&name), cleaned(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, io::Read};

    fn unpacked(packed: &[u8]) -> BTreeMap<String, String> {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mode().unwrap(), 0o600);
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (entry.path().unwrap().to_str().unwrap().to_owned(), text)
        });
        entries.collect()
    }

    #[test]
    fn it_says_what_is_in_it_and_what_is_not() {
        let mut bundle = Bundle::default();
        bundle.json("a.json", Ok(serde_json::json!({"one": 1})));
        let urls = serde_json::json!([{"a": "https://u:secret@h/x?Signature=secret"}, 7]);
        bundle.json("urls.json", Ok(urls));
        bundle.json::<()>("b.json", Err("the database does not answer".into()));
        bundle.text("log.txt", Ok("a line\n".into()));
        bundle.text("long.txt", Ok(format!("first{}last", "x".repeat(MOST))));
        bundle.json("long.json", Ok("x".repeat(MOST)));
        let packed = bundle.packed("billet-support", "0.1.0", Timestamp::UNIX_EPOCH).unwrap();
        let files = unpacked(&packed);
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        let all = ["README.txt", "a.json", "log.txt", "long.json.cut", "long.txt", "urls.json"];
        assert_eq!(names, all.map(|name| format!("billet-support/{name}")));
        let (long, cut) = (&files["billet-support/long.txt"], &files["billet-support/long.json.cut"]);
        assert_eq!((long.len(), cut.len()), (MOST, MOST));
        assert!(long.ends_with("last") && long.starts_with('x') && cut.starts_with("\"x"));
        let urls: Value = serde_json::from_str(&files["billet-support/urls.json"]).unwrap();
        assert_eq!(urls, serde_json::json!([{"a": "https://h/x?…"}, 7]));
        assert_eq!(files["billet-support/a.json"], "{\n  \"one\": 1\n}");
        let readme = &files["billet-support/README.txt"];
        for told in [
            "made: 1970-01-01T00:00:00Z\nby: billet 0.1.0",
            "  log.txt: 7 bytes",
            "What could not be read:\n  b.json: the database does not answer\n",
            "is cut:\n  long.txt: the last 4194304 of 4194313 bytes\n  long.json.cut: the first 4194304 of 4194306 bytes\n",
        ] {
            assert!(readme.contains(told), "{told}: {readme}");
        }
    }
}
