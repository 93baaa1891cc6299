//! The driver of a machine that a magic packet wakes. Nothing switches it off and nothing shows whether it woke: for
//! the rest a person is asked, as by `manual`.
//!
//! The packet is AMD's (publication 20213, "Magic Packet Technology"): six times FF, then the MAC address sixteen times,
//! here in a UDP datagram to a broadcast address. SecureOn passwords are deliberately not here: they travel in clear.

use crate::manual::{Word, asks_for_boot, asks_for_button};
use crate::{Bmc, BmcError, BmcInfo, BootOverride, Button, Confirmations, PowerState};
use async_trait::async_trait;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;

/// How many packets are sent. Nothing tells that one was lost.
const PACKETS: u32 = 3;

/// The pause between two.
const PAUSE: Duration = Duration::from_millis(100);

/// A machine that listens for a packet.
#[derive(Debug)]
pub(crate) struct WakeOnLan {
    mac: [u8; 6],
    to: SocketAddr,
    word: Word,
}

impl WakeOnLan {
    /// Does no I/O yet.
    pub(crate) fn new(mac: [u8; 6], to: SocketAddr) -> Self {
        Self { mac, to, word: Word::default() }
    }

    async fn wake(&self) -> io::Result<()> {
        let any = match self.to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        if self.to.is_ipv4() {
            socket.set_broadcast(true)?;
        }
        let packet = magic_packet(self.mac);
        for number in 0..PACKETS {
            if number > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            socket.send_to(&packet, self.to).await?;
        }
        Ok(())
    }
}

/// What wakes the port with this address.
fn magic_packet(mac: [u8; 6]) -> [u8; 102] {
    let mut packet = [0xff; 102];
    for place in packet[6..].chunks_exact_mut(6) {
        place.copy_from_slice(&mac);
    }
    packet
}

#[async_trait]
impl Bmc for WakeOnLan {
    async fn power(&self) -> Result<PowerState, BmcError> {
        Err(BmcError::Unsupported {
            address: self.to.to_string(),
            what: "nothing tells whether a machine that wakes by a packet is on; what is known of it was confirmed by a person or proven by its agent".into(),
        })
    }

    async fn set_power(&self, target: PowerState) -> Result<(), BmcError> {
        if target == PowerState::Off || self.word.power() == Some(PowerState::On) {
            return self.word.ask_for(target);
        }
        self.wake().await.map_err(|error| BmcError::Unreachable {
            address: self.to.to_string(),
            during: "send the magic packet",
            reason: Some(error.to_string()),
        })
    }

    async fn set_boot(&self, boot: BootOverride) -> Result<(), BmcError> {
        Err(asks_for_boot(&boot))
    }

    async fn boot(&self) -> Result<Option<BootOverride>, BmcError> {
        Ok(None)
    }

    async fn info(&self) -> Result<BmcInfo, BmcError> {
        Ok(BmcInfo { product: Some("wakes by a magic packet".into()), ..BmcInfo::default() })
    }

    async fn close(&self) {}

    async fn press(&self, button: Button) -> Result<(), BmcError> {
        Err(asks_for_button(button))
    }

    fn confirmations(&self) -> Option<&dyn Confirmations> {
        Some(&self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn on_is_a_packet_and_off_is_a_person() {
        let machine = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mac = [0x52, 0x54, 0, 0xab, 0xcd, 0xef];
        let driver = WakeOnLan::new(mac, machine.local_addr().unwrap());
        let error = driver.set_power(PowerState::Off).await.unwrap_err();
        assert!(matches!(error, BmcError::AsksPerson { .. }), "{error}");
        driver.set_power(PowerState::On).await.unwrap();
        let golden = format!("{}{}", "ff".repeat(6), "525400abcdef".repeat(16));
        for _ in 0..PACKETS {
            let mut packet = [0; 200];
            let length = machine.recv(&mut packet).await.unwrap();
            assert_eq!(hex::encode(&packet[..length]), golden);
        }
        let error = driver.power().await.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "a packet proves nothing: {error}");
        driver.confirmations().unwrap().confirm(Some(PowerState::On));
        driver.set_power(PowerState::On).await.unwrap();
        let more = machine.try_recv(&mut [0; 200]);
        assert_eq!(more.unwrap_err().kind(), io::ErrorKind::WouldBlock, "already so: nothing is sent");
        driver.confirmations().unwrap().confirm(Some(PowerState::Off));
        driver.set_power(PowerState::Off).await.unwrap();
    }
}
