//! `billet bmc` with a machine, power to users: what is asked of the service, and how the answers look.

use super::{
    User,
    fake::{Fake, problem},
    samples,
};
use crate::cli::{text::Context, view};
use jiff::tz::TimeZone;
use provisioner_api::{
    BmcBoot, BmcBootDevice, BmcDetails, BmcFru, BmcFruArea, BmcFruField, BmcFruList, BmcHealth, BmcNetwork,
    BmcPower, BmcPowerReading, BmcSel, BmcSelEntry, BmcSensor, BmcSensorHealth, BmcSensorList, BmcThresholds,
    BmcUserEntry, BmcUserList, BmcUserPrivilege, BmcWatchdog, BootMode, Power,
};

/// What the service was asked to change, as `METHOD path body`.
pub(super) fn changes(fake: &Fake) -> Vec<String> {
    let text =
        |asked: &super::fake::Asked| format!("{} {}", asked.line, String::from_utf8_lossy(&asked.body));
    fake.asked().iter().filter(|asked| !asked.line.starts_with("GET")).map(text).collect()
}

fn details() -> BmcDetails {
    BmcDetails {
        address: "10.0.0.9:623".to_owned(),
        manufacturer: Some("Supermicro".to_owned()),
        product: Some("0x1b".to_owned()),
        firmware: Some("1.74\x1b".to_owned()),
        system_uuid: Some("4c4c4544-0000-2010-8020-80c04f202020".to_owned()),
        tls_sha256: None,
        health: BmcHealth::Ok,
        capabilities: vec!["power".to_owned(), "console".to_owned()],
        weak: vec!["IPMI cipher suite 3 (SHA-1)".to_owned()],
        network: Some(BmcNetwork {
            source: Some("dhcp".to_owned()),
            address: Some("10.0.0.9".to_owned()),
            mac: Some("52:54:00:00:00:09".to_owned()),
            cipher_suites: vec![3, 17],
            ..BmcNetwork::default()
        }),
        asset_tag: Some("r7u12".to_owned()),
        power_reading: Some(BmcPowerReading {
            now_watts: 212,
            minimum_watts: 180,
            maximum_watts: 340,
            average_watts: 220,
            period_seconds: 3600,
            active: true,
        }),
        watchdog: Some(BmcWatchdog {
            running: true,
            used_by: "SMS/OS".to_owned(),
            action: "hard reset".to_owned(),
            set_to_seconds: 300,
            left_seconds: 12,
        }),
    }
}

fn sensor(name: &str, kind: &str, reading: Option<f64>, health: BmcSensorHealth) -> BmcSensor {
    BmcSensor {
        name: name.to_owned(),
        number: Some(0x30),
        entity: "processor 1".to_owned(),
        kind: kind.to_owned(),
        reading,
        unit: Some("degrees C".to_owned()),
        states: Vec::new(),
        health,
        thresholds: BmcThresholds { upper_critical: Some(90.5), ..BmcThresholds::default() },
    }
}

fn context() -> Context {
    Context { now: samples::at("2026-11-21T03:35:00Z"), zone: TimeZone::UTC }
}

#[test]
fn a_page_about_a_bmc() {
    assert_eq!(
        view::bmc(&details()),
        "\
Address:      10.0.0.9:623
Manufacturer: Supermicro
Product:      0x1b
Firmware:     1.74\u{fffd}
System UUID:  4c4c4544-0000-2010-8020-80c04f202020
Asset tag:    r7u12
Weak:         IPMI cipher suite 3 (SHA-1)
Power drawn:  212 W; 180 to 340 W, 220 W on average over 1h
Watchdog:     runs for SMS/OS: hard reset in 12 s of 300 s
It can:       power, console

Network
  Address:      10.0.0.9
  From:         dhcp
  MAC:          52:54:00:00:00:09
  Suites:       3, 17
"
    );
}

