//! The agent: it inventories, writes and wipes one machine on that machine's orders.
//!
//! A library with a thin `main`. Two traits keep the machine and the network away from the protocol: [`Host`]
//! (disks, inventory, console) and [`Service`] (the calls of `provisioner_api::agent`), so that the simulated fleet
//! and the tests run the very code that runs in a ramdisk.
//!
//! - [`run`]: claim, ask for orders, perform, report; what must survive a dead service is there;
//! - `permit`, `ledger`: the decisions, pure: may this disk be touched, was this order done already;
//! - `perform`: one order, blocking; `seed`: the partition that cloud-init reads; `ram`: a system that runs from RAM;
//! - `efi`: the firmware's boot entry of what was written;
//! - `erase`: one disk wiped, also by the device itself, and the evidence;
//! - `rescue`: the archive and the SSH server of an instance that is rescued;
//! - `host`: [`RealHost`] (sysfs, `O_DIRECT`); tests and the simulated fleet bring others;
//! - [`init`]: what a PID 1 has to do; `boot_next`: the firmware entry of the machine's own system; `net`: DHCP and addresses.
//!
//! Deliberately not here: a listening socket, a shell, a child process; but for a rescue, which is asked for by name. No
//! byte of an image is executed while the agent lives.

pub mod boot;
mod boot_next;
mod caches;
mod efi;
mod erase;
mod host;
pub mod init;
mod ledger;
mod link;
mod net;
mod perform;
mod permit;
mod ram;
mod random;
mod rescue;
mod run;
mod seed;
mod service;

pub use boot::BootParameters;
pub use efi::Variables;
pub use erase::{AdminCommand, Ata, Data, Interface, Nvme, Registers, Taskfile};
pub use host::{Host, HostError, LoadError, OpenDisk, RealHost};
pub use permit::{BadPermitKey, PermitKey};
pub use run::{Exit, Pace, run};
pub use service::{Service, ServiceError};
