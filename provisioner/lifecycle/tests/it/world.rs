//! A world around one machine: it performs what is decided, and answers as a good server and agent would.

use jiff::{SignedDuration, Timestamp};
use provisioner_api::{
    Choice, Disk, DiskHints, ErasePolicy, InstanceId, Inventory, JobId, JobKind, MachineId, MachineState,
    ServiceStep, StepPhase, agent::DiskEvidence, permit::PermitDisk,
};
use provisioner_lifecycle::{
    AgentReport, Decision, Effect, Erasing, Fact, Failure, FirmwareTask, Job, Limits, Machine, Move, Outcome,
    Owner, Ram, Reinstall, Reported, Request, StepKind, StepName, Task, Wiped, admit, decide, observe, order,
    settle, settle_on,
};
use uuid::Uuid;

pub(crate) const INSTANCE: InstanceId = InstanceId(Uuid::from_u128(0x1257));

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
    pub(crate) ids: u128,
    /// The disks that an agent finds when it calls in.
    pub(crate) disks: Vec<&'static str>,
}

impl World {
    pub(crate) fn new() -> Self {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let machine = Machine::new(MachineId(Uuid::from_u128(1)), now);
        Self { machine, now, limits: Limits::default(), ids: 100, disks: vec!["root", "data"] }
    }

    /// An accepted machine with a BMC.
    pub(crate) fn added() -> Self {
        let mut world = Self::new();
        world.request(&Request::Accept).unwrap();
        world.request(&Request::Bmc(true)).unwrap();
        world
    }

    pub(crate) fn available() -> Self {
        let mut world = Self::added();
        world.run_to_rest();
        assert_eq!(world.machine.state.name, MachineState::Available);
        world
    }

    /// A machine that nobody accepted before it was adopted, and of which nothing is known but its BMC.
    pub(crate) fn adopted() -> Self {
        let mut world = Self::new();
        world.request(&Request::Bmc(true)).unwrap();
        world.request(&Request::Adopt(owner())).unwrap();
        world.run_to_rest();
        assert_eq!(world.machine.state.name, MachineState::Deployed);
        world
    }

    pub(crate) fn assigned() -> Self {
        let mut world = Self::available();
        world.request(&Request::Assign(owner())).unwrap();
        world
    }

    /// An available machine that is inspected again, at the moment when this step is in hand and begun.
    pub(crate) fn inspected_again(step: StepName) -> Self {
        let mut world = Self::available();
        world.request(&Request::Inspect).unwrap();
        world.run_to(step);
        world
    }

    /// An available machine that an instance has whose image runs from RAM.
    pub(crate) fn ram_assigned() -> Self {
        let mut world = Self::available();
        world.request(&Request::Assign(ram_owner())).unwrap();
        world
    }

    /// The same at the moment when this step of its deployment is in hand and begun.
    pub(crate) fn ram_at(step: StepName) -> Self {
        let mut world = Self::ram_assigned();
        world.run_to(step);
        world
    }

    pub(crate) fn ram_deployed() -> Self {
        let mut world = Self::ram_assigned();
        world.run_to_rest();
        assert_eq!(world.machine.state.name, MachineState::Deployed);
        world
    }

    pub(crate) fn deployed() -> Self {
        let mut world = Self::assigned();
        world.run_to_rest();
        assert_eq!(world.machine.state.name, MachineState::Deployed);
        world
    }

    /// The job of this kind at the moment when this step is in hand and begun.
    pub(crate) fn at(kind: JobKind, step: StepName) -> Self {
        let mut world = match kind {
            JobKind::Inspect => Self::added(),
            JobKind::Deploy => Self::assigned(),
            JobKind::Reinstall => {
                let mut world = Self::deployed();
                world.request(&reinstall()).unwrap();
                world
            }
            JobKind::Release => {
                let mut world = Self::deployed();
                world.request(&release()).unwrap();
                world
            }
            JobKind::Service => {
                let mut world = Self::deployed();
                world.request(&service()).unwrap();
                world
            }
            JobKind::Rescue => {
                let mut world = Self::deployed();
                world.request(&rescue()).unwrap();
                world
            }
        };
        for _ in 0..200 {
            let here = world.machine.running_job().and_then(|job| job.current().map(|step| (job.kind, step)));
            if here.is_some_and(|(k, s)| k == kind && s.name == step && s.phase == StepPhase::Intent) {
                return world;
            }
            world.live();
        }
        panic!("{kind:?} never comes to {step}");
    }

