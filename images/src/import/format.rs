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
    /// ISO 9660 that also starts from a disk ("isohybrid"); written to the disk as it is.
    Iso,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Iso => "iso",
        })
    }
}

/// How many first bytes are looked at.
pub(super) const HEAD: usize = 34 << 10;

/// Where the first volume descriptor of an ISO says so, behind its type (ECMA-119, 8.1.2).
const ISO_AT: usize = 16 * 2048 + 1;

/// What is there.
const ISO: &[u8] = b"CD001";

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
    let at = |at: usize, mark: &[u8]| head.get(at..).is_some_and(|head| head.starts_with(mark));
    let detected = if at(0, super::qcow2::MAGIC) {
        Format::Qcow2
    } else if at(ISO_AT, ISO) {
        Format::Iso
    } else {
        Format::Raw
    };
    if detected != declared {
        return Err(ImportError::FormatMismatch { declared, detected });
    }
    // El Torito alone starts from an optical drive only: a boot record of a disk, or a GPT, has to be there.
    if detected == Format::Iso && !at(510, b"\x55\xAA") && !at(512, b"EFI PART") {
        return Err(ImportError::NotFromDisk);
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
        let mut iso = vec![0; HEAD];
        iso[ISO_AT - 1..ISO_AT + 6].copy_from_slice(b"\x01CD001\x01");
        let (mut hybrid, mut gpt) = (iso.clone(), iso.clone());
        hybrid[510..512].copy_from_slice(b"\x55\xAA");
        gpt[512..520].copy_from_slice(b"EFI PART");
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
            (Format::Iso, None, &hybrid, ""),
            (Format::Iso, Some(Container::Xz), &gpt, ""),
            (Format::Iso, None, &iso, "does not start from a disk"),
            (Format::Raw, None, &hybrid, "declared as raw, but its content is iso"),
            (Format::Iso, None, b"\xEB\x63\x90 a boot sector", "declared as iso, but its content is raw"),
            (Format::Iso, None, &iso[..ISO_AT + 4], "declared as iso, but its content is raw"),
        ];
        for (declared, outer, head, expected) in cases {
            let said = expect(*declared, *outer, head).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{expected}: {said}");
        }
    }
}
