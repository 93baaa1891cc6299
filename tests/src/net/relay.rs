//! A relay agent (RFC 1542, RFC 3046) that loses messages: to clients on one side of a host, to our server on the
//! other.

use super::{Namespace, SERVER};
use anyhow::Result;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The side of the clients.
#[derive(Debug, Clone)]
pub struct Downlink {
    /// The interface.
    pub interface: String,
    /// Our address on it, which becomes the giaddr.
    pub address: Ipv4Addr,
    /// What option 82 says, sub-options and all; empty for none.
    pub information: Vec<u8>,
}

/// A running relay.
pub struct Relay {
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicU32>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Starts one on a host that has both interfaces with their addresses. `loss` is the chance of each message, in
    /// both directions, to be lost; the dice begin at `seed`.
    ///
    /// # Errors
    /// The ports are taken.
    pub fn start(host: &Namespace, down: &Downlink, uplink: &str, loss: f64, seed: u64) -> Result<Self> {
        let (clients, servers) = (down.interface.clone(), uplink.to_owned());
        let sockets = host.inside(move || Ok((open(&clients)?, open(&servers)?)))?;
        let (stop, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let direction = |from: &UdpSocket,
                         to: &UdpSocket,
                         seed,
                         pass: fn(&mut Vec<u8>, &Downlink) -> Option<SocketAddrV4>| {
            let (from, to, down) = (from.try_clone()?, to.try_clone()?, down.clone());
            let (stop, lost, mut dice) = (stop.clone(), lost.clone(), Dice(seed));
            let carry = move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(mut message) = receive(&from) else { continue };
                    let Some(next) = pass(&mut message, &down) else { continue };
                    if dice.hits(loss) {
                        lost.fetch_add(1, Ordering::Relaxed);
                    } else {
                        // A message that can't be sent is lost, as on any wire.
                        drop(to.send_to(&message, next));
                    }
                }
            };
            Ok::<_, anyhow::Error>(std::thread::Builder::new().name("relay".to_owned()).spawn(carry)?)
        };
        let threads = vec![
            direction(&sockets.0, &sockets.1, seed, upwards)?,
            direction(&sockets.1, &sockets.0, seed.wrapping_add(1), downwards)?,
        ];
        Ok(Self { stop, lost, threads })
    }

    /// How many messages it has lost.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

/// A client's message becomes one of ours.
fn upwards(message: &mut Vec<u8>, down: &Downlink) -> Option<SocketAddrV4> {
    let end = message.iter().rposition(|byte| *byte == 255).filter(|end| *end >= 240)?;
    if message[0] != 1 || message[24..28] != [0; 4] {
        return None;
    }
    message[3] = message[3].saturating_add(1);
    message[24..28].copy_from_slice(&down.address.octets());
    if !down.information.is_empty() {
        message.truncate(end);
        message.extend_from_slice(&[82, down.information.len() as u8]);
        message.extend_from_slice(&down.information);
        message.push(255);
    }
    Some(SocketAddrV4::new(SERVER, 67))
}

/// The server's reply, without option 82, for the client. It is always broadcast: the client may have no address.
fn downwards(message: &mut Vec<u8>, down: &Downlink) -> Option<SocketAddrV4> {
    if message.len() < 241 || message[0] != 2 || message[24..28] != down.address.octets() {
        return None;
    }
    let (mut at, mut found) = (240, None);
    while let [code, length, ..] = message[at..] {
        match code {
            255 => break,
            0 => at += 1,
            82 => {
                found = Some(at..at + 2 + usize::from(length));
                break;
            }
            _ => at += 2 + usize::from(length),
        }
        if at >= message.len() {
            break;
        }
    }
    let echoed = found.clone().and_then(|range| message.get(range.start + 2..range.end));
    // A reply whose option 82 isn't the relay's own is not its to pass on (RFC 3046, 2.1).
    if echoed.unwrap_or_default() != down.information {
        return None;
    }
    if let Some(range) = found {
        message.drain(range);
    }
    Some(SocketAddrV4::new(Ipv4Addr::BROADCAST, 68))
}

fn receive(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 2048];
    let (length, _) = socket.recv_from(&mut buffer).ok()?;
    buffer.truncate(length);
    (length > 240).then_some(buffer)
}

fn open(interface: &str) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 67).into())?;
    // How soon it notices that it shall stop.
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    Ok(socket.into())
}

/// Random numbers that can be had again: SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn hits(&mut self, chance: f64) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((mixed >> 11) as f64 / (1u64 << 53) as f64) < chance
    }
}
