//! The ledger's files: each process has one, locked while it lives, in a folder that they share.
//!
//! A file whose lock is free belongs to a process that ended. Lines are appended without waiting for the disk: they are
//! to survive the process, not the host, and with the host's power the sessions end, too.
//!
//! Each line is `+`, `-` or `~`, address, user name in hex, session id in hex, for `~` also the time of last use; an
//! empty line says that the process lives.

use super::{Change, Entry};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// How the files' names end.
const SUFFIX: &str = "sessions";
/// How the names of files end that are not complete yet.
const DRAFT: &str = "draft";
/// A draft is complete after milliseconds; this old, its process was killed before.
const ABANDONED: Duration = Duration::from_secs(60);
/// A file is written anew when it is larger than this and mostly history.
const LARGE: u64 = 64 << 10;
/// No line is longer; tells how much of a file is history.
const LINE: u64 = 128;
/// So many bytes wait for the next line at the most.
const LATE: usize = 4 << 10;
/// Files of others are read up to this size: they are ours, but who knows.
const READ_LIMIT: u64 = 16 << 20;

/// This process's file, and the folder.
pub(super) struct Journal {
    folder: PathBuf,
    file: Option<(File, PathBuf)>,
    /// What goes with the next lines.
    late: String,
    size: u64,
    /// The size from which on it may be worth to write it anew.
    enough: u64,
    /// What is in the way was told already.
    warned: bool,
}

impl Journal {
    /// Does no I/O yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, file: None, late: String::new(), size: 0, enough: LARGE, warned: false }
    }

    /// Whether this process's file is open.
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Opens this process's file. `live` are the sessions that are not closed.
    pub(super) fn open(&mut self, live: &[(Entry, Change)]) {
        let result = self.begin(live);
        self.warn(result);
    }

    /// Appends what became of a session.
    pub(super) fn write(&mut self, entry: &Entry, change: Change) {
        let result = self.append(&line(entry, change));
        self.warn(result);
    }

    /// The same, together with the next line: for the end of a session while others are open, whose own lines follow
    /// soon. A process that is killed before leaves a session that is none any more, and the BMC says so.
    pub(super) fn write_late(&mut self, entry: &Entry, change: Change) {
        self.late.push_str(&line(entry, change));
        if self.late.len() > LATE {
            let result = self.append("");
            self.warn(result);
        }
    }

    /// Whether the file has grown enough to look whether it is mostly history.
    pub(super) fn is_large(&self) -> bool {
        self.size > self.enough
    }

    /// Writes the file anew, if that makes it much smaller: thousands of sessions may really be open.
    pub(super) fn compact(&mut self, live: &[(Entry, Change)]) {
        if self.size > 4 * LINE * live.len() as u64 {
            let result = self.begin(live);
            self.warn(result);
        }
        self.enough = LARGE.max(self.size * 2);
    }

    /// Says that this process lives and uses its sessions.
    pub(super) fn touch(&mut self) {
        if self.file.is_some() {
            let result = self.append("\n");
            self.warn(result);
        }
    }

    /// Takes over the sessions from the files of processes that ended, those that are worth it with the time of their
    /// last use; writes them into this process's own file before the other is deleted.
    pub(super) fn take_over(&mut self, worth: impl Fn(&Entry, u64) -> bool) -> Vec<(Entry, u64)> {
        let mut found = Vec::new();
        let paths = match self.others() {
            Ok(paths) => paths,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
            Err(error) => {
                self.warn(Err(error));
                return found;
            }
        };
        for path in paths {
            let result = self.inherit(&path, &worth);
            match result {
                Ok(entries) => found.extend(entries),
                Err(error) => tracing::debug!(path = %path.display(), %error, "not taken over"),
            }
        }
        found
    }

    fn others(&self) -> io::Result<Vec<PathBuf>> {
        let own = self.file.as_ref().map(|(_, path)| path.as_path());
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let suffix = path.extension();
            if suffix.is_some_and(|suffix| suffix == SUFFIX) && Some(path.as_path()) != own {
                paths.push(path);
            } else if suffix.is_some_and(|suffix| suffix == DRAFT) && is_abandoned(&path) {
                let _ = fs::remove_file(path);
            }
        }
        Ok(paths)
    }

    fn inherit(
        &mut self,
        path: &Path,
        worth: &impl Fn(&Entry, u64) -> bool,
    ) -> io::Result<Vec<(Entry, u64)>> {
        // What is no file (a pipe waits for a writer for ever) is none of ours.
        let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
        let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(Vec::new());
        }
        // Its process lives.
        if file.try_lock().is_err() {
            return Ok(Vec::new());
        }
        let about = file.metadata()?;
        // Somebody else has just taken it over.
        if about.nlink() == 0 {
            return Ok(Vec::new());
        }
        let touched = about.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut text = Vec::new();
        (&mut file).take(READ_LIMIT).read_to_end(&mut text)?;
        let left = read(&String::from_utf8_lossy(&text), touched);
        let left: Vec<_> = left.into_iter().filter(|(entry, used)| worth(entry, *used)).collect();
        if !left.is_empty() {
            let lines: Vec<_> =
                left.iter().map(|(entry, used)| (entry.clone(), Change::Left(*used))).collect();
            match self.file {
                Some(_) => self.append(&text_of(&lines))?,
                None => self.begin(&lines)?,
            }
        }
        fs::remove_file(path)?;
        Ok(left)
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        let mut late = std::mem::take(&mut self.late);
        let text = if late.is_empty() {
            text
        } else {
            late.push_str(text);
            &late
        };
        if let Some((file, _)) = &mut self.file {
            file.write_all(text.as_bytes())?;
            self.size += text.len() as u64;
        }
        Ok(())
    }

    /// Begins a new file in place of the present one. It gets its name only when it is locked and complete.
    fn begin(&mut self, live: &[(Entry, Change)]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = match &self.file {
            Some((_, path)) => path.clone(),
            None => {
                let mut name = [0; 8];
                getrandom::fill(&mut name).map_err(io::Error::other)?;
                self.folder.join(format!("{}-{}.{SUFFIX}", std::process::id(), hex::encode(name)))
            }
        };
        let draft = path.with_extension(DRAFT);
        let options = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).clone();
        let mut file = options.open(&draft)?;
        file.try_lock().map_err(io::Error::from)?;
        let text = text_of(live);
        file.write_all(text.as_bytes())?;
        // What is closed is not in it.
        self.late.clear();
        fs::rename(&draft, &path)?;
        self.size = text.len() as u64;
        self.file = Some((file, path));
        Ok(())
    }

    /// Lets go of the file as a killed process does.
    #[cfg(test)]
    pub(super) fn abandon(&mut self) {
        self.file = None;
    }

    fn warn(&mut self, result: io::Result<()>) {
        let Err(error) = result else { return };
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                folder = %self.folder.display(),
                %error,
                "open IPMI sessions can't be noted; if this process is killed they stay open for a minute"
            );
        }
    }
}

