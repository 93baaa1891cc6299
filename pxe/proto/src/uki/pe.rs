//! The little of PE/COFF that a unified kernel image needs: read the headers of a stub, put more sections behind it.
//!
//! Layout: Microsoft PE format, "COFF file header", "optional header" and "section table"; all numbers little-endian.
//! Deliberately not here: relocations, signatures (an image that carries one is refused), the checksum (EFI ignores
//! it).

use crate::boot::Arch;

/// Length of one entry of the section table.
const SECTION_ENTRY: usize = 40;
/// `IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ`.
const READ_ONLY_DATA: u32 = 0x4000_0040;
/// Magic of a PE32+ optional header.
const PE32_PLUS: u16 = 0x020b;
/// Where the data directory lies in a PE32+ optional header, and how long the header is up to its end.
const DIRECTORY: usize = 112;
/// Index of the certificate table in the data directory.
const CERTIFICATES: usize = 4;
/// What sections of ours are aligned to in memory: larger than the page of any architecture.
const SECTION_SPACING: u64 = 0x1_0000;

/// Why a file is not a PE image that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeError {
    /// Too short, or without the signatures of a 64-bit PE image.
    #[error("it is no 64-bit PE image ({0})")]
    NotPe(&'static str),
    /// Made for a processor that we have no agent for.
    #[error("it is for the machine type {0:#06x}; x86_64 (0x8664) and arm64 (0xaa64) are supported")]
    Machine(u16),
    /// A field points outside the file, or contradicts another.
    #[error("its header is inconsistent ({0})")]
    Inconsistent(&'static str),
    /// Appending to a signed image breaks its signature.
    #[error("it carries a signature, which more sections would break; take the unsigned file")]
    Signed,
    /// The section table can't grow.
    #[error("its header has no room for {wanted} more sections")]
    NoRoom {
        /// How many were to be added.
        wanted: usize,
    },
    /// Larger than the format can express.
    #[error("the image would be larger than 2 GiB")]
    TooLarge,
}

/// One section, as the section table describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// Its name, up to the first zero.
    pub(crate) name: Vec<u8>,
    /// Length in memory.
    pub(crate) virtual_size: u32,
    /// Address in memory, from the start of the image.
    pub(crate) virtual_address: u32,
    /// Length in the file.
    pub(crate) raw_size: u32,
    /// Place in the file.
    pub(crate) raw_offset: u32,
}

/// The headers of an image, checked.
#[derive(Debug, Clone)]
pub(crate) struct Headers {
    /// For which processor it is.
    pub(crate) arch: Arch,
    /// Its sections, in the order of the table.
    pub(crate) sections: Vec<Section>,
    coff: usize,
    optional: usize,
    table: usize,
    file_alignment: u32,
    size_of_headers: usize,
    certified: bool,
}

/// A section to be added.
pub(crate) struct Addition<'a> {
    /// At most eight bytes.
    pub(crate) name: &'static str,
    /// Its content.
    pub(crate) content: &'a [u8],
}

/// Reads the headers of an EFI program.
pub(crate) fn read(file: &[u8]) -> Result<Headers, PeError> {
    if file.get(..2) != Some(b"MZ") {
        return Err(PeError::NotPe("no MZ at its start"));
    }
    let signature = u32_at(file, 0x3c).ok_or(PeError::NotPe("too short"))? as usize;
    if file.get(signature..signature.saturating_add(4)) != Some(b"PE\0\0") {
        return Err(PeError::NotPe("no PE signature"));
    }
    let coff = signature + 4;
    let optional = coff + 20;
    let short = PeError::NotPe("its headers are cut off");
    let arch = match u16_at(file, coff).ok_or(short.clone())? {
        0x8664 => Arch::X64,
        0xaa64 => Arch::Arm64,
        other => return Err(PeError::Machine(other)),
    };
    let count = usize::from(u16_at(file, coff + 2).ok_or(short.clone())?);
    let optional_size = usize::from(u16_at(file, coff + 16).ok_or(short.clone())?);
    if u16_at(file, optional) != Some(PE32_PLUS) || optional_size < DIRECTORY {
        return Err(PeError::NotPe("no PE32+ header"));
    }
    let table = optional + optional_size;
    let entries = file.get(table..table.saturating_add(count * SECTION_ENTRY)).ok_or(short.clone())?;
    let sections: Vec<_> = entries.chunks_exact(SECTION_ENTRY).filter_map(section).collect();
    let directories = u32_at(file, optional + DIRECTORY - 4).ok_or(short.clone())? as usize;
    let entry = optional + DIRECTORY + CERTIFICATES * 8;
    let certified = directories > CERTIFICATES
        && entry + 8 <= table
        && (u32_at(file, entry), u32_at(file, entry + 4)) != (Some(0), Some(0));
    Ok(Headers {
        arch,
        sections,
        coff,
        optional,
        table,
        file_alignment: u32_at(file, optional + 36).ok_or(short.clone())?,
        size_of_headers: u32_at(file, optional + 60).ok_or(short)? as usize,
        certified,
    })
}

