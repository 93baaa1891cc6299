//! The consoles over a made-up BMC: who is connected when, and that nothing is lost or doubled.

use super::*;
use bmc::{BmcInfo, BootOverride, ConsoleEvent, ConsoleReader, PowerState, SerialConsole};
use tempfile::TempDir;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

const MACHINE: MachineId = MachineId(Uuid::from_u128(7));

/// A BMC with nothing but a console. It echoes.
struct FakeBmc {
    events: broadcast::Sender<ConsoleEvent>,
    /// How often the console was connected.
    connects: AtomicU64,
    /// Who is connected now.
    inside: watch::Sender<u32>,
    /// What connecting fails with.
    fails: Mutex<Option<BmcError>>,
}

impl FakeBmc {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            events: broadcast::Sender::new(64),
            connects: AtomicU64::new(0),
            inside: watch::Sender::new(0),
            fails: Mutex::default(),
        })
    }

    fn says(&self, text: &str) {
        self.tell(ConsoleEvent::Output(text.as_bytes().into()));
    }

    fn tell(&self, event: ConsoleEvent) {
        self.events.send(event).unwrap();
    }

    fn fail(&self, error: Option<BmcError>) {
        *self.fails.lock().unwrap() = error;
    }

    async fn empty(&self) {
        self.inside.subscribe().wait_for(|inside| *inside == 0).await.unwrap();
    }
}

fn refused() -> BmcError {
    BmcError::Refused {
        address: "10.0.0.1:623".into(),
        during: "opening the console",
        answer: "another program has it".into(),
    }
}

struct Inside(watch::Sender<u32>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.send_modify(|inside| *inside -= 1);
    }
}

#[async_trait]
impl SerialConsole for FakeBmc {
    async fn read_console(&self, take_over: bool) -> Result<ConsoleReader, BmcError> {
        assert!(!take_over, "a service never throws somebody out");
        self.connects.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = self.fails.lock().unwrap().take() {
            return Err(error);
        }
        self.inside.send_modify(|inside| *inside += 1);
        Ok(ConsoleReader::new(self.events.subscribe(), Inside(self.inside.clone())))
    }

    async fn type_console(&self, bytes: &[u8]) -> Result<(), BmcError> {
        self.tell(ConsoleEvent::Output(bytes.into()));
        Ok(())
    }

    async fn break_console(&self) -> Result<(), BmcError> {
        self.tell(ConsoleEvent::Output(b"<break>".as_slice().into()));
        Ok(())
    }
}

#[async_trait]
impl Bmc for FakeBmc {
    async fn power(&self) -> Result<PowerState, BmcError> {
        Err(refused())
    }

    async fn set_power(&self, _: PowerState) -> Result<(), BmcError> {
        Err(refused())
    }

    async fn set_boot(&self, _: BootOverride) -> Result<(), BmcError> {
        Err(refused())
    }

    async fn boot(&self) -> Result<Option<BootOverride>, BmcError> {
        Err(refused())
    }

    async fn info(&self) -> Result<BmcInfo, BmcError> {
        Err(refused())
    }

    async fn close(&self) {}

    fn console(&self) -> Option<&dyn SerialConsole> {
        Some(self)
    }
}

/// A BMC whose console may be connected, for tests of others.
pub(crate) fn fake() -> Arc<dyn Bmc> {
    FakeBmc::new()
}

struct OneLine(Mutex<Option<Arc<FakeBmc>>>);

#[async_trait]
impl Lines for OneLine {
    async fn line(&self, _: MachineId) -> Result<Arc<dyn Bmc>, Trouble> {
        let bmc = self.0.lock().unwrap().clone();
        bmc.map(|bmc| bmc as Arc<dyn Bmc>).ok_or(Trouble::NoBmc)
    }
}

fn consoles(policy: Recording) -> (TempDir, Arc<FakeBmc>, Consoles) {
    let pace = Pace { linger: Duration::from_millis(1), pause: Duration::from_millis(1) };
    paced(policy, pace)
}

fn paced(policy: Recording, pace: Pace) -> (TempDir, Arc<FakeBmc>, Consoles) {
    let folder = tempfile::tempdir().unwrap();
    let bmc = FakeBmc::new();
    let lines = Arc::new(OneLine(Mutex::new(Some(Arc::clone(&bmc)))));
    let consoles = Consoles::with_pace(lines, folder.path().to_owned(), policy, pace);
    (folder, bmc, consoles)
}

