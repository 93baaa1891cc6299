//! Addresses of calls: the service's base address and a path of `provisioner_api::paths` with its holes filled.

use crate::ClientError;
use reqwest::Url;

/// Reads the service's address: `https`, a host, perhaps a port, nothing else.
pub(crate) fn base(text: &str) -> Result<Url, ClientError> {
    let bad = |why: &str| ClientError::BadUrl { url: text.to_owned(), why: why.to_owned() };
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if url.scheme() != "https" {
        return Err(bad("it must begin with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("a token is given by itself, never inside the address"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("nothing may follow host and port"));
    }
    Ok(url)
}

/// Reads a cache's address: `http://10.0.0.9:8080`.
pub(crate) fn cache(text: &str) -> Result<Url, ClientError> {
    let bad = |why: &str| ClientError::BadUrl { url: text.to_owned(), why: why.to_owned() };
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if url.scheme() != "http" {
        return Err(bad("a cache speaks plain HTTP: it must begin with http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("a cache is told no password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("nothing may follow host and port"));
    }
    Ok(url)
}

/// The address of a call: each `{hole}` of `path` takes one of `names`, percent-encoded.
pub(crate) fn call(base: &Url, path: &str, names: &[&str]) -> Result<Url, ClientError> {
    let mut url = base.clone();
    let mut names = names.iter();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.clear();
        for segment in path.split('/').skip(1) {
            if !segment.starts_with('{') {
                segments.push(segment);
                continue;
            }
            // The parser would drop these, and the call would reach another path.
            match names.next().copied().unwrap_or_default() {
                name @ ("" | "." | "..") => return Err(ClientError::BadName { name: name.to_owned() }),
                name => segments.push(name),
            };
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::{base, cache, call};
    use provisioner_api::paths;

    #[test]
    fn caches_by_table() {
        for (text, good) in [
            ("http://10.0.0.9:8080", true),
            ("http://cache.example", true),
            ("http://[fd00::9]:8080/", true),
            ("https://10.0.0.9", false),
            ("http://u:p@10.0.0.9", false),
            ("http://10.0.0.9/store", false),
            ("http://10.0.0.9?x", false),
            ("10.0.0.9:8080", false),
            ("file:///etc/passwd", false),
            ("", false),
        ] {
            assert_eq!(cache(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn addresses_of_a_service() {
        for good in ["https://10.77.0.1:7443", "https://billet.example.org", "https://[fd00::1]:7443/"] {
            assert!(base(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "10.77.0.1:7443",
            "http://a",
            "https://u:p@a",
            "https://a/v1",
            "https://a?x=1",
            "https://a#b",
        ] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_fill_the_holes_and_nothing_more() {
        let base = base("https://a:1").unwrap();
        let table = [
            (paths::MACHINES, vec![], "https://a:1/v1/machines"),
            (paths::MACHINE_WHY, vec!["m1"], "https://a:1/v1/machines/m1/why"),
            (paths::MACHINE, vec!["a/b?c#d"], "https://a:1/v1/machines/a%2Fb%3Fc%23d"),
            (paths::AGENT_CHUNK, vec!["00ff"], "https://a:1/agent/v1/chunks/00ff"),
        ];
        for (path, names, want) in table {
            assert_eq!(call(&base, path, &names).unwrap().as_str(), want);
        }
        for name in ["", ".", ".."] {
            assert!(call(&base, paths::MACHINE, &[name]).is_err(), "{name:?}");
        }
        // The crate `url` takes these for dot segments too.
        for name in ["%2e", "%2E%2e"] {
            let url = call(&base, paths::MACHINE, &[name]).map(|url| url.path().to_owned());
            assert!(url.is_err() || url.is_ok_and(|path| path.starts_with("/v1/machines/%")), "{name:?}");
        }
    }
}
