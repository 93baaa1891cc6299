//! Performing one order: permit, disk, deed, proof. Blocks; runs on a thread of its own.
//!
//! Reboot and power-off are not here: they end the agent, see `run`.

mod finishing;
mod wiping;

use crate::{
    Host, LoadError, OpenDisk, PermitKey,
    caches::Caches,
    ledger::Ledger,
    link::{Asked, Link},
    permit::{self, Disks},
    ram::Staged,
};
use images::{
    Chunk, Manifest,
    write::{self as pipeline, Phase, Source, SourceError, Target, WriteError},
};
use provisioner_api::{
    Disk, Progress,
    agent::{Action, Order, Outcome, SeedFile},
    permit::Permit,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{runtime::Handle, time::Instant};
use tokio_util::sync::CancellationToken;

/// How old leave to destroy may be when it is used, counted from when the question was sent that it answers. The
/// service counts on it: so long after it stopped everything no leave is used that it gave before (its `Pace::leave`).
const LEAVE: Duration = Duration::from_secs(2);

/// The largest rescue archive that is taken, in bytes: it and what is in it stay in RAM.
const RESCUE_LIMIT: u64 = 64 << 20;

/// How often leave is asked for once more when the answers take longer than that.
const ASKS: u32 = 10;

/// How often an image that runs from RAM is in memory while it is loaded: as it was fetched, as the kernel reads it, and
/// where it will be started.
const COPIES: u64 = 3;

/// How far the work is; written by the worker, read by whoever reports.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    done: AtomicU64,
    total: AtomicU64,
}

impl Gauge {
    /// How far; 0 of 0 before it is known how much there is to do.
    pub(crate) fn read(&self) -> Progress {
        let (done, total) = (self.done.load(Relaxed), self.total.load(Relaxed));
        Progress { done: done.min(total), total }
    }

    fn set(&self, done: u64, total: u64) {
        self.total.store(total, Relaxed);
        self.done.store(done, Relaxed);
    }
}

/// A request to stop, for both worlds: the pipeline looks at a flag, a waiting call listens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    flag: Arc<AtomicBool>,
    token: CancellationToken,
}

impl Stop {
    pub(crate) fn pull(&self) {
        self.flag.store(true, Relaxed);
        self.token.cancel();
    }
}

/// What the work needs.
pub(crate) struct Work {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) link: Arc<Link>,
    /// Asked before the service is.
    pub(crate) caches: Caches,
    pub(crate) runtime: Handle,
    pub(crate) order: Order,
    /// Leave to destroy, checked but for the disks; none where the order needs none.
    pub(crate) leave: Option<Leave>,
    /// What permits are checked with.
    pub(crate) key: Option<PermitKey>,
    /// It was begun in this boot and taken back: some of it may be there.
    pub(crate) again: bool,
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) stop: Stop,
}

/// A permit whose signature and words were found good.
pub(crate) struct Leave {
    pub(crate) permit: Permit,
    /// When the question was sent.
    pub(crate) sent: Instant,
    /// When the order with it came.
    pub(crate) received: Instant,
}

/// Why an order was not done.
enum Undone {
    Refused(String),
    Failed(String),
    /// It does not stand any more.
    TakenBack,
}

type Deed = Result<Outcome, Undone>;

impl Work {
    /// Does what the order says. None: it was taken back before anything was changed.
    pub(crate) fn perform(&self) -> Option<Outcome> {
        let deed = match &self.order.action {
            Action::Inspect => self.inspect(),
            Action::WriteImage { manifest, .. } => self.write_image(manifest),
            Action::WriteSeed { files, finish, boot_entry, .. } => {
                self.write_seed(files, *finish, boot_entry.as_deref())
            }
            Action::BootRam { manifest, kernel_bytes, cmdline, files } => {
                self.load_ram(manifest, *kernel_bytes, cmdline, files)
            }
            Action::Erase { policy, .. } => self.erase(*policy),
            Action::Rescue { authorized_keys, archive, bytes } => {
                self.rescue(authorized_keys, archive, *bytes)
            }
            Action::Reboot | Action::RebootToDisk | Action::PowerOff => {
                Err(Undone::Failed("a restart is no work".to_owned()))
            }
        };
        match deed {
            Ok(outcome) => Some(outcome),
            Err(Undone::Refused(why)) => Some(Outcome::Refused { why }),
            Err(Undone::Failed(why)) => Some(Outcome::Failed { why }),
            Err(Undone::TakenBack) => None,
        }
    }