/// Reads on until a text came; all that came.
async fn until(reader: &mut Reader, text: &str) -> String {
    let mut said = String::new();
    while !said.contains(text) {
        let bytes = reader.next().await.unwrap().unwrap_or_else(|| panic!("it ended after {said:?}"));
        said.push_str(&String::from_utf8(bytes).unwrap());
    }
    said
}

async fn connected(bmc: &FakeBmc) {
    bmc.inside.subscribe().wait_for(|inside| *inside == 1).await.unwrap();
}

#[tokio::test]
async fn there_is_a_most_of_followers() {
    let (_folder, _bmc, consoles) = consoles(Recording::Jobs);
    let mut readers = Vec::new();
    for _ in 0..MOST_READERS {
        readers.push(consoles.read(MACHINE, None, None, true).await.unwrap());
    }
    let trouble = consoles.read(MACHINE, None, None, true).await.err().unwrap();
    assert!(matches!(trouble, Trouble::Crowded), "{trouble}");
    // The record is for everybody, and a place that somebody leaves is free.
    consoles.read(MACHINE, None, None, false).await.unwrap();
    readers.pop();
    consoles.read(MACHINE, None, None, true).await.unwrap();
}

#[tokio::test]
async fn two_readers_share_one_connection_and_miss_nothing() {
    let (_folder, bmc, consoles) = consoles(Recording::Jobs);
    let mut one = consoles.read(MACHINE, None, None, true).await.unwrap();
    bmc.says("boot ");
    assert_eq!(until(&mut one, "boot ").await, "boot ");
    let mut two = consoles.read(MACHINE, None, None, true).await.unwrap();
    consoles.keyboard(MACHINE).await.unwrap().type_bytes(b"ls\n").await.unwrap();
    assert_eq!(until(&mut one, "ls\n").await, "ls\n");
    assert_eq!(until(&mut two, "ls\n").await, "boot ls\n");
    let status = consoles.status(MACHINE).await.unwrap();
    assert_eq!((status.connected, status.readers, status.first, status.end), (true, 2, 0, 8));
    assert_eq!(bmc.connects.load(Ordering::Relaxed), 1);
    assert_eq!((consoles.connected(), consoles.recorded()), (1, 8));
    drop(one);
    assert_eq!(two.position(), 8);
    consoles.keyboard(MACHINE).await.unwrap().send_break().await.unwrap();
    assert_eq!(until(&mut two, "<break>").await, "<break>");
    drop(two);
    bmc.empty().await;
    // What was recorded is there without a connection; and from any position.
    let mut record = consoles.read(MACHINE, Some(5), None, false).await.unwrap();
    assert_eq!(record.position(), 5);
    assert_eq!(record.next().await.unwrap().unwrap(), b"ls\n<break>");
    assert_eq!(record.next().await.unwrap(), None);
    let mut tail = consoles.read(MACHINE, None, Some(2), false).await.unwrap();
    assert_eq!(tail.next().await.unwrap().unwrap(), b"k>");
    assert_eq!(bmc.connects.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_interruption_is_seen_and_recorded_and_a_lost_console_comes_back() {
    let (_folder, bmc, consoles) = consoles(Recording::Jobs);
    let mut reader = consoles.read(MACHINE, None, None, true).await.unwrap();
    bmc.tell(ConsoleEvent::Interrupted("no\x1banswer".into()));
    let said = until(&mut reader, "no answer]\r\n").await;
    assert_eq!(said, "\r\n[billet: the console was interrupted: no answer]\r\n");
    let status = consoles.status(MACHINE).await.unwrap();
    assert_eq!(status.trouble.as_deref(), Some("it is interrupted: no answer"));
    assert!(!status.connected);
    bmc.tell(ConsoleEvent::Resumed);
    until(&mut reader, "the console is back").await;
    assert_eq!(consoles.status(MACHINE).await.unwrap().trouble, None);
    // Twice: it is tried again after a failure, too.
    bmc.fail(Some(refused()));
    bmc.tell(ConsoleEvent::Closed("somebody took it".into()));
    until(&mut reader, "closed: somebody took it]\r\n").await;
    bmc.empty().await;
    connected(&bmc).await;
    assert_eq!(bmc.connects.load(Ordering::Relaxed), 3);
    bmc.says("again");
    assert_eq!(until(&mut reader, "again").await, "again");
}

#[tokio::test]
async fn who_wants_to_follow_what_can_not_be_connected_is_told_why() {
    let hours = Pace { pause: Duration::from_secs(3600), ..Pace::default() };
    let (_folder, bmc, consoles) = paced(Recording::Jobs, hours);
    bmc.fail(Some(refused()));
    let trouble = consoles.read(MACHINE, None, None, true).await.err().expect("it failed");
    assert!(trouble.to_string().contains("another program has it"), "{trouble}");
    // A new reader doesn't wait for the back-off of the last.
    consoles.read(MACHINE, None, None, true).await.unwrap();
    assert_eq!(bmc.connects.load(Ordering::Relaxed), 2);
    let none =
        Consoles::new(Arc::new(OneLine(Mutex::default())), PathBuf::from("/nonexistent"), Recording::Never);
    assert!(matches!(none.read(MACHINE, None, None, true).await, Err(Trouble::NoBmc)));
}

#[tokio::test]
async fn jobs_are_recorded_though_nobody_watches() {
    for (policy, may, works, wanted) in [
        (Recording::Jobs, true, true, true),
        (Recording::Jobs, true, false, false),
        (Recording::Jobs, false, true, false),
        (Recording::Always, true, false, true),
        (Recording::Always, false, false, false),
        (Recording::Never, true, true, false),
    ] {
        let (_folder, bmc, consoles) = consoles(policy);
        consoles.look(MACHINE, may, works, 1);
        if !wanted {
            assert!(consoles.known(MACHINE).is_none(), "{policy:?} {may} {works}");
            continue;
        }
        connected(&bmc).await;
        bmc.says("kernel panic");
        consoles.station(MACHINE).record.bounds().await.unwrap();
        consoles.station(MACHINE).record.watch().wait_for(|end| *end == 12).await.unwrap();
        consoles.look(MACHINE, may, works, 1);
        consoles.look(MACHINE, false, false, 1);
        bmc.empty().await;
        assert_eq!(bmc.connects.load(Ordering::Relaxed), 1);
        let mut record = consoles.read(MACHINE, None, None, false).await.unwrap();
        assert_eq!(until(&mut record, "panic").await, "kernel panic");
    }
}

#[tokio::test]
async fn another_bmc_of_the_machine_takes_the_place_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (FakeBmc::new(), FakeBmc::new());
    let line = Arc::new(OneLine(Mutex::new(Some(Arc::clone(&old)))));
    let consoles = Consoles::new(line.clone(), folder.path().to_owned(), Recording::Jobs);
    consoles.look(MACHINE, true, false, 1);
    let mut reader = consoles.read(MACHINE, None, None, true).await.unwrap();
    consoles.look(MACHINE, true, false, 1);
    // Something else of the machine was changed: the console stays.
    consoles.look(MACHINE, true, false, 2);
    old.says("old");
    until(&mut reader, "old").await;
    *line.0.lock().unwrap() = Some(Arc::clone(&new));
    consoles.look(MACHINE, true, false, 3);
    until(&mut reader, "another BMC now]").await;
    old.empty().await;
    connected(&new).await;
    new.says("new");
    until(&mut reader, "new").await;
    assert_eq!(old.connects.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_site_that_records_nothing_writes_no_file() {
    let (folder, bmc, consoles) = consoles(Recording::Never);
    let mut reader = consoles.read(MACHINE, None, None, true).await.unwrap();
    bmc.says("secret");
    until(&mut reader, "secret").await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_end_of_the_service_or_the_machine_ends_who_follows() {
    let (folder, bmc, consoles) = consoles(Recording::Jobs);
    let mut reader = consoles.read(MACHINE, None, None, true).await.unwrap();
    bmc.says("x");
    until(&mut reader, "x").await;
    consoles.forget(MACHINE).await;
    assert_eq!(reader.next().await.unwrap(), None);
    bmc.empty().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the record is forgotten");
    let mut reader = consoles.read(MACHINE, None, None, true).await.unwrap();
    consoles.close();
    assert_eq!(reader.next().await.unwrap(), None);
    bmc.empty().await;
    assert!(matches!(consoles.keyboard(MACHINE).await, Err(Trouble::Ended)));
}

#[tokio::test]
async fn records_of_machines_that_are_no_more_are_pruned() {
    let (folder, _bmc, consoles) = consoles(Recording::Jobs);
    let other = MachineId(Uuid::from_u128(8));
    for id in [MACHINE, other] {
        consoles.station(id).record.append(b"x".to_vec()).await.unwrap();
    }
    consoles.prune(&HashSet::from([MACHINE])).await.unwrap();
    assert!(folder.path().join(MACHINE.to_string()).exists());
    assert!(!folder.path().join(other.to_string()).exists());
}
