//! A real lab: firmware, BMCs and network, and that nothing of it stays.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use lab::{BmcKind, Firmware, Lab, Spec};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{ChildStdout, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Far more than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Starts the usual lab; `None`, with a word, where the programs for it are missing.
fn start(dir: &Path) -> Option<Lab> {
    start_of(&Spec::default(), dir)
}

/// Starts a lab; `None`, with a word, where the programs for it are missing.
fn start_of(spec: &Spec, dir: &Path) -> Option<Lab> {
    if let Some(sentence) = lab::missing(spec) {
        assert!(std::env::var("CI").is_err(), "a lab is wanted here: {sentence}");
        eprintln!("skipped: {sentence}");
        return None;
    }
    Some(Lab::start(spec, dir).unwrap())
}

/// Runs ipmitool on a machine's BMC; gives what it says.
fn ipmi(lab: &Lab, machine: &str, arguments: &[&str]) -> String {
    let bmc = &lab.machine(machine).unwrap().bmc;
    let mut command = lab.command("ipmitool");
    let cipher = bmc.ipmi.unwrap().cipher.to_string();
    command.args(["-I", "lanplus", "-C", &cipher, "-H", &bmc.address.to_string()]);
    command.args(["-U", &bmc.username, "-P", &bmc.password]).args(arguments);
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap().trim().to_owned()
}

/// Waits until something is so.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let pause = Duration::from_millis(50);
    let patience = PATIENCE.as_millis() / pause.as_millis();
    let so = (0..patience).any(|_| {
        std::thread::sleep(pause);
        is_so()
    });
    assert!(so, "waited {PATIENCE:?} in vain for this: {what}");
}

/// Waits until a screen shows something; tells what it shows instead.
fn wait_for_screen(what: &str, seen: &Mutex<String>, mut is_so: impl FnMut(&str) -> bool) {
    let so = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for(what, || is_so(&seen.lock().unwrap()));
    }));
    if so.is_err() {
        let text = seen.lock().unwrap().clone();
        let from = text.char_indices().rev().nth(400).map_or(0, |(at, _)| at);
        panic!("in vain for {what}; the screen ends with {:?}", &text[from..]);
    }
}

/// The options of this card's first DHCPDISCOVER in the capture (RFC 2131 section 2, option 53 of RFC 2132).
fn discover(capture: &[u8], mac: &str) -> Option<Vec<u8>> {
    let mac: Vec<u8> = mac.split(':').map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    let mut rest = &capture[24..];
    while let Some(length) = rest.get(8..12) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        let frame = rest.get(16..16 + length)?;
        let is_dhcp = frame.get(23) == Some(&17) && frame.get(36..38) == Some(&[0, 67]);
        // Ethernet, IPv4 without options, UDP, then 240 bytes with the hardware address at 28.
        let options = frame.get(282..).unwrap_or_default();
        let is_discover = options.windows(3).any(|three| three == [53, 1, 1]);
        if is_dhcp && is_discover && frame.get(70..76) == Some(&mac[..]) {
            return Some(options.to_vec());
        }
        rest = &rest[16 + length..];
    }
    None
}

/// Waits until a machine has said this after `from`; gives all that came after `from`, and the new end.
fn wait_for_console(lab: &Lab, machine: &str, from: usize, wanted: &str) -> (String, usize) {
    let mut said = String::new();
    wait_for(&format!("{machine} says `{wanted}`"), || {
        said = lab.console_text(machine).unwrap().get(from..).unwrap_or_default().to_owned();
        said.contains(wanted)
    });
    let end = from + said.len();
    (said, end)
}

/// Processes that were started with something in this folder.
fn processes_of(dir: &Path) -> Vec<String> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = pids.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let texts = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    texts.filter(|text| text.contains(dir.to_str().unwrap())).collect()
}

#[test]
fn machines_are_switched_on_by_their_bmcs_and_ask_for_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let Some(lab) = start(folder.path()) else { return };
    for machine in ["m1", "m2"] {
        assert_eq!(ipmi(&lab, machine, &["power", "status"]), "Chassis Power is off");
        ipmi(&lab, machine, &["chassis", "bootdev", "pxe"]);
        assert!(
            lab.status().unwrap().iter().any(|status| status.name == machine && status.boot == "network")
        );
        ipmi(&lab, machine, &["power", "on"]);
        assert_eq!(ipmi(&lab, machine, &["power", "status"]), "Chassis Power is on");
        assert!(
            lab.status().unwrap().iter().any(|status| status.name == machine && status.boot == "none"),
            "used up"
        );
    }
    let report = lab.report().clone();
    for machine in &report.machines {
        wait_for(&format!("{} asks for an address", machine.name), || {
            discover(&std::fs::read(&report.capture).unwrap(), &machine.mac).is_some()
        });
    }
    assert!(lab.console_text("m1").unwrap().contains("iPXE"));
    assert!(lab.console_text("m2").unwrap().contains("Start PXE over IPv4"));
    ipmi(&lab, "m1", &["power", "off"]);
    assert_eq!(ipmi(&lab, "m1", &["power", "status"]), "Chassis Power is off");
    assert_eq!(ipmi(&lab, "m2", &["power", "status"]), "Chassis Power is on");
    let running = processes_of(folder.path());
    assert!(running.iter().any(|line| line.contains("qemu")), "m2 runs: {running:?}");
    lab.stop().unwrap();
    assert_eq!(processes_of(folder.path()), [""; 0]);
    assert!(!report.capture.with_file_name("lab.json").exists());
}

