//! What the store keeps of its rows for a moment (`recent`), and what of it a write touches.
//!
//! A write says beforehand what it touches and what is so once it is committed ([`Touched`]). Whoever commits it calls
//! [`Memory::begin`] before the transaction begins and [`Memory::end`] after it ended, both while the only connection
//! that writes is held. Deliberately not here: answers to booting clients, and absences (`boot_index`).

use super::{
    InstanceRecord, MachineRecord, NewSecret, TokenRecord, Window, json, micros, recent::Recent, time,
};
use crate::keys::Sealed;
use jiff::Timestamp;
use provisioner_api::{Image, ImageId, InstanceId, JobId, MachineId};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// The secrets of an owner, by name.
pub(crate) type Secrets = Arc<HashMap<String, Sealed>>;

/// What an agent's reports are held against, each second while its machine is written: what work stands, and when the
/// agent was last written down as heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work {
    /// The running job and its epoch; none while it is held.
    pub(crate) job: Option<(JobId, u64)>,
    /// When its agent was heard, as it is stored.
    pub(crate) heard: Option<Timestamp>,
    /// The epoch of its last job, running or not.
    pub(crate) epoch: u64,
}

impl Work {
    /// What of a machine is needed for that.
    pub(crate) fn of(record: &MachineRecord) -> Self {
        let machine = &record.machine;
        let job = machine.running_job().filter(|_| machine.state.hold.is_none());
        let epoch = machine.state.epoch;
        Self { job: job.map(|job| (job.id, job.epoch)), heard: machine.facts.agent_seen, epoch }
    }
}

/// How long the work of a machine is believed to be what it was. Another process that works with this database is known
/// after as long, and an agent whose order it took back hears of that then.
const WORK_BELIEVED: Duration = Duration::from_secs(10);

/// Machines whose work is kept at most: a few hundred bytes each, where a whole row is ten thousand.
const WORKS: usize = 65_536;

/// The rows that were written or read a moment ago.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) machines: Recent<MachineId, MachineRecord>,
    pub(super) works: Recent<MachineId, Work>,
    pub(super) instances: Recent<InstanceId, InstanceRecord>,
    pub(super) windows: Recent<String, Window>,
    /// The ids of the windows of jobs and epochs.
    pub(super) windows_of_jobs: Recent<(JobId, u64), String>,
    /// By owner, as they are sealed.
    pub(super) secrets: Recent<String, Secrets>,
    pub(super) images: Recent<ImageId, Image>,
    /// API tokens, by their hashes.
    pub(super) tokens: Recent<String, Arc<TokenRecord>>,
    /// Nothing is ever kept.
    others: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            machines: Recent::default(),
            works: Recent::believing(WORK_BELIEVED, WORKS),
            instances: Recent::default(),
            windows: Recent::default(),
            windows_of_jobs: Recent::default(),
            secrets: Recent::default(),
            images: Recent::default(),
            tokens: Recent::default(),
            others: false,
        }
    }
}

/// What a write touches: rows that are forgotten before it, each with what is kept once it is committed.
#[derive(Debug, Default)]
pub(super) struct Touched {
    machines: Vec<(MachineId, Option<MachineRecord>)>,
    instances: Vec<(InstanceId, Option<InstanceRecord>)>,
    windows: Vec<Window>,
    /// Whether the windows are kept, rather than only forgotten.
    opened: bool,
    any_window: bool,
    owners: Vec<String>,
    image: Option<ImageId>,
}

impl Touched {
    /// A machine, from one version to the next.
    pub(super) fn machine(mut self, before: &MachineRecord, after: &MachineRecord) -> Self {
        // What a person gave need not be what is read back.
        let by_person = before.generation != after.generation
            || before.spec != after.spec
            || before.name != after.name
            || before.created != after.created;
        let known = !by_person || is_read_back(&after.spec, after.created);
        let kept = known.then(|| MachineRecord { version: after.version + 1, ..after.clone() });
        self.machines.push((after.id(), kept));
        self
    }

    /// A machine that is new, without a job.
    pub(super) fn new_machine(mut self, record: &MachineRecord) -> Self {
        let known = record.machine.job.is_none() && is_read_back(&record.spec, record.created);
        self.machines.push((record.id(), known.then(|| record.clone())));
        self
    }

    /// A machine of which is not told what it becomes.
    pub(super) fn changed_machine(mut self, id: MachineId) -> Self {
        self.machines.push((id, None));
        self
    }

    /// A machine that is deleted, with its windows and secrets.
    pub(super) fn gone_machine(mut self, id: MachineId) -> Self {
        self.any_window = true;
        self.owners.push(format!("machine {id}"));
        self.changed_machine(id)
    }

    /// An instance, from one version to the next.
    pub(super) fn instance(mut self, after: &InstanceRecord) -> Self {
        self.instances.push((after.id, Some(InstanceRecord { version: after.version + 1, ..after.clone() })));
        self
    }

