//! A machine made by QEMU, as a simulated BMC controls it.

mod boot;
mod chassis;
mod command;
mod console;
mod firmware;
mod qmp;
mod serial;

pub(crate) use chassis::QemuChassis;
pub(crate) use command::{Accelerator, program};
pub(crate) use console::Console;
pub(crate) use firmware::UefiImage;
