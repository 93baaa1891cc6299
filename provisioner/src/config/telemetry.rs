//! `[telemetry]`: where traces are sent. Nothing is, unless a collector is named. What may be secret (headers with a token)
//! is in a file of its own, never in the configuration; reading that file is not done here.

use super::{
    check::{Checker, optional},
    wire,
};
use std::path::PathBuf;
use url::{Host, Url};

/// How a collector is written.
const EXAMPLE: &str = "write it like https://collector.example.org:4318";

/// What the service calls itself unless something else is said.
const SERVICE: &str = "billet";

/// The longest such name, in bytes.
const LONGEST: usize = 63;

/// Where traces go.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// The collector, without the path of a signal (OTLP 1.x over HTTP: `/v1/traces` is added). It holds no secret.
    pub collector: Url,
    /// What the service calls itself (`service.name`).
    pub service: String,
    /// Which share of all traces is sent, from 0 to 1.
    pub ratio: f64,
    /// The file with further headers, one `name: value` a line.
    pub headers_file: Option<PathBuf>,
    /// The authorities of which one has to vouch for the collector; none: those of the system.
    pub ca_file: Option<PathBuf>,
}

impl Telemetry {
    /// All traces to this collector.
    ///
    /// # Errors
    /// What is wrong with the address. It is not repeated: it may hold a password.
    pub fn to(collector: &str) -> Result<Self, String> {
        let collector = address(collector)?;
        Ok(Self { collector, service: SERVICE.to_owned(), ratio: 1.0, headers_file: None, ca_file: None })
    }
}

/// Checks the section; none: traces are off.
pub(super) fn telemetry(checker: &mut Checker, file: wire::Telemetry) -> Option<Telemetry> {
    let wire::Telemetry { collector, service, ratio, headers_file, ca_file } = file;
    let headers_file = optional(checker, "telemetry.headers_file", headers_file);
    let ca_file = optional(checker, "telemetry.ca_file", ca_file);
    let Some(text) = collector else {
        let others = [service.is_some(), ratio.is_some(), headers_file.is_some(), ca_file.is_some()];
        if others.contains(&true) {
            let detail =
                format!("it is missing, so that nothing is sent; {EXAMPLE}, or leave the section out");
            checker.problem("telemetry.collector", detail);
        }
        return None;
    };
    let collector = checker.take("telemetry.collector", address(&text).map(Some), None)?;
    let service = service.unwrap_or_else(|| SERVICE.to_owned());
    if service.is_empty() || service.len() > LONGEST || service.contains(char::is_control) {
        checker.problem("telemetry.service", format!("a name has 1 to {LONGEST} printable characters"));
    }
    let ratio = ratio.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&ratio) {
        checker.problem("telemetry.ratio", format!("{ratio} is not from 0 to 1; 0.1 sends a tenth"));
    }
    if headers_file.is_some() && collector.scheme() == "http" && !is_here(&collector) {
        let detail =
            "the headers of `telemetry.headers_file` would go over the network for all to read; use https";
        checker.problem("telemetry.collector", detail);
    }
    Some(Telemetry { collector, service, ratio, headers_file, ca_file })
}

/// Reads a collector's address. It is shown where the configuration is, so it may hold no secret.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("it is no address ({error}); {EXAMPLE}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}` is no way to send traces; {EXAMPLE}", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(
            "it holds a user, a password or a query, and is shown to others; put what is secret into `telemetry.headers_file`"
                .into(),
        );
    }
    if url.path().ends_with("/v1/traces") {
        return Err(format!("`/v1/traces` is added to it; {EXAMPLE}"));
    }
    Ok(url)
}

/// Whether it is on this host.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn said(section: &str) -> String {
        let text = format!("[telemetry]\n{section}");
        let problems = match Config::read(&text, []) {
            Ok((_, problems)) | Err(problems) => problems,
        };
        problems.iter().map(|problem| format!("{problem}\n")).collect()
    }

    #[test]
    fn it_is_off_unless_a_collector_is_named() {
        assert_eq!(Config::read("", []).unwrap().0.telemetry, None);
        assert_eq!(Config::read("[telemetry]", []).unwrap().0.telemetry, None);
        let text = "[telemetry]\ncollector = 'https://otel.example.org:4318'\nratio = 0.25";
        let (config, problems) = Config::read(text, []).unwrap();
        assert_eq!(problems, []);
        let telemetry = config.telemetry.unwrap();
        assert_eq!(telemetry.collector.as_str(), "https://otel.example.org:4318/");
        assert_eq!((telemetry.service.as_str(), telemetry.ratio), ("billet", 0.25));
        let variables = [("BILLET__TELEMETRY__COLLECTOR".to_owned(), "http://[::1]:4318".to_owned())];
        let (config, problems) = Config::read("", variables).unwrap();
        assert!(problems.is_empty() && config.telemetry.is_some_and(|telemetry| telemetry.ratio == 1.0));
    }

    #[test]
    fn what_is_wrong_is_told_without_what_may_be_secret() {
        for (section, want) in [
            ("ratio = 0.5", "telemetry.collector: it is missing"),
            ("headers_file = '/h'", "telemetry.collector: it is missing"),
            ("collector = 'otel:4318'", "telemetry.collector: `otel` is no way to send traces"),
            ("collector = 'grpc://otel:4317'", "telemetry.collector: `grpc` is no way"),
            ("collector = 'https://me:hunter2@otel'", "telemetry.collector: it holds a user, a password or"),
            (
                "collector = 'https://otel/?key=hunter2'",
                "telemetry.collector: it holds a user, a password or",
            ),
            ("collector = 'https://otel/v1/traces'", "telemetry.collector: `/v1/traces` is added to it"),
            ("collector = 'https://otel'\nratio = 1.5", "telemetry.ratio: 1.5 is not from 0 to 1"),
            ("collector = 'https://otel'\nratio = nan", "telemetry.ratio: NaN is not from 0 to 1"),
            ("collector = 'https://otel'\nservice = ''", "telemetry.service: a name has 1 to 63"),
            ("collector = 'https://otel'\nca_file = 'ca.pem'", "telemetry.ca_file: `ca.pem` is a relative"),
            ("collector = 'http://otel'\nheaders_file = '/h'", "telemetry.collector: the headers of"),
            ("endpoint = 'https://otel'", "unknown field `endpoint`"),
        ] {
            let said = said(section);
            assert!(said.contains(want) && !said.contains("hunter2"), "{section}: {said}");
        }
        let here = said("collector = 'http://127.0.0.1:4318'\nheaders_file = '/h'");
        assert_eq!(here, "", "nobody reads along on this host");
    }
}
