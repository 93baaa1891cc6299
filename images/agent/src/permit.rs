//! May these disks be touched? The agent's own check of a permit, against what it sees. Pure.
//!
//! The service decides who may ask; this is the last look before bytes are lost, and it trusts nobody.

use jiff::Timestamp;
use provisioner_api::{
    Disk,
    agent::{Order, Permit, PermitMethod},
};
use std::time::Duration;

/// How many disks an action works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disks {
    /// Exactly one.
    One,
    /// At least one.
    Some,
}

/// The disks that `permit` allows to be touched for `order`, out of those that are there; or why none may be.
///
/// `elapsed` is what has passed by the monotonic clock since the order came.
pub(crate) fn check<'a>(
    order: &Order,
    permit: &Permit,
    method: PermitMethod,
    count: Disks,
    elapsed: Duration,
    present: &'a [Disk],
) -> Result<Vec<&'a Disk>, String> {
    if permit.machine != order.machine {
        return Err(format!("the permit is for machine {}, the order for {}", permit.machine, order.machine));
    }
    if permit.job != order.job {
        return Err(format!("the permit is for job {}, the order for {}", permit.job, order.job));
    }
    if permit.epoch != order.epoch {
        return Err(format!("the permit is for epoch {}, the order for {}", permit.epoch, order.epoch));
    }
    if permit.method != method {
        return Err(format!(
            "the permit allows to {}, the order is to {}",
            verb(permit.method),
            verb(method)
        ));
    }
    in_time(order, permit, elapsed)?;
    if permit.disks.is_empty() {
        return Err("the permit names no disk".to_owned());
    }
    if count == Disks::One && permit.disks.len() != 1 {
        return Err(format!("the permit names {} disks, where exactly one is needed", permit.disks.len()));
    }
    permit.disks.iter().enumerate().map(|(at, serial)| named(serial, &permit.disks[..at], present)).collect()
}

/// Whether the permit has not expired; or that it has. `elapsed` as for [`check`].
pub(crate) fn in_time(order: &Order, permit: &Permit, elapsed: Duration) -> Result<(), String> {
    if expired(order.now, elapsed, permit.expires) {
        return Err(format!("the permit expired at {}", permit.expires));
    }
    Ok(())
}

/// The one disk with this serial number.
fn named<'a>(serial: &str, before: &[String], present: &'a [Disk]) -> Result<&'a Disk, String> {
    if serial.trim().is_empty() {
        return Err("the permit names a disk without a serial number".to_owned());
    }
    if before.iter().any(|other| other == serial) {
        return Err(format!("the permit names disk {serial} twice"));
    }
    let mut matching = present.iter().filter(|disk| disk.serial.as_deref() == Some(serial));
    let Some(disk) = matching.next() else {
        return Err(format!("no disk here has the serial number {serial}; there are: {}", listed(present)));
    };
    if let Some(other) = matching.next() {
        return Err(format!("{} and {} both have the serial number {serial}", disk.name, other.name));
    }
    if disk.removable {
        return Err(format!("disk {serial} ({}) is removable", disk.name));
    }
    if disk.read_only {
        return Err(format!("disk {serial} ({}) is read-only", disk.name));
    }
    Ok(disk)
}

/// Whether the service's clock has reached `expires`. A sum that can't be reckoned counts as expired.
fn expired(then: Timestamp, elapsed: Duration, expires: Timestamp) -> bool {
    then.checked_add(elapsed).map_or(true, |now| now >= expires)
}

