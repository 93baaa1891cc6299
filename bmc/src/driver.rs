//! What every BMC can do, and the choice of its driver.

use async_trait::async_trait;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A BMC. Every method names an end, reads back what it wrote, and takes "already so" for success.
///
/// Each call is bounded in time by the driver (about 15 s for a BMC that doesn't answer).
#[async_trait]
pub trait Bmc: Send + Sync {
    /// Observed power.
    async fn power(&self) -> Result<PowerState, BmcError>;
    /// Makes power be so; `Off` is hard. Returns when the BMC says that it is so, or `NotDone` after 30 s.
    async fn set_power(&self, target: PowerState) -> Result<(), BmcError>;
    /// Sets what the next boot, or every boot, comes from; reads it back.
    async fn set_boot(&self, boot: BootOverride) -> Result<(), BmcError>;
    /// The override that is set, if the BMC tells.
    async fn boot(&self) -> Result<Option<BootOverride>, BmcError>;
    /// What it says of itself; also the cheapest proof that address and credentials are right.
    async fn info(&self) -> Result<BmcInfo, BmcError>;
    /// Ends its session. BMCs have few.
    async fn close(&self);
}

/// Where a BMC is and how to log in.
#[derive(Clone)]
pub struct Endpoint {
    /// The protocol and its settings.
    pub protocol: Protocol,
    /// Host name or IP address.
    pub host: String,
    /// Port; 623 or 443 when absent.
    pub port: Option<u16>,
    /// How to log in.
    pub credentials: Credentials,
}

/// The protocol of a BMC and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// IPMI 2.0 with RMCP+.
    Ipmi {
        /// The only cipher suite that is tried; there is no downgrade.
        cipher: Cipher,
    },
    /// Redfish over HTTPS.
    Redfish {
        /// SHA-256 of the leaf certificate that is trusted. `None`: trust on first use; `BmcInfo::tls_sha256` tells
        /// what was seen, and the caller stores it.
        tls_sha256: Option<[u8; 32]>,
    },
}

/// IPMI cipher suites (IPMI 2.0 table 22-20). Nothing lower exists here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128. Weak; only by explicit setting.
    Suite3,
    /// RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Suite17,
}

/// User name and password.
#[derive(Clone)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Zeroizing<String>,
}

/// Observed power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// On.
    On,
    /// Off.
    Off,
}

/// What a boot comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootOverride {
    /// From what.
    pub target: BootTarget,
    /// For how long.
    pub persistence: Persistence,
    /// In which mode; `None` leaves it as it is.
    pub mode: Option<BootMode>,
}

/// From what a machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootTarget {
    /// The firmware's own order.
    Default,
    /// The network (PXE or UEFI HTTP, as the firmware does it).
    Network,
    /// The disk.
    Disk,
}

/// For how long an override holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// For the next boot.
    Once,
    /// Until changed.
    Persistent,
}

/// The mode of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMode {
    /// Legacy BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

/// What a BMC says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BmcInfo {
    /// Manufacturer (Redfish) or IANA enterprise number (IPMI), as text.
    pub manufacturer: Option<String>,
    /// Product or device id.
    pub product: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// The UUID of the system that it controls, lower case with dashes.
    pub system_uuid: Option<String>,
    /// SHA-256 of the TLS certificate that it showed.
    pub tls_sha256: Option<[u8; 32]>,
}

/// Why a BMC did not do it. Display is a sentence that an operator can act on; sources are in `source()`.
#[derive(Debug, thiserror::Error)]
pub enum BmcError {
    /// No answer. Never means "off".
    #[error("the BMC at {address} does not answer ({during}); check its address, cable and network")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What was being done.
        during: &'static str,
    },
    /// It refused user name or password.
    #[error("the BMC at {address} refuses user `{username}`: wrong user name, password or privilege")]
    AuthenticationFailed {
        /// `host:port`.
        address: String,
        /// The user.
        username: String,
    },
    /// Its certificate is another one than the pinned.
    #[error(
        "the BMC at {address} shows a certificate with SHA-256 {seen}, pinned is {pinned}; if it was replaced on purpose, set tls_sha256 anew"
    )]
    WrongCertificate {
        /// `host:port`.
        address: String,
        /// What it showed, hex.
        seen: String,
        /// What is pinned, hex.
        pinned: String,
    },
    /// It does not speak what we need: the cipher suite, a Redfish resource.
    #[error("the BMC at {address} can't do it: {what}")]
    Unsupported {
        /// `host:port`.
        address: String,
        /// What is missing and what may mend it.
        what: String,
    },
    /// It answered, with an error.
    #[error("the BMC at {address} answered to {during}: {answer}")]
    Refused {
        /// `host:port`.
        address: String,
        /// What was being done.
        during: &'static str,
        /// Its words or completion code.
        answer: String,
    },
    /// It said yes and it is not so.
    #[error("the BMC at {address} accepted {during}, but reads back {found}")]
    NotDone {
        /// `host:port`.
        address: String,
        /// What was being done.
        during: &'static str,
        /// What it reads.
        found: String,
    },
    /// It answered something that isn't the protocol.
    #[error("the BMC at {address} broke the protocol in {during}: {what}")]
    Protocol {
        /// `host:port`.
        address: String,
        /// What was being done.
        during: &'static str,
        /// What was wrong.
        what: String,
    },
}

/// Makes the driver for a BMC. Does no I/O yet.
pub fn connect(endpoint: Endpoint) -> Arc<dyn Bmc> {
    match endpoint.protocol {
        Protocol::Redfish { .. } => Arc::new(crate::redfish::Redfish::new(&endpoint)),
        Protocol::Ipmi { cipher } => Arc::new(crate::ipmi::Ipmi::new(endpoint, cipher)),
    }
}
