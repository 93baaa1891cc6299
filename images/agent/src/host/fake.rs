//! A made-up machine for this package's tests: disks in memory or in files, console lines kept. The simulated fleet has
//! machines of its own (`lab`).

use super::{Host, HostError, LoadError, OpenDisk};
use crate::efi::Variables;
use images::write::Target;
use provisioner_api::{Disk, Inventory, Nic, RescueAccess};
use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::Relaxed},
    },
};

/// Bytes of a block of a disk in memory; blocks of zeros take none.
const BLOCK: u64 = 64 * 1024;

/// What zeros are compared with and written from.
static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];

/// Console lines that are kept.
const LINES: usize = 1000;

/// A made-up machine. Clones are the same machine: its disks outlive the agent, as they do in life.
#[derive(Debug, Clone)]
pub(crate) struct FakeHost {
    machine: Arc<Machine>,
}

#[derive(Debug)]
struct Machine {
    /// What it is; its disks are `disks`.
    inventory: Inventory,
    disks: Mutex<Vec<FakeDisk>>,
    lines: Mutex<VecDeque<String>>,
    loaded: Mutex<Option<Loaded>>,
    free_memory: Mutex<Option<u64>>,
    /// It is locked down.
    forbids: AtomicBool,
    /// Its firmware's, if that is UEFI.
    variables: Mutex<Option<FakeVariables>>,
    /// Who may log in, once it is rescued.
    rescued: Mutex<Option<Vec<String>>>,
}

/// A system that was loaded: kernel, initrd, command line.
pub(crate) type Loaded = (Vec<u8>, Vec<u8>, String);

impl FakeHost {
    /// A machine with this MAC address, without disks.
    #[must_use]
    pub(crate) fn new(mac: &str) -> Self {
        let nic = Nic {
            name: "eth0".into(),
            mac: mac.into(),
            driver: None,
            link: true,
            speed_mbps: None,
            addresses: Vec::new(),
        };
        let inventory = Inventory { nics: vec![nic], ..Inventory::default() };
        Self {
            machine: Arc::new(Machine {
                inventory,
                disks: Mutex::default(),
                lines: Mutex::default(),
                loaded: Mutex::default(),
                free_memory: Mutex::default(),
                forbids: AtomicBool::default(),
                variables: Mutex::default(),
                rescued: Mutex::default(),
            }),
        }
    }

    /// Puts a disk in.
    #[must_use]
    pub(crate) fn with_disk(self, disk: FakeDisk) -> Self {
        lock(&self.machine.disks).push(disk);
        self
    }

    /// The disk with this serial number.
    #[must_use]
    pub(crate) fn disk(&self, serial: &str) -> Option<FakeDisk> {
        lock(&self.machine.disks).iter().find(|disk| disk.about.serial.as_deref() == Some(serial)).cloned()
    }

    /// The system that was loaded last.
    pub(crate) fn loaded(&self) -> Option<Loaded> {
        lock(&self.machine.loaded).clone()
    }

    /// It has so much free memory.
    pub(crate) fn set_free_memory(&self, bytes: u64) {
        *lock(&self.machine.free_memory) = Some(bytes);
    }

    /// Its firmware is UEFI, with these variables.
    pub(crate) fn set_variables(&self, variables: FakeVariables) {
        *lock(&self.machine.variables) = Some(variables);
    }

    /// Its kernel may start no other one.
    pub(crate) fn forbid_loading(&self) {
        self.machine.forbids.store(true, Relaxed);
    }

    /// Who may log in, if its rescue system was started.
    #[must_use]
    pub(crate) fn rescued(&self) -> Option<Vec<String>> {
        lock(&self.machine.rescued).clone()
    }

    /// What was said on the console: the last thousand lines.
    #[must_use]
    pub(crate) fn console(&self) -> Vec<String> {
        lock(&self.machine.lines).iter().cloned().collect()
    }
}

impl Host for FakeHost {
    fn inventory(&self) -> Result<Inventory, HostError> {
        let mut inventory = self.machine.inventory.clone();
        inventory.disks = lock(&self.machine.disks).iter().map(|disk| disk.about.clone()).collect();
        Ok(inventory)
    }

    fn open(&self, disk: &Disk) -> Result<Box<dyn OpenDisk>, HostError> {
        let found = lock(&self.machine.disks).iter().find(|other| other.about.name == disk.name).cloned();
        match found {
            Some(found) if found.about.serial == disk.serial => Ok(Box::new(found)),
            other => Err(HostError::Exchanged {
                name: disk.name.clone(),
                expected: format!("{:?}", disk.serial),
                found: format!("{:?}", other.map(|other| other.about.serial)),
            }),
        }
    }

