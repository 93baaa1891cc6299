//! The agent's whole life against a service in memory that crashes, forgets and contradicts itself on request.

use super::*;
use crate::efi::Variables;
use crate::host::{FakeDisk, FakeHost, FakeVariables};
use crate::permit::tests::{key, method_of, named_disk, permit_in, sign};
use crate::{LoadError, OpenDisk, ServiceError};
use async_trait::async_trait;
use bytes::Bytes;
use images::{Chunk, Manifest, sha256_hex, write::Target};
use jiff::Timestamp;
use provisioner_api::{
    Disk, ErasePolicy, Finish, Inventory, JobId, MachineId, Progress, RescueAccess,
    agent::{ClaimRequest, ClaimResponse, ReportResponse, SeedFile},
    permit::{Chassis, Permit, PermitMethod, SignedPermit},
};
use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    sync::Mutex,
};
use tokio::sync::watch;

mod caches;
mod forged;
mod ram;
mod rescue;

const MACHINE: MachineId = MachineId(uuid::Uuid::from_u128(1));
const MIB: u64 = 1 << 20;

/// How the service fails.
#[derive(Default)]
struct Faults {
    /// After so many more chunks it dies.
    dies_after_chunks: Option<u32>,
    /// For so many more calls it is dead; when it is back, it knows no session.
    dead_calls: u32,
    /// So many more claims are refused.
    refused_claims: u32,
    /// So many more final reports are taken, but the answer is lost.
    lost_answers: u32,
    /// Chunks arrive with a bit turned.
    damaged: bool,
    /// After the first chunk, the others never come.
    stuck: bool,
    /// Progress reports are answered: the order does not stand.
    taken_back: bool,
    /// Nothing is given but for progress: a manifest for two reports, each chunk for two more.
    wants_progress: bool,
    /// The manifest takes so long.
    slow_manifest: Duration,
    /// So many more progress reports are never answered.
    silent_reports: u32,
    /// Everything is frozen when the tenth chunk is asked for: reports are answered that the order does not stand, and
    /// nobody is given one, for so many more questions.
    freezes: Option<u32>,
    /// An order that destroys is gone when it is asked for once more.
    vanishes: bool,
    /// What caches do, by their addresses; one that isn't here refuses connections.
    caches: HashMap<String, CacheDoes>,
    /// An order comes so late after it was asked for.
    late_orders: Duration,
}

/// What a cache does.
#[derive(Debug, Clone, Copy)]
enum CacheDoes {
    Gives,
    Damages,
}

#[derive(Default)]
struct State {
    faults: Faults,
    /// Orders that are to come; the first is handed out until a final report for it is there.
    orders: VecDeque<Order>,
    /// So many times more the first one is handed out although it was reported on.
    forgetful: u32,
    session: u32,
    claims: Vec<String>,
    reports: Vec<Report>,
    progress: Vec<Progress>,
    /// How many that are.
    told: watch::Sender<usize>,
    files: HashMap<String, Bytes>,
    fetched: Vec<String>,
    /// How often each cache was asked.
    cached: HashMap<String, u32>,
    /// How long the agent would have waited for the orders that it was given.
    waits: Vec<Duration>,
    frozen: bool,
}

#[derive(Default)]
struct FakeService(Mutex<State>);

impl FakeService {
    fn with<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        call(&mut self.0.lock().unwrap())
    }

    /// Waits for two more progress reports, if those are wanted.
    async fn wants_progress(&self) {
        let told = self.with(|state| state.faults.wants_progress.then(|| state.told.subscribe()));
        if let Some(mut told) = told {
            let enough = *told.borrow() + 2;
            told.wait_for(|told| *told >= enough).await.unwrap();
        }
    }

    fn up(&self, session: Option<&Secret>) -> Result<(), ServiceError> {
        self.with(|state| {
            if state.faults.dead_calls > 0 {
                state.faults.dead_calls -= 1;
                return Err(ServiceError::Unavailable { why: "connection refused".into() });
            }
            let known =
                session.is_none_or(|session| session.reveal() == format!("session {}", state.session));
            if known { Ok(()) } else { Err(ServiceError::Unauthorized { why: "unknown session".into() }) }
        })
    }
}