#[test]
fn tables_of_sensors() {
    let mut presence = sensor("PSU1", "Power Supply", None, BmcSensorHealth::Ok);
    presence.states = vec!["Presence detected".to_owned()];
    let sensors = [sensor("CPU\x1b", "Temperature", Some(41.0), BmcSensorHealth::Ok), presence];
    assert_eq!(
        view::bmc_sensors(&sensors, false),
        "\
SENSOR  READING  UNIT       HEALTH  STATES
CPU\u{fffd}    41       degrees C  ok      -
PSU1    -        -          ok      Presence detected
"
    );
    assert_eq!(
        view::bmc_sensors(&sensors[..1], true),
        "\
SENSOR  READING  UNIT       HEALTH  LNR  LC  LNC  UNC  UC    UNR  KIND         AT           NUMBER  STATES
CPU\u{fffd}    41       degrees C  ok      -    -   -    -    90.5  -    Temperature  processor 1  0x30    -
"
    );
}

fn entry(id: &str, at: Option<&str>, asserted: bool) -> BmcSelEntry {
    BmcSelEntry {
        id: id.to_owned(),
        at: at.map(samples::at),
        sensor: "CPU1 Temp".to_owned(),
        kind: "Temperature".to_owned(),
        message: "Upper Critical going high".to_owned(),
        asserted,
        raw: "1a0002".to_owned(),
    }
}

#[test]
fn a_table_of_the_event_log() {
    let mut oem = entry("27", None, false);
    (oem.sensor, oem.kind) = (String::new(), "OEM record c0".to_owned());
    let entries = [entry("26", Some("2026-11-21T03:30:00Z"), true), oem];
    assert_eq!(
        view::bmc_sel(&entries, false, &context()),
        "\
ID    TIME                 SENSOR                 EVENT                      STATE
0x1a  2026-11-21 03:30:00  Temperature CPU1 Temp  Upper Critical going high  asserted
0x1b  clock not set        OEM record c0          Upper Critical going high  deasserted
"
    );
    let wide = view::bmc_sel(&entries[..1], true, &context());
    assert!(wide.ends_with("asserted  1a0002\n"), "{wide}");
}

#[test]
fn the_event_logs_clock_is_compared_with_ours() {
    for (clock, want) in [
        (Some("2026-11-21T03:35:01Z"), "2026-11-21 03:35:01"),
        (Some("2026-11-21T03:36:10Z"), "2026-11-21 03:36:10 (1m 10s ahead)"),
        (Some("1970-01-01T00:00:00Z"), "1970-01-01 00:00:00 (20778d 3h behind)"),
        (None, "it is not set; `billet bmc sel time --set now` sets it"),
    ] {
        let sel = BmcSel {
            entries: 2,
            free: Some(510),
            overflow: true,
            clock: clock.map(samples::at),
            items: Vec::new(),
        };
        assert_eq!(view::bmc_sel_clock(&sel, &context()), want);
        let page = view::bmc_sel_info(&sel, &context());
        assert!(page.contains("Free:         510\nOverflow:     yes: "), "{page}");
    }
}

#[test]
fn parts_are_sections() {
    let field = |name: &str, value: &str| BmcFruField { name: name.to_owned(), value: value.to_owned() };
    let units = [
        BmcFru {
            id: 0,
            name: "Builtin FRU Device".to_owned(),
            areas: vec![
                BmcFruArea { kind: "board".to_owned(), fields: vec![field("serial", "B1\x1b")] },
                BmcFruArea { kind: "product".to_owned(), fields: vec![field("part-number", "P1")] },
            ],
            problems: Vec::new(),
        },
        BmcFru {
            id: 1,
            name: "PSU".to_owned(),
            areas: Vec::new(),
            problems: vec!["its header's checksum is wrong".to_owned()],
        },
    ];
    assert_eq!(
        view::bmc_fru(&units),
        "\
Builtin FRU Device (number 0)
  board
    serial:       B1\u{fffd}
  product
    part-number:  P1

PSU (number 1)
  problems
    its header's checksum is wrong
"
    );
}

