//! CSV (RFC 4180): a title row, then an object in each row. The columns are named as the fields in YAML, those of `minimum`
//! `minimum.cores` and so on; several values in a cell are separated by spaces (SSH keys by lines), and a label of a machine
//! is a column of its own, `label:KEY`. A column `kind` says what each row is; without it they are machines. An empty cell
//! says nothing.

use super::{
    Fault, Object, Place, Read,
    cell::{self, Wrong},
    object::{Kind, KindWord, LabelKey, LabelValue, MachineDoc},
};
use csv::{ReaderBuilder, StringRecord};
use std::{collections::BTreeMap, path::PathBuf, rc::Rc};

/// The columns of a kind, beside those of labels.
fn columns(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pool => &["name", "description", "erase", "max_machines"],
        Kind::Network => &["name", "interface", "dhcp", "discovery", "subnet", "gateway"],
        Kind::Reservation => &["network", "mac", "address"],
        Kind::Image => &["name", "file", "digest", "format", "architecture", "kernel", "initrd", "cmdline"],
        Kind::Machine => &[
            "name",
            "pool",
            "macs",
            "bmc",
            "bmc_password_file",
            "bmc_key_file",
            "bmc_tls_ca",
            "zone",
            "rack",
            "boot_mode",
            "boot_chain",
            "maintenance",
            "protected",
            "retired",
        ],
        Kind::Instance => &[
            "name",
            "image",
            "machine",
            "pool",
            "selector",
            "minimum.cores",
            "minimum.memory",
            "minimum.disk",
            "minimum.gpus",
            "minimum.nics",
            "minimum.nic_speed",
            "architecture",
            "zone",
            "spread",
            "spread_by",
            "prefer_machine",
            "sticky",
            "deadline",
            "protected",
            "hostname",
            "user",
            "ssh_keys",
            "ssh_key_files",
            "user_data_file",
            "network_file",
            "network_config_file",
            "root_disk_serial",
            "root_disk",
            "erase",
        ],
    }
}

/// Reads a text.
pub(super) fn read(read: &mut Read, file: &Rc<PathBuf>, text: &str) {
    // Spreadsheets begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let at = |line| Place { file: Rc::clone(file), line };
    let titles = match reader.headers() {
        Ok(titles) => titles.clone(),
        Err(error) => return read.faults.push(broken(&at(1), &error)),
    };
    let faults = wrong_titles(&at(1), &titles);
    if !faults.is_empty() {
        return read.faults.extend(faults);
    }
    for row in reader.records() {
        match row {
            Ok(row) => {
                let place = at(row.position().map_or(1, csv::Position::line));
                match object(&titles, &row) {
                    Ok(object) => read.push(place, object),
                    Err(wrong) => read
                        .faults
                        .extend(wrong.into_iter().map(|(field, why)| Fault::new(&place, field, why))),
                }
            }
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                read.faults.push(broken(&at(line), &error));
            }
        }
    }
}

/// Text that is no table.
fn broken(place: &Place, error: &csv::Error) -> Fault {
    let why = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "this row has {len} cells, and the title row {expected_len}; put a cell with a comma in quotes"
            )
        }
        _ => "this is no CSV in UTF-8".to_owned(),
    };
    Fault::new(place, "", why)
}

fn wrong_titles(place: &Place, titles: &StringRecord) -> Vec<Fault> {
    let mixed = titles.iter().any(|title| title == "kind");
    let kinds = if mixed { &Kind::ALL[..] } else { &[Kind::Machine] };
    let mut known: Vec<_> = kinds.iter().flat_map(|kind| columns(*kind)).copied().collect();
    known.sort_by_key(|title| *title != "name");
    known.dedup();
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for title in titles {
        let label = title.strip_prefix("label:");
        if seen.contains(&title) {
            faults.push(Fault::new(place, title, "there are two columns of this name"));
        } else if title == "bmc_password" {
            let why = "a password does not belong here; name a file that holds it in a column `bmc_password_file`, or set BILLET_BMC_PASSWORD";
            faults.push(Fault::new(place, title, why));
        } else if let Some(key) = label {
            faults.extend(LabelKey::read(key).err().map(|why| Fault::new(place, title, why)));
        } else if title != "kind" && !known.contains(&title) {
            let why = match mixed {
                false => format!(
                    "there is no such column; there are {} and label:KEY, and those of other things with a column `kind`",
                    known.join(", ")
                ),
                true => format!("there is no such column; {}", all_columns()),
            };
            faults.push(Fault::new(place, title, why));
        }
        seen.push(title);
    }
    if !mixed && !seen.contains(&"name") {
        faults.push(Fault::new(place, "name", "this column is missing"));
    }
    faults
}

