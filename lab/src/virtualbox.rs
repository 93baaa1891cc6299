//! `billet-lab up --hypervisor virtualbox`: the lab's machines made with `VBoxManage`, for hosts where VirtualBox is at
//! home. The service switches them with its `vbox` driver.
//!
//! Tested against a stand-in that records the commands; not yet tried on a real VirtualBox. Options have the names that
//! VirtualBox 6.1 and 7 both take (the second names in the table of `VBoxManageModifyVM.cpp`). There is no daemon, no
//! switch and no BMC here: the machines are VirtualBox's, on a host-only network of the host.

mod printed;

use anyhow::{Context, bail};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::layout::Layout;
use crate::spec::{Architecture, BootOrder, Machine, Network, Nic, Spec};

/// What the machines' names begin with in VirtualBox, where others have theirs, too.
const PREFIX: &str = "billet-lab-";

/// The extra data that a machine gets last: one without it is half made.
const WHOLE: &str = "billet-lab/whole";

/// Where disks are: the IDE controller's places, whose driver is in every kernel. The names are those of the device's
/// settings (VirtualBox manual, "Configuring the hard disk vendor product data").
const PLACES: [&str; 4] = ["PrimaryMaster", "PrimarySlave", "SecondaryMaster", "SecondarySlave"];

/// How often a machine is asked to go that its process, which just ended, still holds; and the time between.
const TRIES: u32 = 40;
const BETWEEN: Duration = Duration::from_millis(250);

/// VirtualBox's command line, and the service's.
pub(crate) struct VirtualBox {
    /// `VBoxManage`.
    pub(crate) manage: PathBuf,
    /// `billet`, with which the machines are enrolled; `None`: they are not.
    pub(crate) billet: Option<PathBuf>,
}

impl VirtualBox {
    /// Makes the network and those machines that are not there yet, switched off. What to do next, as text.
    pub(crate) fn up(&self, spec: &Spec, layout: &Layout, fresh: bool) -> anyhow::Result<String> {
        for machine in &spec.machines {
            if machine.architecture != Architecture::X86_64 {
                bail!("machine {} is no x86_64; VirtualBox has no others on this host", machine.name);
            }
            if machine.further_nics > 0 {
                bail!("machine {} has further_nics; with VirtualBox it has one", machine.name);
            }
            if machine.disks().count() > PLACES.len() {
                bail!(
                    "machine {} has more than {} disks, which VirtualBox's IDE takes",
                    machine.name,
                    PLACES.len()
                );
            }
            if let Some(disk) = machine.disks().find(|disk| !disk.is_plain()) {
                bail!(
                    "machine {}: disk {} has more than size and serial; with VirtualBox disks are IDE",
                    machine.name,
                    disk.serial
                );
            }
        }
        if !spec.network.vlans.is_empty() {
            bail!("the network has vlans; with VirtualBox there are none");
        }
        let platform = self.platform()?;
        let interface = self.network(&spec.network)?;
        if fresh {
            self.remove(spec, layout)?;
        }
        // `down` and `status` find it there.
        std::fs::create_dir_all(folder(layout))?;
        std::fs::write(stored_spec(layout.dir()), toml::to_string(spec)?)?;
        let mut told = settings_of_the_service(&interface, &spec.network);
        for machine in &spec.machines {
            let name = format!("{PREFIX}{}", machine.name);
            if !self.is_whole(&name)? {
                self.remove_one(machine, layout)?;
                self.make(machine, &name, &interface, layout, platform)?;
            }
            let words = enrolment(machine, &name);
            match &self.billet {
                Some(billet) => drop(run(billet, words.iter().map(String::as_str))?),
                None => writeln!(told, "billet {}", words.join(" "))?,
            }
        }
        Ok(told)
    }

    /// Takes the spec's machines away, disks included. The host-only network stays: others may use it.
    pub(crate) fn remove(&self, spec: &Spec, layout: &Layout) -> anyhow::Result<()> {
        spec.machines.iter().try_for_each(|machine| self.remove_one(machine, layout))
    }

    /// The machines and their power, as a table.
    pub(crate) fn status(&self, spec: &Spec) -> anyhow::Result<String> {
        let mut table = format!("{:<20} {:<12} {:<17} BMC\n", "MACHINE", "POWER", "MAC");
        for machine in &spec.machines {
            let name = format!("{PREFIX}{}", machine.name);
            let state = if self.is_there(&name)? {
                let shown = self.manage(["showvminfo", &name, "--machinereadable"])?;
                printed::state(&shown).unwrap_or("?").to_owned()
            } else {
                "not made".to_owned()
            };
            writeln!(table, "{:<20} {state:<12} {:<17} vbox://{name}", machine.name, machine.mac)?;
        }
        Ok(table)
    }

