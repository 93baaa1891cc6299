//! The real agent on simulated machines: what it did is on their disks, and they know it.

use super::*;
use crate::fleet::{Entry, What};
use async_trait::async_trait;
use bytes::Bytes;
use images::{Chunk, Manifest, sha256_hex};
use images_agent::{Exit, Pace, Service, ServiceError};
use jiff::Timestamp;
use provisioner_api::{
    ErasePolicy, Finish, JobId, MachineId, Secret,
    agent::{Action, ClaimRequest, ClaimResponse, Order, Outcome, Report, ReportResponse, SeedFile},
    permit::{Chassis, Permit, PermitDisk, PermitMethod, SignedPermit, message, seed_bytes},
};
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;

const MIB: u64 = 1 << 20;
const JOB: JobId = JobId(uuid::Uuid::from_u128(2));
const MACHINE: MachineId = MachineId(uuid::Uuid::from_u128(1));

/// A service that has a list of orders.
struct Orders {
    host: SimHost,
    /// Each with the disk that it is about.
    left: Mutex<VecDeque<(Order, String)>>,
    outcomes: Mutex<Vec<Outcome>>,
    files: Arc<HashMap<String, Bytes>>,
}

#[async_trait]
impl Service for Orders {
    async fn claim(&self, _: &ClaimRequest) -> Result<ClaimResponse, ServiceError> {
        Ok(ClaimResponse { session: Secret::new("s"), machine: MACHINE, machine_name: "m1".into() })
    }

    async fn order(&self, _: &Secret, challenge: &str, _: Duration) -> Result<Option<Order>, ServiceError> {
        let front = lock(&self.left).front().cloned();
        self.host.order_in_hand(front.as_ref().map(|(order, _)| order.step.clone()));
        Ok(front.map(|(order, disk)| permitted(order, &disk, challenge)))
    }

    async fn report(&self, _: &Secret, report: &Report) -> Result<ReportResponse, ServiceError> {
        if !matches!(report.outcome, Outcome::Progress { .. }) {
            lock(&self.left).pop_front();
            lock(&self.outcomes).push(report.outcome.clone());
            self.host.order_in_hand(None);
        }
        Ok(ReportResponse { stands: true })
    }

    async fn manifest(&self, _: &Secret, sha256: &str) -> Result<Bytes, ServiceError> {
        Ok(self.files[sha256].clone())
    }

    async fn rescue(&self, _: &Secret, sha256: &str, _: usize) -> Result<Bytes, ServiceError> {
        Ok(self.files[sha256].clone())
    }

    async fn chunk(&self, _: &Secret, sha256: &str, _: usize) -> Result<Bytes, ServiceError> {
        Ok(self.files[sha256].clone())
    }

    async fn cached(&self, _: &str, _: &str, _: usize) -> Result<Bytes, ServiceError> {
        Err(ServiceError::Unavailable { why: "there is no cache".into() })
    }
}

/// An image as a service keeps it.
struct Import {
    manifest: String,
    files: Arc<HashMap<String, Bytes>>,
}

fn import(image: &FleetImage) -> Import {
    let mut files = HashMap::new();
    let chunks = image.raw().chunks(4 << 20).map(|raw| {
        let stored = zstd::bulk::compress(raw, 1).unwrap();
        let name = sha256_hex(&stored);
        let stored_bytes = u32::try_from(stored.len()).unwrap();
        files.insert(name.clone(), stored.into());
        Some(Chunk { stored: name, stored_bytes, raw: sha256_hex(raw) })
    });
    let manifest = Manifest {
        version: 1,
        image_digest: image.digest.clone(),
        disk_bytes: image.bytes,
        chunk_bytes: 4 << 20,
        chunks: chunks.collect(),
    };
    let name = manifest.sha256();
    files.insert(name.clone(), manifest.to_bytes().into());
    Import { manifest: name, files: Arc::new(files) }
}

fn order(step: &str, action: Action, disk: &str) -> (Order, String) {
    let (now, step) = (Timestamp::UNIX_EPOCH, step.into());
    (
        Order { machine: MACHINE, job: JOB, epoch: 1, step, attempt: 1, now, action, caches: Vec::new() },
        disk.to_owned(),
    )
}

