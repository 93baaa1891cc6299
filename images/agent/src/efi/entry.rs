//! A load option (`EFI_LOAD_OPTION`, UEFI 2.10, 3.1.3) that starts a file in a partition of a GPT disk: its bytes, and back. Pure.
//!
//! It has no optional data: shim takes that for a program's name, and a unified kernel image for its command line. So our own
//! entries are known by how their titles begin.

use crate::seed::Partition;

/// How the title of each entry of ours begins.
pub(super) const MARK: &str = "Billet ";

/// Most characters of a title: set-up menus show few.
const LONGEST: usize = 80;

/// It may be started.
const ACTIVE: u32 = 1;

/// Hard drive and file path (UEFI 2.10, 10.3.5.1 and 10.3.5.4), and the end: type, subtype.
const HARD_DRIVE: [u8; 2] = [4, 1];
const FILE: [u8; 2] = [4, 4];
const END: [u8; 4] = [0x7f, 0xff, 4, 0];

/// Types of nodes that say how a drive is attached: hardware, ACPI, messaging (UEFI 2.10, 10.3.1).
const ATTACHED: [u8; 3] = [1, 2, 3];

/// Of a hard drive node: the disk has a GPT, and the signature is a GUID.
const GPT: [u8; 2] = [2, 2];

/// An entry, as far as ours have it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    title: String,
    partition: Partition,
    file: String,
}

/// The title of an entry of ours. What a menu could not show is left out.
pub(super) fn title(name: &str) -> String {
    let shown = name.chars().filter(|c| !c.is_control());
    MARK.chars().chain(shown).take(LONGEST).collect()
}

/// The load option.
pub(super) fn option(title: &str, partition: &Partition, file: &str) -> Vec<u8> {
    let mut drive = partition.number.to_le_bytes().to_vec();
    drive.extend(partition.start.to_le_bytes());
    drive.extend(partition.sectors.to_le_bytes());
    drive.extend(partition.guid);
    drive.extend(GPT);
    let path = [node(HARD_DRIVE, &drive), node(FILE, &utf16(file)), END.to_vec()].concat();
    let mut option = ACTIVE.to_le_bytes().to_vec();
    // Both nodes are far shorter than 64 KiB: the file is one of a few that `loader` looks for.
    option.extend((path.len() as u16).to_le_bytes());
    option.extend(utf16(title));
    option.extend(path);
    option
}

/// What a load option says, if it is of the kind that [`option`] makes; anybody's. A firmware may put before the drive how it
/// is attached.
fn read(option: &[u8]) -> Option<Entry> {
    let (title, nodes) = parse(option)?;
    let attached = nodes.iter().take_while(|(kind, _)| ATTACHED.contains(&kind[0])).count();
    let [(HARD_DRIVE, drive), (FILE, file)] = nodes[attached..] else { return None };
    if !is_gpt(drive) {
        return None;
    }
    let long = |at: usize| drive[at..at + 8].try_into().map(u64::from_le_bytes).ok();
    let partition = Partition {
        number: u32::from_le_bytes(drive[..4].try_into().ok()?),
        start: long(4)?,
        sectors: long(12)?,
        guid: drive[20..36].try_into().ok()?,
    };
    let (file, behind) = text(file)?;
    behind.is_empty().then_some(Entry { title, partition, file })
}

/// Whether Billet made it: so its title says, and it starts something from a partition of a GPT disk.
pub(super) fn is_ours(option: &[u8]) -> bool {
    parse(option).is_some_and(|(title, nodes)| {
        title.starts_with(MARK) && nodes.iter().any(|(kind, data)| *kind == HARD_DRIVE && is_gpt(data))
    })
}

/// Whether two load options are switched on alike and start the same under the same title.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    let is = |option: &[u8]| (option.first().map(|first| u32::from(*first) & ACTIVE), read(option));
    is(one) == is(other) && read(one).is_some()
}

/// A node of a device path: type and subtype, and its data.
type Node<'a> = ([u8; 2], &'a [u8]);

/// The title of a load option, and the nodes of its device path, which has to be whole.
fn parse(option: &[u8]) -> Option<(String, Vec<Node<'_>>)> {
    let length = usize::from(u16::from_le_bytes(option.get(4..6)?.try_into().ok()?));
    let (title, rest) = text(option.get(6..)?)?;
    let mut path = rest.get(..length)?;
    let mut nodes = Vec::new();
    while path != END {
        let [kind, subtype, low, high, ..] = *path else { return None };
        let size = usize::from(u16::from_le_bytes([low, high]));
        // A size below that of the node's own head gives no range.
        nodes.push(([kind, subtype], path.get(4..size)?));
        path = &path[size..];
    }
    Some((title, nodes))
}

/// Whether a hard drive node names a partition by its GUID.
fn is_gpt(drive: &[u8]) -> bool {
    drive.len() == 38 && drive[36..] == GPT
}

fn node(kind: [u8; 2], data: &[u8]) -> Vec<u8> {
    let length = (data.len() + 4) as u16;
    [&kind[..], &length.to_le_bytes(), data].concat()
}

