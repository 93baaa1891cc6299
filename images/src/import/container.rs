//! The packings that an image may come in, and streamed unpacking with bounded memory.

use std::io::{self, BufRead, Read};

/// A packing around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// RFC 1952.
    Gzip,
    /// The .xz format.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}

/// Most memory for xz, in bytes: four times what `xz -9` asks for.
const XZ_MEMORY: u64 = 256 << 20;
/// Largest window of zstd, as a power of two: 128 MiB, what `zstd -d` allows by itself.
const ZSTD_WINDOW: u32 = 27;

impl Container {
    /// Which packing starts with these bytes.
    pub(super) fn detect(head: &[u8]) -> Option<Self> {
        let marks: [(&[u8], Self); 3] =
            [(b"\x1F\x8B\x08", Self::Gzip), (b"\xFD7zXZ\0", Self::Xz), (b"\x28\xB5\x2F\xFD", Self::Zstd)];
        marks.into_iter().find(|(mark, _)| head.starts_with(mark)).map(|(_, container)| container)
    }

    /// Unpacks as it is read. Several members or frames, one behind the other, are one stream, as the tools do it.
    pub(super) fn unpack<'a>(self, packed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
        })
    }
}
