//! Writing replies, and where they go (RFC 2131, 4.1 and 4.3.1).

use super::code;
use super::request::{Kind, Request};
use super::settings::Settings;
use crate::Mac;
use crate::boot::{
    Arch, BootAnswer, Chain, FILES_PATH, Firmware, Loader, NO_FILE_PATH, SCRIPT_PATH, UKI_PATH,
};
use dhcproto::v4::{self, encode_long_opt_bytes};
use dhcproto::{Encodable, Encoder};
use std::net::Ipv4Addr;

/// Shortest datagram that every client takes: BOOTP's fixed size (RFC 1542, 2.1).
const SHORTEST: usize = 300;
/// Length of the file field; the name in it ends with a zero.
const FILE_FIELD: usize = 128;
/// PXE's vendor options for "boot from your disk" (PXE 2.1, 2.4.1 and table 2-1): no discovery of boot servers, a
/// menu of one item, which is local boot (type 0), and a prompt that takes it after 0 seconds.
const LOCAL_BOOT: &[u8] = b"\x06\x01\x03\x09\x07\0\0\x04Disk\x0a\x05\0Disk\xff";
/// iPXE's sub-option "don't wait for a proxyDHCP server".
const NO_PXEDHCP: [u8; 3] = [176, 1, 1];

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// DHCPOFFER.
    Offer,
    /// DHCPACK.
    Ack,
    /// DHCPNAK.
    Nak,
}

/// A reply, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it says.
    pub kind: ReplyKind,
    /// The address that it gives; none in a NAK, and in the answer to an INFORM.
    pub address: Option<Ipv4Addr>,
    /// Whether it hands out a loader.
    pub boot: BootAnswer,
    /// The datagram.
    pub datagram: Vec<u8>,
}

/// Where a reply goes; ports are the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// To the relay, at the server's port.
    Relay(Ipv4Addr),
    /// To the client, which answers ARP at this address.
    Client(Ipv4Addr),
    /// To `255.255.255.255`, on the interface of the request.
    Broadcast,
    /// To this hardware address, since the client doesn't answer ARP at the address yet; broadcast will do.
    Hardware {
        /// The address in the IP header.
        address: Ipv4Addr,
        /// The address in the link header.
        mac: Mac,
    },
}

/// Where a reply to a request goes (RFC 2131, 4.1).
#[must_use]
pub fn route(request: &Request, reply: &Reply) -> Destination {
    if !request.giaddr.is_unspecified() {
        return Destination::Relay(request.giaddr);
    }
    match (reply.kind, reply.address) {
        (ReplyKind::Nak, _) => Destination::Broadcast,
        _ if !request.ciaddr.is_unspecified() => Destination::Client(request.ciaddr),
        (_, Some(address)) if !request.wants_broadcast() => {
            Destination::Hardware { address, mac: request.mac }
        }
        _ => Destination::Broadcast,
    }
}

/// Builds a reply.
pub(super) fn build(
    kind: ReplyKind,
    address: Option<Ipv4Addr>,
    boot: BootAnswer,
    request: &Request,
    settings: &Settings,
) -> Reply {
    let loader = match (kind, boot, request.firmware) {
        (ReplyKind::Nak, ..) | (_, BootAnswer::Disk, _) | (.., None) => None,
        (_, BootAnswer::Boot(chain), Some(firmware)) => {
            Some(BootFile::new(firmware, chain, request, settings))
        }
    };
    let boot = if loader.is_some() { boot } else { BootAnswer::Disk };
    let mut datagram = header(kind, address, loader.as_ref(), request, settings);
    options(&mut datagram, kind, loader.as_ref(), request, settings);
    datagram.resize(datagram.len().max(SHORTEST), 0);
    Reply { kind, address, boot, datagram }
}

/// The loader as a reply names it.
struct BootFile {
    /// A name for TFTP or a URL.
    name: String,
    /// Whether it is fetched by TFTP.
    tftp: bool,
    /// The firmware that is handed it.
    firmware: Firmware,
}