    /// An instance that is new.
    pub(super) fn new_instance(mut self, record: &InstanceRecord) -> Self {
        // Its row has no machine yet.
        let known = record.machine.is_none() && is_read_back(&record.spec, record.created);
        self.instances.push((record.id, known.then(|| record.clone())));
        self
    }

    /// An instance of which is not told what it becomes.
    pub(super) fn changed_instance(mut self, id: InstanceId) -> Self {
        self.instances.push((id, None));
        self
    }

    /// An instance that is deleted, with its secrets.
    pub(super) fn gone_instance(mut self, id: InstanceId) -> Self {
        self.owners.push(format!("instance {id}"));
        self.changed_instance(id)
    }

    /// Secrets in their places.
    pub(super) fn secrets<'a>(mut self, secrets: impl IntoIterator<Item = &'a NewSecret>) -> Self {
        self.owners.extend(secrets.into_iter().map(|secret| secret.owner.clone()));
        self
    }

    /// Secrets of this owner.
    pub(super) fn secrets_of(mut self, owner: String) -> Self {
        self.owners.push(owner);
        self
    }

    /// A window that is new.
    pub(super) fn new_window(mut self, window: &Window) -> Self {
        self.windows.push(window.clone());
        self.opened = true;
        self
    }

    /// A window of which is not told what it becomes.
    pub(super) fn changed_window(mut self, window: &Window) -> Self {
        self.windows.push(window.clone());
        self
    }

    /// Windows of which is not known which.
    pub(super) fn any_window(mut self) -> Self {
        self.any_window = true;
        self
    }

    /// An image that is deleted.
    pub(super) fn image(mut self, id: ImageId) -> Self {
        self.image = Some(id);
        self
    }
}

/// Whether the database answers exactly with what it is given.
fn is_read_back<T>(spec: &T, created: Timestamp) -> bool
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq,
{
    time(micros(created)) == created && serde_json::from_str::<T>(&json(spec)).is_ok_and(|read| read == *spec)
}

impl Memory {
    /// Keeps nothing, because others may write.
    pub(super) fn none() -> Self {
        let memory = Self { others: true, ..Self::default() };
        memory.processes(1);
        memory
    }

    /// A write is about to begin. The only connection that writes is held from before this until after
    /// [`Memory::end`]. If the latter is never called, because whoever waited for the write went away, nothing is kept
    /// that is not so.
    pub(super) fn begin(&self, touched: &Touched) {
        for (id, _) in &touched.machines {
            self.machines.forget(id);
            self.works.forget(id);
        }
        for (id, _) in &touched.instances {
            self.instances.forget(id);
        }
        for window in &touched.windows {
            self.windows.forget(&window.id);
            if let Some(job) = &window.job {
                self.windows_of_jobs.forget(job);
            }
        }
        if touched.any_window {
            self.windows.forget_all();
            self.windows_of_jobs.forget_all();
        }
        for owner in &touched.owners {
            self.secrets.forget(owner);
        }
        if let Some(image) = &touched.image {
            self.images.forget(image);
        }
    }

    /// The write has ended: it was committed, or changed nothing. Not to be called when that is not known.
    pub(super) fn end(&self, touched: Touched, committed: bool) {
        if committed {
            // Others before it in the same transaction may have kept what it wrote over.
            self.begin(&touched);
        }
        let Touched { machines, instances, windows, opened, any_window, owners, image } = touched;
        for (id, record) in machines {
            let record = record.filter(|_| committed);
            settle(&self.works, id, record.as_ref().map(Work::of));
            settle(&self.machines, id, record);
        }
        for (id, record) in instances {
            settle(&self.instances, id, record.filter(|_| committed));
        }
        if any_window {
            self.windows.ended();
            self.windows_of_jobs.ended();
        }
        for window in windows {
            let kept = committed && opened && !any_window;
            if let Some(job) = window.job {
                settle(&self.windows_of_jobs, job, kept.then(|| window.id.clone()));
            }
            settle(&self.windows, window.id.clone(), kept.then_some(window));
        }
        if !owners.is_empty() {
            self.secrets.ended();
        }
        if image.is_some() {
            self.images.ended();
        }
    }

    /// How many processes use this database, this one included. Whoever calls this holds the only connection that
    /// writes.
    pub(super) fn processes(&self, count: i64) {
        let others = self.others || count > 1;
        self.machines.others(others);
        self.works.others(others);
        self.instances.others(others);
        self.windows.others(others);
        self.windows_of_jobs.others(others);
        self.secrets.others(others);
        self.images.others(others);
        // Believed whoever writes: what they are believed for is how long a revocation takes elsewhere.
        self.tokens.others(false);
    }
}

fn settle<K: std::hash::Hash + Eq + Clone, V: Clone>(recent: &Recent<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => recent.keep(key, value),
        None => recent.ended(),
    }
}
