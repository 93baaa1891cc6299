//! What the boot server asks of whoever knows the machines, and what it tells them.
//!
//! `pxe` itself knows no machines, states or tables. Implemented by `provisioner/src/directory.rs`.

use async_trait::async_trait;
use pxe_proto::boot::{Arch, BootScript, Firmware};
use pxe_proto::trace::Entry;
use std::net::Ipv4Addr;

pub use pxe_proto::Mac;
pub use pxe_proto::boot::BootAnswer;

/// Who a DHCP client seems to be. Hints for look-up, never identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Hardware address (chaddr).
    pub mac: Mac,
    /// SMBIOS UUID (option 97), as 16 bytes in wire order.
    pub uuid: Option<[u8; 16]>,
    /// What kind of firmware or loader asks; `None` for an operating system's plain DHCP.
    pub firmware: Option<Firmware>,
    /// The network on which it was heard.
    pub network: String,
    /// The address that it asks for (option 50 or ciaddr).
    pub requested: Option<Ipv4Addr>,
}

/// Things that were observed, for the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A client was offered or given an address.
    Dhcp {
        /// Who.
        client: Client,
        /// `DISCOVER`, `REQUEST`, …
        message: &'static str,
        /// The address that it was told, none when the server kept silent.
        address: Option<Ipv4Addr>,
        /// Whether it was handed a loader.
        boot: BootAnswer,
    },
    /// A file was sent by TFTP or HTTP.
    File {
        /// To which address.
        to: Ipv4Addr,
        /// Its name.
        name: String,
        /// `TFTP` or `HTTP`.
        over: &'static str,
        /// Bytes sent.
        bytes: u64,
        /// Whether all of it arrived (TFTP: last ACK; HTTP: body taken).
        complete: bool,
    },
    /// A boot script was asked for.
    Script {
        /// By which MAC.
        mac: Mac,
        /// By which address.
        from: Ipv4Addr,
        /// What it was answered: `agent`, `disk`.
        answer: &'static str,
    },
}

/// Who knows the machines.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// May this client boot from us? Must not wait for anything slow.
    async fn boot(&self, client: &Client) -> BootAnswer;
    /// The address for this client: the one that it has, or asks for, or a free one. It is durable when this returns.
    /// `None`: the range is full, or the address it insists on (`requested`, in REQUEST) is another's.
    async fn lease(&self, client: &Client, offer: bool) -> Option<Ipv4Addr>;
    /// The client gave its address back.
    async fn release(&self, client: &Client);
    /// The client found its address in use by another: keep it out of use for a while.
    async fn decline(&self, client: &Client, address: Ipv4Addr);
    /// The boot script for the machine with this MAC: our agent if its window is open, else the disk.
    async fn script(&self, mac: Mac, uuid: Option<&str>, from: Ipv4Addr, arch: Arch) -> BootScript;
    /// Something was observed. Must not block.
    fn observe(&self, fact: Fact);
    /// Something of a boot conversation was observed. Must not block.
    fn trace(&self, entry: Entry);
}
