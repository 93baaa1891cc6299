//! The chassis: a machine is on while its QEMU runs.

use anyhow::{Context, bail};
use async_trait::async_trait;
use bmc_mock::{BootDevice, BootFlags, Chassis, ChassisError, SerialPort};
use nix::errno::Errno;
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::Console;
use super::boot::{Boot, SETTLED, Tell};
use super::command::{Accelerator, Parts, program};
use super::firmware::UefiImage;
use super::qmp::Qmp;
use super::serial::Serial;
use crate::child;
use crate::layout::MachineFiles;
use crate::spec::Machine;
use crate::switch::PlainRom;

/// How long QEMU may take to connect to its monitor's socket.
const START: Duration = Duration::from_secs(30);
/// How long it may take to end when asked; then it is killed.
const QUIT: Duration = Duration::from_secs(5);

/// A machine that can be switched on. Lives on the daemon's only thread (see `child::command`).
pub(crate) struct QemuChassis {
    machine: Machine,
    files: MachineFiles,
    accelerator: Accelerator,
    uefi: Option<UefiImage>,
    /// A ROM that must know when it starts to speak.
    rom: Option<PlainRom>,
    /// Held through every change of power, so that there is never a second QEMU.
    running: tokio::sync::Mutex<Option<Running>>,
    state: Arc<Shared>,
    serial: Arc<Serial>,
}

/// What the watcher of events shares with the chassis.
struct Shared {
    boot: Mutex<Boot>,
    /// Held while QEMU is told an order: that takes several commands.
    telling: tokio::sync::Mutex<()>,
}

struct Running {
    qmp: Arc<Qmp>,
    kill: mpsc::Sender<()>,
    gone: watch::Receiver<bool>,
}

impl QemuChassis {
    /// A machine that is off.
    pub(crate) fn new(
        machine: Machine,
        files: MachineFiles,
        accelerator: Accelerator,
        uefi: Option<UefiImage>,
        rom: Option<PlainRom>,
        console: Console,
    ) -> Self {
        let boot = Mutex::new(Boot::new(machine.boot_order.into()));
        let state = Arc::new(Shared { boot, telling: tokio::sync::Mutex::default() });
        let (running, serial) = (tokio::sync::Mutex::default(), Arc::new(Serial::new(console)));
        Self { machine, files, accelerator, uefi, rom, running, state, serial }
    }

    /// Switches it on. The caller holds `running`.
    async fn start(&self) -> anyhow::Result<Running> {
        let (order, later) = self.state.boot().power_on();
        let monitor = self.files.monitor();
        let further = (1..=self.machine.further_nics).map(|number| self.files.further_cable(number).0);
        for stale in further.chain([monitor.clone(), self.files.nic()]) {
            remove(&stale)?;
        }
        let listener = UnixListener::bind(&monitor).context("can't listen for QEMU's monitor")?;
        let (machine, files, accelerator) = (&self.machine, &self.files, self.accelerator);
        let parts = Parts { machine, files, accelerator, uefi: self.uefi.as_ref(), order };
        let log = File::create(files.qemu_log()).context("can't write QEMU's log")?;
        let mut child = child::command(program(machine.architecture))
            .args(parts.arguments())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("can't start QEMU")?;
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            ended = child.wait() => bail!("QEMU ended at once ({}): {}", ended?, last_lines(&files.qemu_log())),
            () = tokio::time::sleep(START) => bail!("QEMU did not come up within {START:?}"),
        };
        let (qmp, events) = Qmp::new(stream).await?;
        let qmp = Arc::new(qmp);
        self.serial.connect(Arc::downgrade(&qmp));
        self.state.tell(&qmp, later).await?;
        self.rom.iter().for_each(PlainRom::starts);
        qmp.execute("cont", json!({})).await?;
        tracing::info!(machine = machine.name, pid = child.id(), ?order, "on");
        let (kill, killed) = mpsc::channel(1);
        let (mark_gone, gone) = watch::channel(false);
        tokio::spawn(await_end(machine.name.clone(), child, killed, mark_gone));
        let (name, rom) = (machine.name.clone(), self.rom.clone());
        tokio::spawn(follow(name, self.state.clone(), rom, qmp.clone(), events));
        Ok(Running { qmp, kill, gone })
    }

    async fn on(&self) -> anyhow::Result<()> {
        let mut running = self.running.lock().await;
        if !running.as_ref().is_some_and(Running::is_alive) {
            *running = Some(self.start().await?);
        }
        Ok(())
    }

    async fn off(&self) -> anyhow::Result<()> {
        let mut running = self.running.lock().await;
        let Some(mut machine) = running.take() else { return Ok(()) };
        // QEMU may end before it answers.
        let _answer = machine.qmp.execute("quit", json!({})).await;
        if timeout(QUIT, machine.gone.wait_for(|gone| *gone)).await.is_err() {
            let _ended_meanwhile = machine.kill.send(()).await;
            machine.gone.wait_for(|gone| *gone).await.context("QEMU can't be killed")?;
        }
        Ok(())
    }

    /// Runs a command on a machine that must be on.
    async fn execute(&self, command: &str) -> anyhow::Result<()> {
        let running = self.running.lock().await;
        match running.as_ref().filter(|machine| machine.is_alive()) {
            None => bail!("{} is off", self.machine.name),
            Some(machine) => machine.qmp.execute(command, json!({})).await.map(drop),
        }
    }

    async fn set_flags(&self, flags: BootFlags) -> anyhow::Result<()> {
        if let Some(device) = flags.device
            && !matches!(device, BootDevice::Disk | BootDevice::Network | BootDevice::Http)
        {
            bail!("{} can't boot from {device:?}: it has a disk and a network card only", self.machine.name);
        }
        let running = self.running.lock().await;
        let tell = self.state.boot().set(flags);
        match running.as_ref().filter(|machine| machine.is_alive()) {
            None => Ok(()),
            Some(machine) => self.state.tell(&machine.qmp, tell).await,
        }
    }
}

