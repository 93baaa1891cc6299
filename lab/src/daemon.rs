//! A running lab: everything put together, and the requests that it takes.

use anyhow::{Context, anyhow};
use bmc_mock::{BootDevice, Chassis};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bmc::{self, Surroundings};
use crate::control::{MachineStatus, Reply, Request};
use crate::layout::{Layout, MachineFiles};
use crate::link;
use crate::nbd::{DiskFault, FaultyDisk};
use crate::qemu::{Accelerator, Console, QemuChassis, UefiImage};
use crate::report::{BmcReport, DiskReport, MachineReport, Report};
use crate::spec::{BmcKind, Firmware, Machine, Spec};
use crate::switch::{PacketSocket, PlainRom, Recorder, Switch, UdpPort, UnixPort};

/// The parts that requests act on.
struct Lab {
    switch: Switch,
    /// Those that we make; a BMC may bring its own.
    machines: BTreeMap<String, Arc<QemuChassis>>,
    /// By machine and number.
    faulty: BTreeMap<(String, usize), FaultyDisk>,
}

/// Somebody who asked for the end and waits for it.
type Waiting = UnixStream;

/// Runs a lab inside namespaces that are there already, until it is asked to end. `ready` is called once all is up;
/// `hung_up` ends it too, when its other side is dropped or sends.
pub(crate) async fn run(
    spec: &Spec,
    layout: &Layout,
    ready: impl FnOnce(&Report) -> anyhow::Result<()>,
    hung_up: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    clear(layout, &spec.machines)?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let control = UnixListener::bind(layout.control()).context("can't listen for requests")?;
    let lab = Arc::new(start_machines(spec, layout)?);
    let (end, mut ends) = mpsc::channel(4);
    // ipmi_sim may ask as soon as it runs, so requests are served before all is up.
    let serving = tokio::spawn(serve(control, lab.clone(), end));
    let around = Surroundings { layout, tasks: &tasks, stop: &stop };
    let report = describe(spec, layout, start_bmcs(spec, &lab, &around).await?);
    report.write(&layout.report()).context("can't write lab.json")?;
    ready(&report)?;
    let waiting = await_end(&mut ends, hung_up).await?;
    tracing::info!("ending");
    std::fs::remove_file(layout.report())?;
    for chassis in lab.machines.values() {
        chassis.set_power(false).await?;
    }
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    serving.abort();
    clear(layout, &spec.machines)?;
    if let Some(mut stream) = waiting {
        // Who asked may have gone.
        let _gone = answer(&mut stream, &Ok(Value::Null)).await;
    }
    Ok(())
}

/// The BMCs, in the spec's order.
async fn start_bmcs(spec: &Spec, lab: &Lab, around: &Surroundings<'_>) -> anyhow::Result<Vec<BmcReport>> {
    let mut bmcs = Vec::new();
    for (number, machine) in (0..).zip(&spec.machines) {
        let chassis = lab.machines.get(&machine.name).map(|chassis| chassis.clone() as Arc<dyn Chassis>);
        let bmc = around.start(number, machine, chassis).await;
        bmcs.push(bmc.with_context(|| format!("the BMC of {} does not start", machine.name))?);
    }
    Ok(bmcs)
}

/// Waits for a request, a signal or the end of whom we serve.
async fn await_end(
    ends: &mut mpsc::Receiver<Waiting>,
    hung_up: oneshot::Receiver<()>,
) -> anyhow::Result<Option<Waiting>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        waiting = ends.recv() => Ok(waiting),
        _ = terminated.recv() => Ok(None),
        _ = interrupted.recv() => Ok(None),
        _ = hung_up => Ok(None),
    }
}

