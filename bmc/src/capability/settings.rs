//! Small things: identify lamp, the BMC's own network settings and restart, power meter, asset tag, watchdog.

use crate::BmcError;
use async_trait::async_trait;
use std::time::Duration;

/// A machine with a lamp that shows where it is.
#[async_trait]
pub trait Identify: Send + Sync {
    /// Switches the lamp.
    async fn identify(&self, lamp: Lamp) -> Result<(), BmcError>;
}

/// What the lamp shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lamp {
    /// Shine until switched off. Not every BMC can.
    On,
    /// Shine for this time; BMCs take up to 255 s.
    For(Duration),
    /// Go out.
    Off,
}

/// A BMC that tells its own network settings.
#[async_trait]
pub trait NetworkSettings: Send + Sync {
    /// Its settings.
    async fn lan(&self) -> Result<LanSettings, BmcError>;
}

/// The network settings of a BMC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LanSettings {
    /// Where its address comes from.
    pub source: Option<AddressSource>,
    /// Its address.
    pub address: Option<String>,
    /// Its netmask.
    pub netmask: Option<String>,
    /// Its gateway.
    pub gateway: Option<String>,
    /// Its MAC address.
    pub mac: Option<String>,
    /// Its VLAN, if it is in one.
    pub vlan: Option<u16>,
    /// The IPMI cipher suites that it offers.
    pub cipher_suites: Vec<u8>,
}

/// Where a BMC's address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSource {
    /// Set by hand.
    Static,
    /// DHCP.
    Dhcp,
    /// The firmware or system software.
    System,
    /// Something else.
    Other,
}

/// A BMC that can be restarted; the machine goes on.
#[async_trait]
pub trait Restart: Send + Sync {
    /// Restarts it. Returns as soon as it has taken the order; it doesn't answer for minutes then.
    async fn restart(&self) -> Result<(), BmcError>;
}

/// A machine that measures its power.
#[async_trait]
pub trait PowerMeter: Send + Sync {
    /// Reads it.
    async fn power_reading(&self) -> Result<PowerReading, BmcError>;
}

/// Power drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerReading {
    /// Now, in watts.
    pub now: u16,
    /// The least, over the period.
    pub minimum: u16,
    /// The most, over the period.
    pub maximum: u16,
    /// On average, over the period.
    pub average: u16,
    /// The period.
    pub period: Duration,
    /// Whether it is being measured.
    pub active: bool,
}

/// A BMC that keeps an asset tag.
#[async_trait]
pub trait AssetTag: Send + Sync {
    /// Reads it.
    async fn asset_tag(&self) -> Result<String, BmcError>;
    /// Sets it (63 bytes at the most); reads it back.
    async fn set_asset_tag(&self, tag: &str) -> Result<(), BmcError>;
}

/// A BMC with a watchdog timer, which may reset the machine behind our back.
#[async_trait]
pub trait Watchdog: Send + Sync {
    /// Its state.
    async fn watchdog(&self) -> Result<WatchdogState, BmcError>;
    /// Stops it; reads it back.
    async fn stop_watchdog(&self) -> Result<(), BmcError>;
}

/// The state of a watchdog timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchdogState {
    /// Whether it runs.
    pub running: bool,
    /// Who uses it: `BIOS FRB2`, `OS load`, `SMS/OS`, …
    pub used_by: String,
    /// What it does at the end: `none`, `hard reset`, `power down`, `power cycle`.
    pub action: String,
    /// What it was set to.
    pub set_to: Duration,
    /// What is left.
    pub left: Duration,
}
