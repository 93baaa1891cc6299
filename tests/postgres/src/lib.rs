//! A real PostgreSQL for tests: the server of `lab/postgres`, and a [`Relay`] that stands between client and server and
//! breaks connections when a COMMIT comes by.
//!
//! Not here: how a server is made, stopped and killed (`lab/postgres`), and a client (callers bring theirs).

mod relay;

pub use lab_postgres::{Database, Options, Server};
pub use relay::{AtCommit, Relay};
