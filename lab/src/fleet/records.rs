//! Where a run's service keeps its records: in its own file, on a PostgreSQL server that the run starts and may stop and
//! kill, or on one that it was given.
//!
//! What is on a given server is its owner's: the run neither checks nor stops it.

use crate::fleet::scenario::{DatabaseKind, Scenario};
use anyhow::{Context, Result};
use lab_postgres::{Database, Server};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// How a database server goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// In order, at once ("fast"): clients are told, open transactions undone.
    Stop,
    /// All its processes are killed.
    Kill,
}

/// There is no such outage.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is nothing that happens to a database server; write stop or kill")]
pub struct NoSuchOutage(String);

impl FromStr for Outage {
    type Err = NoSuchOutage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "stop" => Ok(Self::Stop),
            "kill" => Ok(Self::Kill),
            other => Err(NoSuchOutage(other.to_owned())),
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "stop",
            Self::Kill => "kill",
        })
    }
}

/// Where they are.
#[derive(Clone)]
pub(crate) enum Records {
    /// In the file of an embedded database.
    File,
    /// On a server of the run's own.
    Own(Arc<Postgres>),
    /// On the server at this URL, which somebody else looks after.
    Given(String),
}

impl Records {
    /// Those of a scenario; `url` names a server that is there. Starts one if the scenario wants one and none is given.
    pub(crate) async fn of(scenario: &Scenario, url: Option<&str>) -> Result<Self> {
        match (url, scenario.service.database) {
            (Some(url), _) => Ok(Self::Given(url.to_owned())),
            (None, DatabaseKind::Postgres) => Ok(Self::Own(Postgres::start().await?)),
            (None, DatabaseKind::Sqlite) => Ok(Self::File),
        }
    }

    /// Where the service connects, if it is to.
    pub(crate) fn url(&self) -> Option<String> {
        match self {
            Self::File => None,
            Self::Own(server) => Some(server.url.clone()),
            Self::Given(url) => Some(url.clone()),
        }
    }

    /// The run's own server.
    pub(crate) fn own(&self) -> Option<&Arc<Postgres>> {
        if let Self::Own(server) = self { Some(server) } else { None }
    }
}

/// A PostgreSQL server with one database.
pub(crate) struct Postgres {
    url: String,
    /// None: the run is over.
    running: Mutex<Option<Arc<Running>>>,
    /// Whoever stops or starts it has this, for as long as that takes.
    turn: Arc<tokio::sync::Mutex<()>>,
    state: watch::Sender<State>,
}

/// The database goes first.
struct Running {
    database: Database,
    server: Server,
}

/// What was done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    up: bool,
    /// How often it went away or came back.
    turns: u64,
}

impl Postgres {
    async fn start() -> Result<Arc<Self>> {
        let server = Server::start().await.context("the run's PostgreSQL server does not start")?;
        let database = server.database().await?;
        Ok(Arc::new(Self {
            url: database.url().to_owned(),
            running: Mutex::new(Some(Arc::new(Running { database, server }))),
            turn: Arc::default(),
            state: watch::Sender::new(State { up: true, turns: 0 }),
        }))
    }

    fn running(&self) -> MutexGuard<'_, Option<Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets it go away. Returns when it is gone.
    pub(crate) async fn down(self: &Arc<Self>, how: Outage) -> Result<()> {
        self.change(Some(how)).await
    }

    /// Starts it again, if it went away. Returns when it takes connections.
    pub(crate) async fn up(self: &Arc<Self>) -> Result<()> {
        self.change(None).await
    }

    async fn change(self: &Arc<Self>, how: Option<Outage>) -> Result<()> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let this = Arc::clone(self);
        // A task of its own: who asked may be stopped in the middle of it, and then asks for the opposite.
        let changing = tokio::spawn(async move {
            let _turn = turn;
            let Some(running) = this.running().clone() else { return Ok(()) };
            let server = &running.server;
            if let Some(how) = how {
                this.turned(false);
                return match how {
                    Outage::Stop => server.stop().await,
                    Outage::Kill => server.kill().await,
                };
            }
            if !server.runs() {
                server.start_again().await?;
                this.turned(true);
            }
            Ok(())
        });
        changing.await.context("the run's PostgreSQL server was left where it was")?
    }

    fn turned(&self, up: bool) {
        self.state.send_modify(|state| *state = State { up, turns: state.turns + 1 });
    }

    /// How often it went away or came back until now.
    pub(crate) fn turns(&self) -> u64 {
        self.state.borrow().turns
    }

    /// Waits until it is there.
    pub(crate) async fn until_up(&self) {
        // It only fails when the sender is gone, and that is ours.
        let _ = self.state.subscribe().wait_for(|state| state.up).await;
    }

    /// What is wrong in the database, by the server's own check.
    pub(crate) async fn damage(&self) -> Result<Vec<String>> {
        let running = self.running().clone().context("the run's PostgreSQL server has ended")?;
        running.server.damage(&running.database).await
    }
}

/// Ends the run's own server with its data, when the run is over.
pub(crate) struct Until(pub(crate) Records);

impl Drop for Until {
    fn drop(&mut self) {
        if let Records::Own(server) = &self.0 {
            drop(server.running().take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_goes_away_comes_back_and_ends_with_the_run() {
        let mut scenario = Scenario::find("intake").unwrap();
        assert!(Records::of(&scenario, None).await.unwrap().url().is_none());
        let given = Records::of(&scenario, Some("postgres://x@db/billet")).await.unwrap();
        assert!(given.own().is_none() && given.url().is_some());
        scenario.service.database = DatabaseKind::Postgres;
        let records = Records::of(&scenario, None).await.unwrap();
        let (server, until) = (Arc::clone(records.own().unwrap()), Until(records));
        for how in [Outage::Stop, Outage::Kill] {
            let before = server.turns();
            server.down(how).await.unwrap();
            assert!(
                !server.damage().await.unwrap_or_else(|error| vec![error.to_string()]).is_empty(),
                "it is away"
            );
            server.up().await.unwrap();
            server.up().await.unwrap();
            server.until_up().await;
            assert_eq!(server.turns(), before + 2, "what runs is not started again");
            assert_eq!(server.damage().await.unwrap(), [""; 0]);
        }
        drop(until);
        assert!(server.running().is_none());
        assert!(server.damage().await.is_err());
        // Nothing is left to go away.
        server.down(Outage::Kill).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_is_stopped_in_the_middle_leaves_nothing_half_done() {
        let mut scenario = Scenario::find("intake").unwrap();
        scenario.service.database = DatabaseKind::Postgres;
        let until = Until(Records::of(&scenario, None).await.unwrap());
        let server = Arc::clone(until.0.own().unwrap());
        let going = tokio::spawn({
            let server = Arc::clone(&server);
            async move { server.down(Outage::Stop).await }
        });
        // From the first moment on of which it may be stopped.
        server.state.subscribe().wait_for(|state| !state.up).await.unwrap();
        going.abort();
        server.up().await.unwrap();
        assert_eq!(server.damage().await.unwrap(), [""; 0]);
    }

    #[test]
    fn outages_have_words() {
        for outage in [Outage::Stop, Outage::Kill] {
            assert_eq!(outage.to_string().parse(), Ok(outage));
        }
        assert!("pause".parse::<Outage>().unwrap_err().to_string().contains("stop or kill"));
    }
}
