//! Every way from firmware to the agent: PXE and HTTP, iPXE and unified kernel image, x86_64 and aarch64. Each
//! machine is enrolled, netboots, is inspected, and its boot trace has to say that it went the way it was to go.
//!
//! A plain BIOS ROM, and UEFI's usual way by PXE and `snponly.efi`, are in `whole_way`. Machines of a test boot side by
//! side.

use super::{fetched, spec, start_of};
use anyhow::{Context, Result};
use lab::{Architecture, Faults};
use provisioner_api::{BootMode, MachineState, TraceEntry};
use std::{fs::File, io::Write};
use tests::{LabSite, artifacts, can_run, has_arm64};

const NEEDED: [&str; 4] = ["vmlinuz", "initrd.img", "linuxx64.efi.stub", "linuxaa64.efi.stub"];

/// A machine, and the way that it goes.
struct Way {
    name: &'static str,
    architecture: &'static str,
    firmware: &'static str,
    /// `boot_chain`; as the service chooses when absent.
    chain: Option<&'static str>,
    /// What it fetches whole, in this order: how, and how the name ends.
    fetches: &'static [(&'static str, &'static str)],
}

impl Way {
    fn machine(&self) -> String {
        let Self { name, architecture, firmware, .. } = self;
        format!(
            "[[machine]]\nname = \"{name}\"\narchitecture = \"{architecture}\"\nfirmware = \"{firmware}\"\nbmc = \"mock\"\n\
             disk = \"128M\"\nmemory = 512\nboot_order = \"network-first\"\n"
        )
    }

    fn uses_ipxe(&self) -> bool {
        self.fetches.len() > 1
    }
}

/// By HTTP and by PXE with iPXE and without, and with iPXE in the card's ROM. Some are switched on once more when
/// nobody expects it.
#[test]
fn x86_64() -> Result<()> {
    let by_http = [
        Way {
            name: "http-snponly",
            architecture: "x86_64",
            firmware: "uefi-http",
            chain: Some("snponly"),
            fetches: &[("http", "/snponly.efi"), ("http", "/vmlinuz"), ("http", "/initrd.img")],
        },
        Way {
            name: "http-uki",
            architecture: "x86_64",
            firmware: "uefi-http",
            chain: Some("uki"),
            fetches: &[("http", ".efi")],
        },
    ];
    let by_pxe = [
        Way {
            name: "pxe-ipxe",
            architecture: "x86_64",
            firmware: "uefi",
            chain: Some("ipxe"),
            fetches: &[("tftp", "ipxe.efi"), ("http", "/vmlinuz"), ("http", "/initrd.img")],
        },
        Way {
            name: "pxe-uki",
            architecture: "x86_64",
            firmware: "uefi",
            chain: Some("uki"),
            fetches: &[("tftp", ".efi")],
        },
    ];
    let in_rom = [Way {
        name: "rom-ipxe",
        architecture: "x86_64",
        firmware: "bios",
        chain: None,
        fetches: &[("http", "/vmlinuz"), ("http", "/initrd.img")],
    }];
    let Some(site) = site(by_http.iter().chain(&by_pxe).chain(&in_rom), &["tiny.raw"])? else {
        return Ok(());
    };
    inspected(&site, &by_http)?;
    // Its firmware spends minutes waiting for DHCPv6, so others boot meanwhile.
    let unexpected = Unexpected::switched_on(&site, "http-uki")?;
    inspected(&site, &by_pxe)?;
    inspected(&site, &in_rom)?;
    Unexpected::switched_on(&site, "rom-ipxe")?.gets_its_disk(&site, "Configuring (net0")?;
    unexpected.gets_its_disk(&site, ">>Start HTTP Boot over IPv4")
}

/// There is no iPXE for it: whatever nobody asked for otherwise is the unified kernel image.
#[test]
fn aarch64() -> Result<()> {
    let ways = [
        Way {
            name: "arm-pxe",
            architecture: "aarch64",
            firmware: "uefi",
            chain: None,
            fetches: &[("tftp", ".efi")],
        },
        Way {
            name: "arm-http",
            architecture: "aarch64",
            firmware: "uefi-http",
            chain: Some("auto"),
            fetches: &[("http", ".efi")],
        },
    ];
    if !has_arm64() {
        return Ok(());
    }
    let Some(site) = site(&ways, &[])? else { return Ok(()) };
    inspected(&site, &ways)
}

/// A fifth of all frames is lost, some come twice and some overtake others, until iPXE has its script: firmware and
/// loaders ask again as they do, and get their loader all the same.
#[test]
fn through_a_bad_wire() -> Result<()> {
    let way = |name, firmware, fetches| Way { name, architecture: "x86_64", firmware, chain: None, fetches };
    let ways = [
        way("bad-bios", "bios-pxe", &[("tftp", "undionly.kpxe")][..]),
        way("bad-uefi", "uefi", &[("tftp", "snponly.efi")][..]),
    ];
    let Some(site) = site(&ways, &[])? else { return Ok(()) };
    site.lab.set_faults(Faults { drop: 0.2, duplicate: 0.05, jitter_ms: 5, ..Faults::default() })?;
    for way in &ways {
        site.enrol(way.name)?;
    }
    for way in &ways {
        site.until(&format!("{} has its script", way.name), |site| {
            let trace = site.trace(way.name)?;
            // Not "fetched whole": when its last acknowledgement is lost, nobody can know.
            let (kind, name) = way.fetches[0];
            let asked = |entry: &TraceEntry| entry.kind == kind && entry.file.as_deref() == Some(name);
            let has_script = trace.entries.iter().any(|entry| entry.kind == "script");
            Ok((has_script && trace.entries.iter().any(asked)).then_some(()))
        })?;
    }
    site.lab.set_faults(Faults::default())?;
    for way in &ways {
        site.machine_in(way.name, MachineState::Available)?;
    }
    Ok(())
}

