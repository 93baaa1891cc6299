//! What is done, what goes wrong, and when the service is killed.

use super::parts::{NetworkFaults, Span, Spread};
use crate::fleet::entry::SeenKind;
use serde::{Deserialize, Serialize};

/// Something that is done with all machines or some of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What.
    #[serde(rename = "do")]
    pub deed: Do,
    /// How many machines or instances; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How long: `churn` and `steady`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// Requests a second; none or 0: as fast as `parallel` at once can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Requests at once; none: 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    /// `deploy`, `churn`: share of instances that name their machine, 0 to 1; the others take any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<f64>,
    /// `churn`: chance each second that a running instance is given back, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<f64>,
    /// `churn`: chance each second that what was given back is asked for anew, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeploy: Option<f64>,
    /// `churn`: chance each second that a person retries what is held, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<f64>,
    /// `deploy`: kill the service once when half of the work is in hand, and time its return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupt: Option<bool>,
    /// Questions a second that another client asks meanwhile, in order to time the answers; none: 20 in `deploy`, 0 else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<f64>,
}

/// What is done in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Do {
    /// Machines are added, and inspected until they are available.
    Intake,
    /// The power of all racks fails and returns: what runs boots again, all at once.
    PowerUp,
    /// Instances are asked for, until all run.
    Deploy,
    /// Every instance is installed anew on its machine, `parallel` at a time, until all run.
    Reinstall,
    /// Instances are given back, until they are gone.
    Release,
    /// Instances come and go, for a time.
    Churn,
    /// Nothing is done, for a time.
    Steady,
    /// The service is killed and started, and its return timed.
    Restart,
}

impl Do {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::PowerUp => "power-up",
            Self::Deploy => "deploy",
            Self::Reinstall => "reinstall",
            Self::Release => "release",
            Self::Churn => "churn",
            Self::Steady => "steady",
            Self::Restart => "restart",
        }
    }
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub what: FaultKind,
    /// In which phase: its word, or `*` for all.
    #[serde(default = "everywhere")]
    pub during: String,
    /// `network`: chance that a datagram or call is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<f64>,
    /// `network`: chance that one arrives twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<f64>,
    /// `network`: up to this late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<u32>,
    /// `bmc`, `disk`: share of machines that have one at any time, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// `bmc`, `disk`: which faults, one of them for each machine. `database`: which of `stop` and `kill`, one each time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// How often others are chosen; none: once a phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// How long it lasts; none: until the next are chosen or the phase ends.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
}

impl Fault {
    /// What it is on the network.
    #[must_use]
    pub fn network(&self) -> NetworkFaults {
        NetworkFaults {
            drop: self.drop.unwrap_or(0.0),
            duplicate: self.duplicate.unwrap_or(0.0),
            jitter_ms: self.jitter_ms.unwrap_or(0),
        }
    }
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The wires lose, double and delay.
    Network,
    /// BMCs die, lie and dawdle.
    Bmc,
    /// Disks dawdle and fail.
    Disk,
    /// A rack loses power, its BMCs too.
    Rack,
    /// The PostgreSQL server of the service, started by the run, goes away and comes back.
    Database,
}

/// When the service is killed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// How long it lives before it is aimed at again.
    pub every: Spread,
    /// In which phases: their words, or `*`.
    #[serde(default = "everywhere")]
    pub during: String,
    /// After which events; empty: any.
    #[serde(default)]
    pub at: Vec<SeenKind>,
}

fn everywhere() -> String {
    "*".into()
}
