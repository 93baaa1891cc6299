//! A group of commands that belong together: the event log, the users, … Each is a file of its own and knows nothing
//! of sessions and sockets.

use bmc_proto::ipmi::{Answer, NetFn};

/// Completion code and data.
pub(super) type Done = (u8, Vec<u8>);

/// A command inside a session.
pub(super) struct Request<'a> {
    /// Its network function.
    pub(super) netfn: NetFn,
    /// Its number.
    pub(super) command: u8,
    /// Its data.
    pub(super) body: &'a [u8],
    /// What the session may do, see `bmc_proto::ipmi::handshake::privilege`.
    pub(super) privilege: u8,
    /// Seconds since 1970 UTC.
    pub(super) unix: u32,
}

/// Commands about one thing.
pub(super) trait Group: Send + Sync {
    /// Executes a command. `None`: it is not one of this group.
    fn execute(&self, request: &Request<'_>) -> Option<Done>;
}

/// An answer of nothing but a completion code.
pub(super) fn refuse(completion: u8) -> Done {
    (completion, vec![])
}

/// Success with data.
pub(super) fn answer(data: impl Into<Vec<u8>>) -> Done {
    (Answer::OK, data.into())
}