impl Drop for Journal {
    /// A process that ends properly leaves a file only if it has left sessions.
    fn drop(&mut self) {
        let _ = self.append("");
        let Some((_, path)) = &self.file else { return };
        if let Ok(text) = fs::read_to_string(path)
            && read(&text, 0).is_empty()
        {
            let _ = fs::remove_file(path);
        }
    }
}

fn is_abandoned(draft: &Path) -> bool {
    let modified = fs::metadata(draft).and_then(|about| about.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > ABANDONED))
}

fn text_of(lines: &[(Entry, Change)]) -> String {
    lines.iter().map(|(entry, change)| line(entry, *change)).collect()
}

fn line(entry: &Entry, change: Change) -> String {
    let (sign, used) = match change {
        Change::Opened => ('+', String::new()),
        Change::Closed => ('-', String::new()),
        Change::Left(used) => ('~', format!(" {used}")),
    };
    // An empty user name is a valid one.
    format!("{sign} {} x{} {:08x}{used}\n", entry.peer, hex::encode(&*entry.username), entry.id)
}

/// The sessions in a file that are not closed, with the time of their last use: `touched` for those that were in use.
/// A torn or foreign line is skipped.
fn read(text: &str, touched: u64) -> BTreeMap<Entry, u64> {
    let mut open = BTreeMap::new();
    for line in text.lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        match *parts.as_slice() {
            ["+", peer, user, id] => {
                if let Some(entry) = entry(peer, user, id) {
                    open.insert(entry, touched);
                }
            }
            ["~", peer, user, id, used] => {
                if let (Some(entry), Ok(used)) = (entry(peer, user, id), used.parse()) {
                    open.insert(entry, used);
                }
            }
            ["-", peer, user, id] => {
                if let Some(entry) = entry(peer, user, id) {
                    open.remove(&entry);
                }
            }
            _ => {}
        }
    }
    open
}

fn entry(peer: &str, user: &str, id: &str) -> Option<Entry> {
    let username = String::from_utf8(hex::decode(user.strip_prefix('x')?).ok()?).ok()?;
    let id = (id.len() == 8).then(|| u32::from_str_radix(id, 16).ok())??;
    Some(Entry { peer: peer.parse().ok()?, username: username.into(), id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(id: u32) -> Entry {
        Entry { peer: "192.0.2.7:623".parse().unwrap(), username: "admin".into(), id }
    }

    #[test]
    fn what_is_written_is_read() {
        let v6 = Entry { peer: "[2001:db8::7]:9623".parse().unwrap(), username: "".into(), id: 3 };
        let odd = Entry { username: "a b\nc".into(), ..sample(u32::MAX) };
        let lines = [
            (sample(1), Change::Opened),
            (sample(2), Change::Opened),
            (v6.clone(), Change::Left(77)),
            (odd.clone(), Change::Opened),
            (sample(1), Change::Closed),
        ];
        let text = text_of(&lines);
        assert_eq!(read(&text, 5), BTreeMap::from([(sample(2), 5), (v6, 77), (odd, 5)]));
        // The last line was torn when the process was killed: that session counts as open.
        let torn = &text[..text.len() - 4];
        assert!(read(torn, 5).contains_key(&sample(1)));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "[-+~ x0-9a-f:.\\[\\]\n]{0,200}") {
            let _ = read(&text, 0);
        }
    }
}
