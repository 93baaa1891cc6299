//! What the boot server counts, for `/metrics`: families with bounded labels, in one value that all parts share.
//!
//! Hot paths keep the handles of their counters; who scrapes them, and how, is not here.

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
        let help = "DHCP messages by what was answered; `none` is silence";
        registry.register("billet_dhcp_packets", help, self.dhcp_packets.clone());
        let help = "DHCP datagrams that were dropped, by reason";
        registry.register("billet_dhcp_dropped", help, self.dhcp_dropped.clone());
        let help = "DHCP messages of firmware whose architecture nothing here boots";
        registry.register("billet_dhcp_unsupported", help, self.dhcp_unsupported.clone());
        let help = "Offered addresses that another host was found to use";
        registry.register("billet_dhcp_conflicts", help, self.conflicts.clone());
        let help = "Other DHCP servers that are heard now and are not declared";
        registry.register("billet_rogue_servers", help, self.rogue_servers.clone());
        let help = "Router solicitations that were answered";
        registry.register("billet_router_advertisements", help, self.advertisements.clone());
    }

    fn register_files(&mut self) {
        let registry = &mut self.registry;
        let help = "TFTP requests by their end";
        registry.register("billet_tftp_requests", help, self.tftp_requests.clone());
        let help = "Bytes of files that TFTP clients confirmed";
        registry.register("billet_tftp_bytes", help, self.tftp_bytes.clone());
        let help = "Requests to the boot HTTP server by kind of path and status";
        registry.register("billet_http_requests", help, self.http_requests.clone());
        let help = "Bytes of bodies that the boot HTTP server sent";
        registry.register("billet_http_bytes", help, self.http_bytes.clone());
        let help = "Entries of boot traces that were lost since their queue was full";
        registry.register("billet_trace_dropped", help, self.trace_dropped.clone());
    }

    fn register_leases(&mut self) {
        let registry = &mut self.registry;
        let help = "Addresses by state";
        registry.register("billet_leases", help, self.leases.clone());
        let help = "How long one commit of leases took";
        registry.register("billet_lease_commit_seconds", help, self.lease_commit_seconds.clone());
        let help = "Leases in one commit";
        registry.register("billet_lease_commit_rows", help, self.lease_commit_rows.clone());
        let help = "Commits of leases by their end";
        registry.register("billet_lease_commits", help, self.lease_commits.clone());
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
}
