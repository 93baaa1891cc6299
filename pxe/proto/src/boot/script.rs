//! The typed iPXE script builder: nothing that is not plain text of a small alphabet gets into a script.
//!
//! Requirement R-13: a value can't end its line, start a command, expand a setting or name another kernel.
//! The scripts use only what iPXE 1.0.0+git-20190125 (Debian's) understands.

use super::{Arch, BootScript, FILES_PATH, SCRIPT_PATH};
use crate::{Mac, MacText};
use std::fmt::Write as _;

/// Most kernel parameters that one script takes.
pub const MAX_PARAMETERS: usize = 64;
/// Longest kernel command line that every supported kernel takes (`COMMAND_LINE_SIZE` of x86 is 2048).
const MAX_COMMAND_LINE: usize = 2000;
/// Longest value of a parameter, in bytes.
const MAX_VALUE: usize = 256;
/// How often a script tries to fetch the agent before it gives the machine back to its firmware: with the pauses longer than
/// a restart of the service takes.
const TRIES: u32 = 15;
/// How often a script asks again for what can't be said now; with [`LATER_PAUSE`] the disk is booted within a minute or so.
const LATER_TRIES: u32 = 10;
/// Seconds before it asks again.
const LATER_PAUSE: u32 = 5;

/// Keys that choose another init, another ramdisk or a shell: a script that carries one is not our agent.
const RESERVED: &[&str] = &[
    "init",
    "rdinit",
    "initrd",
    "break",
    "single",
    "s",
    "S",
    "emergency",
    "rescue",
    "1",
    "2",
    "3",
    "4",
    "5",
    "bootif",
];
/// Prefixes of keys that do the same (dracut, systemd).
const RESERVED_PREFIXES: &[&str] = &["rd.", "systemd.", "initcall"];

/// Why a kernel parameter was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The key is empty, too long, starts with `-` or holds a character that is not allowed.
    #[error("the kernel parameter {key:?} has a key that is not 1 to 256 of A-Z a-z 0-9 _ . / : , @ % + -")]
    Key {
        /// The key.
        key: String,
    },
    /// The value is too long or holds a character that is not allowed.
    #[error("the value of the kernel parameter {key} is not 0 to 256 of A-Z a-z 0-9 _ . / : , @ % + = -")]
    Value {
        /// The key.
        key: String,
    },
    /// The key would start something else than our agent.
    #[error("the kernel parameter {key} is reserved: it would start something else than the agent")]
    Reserved {
        /// The key.
        key: String,
    },
    /// All parameters together don't fit the kernel's command line.
    #[error(
        "{count} kernel parameters of {bytes} bytes don't fit: at most {MAX_PARAMETERS} of together \
         {MAX_COMMAND_LINE} bytes"
    )]
    TooLong {
        /// How many parameters.
        count: usize,
        /// Length of the command line.
        bytes: usize,
    },
}

/// Where a script fetches its files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptSource {
    /// Address of the boot HTTP server that the machine reaches.
    pub address: std::net::Ipv4Addr,
    /// Its port.
    pub port: u16,
}

/// The iPXE script for what a machine is told to boot.
///
/// # Errors
/// A kernel parameter that is not allowed.
pub fn render(
    script: &BootScript,
    source: &ScriptSource,
    mac: Mac,
    arch: Arch,
) -> Result<String, ParameterError> {
    match script {
        BootScript::Agent { parameters } => agent_script(parameters, source, mac, arch),
        BootScript::Disk => Ok(disk_script()),
    }
}

/// The script that starts our agent: `BOOTIF` (the NIC that it booted from) is added to `parameters`.
///
/// It tries a few times, with a pause between; then it exits, so that the firmware goes on to its next boot
/// device. It never drops into iPXE's shell.
///
/// # Errors
/// A kernel parameter that is not allowed.
pub fn agent_script(
    parameters: &[(String, String)],
    source: &ScriptSource,
    mac: Mac,
    arch: Arch,
) -> Result<String, ParameterError> {
    let (kernel, ramdisk) = (arch.kernel(), arch.ramdisk());
    let command_line = format!("initrd={ramdisk} {}", agent_command_line(parameters, mac)?);
    let ScriptSource { address, port } = source;
    let files = format!("http://{address}:{port}{FILES_PATH}");
    let mut script = format!(
        "#!ipxe\n\
         set tries:int32 0\n\
         :retry\n\
         imgfree\n\
         kernel {files}/{kernel} {command_line} || goto failed\n\
         initrd --name {ramdisk} {files}/{ramdisk} || goto failed\n\
         boot || goto failed\n\
         :failed\n\
         inc tries\n\
         echo Billet: could not start the agent, attempt ${{tries}} of {TRIES}\n"
    );
    // Writing to a String can't fail.
    let _ = write!(script, "iseq ${{tries}} {TRIES} && exit 1 ||\nsleep 2\ngoto retry\n");
    Ok(script)
}

