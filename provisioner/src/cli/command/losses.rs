//! What is lost by something that destroys: printed by `--dry-run`, and before a person is asked whether it is meant.
//!
//! It is told from what the service knows now: the inventory is that of the last inspection, and what really may be
//! written is in the permit that the service gives to the agent, disk by disk. Nothing is asked of the machine here.

use super::{
    Session,
    confirm::{Question, confirm},
};
use crate::cli::{
    args::{DryRun, Gone},
    error::CliError,
    view::{self, Loss, LostDisk},
};
use provisioner_api::{Disk, ErasePolicy, Instance, InstanceSpec, InstanceState, Machine};
use std::slice;

/// What becomes of a disk when work stops that does not end an instance.
pub(super) const STAYS: &str = "stays as it is now; see `billet why` afterwards";

/// What becomes of a disk when its machine is switched off without its system being asked.
pub(super) const CUT: &str = "stays, but what its system has not written yet is lost";

/// What becomes of a disk that nothing is done to.
pub(super) const UNTOUCHED: &str = "stays";

/// What becomes of a disk when held or waiting work is tried again.
pub(super) const RETRIED: &str = "as of the work that is tried again; see `billet why`";

/// Whether it goes on after what would be lost was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    /// It is meant.
    On,
    /// `--dry-run`: it ends here.
    No,
}

/// Whether what is lost has to be told: nobody reads it otherwise, and the service is asked for it.
pub(super) fn told(session: &Session<'_>, dry: DryRun, yes: bool) -> bool {
    dry.dry_run || session.environment.person && !yes
}

/// Tells what would be lost with `--dry-run`; else asks a person, who is told the same, unless it was said to be meant.
pub(super) fn sure(
    session: &mut Session<'_>,
    dry: DryRun,
    yes: bool,
    loss: &Loss,
    question: Option<&Question<'_>>,
) -> Result<Go, CliError> {
    if dry.dry_run {
        session.ui.object(loss, || view::losses(loss))?;
        session.ui.done("dry run: nothing was done, and the service was not asked whether it would do it")?;
        return Ok(Go::No);
    }
    let Some(question) = question.filter(|_| !yes) else { return Ok(Go::On) };
    if session.environment.person && !loss.disks.is_empty() {
        session.ui.note(&view::losses(loss));
    }
    confirm(session.environment, session.ui, question)?;
    Ok(Go::On)
}

/// The same of what has to do with no disk, and that nobody is asked about.
pub(super) fn no_disk(session: &mut Session<'_>, dry: DryRun, what: String) -> Result<Go, CliError> {
    let loss = Loss { what, machine: None, instance: None, disks: Vec::new() };
    sure(session, dry, true, &loss, None)
}

/// `--dry-run` of what is done to a machine as a whole; nobody is asked.
pub(super) async fn of_machine(
    session: &mut Session<'_>,
    asked: &Gone,
    what: impl FnOnce(&str) -> String,
    fate: &str,
) -> Result<Go, CliError> {
    if !asked.dry.dry_run {
        return Ok(Go::On);
    }
    let machine = session.client.machine(&asked.name).await?;
    sure(session, asked.dry, true, &all(what(&machine.name), &machine, fate), None)
}

/// The same of the machine that an instance has.
pub(super) async fn of_its_machine(
    session: &mut Session<'_>,
    (name, dry): (&str, DryRun),
    what: impl FnOnce(&str) -> String,
    fate: &str,
) -> Result<Go, CliError> {
    if !dry.dry_run {
        return Ok(Go::On);
    }
    let instance = session.client.instance(name).await?;
    let loss = of_instance(session, what(&instance.name), &instance, fate).await?;
    sure(session, dry, true, &loss, None)
}

/// The disks of a machine that hold data: those that can neither be taken out nor are read-only. As lifecycle's
/// `wipe` has it.
fn fixed(machine: &Machine) -> impl Iterator<Item = &Disk> {
    let disks = machine.status.inventory.iter().flat_map(|found| &found.disks);
    disks.filter(|disk| !disk.removable && !disk.read_only)
}

/// All fixed disks with the same fate.
pub(super) fn all(what: String, machine: &Machine, fate: &str) -> Loss {
    of(what, machine, fixed(machine).map(|disk| LostDisk::seen(disk, fate)).collect())
}

/// Disks by their serial numbers.
pub(super) fn these(what: String, machine: &Machine, serials: &[String], fate: &str) -> Loss {
    let disks = serials.iter().flat_map(|serial| named(machine, serial, fate)).collect();
    of(what, machine, disks)
}

/// Those with a serial number: more than one if a maker was careless.
fn named(machine: &Machine, serial: &str, fate: &str) -> Vec<LostDisk> {
    let disks = machine.status.inventory.iter().flat_map(|found| &found.disks);
    let seen: Vec<_> = disks
        .filter(|disk| disk.serial.as_deref() == Some(serial))
        .map(|disk| LostDisk::seen(disk, fate))
        .collect();
    if seen.is_empty() { vec![LostDisk::unseen(serial, fate)] } else { seen }
}

