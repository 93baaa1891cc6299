//! May these disks be touched? The agent's own check of a permit, against what it asked, what it is told and what it sees.
//! Pure.
//!
//! The service decides who may ask; this is the last look before bytes are lost, and it trusts nobody but the holder of
//! one key: not whoever is at the other end of TLS, and nothing of an order that the permit does not say, too.
//! `tests/fuzz/targets/permit.rs` is built from this file alone: nothing else of this crate is named here.

use jiff::Timestamp;
use provisioner_api::{
    Caution, Disk, Inventory,
    agent::{Action, Order},
    permit::{Permit, PermitDisk, PermitMethod, SignedPermit, message, seed_bytes},
};
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr, time::Duration};

/// The key that permits are signed with: the public half, as it is appended to the ramdisk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PermitKey([u8; 32]);

/// Why a text is no [`PermitKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of permits is not 64 hex digits")]
pub struct BadPermitKey;

impl FromStr for PermitKey {
    type Err = BadPermitKey;

    fn from_str(text: &str) -> Result<Self, BadPermitKey> {
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim_end(), &mut key).map_err(|_| BadPermitKey)?;
        Ok(Self(key))
    }
}

impl fmt::Debug for PermitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PermitKey({})", hex::encode(self.0))
    }
}

/// How many disks an action works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disks {
    /// Exactly one.
    One,
    /// At least one.
    Some,
}

/// The permit of an order that destroys, if each part of it is good but for the disks, which were not looked at yet; none
/// of an order that destroys nothing; or why it must not be obeyed.
///
/// `challenge` is that of the question which the order answers.
pub(crate) fn of(order: &Order, key: Option<&PermitKey>, challenge: &str) -> Result<Option<Permit>, String> {
    let signed = match &order.action {
        Action::WriteImage { permit, .. }
        | Action::WriteSeed { permit, .. }
        | Action::Erase { permit, .. } => permit,
        Action::Inspect
        | Action::BootRam { .. }
        | Action::Rescue { .. }
        | Action::Reboot
        | Action::RebootToDisk
        | Action::PowerOff => return Ok(None),
    };
    let permit = genuine(signed, key)?;
    fits(order, &permit, challenge)?;
    in_time(&permit, Duration::ZERO)?;
    Ok(Some(permit))
}

/// Reads a permit that this key signed. What is not signed is not even parsed.
fn genuine(signed: &SignedPermit, key: Option<&PermitKey>) -> Result<Permit, String> {
    if signed.signature.is_empty() {
        return Err("the permit is not signed: the service is of an older build than this agent".to_owned());
    }
    let key = key.ok_or("the ramdisk has no key of permits, so none can be checked: the service that handed it out is of an older build than this agent")?;
    let signature = hex::decode(&signed.signature).map_err(|_| "the permit's signature is not hex")?;
    UnparsedPublicKey::new(&ED25519, key.0)
        .verify(&message(&signed.text), &signature)
        .map_err(|_| "the permit's signature is not that of this site's service".to_owned())?;
    Permit::from_text(&signed.text).map_err(|error| error.to_string())
}

/// Whether a permit says what the order says, and answers our question.
fn fits(order: &Order, permit: &Permit, challenge: &str) -> Result<(), String> {
    if permit.challenge != challenge {
        return Err("the permit answers another question than this agent's last one".to_owned());
    }
    same("machine", &permit.machine, &order.machine)?;
    same("job", &permit.job, &order.job)?;
    same("epoch", &permit.epoch, &order.epoch)?;
    same("step", &permit.step, &order.step)?;
    same("attempt", &permit.attempt, &order.attempt)?;
    if permit.now != order.now {
        return Err(format!("the permit is valid from {}, the order is of {}", permit.now, order.now));
    }
    match (&permit.method, &order.action) {
        (PermitMethod::WriteImage { manifest }, Action::WriteImage { manifest: ordered, .. }) => {
            same("image", manifest, ordered)
        }
        (PermitMethod::WriteSeed { files }, Action::WriteSeed { files: ordered, finish, .. }) => {
            same("seed", files, &hex::encode(Sha256::digest(seed_bytes(ordered, *finish))))
        }
        (PermitMethod::Erase { policy }, Action::Erase { policy: ordered, .. }) => {
            same("method", &policy.as_str(), &ordered.as_str())
        }
        (method, action) => {
            Err(format!("the permit allows to {}, the order is to {}", allowed(method), asked(action)))
        }
    }
}

fn same<T: PartialEq + fmt::Display>(what: &str, permit: &T, order: &T) -> Result<(), String> {
    if permit == order {
        Ok(())
    } else {
        Err(format!("the permit is for {what} {permit}, the order for {order}"))
    }
}

/// Whether the permit has not expired; or that it has. `elapsed` is what has passed by the monotonic clock since the
/// order came.
pub(crate) fn in_time(permit: &Permit, elapsed: Duration) -> Result<(), String> {
    if expired(permit.now, elapsed, permit.expires) {
        return Err(format!("the permit expired at {}", permit.expires));
    }
    Ok(())
}

