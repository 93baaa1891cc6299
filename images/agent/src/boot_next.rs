//! What the boot entries of a UEFI machine start, and which is its own system, for a machine that netbooted without having
//! been asked to.
//!
//! A firmware that is told "not from here" by a network boot server tries its other network boots first, which takes
//! minutes; `BootNext` (UEFI 2.10, 3.3) takes it to its disk at once. Reading and writing the variables is not here.

use crate::seed::type_guid;

/// A load option that may be started (UEFI 2.10, 3.1.3).
const ACTIVE: u32 = 1;
/// The bits that tell applications, such as a set-up menu, from systems.
const CATEGORY: u32 = 0x1f00;

/// Device path nodes (UEFI 2.10, 10.3): type and subtype.
const HARDWARE: u8 = 1;
const END: u8 = 0x7f;
const MESSAGING: u8 = 3;
/// MAC address, IPv4, IPv6, URI.
const NETWORK: [u8; 4] = [11, 12, 13, 24];
const MEDIA: u8 = 4;
/// A program inside the firmware: file, volume.
const FIRMWARE: [u8; 2] = [6, 7];
/// A vendor's own node: of hardware, of media.
const VENDOR_HARDWARE: u8 = 4;
const VENDOR_MEDIA: u8 = 3;
/// Dell's network cards, `VenHw(3A191845-5F86-4E78-8FCE-C4CFF59F9DAA)`.
const DELL_NETWORK: [u8; 16] =
    type_guid(0x3A19_1845, 0x5F86, 0x4E78, [0x8F, 0xCE, 0xC4, 0xCF, 0xF5, 0x9F, 0x9D, 0xAA]);
/// Lenovo's network cards, `VenMedia(5023B95C-DB26-429B-A648-BD47664C8014)`; its disks have another last byte.
const LENOVO_NETWORK: [u8; 16] =
    type_guid(0x5023_B95C, 0xDB26, 0x429B, [0xA6, 0x48, 0xBD, 0x47, 0x66, 0x4C, 0x80, 0x14]);
const BBS: u8 = 5;
/// The BBS device type of a hard disk (BIOS Boot Specification, 3.1).
const BBS_HARD_DISK: [u8; 2] = [2, 0];
/// That of a network card.
const BBS_NETWORK: [u8; 2] = [0x80, 0];

/// The first entry of `order` that is neither the network nor a part of the firmware. `option` gives an entry's
/// `EFI_LOAD_OPTION`.
pub(crate) fn own_system(order: &[u8], option: impl Fn(u16) -> Option<Vec<u8>>) -> Option<u16> {
    order
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .find(|number| option(*number).is_some_and(|option| kind(&option) == Some(Kind::System)))
}

/// What a load option starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A system from something else than the network.
    System,
    /// The network.
    Network,
    /// A part of the firmware, a menu, or nothing at all: it is switched off.
    Other,
}

