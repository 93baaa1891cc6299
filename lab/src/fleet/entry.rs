//! What is written down of a run: the lines of its journal, and what is looked up when it has come to rest.
//!
//! The checks decide by these types alone, so that a faked journal can show that each of them bites.

use provisioner_api::{Instance, Lease, Machine};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// One line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Microseconds since the run began.
    pub at_us: u64,
    /// The number of the machine that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<u32>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// The service was started.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// The service answers.
    Ready,
    /// The service was killed, without a word before.
    Killed {
        /// What had been seen when it was killed: the kind and how many of them; none: it was a matter of time.
        after: Option<(SeenKind, u64)>,
        /// How long after that, in microseconds.
        plus_us: u32,
    },
    /// A request to the API, before it is sent.
    Call {
        /// Counts requests; the answer has the same number.
        id: u64,
        /// `POST`, `DELETE`, `PATCH`.
        method: String,
        /// `/v1/instances/i-7`.
        path: String,
        /// The machine or instance that it is about, by name.
        about: String,
        /// What was sent, without secrets.
        body: serde_json::Value,
    },
    /// Its answer.
    Answer {
        /// Of which call.
        id: u64,
        /// The status; none: the connection broke and nobody knows.
        status: Option<u16>,
    },
    /// A fault began.
    Fault {
        /// In words: `rack 3: no power`, `bmc: dead-30s`.
        words: String,
        /// The holds that it may lead to: parts of the reasons that the service may give. Empty: none.
        may_hold: Vec<String>,
    },
    /// A fault ended.
    Mended {
        /// As it began.
        words: String,
    },
    /// A phase of the scenario began.
    Phase {
        /// Its name.
        name: String,
    },
    /// A machine did or met something.
    Seen(Seen),
    /// No faults, no kills, the service runs: everything must come to rest now.
    Quiet,
}

/// What a machine did or met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "kebab-case")]
pub enum Seen {
    /// Its power changed.
    Power {
        /// To this.
        on: bool,
    },
    /// It was told where to boot from.
    BootSet {
        /// `network`, `disk`, `none`.
        device: String,
    },
    /// It was given an address.
    Ack {
        /// Which.
        address: Ipv4Addr,
        /// For how long, in seconds.
        lease_s: u32,
        /// To which MAC.
        mac: String,
    },
    /// It was refused an address.
    Nak,
    /// It has a file by TFTP or HTTP.
    Fetched {
        /// `loader`, `script`, `kernel`, `ramdisk`.
        file: String,
        /// Its bytes.
        bytes: u64,
    },
    /// The boot script sends it to the agent or to its disk.
    Script {
        /// Whether to the agent.
        agent: bool,
    },
    /// Its agent has a session.
    Claimed,
    /// Its agent was given an order.
    Order {
        /// The job.
        job: String,
        /// The job's epoch.
        epoch: u64,
        /// The step.
        step: String,
        /// Which try.
        attempt: u32,
    },
    /// A report of its agent was answered.
    Reported {
        /// The job.
        job: String,
        /// The job's epoch.
        epoch: u64,
        /// The step.
        step: String,
        /// `progress`, `done`, `inventory`, `failed`, `refused`.
        outcome: String,
    },
    /// A byte of a disk was written, for the first time in this order.
    Wrote {
        /// The disk's serial number.
        disk: String,
        /// The step of the order that its agent has in hand; none: nobody told it to write.
        step: Option<String>,
        /// Whether it is a disk that must never be written.
        canary: bool,
    },
    /// A seed came onto its disk.
    Seeded {
        /// Whose.
        instance: String,
    },
    /// Its agent reported that a disk is wiped, and that was answered.
    Erased {
        /// The disk's serial number.
        disk: String,
        /// `metadata` or `overwrite`.
        policy: String,
    },
    /// Its operating system runs and was heard.
    PhonedHome {
        /// Whose system.
        instance: String,
    },
    /// It boots a disk that has no system.
    NothingOnDisk,
    /// It does not live any more, or its agent could not begin.
    Broke {
        /// Why.
        why: String,
    },
    /// Its BMC was asked for something.
    Bmc {
        /// `power`, `set-power`, `set-boot`, `reset`.
        deed: String,
    },
}

