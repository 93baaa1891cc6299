//! What is cut or changed is refused, whatever was done to it, and what is whole reads the same.

use super::{
    BackupError, Cell, Contents, End, Entry, FORMAT, Header, Kind, TableHead, Writer, check, row,
    seal::Sealing,
};
use jiff::Timestamp;
use proptest::prelude::*;
use std::{fs, io::Write, path::Path};

fn header() -> Header {
    let (version, site_key) = ("1.2.3".to_owned(), "f00d".to_owned());
    Header { format: FORMAT, version, schema: 11, at: Timestamp::UNIX_EPOCH, site_key }
}

fn head(table: &str) -> TableHead {
    let columns = [("a", Kind::Number), ("b", Kind::Truth), ("c", Kind::Text), ("d", Kind::Bytes)];
    TableHead { table: table.into(), columns: columns.map(|(name, kind)| (name.to_owned(), kind)).to_vec() }
}

/// A backup of one table with these rows.
fn backup(rows: &[Vec<Cell>]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), &header()).unwrap();
    let mut lines = head("t").line();
    for cells in rows {
        row(&mut lines, cells).unwrap();
    }
    writer.lines(&lines).unwrap();
    writer.finish(&End { rows: [("t".to_owned(), rows.len() as u64)].into() }).unwrap()
}

fn full(number: i64) -> Vec<Cell> {
    let text = format!("row {number}, \"quoted\"\n\u{1f980}");
    let bytes = number.to_be_bytes().to_vec();
    vec![
        Cell::Number(Some(number)),
        Cell::Truth(Some(true)),
        Cell::Text(Some(text)),
        Cell::Bytes(Some(bytes)),
    ]
}

fn read(path: &Path, bytes: &[u8]) -> Result<Vec<Entry>, BackupError> {
    fs::write(path, bytes).unwrap();
    let mut contents = Contents::open(path)?;
    let mut entries = Vec::new();
    while let Some(entry) = contents.next()? {
        entries.push(entry);
    }
    assert_eq!(contents.header(), &header());
    Ok(entries)
}

/// Lines that are sealed, whatever is in them.
fn sealed(lines: &[&str]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Sealing::new(Vec::new()), 1).unwrap();
    for line in lines {
        encoder.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    encoder.finish().unwrap().seal().unwrap()
}

#[test]
fn a_backup_that_is_cut_anywhere_or_goes_on_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    let whole = backup(&(0..2000).map(full).collect::<Vec<_>>());
    assert_eq!(read(&path, &whole).unwrap().len(), 2001);
    for part in 0..50 {
        let cut = &whole[..whole.len() * part / 50];
        assert!(matches!(read(&path, cut), Err(BackupError::NoSeal)), "{part}/50");
    }
    for missing in 1..100 {
        assert!(read(&path, &whole[..whole.len() - missing]).is_err(), "without its last {missing} bytes");
    }
    for more in [&b"x"[..], &whole] {
        let long = [&whole, more].concat();
        assert!(read(&path, &long).is_err());
    }
}

#[test]
fn a_backup_of_which_any_byte_was_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    let whole = backup(&(0..5).map(full).collect::<Vec<_>>());
    for place in 0..whole.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[place] ^= change;
            assert!(read(&path, &changed).is_err(), "byte {place}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_though_it_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    let header = serde_json::to_string(&header()).unwrap();
    let table = serde_json::to_string(&head("t")).unwrap();
    let end = r#"{"end":{"rows":{"t":1}}}"#;
    let row = r#"[1,true,"c","AA=="]"#;
    assert_eq!(read(&path, &sealed(&[&header, &table, row, end])).unwrap().len(), 2);
    for (lines, word) in [
        (vec![], "no end"),
        (vec![header.as_str()], "no end"),
        (vec!["{}"], "missing field"),
        (vec![&header, row, end], "of no table"),
        (vec![&header, &table, end], "rows that its end tells"),
        (vec![&header, &table, row, row, end], "rows that its end tells"),
        (vec![&header, &table, &table, end], "there twice"),
        (vec![&header, &table, row, end, row], "behind its end"),
        (vec![&header, &table, "[1,true]", end], "with 2 columns"),
        (vec![&header, &table, r#"[1,2,"c","AA=="]"#, end], "holds what it can't"),
        (vec![&header, &table, r#"[1.5,true,"c","AA=="]"#, end], "holds what it can't"),
        (vec![&header, &table, r#"[1,true,"c","?"]"#, end], "holds what it can't"),
        (vec![&header, "nonsense", end], "line 2"),
    ] {
        let error = read(&path, &sealed(&lines)).unwrap_err().to_string();
        assert!(error.contains(word), "{lines:?}: {error}");
    }
    let later = header.replace(r#""billet-backup":1"#, r#""billet-backup":2,"more":[1]"#);
    let error = check_lines(&path, &[&later, "[]"]).unwrap_err();
    assert!(matches!(&error, BackupError::Format { format: 2, version } if version == "1.2.3"), "{error}");
}

fn check_lines(path: &Path, lines: &[&str]) -> Result<(), BackupError> {
    fs::write(path, sealed(lines)).unwrap();
    check(path).map(|_| ())
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        rows in prop::collection::vec(
            (any::<Option<i64>>(), any::<Option<bool>>(), any::<Option<String>>(), any::<Option<Vec<u8>>>()), 0..20,
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(a, b, c, d)| vec![Cell::Number(a), Cell::Truth(b), Cell::Text(c), Cell::Bytes(d)])
            .collect();
        let read = read(&folder.path().join("backup"), &backup(&rows)).unwrap();
        let expected: Vec<_> =
            std::iter::once(Entry::Table(head("t"))).chain(rows.into_iter().map(Entry::Row)).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..200), sealed in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut seal = Sealing::new(Vec::new());
        seal.write_all(&noise).unwrap();
        let bytes = if sealed { seal.seal().unwrap() } else { noise };
        prop_assert!(read(&folder.path().join("backup"), &bytes).is_err());
    }
}
