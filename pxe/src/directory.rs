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

/// Who knows the machines.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// May this client boot from us? `None` when that can't be said now: it is not answered, and asks again. Must not
    /// wait for anything slow.
    async fn boot(&self, client: &Client) -> Option<BootAnswer>;
    /// The boot script for the machine with this MAC: our agent if its window is open, else the disk. `None` when that
    /// can't be said now: it asks again. Must not wait for anything slow.
    async fn script(&self, mac: Mac, uuid: Option<&str>, from: Ipv4Addr, arch: Arch) -> Option<BootScript>;
    /// Something of a boot conversation was observed. Must not block.
    fn trace(&self, entry: Entry);
}
