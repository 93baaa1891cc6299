//! After each kind of write, what is told from memory is what the database says, and what is read is read but once.

use super::*;
use crate::store::{InstanceRecord, Revoked, TokenRecord, Work, db::sql, memory::Secrets};
use proptest::prelude::*;
use provisioner_api::{InstanceId, InstanceState, JobId, JobKind, Role};
use provisioner_lifecycle::Owner;
use std::sync::Arc;

const MACHINES: u128 = 2;

/// Something that the service does.
#[derive(Debug, Clone)]
enum Deed {
    Machine(u128),
    /// A fact of it is taken down; with an event, in the midst of a transaction of several statements, if so.
    Observe(u128, bool),
    /// A person changes it, with its password or without.
    Change(u128, bool),
    Job(u128),
    EndJob(u128),
    DeleteMachine(u128),
    Instance(u128, bool),
    Allocate(u128, u128),
    Follow(u128),
    Wait(u128),
    DeleteInstance(u128),
    Window(u128),
    Claim(u128),
    Prune,
    Password(u128),
    Settle(u128),
    Listen,
    /// It was decided on what is not so any more.
    Stale(u128),
}

fn deed() -> impl Strategy<Value = Deed> {
    let number = 0..MACHINES;
    let of = |make: fn(u128) -> Deed| (0..MACHINES).prop_map(make);
    prop_oneof![
        3 => of(Deed::Machine),
        2 => (number.clone(), any::<bool>()).prop_map(|(number, told)| Deed::Observe(number, told)),
        2 => (number.clone(), any::<bool>()).prop_map(|(number, secret)| Deed::Change(number, secret)),
        2 => of(Deed::Job),
        1 => of(Deed::EndJob),
        1 => of(Deed::DeleteMachine),
        2 => (number.clone(), any::<bool>()).prop_map(|(number, data)| Deed::Instance(number, data)),
        2 => (number.clone(), number).prop_map(|(instance, machine)| Deed::Allocate(instance, machine)),
        2 => of(Deed::Follow),
        1 => of(Deed::Wait),
        1 => of(Deed::DeleteInstance),
        2 => of(Deed::Window),
        2 => of(Deed::Claim),
        1 => Just(Deed::Prune),
        1 => of(Deed::Password),
        1 => of(Deed::Settle),
        1 => Just(Deed::Listen),
        1 => of(Deed::Stale),
    ]
}

fn machine_id(number: u128) -> MachineId {
    samples::machine(number).id()
}

fn instance_id(number: u128) -> InstanceId {
    samples::instance(number).id
}

fn owner_of(number: u128) -> String {
    format!("machine {}", machine_id(number))
}