impl BootFile {
    fn new(firmware: Firmware, chain: Chain, request: &Request, settings: &Settings) -> Self {
        let base = format!("http://{}:{}", settings.server, settings.http_port);
        let loader = firmware.loader(chain);
        let uki = |arch: Arch| format!("{UKI_PATH}/{}/{}.efi", arch.word(), mac_text(request.mac, "-"));
        let name = match loader {
            Loader::Tftp(name) => name.to_owned(),
            Loader::Http(name) => format!("{base}{FILES_PATH}/{name}"),
            Loader::Script => {
                let (mac, arch) = (mac_text(request.mac, ":"), firmware.arch().word());
                let mut url = format!("{base}{SCRIPT_PATH}?mac={mac}&arch={arch}");
                if let Some(uuid) = request.uuid {
                    url.push_str("&uuid=");
                    url.push_str(&uuid_text(uuid));
                }
                url
            }
            Loader::TftpUki(arch) => uki(arch).trim_start_matches("/boot/").to_owned(),
            Loader::HttpUki(arch) => format!("{base}{}", uki(arch)),
        };
        BootFile { name, tftp: matches!(loader, Loader::Tftp(_) | Loader::TftpUki(_)), firmware }
    }
}

/// A hardware address as text.
fn mac_text(mac: Mac, separator: &str) -> String {
    let bytes: Vec<_> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(separator)
}

/// A UUID in wire order as text, its first three fields little-endian as in SMBIOS (DSP0134, 7.2.1).
fn uuid_text(uuid: [u8; 16]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::with_capacity(36);
    for (position, index) in ORDER.into_iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", uuid[index]));
    }
    text
}

/// The fixed part with the magic cookie.
fn header(
    kind: ReplyKind,
    address: Option<Ipv4Addr>,
    loader: Option<&BootFile>,
    request: &Request,
    settings: &Settings,
) -> Vec<u8> {
    let nak = kind == ReplyKind::Nak;
    // The relay broadcasts a NAK, since the client may be on the wrong network (RFC 2131, 4.3.2).
    let flags = if nak && !request.giaddr.is_unspecified() { request.flags | 0x8000 } else { request.flags };
    let ciaddr = if nak || kind == ReplyKind::Offer { Ipv4Addr::UNSPECIFIED } else { request.ciaddr };
    let yiaddr = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let siaddr = if loader.is_some() { settings.server } else { Ipv4Addr::UNSPECIFIED };

    let mut message =
        v4::Message::new_with_id(request.xid, ciaddr, yiaddr, siaddr, request.giaddr, &request.mac);
    message.set_opcode(v4::Opcode::BootReply).set_flags(v4::Flags::from(flags));
    if let Some(loader) = loader.filter(|loader| loader.name.len() < FILE_FIELD) {
        message.set_fname(loader.name.as_bytes());
    }
    // Nothing in the header can be refused: every field has its fixed width, and the name fits.
    message.to_vec().unwrap_or_default()
}

/// The options, message type first and relay information last.
fn options(
    datagram: &mut Vec<u8>,
    kind: ReplyKind,
    loader: Option<&BootFile>,
    request: &Request,
    settings: &Settings,
) {
    let mut list = OptionList(Vec::new());
    let message_type = match kind {
        ReplyKind::Offer => 2,
        ReplyKind::Ack => 5,
        ReplyKind::Nak => 6,
    };
    list.put(code::MESSAGE_TYPE, &[message_type]);
    list.put(code::SERVER_IDENTIFIER, &settings.identifier.octets());
    if kind == ReplyKind::Nak {
        list.put(code::MESSAGE, b"this address is not yours here");
    } else {
        if request.kind != Kind::Inform {
            lease(&mut list, request, settings);
        }
        let subnet = settings.link();
        list.put(code::SUBNET_MASK, &subnet.mask().octets());
        list.put_addresses(code::ROUTER, &subnet.routers);
        list.put_addresses(code::DNS, &subnet.dns);
    }
    match (loader, request.firmware) {
        (Some(loader), _) => boot_options(&mut list, loader, settings),
        (None, Some(firmware)) if kind != ReplyKind::Nak => disk_options(&mut list, firmware, settings),
        (None, _) => {}
    }
    if let Some(identifier) = &request.client_identifier {
        list.put(code::CLIENT_IDENTIFIER, identifier);
    }
    if let Some(information) = &request.relay_information {
        list.put(code::RELAY_INFORMATION, information);
    }
    datagram.append(&mut list.0);
    datagram.push(255);
}