    /// The words that VirtualBox wants at `createvm` from 7.1 on, and doesn't know before
    /// (<https://github.com/hashicorp/packer-plugin-virtualbox/issues/135>).
    fn platform(&self) -> anyhow::Result<&'static [&'static str]> {
        let said = self.manage(["--version"])?;
        let version = printed::version(&said)
            .with_context(|| format!("VBoxManage says `{}` for its version", said.trim()))?;
        Ok(if version >= (7, 1) { &["--platform-architecture", "x86"] } else { &[] })
    }

    fn is_there(&self, name: &str) -> anyhow::Result<bool> {
        Ok(printed::has_machine(&self.manage(["list", "vms"])?, name))
    }

    fn is_whole(&self, name: &str) -> anyhow::Result<bool> {
        Ok(self.is_there(name)? && self.manage(["getextradata", name, WHOLE])?.trim() == "Value: yes")
    }

    fn remove_one(&self, machine: &Machine, layout: &Layout) -> anyhow::Result<()> {
        let name = format!("{PREFIX}{}", machine.name);
        if self.is_there(&name)? {
            // One that is off already refuses.
            let _ = self.manage(["controlvm", &name, "poweroff"]);
            self.unregister(&name)?;
        }
        // Disks that were made before a crash, and never attached.
        for (number, _) in machine.disks().enumerate() {
            let disk = disk(layout, &name, number);
            if disk.exists() {
                let _not_registered = self.manage(["closemedium", "disk", text(&disk)?]);
                std::fs::remove_file(&disk).with_context(|| format!("can't remove {}", disk.display()))?;
            }
        }
        Ok(())
    }

    fn unregister(&self, name: &str) -> anyhow::Result<()> {
        for _ in 1..TRIES {
            match self.manage(["unregistervm", name, "--delete"]) {
                Err(error) if error.to_string().contains("locked") => std::thread::sleep(BETWEEN),
                ended => return ended.map(drop),
            }
        }
        self.manage(["unregistervm", name, "--delete"]).map(drop)
    }

    /// The host-only interface that has the spec's address, made if there is none.
    fn network(&self, network: &Network) -> anyhow::Result<String> {
        let address = network.address.to_string();
        if let Some(name) = printed::interface_with(&self.manage(["list", "hostonlyifs"])?, &address) {
            if printed::has_dhcp(&self.manage(["list", "dhcpservers"])?, &name) {
                bail!(
                    "VirtualBox's own DHCP server is on at {name} and would answer before ours; take it away with \
                     `VBoxManage dhcpserver remove --interface {name}`, or set network.subnet and network.address in the spec"
                );
            }
            return Ok(name);
        }
        let printed = self.manage(["hostonlyif", "create"])?;
        let name = printed.split('\'').nth(1).context("VBoxManage does not say which interface it made")?;
        let mask = mask(network.subnet.prefix).to_string();
        let configured = self.manage(["hostonlyif", "ipconfig", name, "--ip", &address, "--netmask", &mask]);
        if let Err(error) = configured {
            // Each try would leave another one behind.
            let _ = self.manage(["hostonlyif", "remove", name]);
            return Err(error).with_context(|| {
                format!(
                    "VirtualBox gives host-only networks only addresses that /etc/vbox/networks.conf allows \
                     (192.168.56.0/21 without it): add a line `* {}/{}`, or set network.subnet and network.address in the spec",
                    network.subnet.base, network.subnet.prefix
                )
            });
        }
        // VirtualBox's own DHCP server would answer before ours; a new interface may have none.
        let _ = self.manage(["dhcpserver", "remove", "--interface", name]);
        Ok(name.to_owned())
    }

    fn make(
        &self,
        machine: &Machine,
        name: &str,
        interface: &str,
        layout: &Layout,
        platform: &[&str],
    ) -> anyhow::Result<()> {
        let folder = folder(layout);
        let console = layout.machine(&machine.name).console_log();
        let mut words = vec!["createvm", "--name", name, "--ostype", "Linux26_64"];
        words.extend(platform);
        words.extend(["--basefolder", text(&folder)?, "--register"]);
        self.manage(words)?;
        let settings = settings(machine, interface, text(&console)?);
        let mut words = vec!["modifyvm", name];
        words.extend(settings.iter().map(String::as_str));
        self.manage(words)?;
        let bios = if machine.firmware.is_uefi() { "efi" } else { "pcbios" };
        let serial = format!("VBoxInternal/Devices/{bios}/0/Config/DmiSystemSerial");
        self.manage(["setextradata", name, &serial, &machine.serial()])?;
        self.manage(["storagectl", name, "--name", "IDE", "--add", "ide", "--controller", "PIIX4"])?;
        for (number, (wanted, place)) in machine.disks().zip(PLACES).enumerate() {
            let disk = disk(layout, name, number);
            let megabytes = wanted.size.bytes().div_ceil(1 << 20).to_string();
            self.manage([
                "createmedium",
                "disk",
                "--filename",
                text(&disk)?,
                "--size",
                &megabytes,
                "--format",
                "VDI",
            ])?;
            let (port, device) = ((number / 2).to_string(), (number % 2).to_string());
            self.manage([
                "storageattach",
                name,
                "--storagectl",
                "IDE",
                "--port",
                &port,
                "--device",
                &device,
                "--type",
                "hdd",
                "--medium",
                text(&disk)?,
            ])?;
            let key = format!("VBoxInternal/Devices/piix3ide/0/Config/{place}/SerialNumber");
            self.manage(["setextradata", name, &key, &wanted.serial])?;
        }
        self.manage(["setextradata", name, WHOLE, "yes"]).map(drop)
    }

    fn manage<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> anyhow::Result<String> {
        run(&self.manage, words)
    }
}

