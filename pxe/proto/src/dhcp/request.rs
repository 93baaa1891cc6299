//! Reading a client's datagram. Whatever arrives, it is a [`Request`] or an [`Ignored`] with its reason.

use super::class::{self, Dialect, Unsupported};
use super::code;
use super::ignored::Ignored;
use super::options::{Options, sub_option};
use crate::Mac;
use crate::boot::Firmware;
use std::net::Ipv4Addr;

/// Length of the fixed part with the magic cookie, in bytes (RFC 2131, 2).
const FIXED: usize = 240;
/// Longest datagram that is looked at: one Ethernet frame without fragments.
const LONGEST: usize = 1500;
/// The magic cookie that precedes the options (RFC 2131, 3).
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Sub-options of the relay agent information (RFC 3046, 3527, 5107).
const CIRCUIT: u8 = 1;
const REMOTE: u8 = 2;
const LINK_SELECTION: u8 = 5;
const SERVER_OVERRIDE: u8 = 11;
/// PXE's vendor sub-option that names a boot server's item (PXE 2.1, table 2-1).
const BOOT_ITEM: u8 = 71;
/// Longest host name that is kept, in bytes (RFC 1035, 2.3.4).
const LONGEST_NAME: usize = 253;

/// Which of our ports a datagram came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Service {
    /// 67: DHCP.
    #[default]
    Dhcp,
    /// 4011: a PXE client that has its address asks for its boot file alone (PXE 2.1, 2.2.3; "BINL").
    BootServer,
}

/// How a datagram arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The address it came from; `0.0.0.0` from a client that has none.
    pub source: Ipv4Addr,
    /// The address it was sent to: ours, or a broadcast address.
    pub destination: Ipv4Addr,
    /// The port it came to.
    pub service: Service,
}

/// What a client wants (RFC 2131, 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// DHCPDISCOVER: any address.
    Discover,
    /// DHCPREQUEST after an offer: this address, of this server.
    Select {
        /// The server that it chose.
        server: Ipv4Addr,
        /// The address that it was offered.
        address: Ipv4Addr,
    },
    /// DHCPREQUEST after a reboot: the address that it had before.
    Reboot {
        /// That address.
        address: Ipv4Addr,
    },
    /// DHCPREQUEST that prolongs a lease, sent to its server alone.
    Renew,
    /// DHCPREQUEST that prolongs a lease, sent to any server.
    Rebind,
    /// DHCPINFORM: it has an address, and wants the rest.
    Inform,
    /// DHCPRELEASE: it gives its address back.
    Release,
    /// DHCPDECLINE: this address is used by another host.
    Decline {
        /// That address.
        address: Ipv4Addr,
    },
}

impl Kind {
    /// The name of the message, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Discover => "DISCOVER",
            Kind::Select { .. } | Kind::Reboot { .. } | Kind::Renew | Kind::Rebind => "REQUEST",
            Kind::Inform => "INFORM",
            Kind::Release => "RELEASE",
            Kind::Decline { .. } => "DECLINE",
        }
    }
}

/// A client's message, understood. It owns what it holds, and outlives the datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it wants.
    pub kind: Kind,
    /// Which port it came to.
    pub service: Service,
    /// Where it came from.
    pub source: Ipv4Addr,
    /// Hardware address (chaddr): a hint for look-up, never identity.
    pub mac: Mac,
    /// SMBIOS UUID (option 97) in wire order; none if absent or all zeros or ones.
    pub uuid: Option<[u8; 16]>,
    /// What kind of firmware asks; `None` for an operating system, or firmware that we have no loader for.
    pub firmware: Option<Firmware>,
    /// The architecture of firmware that we have no loader for.
    pub unsupported: Option<Unsupported>,
    /// Transaction id, returned in the reply.
    pub xid: u32,
    /// For how many seconds the client has been trying, by its own account.
    pub seconds: u16,
    /// The flags field, returned in the reply (RFC 2131, 2).
    pub flags: u16,
    /// The client's address, if it can answer ARP at it; else `0.0.0.0`.
    pub ciaddr: Ipv4Addr,
    /// The relay that passed the message on; else `0.0.0.0`.
    pub giaddr: Ipv4Addr,
    /// The address that it asks for: option 50, else ciaddr.
    pub requested: Option<Ipv4Addr>,
    /// The server that it names (option 54).
    pub server: Option<Ipv4Addr>,
    /// In whose words it is told what to boot.
    pub(super) dialect: Dialect,
    pub(super) options: Options,
}

