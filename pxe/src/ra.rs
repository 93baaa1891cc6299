//! Answers router solicitations on one network, so that iPXE doesn't wait for a router that isn't there.
//!
//! A convenience: without IPv6 or the right to a raw socket, the server does without and says so once.

#![allow(unsafe_code, reason = "tokio takes a descriptor of its own kind of socket only by an unsafe call")]

use crate::counters::Counters;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg};
use pxe_proto::ra::{ALL_ROUTERS, HOP_LIMIT, advertisement, solicited_by};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Pause after the socket failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// The responder of one interface.
pub(crate) struct Responder {
    network: String,
    index: u32,
    socket: AsyncFd<Socket>,
    counters: Arc<Counters>,
}

impl Responder {
    /// Opens the raw ICMPv6 socket; needs CAP_NET_RAW and IPv6 on the interface.
    pub(crate) fn bind(network: &str, interface: &str, counters: Arc<Counters>) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        let index = nix::net::if_::if_nametoindex(interface)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_nonblocking(true)?;
        socket.set_recv_hoplimit_v6(true)?;
        socket.set_multicast_hops_v6(u32::from(HOP_LIMIT))?;
        socket.set_unicast_hops_v6(u32::from(HOP_LIMIT))?;
        socket.join_multicast_v6(&ALL_ROUTERS, index)?;
        // SAFETY: the socket owns one descriptor from here to its end, and nothing replaces it within the AsyncFd.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE)? };
        Ok(Responder { network: network.to_owned(), index, socket, counters })
    }

    /// Answers until cancelled.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let mut buffer = vec![0; 1500];
        loop {
            let received = tokio::select! {
                () = cancel.cancelled() => return,
                received = self.receive(&mut buffer) => received,
            };
            match received {
                Ok(Some(destination)) => self.answer(destination),
                Ok(None) => {}
                Err(error) => {
                    warn!(network = self.network, %error, "the socket for router solicitations failed");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    /// The next ICMPv6 message: where its answer goes, if it is a solicitation.
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Ipv6Addr>> {
        self.socket
            .async_io(Interest::READABLE, |socket| {
                let mut parts = [IoSliceMut::new(buffer)];
                let mut control = nix::cmsg_space!(libc::c_int);
                let message = recvmsg::<SockaddrIn6>(
                    socket.as_raw_fd(),
                    &mut parts,
                    Some(&mut control),
                    MsgFlags::empty(),
                )?;
                let hop_limit = message.cmsgs()?.find_map(|control| match control {
                    ControlMessageOwned::Ipv6HopLimit(limit) => u8::try_from(limit).ok(),
                    _ => None,
                });
                let source = message.address.map_or(Ipv6Addr::UNSPECIFIED, |address| address.ip());
                let bytes = message.iovs().next().unwrap_or(&[]);
                Ok(solicited_by(bytes, source, hop_limit.unwrap_or(0)))
            })
            .await
    }

    fn answer(&self, destination: Ipv6Addr) {
        let to = SockAddr::from(SocketAddrV6::new(destination, 0, 0, self.index));
        match self.socket.get_ref().send_to(&advertisement(), &to) {
            Ok(_) => {
                self.counters.advertisement(&self.network);
                debug!(network = self.network, %destination, "answered a router solicitation");
            }
            Err(error) => {
                debug!(network = self.network, %destination, %error, "could not answer a router solicitation");
            }
        }
    }
}
