//! The service as a process in a lab of machines with real firmware, driven as people do: by the command line.

use anyhow::{Context, Result, bail};
use lab::{Architecture, Bus, Lab, MachineReport, Spec};
use provisioner_api::{BootTrace, Event, Instance, InstanceState, Machine, MachineState};
use serde::de::DeserializeOwned;
use std::{
    cell::RefCell,
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

use crate::socket_door;

/// How long no console and no log may say anything before a journey gives up: machines here are emulated, and slowly.
const SILENCE: Duration = Duration::from_secs(180);

/// How long a single wait may take even if something goes on, such as a machine that starts again and again.
const LONGEST: Duration = Duration::from_secs(900);

/// A lab with the service in it.
pub struct LabSite {
    /// The machines.
    pub lab: Lab,
    folder: TempDir,
    programs: PathBuf,
    service: Option<RefCell<Child>>,
    /// The address of its database, as it is reached from within the lab; `None`: it is a file.
    database: Option<String>,
    /// What more there is to say of the network, TOML.
    network: String,
    /// The folder of kernel and ramdisk, below the artifacts.
    ramdisk: &'static str,
}

/// Where `make artifacts` puts kernel, ramdisk and images.
pub fn artifacts() -> PathBuf {
    std::env::var_os("BILLET_ARTIFACTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).unwrap_or(Path::new("/")).join("build"),
        PathBuf::from,
    )
}

/// Whether a lab can run here; says why not. On a build server it must.
///
/// # Panics
/// When it can't and `CI` is set.
pub fn can_run(spec: &Spec, needed: &[&str]) -> bool {
    let absent = needed.iter().find(|name| !artifacts().join(name).is_file());
    let why = lab::missing(spec).or_else(|| {
        absent.map(|name| {
            format!("{} is not there; `make artifacts` makes it", artifacts().join(name).display())
        })
    });
    let Some(why) = why else { return true };
    assert!(std::env::var_os("CI").is_none(), "{why}");
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
    false
}

/// Whether the agent was built for arm64, which needs a Rust target that not every machine can have; says why not.
pub fn has_arm64() -> bool {
    let absent = ["vmlinuz-arm64", "initrd-arm64.img"].iter().find(|name| !artifacts().join(name).is_file());
    let Some(name) = absent else { return true };
    let path = artifacts().join(name);
    let _ = writeln!(
        std::io::stderr(),
        "skipped: {} is not there; `make arm64` makes it, or says why not",
        path.display()
    );
    false
}

impl LabSite {
    /// Starts a lab and the service in it.
    ///
    /// # Errors
    /// When one of them doesn't start.
    pub fn start(spec: &Spec) -> Result<Self> {
        Self::start_on(spec, None)
    }

    /// The same with these lines behind those of the network in the service's configuration; `{address}` in them is the
    /// service's.
    ///
    /// # Errors
    /// When one of them doesn't start.
    pub fn start_with_network(spec: &Spec, lines: &str) -> Result<Self> {
        Self::start_as(spec, None, lines)
    }

    /// The same with its database at this address of a PostgreSQL server outside of the lab.
    ///
    /// # Errors
    /// When one of them doesn't start.
    pub fn start_on(spec: &Spec, database: Option<&str>) -> Result<Self> {
        Self::start_as(spec, database, "")
    }

    fn start_as(spec: &Spec, database: Option<&str>, network: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = database.map(|url| from_within(url, folder.path())).transpose()?;
        let lab = Lab::start(spec, &folder.path().join("lab"))?;
        let programs = std::env::current_exe()?.ancestors().nth(2).context("a target folder")?.to_owned();
        let network = network.to_owned();
        // Debian's kernel for virtual machines knows no AHCI.
        let sata = spec.machines.iter().flat_map(lab::Machine::disks).any(|disk| disk.bus == Bus::Sata);
        let ramdisk = if sata { "generic" } else { "" };
        let mut site = Self { lab, folder, programs, service: None, database, network, ramdisk };
        site.write_config()?;
        site.serve()?;
        Ok(site)
    }

    /// A file of the test's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_config(&self) -> Result<()> {
        let report = self.lab.report();
        let artifacts = artifacts();
        let mut boot = String::new();
        let mut add = |key: &str, name: &str| _ = writeln!(boot, "{key} = {:?}", artifacts.join(name));
        if artifacts.join("linuxx64.efi.stub").is_file() {
            add("stub_x64", "linuxx64.efi.stub");
        }
        if artifacts.join("rescue.img").is_file() {
            add("rescue", "rescue.img");
        }
        if report.machines.iter().any(|machine| machine.architecture == Architecture::Aarch64) {
            add("stub_arm64", "linuxaa64.efi.stub");
            add("kernel_arm64", "vmlinuz-arm64");
            add("ramdisk_arm64", "initrd-arm64.img");
        }
        let base = report.address.octets();
        let range = |last: u8| format!("{}.{}.{}.{last}", base[0], base[1], base[2]);
        let text = format!(
            "data = {data:?}\n{database}[api]\nlisten = \"0.0.0.0:7443\"\n\
             [boot]\nkernel = {kernel:?}\nramdisk = {ramdisk:?}\nkernel_parameters = [\"console=ttyAMA0\", \"console=ttyS0,115200\", \"quiet\"]\n\
             {boot}[[networks]]\nname = \"lab\"\ninterface = \"{interface}\"\naddress = \"{address}\"\nsubnet = \"{subnet}\"\n\
             range = [\"{from}\", \"{to}\"]\ndiscovery = true\ndhcp = \"full\"\n{network}",
            data = self.path("data"),
            database = self.database.iter().map(|url| format!("database = {url:?}\n")).collect::<String>(),
            kernel = artifacts.join(self.ramdisk).join("vmlinuz"),
            ramdisk = artifacts.join(self.ramdisk).join("initrd.img"),
            interface = report.interface,
            address = report.address,
            subnet = report.subnet,
            from = range(100),
            to = range(199),
            network = self.network.replace("{address}", &report.address.to_string()),
        );
        Ok(std::fs::write(self.path("billet.toml"), text)?)
    }

    /// Starts the service; its log goes on in the same file.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub fn serve(&mut self) -> Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(self.path("serve.log"))?;
        let mut command = self.lab.command(self.programs.join("billet"));
        command.args(["serve", "--config"]).arg(self.path("billet.toml"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.service = Some(RefCell::new(command.spawn()?));
        self.until("the service answers", |site| {
            let ended =
                site.service.as_ref().map(|child| child.borrow_mut().try_wait()).transpose()?.flatten();
            if let Some(status) = ended {
                bail!("it ended: {status}");
            }
            Ok(site.billet(&["network", "list"]).is_ok().then_some(()))
        })
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When there is no service.
    pub fn kill_service(&mut self) -> Result<()> {
        let child = self.service.take().context("the service runs")?;
        child.borrow_mut().kill()?;
        child.borrow_mut().wait()?;
        Ok(())
    }

    /// A `billet` command inside the lab.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.lab.command(self.programs.join("billet"));
        command.args(arguments).env("BILLET_CLIENT", self.path("data/admin.toml")).stdin(Stdio::null());
        command
    }

    /// Runs a `billet` command; its output, or what it said on standard error.
    ///
    /// # Errors
    /// When it fails.
    pub fn billet(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output()?;
        if !output.status.success() {
            bail!("billet {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a `billet` command that has to fail; its exit code and sentence.
    ///
    /// # Errors
    /// When it succeeds.
    pub fn fails(&self, arguments: &[&str]) -> Result<(i32, String)> {
        let Output { status, stderr, .. } = self.command(arguments).output()?;
        anyhow::ensure!(!status.success(), "billet {} succeeded", arguments.join(" "));
        Ok((status.code().unwrap_or(-1), String::from_utf8_lossy(&stderr).into_owned()))
    }

    fn json<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let mut all = vec!["-o", "json"];
        all.extend(arguments);
        Ok(serde_json::from_str(&self.billet(&all)?)?)
    }

    /// A machine.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn machine(&self, name: &str) -> Result<Machine> {
        self.json(&["machine", "show", name])
    }

    /// An instance.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn instance(&self, name: &str) -> Result<Instance> {
        self.json(&["instance", "show", name])
    }

    /// What a machine said to the boot server, and was answered.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn trace(&self, name: &str) -> Result<BootTrace> {
        self.json(&["boot-trace", name])
    }

    /// A machine's timeline.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn events(&self, name: &str) -> Result<Vec<Event>> {
        self.json(&["machine", "events", name])
    }

    /// Adds a machine of the lab with this BMC password, by the protocol that its BMC is best at.
    ///
    /// # Errors
    /// When it is refused.
    pub fn add(&self, name: &str, password: &str) -> Result<()> {
        self.add_with(name, password, &[])
    }

    /// Adds a machine of the lab with further options.
    ///
    /// # Errors
    /// When it is refused.
    pub fn add_with(&self, name: &str, password: &str, options: &[&str]) -> Result<()> {
        self.add_at(name, &bmc_url(self.lab.machine(name)?), password, options)
    }

    /// Adds a machine of the lab whose BMC is asked at this URL.
    ///
    /// # Errors
    /// When it is refused.
    pub fn add_at(&self, name: &str, bmc: &str, password: &str, options: &[&str]) -> Result<()> {
        let mac = &self.lab.machine(name)?.mac;
        let mut command = self.command(&["machine", "add", name, "--mac", mac, "--bmc", bmc]);
        let output = command.args(options).env("BILLET_BMC_PASSWORD", password).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Adds a machine of the lab.
    ///
    /// # Errors
    /// When it is refused.
    pub fn enrol(&self, name: &str) -> Result<()> {
        self.add(name, &self.lab.machine(name)?.bmc.password)
    }

    /// Adds a machine of the lab that boots by this chain.
    ///
    /// # Errors
    /// When it is refused.
    pub fn enrol_by(&self, name: &str, chain: &str) -> Result<()> {
        self.add_with(name, &self.lab.machine(name)?.bmc.password, &["--boot-chain", chain])
    }

    /// Imports an image file that has its digest beside it.
    ///
    /// # Errors
    /// When it is refused.
    pub fn import(&self, name: &str, file: &Path, format: &str) -> Result<()> {
        let sums = std::fs::read_to_string(format!("{}.sha256", file.display()))?;
        let digest = format!("sha256:{}", sums.split_whitespace().next().context("a digest")?);
        let file = file.to_str().context("a UTF-8 path")?;
        self.billet(&["image", "import", file, "--name", name, "--digest", &digest, "--format", format])
            .map(drop)
    }

    /// Waits until a machine is in a state; held is an error.
    ///
    /// # Errors
    /// When it is held or never gets there.
    pub fn machine_in(&self, name: &str, state: MachineState) -> Result<Machine> {
        self.until(&format!("machine {name} is {state:?}"), |site| {
            let machine = site.machine(name)?;
            if let Some(held) = &machine.status.held {
                bail!("machine {name} is held: {}", held.why);
            }
            Ok((machine.status.state == state).then_some(machine))
        })
    }

    /// Waits until a step of a machine's job is in hand.
    ///
    /// # Errors
    /// When it never is.
    pub fn step_in_hand(&self, name: &str, step: &str) -> Result<()> {
        self.until(&format!("machine {name} is at {step}"), |site| {
            let job = site.machine(name)?.status.job;
            let at = job.iter().flat_map(|job| &job.steps).find(|one| one.name == step);
            Ok(at.is_some_and(|one| one.phase == provisioner_api::StepPhase::Intent).then_some(()))
        })
    }

    /// Waits until an instance is in a state; held is an error.
    ///
    /// # Errors
    /// When it is held or never gets there.
    pub fn instance_in(&self, name: &str, state: InstanceState) -> Result<Instance> {
        self.until(&format!("instance {name} is {state:?}"), |site| {
            let instance = site.instance(name)?;
            if let Some(held) = &instance.status.held {
                bail!("instance {name} is held: {}", held.why);
            }
            Ok((instance.status.state == state).then_some(instance))
        })
    }

    /// Waits until an instance is gone.
    ///
    /// # Errors
    /// When it never is.
    pub fn instance_gone(&self, name: &str) -> Result<()> {
        self.until(&format!("instance {name} is gone"), |site| {
            let names = site.billet(&["-o", "name", "instance", "list"])?;
            Ok((!names.lines().any(|line| line == name)).then_some(()))
        })
    }

    /// Asks until the answer is there. An error ends it, with the last words of service and consoles.
    ///
    /// # Errors
    /// The question's own, or that it took too long.
    #[expect(clippy::disallowed_methods, reason = "real machines take real time")]
    pub fn until<T>(&self, what: &str, ask: impl Fn(&Self) -> Result<Option<T>>) -> Result<T> {
        let start = Instant::now();
        let (mut heard, mut last) = (start, 0);
        loop {
            let said = self.said();
            if said != last {
                (heard, last) = (Instant::now(), said);
            }
            match ask(self) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) if heard.elapsed() < SILENCE && start.elapsed() < LONGEST => {}
                Ok(None) => return Err(self.explain(anyhow::anyhow!("it took too long until {what}"))),
                Err(error) => return Err(self.explain(error.context(format!("while waiting until {what}")))),
            }
            // Between two questions, not a guess how long something takes.
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// How much the consoles and the service have said up to now.
    fn said(&self) -> u64 {
        let consoles = self.lab.report().machines.iter().map(|machine| machine.console_log.clone());
        let files = consoles.chain([self.path("serve.log")]);
        files.map(|file| std::fs::metadata(file).map_or(0, |metadata| metadata.len())).sum()
    }

    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let mut text = String::new();
        let mut tail = |title: String, content: String| {
            let lines: Vec<_> = content.lines().collect();
            let from = lines.len().saturating_sub(25);
            let _ = writeln!(text, "--- {title}\n{}", lines[from..].join("\n"));
        };
        tail("service".into(), std::fs::read_to_string(self.path("serve.log")).unwrap_or_default());
        for machine in &self.lab.report().machines {
            for (title, words) in
                [("events", &["machine", "events"][..]), ("boot trace", &["boot-trace"][..])]
            {
                let said = self.billet(&[words, &[machine.name.as_str()]].concat());
                tail(format!("{title} of {}", machine.name), said.unwrap_or_else(|error| error.to_string()));
            }
            tail(
                format!("console of {}", machine.name),
                self.lab.console_text(&machine.name).unwrap_or_default(),
            );
        }
        error.context(text)
    }
}

/// The address of a database, as it is reached through a door in this folder.
fn from_within(url: &str, folder: &Path) -> Result<String> {
    let mut url = reqwest::Url::parse(url).context("a database's address")?;
    let server = url.socket_addrs(|| None)?.pop().context("an address with host and port")?;
    socket_door::open(folder, server)?;
    let folder = folder.to_str().context("a UTF-8 path")?;
    url.query_pairs_mut().append_pair("host", folder).append_pair("port", &server.port().to_string());
    Ok(url.into())
}

impl Drop for LabSite {
    fn drop(&mut self) {
        if self.service.is_some() {
            let _ = self.kill_service();
        }
    }
}

fn bmc_url(machine: &MachineReport) -> String {
    let user = &machine.bmc.username;
    match &machine.bmc.redfish {
        Some(redfish) => format!("redfish://{user}@{}", redfish.url.trim_start_matches("https://")),
        None => {
            let ipmi = machine.bmc.ipmi.expect("a BMC of the lab speaks Redfish or IPMI");
            format!("ipmi://{user}@{}?cipher={}", ipmi.address, ipmi.cipher)
        }
    }
}
