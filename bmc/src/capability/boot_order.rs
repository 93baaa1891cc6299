//! The firmware's lasting boot order.

use crate::BmcError;
use async_trait::async_trait;

/// A BMC that reads and sets the boot order.
#[async_trait]
pub trait BootOrder: Send + Sync {
    /// All boot options, in the order in which they are tried; those that are not tried last.
    async fn boot_order(&self) -> Result<Vec<BootOption>, BmcError>;
    /// Puts these options first, in this order, by their references; the others keep their order behind them. Reads
    /// back that it is so, or pending for the next boot.
    async fn set_boot_order(&self, first: &[String]) -> Result<(), BmcError>;
}

/// A boot option.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootOption {
    /// What the order names it by, such as `Boot0003`.
    pub reference: String,
    /// What it is called.
    pub name: Option<String>,
    /// Whether it is tried; `None`: the BMC doesn't tell.
    pub enabled: Option<bool>,
    /// Its UEFI device path.
    pub uefi_path: Option<String>,
}
