//! Links that a BMC wrote, made harmless.
//!
//! Credentials belong to one origin. A link is therefore kept as a path only, and the host that a BMC may have
//! written into it is dropped, never contacted.

use std::fmt;

/// The longest link that is believed.
const MAX: usize = 1024;

/// The path, and query, of a resource on the BMC that named it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourcePath {
    path: String,
    query: Option<String>,
}

impl ResourcePath {
    /// The service root, the only address that is known without a link (DSP0266 section 6.5).
    pub fn root() -> Self {
        Self { path: "/redfish/v1/".into(), query: None }
    }

    /// Reads a link or a `Location`: a path, or an `http(s)` URL of which only the path is kept. `None` for all else.
    pub fn from_link(link: &str) -> Option<Self> {
        if link.len() > MAX || !link.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return None;
        }
        let path = without_origin(link)?;
        let path = path.split_once('#').map_or(path, |(path, _)| path);
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let plain = path.starts_with('/') && !path.starts_with("//");
        let climbs = path.split('/').any(|segment| segment == "..");
        (plain && !climbs).then(|| Self { path: path.into(), query: query.map(Into::into) })
    }

    /// The path; starts with exactly one slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query, without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path)?;
        self.query.as_ref().map_or(Ok(()), |query| write!(formatter, "?{query}"))
    }
}

fn without_origin(link: &str) -> Option<&str> {
    if link.starts_with('/') {
        return Some(link);
    }
    let (scheme, rest) = link.split_once("://")?;
    let http = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    http.then(|| rest.find('/').map(|start| &rest[start..])).flatten()
}