/// The script for a machine of which can't be said now what it is to boot: it asks again a little later, and boots its
/// disk when it has `asked` often enough. Each script replaces the one before it, so that iPXE's stack does not grow.
#[must_use]
pub fn later_script(source: &ScriptSource, mac: Mac, arch: Arch, asked: u32) -> String {
    if asked >= LATER_TRIES {
        return disk_script();
    }
    let ScriptSource { address, port } = source;
    let (mac, arch, asked) = (MacText(mac), arch.word(), asked + 1);
    let url = format!("http://{address}:{port}{SCRIPT_PATH}?mac={mac}&arch={arch}&asked={asked}");
    format!(
        "#!ipxe\n\
         echo Billet: can't look up now what to boot, attempt {asked} of {LATER_TRIES}\n\
         sleep {LATER_PAUSE}\n\
         chain --autofree --replace {url} && exit 0 ||\n\
         {DISK}"
    )
}

/// Gives the machine back to its firmware.
// UEFI goes on with its boot order after a failure; after success it shows its menu (UEFI 2.10, 3.1.1).
// Under a BIOS the first disk is booted by iPXE itself: not every board goes on when a PXE ROM returns.
const DISK: &str = "iseq ${platform} efi && exit 1 ||\nsanboot --no-describe --drive 0x80 || exit 0\n";

/// The script that gives the machine back to its firmware, for its disk.
#[must_use]
pub fn disk_script() -> String {
    format!("#!ipxe\n{DISK}")
}

/// The kernel command line of the agent: `BOOTIF` (the NIC that it boots from), then `parameters`. A loader that
/// names the ramdisk itself, such as the stub of a unified kernel image, takes it as it is.
///
/// # Errors
/// A kernel parameter that is not allowed.
pub fn agent_command_line(parameters: &[(String, String)], mac: Mac) -> Result<String, ParameterError> {
    let [a, b, c, d, e, f] = mac;
    let mut line = format!("BOOTIF=01-{a:02x}-{b:02x}-{c:02x}-{d:02x}-{e:02x}-{f:02x}");
    for (key, value) in parameters {
        check(key, value)?;
        line.push(' ');
        line.push_str(key);
        if !value.is_empty() {
            line.push('=');
            line.push_str(value);
        }
    }
    if parameters.len() > MAX_PARAMETERS || line.len() > MAX_COMMAND_LINE {
        return Err(ParameterError::TooLong { count: parameters.len(), bytes: line.len() });
    }
    Ok(line)
}

/// Whether one parameter may stand on the agent's command line.
fn check(key: &str, value: &str) -> Result<(), ParameterError> {
    let key_is_plain =
        !key.is_empty() && key.len() <= MAX_VALUE && key.bytes().all(|c| c != b'=' && is_plain(c));
    if !key_is_plain || key.starts_with('-') {
        return Err(ParameterError::Key { key: key.to_owned() });
    }
    // The kernel takes `-` and `_` in a key for the same.
    let folded = key.to_ascii_lowercase().replace('-', "_");
    let reserved = RESERVED.contains(&key)
        || RESERVED.contains(&folded.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| folded.starts_with(prefix));
    if reserved {
        return Err(ParameterError::Reserved { key: key.to_owned() });
    }
    if value.len() > MAX_VALUE || !value.bytes().all(is_plain) {
        return Err(ParameterError::Value { key: key.to_owned() });
    }
    Ok(())
}

/// The alphabet of keys and values: no space, quote, `$`, `&`, `|`, `#` or control character.
fn is_plain(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"_./:,@%+=-".contains(&c)
}

#[cfg(test)]
mod tests;
