//! `billet bmc … -H … --redfish`: a Redfish BMC asked from here; it is the simulated one.

use super::{Ran, User};
use bmc_mock::{Chassis, MemoryChassis, redfish};
use provisioner_api::{
    BmcBiosAttribute, BmcBiosValue, BmcBootOption, BmcDetails, BmcFirmwareItem, BmcFound, BmcHardware,
    BmcLog, BmcMediaSlot, BmcSecureBoot, BmcSelEntry, BmcSensor, BmcSubscription, BmcUserEntry,
};
use serde::de::DeserializeOwned;
use std::{net::SocketAddr, sync::Arc};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The machine's UUID.
const UUID: &str = "12345678-9abc-4def-8123-456789abcdef";

/// A simulated BMC with a machine; it ends with the value.
struct Bmc {
    address: SocketAddr,
    chassis: Arc<MemoryChassis>,
    controls: Arc<redfish::Controls>,
    /// The SHA-256 of its certificate.
    print: String,
    user: User,
    _stop: DropGuard,
}

impl Bmc {
    async fn start() -> Self {
        let chassis = Arc::new(MemoryChassis::new());
        let identity = redfish::Identity { uuid: UUID.to_owned(), ..redfish::Identity::default() };
        let listen = "127.0.0.1:0".parse().unwrap();
        let server =
            redfish::Server::bind(listen, "admin", "right", chassis.clone(), identity).await.unwrap();
        let (controls, address) = (server.controls(), server.local_addr());
        let print = hex::encode(server.certificate_sha256());
        let stop = CancellationToken::new();
        tokio::spawn(server.run(stop.clone()));
        let mut user = User::nobody();
        user.password = Some("right".to_owned());
        Self { address, chassis, controls, print, user, _stop: stop.drop_guard() }
    }

    /// Runs `billet bmc` with a verb, for this BMC, its certificate pinned.
    async fn run(&self, verb: &str) -> Ran {
        let at = format!("-H {} -U admin --redfish --tls-sha256 {}", self.address, self.print);
        let ran = self.user.run(&format!("bmc {at} {verb}")).await;
        assert_eq!(self.controls.sessions(), 0, "sessions are given back: {verb}");
        ran
    }

    /// What a command prints that does not fail.
    async fn ok(&self, verb: &str) -> String {
        let ran = self.run(verb).await;
        assert_eq!(ran.code, 0, "{verb}: {ran:?}");
        ran.out
    }

    /// The same, as the API has it.
    async fn json<T: DeserializeOwned>(&self, verb: &str) -> T {
        serde_json::from_str(&self.ok(&format!("{verb} -o json")).await).unwrap()
    }
}

#[tokio::test]
async fn power_and_what_it_says_of_itself() {
    let bmc = Bmc::start().await;
    let at = bmc.address;
    assert_eq!(bmc.ok("power on").await, format!("{at} is on\n"));
    assert!(bmc.chassis.power().await.unwrap());
    let details: BmcDetails = bmc.json("info").await;
    assert_eq!(details.system_uuid.as_deref(), Some(UUID));
    assert_eq!((details.tls_sha256.as_ref(), details.weak.len()), (Some(&bmc.print), 0));
    for can in ["virtual-media", "secure-boot", "bios", "boot-order", "firmware", "tasks", "hardware", "logs"]
    {
        assert!(details.capabilities.iter().any(|known| known == can), "{can}: {:?}", details.capabilities);
    }
    let sensors: Vec<BmcSensor> = bmc.json("sensors --kind temperature").await;
    assert!(sensors.iter().any(|sensor| sensor.reading.is_some()), "{sensors:?}");
    assert_eq!(bmc.ok("power reset").await, format!("{at} is reset\n"));
    let set = bmc.ok("boot pxe --mode uefi").await;
    assert_eq!(set, format!("{at}: the next boot is from the network (uefi)\n"));
}

