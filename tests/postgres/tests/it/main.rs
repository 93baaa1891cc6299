//! The server, its databases and the relay, with a client that we did not write.

mod relay;
mod server;
