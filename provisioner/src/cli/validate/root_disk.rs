//! Reading which disk gets the system: `type=nvme,min=400GB`. Pure.

use provisioner_api::{DiskHints, DiskKind};

/// Reads root disk hints.
pub(in crate::cli) fn root_disk(text: &str) -> Result<DiskHints, String> {
    let mut hints = DiskHints::default();
    let mut seen: Vec<&str> = Vec::new();
    for part in text.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (key.trim(), value.trim());
        if key != "allow" && seen.contains(&key) {
            return Err(format!("`{key}` is given twice"));
        }
        seen.push(key);
        if key == "smallest" {
            if part.contains('=') {
                return Err("`smallest` stands alone, without `=`".to_owned());
            }
            hints.smallest = true;
            continue;
        }
        hint(&mut hints, key, value)?;
    }
    Ok(hints)
}

fn hint(hints: &mut DiskHints, key: &str, value: &str) -> Result<(), String> {
    if matches!(key, "name" | "device" | "dev") {
        return Err(format!(
            "`{key}` is no hint: device names are not stable, the same disk may have another at the next boot; use serial, wwn or path"
        ));
    }
    if value.is_empty() && KEYS.contains(&key) {
        return Err(format!("`{key}` needs a value: `{key}=…`"));
    }
    let given = || Some(value.to_owned());
    match key {
        "serial" => hints.serial = given(),
        "wwn" => hints.wwn = given(),
        "model" => hints.model = given(),
        "vendor" => hints.vendor = given(),
        "min" => hints.min_bytes = Some(disk_size(value)?),
        "max" => hints.max_bytes = Some(disk_size(value)?),
        "type" => {
            let kind = DiskKind::ALL.into_iter().find(|kind| kind.word() == value);
            hints.kind = Some(kind.ok_or_else(|| format!("`{value}` is no type; use nvme, ssd or hdd"))?);
        }
        "rotational" => {
            let spins = value.parse().map_err(|_| format!("`{value}`: rotational is true or false"))?;
            hints.rotational = Some(spins);
        }
        "bus" => hints.bus = given(),
        "path" => hints.path = given(),
        "allow" => hints.allow.push(value.to_owned()),
        _ => return Err(format!("`{key}` is no hint; there is {} and smallest", KEYS.join(", "))),
    }
    Ok(())
}

/// Those with a value.
const KEYS: &[&str] =
    &["serial", "wwn", "model", "vendor", "min", "max", "type", "rotational", "bus", "path", "allow"];

/// Reads a size as disks are sold (`480GB`), as memory is (`64GiB`), or in bytes.
fn disk_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size; write it like 480GB, 64GiB or 1TB");
    let decimal =
        [("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("", 1)];
    for (unit, bytes) in decimal {
        let number = text.strip_suffix(unit).and_then(|number| number.trim_end().parse::<u64>().ok());
        if let Some(number) = number {
            return number.checked_mul(bytes).filter(|bytes| *bytes > 0).ok_or_else(wrong);
        }
    }
    super::size(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hint_is_read_and_written_alike() {
        for text in [
            "serial=S1",
            "wwn=naa.5000,model=SAMSUNG MZ*,vendor=ATA,bus=sata,path=0:2:0:0,min=1,max=2,type=hdd,rotational=true",
            "type=nvme,allow=A,allow=B,smallest",
            "smallest",
        ] {
            assert_eq!(root_disk(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn sizes_are_as_on_the_box_or_as_of_memory() {
        for (text, bytes) in
            [("480GB", 480_000_000_000), ("1TB", 1_000_000_000_000), ("1GiB", 1 << 30), ("7", 7)]
        {
            assert_eq!(disk_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "0GB", "x", "-1", "1PB", "99999999999TB"] {
            assert!(disk_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("name=sda", "not stable"),
            ("sda", "no hint"),
            ("", "no hint"),
            ("serial=", "needs a value"),
            ("min=5,min=6", "twice"),
            ("type=floppy", "nvme, ssd or hdd"),
            ("rotational=yes", "true or false"),
            ("smallest=true", "stands alone"),
        ] {
            let told = root_disk(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
