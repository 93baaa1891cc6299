//! A console's record: the newest bytes in files (`segments`) or in memory (`ring`), and who waits for more.
//!
//! Not synchronised to the disk: after a power cut of this host the last seconds may be missing.

use super::{
    ring::Ring,
    segments::{Segments, Span},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use tokio::sync::{Mutex, watch};

/// Bytes of one segment; two of them are kept for each machine.
const SEGMENT: u64 = 512 * 1024;

/// Bytes that are kept in memory where nothing is recorded.
const MEMORY: usize = 64 * 1024;

/// The most that is read at once.
const PIECE: u64 = 64 * 1024;

/// A record.
pub(super) struct Record {
    /// Where its files are; none: memory only.
    folder: Option<PathBuf>,
    kept: Mutex<Kept>,
    end: watch::Sender<u64>,
}

enum Kept {
    /// Not looked at yet, or not as expected: it is looked at anew.
    Unread,
    Files(Segments),
    Memory(Ring),
    /// Forgotten for good.
    Gone,
}

impl Record {
    /// A record in files below a folder, or in memory. Does no I/O yet.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        let kept = if folder.is_some() { Kept::Unread } else { Kept::Memory(Ring::new(MEMORY)) };
        Self { folder, kept: Mutex::new(kept), end: watch::Sender::new(0) }
    }

    /// First position that is kept, and the one behind the last.
    pub(super) async fn bounds(&self) -> io::Result<(u64, u64)> {
        let mut kept = self.kept.lock().await;
        self.read_up(&mut kept).await?;
        Ok(match &*kept {
            Kept::Files(segments) => (segments.first(), segments.end()),
            Kept::Memory(ring) => (ring.first(), ring.end()),
            Kept::Unread | Kept::Gone => (0, 0),
        })
    }

    /// Tells when the end moves on. The value is only right after `bounds` was asked for once.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    /// Adds bytes.
    pub(super) async fn append(&self, bytes: Vec<u8>) -> io::Result<()> {
        let mut kept = self.kept.lock().await;
        self.read_up(&mut kept).await?;
        let end = match &mut *kept {
            Kept::Memory(ring) => {
                ring.append(&bytes);
                ring.end()
            }
            Kept::Files(segments) => {
                let (parts, stale) = segments.append(bytes.len());
                let end = segments.end();
                let folder = self.folder.clone().unwrap_or_default();
                let written = blocking(move || {
                    let mut rest = bytes.as_slice();
                    for part in parts {
                        let (now, later) = rest.split_at(part.len.min(rest.len()));
                        if !stale.contains(&part.segment) {
                            let path = file_of(&folder, part.segment);
                            let mut file =
                                OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
                            file.write_all(now)?;
                        }
                        rest = later;
                    }
                    remove(&folder, &stale)
                })
                .await;
                if let Err(error) = written {
                    *kept = Kept::Unread;
                    return Err(error);
                }
                end
            }
            Kept::Unread | Kept::Gone => return Err(forgotten()),
        };
        self.end.send_replace(end);
        Ok(())
    }

    /// Some bytes from a position on, with the position of the first of them: a later one, if those asked for are no
    /// longer kept. Empty at the end.
    pub(super) async fn read(&self, position: u64) -> io::Result<(u64, Vec<u8>)> {
        let mut kept = self.kept.lock().await;
        self.read_up(&mut kept).await?;
        match &*kept {
            Kept::Memory(ring) => {
                let position = position.max(ring.first());
                Ok((position, ring.read(position, PIECE as usize)))
            }
            Kept::Files(segments) => {
                let position = position.max(segments.first());
                let Some(place) = segments.find(position) else { return Ok((position, Vec::new())) };
                let path = file_of(&self.folder.clone().unwrap_or_default(), place.segment);
                let bytes = blocking(move || {
                    let mut file = File::open(path)?;
                    file.seek(SeekFrom::Start(place.offset))?;
                    let mut bytes = Vec::new();
                    file.take(place.len.min(PIECE)).read_to_end(&mut bytes)?;
                    Ok(bytes)
                })
                .await?;
                Ok((position, bytes))
            }
            Kept::Unread | Kept::Gone => Err(forgotten()),
        }
    }

    /// Forgets it for good, files included.
    pub(super) async fn forget(&self) -> io::Result<()> {
        let mut kept = self.kept.lock().await;
        *kept = Kept::Gone;
        match self.folder.clone() {
            Some(folder) => blocking(move || remove_folder(&folder)).await,
            None => Ok(()),
        }
    }

    async fn read_up(&self, kept: &mut Kept) -> io::Result<()> {
        if let (Kept::Unread, Some(folder)) = (&*kept, self.folder.clone()) {
            let segments = blocking(move || open(&folder)).await?;
            self.end.send_replace(segments.end());
            *kept = Kept::Files(segments);
        }
        Ok(())
    }
}