/// What signs for this made-up site.
fn signer() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
}

/// The order, if it destroys with leave to do so on this disk, for whoever asked with this challenge.
fn permitted(mut order: Order, disk: &str, challenge: &str) -> Order {
    let method = match &order.action {
        Action::WriteImage { manifest, .. } => PermitMethod::WriteImage { manifest: manifest.clone() },
        Action::WriteSeed { files, finish, .. } => {
            PermitMethod::WriteSeed { files: sha256_hex(&seed_bytes(files, *finish)) }
        }
        Action::Erase { policy, .. } => PermitMethod::Erase { policy: *policy },
        _ => return order,
    };
    let permit = Permit {
        challenge: challenge.into(),
        machine: order.machine,
        chassis: Chassis::default(),
        job: order.job,
        epoch: order.epoch,
        step: order.step.clone(),
        attempt: order.attempt,
        method,
        disks: vec![PermitDisk { serial: disk.into(), wwn: None, allowed: false }],
        now: order.now,
        expires: Timestamp::from_second(900).unwrap(),
    };
    let text = permit.to_text().unwrap();
    let signature = hex::encode(signer().sign(&message(&text)));
    if let Action::WriteImage { permit, .. }
    | Action::WriteSeed { permit, .. }
    | Action::Erase { permit, .. } = &mut order.action
    {
        *permit = SignedPermit { text, signature };
    }
    order
}

impl Import {
    fn write_image(&self, disk: &str) -> (Order, String) {
        let manifest = self.manifest.clone();
        order("write-image", Action::WriteImage { manifest, permit: SignedPermit::default() }, disk)
    }
}

fn home(number: u32) -> PhoneHome {
    PhoneHome {
        url: format!("http://127.0.0.1:18080/boot/phone-home/token-{number}"),
        instance: uuid::Uuid::from_u128(number.into()).to_string(),
    }
}

/// As the service writes it (`provisioner/src/seed.rs`).
fn write_seed(disk: &str, home: &PhoneHome) -> (Order, String) {
    let file = |name: &str, content: String| SeedFile { name: name.into(), content: content.into_bytes() };
    let PhoneHome { url, instance } = home;
    let files = vec![
        file("meta-data", format!("instance-id: \"{instance}\"\nlocal-hostname: \"web1\"\n")),
        file("user-data", "#cloud-config\nhostname: \"web1\"\n".into()),
        file("network-config", "ethernets: {}\nversion: 2\n".into()),
        file(
            "vendor-data",
            format!("#cloud-config\nphone_home: {{\"post\":\"all\",\"tries\":600,\"url\":\"{url}\"}}\n"),
        ),
    ];
    order(
        "write-seed",
        Action::WriteSeed {
            files,
            finish: Finish::default(),
            boot_entry: None,
            permit: SignedPermit::default(),
        },
        disk,
    )
}

fn erase(disk: &str, policy: ErasePolicy) -> (Order, String) {
    order("erase", Action::Erase { policy, permit: SignedPermit::default() }, disk)
}

/// Some machines of a fleet, an image, and what is seen.
struct Site {
    image: Arc<FleetImage>,
    blocks: Arc<Blocks>,
    spec: DiskSpec,
    eyes: Arc<Eyes>,
    seen: mpsc::UnboundedReceiver<Entry>,
    import: Import,
    _folder: tempfile::TempDir,
}

impl Site {
    fn new(mib: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = FleetImage::make(folder.path(), "image.raw", mib, 7).unwrap();
        let import = import(&image);
        let (sink, seen) = mpsc::unbounded_channel();
        Self {
            image: Arc::new(image),
            blocks: Blocks::new(),
            spec: DiskSpec::new(64, 0.0, 2, 8),
            eyes: Eyes::new(Some(sink)),
            seen,
            import,
            _folder: folder,
        }
    }

    fn host(&self, number: u32) -> SimHost {
        let mac = format!("52:54:00:00:00:{:02x}", number % 256);
        let (blocks, image, eyes) = (self.blocks.clone(), self.image.clone(), self.eyes.clone());
        SimHost::new(number, &mac, &self.spec, blocks, image, eyes)
    }

