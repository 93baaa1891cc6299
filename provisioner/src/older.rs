//! The world is newer than the database: somebody put an old copy of it back, and no `billet restore` made it safe.
//!
//! Agents tell under which epoch they work, in a half of their session token that the site key vouches for. One that the
//! database never gave shows that history was lost: everything is frozen before more is done by what was true once. No
//! stranger can do that: who knows no session of a later epoch can't make its token. Deliberately not here: what freezing
//! means, and machines that the database does not know at all, which may just have been forgotten.

use crate::{
    clock,
    service::{Service, ServiceError},
    store::NewEvent,
};
use provisioner_api::MachineId;

/// An agent of this machine works under this epoch.
pub(crate) async fn heard_of(service: &Service, machine: MachineId, epoch: u64) -> Result<(), ServiceError> {
    let older = |known: u64| known < epoch;
    let known = service.store.machine_get(machine).await?;
    if !known.is_some_and(|known| older(known.machine.state.epoch)) {
        return Ok(());
    }
    // What another process wrote a moment ago may not be known here yet.
    let Some(known) = service.store.machine_find(&machine.to_string()).await? else { return Ok(()) };
    let highest = known.machine.state.epoch;
    if !older(highest) {
        return Ok(());
    }
    let name = &known.name;
    let why = format!(
        "the agent of machine {name} works under epoch {epoch}, and the database knows none above {highest}: it is older than the world, as if a copy was put back; save it with `billet backup`, and `billet restore --replace` that, which holds every machine until somebody confirmed what is known of it"
    );
    let (_, is_new) = service.freeze("billet serve", Some(&why)).await?;
    if is_new {
        service.store.event_insert(&[NewEvent::machine(machine, "held", why)], clock::now()).await?;
    }
    Ok(())
}