/// A lab with these machines; none where nothing can run.
fn site<'a>(ways: impl IntoIterator<Item = &'a Way>, needed: &[&str]) -> Result<Option<LabSite>> {
    let spec = spec(&ways.into_iter().map(Way::machine).collect::<String>());
    if can_run(&spec, &[&NEEDED, needed].concat()) { LabSite::start(&spec).map(Some) } else { Ok(None) }
}

/// Enrols the machines, waits until they are inspected, and looks which way they went.
fn inspected(site: &LabSite, ways: &[Way]) -> Result<()> {
    for way in ways {
        match way.chain {
            Some(chain) => site.enrol_by(way.name, chain)?,
            None => site.enrol(way.name)?,
        }
    }
    for way in ways {
        site.machine_in(way.name, MachineState::Available)?;
        went(site, way).with_context(|| format!("of {}", way.name))?;
    }
    Ok(())
}

/// Whether a machine went its way, and was only looked at.
fn went(site: &LabSite, way: &Way) -> Result<()> {
    let machine = site.lab.machine(way.name)?;
    let inventory = site.machine(way.name)?.status.inventory.context("it was inspected")?;
    assert_eq!(inventory.architecture, way.architecture);
    let mode = if machine.firmware.is_uefi() { BootMode::Uefi } else { BootMode::Bios };
    assert_eq!(inventory.boot_mode, Some(mode));
    let model = if way.architecture == "aarch64" { "ARM Cortex-A57" } else { "QEMU" };
    assert!(inventory.cpu.model.contains(model), "{}", inventory.cpu.model);
    assert_eq!(inventory.uuid.as_deref(), Some(machine.uuid.as_str()));
    assert_eq!(inventory.nics[0].mac, machine.mac);
    assert_eq!(inventory.disks[0].serial.as_deref(), Some(machine.disks[0].serial.as_str()));
    assert!(start_of(machine, 1 << 20)?.iter().all(|byte| *byte == 0), "inspecting writes nothing");

    let trace = site.trace(way.name)?;
    let fetched = fetched(&trace);
    assert_eq!(fetched.len(), way.fetches.len(), "{fetched:?}");
    for ((kind, name), (wanted, ending)) in fetched.iter().zip(way.fetches) {
        assert!(kind == wanted && name.ends_with(ending), "{fetched:?}");
    }
    let own_image = format!("uki/{}/{}.efi", arch_word(machine.architecture), machine.mac.replace(':', "-"));
    let (first, scripts) =
        (&fetched[0].1, trace.entries.iter().filter(|entry| entry.kind == "script").count());
    assert_eq!(first.ends_with(&own_image), !way.uses_ipxe(), "{first}");
    assert_eq!(scripts, usize::from(way.uses_ipxe()), "a script is iPXE's: {:?}", trace.entries);
    assert!(trace.diagnoses.is_empty(), "nothing went wrong: {:?}", trace.diagnoses);
    let console = site.lab.console_text(way.name)?;
    for (firmware, start) in [("uefi", ">>Start PXE over IPv4"), ("uefi-http", ">>Start HTTP Boot over IPv4")]
    {
        assert_eq!(console.contains(start), way.firmware == firmware, "{console}");
    }
    assert_eq!(console.contains("iPXE"), way.uses_ipxe(), "{console}");
    Ok(())
}

fn arch_word(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x64",
        Architecture::Aarch64 => "arm64",
    }
}

/// A machine with a system on its disk, whose firmware tries the network first, switched on by hand.
struct Unexpected<'a> {
    name: &'a str,
    /// How much it had said before, on the console and to the boot server.
    console: usize,
    trace: usize,
}

impl<'a> Unexpected<'a> {
    fn switched_on(site: &LabSite, name: &'a str) -> Result<Self> {
        let system = std::fs::read(artifacts().join("tiny.raw"))?;
        let mut disk = File::options().write(true).open(&site.lab.machine(name)?.disks[0].path)?;
        disk.write_all(&system)?;
        let console = site.lab.console_text(name)?.len();
        let trace = site.trace(name)?.entries.len();
        site.lab.set_power(name, true)?;
        Ok(Self { name, console, trace })
    }

    /// `tried` is what its firmware says of the network.
    fn gets_its_disk(&self, site: &LabSite, tried: &str) -> Result<()> {
        let console = site.until("its own system comes up", |site| {
            let console = site.lab.console_text(self.name)?.split_off(self.console);
            Ok(console.contains("tiny: starting").then_some(console))
        })?;
        assert!(console.contains(tried), "the network was tried first: {console}");
        assert!(!console.contains("billet:"), "no agent ran: {console}");
        let new = site.trace(self.name)?.entries.split_off(self.trace);
        let answered = new.iter().any(|entry| entry.kind == "dhcp" && entry.reply.is_some());
        assert!(answered, "it got an address: {new:?}");
        assert!(!new.iter().any(|entry| entry.stage.as_deref() == Some("done")), "and no file: {new:?}");
        site.lab.set_power(self.name, false)
    }
}
