//! Wiping one disk in the way that was asked for, and the evidence of it. No way is ever taken in the place of another one.
//!
//! Zeros and discards are written by the pipeline (`images::write::wipe`). Not here: which disks, and whether they may be
//! wiped at all (`permit`, `perform`).

mod ata;
mod device;
mod nvme;
mod sample;

pub use ata::{Ata, Data, Registers, Taskfile};
pub(crate) use ata::{ended, pass_through};
pub use device::Interface;
pub(crate) use nvme::passthrough;
pub use nvme::{AdminCommand, Nvme};

use crate::OpenDisk;
use device::{NotDone, Watch};
use images::write::{self as pipeline, Crew, Phase, Target, WipePolicy, WriteError};
use provisioner_api::{Disk, EraseMethod, ErasePolicy, ErasureRecord, ErasureSamples, agent::DiskEvidence};
use sample::NotErased;
use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;

/// One disk to wipe.
pub(crate) struct Erasure<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) target: &'a dyn OpenDisk,
    pub(crate) policy: ErasePolicy,
    pub(crate) crew: Crew,
    /// New for each disk and each time.
    pub(crate) seed: [u8; 32],
    pub(crate) cancel: &'a AtomicBool,
    /// Asked right before what can't be stopped any more: whether the order still stands.
    pub(crate) stands: &'a dyn Fn() -> bool,
}

/// Why a disk was not wiped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EraseError {
    /// The pipeline's.
    #[error(transparent)]
    Written(#[from] WriteError),
    /// The device's.
    #[error(transparent)]
    Device(#[from] NotDone),
    /// What was found afterwards.
    #[error(transparent)]
    Compared(#[from] NotErased),
    /// The order does not stand any more.
    #[error("stopped on request")]
    Gone,
}

impl EraseError {
    /// Whether trying again can't help.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Written(error) => matches!(error, WriteError::NoDiscard),
            Self::Device(error) => matches!(error, NotDone::Unable(_)),
            // A disk that says that it erased itself and did not is not to be asked again.
            Self::Compared(error) => matches!(error, NotErased::Survived { .. }),
            Self::Gone => false,
        }
    }
}

/// Of a device's erasure, how much the looks before and after count, of [`device::WHOLE`] each.
const LOOKS: u64 = device::WHOLE / 64;

impl Erasure<'_> {
    /// Wipes it. `told` hears how much of twice the disk's size is done.
    pub(crate) fn run(&self, told: &mut dyn FnMut(u64)) -> Result<DiskEvidence, EraseError> {
        let begun = Instant::now();
        let (method, firmware, samples, bytes) = match self.policy {
            ErasePolicy::Secure => self.by_itself(told)?,
            ErasePolicy::Metadata => self.written(WipePolicy::Metadata, EraseMethod::Metadata, told)?,
            ErasePolicy::Discard => self.written(WipePolicy::Discard, EraseMethod::Discard, told)?,
            ErasePolicy::Overwrite => self.written(WipePolicy::Overwrite, EraseMethod::Overwrite, told)?,
        };
        Ok(DiskEvidence {
            serial: self.disk.serial.clone().unwrap_or_default(),
            policy: self.policy,
            bytes_written: bytes.bytes_written,
            bytes_verified: bytes.bytes_verified,
            record: Some(ErasureRecord {
                method,
                size_bytes: self.target.size(),
                wwn: self.disk.wwn.clone(),
                model: self.disk.model.clone(),
                firmware,
                seconds: begun.elapsed().as_secs(),
                samples,
            }),
        })
    }

    fn written(
        &self,
        how: WipePolicy,
        method: EraseMethod,
        told: &mut dyn FnMut(u64),
    ) -> Result<Deed, EraseError> {
        let size = self.disk.size_bytes;
        let target: &dyn Target = self.target;
        let mut progress = |progress: pipeline::Progress| {
            let back = if progress.phase == Phase::Write { 0 } else { size };
            told(back + share(size, progress.done, progress.total));
        };
        let wiped = pipeline::wipe(target, how, &[], self.crew, &mut progress, self.cancel)?;
        Ok((method, None, None, wiped))
    }

    /// Asks the disk whether it can do what is asked for. Nothing on it is lost.
    pub(crate) fn can(&self) -> Result<(), EraseError> {
        if self.policy == ErasePolicy::Secure {
            self.plan(&mut |_| ())?;
        }
        Ok(())
    }

    fn plan(&self, told: &mut dyn FnMut(u64)) -> Result<(Interface<'_>, device::Plan), EraseError> {
        let interface = self.target.interface().ok_or_else(device::no_interface)?;
        let plan = device::plan(&interface, &mut self.watch(told))?;
        Ok((interface, plan))
    }

    fn watch<'b>(&'b self, told: &'b mut dyn FnMut(u64)) -> Watch<'b> {
        Watch { cancel: self.cancel, pause: &|time: Duration| std::thread::sleep(time), told }
    }

    fn by_itself(&self, told: &mut dyn FnMut(u64)) -> Result<Deed, EraseError> {
        let size = self.disk.size_bytes.saturating_mul(2);
        let all = device::WHOLE + 2 * LOOKS;
        let mut at = |parts: u64| told(share(size, parts, all));
        let (interface, plan) = self.plan(&mut |_| at(0))?;
        let least = self.policy.least_verified(self.target.size());
        let stopped = || self.cancel.load(Relaxed);
        let mut look = |from: u64, part: u64| {
            at(from + part * LOOKS / 256);
            if stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let before = sample::before(self.target, self.seed, least, &mut |part| look(0, part))?;
        // The looks may have taken minutes, and from here on nobody can stop it.
        if !(self.stands)() {
            return Err(EraseError::Gone);
        }
        let mut tell = |parts: u64| {
            // Whether it is to end is looked at by whoever waits.
            let _ = look(LOOKS + parts, 0);
        };
        let erased = device::carry_out(&plan, &interface, self.target.size(), &mut self.watch(&mut tell))?;
        let found = before.compare(self.target, &mut |part| look(LOOKS + device::WHOLE, part))?;
        let samples = ErasureSamples {
            seed: hex::encode(self.seed),
            markers: found.markers,
            places: found.places,
            held: found.held,
            zero: found.zero,
        };
        let bytes =
            pipeline::Wiped { bytes_written: found.markers * sample::MARKER, bytes_verified: found.bytes };
        Ok((erased.method, Some(erased.firmware).filter(|text| !text.is_empty()), Some(samples), bytes))
    }
}

/// What was done, the firmware that did it, what was sampled, and the sums.
type Deed = (EraseMethod, Option<String>, Option<ErasureSamples>, pipeline::Wiped);

/// How much of so many bytes is done: the product of two disks' sizes does not fit into 64 bits.
pub(crate) fn share(bytes: u64, done: u64, total: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(done.min(total)) / u128::from(total.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_of_a_disk_of_any_size_moves_the_gauge() {
        let piece = 16 << 20;
        for size in [1_u64 << 30, 8 << 30, 960_197_124_096, 30_000_000_000_000] {
            for done in [0, size / 3, size / 2, size - piece] {
                assert!(share(size, done, size) < share(size, done + piece, size), "{done} of {size}");
            }
            assert_eq!((share(size, 0, size), share(size, size, size)), (0, size));
        }
        assert_eq!(share(5, 0, 0), 0);
    }
}