    /// Runs the agent through these orders.
    async fn obey(&self, host: &SimHost, orders: Vec<(Order, String)>) -> Vec<Outcome> {
        let pace = Pace { idle: Duration::from_millis(1), ..Pace::default() };
        let last = order("power-off", Action::PowerOff, "");
        let service = Arc::new(Orders {
            host: host.clone(),
            left: Mutex::new(orders.into_iter().chain([last]).collect()),
            outcomes: Mutex::default(),
            files: Arc::clone(&self.import.files),
        });
        let end = CancellationToken::new();
        let key = hex::encode(signer().public_key()).parse().ok();
        let run =
            images_agent::run(Arc::new(host.clone()), service.clone(), Secret::new("t"), key, pace, end);
        let exit = tokio::time::timeout(Duration::from_secs(60), run).await.expect("it hangs").unwrap();
        assert_eq!(exit, Exit::PowerOff);
        let mut outcomes = std::mem::take(&mut *lock(&service.outcomes));
        outcomes.pop();
        outcomes
    }

    /// What was seen since the last time.
    fn seen(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok())
            .map(|entry| match entry.what {
                What::Seen(seen) => seen,
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

fn done(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. }))
}

fn wrote(disk: &str, step: &str) -> Seen {
    Seen::Wrote { disk: disk.into(), step: Some(step.into()), canary: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_deployed_and_erased() {
    let mut site = Site::new(4);
    let host = site.host(7);
    let disk = "DISK000007-0";
    let empty = &host.disks_truth()[0];
    assert!(empty.blank && !empty.image_whole && empty.instance.is_none() && host.found_on_disk().is_none());
    let outcomes = site.obey(&host, vec![site.import.write_image(disk), write_seed(disk, &home(7))]).await;
    assert!(done(&outcomes), "{outcomes:?}");
    let seeded = Seen::Seeded { instance: home(7).instance };
    assert_eq!(site.seen(), [wrote(disk, "write-image"), wrote(disk, "write-seed"), seeded]);
    assert_eq!(host.found_on_disk(), Some(home(7)));
    let truth = host.disks_truth();
    assert!(truth[0].image_whole && !truth[0].blank && truth[0].instance == Some(home(7).instance));
    assert_eq!(
        truth.iter().map(|disk| (disk.canary, disk.intact)).collect::<Vec<_>>(),
        [(false, true), (true, true), (true, true)]
    );

    let outcomes = site.obey(&host, vec![erase(disk, ErasePolicy::Metadata)]).await;
    assert!(done(&outcomes), "{outcomes:?}");
    assert!(host.found_on_disk().is_none());
    let outcomes = site.obey(&host, vec![erase(disk, ErasePolicy::Overwrite)]).await;
    assert!(done(&outcomes), "{outcomes:?}");
    assert!(host.disks_truth()[0].blank);
    assert_eq!(site.seen(), [wrote(disk, "erase"), wrote(disk, "erase")]);
    site.obey(&host, vec![site.import.write_image(disk)]).await;
    let outcomes = site.obey(&host, vec![erase(disk, ErasePolicy::Secure)]).await;
    assert!(done(&outcomes) && host.disks_truth()[0].blank, "{outcomes:?}");
    let refused = site.obey(&host, vec![erase(disk, ErasePolicy::Discard)]).await;
    assert!(
        matches!(refused.as_slice(), [Outcome::Refused { why }] if why.contains("can't discard")),
        "{refused:?}"
    );
    site.seen();
    let console = host.console();
    assert!(console.len() <= LINES && console.iter().any(|line| line.contains("wiped and read back")));
    drop(host);
    // The image itself and the canaries' text are all that was left.
    let with_image = site.blocks.held().0;
    site.image = Arc::new(FleetImage::make(site._folder.path(), "other.raw", 4, 8).unwrap());
    assert!(with_image > 0);
    assert_eq!(site.blocks.held(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_too_many_or_too_few_is_not_the_image() {
    let site = Site::new(8);
    let host = site.host(1);
    let disk = "DISK000001-0";
    site.obey(&host, vec![site.import.write_image(disk), write_seed(disk, &home(1))]).await;
    let platter = &host.0.disks[0];
    let whole = || host.disks_truth()[0].image_whole;
    assert!(whole());
    // Behind the image, and in the seed: those are not the image's.
    for at in [9 * MIB, 63 * MIB] {
        platter.inner().content.write(&[1], at);
        assert!(whole(), "byte {at}");
    }
    for at in [34 * 512, 65_535, 65_536, 2 * MIB, 5 * MIB, 8 * MIB - 33 * 512 - 1] {
        let mut old = [0];
        platter.inner().content.read(&mut old, at);
        platter.inner().content.write(&[!old[0]], at);
        assert!(!whole(), "byte {at}");
        platter.inner().content.write(&old, at);
        assert!(whole());
    }
    for at in [0, 34 * 512 - 1, 8 * MIB - 33 * 512, 8 * MIB - 1] {
        platter.inner().content.write(&[0xAA], at);
        assert!(host.disks_truth()[0].image_whole, "byte {at} is a table's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_disks_are_found_out() {
    let mut site = Site::new(4);
    for (fault, step, sentence) in [
        (DiskFault::LosesWrites, "image", "does not hold what was written"),
        (DiskFault::LosesWrites, "seed", "no partition table"),
        (DiskFault::LosesWrites, "again", "does not hold the seed"),
        (DiskFault::LosesWrites, "erase", "does not hold what was written"),
        (DiskFault::ErrorAfterMebibyte, "image", "medium error"),
        (DiskFault::ErrorAfterMebibyte, "again", "medium error"),
        (DiskFault::ErrorAfterMebibyte, "erase", "medium error"),
        (DiskFault::Gone, "image", "no disk"),
        (DiskFault::Gone, "erase", "no disk"),
    ] {
        let host = site.host(3);
        let disk = "DISK000003-0";
        if matches!(step, "again" | "erase") {
            let before =
                site.obey(&host, vec![site.import.write_image(disk), write_seed(disk, &home(3))]).await;
            assert!(done(&before), "{before:?}");
        }
        host.set_fault(Some(fault));
        let order = match step {
            "image" => site.import.write_image(disk),
            "erase" => erase(disk, ErasePolicy::Overwrite),
            _ => write_seed(disk, &home(4)),
        };
        let outcomes = site.obey(&host, vec![order]).await;
        let [Outcome::Failed { why } | Outcome::Refused { why }] = outcomes.as_slice() else {
            panic!("{fault} {step}: {outcomes:?}")
        };
        assert!(why.contains(sentence), "{fault} {step}: {why}");
        assert!(fault.may_hold().iter().any(|part| why.contains(part)), "{fault} {step}: {why}");
        // A disk that failed in the middle may hold enough of a seed for a system to start: so it is in life.
        let torn = fault == DiskFault::ErrorAfterMebibyte && step == "again";
        assert_eq!(host.found_on_disk() == Some(home(4)), torn, "{fault} {step}");
        let present = host.inventory().unwrap().disks.len();
        assert_eq!(present, if fault == DiskFault::Gone { 2 } else { 3 });
    }
    assert_eq!(
        site.seen().iter().filter(|seen| **seen == Seen::Seeded { instance: home(4).instance }).count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_to_a_canary_or_without_an_order_is_seen() {
    let mut site = Site::new(4);
    let host = site.host(5);
    let disks = host.inventory().unwrap().disks;
    assert_eq!(
        disks.iter().map(|disk| (disk.removable, disk.read_only)).collect::<Vec<_>>(),
        [(false, false), (true, false), (false, true)]
    );
    for (at, disk) in disks.iter().enumerate() {
        let (host, disk) = (host.clone(), disk.clone());
        let write = move || host.open(&disk).unwrap().write_at(&[0; 512], 0).unwrap();
        tokio::task::spawn_blocking(write).await.unwrap();
        let serial = disks[at].serial.clone().unwrap();
        assert_eq!(site.seen(), [Seen::Wrote { disk: serial, step: None, canary: at > 0 }]);
    }
    assert_eq!(host.disks_truth().iter().map(|disk| disk.intact).collect::<Vec<_>>(), [true, false, false]);
    let mut other = disks[0].clone();
    other.serial = Some("another".into());
    assert!(matches!(host.open(&other), Err(HostError::Exchanged { .. })));
    // When the power is cut, what is open is worth nothing any more, and what is opened then is.
    let open = |host: SimHost, disk: Disk| tokio::task::spawn_blocking(move || host.open(&disk).unwrap());
    let before = open(host.clone(), disks[0].clone()).await.unwrap();
    host.power_cut();
    assert!(before.write_at(&[1; 512], 0).is_err());
    assert!(host.disks_truth()[0].blank);
    open(host.clone(), disks[0].clone()).await.unwrap().write_at(&[1; 512], 0).unwrap();
    assert!(!host.disks_truth()[0].blank);
}

#[tokio::test]
async fn what_is_written_while_the_power_is_cut_was_written_for_the_order_in_hand() {
    let mut site = Site::new(4);
    let host = site.host(0);
    let disk = host.inventory().unwrap().disks[0].clone();
    for _ in 0..2000 {
        host.order_in_hand(Some("write-seed".into()));
        let (writer, disk) = (host.clone(), disk.clone());
        let open = tokio::task::spawn_blocking(move || writer.open(&disk).unwrap()).await.unwrap();
        let both = Arc::new(std::sync::Barrier::new(2));
        let begun = Arc::clone(&both);
        let write = tokio::task::spawn_blocking(move || {
            begun.wait();
            // Whether it is in time is chance.
            drop(open.write_at(&[1; 512], 0));
        });
        both.wait();
        host.power_cut();
        write.await.unwrap();
    }
    let told = site.seen();
    assert!(told.iter().all(|seen| matches!(seen, Seen::Wrote { step: Some(_), .. })), "{told:?}");
}

/// Seconds of CPU time of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Resident bytes of this process.
fn rss() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployed_machine_takes_little_memory() {
    let site = Site::new(4);
    let mut hosts = Vec::new();
    for number in 0..20 {
        let host = site.host(number);
        let disk = format!("DISK{number:06}-0");
        site.obey(&host, vec![site.import.write_image(&disk), write_seed(&disk, &home(number))]).await;
        hosts.push(host);
    }
    let (count, bytes) = site.blocks.held();
    // Of each machine: both ends of its partition table, and its seed.
    assert!(count <= 18 + 20 * 4, "{count} blocks");
    let own = (bytes - (1 << 20)) / hosts.len();
    let list = hosts[3].0.disks[0].inner().content.list_bytes();
    assert!(own < 5_000 && list < 600, "{own} bytes of blocks, {list} of lists");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: run it alone, with --nocapture"]
#[expect(clippy::print_stdout, reason = "it is a measurement")]
async fn measure() {
    let site = Site::new(4);
    let mut machines = 0..;
    for (what, orders) in [("resting", 0), ("with an image", 1), ("and its seed", 2)] {
        let (mut memory, mut time, mut hosts) = (0, 0.0, Vec::new());
        // What the first hundred take is the allocator's and the threads' as well.
        let (first, count) = if orders == 0 { (0, 10_000) } else { (100, 300) };
        for round in 0..first + count {
            if round == first {
                (memory, time) = (rss(), cpu());
            }
            let number = machines.next().unwrap();
            let host = site.host(number);
            let disk = format!("DISK{number:06}-0");
            let mut list = vec![site.import.write_image(&disk), write_seed(&disk, &home(number))];
            list.truncate(orders);
            if !list.is_empty() {
                assert!(done(&site.obey(&host, list).await));
            }
            hosts.push(host);
        }
        let bytes = rss().saturating_sub(memory) / count;
        let ms = (cpu() - time) * 1000.0 / count as f64;
        let begun = cpu();
        assert!(hosts.iter().all(|host| host.disks_truth()[0].image_whole == (orders > 0)));
        let truth = (cpu() - begun) * 1000.0 / (first + count) as f64;
        let held = site.blocks.held();
        println!("{what}: {bytes} bytes, {ms:.1} ms of CPU each, {truth:.2} ms to look; blocks {held:?}");
    }
}
