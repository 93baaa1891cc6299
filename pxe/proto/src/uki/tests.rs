//! Images put together and read back, by binutils too, and parts that don't fit.

use super::*;
use proptest::prelude::*;
use std::path::Path;
use std::process::Command;

/// Where Debian's systemd-boot-efi puts its stub (lab/setup installs it).
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// A made-up EFI program: two sections, room for `free` more in the section table.
fn program(machine: u16, magic: &[u8], free: usize) -> Vec<u8> {
    let table = 0x80 + 24 + 240;
    let headers = (table + (2 + free) * 40_usize).next_multiple_of(512);
    // What rounding up left must not count as room.
    let first = headers;
    let mut file = vec![0; first + 1024];
    file[..2].copy_from_slice(b"MZ");
    file[0x3c] = 0x80;
    file[0x80..0x84].copy_from_slice(b"PE\0\0");
    put16(&mut file, 0x84, machine);
    put16(&mut file, 0x86, 2);
    put16(&mut file, 0x94, 240);
    let optional = 0x98;
    put16(&mut file, optional, 0x020b);
    put32(&mut file, optional + 32, 512);
    put32(&mut file, optional + 36, 512);
    put32(&mut file, optional + 56, 0x3000);
    put32(&mut file, optional + 60, (table + (2 + free) * 40) as u32);
    put32(&mut file, optional + 108, 16);
    for (number, name) in [b".text\0\0\0", b".sdmagic"].into_iter().enumerate() {
        let entry = table + number * 40;
        file[entry..entry + 8].copy_from_slice(name);
        put32(&mut file, entry + 8, 300);
        put32(&mut file, entry + 12, 0x1000 * (number as u32 + 1));
        put32(&mut file, entry + 16, 512);
        put32(&mut file, entry + 20, (first + number * 512) as u32);
    }
    file[first + 512..first + 512 + magic.len()].copy_from_slice(magic);
    file
}

fn stub() -> Vec<u8> {
    program(0x8664, b"#### LoaderInfo: systemd-stub 252 ####", 4)
}

fn put16(file: &mut [u8], at: usize, number: u16) {
    file[at..at + 2].copy_from_slice(&number.to_le_bytes());
}

