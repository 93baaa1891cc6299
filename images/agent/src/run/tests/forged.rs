//! Ten thousand permits that are forged, expired, or for something else, given to the agent one after the other by a
//! service that can do everything but sign: no disk is even opened. Then the same order with a good one: it is done, once.

use super::*;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How many forgeries.
const FORGERIES: u32 = 10_000;

/// The epoch of all good orders.
const EPOCH: u64 = 5;

/// Numbers that look random and are the same each time (SplitMix64, Steele et al. 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}

/// An order, and the permit that is to be signed for it.
struct Pair {
    order: Order,
    permit: Permit,
}

/// What is done to a good pair before it is signed with the site's key, and what the refusal says.
type Bend = (&'static str, fn(&mut Pair, &mut Dice));

/// Signed with the true key, and yet for something else.
const BENDS: &[Bend] = &[
    ("another question", |pair, dice| pair.permit.challenge = dice.hex()),
    ("for machine", |pair, dice| pair.permit.machine = MachineId(other_id(dice))),
    ("but this is", |pair, dice| {
        pair.order.machine = MachineId(other_id(dice));
        pair.permit.machine = pair.order.machine;
    }),
    ("for job", |pair, dice| pair.permit.job = JobId(other_id(dice))),
    ("for epoch", |pair, dice| pair.permit.epoch = EPOCH + 1 + dice.next() % 9),
    ("for epoch", |pair, dice| pair.permit.epoch = dice.next() % EPOCH),
    ("was seen", |pair, dice| {
        pair.order.epoch = dice.next() % EPOCH;
        pair.permit.epoch = pair.order.epoch;
    }),
    ("for step", |pair, dice| pair.permit.step = dice.hex()),
    ("for attempt", |pair, dice| pair.permit.attempt += 1 + dice.below(9) as u32),
    ("valid from", |pair, dice| pair.permit.now += seconds(dice)),
    ("valid from", |pair, dice| pair.permit.now -= seconds(dice)),
    ("expired", |pair, dice| pair.permit.expires = pair.permit.now - seconds(dice)),
    ("expired", |pair, _| pair.permit.expires = pair.permit.now),
    ("for image", |pair, dice| {
        pair.permit.method = PermitMethod::WriteImage { manifest: dice.hex() };
        let image = Action::WriteImage { manifest: "ab".into(), permit: SignedPermit::default() };
        pair.order.action = image;
    }),
    ("for seed", |pair, dice| {
        pair.permit.method = PermitMethod::WriteSeed { files: dice.hex() };
        pair.order.action = Action::WriteSeed {
            files: Vec::new(),
            finish: Finish::default(),
            boot_entry: None,
            permit: SignedPermit::default(),
        };
    }),
    ("for method", |pair, _| {
        pair.permit.method = PermitMethod::Erase { policy: ErasePolicy::Metadata };
        let permit = SignedPermit::default();
        pair.order.action = Action::Erase { policy: ErasePolicy::Overwrite, permit };
    }),
    ("the permit allows to", |pair, _| {
        pair.permit.method = match &pair.order.action {
            Action::WriteSeed { .. } => PermitMethod::Erase { policy: ErasePolicy::Overwrite },
            _ => PermitMethod::WriteSeed { files: String::new() },
        };
    }),
    ("with UUID", |pair, dice| pair.permit.chassis.uuid = Some(dice.hex())),
    ("with serial number", |pair, dice| pair.permit.chassis.serial = Some(dice.hex())),
    ("no disk here", |pair, dice| pair.permit.disks[0].serial = dice.hex()),
    ("no disk here", |pair, dice| pair.permit.disks.push(named_disk(&dice.hex()))),
    ("twice", |pair, _| pair.permit.disks = vec![named_disk("A"), named_disk("A")]),
    ("names no disk", |pair, _| pair.permit.disks.clear()),
    ("WWN", |pair, dice| pair.permit.disks[0].wwn = Some(dice.hex())),
];

fn other_id(dice: &mut Dice) -> uuid::Uuid {
    uuid::Uuid::from_u128(10 + u128::from(dice.next()))
}

fn seconds(dice: &mut Dice) -> Duration {
    Duration::from_secs(1 + dice.next() % 100_000)
}

/// What is done to a good permit that was signed, and what the refusal says.
type Forgery = (&'static str, fn(&SignedPermit, &mut Dice) -> SignedPermit);

const FORGED: &[Forgery] = &[
    ("is not that of", |good, dice| sign(2 + dice.below(200) as u8, good.text.clone())),
    ("is not that of", |good, dice| SignedPermit { text: flipped(&good.text, dice), ..good.clone() }),
    ("is not that of", |good, dice| {
        let mut signature = hex::decode(&good.signature).unwrap();
        let at = dice.below(signature.len());
        signature[at] ^= 1 << dice.below(8);
        SignedPermit { signature: hex::encode(signature), ..good.clone() }
    }),
    ("is not that of", |good, dice| {
        let bytes = dice.below(64) + usize::from(good.signature.is_empty());
        SignedPermit { signature: good.signature[..2 * bytes.max(1)].to_owned(), ..good.clone() }
    }),
    ("older build", |good, _| SignedPermit { signature: String::new(), ..good.clone() }),
    ("can't be read", |good, dice| {
        let end = good.text.len() - 1;
        sign(1, format!("{},\"{}\":1}}", &good.text[..end], dice.hex()))
    }),
];

/// The text with one bit of one character turned; it stays text.
fn flipped(text: &str, dice: &mut Dice) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = dice.below(bytes.len());
    bytes[at] ^= 1 << dice.below(7);
    String::from_utf8(bytes).unwrap()
}

/// A service that does everything wrong that it can, and at last everything right.
struct Forger {
    image: (String, FakeService),
    state: Mutex<Forging>,
}

struct Forging {
    dice: Dice,
    /// How many orders were handed out and answered.
    number: u32,
    /// What the refusal of the last one has to say.
    expected: &'static str,
    /// A good permit that was not handed out when it was asked for.
    kept: Option<(Order, &'static str)>,
    wrong: Vec<String>,
    good: Vec<Outcome>,
}

impl Forger {
    fn new() -> Self {
        let service = FakeService::default();
        let (manifest, _) = image(&service, 6);
        let dice = Dice(0x0B11_1E7D);
        let state =
            Forging { dice, number: 0, expected: "", kept: None, wrong: Vec::new(), good: Vec::new() };
        Self { image: (manifest, service), state: Mutex::new(state) }
    }

    /// A good order with a step of its own, so that it is judged and not remembered; unsigned yet.
    fn pair(&self, step: &str, challenge: &str, kind: usize) -> Pair {
        let permit = SignedPermit::default();
        let action = match kind {
            0 => Action::WriteImage { manifest: self.image.0.clone(), permit },
            1 => Action::WriteSeed {
                files: vec![SeedFile { name: "meta-data".into(), content: "x".into() }],
                finish: Finish::default(),
                boot_entry: None,
                permit,
            },
            _ => Action::Erase { policy: ErasePolicy::Overwrite, permit },
        };
        let order = order(step, EPOCH, action);
        let permit = Permit {
            challenge: challenge.into(),
            machine: MACHINE,
            chassis: Chassis { uuid: Some("u1".into()), serial: Some("s1".into()) },
            job: order.job,
            epoch: EPOCH,
            step: step.into(),
            attempt: order.attempt,
            method: method_of(&order.action),
            disks: vec![named_disk("A")],
            now: order.now,
            expires: Timestamp::from_second(900).unwrap(),
        };
        Pair { order, permit }
    }

    /// One bad order, and what its refusal has to say.
    fn forged(&self, state: &mut Forging, challenge: &str) -> (Order, &'static str) {
        let dice = &mut state.dice;
        let mut pair = self.pair(&format!("step-{}", state.number), challenge, dice.below(3));
        let which = dice.below(BENDS.len() + FORGED.len() + 1);
        if let Some((word, bend)) = BENDS.get(which) {
            bend(&mut pair, dice);
            // An erasure may have several disks; what else names two is refused for that.
            let one = !matches!(pair.order.action, Action::Erase { .. }) && pair.permit.disks.len() == 2;
            return (pair.signed(), if one { "names 2 disks" } else { word });
        }
        if let Some((word, forgery)) = FORGED.get(which - BENDS.len()) {
            let mut order = pair.signed();
            let permit = permit_in(&mut order).unwrap();
            *permit = forgery(permit, dice);
            return (order, word);
        }
        // A good one that comes too late: it answers an earlier question. The first has none before it.
        let late = (pair.signed(), "another question");
        state.kept.replace(late).unwrap_or_else(|| (order("bare", EPOCH, unsigned()), "older build"))
    }
}

fn unsigned() -> Action {
    Action::Erase { policy: ErasePolicy::Metadata, permit: SignedPermit::default() }
}

impl Pair {
    fn signed(mut self) -> Order {
        let signed = sign(1, self.permit.to_text().unwrap());
        *permit_in(&mut self.order).unwrap() = signed;
        self.order
    }
}

#[async_trait]
impl Service for Forger {
    async fn claim(&self, claim: &ClaimRequest) -> Result<ClaimResponse, ServiceError> {
        self.image.1.claim(claim).await
    }

    async fn order(&self, _: &Secret, challenge: &str, _: Duration) -> Result<Option<Order>, ServiceError> {
        let mut state = self.state.lock().unwrap();
        Ok(Some(match state.number {
            // So that older epochs are old.
            0 => order("inspect", EPOCH, Action::Inspect),
            number if number <= FORGERIES => {
                let (order, expected) = self.forged(&mut state, challenge);
                state.expected = expected;
                order
            }
            number if number <= FORGERIES + 2 => self.pair("write-image", challenge, 0).signed(),
            _ => order("reboot", EPOCH, Action::Reboot),
        }))
    }

    async fn report(&self, _: &Secret, report: &Report) -> Result<ReportResponse, ServiceError> {
        let mut state = self.state.lock().unwrap();
        if matches!(report.outcome, Outcome::Progress { .. }) {
            return Ok(ReportResponse { stands: true });
        }
        if (1..=FORGERIES).contains(&state.number) {
            let expected = state.expected;
            if !matches!(&report.outcome, Outcome::Refused { why } if why.contains(expected)) {
                state.wrong.push(format!("{expected:?}: {:?}", report.outcome));
            }
        } else {
            state.good.push(report.outcome.clone());
        }
        state.number += 1;
        Ok(ReportResponse { stands: true })
    }

    async fn manifest(&self, session: &Secret, sha256: &str) -> Result<Bytes, ServiceError> {
        self.image.1.manifest(session, sha256).await
    }

    async fn rescue(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        self.image.1.rescue(session, sha256, limit).await
    }

    async fn chunk(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        self.image.1.chunk(session, sha256, limit).await
    }

    async fn cached(&self, cache: &str, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        self.image.1.cached(cache, sha256, limit).await
    }
}

/// A machine that knows who it is and counts how often a disk is opened.
struct Counting(FakeHost, AtomicU32);

impl Host for Counting {
    fn inventory(&self) -> Result<Inventory, HostError> {
        let inventory = self.0.inventory()?;
        Ok(Inventory { uuid: Some("u1".into()), serial: Some("s1".into()), ..inventory })
    }

    fn open(&self, disk: &Disk) -> Result<Box<dyn OpenDisk>, HostError> {
        self.1.fetch_add(1, Relaxed);
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
async fn of_ten_thousand_forged_permits_none_opens_a_disk_and_the_true_one_does_once() {
    let (host, service) = (machine(), Arc::new(Forger::new()));
    let counting = Arc::new(Counting(host.clone(), AtomicU32::new(0)));
    let pace = Pace { idle: Duration::ZERO, ..PACE };
    let token = Secret::new("token");
    let agent = run(counting.clone(), service.clone(), token, Some(key(1)), pace, CancellationToken::new());
    let exit = tokio::time::timeout(Duration::from_secs(300), agent).await.expect("the agent hangs").unwrap();
    assert_eq!(exit, Exit::Reboot);
    let state = service.state.lock().unwrap();
    assert_eq!(state.wrong, [""; 0], "of {} forgeries", state.number);
    assert_eq!(state.number, FORGERIES + 4);
    let [
        Outcome::Inventory { .. },
        Outcome::Done { evidence: first, .. },
        Outcome::Done { evidence: second, .. },
        _,
    ] = state.good.as_slice()
    else {
        panic!("{:?}", state.good)
    };
    assert_eq!(first, second, "the second time it is answered from memory");
    assert_eq!(counting.1.load(Relaxed), 1, "for the one good permit, once");
    assert!(content(&host, "A", old().len()) != old());
    assert!(content(&host, "B", old().len()) == old(), "the other disk was touched");
}