#[tokio::test]
async fn power_goes_through_the_machine_where_it_names_an_end() {
    let fake = Fake::start().await;
    fake.says("GET /v1/machines/m1/bmc/power", 200, &BmcPower { power: Power::On });
    fake.says("POST /v1/machines/m1/actions", 202, &()).says("POST /v1/machines/m1/bmc/power", 204, &());
    let user = User::of(fake.connection());
    assert_eq!(user.run("bmc power status m1").await.out, "machine m1 is on\n");
    assert_eq!(user.run("bmc power status m1 -o json").await.out, "{\n  \"power\": \"on\"\n}\n");
    assert_eq!(user.run("bmc power status m1 -o name").await.out, "on\n");
    let ran = user.run("bmc power on m1").await;
    assert!(ran.out.starts_with("machine m1: power on is asked for"), "{ran:?}");
    assert_eq!(user.run("bmc power off m1").await.code, 0);
    for (verb, want) in [
        ("cycle", "machine m1 goes off and on again\n"),
        ("reset", "machine m1 is reset\n"),
        ("soft", "machine m1 is asked to shut down\n"),
        ("diag", "machine m1 got a diagnostic interrupt\n"),
        ("restart", "machine m1 is asked to start anew\n"),
        ("push", "machine m1 had its power button pressed\n"),
        ("full-cycle --yes", "machine m1 loses all power and gets it again\n"),
        ("suspend", "machine m1 is suspended\n"),
        ("pause", "machine m1 is halted\n"),
        ("resume", "machine m1 goes on\n"),
    ] {
        assert_eq!(user.run(&format!("bmc power {verb} m1")).await.out, want);
    }
    let ran = user.run("bmc power full-cycle m1").await;
    assert!(ran.code == 2 && ran.err.contains("add --yes if it is meant"), "{ran:?}");
    let press = |button: &str| format!("POST /v1/machines/m1/bmc/power {{\"button\":\"{button}\"}}");
    let action = |action: &str| format!("POST /v1/machines/m1/actions {{\"action\":\"{action}\"}}");
    assert_eq!(
        changes(&fake),
        [
            action("power-on"),
            action("power-off"),
            press("cycle"),
            press("reset"),
            press("soft"),
            press("diag"),
            press("restart"),
            press("push"),
            press("full-cycle"),
            press("suspend"),
            press("pause"),
            press("resume")
        ]
    );
}

#[tokio::test]
async fn boot_is_shown_and_set() {
    let fake = Fake::start().await;
    let pxe = BmcBoot {
        device: BmcBootDevice::Pxe,
        persistent: false,
        mode: Some(BootMode::Uefi),
        ..BmcBoot::default()
    };
    fake.says("GET /v1/machines/m1/bmc/boot", 200, &pxe).says("PUT /v1/machines/m1/bmc/boot", 200, &pxe);
    let user = User::of(fake.connection());
    assert_eq!(
        user.run("bmc boot show m1").await.out,
        "Device:       pxe\nFor:          the next boot\nMode:         uefi\n"
    );
    let ran = user.run("bmc boot pxe m1 --mode efi").await;
    assert_eq!(ran.out, "machine m1: the next boot is from the network (uefi)\n", "{ran:?}");
    assert_eq!(
        changes(&fake),
        ["PUT /v1/machines/m1/bmc/boot {\"device\":\"pxe\",\"persistent\":false,\"mode\":\"uefi\"}"]
    );
    let ran = user.run("bmc boot show m1 --persistent").await;
    assert!(ran.code == 2 && ran.err.contains("--persistent and --mode set something"), "{ran:?}");
    for (line, want) in [
        ("bmc boot pxe m1 --uri http://h/b.efi", "--uri goes with http"),
        ("bmc boot http m1 --path PciRoot(0x0)", "--path goes with uefi"),
        ("bmc boot uefi m1", "Give its --path"),
    ] {
        let ran = user.run(line).await;
        assert!(ran.code == 2 && ran.err.contains(want), "{line}: {ran:?}");
    }
    assert_eq!(changes(&fake).len(), 1, "nothing else was asked");
    user.run("bmc boot http m1 --uri http://h/b.efi").await;
    user.run("bmc boot uefi m1 --path PciRoot(0x0) --persistent").await;
    user.run("bmc boot usb m1").await;
    let bodies = [
        r#"{"device":"http","persistent":false,"uri":"http://h/b.efi"}"#,
        r#"{"device":"uefi-device","persistent":true,"path":"PciRoot(0x0)"}"#,
        r#"{"device":"usb","persistent":false}"#,
    ];
    assert_eq!(changes(&fake)[1..], bodies.map(|body| format!("PUT /v1/machines/m1/bmc/boot {body}")));
}

