//! What can't be so: fields that exclude or need each other, and things that are declared twice.

use super::{Declared, Fault, ImageDoc, InstanceDoc, MachineDoc, Object, Place, Read};
use crate::store::bmc_place;
use provisioner_api::BmcProtocol;
use std::collections::HashMap;

/// Adds what is wrong.
pub(super) fn check(read: &mut Read) {
    let Read { objects, faults } = read;
    for Declared { place, object } in &*objects {
        let wrong = match object {
            Object::Machine(machine) => of_machine(machine),
            Object::Instance(instance) => of_instance(instance),
            Object::Image(image) => of_image(image),
            Object::Pool(_) | Object::Network(_) | Object::Reservation(_) => Vec::new(),
        };
        faults.extend(wrong.into_iter().map(|(field, why)| Fault::new(place, field, why)));
    }
    twice(objects, faults);
}

/// Which field, and what is wrong.
type Wrong = Vec<(&'static str, &'static str)>;

fn of_machine(machine: &MachineDoc) -> Wrong {
    let mut wrong = Wrong::new();
    if machine.macs.as_ref().is_some_and(Vec::is_empty) {
        wrong.push((
            "macs",
            "a machine needs one MAC address that it boots from at least; or leave the field out",
        ));
    }
    let bmc = machine.bmc.as_ref().map(|bmc| &bmc.0);
    let certified =
        bmc.is_some_and(|bmc| matches!(bmc.protocol, BmcProtocol::Redfish | BmcProtocol::Webhook));
    if machine.bmc_tls_ca.is_some() && !certified {
        wrong.push(("bmc_tls_ca", "it goes with a `bmc` of redfish or webhook, which has certificates"));
    }
    if machine.bmc_tls_ca.is_some() && bmc.is_some_and(|bmc| bmc.tls_sha256.is_some()) {
        wrong.push(("bmc_tls_ca", "either this or tls-sha256 in `bmc`: each stands in place of the other"));
    }
    if machine.bmc_password_file.is_some() && bmc.is_none() {
        wrong.push(("bmc_password_file", "it goes with a `bmc`"));
    }
    if machine.bmc_key_file.is_some() && !bmc.is_some_and(|bmc| bmc.protocol == BmcProtocol::Ipmi) {
        wrong.push(("bmc_key_file", "it goes with a `bmc` of ipmi"));
    }
    wrong
}

fn of_instance(instance: &InstanceDoc) -> Wrong {
    let mut wrong = Wrong::new();
    let any = instance.pool.is_some()
        || instance.selector.is_some()
        || instance.prefer_machine.is_some()
        || instance.sticky.is_some();
    if instance.machine.is_some() && any {
        wrong.push(("machine", "exactly this machine, or any by pool, selector, prefer_machine and sticky"));
    }
    if instance.spread_by.is_some() && instance.spread.is_none() {
        wrong.push(("spread_by", "it says over what the group in `spread` is spread; name the group"));
    }
    let keys = instance.ssh_keys.is_some() || instance.ssh_key_files.is_some();
    if instance.network_file.is_some() && instance.network_config_file.is_some() {
        wrong.push(("network_file", "either this, or network_config_file"));
    }
    if instance.user_data_file.is_some() && (instance.user.is_some() || keys) {
        wrong.push(("user_data_file", "either this, or user and ssh_keys"));
    }
    wrong
}

fn of_image(image: &ImageDoc) -> Wrong {
    let mut wrong = Wrong::new();
    let ram = image.kernel.is_some() || image.initrd.is_some() || image.cmdline.is_some();
    if ram {
        if image.kernel.is_none() || image.initrd.is_none() {
            wrong.push(("kernel", "an image that runs from RAM needs both kernel and initrd"));
        }
        if image.file.is_some() || image.digest.is_some() || image.format.is_some() {
            wrong.push(("file", "either file, digest and format, or kernel and initrd"));
        }
        if image.seed.is_some() || image.grow.is_some() {
            wrong.push(("seed", "seed and grow are for images of disks; this one is on none"));
        }
        return wrong;
    }
    if image.file.is_none() {
        wrong.push(("file", "it is missing: name the image's file (or kernel and initrd)"));
    }
    if image.format.is_none() {
        wrong.push(("format", "it is missing: raw, qcow2 or iso; `file FILE` tells which one it is"));
    }
    if image.digest.is_none() {
        wrong.push((
            "digest",
            "it is missing: sha256:… as published by whoever made the image (or, if you made it, the output of `sha256sum FILE`)",
        ));
    }
    wrong
}