fn job_of(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

fn secret(owner: String, word: u8) -> NewSecret {
    let sealed = Sealed { nonce: vec![word; 12], ciphertext: vec![word] };
    NewSecret { owner, name: "word", sealed: Some(sealed) }
}

/// All that can be told from memory.
#[derive(Debug, PartialEq)]
struct Told {
    machines: Vec<Option<MachineRecord>>,
    works: Vec<Option<Work>>,
    instances: Vec<Option<InstanceRecord>>,
    windows: Vec<Option<Window>>,
    secrets: Vec<Secrets>,
    image: Option<String>,
}

impl Told {
    async fn by(store: &Store) -> Self {
        let image = store.image_get(samples::image().id).await.unwrap().map(|image| json(&image));
        let mut told = Self {
            machines: vec![],
            works: vec![],
            instances: vec![],
            windows: vec![],
            secrets: vec![],
            image,
        };
        for number in 0..MACHINES {
            // First, so that it is told from memory or by the row, not by what is kept of the row.
            told.works.push(store.machine_work(machine_id(number)).await.unwrap());
            told.machines.push(store.machine_get(machine_id(number)).await.unwrap());
            told.instances.push(store.instance_get(instance_id(number)).await.unwrap());
            let by_job = store.window_of_job(job_of(number), 1).await.unwrap();
            if let Some(window) = &by_job {
                assert_eq!(store.window_get(&window.id).await.unwrap().as_ref(), Some(window));
            }
            told.windows.push(by_job);
            told.secrets.push(store.secret_all(&owner_of(number)).await.unwrap());
            told.secrets.push(store.secret_all(&format!("instance {}", instance_id(number))).await.unwrap());
        }
        told
    }

    /// By a store that was opened just now, and remembers nothing.
    async fn anew(folder: &Place) -> Self {
        let store = folder.open().await;
        let told = Self::by(&store).await;
        store.close().await;
        told
    }
}

struct Site {
    store: Store,
    /// Grows, so that each secret, window and name is new.
    count: u8,
}

impl Site {
    async fn machine(&self, number: u128) -> Option<MachineRecord> {
        self.store.machine_get(machine_id(number)).await.unwrap()
    }

    async fn instance(&self, number: u128) -> Option<InstanceRecord> {
        self.store.instance_get(instance_id(number)).await.unwrap()
    }

    async fn perform(&mut self, deed: &Deed) {
        self.count += 1;
        match *deed {
            Deed::Machine(number) => {
                let record = record(number, &format!("52:54:00:00:00:0{number}"));
                let secret = secret(owner_of(number), self.count);
                let _ = self.store.machine_insert(&record, &[secret], &[], NOW).await;
            }
            Deed::Instance(number, with_data) => {
                let data = secret(format!("instance {}", instance_id(number)), self.count);
                let data = with_data.then_some(&data);
                let _ = self.store.instance_insert(&samples::instance(number), data, &[], NOW).await;
            }
            Deed::Prune => {
                let later = NOW.checked_add(SignedDuration::from_hours(2)).unwrap();
                self.store.window_prune(later, NOW).await.unwrap();
            }
            Deed::Listen => {
                self.store.machines_listen(NOW).await.unwrap();
            }
            Deed::Password(number) => {
                let new = secret(owner_of(number), self.count);
                self.store.secret_put(machine_id(number), &[new], &[], NOW).await.unwrap();
            }
            Deed::Settle(number) => {
                let known = self.store.secret_all(&owner_of(number)).await.unwrap();
                let sealed = known.get("word").cloned();
                let still = NewSecret { sealed, ..secret(owner_of(number), 0) };
                let gone = NewSecret { sealed: None, ..still.clone() };
                self.store.secret_settle(&still, &[gone], &[], NOW).await.unwrap();
            }
            Deed::Allocate(instance, machine) => self.allocate(instance, machine).await,
            Deed::Follow(number) | Deed::Wait(number) | Deed::DeleteInstance(number) => {
                if let Some(record) = self.instance(number).await {
                    self.at_instance(deed, record).await;
                }
            }
            Deed::Observe(number, _)
            | Deed::Change(number, _)
            | Deed::Job(number)
            | Deed::EndJob(number)
            | Deed::DeleteMachine(number)
            | Deed::Window(number)
            | Deed::Claim(number)
            | Deed::Stale(number) => {
                if let Some(record) = self.machine(number).await {
                    self.at_machine(deed, number, record).await;
                }
            }
        }
    }

    async fn at_machine(&self, deed: &Deed, number: u128, before: MachineRecord) {
        let (store, mut next) = (&self.store, before.clone());
        let event = NewEvent::machine(before.id(), "step", "goes on");
        let (mut events, mut secrets) = (Vec::new(), Vec::new());
        match *deed {
            Deed::Observe(_, told) => {
                next.machine =
                    observe(&before.machine, &Fact::Power { on: self.count.is_multiple_of(2) }, NOW);
                events.extend(told.then_some(event));
            }
            Deed::Change(_, with_secret) => {
                next.generation += 1;
                next.name = format!("n{}", self.count);
                next.spec.labels.insert("a".into(), next.name.clone());
                secrets.extend(with_secret.then(|| secret(owner_of(number), self.count)));
            }
            Deed::Job(_) => {
                next.machine.job = Some(samples::job(number, JobKind::Deploy, Vec::new()));
                events.push(event);
            }
            Deed::EndJob(_) => {
                if let Some(job) = &mut next.machine.job {
                    job.ended = Some(NOW);
                }
            }
            Deed::Stale(_) => next.version -= 1,
            Deed::DeleteMachine(_) => {
                let _ = store.machine_delete(&before, &events, NOW).await;
                return;
            }
            Deed::Window(_) => return self.window(number, &before).await,
            _ => {
                if let Some(window) = store.window_of_job(job_of(number), 1).await.unwrap() {
                    next.machine.facts.agent_seen = Some(NOW);
                    let pair = (&before, &next);
                    store.window_claim(&window, "nonce", pair, &[event], NOW).await.unwrap();
                }
                return;
            }
        }
        let _ = store.machine_update(&before, &next, &secrets, &events, NOW).await;
    }

    /// Opens the window of its job, or leaves it open.
    async fn window(&self, number: u128, machine: &MachineRecord) {
        let job = Some((job_of(number), 1));
        let new = Window {
            machine: Some(machine.id()),
            job,
            ..samples::window(&format!("w{}", self.count), "52:54:00:00:00:01")
        };
        match self.store.window_of_job(job_of(number), 1).await.unwrap() {
            Some(known) => {
                let expires = NOW + SignedDuration::from_secs(i64::from(self.count));
                let later = Window { id: known.id, expires, opened: expires, ..new };
                self.store.window_extend(&later).await.unwrap();
            }
            None => self.store.window_insert(&new).await.unwrap(),
        }
    }

    async fn at_instance(&self, deed: &Deed, mut record: InstanceRecord) {
        let store = &self.store;
        match deed {
            Deed::Follow(_) => {
                record.standing.phoned_home = Some(NOW);
                record.state = InstanceState::Running;
                let events = [NewEvent::instance(record.id, "state", "runs")];
                store.instance_update(&record, &events, NOW).await.unwrap();
            }
            Deed::Wait(_) => {
                record.standing.waiting = Some((format!("why {}", self.count), NOW));
                store.instances_wait(&[(record, None)], NOW).await.unwrap();
            }
            _ => {
                let own = match record.machine {
                    Some(id) => store.machine_get(id).await.unwrap(),
                    None => None,
                };
                let disowned = own.clone().map(|mut own| {
                    own.machine.want.owner = None;
                    own
                });
                let pair = own.as_ref().zip(disowned.as_ref());
                store.instance_delete(&record, pair, &[], NOW).await.unwrap();
            }
        }
    }

    async fn allocate(&self, instance: u128, machine: u128) {
        let (Some(mut instance), Some(before)) = (self.instance(instance).await, self.machine(machine).await)
        else {
            return;
        };
        let mut next = before.clone();
        next.machine.want.owner = Some(Owner {
            instance: instance.id,
            manifest: String::new(),
            disk_bytes: 1,
            ram: None,
            installation: 0,
            adopted: false,
            rescue: None,
            root_disk_serial: None,
            root_disk: None,
            name: Default::default(),
            release: None,
            least: None,
        });
        instance.machine = Some(before.id());
        instance.state = InstanceState::Deploying;
        // Another instance may have it.
        let _ = self.store.instance_and_machine_update(&instance, (&before, &next), &[], NOW).await;
    }
}

async fn check(deeds: &[Deed]) -> (Place, Site) {
    let (folder, store) = store().await;
    store.image_insert(&samples::image()).await.unwrap();
    let mut site = Site { store, count: 0 };
    for deed in deeds {
        // So that there is something that a write could make untrue.
        Told::by(&site.store).await;
        site.perform(deed).await;
        assert_eq!(Told::by(&site.store).await, Told::anew(&folder).await, "after {deed:?} of {deeds:?}");
    }
    (folder, site)
}

/// Each deed where it makes a difference.
#[tokio::test]
async fn a_whole_life_is_told_as_it_is_stored() {
    let deeds = [
        Deed::Machine(0),
        Deed::Observe(0, false),
        Deed::Change(0, true),
        Deed::Change(0, false),
        Deed::Instance(0, true),
        Deed::Instance(1, false),
        Deed::Wait(0),
        Deed::Allocate(0, 0),
        Deed::Job(0),
        Deed::Window(0),
        Deed::Window(0),
        Deed::Claim(0),
        Deed::Observe(0, true),
        Deed::Stale(0),
        Deed::Listen,
        Deed::Password(0),
        Deed::Settle(0),
        Deed::EndJob(0),
        Deed::Follow(0),
        Deed::Prune,
        Deed::DeleteInstance(0),
        Deed::Window(0),
        Deed::DeleteMachine(0),
        Deed::Machine(0),
    ];
    let (_folder, site) = check(&deeds).await;
    assert!(site.store.window_of_job(job_of(0), 1).await.unwrap().is_none(), "it went with its machine");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_is_what_is_stored(deeds in proptest::collection::vec(deed(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&deeds));
    }
}

/// After each of these writes the machine, and the instance, need not be read.
#[tokio::test]
async fn what_was_just_written_is_not_read() {
    let (_folder, store) = store().await;
    let hold = async || {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(store.reader.get().await.unwrap());
        }
        all
    };
    let machine = record(0, "52:54:00:00:00:01");
    let password = password(&machine);
    store.machine_insert(&machine, std::slice::from_ref(&password), &[], NOW).await.unwrap();
    store.image_insert(&samples::image()).await.unwrap();
    store.instance_insert(&samples::instance(0), None, &[], NOW).await.unwrap();
    store.secret_all(&password.owner).await.unwrap();
    store.image_find("os").await.unwrap();
    let window = Window { job: Some((job_of(0), 1)), ..samples::window("w", "52:54:00:00:00:01") };
    store.window_insert(&window).await.unwrap();

    // Nobody gets a connection to read from: who asks for one waits until this is given up.
    let held = hold().await;
    let work = store.machine_work(machine.id()).await.unwrap();
    let known = store.machine_get(machine.id()).await.unwrap().unwrap();
    assert_eq!(work, Some(Work::of(&known)));
    let mut instance = store.instance_get(instance_id(0)).await.unwrap().unwrap();
    assert!(store.secret_all(&password.owner).await.unwrap().contains_key(password.name));
    assert_eq!(store.window_of_job(job_of(0), 1).await.unwrap(), Some(window.clone()));
    assert_eq!(store.window_get("w").await.unwrap(), Some(window));
    assert!(store.image_get(samples::image().id).await.unwrap().is_some());
    instance.machine = Some(known.id());
    store.instance_and_machine_update(&instance, (&known, &known), &[], NOW).await.unwrap();
    let known = store.machine_get(machine.id()).await.unwrap().unwrap();
    let instance = store.instance_get(instance_id(0)).await.unwrap().unwrap();
    assert_eq!((known.version, instance.version), (2, 2));
    drop(held);
}

