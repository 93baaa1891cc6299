//! Instances.

use super::{
    job,
    layout::{Page, table},
    machine::labels,
    word,
};
use crate::cli::{
    text::{Context, bytes},
    ui::HasName,
};
use provisioner_api::{Instance, InstanceSpec, Minimum};

impl HasName for Instance {
    fn name(&self) -> String {
        self.name.clone()
    }
}

/// The image's name.
fn image(instance: &Instance) -> &str {
    let name = &instance.spec.image;
    if name.is_empty() { "none (adopted)" } else { name }
}

/// A table of instances.
pub(in crate::cli) fn instances(instances: &[Instance], wide: bool, context: &Context) -> String {
    let narrow = |instance: &Instance| {
        let status = &instance.status;
        [
            instance.name.clone(),
            state(instance),
            context.age(status.since),
            image(instance).to_owned(),
            machine(instance),
            status.addresses.join(","),
            job::cell(status.waiting.as_ref(), status.held.as_ref()),
        ]
    };
    if !wide {
        let titles = ["NAME", "STATE", "FOR", "IMAGE", "MACHINE", "ADDRESSES", "WAITS FOR"];
        return table(titles, instances.iter().map(narrow));
    }
    let titles = [
        "NAME",
        "STATE",
        "FOR",
        "IMAGE",
        "MACHINE",
        "ADDRESSES",
        "HOSTNAME",
        "POOL",
        "ERASE",
        "PHONED HOME",
        "ID",
        "WAITS FOR",
    ];
    let rows = instances.iter().map(|instance| {
        let [name, state, age, image, machine, addresses, waits] = narrow(instance);
        [
            name,
            state,
            age,
            image,
            machine,
            addresses,
            hostname(instance),
            instance.spec.pool.clone().unwrap_or_default(),
            word(instance.spec.erase),
            instance.status.phoned_home.map(|at| context.time(at)).unwrap_or_default(),
            instance.id.to_string(),
            waits,
        ]
    });
    table(titles, rows)
}

/// A page about one.
pub(in crate::cli) fn instance(instance: &Instance, context: &Context) -> String {
    let (spec, status) = (&instance.spec, &instance.status);
    let mut page = Page::default();
    page.line("Name", &instance.name);
    page.line("State", format!("{} since {}", state(instance), context.time_and_age(status.since)));
    job::lines(&mut page, status.waiting.as_ref(), status.held.as_ref(), context);
    page.line("Machine", machine(instance));
    page.line("Addresses", status.addresses.join(", "));
    let planned = status.static_addresses.iter();
    let planned = planned.map(|one| format!("{} on {}", one.address, one.interface)).collect::<Vec<_>>();
    page.line("Static", planned.join(", "));
    let uses = spec.network.as_ref().map(|network| network.virtual_addresses.join(", "));
    page.line("Uses", uses.unwrap_or_default());
    if let Some(rescue) = &status.rescue {
        let login = if rescue.ready { rescue.login.join(" or ") } else { "not ready yet".to_owned() };
        page.line("Rescue", login);
        page.line("Rescue host key", rescue.host_key.as_deref().unwrap_or_default());
    }
    page.line("Phoned home", status.phoned_home.map(|at| context.time_and_age(at)).unwrap_or_default());
    page.line("Image", image(instance));
    page.line("Hostname", hostname(instance));
    let wanted = match (&spec.machine, &spec.pool) {
        (Some(machine), _) => format!("machine {machine}"),
        (None, Some(pool)) => format!("any machine of pool {pool}"),
        (None, None) => "any machine".to_owned(),
    };
    page.line("Asked for", wanted);
    page.line("Selector", selector(spec));
    page.line("At least", minimum(&spec.minimum));
    page.line("Architecture", spec.architecture.as_deref().unwrap_or_default());
    page.line("Zone", spec.zone.as_deref().unwrap_or_default());
    if let Some(spread) = &spec.spread {
        page.line("Spread", format!("with group {}, by {}", spread.group, word(spread.by)));
    }
    let preferred = spec.prefer_machine.as_ref().map(|machine| format!("machine {machine}"));
    let sticky = spec.sticky.then(|| "the last one of this name or group".to_owned());
    page.line("Prefers", preferred.into_iter().chain(sticky).collect::<Vec<_>>().join(", else "));
    page.line("Deadline", spec.deadline.map(|at| context.time_and_age(at)).unwrap_or_default());
    if spec.protected {
        page.line("Protected", "yes");
    }
    page.line("User", spec.user.as_deref().unwrap_or_default());
    for (index, key) in spec.ssh_keys.iter().enumerate() {
        page.line(if index == 0 { "SSH keys" } else { "" }, key);
    }
    page.line("User data", spec.user_data.as_deref().unwrap_or_default());
    let hints = spec.root_disk.as_ref().map(ToString::to_string);
    page.line("Root disk", spec.root_disk_serial.clone().or(hints).unwrap_or_default());
    page.line("Erase", word(spec.erase));
    page.line("Id", format!("{} (version {})", instance.id, instance.version));
    page.block("SSH host keys", &status.host_keys.join("\n"));
    if let Some(config) = &spec.network_config {
        // Its line breaks are its meaning, so that each line is cleaned by itself.
        let lines: Vec<_> = config.lines().map(crate::cli::text::clean).collect();
        page.block("Network configuration", &lines.join("\n"));
    }
    page.end()
}

/// What its machine's labels have to be, in one line.
fn selector(spec: &InstanceSpec) -> String {
    let equal = Some(labels(&spec.selector)).filter(|labels| !labels.is_empty());
    let others = spec.expressions.iter().map(ToString::to_string);
    equal.into_iter().chain(others).collect::<Vec<_>>().join(", ")
}

/// The least that its machine must have, in one line.
fn minimum(least: &Minimum) -> String {
    let number = |number: Option<u32>, of: &str| number.map(|number| format!("{number} {of}"));
    let words = [
        number(least.cpu_cores, "cores"),
        least.memory_bytes.map(|size| format!("{} of memory", bytes(size))),
        least.disk_bytes.map(|size| format!("a disk of {}", bytes(size))),
        number(least.gpus, "GPUs"),
        number(least.nics, "network cards"),
        number(least.nic_speed_mbps, "Mbit/s"),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The state, with what an operator must not overlook.
fn state(instance: &Instance) -> String {
    let state = word(instance.status.state);
    if instance.status.held.is_some() { format!("{state}, held") } else { state }
}

/// Its machine: the name, or the id when the name is not known.
fn machine(instance: &Instance) -> String {
    let id = || instance.status.machine.map(|id| id.to_string());
    instance.status.machine_name.clone().or_else(id).unwrap_or_default()
}

/// The hostname that it has.
fn hostname(instance: &Instance) -> String {
    instance.spec.hostname.clone().unwrap_or_else(|| instance.name.clone())
}