#[async_trait]
impl Service for FakeService {
    async fn claim(&self, claim: &ClaimRequest) -> Result<ClaimResponse, ServiceError> {
        self.up(None)?;
        self.with(|state| {
            assert_eq!(claim.token.reveal(), "token");
            state.claims.push(claim.nonce.clone());
            if state.faults.refused_claims > 0 {
                state.faults.refused_claims -= 1;
                return Err(ServiceError::Refused { why: "this boot window is closed".into() });
            }
            let session = Secret::new(format!("session {}", state.session));
            Ok(ClaimResponse { session, machine: MACHINE, machine_name: "m1".into() })
        })
    }

    async fn order(
        &self,
        session: &Secret,
        challenge: &str,
        wait: Duration,
    ) -> Result<Option<Order>, ServiceError> {
        self.up(Some(session))?;
        if !wait.is_zero() {
            tokio::time::sleep(self.with(|state| state.faults.late_orders)).await;
        }
        let frozen = self.with(|state| {
            state.waits.push(wait);
            match &mut state.faults.freezes {
                Some(0) if state.frozen => (state.frozen, state.faults.freezes) = (false, None),
                Some(left) if state.frozen => *left -= 1,
                _ => {}
            }
            state.frozen
        });
        if frozen {
            return Ok(None);
        }
        if wait.is_zero() && self.with(|state| state.faults.vanishes) {
            self.with(|state| state.orders.pop_front());
        }
        Ok(self.with(|state| state.orders.front().cloned()).map(|order| signed(order, challenge)))
    }

    async fn report(&self, session: &Secret, report: &Report) -> Result<ReportResponse, ServiceError> {
        self.up(Some(session))?;
        let silent = self.with(|state| {
            let left = &mut state.faults.silent_reports;
            std::mem::replace(left, left.saturating_sub(1)) > 0
        });
        if silent {
            std::future::pending::<()>().await;
        }
        self.with(|state| {
            if let Outcome::Progress { progress } = report.outcome {
                state.progress.push(progress);
                state.told.send_replace(state.progress.len());
                if state.faults.taken_back {
                    state.orders.pop_front();
                }
                return Ok(ReportResponse { stands: !state.faults.taken_back && !state.frozen });
            }
            state.reports.push(report.clone());
            if state.faults.lost_answers > 0 {
                state.faults.lost_answers -= 1;
                return Err(ServiceError::Unavailable { why: "the connection broke".into() });
            }
            if state.forgetful > 0 {
                state.forgetful -= 1;
            } else if state.orders.front().is_some_and(|order| order.step == report.step) {
                state.orders.pop_front();
            }
            Ok(ReportResponse { stands: true })
        })
    }

    async fn manifest(&self, session: &Secret, sha256: &str) -> Result<Bytes, ServiceError> {
        self.up(Some(session))?;
        self.wants_progress().await;
        tokio::time::sleep(self.with(|state| state.faults.slow_manifest)).await;
        self.with(|state| {
            state.files.get(sha256).cloned().ok_or(ServiceError::Refused { why: "no such manifest".into() })
        })
    }

    async fn rescue(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        self.up(Some(session))?;
        let bytes = self.with(|state| state.files.get(sha256).cloned());
        let mut bytes = bytes.ok_or(ServiceError::Refused { why: "no such archive".into() })?.to_vec();
        assert!(bytes.len() <= limit);
        bytes[0] ^= u8::from(self.with(|state| state.faults.damaged));
        Ok(bytes.into())
    }