fn put32(file: &mut [u8], at: usize, number: u32) {
    file[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

fn assemble(stub: &[u8], kernel: &[u8], ramdisk: &[u8], line: &str) -> Result<Vec<u8>, UkiError> {
    let parts = Parts { stub, os_release: "ID=billet\n", kernel, ramdisk };
    Ok(Template::new(&parts)?.with_command_line(line)?.concat())
}

/// Names, memory and contents of the sections, in the order of the table.
fn contents(file: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
    let headers = pe::read(file).unwrap();
    let content = |section: pe::Section| {
        let begin = section.raw_offset as usize;
        let length = section.virtual_size.min(section.raw_size) as usize;
        let name = String::from_utf8(section.name).unwrap();
        (name, section.virtual_address, file[begin..begin + length].to_vec())
    };
    headers.sections.into_iter().map(content).collect()
}

#[test]
fn the_parts_are_sections_and_the_stub_stays_as_it_was() {
    let (stub, kernel) = (stub(), program(0x8664, b"", 0));
    let image = assemble(&stub, &kernel, b"0707", "billet.token=x quiet").unwrap();
    let (old, new) = (contents(&stub), contents(&image));
    assert_eq!(new[..2], old);
    let mut line = b"billet.token=x quiet".to_vec();
    line.resize(COMMAND_LINE_ROOM, 0);
    assert_eq!(
        new[2..],
        [
            (".osrel".to_owned(), 0x1_0000, b"ID=billet\n".to_vec()),
            (".cmdline".to_owned(), 0x2_0000, line),
            (".initrd".to_owned(), 0x3_0000, b"0707".to_vec()),
            (".linux".to_owned(), 0x4_0000, kernel),
        ]
    );
}

#[test]
fn two_machines_share_all_but_one_block() {
    let kernel = program(0x8664, b"", 0);
    let stub = stub();
    let parts = Parts { stub: &stub, os_release: "", kernel: &kernel, ramdisk: b"r" };
    let template = Template::new(&parts).unwrap();
    let (one, two) = (template.with_command_line("a").unwrap(), template.with_command_line("b").unwrap());
    assert_eq!((one[0].as_ptr(), one[2].as_ptr()), (two[0].as_ptr(), two[2].as_ptr()));
    assert_eq!(one[1].len(), COMMAND_LINE_ROOM);
    assert_ne!(one[1], two[1]);
    assert_eq!(template.len(), one.concat().len());
}

#[test]
fn only_plain_text_that_fits_becomes_a_command_line() {
    let (stub, kernel) = (stub(), program(0x8664, b"", 0));
    let longest = "x".repeat(COMMAND_LINE_ROOM - 1);
    assert!(assemble(&stub, &kernel, b"", &longest).is_ok());
    for text in ["x".repeat(COMMAND_LINE_ROOM), "a\0b".to_owned(), "a\nb".to_owned(), "é".to_owned()] {
        let refused = assemble(&stub, &kernel, b"", &text);
        assert_eq!(refused, Err(UkiError::CommandLine { bytes: text.len() }));
    }
}

#[test]
fn names_by_table() {
    let mac = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
    assert_eq!(parse_name("x64/52-54-00-aa-bb-cc.efi"), Some((Arch::X64, mac)));
    assert_eq!(parse_name("arm64/52-54-00-AA-BB-CC.efi"), Some((Arch::Arm64, mac)));
    for name in [
        "",
        "x64/",
        "x64/52-54-00-aa-bb-cc",
        "x64/52:54:00:aa:bb:cc.efi",
        "x64/52-54-00-aa-bb.efi",
        "x64/52-54-00-aa-bb-cc-dd.efi",
        "x64/52-54-00-aa-bb-+c.efi",
        "x64/52-54-00-aa-bb-cc.efi/",
        "x64/../52-54-00-aa-bb-cc.efi",
        "x86/52-54-00-aa-bb-cc.efi",
        "/x64/52-54-00-aa-bb-cc.efi",
        "x64/52-54-00-aa-bb-cc.efi\0",
        "x64/52-54-00-aa-bb-é.efi",
    ] {
        assert_eq!(parse_name(name), None, "{name}");
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let (stub, kernel) = (stub(), program(0x8664, b"", 0));
    let table: [(&str, Vec<u8>, Vec<u8>, &str); 9] = [
        ("no program", b"ELF".to_vec(), kernel.clone(), "Stub(NotPe"),
        ("empty", Vec::new(), kernel.clone(), "Stub(NotPe"),
        ("cut off", stub[..0x120].to_vec(), kernel.clone(), "Stub(NotPe"),
        ("another program", program(0x8664, b"#### LoaderInfo: systemd-boot", 4), kernel.clone(), "NotAStub"),
        ("i386", program(0x014c, MAGIC, 4), kernel.clone(), "Stub(Machine(332"),
        ("arm64 stub", program(0xaa64, MAGIC, 4), kernel.clone(), "Mixed"),
        ("no room", program(0x8664, MAGIC, 3), kernel.clone(), "Stub(NoRoom"),
        ("kernel without EFI stub", stub.clone(), b"\x1f\x8b".to_vec(), "Kernel(NotPe"),
        ("an image", assemble(&stub, &kernel, b"", "").unwrap(), kernel.clone(), "Assembled"),
    ];
    for (case, stub, kernel, expected) in table {
        let error = assemble(&stub, &kernel, b"", "").expect_err(case);
        assert!(format!("{error:?}").starts_with(expected), "{case}: {error:?}");
    }
    let mut signed = stub.clone();
    put32(&mut signed, 0x98 + 112 + 4 * 8, 0x1000);
    assert_eq!(assemble(&signed, &kernel, b"", ""), Err(UkiError::Stub(PeError::Signed)));
    let mut short = stub;
    short.truncate(short.len() - 1);
    assert!(matches!(assemble(&short, &kernel, b"", ""), Err(UkiError::Stub(PeError::Inconsistent(_)))));
}

/// The same parts joined by Debian's objcopy have the same sections; and objdump reads ours without complaint.
#[test]
fn objcopy_and_objdump_agree() {
    let stub = std::fs::read(STUB).expect("lab/setup installs systemd-boot-efi");
    let kernel = program(0x8664, b"", 0);
    let ramdisk: Vec<u8> = (0..200_001_u32).map(|n| (n % 251) as u8).collect();
    let ours = assemble(&stub, &kernel, &ramdisk, "quiet").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut objcopy = Command::new("objcopy");
    for (name, address, content) in contents(&ours).into_iter().skip(pe::read(&stub).unwrap().sections.len())
    {
        let file = path(&name);
        std::fs::write(&file, content).unwrap();
        objcopy.arg("--add-section").arg(format!("{name}={}", file.display()));
        objcopy.arg("--change-section-vma").arg(format!("{name}={address:#x}"));
    }
    let theirs = path("theirs");
    assert!(objcopy.arg(STUB).arg(&theirs).status().expect("binutils").success());
    let theirs = std::fs::read(theirs).unwrap();
    let sorted = |file: &[u8]| {
        let mut contents = contents(file);
        contents.sort_by_key(|(_, address, _)| *address);
        contents
    };
    assert_eq!(sorted(&ours), sorted(&theirs));

    std::fs::write(path("ours"), &ours).unwrap();
    let dump = dump(&path("ours"));
    for (name, size) in [(".cmdline", 4096), (".initrd", 200_001), (".linux", kernel.len())] {
        let line = dump.lines().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap();
        let told = usize::from_str_radix(line.split_whitespace().nth(2).unwrap(), 16).unwrap();
        assert_eq!(told, size, "{line}");
    }
}

fn dump(file: &Path) -> String {
    let output = Command::new("objdump").arg("-h").arg(file).output().expect("binutils");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaint.is_empty(), "{complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

proptest! {
    /// Whatever the files hold: an image or an error, never a panic.
    #[test]
    fn no_file_breaks_it(at in 0_usize..0x400, bytes in proptest::collection::vec(any::<u8>(), 0..8), cut in any::<prop::sample::Index>()) {
        let mut broken = stub();
        for (place, byte) in broken[at..].iter_mut().zip(&bytes) {
            *place = *byte;
        }
        let kernel = program(0x8664, b"", 0);
        let _ = assemble(&broken, &kernel, b"r", "x");
        let _ = assemble(&stub(), &broken, b"r", "x");
        broken.truncate(cut.index(broken.len()));
        let _ = assemble(&broken, &kernel, b"r", "x");
    }

    /// An image is told from its stub by sections behind it, and each lies in the file and apart from the others.
    #[test]
    fn sections_never_overlap(ramdisk in 0_usize..300_000, line in "[ -~]{0,200}") {
        let image = assemble(&stub(), &program(0x8664, b"", 0), &vec![7; ramdisk], &line).unwrap();
        let headers = pe::read(&image).unwrap();
        let mut end = (0_u64, 0_u64);
        for section in headers.sections {
            prop_assert!(u64::from(section.virtual_address) >= end.0 && u64::from(section.raw_offset) >= end.1);
            let size = section.virtual_size.max(section.raw_size);
            end = (
                u64::from(section.virtual_address) + u64::from(size),
                u64::from(section.raw_offset) + u64::from(section.raw_size),
            );
        }
        prop_assert!(end.1 <= image.len() as u64);
        let size_of_image = u32::from_le_bytes(image[0x98 + 56..0x98 + 60].try_into().unwrap());
        prop_assert!(end.0 <= u64::from(size_of_image));
    }
}