fn verb(method: PermitMethod) -> &'static str {
    match method {
        PermitMethod::Write => "write",
        PermitMethod::Erase => "erase",
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

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::{JobId, MachineId, agent::Action};

    fn disk(name: &str, serial: Option<&str>) -> Disk {
        Disk {
            name: name.into(),
            serial: serial.map(Into::into),
            wwn: None,
            model: None,
            size_bytes: 1 << 30,
            rotational: false,
            removable: false,
            read_only: false,
            sector_bytes: 512,
        }
    }

    fn id(n: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(n)
    }

    /// An order and a permit that fit each other and disk `A`.
    fn fitting() -> (Order, Permit) {
        let now: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
        let order = Order {
            machine: MachineId(id(1)),
            job: JobId(id(2)),
            epoch: 3,
            step: "write-image".into(),
            attempt: 1,
            now,
            action: Action::Inspect,
        };
        let permit = Permit {
            machine: order.machine,
            job: order.job,
            epoch: 3,
            method: PermitMethod::Write,
            disks: vec!["A".into()],
            expires: now + Duration::from_secs(60),
        };
        (order, permit)
    }

    fn disks() -> Vec<Disk> {
        let mut present = vec![disk("vda", Some("A")), disk("vdb", Some("B")), disk("vdc", None)];
        present.extend([disk("vdd", Some("twin")), disk("vde", Some("twin")), disk("sdf", Some("stick"))]);
        present.push(disk("sdg", Some("locked")));
        present[5].removable = true;
        present[6].read_only = true;
        present
    }

    #[test]
    fn a_fitting_permit_gives_its_disks_in_order() {
        let (order, mut permit) = fitting();
        let present = disks();
        let one = check(&order, &permit, PermitMethod::Write, Disks::One, Duration::from_secs(59), &present);
        assert_eq!(one.unwrap()[0].name, "vda");
        permit.disks = vec!["B".into(), "A".into()];
        let two = check(&order, &permit, PermitMethod::Write, Disks::Some, Duration::ZERO, &present).unwrap();
        assert_eq!(two.iter().map(|disk| disk.name.as_str()).collect::<Vec<_>>(), ["vdb", "vda"]);
    }

    #[test]
    fn whatever_does_not_fit_is_refused() {
        type Bend = fn(&mut Permit);
        let table: &[(&str, Bend)] = &[
            ("for machine", |p| p.machine = MachineId(id(9))),
            ("for job", |p| p.job = JobId(id(9))),
            ("for epoch 2", |p| p.epoch = 2),
            ("for epoch 4", |p| p.epoch = 4),
            ("allows to erase", |p| p.method = PermitMethod::Erase),
            ("expired", |p| p.expires -= Duration::from_secs(60)),
            ("expired", |p| p.expires = Timestamp::MIN),
            ("names no disk", |p| p.disks.clear()),
            ("names 2 disks", |p| p.disks = vec!["A".into(), "B".into()]),
            ("without a serial", |p| p.disks = vec![String::new()]),
            ("without a serial", |p| p.disks = vec!["  ".into()]),
            ("no disk here", |p| p.disks = vec!["a".into()]),
            ("no disk here", |p| p.disks = vec!["vda".into()]),
            ("vdd and vde both", |p| p.disks = vec!["twin".into()]),
            ("is removable", |p| p.disks = vec!["stick".into()]),
            ("is read-only", |p| p.disks = vec!["locked".into()]),
        ];
        for (sentence, bend) in table {
            let (order, mut permit) = fitting();
            bend(&mut permit);
            let refused = check(&order, &permit, PermitMethod::Write, Disks::One, Duration::ZERO, &disks())
                .unwrap_err();
            assert!(refused.contains(sentence), "{sentence:?} is not in {refused:?}");
        }
    }

    #[test]
    fn time_runs_by_the_agents_own_watch() {
        let (order, permit) = fitting();
        let present = disks();
        for (seconds, fine) in [(0, true), (59, true), (60, false), (1 << 40, false), (u64::MAX, false)] {
            let elapsed = Duration::from_secs(seconds);
            let checked = check(&order, &permit, PermitMethod::Write, Disks::One, elapsed, &present);
            assert_eq!(checked.is_ok(), fine, "{seconds} s");
        }
    }

    #[test]
    fn one_wrong_disk_refuses_all() {
        let (order, mut permit) = fitting();
        let present = disks();
        for other in ["A", "stick", "nowhere"] {
            permit.disks = vec!["A".into(), other.into()];
            let checked = check(&order, &permit, PermitMethod::Write, Disks::Some, Duration::ZERO, &present);
            assert!(checked.is_err(), "{other}");
        }
    }
}
