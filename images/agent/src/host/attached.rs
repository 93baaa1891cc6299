//! How a disk is attached, and by which serial number it is told from others: read off the path of its device in sysfs.
//! Pure.
//!
//! The kernel names the parts of that path by what they are (`ata1`, `rport-2:0-1`, `session1`), as udev's `path_id` reads
//! them, too. What can't be read is left out, never guessed.

use provisioner_api::Disk;
use std::{collections::BTreeMap, path::Path};

/// Where a disk is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The bus, as [`Disk::bus`] has it.
    pub(super) bus: Option<&'static str>,
    /// `host0`, of a SCSI disk.
    pub(super) host: Option<String>,
    /// Host, channel, target and LUN.
    pub(super) hctl: Option<String>,
    /// As in `/dev/disk/by-path`.
    pub(super) path: Option<String>,
}

impl Place {
    /// Reads the path of a device without symbolic links; `transport` and `namespace` are those
    /// of NVMe.
    pub(super) fn of(device: &Path, transport: Option<&str>, namespace: Option<u64>) -> Self {
        let parts: Vec<_> = device.iter().filter_map(|part| part.to_str()).collect();
        let last = |is: fn(&str) -> bool| parts.iter().rfind(|part| is(part)).copied();
        let host = last(|part| numbered(part, "host"));
        let hctl = parts.last().copied().filter(|part| is_hctl(part));
        let bus = transport.map(nvme_bus).or_else(|| bus(&parts));
        let pci = last(is_pci);
        let path = pci.zip(bus).and_then(|(pci, bus)| {
            let rest = match bus {
                "nvme" => format!("-nvme-{}", namespace?),
                "sata" => format!("-ata-{}", last(|part| numbered(part, "ata"))?.strip_prefix("ata")?),
                "scsi" | "sas" => format!("-scsi-{}", hctl?),
                "virtio" => hctl.map(|hctl| format!("-scsi-{hctl}")).unwrap_or_default(),
                _ => return None,
            };
            Some(format!("pci-{pci}{rest}"))
        });
        Self { bus, host: host.map(Into::into), hctl: hctl.map(Into::into), path }
    }
}

fn nvme_bus(transport: &str) -> &'static str {
    if transport == "pcie" { "nvme" } else { "nvme-of" }
}

/// Whether a part of a path is what tells a bus.
type IsPart = fn(&str) -> bool;

/// The bus that these parts of a path tell, what is farther away first: a USB disk has a SCSI host, too.
fn bus(parts: &[&str]) -> Option<&'static str> {
    let any = |is: fn(&str) -> bool| parts.iter().any(|part| is(part));
    let known: [(IsPart, &'static str); 11] = [
        (|part| numbered(part, "session"), "iscsi"),
        (|part| part.starts_with("rport-"), "fc"),
        (|part| numbered(part, "usb"), "usb"),
        (|part| numbered(part, "virtio"), "virtio"),
        (|part| part.starts_with("end_device-") || part.starts_with("expander-"), "sas"),
        (|part| numbered(part, "ata"), "sata"),
        (|part| numbered(part, "nvme") || part.starts_with("nvme-subsys"), "nvme"),
        (|part| part.starts_with("mmc"), "mmc"),
        (|part| part.starts_with("VMBUS") || part.starts_with("vmbus"), "hyperv"),
        (|part| part.starts_with("vbd-"), "xen"),
        (|part| numbered(part, "host"), "scsi"),
    ];
    known.into_iter().find(|(is, _)| any(*is)).map(|(_, bus)| bus)
}