/// Text as the firmware has it: UTF-16, little-endian, with a zero behind it.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// Such text, and what is behind its zero.
fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.chunks_exact(2).position(|unit| unit == [0, 0])?;
    let units: Vec<u16> =
        bytes[..2 * end].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    Some((String::from_utf16(&units).ok()?, &bytes[2 * end + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn partition() -> Partition {
        Partition { number: 15, start: 0x2000, sectors: 0x0003_e000, guid: *b"0123456789abcdef" }
    }

    /// Put together by hand from the tables of the specification.
    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let mut golden = vec![1, 0, 0, 0, 0x5e, 0];
        golden.extend(b"B\0i\0l\0l\0e\0t\0 \0w\0e\0b\0\0\0");
        golden.extend([4, 1, 0x2a, 0, 15, 0, 0, 0]);
        golden.extend([0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0xe0, 3, 0, 0, 0, 0, 0]);
        golden.extend(b"0123456789abcdef");
        golden.extend([2, 2, 4, 4, 0x30, 0]);
        golden.extend(b"\\\0E\0F\0I\0\\\0B\0O\0O\0T\0\\\0B\0O\0O\0T\0X\x006\x004\0.\0E\0F\0I\0\0\0");
        golden.extend([0x7f, 0xff, 4, 0]);
        assert_eq!(option("Billet web", &partition(), r"\EFI\BOOT\BOOTX64.EFI"), golden);
        let read = read(&golden).unwrap();
        assert_eq!((read.title.as_str(), read.partition), ("Billet web", partition()));
        assert_eq!(read.file, r"\EFI\BOOT\BOOTX64.EFI");
    }

    #[test]
    fn only_ours_are_ours() {
        let option = |title: &str| option(title, &partition(), r"\EFI\debian\shimx64.efi");
        assert!(is_ours(&option("Billet web1")));
        for other in ["Billetterie", "debian", "billet web1", ""] {
            assert!(!is_ours(&option(other)), "{other}");
        }
        // A drive that is named by an MBR's signature, and a path that goes on.
        let mut mbr = option("Billet web1");
        let at = mbr.windows(2).position(|two| two == GPT).unwrap();
        mbr[at] = 1;
        assert!(!is_ours(&mbr));
        assert!(!is_ours(&[]));
    }

    /// PciRoot(0)/Pci(1f,2)/Sata(0)/HD(…)/File(…), as some firmware writes it over ours.
    fn expanded(option: &[u8]) -> Vec<u8> {
        let before = [
            node([2, 1], &[0xd0, 0x41, 3, 0x0a, 0, 0, 0, 0]),
            node([1, 1], &[2, 0x1f]),
            node([3, 18], &[0, 0, 0xff, 0xff, 0, 0]),
        ]
        .concat();
        let at = option.windows(4).position(|four| four == [4, 1, 0x2a, 0]).unwrap();
        let mut bytes = [&option[..at], &before, &option[at..]].concat();
        let length = u16::from_le_bytes([option[4], option[5]]) + before.len() as u16;
        bytes[4..6].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    #[test]
    fn a_firmware_may_say_how_the_drive_is_attached() {
        let made = option("Billet web1", &partition(), r"\EFI\debian\shimx64.efi");
        let expanded = expanded(&made);
        assert!(is_ours(&expanded) && same(&expanded, &made));
        let mut off = expanded.clone();
        off[0] = 0;
        assert!(is_ours(&off) && !same(&off, &made), "switched off");
        let other = option("Billet web1", &partition(), r"\EFI\ubuntu\shimx64.efi");
        assert!(!same(&expanded, &other) && !same(&[], &[]));
        // Whatever the file's node has become: the title and the drive are ours.
        let at = expanded.windows(4).position(|four| four[..2] == FILE && four[3] == 0).unwrap();
        let mut odd = expanded;
        odd[at + 1] = 9;
        assert!(is_ours(&odd) && !same(&odd, &made));
    }

    #[test]
    fn a_title_is_something_that_a_menu_can_show() {
        assert_eq!(title("web\u{7}1\n"), "Billet web1");
        assert_eq!(title(&"x".repeat(1000)).len(), LONGEST);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_what_is_cut_off_is_not(
            title in "[ -~é]{0,40}",
            numbers in any::<(u32, u64, u64, [u8; 16])>(),
            file in r"\\[A-Za-z0-9.\\]{0,40}",
            cut in any::<prop::sample::Index>(),
        ) {
            let (number, start, sectors, guid) = numbers;
            let partition = Partition { number, start, sectors, guid };
            let bytes = option(&title, &partition, &file);
            prop_assert_eq!(read(&bytes), Some(Entry { title, partition, file }));
            prop_assert_eq!(crate::boot_next::kind(&bytes), Some(crate::boot_next::Kind::System));
            prop_assert_eq!(read(&bytes[..cut.index(bytes.len())]), None);
        }

        #[test]
        fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