#[test]
fn a_boot_override_is_a_sentence() {
    for (boot, want) in [
        (
            BmcBoot { device: BmcBootDevice::None, persistent: true, ..BmcBoot::default() },
            "boots in the firmware's own order",
        ),
        (
            BmcBoot { device: BmcBootDevice::Bios, persistent: true, ..BmcBoot::default() },
            "every boot is into the firmware's setup",
        ),
        (
            BmcBoot { device: BmcBootDevice::Cdrom, mode: Some(BootMode::Bios), ..BmcBoot::default() },
            "the next boot is from the optical drive (bios)",
        ),
        (
            BmcBoot {
                device: BmcBootDevice::Http,
                uri: Some("http://h/b.efi".to_owned()),
                ..BmcBoot::default()
            },
            "the next boot is by UEFI HTTP boot from http://h/b.efi",
        ),
        (
            BmcBoot {
                device: BmcBootDevice::UefiDevice,
                persistent: true,
                path: Some("PciRoot(0x0)".to_owned()),
                ..BmcBoot::default()
            },
            "every boot is from the UEFI device PciRoot(0x0)",
        ),
    ] {
        assert_eq!(view::bmc_boot_sentence(&boot), want);
    }
}

#[tokio::test]
async fn the_event_log_is_cleared_only_when_meant() {
    let fake = Fake::start().await;
    let items = vec![entry("1", Some("2026-11-21T03:30:00Z"), true)];
    let sel = BmcSel { entries: 1, free: None, overflow: false, clock: None, items };
    fake.says("GET /v1/machines/m1/bmc/sel", 200, &sel);
    fake.says("DELETE /v1/machines/m1/bmc/sel", 204, &()).says("PATCH /v1/machines/m1/bmc/sel", 204, &());
    let mut user = User::of(fake.connection());
    assert_eq!(user.run("bmc sel list m1 -o name").await.out, "0x1\n");
    let listed: Vec<BmcSelEntry> =
        serde_json::from_str(&user.run("bmc sel list m1 -o json").await.out).unwrap();
    assert_eq!(listed, sel.items);
    let info: BmcSel = serde_json::from_str(&user.run("bmc sel info m1 -o json").await.out).unwrap();
    assert!(info.items.is_empty() && info.entries == 1);
    let ran = user.run("bmc sel clear m1").await;
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("its 1 entries will be lost, and nobody is here to be asked"), "{ran:?}");
    user.person = true;
    user.types = "n\n".to_owned();
    assert_eq!(user.run("bmc sel clear m1").await.code, 2);
    assert!(changes(&fake).is_empty());
    user.types = "y\n".to_owned();
    assert_eq!(user.run("bmc sel clear m1").await.out, "machine m1: the event log is empty\n");
    user.person = false;
    assert_eq!(user.run("bmc sel clear m1 --yes").await.code, 0);
    let ran = user.run("bmc sel time m1").await;
    assert_eq!(ran.out, "it is not set; `billet bmc sel time --set now` sets it\n");
    assert_eq!(user.run("bmc sel time m1 --set 2026-11-21T03:30:00Z").await.code, 0);
    let clear = "DELETE /v1/machines/m1/bmc/sel ";
    assert_eq!(
        changes(&fake),
        [clear, clear, "PATCH /v1/machines/m1/bmc/sel {\"clock\":\"2026-11-21T03:30:00Z\"}"]
    );
}

