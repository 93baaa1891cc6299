//! The files that TFTP and HTTP serve: a map of names to contents, and the unified kernel images of machines.
//!
//! Requirement R-15: the text of a request is only ever a key here, or read strictly as an architecture and a hardware
//! address; it never reaches a file system call. Deliberately not here: which machine may boot (the `Directory`).

mod content;
mod memory;

use crate::clock::wall_clock;
use crate::directory::{Directory, Mac};
use async_trait::async_trait;
use bytes::Bytes;
pub use content::Content;
pub(crate) use content::Piece;
use pxe_proto::MacText;
use pxe_proto::boot::{Arch, BootScript, agent_command_line};
use pxe_proto::uki::{Template, command_line_block, parse_name};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tracing::error;

/// What names of unified kernel images begin with.
const UKI: &str = "uki/";

/// Names and contents.
#[derive(Debug, Default)]
pub struct Files {
    named: RwLock<HashMap<String, Content>>,
    /// The images in which only the command line is missing.
    images: RwLock<HashMap<Arch, Image>>,
    /// Where chunks of images are, if caches may have them.
    chunks: OnceLock<Arc<dyn Chunks>>,
}

/// Where the chunks of images are. Implemented by `provisioner/src/app/chunks.rs`.
#[async_trait]
pub trait Chunks: std::fmt::Debug + Send + Sync + 'static {
    /// The chunk whose stored bytes have this SHA-256, open, and compared with it; none: there is no such chunk.
    ///
    /// # Errors
    /// It can't be read, or isn't what it should be.
    async fn open(&self, sha256: &[u8; 32]) -> io::Result<Option<File>>;
}

/// A unified kernel image without its command line.
#[derive(Debug, Clone)]
struct Image {
    before: Piece,
    after: Piece,
    /// Of everything but the command line.
    digest: [u8; 32],
}

/// Why there is no content for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is no such file.
    Nothing,
    /// Whether there is can't be said now, since it can't be said what its machine may boot. It is to be asked for again.
    Unknown,
}

impl Files {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Files::default()
    }

    /// Adds a file, or replaces it; transfers that run keep what they began with.
    pub fn insert(&self, name: impl Into<String>, content: impl Into<Bytes>) {
        self.put(name.into(), Content::memory(content.into(), wall_clock()));
    }

    /// Adds an open file of any size, or replaces it: HTTP sends it from the page cache, TFTP refuses it. It must not
    /// change while it is served; a shorter one breaks transfers off.
    ///
    /// # Errors
    /// It is no regular file, or can't be looked at.
    pub fn insert_file(&self, name: impl Into<String>, file: File) -> io::Result<()> {
        self.put(name.into(), Content::file(file)?);
        Ok(())
    }

    /// From now on machines of this architecture can have unified kernel images.
    pub fn insert_uki(&self, template: Template) {
        let arch = template.arch();
        let (before, after) = template.into_parts();
        let digest = Sha256::new().chain_update(&before).chain_update(&after).finalize().into();
        let image = Image { before: Piece::sealed(before), after: Piece::sealed(after), digest };
        self.images.write().unwrap_or_else(PoisonError::into_inner).insert(arch, image);
    }

    /// Whether machines of this architecture can have unified kernel images.
    #[must_use]
    pub fn has_uki(&self, arch: Arch) -> bool {
        self.images.read().unwrap_or_else(PoisonError::into_inner).contains_key(&arch)
    }

    /// From now on caches can have the chunks of images. Only the first call counts.
    pub fn serve_chunks(&self, chunks: Arc<dyn Chunks>) {
        let _ = self.chunks.set(chunks);
    }

    /// The chunk with this SHA-256.
    pub(crate) async fn chunk(&self, sha256: &[u8; 32]) -> Result<Content, Missing> {
        let chunks = self.chunks.get().ok_or(Missing::Nothing)?;
        let opened = chunks.open(sha256).await;
        let content = opened.and_then(|file| file.map(|file| Content::digested(file, sha256)).transpose());
        match content {
            Ok(content) => content.ok_or(Missing::Nothing),
            Err(reason) => {
                error!(%reason, "a chunk of an image can't be given to a cache");
                Err(Missing::Unknown)
            }
        }
    }

    /// Whether there is a file of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    /// The file of this name, or the unified kernel image that the name stands for (`uki/x64/52-54-00-aa-bb-cc.efi`).
    /// One slash before it is as good as none. An image exists only for as long as its machine may boot our agent.
    ///
    /// # Errors
    /// There is none, or that can't be said now.
    pub async fn lookup(
        &self,
        name: &str,
        peer: Ipv4Addr,
        directory: &dyn Directory,
    ) -> Result<Content, Missing> {
        let name = name.strip_prefix('/').unwrap_or(name);
        if let Some(content) = self.named(name) {
            return Ok(content);
        }
        let (arch, mac) = name.strip_prefix(UKI).and_then(parse_name).ok_or(Missing::Nothing)?;
        self.uki(arch, mac, peer, directory).await
    }

    /// The file of this name.
    pub(crate) fn named(&self, name: &str) -> Option<Content> {
        self.named.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The unified kernel image of a machine, if it may boot our agent now.
    pub(crate) async fn uki(
        &self,
        arch: Arch,
        mac: Mac,
        peer: Ipv4Addr,
        directory: &dyn Directory,
    ) -> Result<Content, Missing> {
        // Before the directory is asked: a question may open a window.
        let image = self.images.read().unwrap_or_else(PoisonError::into_inner).get(&arch).cloned();
        let image = image.ok_or(Missing::Nothing)?;
        let script = directory.script(mac, None, peer, arch).await.ok_or(Missing::Unknown)?;
        let BootScript::Agent { parameters } = script else { return Err(Missing::Nothing) };
        let line = agent_command_line(&parameters, mac)
            .inspect_err(
                |reason| error!(mac = %MacText(mac), %reason, "a kernel command line could not be made"),
            )
            .map_err(|_| Missing::Nothing)?;
        let block = command_line_block(&line)
            .inspect_err(
                |reason| error!(mac = %MacText(mac), %reason, "a unified kernel image could not be made"),
            )
            .map_err(|_| Missing::Nothing)?;
        let digest = Sha256::new().chain_update(image.digest).chain_update(&block).finalize();
        let pieces = vec![image.before, Piece::Memory(block, None), image.after];
        Ok(Content::new(pieces, &digest, wall_clock()))
    }

    fn put(&self, name: String, content: Content) {
        // A panic can't leave the map half written: one call is one change.
        self.named.write().unwrap_or_else(PoisonError::into_inner).insert(name, content);
    }
}

#[cfg(test)]
pub(crate) use tests::program;

#[cfg(test)]
mod tests;