/// The lease, to be renewed at half and rebound at seven eighths of it (RFC 2131, 4.4.5).
fn lease(list: &mut OptionList, request: &Request, settings: &Settings) {
    let seconds = if request.firmware.is_some() {
        settings.link().firmware_lease
    } else {
        settings.link().system_lease
    };
    list.put(code::LEASE_TIME, &seconds.to_be_bytes());
    list.put(code::RENEWAL_TIME, &(seconds / 2).to_be_bytes());
    list.put(code::REBINDING_TIME, &(seconds - seconds / 8).to_be_bytes());
}

/// The loader, and what makes each firmware take it at once.
fn boot_options(list: &mut OptionList, loader: &BootFile, settings: &Settings) {
    list.put(code::BOOT_FILE, loader.name.as_bytes());
    if loader.tftp {
        list.put(code::TFTP_SERVER, settings.server.to_string().as_bytes());
    }
    match loader.firmware {
        // UEFI takes only an offer that says so for an offer of HTTP boot (UEFI 2.10, 24.7.3.1).
        Firmware::UefiHttp(_) => list.put(code::VENDOR_CLASS, b"HTTPClient"),
        Firmware::IpxeBios | Firmware::IpxeUefi(_) => list.put(code::IPXE, &NO_PXEDHCP),
        Firmware::BiosPxe | Firmware::UefiPxe(_) => {}
    }
}

/// What makes each firmware go on to its disk at once. Given an address alone, UEFI asks on for 60 s.
fn disk_options(list: &mut OptionList, firmware: Firmware, settings: &Settings) {
    match firmware {
        Firmware::BiosPxe | Firmware::UefiPxe(_) => {
            list.put(code::VENDOR_OPTIONS, LOCAL_BOOT);
            list.put(code::VENDOR_CLASS, b"PXEClient");
        }
        // HTTP boot has no word for it; a file that is never there ends it.
        Firmware::UefiHttp(_) => {
            let url = format!("http://{}:{}{NO_FILE_PATH}", settings.server, settings.http_port);
            list.put(code::VENDOR_CLASS, b"HTTPClient");
            list.put(code::BOOT_FILE, url.as_bytes());
        }
        // It would wait three seconds for a proxyDHCP server.
        Firmware::IpxeBios | Firmware::IpxeUefi(_) => list.put(code::IPXE, &NO_PXEDHCP),
    }
}

/// Options in the order of their writing.
struct OptionList(Vec<u8>);

impl OptionList {
    /// Appends one option, in pieces if it is longer than 255 bytes (RFC 3396).
    fn put(&mut self, code: u8, value: &[u8]) {
        let mut piece = Vec::with_capacity(value.len() + 2);
        // Writing into a growing buffer can't fail.
        let _ = encode_long_opt_bytes(v4::OptionCode::from(code), value, &mut Encoder::new(&mut piece));
        self.0.append(&mut piece);
    }

    /// Appends a list of addresses, unless it is empty.
    fn put_addresses(&mut self, code: u8, addresses: &[Ipv4Addr]) {
        if !addresses.is_empty() {
            let octets: Vec<u8> = addresses.iter().flat_map(Ipv4Addr::octets).collect();
            self.put(code, &octets);
        }
    }
}
