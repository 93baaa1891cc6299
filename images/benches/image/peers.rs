//! What others do with an image, as pipelines of Debian's programs. Each ends when the data is on the disk.

use super::{DISK_BYTES, Files};
use anyhow::{Context as _, bail, ensure};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Makes the packed forms that the peers read, and names a program that is missing.
pub(crate) fn prepare(files: &Files) -> anyhow::Result<()> {
    for (name, package) in [
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("qemu-img", "qemu-utils"),
        ("openssl", "openssl"),
        ("dd", "coreutils"),
    ] {
        let version = if name == "openssl" { "version" } else { "--version" };
        let there = Command::new(name).arg(version).stdout(Stdio::null()).status();
        ensure!(there.is_ok_and(|s| s.success()), "{name} is missing: install the package {package}");
    }
    pipe([Command::new("zstd").args(["-q", "-3", "-T2", "-o"]).arg(&files.zst).arg(&files.raw)])?;
    let gz = File::create(&files.gz)?;
    pipe([Command::new("gzip").args(["-6", "-c"]).arg(&files.raw).stdout(gz)])?;
    let convert = ["convert", "-c", "-f", "raw", "-O", "qcow2"];
    pipe([Command::new("qemu-img").args(convert).args([&files.raw, &files.qcow2])])
}

/// The shortest that anybody writes by hand: no digest, zeros skipped by 4 MiB.
pub(crate) fn zstd_dd(files: &Files) -> anyhow::Result<()> {
    let mut dd = dd(&files.target, "sparse,notrunc,fsync");
    pipe([Command::new("zstd").args(["-dcq"]).arg(&files.zst), dd.arg("iflag=fullblock")])
}

/// The same with what `billet` promises: the digest before, and one of what was read back, past the page cache.
pub(crate) fn zstd_dd_with_proof(files: &Files) -> anyhow::Result<()> {
    sha256(&files.zst)?;
    zstd_dd(files)?;
    let mut read = Command::new("dd");
    read.arg(operand("if=", &files.target)).args(["bs=4M", "iflag=direct", "status=none"]);
    pipe([&mut read, Command::new("openssl").args(["dgst", "-sha256", "-r"]).stdout(Stdio::null())])
}

/// Ironic's agent with qcow2 (`_write_whole_disk_image`), without its download to memory: digest, then convert.
pub(crate) fn qemu_img(files: &Files) -> anyhow::Result<()> {
    sha256(&files.qcow2)?;
    let convert = ["convert", "-n", "-S", "0", "-W", "-t", "none", "-f", "qcow2", "-O", "raw"];
    pipe([Command::new("qemu-img").args(convert).args([&files.qcow2, &files.target])])
}

/// curtin's `dd-gz` (`block_meta.py`) without its `wget`.
pub(crate) fn zcat_dd(files: &Files) -> anyhow::Result<()> {
    pipe([Command::new("gzip").arg("-dc").arg(&files.gz), &mut dd(&files.target, "notrunc,fsync")])
}

/// What one does by hand in place of an import: compare the digest and pack.
pub(crate) fn pack(files: &Files) -> anyhow::Result<()> {
    sha256(&files.raw)?;
    pipe([Command::new("zstd").args(["-q", "-3", "-T2", "-o"]).arg(&files.packed).arg(&files.raw)])?;
    pipe([Command::new("sync").arg(&files.packed)])
}

/// SHA-256 of a file, hex, by OpenSSL: faster by far than coreutils where the processor has SHA instructions.
pub(crate) fn sha256(file: &Path) -> anyhow::Result<String> {
    let said = Command::new("openssl").args(["dgst", "-sha256", "-r"]).arg(file).output()?;
    ensure!(said.status.success(), "openssl: {}", String::from_utf8_lossy(&said.stderr));
    let text = String::from_utf8(said.stdout)?;
    text.split(' ').next().map(str::to_owned).context("openssl said nothing")
}

fn dd(target: &Path, conversions: &str) -> Command {
    let mut dd = Command::new("dd");
    dd.arg(operand("of=", target)).arg(format!("conv={conversions}")).args(["bs=4M", "status=none"]);
    dd
}

fn operand(name: &str, path: &Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(name);
    text.push(path);
    text
}

/// Runs programs, the output of each being the input of the next, and waits for all.
fn pipe<'a>(commands: impl IntoIterator<Item = &'a mut Command>) -> anyhow::Result<()> {
    let mut running: Vec<Child> = Vec::new();
    let mut commands = commands.into_iter().peekable();
    while let Some(command) = commands.next() {
        if let Some(output) = running.last_mut().and_then(|before| before.stdout.take()) {
            command.stdin(output);
        }
        if commands.peek().is_some() {
            command.stdout(Stdio::piped());
        }
        running.push(command.spawn().with_context(|| format!("{command:?}"))?);
    }
    for mut child in running {
        let status = child.wait()?;
        if !status.success() {
            bail!("a program of the pipeline ended with {status}");
        }
    }
    Ok(())
}

// A pipeline that writes less than the disk would still look right to `dd`.
const _: () = assert!(DISK_BYTES.is_multiple_of(4 << 20));
