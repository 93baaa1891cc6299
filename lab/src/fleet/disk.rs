//! Disks of simulated machines: they take time, they fail on request, and they know who told them to be written.
//!
//! A [`Platter`] is a disk in its machine; an [`OpenSimDisk`] is what an agent has in hand while the machine has power.
//! What lies on them is in [`blocks`]; whether a system is among that, is not here (`host`).

mod blocks;
mod fault;
mod nvme;

pub use blocks::Blocks;
pub(super) use blocks::{BLOCK, Content, lock};
pub use fault::{DiskFault, NoSuchDiskFault};

use images::write::Target;
use images_agent::{Interface, OpenDisk};
use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a fleet's disks are like. Clones are the same fleet's: they share its writers.
#[derive(Debug, Clone)]
pub struct DiskSpec {
    /// MiB of each disk.
    pub mib: u64,
    /// How fast a disk is written, in MiB per second as the clock here runs: compressed already. Zero: at once.
    pub mib_per_second: f64,
    /// Disks besides the one that is written, which must never be: by turns removable and read-only.
    pub canaries: u32,
    /// Disks besides those, which may be written: for what is kept when the system is installed anew.
    pub data: u32,
    /// How many disks are written at once.
    writers: Arc<Semaphore>,
    /// How many disks are open at once: a few more, which fetch what they write next. Each takes a chunk's memory.
    open: Arc<Semaphore>,
}

impl DiskSpec {
    /// Disks of `mib` MiB, of which `writers` are written at once.
    #[must_use]
    pub fn new(mib: u64, mib_per_second: f64, canaries: u32, writers: usize) -> Self {
        let permits = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        let (open, writers) = (permits(writers.saturating_add((writers / 4).max(1))), permits(writers));
        Self { mib, mib_per_second, canaries, data: 0, writers, open }
    }

    /// Bytes of each disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.mib.saturating_mul(1 << 20)
    }

    /// How long it takes to write so many bytes.
    fn time(&self, bytes: usize, fault: Option<DiskFault>) -> Duration {
        if self.mib_per_second <= 0.0 {
            return Duration::ZERO;
        }
        let times = if fault == Some(DiskFault::Slow) { 20.0 } else { 1.0 };
        let seconds = bytes as f64 * times / (self.mib_per_second * f64::from(1 << 20));
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// Less than this is not waited for but owed: a timer is no finer.
const OWED: Duration = Duration::from_millis(2);

/// A disk in its machine.
#[derive(Debug)]
pub(super) struct Platter {
    bytes: u64,
    /// `DiskFault::number`.
    fault: AtomicU8,
    inner: Mutex<Inner>,
}

/// What of a disk changes.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) content: Content,
    /// Whether anything was written since somebody looked for a system.
    pub(super) changed: bool,
    /// The instance whose seed was found on it last.
    pub(super) seeded: Option<Box<str>>,
    /// The order in which it was written last, by the machine's count.
    wrote_in: u64,
    /// When it was written for the first time and for the last in that order.
    pub(super) wrote: Option<(Instant, Instant)>,
    /// Until when what it was given takes.
    busy: Option<Instant>,
    /// Whether it ever sanitized itself.
    sanitized: bool,
}

impl Platter {
    /// A disk of so many bytes that holds this.
    pub(super) fn new(bytes: u64, content: Content) -> Self {
        let inner = Inner {
            content,
            changed: false,
            seeded: None,
            wrote_in: 0,
            wrote: None,
            busy: None,
            sanitized: false,
        };
        Self { bytes, fault: AtomicU8::new(0), inner: Mutex::new(inner) }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    pub(super) fn fault(&self) -> Option<DiskFault> {
        DiskFault::of_number(self.fault.load(Relaxed))
    }

    pub(super) fn set_fault(&self, fault: Option<DiskFault>) {
        self.fault.store(DiskFault::number(fault), Relaxed);
    }
}

/// The order that an agent has in hand.
#[derive(Clone, Default)]
pub(super) struct Hand {
    /// It changes with each order.
    pub(super) number: u64,
    /// The order's step; none: there is no order.
    pub(super) step: Option<Arc<str>>,
}

/// What a disk tells of what is done to it.
pub(super) trait Witness: Send + Sync {
    /// The order in hand.
    fn order(&self) -> Hand;
    /// The first byte of this order was written.
    fn wrote(&self, order: Hand);
    /// All that was written is on the disk.
    fn flushed(&self);
}

/// A disk in an agent's hand. It is worth nothing any more when the machine's power was cut.
pub(super) struct OpenSimDisk {
    platter: Arc<Platter>,
    spec: DiskSpec,
    witness: Box<dyn Witness>,
    cut: CancellationToken,
    runtime: Handle,
    /// Bytes that were written since it was opened.
    written: AtomicU64,
    /// One of `DiskSpec::open`.
    _open: OwnedSemaphorePermit,
}

impl OpenSimDisk {
    /// Opens a disk; waits while too many of the fleet's are open. Blocks, on a thread of the runtime's that may.
    pub(super) fn open(
        platter: Arc<Platter>,
        spec: &DiskSpec,
        witness: Box<dyn Witness>,
        cut: CancellationToken,
    ) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let open = slot(&runtime, &spec.open, &cut)?;
        if platter.fault() == Some(DiskFault::Gone) {
            return Err(gone());
        }
        let (spec, written) = (spec.clone(), AtomicU64::new(0));
        Ok(Self { platter, spec, witness, cut, runtime, written, _open: open })
    }

