//! DHCP messages made by hand, and a boot ROM that speaks them: what no packaged client sends on request.

use super::{Namespace, until};
use anyhow::Result;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

/// A DHCP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(Vec<u8>);

/// A DISCOVER of the computer with this hardware address, to be answered by broadcast.
#[must_use]
pub fn discover(mac: [u8; 6]) -> Message {
    Message::new(1, mac)
}

impl Message {
    /// A message of this type (option 53).
    #[must_use]
    pub fn new(message_type: u8, mac: [u8; 6]) -> Self {
        let mut bytes = vec![0; 240];
        bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&mac[2..]);
        bytes[10] = 0x80;
        bytes[28..34].copy_from_slice(&mac);
        bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
        Self(bytes).option(53, &[message_type])
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, code: u8, value: &[u8]) -> Self {
        // The end goes behind it again.
        if self.0.len() > 240 {
            self.0.pop();
        }
        self.0.extend_from_slice(&[code, value.len() as u8]);
        self.0.extend_from_slice(value);
        self.0.push(255);
        self
    }

    /// As a PXE ROM of this architecture (option 93) says what it is.
    #[must_use]
    pub fn pxe(self, architecture: u16) -> Self {
        let class = format!("PXEClient:Arch:{architecture:05}:UNDI:003000");
        let uuid: [u8; 17] = std::array::from_fn(|n| n as u8);
        let message = self.option(60, class.as_bytes()).option(93, &architecture.to_be_bytes());
        message.option(94, &[1, 3, 0]).option(97, &uuid).option(55, &[1, 3, 43, 54, 60, 66, 67])
    }

    /// With the client's own address.
    #[must_use]
    pub fn from_address(mut self, address: Ipv4Addr) -> Self {
        self.0[12..16].copy_from_slice(&address.octets());
        self
    }

    /// With another byte at a place.
    #[must_use]
    pub fn with(mut self, at: usize, byte: u8) -> Self {
        self.0[at] = byte;
        self
    }

    /// The datagram.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of an option.
    #[must_use]
    pub fn get(&self, wanted: u8) -> Option<&[u8]> {
        let mut rest = self.0.get(240..)?;
        loop {
            match rest {
                [0, tail @ ..] => rest = tail,
                [255, ..] | [] | [_] => return None,
                [code, length, tail @ ..] => {
                    let (value, next) = tail.split_at_checked(usize::from(*length))?;
                    if *code == wanted {
                        return Some(value);
                    }
                    rest = next;
                }
            }
        }
    }

    /// The message type; 0 if there is none.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.get(53).and_then(|value| value.first()).copied().unwrap_or(0)
    }

    /// An address in the header: 12 the client's own, 16 the one given, 20 the next server, 24 the relay.
    #[must_use]
    pub fn address(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::new(self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3])
    }

    /// The server that it names.
    #[must_use]
    pub fn server(&self) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.get(54)?.try_into().ok()?;
        Some(octets.into())
    }

    /// The boot file: option 67, else the file field.
    #[must_use]
    pub fn boot_file(&self) -> String {
        let name = self.get(67).unwrap_or(&self.0[108..236]);
        String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
    }

    fn xid(&self) -> &[u8] {
        &self.0[4..8]
    }
}

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

    /// The next message that arrives within a second.
    ///
    /// # Errors
    /// Nothing can be received.
    pub fn receive(&self) -> Result<Option<Message>> {
        let mut buffer = vec![0; 2048];
        match self.socket.recv_from(&mut buffer) {
            Ok((length, _)) => {
                buffer.truncate(length);
                Ok(Some(Message(buffer)))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error.into()),
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
                if answer.xid() == message.xid() && answer.bytes().len() > 240 && wanted(&answer) {
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
