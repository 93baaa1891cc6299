//! `billet bmc … -H`: a BMC asked from here, without any service; it is the simulated one.

use super::{Ran, User};
use bmc_mock::{
    BootDevice, BootFlags, Chassis, MemoryChassis,
    ipmi::{CipherSuite, Control, Identity, LockOut, Server, User as BmcUser},
};
use provisioner_api::{BmcBoot, BmcDetails, BmcSel, BmcSelEntry, BmcSensor, BmcSensorHealth, BmcUserEntry};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The machine's UUID.
const UUID: uuid::Uuid = uuid::uuid!("12345678-9abc-4def-8123-456789abcdef");

/// A simulated BMC with a machine; it ends with the value.
pub(super) struct Bmc {
    pub(super) address: SocketAddr,
    pub(super) chassis: Arc<MemoryChassis>,
    pub(super) control: Control,
    _stop: DropGuard,
}

impl Bmc {
    /// One with the users `admin` (password `right`) and `ops` (an operator).
    fn start(change: impl FnOnce(&mut Identity)) -> Self {
        let chassis = Arc::new(MemoryChassis::new());
        let users = vec![BmcUser::administrator("admin", "right"), BmcUser::operator("ops", "right")];
        let mut identity = Identity::new(users, chassis.clone(), *UUID.as_bytes());
        change(&mut identity);
        let server = Server::new("127.0.0.1:0".parse().unwrap(), identity).unwrap();
        let (address, control) = (server.local_addr().unwrap(), server.control());
        let stop = CancellationToken::new();
        tokio::spawn(server.run(stop.clone()));
        Self { address, chassis, control, _stop: stop.drop_guard() }
    }

    /// A plain one.
    pub(super) fn plain() -> Self {
        Self::start(|_| ())
    }

    /// A command line with `{}` for where it is and how to log in.
    async fn run(&self, user: &User, line: &str) -> Ran {
        let file = user.file("right", "right\n");
        let ran = user.run(&line.replace("{}", &format!("-H {} -U admin -f {file}", self.address))).await;
        assert_eq!(self.control.open_sessions(), 0, "the session is given back: {line}");
        ran
    }

    /// What a command prints that does not fail.
    async fn ok(&self, user: &User, line: &str) -> String {
        let ran = self.run(user, line).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}: {ran:?}");
        ran.out
    }
}

#[tokio::test]
async fn power_and_boot() {
    let (bmc, user) = (Bmc::plain(), User::nobody());
    let at = bmc.address;
    assert_eq!(bmc.ok(&user, "bmc power status {}").await, format!("{at} is off\n"));
    assert_eq!(bmc.ok(&user, "bmc {} power on").await, format!("{at} is on\n"));
    assert!(bmc.chassis.power().await.unwrap());
    assert_eq!(bmc.ok(&user, "bmc power status {} -o json").await, "{\n  \"power\": \"on\"\n}\n");
    assert_eq!(bmc.ok(&user, "bmc power diag {} -C 3").await, format!("{at} got a diagnostic interrupt\n"));
    assert_eq!(bmc.chassis.diagnostics(), 1);
    let set = bmc.ok(&user, "bmc boot pxe {} --mode uefi --persistent").await;
    assert_eq!(set, format!("{at}: every boot is from the network (uefi)\n"));
    let flags = BootFlags { device: Some(BootDevice::Network), persistent: true, uefi: true };
    assert_eq!(bmc.chassis.boot().await.unwrap(), flags);
    let shown: BmcBoot = serde_json::from_str(&bmc.ok(&user, "bmc boot show {} -o json").await).unwrap();
    assert!(shown.persistent);
    bmc.ok(&user, "bmc boot none {}").await;
    assert_eq!(bmc.chassis.boot().await.unwrap().device, None);
    assert_eq!(bmc.ok(&user, "bmc power soft {}").await, format!("{at} is asked to shut down\n"));
    assert!(!bmc.chassis.power().await.unwrap());
    let sessions = user.folder.path().join("state/billet/ipmi-sessions");
    assert!(sessions.is_dir(), "open sessions are noted there");
}