    /// A machine that rests in its rescue system, whose agent was just heard.
    pub(crate) fn in_rescue() -> Self {
        let mut world = Self::at(JobKind::Rescue, StepName::Rescue);
        world.good_answer().iter().for_each(|fact| world.fact(fact));
        world.reconcile(|_| Ok("done".into()));
        assert!(world.machine.rests_in_rescue());
        world
    }

    /// The end of a rescue, at the moment when this step is in hand and begun.
    pub(crate) fn unrescued(step: StepName) -> Self {
        let mut world = Self::in_rescue();
        world.request(&unrescue()).unwrap();
        world.run_to(step);
        world
    }

    /// A release whose agent called in, and that waits for leave to wipe.
    pub(crate) fn in_line() -> Self {
        let mut world = Self::at(JobKind::Release, StepName::Agent);
        world.good_answer().iter().for_each(|fact| world.fact(fact));
        world.reconcile(|_| Ok("done".into()));
        assert_eq!(Erasing::of_machine(&world.machine), Some(Erasing::Waits));
        world
    }

    /// An available machine that is serviced, at the moment when this step is in hand and begun.
    pub(crate) fn serviced_free(step: StepName) -> Self {
        let mut world = Self::available();
        world.request(&service()).unwrap();
        world.run_to(step);
        world
    }

    /// A servicing of a deployed machine that was cancelled while its agent was waited for.
    pub(crate) fn cancelled_service(step: StepName) -> Self {
        let mut world = Self::at(JobKind::Service, StepName::Agent);
        world.request(&cancel()).unwrap();
        world.reconcile(|_| Ok(String::new()));
        world.run_to(step);
        world
    }

    /// A reinstallation that was cancelled before it wrote, at the moment when this step is in hand and begun.
    pub(crate) fn cancelled_reinstallation(step: StepName) -> Self {
        let mut world = Self::at(JobKind::Reinstall, StepName::Agent);
        world.request(&cancel()).unwrap();
        world.reconcile(|_| Ok(String::new()));
        world.run_to(step);
        world
    }

    pub(crate) fn request(&mut self, request: &Request) -> Result<(), provisioner_lifecycle::Refusal> {
        self.machine = admit(&self.machine, request)?;
        Ok(())
    }

    pub(crate) fn fact(&mut self, fact: &Fact) {
        self.machine = observe(&self.machine, fact, self.now);
    }

    /// What is decided, once it was told that a step takes long: that changes nothing else.
    pub(crate) fn decide(&self) -> Decision {
        let told = |machine: &Machine| decide(machine, &self.limits, self.now);
        match told(&self.machine) {
            Decision::Move(change @ Move::Slow { .. }) => {
                let outcome = Outcome::Moved { change, fresh: JobId(Uuid::nil()) };
                told(&settle(&self.machine, &outcome, self.now))
            }
            decision => decision,
        }
    }

    pub(crate) fn pass(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
    }

    pub(crate) fn settle(&mut self, outcome: &Outcome) {
        let stages = settle_on(&self.machine, outcome, &self.limits, self.now);
        let after = stages.last().unwrap().machine.clone();
        let erase = |job: &Job, phase| {
            job.steps.iter().any(|step| step.name == StepName::Erase && step.phase == phase)
        };
        let wipes = self.machine.running_job().filter(|job| erase(job, StepPhase::Intent));
        let done = after.job.as_ref().filter(|job| erase(job, StepPhase::Done));
        let of = |job: &Job| (job.id, job.epoch);
        let ended = wipes.is_some() && wipes.map(of) == done.map(of);
        // Whoever stores it finds out by itself that there is a record to be stored, and never finds one unproven.
        let wiped = Wiped::between(&self.machine, &after).unwrap();
        assert_eq!(wiped.is_some(), ended, "{outcome:?}");
        self.machine = after;
    }

