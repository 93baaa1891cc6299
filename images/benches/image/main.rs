//! For `make bench-image`: importing an image and writing it to a disk, against programs of Debian, in turn in one run.
//! `cargo bench … -- --rounds N` says what it measured in one line of JSON, which tests/bench/image.py judges.
//!
//! The network is not here: every program reads its input from the
//! page cache and writes to a file on the disk that holds the temporary folder (`TMPDIR` chooses it). CPU is what the
//! programs used, user and system, the kernel's own threads not counted.

mod measure;
mod ours;
mod peers;
mod report;
mod sample;

use anyhow::Context as _;
use measure::Cost;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes of the disk whose image is imported and written.
const DISK_BYTES: u64 = 512 << 20;

/// How often each program runs unless `--rounds` says it.
const ROUNDS: usize = 5;

/// The input of every program and where the output goes.
struct Files {
    raw: PathBuf,
    zst: PathBuf,
    gz: PathBuf,
    qcow2: PathBuf,
    store: PathBuf,
    /// The "disk".
    target: PathBuf,
    /// Where an import's peer puts what it packed.
    packed: PathBuf,
}

/// Names of the rows; tests/bench/image.py finds its ratios by them.
mod row {
    pub(crate) const PIPE: &str = "zstd | dd conv=sparse";
    pub(crate) const PROOF: &str = "sha256, zstd | dd, sha256";
    pub(crate) const IPA: &str = "sha256, qemu-img convert";
    pub(crate) const CURTIN: &str = "zcat | dd";
    pub(crate) const FLOOR: &str = "one thread, no read-back";
    pub(crate) const WRITE: &str = "billet write";
    pub(crate) const PACK: &str = "sha256, zstd -3 -T2";
    pub(crate) const IMPORT: &str = "billet import";
}

/// One program's runs.
struct Row {
    name: &'static str,
    costs: Vec<Cost>,
    /// The most memory that it held, where it says so: KiB.
    peak_kib: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    // The service's import reads images in a child of this same program.
    match images::import::run_if_asked(std::env::args_os().skip(1)) {
        Some(code) => Ok(code),
        None => asked().map(|()| ExitCode::SUCCESS),
    }
}

fn asked() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", store, manifest, target] => ours::write(Path::new(store), manifest, Path::new(target)),
        ["import", raw, digest, store] => ours::import(Path::new(raw), digest, Path::new(store)),
        ["floor", zst, target] => ours::floor(Path::new(zst), Path::new(target)),
        // What `cargo bench` says; without it somebody runs all targets as tests, and here is nothing to test.
        ["--rounds", rounds, "--bench"] => bench(rounds.parse().context("--rounds wants a number")?),
        ["--bench"] => bench(ROUNDS),
        [.., "--bench"] => anyhow::bail!("the bench knows no option but --rounds NUMBER"),
        _ => Ok(()),
    }
}

fn bench(rounds: usize) -> anyhow::Result<()> {
    let dir = tempfile::Builder::new().prefix("billet-bench").tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let files = Files {
        raw: path("image.raw"),
        zst: path("image.raw.zst"),
        gz: path("image.raw.gz"),
        qcow2: path("image.qcow2"),
        store: path("store"),
        target: path("target"),
        packed: path("packed"),
    };
    sample::make(&files.raw, DISK_BYTES).context("the image can't be made")?;
    peers::prepare(&files)?;
    let digest = format!("sha256:{}", peers::sha256(&files.raw)?);
    let manifest = ours::run_import(&files.raw, &digest, &files.store)?.said;
    let mut rows: Vec<Row> = Vec::new();
    for round in 0..rounds {
        for name in
            [row::PIPE, row::IPA, row::WRITE, row::PROOF, row::CURTIN, row::FLOOR, row::PACK, row::IMPORT]
        {
            fresh(&files)?;
            let (cost, peak_kib) = measure::children(|| run(name, &files, &digest, &manifest))
                .with_context(|| name.to_owned())?;
            if round == 0 && ![row::PACK, row::IMPORT].contains(&name) {
                same(&files.raw, &files.target).with_context(|| name.to_owned())?;
            }
            match rows.iter_mut().find(|row| row.name == name) {
                Some(row) => {
                    row.costs.push(cost);
                    row.peak_kib = row.peak_kib.max(peak_kib);
                }
                None => rows.push(Row { name, costs: vec![cost], peak_kib }),
            }
        }
    }
    report::tell(&files, &rows, DISK_BYTES)
}

/// Runs one program to its end. Returns its peak of memory in KiB, where it says it.
fn run(name: &str, files: &Files, digest: &str, manifest: &str) -> anyhow::Result<u64> {
    let silent = |done: anyhow::Result<()>| done.map(|()| 0);
    match name {
        row::PIPE => silent(peers::zstd_dd(files)),
        row::PROOF => silent(peers::zstd_dd_with_proof(files)),
        row::IPA => silent(peers::qemu_img(files)),
        row::CURTIN => silent(peers::zcat_dd(files)),
        row::PACK => silent(peers::pack(files)),
        row::FLOOR => Ok(ours::run_floor(&files.zst, &files.target)?.peak_kib),
        row::WRITE => Ok(ours::run_write(&files.store, manifest, &files.target)?.peak_kib),
        _ => Ok(ours::run_import(&files.raw, digest, &files.packed)?.peak_kib),
    }
}

/// An empty disk, nothing packed, and nothing left to be written back that an earlier program wrote.
fn fresh(files: &Files) -> anyhow::Result<()> {
    for old in [&files.target, &files.packed] {
        if old.is_dir() {
            std::fs::remove_dir_all(old)?;
        } else if old.exists() {
            std::fs::remove_file(old)?;
        }
    }
    let target = std::fs::File::create(&files.target)?;
    target.set_len(DISK_BYTES)?;
    target.sync_all()?;
    Ok(())
}

/// Whether what was written is the image, byte for byte.
fn same(image: &Path, target: &Path) -> anyhow::Result<()> {
    let equal = peers::sha256(image)? == peers::sha256(target)?;
    anyhow::ensure!(equal, "the target does not hold the image");
    Ok(())
}
