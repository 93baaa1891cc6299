//! The file of further headers, which may hold a token: one `name: value` a line, lines that begin with `#` aside. What is
//! wrong is told by the number of its line, never with what stands there.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::path::{Path, PathBuf};

/// Why the headers can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeadersError {
    /// The file can't be read, or others may read it.
    #[error("the headers for the collector of traces can't be read")]
    File(#[from] crate::secret_file::SecretFileError),
    /// There is none.
    #[error("there is no file {}, which `telemetry.headers_file` names", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// A line is no header.
    #[error("line {line} of {} is no header; write it like `authorization: Bearer …`", path.display())]
    Line {
        /// Which line, from 1.
        line: usize,
        /// Of which file.
        path: PathBuf,
    },
    /// A line sets what is ours to set.
    #[error("line {line} of {} sets a header that the service sets by itself; leave it out", path.display())]
    Ours {
        /// Which line, from 1.
        line: usize,
        /// Of which file.
        path: PathBuf,
    },
}

/// What follows from the request itself.
const OURS: &[&str] =
    &["content-type", "content-length", "content-encoding", "host", "transfer-encoding", "connection"];

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<HeaderMap, HeadersError> {
    let missing = || HeadersError::Missing { path: path.to_owned() };
    let bytes = crate::secret_file::read_secret(path)?.ok_or_else(missing)?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<HeaderMap, HeadersError> {
    let mut headers = HeaderMap::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (line_number, path) = (number + 1, path.to_owned());
        match header(line) {
            Some((name, _)) if OURS.contains(&name.as_str()) => {
                return Err(HeadersError::Ours { line: line_number, path });
            }
            Some((name, value)) => _ = headers.append(name, value),
            None => return Err(HeadersError::Line { line: line_number, path }),
        }
    }
    Ok(headers)
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let mut value = HeaderValue::from_bytes(value).ok().filter(|value| !value.is_empty())?;
    // Its Debug shows nothing.
    value.set_sensitive(true);
    Some((HeaderName::from_bytes(name.trim_ascii()).ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_shown_nowhere() {
        let text = b"# of the collector\n\nAuthorization: Bearer canary\r\nx-scope: a:b\n";
        let headers = parse(text, Path::new("/h")).unwrap();
        assert!(headers["authorization"] == "Bearer canary" && headers["x-scope"] == "a:b");
        assert!(!format!("{headers:?}").contains("canary"));
        for (text, want) in [
            ("a: b\ncanary", "line 2 of /h is no header"),
            ("ca nary: canary", "line 1 of /h is no header"),
            ("authorization:", "line 1 of /h is no header"),
            ("x: \u{1}canary", "line 1 of /h is no header"),
            ("Content-Type: canary", "line 1 of /h sets a header that the service sets"),
        ] {
            let error = parse(text.as_bytes(), Path::new("/h")).unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains("canary"), "{text}: {error}");
        }
    }
}