impl Running {
    fn is_alive(&self) -> bool {
        !*self.gone.borrow()
    }
}

impl Shared {
    fn boot(&self) -> MutexGuard<'_, Boot> {
        self.boot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells QEMU what firmware shall see at the next reset.
    async fn tell(&self, qmp: &Qmp, tell: Tell) -> anyhow::Result<()> {
        let _one_at_a_time = self.telling.lock().await;
        let (disk, network) = (tell.order.disk(), tell.order.network());
        // No two devices may have the same index, not even for a moment.
        let steps = [("disk0", -1), ("nic0", -1), ("disk0", i16::from(disk)), ("nic0", i16::from(network))];
        for (device, index) in steps {
            let path = format!("/machine/peripheral/{device}");
            qmp.execute("qom-set", json!({ "path": path, "property": "bootindex", "value": index })).await?;
        }
        self.boot().told(tell);
        Ok(())
    }
}

/// Waits for QEMU's end: the guest's own, or ours.
async fn await_end(name: String, mut child: Child, mut kill: mpsc::Receiver<()>, gone: watch::Sender<bool>) {
    let ended = tokio::select! {
        ended = child.wait() => ended,
        Some(()) = kill.recv() => match child.kill().await {
            Ok(()) => child.wait().await,
            Err(error) => Err(error),
        },
    };
    tracing::info!(machine = name, ?ended, "off");
    gone.send_replace(true);
}

/// Follows QEMU's events until it ends; uses up boot flags.
async fn follow(
    name: String,
    state: Arc<Shared>,
    rom: Option<PlainRom>,
    qmp: Arc<Qmp>,
    mut events: mpsc::Receiver<String>,
) {
    let mut settled: Option<Instant> = None;
    loop {
        let settling = async {
            match settled {
                Some(moment) => sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { return };
                tracing::info!(machine = name, event, "QEMU");
                if event == "RESET" {
                    rom.iter().for_each(PlainRom::starts);
                    state.boot().reset();
                    settled = Some(Instant::now() + SETTLED);
                }
            }
            () = settling => {
                settled = None;
                let tell = state.boot().settle();
                if let Some(tell) = tell && let Err(error) = state.tell(&qmp, tell).await {
                    tracing::warn!(machine = name, error = format!("{error:#}"), "the boot order was not put back");
                }
            }
        }
    }
}

#[async_trait]
impl Chassis for QemuChassis {
    async fn power(&self) -> Result<bool, ChassisError> {
        Ok(self.running.lock().await.as_ref().is_some_and(Running::is_alive))
    }

    async fn set_power(&self, on: bool) -> Result<(), ChassisError> {
        if on { self.on().await } else { self.off().await }.map_err(sentence)
    }

    async fn reset(&self) -> Result<(), ChassisError> {
        self.execute("system_reset").await.map_err(sentence)
    }

    async fn shut_down(&self) -> Result<(), ChassisError> {
        self.execute("system_powerdown").await.map_err(sentence)
    }

    async fn diagnostic(&self) -> Result<(), ChassisError> {
        self.execute("inject-nmi").await.map_err(sentence)
    }

    async fn boot(&self) -> Result<BootFlags, ChassisError> {
        Ok(self.state.boot().flags())
    }

    async fn set_boot(&self, flags: BootFlags) -> Result<(), ChassisError> {
        self.set_flags(flags).await.map_err(sentence)
    }

    fn serial(&self) -> Option<Arc<dyn SerialPort>> {
        Some(self.serial.clone())
    }
}

fn sentence(error: anyhow::Error) -> ChassisError {
    let text = format!("{error:#}");
    tracing::warn!(text, "a chassis did not obey");
    ChassisError(text)
}

/// What is already gone is fine.
fn remove(path: &Path) -> anyhow::Result<()> {
    match nix::unistd::unlink(path) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => bail!("can't remove the stale socket {}: {error}", path.display()),
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}
