//! What the agent found in each machine: it goes with the machine's facts, but is written only when it is another.
//!
//! It is read and written by the statements and transactions of its machine (`machine`). Deliberately not here: the rest
//! of the facts, which are a document in the machine's row.

use super::{
    MachineRecord, StoreError,
    db::{Row, Statement},
    document, json,
};
use provisioner_api::{Inventory, MachineId};
use std::sync::Arc;

/// Whether the one that a machine has is to be written.
pub(super) fn is_changed(before: Option<&MachineRecord>, record: &MachineRecord) -> bool {
    // One and the same is not looked into: it is shared, and `Arc` knows.
    before.and_then(|before| before.machine.facts.inventory.as_ref())
        != record.machine.facts.inventory.as_ref()
}

/// The statement that writes it, to be run after the machine's compare-and-set.
pub(super) fn push(query: &mut Statement, record: &MachineRecord) {
    let id = record.id().to_string();
    match &record.machine.facts.inventory {
        Some(inventory) => {
            query.push("INSERT INTO machine_inventory (machine, document) VALUES ");
            query.push_row([id.into(), json(inventory.as_ref()).into()]);
            query.push(" ON CONFLICT (machine) DO UPDATE SET document = excluded.document");
        }
        None => _ = query.push("DELETE FROM machine_inventory WHERE machine = ").push_bind(id),
    }
}

/// What was found in a machine, if an agent ever looked.
pub(super) fn from_row(row: &Row, id: MachineId) -> Result<Option<Arc<Inventory>>, StoreError> {
    let Some(text) = row.try_get::<Option<&str>>("m_inventory")? else { return Ok(None) };
    document(|| format!("machine {id}, column document of machine_inventory"), text)
        .map(|found| Some(Arc::new(found)))
}