    fn inspect(&self) -> Deed {
        Ok(Outcome::Inventory { inventory: self.host.inventory().map_err(failed)? })
    }

    /// Needs no leave: no disk is opened.
    fn rescue(&self, authorized_keys: &[String], sha256: &str, bytes: u64) -> Deed {
        if bytes > RESCUE_LIMIT {
            let (it, most) = (mib(bytes), mib(RESCUE_LIMIT));
            return Err(Undone::Refused(format!(
                "the rescue archive has {it}, and {most} are taken at most"
            )));
        }
        self.gauge.set(0, bytes);
        let archive = self.wait(self.link.rescue(sha256, bytes as usize)).map_err(Undone::Failed)?;
        let found = images::sha256_hex(&archive);
        if found != sha256 {
            return Err(Undone::Failed(format!(
                "the rescue archive arrived damaged: it should be {sha256}, but is {found}"
            )));
        }
        self.gauge.set(bytes, bytes);
        let access = self.host.start_rescue(&archive, authorized_keys).map_err(failed)?;
        Ok(Outcome::Rescued { access })
    }

    fn write_image(&self, sha256: &str) -> Deed {
        // What is not permitted is refused before anything is fetched; opening looks again, the wait may have been long.
        let permitted = self.permitted(Disks::One)?;
        let manifest = self.manifest(sha256)?;
        self.has_sectors(&permitted, &manifest)?;
        self.still_in_time()?;
        let (disk, target) = self.open_one()?;
        let begun = Instant::now();
        let size = manifest.disk_bytes;
        let again = self.again || self.order.attempt > 1;
        // Each phase goes over the whole image: looking what is there (when tried again), writing, reading back.
        let passes = if again { 3 } else { 2 };
        let pass = |number: u64| {
            move |progress: pipeline::Progress| self.gauge.set(number * size + progress.done, passes * size)
        };
        self.gauge.set(0, passes * size);
        let crew = self.host.crew();
        let target_ref: &dyn Target = &*target;
        let there = if again {
            pipeline::chunks_in_place(&manifest, target_ref, crew, &mut pass(0), &self.stop.flag)
                .map_err(|error| undone_on(&disk, error))?
        } else {
            Vec::new()
        };
        let mut progress = |progress: pipeline::Progress| {
            let number = if progress.phase == Phase::Write { passes - 2 } else { passes - 1 };
            pass(number)(progress);
        };
        let already = |index: usize| there.get(index).copied().unwrap_or(false);
        let written = pipeline::write_image(
            &manifest,
            self,
            target_ref,
            crew,
            &already,
            &mut progress,
            &self.stop.flag,
        )
        .map_err(|error| undone_on(&disk, error))?;
        self.reread(&disk, &*target);
        let evidence = format!(
            "image {} is on disk {}: {} written, {} made zero, {} there already, {} read back and right{}, in {:.1} s",
            manifest.image_digest,
            named(&disk),
            mib(written.bytes_written),
            mib(written.bytes_zeroed),
            mib(written.bytes_zero_already + written.bytes_skipped),
            mib(written.bytes_verified),
            self.caches.told(),
            begun.elapsed().as_secs_f64(),
        );
        Ok(Outcome::Done { evidence, disks: Vec::new() })
    }

    /// An image with a GPT is for disks with sectors of one size; on others its partitions aren't found. That is looked at
    /// before anything is lost, where sectors are not of the usual size.
    fn has_sectors(&self, disks: &[Disk], manifest: &Manifest) -> Result<(), Undone> {
        let Some(disk) = disks.iter().find(|disk| disk.sector_bytes != 512) else { return Ok(()) };
        match pipeline::image_sectors(manifest, self).map_err(pipeline_undone)?.as_slice() {
            all @ [image, ..] if !all.contains(&disk.sector_bytes) => Err(Undone::Refused(format!(
                "the image is made for disks with sectors of {image} bytes, but disk {} has sectors of {}; nothing was written",
                named(disk),
                disk.sector_bytes
            ))),
            _ => Ok(()),
        }
    }

