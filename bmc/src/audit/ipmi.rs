//! The questions that IPMI answers to everybody, over UDP.

use super::at;
use bmc_proto::audit::{IpmiFacts, IpmiProbe};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, timeout_at};

/// How long an answer is waited for, each time.
const ANSWER: Duration = Duration::from_millis(900);

/// How often a question is sent.
const TRIES: u32 = 3;

/// Asks. Nobody there is no error: facts without an answer.
pub(super) async fn look(host: &str, port: u16, unchecked: &mut Vec<String>) -> IpmiFacts {
    match ask(host, port).await {
        Ok(facts) => {
            if facts.is_there() && facts.suite_zero.is_none() {
                unchecked.push("cipher suite 0: IPMI did not answer when it was asked for".into());
            }
            facts
        }
        Err(error) => {
            unchecked.push(format!("IPMI at {}: {error}", at(host, port)));
            IpmiFacts::default()
        }
    }
}

async fn ask(host: &str, port: u16) -> io::Result<IpmiFacts> {
    let peer = lookup_host((host, port)).await?.next();
    let peer = peer.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it has no address"))?;
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(peer).await?;
    let mut id = [0; 4];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let mut probe = IpmiProbe::new(u32::from_le_bytes(id));
    while let Some(datagram) = probe.datagram() {
        match question(&socket, &mut probe, &datagram).await {
            Ok(true) => {}
            Ok(false) => probe.give_up(),
            // The port is closed.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(IpmiFacts::default()),
            Err(error) => return Err(error),
        }
    }
    if let Some(farewell) = probe.farewell() {
        socket.send(&farewell).await?;
    }
    Ok(probe.into_facts())
}

/// Sends a question until it is answered; whether it was.
async fn question(socket: &UdpSocket, probe: &mut IpmiProbe, datagram: &[u8]) -> io::Result<bool> {
    let mut buffer = [0; 1024];
    for _ in 0..TRIES {
        socket.send(datagram).await?;
        let deadline = Instant::now() + ANSWER;
        while let Ok(received) = timeout_at(deadline, socket.recv(&mut buffer)).await {
            if probe.handle(&buffer[..received?]) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