    fn load_system(&self, kernel: &File, initrd: &File, cmdline: &str) -> Result<(), LoadError> {
        if self.machine.forbids.load(Relaxed) {
            return Err(LoadError::Forbidden(io::ErrorKind::PermissionDenied.into()));
        }
        let read = |file: &File| {
            let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(0)];
            file.read_exact_at(&mut bytes, 0).map(|()| bytes)
        };
        let both = read(kernel).and_then(|kernel| Ok((kernel, read(initrd)?)));
        let (kernel, initrd) = both.map_err(LoadError::Failed)?;
        *lock(&self.machine.loaded) = Some((kernel, initrd, cmdline.to_owned()));
        Ok(())
    }

    fn free_memory(&self) -> Option<u64> {
        *lock(&self.machine.free_memory)
    }

    fn variables(&self) -> io::Result<Option<Box<dyn Variables>>> {
        let variables = lock(&self.machine.variables).clone();
        Ok(variables.map(|variables| Box::new(variables) as Box<dyn Variables>))
    }

    fn start_rescue(&self, archive: &[u8], authorized_keys: &[String]) -> Result<RescueAccess, HostError> {
        if archive.is_empty() {
            return Err(HostError::Rescue("the archive is empty".into()));
        }
        *lock(&self.machine.rescued) = Some(authorized_keys.to_vec());
        Ok(RescueAccess { addresses: vec!["192.0.2.9".into()], host_key: "SHA256:fake".into() })
    }

    fn say(&self, line: &str) {
        let mut lines = lock(&self.machine.lines);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }
}

/// A made-up firmware's variables. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeVariables(Arc<Firmware>);

#[derive(Debug, Default)]
struct Firmware {
    values: Mutex<BTreeMap<String, Vec<u8>>>,
    /// How often one was set or taken away.
    writes: AtomicU32,
    /// The error that it answers each write with, if it is not zero.
    refuses: AtomicI32,
    /// It takes what is written, and does not keep it.
    forgets: AtomicBool,
}

impl FakeVariables {
    /// How often one was set or taken away.
    pub(crate) fn writes(&self) -> u32 {
        self.0.writes.load(Relaxed)
    }

    /// From now on it answers each write with this error.
    pub(crate) fn refuse(&self, error: i32) {
        self.0.refuses.store(error, Relaxed);
    }

    /// From now on it keeps nothing.
    pub(crate) fn forget(&self) {
        self.0.forgets.store(true, Relaxed);
    }

