//! An instance that is declared, and what differs from the one that there is. Only the files that it names are read.
//!
//! What an instance was made of can't be changed but by writing its root disk anew, which `apply` never does: such a
//! difference is a mistake, told with the command that would do it.

use crate::cli::{
    command::instance::{keys, network, text, user_data},
    error::CliError,
    manifest::{InstanceDoc, MinimumDoc, Place},
};
use jiff::Timestamp;
use provisioner_api::{Instance, InstanceSpec, InstanceUpdate, Minimum, Spread};
use std::path::PathBuf;

/// What is asked for, with the files that it names.
pub(super) fn spec(place: &Place, doc: &InstanceDoc) -> Result<InstanceSpec, CliError> {
    let beside = |path: &PathBuf| place.beside(path);
    let mut ssh_keys: Vec<String> =
        doc.ssh_keys.iter().flatten().flat_map(|keys| keys.0.iter().cloned()).collect();
    let files: Vec<_> = doc.ssh_key_files.iter().flatten().map(beside).collect();
    ssh_keys.extend(keys(&files)?);
    let read = |path: &Option<PathBuf>| path.as_ref().map(|path| text(&beside(path))).transpose();
    let user_data_file = doc.user_data_file.as_ref().map(&beside);
    let (user_data, user_data_base64) = user_data(user_data_file.as_deref())?;
    let selector = doc.selector.as_ref().map(|labels| labels.0.clone()).unwrap_or_default();
    Ok(InstanceSpec {
        image: doc.image.0.clone(),
        machine: doc.machine.as_ref().map(|machine| machine.0.clone()),
        pool: doc.pool.as_ref().map(|pool| pool.0.clone()),
        selector: selector.equal,
        expressions: selector.expressions,
        minimum: doc.minimum.as_ref().map(minimum).unwrap_or_default(),
        architecture: doc.architecture.as_ref().map(|architecture| architecture.0.clone()),
        zone: doc.zone.as_ref().map(|zone| zone.0.clone()),
        spread: doc.spread.as_ref().map(|group| Spread {
            group: group.0.clone(),
            by: doc.spread_by.as_ref().map(|over| over.0).unwrap_or_default(),
        }),
        prefer_machine: doc.prefer_machine.as_ref().map(|machine| machine.0.clone()),
        sticky: doc.sticky.as_ref().is_some_and(|on| on.0),
        deadline: doc.deadline.as_ref().map(|time| time.0),
        protected: doc.protected.as_ref().is_some_and(|on| on.0),
        hostname: doc.hostname.as_ref().map(|host| host.0.clone()),
        user: doc.user.as_ref().map(|user| user.0.clone()),
        ssh_keys,
        user_data,
        user_data_base64,
        network: doc.network_file.as_ref().map(|path| network(&beside(path))).transpose()?,
        network_config: read(&doc.network_config_file)?,
        root_disk_serial: doc.root_disk_serial.as_ref().map(|serial| serial.0.clone()),
        root_disk: doc.root_disk.as_ref().map(|hints| hints.0.clone()),
        erase: doc.erase.as_ref().map(|erase| erase.0).unwrap_or_default(),
    })
}

/// What is wrong with a deadline that is past. One that an instance has already is left alone.
pub(super) fn past(doc: &InstanceDoc, before: Option<&Instance>, now: Timestamp) -> Option<String> {
    let deadline = doc.deadline.as_ref().map(|time| time.0)?;
    let known = before.is_some_and(|before| before.spec.deadline == Some(deadline));
    (deadline <= now && !known)
        .then(|| format!("{deadline} is past, it is {now:.0}; give a time that is to come"))
}

fn minimum(doc: &MinimumDoc) -> Minimum {
    Minimum {
        cpu_cores: doc.cores.as_ref().map(|number| number.0),
        memory_bytes: doc.memory.as_ref().map(|size| size.0),
        disk_bytes: doc.disk.as_ref().map(|size| size.0),
        gpus: doc.gpus.as_ref().map(|number| number.0),
        nics: doc.nics.as_ref().map(|number| number.0),
        nic_speed_mbps: doc.nic_speed.as_ref().map(|number| number.0),
    }
}