    /// Fetches a system that runs from RAM and loads it. No disk is opened.
    fn load_ram(&self, sha256: &str, kernel_bytes: u64, cmdline: &str, files: &[SeedFile]) -> Deed {
        let manifest = self.manifest(sha256)?;
        let (size, begun) = (manifest.disk_bytes, Instant::now());
        let need = size.saturating_mul(COPIES);
        if let Some(free) = self.host.free_memory().filter(|free| *free < need) {
            return Err(Undone::Refused(format!(
                "to load the image takes {} of memory, and {} are free; use a smaller image or a machine with more memory",
                mib(need),
                mib(free)
            )));
        }
        let staged = Staged::new(size, kernel_bytes).map_err(failed)?;
        let no_border = || {
            let sizes = format!("the image has {size} bytes, and its kernel is to have {kernel_bytes}");
            Undone::Refused(format!("{sizes}: no room is left for an initrd"))
        };
        let staged = staged.ok_or_else(no_border)?;
        self.gauge.set(0, 2 * size);
        let mut progress = |progress: pipeline::Progress| {
            let before = if progress.phase == Phase::Write { 0 } else { size };
            self.gauge.set(before + progress.done, 2 * size);
        };
        let (crew, stop) = (self.host.crew(), &self.stop.flag);
        pipeline::write_image(&manifest, self, &staged, crew, &|_| false, &mut progress, stop)
            .map_err(pipeline_undone)?;
        let (kernel, initrd) = staged.finish(files).map_err(failed)?;
        self.host.load_system(&kernel, &initrd, cmdline).map_err(|error| match error {
            LoadError::Failed(_) => failed(error),
            LoadError::Forbidden(_) | LoadError::Unfit(_) => Undone::Refused(whole(&error)),
        })?;
        let evidence = format!(
            "kernel and initrd of image {} are loaded, {} checked, in {:.1} s; no disk was opened",
            manifest.image_digest,
            mib(size),
            begun.elapsed().as_secs_f64(),
        );
        Ok(Outcome::Done { evidence, disks: Vec::new() })
    }

    /// The disks that the permit allows, looked up afresh.
    fn permitted(&self, count: Disks) -> Result<Vec<Disk>, Undone> {
        let leave = self.leave()?;
        permit::in_time(&leave.permit, leave.received.elapsed()).map_err(Undone::Refused)?;
        let seen = self.host.inventory().map_err(failed)?;
        permit::disks(&leave.permit, count, &seen)
            .map(|disks| disks.into_iter().cloned().collect())
            .map_err(Undone::Refused)
    }

    fn leave(&self) -> Result<&Leave, Undone> {
        self.leave.as_ref().ok_or_else(|| Undone::Refused("there is no permit for it".to_owned()))
    }

    /// The one disk that the permit allows to be written, open.
    fn open_one(&self) -> Result<(Disk, Box<dyn OpenDisk>), Undone> {
        let mut disks = self.permitted(Disks::One)?;
        // `Disks::One` gave exactly one.
        let disk = disks.pop().ok_or_else(|| Undone::Refused("the permit names no disk".to_owned()))?;
        let target = self.host.open(&disk).map_err(failed)?;
        self.still_stands()?;
        Ok((disk, target))
    }

    /// What a permit allowed when the order came it may not allow any more after a long wait. The service is asked
    /// again, which brings a fresh one.
    fn still_in_time(&self) -> Result<(), Undone> {
        let leave = self.leave()?;
        permit::in_time(&leave.permit, leave.received.elapsed()).map_err(Undone::Failed)
    }

    /// The last question before the first byte is lost: leave that answers an old question is asked for once more, since
    /// somebody may have stopped everything meanwhile, and the same order has to be the answer.
    fn still_stands(&self) -> Result<(), Undone> {
        self.still_in_time()?;
        if self.leave()?.sent.elapsed() <= LEAVE {
            return Ok(());
        }
        for _ in 0..ASKS {
            let asked = self.wait(self.link.order(Duration::ZERO)).map_err(Undone::Failed)?;
            let asked = asked.filter(|asked| Ledger::same(&asked.order, &self.order));
            let asked = asked.ok_or(Undone::TakenBack)?;
            self.allows_the_same(&asked)?;
            if asked.sent.elapsed() <= LEAVE {
                return Ok(());
            }
        }
        let seconds = LEAVE.as_secs();
        Err(Undone::Failed(format!(
            "the service takes longer than {seconds} s to say whether the order still stands; nothing was changed"
        )))
    }

