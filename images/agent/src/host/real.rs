//! The machine that the agent runs on.

use super::{Efivars, Host, HostError, LoadError, OpenDisk, device::Device, kexec, sysfs::Sysfs};
use crate::{
    efi::Variables,
    rescue::{NoRescue, RescueSystem},
};
use provisioner_api::{Disk, Inventory, Nic, RescueAccess};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The machine that the agent runs on: sysfs, block devices, `/dev/console`.
#[derive(Debug)]
pub struct RealHost {
    sysfs: Sysfs,
    console: Option<Arc<Mutex<File>>>,
    rescue: RescueSystem,
}

impl RealHost {
    /// Opens the console. Without one, lines are lost and the work goes on.
    #[must_use]
    pub fn new() -> Self {
        let console = OpenOptions::new().write(true).open("/dev/console").ok();
        let console = console.map(|console| Arc::new(Mutex::new(console)));
        Self { sysfs: Sysfs::at("/"), console, rescue: RescueSystem::default() }
    }

    /// Waits until no more disks appear: drivers find them after their module was loaded. `nap` is the pause between
    /// two looks; two equal looks, `quiet` apart, end it, and so does `most`.
    pub fn settle_disks(&self, quiet: Duration, most: Duration) {
        let nap = Duration::from_millis(50);
        let look = || self.sysfs.disks().unwrap_or_default();
        let (mut seen, mut still, mut waited) = (look(), Duration::ZERO, Duration::ZERO);
        while waited < most && (seen.is_empty() || still < quiet) {
            std::thread::sleep(nap);
            waited += nap;
            let now = look();
            still = if now == seen { still + nap } else { Duration::ZERO };
            seen = now;
        }
    }

    /// The NICs that are hardware.
    ///
    /// # Errors
    /// When sysfs can't be read.
    pub fn nics(&self) -> Result<Vec<Nic>, HostError> {
        self.sysfs.nics()
    }
}

impl Default for RealHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for RealHost {
    fn inventory(&self) -> Result<Inventory, HostError> {
        let mut inventory = self.sysfs.inventory()?;
        // Addresses are for people to look at: without them the inventory is still good.
        for interface in nix::ifaddrs::getifaddrs().into_iter().flatten() {
            let address =
                interface.address.and_then(|address| address.as_sockaddr_in().map(|address| address.ip()));
            let nic = inventory.nics.iter_mut().find(|nic| nic.name == interface.interface_name);
            if let (Some(nic), Some(address)) = (nic, address) {
                nic.addresses.push(address.to_string());
            }
        }
        Ok(inventory)
    }

    fn open(&self, disk: &Disk) -> Result<Box<dyn OpenDisk>, HostError> {
        let name = disk.name.clone();
        let device = Device::open(&Path::new("/dev").join(&disk.name), disk.sector_bytes)
            .map_err(|source| HostError::Open { name: name.clone(), source })?;
        // The open file holds on to the device: what its name stands for now is what will be written.
        let now = self.sysfs.disks()?.into_iter().find(|other| other.name == disk.name);
        let (expected, found) = (disk.serial.clone(), now.and_then(|now| now.serial));
        if expected.is_none() || expected != found {
            let text = |serial: Option<String>| serial.unwrap_or_else(|| "none".to_owned());
            return Err(HostError::Exchanged { name, expected: text(expected), found: text(found) });
        }
        Ok(Box::new(device))
    }

    fn load_system(&self, kernel: &File, initrd: &File, cmdline: &str) -> Result<(), LoadError> {
        kexec::load(kernel, initrd, cmdline)
    }

    /// `MemAvailable` of `/proc/meminfo`.
    fn free_memory(&self) -> Option<u64> {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        kibibytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    }

    fn variables(&self) -> io::Result<Option<Box<dyn Variables>>> {
        Ok(Efivars::open()?.map(|variables| Box::new(variables) as Box<dyn Variables>))
    }

    fn start_rescue(&self, archive: &[u8], authorized_keys: &[String]) -> Result<RescueAccess, HostError> {
        let console = self.console.clone();
        let tell = move |line: &str| say(console.as_deref(), line);
        let failed = |error: NoRescue| HostError::Rescue(Box::new(error));
        let host_key = self.rescue.start(archive, authorized_keys, tell).map_err(failed)?;
        let addresses = self.inventory()?.nics.into_iter().flat_map(|nic| nic.addresses).collect();
        Ok(RescueAccess { addresses, host_key })
    }

    fn say(&self, line: &str) {
        say(self.console.as_deref(), line);
    }
}

fn say(console: Option<&Mutex<File>>, line: &str) {
    let Some(console) = console else { return };
    // A panic elsewhere while a line was written harms nothing here.
    let mut console = console.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Nobody to tell when the console itself fails.
    let _ = console.write_all(format!("billet: {line}\n").as_bytes());
}
