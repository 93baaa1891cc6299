//! What all IPMI drivers of a process share: the sockets and the ledger of open sessions.

use super::ledger::Ledger;
use super::network::Network;
use std::path::PathBuf;
use std::sync::Arc;

/// Sockets and ledger. Both are opened when they are first needed.
pub(crate) struct Hub {
    pub(super) network: Network,
    pub(super) ledger: Arc<Ledger>,
}

impl Hub {
    /// `sessions`: see `Settings::sessions`.
    pub(crate) fn new(sessions: Option<PathBuf>) -> Self {
        Self { network: Network::default(), ledger: Arc::new(Ledger::new(sessions)) }
    }
}
