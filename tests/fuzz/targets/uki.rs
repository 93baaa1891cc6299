//! Unified kernel images: whatever stands in the files that an operator configures as stub and kernel, they are
//! refused, or become an image in which each part lies where its header says, once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxe_proto::uki::{COMMAND_LINE_ROOM, Parts, Template};

const RELEASE: &str = "ID=billet\n";
const RAMDISK: &[u8] = b"070701 a ramdisk";
const LINE: &str = "BOOTIF=01-52-54-00-aa-bb-cc quiet";

// The file is both stub and kernel, so that they fit.
fuzz_target!(|file: &[u8]| {
    let parts = Parts { stub: file, os_release: RELEASE, kernel: file, ramdisk: RAMDISK };
    let Ok(template) = Template::new(&parts) else { return };
    assert!(template.with_command_line("a\nb").is_err());
    let image = template.with_command_line(LINE).expect("plain text").concat();
    assert_eq!(image.len(), template.len());
    let sections = sections(&image);
    let mut line = LINE.as_bytes().to_vec();
    line.resize(COMMAND_LINE_ROOM, 0);
    let wanted: [(&[u8], &[u8]); 4] =
        [(b".osrel", RELEASE.as_bytes()), (b".cmdline", &line), (b".initrd", RAMDISK), (b".linux", file)];
    for (name, content) in wanted {
        let found: Vec<_> = sections.iter().filter(|section| section.name == name).collect();
        let [section] = found[..] else { panic!("{} sections {name:?}", found.len()) };
        assert_eq!(section.content(&image), content, "{name:?}");
        let others = sections.iter().filter(|other| other.name != name);
        for other in others {
            let (from, to) = (other.address, other.address.saturating_add(other.size));
            assert!(section.address >= to || section.address + section.size <= from, "{name:?} overlaps");
        }
    }
    // The stub's own sections are as they were.
    for section in sections[..sections.len() - 4].iter().filter(|section| section.raw > 0) {
        let (from, to) = (section.offset as usize, (section.offset + section.raw) as usize);
        assert_eq!(image[from..to], file[from..to]);
    }
});

/// A section, read after the PE format's specification.
struct Section<'a> {
    name: &'a [u8],
    size: u64,
    address: u64,
    raw: u64,
    offset: u64,
}

impl Section<'_> {
    fn content<'a>(&self, image: &'a [u8]) -> &'a [u8] {
        assert!(self.size <= self.raw);
        &image[self.offset as usize..(self.offset + self.size) as usize]
    }
}

fn sections(image: &[u8]) -> Vec<Section<'_>> {
    let long = |bytes: &[u8], at: usize| {
        u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
    };
    let short = |at: usize| usize::from(u16::from_le_bytes([image[at], image[at + 1]]));
    let coff = long(image, 0x3c) as usize + 4;
    let table = coff + 20 + short(coff + 16);
    let entries = image[table..table + short(coff + 2) * 40].chunks(40);
    let section = |entry| {
        let (name, _): (&[u8], &[u8]) = <[u8]>::split_at(entry, 8);
        Section {
            name: name.split(|byte| *byte == 0).next().unwrap_or(name),
            size: long(entry, 8),
            address: long(entry, 12),
            raw: long(entry, 16),
            offset: long(entry, 20),
        }
    };
    entries.map(section).collect()
}
