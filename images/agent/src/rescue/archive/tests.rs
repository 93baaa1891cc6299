//! Archives that are good, and each way in which one may not be.

use super::*;

/// An entry as bytes: name, mode, links, content.
fn entry(name: &str, mode: u32, links: u32, content: &[u8]) -> Vec<u8> {
    let numbers = [1, mode, 0, 0, links, 0, content.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
    let mut bytes = b"070701".to_vec();
    bytes.extend(numbers.iter().flat_map(|number| format!("{number:08x}").into_bytes()));
    bytes.extend(name.bytes().chain([0]));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn packed(entries: &[Vec<u8>]) -> Vec<u8> {
    let all = [entries.concat(), entry("TRAILER!!!", 0, 1, b"")].concat();
    zstd::encode_all(&all[..], 1).unwrap()
}

#[test]
fn folders_files_and_links_are_unpacked_twice_over() {
    let root = tempfile::tempdir().unwrap();
    let packed = packed(&[
        entry("./bin", FOLDER | 0o755, 2, b""),
        entry("bin/tool", FILE | 0o4755, 1, &[7; 100_001]),
        entry("bin/sh", LINK | 0o777, 1, b"/bin/tool"),
        entry("empty", FILE | 0o600, 1, b""),
    ]);
    for _ in 0..2 {
        unpack(&packed, root.path()).unwrap();
        let tool = root.path().join("bin/tool");
        assert!(fs::read(&tool).unwrap() == [7; 100_001]);
        assert_eq!(
            fs::metadata(&tool).unwrap().permissions().mode() & 0o7777,
            0o755,
            "no bit for another user"
        );
        assert_eq!(fs::read_link(root.path().join("bin/sh")).unwrap(), Path::new("/bin/tool"));
        assert!(fs::read(root.path().join("empty")).unwrap().is_empty());
    }
}

/// What the recipes' own packer makes is read, too.
#[test]
fn what_the_service_packs_is_read() {
    let root = tempfile::tempdir().unwrap();
    let archive = images::cpio::Archive::new().dir("etc").file("etc/motd", 0o644, b"hello").finish();
    unpack(&zstd::encode_all(&archive[..], 1).unwrap(), root.path()).unwrap();
    assert_eq!(fs::read(root.path().join("etc/motd")).unwrap(), b"hello");
}

#[test]
fn nothing_goes_where_it_may_not() {
    let outside = tempfile::tempdir().unwrap();
    let away = outside.path().to_str().unwrap();
    let file = |name: &str| entry(name, FILE | 0o644, 1, b"evil");
    let through = vec![entry("out", LINK | 0o777, 1, away.as_bytes()), file("out/file")];
    let table: [(&str, Vec<Vec<u8>>, &str); 10] = [
        ("up", vec![file("../evil")], "leads outside"),
        ("up from within", vec![entry("a", FOLDER | 0o755, 2, b""), file("a/../../evil")], "leads outside"),
        ("absolute", vec![file("/etc/passwd")], "begins with `/`"),
        ("through a link", through, "no folder"),
        ("no parent", vec![file("a/b")], "no folder"),
        ("itself", vec![entry(".", FOLDER | 0o755, 2, b"")], "no name"),
        ("the agent", vec![file("init")], "belongs to the agent"),
        ("whom it believes", vec![file("./etc/billet/ca.pem")], "belongs to the agent"),
        ("a device", vec![entry("sda", 0o060_600, 1, b"")], "no folder, file"),
        ("a hard link", vec![entry("twice", FILE | 0o644, 2, b"x")], "hard link"),
    ];
    for (what, entries, why) in table {
        let root = tempfile::tempdir().unwrap();
        let error = unpack(&packed(&entries), root.path()).unwrap_err();
        assert!(
            matches!(error, BadArchive::Place { .. }) && error.to_string().contains(why),
            "{what}: {error}"
        );
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_link_that_is_there_is_replaced_not_followed() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let kept = outside.path().join("kept");
    fs::write(&kept, "kept").unwrap();
    symlink(&kept, root.path().join("file")).unwrap();
    unpack(&packed(&[entry("file", FILE | 0o644, 1, b"new")]), root.path()).unwrap();
    assert_eq!(fs::read(&kept).unwrap(), b"kept");
    assert_eq!(fs::read(root.path().join("file")).unwrap(), b"new");
}

#[test]
fn too_much_is_refused_before_it_is_written() {
    let root = tempfile::tempdir().unwrap();
    let two = packed(&[entry("a", FILE | 0o644, 1, &[0; 600]), entry("b", FILE | 0o644, 1, &[0; 600])]);
    let error = unpack_at_most(&two, root.path(), 1000).unwrap_err();
    assert!(matches!(error, BadArchive::TooMuch { what: "bytes", most: 1000 }), "{error}");
    assert!(!root.path().join("b").exists());
    let folder = entry("a", FOLDER | 0o755, 2, b"");
    let many = vec![folder; MOST_ENTRIES as usize + 1];
    let error = unpack(&packed(&many), root.path()).unwrap_err();
    assert!(matches!(error, BadArchive::TooMuch { what: "entries", .. }), "{error}");
    // A name that is said to be longer than anything is not waited for.
    let mut long = entry("a", FILE | 0o644, 1, b"");
    long[94..102].copy_from_slice(b"ffffffff");
    let error = unpack(&packed(&[long]), root.path()).unwrap_err();
    assert!(matches!(error, BadArchive::Format { at: 0 }), "{error}");
}

#[test]
fn what_is_cut_off_or_no_archive_is_told() {
    let root = tempfile::tempdir().unwrap();
    let whole = packed(&[entry("a", FILE | 0o644, 1, &[3; 5000])]);
    for length in [0, 10, whole.len() / 2, whole.len() - 1] {
        assert!(matches!(unpack(&whole[..length], root.path()), Err(BadArchive::Unreadable(_))), "{length}");
    }
    let none = zstd::encode_all(&[b'x'; 200][..], 1).unwrap();
    assert!(matches!(unpack(&none, root.path()), Err(BadArchive::Format { at: 0 })));
    assert!(matches!(unpack(b"not packed", root.path()), Err(BadArchive::Unreadable(_))));
}
