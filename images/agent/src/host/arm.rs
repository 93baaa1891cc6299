//! Names of ARM processors: Linux tells numbers only (`CPU implementer`, `CPU part` of `/proc/cpuinfo`).
//!
//! The numbers are those of MIDR_EL1 (Arm ARM, D19.2.116); who has which part is public in util-linux's `lscpu-arm.c`.

/// Implementer, part, name: those that are built into servers, and QEMU's usual one.
const NAMES: [(u32, u32, &str); 14] = [
    (0x41, 0xd03, "ARM Cortex-A53"),
    (0x41, 0xd07, "ARM Cortex-A57"),
    (0x41, 0xd08, "ARM Cortex-A72"),
    (0x41, 0xd0c, "ARM Neoverse-N1"),
    (0x41, 0xd40, "ARM Neoverse-V1"),
    (0x41, 0xd49, "ARM Neoverse-N2"),
    (0x41, 0xd4f, "ARM Neoverse-V2"),
    (0x43, 0x0a1, "Cavium ThunderX"),
    (0x43, 0x0af, "Cavium ThunderX2"),
    (0x48, 0xd01, "HiSilicon Kunpeng-920"),
    (0x50, 0x000, "APM X-Gene"),
    (0x51, 0xc00, "Qualcomm Falkor"),
    (0xc0, 0xac3, "Ampere-1"),
    (0xc0, 0xac4, "Ampere-1a"),
];

/// The model of the first processor; its numbers when the name is not known. None if this is no ARM's `cpuinfo`.
pub(super) fn model(cpuinfo: &str) -> Option<String> {
    let number = |name: &str| {
        let value = |line: &str| Some(line.strip_prefix(name)?.trim().strip_prefix(':')?.trim().to_owned());
        u32::from_str_radix(cpuinfo.lines().find_map(value)?.strip_prefix("0x")?, 16).ok()
    };
    let (implementer, part) = (number("CPU implementer")?, number("CPU part")?);
    let name = NAMES.iter().find(|known| (known.0, known.1) == (implementer, part));
    Some(name.map_or_else(
        || format!("ARM implementer {implementer:#x} part {part:#x}"),
        |known| known.2.to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_a_name_or_its_numbers() {
        // What Linux 6.1 says in QEMU's `virt` with `-cpu cortex-a57`.
        let cpuinfo = "processor\t: 0\nBogoMIPS\t: 125.00\nFeatures\t: fp asimd evtstrm aes\nCPU implementer\t: 0x41\n\
                       CPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: 0xd07\nCPU revision\t: 0\n";
        assert_eq!(model(cpuinfo).unwrap(), "ARM Cortex-A57");
        assert_eq!(model(&cpuinfo.replace("0xd07", "0xfff")).unwrap(), "ARM implementer 0x41 part 0xfff");
        assert_eq!(model("processor\t: 0\nmodel name\t: x\n"), None);
    }
}
