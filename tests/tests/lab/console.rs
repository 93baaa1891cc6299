//! A BMC that we did not write, a machine with real firmware behind it, and `billet bmc` in ipmitool's place: power, boot
//! device, the serial console both ways, event log, sensors, parts.

use super::spec;
use anyhow::{Context, Result};
use provisioner_api::{BmcFru, BmcSelEntry, BmcSensor};
use std::{
    fs::File,
    io::Write,
    process::{Child, ChildStdin, Stdio},
};
use tests::{LabSite, can_run};

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
    let mut watcher = bmc.watch()?;
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
    watcher.input.write_all(b"echo typed ${buildarch} by hand\r")?;
    site.until("what was typed is done", |_| Ok(bmc.seen()?.contains("typed i386 by hand").then_some(())))?;
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
