//! What a simulated BMC is: its machine, its users, its limits.

use super::lan::LanIdentity;
use super::storage::Hardware;
use super::users::User;
use crate::Chassis;
use bmc_proto::ipmi::CipherSuite;
use bmc_proto::ipmi::fru::{BoardArea, Contents, ProductArea};
use std::sync::Arc;
use std::time::Duration;

/// What a simulated BMC is.
#[derive(Clone)]
pub struct Identity {
    /// The machine that it controls.
    pub chassis: Arc<dyn Chassis>,
    /// The system's UUID in the order of its text; it is sent in SMBIOS order.
    pub uuid: [u8; 16],
    /// Its users when it is new.
    pub users: Vec<User>,
    /// The cipher suites that it speaks.
    pub suites: Vec<CipherSuite>,
    /// The BMC key Kg, if it has one (13.33).
    pub bmc_key: Option<Vec<u8>>,
    /// Manufacturer (IANA enterprise number) and product number.
    pub maker: (u32, u16),
    /// What it says of its network.
    pub lan: LanIdentity,
    /// The sensors and parts that it knows of.
    pub hardware: Hardware,
    /// How much it lets happen.
    pub limits: Limits,
    /// What it is open to.
    pub openness: Openness,
}

impl Identity {
    /// One that speaks both suites and has no Kg.
    pub fn new(users: Vec<User>, chassis: Arc<dyn Chassis>, uuid: [u8; 16]) -> Self {
        Self {
            chassis,
            uuid,
            users,
            suites: CipherSuite::ALL.to_vec(),
            bmc_key: None,
            maker: (0, 1),
            lan: LanIdentity::default(),
            hardware: Hardware::default(),
            limits: Limits::default(),
            openness: Openness::default(),
        }
    }
}

impl Identity {
    /// Writes into its inventory (FRU 0) what the machine is, and its serial number.
    #[must_use]
    pub fn with_product(mut self, manufacturer: &str, name: &str, serial: &str) -> Self {
        let contents = Contents {
            board: Some(BoardArea {
                manufacturer: manufacturer.into(),
                name: format!("{name} board"),
                serial: serial.into(),
                ..BoardArea::default()
            }),
            product: Some(ProductArea {
                manufacturer: manufacturer.into(),
                name: name.into(),
                serial: serial.into(),
                ..ProductArea::default()
            }),
            chassis: None,
        };
        Arc::make_mut(&mut self.hardware.units).insert(0, contents.encode());
        self
    }
}

/// What a BMC is open to that it should not be: for audits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Openness {
    /// It offers cipher suite 0, and grants a session with it; there it ends: nobody gets in.
    pub suite_zero: bool,
    /// It says that who gives neither name nor password is let in.
    pub anonymous: bool,
    /// It says that it takes IPMI 1.5 sessions, with any authentication and with none.
    pub old_sessions: bool,
}

/// How much a BMC lets happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at a time, those that are still being opened included.
    pub sessions: usize,
    /// Sessions at a time of one user.
    pub sessions_of_user: usize,
    /// How long a session lives without a message (6.12.15: 60 s, give or take 3).
    pub idle: Duration,
    /// How long a login may take between two messages.
    pub login: Duration,
    /// How long a user is locked out, and after how many wrong passwords in a row.
    pub lock_out: Option<LockOut>,
    /// How long the BMC hears nothing after a reset of its own.
    pub restart: Duration,
    /// After how long it forgets boot flags when no power command came (28.13: 60 s).
    pub boot_flags: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 8,
            sessions_of_user: usize::MAX,
            idle: Duration::from_secs(60),
            login: Duration::from_secs(5),
            lock_out: None,
            restart: Duration::from_secs(2),
            boot_flags: Duration::from_secs(60),
        }
    }
}

/// When a user is locked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockOut {
    /// After so many wrong passwords in a row.
    pub after: u32,
    /// For so long.
    pub lasts: Duration,
}
