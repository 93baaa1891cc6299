//! YAML: documents with `---` between them, each an object.
//!
//! They are cut apart here, by line: no other text may begin a line with `---` (YAML 1.2, c-forbidden), and so a mistake in
//! one does not hide those in the others. Of each document the first mistake is told.

use super::{
    Fault, Object, Place, Read,
    object::{ImageDoc, InstanceDoc, Kind, Kinded, MachineDoc, NetworkDoc, PoolDoc, ReservationDoc},
};
use serde::de::DeserializeOwned;
use std::{path::PathBuf, rc::Rc};

/// Reads a text.
pub(super) fn read(read: &mut Read, file: &Rc<PathBuf>, text: &str) {
    for (line, document) in documents(text) {
        let place = Place { file: Rc::clone(file), line };
        match object(&document) {
            Ok(object) => {
                let first = document.lines().position(|line| !is_nothing(line)).unwrap_or(0) as u64;
                read.push(Place { line: place.line + first, ..place }, object);
            }
            Err(error) => read.faults.push(fault(&place, &error)),
        }
    }
}

/// Whether a line says nothing.
fn is_nothing(line: &str) -> bool {
    let line = line.strip_prefix("---").unwrap_or(line).trim();
    line.is_empty() || line.starts_with('#') || line == "..."
}