#[tokio::test]
async fn what_a_bmc_says_of_itself_and_small_settings() {
    let (bmc, user) = (Bmc::plain(), User::nobody());
    let text = bmc.ok(&user, "bmc info {} -C 3 -o json").await;
    let details: BmcDetails = serde_json::from_str(&text).unwrap();
    assert_eq!(details.address, bmc.address.to_string());
    assert_eq!(details.system_uuid.as_deref(), Some(UUID.to_string().as_str()));
    assert_eq!(details.weak, ["IPMI cipher suite 3 (SHA-1)"]);
    assert!(details.network.unwrap().cipher_suites.contains(&17));
    assert!(details.power_reading.is_some() && details.watchdog.is_some());
    let set = bmc.ok(&user, "bmc asset-tag {} --set r7u12").await;
    assert!(set.ends_with(": the asset tag is `r7u12`\n"), "{set}");
    assert_eq!(bmc.ok(&user, "bmc asset-tag {}").await, "r7u12\n");
    assert_eq!(bmc.control.admin().asset_tag(), b"r7u12");
    assert!(bmc.ok(&user, "bmc watchdog stop {}").await.ends_with("the watchdog is stopped\n"));
    for (line, want) in [
        ("bmc identify {}", "shines for 15 s"),
        ("bmc identify 60 {}", "shines for 60 s"),
        ("bmc identify {} --on", "shines until it is switched off"),
        ("bmc identify 0 {}", "is out"),
    ] {
        let said = bmc.ok(&user, line).await;
        assert!(said.contains(want), "{line}: {said}");
    }
}

#[tokio::test]
async fn users_and_their_passwords() {
    let (bmc, mut user) = (Bmc::plain(), User::nobody());
    bmc.ok(&user, "bmc user set-name 5 guest {}").await;
    bmc.ok(&user, "bmc user set-privilege 5 operator {}").await;
    let file = user.file("new", "sesame\n");
    let line = format!("bmc user set-password 5 {{}} --new-password-file {file}");
    let said = bmc.ok(&user, &line).await;
    assert!(said.ends_with("the password of user 5 (guest) is set\n"), "{said}");
    bmc.ok(&user, "bmc user enable 5 {}").await;
    let listed: Vec<BmcUserEntry> =
        serde_json::from_str(&bmc.ok(&user, "bmc user list {} -o json").await).unwrap();
    let guest = listed.iter().find(|entry| entry.id == "5").unwrap();
    assert_eq!((guest.name.as_str(), guest.enabled), ("guest", Some(true)));
    let ran = user.run(&format!("bmc power status -H {} -U guest -L operator -f {file}", bmc.address)).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    // One's own password is a matter of its own.
    let own = listed.iter().find(|entry| entry.name == "admin").unwrap().id.clone();
    let line = format!("bmc user set-password {own} {{}} --new-password-file {file}");
    let ran = bmc.run(&user, &line).await;
    assert!(ran.code == 2 && ran.err.contains("it is the user that you are logged in as"), "{ran:?}");
    let ran = bmc.run(&user, &format!("{line} --yes")).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(bmc.run(&user, "bmc power status {}").await.code, 2, "the old password is wrong now");
    user.password = Some("sesame".to_owned());
    let ran = user.run(&format!("bmc power status -H {} -U admin", bmc.address)).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    // It would lock us out.
    let ran = user.run(&format!("bmc user disable {own} -H {} -U admin", bmc.address)).await;
    assert_ne!(ran.code, 0, "{ran:?}");
}

#[tokio::test]
async fn where_the_password_comes_from() {
    let (bmc, mut user) = (Bmc::plain(), User::nobody());
    let line = format!("bmc power status -H {} -U admin", bmc.address);
    let ran = user.run(&line).await;
    assert!(ran.code == 2 && ran.err.contains("-f") && ran.err.contains("IPMI_PASSWORD"), "{ran:?}");
    user.types = "right\n".to_owned();
    assert_eq!(user.run(&format!("{line} -f -")).await.code, 0);
    user.types = String::new();
    user.person = true;
    user.hidden = vec!["right".to_owned()];
    let ran = user.run(&line).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, "billet: the BMC's password: "), "it is asked");
    user.hidden.clear();
    user.password = Some("right".to_owned());
    assert_eq!(user.run(&line).await.code, 0);
    let before = bmc.control.logins();
    for line in [format!("{line} -P right"), format!("{line} -P")] {
        let ran = user.run(&line).await;
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("-P is not taken") && !ran.err.contains("right"), "{ran:?}");
    }
    assert_eq!(bmc.control.logins(), before);
}

