//! What the boot server counts, for `/metrics`: families with bounded labels, in one value that all parts share.
//!
//! Hot paths keep the handles of their counters; who scrapes them, and how, is not here.

use crate::metric::{self, Metric};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::fmt;

/// Labels of an answered or unanswered DHCP message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Packet {
    network: String,
    message: &'static str,
    answer: &'static str,
}

/// Labels of something that has a reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    network: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfNetwork {
    network: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaseState {
    network: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    path: &'static str,
    status: u64,
}

/// Everything that the boot server counts.
///
/// Label values that are `&'static str` keep the number of time series bounded: nothing that a client sends becomes
/// a label.
#[derive(Debug)]
pub struct Counters {
    registry: Registry,
    dhcp_packets: Family<Packet, Counter>,
    dhcp_dropped: Family<Reason, Counter>,
    dhcp_unsupported: Family<OfNetwork, Counter>,
    conflicts: Family<OfNetwork, Counter>,
    rogue_servers: Family<OfNetwork, Gauge>,
    advertisements: Family<OfNetwork, Counter>,
    tftp_requests: Family<Outcome, Counter>,
    tftp_bytes: Counter,
    http_requests: Family<Answered, Counter>,
    http_bytes: Counter,
    leases: Family<LeaseState, Gauge>,
    lease_commit_seconds: Histogram,
    lease_commit_rows: Histogram,
    lease_commits: Family<Outcome, Counter>,
    trace_dropped: Counter,
}

/// A metric by its declaration.
fn add(registry: &mut Registry, metric: &Metric, counted: impl prometheus_client::registry::Metric) {
    registry.register(metric.name, metric.help, counted);
}

impl Default for Counters {
    fn default() -> Self {
        Counters::new()
    }
}