/// The columns of all kinds, in words.
fn all_columns() -> String {
    let of = |kind: &Kind| format!("{}: {}", kind.word(), columns(*kind).join(", "));
    format!("{}; and label:KEY of a machine", Kind::ALL.iter().map(of).collect::<Vec<_>>().join("; "))
}

/// An object, or all that is wrong with it.
fn object(titles: &StringRecord, row: &StringRecord) -> Result<Object, Wrong> {
    let cells: Vec<_> = titles.iter().zip(row).filter(|(_, cell)| !cell.is_empty()).collect();
    let kind = match titles.iter().zip(row).find(|(title, _)| *title == "kind") {
        None => Kind::Machine,
        Some((_, word)) => KindWord::read(word).map_err(|why| vec![("kind".to_owned(), why)])?.0,
    };
    let (mut own, mut wrong) = (vec![("kind", kind.word())], Wrong::new());
    for (title, cell) in cells {
        let label = kind == Kind::Machine && title.starts_with("label:");
        if columns(kind).contains(&title) {
            own.push((title, cell));
        } else if title != "kind" && !label {
            let why = format!(
                "this row is of the kind {}, which has no such column; leave the cell empty",
                kind.word()
            );
            wrong.push((title.to_owned(), why));
        }
    }
    let read = match kind {
        Kind::Pool => cell::read(&own).map(Object::Pool),
        Kind::Network => cell::read(&own).map(|network| Object::Network(Box::new(network))),
        Kind::Reservation => cell::read(&own).map(Object::Reservation),
        Kind::Image => cell::read(&own).map(|image| Object::Image(Box::new(image))),
        Kind::Machine => machine(&own, titles, row).map(|machine| Object::Machine(Box::new(machine))),
        Kind::Instance => cell::read(&own).map(|instance| Object::Instance(Box::new(instance))),
    };
    match read {
        Ok(object) if wrong.is_empty() => Ok(object),
        Ok(_) => Err(wrong),
        Err(more) => {
            wrong.extend(more);
            Err(wrong)
        }
    }
}