/// Whether a name is this word and a number.
fn numbered(part: &str, word: &str) -> bool {
    let number = part.strip_prefix(word);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// `0:2:0:0`.
fn is_hctl(part: &str) -> bool {
    let numbers: Vec<_> = part.split(':').collect();
    numbers.len() == 4 && numbers.iter().all(|number| numbered(number, ""))
}

/// `0000:5e:00.0`.
fn is_pci(part: &str) -> bool {
    let hex =
        |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut places = part.split(':');
    let (domain, bus, slot) = (places.next(), places.next(), places.next());
    let Some((device, function)) = slot.and_then(|slot| slot.split_once('.')) else { return false };
    domain.is_some_and(|domain| domain.len() >= 4 && hex(domain, domain.len()))
        && bus.is_some_and(|bus| hex(bus, 2))
        && hex(device, 2)
        && hex(function, 1)
        && places.next().is_none()
}

/// Tells disks apart that have one serial number, where something does: NVMe namespaces of one controller, then volumes of
/// a RAID controller. One without such a sibling is called as it always was, so that no record of it is lost.
pub(super) fn tell_apart(disks: &mut [Disk], namespace: impl Fn(&Disk) -> Option<u64>) {
    for (serial, places) in namesakes(disks) {
        let numbers: Vec<_> = places.iter().map(|&at| namespace(&disks[at])).collect();
        // Several paths to one namespace are no siblings.
        if numbers.contains(&None) || numbers.iter().all(|number| *number == numbers[0]) {
            continue;
        }
        // As udev's links of by-id do; the first is called as it always was.
        for (at, number) in places.into_iter().zip(numbers.into_iter().flatten()) {
            if number > 1 {
                disks[at].serial = Some(format!("{serial}_{number}"));
            }
        }
    }
    tell_volumes_apart(disks);
}

/// Has disks with one serial number, but each with a WWN of its own, say the latter, too: volumes of a RAID controller. One
/// disk over two paths has one WWN, and stays as it is.
fn tell_volumes_apart(disks: &mut [Disk]) {
    for (serial, places) in namesakes(disks) {
        let mut names: Vec<_> = places.iter().filter_map(|&at| disks[at].wwn.clone()).collect();
        let all = names.len() == places.len();
        names.sort();
        names.dedup();
        if !all || names.len() == 1 {
            continue;
        }
        for at in places {
            let wwn = disks[at].wwn.clone().unwrap_or_default();
            disks[at].serial = Some(format!("{serial}_{wwn}"));
        }
    }
}

/// The serial numbers that several disks have, and at which places of the list those are.
fn namesakes(disks: &[Disk]) -> BTreeMap<String, Vec<usize>> {
    let mut by_serial = BTreeMap::<_, Vec<usize>>::new();
    for (at, disk) in disks.iter().enumerate() {
        let places = disk.serial.clone().map(|serial| by_serial.entry(serial).or_default());
        places.into_iter().for_each(|places| places.push(at));
    }
    by_serial.retain(|_, places| places.len() > 1);
    by_serial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_real_machines() {
        let rows = [
            // Dell PERC H730P: megaraid_sas.
            (
                "/sys/devices/pci0000:00/0000:00:01.0/0000:02:00.0/host0/target0:2:0/0:2:0:0",
                None,
                (Some("scsi"), Some("0:2:0:0"), Some("pci-0000:02:00.0-scsi-0:2:0:0")),
            ),
            // HPE P408i-a: smartpqi.
            (
                "/sys/devices/pci0000:5b/0000:5b:00.0/0000:5c:00.0/host1/target1:1:0/1:1:0:0",
                None,
                (Some("scsi"), Some("1:1:0:0"), Some("pci-0000:5c:00.0-scsi-1:1:0:0")),
            ),
            // A SAS disk behind an HBA with an expander.
            (
                "/sys/devices/pci0000:00/0000:00:03.0/0000:03:00.0/host0/port-0:0/expander-0:0/port-0:0:4/end_device-0:0:4/target0:0:4/0:0:4:0",
                None,
                (Some("sas"), Some("0:0:4:0"), Some("pci-0000:03:00.0-scsi-0:0:4:0")),
            ),
            (
                "/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0",
                None,
                (Some("sata"), Some("0:0:0:0"), Some("pci-0000:00:1f.2-ata-1")),
            ),
            (
                "/sys/devices/pci0000:5d/0000:5d:00.0/0000:5e:00.0/nvme/nvme0",
                Some("pcie"),
                (Some("nvme"), None, Some("pci-0000:5e:00.0-nvme-1")),
            ),
            ("/sys/devices/virtual/nvme-subsystem/nvme-subsys0", Some("pcie"), (Some("nvme"), None, None)),
            ("/sys/devices/virtual/nvme-fabrics/ctl/nvme1", Some("tcp"), (Some("nvme-of"), None, None)),
            (
                "/sys/devices/pci0000:80/0000:80:02.0/0000:81:00.0/host7/rport-7:0-2/target7:0:0/7:0:0:1",
                None,
                (Some("fc"), Some("7:0:0:1"), None),
            ),
            (
                "/sys/devices/platform/host3/session1/target3:0:0/3:0:0:1",
                None,
                (Some("iscsi"), Some("3:0:0:1"), None),
            ),
            // iDRAC virtual media.
            (
                "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-14/1-14.1/1-14.1:1.0/host5/target5:0:0/5:0:0:0",
                None,
                (Some("usb"), Some("5:0:0:0"), None),
            ),
            (
                "/sys/devices/pci0000:00/0000:00:05.0/virtio2",
                None,
                (Some("virtio"), None, Some("pci-0000:00:05.0")),
            ),
            (
                "/sys/devices/pci0000:00/0000:00:06.0/virtio3/host0/target0:0:1/0:0:1:0",
                None,
                (Some("virtio"), Some("0:0:1:0"), Some("pci-0000:00:06.0-scsi-0:0:1:0")),
            ),
            ("/sys/devices/platform/something", None, (None, None, None)),
            ("", None, (None, None, None)),
        ];
        for (device, transport, (bus, hctl, path)) in rows {
            let place = Place::of(Path::new(device), transport, Some(1));
            assert_eq!(
                (place.bus, place.hctl.as_deref(), place.path.as_deref()),
                (bus, hctl, path),
                "{device}"
            );
        }
    }

    fn disk(name: &str, serial: &str, wwn: Option<&str>) -> Disk {
        Disk { name: name.into(), serial: Some(serial.into()), wwn: wwn.map(Into::into), ..Disk::default() }
    }

    fn told(mut disks: Vec<Disk>) -> Vec<String> {
        tell_apart(&mut disks, |_| None);
        disks.into_iter().filter_map(|disk| disk.serial).collect()
    }

    #[test]
    fn volumes_of_one_controller_are_told_apart() {
        let two = vec![disk("sda", "P1", Some("naa.1")), disk("sdb", "P1", Some("naa.2"))];
        assert_eq!(told(two), ["P1_naa.1", "P1_naa.2"]);
    }

    #[test]
    fn paths_and_disks_without_a_wwn_stay_twins() {
        let paths = vec![disk("sda", "L", Some("naa.1")), disk("sdb", "L", Some("naa.1"))];
        assert_eq!(told(paths), ["L", "L"]);
        let bare = vec![disk("sda", "X", Some("naa.1")), disk("sdb", "X", None)];
        assert_eq!(told(bare), ["X", "X"]);
    }

    #[test]
    fn paths_of_several_volumes_keep_their_twins() {
        let four = [("sda", "naa.1"), ("sdb", "naa.2"), ("sdc", "naa.1"), ("sdd", "naa.2")];
        let four = four.map(|(name, wwn)| disk(name, "P", Some(wwn))).to_vec();
        assert_eq!(told(four), ["P_naa.1", "P_naa.2", "P_naa.1", "P_naa.2"]);
    }

    /// Serial numbers of NVMe disks with these namespaces, each with a WWN of its own unless it is the same namespace.
    fn namespaces(numbers: &[u64]) -> Vec<String> {
        let name = |(at, number): (usize, &u64)| format!("nvme{at}n{number}");
        let wwn = |number: &u64| format!("eui.{number}");
        let mut disks: Vec<_> = { numbers.iter().enumerate() }
            .map(|(at, number)| disk(&name((at, number)), "S", Some(&wwn(number))))
            .collect();
        let number = |disk: &Disk| disk.name.rsplit('n').next().and_then(|number| number.parse().ok());
        tell_apart(&mut disks, number);
        disks.into_iter().filter_map(|disk| disk.serial).collect()
    }

    #[test]
    fn a_namespace_says_which_it_is_only_beside_another() {
        assert_eq!(namespaces(&[1]), ["S"]);
        assert_eq!(namespaces(&[2]), ["S"], "as it was called before there were such names");
        assert_eq!(namespaces(&[1, 2]), ["S", "S_2"]);
        assert_eq!(namespaces(&[2, 3]), ["S_2", "S_3"]);
        assert_eq!(namespaces(&[2, 2]), ["S", "S"], "two paths to one");
        assert_eq!(namespaces(&[1, 2, 1, 2]), ["S", "S_2", "S", "S_2"]);
    }

    #[test]
    fn a_volume_without_a_sibling_is_called_as_it_always_was() {
        assert_eq!(
            told(vec![disk("sda", "P1", Some("naa.1")), disk("sdb", "P2", Some("naa.2"))]),
            ["P1", "P2"]
        );
    }
}