fn of(what: String, machine: &Machine, disks: Vec<LostDisk>) -> Loss {
    Loss { what, machine: Some(machine.name.clone()), instance: machine.status.instance_name.clone(), disks }
}

/// What a reinstallation writes: the root disk, as far as it is known which one that is.
fn root(what: String, machine: &Machine, serial: Option<&str>, unknown: &str) -> Loss {
    const LOST: &str = "lost: the image is written over it";
    if let Some(serial) = serial {
        return these(what, machine, slice::from_ref(&serial.to_owned()), LOST);
    }
    let disks: Vec<_> = fixed(machine).collect();
    let fate = match disks.len() {
        1 => LOST,
        _ => unknown,
    };
    of(what, machine, disks.into_iter().map(|disk| LostDisk::seen(disk, fate)).collect())
}

/// The machine that an instance has.
async fn machine_of(session: &Session<'_>, instance: &Instance) -> Result<Option<Machine>, CliError> {
    let Some(id) = instance.status.machine else { return Ok(None) };
    match session.client.machine(&id.to_string()).await {
        // Given back between the two calls.
        Err(error) if error.status() == Some(404) => Ok(None),
        machine => Ok(Some(machine?)),
    }
}

/// Of an instance that has no machine.
fn none(what: String, instance: &Instance) -> Loss {
    Loss { what, machine: None, instance: Some(instance.name.clone()), disks: Vec::new() }
}

/// What is lost when an instance ends.
pub(super) async fn of_instance(
    session: &Session<'_>,
    what: String,
    instance: &Instance,
    fate: &str,
) -> Result<Loss, CliError> {
    Ok(match machine_of(session, instance).await? {
        Some(machine) => all(what, &machine, fate),
        None => none(what, instance),
    })
}

/// What is lost when an instance is installed anew.
pub(super) async fn of_reinstalling(
    session: &Session<'_>,
    instance: &Instance,
    serial: Option<&str>,
) -> Result<Loss, CliError> {
    let name = &instance.name;
    let what = format!(
        "instance {name} would be installed anew: its machine is switched off, its root disk written"
    );
    let unknown = "lost if its system is on it; else it stays";
    Ok(match machine_of(session, instance).await? {
        Some(machine) => root(what, &machine, serial.or(instance.spec.root_disk_serial.as_deref()), unknown),
        None => none(what, instance),
    })
}

/// What is lost when an instance is made: the root disk of its machine, if it is asked for a certain one.
pub(super) async fn of_creating(
    session: &Session<'_>,
    name: &str,
    spec: &InstanceSpec,
) -> Result<Loss, CliError> {
    let what = format!("instance {name} would be asked for, with image {}", spec.image);
    let Some(machine) = &spec.machine else {
        let what = format!(
            "{what}; which machine it gets, and so which disk is written, is decided when it is asked for"
        );
        return Ok(Loss { what, machine: None, instance: Some(name.to_owned()), disks: Vec::new() });
    };
    let machine = session.client.machine(machine).await?;
    let unknown = "lost if it is taken for the root disk; else it stays";
    let hinted = spec.root_disk.as_ref().and_then(|hints| hints.serial.as_deref());
    Ok(root(what, &machine, spec.root_disk_serial.as_deref().or(hinted), unknown))
}

/// What is lost when that which is done for an instance is cancelled: only a deployment wrote what is wiped then.
pub(super) async fn of_cancelling(session: &Session<'_>, instance: &Instance) -> Result<Loss, CliError> {
    let name = &instance.name;
    match instance.status.state {
        InstanceState::Pending | InstanceState::Deploying => {
            let what = format!("instance {name} would end, and what was written for it be wiped");
            let wiping = of_giving_back(session, instance, instance.spec.erase).await?;
            of_instance(session, what, instance, &wiping.fate()).await
        }
        state => {
            let state = view::word(state);
            let what = format!("what is done for instance {name} ({state}) would stop");
            of_instance(session, what, instance, STAYS).await
        }
    }
}

/// By what a machine's disks are wiped: what was asked for, unless its pool or its owner's asks for more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wiping {
    asked: ErasePolicy,
    /// The least, by whose word.
    least: Option<(ErasePolicy, String)>,
}

impl Wiping {
    /// In brackets: `overwrite`, and why if nobody asked for that.
    pub(super) fn words(&self) -> String {
        match &self.least {
            Some((least, whose)) if *least > self.asked => format!("{}: {whose}", view::word(*least)),
            _ => view::word(self.asked),
        }
    }

    /// What becomes of a disk that is wiped so.
    pub(super) fn fate(&self) -> String {
        format!("wiped ({})", self.words())
    }
}