impl Request {
    /// Whether the reply must be broadcast, since the client can't take a unicast before it has its address.
    #[must_use]
    pub fn wants_broadcast(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// The relay that passed the message on.
    #[must_use]
    pub fn relay(&self) -> Option<Ipv4Addr> {
        Some(self.giaddr).filter(|relay| !relay.is_unspecified())
    }

    /// Whether firmware or a loader asks, with or without a loader for it.
    #[must_use]
    pub fn is_firmware(&self) -> bool {
        self.dialect != Dialect::System
    }

    /// Client identifier (option 61), returned in the reply (RFC 6842).
    #[must_use]
    pub fn client_identifier(&self) -> Option<&[u8]> {
        self.options.some(code::CLIENT_IDENTIFIER)
    }

    /// Host name (option 12), if it could be one.
    #[must_use]
    pub fn host_name(&self) -> Option<&str> {
        let name = std::str::from_utf8(self.options.some(code::HOST_NAME)?).ok()?.trim_end_matches('\0');
        let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_');
        (!name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(fits)).then_some(name)
    }

    /// The vendor class (option 60), as sent.
    #[must_use]
    pub fn vendor_class(&self) -> Option<&[u8]> {
        self.options.some(code::VENDOR_CLASS)
    }

    /// The version of the firmware's network interface (option 94): type, major, minor (RFC 4578, 2.2).
    #[must_use]
    pub fn interface(&self) -> Option<[u8; 3]> {
        self.options.get(code::CLIENT_INTERFACE).try_into().ok()
    }

    /// Relay agent information (option 82), returned in the reply (RFC 3046).
    #[must_use]
    pub fn relay_information(&self) -> Option<&[u8]> {
        self.options.some(code::RELAY_INFORMATION)
    }

    /// The relay's circuit (option 82.1): often the switch port.
    #[must_use]
    pub fn circuit(&self) -> Option<&[u8]> {
        sub_option(self.relay_information()?, CIRCUIT)
    }

    /// The relay's name for the far end (option 82.2): often the switch.
    #[must_use]
    pub fn remote(&self) -> Option<&[u8]> {
        sub_option(self.relay_information()?, REMOTE)
    }

    /// The subnet that an address is wanted of, where that is not the relay's: link selection (RFC 3527), else subnet
    /// selection (RFC 3011).
    pub(super) fn selected_subnet(&self) -> Option<Ipv4Addr> {
        self.relay()?;
        self.relay_address(LINK_SELECTION).or_else(|| self.options.address(code::SUBNET_SELECTION))
    }

    /// What the relay wants to be taken for our identifier, so that renewals pass it, too (RFC 5107).
    pub(super) fn server_override(&self) -> Option<Ipv4Addr> {
        self.relay()?;
        self.relay_address(SERVER_OVERRIDE)
    }

    fn relay_address(&self, sub: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = sub_option(self.relay_information()?, sub)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets)).filter(|address| !address.is_unspecified())
    }

    /// Largest message that the client takes (option 57), in bytes, with its IP and UDP headers.
    pub(super) fn message_size(&self) -> Option<u16> {
        self.options.short(code::MESSAGE_SIZE)
    }

    /// What the client asks for (option 55), most wanted first.
    pub(super) fn wanted(&self) -> &[u8] {
        self.options.get(code::PARAMETER_LIST)
    }

    /// The boot server item that a PXE client chose, four bytes.
    pub(super) fn boot_item(&self) -> Option<&[u8]> {
        sub_option(self.options.get(code::VENDOR_OPTIONS), BOOT_ITEM).filter(|item| item.len() == 4)
    }

    /// Option 97 as it came, to be returned to firmware that looks for it (RFC 4578, 2.3).
    pub(super) fn machine_identifier(&self) -> Option<&[u8]> {
        self.options.some(code::CLIENT_UUID)
    }
}

