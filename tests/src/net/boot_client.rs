//! A boot ROM that speaks DHCP messages made by hand: what no packaged client sends on request. The messages are the
//! simulated fleet's.

use super::{Namespace, until};
use anyhow::Result;
use lab::fleet::model::{Message, discover};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

/// A client that has no address, on port 68 of an interface.
pub struct BootClient {
    socket: UdpSocket,
}

impl BootClient {
    /// Opens its port.
    ///
    /// # Errors
    /// The port is taken, or there is no such interface.
    pub fn new(host: &Namespace, interface: &str) -> Result<Self> {
        Self::on_port(host, interface, 68)
    }

    /// Opens another port.
    ///
    /// # Errors
    /// The port is taken, or there is no such interface.
    pub fn on_port(host: &Namespace, interface: &str, port: u16) -> Result<Self> {
        let interface = interface.to_owned();
        let socket = host.inside(move || Ok(open(&interface, port)?))?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        Ok(Self { socket })
    }

    /// Sends bytes to all servers.
    ///
    /// # Errors
    /// They can't be sent.
    pub fn broadcast(&self, bytes: &[u8]) -> Result<()> {
        self.send(bytes, SocketAddrV4::new(Ipv4Addr::BROADCAST, 67))
    }

    /// Sends bytes to one server.
    ///
    /// # Errors
    /// They can't be sent.
    pub fn send(&self, bytes: &[u8], to: SocketAddrV4) -> Result<()> {
        self.socket.send_to(bytes, to)?;
        Ok(())
    }

    /// The next DHCP message; none if nothing arrives for a second.
    ///
    /// # Errors
    /// Nothing can be received.
    pub fn receive(&self) -> Result<Option<Message>> {
        loop {
            let mut buffer = vec![0; 2048];
            match self.socket.recv(&mut buffer) {
                Ok(length) => buffer.truncate(length),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(message) = Message::read(buffer) {
                return Ok(Some(message));
            }
        }
    }

    /// Broadcasts a message, again each second, until an answer to it arrives that is wanted.
    ///
    /// # Errors
    /// None arrives.
    pub fn ask(&self, message: &Message, wanted: impl Fn(&Message) -> bool) -> Result<Message> {
        self.ask_at(SocketAddrV4::new(Ipv4Addr::BROADCAST, 67), message, wanted)
    }

    /// As [`ask`](Self::ask), of one server.
    ///
    /// # Errors
    /// None arrives.
    pub fn ask_at(
        &self,
        to: SocketAddrV4,
        message: &Message,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<Message> {
        until(&format!("the server answers {message:02x?}"), || {
            self.send(message.bytes(), to)?;
            while let Some(answer) = self.receive()? {
                if answer.xid() == message.xid() && wanted(&answer) {
                    return Ok(Some(answer));
                }
            }
            Ok(None)
        })
    }

    /// A whole DORA: the acknowledgement.
    ///
    /// # Errors
    /// No server gives a lease.
    pub fn lease(&self, mac: [u8; 6]) -> Result<Message> {
        until("a server gives a lease", || {
            let offer = self.ask(&discover(mac), |answer| answer.kind() == 2)?;
            let server = offer.get(54).unwrap_or_default();
            let request = Message::new(3, mac).option(50, &offer.address(16).octets()).option(54, server);
            let answer = self.ask(&request, |answer| matches!(answer.kind(), 5 | 6))?;
            Ok((answer.kind() == 5).then_some(answer))
        })
    }
}

fn open(interface: &str, port: u16) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
    Ok(socket.into())
}
