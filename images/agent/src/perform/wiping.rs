//! Wiping the disks of a permit, several at once: a machine with a dozen disks is wiped in the time of its slowest.
//!
//! Not here: one disk (`erase`).

use super::{Deed, Disks, Undone, Work, failed, named, whole};
use crate::{
    OpenDisk,
    erase::{EraseError, Erasure},
    random,
};
use provisioner_api::{
    Disk, ErasePolicy,
    agent::{DiskEvidence, Outcome},
};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// What those who wipe share.
struct Wave<'a> {
    disks: &'a [Disk],
    policy: ErasePolicy,
    /// Which disk is next.
    next: AtomicUsize,
    /// How far each is, in bytes of twice its size.
    done: Vec<AtomicU64>,
    all: u64,
    /// Whether it was looked, right before the first byte, if the order still stands. What was begun in time is ended.
    begun: Mutex<bool>,
    /// It is to end: the order was taken back, or a disk failed.
    halt: AtomicBool,
}

impl Work {
    /// Wipes all disks that the permit names.
    pub(super) fn erase(&self, policy: ErasePolicy) -> Deed {
        let disks = self.permitted(Disks::Some)?;
        let wave = Wave {
            disks: &disks,
            policy,
            next: AtomicUsize::new(0),
            done: disks.iter().map(|_| AtomicU64::new(0)).collect(),
            // What there is to do is known for an overwrite only; a metadata wipe takes seconds.
            all: disks.iter().map(|disk| disk.size_bytes * 2).sum(),
            begun: Mutex::new(false),
            halt: AtomicBool::new(false),
        };
        self.gauge.set(0, wave.all);
        // Before the first is erased for good, each is asked whether it can.
        if policy == ErasePolicy::Secure {
            self.still_stands()?;
            for disk in &disks {
                let target = self.host.open(disk).map_err(failed)?;
                let asked = self.erasure(&wave, disk, &*target, &|| true)?;
                asked.can().map_err(|error| not_erased(disk, &error))?;
            }
        }
        let at_once = self.host.crew().disks().min(disks.len());
        let found = if at_once == 1 {
            self.wipe_some(&wave)
        } else {
            std::thread::scope(|scope| {
                let crew: Vec<_> = (0..at_once).map(|_| scope.spawn(|| self.wipe_some(&wave))).collect();
                let gone = |_| vec![(0, Err(Undone::Failed("a thread that wiped panicked".into())))];
                crew.into_iter().flat_map(|member| member.join().unwrap_or_else(gone)).collect()
            })
        };
        let evidence = told(found)?;
        let list: Vec<_> = disks.iter().map(named).collect();
        let text = format!("wiped and read back ({}): {}", policy.as_str(), list.join(", "));
        Ok(Outcome::Done { evidence: text, disks: evidence })
    }

    /// Wipes one disk after the other until none is left, or one fails.
    fn wipe_some(&self, wave: &Wave<'_>) -> Vec<(usize, Result<DiskEvidence, Undone>)> {
        let mut found = Vec::new();
        while !wave.halt.load(Relaxed) {
            let number = wave.next.fetch_add(1, Relaxed);
            let Some(disk) = wave.disks.get(number) else { break };
            let wiped = self.wipe_one(wave, number, disk);
            if wiped.is_err() {
                wave.halt.store(true, Relaxed);
            }
            found.push((number, wiped));
        }
        found
    }

    fn wipe_one(&self, wave: &Wave<'_>, number: usize, disk: &Disk) -> Result<DiskEvidence, Undone> {
        let target = self.host.open(disk).map_err(failed)?;
        {
            // Another's panic left nothing half here.
            let mut begun = wave.begun.lock().unwrap_or_else(PoisonError::into_inner);
            if wave.halt.load(Relaxed) {
                return Err(Undone::Failed(STOPPED.into()));
            }
            if !*begun {
                self.still_stands().inspect_err(|_| wave.halt.store(true, Relaxed))?;
                *begun = true;
            }
        }
        let gone = Mutex::new(None);
        let stands = || match self.still_stands() {
            Ok(()) => true,
            Err(undone) => {
                *gone.lock().unwrap_or_else(PoisonError::into_inner) = Some(undone);
                false
            }
        };
        let erasure = self.erasure(wave, disk, &*target, &stands)?;
        let mut told = |done| {
            wave.done[number].store(done, Relaxed);
            self.gauge.set(wave.done.iter().map(|done| done.load(Relaxed)).sum(), wave.all);
            wave.halt.fetch_or(self.stop.flag.load(Relaxed), Relaxed);
        };
        let evidence = erasure.run(&mut told).map_err(|error| {
            let gone = gone.lock().unwrap_or_else(PoisonError::into_inner).take();
            gone.unwrap_or_else(|| not_erased(disk, &error))
        })?;
        wave.done[number].store(disk.size_bytes * 2, Relaxed);
        self.reread(disk, &*target);
        Ok(evidence)
    }

    fn erasure<'a>(
        &self,
        wave: &'a Wave<'_>,
        disk: &'a Disk,
        target: &'a dyn OpenDisk,
        stands: &'a dyn Fn() -> bool,
    ) -> Result<Erasure<'a>, Undone> {
        let (crew, seed) = (self.host.crew(), random::bytes().map_err(failed)?);
        Ok(Erasure { disk, target, policy: wave.policy, crew, seed, cancel: &wave.halt, stands })
    }
}

/// The evidence of all disks in their order, or what is to be told: that of a disk that failed rather than of one that was
/// stopped because of it, and that which can't be tried again rather than what can.
fn told(mut found: Vec<(usize, Result<DiskEvidence, Undone>)>) -> Result<Vec<DiskEvidence>, Undone> {
    found.sort_by_key(|(number, _)| *number);
    let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().map(|(_, wiped)| wiped).partition(Result::is_ok);
    let weight = |undone: &Undone| match undone {
        Undone::Refused(_) => 3,
        Undone::Failed(why) if !why.ends_with(STOPPED) => 2,
        Undone::TakenBack => 1,
        Undone::Failed(_) => 0,
    };
    match bad.into_iter().filter_map(Result::err).max_by_key(weight) {
        Some(undone) => Err(undone),
        None => Ok(good.into_iter().filter_map(Result::ok).collect()),
    }
}

/// How the sentence on a disk ends whose wiping was stopped.
const STOPPED: &str = "stopped on request";

/// What it means that a disk was not wiped.
fn not_erased(disk: &Disk, error: &EraseError) -> Undone {
    let why = format!("disk {} is not wiped: {}", named(disk), whole(error));
    if error.is_final() { Undone::Refused(why) } else { Undone::Failed(why) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use images::write::WriteError;

    #[test]
    fn the_disk_that_failed_is_told_of() {
        let failed = |why: &str| Err(Undone::Failed(why.to_owned()));
        let found = vec![
            (2, failed("disk C is not wiped: stopped on request")),
            (1, failed("disk B is not wiped: medium error")),
            (0, failed("disk A is not wiped: stopped on request")),
        ];
        assert!(matches!(told(found), Err(Undone::Failed(why)) if why.contains("medium error")));
        let found = vec![(0, failed("medium error")), (1, Err(Undone::Refused("it can't".into())))];
        assert!(matches!(told(found), Err(Undone::Refused(_))));
        assert!(EraseError::from(WriteError::Cancelled).to_string().ends_with(STOPPED));
    }
}
