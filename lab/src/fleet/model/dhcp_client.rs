//! How a machine gets an address, by stage: its firmware, the loader, the agent's ramdisk, its own system (RFC 2131,
//! 4.4.1; RFC 4578). What each says of itself is as captured from real ones (`pxe/proto/src/dhcp/fixtures`).
//!
//! Renewing is not here: a boot is shorter than a lease, and what runs longer asks nothing more of its address.

use super::message::Message;
use super::traits::FirmwareKind;
use crate::dice::Dice;
use std::net::Ipv4Addr;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// How often a REQUEST is sent before the offer is given up (PXE 2.1, 2.2.1).
const REQUESTS: u32 = 4;

/// What iPXE says that it can, in option 175: under a BIOS, and under UEFI.
const IPXE_BIOS: &[u8] = b"\xb1\x05\x01\x1a\xf4\x10\0\xeb\x03\x01\0\0\x17\x01\x01\x22\x01\x01\x13\x01\x01\x11\x01\x01\
                           \x27\x01\x01\x19\x01\x01\x29\x01\x01\x10\x01\x02\x21\x01\x01\x15\x01\x01\x18\x01\x01\x12\
                           \x01\x01";
const IPXE_UEFI: &[u8] =
    b"\xb1\x05\x01\x1a\xf4\x10\0\xeb\x03\x01\0\0\x17\x01\x01\x24\x01\x01\x13\x01\x01\x11\x01\x01\
                           \x27\x01\x01\x19\x01\x01\x15\x01\x01\x12\x01\x01";
/// What a boot ROM, and what a system, asks for (option 55).
const ROM_WANTS: &[u8] =
    &[1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 40, 41, 42, 43, 54, 58, 59, 60, 66, 67, 97];
const SYSTEM_WANTS: &[u8] = &[1, 3, 6, 12, 15, 33, 42, 120, 121];

/// Which program of a machine asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its firmware.
    Firmware,
    /// iPXE.
    Ipxe,
    /// The agent's ramdisk.
    Ramdisk,
    /// The system on its disk.
    System,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    pub(super) stage: Stage,
    pub(super) firmware: FirmwareKind,
    pub(super) mac: [u8; 6],
    /// The SMBIOS UUID, in wire order.
    pub(super) uuid: [u8; 16],
}

/// An address, and what to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    pub(super) seconds: u32,
    /// The server to fetch by TFTP from.
    pub(super) next_server: Ipv4Addr,
    /// A name or URL.
    pub(super) file: Option<String>,
}

/// What came of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing: it is not for us, or not what we wait for.
    Nothing,
    /// An offer: the request that takes it goes out now.
    Offered,
    /// An address.
    Leased(Lease),
    /// No address: begin anew, after the usual pause.
    Refused,
}

/// A client that wants an address.
#[derive(Debug)]
pub(super) struct DhcpClient {
    xid: u32,
    /// Messages of this kind that nobody answered.
    failed: u32,
    /// The offer that is being taken: address and server.
    taking: Option<(Ipv4Addr, Ipv4Addr)>,
}

impl DhcpClient {
    pub(super) fn new(dice: &mut Dice) -> Self {
        Self { xid: xid(dice), failed: 0, taking: None }
    }

    /// How many messages in a row nobody answered.
    pub(super) fn failed(&self) -> u32 {
        self.failed
    }

    /// What goes out now.
    pub(super) fn datagram(&self, who: &Who) -> Vec<u8> {
        let message = match self.taking {
            None => Message::new(DISCOVER, who.mac),
            Some((address, server)) => {
                Message::new(REQUEST, who.mac).option(54, &server.octets()).option(50, &address.octets())
            }
        };
        who.introduce(message.transaction(self.xid)).into_datagram()
    }

    /// Nobody answered in time.
    pub(super) fn timed_out(&mut self, dice: &mut Dice) {
        self.failed = self.failed.saturating_add(1);
        if self.taking.is_some() && self.failed >= REQUESTS {
            *self = Self::new(dice);
        }
    }

