//! What follows an image on its disk: the seed that its system reads at first boot, and room for its last partition.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a system reads at its first boot.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SeedKind {
    /// cloud-init's NoCloud: a FAT volume `CIDATA`.
    #[default]
    #[serde(rename = "nocloud")]
    NoCloud,
    /// OpenStack's configuration drive: a FAT volume `config-2` with `openstack/latest`, which cloud-init, cloudbase-init and
    /// Ignition read.
    #[serde(rename = "config-2")]
    ConfigDrive,
    /// Nothing. Who or where it is, such a system has to know by itself, and it does not report in.
    #[serde(rename = "none")]
    None,
}

/// What becomes of the image's last partition.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    /// It stays as the image has it: most systems grow it by themselves.
    #[default]
    None,
    /// Its end in the partition table is moved up to the seed, if it is of a kind that can grow. What is in it stays as it is: to
    /// grow that is for the system.
    Last,
}

/// Both, as an order has them.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finish {
    /// Which seed.
    #[serde(default)]
    pub seed: SeedKind,
    /// Which partition grows.
    #[serde(default)]
    pub grow: Growth,
}

impl SeedKind {
    /// Whether it is what an image gets of which nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCloud => "nocloud",
            Self::ConfigDrive => "config-2",
            Self::None => "none",
        }
    }
}

impl Growth {
    /// Whether it is what an image gets of which nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Last => "last",
        }
    }
}

impl fmt::Display for SeedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SeedKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::NoCloud, Self::ConfigDrive, Self::None];
        let found = all.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no seed: nocloud, config-2 or none is needed"))
    }
}

impl FromStr for Growth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::None, Self::Last].into_iter().find(|growth| growth.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no growth: last or none is needed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_as_it_is_written() {
        for kind in [SeedKind::NoCloud, SeedKind::ConfigDrive, SeedKind::None] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for growth in [Growth::None, Growth::Last] {
            assert_eq!(growth.as_str().parse(), Ok(growth));
            assert_eq!(serde_json::to_value(growth).unwrap(), growth.as_str());
        }
        assert!("cidata".parse::<SeedKind>().unwrap_err().contains("config-2"));
        assert!("all".parse::<Growth>().unwrap_err().contains("last"));
    }
}