#[tokio::test]
async fn what_goes_wrong_is_told_with_its_mend() {
    let lock_out = LockOut { after: 2, lasts: Duration::from_secs(600) };
    let bmc = Bmc::start(|identity| {
        identity.suites = vec![CipherSuite::Three];
        identity.limits.lock_out = Some(lock_out);
    });
    let mut user = User::nobody();
    user.password = Some("wrong".to_owned());
    let at = format!("-H {}", bmc.address);
    let ran = user.run(&format!("bmc power status {at} -U admin -C 3")).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("refuses user `admin`") && ran.err.contains("password"), "{ran:?}");
    user.password = Some("right".to_owned());
    let ran = user.run(&format!("bmc power status {at} -U admin -C 3")).await;
    assert_eq!(ran.code, 0, "one wrong password is one try, and nobody is locked out: {ran:?}");
    let ran = user.run(&format!("bmc power status {at} -U admin")).await;
    assert!(ran.code == 2 && ran.err.contains("suite"), "{ran:?}");
    // A port where nobody is: bound and let go again.
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = user.run(&format!("bmc power status -H {free} -U admin")).await;
    assert!(ran.code == 6 && ran.err.contains(&free.to_string()), "{ran:?}");
}

#[tokio::test]
async fn what_does_not_go_together_is_refused_before_anything_is_asked() {
    let (bmc, mut user) = (Bmc::plain(), User::nobody());
    user.password = Some("right".to_owned());
    let key = user.file("key", "hex:0\n");
    let host = format!("-H {}", bmc.address);
    let pin = "0".repeat(64);
    for (line, want) in [
        ("bmc power status".to_owned(), "whose BMC? Name a machine"),
        ("bmc power status m1 -H h -U a".to_owned(), "name a machine or give -H, not both"),
        ("bmc user enable 3 m1 -H h -U a".to_owned(), "name a machine or give -H, not both"),
        ("bmc identify 5 m1 -H h -U a".to_owned(), "name a machine or give -H, not both"),
        ("bmc power status m1 -U admin".to_owned(), "go with -H"),
        ("bmc -C 3 power status m1".to_owned(), "go with -H"),
        ("bmc power status m1".to_owned(), "no client file says where the service is"),
        (format!("bmc power status {host}"), "the BMC's user name is missing"),
        (format!("bmc power status {host} -U admin -p 623"), "the port is given twice"),
        (format!("bmc power status {host} -U admin --redfish -C 3"), "-C, -L and -k are of IPMI"),
        (format!("bmc power status {host} -U admin --tls-sha256 {pin}"), "--tls-sha256 is of Redfish"),
        (format!("bmc power status {host} -U admin --tls-ca /x"), "--tls-ca is of Redfish"),
        (format!("bmc power status {host} -U admin --redfish --tls-sha256 {pin} --tls-ca /x"), "not both"),
        (
            format!("bmc power status {host} -U admin --redfish --tls-ca {key}"),
            "there is no certificate in it",
        ),
        (format!("bmc rotate-password {host} -U admin"), "which the service does: name a machine"),
        (format!("bmc bios set {host} -U admin BootMode"), "write it like BootMode=Uefi"),
        ("bmc bios set BootMode=Uefi".to_owned(), "whose BMC? Name a machine"),
        (
            format!("bmc power status {host} -U admin -k {key}"),
            "the BMC's key in the file of -k can't be right",
        ),
        (format!("bmc power status {host} -U admin -f - -k -"), "can't be both the password and the key"),
        (format!("bmc console {host} -U admin --backlog 10"), "only the service records consoles"),
        (format!("bmc console {host} -U admin --follow=false"), "only the service records consoles"),
    ] {
        let ran = if line == "bmc power status m1" {
            let mut words = vec!["billet"];
            words.extend(line.split(' '));
            user.run_plain(&words).await
        } else {
            user.run(&line).await
        };
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
        assert!(ran.err.contains(want), "{line}: {ran:?}");
    }
    assert_eq!(bmc.control.logins(), 0);
}

#[tokio::test]
async fn a_key_of_the_bmc() {
    let bmc = Bmc::start(|identity| identity.bmc_key = Some(b"secret-key".to_vec()));
    let user = User::nobody();
    let key = user.file("key", "secret-key\n");
    bmc.ok(&user, &format!("bmc power status {{}} -k {key}")).await;
    let key = user.file("hex", &format!("hex:{}\n", hex::encode("secret-key")));
    bmc.ok(&user, &format!("bmc power status {{}} -k {key}")).await;
    let file = user.file("right", "right\n");
    let ran = user.run(&format!("bmc power status -H {} -U admin -f {file}", bmc.address)).await;
    assert!(ran.code == 2 && ran.err.contains("BMC key"), "{ran:?}");
}