/// Removes what an earlier daemon left behind: sockets, and the report.
fn clear(layout: &Layout, machines: &[Machine]) -> anyhow::Result<()> {
    let sockets = machines.iter().flat_map(|machine| layout.machine(&machine.name).sockets(machine));
    for path in sockets.chain([layout.control(), layout.report()]) {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("can't remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Interfaces, switch, disks and machines; all off.
fn start_machines(spec: &Spec, layout: &Layout) -> anyhow::Result<Lab> {
    let (end, vlans) = link::make(&spec.network)?;
    let capture =
        Recorder::create(&layout.capture(), spec.network.capture).context("can't write lab.pcap")?;
    let switch = Switch::new(spec.network.faults, capture);
    switch.connect_packet(PacketSocket::open(&end)?);
    for (vlan, end) in spec.network.vlans.iter().zip(vlans) {
        switch.connect_to_vlan(PacketSocket::open(&end)?, vlan.id);
    }
    let accelerator = Accelerator::of_this_host();
    let (mut machines, mut faulty) = (BTreeMap::new(), BTreeMap::new());
    for (number, machine) in (0_u8..).zip(&spec.machines) {
        let files = layout.machine(&machine.name);
        faulty.extend(make_disks(machine, &files)?);
        let console = Console::open(&files)?;
        if machine.bmc == BmcKind::Sushy {
            let (port, nic) = bmc::cable(number);
            switch.connect_by_udp(UdpPort::bind(port, nic).context("can't make a machine's port")?);
            continue;
        }
        let uefi =
            if machine.firmware.is_uefi() { Some(UefiImage::find(machine.architecture)?) } else { None };
        if let Some(uefi) = &uefi {
            uefi.give_variables(&files.variables())?;
        }
        let rom = (machine.firmware == Firmware::BiosPxe).then(PlainRom::default);
        switch.connect_machine(
            UnixPort::bind(&files.port(), &files.nic()).context("can't make a machine's port")?,
            rom.clone(),
        );
        for further in 1..=machine.further_nics {
            let (nic, port) = files.further_cable(further);
            let cable = UnixPort::bind(&port, &nic).context("can't make a machine's port")?;
            switch.connect_bundled(cable, number.into());
        }
        let chassis = QemuChassis::new(machine.clone(), files, accelerator, uefi, rom, console);
        machines.insert(machine.name.clone(), Arc::new(chassis));
    }
    Ok(Lab { switch, machines, faulty })
}

/// Makes a machine's disks, and serves those that are to be faulty.
fn make_disks(machine: &Machine, files: &MachineFiles) -> anyhow::Result<Vec<((String, usize), FaultyDisk)>> {
    let mut faulty = Vec::new();
    for (number, disk) in machine.disks().enumerate() {
        let path = files.disk(number);
        make_disk(&path, disk.size.bytes())?;
        if disk.faulty {
            let served = FaultyDisk::serve(&path, &files.faulty_disk(number));
            let served = served.with_context(|| format!("can't serve the disk {}", path.display()))?;
            faulty.push(((machine.name.clone(), number), served));
        }
    }
    Ok(faulty)
}

/// Keeps a disk of the right size with its content; makes an empty one otherwise.
fn make_disk(path: &Path, size: u64) -> anyhow::Result<()> {
    if std::fs::metadata(path).is_ok_and(|disk| disk.len() == size) {
        return Ok(());
    }
    let file = std::fs::File::create(path).and_then(|file| file.set_len(size));
    file.with_context(|| format!("can't make the disk {}", path.display()))
}

fn describe(spec: &Spec, layout: &Layout, bmcs: Vec<BmcReport>) -> Report {
    let machines = spec.machines.iter().zip(bmcs);
    Report {
        pid: std::process::id(),
        dir: layout.dir().to_owned(),
        interface: spec.network.interface.clone(),
        address: spec.network.address,
        subnet: spec.network.subnet.into(),
        capture: layout.capture(),
        machines: machines.map(|(machine, bmc)| describe_machine(machine, layout, bmc)).collect(),
    }
}

fn describe_machine(machine: &Machine, layout: &Layout, bmc: BmcReport) -> MachineReport {
    let files = layout.machine(&machine.name);
    let disks = machine.disks().enumerate();
    MachineReport {
        name: machine.name.clone(),
        architecture: machine.architecture,
        firmware: machine.firmware,
        memory: machine.memory,
        mac: machine.mac.clone(),
        further_macs: machine.further_macs().collect(),
        uuid: machine.uuid(),
        serial: machine.serial(),
        disks: disks
            .map(|(number, disk)| DiskReport {
                path: files.disk(number),
                serial: disk.serial.clone(),
                size: disk.size.bytes(),
            })
            .collect(),
        bmc,
        console_log: files.console_log(),
        console: files.console(),
    }
}

async fn serve(listener: UnixListener, lab: Arc<Lab>, end: mpsc::Sender<Waiting>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (lab, end) = (lab.clone(), end.clone());
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &lab, end).await {
                tracing::warn!(error = format!("{error:#}"), "a request was not answered");
            }
        });
    }
}

