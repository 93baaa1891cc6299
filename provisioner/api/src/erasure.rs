//! What is known of the erasure of one disk.

use crate::ErasePolicy;
use serde::{Deserialize, Serialize};

/// What was done to a disk so that nothing is left on it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EraseMethod {
    /// Zeros over both ends of the disk and of each partition.
    Metadata,
    /// Discard (TRIM, UNMAP, deallocate) of the whole disk.
    Discard,
    /// Zeros over the whole disk.
    Overwrite,
    /// NVMe Sanitize, block erase.
    NvmeSanitizeBlock,
    /// NVMe Sanitize, overwrite.
    NvmeSanitizeOverwrite,
    /// NVMe Sanitize, crypto erase.
    NvmeSanitizeCrypto,
    /// NVMe Format NVM with an erasure of user data.
    NvmeFormat,
    /// ATA SANITIZE DEVICE, BLOCK ERASE EXT.
    AtaSanitizeBlock,
    /// ATA SANITIZE DEVICE, OVERWRITE EXT.
    AtaSanitizeOverwrite,
    /// ATA SANITIZE DEVICE, CRYPTO SCRAMBLE EXT.
    AtaSanitizeCrypto,
    /// ATA SECURITY ERASE UNIT, normal.
    AtaSecureErase,
    /// ATA SECURITY ERASE UNIT, enhanced.
    AtaSecureEraseEnhanced,
}

impl EraseMethod {
    /// What it is a way of.
    pub fn policy(self) -> ErasePolicy {
        match self {
            Self::Metadata => ErasePolicy::Metadata,
            Self::Discard => ErasePolicy::Discard,
            Self::Overwrite => ErasePolicy::Overwrite,
            Self::NvmeSanitizeBlock
            | Self::NvmeSanitizeOverwrite
            | Self::NvmeSanitizeCrypto
            | Self::NvmeFormat
            | Self::AtaSanitizeBlock
            | Self::AtaSanitizeOverwrite
            | Self::AtaSanitizeCrypto
            | Self::AtaSecureErase
            | Self::AtaSecureEraseEnhanced => ErasePolicy::Secure,
        }
    }
}

/// How a disk was wiped, as the agent saw it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErasureRecord {
    /// What was done.
    pub method: EraseMethod,
    /// Bytes of the disk.
    pub size_bytes: u64,
    /// Its world wide name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The firmware that erased it, where it did that by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// How long it took, reading back included.
    pub seconds: u64,
    /// What was looked at, where not all was read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<ErasureSamples>,
}

/// What was looked at before and after a disk erased itself.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErasureSamples {
    /// Which places follows from this, hex.
    pub seed: String,
    /// Markers of 4 KiB that were written before and are gone.
    pub markers: u64,
    /// Places of 1 MiB that were looked at.
    pub places: u64,
    /// Those of them that held something before. None does still.
    pub held: u64,
    /// Those of them that hold zeros only now.
    pub zero: u64,
}