/// Where the spec of the last `up` is kept.
pub(crate) fn stored_spec(dir: &Path) -> PathBuf {
    dir.join("virtualbox/spec.toml")
}

/// Where the machines are.
fn folder(layout: &Layout) -> PathBuf {
    layout.dir().join("virtualbox")
}

fn disk(layout: &Layout, name: &str, number: usize) -> PathBuf {
    folder(layout).join(format!("{name}-{number}.vdi"))
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the lab's folder is not valid UTF-8")
}

fn mask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0))
}

/// What the service's configuration needs, ready to be copied.
fn settings_of_the_service(interface: &str, network: &Network) -> String {
    let from = u32::from(network.subnet.base) & u32::from(mask(network.subnet.prefix));
    let last = from | !u32::from(mask(network.subnet.prefix));
    // The upper half but the broadcast address: the service's own is seldom there.
    let range = [from + (last - from).div_ceil(2), last - 1].map(Ipv4Addr::from);
    format!(
        "# In the service's configuration:\n[[networks]]\nname = \"lab\"\ninterface = \"{interface}\"\naddress = \"{}\"\n\
         subnet = \"{}/{}\"\nrange = [\"{}\", \"{}\"]\ndhcp = \"full\"\n\n# Then:\n",
        network.address, network.subnet.base, network.subnet.prefix, range[0], range[1],
    )
}

/// The options of `modifyvm` that make it what the spec says.
fn settings(machine: &Machine, interface: &str, console: &str) -> Vec<String> {
    let firmware = if machine.firmware.is_uefi() { "efi" } else { "bios" };
    let (first, second) = match machine.boot_order {
        BootOrder::DiskFirst => ("disk", "net"),
        BootOrder::NetworkFirst => ("net", "disk"),
    };
    let nic = match machine.nic {
        Nic::Virtio => "virtio",
        Nic::E1000e => "82540EM",
    };
    let (memory, mac) = (machine.memory.to_string(), machine.mac.replace(':', ""));
    let uuid = machine.uuid();
    [
        ["--memory", &memory],
        ["--firmware", firmware],
        ["--ioapic", "on"],
        ["--hardwareuuid", &uuid],
        ["--rtcuseutc", "on"],
        ["--nic1", "hostonly"],
        ["--hostonlyadapter1", interface],
        ["--nictype1", nic],
        ["--macaddress1", &mac],
        ["--boot1", first],
        ["--boot2", second],
        ["--boot3", "none"],
        ["--boot4", "none"],
    ]
    .iter()
    .flatten()
    .copied()
    .chain(["--uart1", "0x3F8", "4", "--uartmode1", "file", console])
    .map(str::to_owned)
    .collect()
}

/// What `billet` is told of a machine.
fn enrolment(machine: &Machine, name: &str) -> Vec<String> {
    ["machine", "add", &machine.name, "--mac", &machine.mac, "--bmc", &format!("vbox://{name}")]
        .map(str::to_owned)
        .to_vec()
}

/// Runs a program with these words; what it printed.
fn run<'a>(program: &Path, words: impl IntoIterator<Item = &'a str>) -> anyhow::Result<String> {
    let words: Vec<&str> = words.into_iter().collect();
    let shown = format!("{} {}", program.display(), words.join(" "));
    let output = Command::new(program).args(&words).env("LC_ALL", "C").output();
    let output = output.with_context(|| format!("can't run {}; is it installed?", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed: {}", said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests;