/// A machine, with its labels.
fn machine(own: &[(&str, &str)], titles: &StringRecord, row: &StringRecord) -> Result<MachineDoc, Wrong> {
    let (mut labels, mut wrong) = (BTreeMap::new(), Wrong::new());
    for (title, cell) in titles.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
        let Some(key) = title.strip_prefix("label:") else { continue };
        match LabelKey::read(key).and_then(|key| Ok((key, LabelValue::read(cell)?))) {
            Ok((key, value)) => drop(labels.insert(key, value)),
            Err(why) => wrong.push((title.to_owned(), why)),
        }
    }
    match cell::read::<MachineDoc>(own) {
        Ok(mut machine) if wrong.is_empty() => {
            machine.labels = Some(labels).filter(|labels| !labels.is_empty());
            machine.some_labels = true;
            Ok(machine)
        }
        Ok(_) => Err(wrong),
        Err(mut more) => {
            more.extend(wrong);
            Err(more)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Object, Read},
        read,
    };
    use std::rc::Rc;

    fn table(text: &str) -> (Vec<super::MachineDoc>, Vec<String>) {
        let mut all = Read::default();
        read(&mut all, &Rc::new("f.csv".into()), text);
        let machines = all.objects.into_iter().map(|declared| match declared.object {
            Object::Machine(machine) => *machine,
            other => panic!("{other:?}"),
        });
        (machines.collect(), all.faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_row_is_a_machine() {
        let (machines, faults) = table(
            "\u{feff}name, macs, bmc, label:room, label:row, protected\r\n\
             m1, 52:54:00:00:00:01 52-54-00-00-00-02, redfish://admin@10.0.0.9,\"a\", , true\r\n\
             m2, , , , b, \r\n",
        );
        assert_eq!(faults, [] as [String; 0]);
        assert_eq!(machines[0].macs.as_ref().unwrap().len(), 2);
        assert_eq!(
            machines[0].labels().unwrap().into_iter().collect::<Vec<_>>(),
            [("room".into(), "a".into())]
        );
        assert!(machines[0].protected.as_ref().unwrap().0 && machines[1].protected.is_none());
        assert!(machines[1].macs.is_none() && machines[1].labels().unwrap()["row"] == "b");
    }

    #[test]
    fn all_that_is_wrong_is_told_with_line_and_column() {
        let (machines, faults) = table(
            "name,macs,bmc,rack\n\
             m1,52:54,telnet://a@h,r 7\n\
             m2,52:54:00:00:00:01\n\
             ,,,\n\
             m4,\"52:54:00:00:00:01\n52:54:00:00:00:02\",,\n\
             m5,,,a b\n",
        );
        assert_eq!(machines.len(), 1);
        for (fault, want) in faults.iter().zip([
            "f.csv:2: macs: `52:54` is not a MAC address",
            "f.csv:2: bmc: `telnet` is no protocol",
            "f.csv:2: rack: `r 7` is not a place",
            "f.csv:3: this row has 2 cells, and the title row 4",
            "f.csv:4: name: this cell is missing",
            "f.csv:7: rack: `a b` is not a place",
        ]) {
            assert!(fault.starts_with(want), "{want}: {fault}");
        }
        assert_eq!(faults.len(), 6, "{faults:?}");
    }

    #[test]
    fn titles_are_checked() {
        for (text, want) in [
            ("name,colour\n", "f.csv:1: colour: there is no such column; there are name, pool"),
            ("macs\n", "f.csv:1: name: this column is missing"),
            ("name,name\n", "two columns"),
            ("name,label:a b\n", "f.csv:1: label:a b: "),
            ("name,bmc_password\nm1,hunter2\n", "a password does not belong here"),
            ("", "name: this column is missing"),
        ] {
            let (machines, faults) = table(text);
            assert!(machines.is_empty() && faults[0].contains(want), "{text}: {faults:?}");
            assert!(!faults[0].contains("hunter2"));
        }
    }

    fn mixed(text: &str) -> (Vec<Object>, Vec<String>) {
        let mut all = Read::default();
        read(&mut all, &Rc::new("f.csv".into()), text);
        let faults = all.faults.iter().map(ToString::to_string).collect();
        (all.objects.into_iter().map(|declared| declared.object).collect(), faults)
    }

    #[test]
    fn a_column_says_what_each_row_is() {
        let (objects, faults) = mixed(
            "kind,name,erase,max_machines,image,minimum.memory,ssh_keys,network,mac,address,label:row,dhcp\n\
             pool,racks,overwrite,4,,,,,,,,\n\
             pool,free,none,none,,,,,,,,\n\
             machine,m1,,,,,,,,,7,\n\
             instance,web,,,debian,64GiB,\"ssh-ed25519 AAAA a\nssh-ed25519 BBBB b\",,,,,\n\
             network,lan,,,,,,,,,,full\n\
             reservation,,,,,,,lan,52:54:00:00:00:01,10.0.0.7,,\n",
        );
        assert_eq!(faults, [] as [String; 0]);
        match objects.as_slice() {
            [
                Object::Pool(racks),
                Object::Pool(free),
                Object::Machine(m1),
                Object::Instance(web),
                Object::Network(lan),
                Object::Reservation(one),
            ] => {
                assert_eq!(racks.max_machines.as_ref().unwrap().0, Some(4));
                assert!(free.erase.as_ref().unwrap().0.is_none() && free.description.is_none());
                assert_eq!(m1.labels().unwrap()["row"], "7");
                assert_eq!(web.minimum.as_ref().unwrap().memory.as_ref().unwrap().0, 64 << 30);
                assert_eq!(web.ssh_keys.as_ref().unwrap().len(), 2);
                assert!(lan.dhcp.is_some() && lan.interface.is_none());
                assert_eq!(one.address.0.to_string(), "10.0.0.7");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_that_is_wrong_with_rows_of_any_kind_is_told() {
        let (objects, faults) = mixed(
            "kind,name,erase,max_machines,image,minimum.memory,macs\n\
             pool,Racks,all,x,,,52:54\n\
             instance,web,,,,64GB,\n\
             host,a,,,,,\n\
             ,b,,,,,\n",
        );
        assert!(objects.is_empty());
        for (fault, want) in faults.iter().zip([
            "f.csv:2: macs: this row is of the kind pool, which has no such column",
            "f.csv:2: name: `Racks` is not a good name",
            "f.csv:2: erase: use metadata",
            "f.csv:2: max_machines: `x` is neither a number nor none",
            "f.csv:3: minimum.memory: `64GB` is not a size",
            "f.csv:3: image: this cell is missing",
            "f.csv:4: kind: `host` is no kind; there are pool",
            "f.csv:5: kind: `` is no kind",
        ]) {
            assert!(fault.starts_with(want), "{want}: {fault}");
        }
        assert_eq!(faults.len(), 8, "{faults:?}");
        let (_, faults) = mixed("kind,colour\n");
        assert!(faults[0].contains("pool: name, description, erase, max_machines; network:"), "{faults:?}");
    }

    #[test]
    fn every_column_is_a_field_of_its_kind() {
        for kind in super::Kind::ALL {
            for title in super::columns(kind) {
                let (_, faults) = mixed(&format!("kind,{title}\n{},x\n", kind.word()));
                assert!(faults.iter().all(|fault| !fault.contains("unknown field")), "{title}: {faults:?}");
            }
        }
    }
}
