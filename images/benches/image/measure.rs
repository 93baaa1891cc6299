//! What a deed cost: time on the wall, and CPU of the programs that it started.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use std::time::Instant;

/// What one run cost, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    /// User and system of all programs.
    pub(crate) cpu: f64,
}

/// Does `deed`, which starts programs and waits for each of them.
#[expect(clippy::disallowed_methods, reason = "measuring time is what a bench is for")]
pub(crate) fn children<T>(deed: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(Cost, T)> {
    let (begun, before) = (Instant::now(), used()?);
    let result = deed()?;
    Ok((Cost { wall: begun.elapsed().as_secs_f64(), cpu: used()? - before }, result))
}

/// CPU seconds of all programs that were waited for.
fn used() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(micros as f64 / 1e6)
}
