//! One lock for each machine, made when it is first asked for.

use crate::{locks::Lock, store::Store};
use provisioner_api::MachineId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The locks of all machines, for one purpose.
pub(super) struct Locks {
    store: Arc<Store>,
    purpose: &'static str,
    known: Mutex<HashMap<MachineId, Lock>>,
}

impl Locks {
    /// Held by nobody.
    pub(super) fn new(store: Arc<Store>, purpose: &'static str) -> Self {
        Self { store, purpose, known: Mutex::default() }
    }

    /// A machine's.
    pub(super) fn of(&self, id: MachineId) -> Lock {
        let new = || Lock::new(Arc::clone(&self.store), format!("{} {id}", self.purpose));
        self.known().entry(id).or_insert_with(new).clone()
    }

    /// Whether somebody in this process holds a machine's.
    pub(super) fn is_held(&self, id: MachineId) -> bool {
        self.known().get(&id).is_some_and(Lock::is_held_here)
    }

    /// Of a machine that is gone.
    pub(super) fn forget(&self, id: MachineId) {
        self.known().remove(&id);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<MachineId, Lock>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