    async fn chunk(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        self.up(Some(session))?;
        self.wants_progress().await;
        let (bytes, stuck) = self.with(|state| {
            match &mut state.faults.dies_after_chunks {
                Some(0) => {
                    state.faults.dies_after_chunks = None;
                    state.faults.dead_calls = 20;
                    state.session += 1;
                    return (Err(ServiceError::Unavailable { why: "the connection broke".into() }), false);
                }
                Some(left) => *left -= 1,
                None => {}
            }
            state.fetched.push(sha256.to_owned());
            let mut bytes = state.files[sha256].to_vec();
            assert!(bytes.len() <= limit);
            let freezes = state.faults.freezes.is_some() && state.fetched.len() == 10;
            state.frozen |= freezes;
            bytes[0] ^= u8::from(state.faults.damaged);
            (Ok(bytes.into()), freezes || state.faults.stuck && state.fetched.len() > 1)
        });
        if stuck {
            std::future::pending::<()>().await;
        }
        bytes
    }

    async fn cached(&self, cache: &str, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        self.with(|state| {
            *state.cached.entry(cache.to_owned()).or_default() += 1;
            let refused = ServiceError::Unavailable { why: "connection refused".into() };
            let does = *state.faults.caches.get(cache).ok_or(refused)?;
            let mut bytes = state.files[sha256].to_vec();
            assert!(bytes.len() <= limit);
            bytes[0] ^= u8::from(matches!(does, CacheDoes::Damages));
            Ok(bytes.into())
        })
    }
}

/// An image of `chunks` chunks of 64 KiB, every third of them empty: its manifest's name and its bytes.
fn image(service: &FakeService, chunks: u8) -> (String, Vec<u8>) {
    image_with(service, chunks, &[], 0)
}

/// [`image`] with this text at a place of its first chunk.
fn image_with(service: &FakeService, chunks: u8, text: &[u8], at: usize) -> (String, Vec<u8>) {
    let mut raw = Vec::new();
    let mut listed = Vec::new();
    for number in 0..chunks {
        if number % 3 == 2 {
            raw.extend([0; 65_536]);
            listed.push(None);
            continue;
        }
        let mut bytes: Vec<u8> = (0..65_536_u32).map(|n| (n >> 3) as u8 ^ number).collect();
        if number == 0 {
            bytes[at..at + text.len()].copy_from_slice(text);
        }
        let stored = zstd::bulk::compress(&bytes, 1).unwrap();
        let name = sha256_hex(&stored);
        listed.push(Some(Chunk {
            stored: name.clone(),
            stored_bytes: stored.len() as u32,
            raw: sha256_hex(&bytes),
        }));
        service.with(|state| state.files.insert(name, stored.into()));
        raw.extend(bytes);
    }
    let manifest = Manifest {
        version: 1,
        image_digest: format!("sha256:{}", sha256_hex(&raw)),
        disk_bytes: raw.len() as u64,
        chunk_bytes: 65_536,
        chunks: listed,
    };
    let name = manifest.sha256();
    service.with(|state| state.files.insert(name.clone(), manifest.to_bytes().into()));
    (name, raw)
}

fn order(step: &str, epoch: u64, action: Action) -> Order {
    Order {
        machine: MACHINE,
        job: JobId(uuid::Uuid::from_u128(2)),
        epoch,
        step: step.into(),
        attempt: 1,
        now: Timestamp::UNIX_EPOCH,
        action,
        caches: Vec::new(),
    }
}

/// A permit that becomes whole when the order with it is handed out.
fn permit(epoch: u64, disks: &[&str]) -> SignedPermit {
    lasting(epoch, disks, Timestamp::from_second(900).unwrap())
}

/// The same until another time.
fn lasting(epoch: u64, disks: &[&str], expires: Timestamp) -> SignedPermit {
    let permit = Permit {
        challenge: String::new(),
        machine: MACHINE,
        chassis: Chassis::default(),
        job: JobId(uuid::Uuid::from_u128(2)),
        epoch,
        step: String::new(),
        attempt: 0,
        method: PermitMethod::Erase { policy: ErasePolicy::Metadata },
        disks: disks.iter().map(|serial| named_disk(serial)).collect(),
        now: Timestamp::UNIX_EPOCH,
        expires,
    };
    SignedPermit { text: permit.to_text().unwrap(), signature: String::new() }
}

