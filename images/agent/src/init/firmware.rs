//! The next boot of a machine that netbooted unasked: `BootNext` is set, and nothing else.
//!
//! Which entry is chosen is not decided here, see `boot_next`.

use crate::{
    boot_next::own_system,
    efi::{BOOT_ORDER, Variables, name_of},
    host::Efivars,
};
use std::io;

/// Makes the machine's own system the next to boot. `None`: there is no UEFI, or no such entry.
pub(super) fn boot_own_system_next() -> io::Result<Option<u16>> {
    let Some(variables) = Efivars::open()? else { return Ok(None) };
    let order = variables.get(BOOT_ORDER)?.unwrap_or_default();
    let Some(number) = own_system(&order, |number| variables.get(&name_of(number)).ok().flatten()) else {
        return Ok(None);
    };
    variables.set("BootNext", &number.to_le_bytes())?;
    Ok(Some(number))
}
