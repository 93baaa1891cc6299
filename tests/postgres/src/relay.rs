//! A TCP relay in front of a server, which breaks connections at the moment that hurts most: at a COMMIT.
//!
//! A client that loses its connection there can't know whether its transaction stands. Here a test says which it is.
//! No TLS: a client that asks for it is told no, and goes on without unless it insists.

mod connection;
mod frame;
mod statements;

use crate::{Database, Server};
use anyhow::{Context, Result};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// What to do when a client sends a COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtCommit {
    /// Pass it and its answer on.
    #[default]
    Pass,
    /// Break the connection; the server never sees the COMMIT and undoes the transaction.
    DropBefore,
    /// Pass it on and break the connection once the server has executed it; the client never sees the answer.
    DropAfter,
    /// Keep it, and all that the client sends after it, until [`Relay::release`].
    Hold,
}

/// What the relay was told, and what it saw. Connections watch it.
#[derive(Debug, Default)]
struct State {
    once: VecDeque<AtCommit>,
    always: AtCommit,
    refuse: bool,
    /// How often all were cut; a connection ends when it rises.
    cuts: u64,
    /// How often all that was held was released.
    releases: u64,
    accepted: u64,
    open: u64,
    commits: u64,
    held: u64,
}

/// A relay on a port of its own. Dropping it ends all its connections.
pub struct Relay {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepting: AbortHandle,
}

impl Relay {
    /// One in front of `server`, stopped or not. It runs on the caller's runtime.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start(server: &Server) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for the relay")?;
        let address = listener.local_addr().context("the relay's own address")?;
        let state = watch::Sender::new(State::default());
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
        let accepting = tokio::spawn(accept(listener, target, state.clone())).abort_handle();
        Ok(Self { address, state, accepting })
    }

    /// The URL of a database of the server, by way of this relay.
    ///
    /// # Errors
    /// Never, for what [`Database::url`] gives.
    pub fn url(&self, database: &Database) -> Result<String> {
        let mut url = url::Url::parse(database.url()).context("a database's URL")?;
        url.set_port(Some(self.address.port())).ok().context("a URL with a host")?;
        Ok(url.into())
    }

    /// What to do at the next COMMIT. Said again before there was one, it is for the one after.
    pub fn once(&self, act: AtCommit) {
        self.state.send_modify(|state| state.once.push_back(act));
    }

    /// What to do at each COMMIT that [`Relay::once`] says nothing about.
    pub fn always(&self, act: AtCommit) {
        self.state.send_modify(|state| state.always = act);
    }

    /// Passes on the COMMITs that are held now.
    pub fn release(&self) {
        self.state.send_modify(|state| state.releases += 1);
    }

    /// Breaks all connections that there are.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Whether new connections are closed as soon as they are made. Those that there are stay.
    pub fn refuse(&self, refuse: bool) {
        self.state.send_modify(|state| state.refuse = refuse);
    }

    /// How many connections were made until now, refused ones too.
    pub fn accepted(&self) -> u64 {
        self.state.borrow().accepted
    }

    /// How many connections there are.
    pub fn open(&self) -> u64 {
        self.state.borrow().open
    }

    /// How many COMMITs clients have sent, whatever was done with them.
    pub fn commits(&self) -> u64 {
        self.state.borrow().commits
    }

    /// Waits until `count` COMMITs are held at the same time.
    pub async fn until_held(&self, count: u64) {
        self.until(|state| state.held >= count).await;
    }

    /// Waits until `count` connections are open.
    pub async fn until_open(&self, count: u64) {
        self.until(|state| state.open == count).await;
    }

    async fn until(&self, is_so: impl FnMut(&State) -> bool) {
        // It only fails when the sender is gone, and that is ours.
        let _ = self.state.subscribe().wait_for(is_so).await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts clients until aborted, which ends the connections with it.
async fn accept(listener: TcpListener, server: SocketAddr, state: watch::Sender<State>) {
    let mut connections = JoinSet::new();
    loop {
        // A client that went away before it was accepted is no reason to end.
        let Ok((client, _)) = listener.accept().await else { continue };
        let (mut refuse, mut cuts) = (false, 0);
        state.send_modify(|state| {
            state.accepted += 1;
            state.open += u64::from(!state.refuse);
            (refuse, cuts) = (state.refuse, state.cuts);
        });
        if !refuse {
            connections.spawn(one(client, server, state.clone(), cuts));
        }
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, from its beginning, when all had been cut `cuts` times, to when either side or a test ends it.
async fn one(client: TcpStream, server: SocketAddr, state: watch::Sender<State>, cuts: u64) {
    let mut watched = state.subscribe();
    // What is found keeps the state locked: it must be gone before a connection that is dropped changes it.
    let cut = async {
        let _ = watched.wait_for(|state| state.cuts > cuts).await;
    };
    tokio::select! {
        // An error is an end like any other: the other side sees its connection break.
        _ = connection::relay(client, server, &state) => {}
        () = cut => {}
    }
    state.send_modify(|state| state.open -= 1);
}