#[tokio::test]
async fn sensors_and_parts_can_be_picked() {
    let fake = Fake::start().await;
    let items = vec![
        sensor("CPU", "Temperature", Some(95.0), BmcSensorHealth::Critical),
        sensor("Inlet", "Temperature", Some(21.0), BmcSensorHealth::Ok),
        sensor("FAN1", "Fan", None, BmcSensorHealth::Unavailable),
    ];
    fake.says("GET /v1/machines/m1/bmc/sensors", 200, &BmcSensorList { items });
    let unit = |id| BmcFru { id, name: format!("unit {id}"), areas: Vec::new(), problems: Vec::new() };
    fake.says("GET /v1/machines/m1/bmc/fru", 200, &BmcFruList { items: vec![unit(0), unit(3)] });
    let user = User::of(fake.connection());
    assert_eq!(user.run("bmc sensors m1 --kind temp -o name").await.out, "CPU\nInlet\n");
    assert_eq!(user.run("bmc sensors m1 --bad -o name").await.out, "CPU\n");
    assert_eq!(user.run("bmc fru m1 --id 3 -o name").await.out, "unit 3\n");
    let ran = user.run("bmc fru m1 --id 4").await;
    assert_eq!((ran.code, ran.err.as_str()), (5, "billet: machine m1 has no unit with the number 4\n"));
}

#[tokio::test]
async fn the_lamp_shines_as_it_is_told() {
    let fake = Fake::start().await;
    fake.says("POST /v1/machines/30/bmc/identify", 204, &()).says(
        "POST /v1/machines/m1/bmc/identify",
        204,
        &(),
    );
    let user = User::of(fake.connection());
    for (line, want) in [
        ("m1", "machine m1: the lamp shines for 15 s\n"),
        ("60 m1", "machine m1: the lamp shines for 60 s\n"),
        ("0 m1", "machine m1: the lamp is out\n"),
        ("m1 --off", "machine m1: the lamp is out\n"),
        ("m1 --on", "machine m1: the lamp shines until it is switched off\n"),
        ("30", "machine 30: the lamp shines for 15 s\n"),
    ] {
        assert_eq!(user.run(&format!("bmc identify {line}")).await.out, want, "{line}");
    }
    let bodies: Vec<_> =
        fake.asked().iter().map(|asked| String::from_utf8(asked.body.clone()).unwrap()).collect();
    assert_eq!(
        bodies[..5],
        ["{\"seconds\":15}", "{\"seconds\":60}", "{\"seconds\":0}", "{\"seconds\":0}", "{}"]
    );
    for line in ["256 m1", "m1 m2", "-H h -U a x"] {
        let ran = user.run(&format!("bmc identify {line} -f {}", user.file("p", "x"))).await;
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
    }
    let ran = user.run("bmc identify 256 m1").await;
    assert!(ran.err.contains("0 to 255 seconds"), "{ran:?}");
    let ran = user.run("bmc identify 5 m1 --on").await;
    assert!(ran.err.contains("not two of them"), "{ran:?}");
}

fn users() -> BmcUserList {
    let user = |id: &str, name: &str, enabled, privilege| BmcUserEntry {
        id: id.to_owned(),
        name: name.to_owned(),
        enabled: Some(enabled),
        locked: None,
        privilege,
    };
    BmcUserList {
        items: vec![
            user("1", "", false, BmcUserPrivilege::NoAccess),
            user("2", "admin", true, BmcUserPrivilege::Administrator),
            user("3", "ops", true, BmcUserPrivilege::Operator),
        ],
    }
}

#[tokio::test]
async fn users_are_listed_and_changed() {
    let fake = Fake::start().await;
    fake.says("GET /v1/machines/m1", 200, &samples::machine("m1"));
    fake.says("GET /v1/machines/m1/bmc/users", 200, &users());
    for slot in [2, 3] {
        fake.says(&format!("PATCH /v1/machines/m1/bmc/users/{slot}"), 200, &users().items[slot - 1]);
    }
    let mut user = User::of(fake.connection());
    assert_eq!(
        user.run("bmc user list m1").await.out,
        "\
ID  NAME   MAY LOG IN  PRIVILEGE
1   -      no          no-access
2   admin  yes         administrator
3   ops    yes         operator
"
    );
    assert_eq!(user.run("bmc user set-name 3 ops m1").await.out, "machine m1: user 3 has the name ops\n");
    assert_eq!(
        user.run_words(&["bmc", "user", "set-name", "3", "", "m1"]).await.out,
        "machine m1: user 3 is removed\n"
    );
    user.run("bmc user enable 3 m1").await;
    user.run("bmc user disable 3 m1").await;
    user.run("bmc user set-privilege 3 USER m1").await;
    let file = user.file("new", "better\n");
    let line = format!("bmc user set-password 3 m1 --new-password-file {file}");
    assert_eq!(user.run(&line).await.out, "machine m1: the password of user 3 (ops) is set\n");
    let path = "PATCH /v1/machines/m1/bmc/users/3";
    let want = [
        "{\"name\":\"ops\"}",
        "{\"name\":\"\"}",
        "{\"enabled\":true}",
        "{\"enabled\":false}",
        "{\"privilege\":\"user\"}",
        "{\"password\":\"better\"}",
    ];
    assert_eq!(changes(&fake), want.map(|body| format!("{path} {body}")));
    own_password(&fake, &mut user).await;
}

