//! The rules of a manifest, one broken at a time.

use super::*;

fn sample() -> Manifest {
    let chunk = |n: u8| Chunk {
        stored: sha256_hex(&[n]),
        stored_bytes: 100 + u32::from(n),
        raw: sha256_hex(&[n, n]),
    };
    Manifest {
        version: 1,
        image_digest: format!("sha256:{}", sha256_hex(b"file")),
        disk_bytes: 3 * 4096 + 512,
        chunk_bytes: 4096,
        chunks: vec![Some(chunk(1)), None, Some(chunk(1)), Some(chunk(2))],
    }
}

#[test]
fn canonical_bytes_are_golden() {
    let mut manifest = sample();
    manifest.disk_bytes = 8192;
    manifest.chunks.truncate(2);
    let hex = |b: &[u8]| sha256_hex(b);
    let expected = format!(
        "{{\"version\":1,\"image_digest\":\"sha256:{}\",\"disk_bytes\":8192,\"chunk_bytes\":4096,\
         \"chunks\":[{{\"stored\":\"{}\",\"stored_bytes\":101,\"raw\":\"{}\"}},null]}}",
        hex(b"file"),
        hex(&[1]),
        hex(&[1, 1])
    );
    assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), expected);
    assert_eq!(manifest.sha256(), sha256_hex(expected.as_bytes()));
}

#[test]
fn round_trip_and_sums() {
    let manifest = sample();
    assert_eq!(Manifest::parse(&manifest.to_bytes()).unwrap(), manifest);
    assert_eq!(manifest.data_bytes(), 4096 + 4096 + 512);
    assert_eq!(manifest.stored_bytes(), 101 + 102, "a chunk that occurs twice is stored once");
    assert_eq!(manifest.chunk_span(3), (3 * 4096, 512));
}

/// A name, what breaks, and a part of the error's text.
type Case = (&'static str, fn(&mut Manifest), &'static str);

#[test]
fn every_broken_rule_is_named() {
    let cases: &[Case] = &[
        ("version", |m| m.version = 2, "version 2"),
        ("no algorithm", |m| m.image_digest = sha256_hex(b""), "image digest"),
        ("another algorithm", |m| m.image_digest = format!("md5:{}", sha256_hex(b"")), "image digest"),
        ("no disk", |m| m.disk_bytes = 0, "multiple of 512"),
        ("half a sector", |m| m.disk_bytes += 256, "multiple of 512"),
        ("small chunk", |m| m.chunk_bytes = 2048, "chunk size"),
        ("large chunk", |m| m.chunk_bytes = 32 << 20, "chunk size"),
        ("odd chunk", |m| m.chunk_bytes = 5000, "chunk size"),
        ("missing chunk", |m| drop(m.chunks.pop()), "lists 3 chunks, but its disk is made of 4"),
        ("extra chunk", |m| m.chunks.push(None), "lists 5 chunks"),
        ("disk far too large", |m| m.disk_bytes = u64::MAX - 511, "lists 4 chunks"),
        ("path as name", |m| m.chunks[0].as_mut().unwrap().stored = "../../etc/passwd".into(), "chunk 0"),
        ("upper case", |m| m.chunks[2].as_mut().unwrap().raw = sha256_hex(b"").to_uppercase(), "`raw`"),
        ("nothing stored", |m| m.chunks[3].as_mut().unwrap().stored_bytes = 0, "claims 0"),
        ("too much stored", |m| m.chunks[3].as_mut().unwrap().stored_bytes = 5000, "claims 5000"),
    ];
    for (name, spoil, expected) in cases {
        let mut manifest = sample();
        spoil(&mut manifest);
        let error = Manifest::parse(&manifest.to_bytes()).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn other_spellings_are_refused() {
    let text = String::from_utf8(sample().to_bytes()).unwrap();
    let spaced = text.replacen(':', ": ", 1);
    assert!(matches!(Manifest::parse(spaced.as_bytes()), Err(ManifestError::NotCanonical)));
    let unknown = text.replacen('{', "{\"more\":1,", 1);
    assert!(matches!(Manifest::parse(unknown.as_bytes()), Err(ManifestError::Json(_))));
    let large = vec![b' '; MAX_MANIFEST_BYTES + 1];
    assert!(matches!(Manifest::parse(&large), Err(ManifestError::TooLarge { .. })));
}
