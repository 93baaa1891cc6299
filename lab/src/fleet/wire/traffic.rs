//! What went over the wires, in numbers.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// What went over the wires since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// DHCP messages to the service.
    pub dhcp_sent: u64,
    /// DHCP messages from the service that a machine got.
    pub dhcp_received: u64,
    /// Files fetched by TFTP, and those that were tried in vain.
    pub tftp: (u64, u64),
    /// Their bytes.
    pub tftp_bytes: u64,
    /// HTTP exchanges that ended well, and those that did not.
    pub http: (u64, u64),
    /// Their bytes.
    pub http_bytes: u64,
    /// Calls of agents that were answered, and those that were not.
    pub agent: (u64, u64),
    /// Bytes of chunks and manifests that agents got.
    pub agent_bytes: u64,
    /// Datagrams, requests and answers that our faults lost.
    pub lost: u64,
}

/// The counters behind it.
#[derive(Debug, Default)]
pub(super) struct Counters {
    dhcp_sent: AtomicU64,
    dhcp_received: AtomicU64,
    tftp: [AtomicU64; 2],
    tftp_bytes: AtomicU64,
    http: [AtomicU64; 2],
    http_bytes: AtomicU64,
    agent: [AtomicU64; 2],
    agent_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn dhcp_sent(&self) {
        add(&self.dhcp_sent, 1);
    }

    pub(super) fn dhcp_received(&self) {
        add(&self.dhcp_received, 1);
    }

    /// A transfer of so many bytes; none: it failed.
    pub(super) fn tftp(&self, bytes: Option<u64>) {
        count(&self.tftp, bytes.is_some());
        add(&self.tftp_bytes, bytes.unwrap_or(0));
    }

    /// An exchange with so many bytes; none: it failed.
    pub(super) fn http(&self, bytes: Option<u64>) {
        count(&self.http, bytes.is_some());
        add(&self.http_bytes, bytes.unwrap_or(0));
    }

    /// A call of an agent.
    pub(super) fn agent(&self, answered: bool) {
        count(&self.agent, answered);
    }

    /// Bytes of images that an agent got.
    pub(super) fn agent_bytes(&self, bytes: usize) {
        add(&self.agent_bytes, bytes as u64);
    }

    /// What was counted; how much was lost is known to the dice.
    pub(super) fn read(&self, lost: u64) -> Traffic {
        Traffic {
            dhcp_sent: get(&self.dhcp_sent),
            dhcp_received: get(&self.dhcp_received),
            tftp: (get(&self.tftp[0]), get(&self.tftp[1])),
            tftp_bytes: get(&self.tftp_bytes),
            http: (get(&self.http[0]), get(&self.http[1])),
            http_bytes: get(&self.http_bytes),
            agent: (get(&self.agent[0]), get(&self.agent[1])),
            agent_bytes: get(&self.agent_bytes),
            lost,
        }
    }
}

fn count([well, ill]: &[AtomicU64; 2], ended_well: bool) {
    add(if ended_well { well } else { ill }, 1);
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
