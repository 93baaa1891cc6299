//! Machines.

use super::{
    job,
    layout::{Page, table},
    word,
};
use crate::cli::{
    bmc_url,
    text::{Context, bytes},
    ui::HasName,
};
use provisioner_api::{BmcHealth, BmcProtocol, BmcSpec, Caution, Inventory, Machine};
use std::collections::BTreeMap;

impl HasName for Machine {
    fn name(&self) -> String {
        self.name.clone()
    }
}

/// A table of machines.
pub(in crate::cli) fn machines(machines: &[Machine], wide: bool, context: &Context) -> String {
    let narrow = |machine: &Machine| {
        let status = &machine.status;
        [
            machine.name.clone(),
            state(machine),
            context.age(status.since),
            word(status.power),
            machine.spec.pool.clone(),
            owner(machine),
            job::cell(status.waiting.as_ref(), status.held.as_ref()),
        ]
    };
    if !wide {
        return table(
            ["NAME", "STATE", "FOR", "POWER", "POOL", "INSTANCE", "WAITS FOR"],
            machines.iter().map(narrow),
        );
    }
    let titles = [
        "NAME",
        "STATE",
        "FOR",
        "POWER",
        "POOL",
        "INSTANCE",
        "ADDRESS",
        "BOOT",
        "CPUS",
        "MEMORY",
        "DISKS",
        "BMC",
        "MACS",
        "ID",
        "WAITS FOR",
    ];
    let rows = machines.iter().map(|machine| {
        let [name, state, age, power, pool, owner, waits] = narrow(machine);
        let inventory = machine.status.inventory.as_ref();
        [
            name,
            state,
            age,
            power,
            pool,
            owner,
            machine.status.address.clone().unwrap_or_default(),
            machine.spec.boot_mode.map(word).unwrap_or_default(),
            inventory.map(|found| found.cpu.threads.to_string()).unwrap_or_default(),
            inventory.map(|found| bytes(found.memory_bytes)).unwrap_or_default(),
            inventory.map(disks).unwrap_or_default(),
            machine.spec.bmc.as_ref().map(short_bmc).unwrap_or_default(),
            machine.spec.macs.join(","),
            machine.id.to_string(),
            waits,
        ]
    });
    table(titles, rows)
}

/// A page about one.
pub(in crate::cli) fn machine(machine: &Machine, context: &Context) -> String {
    let (spec, status) = (&machine.spec, &machine.status);
    let mut page = Page::default();
    page.line("Name", &machine.name);
    page.line("State", format!("{} since {}", state(machine), context.time_and_age(status.since)));
    job::lines(&mut page, status.waiting.as_ref(), status.held.as_ref(), context);
    page.line("Power", word(status.power));
    page.line("Instance", owner(machine));
    page.line("Address", status.address.as_deref().unwrap_or_default());
    page.line("Pool", &spec.pool);
    page.line("Labels", labels(&spec.labels));
    page.line("Zone", spec.zone.as_deref().unwrap_or_default());
    page.line("Rack", spec.rack.as_deref().unwrap_or_default());
    page.line("MACs", spec.macs.join(", "));
    page.line("Boot mode", spec.boot_mode.map(word).unwrap_or_else(|| "not known yet".to_owned()));
    page.line("Boot chain", spec.boot_chain.map(word).unwrap_or_default());
    match &spec.bmc {
        Some(bmc) => page.line("BMC", bmc_url::write(bmc)),
        None => page.line("BMC", "none; set it with `billet machine set --bmc`"),
    };
    if let Some(bmc) = &spec.bmc {
        page.line("", bmc_trust(bmc)).line("", bmc_health(machine));
    }
    for weak in &status.bmc.weak {
        page.line("", format!("weak: {weak}"));
    }
    page.line("Id", format!("{} (version {})", machine.id, machine.version));
    if let Some(running) = &status.job {
        job::block(&mut page, running, context);
    }
    if let Some(found) = &status.inventory {
        inventory(&mut page, found);
    }
    page.end()
}

/// A BMC in a column: its protocol, and what it is found by.
fn short_bmc(bmc: &BmcSpec) -> String {
    let by = [Some(bmc.address.as_str()), bmc.mac.as_deref(), bmc.domain.as_deref()];
    let by = by.into_iter().flatten().filter(|text| !text.is_empty());
    by.fold(word(bmc.protocol), |short, text| format!("{short} {text}"))
}