/// By the vendor class (option 60) and iPXE's user class: a ROM in disguise, HTTP alone, and another processor.
#[test]
fn each_firmware_asks_in_its_own_way() {
    let folder = tempfile::tempdir().unwrap();
    let machine = |name: &str, more: &str| {
        format!("[[machine]]\nname = \"{name}\"\nboot_order = \"network-first\"\nmemory = 256\n{more}\n")
    };
    let table = [
        ("rom", "firmware = \"bios\"\nbmc = \"mock\"", "PXEClient:Arch:00000:UNDI:", true),
        ("plain", "firmware = \"bios-pxe\"\nbmc = \"mock\"", "PXEClient:Arch:00000:UNDI:", false),
        ("http", "firmware = \"uefi-http\"\nbmc = \"mock\"", "HTTPClient:Arch:00016:UNDI:", false),
        (
            "arm",
            "firmware = \"uefi\"\narchitecture = \"aarch64\"\nbmc = \"ipmi-sim\"",
            "PXEClient:Arch:00011:UNDI:",
            false,
        ),
    ];
    let text: String = table.iter().map(|(name, more, ..)| machine(name, more)).collect();
    let Some(lab) = start_of(&Spec::parse(&text).unwrap(), folder.path()) else { return };
    for (name, _, class, is_ipxe) in table {
        ipmi(&lab, name, &["power", "on"]);
        let mac = &lab.machine(name).unwrap().mac;
        let mut options = Vec::new();
        wait_for(&format!("{name} asks for an address"), || {
            let capture = std::fs::read(&lab.report().capture).unwrap();
            options = discover(&capture, mac).unwrap_or_default();
            !options.is_empty()
        });
        let says = |text: &[u8]| options.windows(text.len()).any(|part| part == text);
        assert!(says(class.as_bytes()), "{name}: {options:?}");
        assert_eq!(says(b"iPXE"), is_ipxe, "{name}: {options:?}");
        ipmi(&lab, name, &["power", "off"]);
        assert_eq!(ipmi(&lab, name, &["power", "status"]), "Chassis Power is off");
    }
}

/// Firmware reads the order at a reset, and SeaBIOS resets twice: the override must last through both, and no longer.
#[test]
fn an_override_for_one_boot_lasts_for_one_reset() {
    let folder = tempfile::tempdir().unwrap();
    let Some(lab) = start(folder.path()) else { return };
    // A boot sector that prints `D` (int 10h, function 0Eh) and halts.
    let mut sector = [0; 512];
    sector[..9].copy_from_slice(&[0xb4, 0x0e, 0xb0, b'D', 0xcd, 0x10, 0xf4, 0xeb, 0xfd]);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    let disk = &lab.machine("m1").unwrap().disks[0].path;
    std::io::Write::write_all(&mut File::options().write(true).open(disk).unwrap(), &sector).unwrap();
    // UEFI finds nothing on its disk and says so, before it goes on to the network.
    let table =
        [("m1", "Booting from Hard Disk...\r\nD", "net0: "), ("m2", "BdsDxe: failed to load", ">>Start PXE")];
    for (machine, from_disk, from_network) in table {
        ipmi(&lab, machine, &["power", "on"]);
        let (_, end) = wait_for_console(&lab, machine, 0, from_disk);
        ipmi(&lab, machine, &["chassis", "bootdev", "pxe"]);
        ipmi(&lab, machine, &["power", "reset"]);
        let (said, _) = wait_for_console(&lab, machine, end, from_network);
        assert!(!said.contains(from_disk), "{machine} tried its disk: {said}");
        wait_for("the override is used up", || {
            lab.status().unwrap().iter().all(|status| status.boot == "none")
        });
        let end = lab.console_text(machine).unwrap().len();
        ipmi(&lab, machine, &["power", "reset"]);
        let (said, _) = wait_for_console(&lab, machine, end, from_disk);
        let network = said.find(from_network).unwrap_or(said.len());
        assert!(said.find(from_disk).unwrap() < network, "{machine} tried the network first: {said}");
        ipmi(&lab, machine, &["power", "off"]);
    }
}

