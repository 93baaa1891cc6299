//! BIOS attributes, with the registry that tells what they may be.

use crate::BmcError;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// A BMC that reads and sets the firmware's setup.
#[async_trait]
pub trait BiosSettings: Send + Sync {
    /// All attributes, by name.
    async fn bios(&self) -> Result<Vec<BiosAttribute>, BmcError>;
    /// Sets some, after checking them against the registry; the error names the attribute and what it may be. Reads
    /// back that they are applied, or pending. Those that are so already are not sent.
    async fn set_bios(&self, changes: &BTreeMap<String, BiosValue>) -> Result<BiosApplied, BmcError>;
    /// Sets everything to the maker's defaults, at the next boot.
    async fn reset_bios(&self) -> Result<(), BmcError>;
}

/// An attribute.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BiosAttribute {
    /// Its name.
    pub name: String,
    /// What it is called in the setup's menu.
    pub display_name: Option<String>,
    /// What it is.
    pub value: Option<BiosValue>,
    /// What it will be after the next boot, if that is something else.
    pub pending: Option<BiosValue>,
    /// What it may be, where there is a registry.
    pub rule: Option<BiosRule>,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum BiosValue {
    /// A text, or a word of a list.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

/// What an attribute may be (DSP8010 `AttributeRegistry`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BiosRule {
    /// `Enumeration`, `String`, `Integer`, `Boolean`, `Password`.
    pub kind: String,
    /// The words of a list.
    pub allowed: Vec<String>,
    /// The least number.
    pub least: Option<i64>,
    /// The largest number.
    pub most: Option<i64>,
    /// The step between numbers.
    pub step: Option<i64>,
    /// The shortest text, in characters.
    pub shortest: Option<u32>,
    /// The longest text, in characters.
    pub longest: Option<u32>,
    /// A pattern for texts, as the maker wrote it; shown, not checked.
    pub pattern: Option<String>,
    /// Whether it can't be set.
    pub read_only: bool,
    /// Whether it needs a boot; `None`: the registry doesn't tell.
    pub needs_reset: Option<bool>,
    /// The maker's default.
    pub default: Option<BiosValue>,
}

/// When what was set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BiosApplied {
    /// It was so already.
    Already,
    /// It holds now.
    Now,
    /// It is pending, and holds after the next boot.
    NextBoot,
}
