use super::*;
use crate::fleet::SeenKind;
use crate::fleet::sim::tests::{image, wires};
use std::collections::BTreeSet;

async fn fleet(machines: u32, image: Arc<FleetImage>) -> (Arc<Fleet>, Arc<Eyes>, CancellationToken) {
    let (eyes, stop) = (Eyes::new(None), CancellationToken::new());
    let wires = wires("127.0.0.1:9".parse().unwrap(), &eyes).await;
    let mix = Mix { ipmi: 80, redfish: 20, rack: 40, ..Mix::default() };
    let disk = DiskSpec::new(64, 0.0, 1, 16);
    let spec = FleetSpec { machines, mix, compress: 1000.0, seed: 1, disk, image };
    let fleet = Fleet::start(&spec, wires, eyes.clone(), stop.clone()).await.unwrap();
    (fleet, eyes, stop)
}

#[tokio::test]
async fn machines_differ_and_racks_lose_power_whole() {
    let (fleet, eyes, stop) = fleet(100, image()).await;
    let all: Vec<MachineCreate> = (0..100).map(|number| fleet.enrolment(number).unwrap()).collect();
    assert!(fleet.enrolment(100).is_err());
    let count = |of: &dyn Fn(&MachineCreate) -> String| all.iter().map(of).collect::<BTreeSet<_>>().len();
    assert_eq!(count(&|machine| machine.bmc.address.clone()), 100);
    assert_eq!(count(&|machine| machine.macs[0].clone()), 100);
    assert_eq!(count(&|machine| machine.name.clone()), 100);
    let ipmi = all.iter().filter(|machine| machine.bmc.protocol == BmcProtocol::Ipmi).count();
    assert!((65..95).contains(&ipmi), "{ipmi} of 80 expected");
    assert_eq!((fleet.racks(), fleet.rack_of(99)), (3, 2));

    for sim in fleet.machines() {
        sim.chassis().set_power(true).await.unwrap();
    }
    // Nobody answers their DHCP; they ask on.
    eyes.reached(SeenKind::NothingOnDisk, 100).await;
    assert_eq!(fleet.phases()[&PhaseName::Off], 0);
    fleet.rack_power(1, false);
    fleet.rack_power(7, false);
    assert_eq!(fleet.phases()[&PhaseName::Off], 40);
    let off: Vec<u32> = fleet.truth().iter().filter(|truth| !truth.on).map(|truth| truth.number).collect();
    assert_eq!(off, (40..80).collect::<Vec<u32>>());
    fleet.rack_power(1, true);
    assert_eq!(fleet.phases()[&PhaseName::Off], 0);
    stop.cancel();
}

#[tokio::test]
async fn faults_by_name() {
    let (fleet, _, stop) = fleet(10, image()).await;
    for fault in BmcFault::ALL {
        for number in 0..10 {
            fleet.bmc_fault(number, fault.name(), true).unwrap();
            fleet.bmc_fault(number, fault.name(), false).unwrap();
        }
    }
    assert!(fleet.bmc_fault(0, "sleepy", true).is_err() && fleet.bmc_fault(10, "dead", true).is_err());
    for fault in DiskFault::ALL {
        fleet.disk_fault(3, fault.name(), true).unwrap();
        fleet.disk_fault(3, "gone", false).unwrap();
        assert_eq!(fleet.machines()[3].host().fault(), Some(fault).filter(|fault| *fault != DiskFault::Gone));
    }
    stop.cancel();
}

#[test]
fn the_same_seed_gives_the_same_machines() {
    let spec = |seed, machines| FleetSpec {
        machines,
        mix: Mix::default(),
        compress: 60.0,
        seed,
        disk: DiskSpec::new(8, 0.0, 0, 1),
        image: image(),
    };
    let kinds = |seed, machines| {
        let kinds = Kinds::new(&spec(seed, machines));
        (0..50)
            .map(|number| {
                let (traits, protocol) = kinds.of(number);
                (traits.firmware, protocol == Protocol::Ipmi)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(1, 50), kinds(1, 5000));
    assert_ne!(kinds(1, 50), kinds(2, 50));
    let mut dice = Dice::new(3);
    assert_eq!((pick(&[0, 0, 5], &mut dice), pick(&[0, 0], &mut dice)), (2, 0));
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test]
#[ignore = "measures memory: to be run alone"]
#[expect(clippy::print_stdout, reason = "the figure is what it is run for")]
async fn a_resting_machine_is_small() {
    let image = image();
    let (_first, _, _) = fleet(10, image.clone()).await;
    let before = resident();
    let (fleet, _, stop) = fleet(10_000, image).await;
    let each = (resident() - before) / 10_000;
    println!("{each} bytes each");
    assert!(each <= 6 * 1024, "{each} bytes each");
    assert_eq!(fleet.phases()[&PhaseName::Off], 10_000);
    // Those that had a life: asked for everything that their BMCs have, switched on and off, and a console each.
    for (sim, bmc) in fleet.machines().iter().zip(&fleet.bmcs) {
        if let Bmc::Ipmi { control, .. } = &**bmc {
            drop((control.admin(), control.sol(), control.storage()));
        }
        let chassis = sim.chassis();
        for _ in 0..30 {
            chassis.set_power(true).await.unwrap();
            drop(chassis.serial().unwrap().listen());
            chassis.set_power(false).await.unwrap();
            // What it had begun ends.
            tokio::task::yield_now().await;
        }
    }
    let each = (resident() - before) / 10_000;
    println!("{each} bytes each after a life");
    assert!(each <= 12 * 1024, "{each} bytes each after a life");
    stop.cancel();
}