/// The order as a good service hands it out to whoever asks with this challenge.
fn signed(mut order: Order, challenge: &str) -> Order {
    let (step, attempt) = (order.step.clone(), order.attempt);
    let action = order.action.clone();
    if let Some(permit) = permit_in(&mut order) {
        let drafted = Permit::from_text(&permit.text).unwrap();
        let method = method_of(&action);
        let whole = Permit { challenge: challenge.into(), step, attempt, method, ..drafted };
        *permit = sign(1, whole.to_text().unwrap());
    }
    order
}

fn write_order(manifest: &str, disk: &str) -> Order {
    order("write-image", 1, Action::WriteImage { manifest: manifest.into(), permit: permit(1, &[disk]) })
}

/// A machine with two disks, `A` and `B`, that held something before.
fn machine() -> FakeHost {
    let host = FakeHost::new("52:54:00:aa:bb:01")
        .with_disk(FakeDisk::in_memory("vda", "A", 32 * MIB))
        .with_disk(FakeDisk::in_memory("vdb", "B", 32 * MIB));
    for serial in ["A", "B"] {
        host.disk(serial).unwrap().write_at(&old(), 0).unwrap();
    }
    host
}

fn old() -> Vec<u8> {
    vec![0xA5; (4 * MIB) as usize]
}

fn content(host: &FakeHost, serial: &str, bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    host.disk(serial).unwrap().read_at(&mut content, 0).unwrap();
    content
}

const PACE: Pace = Pace {
    order_wait: Duration::from_millis(10),
    idle: Duration::from_millis(1),
    progress: Duration::from_millis(2),
    retry_first: Duration::from_millis(1),
    retry_most: Duration::from_millis(4),
};

/// Runs the agent through these orders and a last one, to reboot. Returns what was reported before that.
async fn live(host: &FakeHost, service: &Arc<FakeService>, orders: Vec<Order>) -> Vec<Outcome> {
    live_on(Arc::new(host.clone()), service, orders).await
}

/// The same on any host.
async fn live_on(host: Arc<dyn Host>, service: &Arc<FakeService>, orders: Vec<Order>) -> Vec<Outcome> {
    let last = orders.iter().map(|order| order.epoch).max().unwrap_or(1);
    service.with(|state| {
        state.orders.extend(orders);
        state.orders.push_back(order("reboot", last, Action::Reboot));
    });
    let agent =
        run(host, service.clone(), Secret::new("token"), Some(key(1)), PACE, CancellationToken::new());
    let exit = tokio::time::timeout(Duration::from_secs(60), agent).await.expect("the agent hangs").unwrap();
    assert_eq!(exit, Exit::Reboot);
    service.with(|state| {
        let mut reports = std::mem::take(&mut state.reports);
        assert_eq!(reports.pop().unwrap().step, "reboot", "it is reported before the deed");
        reports.into_iter().map(|report| report.outcome).collect()
    })
}

