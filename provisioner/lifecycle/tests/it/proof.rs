//! Which proof of a wiping is one, and that nobody cuts off a disk that erases itself.

use super::world::World;
use jiff::SignedDuration;
use provisioner_api::{
    EraseMethod, ErasePolicy, ErasureRecord, ErasureSamples, JobKind, agent::DiskEvidence,
};
use provisioner_lifecycle::{Decision, Reported, StepName};

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
