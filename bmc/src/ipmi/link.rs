//! One session on one UDP socket: moves datagrams and time in and out of the session machine.

use bmc_proto::ipmi::{Answer, Config, Event, Message, Session, SessionError};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// An open session.
pub(super) struct Link {
    socket: UdpSocket,
    session: Session,
    /// The moment from which the session's time counts.
    born: Instant,
    /// When it was used last.
    pub(super) used: Instant,
}

/// Why there is no session, or no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The session machine gave up.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// No socket or no random numbers.
    #[error("the network of this host failed")]
    Io(#[from] io::Error),
}

impl Link {
    /// Logs in.
    pub(super) async fn open(address: SocketAddr, config: Config) -> Result<Self, LinkError> {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let born = Instant::now();
        let session = Session::new(config, seed, Duration::ZERO);
        let mut link = Self { socket, session, born, used: born };
        match link.next_event().await? {
            Event::Established { privilege } => {
                tracing::debug!(%address, privilege, "IPMI session opened");
                Ok(link)
            }
            Event::Failed(error) => Err(error.into()),
            event => Err(unexpected(&event)),
        }
    }

    /// Sends a request and waits for its answer. After an error the link is of no use any more.
    pub(super) async fn exchange(&mut self, message: Message) -> Result<Answer, LinkError> {
        self.used = Instant::now();
        if !self.session.request(message, self.born.elapsed()) {
            return Err(SessionError::NoAnswer { logged_in: true, rejected: None }.into());
        }
        match self.next_event().await? {
            Event::Answered(answer) => Ok(answer),
            Event::Failed(error) => Err(error.into()),
            event => Err(unexpected(&event)),
        }
    }

    /// Ends the session, with a short time for the BMC to confirm it.
    pub(super) async fn close(mut self) {
        self.session.close(self.born.elapsed());
        if let Err(error) = self.next_event().await {
            tracing::debug!(%error, "IPMI session not closed properly");
        }
    }

    async fn next_event(&mut self) -> Result<Event, LinkError> {
        let mut buffer = [0; 2048];
        loop {
            while let Some(datagram) = self.session.poll_transmit() {
                // A datagram that can't be sent is a lost one: the session sends it again.
                if let Err(error) = self.socket.send(&datagram).await {
                    tracing::debug!(%error, "IPMI datagram not sent");
                }
            }
            if let Some(event) = self.session.poll_event() {
                return Ok(event);
            }
            let Some(until) = self.session.poll_timeout() else {
                return Err(SessionError::NoAnswer { logged_in: true, rejected: None }.into());
            };
            tokio::select! {
                received = self.socket.recv(&mut buffer) => match received {
                    Ok(length) => self.session.handle(&buffer[..length], self.born.elapsed()),
                    // The port is closed; it may open again while the BMC starts. The error is reported once for
                    // each datagram sent, so this doesn't spin.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error.into()),
                },
                () = tokio::time::sleep_until(self.born + until) => {
                    self.session.handle_timeout(self.born.elapsed());
                }
            }
        }
    }
}

fn unexpected(event: &Event) -> LinkError {
    io::Error::other(format!("the session reported {event:?} out of turn")).into()
}