/// Reads a datagram that came to one of the server's ports.
///
/// # Errors
/// The reason why it is none of our business.
pub fn parse(datagram: &[u8], arrival: &Arrival) -> Result<Request, Ignored> {
    if datagram.len() < FIXED || datagram.len() > LONGEST {
        return Err(Ignored::Length { length: datagram.len() });
    }
    let mac = ethernet_address(datagram)?;
    if datagram[236..FIXED] != COOKIE {
        return Err(Ignored::NoCookie);
    }
    let options = Options::read(datagram);
    let giaddr = address_at(datagram, 24);
    // Clients behind a relay on a loopback address are on this host, as in a simulation: those are their addresses.
    let usable = |address| usable(address, giaddr.is_loopback());
    let ciaddr = usable(address_at(datagram, 12));
    let asked = options.address(code::REQUESTED_ADDRESS).and_then(usable);
    let server = options.address(code::SERVER_IDENTIFIER);
    let kind = kind(&options, asked, server, ciaddr, arrival)?;
    // The sender of an INFORM, or to a boot server, has an address, whether it filled the field or not.
    let has_address = kind == Kind::Inform || arrival.service == Service::BootServer;
    let ciaddr = ciaddr.or(usable(arrival.source).filter(|_| has_address));
    if has_address && ciaddr.is_none() {
        return Err(Ignored::NoAddress);
    }
    let class = class::classify(&options);
    Ok(Request {
        kind,
        service: arrival.service,
        source: arrival.source,
        mac,
        uuid: options.uuid(),
        firmware: class.firmware,
        unsupported: class.unsupported,
        xid: u32::from_be_bytes([datagram[4], datagram[5], datagram[6], datagram[7]]),
        seconds: u16::from_be_bytes([datagram[8], datagram[9]]),
        flags: u16::from_be_bytes([datagram[10], datagram[11]]),
        ciaddr: ciaddr.unwrap_or(Ipv4Addr::UNSPECIFIED),
        giaddr,
        requested: asked.or(ciaddr),
        server,
        dialect: class.dialect,
        options,
    })
}

/// An address in the fixed part.
fn address_at(datagram: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(datagram[at], datagram[at + 1], datagram[at + 2], datagram[at + 3])
}

/// An address, if a host can have it; one of `loopback` only if that is where clients are.
fn usable(address: Ipv4Addr, loopback: bool) -> Option<Ipv4Addr> {
    let nobodys = address.is_unspecified() || address.is_broadcast() || address.is_multicast();
    (!nobodys && (loopback || !address.is_loopback())).then_some(address)
}

/// chaddr, if the datagram says that it is an Ethernet client's request.
fn ethernet_address(datagram: &[u8]) -> Result<Mac, Ignored> {
    let (op, htype, hlen) = (datagram[0], datagram[1], datagram[2]);
    if op != 1 {
        return Err(Ignored::NotARequest { op });
    }
    if htype != 1 || hlen != 6 {
        return Err(Ignored::NotEthernet { htype, hlen });
    }
    let mut mac: Mac = [0; 6];
    mac.copy_from_slice(&datagram[28..34]);
    if mac == [0; 6] || mac[0] & 1 != 0 {
        return Err(Ignored::HardwareAddress);
    }
    Ok(mac)
}

fn kind(
    options: &Options,
    asked: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    ciaddr: Option<Ipv4Addr>,
    arrival: &Arrival,
) -> Result<Kind, Ignored> {
    let &[message_type] = options.get(code::MESSAGE_TYPE) else { return Err(Ignored::NoMessageType) };
    match (message_type, arrival.service) {
        (1, _) => Ok(Kind::Discover),
        // A boot server is asked for a file; there is nothing to choose or to keep.
        (3, Service::BootServer) => Ok(Kind::Renew),
        (3, Service::Dhcp) => request_kind(asked, server, ciaddr, arrival),
        (8, _) => Ok(Kind::Inform),
        (4, Service::Dhcp) => Ok(Kind::Decline { address: asked.ok_or(Ignored::NoAddress)? }),
        (7, Service::Dhcp) => ciaddr.map(|_| Kind::Release).ok_or(Ignored::NoAddress),
        _ => Err(Ignored::NotForServers { message_type }),
    }
}

/// Which of the four DHCPREQUESTs it is (RFC 2131, 4.3.2).
fn request_kind(
    asked: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    ciaddr: Option<Ipv4Addr>,
    arrival: &Arrival,
) -> Result<Kind, Ignored> {
    match (server, asked, ciaddr) {
        (Some(server), Some(address), _) => Ok(Kind::Select { server, address }),
        (None, Some(address), None) => Ok(Kind::Reboot { address }),
        // Some clients name the server when they renew, too. What a relay passes on was broadcast, unless the relay
        // took itself for the server (RFC 5107); it comes to our address either way.
        (_, _, Some(_)) if is_broadcast(arrival.destination) => Ok(Kind::Rebind),
        (_, _, Some(_)) => Ok(Kind::Renew),
        (_, None, None) => Err(Ignored::NoAddress),
    }
}

/// Whether a destination is the limited broadcast, or unknown.
fn is_broadcast(address: Ipv4Addr) -> bool {
    address.is_broadcast() || address.is_unspecified()
}