/// How the machine of an instance is wiped when it is given back. Of one without a machine: as was asked.
pub(super) async fn of_giving_back(
    session: &Session<'_>,
    instance: &Instance,
    asked: ErasePolicy,
) -> Result<Wiping, CliError> {
    match machine_of(session, instance).await? {
        Some(machine) => wiping(session, &machine, asked).await,
        None => Ok(Wiping { asked, least: None }),
    }
}

/// How a machine is wiped when the instance that has it ends; none, if that is gone by now.
pub(super) async fn of_owners_machine(
    session: &Session<'_>,
    machine: &Machine,
    instance: &str,
) -> Result<Option<Wiping>, CliError> {
    match session.client.instance(instance).await {
        Err(error) if error.status() == Some(404) => Ok(None),
        instance => wiping(session, machine, instance?.spec.erase).await.map(Some),
    }
}

/// How a machine is wiped: no less than its pool says now, and than the pool said when its owner got it. As lifecycle's
/// `admit_in_pool` has it.
pub(super) async fn wiping(
    session: &Session<'_>,
    machine: &Machine,
    asked: ErasePolicy,
) -> Result<Wiping, CliError> {
    let pool = match session.client.pool(&machine.spec.pool).await {
        Err(error) if error.status() == Some(404) => None,
        pool => pool?.spec.and_then(|spec| spec.erase),
    };
    let name = &machine.spec.pool;
    let now = pool.map(|least| (least, format!("the least that pool {name} allows")));
    let then = machine.status.least_erase;
    let then = then.map(|least| (least, "the least that its pool allowed when it was given".to_owned()));
    // The pool's own word, where both say the same.
    let least = then.into_iter().chain(now).max_by_key(|(least, _)| *least);
    Ok(Wiping { asked, least })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::samples;

    fn by(asked: ErasePolicy, least: Option<ErasePolicy>) -> String {
        Wiping { asked, least: least.map(|least| (least, "pool gpu".to_owned())) }.fate()
    }

    #[test]
    fn the_wipe_is_told_that_will_be_done() {
        use ErasePolicy::{Metadata, Overwrite};
        for (asked, least, want) in [
            (Metadata, None, "wiped (metadata)"),
            (Metadata, Some(Metadata), "wiped (metadata)"),
            (Metadata, Some(Overwrite), "wiped (overwrite: pool gpu)"),
            (Overwrite, Some(Metadata), "wiped (overwrite)"),
            (Overwrite, Some(Overwrite), "wiped (overwrite)"),
        ] {
            assert_eq!(by(asked, least), want);
        }
    }

    fn machine() -> Machine {
        let mut machine = samples::machine("m1");
        let mut found = samples::inventory();
        let disk = |name: &str, serial: &str| Disk {
            name: name.into(),
            serial: Some(serial.into()),
            model: Some("Disk".into()),
            ..found.disks[0].clone()
        };
        let stick = Disk { removable: true, ..disk("sdb", "STICK") };
        found.disks = vec![disk("vda", "D1"), disk("vdb", "D2"), stick];
        machine.status.inventory = Some(found);
        machine.status.instance_name = Some("web".into());
        machine
    }

    #[test]
    fn what_is_wiped_is_told_disk_by_disk() {
        let text =
            view::losses(&all("instance web would end".into(), &machine(), &by(ErasePolicy::Metadata, None)));
        assert_eq!(
            text,
            "\
instance web would end
MACHINE  DISK  MODEL  SERIAL  SIZE     WHOSE           WHAT IS ON IT
m1       vda   Disk   D1      4.0 GiB  instance web's  wiped (metadata)
m1       vdb   Disk   D2      4.0 GiB  instance web's  wiped (metadata)
"
        );
    }

    #[test]
    fn a_disk_that_is_named_is_told_whether_it_was_seen() {
        let loss = these("x".into(), &machine(), &["D2".into(), "STICK".into(), "D9".into()], "lost");
        let fates: Vec<_> =
            loss.disks.iter().map(|disk| (disk.name.as_deref(), disk.fate.as_str())).collect();
        let missing = "lost; but no such disk was seen";
        assert_eq!(fates, [(Some("vdb"), "lost"), (Some("sdb"), "lost"), (None, missing)]);
    }

    #[test]
    fn a_reinstallation_is_about_the_root_disk() {
        const IF: &str = "lost if its system is on it; else it stays";
        let one = root("x".into(), &machine(), Some("D2"), IF);
        assert_eq!(one.disks.len(), 1);
        let unknown = root("x".into(), &machine(), None, IF);
        assert!(unknown.disks.iter().all(|disk| disk.fate.contains("if its system is on it")));
        assert_eq!(unknown.disks.len(), 2);
        let mut single = machine();
        single.status.inventory.as_mut().unwrap().disks.remove(1);
        assert!(root("x".into(), &single, None, IF).disks[0].fate.starts_with("lost: the image"));
        single.status.inventory = None;
        assert!(
            view::losses(&root("x".into(), &single, None, IF)).contains("No disk of machine m1 is known")
        );
    }
}
