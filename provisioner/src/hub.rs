//! Pokes: "look at this object again". They carry an id only, and a lost one is made good by a timer.

use provisioner_api::{InstanceId, MachineId};
use tokio::sync::broadcast;

/// What is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Poke {
    /// A machine.
    Machine(MachineId),
    /// An instance.
    Instance(InstanceId),
    /// Every instance that waits for a machine.
    Pending,
}

/// Passes pokes to everybody who listens.
pub(crate) struct Hub(broadcast::Sender<Poke>);

impl Hub {
    /// A hub that remembers some thousand pokes for a slow listener; one that misses more looks at everything.
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(4096))
    }

    /// Pokes. It is no error when nobody listens.
    pub(crate) fn poke(&self, poke: Poke) {
        let _ = self.0.send(poke);
    }

    /// Listens from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Poke> {
        self.0.subscribe()
    }
}