    fn fresh(&mut self) -> JobId {
        self.ids += 1;
        JobId(Uuid::from_u128(self.ids))
    }

    /// Does what the reconciler does, once. `effect` says what comes of an effect.
    pub(crate) fn reconcile(&mut self, effect: impl FnOnce(Effect) -> Result<String, Failure>) -> Decision {
        let decision = decide(&self.machine, &self.limits, self.now);
        let outcome = match &decision {
            Decision::Move(change) => Outcome::Moved { change: change.clone(), fresh: self.fresh() },
            Decision::Hold { why, advice } => Outcome::Held { why: why.clone(), advice: advice.clone() },
            Decision::Act(Effect::Power { wish: Some(number), .. }) => Outcome::WishDone { number: *number },
            Decision::Act(act) => Outcome::Performed(effect(*act)),
            Decision::Wait(_) | Decision::Done => return decision,
        };
        self.settle(&outcome);
        decision
    }

    /// One moment in a world where everything works.
    pub(crate) fn live(&mut self) {
        if let Decision::Wait(_) = self.reconcile(|_| Ok("done".into())) {
            self.pass(SignedDuration::from_secs(40));
            if let Some(fact) = self.good_answer() {
                self.fact(&fact);
            }
        }
    }

    /// A firmware update that was just begun.
    pub(crate) fn update(&self, awaits_boot: bool) -> FirmwareTask {
        FirmwareTask {
            handle: Some("/t/1".into()),
            what: "bios.bin".into(),
            others: Vec::new(),
            started: self.now,
            percent: None,
            awaits_boot,
            seen: self.now,
            moved: self.now,
        }
    }

    /// Lives on until this step is in hand and begun.
    pub(crate) fn run_to(&mut self, name: StepName) {
        for _ in 0..200 {
            let here = self.machine.running_job().and_then(|job| job.current());
            if here.is_some_and(|step| step.name == name && step.phase == StepPhase::Intent) {
                return;
            }
            self.live();
        }
        panic!("it never comes to {name}");
    }

    pub(crate) fn run_to_rest(&mut self) {
        for _ in 0..400 {
            if self.decide() == Decision::Done {
                return;
            }
            self.live();
        }
        panic!("no rest: {:?}", self.machine);
    }

    /// What a good server, agent or operating system would say now.
    pub(crate) fn good_answer(&self) -> Option<Fact> {
        let job = self.machine.running_job()?;
        let step = job.current().filter(|step| step.phase == StepPhase::Intent)?;
        match (step.name, step.name.kind()) {
            (StepName::Agent, _) => {
                Some(Fact::Claimed { job: Some((job.id, job.epoch)), inventory: inventory_of(&self.disks) })
            }
            (StepName::PhoneHome, _) => Some(self.phones_home()),
            (_, StepKind::Order) => self.report(self.good_word()),
            _ => None,
        }
    }

    /// The system that is on the disk reports in.
    pub(crate) fn phones_home(&self) -> Fact {
        Fact::PhonedHome { instance: INSTANCE, installation: self.machine.state.installed }
    }

    fn good_word(&self) -> Reported {
        // For what it was told to wipe, and nothing else.
        let (told, policy) = match order(&self.machine, self.now).map(|draft| draft.task) {
            Some(Task::Erase { leave, policy }) => (leave.disks, policy),
            _ => (Vec::new(), ErasePolicy::default()),
        };
        let proof = |disk: PermitDisk| DiskEvidence {
            serial: disk.serial,
            policy,
            bytes_written: 10,
            bytes_verified: 5000,
            record: None,
        };
        Reported::Done { evidence: "it is so".into(), disks: told.into_iter().map(proof).collect() }
    }