impl Counters {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut counters = Counters {
            registry: Registry::default(),
            dhcp_packets: Family::default(),
            dhcp_dropped: Family::default(),
            dhcp_unsupported: Family::default(),
            conflicts: Family::default(),
            rogue_servers: Family::default(),
            advertisements: Family::default(),
            tftp_requests: Family::default(),
            tftp_bytes: Counter::default(),
            http_requests: Family::default(),
            http_bytes: Counter::default(),
            leases: Family::default(),
            // 0.1 ms to 1.6 s.
            lease_commit_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 15)),
            // 1 to 1024 rows.
            lease_commit_rows: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            lease_commits: Family::default(),
            trace_dropped: Counter::default(),
        };
        counters.register_dhcp();
        counters.register_files();
        counters.register_leases();
        counters
    }

    fn register_dhcp(&mut self) {
        let registry = &mut self.registry;
        add(registry, &metric::DHCP_PACKETS, self.dhcp_packets.clone());
        add(registry, &metric::DHCP_DROPPED, self.dhcp_dropped.clone());
        add(registry, &metric::DHCP_UNSUPPORTED, self.dhcp_unsupported.clone());
        add(registry, &metric::DHCP_CONFLICTS, self.conflicts.clone());
        add(registry, &metric::ROGUE_SERVERS, self.rogue_servers.clone());
        add(registry, &metric::ROUTER_ADVERTISEMENTS, self.advertisements.clone());
    }

    fn register_files(&mut self) {
        let registry = &mut self.registry;
        add(registry, &metric::TFTP_REQUESTS, self.tftp_requests.clone());
        add(registry, &metric::TFTP_BYTES, self.tftp_bytes.clone());
        add(registry, &metric::HTTP_REQUESTS, self.http_requests.clone());
        add(registry, &metric::HTTP_BYTES, self.http_bytes.clone());
        add(registry, &metric::TRACE_DROPPED, self.trace_dropped.clone());
    }

    fn register_leases(&mut self) {
        let registry = &mut self.registry;
        add(registry, &metric::LEASES, self.leases.clone());
        add(registry, &metric::LEASE_COMMIT_SECONDS, self.lease_commit_seconds.clone());
        add(registry, &metric::LEASE_COMMIT_ROWS, self.lease_commit_rows.clone());
        add(registry, &metric::LEASE_COMMITS, self.lease_commits.clone());
    }

    /// All counters in the text format of OpenMetrics 1.0 (`application/openmetrics-text; version=1.0.0`).
    ///
    /// # Errors
    /// Never in practice: the text is written to memory.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// The counter of a DHCP message (`DISCOVER`, …) and its answer (`OFFER`, `ACK`, `NAK`, `none`). Keep it.
    pub(crate) fn dhcp_packets(&self, network: &str, message: &'static str, answer: &'static str) -> Counter {
        let labels = Packet { network: network.to_owned(), message, answer };
        self.dhcp_packets.get_or_create_owned(&labels)
    }

    /// One DHCP datagram was dropped. Reasons are words with underscores.
    pub(crate) fn dhcp_dropped(&self, network: &str, reason: &'static str) {
        let labels = Reason { network: network.to_owned(), reason };
        self.dhcp_dropped.get_or_create_owned(&labels).inc();
    }

    /// Firmware of an architecture that nothing here boots asked; it gets an address, if anything.
    pub(crate) fn dhcp_unsupported(&self, network: &str) {
        let labels = OfNetwork { network: network.to_owned() };
        self.dhcp_unsupported.get_or_create_owned(&labels).inc();
    }

    /// Another host was found at an address that was offered.
    pub(crate) fn conflict(&self, network: &str) {
        self.conflicts.get_or_create_owned(&OfNetwork { network: network.to_owned() }).inc();
    }

    /// How many rogue servers are heard on a network now.
    pub(crate) fn rogue_servers(&self, network: &str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.rogue_servers.get_or_create_owned(&OfNetwork { network: network.to_owned() }).set(count);
    }

    /// A router solicitation was answered.
    pub(crate) fn advertisement(&self, network: &str) {
        self.advertisements.get_or_create_owned(&OfNetwork { network: network.to_owned() }).inc();
    }

    /// A TFTP request came to its end: `done`, `size_probe`, `not_found`, `refused`, `malformed`, `vanished`,
    /// `aborted`, `busy` …
    pub fn tftp_request(&self, outcome: &'static str) {
        self.tftp_requests.get_or_create_owned(&Outcome { outcome }).inc();
    }

    /// A TFTP client confirmed this many bytes.
    pub fn tftp_bytes(&self, bytes: u64) {
        self.tftp_bytes.inc_by(bytes);
    }

    /// A request to the boot HTTP server was answered. `path` is the kind of path (`script`, `files`, `uki`,
    /// `images`, `other`), never the path itself.
    pub fn http_request(&self, path: &'static str, status: u16) {
        self.http_requests.get_or_create_owned(&Answered { path, status: u64::from(status) }).inc();
    }

    /// The boot HTTP server sent this many bytes of bodies.
    pub fn http_bytes(&self, bytes: u64) {
        self.http_bytes.inc_by(bytes);
    }

    /// How many addresses of a network are in a state now: `free`, `offered`, `leased`, `quarantined`, `reserved`.
    pub fn leases(&self, network: &str, state: &'static str, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let labels = LeaseState { network: network.to_owned(), state };
        self.leases.get_or_create_owned(&labels).set(count);
    }

    /// A commit of `rows` leases ended after so many seconds: `stored`, `failed`.
    pub fn lease_commit(&self, outcome: &'static str, rows: usize, seconds: f64) {
        self.lease_commits.get_or_create_owned(&Outcome { outcome }).inc();
        self.lease_commit_seconds.observe(seconds);
        // A batch is far shorter than 2^52.
        self.lease_commit_rows.observe(rows as f64);
    }

    /// An entry of a boot trace was lost.
    pub fn trace_dropped(&self) {
        self.trace_dropped.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let counters = Counters::new();
        let offers = counters.dhcp_packets("lab", "DISCOVER", "OFFER");
        offers.inc();
        offers.inc();
        counters.dhcp_dropped("lab", "no-cookie");
        counters.rogue_servers("lab", 1);
        counters.tftp_request("done");
        counters.tftp_bytes(1000);
        counters.http_request("files", 206);
        counters.leases("lab", "leased", 7);
        counters.lease_commit("stored", 3, 0.0003);
        let text = counters.encode().unwrap();
        for line in [
            r#"billet_dhcp_packets_total{network="lab",message="DISCOVER",answer="OFFER"} 2"#,
            r#"billet_dhcp_dropped_total{network="lab",reason="no-cookie"} 1"#,
            r#"billet_rogue_servers{network="lab"} 1"#,
            r#"billet_tftp_requests_total{outcome="done"} 1"#,
            "billet_tftp_bytes_total 1000",
            r#"billet_http_requests_total{path="files",status="206"} 1"#,
            r#"billet_leases{network="lab",state="leased"} 7"#,
            "billet_lease_commit_seconds_count 1",
            "billet_lease_commit_rows_sum 3.0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is missing from\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn what_is_declared_is_told_as_it_is_declared_and_nothing_else() {
        let counters = Counters::new();
        counters.dhcp_packets("lab", "DISCOVER", "OFFER").inc();
        counters.dhcp_dropped("lab", "no_cookie");
        counters.dhcp_unsupported("lab");
        counters.conflict("lab");
        counters.rogue_servers("lab", 1);
        counters.advertisement("lab");
        counters.tftp_request("done");
        counters.http_request("files", 206);
        counters.leases("lab", "leased", 7);
        counters.lease_commit("stored", 3, 0.0003);
        let text = counters.encode().unwrap();
        let types: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let declared: Vec<_> =
            metric::METRICS.iter().map(|metric| format!("{} {}", metric.name, metric.kind.word())).collect();
        assert_eq!(types, declared);
        for Metric { name, labels, .. } in metric::METRICS.iter().filter(|metric| !metric.labels.is_empty()) {
            let sample = text.lines().find(|line| line.starts_with(name) && line.contains('{')).unwrap();
            let inner = sample.split(['{', '}']).nth(1).unwrap();
            let told: Vec<_> = inner.split(',').map(|label| label.split('=').next().unwrap()).collect();
            assert_eq!(told, *labels, "{name}");
        }
    }
}