/// The password of the user that Billet logs in with is set only when that is meant.
async fn own_password(fake: &Fake, user: &mut User) {
    let before = changes(fake).len();
    let file = user.file("new", "better\n");
    let ran = user.run(&format!("bmc user set-password 2 m1 --new-password-file {file}")).await;
    assert!(ran.code == 2 && ran.err.contains("Billet itself logs in as this user"), "{ran:?}");
    let ran = user.run("bmc user set-password 3 m1").await;
    assert!(ran.code == 2 && ran.err.contains("--new-password-file"), "{ran:?}");
    let ran = user.run(&format!("bmc user set-password 9 m1 --new-password-file {file}")).await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (5, "billet: machine m1 has no user with the id 9; `billet bmc user list m1` lists them\n")
    );
    user.person = true;
    user.types = "yes\n".to_owned();
    user.hidden = vec!["one".to_owned(), "two".to_owned()];
    let ran = user.run("bmc user set-password 2 m1").await;
    assert!(ran.code == 2 && ran.err.contains("the two are not the same"), "{ran:?}");
    assert_eq!(changes(fake).len(), before);
    user.hidden = vec!["same".to_owned(), "same".to_owned()];
    let ran = user.run("bmc user set-password 2 m1").await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.err.contains("same") && !ran.out.contains("same"), "{ran:?}");
    assert_eq!(changes(fake).pop().unwrap(), "PATCH /v1/machines/m1/bmc/users/2 {\"password\":\"same\"}");
}

#[tokio::test]
async fn small_settings() {
    let fake = Fake::start().await;
    fake.says("GET /v1/machines/m1/bmc", 200, &details()).says("PATCH /v1/machines/m1/bmc", 200, &details());
    let user = User::of(fake.connection());
    assert_eq!(user.run("bmc asset-tag m1").await.out, "r7u12\n");
    assert_eq!(user.run("bmc asset-tag m1 --set r8").await.out, "machine m1: the asset tag is `r8`\n");
    assert_eq!(user.run("bmc watchdog show m1").await.out, "runs for SMS/OS: hard reset in 12 s of 300 s\n");
    assert_eq!(user.run("bmc watchdog stop m1").await.out, "machine m1: the watchdog is stopped\n");
    let got: BmcDetails = serde_json::from_str(&user.run("bmc info m1 -o json").await.out).unwrap();
    assert_eq!(got, details());
    let path = "PATCH /v1/machines/m1/bmc";
    assert_eq!(
        changes(&fake),
        [format!("{path} {{\"asset_tag\":\"r8\"}}"), format!("{path} {{\"watchdog\":false}}")]
    );
}

#[tokio::test]
async fn refusals_of_the_service_are_told() {
    let fake = Fake::start().await;
    fake.says("GET /v1/machines/m1/bmc/sensors", 422, &problem(422, "no sensors are known over redfish"));
    fake.says("POST /v1/machines/m1/bmc/power", 409, &problem(409, "the job deploy runs on it"));
    fake.says("GET /v1/machines/m1/bmc/power", 504, &problem(504, "the BMC does not answer"));
    let user = User::of(fake.connection());
    for (line, code, want) in [
        ("bmc sensors m1", 2, "no sensors are known over redfish"),
        ("bmc power reset m1", 2, "the job deploy runs on it"),
        ("bmc power status m1", 1, "the BMC does not answer"),
        ("bmc fru nobody", 5, "there is no such thing"),
    ] {
        let ran = user.run(line).await;
        assert_eq!((ran.code, ran.err), (code, format!("billet: {want}\n")), "{line}");
    }
}