    /// Whether leave that was asked for once more is good, and for what was looked at already.
    fn allows_the_same(&self, asked: &Asked) -> Result<(), Undone> {
        let permit =
            permit::of(&asked.order, self.key.as_ref(), &asked.challenge).map_err(Undone::Refused)?;
        let known = &self.leave()?.permit;
        let same = permit.is_some_and(|permit| permit.disks == known.disks && permit.method == known.method);
        if same {
            Ok(())
        } else {
            Err(Undone::Failed("the order became another one; nothing was changed".to_owned()))
        }
    }

    /// The manifest, whose bytes are what its name says.
    fn manifest(&self, sha256: &str) -> Result<Manifest, Undone> {
        let bytes = self.wait(self.link.manifest(sha256)).map_err(Undone::Failed)?;
        let found = images::sha256_hex(&bytes);
        if found != sha256 {
            return Err(Undone::Failed(format!(
                "the manifest arrived damaged: it should be {sha256}, but is {found}"
            )));
        }
        Manifest::parse(&bytes).map_err(|error| Undone::Refused(whole(&error)))
    }

    /// Waits for a call, or until the work is to stop.
    fn wait<T, E: std::error::Error>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, String> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.stop.token.cancelled() => Err("stopped on request".to_owned()),
                answer = call => answer.map_err(|error| whole(&error)),
            }
        })
    }

    /// Only a courtesy to who looks at the machine: the next boot reads the table anyway.
    fn reread(&self, disk: &Disk, target: &dyn OpenDisk) {
        if let Err(error) = target.reread_partitions() {
            self.host
                .say(&format!("the kernel did not read the new partition table of {}: {error}", disk.name));
        }
    }
}

impl Source for Work {
    fn fetch(&self, chunk: &Chunk) -> Result<Vec<u8>, SourceError> {
        let limit = chunk.stored_bytes as usize;
        let bytes =
            self.wait(self.caches.chunk(&self.link, &chunk.stored, limit)).map_err(SourceError::new)?;
        Ok(bytes.into())
    }
}

/// What an error of the pipeline means.
fn pipeline_undone(error: WriteError) -> Undone {
    let why = whole(&error);
    match error {
        WriteError::DiskTooSmall { .. } | WriteError::Manifest(_) => Undone::Refused(why),
        _ => Undone::Failed(why),
    }
}

/// The same of an error that may be a disk's: whoever mends it has to know which.
fn undone_on(disk: &Disk, error: WriteError) -> Undone {
    let of_the_disk = matches!(
        error,
        WriteError::DiskTooSmall { .. } | WriteError::Disk { .. } | WriteError::ReadBack { .. }
    );
    let says = |why: String| if of_the_disk { format!("disk {}: {why}", named(disk)) } else { why };
    match pipeline_undone(error) {
        Undone::Refused(why) => Undone::Refused(says(why)),
        Undone::Failed(why) => Undone::Failed(says(why)),
        Undone::TakenBack => Undone::TakenBack,
    }
}

fn failed(error: impl std::error::Error) -> Undone {
    Undone::Failed(whole(&error))
}

/// An error with everything behind it, in one sentence.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// A disk as a person knows it.
fn named(disk: &Disk) -> String {
    format!("{} ({})", disk.serial.as_deref().unwrap_or("without a serial number"), disk.name)
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_disk_does_is_told_with_its_name_and_where() {
        let disk = Disk {
            name: "vda".into(),
            serial: Some("S1".into()),
            wwn: None,
            model: None,
            size_bytes: 1 << 30,
            rotational: false,
            removable: false,
            read_only: false,
            sector_bytes: 512,
            ..Disk::default()
        };
        let source = std::io::Error::from_raw_os_error(libc::EIO);
        let broken = WriteError::Disk { action: "write", offset: 8192, bytes: 4096, source };
        let Undone::Failed(why) = undone_on(&disk, broken) else { panic!("it is tried again") };
        let expected = "disk S1 (vda): the disk could not write 4096 bytes at byte 8192: Input/output error";
        assert!(why.starts_with(expected), "{why}");
        let Undone::Refused(why) = undone_on(&disk, WriteError::DiskTooSmall { image: 2, disk: 1 }) else {
            panic!("it is no use to try again")
        };
        assert!(why.starts_with("disk S1 (vda): the image needs"), "{why}");
        let Undone::Failed(why) = undone_on(&disk, WriteError::Cancelled) else { panic!("it failed") };
        assert_eq!(why, "stopped on request", "that is not the disk's fault");
    }
}