#[tokio::test]
async fn a_certificate_is_believed_at_first_sight_pinned_or_signed() {
    let bmc = Bmc::start().await;
    let at = format!("bmc power status -H {} -U admin --redfish", bmc.address);
    let ran = bmc.user.run(&at).await;
    let told = format!(
        "billet: the certificate that {} showed was believed; to believe no other, add --tls-sha256 {}\n",
        bmc.address, bmc.print
    );
    assert_eq!((ran.code, ran.err), (0, told));
    let ran = bmc.user.run(&format!("{at} --tls-sha256 {}", bmc.print)).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "nothing is to be told");
    let logins = bmc.controls.logins();
    let ran = bmc.user.run(&format!("{at} --tls-sha256 {}", "0".repeat(64))).await;
    assert!(ran.code == 6 && ran.err.contains(&bmc.print), "{ran:?}");
    // A CA that has nothing to do with it.
    let folder = tempfile::tempdir().unwrap();
    let names = ["127.0.0.1".to_owned()].into();
    let other = crate::tls::Identity::open(folder.path(), &names, crate::clock::now()).unwrap();
    let ca = bmc.user.file("ca.pem", other.ca_pem());
    let ran = bmc.user.run(&format!("{at} --tls-ca {ca}")).await;
    assert!(ran.code != 0 && ran.err.contains("certificate"), "{ran:?}");
    assert_eq!(bmc.controls.logins(), logins, "the password was not sent to a stranger");
}

#[tokio::test]
async fn media_secure_boot_and_the_boot_order() {
    let bmc = Bmc::start().await;
    let at = bmc.address;
    let inserted: BmcMediaSlot = bmc.json("media insert https://10.0.0.1/a.iso").await;
    assert_eq!(inserted.image.as_deref(), Some("https://10.0.0.1/a.iso"));
    assert_eq!(bmc.controls.parts().media.images(), ["https://10.0.0.1/a.iso"]);
    assert_eq!(bmc.ok("media eject").await, format!("{at}: all slots are empty\n"));
    let slots: Vec<BmcMediaSlot> = bmc.json("media list").await;
    assert!(!slots.is_empty() && slots.iter().all(|slot| !slot.inserted), "{slots:?}");
    let enabled = bmc.ok("secure-boot enable").await;
    assert!(enabled.starts_with(&format!("{at}: Secure Boot holds")), "{enabled}");
    let state: BmcSecureBoot = bmc.json("secure-boot show").await;
    assert_eq!(state.enabled, Some(true));
    let order: Vec<BmcBootOption> = bmc.json("boot-order show").await;
    let last = order.last().unwrap().reference.clone();
    assert!(bmc.ok(&format!("boot-order set {last}")).await.contains(&format!("{last} comes first")));
}

#[tokio::test]
async fn the_firmwares_setup() {
    let bmc = Bmc::start().await;
    let all: Vec<BmcBiosAttribute> = bmc.json("bios list").await;
    // One with a list of words, and a word that it is not.
    let (name, value) = all
        .iter()
        .find_map(|one| {
            let rule = one.rule.as_ref().filter(|rule| !rule.read_only && rule.kind == "Enumeration")?;
            let other =
                rule.allowed.iter().find(|word| one.value != Some(BmcBiosValue::Text((*word).clone())))?;
            Some((one.name.clone(), other.clone()))
        })
        .unwrap();
    let set = bmc.ok(&format!("bios set {}={}", name.to_lowercase(), value.to_uppercase())).await;
    assert_eq!(set, format!("{}: {name} = {value} after the next boot\n", bmc.address));
    let again = bmc.ok(&format!("bios set {name}={value}")).await;
    assert!(
        again.ends_with(&format!("{name} = {value} after the next boot, as was set before\n")),
        "{again}"
    );
    assert_eq!(bmc.ok("bios list --pending -o name").await, format!("{name}\n"));
    let ran = bmc.run(&format!("bios set {name}=certainly-not")).await;
    assert!(ran.code != 0 && ran.err.contains(&value), "what may be is told: {ran:?}");
    let ran = bmc.run(&format!("bios set {name}s={value}")).await;
    assert!(ran.code == 2 && ran.err.contains("did you mean"), "{ran:?}");
}

#[tokio::test]
async fn firmware_from_a_url_and_from_a_file() {
    let bmc = Bmc::start().await;
    let items: Vec<BmcFirmwareItem> = bmc.json("firmware list").await;
    let target = items.iter().find(|item| item.updateable == Some(true)).unwrap().id.clone();
    let ran = bmc.run(&format!("firmware update --url https://10.0.0.1/f.bin --target {target} --yes")).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.ends_with(": the update is done\n") && ran.out.contains(" is now "), "{ran:?}");
    assert_eq!(bmc.controls.parts().update.fetched().len(), 1);
    let file = bmc.user.file("f.bin", "firmware");
    let ran = bmc.run(&format!("firmware update --file {file} --yes")).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("f.bin (8 B) is pushed to the BMC"), "{ran:?}");
    assert_eq!(bmc.controls.parts().update.pushed().len(), 1);
    let empty = bmc.user.file("empty.bin", "");
    let ran = bmc.run(&format!("firmware update --file {empty} --yes")).await;
    assert!(ran.code == 2 && ran.err.contains("it is empty"), "{ran:?}");
    let ids = bmc.ok("task list -o name").await;
    let id = ids.lines().last().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(bmc.ok(&format!("task show {id}")).await.contains("State:        done\n"));
}

