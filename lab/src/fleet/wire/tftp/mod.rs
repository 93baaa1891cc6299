//! TFTP as a boot ROM speaks it, on a socket of its own for each transfer, from the address that the machine was leased.

mod client;

use super::fate::{Fates, wait};
use super::{Fetched, NetError};
use client::{Client, End, Step, Wishes};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;
use tokio::net::UdpSocket;

/// What a UEFI boot ROM asks for (EDK II, `PxeBcMtftp.c`: block size by the MTU, window size 4, and the file's size).
const WISHES: Wishes = Wishes { block: Some(1468), window: Some(4), size: true };
/// How long a boot ROM waits for an answer at first; each further wait in a row is twice as long.
pub(super) const PATIENCE: Duration = Duration::from_millis(400);
/// Waits in a row after which the server counts as gone: 12 seconds in all.
const TRIES: u32 = 5;
/// The bytes that are kept of a file.
const KEPT: usize = 4096;
/// The longest packet that is read: no server sends larger blocks than were asked for.
const ROOM: usize = 2048;

/// Fetches a file. `patience` is the first wait for an answer.
pub(super) async fn fetch(
    number: u32,
    from: Ipv4Addr,
    server: SocketAddrV4,
    file: &str,
    fates: &Fates,
    patience: Duration,
) -> Result<Fetched, NetError> {
    let whom = || format!("tftp://{server}/{file}");
    let unreachable = |error: io::Error| NetError::Unreachable { whom: whom(), why: error.to_string() };
    let socket = UdpSocket::bind((from, 0)).await.map_err(unreachable)?;
    let (mut client, request) = Client::new(server, file, WISHES);
    let line = Line { socket, number, fates };
    line.send(server, &request).await.map_err(unreachable)?;
    let (mut fetched, mut silent, mut buffer) = (Fetched::default(), 0, [0; ROOM]);
    loop {
        let received = tokio::time::timeout(patience * (1 << silent), line.receive(&mut buffer)).await;
        let steps: Vec<Step> = match received {
            Ok(received) => {
                let (packet, peer, copies) = received.map_err(unreachable)?;
                silent = 0;
                (0..copies).map(|_| taken(client.packet(peer, packet), packet, &mut fetched)).collect()
            }
            Err(_) if silent + 1 == TRIES => return Err(NetError::Silent { whom: whom() }),
            Err(_) => {
                silent += 1;
                vec![client.silence()]
            }
        };
        for step in steps {
            if let Some((to, packet)) = &step.send {
                line.send(*to, packet).await.map_err(unreachable)?;
            }
            match step.end {
                None => {}
                Some(End::Whole(bytes)) => return Ok(Fetched { bytes, ..fetched }),
                Some(End::Refused { code, why }) => {
                    return Err(NetError::Refused { whom: whom(), code, why });
                }
                Some(End::Nonsense(why)) => return Err(NetError::Garbled { whom: whom(), why }),
            }
        }
    }
}

/// A step, of whose packet the bytes of the file are kept while there is room.
fn taken(step: Step, packet: &[u8], fetched: &mut Fetched) -> Step {
    if let Some(data) = &step.data {
        let room = KEPT - fetched.kept.len();
        fetched.kept.extend_from_slice(&packet[data.clone()][..room.min(data.len())]);
    }
    step
}

/// A machine's socket on a network that may be a bad one.
struct Line<'a> {
    socket: UdpSocket,
    number: u32,
    fates: &'a Fates,
}

impl Line<'_> {
    async fn send(&self, to: SocketAddrV4, packet: &[u8]) -> io::Result<()> {
        let fate = self.fates.next(self.number);
        wait(fate.delay).await;
        for _ in 0..fate.copies {
            self.socket.send_to(packet, to).await?;
        }
        Ok(())
    }

    /// The next packet that isn't lost, who sent it, and how often it arrives.
    async fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<(&'b [u8], SocketAddrV4, u8)> {
        loop {
            let (length, peer) = self.socket.recv_from(buffer).await?;
            let SocketAddr::V4(peer) = peer else { continue };
            let fate = self.fates.next(self.number);
            if fate.copies > 0 {
                return Ok((&buffer[..length], peer, fate.copies));
            }
        }
    }
}

#[cfg(test)]
mod tests;
