//! The firmware's variables: `BootNext` is set, and nothing else (efivarfs, the kernel's documentation).
//!
//! Which entry is chosen is not decided here, see `boot_next`.

use crate::boot_next::own_system;
use nix::mount::{MsFlags, mount};
use std::{fs, io, path::Path};

/// Where the variables are.
const VARIABLES: &str = "/sys/firmware/efi/efivars";
/// The vendor of all variables of the specification (UEFI 2.10, 3.3).
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Non-volatile, for boot services and at run time: the only attributes that `BootNext` takes.
const ATTRIBUTES: u32 = 7;

/// Makes the machine's own system the next to boot. `None`: there is no UEFI, or no such entry.
pub(super) fn boot_own_system_next() -> io::Result<Option<u16>> {
    if !Path::new("/sys/firmware/efi").exists() {
        return Ok(None);
    }
    let probe = variable("BootOrder");
    if !Path::new(&probe).exists() {
        mount(Some("efivarfs"), VARIABLES, Some("efivarfs"), MsFlags::MS_NOSUID, None::<&str>)?;
    }
    let Some(number) = own_system(&read("BootOrder")?, |number| read(&format!("Boot{number:04X}")).ok())
    else {
        return Ok(None);
    };
    let mut value = ATTRIBUTES.to_le_bytes().to_vec();
    value.extend(number.to_le_bytes());
    fs::write(variable("BootNext"), value)?;
    Ok(Some(number))
}

fn variable(name: &str) -> String {
    format!("{VARIABLES}/{name}-{GLOBAL}")
}

/// A variable's value; the file begins with its attributes.
fn read(name: &str) -> io::Result<Vec<u8>> {
    let mut value = fs::read(variable(name))?;
    Ok(value.split_off(value.len().min(4)))
}
