//! Unpacks a rescue archive: cpio in the "newc" format, packed by zstd, as `images/ramdisk/rescue` makes it.
//!
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel. Folders, plain files and symbolic links
//! are taken, nothing else; nothing goes outside of the folder that is named, through a link, or over what the agent itself
//! was started from. Whose archive it is was checked before; this is for one that is damaged or made wrongly.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
};

/// Bytes of all files together at most. They stay in RAM.
const MOST_BYTES: u64 = 256 << 20;

/// Entries at most.
const MOST_ENTRIES: u32 = 20_000;

/// Bytes of a name, or of what a symbolic link says, at most.
const MOST_NAME: u32 = 4096;

/// What the agent was started from, and whom it believes.
const OURS: [&str; 2] = ["init", "etc/billet"];

/// What the last entry is called.
const TRAILER: &[u8] = b"TRAILER!!!";

/// Why an archive is not unpacked to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadArchive {
    /// It ends in the middle, or zstd can't unpack it.
    #[error("the rescue archive can't be read")]
    Unreadable(#[source] io::Error),
    /// It is none.
    #[error("the rescue archive is no cpio archive (newc) at byte {at}")]
    Format {
        /// Where.
        at: u64,
    },
    /// It would take too much memory.
    #[error("the rescue archive holds more than {most} {what}")]
    TooMuch {
        /// Bytes, entries, …
        what: &'static str,
        /// How many are taken.
        most: u64,
    },
    /// An entry goes where none may go.
    #[error("the rescue archive has an entry `{name}`, which {why}")]
    Place {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It can't be written here.
    #[error("can't unpack {}", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Unpacks into `root`. Files that are there are replaced, so that it can be done once more after a failure.
pub(super) fn unpack(packed: &[u8], root: &Path) -> Result<(), BadArchive> {
    unpack_at_most(packed, root, MOST_BYTES)
}

fn unpack_at_most(packed: &[u8], root: &Path, most: u64) -> Result<(), BadArchive> {
    let unpacked = zstd::Decoder::new(packed).map_err(BadArchive::Unreadable)?;
    let mut input = Input { from: unpacked, at: 0 };
    let mut left = most;
    for _ in 0..MOST_ENTRIES {
        let Some(entry) = input.entry()? else { return Ok(()) };
        left = left.checked_sub(u64::from(entry.size)).ok_or(BadArchive::TooMuch { what: "bytes", most })?;
        put(&mut input, &entry, root)?;
        input.align()?;
    }
    Err(BadArchive::TooMuch { what: "entries", most: MOST_ENTRIES.into() })
}

/// One entry's header.
struct Entry {
    name: String,
    mode: u32,
    links: u32,
    size: u32,
}

/// File type bits of `st_mode`.
const KIND: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

struct Input<R> {
    from: R,
    at: u64,
}

impl<R: Read> Input<R> {
    fn exactly(&mut self, count: u32) -> Result<Vec<u8>, BadArchive> {
        let mut bytes = vec![0; count as usize];
        self.from.read_exact(&mut bytes).map_err(BadArchive::Unreadable)?;
        self.at += u64::from(count);
        Ok(bytes)
    }

    /// On to the next multiple of four bytes.
    fn align(&mut self) -> Result<(), BadArchive> {
        let gap = self.at.wrapping_neg() & 3;
        self.exactly(gap as u32).map(drop)
    }

    /// The next header; none behind the last entry.
    fn entry(&mut self) -> Result<Option<Entry>, BadArchive> {
        let at = self.at;
        let header = self.exactly(110)?;
        let bad = || BadArchive::Format { at };
        if !header.starts_with(b"070701") {
            return Err(bad());
        }
        // Thirteen numbers of eight hex digits.
        let field = |number: usize| {
            let digits = std::str::from_utf8(&header[6 + number * 8..14 + number * 8]).map_err(|_| bad())?;
            u32::from_str_radix(digits, 16).map_err(|_| bad())
        };
        let (mode, links, size, length) = (field(1)?, field(4)?, field(6)?, field(11)?);
        if length == 0 || length > MOST_NAME {
            return Err(bad());
        }
        let mut name = self.exactly(length)?;
        self.align()?;
        // It ends with a zero byte.
        if name.pop() != Some(0) {
            return Err(bad());
        }
        if name == TRAILER {
            return Ok(None);
        }
        let name = String::from_utf8(name).map_err(|_| bad())?;
        Ok(Some(Entry { name, mode, links, size }))
    }
}

/// Makes what an entry says.
fn put(input: &mut Input<impl Read>, entry: &Entry, root: &Path) -> Result<(), BadArchive> {
    let refused = |why| BadArchive::Place { name: entry.name.clone(), why };
    let inside = inside(&entry.name).map_err(refused)?;
    let path = root.join(&inside);
    through_folders(root, &inside).map_err(refused)?;
    let failed = |source| BadArchive::Write { path: path.clone(), source };
    match entry.mode & KIND {
        FOLDER if entry.size == 0 => folder(&path, entry.mode).map_err(failed),
        FILE if entry.links > 1 => Err(refused("is a hard link; it has to be a file of its own")),
        FILE => file(input, entry, &path),
        LINK if entry.size <= MOST_NAME => {
            let target = String::from_utf8(input.exactly(entry.size)?);
            let target = target.map_err(|_| refused("is a link to nowhere"))?;
            make_room(&path).and_then(|()| symlink(target, &path)).map_err(failed)
        }
        _ => Err(refused("is no folder, file or symbolic link")),
    }
}

/// Where an entry goes, relative to the root.
fn inside(name: &str) -> Result<PathBuf, &'static str> {
    let mut inside = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => inside.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("leads outside (`..`)"),
            Component::RootDir | Component::Prefix(_) => return Err("begins with `/`"),
        }
    }
    if name.contains('\0') || inside.as_os_str().is_empty() {
        return Err("is no name");
    }
    if OURS.iter().any(|ours| inside.starts_with(ours)) {
        return Err("belongs to the agent");
    }
    Ok(inside)
}

/// Each folder above has to be there, and be one: not a link to another.
fn through_folders(root: &Path, inside: &Path) -> Result<(), &'static str> {
    let above = inside.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
    for above in above {
        match fs::symlink_metadata(root.join(above)) {
            Ok(metadata) if metadata.is_dir() => {}
            _ => return Err("lies in something that is no folder"),
        }
    }
    Ok(())
}

/// One that is there stays as it is: it may be mounted over.
fn folder(path: &Path, mode: u32) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        _ => {
            make_room(path)?;
            fs::DirBuilder::new().mode(mode & 0o7777).create(path)
        }
    }
}

fn file(input: &mut Input<impl Read>, entry: &Entry, path: &Path) -> Result<(), BadArchive> {
    let failed = |source| BadArchive::Write { path: path.to_owned(), source };
    make_room(path).map_err(failed)?;
    // Never through a link that is there.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let mut left = entry.size;
    while left > 0 {
        let piece = left.min(1 << 16);
        file.write_all(&input.exactly(piece)?).map_err(failed)?;
        left -= piece;
    }
    // No bit but those for reading, writing and executing.
    file.set_permissions(fs::Permissions::from_mode(entry.mode & 0o777)).map_err(failed)
}

/// Removes what is there, but for folders.
fn make_room(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests;