#[tokio::test]
async fn sensors_parts_and_the_event_log() {
    let (bmc, mut user) = (Bmc::plain(), User::nobody());
    bmc.ok(&user, "bmc power on {}").await;
    let text = bmc.ok(&user, "bmc sensors {} --kind temperature -o json").await;
    let sensors: Vec<BmcSensor> = serde_json::from_str(&text).unwrap();
    let inlet = sensors.iter().find(|sensor| sensor.name == "Inlet Temp").unwrap();
    assert_eq!((inlet.unit.as_deref(), inlet.health), (Some("degrees C"), BmcSensorHealth::Ok));
    assert!(inlet.reading.is_some() && inlet.thresholds.upper_critical.is_some());
    assert!(sensors.iter().all(|sensor| sensor.kind == "Temperature"));
    assert_eq!(bmc.ok(&user, "bmc sensors {} --bad -o name").await, "");
    let parts = bmc.ok(&user, "bmc fru {} --id 0").await;
    assert!(parts.contains("\n  board\n") && parts.contains("    serial:       "), "{parts}");
    assert_eq!(bmc.run(&user, "bmc fru {} --id 200").await.code, 5);
    // Switching it on is an event.
    let info: BmcSel = serde_json::from_str(&bmc.ok(&user, "bmc sel info {} -o json").await).unwrap();
    assert!(info.entries > 0 && info.clock.is_some());
    let log: Vec<BmcSelEntry> =
        serde_json::from_str(&bmc.ok(&user, "bmc sel list {} -o json").await).unwrap();
    assert_eq!(log.len(), info.entries as usize);
    let said = bmc.ok(&user, "bmc sel time {} --set 2026-01-01T00:00:00Z").await;
    assert!(said.contains("the event log's clock is set to "), "{said}");
    assert!(bmc.ok(&user, "bmc sel time {}").await.ends_with(" behind)\n"));
    let refused = bmc.run(&user, "bmc sel clear {}").await;
    assert!(refused.code == 2 && refused.err.contains("add --yes if it is meant"), "{refused:?}");
    user.person = true;
    user.types = "y\n".to_owned();
    let cleared = bmc.run(&user, "bmc sel clear {}").await;
    assert!(cleared.code == 0 && cleared.out.ends_with("the event log is empty\n"), "{cleared:?}");
    assert!(bmc.control.storage().log().records().is_empty());
}

#[tokio::test]
async fn a_console_straight_from_a_bmc() {
    let (bmc, user) = (Bmc::plain(), User::nobody());
    bmc.ok(&user, "bmc power on {}").await;
    let serial = bmc.chassis.serial_device();
    let keys = user.keyboard(true);
    let (ran, ()) = tokio::join!(bmc.run(&user, "bmc console {}"), async {
        user.err.until("~. at the start of a line leaves").await;
        serial.say(b"hello from the machine\r\n");
        user.out.until("hello from the machine").await;
        keys.send(b"root\r~B".to_vec()).await.unwrap();
        user.out.until("[break]").await;
        serial.say_break();
        user.err.until("the machine sent a break").await;
        keys.send(b"bye~.\r~.".to_vec()).await.unwrap();
    });
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.ends_with("[billet: left]\r\n"), "{ran:?}");
    assert_eq!((serial.typed(), serial.breaks()), (b"root\rbye~.\r".to_vec(), 1));
    assert!(!bmc.control.sol().is_active(), "the console is given back");
}

#[tokio::test]
async fn a_console_that_another_program_has_is_taken_only_when_told_so() {
    let (bmc, user, other) = (Bmc::plain(), User::nobody(), User::nobody());
    bmc.ok(&user, "bmc power on {}").await;
    let at = format!("-H {} -U admin -f {}", bmc.address, user.file("right", "right\n"));
    let keys = other.keyboard(true);
    let first = format!("bmc console {at}");
    let (theirs, ()) = tokio::join!(other.run(&first), async {
        other.err.until("~. at the start of a line leaves").await;
        let ran = user.run(&first).await;
        assert!(ran.code == 1 && ran.err.contains("console"), "{ran:?}");
        let ours = user.keyboard(true);
        let second = format!("{first} --take-over");
        let (ran, ()) = tokio::join!(user.run(&second), async {
            user.err.until("~. at the start of a line leaves").await;
            other.err.until("billet: the console ended: ").await;
            ours.send(b"~.".to_vec()).await.unwrap();
        });
        assert_eq!(ran.code, 0, "{ran:?}");
    });
    drop(keys);
    assert_eq!(theirs.code, 1, "{theirs:?}");
    assert_eq!(bmc.control.open_sessions(), 0);
}
