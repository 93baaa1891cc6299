//! A BMC that we did not write, a machine with real firmware behind it, and `billet bmc` in ipmitool's place: power, boot
//! device, the serial console both ways, event log, sensors, parts.

use super::spec;
use anyhow::{Context, Result, bail};
use provisioner_api::{BmcFru, BmcSelEntry, BmcSensor};
use std::{
    cell::Cell,
    fs::File,
    io::Write,
    process::{Child, ChildStdin, Stdio},
};
use tests::{LabSite, can_run};

/// Keys that are typed at once. Firmware keeps fifteen that nobody has read yet and drops the rest (the keyboard buffer of
/// the BIOS data area, 40:1Eh).
const AT_ONCE: usize = 10;

/// How often is looked for the echo of some keys, a few times a second, before they count as lost.
const LOOKS: u32 = 60;

/// How often a line is typed.
const TRIES: u32 = 5;

/// The BMC of the journey, at its bare address: no machine was added.
struct Direct<'a> {
    site: &'a LabSite,
    options: Vec<String>,
}

impl Direct<'_> {
    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["bmc"];
        all.extend(words);
        all.extend(self.options.iter().map(String::as_str));
        all
    }

    fn billet(&self, words: &[&str]) -> Result<String> {
        self.site.billet(&self.words(words))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, words: &[&str]) -> Result<T> {
        let mut all = self.words(words);
        all.extend(["-o", "json"]);
        Ok(serde_json::from_str(&self.site.billet(&all)?)?)
    }

    /// Watches the console into a file; what is written to it is typed.
    fn watch(&self) -> Result<Watcher> {
        let output = File::create(self.site.path("console"))?;
        let mut command = self.site.command(&self.words(&["console"]));
        let mut child = command.stdin(Stdio::piped()).stdout(output).spawn()?;
        let input = child.stdin.take().context("it has a standard input")?;
        Ok(Watcher { child, input })
    }

    fn seen(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(self.site.path("console"))?).into_owned())
    }

    /// Types a line at iPXE's prompt until it says `done`. ipmi_sim loses keys now and then, on a busy machine: then the
    /// line is typed again, as a person would.
    fn type_line(&self, keys: &ChildStdin, line: &str, done: &str) -> Result<()> {
        for _ in 0..TRIES {
            if self.type_once(keys, line, done)? {
                return Ok(());
            }
        }
        bail!("`{line}` was typed {TRIES} times, and never came to `{done}`:\n{}", self.seen()?)
    }

    /// The same once, a few keys at a time; false: some of them were lost.
    fn type_once(&self, mut keys: &ChildStdin, line: &str, done: &str) -> Result<bool> {
        let keys_of_line: Vec<char> = line.chars().collect();
        let pieces = keys_of_line.chunks(AT_ONCE).map(|piece| piece.iter().collect::<String>());
        // The first ends what the line held, and is answered by a new prompt.
        let (first, last) = (("\r".to_owned(), "iPXE>".to_owned()), ("\r".to_owned(), done.to_owned()));
        let echoed = pieces.map(|piece| (piece.clone(), piece));
        for (typed, wanted) in std::iter::once(first).chain(echoed).chain([last]) {
            let from = self.seen()?.len();
            keys.write_all(typed.as_bytes())?;
            let looks = Cell::new(0);
            let answered = self.site.until(&format!("`{wanted}` is seen"), |_| {
                looks.set(looks.get() + 1);
                let is_there = self.seen()?.get(from..).is_some_and(|new| new.contains(&wanted));
                Ok((is_there || looks.get() == LOOKS).then_some(is_there))
            })?;
            if !answered {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

struct Watcher {
    child: Child,
    input: ChildStdin,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_strangers_bmc_is_driven_by_hand() -> Result<()> {
    let spec = spec(
        "[[machine]]\nname = \"h1\"\nfirmware = \"bios\"\nbmc = \"ipmi-sim\"\ndisk = \"64M\"\nmemory = 256\n",
    );
    if !can_run(&spec, &["vmlinuz", "initrd.img"]) {
        return Ok(());
    }
    let site = LabSite::start(&spec)?;
    let bmc = site.lab.machine("h1")?.bmc.clone();
    let password = site.path("bmc.password");
    std::fs::write(&password, &bmc.password)?;
    let options =
        ["-H", &bmc.address.to_string(), "-U", &bmc.username, "-C", "3", "-f", &password.to_string_lossy()];
    let bmc = Direct { site: &site, options: options.map(ToOwned::to_owned).to_vec() };

    knows_its_board(&bmc)?;
    assert!(bmc.billet(&["power", "status"])?.contains("off"));
    bmc.billet(&["boot", "pxe"])?;
    let watcher = bmc.watch()?;
    bmc.billet(&["power", "on"])?;
    site.until("the network card's iPXE says hello on the serial line", |_| {
        Ok(bmc.seen()?.contains("iPXE").then_some(()))
    })?;
    assert!(bmc.billet(&["power", "status"])?.contains("on"));
    // Typed until it is taken: iPXE listens to Ctrl-B for a moment only.
    site.until("iPXE's command line", |_| {
        (&watcher.input).write_all(&[2])?;
        Ok(bmc.seen()?.contains("iPXE>").then_some(()))
    })?;
    bmc.type_line(&watcher.input, "echo typed ${buildarch} by hand", "typed i386 by hand")?;
    bmc.billet(&["power", "off"])?;
    assert!(bmc.billet(&["power", "status"])?.contains("off"));
    Ok(())
}

/// What the simulator was told of its board (lab/src/bmc/board.rs).
fn knows_its_board(bmc: &Direct<'_>) -> Result<()> {
    let sensors: Vec<BmcSensor> = bmc.json(&["sensors"])?;
    let inlet = sensors.iter().find(|sensor| sensor.name == "Inlet Temp").context("the sensor is there")?;
    assert_eq!((inlet.reading, inlet.unit.as_deref()), (Some(23.0), Some("degrees C")));
    assert_eq!(inlet.thresholds.upper_critical, Some(47.0));
    let parts: Vec<BmcFru> = bmc.json(&["fru"])?;
    let serials: Vec<_> = parts.iter().flat_map(|unit| &unit.areas).flat_map(|area| &area.fields).collect();
    assert!(serials.iter().any(|field| field.name == "serial" && field.value == "LAB-h1"), "{serials:?}");
    let log: Vec<BmcSelEntry> = bmc.json(&["sel", "list"])?;
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].sensor.contains("Inlet Temp") && log[0].message.contains("Upper Critical"), "{log:?}");
    bmc.billet(&["sel", "clear", "--yes"])?;
    let log: Vec<BmcSelEntry> = bmc.json(&["sel", "list"])?;
    assert_eq!(log.len(), 0, "{log:?}");
    Ok(())
}