    /// Whether a write is kept.
    fn takes(&self) -> io::Result<bool> {
        self.0.writes.fetch_add(1, Relaxed);
        match self.0.refuses.load(Relaxed) {
            0 => Ok(!self.0.forgets.load(Relaxed)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Variables for FakeVariables {
    fn entries(&self) -> io::Result<Vec<u16>> {
        let values = lock(&self.0.values);
        let digits = values.keys().filter_map(|name| name.strip_prefix("Boot"));
        Ok(digits.filter_map(|digits| u16::from_str_radix(digits, 16).ok()).collect())
    }

    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(lock(&self.0.values).get(name).cloned())
    }

    fn set(&self, name: &str, value: &[u8]) -> io::Result<()> {
        if self.takes()? {
            lock(&self.0.values).insert(name.to_owned(), value.to_vec());
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if self.takes()? {
            lock(&self.0.values).remove(name);
        }
        Ok(())
    }
}

/// A made-up disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct FakeDisk {
    about: Disk,
    content: Arc<Content>,
}

#[derive(Debug)]
enum Content {
    /// Blocks that are not all zero.
    Memory(RwLock<BTreeMap<u64, Box<[u8]>>>),
    /// A file of the disk's size.
    File(File),
}

impl FakeDisk {
    /// An empty disk in memory, of `bytes` bytes with sectors of 512. What is zero takes no memory.
    #[must_use]
    pub(crate) fn in_memory(name: &str, serial: &str, bytes: u64) -> Self {
        Self { about: about(name, serial, bytes), content: Arc::new(Content::Memory(RwLock::default())) }
    }

    /// A disk in a file, which is made if it isn't there and gets `bytes` bytes.
    ///
    /// # Errors
    /// When the file can't be made or opened.
    pub(crate) fn in_file(name: &str, serial: &str, bytes: u64, path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(bytes)?;
        Ok(Self { about: about(name, serial, bytes), content: Arc::new(Content::File(file)) })
    }

    /// With logical sectors of so many bytes.
    #[must_use]
    pub(crate) fn with_sectors(mut self, bytes: u32) -> Self {
        self.about.sector_bytes = bytes;
        self
    }

    fn check(&self, offset: u64, bytes: usize) -> io::Result<()> {
        let end = offset.checked_add(bytes as u64).filter(|&end| end <= self.about.size_bytes);
        end.map(drop).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "behind the end of the disk"))
    }
}

fn about(name: &str, serial: &str, bytes: u64) -> Disk {
    Disk {
        name: name.into(),
        serial: Some(serial.into()),
        wwn: None,
        model: Some("simulated disk".into()),
        size_bytes: bytes,
        rotational: false,
        removable: false,
        read_only: false,
        sector_bytes: 512,
        ..Disk::default()
    }
}

impl Target for FakeDisk {
    fn size(&self) -> u64 {
        self.about.size_bytes
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check(offset, bytes.len())?;
        let blocks = match &*self.content {
            Content::File(file) => return file.write_all_at(bytes, offset),
            Content::Memory(blocks) => blocks,
        };
        let mut blocks = blocks.write().unwrap_or_else(PoisonError::into_inner);
        for (index, at, range) in pieces(offset, bytes.len()) {
            let piece = &bytes[range];
            let zero = piece == &ZEROS[..piece.len()];
            if zero && (piece.len() as u64 == BLOCK || !blocks.contains_key(&index)) {
                blocks.remove(&index);
                continue;
            }
            let block = blocks.entry(index).or_insert_with(|| vec![0; BLOCK as usize].into());
            block[at..at + piece.len()].copy_from_slice(piece);
        }
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.check(offset, bytes.len())?;
        let blocks = match &*self.content {
            Content::File(file) => return file.read_exact_at(bytes, offset),
            Content::Memory(blocks) => blocks,
        };
        let blocks = blocks.read().unwrap_or_else(PoisonError::into_inner);
        for (index, at, range) in pieces(offset, bytes.len()) {
            let piece = &mut bytes[range];
            match blocks.get(&index) {
                Some(block) => piece.copy_from_slice(&block[at..at + piece.len()]),
                None => piece.fill(0),
            }
        }
        Ok(())
    }

    /// Some disks can, some can't: this one can't, and has to be written.
    fn discard(&self, _start: u64, _bytes: u64) -> io::Result<bool> {
        Ok(false)
    }

    fn zero(&self, start: u64, bytes: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes {
            let piece = (BLOCK - (start + done) % BLOCK).min(bytes - done);
            self.write_at(&ZEROS[..piece as usize], start + done)?;
            done += piece;
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        match &*self.content {
            Content::File(file) => file.sync_data(),
            Content::Memory(_) => Ok(()),
        }
    }
}

impl OpenDisk for FakeDisk {
    fn reread_partitions(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A range cut at the borders of blocks: the block, where in it, and which of the range's bytes.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let (index, at) = ((offset + done as u64) / BLOCK, ((offset + done as u64) % BLOCK) as usize);
        let count = (BLOCK as usize - at).min(length - done);
        let range = done..done + count;
        done += count;
        Some((index, at, range))
    })
}

/// A panic in a test's other thread must not hide its message behind a second one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_disk_hold_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = FakeDisk::in_file("vdb", "F", 300_000, &folder.path().join("disk")).unwrap();
        for disk in [FakeDisk::in_memory("vda", "M", 300_000), file] {
            let mut model = vec![0_u8; 300_000];
            for (offset, length, fill) in [
                (0, 65_536, 1),
                (65_000, 1000, 2),
                (131_072, 65_536, 3),
                (131_072, 65_536, 0),
                (299_999, 1, 9),
                (10, 100, 0),
            ] {
                disk.write_at(&vec![fill; length], offset as u64).unwrap();
                model[offset..offset + length].fill(fill);
            }
            disk.zero(65_100, 70_000).unwrap();
            model[65_100..135_100].fill(0);
            let mut read = vec![7; 300_000];
            disk.read_at(&mut read, 0).unwrap();
            assert!(read == model);
            assert!(disk.write_at(&[1, 2], 299_999).is_err(), "behind the end");
        }
    }
}