/// Removes a folder that may not be there.
pub(super) fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn open(folder: &Path) -> io::Result<Segments> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let start = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
        if let Some(start) = start {
            found.push(Span { start, len: entry.metadata()?.len() });
        }
    }
    let (segments, stale) = Segments::found(found, SEGMENT);
    remove(folder, &stale)?;
    Ok(segments)
}

fn remove(folder: &Path, segments: &[u64]) -> io::Result<()> {
    for segment in segments {
        match fs::remove_file(file_of(folder, *segment)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn file_of(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:020}.log"))
}

fn forgotten() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the record was forgotten")
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(act).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    async fn all(record: &Record) -> Vec<u8> {
        let (mut at, end) = record.bounds().await.unwrap();
        let mut bytes: Vec<u8> = Vec::new();
        while at < end {
            let (start, piece) = record.read(at).await.unwrap();
            assert_eq!(start, at);
            assert!(!piece.is_empty());
            at += piece.len() as u64;
            bytes.extend(piece);
        }
        bytes
    }

    #[tokio::test]
    async fn a_record_goes_on_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = || Some(folder.path().join("m1"));
        let record = Record::new(path());
        record.append(b"one ".to_vec()).await.unwrap();
        drop(record);
        let record = Record::new(path());
        record.append(b"two".to_vec()).await.unwrap();
        assert_eq!(all(&record).await, b"one two");
        assert_eq!(record.bounds().await.unwrap(), (0, 7));
        let modes = [path().unwrap(), path().unwrap().join(format!("{:020}.log", 0))]
            .map(|path| fs::metadata(path).unwrap().permissions().mode() & 0o777);
        assert_eq!(modes, [0o700, 0o600]);
        assert_eq!(record.read(4).await.unwrap(), (4, b"two".to_vec()));
        assert_eq!(record.read(7).await.unwrap(), (7, Vec::new()));
    }

    #[tokio::test]
    async fn it_is_bounded_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::new(Some(folder.path().to_owned()));
        let mut written: Vec<u8> = Vec::new();
        for number in 0..30_u8 {
            let bytes = vec![number; 100_000];
            written.extend(&bytes);
            record.append(bytes).await.unwrap();
        }
        let (first, end) = record.bounds().await.unwrap();
        assert_eq!(end, 3_000_000);
        assert!((SEGMENT..=2 * SEGMENT).contains(&(end - first)), "{first} to {end}");
        assert!(all(&record).await == written[first as usize..], "what is kept is what was written");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        // Positions that are gone are answered with the first that is there.
        assert_eq!(record.read(0).await.unwrap().0, first);
    }

    #[tokio::test]
    async fn memory_keeps_no_file_and_who_waits_is_told() {
        let record = Record::new(None);
        let mut end = record.watch();
        record.append(b"x".to_vec()).await.unwrap();
        assert_eq!(*end.borrow_and_update(), 1);
        assert_eq!(all(&record).await, b"x");
    }

    #[tokio::test]
    async fn what_is_forgotten_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m1");
        let record = Record::new(Some(path.clone()));
        record.append(b"x".to_vec()).await.unwrap();
        record.forget().await.unwrap();
        assert!(!path.exists());
        assert!(record.append(b"y".to_vec()).await.is_err());
        assert!(!path.exists());
    }
}
