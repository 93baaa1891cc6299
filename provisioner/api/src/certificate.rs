//! Certificates of erasure: what a wiping that ended with proof is told by, signed by the service, for whoever has to show
//! it years later.
//!
//! What is signed is a text, and that very text is kept and handed out: it is verified as it came and read only then. Its
//! fields follow the sample form of NIST SP 800-88 Rev. 1, appendix G. Keys and signatures (Ed25519, RFC 8032) are not here:
//! the service signs and `billet erase verify` verifies in `provisioner/src/erasures`.

use crate::{EraseMethod, ErasePolicy, ErasureId, ErasureSamples, InstanceId, JobId, JobKind, MachineId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a signature is over: this, then the text. No other text of ours that is signed begins so, and another form of
/// certificates gets another number.
const DOMAIN: &[u8] = b"billet erasure certificate 1\n";

/// The version of certificates that this build writes and reads.
pub const CERTIFICATE_VERSION: u32 = 1;

/// The longest text that is read, in bytes: one of hundreds of disks stays far below.
const LONGEST: usize = 1 << 20;

/// A certificate as it travels, and as a file: `GET /v1/erasures/{id}/certificate`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedCertificate {
    /// The text that was signed, after the line `billet erasure certificate 1`: an [`ErasureCertificate`] as JSON.
    pub text: String,
    /// Its signature (Ed25519), base64.
    pub signature: String,
    /// The id of the key that made it: the first 32 hex digits of the SHA-256 of its 32 bytes.
    pub key: String,
}

/// What was erased, by whom, how, and what proves it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErasureCertificate {
    /// The version of this form: 1.
    pub version: u32,
    /// The record that it is of.
    pub id: ErasureId,
    /// The id of the key that signs it.
    pub key: String,
    /// The program that asked for it, checked the proof and signs: `billet 0.1.0`.
    pub tool: String,
    /// The machine that the disks are in.
    pub machine: CertifiedMachine,
    /// The job that it was part of.
    pub job: JobId,
    /// What the job was for.
    pub work: JobKind,
    /// The job's epoch.
    pub epoch: u64,
    /// Which try it was.
    pub attempt: u32,
    /// When the wiping was ordered.
    pub started: Option<Timestamp>,
    /// When its proof was taken down.
    pub ended: Timestamp,
    /// Who asked for it, in words, where that is known.
    pub asked_by: Option<String>,
    /// Whose the machine was; none: nobody's.
    pub previous_owner: Option<CertifiedOwner>,
    /// What was asked for.
    pub policy_asked: ErasePolicy,
    /// What was done, which is no less: a pool may ask for more.
    pub policy_done: ErasePolicy,
    /// The disks that were erased.
    pub disks: Vec<CertifiedDisk>,
    /// Serial numbers of disks that an operator left out. What is on them was not erased.
    pub left_out: Vec<String>,
}

/// A machine, as a certificate names it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertifiedMachine {
    /// Its id.
    pub id: MachineId,
    /// Its name at that time.
    pub name: String,
    /// Its pool at that time.
    pub pool: String,
    /// Where it stands, where that is known.
    pub zone: Option<String>,
    /// Its rack, where that is known.
    pub rack: Option<String>,
    /// SMBIOS manufacturer.
    pub manufacturer: Option<String>,
    /// SMBIOS product name.
    pub product: Option<String>,
    /// SMBIOS system serial number.
    pub serial: Option<String>,
    /// SMBIOS system UUID.
    pub uuid: Option<String>,
}

/// Whose a machine was.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertifiedOwner {
    /// The instance.
    pub instance: InstanceId,
    /// Its name, where that is known.
    pub name: Option<String>,
}

/// What a disk stores on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Media {
    /// Platters that turn.
    Magnetic,
    /// Flash, or something else without moving parts.
    SolidState,
}

/// How far NIST SP 800-88 Rev. 1 counts what was done (section 2.5, appendix A).
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Sanitization {
    /// It doesn't count: the data, or some of it, can be found by who looks for it.
    None,
    /// Clear: by the interface of the disk nothing can be read any more.
    Clear,
    /// Purge: nor can it in a laboratory.
    Purge,
}

/// How it was verified.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// What was written was read back, and was zero: not the whole disk.
    WhatWasWritten,
    /// The whole disk was read back, and was zero.
    Full,
    /// Markers that were written before were gone, and samples did not hold what they held before.
    Sampled,
}

/// What came of it. There is no certificate of anything else.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ErasureResult {
    /// Done, and verified.
    Passed,
}

