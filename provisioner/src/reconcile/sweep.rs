//! What there is: at the start everything, later what nobody told of, because a request was cut off between its write and
//! its poke.

use super::{Key, Next};
use crate::{
    clock,
    service::{Service, ServiceError},
    store::MachineRecord,
};
use jiff::{SignedDuration, Timestamp};
use provisioner_lifecycle::{Decision, Limits, decide};
use std::time::Duration;
use uuid::Uuid;

/// How often what there is is gone through.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// Over how long the first looks at resting objects are spread.
const SPREAD: Duration = Duration::from_secs(60);

/// Something that there is.
pub(super) struct Found {
    /// What.
    pub(super) key: Key,
    /// How soon it is to be looked at, if nobody knew of it.
    pub(super) after: Duration,
}

/// What there is. The first time also tells what has something to do from what rests; what can't be read is looked at at
/// once, which tells of it.
pub(super) async fn look(service: &Service, first: bool) -> Result<Vec<Found>, ServiceError> {
    let mut found = Vec::new();
    if !first {
        let at_once = |key| Found { key, after: Duration::ZERO };
        found.extend(service.store.machine_ids().await?.into_iter().map(|id| at_once(Key::Machine(id))));
        found.extend(service.store.instance_ids().await?.into_iter().map(|id| at_once(Key::Instance(id))));
        return Ok(found);
    }
    let (limits, now) = (&service.config.limits, clock::now());
    let mut see = |key: Key, id: Uuid, rests: bool| {
        found.push(Found { key, after: if rests { spread(id) } else { Duration::ZERO } });
    };
    let damaged = service
        .store
        .machine_each(None, |record| {
            see(Key::Machine(record.id()), record.id().0, rests(record, limits, now))
        })
        .await?;
    for id in damaged {
        see(Key::Machine(id), id.0, false);
    }
    for one in service.store.instance_rests().await? {
        see(Key::Instance(one.id), one.id.0, one.rests);
    }
    Ok(found)
}

/// When to go through it again.
pub(super) fn next(now: Timestamp) -> Next {
    Next::At(now.saturating_add(AGAIN).unwrap_or(now))
}

/// Whether there is nothing to do at a machine but to look at its power now and then.
fn rests(record: &MachineRecord, limits: &Limits, now: Timestamp) -> bool {
    let idle = match decide(&record.machine, limits, now) {
        Decision::Done => true,
        Decision::Wait(patience) => patience.until.is_none(),
        Decision::Act(_) | Decision::Move(_) | Decision::Hold { .. } => false,
    };
    idle && record.machine.facts.firmware.is_none()
}

/// A moment within the spread that is an object's own, so that it is the same after each restart.
fn spread(id: Uuid) -> Duration {
    // Ids made at one time differ in their low bits only; the factor, 2⁶⁴ over the golden ratio, carries these up.
    let mixed = (id.as_u128() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let part = (u128::from(mixed) * SPREAD.as_nanos()) >> 32;
    Duration::from_nanos(u64::try_from(part).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_spread_evenly_over_the_minute() {
        for ids in
            [(0..6000).map(Uuid::from_u128).collect::<Vec<_>>(), (0..6000).map(|_| Uuid::now_v7()).collect()]
        {
            let mut seconds = [0_u32; 60];
            for id in ids {
                seconds[usize::try_from(spread(id).as_secs()).unwrap()] += 1;
                assert_eq!(spread(id), spread(id));
            }
            assert!(seconds.iter().all(|count| (50..=160).contains(count)), "{seconds:?}");
        }
    }
}
