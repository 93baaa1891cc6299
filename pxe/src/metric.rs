//! What a metric is, and which the boot server has: the one place where they are declared. `docs/metrics.md` is printed from
//! here; counting is not here (`counters`).

/// What a metric's number does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Grows, from the start of the process; its sample is called `NAME_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size: `NAME_bucket{le}`, `NAME_sum`, `NAME_count`.
    Histogram,
}

impl MetricKind {
    /// Its word in the text format (OpenMetrics 1.0, section 4.4).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as it is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, without `_total`. One with a unit ends with it: `_seconds`, `_bytes`.
    pub name: &'static str,
    /// What its number does.
    pub kind: MetricKind,
    /// Its labels, in their order.
    pub labels: &'static [&'static str],
    /// What it tells, without a full stop.
    pub help: &'static str,
}

impl Metric {
    /// One that grows.
    #[must_use]
    pub const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind: MetricKind::Counter, labels, help }
    }

    /// One that goes up and down.
    #[must_use]
    pub const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind: MetricKind::Gauge, labels, help }
    }

    /// One that counts by size.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: MetricKind::Histogram, labels: &[], help }
    }

    /// Its unit, if it has one.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"].into_iter().find(|unit| self.name.ends_with(unit))
    }
}

pub(crate) const DHCP_PACKETS: Metric = Metric::counter(
    "billet_dhcp_packets",
    &["network", "message", "answer"],
    "DHCP messages by what was answered; `none` is silence",
);
pub(crate) const DHCP_DROPPED: Metric = Metric::counter(
    "billet_dhcp_dropped",
    &["network", "reason"],
    "DHCP datagrams that were dropped, by reason",
);
pub(crate) const DHCP_UNSUPPORTED: Metric = Metric::counter(
    "billet_dhcp_unsupported",
    &["network"],
    "DHCP messages of firmware whose architecture nothing here boots",
);
pub(crate) const DHCP_CONFLICTS: Metric = Metric::counter(
    "billet_dhcp_conflicts",
    &["network"],
    "Offered addresses that another host was found to use",
);
pub(crate) const ROGUE_SERVERS: Metric = Metric::gauge(
    "billet_rogue_servers",
    &["network"],
    "Other DHCP servers that are heard now and are not declared",
);
pub(crate) const ROUTER_ADVERTISEMENTS: Metric =
    Metric::counter("billet_router_advertisements", &["network"], "Router solicitations that were answered");
pub(crate) const TFTP_REQUESTS: Metric =
    Metric::counter("billet_tftp_requests", &["outcome"], "TFTP requests by their end");
pub(crate) const TFTP_BYTES: Metric =
    Metric::counter("billet_tftp_bytes", &[], "Bytes of files that TFTP clients confirmed");
pub(crate) const HTTP_REQUESTS: Metric = Metric::counter(
    "billet_http_requests",
    &["path", "status"],
    "Requests to the boot HTTP server by kind of path and status",
);
pub(crate) const HTTP_BYTES: Metric =
    Metric::counter("billet_http_bytes", &[], "Bytes of bodies that the boot HTTP server sent");
pub(crate) const TRACE_DROPPED: Metric = Metric::counter(
    "billet_trace_dropped",
    &[],
    "Entries of boot traces that were lost since their queue was full",
);
pub(crate) const LEASES: Metric = Metric::gauge("billet_leases", &["network", "state"], "Addresses by state");
pub(crate) const LEASE_COMMIT_SECONDS: Metric =
    Metric::histogram("billet_lease_commit_seconds", "How long one commit of leases took");
pub(crate) const LEASE_COMMIT_ROWS: Metric =
    Metric::histogram("billet_lease_commit_rows", "Leases in one commit");
pub(crate) const LEASE_COMMITS: Metric =
    Metric::counter("billet_lease_commits", &["outcome"], "Commits of leases by their end");

/// All of them.
pub const METRICS: &[Metric] = &[
    DHCP_PACKETS,
    DHCP_DROPPED,
    DHCP_UNSUPPORTED,
    DHCP_CONFLICTS,
    ROGUE_SERVERS,
    ROUTER_ADVERTISEMENTS,
    TFTP_REQUESTS,
    TFTP_BYTES,
    HTTP_REQUESTS,
    HTTP_BYTES,
    TRACE_DROPPED,
    LEASES,
    LEASE_COMMIT_SECONDS,
    LEASE_COMMIT_ROWS,
    LEASE_COMMITS,
];