/// The disks that a permit allows to be touched, out of those that are there; or why none may be.
pub(crate) fn disks<'a>(permit: &Permit, count: Disks, seen: &'a Inventory) -> Result<Vec<&'a Disk>, String> {
    let chassis =
        [("UUID", &permit.chassis.uuid, &seen.uuid), ("serial number", &permit.chassis.serial, &seen.serial)];
    for (what, permitted, here) in chassis {
        if let Some(permitted) = permitted
            && here.as_ref() != Some(permitted)
        {
            let here = here.as_deref().unwrap_or("none");
            return Err(format!(
                "the permit is for the machine with {what} {permitted}, but this one's is {here}"
            ));
        }
    }
    if permit.disks.is_empty() {
        return Err("the permit names no disk".to_owned());
    }
    if count == Disks::One && permit.disks.len() != 1 {
        return Err(format!("the permit names {} disks, where exactly one is needed", permit.disks.len()));
    }
    let wipes = matches!(permit.method, PermitMethod::Erase { .. });
    let named = |(at, disk)| named(disk, &permit.disks[..at], &seen.disks, wipes);
    permit.disks.iter().enumerate().map(named).collect()
}

/// The one disk with this serial number, if nothing speaks against touching it, or it is allowed all the same.
fn named<'a>(
    wanted: &PermitDisk,
    before: &[PermitDisk],
    present: &'a [Disk],
    wipes: bool,
) -> Result<&'a Disk, String> {
    let serial = wanted.serial.as_str();
    if serial.trim().is_empty() {
        return Err("the permit names a disk without a serial number".to_owned());
    }
    if before.iter().any(|other| other.serial == serial) {
        return Err(format!("the permit names disk {serial} twice"));
    }
    let matching = present.iter().filter(|disk| disk.serial.as_deref() == Some(serial));
    // Of several paths the first by name.
    let Some(disk) = matching.clone().min_by_key(|disk| &disk.name) else {
        return Err(format!("no disk here has the serial number {serial}; there are: {}", listed(present)));
    };
    let mut others = matching.filter(|other| other.name != disk.name);
    if let Some(other) = others.clone().next() {
        let (name, second) = (&disk.name, &other.name);
        if !others.all(|other| disk.is_path_of(other)) {
            return Err(format!("{name} and {second} both have the serial number {serial}"));
        }
        if !wanted.allowed {
            return Err(format!(
                "{name} and {second} are paths to one disk, {serial}, and it is not allowed"
            ));
        }
    }
    if let Some(wwn) = &wanted.wwn
        && disk.wwn.as_ref() != Some(wwn)
    {
        let here = disk.wwn.as_deref().unwrap_or("none");
        return Err(format!(
            "the permit is for disk {serial} with the WWN {wwn}, but that of {} is {here}",
            disk.name
        ));
    }
    match disk.caution().filter(|caution| speaks_against(*caution, wanted.allowed, wipes)) {
        Some(caution) => Err(format!("disk {serial} ({}) is {}", disk.name, caution.words())),
        None => Ok(disk),
    }
}

/// What somebody allowed, or belongs to the machine and is only wiped, is touched whatever is said of it.
fn speaks_against(caution: Caution, allowed: bool, wipes: bool) -> bool {
    let allowed = allowed && caution.can_be_allowed();
    !allowed && (!wipes || caution.forbids_wiping())
}

/// Whether the service's clock has reached `expires`. A sum that can't be reckoned counts as expired.
fn expired(then: Timestamp, elapsed: Duration, expires: Timestamp) -> bool {
    then.checked_add(elapsed).map_or(true, |now| now >= expires)
}

fn allowed(method: &PermitMethod) -> &'static str {
    match method {
        PermitMethod::WriteImage { .. } => "write an image",
        PermitMethod::WriteSeed { .. } => "write a seed",
        PermitMethod::Erase { .. } => "erase",
    }
}

fn asked(action: &Action) -> &'static str {
    match action {
        Action::WriteImage { .. } => "write an image",
        Action::WriteSeed { .. } => "write a seed",
        Action::Erase { .. } => "erase",
        Action::Inspect
        | Action::BootRam { .. }
        | Action::Rescue { .. }
        | Action::Reboot
        | Action::RebootToDisk
        | Action::PowerOff => "destroy nothing",
    }
}

/// The disks that are there, for an operator who wonders.
fn listed(present: &[Disk]) -> String {
    let one =
        |disk: &Disk| format!("{} ({})", disk.serial.as_deref().unwrap_or("no serial number"), disk.name);
    if present.is_empty() {
        "none".to_owned()
    } else {
        present.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

// Named by its file, so that rustfmt finds it from the fuzz target, too.
#[cfg(test)]
#[path = "permit/tests.rs"]
pub(crate) mod tests;
