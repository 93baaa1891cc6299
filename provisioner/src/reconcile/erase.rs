//! One pass for all machines whose wiping is due: as many begin as may be wiped at once, the oldest job first.
//!
//! Nothing else begins a wiping, and never two passes at once: so a count that is kept, and kept up to date by what begins
//! here, never misses a wiping. All is counted when a turn begins (another one led, the process or the database is
//! another), after an error (what failed may have been written), when pokes were lost, and once a minute while somebody
//! waits; else only the machines are read of which there is news. What another replica wrote is news when this one looks at
//! the machine; until then it counts as what it was, which only makes others wait, and what begins is decided on the
//! machine's own row. A mass release so reads each machine a few times, however many there are. A crash between two of
//! them leaves each begun or not. `lifecycle::erasure` has the rules.

use super::Next;
use crate::{
    books, clock,
    service::{Change, Service, ServiceError},
    works::{EraseNews, Gate},
};
use jiff::SignedDuration;
use provisioner_api::MachineId;
use provisioner_lifecycle::{Decision, EraseLine, Move, Outcome, StepName, decide};

/// How soon it is looked again while somebody waits, even if nothing happens: who is to be tried again pokes nobody.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// How often it is looked whether somebody waits of whom nobody told.
const IDLE: SignedDuration = SignedDuration::from_mins(10);

/// How often all is counted anew by whoever leads, in case some news went astray between replicas.
const RECOUNT: SignedDuration = SignedDuration::from_secs(60);

/// How often it is told who waits, if they are many: their places change with each that begins.
const TELL: SignedDuration = SignedDuration::from_secs(1);

/// How many may wait for their places to be told each time.
const FEW: usize = 100;

/// What one pass leaves for the next, in one turn of this process. Where nothing is left all is counted.
#[derive(Debug, Default)]
pub(super) struct Memory {
    counted: Option<Counted>,
    /// When it was told, since the host started.
    told: Option<SignedDuration>,
    /// How many jobs were read since the turn began.
    read: usize,
}

#[derive(Debug)]
struct Counted {
    line: EraseLine,
    /// When all was counted, since the host started.
    at: SignedDuration,
}

/// Gives leave to as many as there is room for.
pub(super) async fn pass(service: &Service, memory: &mut Memory) -> Result<Next, ServiceError> {
    let since_boot = clock::since_boot();
    // Taken, not lent: after an error it may be that one was begun all the same, and all has to be counted.
    let mut counted = counted(service, memory, since_boot).await?;
    let line = &mut counted.line;
    if service.frozen().await?.is_none() {
        let mut place = None;
        while line.room() > 0
            && service.works.gate() == Gate::Open
            && let Some((next, id)) = line.after(place)
        {
            place = Some(next);
            if begin(service, id).await? {
                line.begun(id);
            } else {
                // It is not where it was taken to be.
                line.set(id, service.store.erasing(id).await?);
                memory.read += 1;
            }
        }
    }
    let waiting = line.waiting();
    let just_told = |told| since_boot.saturating_sub(told) < TELL;
    let put_off = waiting > FEW && memory.told.is_some_and(just_told);
    if !put_off {
        service.works.set_erasures(line.shown());
        memory.told = Some(since_boot);
    }
    memory.counted = Some(counted);
    let pause = match (waiting, put_off) {
        (_, true) => TELL,
        (0, false) => IDLE,
        (_, false) => AGAIN,
    };
    let now = clock::now();
    Ok(Next::At(now.saturating_add(pause).unwrap_or(now)))
}

/// The line as it is now: what was counted with the machines read of which there is news. All is counted when nothing is
/// left, when pokes may have been lost, and now and then. How many machines there are is counted each time, since the
/// limit may hang on it.
async fn counted(
    service: &Service,
    memory: &mut Memory,
    since_boot: SignedDuration,
) -> Result<Counted, ServiceError> {
    let kept = memory.counted.take();
    // Before anything is read: what is news from here on is for the next pass.
    let news = service.works.take_erase_news();
    let fresh = kept.filter(|kept| since_boot.saturating_sub(kept.at) < RECOUNT);
    let (Some(mut counted), EraseNews::Of(machines)) = (fresh, news) else {
        let (line, read) = service.store.erase_line(service.config.limits.erase_limit).await?;
        memory.read += read;
        return Ok(Counted { line, at: since_boot });
    };
    counted.line.set_machines(service.store.machines_to_wipe().await?);
    for id in machines {
        counted.line.set(id, service.store.erasing(id).await?);
        memory.read += 1;
    }
    Ok(counted)
}

/// Whether the machine's wiping begins: it may have something else to do by now.
async fn begin(service: &Service, id: MachineId) -> Result<bool, ServiceError> {
    let limits = &service.config.limits;
    let mut begins = false;
    let read = service.store.machine_get(id).await;
    let record = match read {
        Ok(Some(record)) => record,
        Ok(None) => return Ok(false),
        // Its own look tells of it.
        Err(error) if error.is_damage() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let after = service
        .machine_change_loaded(&record, |record, now| {
            let decision = decide(&record.machine, limits, now);
            begins = is_begin(&decision);
            let (Decision::Move(change), Some(job), true) = (decision, record.machine.running_job(), begins)
            else {
                return Ok::<_, ServiceError>(None);
            };
            // It starts no job, so the id is not taken.
            let outcome = Outcome::Moved { change, fresh: job.id };
            let (machine, told) = books::settled(&record.machine, &outcome, limits, now);
            Ok(Some(Change::new(record.with(machine), told)))
        })
        .await?;
    Ok(begins && after.is_some())
}

/// Whether it is decided that a wiping begins, for which leave has to be given.
pub(super) fn is_begin(decision: &Decision) -> bool {
    matches!(decision, Decision::Move(Move::Begin { step: StepName::Erase }))
}

#[cfg(test)]
mod tests;
