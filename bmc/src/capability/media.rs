//! Virtual media: images that the BMC shows to the machine as a drive.

use crate::BmcError;
use async_trait::async_trait;

/// A BMC with virtual media.
#[async_trait]
pub trait VirtualMedia: Send + Sync {
    /// All slots, with what is in them.
    async fn media(&self) -> Result<Vec<MediaSlot>, BmcError>;
    /// Puts an image in; reads it back. The same image already there is success; another one is taken out first.
    async fn insert_media(&self, insert: &MediaInsert) -> Result<MediaSlot, BmcError>;
    /// Takes out what is in this slot; of all slots when `None`. Reads it back; an empty slot is success.
    async fn eject_media(&self, slot: Option<&str>) -> Result<(), BmcError>;
}

/// A slot for virtual media.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaSlot {
    /// Its id at the BMC: unique among them, such as `Cd`, `1`, `CD1`.
    pub id: String,
    /// What it can be.
    pub kinds: Vec<MediaKind>,
    /// The image that is in it, if any.
    pub image: Option<String>,
    /// Whether the machine sees it.
    pub inserted: bool,
    /// Whether the machine can't write to it; `None`: the BMC doesn't tell.
    pub write_protected: Option<bool>,
}

/// What a slot can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A CD.
    Cd,
    /// A DVD.
    Dvd,
    /// A USB stick.
    Usb,
    /// A floppy disk.
    Floppy,
}

/// What is put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaInsert {
    /// URL of the image, as the BMC reaches it.
    pub image: String,
    /// Into which slot; `None`: the first that is fit for the kind.
    pub slot: Option<String>,
    /// As what the machine shall see it.
    pub kind: MediaKind,
}