/// The sentence of an outcome of this kind.
#[track_caller]
fn why(outcome: &Outcome, refused: bool) -> &str {
    match outcome {
        Outcome::Refused { why } if refused => why,
        Outcome::Failed { why } if !refused => why,
        other => panic!("unexpected {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_deployment() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, raw) = image(&service, 20);
    let outcomes =
        live(&host, &service, vec![order("inspect", 1, Action::Inspect), write_order(&manifest, "A")]).await;
    let [Outcome::Inventory { inventory }, Outcome::Done { evidence, .. }] = outcomes.as_slice() else {
        panic!("{outcomes:?}")
    };
    assert_eq!(inventory.disks.len(), 2);
    assert!(evidence.contains("A (vda)"), "{evidence}");
    assert!(content(&host, "A", raw.len()) == raw);
    assert!(content(&host, "B", old().len()) == old(), "the other disk was touched");
    assert!(host.console().contains(&"claimed as machine m1".to_owned()), "{:?}", host.console());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_may_die_in_the_middle() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, raw) = image(&service, 60);
    service.with(|state| state.faults.dies_after_chunks = Some(10));
    let outcomes = live(&host, &service, vec![write_order(&manifest, "A")]).await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Done { .. }]), "{outcomes:?}");
    assert!(content(&host, "A", raw.len()) == raw);
    service.with(|state| {
        assert!(state.claims.len() >= 2, "the new service has to be told who we are");
        assert!(state.claims.iter().all(|nonce| *nonce == state.claims[0]), "one nonce for each boot");
        assert_eq!(state.fetched.len(), 40, "no chunk is fetched twice");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_twice() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, _) = image(&service, 6);
    service.with(|state| {
        state.faults.lost_answers = 2;
        state.forgetful = 3;
    });
    let outcomes = live(&host, &service, vec![write_order(&manifest, "A")]).await;
    assert_eq!(outcomes.len(), 2 + 3 + 1);
    let evidence = |outcome: &Outcome| match outcome {
        Outcome::Done { evidence, .. } => evidence.clone(),
        other => panic!("{other:?}"),
    };
    assert!(outcomes.iter().all(|outcome| evidence(outcome) == evidence(&outcomes[0])));
    assert_eq!(service.with(|state| state.fetched.len()), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_permitted_is_not_done() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, _) = image(&service, 6);
    let write = |step: &str, permit: SignedPermit| {
        order(step, 5, Action::WriteImage { manifest: manifest.clone(), permit })
    };
    let mut stranger = write("stranger", permit(5, &["A"]));
    stranger.machine = MachineId(uuid::Uuid::from_u128(9));
    let mut late = write("late", permit(4, &["A"]));
    late.epoch = 4;
    let expired = lasting(5, &["A"], Timestamp::UNIX_EPOCH);
    let orders = vec![
        stranger,
        write("other-epoch", permit(6, &["A"])),
        write("expired", expired),
        write("two", permit(5, &["A", "B"])),
        late,
        write("unknown", permit(5, &["C"])),
    ];
    let outcomes = live(&host, &service, orders).await;
    let words = ["for machine", "for epoch 6", "expired", "2 disks", "of epoch 4", "no disk here"];
    assert_eq!(outcomes.len(), words.len());
    for (outcome, word) in outcomes.iter().zip(words) {
        assert!(why(outcome, true).contains(word), "{word:?} is not in {outcome:?}");
    }
    for serial in ["A", "B"] {
        assert!(content(&host, serial, old().len()) == old(), "{serial} was touched");
    }
    assert_eq!(service.with(|state| state.fetched.len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_larger_than_the_disk_is_refused() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let small = host.with_disk(FakeDisk::in_memory("vdc", "C", MIB));
    let (manifest, _) = image(&service, 17);
    let outcomes = live(&small, &service, vec![write_order(&manifest, "C")]).await;
    assert!(why(&outcomes[0], true).contains("1114112"), "{outcomes:?}");
    assert_eq!(service.with(|state| state.fetched.len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_for_other_sectors_is_refused_before_anything_is_lost() {
    for (at, fits) in [(512, false), (4096, true), (8192, true)] {
        let (host, service) = (machine(), Arc::new(FakeService::default()));
        let large = host.with_disk(FakeDisk::in_memory("nvme0n1", "C", 32 * MIB).with_sectors(4096));
        large.disk("C").unwrap().write_at(&old(), 0).unwrap();
        let (manifest, raw) = image_with(&service, 5, b"EFI PART", at);
        let outcomes = live(&large, &service, vec![write_order(&manifest, "C")]).await;
        if fits {
            assert!(matches!(outcomes[0], Outcome::Done { .. }), "{outcomes:?}");
            assert!(content(&large, "C", raw.len()) == raw);
        } else {
            assert!(why(&outcomes[0], true).contains("sectors of 512 bytes, but disk C"), "{outcomes:?}");
            assert!(content(&large, "C", old().len()) == old());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_bytes_never_reach_the_disk() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, _) = image(&service, 1);
    service.with(|state| state.faults.damaged = true);
    let outcomes = live(&host, &service, vec![write_order(&manifest, "A")]).await;
    assert!(why(&outcomes[0], false).contains("damaged"), "{outcomes:?}");
    assert!(content(&host, "A", old().len()) == old());
    assert_eq!(service.with(|state| state.fetched.len()), 3, "it is worth another try or two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_under_another_name_is_not_used() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, _) = image(&service, 2);
    let wrong = sha256_hex(b"something else");
    service.with(|state| {
        let bytes = state.files[&manifest].clone();
        state.files.insert(wrong.clone(), bytes);
    });
    let missing = sha256_hex(b"nothing");
    let mut second = write_order(&missing, "A");
    second.attempt = 2;
    let outcomes = live(&host, &service, vec![write_order(&wrong, "A"), second]).await;
    assert!(why(&outcomes[0], false).contains("arrived damaged"), "{outcomes:?}");
    assert!(why(&outcomes[1], false).contains("no such manifest"), "{outcomes:?}");
    assert!(content(&host, "A", old().len()) == old());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_taken_back_stops() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, _) = image(&service, 60);
    service.with(|state| {
        state.faults.stuck = true;
        state.faults.taken_back = true;
    });
    let outcomes = live(&host, &service, vec![write_order(&manifest, "A")]).await;
    assert!(outcomes.is_empty(), "{outcomes:?}");
    assert!(host.console().iter().any(|line| line.contains("taken back")), "{:?}", host.console());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_attempt_writes_only_what_is_not_there() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, raw) = image(&service, 30);
    host.disk("A").unwrap().write_at(&raw[..raw.len() / 2], 0).unwrap();
    let mut again = write_order(&manifest, "A");
    again.attempt = 2;
    let outcomes = live(&host, &service, vec![again]).await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Done { .. }]), "{outcomes:?}");
    assert!(content(&host, "A", raw.len()) == raw);
    assert_eq!(service.with(|state| state.fetched.len()), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn wiping_is_proved_disk_by_disk() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let host = host.with_disk(FakeDisk::in_memory("vdc", "C", 16 * MIB));
    host.disk("C").unwrap().write_at(&old(), 6 * MIB).unwrap();
    let erase = |step: &str, policy, disks: &[&str]| {
        order(step, 1, Action::Erase { policy, permit: permit(1, disks) })
    };
    let orders = vec![
        erase("metadata", ErasePolicy::Metadata, &["C"]),
        erase("overwrite", ErasePolicy::Overwrite, &["C", "A"]),
    ];
    let outcomes = live(&host, &service, orders).await;
    let proofs: Vec<_> = outcomes
        .iter()
        .flat_map(|outcome| match outcome {
            Outcome::Done { disks, .. } => disks.clone(),
            other => panic!("{other:?}"),
        })
        .map(|proof| (proof.serial, proof.bytes_written, proof.bytes_verified))
        .collect();
    let whole = [("C".into(), 16 * MIB, 16 * MIB), ("A".into(), 32 * MIB, 32 * MIB)];
    assert_eq!(proofs, [vec![("C".into(), 8 * MIB, 8 * MIB)], whole.to_vec()].concat());
    for serial in ["A", "C"] {
        assert!(content(&host, serial, (16 * MIB) as usize).iter().all(|&byte| byte == 0), "{serial}");
    }
    assert!(content(&host, "B", old().len()) == old(), "the other disk was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_is_added_behind_the_image() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    host.disk("A").unwrap().write_at(&crate::seed::tests::mbr_image(), 0).unwrap();
    let files = vec![SeedFile { name: "meta-data".into(), content: "instance-id: i1\n".into() }];
    let bare = order(
        "seed-b",
        1,
        Action::WriteSeed {
            files: files.clone(),
            finish: Finish::default(),
            boot_entry: None,
            permit: permit(1, &["B"]),
        },
    );
    let good = order(
        "seed-a",
        1,
        Action::WriteSeed { files, finish: Finish::default(), boot_entry: None, permit: permit(1, &["A"]) },
    );
    let outcomes = live(&host, &service, vec![bare, good]).await;
    assert!(why(&outcomes[0], true).contains("no partition table"), "{outcomes:?}");
    assert!(matches!(&outcomes[1], Outcome::Done { evidence, .. } if evidence.contains("meta-data")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_firmware_learns_what_was_written_or_it_is_told_why_not() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let files = vec![SeedFile { name: "meta-data".into(), content: "instance-id: i1\n".into() }];
    let order = |step: &str, disk: &str, entry: Option<&str>| {
        let (files, boot_entry) = (files.clone(), entry.map(Into::into));
        order(
            step,
            1,
            Action::WriteSeed { files, finish: Finish::default(), boot_entry, permit: permit(1, &[disk]) },
        )
    };
    host.disk("A").unwrap().write_at(&crate::seed::tests::mbr_image(), 0).unwrap();
    let outcomes = live(&host, &service, vec![order("bios", "A", Some("web1"))]).await;
    assert!(matches!(&outcomes[0], Outcome::Done { evidence, .. } if !evidence.contains("boot entry")));
    let firmware = FakeVariables::default();
    host.set_variables(firmware.clone());
    let host =
        host.with_disk(crate::efi::tests::disk_with(&["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTAA64.EFI"]));
    let orders =
        vec![order("mbr", "A", Some("web1")), order("gpt", "E", Some("web1")), order("not", "E", None)];
    let outcomes = live(&host, &service, orders).await;
    let ends = [
        "no EFI system partition with a boot loader",
        "; boot entry 0000 `Billet web1` starts \\EFI\\BOOT\\BOOT",
    ];
    for (outcome, end) in outcomes.iter().zip(ends) {
        assert!(matches!(outcome, Outcome::Done { evidence, .. } if evidence.contains(end)), "{outcome:?}");
    }
    assert!(matches!(&outcomes[2], Outcome::Done { evidence, .. } if evidence.ends_with("right")));
    assert_eq!(firmware.get("BootOrder").unwrap().unwrap(), [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_claim_is_told_and_repeated() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    service.with(|state| state.faults.refused_claims = 3);
    assert!(live(&host, &service, vec![]).await.is_empty());
    assert_eq!(service.with(|state| state.claims.len()), 4);
    let said = host.console().iter().filter(|line| line.contains("boot window is closed")).count();
    assert_eq!(said, 1, "the same reason is said once: {:?}", host.console());
}

#[tokio::test]
async fn who_cancels_gets_out() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    service.with(|state| state.faults.dead_calls = u32::MAX);
    let cancel = CancellationToken::new();
    let agent =
        tokio::spawn(run(Arc::new(host), service, Secret::new("token"), Some(key(1)), PACE, cancel.clone()));
    cancel.cancel();
    assert_eq!(agent.await.unwrap().unwrap(), Exit::Cancelled);
}

/// A machine whose disks open only after two progress reports.
struct Reluctant(FakeHost, Arc<FakeService>);

impl Host for Reluctant {
    fn inventory(&self) -> Result<Inventory, HostError> {
        self.0.inventory()
    }

    fn open(&self, disk: &Disk) -> Result<Box<dyn OpenDisk>, HostError> {
        Handle::current().block_on(self.1.wants_progress());
        self.0.open(disk)
    }

    fn load_system(&self, kernel: &File, initrd: &File, cmdline: &str) -> Result<(), LoadError> {
        self.0.load_system(kernel, initrd, cmdline)
    }

    fn start_rescue(&self, archive: &[u8], authorized_keys: &[String]) -> Result<RescueAccess, HostError> {
        self.0.start_rescue(archive, authorized_keys)
    }

    fn say(&self, line: &str) {
        self.0.say(line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_only_waits_is_heard_all_the_same() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, raw) = image(&service, 2);
    service.with(|state| state.faults.wants_progress = true);
    let files = vec![SeedFile { name: "meta-data".into(), content: "instance-id: i1\n".into() }];
    let orders = vec![
        write_order(&manifest, "A"),
        order(
            "seed",
            1,
            Action::WriteSeed {
                files,
                finish: Finish::default(),
                boot_entry: None,
                permit: permit(1, &["A"]),
            },
        ),
        order("erase", 1, Action::Erase { policy: ErasePolicy::Overwrite, permit: permit(1, &["A"]) }),
    ];
    let outcomes = live_on(Arc::new(Reluctant(host, service.clone())), &service, orders).await;
    assert!(matches!(
        outcomes.as_slice(),
        [Outcome::Done { .. }, Outcome::Refused { .. }, Outcome::Done { .. }]
    ));
    let told = service.with(|state| std::mem::take(&mut state.progress));
    let unknown = Progress { done: 0, total: 0 };
    assert!(told[..4] == [unknown; 4], "for the manifest and for the disk: {told:?}");
    let begun = Progress { done: 0, total: 2 * raw.len() as u64 };
    assert!(told[4..6].contains(&begun), "for the first chunk: {told:?}");
    assert!(told.contains(&Progress { done: 0, total: 64 * MIB }), "for the disk to wipe: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_progress_report_without_an_answer_holds_up_no_other() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    service.with(|state| state.faults.silent_reports = 1);
    let host: Arc<dyn Host> = Arc::new(host);
    let inventory = host.inventory().unwrap();
    let mut link = Link::new(host, service.clone(), Secret::new("token"), inventory, PACE).unwrap();
    link.mention = Duration::from_millis(5);
    let report = report(
        &order("inspect", 1, Action::Inspect),
        Outcome::Progress { progress: Gauge::default().read() },
    );
    assert_eq!(link.mention(&report).await, None);
    assert_eq!(link.mention(&report).await, Some(Delivered::Stands));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_permit_outlives_a_long_wait() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, _) = image(&service, 6);
    service.with(|state| state.faults.slow_manifest = Duration::from_millis(600));
    let permit = lasting(1, &["A"], Timestamp::UNIX_EPOCH + Duration::from_millis(500));
    let outcomes =
        live(&host, &service, vec![order("write-image", 1, Action::WriteImage { manifest, permit })]).await;
    // On a machine that is very busy, it has expired before the wait.
    let ([Outcome::Failed { why }] | [Outcome::Refused { why }]) = outcomes.as_slice() else {
        panic!("{outcomes:?}")
    };
    assert!(why.contains("permit expired"), "{why}");
    assert!(content(&host, "A", old().len()) == old(), "it was written without leave");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_stops_it_and_afterwards_only_what_is_missing_is_fetched() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, raw) = image(&service, 60);
    service.with(|state| state.faults.freezes = Some(3));
    let outcomes = live(&host, &service, vec![write_order(&manifest, "A")]).await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Done { .. }]), "{outcomes:?}");
    assert!(content(&host, "A", raw.len()) == raw);
    assert!(host.console().iter().any(|line| line.contains("taken back")), "{:?}", host.console());
    let fetched = service.with(|state| state.fetched.len());
    // The one that was under way then, and what other threads had asked for.
    assert!((41..60).contains(&fetched), "of forty chunks, {fetched} were fetched");
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_from_a_long_wait_is_asked_for_once_more() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, raw) = image(&service, 6);
    service.with(|state| state.faults.late_orders = Duration::from_millis(2100));
    let outcomes = live(&host, &service, vec![write_order(&manifest, "A")]).await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Done { .. }]), "{outcomes:?}");
    assert!(content(&host, "A", raw.len()) == raw);
    let short = service.with(|state| state.waits.iter().filter(|wait| wait.is_zero()).count());
    assert_eq!(short, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stopped_while_it_waited_is_not_begun() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let erase = Action::Erase { policy: ErasePolicy::Metadata, permit: permit(1, &["A"]) };
    service.with(|state| {
        state.faults.late_orders = Duration::from_millis(2100);
        // From when it has the order.
        state.faults.vanishes = true;
    });
    let outcomes = live(&host, &service, vec![order("erase", 1, erase)]).await;
    assert!(outcomes.is_empty(), "{outcomes:?}");
    assert!(content(&host, "A", old().len()) == old(), "it was wiped without leave");
    assert!(host.console().iter().any(|line| line.contains("nothing was changed")), "{:?}", host.console());
}