    /// The agent reports on the order in hand.
    pub(crate) fn says(&mut self, said: Reported) {
        let fact = self.report(said).expect("an order is in hand");
        self.fact(&fact);
    }

    /// The service is down for so long, and listens again.
    pub(crate) fn goes_unheard(&mut self, down: SignedDuration) {
        let last = Some(self.now);
        self.pass(down);
        self.fact(&Fact::Listening { last });
    }

    /// A report on the order in hand.
    pub(crate) fn report(&self, said: Reported) -> Option<Fact> {
        let job = self.machine.running_job()?;
        let step = job.current()?;
        Some(Fact::Reported(AgentReport {
            job: job.id,
            epoch: job.epoch,
            step: step.name,
            attempt: step.attempt,
            said,
            at: self.now,
        }))
    }
}

pub(crate) fn owner() -> Owner {
    Owner {
        instance: INSTANCE,
        manifest: "f00d".into(),
        disk_bytes: 1000,
        ram: None,
        root_disk_serial: None,
        root_disk: None,
        installation: 0,
        adopted: false,
        rescue: None,
        name: Default::default(),
        release: None,
        least: None,
    }
}

/// One of which nobody said which disk gets the system, and nobody guesses.
pub(crate) fn open_owner() -> Owner {
    Owner { root_disk: Some(DiskHints::default()), ..owner() }
}

/// One whose image runs from RAM.
pub(crate) fn ram_owner() -> Owner {
    Owner { ram: Some(Ram { memory_bytes: 4000 }), ..owner() }
}

pub(crate) fn cancel() -> Request {
    Request::Cancel { erase: ErasePolicy::Metadata }
}

pub(crate) fn choose(machine: &Machine, choice: Choice) -> Request {
    let hold = machine.state.hold.as_ref().map_or(0, |hold| hold.number);
    Request::Choose { hold, choice, erase: ErasePolicy::Metadata }
}

/// It is held, for example.
pub(crate) fn held() -> Outcome {
    Outcome::Held { why: "for example".into(), advice: Vec::new() }
}

pub(crate) fn release() -> Request {
    Request::Release { instance: INSTANCE, erase: ErasePolicy::Metadata, by: Some("user `ann`".into()) }
}

pub(crate) fn inventory() -> Inventory {
    inventory_of(&["root", "data"])
}

/// The instance is to be installed anew with another image.
pub(crate) fn reinstall() -> Request {
    Request::Reinstall(Reinstall {
        instance: INSTANCE,
        manifest: "beef".into(),
        disk_bytes: 1500,
        root_disk_serial: None,
    })
}

/// The machine is to be inspected, and its data disk erased.
pub(crate) fn service() -> Request {
    Request::Service(vec![ServiceStep::Inspect, erase(&["data"])])
}

/// These disks are to be erased in a servicing.
pub(crate) fn erase(disks: &[&str]) -> ServiceStep {
    let disks = disks.iter().map(|disk| (*disk).to_owned()).collect();
    ServiceStep::Erase { disks, method: ErasePolicy::Overwrite }
}

/// The instance is to be rescued.
pub(crate) fn rescue() -> Request {
    Request::Rescue { instance: INSTANCE, authorized_keys: vec!["ssh-ed25519 AAAA".into()] }
}

pub(crate) fn unrescue() -> Request {
    Request::Unrescue { instance: INSTANCE }
}

/// What an agent finds that sees these disks; a `lun` is on Fibre Channel.
pub(crate) fn inventory_of(serials: &[&str]) -> Inventory {
    let disk = |serial: &&str| Disk {
        name: format!("sd-{serial}"),
        serial: Some((*serial).into()),
        wwn: None,
        model: None,
        size_bytes: if *serial == "root" { 2000 } else { 5000 },
        rotational: false,
        removable: false,
        read_only: false,
        sector_bytes: 512,
        bus: serial.starts_with("lun").then(|| "fc".into()),
        ..Disk::default()
    };
    Inventory { disks: serials.iter().map(disk).collect(), ..Inventory::default() }
}
