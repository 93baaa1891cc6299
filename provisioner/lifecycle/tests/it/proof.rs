//! Which proof of a wiping is one, and that nobody cuts off a disk that erases itself.

use super::world::World;
use jiff::SignedDuration;
use provisioner_api::{
    EraseMethod, ErasePolicy, ErasureRecord, ErasureSamples, JobKind, agent::DiskEvidence,
};
use provisioner_lifecycle::{Decision, Move, Outcome, Reported, StepName, Wiped, settle};

fn record(method: EraseMethod, size_bytes: u64, markers: u64) -> Option<ErasureRecord> {
    let samples = ErasureSamples { seed: "00".into(), markers, places: 1, held: 1, zero: 0 };
    Some(ErasureRecord {
        method,
        size_bytes,
        wwn: None,
        model: None,
        firmware: None,
        seconds: 1,
        samples: Some(samples),
    })
}

#[test]
fn only_a_proof_that_fits_is_one() {
    use EraseMethod as M;
    use ErasePolicy::{Discard, Metadata, Overwrite, Secure};
    let part = Some("only 4999 of at least 5000");
    let unfit = Some("how it did that");
    // The disk has 5000 bytes.
    let cases = [
        (Metadata, 4999, None, part),
        (Discard, 4999, record(M::Discard, 5000, 0), part),
        (Overwrite, 4999, None, part),
        (Overwrite, 5000, None, None),
        (Overwrite, 5000, record(M::Metadata, 5000, 0), unfit),
        (Overwrite, 5000, record(M::Overwrite, 4000, 0), unfit),
        (Discard, 5000, None, unfit),
        (Discard, 5000, record(M::Discard, 5000, 0), None),
        (Secure, 5000, None, unfit),
        (Secure, 5000, record(M::Overwrite, 5000, 64), unfit),
        (Secure, 5000, record(M::NvmeFormat, 5000, 0), unfit),
        (Secure, 5000, record(M::NvmeFormat, 5000, 64), None),
    ];
    for (policy, bytes_verified, record, lacks) in cases {
        let mut world = World::at(JobKind::Release, StepName::Erase);
        world.machine.want.owner.as_mut().unwrap().release = Some(policy);
        let of = |serial: &str, bytes_verified, record| DiskEvidence {
            serial: serial.into(),
            policy,
            bytes_written: 5000,
            bytes_verified,
            record,
        };
        let root = record.clone().map(|told| ErasureRecord { size_bytes: 2000, ..told });
        let proof = vec![of("root", 5000, root), of("data", bytes_verified, record.clone())];
        world.says(Reported::Done { evidence: "done".into(), disks: proof });
        let decision = world.decide();
        match (&decision, lacks) {
            (Decision::Hold { why, .. }, Some(lacks)) => assert!(why.contains(lacks), "{policy:?}: {why}"),
            (Decision::Hold { why, .. }, None) => panic!("{policy:?} {record:?}: {why}"),
            (_, lacks) => assert_eq!(lacks, None, "{policy:?} {record:?}: {decision:?}"),
        }
    }
}

#[test]
fn a_disk_that_erases_itself_is_never_cut_off() {
    let mut world = World::at(JobKind::Release, StepName::Erase);
    world.machine.want.owner.as_mut().unwrap().release = Some(ErasePolicy::Secure);
    world.pass(SignedDuration::from_hours(3));
    assert!(matches!(world.decide(), Decision::Hold { why, .. } if why.contains("not heard")));
}

/// The world at its wiping, with this proof; the machine before and after the step was ended, however that came about.
fn ended(world: &World) -> (provisioner_lifecycle::Machine, provisioner_lifecycle::Machine) {
    let fresh = world.machine.job.as_ref().unwrap().id;
    let outcome = Outcome::Moved { change: Move::StepDone { result: "done".into() }, fresh };
    (world.machine.clone(), settle(&world.machine, &outcome, world.now))
}

fn proof(serial: &str, policy: ErasePolicy, size: u64) -> DiskEvidence {
    let record = record(EraseMethod::Overwrite, size, 0);
    DiskEvidence { serial: serial.into(), policy, bytes_written: size, bytes_verified: size, record }
}

#[test]
fn what_is_on_record_of_a_wiping_is_what_was_asked_and_proven() {
    let mut world = World::at(JobKind::Release, StepName::Erase);
    let owner = world.machine.want.owner.as_mut().unwrap();
    (owner.release, owner.least) = (Some(ErasePolicy::Metadata), Some(ErasePolicy::Overwrite));
    let disks = vec![
        proof("root", ErasePolicy::Overwrite, 2000),
        proof("data", ErasePolicy::Overwrite, 5000),
        proof("another's", ErasePolicy::Overwrite, 5000),
    ];
    world.says(Reported::Done { evidence: "done".into(), disks });
    let (before, after) = ended(&world);
    let wiped = Wiped::between(&before, &after).unwrap().unwrap();
    assert_eq!((wiped.asked, wiped.policy), (ErasePolicy::Metadata, ErasePolicy::Overwrite));
    let mut serials: Vec<_> = wiped.disks.iter().map(|disk| disk.evidence.serial.as_str()).collect();
    serials.sort_unstable();
    assert_eq!(serials, ["data", "root"], "and of nothing else that an agent says");
    assert!(wiped.disks.iter().all(|disk| disk.disk.serial.as_ref() == Some(&disk.evidence.serial)));
    assert_eq!((wiped.job.kind, wiped.ended()), (JobKind::Release, Some(world.now)));
    // Nothing else that happens to the machine is a wiping.
    assert_eq!(Wiped::between(&before, &before).unwrap(), None);
    assert_eq!(Wiped::between(&after, &after).unwrap(), None);
    assert_eq!(Wiped::between(&after, &before).unwrap(), None);
}

#[test]
fn a_wiping_that_would_end_without_proof_is_an_error() {
    let unproven = |said: Option<Reported>| {
        let mut world = World::at(JobKind::Release, StepName::Erase);
        world.machine.want.owner.as_mut().unwrap().release = Some(ErasePolicy::Overwrite);
        if let Some(said) = said {
            world.says(said);
        }
        let (before, after) = ended(&world);
        Wiped::between(&before, &after).unwrap_err().to_string()
    };
    assert!(unproven(None).contains("no agent reported its end"));
    assert!(unproven(Some(Reported::Failed("no".into()))).contains("no agent reported its end"));
    let done = |disks| Some(Reported::Done { evidence: "done".into(), disks });
    let root = || proof("root", ErasePolicy::Overwrite, 2000);
    assert!(unproven(done(vec![root()])).contains("gave no proof for disk `data`"));
    let weak = proof("data", ErasePolicy::Metadata, 5000);
    assert!(unproven(done(vec![root(), weak])).contains("gave no proof for disk `data`"));
    let part = DiskEvidence { bytes_verified: 4999, ..proof("data", ErasePolicy::Overwrite, 5000) };
    assert!(unproven(done(vec![root(), part])).contains("4999 of at least 5000"));
}
