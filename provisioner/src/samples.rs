//! Records for tests, as plain as records can be: a test says only what it is about.
//!
//! What the API shows of them is not here (`cli::tests::samples`).

use crate::store::{InstanceRecord, InstanceStanding, MachineRecord, UserRecord, Window};
use jiff::Timestamp;
use provisioner_api::{
    AuditEntry, AuditOutcome, Disk, EraseMethod, ErasePolicy, ErasureRecord, Image, ImageFormat, ImageId,
    ImageSpec, ImageStatus, InstanceId, InstanceSpec, InstanceState, Inventory, JobId, JobKind, MachineId,
    MachineSpec, MachineState, Role, Secret, StepPhase, agent::DiskEvidence,
};
use provisioner_lifecycle::{
    AgentReport, Job, Machine, Move, Outcome, Owner, OwnerName, Reported, Step, StepName, settle,
};
use std::sync::Arc;
use uuid::Uuid;

/// When all of them were made.
pub(crate) const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// The id of a machine.
pub(crate) fn machine_id(number: u128) -> MachineId {
    MachineId(Uuid::from_u128(number))
}

/// `m1`, …: a machine whose record says that it was accepted, without MACs and without a BMC.
pub(crate) fn machine(number: u128) -> MachineRecord {
    let spec = MachineSpec { accepted: true, ..MachineSpec::in_pool("default") };
    let machine = Machine::new(machine_id(number), NOW);
    MachineRecord { version: 1, generation: 1, name: format!("m{number}"), spec, machine, created: NOW }
}

/// An entry of the audit log: somebody with this token looked for nothing.
pub(crate) fn audit(token: &str) -> AuditEntry {
    AuditEntry {
        seq: 0,
        at: NOW,
        token: Some(token.to_owned()),
        user: None,
        role: None,
        address: None,
        method: "POST".into(),
        route: "/".into(),
        path: "/".into(),
        name: None,
        fields: Vec::new(),
        outcome: AuditOutcome::Done,
        status: 200,
        left_out: 0,
    }
}

/// A user whose password nobody knows.
pub(crate) fn user(name: &str, role: Role) -> UserRecord {
    UserRecord {
        name: name.into(),
        role,
        pools: None,
        password: Secret::new("$argon2id$none"),
        disabled: false,
        version: 1,
        created: NOW,
        login: None,
    }
}

/// A step of which nothing but this is known.
pub(crate) fn step(name: StepName, attempt: u32, phase: StepPhase) -> Step {
    Step {
        name,
        attempt,
        phase,
        started: None,
        ended: None,
        not_before: None,
        result: None,
        asked: None,
        slow: None,
    }
}

/// A job that runs, in its first epoch.
pub(crate) fn job(number: u128, kind: JobKind, steps: Vec<Step>) -> Job {
    let id = JobId(Uuid::from_u128(number));
    Job { id, kind, epoch: 1, started: NOW, ended: None, restarts: 0, steps }
}

/// A window that is open for an hour, for nobody's job.
pub(crate) fn window(id: &str, mac: &str) -> Window {
    let expires = NOW + jiff::SignedDuration::from_hours(1);
    let (id, mac) = (id.to_owned(), mac.to_owned());
    Window { id, mac, machine: None, job: None, opened: NOW, expires, nonce: None, claimed: None }
}

/// The image `os`.
pub(crate) fn image() -> Image {
    let spec = ImageSpec::disk("os", "sha256:00", ImageFormat::Raw);
    let status = ImageStatus {
        imported: NOW,
        disk_bytes: 10,
        stored_bytes: 10,
        chunks: 1,
        manifest_sha256: "f00d".into(),
        memory_bytes: None,
        signed_by: None,
    };
    Image { id: ImageId(Uuid::from_u128(1)), name: "os".into(), spec, status }
}

/// `i1`, …: an instance with that image that waits for a machine.
pub(crate) fn instance(number: u128) -> InstanceRecord {
    InstanceRecord {
        id: InstanceId(Uuid::from_u128(number)),
        version: 1,
        name: format!("i{number}"),
        state: InstanceState::Pending,
        since: NOW,
        machine: None,
        image: Some(image().id),
        image_before: None,
        spec: InstanceSpec::new("os"),
        standing: InstanceStanding::default(),
        created: NOW,
    }
}

/// A disk that may be written.
pub(crate) fn disk(name: &str) -> Disk {
    Disk {
        name: name.into(),
        serial: Some(format!("serial of {name}")),
        wwn: None,
        model: None,
        size_bytes: 1 << 40,
        rotational: false,
        removable: false,
        read_only: false,
        sector_bytes: 512,
        ..Disk::default()
    }
}

/// A machine whose release overwrites its one disk, and the same when that ended with proof.
pub(crate) fn wiping(number: u128) -> (MachineRecord, MachineRecord) {
    let mut before = machine(number);
    let name = OwnerName { name: "web".into(), group: None };
    let instance = InstanceId(Uuid::from_u128(number));
    before.machine.want.owner = Some(Owner {
        instance,
        name,
        manifest: "f00d".into(),
        disk_bytes: 10,
        ram: None,
        root_disk_serial: None,
        root_disk: None,
        installation: 0,
        adopted: false,
        rescue: None,
        release: Some(ErasePolicy::Metadata),
        least: Some(ErasePolicy::Overwrite),
    });
    before.machine.want.released_by = Some("user `ann`".into());
    (before.machine.state.name, before.machine.state.dirty) = (MachineState::Releasing, true);
    let disk = disk("sda");
    let inventory =
        Inventory { serial: Some("SN1".into()), disks: vec![disk.clone()], ..Inventory::default() };
    before.machine.facts.inventory = Some(Arc::new(inventory));
    before.machine.job =
        Some(job(number, JobKind::Release, vec![step(StepName::Erase, 1, StepPhase::Intent)]));
    let mut after = before.clone();
    let record = ErasureRecord {
        method: EraseMethod::Overwrite,
        size_bytes: disk.size_bytes,
        wwn: None,
        model: None,
        firmware: None,
        seconds: 7,
        samples: None,
    };
    let proof = DiskEvidence {
        serial: disk.serial.unwrap_or_default(),
        policy: ErasePolicy::Overwrite,
        bytes_written: disk.size_bytes,
        bytes_verified: disk.size_bytes,
        record: Some(record),
    };
    after.machine.facts.report = Some(AgentReport {
        job: JobId(Uuid::from_u128(number)),
        epoch: 1,
        step: StepName::Erase,
        attempt: 1,
        said: Reported::Done { evidence: "wiped".into(), disks: vec![proof] },
        at: NOW,
    });
    let done = Outcome::Moved {
        change: Move::StepDone { result: "wiped".into() },
        fresh: JobId(Uuid::from_u128(number)),
    };
    after.machine = settle(&after.machine, &done, NOW);
    (before, after)
}