/// What is declared otherwise and can't be changed: the field, and what would change it.
pub(super) fn fixed(
    doc: &InstanceDoc,
    before: &Instance,
    wanted: &InstanceSpec,
) -> Vec<(&'static str, String)> {
    let (name, is) = (&before.name, &before.spec);
    let mut wrong = Vec::new();
    let image = is.image != wanted.image;
    if image {
        let there = if is.image.is_empty() { "none (it was adopted)" } else { &is.image };
        wrong.push((
            "image",
            format!(
                "instance {name} has image {there}; apply never writes a disk anew: `billet instance reinstall {name} --image {}` does, or declare the image that it has",
                wanted.image
            ),
        ));
    }
    // By name or by id.
    let machine = wanted.machine.as_ref().is_some_and(|wanted| {
        let has = before.status.machine.map(|id| id.to_string());
        [is.machine.as_ref(), before.status.machine_name.as_ref(), has.as_ref()]
            .iter()
            .all(|is| *is != Some(wanted))
    });
    let spread = (doc.spread.is_some(), is.spread != wanted.spread);
    let selector = is.selector != wanted.selector || is.expressions != wanted.expressions;
    for (field, given, differs) in [
        ("machine", doc.machine.is_some(), machine),
        ("pool", doc.pool.is_some(), is.pool != wanted.pool),
        ("selector", doc.selector.is_some(), selector),
        ("minimum", doc.minimum.is_some(), is.minimum != wanted.minimum),
        ("architecture", doc.architecture.is_some(), is.architecture != wanted.architecture),
        ("zone", doc.zone.is_some(), is.zone != wanted.zone),
        ("spread", spread.0, spread.1),
        ("prefer_machine", doc.prefer_machine.is_some(), is.prefer_machine != wanted.prefer_machine),
        ("sticky", doc.sticky.is_some(), is.sticky != wanted.sticky),
        ("hostname", doc.hostname.is_some(), is.hostname != wanted.hostname),
        ("network_file", doc.network_file.is_some(), is.network != wanted.network),
        ("root_disk_serial", doc.root_disk_serial.is_some(), is.root_disk_serial != wanted.root_disk_serial),
        ("root_disk", doc.root_disk.is_some(), is.root_disk != wanted.root_disk),
        ("erase", doc.erase.is_some(), is.erase != wanted.erase),
    ] {
        if given && differs {
            let why = format!(
                "instance {name} was asked for otherwise, and that can't be changed (`billet instance show {name}` says how); declare what it has, or leave the field out"
            );
            wrong.push((field, why));
        }
    }
    let keys = doc.ssh_keys.is_some() || doc.ssh_key_files.is_some();
    for (field, option, given, differs) in [
        ("user", "--user", doc.user.is_some(), is.user != wanted.user),
        ("ssh_keys", "--ssh-key", keys, is.ssh_keys != wanted.ssh_keys),
        (
            "network_config_file",
            "--network-config",
            doc.network_config_file.is_some(),
            is.network_config != wanted.network_config,
        ),
    ] {
        if given && differs {
            let why = format!(
                "instance {name} was made with another one; apply never writes a disk anew: `billet instance reinstall {name} {option} …` does, or leave the field out"
            );
            wrong.push((field, why));
        }
    }
    wrong
}

/// The request that changes what can be changed, and what that is, in words.
pub(super) fn update(doc: &InstanceDoc, before: &Instance) -> (InstanceUpdate, Vec<String>) {
    let is = &before.spec;
    let mut changes = Vec::new();
    let protected = doc.protected.as_ref().map(|on| on.0).filter(|on| *on != is.protected);
    changes.extend(protected.map(|new| format!("protected {} → {new}", is.protected)));
    let deadline = doc.deadline.as_ref().map(|time| time.0).filter(|time| Some(*time) != is.deadline);
    changes.extend(deadline.map(|new| {
        let old = is.deadline.map_or_else(|| "none".to_owned(), |old: Timestamp| old.to_string());
        format!("deadline {old} → {new}")
    }));
    (InstanceUpdate { protected, deadline: deadline.map(Some) }, changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{manifest::read_instance, tests::samples};
    use std::rc::Rc;

    fn compared(text: &str) -> (Vec<(&'static str, String)>, Vec<String>) {
        let doc = read_instance(text);
        let place = Place { file: Rc::new("f.yaml".into()), line: 1 };
        let wanted = spec(&place, &doc).unwrap();
        let before = samples::instance("web");
        (fixed(&doc, &before, &wanted), update(&doc, &before).1)
    }

    #[test]
    fn what_is_not_said_is_not_compared() {
        for text in ["image: debian-12\n", "image: debian-12\npool: default\nuser: ops\nerase: metadata\n"] {
            assert_eq!(compared(text), (vec![], vec![]), "{text}");
        }
    }

    #[test]
    fn a_deadline_that_is_past_is_refused_unless_it_is_there_already() {
        let doc = read_instance("image: debian-12\ndeadline: 2030-01-01T00:00:00Z\n");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let late = at("2030-01-01T00:00:00Z");
        let said = past(&doc, None, late).unwrap();
        assert!(said.contains("2030-01-01T00:00:00Z is past"), "{said}");
        assert_eq!(past(&doc, None, at("2029-12-31T00:00:00Z")), None);
        let mut before = samples::instance("web");
        assert!(past(&doc, Some(&before), late).is_some());
        before.spec.deadline = Some(late);
        assert_eq!(past(&doc, Some(&before), late), None);
        assert_eq!(past(&read_instance("image: debian-12\n"), None, late), None);
    }

    #[test]
    fn what_can_be_changed_is_and_what_not_is_told() {
        let text = "image: debian-12\nprotected: true\ndeadline: 2030-01-01T00:00:00Z\n";
        let changes = ["protected false → true", "deadline none → 2030-01-01T00:00:00Z"];
        assert_eq!(compared(text), (vec![], changes.map(str::to_owned).to_vec()));
        let (wrong, _) =
            compared("image: debian-13\npool: gpu\nuser: root2\nerase: overwrite\nmachine: m9\n");
        let fields: Vec<_> = wrong.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, ["image", "machine", "pool", "erase", "user"]);
        assert!(wrong[0].1.contains("billet instance reinstall web --image debian-13"), "{wrong:?}");
    }
}
