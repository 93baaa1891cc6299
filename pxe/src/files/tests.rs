//! Names and what they stand for.

use super::*;
use crate::directory::{BootAnswer, Client};
use async_trait::async_trait;
use pxe_proto::trace::Entry;
use pxe_proto::uki::COMMAND_LINE_ROOM;

const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

/// Lets one machine boot our agent, with one parameter.
struct One(Mac, &'static str);

#[async_trait]
impl Directory for One {
    async fn boot(&self, _: &Client) -> Option<BootAnswer> {
        Some(BootAnswer::Disk)
    }

    async fn script(&self, mac: Mac, _: Option<&str>, _: Ipv4Addr, _: Arch) -> Option<BootScript> {
        if mac != self.0 {
            return Some(BootScript::Disk);
        }
        Some(BootScript::Agent { parameters: vec![("token".to_owned(), self.1.to_owned())] })
    }

    fn trace(&self, _: Entry) {}
}

/// An EFI program of one section with room for four more, marked as systemd's stub.
pub(crate) fn program() -> Vec<u8> {
    let mut file = vec![0; 1024];
    file[..2].copy_from_slice(b"MZ");
    file[0x3c] = 0x40;
    file[0x40..0x44].copy_from_slice(b"PE\0\0");
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x44, &[0x64, 0x86, 1, 0]);
    put(0x54, &[160, 0]);
    put(0x58, &[0x0b, 2]);
    put(0x58 + 36, &512_u32.to_le_bytes());
    put(0x58 + 60, &512_u32.to_le_bytes());
    put(0x58 + 108, &6_u32.to_le_bytes());
    put(0x58 + 160, b".text");
    put(0x58 + 168, &[0, 2, 0, 0, 0, 0x10, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0]);
    put(600, b"#### LoaderInfo: systemd-stub 252 ####");
    file
}

fn template(ramdisk: &[u8]) -> Template {
    let program = program();
    let parts =
        pxe_proto::uki::Parts { stub: &program, os_release: "ID=billet\n", kernel: &program, ramdisk };
    Template::new(&parts).unwrap()
}

fn bytes(content: &Content) -> Vec<u8> {
    content.in_memory().unwrap().concat()
}

#[tokio::test]
async fn a_name_is_a_key_and_nothing_else() {
    let (files, directory) = (Files::new(), One([2; 6], "x"));
    files.insert("a", &b"first"[..]);
    let before = files.lookup("a", PEER, &directory).await.unwrap();
    files.insert("a", &b"second"[..]);
    let after = files.lookup("/a", PEER, &directory).await.unwrap();
    assert_eq!((bytes(&before), bytes(&after)), (b"first".to_vec(), b"second".to_vec()));
    assert_ne!(before.etag(), after.etag());
    for name in ["", "/", "//a", "a/", "../a", "A", "a\0", "/etc/passwd", "uki/", "uki/x64/../../a"] {
        assert!(files.lookup(name, PEER, &directory).await.is_err(), "{name:?}");
    }
}

#[tokio::test]
async fn a_machine_in_its_window_has_an_image_with_its_own_command_line() {
    let (files, mac) = (Files::new(), [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
    let name = "uki/x64/52-54-00-aa-bb-cc.efi";
    assert!(files.lookup(name, PEER, &One(mac, "a")).await.is_err(), "there is no template");
    files.insert_uki(template(b"ramdisk"));
    assert!(files.has_uki(Arch::X64) && !files.has_uki(Arch::Arm64));
    let one = files.lookup(name, PEER, &One(mac, "a")).await.unwrap();
    let two = files.lookup(name, PEER, &One(mac, "b")).await.unwrap();
    assert_eq!(one.length(), template(b"ramdisk").len() as u64);
    let line = "BOOTIF=01-52-54-00-aa-bb-cc token=a";
    assert_eq!(bytes(&one), template(b"ramdisk").with_command_line(line).unwrap().concat());
    assert_ne!(one.etag(), two.etag());
    let differing = bytes(&one).iter().zip(bytes(&two)).filter(|(a, b)| **a != *b).count();
    assert!((1..=COMMAND_LINE_ROOM).contains(&differing));
    for other in
        ["uki/arm64/52-54-00-aa-bb-cc.efi", "uki/x64/52-54-00-aa-bb-cd.efi", "x64/52-54-00-aa-bb-cc.efi"]
    {
        assert!(files.lookup(other, PEER, &One(mac, "a")).await.is_err(), "{other}");
    }
    // A value that may not stand on a command line: no image, rather than another one.
    assert!(files.lookup(name, PEER, &One(mac, "a b")).await.is_err());
}

#[test]
fn a_large_file_is_served_by_number_and_not_read() {
    let files = Files::new();
    let file = tempfile::tempfile().unwrap();
    file.set_len(3 << 30).unwrap();
    files.insert_file("image", file).unwrap();
    let content = files.named("image").unwrap();
    assert_eq!(content.length(), 3 << 30);
    assert!(content.in_memory().is_none());
    assert!(content.etag().len() > 10);
    let folder = tempfile::tempdir().unwrap();
    assert!(files.insert_file("folder", File::open(folder.path()).unwrap()).is_err());
}
