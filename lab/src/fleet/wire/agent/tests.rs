use super::*;
use crate::fleet::{NetworkFaults, SeenKind};
use provisioner_api::{Inventory, JobId, MachineId, Progress, agent::Action};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// A service that counts what reaches it and has one order for ever.
struct Fake {
    order: Order,
    reports: Arc<AtomicU32>,
    stands: bool,
}

fn order() -> Order {
    Order {
        machine: MachineId(uuid::Uuid::nil()),
        job: JobId(uuid::Uuid::from_u128(5)),
        epoch: 3,
        step: "erase".to_owned(),
        attempt: 2,
        now: jiff::Timestamp::UNIX_EPOCH,
        action: Action::Inspect,
        caches: Vec::new(),
    }
}

#[async_trait]
impl Service for Fake {
    async fn claim(&self, _: &ClaimRequest) -> Result<ClaimResponse, ServiceError> {
        let machine = MachineId(uuid::Uuid::nil());
        Ok(ClaimResponse { session: Secret::new("s"), machine, machine_name: "m".to_owned() })
    }

    async fn order(&self, _: &Secret, _: &str, _: Duration) -> Result<Option<Order>, ServiceError> {
        Ok(Some(self.order.clone()))
    }

    async fn report(&self, _: &Secret, _: &Report) -> Result<ReportResponse, ServiceError> {
        self.reports.fetch_add(1, Ordering::Relaxed);
        Ok(ReportResponse { stands: self.stands })
    }

    async fn manifest(&self, _: &Secret, _: &str) -> Result<Bytes, ServiceError> {
        Ok(Bytes::from_static(b"{}"))
    }

    async fn rescue(&self, _: &Secret, _: &str, _: usize) -> Result<Bytes, ServiceError> {
        Ok(Bytes::from_static(&[1; 100]))
    }

    async fn chunk(&self, _: &Secret, _: &str, _: usize) -> Result<Bytes, ServiceError> {
        Ok(Bytes::from_static(&[0; 100]))
    }

    async fn cached(&self, _: &str, _: &str, _: usize) -> Result<Bytes, ServiceError> {
        Err(ServiceError::Unavailable { why: "there is no cache".into() })
    }
}

/// An agent's view of it, and all that can be looked at.
struct World {
    watched: Watched<Fake>,
    reports: Arc<AtomicU32>,
    steps: Arc<Mutex<Vec<Option<String>>>>,
    journal: tokio::sync::mpsc::UnboundedReceiver<crate::fleet::Entry>,
}

fn world(stands: bool) -> World {
    let (sink, journal) = tokio::sync::mpsc::unbounded_channel();
    let (reports, steps) = (Arc::<AtomicU32>::default(), Arc::<Mutex<Vec<_>>>::default());
    let told = steps.clone();
    let watched = Watched {
        service: Fake { order: order(), reports: reports.clone(), stands },
        number: 4,
        orders: Arc::new(move |step: Option<&str>| told.lock().unwrap().push(step.map(str::to_owned))),
        eyes: Eyes::new(Some(sink)),
        fates: Arc::new(Fates::new(1)),
        traffic: Arc::default(),
    };
    World { watched, reports, steps, journal }
}

impl World {
    fn faults(&self, drop: f64, duplicate: f64) {
        self.watched.fates.set(NetworkFaults { drop, duplicate, jitter_ms: 0 });
    }

    async fn order(&self) -> Result<Option<Order>, ServiceError> {
        self.watched.order(&Secret::new("s"), "00", Duration::ZERO).await
    }

    async fn report(&self, outcome: Outcome) -> Result<ReportResponse, ServiceError> {
        let Order { job, epoch, step, attempt, .. } = order();
        self.watched.report(&Secret::new("s"), &Report { job, epoch, step, attempt, outcome }).await
    }

    fn seen(&mut self) -> Vec<Seen> {
        let mut all = vec![];
        while let Ok(entry) = self.journal.try_recv() {
            assert_eq!(entry.machine, Some(4));
            if let crate::fleet::What::Seen(seen) = entry.what {
                all.push(seen);
            }
        }
        all
    }
}

fn done() -> Outcome {
    Outcome::Done { evidence: "wiped".to_owned(), disks: vec![] }
}

#[tokio::test]
async fn what_the_agent_learns_is_seen_and_its_order_is_in_hand_until_it_reports() {
    let mut world = world(true);
    let claim = ClaimRequest {
        token: Secret::new("t"),
        nonce: "00".to_owned(),
        inventory: Inventory::default(),
        agent_version: "1".to_owned(),
    };
    world.watched.claim(&claim).await.unwrap();
    world.order().await.unwrap();
    world.report(Outcome::Progress { progress: Progress { done: 1, total: 2 } }).await.unwrap();
    assert_eq!(world.steps.lock().unwrap()[..], [None, Some("erase".to_owned())], "still in hand");
    world.report(done()).await.unwrap();
    assert_eq!(world.steps.lock().unwrap().last(), Some(&None));
    let job = order().job.to_string();
    let reported = |outcome: &str| Seen::Reported {
        job: job.clone(),
        epoch: 3,
        step: "erase".to_owned(),
        outcome: outcome.to_owned(),
    };
    let ordered = Seen::Order { job: job.clone(), epoch: 3, step: "erase".to_owned(), attempt: 2 };
    assert_eq!(world.seen(), [Seen::Claimed, ordered, reported("progress"), reported("done")]);
    world.watched.chunk(&Secret::new("s"), "00", 100).await.unwrap();
    let traffic = world.watched.traffic.read(0);
    assert_eq!((traffic.agent, traffic.agent_bytes), ((5, 0), 100));
}

#[tokio::test]
async fn a_report_that_does_not_stand_is_told_apart() {
    let mut world = world(false);
    world.report(done()).await.unwrap();
    assert!(matches!(&world.seen()[..], [Seen::Reported { outcome, .. }] if outcome == "done-void"));
}

#[tokio::test]
async fn what_is_lost_is_not_seen() {
    let mut world = world(true);
    world.faults(1.0, 0.0);
    assert!(matches!(world.order().await, Err(ServiceError::Unavailable { .. })));
    assert!(matches!(world.report(done()).await, Err(ServiceError::Unavailable { .. })));
    assert_eq!(world.seen(), []);
    assert_eq!(world.watched.eyes.count(SeenKind::Order), 0);
    assert_eq!(world.reports.load(Ordering::Relaxed), 0, "the requests never arrived");
    assert_eq!(world.steps.lock().unwrap()[..], [None, None], "an order that was lost is in nobody's hand");
}

#[tokio::test]
async fn some_requests_are_lost_and_some_answers() {
    let world = world(true);
    world.faults(0.5, 0.0);
    let mut answered = 0;
    for _ in 0..400 {
        answered += u32::from(world.report(done()).await.is_ok());
    }
    let arrived = world.reports.load(Ordering::Relaxed);
    assert!((150..250).contains(&arrived), "{arrived} of 200 expected");
    assert!((60..140).contains(&answered), "{answered} of 100 expected");
}

#[tokio::test]
async fn doubled_reports_arrive_twice() {
    let world = world(true);
    world.faults(0.0, 1.0);
    world.report(done()).await.unwrap();
    assert_eq!(world.reports.load(Ordering::Relaxed), 2);
}
