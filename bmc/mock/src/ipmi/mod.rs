//! The IPMI side of the simulated BMC: RMCP+ over UDP, cipher suites 17 and 3.
//!
//! - `sessions`: who is logged in (pure);
//! - `commands`: what a logged-in user can have done.
//!
//! One datagram is served after the other, so that a slow chassis makes a slow BMC, as in life.
//! Deliberately not here: IPMI 1.5 sessions, SOL, sensors, the event log.

mod commands;
mod group;
mod sessions;

use crate::Chassis;
pub use bmc_proto::ipmi::CipherSuite;
use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::packet::{self, Packet, Plus, payload};
use bmc_proto::ipmi::{Answer, uuid_to_guid};
use commands::Commands;
use sessions::Sessions;
pub use sessions::User;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Sessions at a time, as many as real BMCs have.
const SESSION_LIMIT: usize = 8;

/// A simulated BMC on a UDP port.
pub struct Server {
    socket: UdpSocket,
    commands: Commands,
    sessions: Arc<Mutex<Sessions>>,
    born: Instant,
}

impl Server {
    /// Binds the port. `guid` is the system's UUID in the order of its text; it is sent in SMBIOS order.
    pub async fn bind(
        address: SocketAddr,
        users: Vec<User>,
        chassis: Arc<dyn Chassis>,
        guid: [u8; 16],
    ) -> io::Result<Self> {
        let guid = uuid_to_guid(guid);
        Ok(Self {
            socket: UdpSocket::bind(address).await?,
            commands: Commands::new(chassis, guid),
            sessions: Arc::new(Mutex::new(Sessions::new(users, guid, SESSION_LIMIT))),
            born: Instant::now(),
        })
    }

    /// Speaks only these cipher suites. They are both spoken otherwise.
    #[must_use]
    pub fn with_suites(mut self, suites: &[CipherSuite]) -> Self {
        self.commands.suites = suites.to_vec();
        self.lock().suites = suites.to_vec();
        self
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// A handle to look at and to disturb the running server.
    pub fn control(&self) -> Control {
        Control { sessions: Arc::clone(&self.sessions) }
    }

    /// Serves until told to stop. An error is one of the socket.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            let (length, from) = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                received = self.socket.recv_from(&mut buffer) => match received {
                    Ok(received) => received,
                    // An earlier answer met a closed port.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                    Err(error) => return Err(error),
                },
            };
            let Some(answer) = self.answer(&buffer[..length], from).await else { continue };
            if let Err(error) = self.socket.send_to(&answer, from).await {
                tracing::debug!(%from, %error, "the answer could not be sent");
            }
        }
    }

    async fn answer(&self, datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
        match packet::parse(datagram)? {
            Packet::V15 { payload } => Some(packet::plain_v15(&self.outside(payload)?)),
            Packet::Plus(plus) if plus.session_id != 0 => self.inside(&plus).await,
            Packet::Plus(plus) if plus.payload_type == payload::IPMI => {
                Some(packet::plain(payload::IPMI, &self.outside(plus.payload)?))
            }
            Packet::Plus(plus) => {
                self.lock().handshake(plus.payload_type, plus.payload, from, self.born.elapsed(), &mut random)
            }
        }
    }

    /// A message outside a session.
    fn outside(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let request = LanMessage::decode(payload)?;
        let (completion, data) = self.commands.before_login(&request);
        Some(request.response(completion, &data).encode())
    }

    /// A message inside a session. Whatever is not signed and encrypted with its keys is dropped.
    async fn inside(&self, plus: &Plus<'_>) -> Option<Vec<u8>> {
        let (request, repeated) = self.lock().open(plus, self.born.elapsed())?;
        let (completion, data) = if let Some(answer) = repeated {
            // The answer was lost; nothing is done twice.
            (answer.completion, answer.data)
        } else {
            // The lock must not be held while the chassis works.
            let done = self.lock().command(plus.session_id, &request);
            let privilege = self.lock().privilege(plus.session_id)?;
            match done {
                Some(done) => done,
                None => self.commands.execute(&request, privilege).await,
            }
        };
        let iv = random()?;
        self.lock().seal(plus.session_id, &request, Answer { completion, data }, iv)
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at and disturbs a running server.
#[derive(Clone)]
pub struct Control {
    sessions: Arc<Mutex<Sessions>>,
}

impl Control {
    /// Forgets all sessions, as a BMC does that restarts.
    pub fn forget_sessions(&self) {
        self.lock().forget();
    }

    /// Answers the next commands (not those about sessions) with these completion codes, and does nothing.
    pub fn refuse_next(&self, completions: &[u8]) {
        self.lock().refusals.extend(completions);
    }

    /// How many sessions are open.
    pub fn open_sessions(&self) -> usize {
        self.lock().open_sessions()
    }

    /// How many logins succeeded since the start.
    pub fn logins(&self) -> u64 {
        self.lock().logins()
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 16 random bytes. `None`: the system has none; the client will ask again.
fn random() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// How long a session lives without a message (6.12.15).
const IDLE_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