/// A disk that was erased.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertifiedDisk {
    /// Its serial number.
    pub serial: String,
    /// Its make and model.
    pub model: Option<String>,
    /// World wide name.
    pub wwn: Option<String>,
    /// Its firmware, where it erased itself by that.
    pub firmware: Option<String>,
    /// Bytes.
    pub size_bytes: u64,
    /// What it stores on.
    pub media: Media,
    /// What was done; none: an agent of an older build did not say more than the policy.
    pub method: Option<EraseMethod>,
    /// The command, as its standard calls it.
    pub command: String,
    /// How far NIST SP 800-88 Rev. 1 counts it.
    pub sanitization: Sanitization,
    /// How long it took, reading back included; none: not told.
    pub seconds: Option<u64>,
    /// Bytes written by us.
    pub bytes_written: u64,
    /// How it was verified.
    pub verification: Verification,
    /// Bytes read back for that.
    pub bytes_verified: u64,
    /// What was looked at, where not all was read back.
    pub samples: Option<ErasureSamples>,
    /// What came of it.
    pub result: ErasureResult,
}

/// A record of an erasure: `GET /v1/erasures/{id}`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Erasure {
    /// Its id; grows with time.
    pub id: ErasureId,
    /// When it was taken down.
    pub at: Timestamp,
    /// What its certificate says.
    pub certificate: ErasureCertificate,
}

/// `GET /v1/erasures`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErasureList {
    /// The records, oldest first.
    pub items: Vec<Erasure>,
    /// Where the next page begins (`?after=`); none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A key that certificates are, or were, signed with.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErasureKey {
    /// Its id, as certificates name it.
    pub id: String,
    /// The public key, PEM (RFC 8410).
    pub pem: String,
    /// Whether new certificates are signed with it.
    pub current: bool,
    /// When it first signed one; none: it did not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// `GET /v1/erasures/key`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErasureKeyList {
    /// The keys: the one that signs first, then those of before, the newest first.
    pub items: Vec<ErasureKey>,
}

/// Why a text is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    /// Too long to be read.
    #[error("the certificate has {bytes} bytes, where {LONGEST} are the most")]
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// Of a form that this build does not know.
    #[error(
        "the certificate is of version {version}, and this program reads version {CERTIFICATE_VERSION}; use a newer one"
    )]
    Version {
        /// Which.
        version: u64,
    },
    /// Not a certificate.
    #[error("the certificate can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

impl ErasureCertificate {
    /// The text that is signed and kept.
    ///
    /// # Errors
    /// When it can't be written, which does not happen with any value of this type.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads a text whose signature was found good.
    ///
    /// # Errors
    /// It is no certificate, or one of a version that is not known.
    pub fn from_text(text: &str) -> Result<Self, BadCertificate> {
        /// What every version says.
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        if text.len() > LONGEST {
            return Err(BadCertificate::TooLong { bytes: text.len() });
        }
        let Versioned { version } = serde_json::from_str(text)?;
        if version != u64::from(CERTIFICATE_VERSION) {
            return Err(BadCertificate::Version { version });
        }
        Ok(serde_json::from_str(text)?)
    }
}

impl EraseMethod {
    /// The command, as its standard calls it.
    pub fn command(self) -> &'static str {
        match self {
            Self::Metadata => "write of zeros to both ends of the disk and of each partition",
            Self::Discard => "discard of the whole disk (ATA TRIM, SCSI UNMAP, NVMe Deallocate)",
            Self::Overwrite => "write of zeros to every sector",
            Self::NvmeSanitizeBlock => "NVMe Sanitize, block erase",
            Self::NvmeSanitizeOverwrite => "NVMe Sanitize, overwrite",
            Self::NvmeSanitizeCrypto => "NVMe Sanitize, crypto erase",
            Self::NvmeFormat => "NVMe Format NVM with secure erase of user data",
            Self::AtaSanitizeBlock => "ATA SANITIZE DEVICE, BLOCK ERASE EXT",
            Self::AtaSanitizeOverwrite => "ATA SANITIZE DEVICE, OVERWRITE EXT",
            Self::AtaSanitizeCrypto => "ATA SANITIZE DEVICE, CRYPTO SCRAMBLE EXT",
            Self::AtaSecureErase => "ATA SECURITY ERASE UNIT, normal",
            Self::AtaSecureEraseEnhanced => "ATA SECURITY ERASE UNIT, enhanced",
        }
    }

    /// How far NIST SP 800-88 Rev. 1 counts it (tables ).
    pub fn sanitization(self) -> Sanitization {
        match self {
            Self::Metadata | Self::Discard => Sanitization::None,
            Self::Overwrite | Self::AtaSecureErase => Sanitization::Clear,
            Self::NvmeSanitizeBlock
            | Self::NvmeSanitizeOverwrite
            | Self::NvmeSanitizeCrypto
            | Self::NvmeFormat
            | Self::AtaSanitizeBlock
            | Self::AtaSanitizeOverwrite
            | Self::AtaSanitizeCrypto
            | Self::AtaSecureEraseEnhanced => Sanitization::Purge,
        }
    }
}

/// The bytes that a certificate's signature is over.
pub fn certified(text: &str) -> Vec<u8> {
    [DOMAIN, text.as_bytes()].concat()
}
