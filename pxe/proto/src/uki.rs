//! Unified kernel images: systemd's EFI stub, our kernel, our ramdisk and a machine's command line in one file, which
//! UEFI starts without any loader between (<https://uapi-group.org/specifications/specs/unified_kernel_image/>).
//!
//! The image is put together once. What differs from machine to machine is one block of fixed length, so that
//! all images of one architecture share the memory of everything before and behind it. Deliberately not here: which
//! machine may have one, and what stands on its command line (that is [`crate::boot::agent_command_line`]).

mod pe;

pub use pe::PeError;

use crate::Mac;
use crate::boot::Arch;
use bytes::Bytes;
use pe::Addition;

/// Room for a command line, in bytes; at least one of them stays zero.
pub const COMMAND_LINE_ROOM: usize = 4096;

/// What systemd's stub carries to be told from other programs.
const MAGIC: &[u8] = b"#### LoaderInfo: systemd-stub ";

/// Why no unified kernel image can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UkiError {
    /// The stub is not usable.
    #[error("the EFI stub can't be used")]
    Stub(#[source] PeError),
    /// The stub is an EFI program, but another one.
    #[error("the EFI stub is no systemd-stub (linuxx64.efi.stub, linuxaa64.efi.stub of systemd-boot-efi)")]
    NotAStub,
    /// The stub already carries a section that is to be added.
    #[error("the EFI stub has the section {0} already: it is a whole image, not a stub")]
    Assembled(&'static str),
    /// The kernel is not an EFI program.
    #[error("the kernel can't be started by EFI (built without CONFIG_EFI_STUB?)")]
    Kernel(#[source] PeError),
    /// Kernel and stub don't fit.
    #[error("the kernel is for {kernel}, the EFI stub for {stub}")]
    Mixed {
        /// Architecture of the kernel.
        kernel: &'static str,
        /// Architecture of the stub.
        stub: &'static str,
    },
    /// The command line is too long or not plain text.
    #[error("a command line of {bytes} bytes is not plain text of less than {COMMAND_LINE_ROOM} bytes")]
    CommandLine {
        /// Its length.
        bytes: usize,
    },
}

/// What an image is made of.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// systemd's EFI stub, unsigned.
    pub stub: &'a [u8],
    /// Content of an os-release file; boot menus show its `PRETTY_NAME`.
    pub os_release: &'a str,
    /// The kernel, an EFI program itself.
    pub kernel: &'a [u8],
    /// The ramdisk.
    pub ramdisk: &'a [u8],
}

/// An image in which only the command line is missing. Clones share its memory.
#[derive(Debug, Clone)]
pub struct Template {
    arch: Arch,
    before: Bytes,
    after: Bytes,
}

impl Template {
    /// Puts the parts together.
    ///
    /// # Errors
    /// Parts that don't fit, or that EFI could not start.
    pub fn new(parts: &Parts<'_>) -> Result<Self, UkiError> {
        let stub = pe::read(parts.stub).map_err(UkiError::Stub)?;
        let arch = stub.arch;
        // Not in a section of its own everywhere: the stub for arm64 has only two.
        if !parts.stub.windows(MAGIC.len()).any(|window| window == MAGIC) {
            return Err(UkiError::NotAStub);
        }
        let kernel = pe::read(parts.kernel).map_err(UkiError::Kernel)?.arch;
        if kernel != arch {
            return Err(UkiError::Mixed { kernel: kernel.word(), stub: arch.word() });
        }
        // The kernel comes last: older stubs let it grow beyond its section when it unpacks itself.
        let room = [0; COMMAND_LINE_ROOM];
        let additions = [
            Addition { name: ".osrel", content: parts.os_release.as_bytes() },
            Addition { name: ".cmdline", content: &room },
            Addition { name: ".initrd", content: parts.ramdisk },
            Addition { name: ".linux", content: parts.kernel },
        ];
        for addition in &additions {
            if stub.sections.iter().any(|section| section.name == addition.name.as_bytes()) {
                return Err(UkiError::Assembled(addition.name));
            }
        }
        let (image, places) = pe::append(parts.stub, &additions).map_err(UkiError::Stub)?;
        let image = Bytes::from(image);
        let before = image.slice(..places[1]);
        let after = image.slice(places[1] + COMMAND_LINE_ROOM..);
        Ok(Template { arch, before, after })
    }

    /// For which processor it is: that of the stub.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Length of the image in bytes, the same for every command line.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an image is never empty")]
    pub fn len(&self) -> usize {
        self.before.len() + COMMAND_LINE_ROOM + self.after.len()
    }

    /// The image with this kernel command line, as three parts to be sent one after the other; the first and the last
    /// are shared by all.
    ///
    /// # Errors
    /// A command line that is too long, or holds anything but printable ASCII.
    pub fn with_command_line(&self, text: &str) -> Result<[Bytes; 3], UkiError> {
        Ok([self.before.clone(), command_line_block(text)?, self.after.clone()])
    }

    /// What comes before the block with the command line, and what comes behind it.
    #[must_use]
    pub fn into_parts(self) -> (Bytes, Bytes) {
        (self.before, self.after)
    }
}

/// The block of [`COMMAND_LINE_ROOM`] bytes that carries this command line.
///
/// # Errors
/// A command line that is too long, or holds anything but printable ASCII.
pub fn command_line_block(text: &str) -> Result<Bytes, UkiError> {
    if text.len() >= COMMAND_LINE_ROOM || !text.bytes().all(|c| c == b' ' || c.is_ascii_graphic()) {
        return Err(UkiError::CommandLine { bytes: text.len() });
    }
    // Zeros behind it, not spaces: stub and kernel stop at a zero, while a long tail of spaces is longer than
    // what the kernel takes, and it complains.
    let mut line = vec![0; COMMAND_LINE_ROOM];
    line[..text.len()].copy_from_slice(text.as_bytes());
    Ok(Bytes::from(line))
}

/// The architecture and the hardware address that the name of a machine's image stands for: `x64/52-54-00-aa-bb-cc.efi`,
/// `arm64/…`. `None` for any other text.
#[must_use]
pub fn parse_name(name: &str) -> Option<(Arch, Mac)> {
    let (word, file) = name.split_once('/')?;
    let arch = [Arch::X64, Arch::Arm64].into_iter().find(|arch| arch.word() == word)?;
    let mut parts = file.strip_suffix(".efi")?.split('-');
    let mut mac: Mac = [0; 6];
    for byte in &mut mac {
        let part = parts.next()?;
        if part.len() != 2 || !part.bytes().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some((arch, mac))
}

#[cfg(test)]
mod tests;
