//! What the content of an image is, by its first bytes.
//!
//! A raw disk has no mark of its own: it is what is nothing else. Formats that would be written to a disk as they
//! are, because somebody declared them raw, are refused by name.

use super::ImportError;
use super::container::Container;

/// What an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the disk.
    Raw,
    /// QEMU's qcow2, version 2 or 3.
    Qcow2,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        })
    }
}

/// How many first bytes are looked at.
pub(super) const HEAD: usize = 512;

/// Marks of formats that we know and don't read: offset, bytes, name.
const FOREIGN: &[(usize, &[u8], &str)] = &[
    (0, b"BZh", "bzip2 data"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (0, b"\x04\x22\x4D\x18", "lz4 data"),
    (0, b"LZIP", "lzip data"),
    (0, b"KDMV", "a VMDK image"),
    (0, b"COWD", "a VMDK image"),
    (0, b"# Disk DescriptorFile", "a VMDK descriptor"),
    (0, b"vhdxfile", "a VHDX image"),
    (0, b"conectix", "a VHD image"),
    (0x40, b"\x7F\x10\xDA\xBE", "a VDI image"),
    (0, b"QED\0", "a QED image"),
    (0, b"WithoutFreeSpace", "a Parallels image"),
    (0, b"WithouFreSpacExt", "a Parallels image"),
    (257, b"ustar", "a tar archive"),
];

/// What `head`, the first bytes of the unpacked content, belongs to; refused when it is not what was declared.
pub(super) fn expect(declared: Format, outer: Option<Container>, head: &[u8]) -> Result<(), ImportError> {
    if head.is_empty() {
        return Err(ImportError::Empty);
    }
    if let (Some(outer), Some(inner)) = (outer, Container::detect(head)) {
        return Err(ImportError::Nested { outer, inner });
    }
    let has = |&&(at, mark, _): &&(usize, &[u8], &str)| head.get(at..).is_some_and(|h| h.starts_with(mark));
    if let Some(&(_, _, found)) = FOREIGN.iter().find(has) {
        return Err(ImportError::Foreign { found });
    }
    let detected = if head.starts_with(super::qcow2::MAGIC) { Format::Qcow2 } else { Format::Raw };
    if detected != declared {
        return Err(ImportError::FormatMismatch { declared, detected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_has_to_be_what_is_found() {
        let mut vdi = vec![b'<'; 512];
        vdi[0x40..0x44].copy_from_slice(b"\x7F\x10\xDA\xBE");
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let cases: &[(Format, Option<Container>, &[u8], &str)] = &[
            (Format::Raw, None, b"", "is empty"),
            (Format::Raw, None, b"\xEB\x63\x90 a boot sector", ""),
            (Format::Raw, None, b"QFI\xFB\0\0\0\x03", "declared as raw, but its content is qcow2"),
            (Format::Qcow2, None, b"QFI\xFB\0\0\0\x03", ""),
            (Format::Qcow2, None, b"QFI", "declared as qcow2, but its content is raw"),
            (Format::Raw, Some(Container::Gzip), b"\x1F\x8B\x08\0", "gzip inside gzip"),
            (Format::Qcow2, Some(Container::Zstd), b"\xFD7zXZ\0", "xz inside zstd"),
            (Format::Raw, None, b"BZh91AY", "bzip2"),
            (Format::Qcow2, None, b"KDMV\x01", "VMDK"),
            (Format::Raw, None, &vdi, "VDI"),
            (Format::Raw, None, &tar, "tar"),
        ];
        for (declared, outer, head, expected) in cases {
            let said = expect(*declared, *outer, head).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{expected}: {said}");
        }
    }
}