    fn check(&self, offset: u64, bytes: u64) -> io::Result<Option<DiskFault>> {
        if offset.checked_add(bytes).is_none_or(|end| end > self.platter.bytes) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "behind the end of the disk"));
        }
        match self.platter.fault() {
            Some(DiskFault::Gone) => Err(gone()),
            _ if self.cut.is_cancelled() => Err(no_power()),
            fault => Ok(fault),
        }
    }

    /// Takes the time that so many bytes take, as one of the fleet's writers.
    fn take_time(&self, bytes: usize, fault: Option<DiskFault>) -> io::Result<()> {
        let time = self.spec.time(bytes, fault);
        if time.is_zero() {
            return Ok(());
        }
        let _writer = slot(&self.runtime, &self.spec.writers, &self.cut)?;
        let now = Instant::now();
        let until = {
            let mut inner = self.platter.inner();
            let begin = inner.busy.map_or(now, |busy| busy.max(now));
            *inner.busy.insert(begin.checked_add(time).unwrap_or(begin + Duration::from_hours(24)))
        };
        if until < now + OWED {
            return Ok(());
        }
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cut.cancelled() => Err(no_power()),
                () = tokio::time::sleep_until(until) => Ok(()),
            }
        })
    }

    /// Changes the content, in one go or not at all.
    fn change(&self, deed: impl FnOnce(&mut Content)) -> io::Result<()> {
        let order = self.witness.order();
        let mut inner = self.platter.inner();
        // Under the lock: when the power is cut, whoever cuts it waits for it.
        if self.cut.is_cancelled() {
            return Err(no_power());
        }
        let first = std::mem::replace(&mut inner.wrote_in, order.number) != order.number;
        let now = Instant::now();
        inner.wrote = Some(inner.wrote.filter(|_| !first).map_or((now, now), |(begun, _)| (begun, now)));
        deed(&mut inner.content);
        inner.changed = true;
        drop(inner);
        if first {
            self.witness.wrote(order);
        }
        Ok(())
    }
}

impl Target for OpenSimDisk {
    fn size(&self) -> u64 {
        self.platter.bytes
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fault = self.check(offset, bytes.len() as u64)?;
        let before = self.written.fetch_add(bytes.len() as u64, Relaxed);
        let good = match fault {
            Some(DiskFault::ErrorAfterMebibyte) => {
                bytes.len().min((1_u64 << 20).saturating_sub(before) as usize / 512 * 512)
            }
            _ => bytes.len(),
        };
        self.take_time(good, fault)?;
        self.change(|content| {
            if fault != Some(DiskFault::LosesWrites) {
                content.write(&bytes[..good], offset);
            }
        })?;
        if good == bytes.len() { Ok(()) } else { Err(io::Error::other("medium error")) }
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.check(offset, bytes.len() as u64)?;
        self.platter.inner().content.read(bytes, offset);
        Ok(())
    }

    /// Some disks can, some can't: these can't, and have to be written.
    fn discard(&self, _start: u64, _bytes: u64) -> io::Result<bool> {
        Ok(false)
    }

    /// Takes no time: a disk does it by itself. It is a write in all other respects.
    fn zero(&self, start: u64, bytes: u64) -> io::Result<()> {
        let fault = self.check(start, bytes)?;
        let before = self.written.fetch_add(bytes, Relaxed);
        let good = match fault {
            Some(DiskFault::ErrorAfterMebibyte) => {
                bytes.min((1_u64 << 20).saturating_sub(before) / 512 * 512)
            }
            _ => bytes,
        };
        self.change(|content| {
            if fault != Some(DiskFault::LosesWrites) {
                content.zero(start..start + good);
            }
        })?;
        if good == bytes { Ok(()) } else { Err(io::Error::other("medium error")) }
    }

    fn flush(&self) -> io::Result<()> {
        self.check(0, 0)?;
        self.platter.inner().content.shrink();
        self.witness.flushed();
        Ok(())
    }
}

impl OpenDisk for OpenSimDisk {
    fn reread_partitions(&self) -> io::Result<()> {
        Ok(())
    }

    fn interface(&self) -> Option<Interface<'_>> {
        Some(Interface::Nvme(self))
    }
}

/// One of so many; waits for it until the power is cut.
fn slot(runtime: &Handle, of: &Arc<Semaphore>, cut: &CancellationToken) -> io::Result<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(of).try_acquire_owned() {
        return Ok(permit);
    }
    runtime.block_on(async {
        tokio::select! {
            biased;
            () = cut.cancelled() => Err(no_power()),
            permit = Arc::clone(of).acquire_owned() => permit.map_err(io::Error::other),
        }
    })
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such device")
}

fn no_power() -> io::Error {
    io::Error::other("the machine has no power")
}

#[cfg(test)]
mod tests;