/// Another process takes a token away, which is noticed when it is not believed any more; here it is noticed at once.
#[tokio::test]
async fn a_token_is_believed_for_a_moment_and_an_unknown_one_never() {
    let (_folder, store) = store().await;
    let token = |name: &str| TokenRecord::admin(name, NOW);
    assert_eq!(store.token_find("hash").await.unwrap(), None);
    store.token_insert("hash", &token("admin")).await.unwrap();
    store.token_insert("other", &token("other")).await.unwrap();
    let found = async |hash: &str| store.token_find(hash).await.unwrap().map(|token| token.name.clone());
    assert_eq!(found("hash").await.as_deref(), Some("admin"));
    let mut lent = store.writer.get().await.unwrap();
    sql("DELETE FROM api_token WHERE digest = 'hash'").execute(lent.conn()).await.unwrap();
    drop(lent);
    assert_eq!(found("hash").await.as_deref(), Some("admin"));
    store.recent.tokens.forget("hash");
    store.recent.tokens.ended();
    assert_eq!(found("hash").await, None);

    store.recent.processes(2);
    store.token_insert("third", &token("third")).await.unwrap();
    assert_eq!(found("third").await.as_deref(), Some("third"));
    let mut lent = store.writer.get().await.unwrap();
    sql("UPDATE api_token SET role = 'viewer'").execute(lent.conn()).await.unwrap();
    drop(lent);
    assert_eq!(store.token_find("third").await.unwrap().unwrap().role, Role::Admin, "others may write");
    assert_eq!(store.token_delete("third").await.unwrap(), Revoked::Done);
    assert_eq!(found("third").await, None, "at once where it was taken away");
}

#[tokio::test]
async fn secrets_that_another_process_changed_are_read_while_it_is_known() {
    let (_folder, store) = store().await;
    let machine = record(1, "52:54:00:00:00:01");
    let password = password(&machine);
    store.machine_insert(&machine, std::slice::from_ref(&password), &[], NOW).await.unwrap();
    let first = store.secret_all(&password.owner).await.unwrap();
    assert!(Arc::ptr_eq(&first, &store.secret_all(&password.owner).await.unwrap()), "it was read once");
    store.recent.processes(2);
    assert!(!Arc::ptr_eq(&first, &store.secret_all(&password.owner).await.unwrap()));
}