/// The kinds of what machines do, for counting and for saying when to kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are named like what they count, see `Seen`")]
pub enum SeenKind {
    Power,
    BootSet,
    Ack,
    Nak,
    Fetched,
    Script,
    Claimed,
    Order,
    Reported,
    Wrote,
    Seeded,
    PhonedHome,
    NothingOnDisk,
    Broke,
    Bmc,
    /// A request to the API was sent.
    Call,
    /// It was answered.
    Answer,
    Erased,
}

impl SeenKind {
    /// All of them, in order.
    pub const ALL: [Self; 18] = [
        Self::Power,
        Self::BootSet,
        Self::Ack,
        Self::Nak,
        Self::Fetched,
        Self::Script,
        Self::Claimed,
        Self::Order,
        Self::Reported,
        Self::Wrote,
        Self::Seeded,
        Self::PhonedHome,
        Self::NothingOnDisk,
        Self::Broke,
        Self::Bmc,
        Self::Call,
        Self::Answer,
        Self::Erased,
    ];
}

impl Seen {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> SeenKind {
        match self {
            Self::Power { .. } => SeenKind::Power,
            Self::BootSet { .. } => SeenKind::BootSet,
            Self::Ack { .. } => SeenKind::Ack,
            Self::Nak => SeenKind::Nak,
            Self::Fetched { .. } => SeenKind::Fetched,
            Self::Script { .. } => SeenKind::Script,
            Self::Claimed => SeenKind::Claimed,
            Self::Order { .. } => SeenKind::Order,
            Self::Reported { .. } => SeenKind::Reported,
            Self::Wrote { .. } => SeenKind::Wrote,
            Self::Seeded { .. } => SeenKind::Seeded,
            Self::Erased { .. } => SeenKind::Erased,
            Self::PhonedHome { .. } => SeenKind::PhonedHome,
            Self::NothingOnDisk => SeenKind::NothingOnDisk,
            Self::Broke { .. } => SeenKind::Broke,
            Self::Bmc { .. } => SeenKind::Bmc,
        }
    }
}

/// What a machine really is, looked up in the simulation and not in the service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MachineTruth {
    /// Its number.
    pub number: u32,
    /// The name with which it was added.
    pub name: String,
    /// Its MAC addresses.
    pub macs: Vec<String>,
    /// Whether it is on.
    pub on: bool,
    /// The instance whose system runs on it now.
    pub runs: Option<String>,
    /// Its disks.
    pub disks: Vec<DiskTruth>,
    /// Sessions that are open at its BMC.
    pub bmc_sessions: usize,
    /// Sessions whose handshake was begun and not ended.
    pub bmc_half_open: usize,
    /// The holds that the faults it met may lead to (parts of reasons).
    pub may_hold: Vec<String>,
}

/// What a disk really holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DiskTruth {
    /// Its serial number.
    pub serial: String,
    /// Whether it must never be written.
    pub canary: bool,
    /// Whether a canary is as it was.
    pub intact: bool,
    /// Whether every byte is zero.
    pub blank: bool,
    /// The instance whose seed it holds.
    pub instance: Option<String>,
    /// Whether it holds the image of the fleet byte for byte, the seed and both partition tables aside.
    pub image_whole: bool,
}

/// What the service says and what there really is, when all has come to rest.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// `GET /v1/machines`, all pages.
    pub machines: Vec<Machine>,
    /// `GET /v1/instances`, all pages.
    pub instances: Vec<Instance>,
    /// `GET /v1/leases`.
    pub leases: Vec<Lease>,
    /// When it was taken, in seconds since 1970.
    pub at: i64,
    /// What the machines really are.
    pub truth: Vec<MachineTruth>,
    /// Files in the service's data folder that nothing explains.
    pub stray_files: Vec<String>,
    /// What the service used when it had just started.
    pub usage_first: Usage,
    /// What it uses now.
    pub usage_last: Usage,
    /// What the database's own checks say that isn't `ok`.
    pub database: Vec<String>,
    /// Lines of the service's log that must never be: panics, `this is a bug`.
    pub bad_log_lines: Vec<String>,
}

/// What a process uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Seconds of CPU time, user and system.
    pub cpu_s: f64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Open file descriptors.
    pub fds: u64,
    /// Threads.
    pub threads: u64,
    /// Bytes of its database, log included; 0 where that is on a server.
    pub database: u64,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The invariant's name: `no-machine-twice`.
    pub invariant: String,
    /// What it is about: a machine's or instance's name.
    pub about: String,
    /// What is wrong, in a sentence.
    pub why: String,
}
