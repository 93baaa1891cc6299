//! One lock for each machine, made when it is first asked for.

use provisioner_api::MachineId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The locks of all machines, for one purpose.
#[derive(Default)]
pub(super) struct Locks(Mutex<HashMap<MachineId, Arc<tokio::sync::Mutex<()>>>>);

impl Locks {
    /// A machine's.
    pub(super) fn of(&self, id: MachineId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default())
    }

    /// Whether somebody holds a machine's.
    pub(super) fn is_held(&self, id: MachineId) -> bool {
        let locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.get(&id).is_some_and(|lock| lock.try_lock().is_err())
    }

    /// Of a machine that is gone.
    pub(super) fn forget(&self, id: MachineId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