#[test]
fn a_killed_lab_leaves_nothing_and_its_folder_can_be_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(lab) = start(folder.path()) else { return };
    lab.set_power("m1", true).unwrap();
    let disk = lab.machine("m1").unwrap().disks[0].path.clone();
    std::io::Write::write_all(&mut File::options().write(true).open(&disk).unwrap(), b"kept").unwrap();
    assert!(processes_of(folder.path()).len() >= 3, "the daemon, QEMU, ipmi_sim");
    let error = Lab::start(&Spec::default(), folder.path()).err().unwrap().to_string();
    assert!(error.contains("a lab is up already"), "{error}");

    let pid = lab.report().pid.to_string();
    assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    wait_for("all of a killed lab is gone", || processes_of(folder.path()).is_empty());
    drop(lab);

    let again = Lab::start(&Spec::default(), folder.path()).unwrap();
    assert!(again.status().unwrap().iter().all(|status| !status.on));
    let mut content = [0; 4];
    std::io::Read::read_exact(&mut File::open(&disk).unwrap(), &mut content).unwrap();
    assert_eq!(&content, b"kept");
}

#[test]
fn commands_run_inside_and_see_only_the_labs_network() {
    let folder = tempfile::tempdir().unwrap();
    let Some(lab) = start(folder.path()) else { return };
    let output = lab.command("ip").args(["-4", "-brief", "address"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().any(|line| line.starts_with("lab0@") && line.contains("10.77.0.1/24")), "{text}");
    assert!(text.lines().all(|line| line.starts_with("lo") || line.starts_with("lab0")), "{text}");
    let here = std::env::current_dir().unwrap();
    let output = lab.command("pwd").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), here.to_str().unwrap());
    let output = lab.command("no-such-program").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("can't run no-such-program"));
}

/// What the firmware says on the serial port comes through the BMC's serial over LAN, and what is typed there arrives.
#[test]
fn the_bmcs_carry_the_serial_consoles() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = Spec::default();
    for machine in &mut spec.machines {
        machine.firmware = Firmware::Bios;
    }
    let Some(lab) = start_of(&spec, folder.path()) else { return };
    for (machine, kind) in [("m1", BmcKind::IpmiSim), ("m2", BmcKind::Mock)] {
        let bmc = &lab.machine(machine).unwrap().bmc;
        assert_eq!(bmc.kind, kind);
        let mut command = lab.command("ipmitool");
        let cipher = bmc.ipmi.unwrap().cipher.to_string();
        command.args(["-I", "lanplus", "-C", &cipher, "-H", &bmc.address.to_string()]);
        command.args(["-U", &bmc.username, "-P", &bmc.password, "sol", "activate"]);
        let mut console =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (mut keys, screen) = (console.stdin.take().unwrap(), console.stdout.take().unwrap());
        let seen = watch(screen);
        ipmi(&lab, machine, &["power", "on"]);
        wait_for(&format!("iPXE on the console of {machine}'s BMC"), || {
            seen.lock().unwrap().contains("iPXE")
        });
        // Its command line, by Ctrl-B as often as it takes.
        wait_for("iPXE's command line", || {
            keys.write_all(b"\x02").unwrap();
            seen.lock().unwrap().contains("iPXE> ")
        });
        type_echo(&mut keys, &seen, kind);
        keys.write_all(b"~.").unwrap();
        assert!(console.wait().unwrap().success());
        ipmi(&lab, machine, &["power", "off"]);
    }
}

/// Types a command and waits for what it says, a few keys at a time: the firmware keeps fifteen that nobody has read yet
/// and drops the rest (the keyboard buffer of the BIOS data area, 40:1Eh), so each piece waits for the echo of the one
/// before. ipmitool and ipmi_sim lose keys among themselves now and then, on a busy machine, and a person would type the
/// line again; with our own BMC nothing may be lost.
fn type_echo(keys: &mut impl Write, seen: &Mutex<String>, kind: BmcKind) {
    // The first ends what the line held, and is answered by a new prompt.
    let pieces = [("\r", "iPXE> "), ("echo typed", "echo typed"), (" by $${un", " by $${un")];
    let last = [("defined}way", "defined}way"), (" of BMC\r", "typed by $way of BMC")];
    let pieces: Vec<(&str, &str)> = pieces.into_iter().chain(last).collect();
    let (mut at, mut from, mut looks) = (0, None, 0_u32);
    wait_for_screen(&format!("what was typed, by {kind:?}"), seen, |text| {
        if let Some(start) = from {
            looks += 1;
            if text.get(start..).is_some_and(|new: &str| new.contains(pieces[at].1)) {
                (at, from) = (at + 1, None);
            } else if kind == BmcKind::IpmiSim && looks.is_multiple_of(100) {
                (at, from) = (0, None);
            }
        }
        if let (None, Some((typed, _))) = (from, pieces.get(at)) {
            from = Some(text.len());
            keys.write_all(typed.as_bytes()).unwrap();
        }
        at == pieces.len()
    });
}

/// Gathers what comes.
fn watch(mut screen: ChildStdout) -> Arc<Mutex<String>> {
    let seen = Arc::new(Mutex::new(String::new()));
    let all = Arc::clone(&seen);
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            all.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    });
    seen
}