/// Which certificates are believed of it.
fn bmc_trust(bmc: &BmcSpec) -> &'static str {
    match bmc.protocol {
        BmcProtocol::Redfish | BmcProtocol::Webhook if bmc.tls_ca.is_some() => {
            "believed with certificates of the CA that was given"
        }
        BmcProtocol::Redfish | BmcProtocol::Webhook if bmc.tls_sha256.is_some() => {
            "believed with this certificate only"
        }
        BmcProtocol::Redfish | BmcProtocol::Webhook => "the certificate that it shows first will be pinned",
        _ => "",
    }
}

/// Whether the BMC answers.
fn bmc_health(machine: &Machine) -> String {
    let status = &machine.status.bmc;
    let health = match status.health {
        BmcHealth::None => "",
        BmcHealth::Unknown => "not asked yet",
        BmcHealth::Ok => "answers",
        BmcHealth::Unreachable => "does not answer",
        BmcHealth::AuthenticationFailed => "refuses user name or password",
    };
    match &status.error {
        Some(error) if status.health != BmcHealth::Ok => format!("{health}: {error}"),
        _ => health.to_owned(),
    }
}

/// What the agent found, in blocks of a page.
fn inventory(page: &mut Page, found: &Inventory) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut system = Page::default();
    system.line("System", [text(&found.manufacturer), text(&found.product)].join(" ").trim());
    system
        .line("Serial", text(&found.serial))
        .line("UUID", text(&found.uuid))
        .line("Firmware", text(&found.firmware));
    let cpu = &found.cpu;
    let processors = format!(
        "{} ({}; sockets {}, cores {}, threads {})",
        cpu.model, found.architecture, cpu.sockets, cpu.cores, cpu.threads
    );
    system.line("Processors", processors).line("Memory", bytes(found.memory_bytes));
    page.block("Inventory", &system.end());
    let rows = found.disks.iter().map(|disk| {
        let spins = disk.rotational.then_some("spinning");
        let told = [disk.removable.then_some("removable"), disk.read_only.then_some("read-only")];
        let caution = disk.caution().map(Caution::words).filter(|word| !told.contains(&Some(word)));
        let kind =
            spins.into_iter().chain(disk.bus.as_deref()).chain(told.into_iter().flatten()).chain(caution);
        let kind: Vec<_> = kind.collect();
        [disk.name.clone(), bytes(disk.size_bytes), text(&disk.serial), text(&disk.model), kind.join(", ")]
    });
    page.block("Disks", &table(["NAME", "SIZE", "SERIAL", "MODEL", "KIND"], rows));
    let rows = found.nics.iter().map(|nic| {
        let speed = nic.speed_mbps.map(|speed| format!("{speed} Mbit/s")).unwrap_or_default();
        let link = if nic.link { format!("up {speed}").trim().to_owned() } else { "down".to_owned() };
        [nic.name.clone(), nic.mac.clone(), link, text(&nic.driver), nic.addresses.join(", ")]
    });
    page.block("Network cards", &table(["NAME", "MAC", "LINK", "DRIVER", "ADDRESSES"], rows));
    if !found.gpus.is_empty() {
        let rows = found
            .gpus
            .iter()
            .map(|gpu| [gpu.address.clone(), format!("{}:{}", gpu.vendor, gpu.device), text(&gpu.driver)]);
        page.block("Graphics and accelerators", &table(["ADDRESS", "PCI ID", "DRIVER"], rows));
    }
}

/// The state, with what an operator must not overlook.
fn state(machine: &Machine) -> String {
    let mut state = word(machine.status.state);
    if machine.status.held.is_some() {
        state.push_str(", held");
    }
    if !machine.spec.accepted {
        state.push_str(", not accepted");
    }
    if machine.spec.maintenance {
        state.push_str(", maintenance");
    }
    if machine.spec.protected {
        state.push_str(", protected");
    }
    if machine.spec.retired {
        state.push_str(", retired");
    }
    state
}

/// The instance on it: its name, or its id when the name is not known.
fn owner(machine: &Machine) -> String {
    let Some(id) = machine.status.instance else { return String::new() };
    machine.status.instance_name.clone().unwrap_or_else(|| id.to_string())
}

/// Number and size of the disks that can be written: `2, 1.8 TiB`.
fn disks(found: &Inventory) -> String {
    let fixed: Vec<_> = found.disks.iter().filter(|disk| !disk.removable && !disk.read_only).collect();
    if fixed.is_empty() {
        return "none".to_owned();
    }
    format!("{}, {}", fixed.len(), bytes(fixed.iter().map(|disk| disk.size_bytes).sum()))
}

/// Labels in one line.
pub(super) fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}
