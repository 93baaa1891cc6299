//! Images: operating systems that can be written to a disk.

use crate::ImageId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An image as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// Its name: letters, digits, `.`, `-`, `_`.
    pub name: String,
    /// The file's own digest as `sha256:<64 hex>`; checked before anything is parsed.
    pub digest: String,
    /// What the file holds, once unpacked. gz, xz or zst around it is recognised by its magic number.
    pub format: ImageFormat,
    /// `x86_64` or `aarch64`; any machine when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
}

/// The format of an image file.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// The bytes of the disk.
    Raw,
    /// QEMU's qcow2, version 2 or 3, without backing file or external data.
    Qcow2,
}

/// What is so.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct ImageStatus {
    /// When the import ended.
    pub imported: Timestamp,
    /// Bytes of the disk that it makes.
    pub disk_bytes: u64,
    /// Bytes that it takes in the store.
    pub stored_bytes: u64,
    /// Chunks that hold data.
    pub chunks: u64,
    /// SHA-256 of the manifest, hex.
    pub manifest_sha256: String,
}

/// `GET /v1/images`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImageList {
    /// The images, by name.
    pub items: Vec<Image>,
}
