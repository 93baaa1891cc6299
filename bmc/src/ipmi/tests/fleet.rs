//! Many BMCs, and bad networks.

use super::*;
use bmc_mock::ipmi::{Faults, Fleet, Share};
use std::net::{IpAddr, Ipv4Addr};

const GOOD: u8 = 180;
const SLOW: u8 = 20;
const DEAD: u8 = 100;

fn address(kind: u8, number: u8) -> IpAddr {
    Ipv4Addr::new(127, 90, kind, number + 1).into()
}

#[tokio::test]
async fn slow_and_dead_bmcs_delay_nobody() {
    let fleet = Arc::new(Fleet::bind("0.0.0.0:0".parse().unwrap()).unwrap());
    let port = fleet.local_addr().unwrap().port();
    let identity = || {
        let users = vec![User::administrator(NAME, PASSWORD)];
        Identity::new(users, Arc::new(MemoryChassis::new()), UUID)
    };
    let controls: Vec<Control> = (0..GOOD).map(|number| fleet.add(address(0, number), identity())).collect();
    for number in 0..SLOW {
        let slow = fleet.add(address(1, number), identity());
        slow.set_faults(Faults { slow: Duration::from_millis(400), ..Faults::default() });
    }
    let shutdown = CancellationToken::new();
    let serving = {
        let (fleet, shutdown) = (Arc::clone(&fleet), shutdown.clone());
        tokio::spawn(async move { fleet.run(shutdown).await })
    };
    let hub = Arc::new(Hub::new(None));
    let poll = |kind: u8, number: u8| {
        let timing = Timing {
            retransmission: Retransmission { interval: Duration::from_millis(700), tries: 4 },
            call: Duration::from_secs(60),
            ..quick()
        };
        let host = address(kind, number).to_string();
        let endpoint = Endpoint { host, ..endpoint(port, Cipher::Suite17, NAME, PASSWORD) };
        let bmc = Ipmi::assemble(Arc::clone(&hub), endpoint, Cipher::Suite17, timing);
        tokio::spawn(async move {
            let result = bmc.power().await;
            (bmc, result, Instant::now())
        })
    };
    let dead: Vec<_> = (0..DEAD).map(|number| poll(2, number)).collect();
    let slow: Vec<_> = (0..SLOW).map(|number| poll(1, number)).collect();
    let good: Vec<_> = (0..GOOD).map(|number| poll(0, number)).collect();

    let mut drivers = Vec::new();
    let mut last_good = Instant::now();
    for call in good {
        let (bmc, result, done) = call.await.unwrap();
        assert_eq!(result.unwrap(), PowerState::Off);
        last_good = last_good.max(done);
        drivers.push(bmc);
    }
    for call in slow {
        assert_eq!(call.await.unwrap().1.unwrap(), PowerState::Off);
    }
    for call in dead {
        let (_, result, done) = call.await.unwrap();
        assert!(matches!(result, Err(BmcError::Unreachable { .. })), "{result:?}");
        assert!(done > last_good, "a good BMC waited until a dead one was given up");
    }
    assert!(controls.iter().all(|control| control.logins() == 1));
    for bmc in drivers {
        bmc.close().await;
    }
    assert_eq!(controls.iter().map(Control::open_sessions).sum::<usize>(), 0);
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn under_heavy_loss_each_command_is_done_or_fails_typed() {
    for cipher in BOTH {
        let chassis = Arc::new(MemoryChassis::new());
        let rig = Rig::with(chassis.clone()).await;
        let faults = Faults {
            seed: 20,
            lost_requests: Share::Random(0.2),
            lost_answers: Share::Random(0.2),
            doubled_answers: Share::Random(0.2),
            late_answers: Share::Random(0.2),
            late_by: Duration::from_millis(15),
            ..Faults::default()
        };
        rig.control.set_faults(faults);
        let timing = Timing {
            retransmission: Retransmission { interval: Duration::from_millis(10), tries: 6 },
            power: Duration::from_secs(5),
            insist: Duration::from_secs(1),
            ..quick()
        };
        let bmc = Ipmi::with_timing(endpoint(rig.port, cipher, NAME, PASSWORD), cipher, timing);
        let mut done = 0;
        for number in 0..100 {
            let target = if number % 2 == 0 { PowerState::On } else { PowerState::Off };
            let results = [bmc.set_power(target).await.map(|()| target), bmc.power().await];
            for result in results {
                match result {
                    Ok(state) => {
                        assert_eq!(chassis.power().await.unwrap(), state == PowerState::On);
                        done += 1;
                    }
                    Err(BmcError::Unreachable { .. } | BmcError::Resting { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
        assert!(done > 180, "only {done} of 200 were done");
        rig.stop().await;
    }
}
