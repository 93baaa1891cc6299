//! One pass for all machines whose wiping is due: as many begin as may be wiped at once, the oldest job first.
//!
//! Nothing else begins a wiping, and never two passes at once: so the count, which is read anew from what is stored, is
//! exact. A crash between two of them leaves each begun or not. `lifecycle::erasure` has the rules.

use super::Next;
use crate::{
    books, clock,
    service::{Change, Service, ServiceError},
    works::Gate,
};
use jiff::SignedDuration;
use provisioner_api::MachineId;
use provisioner_lifecycle::{Decision, Move, Outcome, StepName, decide};

/// How soon it is looked again while somebody waits, even if nothing happens: who is to be tried again pokes nobody.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// How often it is looked whether somebody waits of whom nobody told.
const IDLE: SignedDuration = SignedDuration::from_mins(10);

/// Gives leave to as many as there is room for.
pub(super) async fn pass(service: &Service) -> Result<Next, ServiceError> {
    let limit = service.config.limits.erase_limit;
    let mut known = service.store.erasures(limit).await?;
    if service.frozen().await?.is_none() {
        let (mut room, mut begun) = (known.room(), false);
        for id in known.queue() {
            if room == 0 || service.works.gate() != Gate::Open {
                break;
            }
            if begin(service, *id).await? {
                room -= 1;
                begun = true;
            }
        }
        if begun {
            known = service.store.erasures(limit).await?;
        }
    }
    let pause = if known.queue().is_empty() { IDLE } else { AGAIN };
    service.works.set_erasures(known);
    let now = clock::now();
    Ok(Next::At(now.saturating_add(pause).unwrap_or(now)))
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