/// What a load option starts; `None` when it can't be read.
pub(crate) fn kind(option: &[u8]) -> Option<Kind> {
    let attributes = u32::from_le_bytes(option.get(..4)?.try_into().ok()?);
    let length = usize::from(u16::from_le_bytes(option.get(4..6)?.try_into().ok()?));
    let text = option.get(6..)?.chunks_exact(2).position(|unit| unit == [0, 0])?;
    let start = 6 + 2 * (text + 1);
    let mut path = option.get(start..start + length)?;
    let usable = attributes & ACTIVE != 0 && attributes & CATEGORY == 0;
    let mut kind = if usable { Kind::System } else { Kind::Other };
    while let [node, subtype, low, high, ..] = *path {
        let size = usize::from(u16::from_le_bytes([low, high]));
        if node == END {
            return Some(kind);
        }
        let data = path.get(4..size)?;
        kind = match node {
            _ if kind == Kind::Other => kind,
            HARDWARE if subtype == VENDOR_HARDWARE && data.starts_with(&DELL_NETWORK) => Kind::Network,
            MEDIA if subtype == VENDOR_MEDIA && data.starts_with(&LENOVO_NETWORK) => Kind::Network,
            MESSAGING if NETWORK.contains(&subtype) => Kind::Network,
            MEDIA if FIRMWARE.contains(&subtype) => Kind::Other,
            BBS if data.starts_with(&BBS_NETWORK) => Kind::Network,
            BBS if !data.starts_with(&BBS_HARD_DISK) => Kind::Other,
            _ => kind,
        };
        path = path.get(size..)?;
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A load option with these device path nodes.
    pub(crate) fn option(attributes: u32, nodes: &[&[u8]]) -> Vec<u8> {
        let mut path: Vec<u8> = Vec::new();
        for node in nodes {
            path.extend([node[0], node[1]]);
            path.extend((node.len() as u16 + 2).to_le_bytes());
            path.extend(&node[2..]);
        }
        path.extend([END, 0xff, 4, 0]);
        let mut option = attributes.to_le_bytes().to_vec();
        option.extend((path.len() as u16).to_le_bytes());
        option.extend("Entry".encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        option.extend(path);
        option
    }

    /// A vendor's node: its type, its subtype, and the GUID as the firmware's text has it.
    pub(crate) fn vendor(node: [u8; 2], guid: &str) -> Vec<u8> {
        let digits = hex::decode(guid.replace('-', "")).unwrap();
        let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        node.into_iter().chain(order.map(|at| digits[at])).collect()
    }

    /// What Dell and Lenovo say of their entries, as the BMC mock's profiles have it.
    pub(crate) const DELL_PXE: &str = "3A191845-5F86-4E78-8FCE-C4CFF59F9DAA";
    pub(crate) const LENOVO_DISK: &str = "5023B95C-DB26-429B-A648-BD47664C8013";
    pub(crate) const LENOVO_PXE: &str = "5023B95C-DB26-429B-A648-BD47664C8014";

    const PCI: &[u8] = &[1, 1, 0, 3];
    const MAC: &[u8] = &[3, 11, 0x52, 0x54, 0, 1, 2, 3];
    const HARD_DRIVE: &[u8] = &[4, 1, 1, 0, 0, 0];
    const FIRMWARE_FILE: &[u8] = &[4, 6, 1, 2, 3, 4];

    #[test]
    fn systems_are_told_from_the_network_and_the_firmware() {
        let table: [(&str, Vec<u8>, Kind); 12] = [
            ("a disk as OVMF lists it", option(1, &[PCI]), Kind::System),
            ("an installed system", option(1, &[HARD_DRIVE]), Kind::System),
            ("PXE", option(1, &[PCI, MAC, &[3, 12, 0, 0]]), Kind::Network),
            ("HTTP boot", option(1, &[PCI, MAC, &[3, 13, 0], &[3, 24]]), Kind::Network),
            ("Dell's PXE", option(1, &[&vendor([1, 4], DELL_PXE)]), Kind::Network),
            ("Lenovo's PXE", option(1, &[&vendor([4, 3], LENOVO_PXE)]), Kind::Network),
            ("Lenovo's disks", option(1, &[&vendor([4, 3], LENOVO_DISK)]), Kind::System),
            ("the shell", option(1, &[&[4, 7, 9], FIRMWARE_FILE]), Kind::Other),
            ("the set-up menu", option(0x101, &[PCI]), Kind::Other),
            ("switched off", option(0, &[HARD_DRIVE]), Kind::Other),
            ("a legacy disk", option(1, &[&[5, 1, 2, 0, 0, 0]]), Kind::System),
            ("a legacy NIC", option(1, &[&[5, 1, 0x80, 0, 0, 0]]), Kind::Network),
        ];
        for (what, option, expected) in table {
            assert_eq!(kind(&option), Some(expected), "{what}");
        }
    }

    #[test]
    fn nothing_that_is_cut_off_is_taken_for_a_system() {
        let whole = option(1, &[PCI, HARD_DRIVE]);
        for length in 0..whole.len() {
            assert_eq!(kind(&whole[..length]), None, "{length} bytes");
        }
        // A node of length zero must not be read for ever.
        assert_eq!(
            kind(
                &option(1, &[PCI])
                    .into_iter()
                    .map(|byte| if byte == 6 { 0 } else { byte })
                    .collect::<Vec<_>>()
            ),
            None
        );
    }

    #[test]
    fn the_first_system_in_the_boot_order_is_chosen() {
        let entries = [
            (0, option(1, &[FIRMWARE_FILE])),
            (3, option(1, &[PCI, MAC])),
            (0x1a, option(1, &[HARD_DRIVE])),
            (4, option(1, &[PCI])),
        ];
        let find = |number: u16| entries.iter().find(|entry| entry.0 == number).map(|entry| entry.1.clone());
        assert_eq!(own_system(&[0, 0, 3, 0, 9, 0, 0x1a, 0, 4, 0], find), Some(0x1a));
        assert_eq!(own_system(&[0, 0, 3, 0], find), None);
        assert_eq!(own_system(&[], find), None);
    }
}