async fn converse(mut stream: UnixStream, lab: &Lab, end: mpsc::Sender<Waiting>) -> anyhow::Result<()> {
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).await?;
    match serde_json::from_str(&line).context("this is no request that the lab knows") {
        Ok(Request::Down) => end.send(stream).await.context("the lab ends already"),
        Ok(request) => {
            let reply = lab.obey(request).await.map_err(|error| format!("{error:#}"));
            answer(&mut stream, &reply).await
        }
        Err(error) => answer(&mut stream, &Err(format!("{error:#}"))).await,
    }
}

async fn answer(stream: &mut UnixStream, reply: &Reply) -> anyhow::Result<()> {
    let line = serde_json::to_string(reply)? + "\n";
    Ok(stream.write_all(line.as_bytes()).await?)
}

impl Lab {
    async fn obey(&self, request: Request) -> anyhow::Result<Value> {
        match request {
            Request::Status => self.status().await,
            Request::Power { machine, on } => {
                Ok(self.machine(&machine)?.set_power(on).await.map(|()| Value::Null)?)
            }
            Request::Reset { machine } => Ok(self.machine(&machine)?.reset().await.map(|()| Value::Null)?),
            Request::Faults { faults } => {
                faults.check().map_err(|problem| anyhow!(problem))?;
                self.switch.set_faults(faults);
                Ok(Value::Null)
            }
            Request::DiskFault { machine, disk, fault } => self.set_disk_fault(machine, disk, fault),
            Request::Chassis { machine, words } => {
                Ok(json!(bmc::obey(self.machine(&machine)?.as_ref(), &words).await?))
            }
            Request::Down => Err(anyhow!("the end is not asked for here")),
        }
    }

    fn machine(&self, name: &str) -> anyhow::Result<&Arc<QemuChassis>> {
        let known = || self.machines.keys().cloned().collect::<Vec<_>>().join(", ");
        self.machines.get(name).with_context(|| {
            format!("there is no machine `{name}` that the lab itself switches; there are {}", known())
        })
    }

    fn set_disk_fault(
        &self,
        machine: String,
        disk: usize,
        fault: Option<DiskFault>,
    ) -> anyhow::Result<Value> {
        let name = format!("disk {disk} of {machine}");
        let faulty = self.faulty.get(&(machine, disk)).with_context(|| {
            let known: Vec<_> =
                self.faulty.keys().map(|(machine, disk)| format!("{disk} of {machine}")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!(
                "{name} can't be made to fail; the spec says so of {known} (`disk = {{ …, faulty = true }}`)"
            )
        })?;
        faulty.set(fault).map_err(|problem| anyhow!("{name}: {problem}"))?;
        tracing::info!(name, fault = fault.map(|fault| fault.to_string()), "fault");
        Ok(Value::Null)
    }

    async fn status(&self) -> anyhow::Result<Value> {
        let mut all = Vec::new();
        for (name, chassis) in &self.machines {
            let (on, flags) = (chassis.power().await?, chassis.boot().await?);
            let boot = flags.device.map_or("none", BootDevice::word);
            let stays = if flags.persistent { " (persistent)" } else { "" };
            all.push(MachineStatus { name: name.clone(), on, boot: format!("{boot}{stays}") });
        }
        Ok(json!(all))
    }
}