/// The documents that say something, each with the number of its first line.
fn documents(text: &str) -> Vec<(u64, String)> {
    let mut documents = vec![(1, String::new())];
    for (number, line) in (1..).zip(text.lines()) {
        let begins =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if begins {
            documents.push((number, String::new()));
        }
        if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents.retain(|(_, document)| !document.lines().all(is_nothing));
    documents
}

fn object(text: &str) -> Result<Object, serde_yaml_ng::Error> {
    fn of<T: DeserializeOwned>(text: &str) -> Result<T, serde_yaml_ng::Error> {
        serde_yaml_ng::from_str(text)
    }
    let Kinded { kind } = of(text)?;
    Ok(match kind.0 {
        Kind::Pool => Object::Pool(of::<PoolDoc>(text)?),
        Kind::Network => Object::Network(Box::new(of::<NetworkDoc>(text)?)),
        Kind::Reservation => Object::Reservation(of::<ReservationDoc>(text)?),
        Kind::Image => Object::Image(Box::new(of::<ImageDoc>(text)?)),
        Kind::Machine => Object::Machine(Box::new(of::<MachineDoc>(text)?)),
        Kind::Instance => Object::Instance(Box::new(of::<InstanceDoc>(text)?)),
    })
}

/// A mistake, at its own line.
fn fault(place: &Place, error: &serde_yaml_ng::Error) -> Fault {
    let within = error.location().map_or(1, |location| location.line() as u64).max(1);
    let said = error.to_string();
    // The place is told in front, counted from the beginning of the file.
    let said = said.split(" at line ").next().unwrap_or_default();
    // `macs[0]: …`, as it says where in the document it is.
    let (field, why) = match said.split_once(": ") {
        Some((field, why)) if !field.contains([' ', '`']) => (field, why),
        _ => ("", said),
    };
    let why = match why {
        secret if secret.contains("unknown field `bmc_password`") => {
            "a password does not belong here; name a file that holds it with `bmc_password_file`, or set BILLET_BMC_PASSWORD"
                .to_owned()
        }
        why if why.contains("missing field `kind`") => {
            "the field `kind` is missing; give it pool, network, reservation, image, machine or instance".to_owned()
        }
        why => why.to_owned(),
    };
    let place = Place { line: place.line + within - 1, ..place.clone() };
    Fault::new(&place, field.trim_start_matches('.'), why)
}

#[cfg(test)]
mod tests {
    use super::{super::Read, read};
    use std::rc::Rc;

    fn faults(text: &str) -> (usize, Vec<String>) {
        let mut all = Read::default();
        read(&mut all, &Rc::new("f.yaml".into()), text);
        (all.objects.len(), all.faults.iter().map(ToString::to_string).collect())
    }

    const GOOD: &str = "\
# all of a rack
---
kind: machine
name: m1
macs: [52:54:00:00:00:01]
bmc: redfish://admin@10.0.0.9
labels:
  rack: r7
rack: 7
protected: true
---
kind: instance
name: web
image: debian-12
selector: rack=r7,!old
minimum: { cores: 8, memory: 64GiB }
ssh_keys:
  - ssh-ed25519 AAAA me
--- # the rest
kind: reservation
network: lan
mac: 52-54-00-00-00-01
address: 10.0.0.7
---
kind: image
name: debian-12
file: debian.raw
format: raw
";

    #[test]
    fn documents_are_read_with_their_lines() {
        let mut all = Read::default();
        read(&mut all, &Rc::new("f.yaml".into()), GOOD);
        assert_eq!(all.faults, []);
        let lines: Vec<_> = all.objects.iter().map(|object| object.place.line).collect();
        assert_eq!(lines, [3, 12, 20, 25]);
    }

    #[test]
    fn every_document_is_told_what_is_wrong_and_where() {
        let text = GOOD
            .replace("00:01]", "0:01]")
            .replace("64GiB", "64GB")
            .replace("10.0.0.7", "10.0.0")
            .replace("format: raw", "format: vmdk");
        let (objects, faults) = faults(&text);
        assert_eq!(objects, 0);
        for (fault, want) in faults.iter().zip([
            "f.yaml:5: macs[0]: `52:54:00:00:0:01` is not a MAC address; write it like",
            "f.yaml:16: minimum.memory: `64GB` is not a size",
            "f.yaml:23: address: `10.0.0` is not an IPv4 address",
            "f.yaml:28: format: use raw, qcow2 or iso",
        ]) {
            assert!(fault.starts_with(want), "{fault}");
        }
        assert_eq!(faults.len(), 4);
    }

    #[test]
    fn fields_and_kinds_that_there_are_not() {
        for (text, want) in [
            ("kind: machine\nname: m1\nbmc_password: hunter2\n", "f.yaml:3: a password does not belong here"),
            ("kind: machine\nname: m1\n\npoool: a\n", "unknown field `poool`, expected one of"),
            ("kind: machine\nname: M1\n", "f.yaml:2: name: `M1` is not a good name"),
            ("kind: subnet\nname: lan\n", "f.yaml:1: kind: `subnet` is no kind; there are pool, network"),
            ("kind: network\nname: lan\ndhcp: on\n", "f.yaml:3: dhcp: use full, reserved-only, proxy or off"),
            (
                "kind: network\nname: lan\nreservations:\n- mac: 52:54\n  address: 10.0.0.1\n",
                "f.yaml:4: reservations[0].mac: `52:54` is not a MAC address",
            ),
            ("kind: network\nname: lan\nsubnet: 10.0.0.0/33\n", "f.yaml:3: subnet: `10.0.0.0/33` is no IPv4"),
            ("kind: pool\nname: a\nerase: all\n", "f.yaml:3: erase: use metadata"),
            ("kind: pool\nname: a\nmax_machines: -1\n", "f.yaml:3: max_machines: `-1` is neither a number"),
            ("kind: pool\nname: a\nowner: me\n", "f.yaml:3: unknown field `owner`, expected one of"),
            ("kind: host\n", "pool, network, reservation, image, machine and instance"),
            ("name: m1\n", "the field `kind` is missing"),
            ("kind: machine\n", "missing field `name`"),
            ("\n\nkind: [\n", "f.yaml:"),
            ("kind: machine\nname: m1\nname: m2\n", "duplicate"),
            (
                "kind: machine\nname: m1\nprotected: on\n",
                "f.yaml:3: protected: `on` is neither true nor false",
            ),
            ("just words\n", "f.yaml:1: "),
        ] {
            let (objects, faults) = faults(text);
            assert_eq!((objects, faults.len()), (0, 1), "{text}: {faults:?}");
            assert!(faults[0].contains(want), "{text}: {faults:?}");
            assert!(!faults[0].contains("hunter2"), "{faults:?}");
        }
        assert_eq!(faults("---\n# nothing\n---\n"), (0, vec![]));
    }
}
