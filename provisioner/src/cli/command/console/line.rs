//! The two ways to a serial console: through the service, which records it, and straight to a BMC.

use super::typed::Piece;
use crate::cli::{args::Backlog, error::CliError};
use bmc::{Bmc, BmcError, ConsoleEvent};
use bytes::Bytes;
use provisioner_client::{Client, ClientError};
use std::{sync::Arc, time::Duration};
use tokio::{sync::broadcast::error::RecvError, sync::mpsc::Sender, time::sleep};

/// How long before the first new try after a broken connection; doubled up to `LONGEST`.
const FIRST: Duration = Duration::from_millis(250);

/// How long between two tries at the most.
const LONGEST: Duration = Duration::from_secs(5);

/// How much is asked for of the record if nothing is said, in bytes: a few screens.
const BACKLOG: u64 = 16 * 1024;

/// A way to a console.
#[derive(Clone)]
pub(in crate::cli::command) enum Line {
    /// A machine's, through the service.
    Service {
        /// The service.
        client: Client,
        /// The machine.
        machine: String,
    },
    /// A BMC's, from here.
    Direct {
        /// The BMC.
        bmc: Arc<dyn Bmc>,
        /// `host:port`.
        address: String,
        /// Whether another program's session is ended for it.
        take_over: bool,
    },
}

/// What is heard on a console.
#[derive(Debug)]
pub(super) enum Heard {
    /// It is connected: from now on one can type.
    Ready,
    /// What the machine said.
    Output(Bytes),
    /// Something that the person should know.
    Remark(String),
    /// It is over.
    End(Result<(), CliError>),
}

impl Line {
    /// Whose console it is.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Service { machine, .. } => machine,
            Self::Direct { address, .. } => address,
        }
    }

    /// Sends what was typed.
    pub(super) async fn send(self, piece: Piece) -> Result<(), CliError> {
        match (self, piece) {
            (Self::Service { client, machine }, Piece::Bytes(bytes)) => {
                Ok(client.console_type(&machine, bytes).await?)
            }
            (Self::Service { client, machine }, Piece::Break) => Ok(client.console_break(&machine).await?),
            (Self::Direct { bmc, address, .. }, piece) => {
                let console = bmc.console().ok_or_else(|| no_console(&address))?;
                match piece {
                    Piece::Bytes(bytes) => Ok(console.type_console(&bytes).await?),
                    Piece::Break => Ok(console.break_console().await?),
                }
            }
        }
    }

    /// Tells what is heard, until it is over or nobody listens any more.
    pub(super) async fn listen(self, backlog: Option<Backlog>, follow: bool, to: Sender<Heard>) {
        let end = match self {
            Self::Service { client, machine } => {
                Listener { client, machine, follow, to: to.clone() }.run(backlog).await
            }
            Self::Direct { bmc, address, take_over } => direct(&*bmc, &address, take_over, &to).await,
        };
        // Nobody may be listening any more.
        drop(to.send(Heard::End(end)).await);
    }
}

fn no_console(address: &str) -> BmcError {
    crate::bmc_calls::lacks(address, "serial console", "console")
}

/// Listens to a machine's console at the service.
struct Listener {
    client: Client,
    machine: String,
    follow: bool,
    to: Sender<Heard>,
}

impl Listener {
    /// Reads on at the same byte when the connection breaks.
    async fn run(self, backlog: Option<Backlog>) -> Result<(), CliError> {
        let tail = match backlog {
            Some(Backlog::All) => None,
            Some(Backlog::Last(bytes)) => Some(bytes),
            None => Some(BACKLOG),
        };
        let mut position = None;
        let mut pause = FIRST;
        let mut told = false;
        loop {
            let tail = if position.is_none() { tail } else { None };
            let why = match self.client.console_read(&self.machine, position, tail, self.follow).await {
                Ok(mut stream) => {
                    if let Some(from) = position {
                        self.again(from, stream.position()).await?;
                    }
                    self.say(Heard::Ready).await?;
                    told = false;
                    let before = stream.position();
                    let why = loop {
                        match stream.next().await {
                            Ok(Some(bytes)) => self.say(Heard::Output(bytes)).await?,
                            Ok(None) if !self.follow => return Ok(()),
                            Ok(None) => break "the service ended it".to_owned(),
                            Err(error) => break error.to_string(),
                        }
                    };
                    if stream.position() > before {
                        pause = FIRST;
                    }
                    position = Some(stream.position());
                    why
                }
                Err(error) if position.is_some() && may_pass(&error) => error.to_string(),
                Err(error) => return Err(error.into()),
            };
            if !told {
                told = true;
                self.say(Heard::Remark(format!("the console is interrupted: {why}; trying again"))).await?;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Says that it goes on, and what is missing.
    async fn again(&self, from: u64, now: u64) -> Result<(), CliError> {
        let remark = match now.saturating_sub(from) {
            0 => "the console goes on; all that the service recorded is here".to_owned(),
            lost => format!("the console goes on; {lost} bytes are no longer in the record"),
        };
        self.say(Heard::Remark(remark)).await
    }

    async fn say(&self, heard: Heard) -> Result<(), CliError> {
        say(&self.to, heard).await
    }
}

/// Whether a console that was there may come back.
fn may_pass(error: &ClientError) -> bool {
    error.is_transient() || error.status() == Some(500)
}

/// Listens to a BMC's console.
async fn direct(bmc: &dyn Bmc, address: &str, take_over: bool, to: &Sender<Heard>) -> Result<(), CliError> {
    let console = bmc.console().ok_or_else(|| no_console(address))?;
    let mut reader = console.read_console(take_over).await?;
    say(to, Heard::Ready).await?;
    loop {
        let heard = match reader.events.recv().await {
            Ok(ConsoleEvent::Output(bytes)) => Heard::Output(Bytes::copy_from_slice(&bytes)),
            Ok(ConsoleEvent::Break) => Heard::Remark("the machine sent a break".to_owned()),
            Ok(ConsoleEvent::Interrupted(why)) => Heard::Remark(format!("the console is interrupted: {why}")),
            Ok(ConsoleEvent::Resumed) => Heard::Remark("the console goes on".to_owned()),
            Ok(ConsoleEvent::Closed(why)) => return Err(CliError::Console(why)),
            Err(RecvError::Lagged(pieces)) => Heard::Remark(format!(
                "output came faster than it was printed; {pieces} pieces of it are lost"
            )),
            Err(RecvError::Closed) => return Err(CliError::Console("the driver let it go".to_owned())),
        };
        say(to, heard).await?;
    }
}

/// Tells something; an error when nobody listens, which ends the listening.
async fn say(to: &Sender<Heard>, heard: Heard) -> Result<(), CliError> {
    to.send(heard).await.map_err(|_| CliError::Console("nobody listens".to_owned()))
}