/// One entry of the section table.
fn section(entry: &[u8]) -> Option<Section> {
    let name = entry.get(..8)?;
    // As EFI stubs compare names: nothing counts behind the first zero.
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    Some(Section {
        name: name[..end].to_vec(),
        virtual_size: u32_at(entry, 8)?,
        virtual_address: u32_at(entry, 12)?,
        raw_size: u32_at(entry, 16)?,
        raw_offset: u32_at(entry, 20)?,
    })
}

/// The image with `additions` behind its own sections, and where in the file the content of each begins.
///
/// In memory each begins at a multiple of 64 KiB above what was there; in the file, at the image's own alignment.
pub(crate) fn append(file: &[u8], additions: &[Addition<'_>]) -> Result<(Vec<u8>, Vec<usize>), PeError> {
    let headers = read(file)?;
    let alignment = check_appendable(file, &headers, additions.len())?;
    let own = additions.iter().map(|addition| addition.content.len() + alignment).sum::<usize>();
    let mut image = Vec::with_capacity(file.len() + alignment + own);
    image.extend_from_slice(file);
    let ends = headers.sections.iter().map(|section| {
        u64::from(section.virtual_address) + u64::from(section.virtual_size.max(section.raw_size))
    });
    let mut address = ends.chain([headers.size_of_headers as u64]).max().unwrap_or(0);
    let mut places = Vec::with_capacity(additions.len());
    let mut added = 0_u64;
    for (number, addition) in additions.iter().enumerate() {
        image.resize(image.len().next_multiple_of(alignment), 0);
        address = address.next_multiple_of(SECTION_SPACING);
        let offset = image.len();
        image.extend_from_slice(addition.content);
        image.resize(image.len().next_multiple_of(alignment), 0);
        let raw = (image.len() - offset) as u64;
        let entry = headers.table + (headers.sections.len() + number) * SECTION_ENTRY;
        let mut fields = [0; SECTION_ENTRY];
        fields[..addition.name.len()].copy_from_slice(addition.name.as_bytes());
        fields[8..12].copy_from_slice(&small(addition.content.len() as u64)?.to_le_bytes());
        fields[12..16].copy_from_slice(&small(address)?.to_le_bytes());
        fields[16..20].copy_from_slice(&small(raw)?.to_le_bytes());
        fields[20..24].copy_from_slice(&small(offset as u64)?.to_le_bytes());
        fields[36..40].copy_from_slice(&READ_ONLY_DATA.to_le_bytes());
        image[entry..entry + SECTION_ENTRY].copy_from_slice(&fields);
        places.push(offset);
        address += raw;
        added += raw;
    }
    // SizeOfImage; EFI takes its memory by it, in whole pages.
    put(&mut image, headers.optional + 56, small(address.next_multiple_of(4096))?);
    let data = u32_at(&image, headers.optional + 8).map_or(0, u64::from);
    put(&mut image, headers.optional + 8, small(data + added)?);
    // A checksum that is not right is worse than none.
    put(&mut image, headers.optional + 64, 0);
    // At most 96 sections (the format), which `check_appendable` saw to.
    let count = (headers.sections.len() + additions.len()) as u16;
    image[headers.coff + 2..headers.coff + 4].copy_from_slice(&count.to_le_bytes());
    Ok((image, places))
}

/// Whether `wanted` sections can be added to the file; its file alignment.
fn check_appendable(file: &[u8], headers: &Headers, wanted: usize) -> Result<usize, PeError> {
    if headers.certified {
        return Err(PeError::Signed);
    }
    let alignment = headers.file_alignment as usize;
    if !alignment.is_power_of_two() || !(16..=0x1_0000).contains(&alignment) {
        return Err(PeError::Inconsistent("its file alignment is no power of two from 16 to 65536"));
    }
    for section in &headers.sections {
        let end = section.raw_offset as usize + section.raw_size as usize;
        if section.raw_size > 0 && end > file.len() {
            return Err(PeError::Inconsistent("a section ends behind the file"));
        }
    }
    let contents = headers.sections.iter().filter(|section| section.raw_size > 0);
    let first = contents.map(|section| section.raw_offset as usize).min().unwrap_or(file.len());
    let room = headers.size_of_headers.min(first).min(file.len());
    let begin = headers.table + headers.sections.len() * SECTION_ENTRY;
    let end = begin + wanted * SECTION_ENTRY;
    let free = file.get(begin..end).is_some_and(is_padding);
    if end > room || !free || headers.sections.len() + wanted > 96 {
        return Err(PeError::NoRoom { wanted });
    }
    Ok(alignment)
}

/// Whether nothing stands there: zeros, or the "no operation" of arm64 with which its assembler fills gaps.
fn is_padding(gap: &[u8]) -> bool {
    gap.iter().all(|byte| *byte == 0) || gap.chunks(4).all(|word| word == [0x1f, 0x20, 0x03, 0xd5])
}

/// A number that the format keeps in 31 bits.
fn small(number: u64) -> Result<u32, PeError> {
    u32::try_from(number).ok().filter(|number| *number <= i32::MAX as u32).ok_or(PeError::TooLarge)
}

/// Writes a number into a header that was read before.
fn put(image: &mut [u8], at: usize, number: u32) {
    if let Some(field) = image.get_mut(at..at + 4) {
        field.copy_from_slice(&number.to_le_bytes());
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes([field[0], field[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([field[0], field[1], field[2], field[3]]))
}