    /// Takes in a datagram that arrived.
    pub(super) fn hear(&mut self, bytes: Vec<u8>, who: &Who, dice: &mut Dice) -> Heard {
        let Some(message) = Message::read(bytes) else { return Heard::Nothing };
        if !message.is_answer() || message.xid() != self.xid || message.mac() != who.mac {
            return Heard::Nothing;
        }
        match (message.kind(), self.taking) {
            (OFFER, None) => {
                let address = message.address(16);
                let Some(server) = message.server().filter(|_| !address.is_unspecified()) else {
                    return Heard::Nothing;
                };
                // UEFI takes an offer for one of HTTP boot only if it says so (UEFI 2.10, 24.7.3.1).
                let http = who.stage == Stage::Firmware && who.firmware == FirmwareKind::UefiHttp;
                if http && !message.get(60).is_some_and(|class| class.starts_with(b"HTTPClient")) {
                    return Heard::Nothing;
                }
                self.taking = Some((address, server));
                self.failed = 0;
                Heard::Offered
            }
            (ACK, Some((_, server))) if message.server() == Some(server) => Heard::Leased(lease(&message)),
            (NAK, Some((_, server))) if message.server() == Some(server) => {
                *self = Self::new(dice);
                Heard::Refused
            }
            _ => Heard::Nothing,
        }
    }
}

fn lease(message: &Message) -> Lease {
    let next = message.address(20);
    Lease {
        address: message.address(16),
        seconds: message.lease_seconds().unwrap_or(0),
        next_server: if next.is_unspecified() { message.server().unwrap_or(next) } else { next },
        file: Some(message.boot_file()).filter(|file| !file.is_empty()),
    }
}

fn xid(dice: &mut Dice) -> u32 {
    (dice.bits() >> 32) as u32
}

impl Who {
    /// Says in a message who asks.
    fn introduce(&self, message: Message) -> Message {
        match self.stage {
            Stage::Firmware => match self.firmware {
                FirmwareKind::BiosPxe => self.rom(message, 0, b"PXEClient:Arch:00000:UNDI:002001", [1, 2, 1]),
                FirmwareKind::UefiPxe => self.rom(message, 7, b"PXEClient:Arch:00007:UNDI:003000", [1, 3, 0]),
                FirmwareKind::UefiHttp => {
                    self.rom(message, 16, b"HTTPClient:Arch:00016:UNDI:003000", [1, 3, 0])
                }
            },
            Stage::Ipxe if self.firmware.is_uefi() => self
                .rom(message, 7, b"PXEClient:Arch:00007:UNDI:003010", [1, 3, 10])
                .option(77, b"iPXE")
                .option(175, IPXE_UEFI),
            Stage::Ipxe => self
                .rom(message, 0, b"PXEClient:Arch:00000:UNDI:002001", [1, 2, 1])
                .option(77, b"iPXE")
                .option(175, IPXE_BIOS),
            Stage::Ramdisk => message.option(60, b"billet-agent").option(55, &[1, 3, 51]),
            Stage::System => message.option(55, SYSTEM_WANTS).option(57, &1472u16.to_be_bytes()),
        }
    }

    fn rom(&self, message: Message, architecture: u16, class: &[u8], interface: [u8; 3]) -> Message {
        rom(message, self.uuid, architecture, class, interface)
    }
}

impl Message {
    /// As the PXE ROM of an architecture (option 93) says what it is; its UUID is the same on all computers.
    #[must_use]
    pub fn pxe(self, architecture: u16) -> Self {
        let class = format!("PXEClient:Arch:{architecture:05}:UNDI:003000");
        let uuid = std::array::from_fn(|place| place as u8 + 1);
        rom(self, uuid, architecture, class.as_bytes(), [1, 3, 0])
    }
}

