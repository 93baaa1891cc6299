//! What a certificate says of a wiping that ended with proof. Pure.

use crate::store::MachineRecord;
use jiff::Timestamp;
use provisioner_api::{
    CERTIFICATE_VERSION, CertifiedDisk, CertifiedMachine, CertifiedOwner, ErasePolicy, ErasureCertificate,
    ErasureId, ErasureResult, Media, Sanitization, Verification,
};
use provisioner_lifecycle::{Wiped, WipedDisk};

/// The program that asks for wipings and signs.
const TOOL: &str = concat!("billet ", env!("CARGO_PKG_VERSION"));

/// The certificate of a wiping of this machine, as it was when it ended; `now` is for a step that does not say when.
pub(crate) fn certificate(
    wiped: &Wiped,
    record: &MachineRecord,
    (id, key): (ErasureId, String),
    now: Timestamp,
) -> ErasureCertificate {
    let want = &record.machine.want;
    let owner = want.owner.as_ref().map(|owner| CertifiedOwner {
        instance: owner.instance,
        name: Some(owner.name.name.clone()).filter(|name| !name.is_empty()),
    });
    ErasureCertificate {
        version: CERTIFICATE_VERSION,
        id,
        key,
        tool: TOOL.to_owned(),
        machine: machine(record),
        job: wiped.job.id,
        work: wiped.job.kind,
        epoch: wiped.job.epoch,
        attempt: wiped.step.attempt,
        started: wiped.step.started,
        ended: wiped.ended().unwrap_or(now),
        asked_by: want.released_by.clone().filter(|_| wiped.job.kind == provisioner_api::JobKind::Release),
        previous_owner: owner,
        policy_asked: wiped.asked,
        policy_done: wiped.policy,
        disks: wiped.disks.iter().map(disk).collect(),
        left_out: wiped.left_out.clone(),
    }
}

fn machine(record: &MachineRecord) -> CertifiedMachine {
    let inventory = record.machine.facts.inventory.as_deref();
    let told = |field: fn(&provisioner_api::Inventory) -> &Option<String>| {
        inventory.and_then(|inventory| field(inventory).clone())
    };
    CertifiedMachine {
        id: record.id(),
        name: record.name.clone(),
        pool: record.spec.pool.clone(),
        zone: record.spec.zone.clone(),
        rack: record.spec.rack.clone(),
        manufacturer: told(|inventory| &inventory.manufacturer),
        product: told(|inventory| &inventory.product),
        serial: told(|inventory| &inventory.serial),
        uuid: told(|inventory| &inventory.uuid),
    }
}

fn disk(wiped: &WipedDisk) -> CertifiedDisk {
    let (seen, proof) = (&wiped.disk, &wiped.evidence);
    let record = proof.record.as_ref();
    let method = record.map(|record| record.method);
    // Agents of older builds say no more than the policy, and knew two.
    let command = match (method, proof.policy) {
        (Some(method), _) => method.command(),
        (None, policy) => policy.as_str(),
    };
    let sanitization = match (method, proof.policy) {
        (Some(method), _) => method.sanitization(),
        (None, ErasePolicy::Overwrite) => Sanitization::Clear,
        (None, _) => Sanitization::None,
    };
    let verification = match proof.policy {
        ErasePolicy::Metadata => Verification::WhatWasWritten,
        ErasePolicy::Discard | ErasePolicy::Overwrite => Verification::Full,
        ErasePolicy::Secure => Verification::Sampled,
    };
    CertifiedDisk {
        serial: proof.serial.clone(),
        model: seen.model.clone().or_else(|| record.and_then(|record| record.model.clone())),
        wwn: seen.wwn.clone().or_else(|| record.and_then(|record| record.wwn.clone())),
        firmware: record.and_then(|record| record.firmware.clone()),
        size_bytes: seen.size_bytes,
        media: if seen.rotational { Media::Magnetic } else { Media::SolidState },
        method,
        command: command.to_owned(),
        sanitization,
        seconds: record.map(|record| record.seconds),
        bytes_written: proof.bytes_written,
        verification,
        bytes_verified: proof.bytes_verified,
        samples: record.and_then(|record| record.samples.clone()),
        result: ErasureResult::Passed,
    }
}