#[tokio::test]
async fn hardware_logs_and_subscriptions() {
    let bmc = Bmc::start().await;
    let hardware: BmcHardware = bmc.json("hardware").await;
    assert!(!hardware.processors.is_empty() && hardware.problems.is_empty(), "{hardware:?}");
    let kept = &bmc.controls.parts().logs;
    for id in kept.ids() {
        kept.add(&id, 1_700_000_000, "Warning", "first");
        kept.add(&id, 1_700_000_060, "OK", "second");
    }
    let logs: Vec<BmcLog> = bmc.json("log list").await;
    let log = logs.iter().find(|log| log.clearable).unwrap();
    let entries: Vec<BmcSelEntry> = bmc.json(&format!("log show {} --newest 1", log.id)).await;
    assert_eq!(entries.iter().map(|entry| entry.message.as_str()).collect::<Vec<_>>(), ["second"]);
    bmc.ok(&format!("log clear {} --yes", log.id)).await;
    assert!(kept.ids().iter().any(|id| kept.is_empty(id)));
    let made: BmcSubscription = bmc.json("subscription add https://10.0.0.1/r").await;
    assert_eq!(bmc.ok("subscription list -o name").await, format!("{}\n", made.id));
    bmc.ok(&format!("subscription remove {}", made.id)).await;
    assert_eq!(bmc.ok("subscription list -o name").await, "");
}

#[tokio::test]
async fn users_and_the_bmcs_restart() {
    let bmc = Bmc::start().await;
    let file = bmc.user.file("new", "Better-than-before-7\n");
    let added: BmcUserEntry =
        bmc.json(&format!("user add ops --level operator --new-password-file {file}")).await;
    let line =
        format!("bmc power status -H {} -U ops -f {file} --redfish --tls-sha256 {}", bmc.address, bmc.print);
    assert_eq!(bmc.user.run(&line).await.code, 0, "the new user logs in");
    bmc.ok(&format!("user remove {} --yes", added.id)).await;
    assert_eq!(bmc.user.run(&line).await.code, 2, "and no longer");
    let ran = bmc.run("rotate-password").await;
    assert!(ran.code == 2 && ran.err.contains("name a machine"), "{ran:?}");
    let line = format!("bmc restart --yes -H {} -U admin --redfish --tls-sha256 {}", bmc.address, bmc.print);
    assert!(bmc.user.run(&line).await.out.ends_with("it answers again in some minutes\n"));
}

#[tokio::test]
async fn it_is_found_from_here_without_a_login() {
    let bmc = Bmc::start().await;
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let ports =
        format!("--redfish-port {} --ipmi-port {}", bmc.address.port(), silent.local_addr().unwrap().port());
    let ran = bmc.user.run(&format!("bmc scan 127.0.0.1/32 --from-here {ports} -o json")).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let found: Vec<BmcFound> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].address.as_str(), found[0].ipmi), ("127.0.0.1", false));
    assert_eq!(found[0].redfish.as_ref().and_then(|root| root.tls_sha256.as_ref()), Some(&bmc.print));
    assert_eq!(bmc.controls.logins(), 0, "nobody logs in");
    let ran = bmc.user.run(&format!("bmc scan 127.0.0.2/32 --from-here {ports}")).await;
    assert!(ran.code == 0 && ran.err.contains("no BMC answered in 127.0.0.2/32"), "{ran:?}");
    let ran = bmc.user.run("bmc scan 10.0.0.0/8 --from-here").await;
    assert!(ran.code == 2 && ran.err.contains("in parts of /20"), "{ran:?}");
    for with in ["-H h", "-U admin", "--redfish"] {
        let ran = bmc.user.run(&format!("bmc scan 127.0.0.1/32 {with}")).await;
        assert!(ran.code == 2 && ran.err.contains("logs in nowhere"), "{with}: {ran:?}");
    }
    let ran = bmc.user.run("bmc confirm m1 on -H h -U admin").await;
    assert!(ran.code == 2 && ran.err.contains("leave out -H"), "{ran:?}");
}
