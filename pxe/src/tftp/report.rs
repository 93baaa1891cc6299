//! What is told of TFTP requests: counters, and the boot trace of the client.

use crate::clock::unix_millis;
use crate::counters::Counters;
use crate::directory::{Directory, Mac};
use pxe_proto::tftp::{Outcome, ReadRequest, Transfer, name_of};
use pxe_proto::trace::{Entry, Transfer as Stage, What};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;
use tracing::debug;

/// A request and who sent it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) peer: SocketAddrV4,
    /// Whose address that is, if it is known.
    pub(super) mac: Option<Mac>,
    /// The name, for people.
    pub(super) shown: String,
    pub(super) request: ReadRequest,
    /// The request as it came, to know it again.
    pub(super) datagram: Vec<u8>,
}

impl Asked {
    /// The name in the map of files.
    pub(super) fn name(&self) -> &str {
        name_of(&self.request.name)
    }
}

/// Where reports go.
pub(super) struct Reporter {
    pub(super) network: String,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) counters: Arc<Counters>,
}

impl Reporter {
    /// Only counted: nobody can be told whose request it was, or it is of no interest by itself.
    pub(super) fn count(&self, outcome: &'static str) {
        self.counters.tftp_request(outcome);
    }

    /// A request got no file. `word` is for counters, `reason` for people.
    pub(super) fn refused(
        &self,
        peer: SocketAddrV4,
        mac: Option<Mac>,
        name: String,
        word: &'static str,
        reason: &str,
    ) {
        debug!(%peer, file = ?name, reason, "refused a TFTP request");
        self.count(word);
        self.trace(mac, name, Stage::Refused { reason: reason.to_owned() });
    }

    /// A file is being sent.
    pub(super) fn begun(&self, asked: &Asked, size: u64) {
        self.trace(asked.mac, asked.shown.clone(), Stage::Begun { size });
    }

    /// A transfer came to its end after this time.
    pub(super) fn ended(&self, asked: &Asked, transfer: &Transfer, took: Duration) {
        let (size, bytes) = (transfer.size(), transfer.acknowledged_bytes());
        debug!(peer = %asked.peer, file = ?asked.shown, bytes, outcome = ?transfer.outcome(), ?took,
            "a TFTP transfer ended");
        self.counters.tftp_bytes(bytes);
        let (word, stage) = match transfer.outcome() {
            Some(Outcome::Complete) => {
                let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                ("done", Stage::Done { bytes, millis })
            }
            Some(Outcome::Refused { .. }) if asked.request.tsize && !transfer.has_begun() => {
                ("size_probe", Stage::SizeProbe { size })
            }
            Some(Outcome::Refused { code, message }) => {
                let reason = format!("the client broke off: error {code} {message}");
                ("aborted", Stage::Broken { bytes, size, reason: reason.trim_end().to_owned() })
            }
            Some(Outcome::Vanished) => {
                ("vanished", Stage::Broken { bytes, size, reason: "vanished".to_owned() })
            }
            // Put aside: the client asked for something else from the same port.
            None => ("superseded", Stage::Broken { bytes, size, reason: "asked for anew".to_owned() }),
        };
        self.count(word);
        self.trace(asked.mac, asked.shown.clone(), stage);
    }

    fn trace(&self, mac: Option<Mac>, name: String, stage: Stage) {
        // Without a hardware address there is no conversation that it could belong to.
        let Some(mac) = mac else { return };
        let what = What::Tftp { name, stage };
        self.directory.trace(Entry { at: unix_millis(), mac, network: self.network.clone(), what });
    }
}