/// What every ROM says, in the order in which it does.
fn rom(message: Message, uuid: [u8; 16], architecture: u16, class: &[u8], interface: [u8; 3]) -> Message {
    let mut typed = [0; 17];
    typed[1..].copy_from_slice(&uuid);
    message
        .option(57, &1472u16.to_be_bytes())
        .option(55, ROM_WANTS)
        .option(97, &typed)
        .option(94, &interface)
        .option(93, &architecture.to_be_bytes())
        .option(60, class)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 64, 1, 9);
    const SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;

    fn who(stage: Stage, firmware: FirmwareKind) -> Who {
        Who { stage, firmware, mac: [2, 0, 0, 0, 0, 1], uuid: [7; 16] }
    }

    fn answer(to: &[u8], kind: u8, class: Option<&[u8]>) -> Vec<u8> {
        let asked = Message::read(to.to_vec()).unwrap();
        let mut message =
            Message::new(kind, asked.mac()).transaction(asked.xid()).option(54, &SERVER.octets());
        if let Some(class) = class {
            message = message.option(60, class);
        }
        let mut bytes =
            message.option(51, &600u32.to_be_bytes()).option(67, b"undionly.kpxe").into_datagram();
        bytes[0] = 2;
        bytes[16..20].copy_from_slice(&ADDRESS.octets());
        bytes
    }

    #[test]
    fn four_messages_make_a_lease() {
        let (who, mut dice) = (who(Stage::Firmware, FirmwareKind::BiosPxe), Dice::new(1));
        let mut client = DhcpClient::new(&mut dice);
        let discover = client.datagram(&who);
        assert_eq!(
            client.hear(answer(&discover, ACK, None), &who, &mut dice),
            Heard::Nothing,
            "nothing asked yet"
        );
        assert_eq!(client.hear(answer(&discover, OFFER, None), &who, &mut dice), Heard::Offered);
        let request = client.datagram(&who);
        let read = Message::read(request.clone()).unwrap();
        assert_eq!(
            (read.kind(), read.get(50), read.get(54)),
            (3, Some(&[127, 64, 1, 9][..]), Some(&[127, 0, 0, 1][..]))
        );
        assert_eq!(client.hear(answer(&request, OFFER, None), &who, &mut dice), Heard::Nothing, "doubled");
        let lease =
            Lease { address: ADDRESS, seconds: 600, next_server: SERVER, file: Some("undionly.kpxe".into()) };
        assert_eq!(client.hear(answer(&request, ACK, None), &who, &mut dice), Heard::Leased(lease));
    }

    #[test]
    fn what_is_anothers_is_not_heard() {
        let (who, mut dice) = (who(Stage::System, FirmwareKind::BiosPxe), Dice::new(1));
        let mut client = DhcpClient::new(&mut dice);
        let discover = client.datagram(&who);
        let good = answer(&discover, OFFER, None);
        for place in [0, 4, 28] {
            let mut bytes = good.clone();
            bytes[place] ^= 1;
            assert_eq!(client.hear(bytes, &who, &mut dice), Heard::Nothing, "byte {place}");
        }
        assert_eq!(client.hear(good, &who, &mut dice), Heard::Offered);
    }

    #[test]
    fn a_refusal_and_silence_begin_anew() {
        let (who, mut dice) = (who(Stage::System, FirmwareKind::BiosPxe), Dice::new(1));
        let mut client = DhcpClient::new(&mut dice);
        let discover = client.datagram(&who);
        client.hear(answer(&discover, OFFER, None), &who, &mut dice);
        let request = client.datagram(&who);
        assert_eq!(client.hear(answer(&request, NAK, None), &who, &mut dice), Heard::Refused);
        let again = client.datagram(&who);
        assert_eq!((Message::read(again.clone()).unwrap().kind(), again[4..8] == discover[4..8]), (1, false));
        client.hear(answer(&again, OFFER, None), &who, &mut dice);
        let kinds: Vec<u8> = (0..6)
            .map(|_| {
                client.timed_out(&mut dice);
                Message::read(client.datagram(&who)).unwrap().kind()
            })
            .collect();
        assert_eq!(kinds, [3, 3, 3, 1, 1, 1]);
    }

    #[test]
    fn http_boot_takes_offers_of_http_boot_only() {
        let (who, mut dice) = (who(Stage::Firmware, FirmwareKind::UefiHttp), Dice::new(1));
        let mut client = DhcpClient::new(&mut dice);
        let discover = client.datagram(&who);
        assert_eq!(client.hear(answer(&discover, OFFER, None), &who, &mut dice), Heard::Nothing);
        assert_eq!(
            client.hear(answer(&discover, OFFER, Some(b"HTTPClient")), &who, &mut dice),
            Heard::Offered
        );
    }
}
