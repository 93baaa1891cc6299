//! CSV (RFC 4180): a title row, then a machine in each row. The columns are named as the fields in YAML; `macs` are
//! separated by spaces, and a label is a column of its own, `label:KEY`. An empty cell says nothing.

use super::{
    Declared, Fault, Object, Place, Read,
    object::{Bmc, Chain, Firmware, LabelKey, LabelValue, Mac, MachineDoc, Name, Spot, Switch},
};
use csv::{ReaderBuilder, StringRecord};
use std::{collections::BTreeMap, path::PathBuf, rc::Rc};

/// The columns that there are, beside those of labels.
const COLUMNS: [&str; 14] = [
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
];

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
                match machine(&titles, &row) {
                    Ok(machine) => {
                        read.objects.push(Declared { place, object: Object::Machine(Box::new(machine)) });
                    }
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
        } else if !COLUMNS.contains(&title) {
            let why = format!("there is no such column; there are {} and label:KEY", COLUMNS.join(", "));
            faults.push(Fault::new(place, title, why));
        }
        seen.push(title);
    }
    if !seen.contains(&"name") {
        faults.push(Fault::new(place, "name", "this column is missing"));
    }
    faults
}

/// Cells that are wrong: the column, and why.
type Wrong = Vec<(String, String)>;

/// A machine, or all that is wrong with it.
fn machine(titles: &StringRecord, row: &StringRecord) -> Result<MachineDoc, Wrong> {
    let mut wrong = Wrong::new();
    let cells = titles.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    let mut machine = match row_name(titles, row) {
        Ok(name) => MachineDoc::named(name),
        Err(why) => return Err(vec![("name".to_owned(), why)]),
    };
    for (title, cell) in cells {
        if let Err(why) = set(&mut machine, title, cell) {
            wrong.push((title.to_owned(), why));
        }
    }
    if wrong.is_empty() { Ok(machine) } else { Err(wrong) }
}

fn row_name(titles: &StringRecord, row: &StringRecord) -> Result<Name, String> {
    let cell = titles.iter().zip(row).find(|(title, _)| *title == "name").map_or("", |(_, cell)| cell);
    Name::read(cell)
}

/// Sets what a cell says.
fn set(machine: &mut MachineDoc, title: &str, cell: &str) -> Result<(), String> {
    let path = || Some(PathBuf::from(cell));
    match title {
        "pool" => machine.pool = Some(Name::read(cell)?),
        "macs" => {
            machine.macs = Some(cell.split_whitespace().map(Mac::read).collect::<Result<_, _>>()?);
        }
        "bmc" => machine.bmc = Some(Bmc::read(cell)?),
        "bmc_password_file" => machine.bmc_password_file = path(),
        "bmc_key_file" => machine.bmc_key_file = path(),
        "bmc_tls_ca" => machine.bmc_tls_ca = path(),
        "zone" => machine.zone = Some(Spot::read(cell)?),
        "rack" => machine.rack = Some(Spot::read(cell)?),
        "boot_mode" => machine.boot_mode = Some(Firmware::read(cell)?),
        "boot_chain" => machine.boot_chain = Some(Chain::read(cell)?),
        "maintenance" => machine.maintenance = Some(Switch::read(cell)?),
        "protected" => machine.protected = Some(Switch::read(cell)?),
        "retired" => machine.retired = Some(Switch::read(cell)?),
        label => {
            if let Some(key) = label.strip_prefix("label:") {
                let labels = machine.labels.get_or_insert_with(BTreeMap::new);
                labels.insert(LabelKey::read(key)?, LabelValue::read(cell)?);
            }
        }
    }
    Ok(())
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
            "f.csv:4: name: `` is not a good name",
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
}
