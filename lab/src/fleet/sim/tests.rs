use super::*;
use crate::fleet::model::{FirmwareKind, Path, Timings};
use crate::fleet::{Blocks, DiskSpec, FleetImage, SeenKind, Site};
use bmc_mock::BootDevice;
use provisioner_api::Secret;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DISK: &str = "#!ipxe\niseq ${platform} efi && exit 1 ||\n";

/// A boot server that has this script for everybody, at a port of its own.
async fn boot_server(script: &'static str) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _length = stream.read(&mut request).await;
            let length = script.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{script}");
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

/// Wires to this boot server and to nobody else.
pub(in crate::fleet) async fn wires(boot_http: SocketAddr, eyes: &Arc<Eyes>) -> Arc<Wires> {
    // A port that was free a moment ago, so that tests can run beside each other.
    let relay = Ipv4Addr::new(127, 64, 0, 1);
    let port = UdpSocket::bind((relay, 0)).unwrap().local_addr().unwrap().port();
    let key = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site {
        api: format!("https://{nobody}"),
        ca_pem: key.cert.pem(),
        permit_key: "00".repeat(32).parse().unwrap(),
        token: Secret::new("t"),
        boot_http,
        dhcp: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
        tftp: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9),
        relay,
    };
    Wires::new(&site, eyes.clone(), 1, CancellationToken::new()).await.unwrap()
}

pub(in crate::fleet) fn image() -> Arc<FleetImage> {
    let folder = tempfile::tempdir().unwrap();
    Arc::new(FleetImage::make(folder.path(), "test", 8, 1).unwrap())
}

async fn sim(path: Path, script: &'static str) -> (Arc<Sim>, Arc<Eyes>) {
    let eyes = Eyes::new(None);
    let wires = wires(boot_server(script).await, &eyes).await;
    let timings = Timings::none(Duration::from_millis(20));
    let traits = Traits { firmware: FirmwareKind::BiosPxe, network_first: false, path, timings };
    let disk = DiskSpec::new(8, 0.0, 0, 1);
    let host =
        SimHost::new(3, "02:5a:00:00:00:03", &disk, Arc::new(Blocks::default()), image(), eyes.clone());
    let sim = Sim::new(3, "m".into(), Arc::new(traits), 1, host, wires, eyes.clone(), Pace::default());
    (sim, eyes)
}

#[tokio::test]
async fn a_machine_that_is_sent_to_an_empty_disk_hangs_and_has_no_task() {
    let (sim, eyes) = sim(Path::Script, DISK).await;
    let chassis = sim.chassis();
    let flags = BootFlags { device: Some(BootDevice::Network), persistent: false, uefi: false };
    chassis.set_boot(flags).await.unwrap();
    chassis.set_power(true).await.unwrap();
    chassis.set_power(true).await.unwrap();
    eyes.reached(SeenKind::NothingOnDisk, 1).await;
    let expected = ["boot: network", "power: on", "script: disk", "disk: nothing"];
    assert_eq!((sim.history(), sim.phase()), (expected.map(str::to_owned).to_vec(), PhaseName::Hung));
    assert_eq!(chassis.boot().await.unwrap(), BootFlags::default());
    assert!(sim.core().life.is_none(), "nothing is under way");
    chassis.reset().await.unwrap();
    eyes.reached(SeenKind::NothingOnDisk, 2).await;
    assert_eq!(eyes.count(SeenKind::Power), 1, "a reset is no change of power");
    assert_eq!(eyes.count(SeenKind::Bmc), 4);
}

#[tokio::test]
async fn without_power_in_the_rack_nobody_switches_it_on() {
    // Nobody answers DHCP: it asks on.
    let (sim, eyes) = sim(Path::Full, DISK).await;
    let chassis = sim.chassis();
    chassis.set_power(true).await.unwrap();
    eyes.reached(SeenKind::NothingOnDisk, 1).await;
    assert!(sim.power());
    sim.cut_power();
    sim.cut_power();
    assert!(chassis.set_power(true).await.is_err() && chassis.reset().await.is_err());
    assert_eq!((sim.power(), sim.phase()), (false, PhaseName::Off));
    assert!(sim.core().life.is_none());
    sim.restore_power();
    assert!(sim.power(), "as it was before");
    sim.restore_power();
    chassis.set_power(false).await.unwrap();
    sim.cut_power();
    sim.restore_power();
    assert!(!sim.power(), "as it was before");
}

#[tokio::test]
async fn an_agent_that_lost_its_power_says_and_does_nothing() {
    const AGENT: &str =
        "#!ipxe\nkernel http://127.0.0.1:1/vmlinuz billet.url=https://127.0.0.1:1 billet.token=t\n";
    let (sim, eyes) = sim(Path::Script, AGENT).await;
    sim.chassis().set_power(true).await.unwrap();
    eyes.reached(SeenKind::Script, 1).await;
    assert_eq!(sim.phase(), PhaseName::Agent);
    let weak = Arc::downgrade(&sim);
    sim.end();
    sim.chassis().set_power(true).await.unwrap();
    drop(sim);
    // All that it had begun ends with it.
    while weak.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(eyes.count(SeenKind::Power), 1);
}

#[tokio::test]
async fn the_serial_port_is_there_when_somebody_looks() {
    let (sim, _) = sim(Path::Script, DISK).await;
    let chassis = sim.chassis();
    let port = chassis.serial().unwrap();
    let mut output = port.listen();
    chassis.set_power(true).await.unwrap();
    output.recv().await.unwrap();
    assert!(port.is_ready());
    drop((port, output));
    chassis.set_power(false).await.unwrap();
    assert!(sim.core().serial.is_none(), "nobody looks any more");
}
