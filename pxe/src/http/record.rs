//! What becomes known of a request: the trace of its client, and the counters.

use super::Shared;
use crate::clock::unix_millis;
use crate::directory::Mac;
use pxe_proto::trace::{Entry, Transfer, What};
use std::net::Ipv4Addr;
use tokio::time::Instant;

/// Most characters of a path that are kept.
const PATH: usize = 128;

/// One request for something below our paths. A transfer that was begun is told of when this is dropped, whatever
/// ended it.
pub(super) struct Record<'a> {
    shared: &'a Shared,
    peer: Ipv4Addr,
    mac: Option<Mac>,
    path: String,
    head: bool,
    transfer: Option<Running>,
}

/// A body on its way.
struct Running {
    status: u16,
    size: u64,
    sent: u64,
    begun: Instant,
    reason: String,
}

impl<'a> Record<'a> {
    /// A request came. `mac` is who the client says it is; without it, who was last seen with its address.
    pub(super) fn new(shared: &'a Shared, peer: Ipv4Addr, mac: Option<Mac>, path: &str, head: bool) -> Self {
        let mac = mac.or_else(|| shared.peers.mac_of(peer));
        let path = path.chars().take(PATH).collect();
        Record { shared, peer, mac, path, head, transfer: None }
    }

    /// It was answered without a file's bytes.
    pub(super) fn answered(&self, status: u16, stage: Transfer) {
        self.trace(What::Http { path: self.path.clone(), status, head: self.head, stage });
    }

    /// A boot script was answered: `agent`, `disk`, `refused`; `later`: it is to ask again.
    pub(super) fn script(&self, answer: &'static str) {
        let from = self.peer;
        self.trace(What::Script { from, answer: answer.to_owned() });
    }

    /// A file's bytes are about to be sent: the place where they are counted.
    pub(super) fn begin(&mut self, status: u16, size: u64) -> &mut u64 {
        self.answered(status, Transfer::Begun { size });
        let running =
            Running { status, size, sent: 0, begun: Instant::now(), reason: "cut by us".to_owned() };
        &mut self.transfer.insert(running).sent
    }

    /// Why the transfer broke off.
    pub(super) fn broken(&mut self, reason: String) {
        if let Some(running) = &mut self.transfer {
            running.reason = reason;
        }
    }

    fn trace(&self, what: What) {
        let Some(mac) = self.mac else { return };
        let network = self.shared.network.clone();
        self.shared.directory.trace(Entry { at: unix_millis(), mac, network, what });
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let Some(running) = self.transfer.take() else { return };
        let Running { status, size, sent, begun, reason } = running;
        self.shared.counters.http_bytes(sent);
        let stage = if sent == size {
            let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            Transfer::Done { bytes: sent, millis }
        } else {
            Transfer::Broken { bytes: sent, size, reason }
        };
        self.answered(status, stage);
    }
}