/// Names, MAC addresses and addresses that are declared more than once.
fn twice(objects: &[Declared], faults: &mut Vec<Fault>) {
    let mut seen: HashMap<String, &Place> = HashMap::new();
    for Declared { place, object } in objects {
        for (field, what) in claims(object) {
            match seen.get(&what) {
                Some(first) => {
                    faults.push(Fault::new(place, field, format!("{what} is declared at {first} already")));
                }
                None => {
                    seen.insert(what, place);
                }
            }
        }
    }
}

/// What nobody else may have: the field, and the thing in words.
fn claims(object: &Object) -> Vec<(&'static str, String)> {
    match object {
        Object::Machine(machine) => {
            let macs = machine.macs.iter().flatten().map(|mac| ("macs", format!("a machine with {}", mac.0)));
            let bmc = machine.bmc.iter().filter_map(|bmc| bmc_place(&bmc.0));
            let bmc = bmc.map(|place| ("bmc", format!("a machine with the BMC {place}")));
            let name = std::iter::once(("name", format!("machine {}", machine.name.0)));
            name.chain(macs).chain(bmc).collect()
        }
        Object::Instance(instance) => vec![("name", format!("instance {}", instance.name.0))],
        Object::Image(image) => vec![("name", format!("image {}", image.name.0))],
        Object::Pool(pool) => vec![("name", format!("pool {}", pool.name.0))],
        Object::Network(network) => vec![("name", format!("network {}", network.name.0))],
        Object::Reservation(one) => vec![
            ("mac", format!("a reservation on network {} for {}", one.network.0, one.mac.0)),
            ("address", format!("a reservation on network {} of {}", one.network.0, one.address.0)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Read, yaml},
        check,
    };
    use std::rc::Rc;

    #[test]
    fn what_can_not_be_together() {
        for (text, want) in [
            ("kind: machine\nname: m1\nmacs: []\n", "f:1: macs: a machine needs one"),
            ("kind: machine\nname: m1\nbmc: ipmi://a@h\nbmc_tls_ca: ca\n", "redfish or webhook"),
            ("kind: machine\nname: m1\nbmc: 'manual:'\nbmc_key_file: k\n", "a `bmc` of ipmi"),
            ("kind: instance\nname: a\nimage: i\nmachine: m1\npool: p\n", "exactly this machine"),
            ("kind: instance\nname: a\nimage: i\nspread_by: zone\n", "name the group"),
            ("kind: instance\nname: a\nimage: i\nuser: ops\nuser_data_file: u\n", "either this"),
            (
                "kind: instance\nname: a\nimage: i\nnetwork_file: n\nnetwork_config_file: c\n",
                "or network_config_file",
            ),
            ("kind: image\nname: i\nfile: f\nformat: raw\n", "digest: it is missing: sha256:"),
            ("kind: image\nname: i\nkernel: k\n", "both kernel and initrd"),
            ("kind: image\nname: i\nkernel: k\ninitrd: i\nfile: f\n", "either file"),
            (
                "kind: machine\nname: m1\nbmc: ipmi://a@H\n---\nkind: machine\nname: m2\nbmc: ipmi://b@h:623\n",
                "f:5: bmc: a machine with the BMC ipmi h 623 is declared at f:1 already",
            ),
            ("kind: machine\nname: m1\nbmc_password_file: p\n", "it goes with a `bmc`"),
            (
                "kind: machine\nname: m1\n---\nkind: machine\nname: m1\n",
                "f:4: name: machine m1 is declared at f:1 already",
            ),
            (
                "kind: machine\nname: m1\nmacs: ['52:54:00:00:00:01']\n---\nkind: machine\nname: m2\nmacs: [52-54-00-00-00-01]\n",
                "f:5: macs: a machine with 52:54:00:00:00:01 is declared at f:1 already",
            ),
        ] {
            let mut all = Read::default();
            yaml::read(&mut all, &Rc::new("f".into()), text);
            assert_eq!(all.faults, [], "{text}");
            check(&mut all);
            assert_eq!(all.faults.len(), 1, "{text}: {:?}", all.faults);
            assert!(all.faults[0].to_string().contains(want), "{text}: {}", all.faults[0]);
        }
    }
}
