//! Puts a unified kernel image together, as the boot server does, for trying it under a firmware.
//!
//! `cargo run -p pxe-proto --example uki -- STUB KERNEL RAMDISK OUTPUT MAC [KEY=VALUE ...]`

use anyhow::{Context, bail};
use pxe_proto::boot::agent_command_line;
use pxe_proto::uki::{Parts, Template};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stub, kernel, ramdisk, output, mac, parameters @ ..] = arguments.as_slice() else {
        bail!("usage: uki STUB KERNEL RAMDISK OUTPUT MAC [KEY=VALUE ...]");
    };
    let read = |path: &String| std::fs::read(path).with_context(|| format!("can't read {path}"));
    let (stub, kernel, ramdisk) = (read(stub)?, read(kernel)?, read(ramdisk)?);
    let bytes = mac.split(':').map(|part| u8::from_str_radix(part, 16)).collect::<Result<Vec<_>, _>>()?;
    let mac = bytes.try_into().ok().context("MAC must be like 52:54:00:12:34:56")?;
    let parameters: Vec<_> = parameters
        .iter()
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let line = agent_command_line(&parameters, mac)?;
    let parts = Parts { stub: &stub, os_release: "ID=billet\n", kernel: &kernel, ramdisk: &ramdisk };
    std::fs::write(output, Template::new(&parts)?.with_command_line(&line)?.concat())?;
    Ok(())
}
