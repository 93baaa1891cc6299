//! A lab of libvirt's machines without a service: `billet bmc -H` at their emulated BMCs, libvirt's own word on what came
//! of it, and a CD that says that it was booted.

use super::super::spec;
use anyhow::{Context, Result, bail, ensure};
use lab::{Lab, MachineReport};
use serde::de::DeserializeOwned;
use std::{
    fmt::Debug,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tests::can_run;

/// How long firmware may take, emulated and beside other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the CD's loaders are made of, all of Debian.
const ISOLINUX: &str = "/usr/lib/ISOLINUX/isolinux.bin";
const MODULE: &str = "/usr/lib/syslinux/modules/bios/ldlinux.c32";
const IPXE: &str = "/usr/lib/ipxe/ipxe.efi";

/// What a machine with BIOS says when it started from the CD.
pub(super) const CD_SAYS: &str = "illet-cd: started from the optical drive";

/// A lab and a folder for the test's files.
pub(super) struct Bench {
    pub(super) lab: Lab,
    pub(super) folder: TempDir,
}

impl Bench {
    /// Starts it; `None` where it can't run.
    pub(super) fn start(toml: &str) -> Result<Option<Self>> {
        let spec = spec(toml);
        if !can_run(&spec, &[]) || !has_cd_tools() {
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let lab = Lab::start(&spec, &folder.path().join("lab"))?;
        Ok(Some(Self { lab, folder }))
    }

    /// One machine of it.
    pub(super) fn machine<'a>(&'a self, name: &'a str) -> Result<Domain<'a>> {
        let report = self.lab.machine(name)?;
        let redfish = report.bmc.redfish.as_ref().context("its BMC speaks Redfish")?;
        let libvirt = report.bmc.libvirt.as_deref().context("libvirt makes it")?;
        Ok(Domain { bench: self, report, pin: &redfish.tls_sha256, libvirt })
    }

    /// Makes the CD and serves it by HTTP inside the lab.
    pub(super) fn serve_cd(&self) -> Result<Server> {
        let folder = self.folder.path().join("www");
        make_cd(self.folder.path(), &folder)?;
        // However the test ends, the server does too.
        let mut command = self.lab.command("setpriv");
        command.args(["--pdeathsig", "KILL", "/usr/bin/python3", "-u", "-m", "http.server"]);
        command.args(["--bind", "127.0.0.1", "8000", "--directory"]).arg(&folder);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("it talks")?).read_line(&mut line)?;
        ensure!(line.contains("Serving HTTP"), "the image's server said `{line}`");
        Ok(Server(child))
    }
}

/// A program that ends with the test.
pub(super) struct Server(Child);

impl Server {
    /// Where the CD is.
    pub(super) const CD: &'static str = "http://127.0.0.1:8000/cd.iso";
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A machine of libvirt's and the Redfish BMC before it.
pub(super) struct Domain<'a> {
    bench: &'a Bench,
    pub(super) report: &'a MachineReport,
    pub(super) pin: &'a str,
    pub(super) libvirt: &'a str,
}

impl Domain<'_> {
    /// `billet bmc WORDS` at its BMC, with the certificate pinned.
    pub(super) fn billet(&self, words: &[&str]) -> Result<String> {
        let output = self.run(&self.report.bmc.password, self.pin, words)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "billet bmc {}: {said}", words.join(" "));
        ensure!(!said.contains("showed a certificate"), "it was pinned: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The same, as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, words: &[&str]) -> Result<T> {
        let mut all = words.to_vec();
        all.extend(["-o", "json"]);
        Ok(serde_json::from_str(&self.billet(&all)?)?)
    }

    /// The same, where it has to fail; its sentence.
    pub(super) fn fails(&self, words: &[&str]) -> Result<String> {
        let output = self.run(&self.report.bmc.password, self.pin, words)?;
        ensure!(!output.status.success(), "billet bmc {} succeeded", words.join(" "));
        Ok(String::from_utf8(output.stderr)?)
    }

    /// `billet bmc WORDS` with this password and pin.
    pub(super) fn run(&self, password: &str, pin: &str, words: &[&str]) -> Result<Output> {
        let mut command = self.bench.lab.command(program()?);
        command.arg("bmc").args(words);
        command.args(["-H", &self.report.bmc.address.to_string(), "-U", &self.report.bmc.username]);
        command.args(["--redfish", "--tls-sha256", pin]);
        command.env("BILLET_BMC_PASSWORD", password).env("XDG_STATE_HOME", self.bench.folder.path());
        Ok(command.stdin(Stdio::null()).output()?)
    }

    /// libvirt's own answer.
    pub(super) fn virsh(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("virsh");
        command.env("LC_ALL", "C").args(["-q", "-c", self.libvirt]).args(words);
        let output = command.output()?;
        if !output.status.success() {
            bail!("virsh {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The state of the domain, in libvirt's words.
    pub(super) fn state(&self) -> Result<String> {
        Ok(self.virsh(&["domstate", &self.report.name])?.trim().to_owned())
    }

    /// Its stored definition.
    pub(super) fn definition(&self) -> Result<String> {
        self.virsh(&["dumpxml", "--inactive", "--security-info", &self.report.name])
    }

    /// The device element of its definition that is booted first.
    pub(super) fn boots_first(&self) -> Result<String> {
        let definition = self.definition()?;
        let before =
            definition.split("<boot order='1'/>").next().filter(|before| before.len() < definition.len());
        let before = before.with_context(|| format!("nothing comes first in {definition}"))?;
        let opened = ["<disk", "<interface"].into_iter().filter_map(|tag| before.rfind(tag)).max();
        let element = &before[opened.context("it is a device's")?..];
        Ok(element.split_inclusive('>').next().unwrap_or_default().to_owned())
    }

    /// How much the serial port has said.
    pub(super) fn said(&self) -> Result<usize> {
        Ok(self.bench.lab.console_text(&self.report.name)?.len())
    }

    /// Waits until, behind this mark, the serial port says something.
    pub(super) fn says(&self, mark: usize, wanted: &str) -> Result<()> {
        let heard = || -> Result<_> {
            let text = self.bench.lab.console_text(&self.report.name)?;
            // Colours in the midst of words.
            let text = without_escapes(text.get(mark..).unwrap_or_default());
            Ok(if text.contains(wanted) { Ok(()) } else { Err(text) })
        };
        eventually(&format!("{} says `{wanted}`", self.report.name), heard)
    }
}

/// Asks until it is so; otherwise an error with what was found last.
#[expect(clippy::disallowed_methods, reason = "real machines take real time")]
pub(super) fn eventually<T: Debug>(what: &str, mut ask: impl FnMut() -> Result<Result<(), T>>) -> Result<()> {
    let start = Instant::now();
    loop {
        match ask()? {
            Ok(()) => return Ok(()),
            Err(found) if start.elapsed() > PATIENCE => bail!("it took too long until {what}: {found:?}"),
            Err(_) => {}
        }
        // Between two looks, not a guess how long something takes.
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A terminal's text without ANSI sequences.
fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("\u{1b}[") {
        plain += &rest[..start];
        let sequence = &rest[start + 2..];
        let end = sequence.find(|c: char| c.is_ascii_alphabetic()).map_or(sequence.len(), |end| end + 1);
        rest = &sequence[end..];
    }
    plain + rest
}

/// The command line, beside the test.
pub(super) fn program() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.ancestors().nth(2).context("a target folder")?.join("billet"))
}

/// Whether a CD can be made; says why not. On a build server it must.
fn has_cd_tools() -> bool {
    let programs =
        ["xorriso", "mformat", "mmd", "mcopy", "setpriv"].map(|name| Path::new("/usr/bin").join(name));
    let files = [ISOLINUX, MODULE, IPXE].map(PathBuf::from);
    let Some(absent) = programs.iter().chain(&files).find(|path| !path.is_file()) else { return true };
    let why = format!("{} is not installed; lab/setup does it", absent.display());
    assert!(std::env::var_os("CI").is_none(), "{why}");
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
    false
}

/// Makes `cd.iso` in a folder: with BIOS it says so and waits, with UEFI it is iPXE, which nobody signed.
fn make_cd(work: &Path, folder: &Path) -> Result<()> {
    const CONFIG: &str =
        "serial 0 115200\nsay billet-cd: started from the optical drive\nprompt 1\ntimeout 0\nimplicit 0\n";
    let tree = work.join("cd");
    std::fs::create_dir_all(tree.join("isolinux"))?;
    std::fs::create_dir_all(folder)?;
    std::fs::copy(ISOLINUX, tree.join("isolinux/isolinux.bin"))?;
    std::fs::copy(MODULE, tree.join("isolinux/ldlinux.c32"))?;
    std::fs::write(tree.join("isolinux/isolinux.cfg"), CONFIG)?;
    let partition = tree.join("efi.img");
    std::fs::File::create(&partition)?.set_len(4 << 20)?;
    let fat =
        |program: &str, words: &[&str]| run(Command::new(program).arg("-i").arg(&partition).args(words));
    fat("mformat", &["::"])?;
    fat("mmd", &["::/EFI", "::/EFI/BOOT"])?;
    fat("mcopy", &[IPXE, "::/EFI/BOOT/BOOTX64.EFI"])?;
    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-as", "mkisofs", "-quiet", "-V", "BILLET", "-o"]).arg(folder.join("cd.iso"));
    xorriso.args(["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot"]);
    xorriso.args(["-boot-load-size", "4", "-boot-info-table", "-eltorito-alt-boot"]);
    xorriso.args(["-e", "efi.img", "-no-emul-boot"]).arg(&tree);
    run(&mut xorriso)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
