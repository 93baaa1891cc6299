//! The DHCP client's socket and patience. What is said on it is in `dhcp`.

use super::dhcp::{self, Lease, Reply};
use crate::random;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket as StdUdpSocket},
    time::Duration,
};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

const CLIENT_PORT: u16 = 68;

/// Where messages go: every DHCP server of the network.
const SERVERS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);

/// How long a reply is waited for: at first, and at most (RFC 2131, section 4.1, with a shorter start: the first packet
/// behind a link that just came up is often lost).
const FIRST_WAIT: Duration = Duration::from_millis(300);
const LONGEST_WAIT: Duration = Duration::from_secs(16);

/// How often a message is sent before it is given up.
const TRIES: u32 = 6;

/// The least time between two tries to renew (RFC 2131, section 4.4.5).
const RENEW_PAUSE: Duration = Duration::from_secs(60);

/// An address and since when.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) lease: Lease,
    pub(super) since: Instant,
}

/// Why there is no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLease {
    #[error("nobody answered (is the network's DHCP server running, and is this machine known to it?)")]
    Silence,
    #[error("the server took its offer back")]
    Refused,
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error("the kernel gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// A DHCP client on one NIC.
#[derive(Debug)]
pub(super) struct Client {
    interface: String,
    mac: [u8; 6],
}

impl Client {
    /// A client on this NIC, which needs no address yet.
    pub(super) fn new(interface: &str, mac: [u8; 6]) -> Self {
        Self { interface: interface.to_owned(), mac }
    }

    /// A socket for one exchange. In between there is none: the agent listens on no port.
    fn socket(&self) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.set_broadcast(true)?;
        // Replies on other NICs are not for us, and without an address there is no route to choose the NIC by.
        socket.bind_device(Some(self.interface.as_bytes()))?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT).into())?;
        UdpSocket::from_std(StdUdpSocket::from(socket))
    }

    /// Gets an address by the four-way exchange.
    pub(super) async fn discover(&self) -> Result<Got, NoLease> {
        let xid = u32::from_be_bytes(random::bytes()?);
        let begun = Instant::now();
        let offer = self
            .exchange(
                xid,
                |secs| dhcp::discover(self.mac, xid, secs),
                |reply| match reply {
                    Reply::Offer(lease) => Some(Ok(lease)),
                    _ => None,
                },
            )
            .await?;
        let lease = self
            .exchange(
                xid,
                |secs| dhcp::request(self.mac, xid, secs, &offer),
                |reply| match reply {
                    Reply::Ack(lease) => Some(Ok(lease)),
                    Reply::Nak => Some(Err(NoLease::Refused)),
                    Reply::Offer(_) => None,
                },
            )
            .await?;
        Ok(Got { lease, since: begun })
    }

    /// Gets an address, however long it takes.
    pub(super) async fn discover_for_ever(&self) -> Got {
        loop {
            match self.discover().await {
                Ok(got) => return got,
                Err(_) => tokio::time::sleep(LONGEST_WAIT).await,
            }
        }
    }

    /// Keeps an address, trying until its time is over.
    pub(super) async fn renew(&self, got: &Got) -> Result<Got, NoLease> {
        let ends = got.since + got.lease.time;
        loop {
            let xid = u32::from_be_bytes(random::bytes()?);
            let begun = Instant::now();
            let renewed = self
                .exchange(
                    xid,
                    |secs| dhcp::renew(self.mac, xid, secs, &got.lease),
                    |reply| match reply {
                        Reply::Ack(lease) => Some(Ok(lease)),
                        Reply::Nak => Some(Err(NoLease::Refused)),
                        Reply::Offer(_) => None,
                    },
                )
                .await;
            match renewed {
                Ok(lease) => return Ok(Got { lease, since: begun }),
                Err(NoLease::Silence | NoLease::Socket(_)) if Instant::now() + RENEW_PAUSE < ends => {
                    tokio::time::sleep(RENEW_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a message, again and again, until a reply is the one that `wanted` waits for.
    async fn exchange(
        &self,
        xid: u32,
        message: impl Fn(u16) -> Vec<u8>,
        wanted: impl Fn(Reply) -> Option<Result<Lease, NoLease>>,
    ) -> Result<Lease, NoLease> {
        let socket = self.socket()?;
        let begun = Instant::now();
        let mut wait = FIRST_WAIT;
        for _ in 0..TRIES {
            let secs = u16::try_from(begun.elapsed().as_secs()).unwrap_or(u16::MAX);
            socket.send_to(&message(secs), SERVERS).await?;
            let until = Instant::now() + wait;
            let mut packet = [0; 1500];
            while let Ok(received) = timeout_at(until, socket.recv_from(&mut packet)).await {
                let (length, _) = received?;
                if let Some(result) = dhcp::read(&packet[..length], self.mac, xid).and_then(&wanted) {
                    return result;
                }
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Err(NoLease::Silence)
    }
}
