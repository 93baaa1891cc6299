//! Images: operating systems that can be written to a disk, or run from RAM.

use crate::{Finish, Growth, ImageId, SeedKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An image as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its name, unique.
    pub name: String,
    /// What was given at import.
    pub spec: ImageSpec,
    /// What is so.
    pub status: ImageStatus,
}

/// What was given at import: the query of `POST /v1/images`, whose body is the file itself.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema, utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// Its name: letters, digits, `.`, `-`, `_`.
    pub name: String,
    /// The file's own digest as `sha256:<64 hex>` or `sha512:<128 hex>`; checked before anything is parsed.
    pub digest: String,
    /// What the file holds, once unpacked. gz, xz or zst around it is recognised by its magic number.
    #[cfg_attr(feature = "openapi", param(inline))]
    pub format: ImageFormat,
    /// `x86_64` or `aarch64`; any machine when absent. Of a kernel that runs from RAM: what its header says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Format `ram` only, and needed there: bytes of the kernel, which is the first thing in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_bytes: Option<u64>,
    /// Format `ram` only: the kernel's command line, at most [`MAX_COMMAND_LINE`] printable ASCII characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmdline: Option<String>,
    /// The text of a signature of the file: minisign's `.minisig`, or what `cosign sign-blob --key` writes. It has to be by a key
    /// that the service's configuration trusts, and is checked before anything is parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What its system reads at first boot. One that runs from RAM always gets `nocloud`.
    #[serde(default, skip_serializing_if = "SeedKind::is_default")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub seed: SeedKind,
    /// What becomes of its last partition on a disk that is larger.
    #[serde(default, skip_serializing_if = "Growth::is_default")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub grow: Growth,
}

/// The longest command line of a kernel that runs from RAM, in bytes: x86 takes 2047 (`COMMAND_LINE_SIZE`).
pub const MAX_COMMAND_LINE: usize = 1024;

/// In a file of format `ram` the initrd begins behind the kernel, at a multiple of so many bytes; zeros are between them.
pub const RAM_ALIGNMENT: u64 = 512;

impl ImageSpec {
    /// An image that is written to a disk.
    pub fn disk(name: impl Into<String>, digest: impl Into<String>, format: ImageFormat) -> Self {
        Self {
            name: name.into(),
            digest: digest.into(),
            format,
            architecture: None,
            kernel_bytes: None,
            cmdline: None,
            signature: None,
            seed: SeedKind::default(),
            grow: Growth::default(),
        }
    }

    /// What follows it on its disk.
    pub fn finish(&self) -> Finish {
        Finish { seed: self.seed, grow: self.grow }
    }

    /// Whether both ask for the same image. Who signed it is no part of what it is.
    pub fn is_same_image(&self, other: &Self) -> bool {
        *self == Self { signature: self.signature.clone(), ..other.clone() }
    }

    /// Whether it runs from RAM, and nothing of it is written to a disk.
    pub fn runs_from_ram(&self) -> bool {
        self.format == ImageFormat::Ram
    }
}

/// The format of an image file.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// The bytes of the disk.
    Raw,
    /// QEMU's qcow2, version 2 or 3, without backing file or external data.
    Qcow2,
    /// ISO 9660 that starts from a disk, too (isohybrid); it is written to the disk as it is.
    Iso,
    /// A kernel and an initrd that run from RAM. The file is the kernel, zeros up to a multiple of [`RAM_ALIGNMENT`], and
    /// the initrd.
    Ram,
}

/// What is so.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageStatus {
    /// When the import ended.
    pub imported: Timestamp,
    /// Bytes of the disk that it makes; of one that runs from RAM: of kernel and initrd.
    pub disk_bytes: u64,
    /// Bytes that it takes in the store.
    pub stored_bytes: u64,
    /// Chunks that hold data.
    pub chunks: u64,
    /// SHA-256 of the manifest, hex.
    pub manifest_sha256: String,
    /// Of one that runs from RAM: bytes of memory that a machine needs to have for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Who signed the file, if it came with a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<ImageSigner>,
}

/// Who signed an image's file. The signature was right when it was imported.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageSigner {
    /// `minisign` or `cosign`.
    pub scheme: String,
    /// The key: minisign's number of it, or `sha256:` and the digest of the public key (DER).
    pub key: String,
}

/// `GET /v1/images`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageList {
    /// The images, by name.
    pub items: Vec<Image>,
    /// From where on `GET /v1/watch?since=` tells what changed since this was read; there with `?resume=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
}
