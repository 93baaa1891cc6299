//! Whether a machine has the least that is asked for, by its inventory. A machine that was never inspected has nothing
//! that is known.

use provisioner_api::{Gpu, Inventory, Minimum};

/// What a machine has too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lack {
    Cores,
    Memory,
    Disk,
    Gpus,
    Nics,
    Inventory,
}

/// PCI vendors whose display controllers are a BMC's or a hypervisor's screen: Cirrus, QEMU, Matrox, SiliconMotion,
/// Hisilicon, ASPEED, Red Hat (virtio, QXL), VMware, VirtualBox, Nuvoton.
const SCREENS: [&str; 11] =
    ["1013", "1234", "102b", "126f", "19e5", "1a03", "1af4", "1b36", "15ad", "80ee", "1050"];

/// What the machine has too little of; the first of all that.
pub(super) fn lack(inventory: Option<&Inventory>, minimum: &Minimum) -> Option<Lack> {
    if minimum.is_none() {
        return None;
    }
    let Some(found) = inventory else { return Some(Lack::Inventory) };
    let Minimum { cpu_cores, memory_bytes, disk_bytes, gpus, nics, nic_speed_mbps } = *minimum;
    let disks = found.disks.iter().filter(|disk| !disk.removable && !disk.read_only);
    let largest = disks.map(|disk| disk.size_bytes).max().unwrap_or(0);
    let fast =
        found.nics.iter().filter(|nic| nic_speed_mbps.is_none_or(|speed| nic.speed_mbps >= Some(speed)));
    let nics = nics.or(nic_speed_mbps.map(|_| 1));
    let lacks = [
        cpu_cores.filter(|least| found.cpu.cores < *least).map(|_| Lack::Cores),
        memory_bytes.filter(|least| installed(found.memory_bytes) < *least).map(|_| Lack::Memory),
        disk_bytes.filter(|least| largest < *least).map(|_| Lack::Disk),
        gpus.filter(|least| count(found.gpus.iter().filter(|gpu| computes(gpu))) < *least)
            .map(|_| Lack::Gpus),
        nics.filter(|least| count(fast) < *least).map(|_| Lack::Nics),
    ];
    lacks.into_iter().flatten().next()
}

fn count<T>(list: impl Iterator<Item = T>) -> u32 {
    u32::try_from(list.count()).unwrap_or(u32::MAX)
}

/// The memory that may be installed where a kernel sees so much: firmware and the kernel keep up to a fifteenth of what
/// is left (a server with 64 GiB shows some 62).
fn installed(seen: u64) -> u64 {
    seen.saturating_add(seen / 15)
}

fn computes(gpu: &Gpu) -> bool {
    !SCREENS.contains(&gpu.vendor.as_str())
}

/// In words, to go behind a number of machines.
pub(super) fn words(lack: Lack, minimum: &Minimum) -> String {
    let number = |least: Option<u32>| least.unwrap_or(1);
    match lack {
        Lack::Cores => format!("with fewer than {} cores", number(minimum.cpu_cores)),
        Lack::Memory => format!("with less than {} of memory", bytes(minimum.memory_bytes.unwrap_or(0))),
        Lack::Disk => format!("without a disk of {}", bytes(minimum.disk_bytes.unwrap_or(0))),
        Lack::Gpus => format!("with fewer than {} GPUs", number(minimum.gpus)),
        Lack::Nics => {
            let speed = minimum.nic_speed_mbps.map(|speed| format!(" at {speed} Mbit/s")).unwrap_or_default();
            format!("with fewer than {} network cards{speed}", number(minimum.nics))
        }
        Lack::Inventory => "of unknown hardware".into(),
    }
}

/// What helps.
pub(super) fn mend(lack: Lack) -> &'static str {
    match lack {
        Lack::Cores => "ask for fewer cores (minimum.cpu_cores)",
        Lack::Memory => "ask for less memory (minimum.memory_bytes)",
        Lack::Disk => "ask for a smaller disk (minimum.disk_bytes)",
        Lack::Gpus => {
            "ask for fewer GPUs (minimum.gpus); machines that were inspected by an earlier version show theirs after `billet machine inspect NAME`"
        }
        Lack::Nics => {
            "ask for fewer or slower network cards (minimum.nics, minimum.nic_speed_mbps); a speed is known only of those with a link"
        }
        Lack::Inventory => "`billet machine inspect NAME` finds out what a machine has",
    }
}

