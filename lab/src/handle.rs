//! A lab for tests: started and ended with the value that stands for it.

use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::bmc::missing_for_sushy;
use crate::child;
use crate::control::{self, MachineStatus, Request};
use crate::layout::Layout;
use crate::nbd::DiskFault;
use crate::qemu;
use crate::report::{MachineReport, Report};
use crate::spec::{BmcKind, Spec};
use crate::switch::Faults;

/// A running lab. Dropping it ends it; so does the death of this process.
pub struct Lab {
    program: PathBuf,
    layout: Layout,
    report: Report,
    daemon: Child,
}

impl Lab {
    /// Starts `billet-lab`, which must have been built into the same target folder (or `BILLET_LAB` names it), with
    /// its files in `dir`. Returns when all BMCs answer; the machines are off.
    pub fn start(spec: &Spec, dir: &Path) -> anyhow::Result<Self> {
        spec.check()?;
        let program = find_program()?;
        let layout = Layout::create(dir, &spec.machines)?;
        let file = layout.dir().join("spec.toml");
        std::fs::write(&file, toml::to_string(spec)?)?;
        let mut daemon = Command::new(&program)
            .args(["up", "--background", "--until-hangup", "--spec"])
            .arg(file)
            .arg("--dir")
            .arg(layout.dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't run {}", program.display()))?;
        let (stdout, stderr) = (daemon.stdout.take(), daemon.stderr.take());
        let text = read_all(stdout)?;
        let Ok(report) = serde_json::from_str(&text) else {
            let said = read_all(stderr)?;
            daemon.wait()?;
            bail!("the lab did not start: {}", said.trim());
        };
        Ok(Self { program, layout, report, daemon })
    }

    /// A command that runs inside the lab's namespaces, as this process's own child. Its first arguments are taken:
    /// only add to them.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("exec").arg("--dir").arg(self.layout.dir()).arg("--").arg(program);
        command
    }

    /// What it consists of.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// One machine.
    pub fn machine(&self, name: &str) -> anyhow::Result<&MachineReport> {
        self.report.machine(name).with_context(|| format!("the lab has no machine `{name}`"))
    }

    /// From now on, this goes wrong on the wire.
    pub fn set_faults(&self, faults: Faults) -> anyhow::Result<()> {
        control::ask(&self.layout, &Request::Faults { faults }).map(drop)
    }

    /// From now on, this goes wrong with a machine's disk, or nothing; the first disk has number 0. Only disks that the
    /// spec calls faulty can be told.
    pub fn set_disk_fault(&self, machine: &str, disk: usize, fault: Option<DiskFault>) -> anyhow::Result<()> {
        control::ask(&self.layout, &Request::DiskFault { machine: machine.to_owned(), disk, fault }).map(drop)
    }

    /// Switches a machine without its BMC, as by the plug.
    pub fn set_power(&self, machine: &str, on: bool) -> anyhow::Result<()> {
        control::ask(&self.layout, &Request::Power { machine: machine.to_owned(), on }).map(drop)
    }

    /// All machines at the moment.
    pub fn status(&self) -> anyhow::Result<Vec<MachineStatus>> {
        Ok(serde_json::from_value(control::ask(&self.layout, &Request::Status)?)?)
    }

    /// What a machine's serial port has said up to now.
    pub fn console_text(&self, machine: &str) -> anyhow::Result<String> {
        let bytes = std::fs::read(&self.machine(machine)?.console_log)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Ends it and says what went wrong in that; dropping is silent.
    pub fn stop(mut self) -> anyhow::Result<()> {
        control::down(&self.layout)?;
        let ended = self.daemon.wait()?;
        if !ended.success() {
            bail!("the lab's daemon ended with {ended}; see {}", self.layout.log().display());
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Closing its standard input ends it.
        drop(self.daemon.stdin.take());
        let _ended = self.daemon.wait();
    }
}

fn read_all(stream: Option<impl Read>) -> anyhow::Result<String> {
    let mut text = String::new();
    if let Some(mut stream) = stream {
        stream.read_to_string(&mut text)?;
    }
    Ok(text)
}

/// `target/debug/billet-lab` for a test in `target/debug/deps`.
fn find_program() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("BILLET_LAB") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("billet-lab"));
    beside
        .into_iter()
        .find(|path| path.is_file())
        .context("billet-lab is not built; run `cargo build -p lab`")
}

/// What of the programs that a lab needs is not installed, as a sentence. Tests skip with it.
pub fn missing(spec: &Spec) -> Option<String> {
    let with_ipmi_sim = spec.machines.iter().any(|machine| machine.bmc == BmcKind::IpmiSim);
    let of_sushy = if spec.machines.iter().any(|machine| machine.bmc == BmcKind::Sushy) {
        missing_for_sushy()
    } else {
        Vec::new()
    };
    let emulators = spec.machines.iter().map(|machine| qemu::program(machine.architecture));
    let programs = emulators.chain(["ip"]).chain(with_ipmi_sim.then_some("ipmi_sim"));
    let missing = programs.filter(|program| child::find(program).is_none()).map(str::to_owned);
    let uefi = spec.machines.iter().filter(|machine| machine.firmware.is_uefi());
    let no_image = uefi.filter_map(|machine| qemu::UefiImage::find(machine.architecture).err());
    let absent: BTreeSet<_> =
        missing.chain(no_image.map(|error| error.to_string())).chain(of_sushy).collect();
    (!absent.is_empty()).then(|| {
        format!(
            "not installed: {}; lab/setup installs all that a lab needs",
            absent.into_iter().collect::<Vec<_>>().join(", ")
        )
    })
}
