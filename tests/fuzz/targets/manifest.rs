//! Manifests of images, from any bytes, and from fields with any content: what is taken is canonical, keeps every rule, and
//! its chunks make the whole disk, each byte once.
#![no_main]

use images::{Chunk, Manifest, SECTOR};
use libfuzzer_sys::fuzz_target;
use tests_fuzz::Knobs;

/// The bytes at the end of an input that choose fields.
const KNOBS: usize = 24;

fuzz_target!(|input: &[u8]| {
    if let Ok(manifest) = Manifest::parse(input) {
        assert_eq!(manifest.to_bytes(), input, "it is not canonical");
        whole(&manifest);
    }
    let (_, mut knobs) = Knobs::split(input, KNOBS);
    let manifest = made(&mut knobs);
    let bytes = manifest.to_bytes();
    // What keeps the rules is read, and nothing else is.
    assert_eq!(Manifest::parse(&bytes).is_ok(), manifest.check().is_ok());
    if manifest.check().is_ok() {
        whole(&manifest);
        assert_eq!(Manifest::parse(&bytes).expect("it keeps the rules"), manifest);
    }
});

/// Its chunks are the disk.
fn whole(manifest: &Manifest) {
    manifest.check().expect("it was taken");
    assert!(manifest.disk_bytes > 0 && manifest.disk_bytes.is_multiple_of(SECTOR));
    let mut at = 0;
    for (index, chunk) in manifest.chunks.iter().enumerate() {
        let (start, bytes) = manifest.chunk_span(index);
        assert_eq!(start, at);
        assert!(bytes > 0 && bytes <= u64::from(manifest.chunk_bytes));
        at += bytes;
        for name in chunk.iter().flat_map(|chunk| [&chunk.stored, &chunk.raw]) {
            assert!(
                name.len() == 64 && name.bytes().all(|digit| digit.is_ascii_hexdigit()),
                "{name:?} becomes a path"
            );
        }
    }
    assert_eq!(at, manifest.disk_bytes);
}

/// A manifest that keeps the rules but where the choices say otherwise.
fn made(knobs: &mut Knobs<'_>) -> Manifest {
    let chunk_bytes = match knobs.byte() % 8 {
        0 => 0,
        1 => 4095,
        2 => 6 << 20,
        3 => u32::MAX,
        _ => 4096 << (knobs.byte() % 14),
    };
    let count = usize::from(knobs.byte() % 5);
    let last = u64::from(knobs.byte()) * 512;
    let disk_bytes = u64::from(chunk_bytes) * (count as u64).saturating_sub(u64::from(last > 0)) + last;
    let hex = "ab".repeat(32);
    let chunks = (0..count).map(|_| {
        let bend = knobs.byte();
        (bend != 1).then(|| Chunk {
            stored: match bend {
                2 => hex.to_uppercase(),
                3 => "../../etc/passwd".into(),
                _ => hex.clone(),
            },
            stored_bytes: match bend {
                4 => 0,
                5 => u32::MAX,
                _ => 100,
            },
            raw: if bend == 6 { String::new() } else { hex.clone() },
        })
    });
    let chunks = chunks.collect();
    Manifest {
        version: u32::from(knobs.byte() != 9),
        image_digest: if knobs.byte() == 9 { "md5:00".into() } else { format!("sha256:{hex}") },
        disk_bytes: if knobs.byte() == 9 { disk_bytes + 1 } else { disk_bytes },
        chunk_bytes,
        chunks,
    }
}