/// A size in the largest unit in which it is a whole number.
fn bytes(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::{Cpu, Disk, Nic};

    fn machine() -> Inventory {
        let disk = |name: &str, size_bytes, removable| Disk {
            name: name.into(),
            serial: Some(name.into()),
            wwn: None,
            model: None,
            size_bytes,
            rotational: false,
            removable,
            read_only: false,
            sector_bytes: 512,
            ..Disk::default()
        };
        let nic = |name: &str, speed_mbps: Option<u32>| Nic {
            name: name.into(),
            mac: String::new(),
            driver: None,
            link: speed_mbps.is_some(),
            speed_mbps,
            addresses: Vec::new(),
        };
        let gpu = |vendor: &str| Gpu {
            address: String::new(),
            vendor: vendor.into(),
            device: String::new(),
            driver: None,
        };
        Inventory {
            cpu: Cpu { cores: 16, threads: 32, ..Cpu::default() },
            memory_bytes: 62 << 30,
            disks: vec![disk("sda", 1 << 40, false), disk("sdb", 4 << 40, true)],
            nics: vec![nic("a", Some(25_000)), nic("b", Some(1000)), nic("c", None)],
            gpus: vec![gpu("1a03"), gpu("10de")],
            ..Inventory::default()
        }
    }

    #[test]
    fn each_requirement_up_to_what_there_is() {
        let none = Minimum::default;
        for (minimum, lacks) in [
            (none(), None),
            (Minimum { cpu_cores: Some(16), ..none() }, None),
            (Minimum { cpu_cores: Some(17), ..none() }, Some(Lack::Cores)),
            (Minimum { memory_bytes: Some(64 << 30), ..none() }, None),
            (Minimum { memory_bytes: Some(96 << 30), ..none() }, Some(Lack::Memory)),
            (Minimum { disk_bytes: Some(1 << 40), ..none() }, None),
            (Minimum { disk_bytes: Some(2 << 40), ..none() }, Some(Lack::Disk)),
            (Minimum { gpus: Some(1), ..none() }, None),
            (Minimum { gpus: Some(2), ..none() }, Some(Lack::Gpus)),
            (Minimum { nics: Some(3), ..none() }, None),
            (Minimum { nics: Some(4), ..none() }, Some(Lack::Nics)),
            (Minimum { nic_speed_mbps: Some(25_000), ..none() }, None),
            (Minimum { nic_speed_mbps: Some(40_000), ..none() }, Some(Lack::Nics)),
            (Minimum { nics: Some(2), nic_speed_mbps: Some(1000), ..none() }, None),
            (Minimum { nics: Some(2), nic_speed_mbps: Some(10_000), ..none() }, Some(Lack::Nics)),
        ] {
            assert_eq!(lack(Some(&machine()), &minimum), lacks, "{minimum:?}");
            let unknown = (!minimum.is_none()).then_some(Lack::Inventory);
            assert_eq!(lack(None, &minimum), unknown, "{minimum:?}");
        }
    }

    #[test]
    fn words_name_what_is_wanted() {
        let minimum = Minimum {
            cpu_cores: Some(8),
            memory_bytes: Some(64 << 30),
            disk_bytes: Some(1000),
            gpus: Some(2),
            nics: Some(2),
            nic_speed_mbps: Some(25_000),
        };
        for (lack, said) in [
            (Lack::Cores, "with fewer than 8 cores"),
            (Lack::Memory, "with less than 64 GiB of memory"),
            (Lack::Disk, "without a disk of 1000 bytes"),
            (Lack::Gpus, "with fewer than 2 GPUs"),
            (Lack::Nics, "with fewer than 2 network cards at 25000 Mbit/s"),
        ] {
            assert_eq!(words(lack, &minimum), said);
        }
    }
}
