//! The life of sessions: shared, lost, left over, kept for a port.

use super::*;
use crate::ipmi::network::Trouble;
use crate::ipmi::port::PortEvent;
use bmc_mock::ipmi::Faults;
use bmc_proto::ipmi::Event;
use bmc_proto::ipmi::command::CloseSession;

fn on(hub: &Arc<Hub>, rig: &Rig, timing: Timing) -> Ipmi {
    let cipher = Cipher::Suite17;
    Ipmi::assemble(Arc::clone(hub), endpoint(rig.port, cipher, NAME, PASSWORD), cipher, timing)
}

#[tokio::test]
async fn two_drivers_for_one_bmc_do_not_disturb_each_other() {
    let rig = Rig::new().await;
    let hub = Arc::new(Hub::new(None));
    let drivers = [on(&hub, &rig, quick()), on(&hub, &rig, quick())];
    let work = async |bmc: &Ipmi| {
        for _ in 0..30 {
            bmc.power().await.unwrap();
            bmc.boot().await.unwrap();
        }
    };
    tokio::join!(work(&drivers[0]), work(&drivers[1]), work(&drivers[0]));
    assert_eq!((rig.control.logins(), rig.control.open_sessions()), (2, 2));
    rig.stop().await;
}

#[tokio::test]
async fn callers_that_come_together_share_one_login() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let bmc = bmc.clone();
            tokio::spawn(async move { bmc.power().await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(rig.control.logins(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_bmc_that_restarts_in_mid_session_is_asked_anew() {
    let rig = Rig::new().await;
    rig.control.set_limits(|limits| limits.restart = Duration::from_millis(100));
    let bmc = driver(rig.port, Cipher::Suite17);
    bmc.power().await.unwrap();
    for _ in 0..3 {
        rig.control.set_faults(Faults { restart_after: Some(2), ..Faults::default() });
        bmc.set_boot(NETWORK_ONCE).await.unwrap();
        assert_eq!(bmc.boot().await.unwrap(), Some(NETWORK_ONCE));
    }
    assert_eq!(rig.control.open_sessions(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_free_session_is_waited_for() {
    let rig = Rig::new().await;
    rig.control.set_limits(|limits| limits.sessions = 1);
    let hub = Arc::new(Hub::new(None));
    let first = on(&hub, &rig, quick());
    first.power().await.unwrap();

    let hasty = on(&hub, &rig, Timing { call: Duration::from_millis(800), ..quick() });
    let error = hasty.power().await.unwrap_err();
    assert!(matches!(error, BmcError::NoFreeSession { .. }), "{error}");
    assert!(error.to_string().contains("all sessions"), "{error}");
    assert_eq!((hasty.health().failures, hasty.health().rests_for), (1, None));

    let patient = on(&hub, &rig, quick());
    let (result, ()) = tokio::join!(patient.power(), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        first.close().await;
    });
    assert_eq!(result.unwrap(), PowerState::Off);
    rig.stop().await;
}

#[tokio::test]
async fn a_lost_session_is_closed_by_the_next_one() {
    let rig = Rig::new().await;
    let hub = Arc::new(Hub::new(None));
    let bmc = on(&hub, &rig, quick());
    bmc.power().await.unwrap();
    // Nothing comes through for a while; the BMC keeps its session.
    rig.control.set_faults(Faults { lost_requests: bmc_mock::ipmi::Share::Every(1), ..Faults::default() });
    assert!(matches!(bmc.power().await.unwrap_err(), BmcError::Unreachable { .. }));
    rig.control.set_faults(Faults::default());
    assert_eq!(rig.control.open_sessions(), 1);
    bmc.power().await.unwrap();
    assert_eq!((rig.control.logins(), rig.control.open_sessions()), (2, 1));
    rig.stop().await;
}

/// Uses a driver in a runtime that then ends without a word, as a process that is killed.
fn abandon(hub: Arc<Hub>, port: u16) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cipher = Cipher::Suite17;
    let bmc = Ipmi::assemble(hub, endpoint(port, cipher, NAME, PASSWORD), cipher, quick());
    runtime.block_on(async { bmc.power().await.unwrap() });
    runtime.shutdown_background();
}

#[tokio::test]
async fn sessions_of_an_ended_process_are_closed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new().await;
    rig.control.set_limits(|limits| limits.sessions = 2);
    for life in 1..=4 {
        let (port, path) = (rig.port, folder.path().to_owned());
        tokio::task::spawn_blocking(move || abandon(Arc::new(Hub::new(Some(path))), port)).await.unwrap();
        assert_eq!((rig.control.logins(), rig.control.open_sessions()), (life, 1));
    }
    let hub = Arc::new(Hub::new(Some(folder.path().to_owned())));
    let bmc = on(&hub, &rig, quick());
    bmc.power().await.unwrap();
    assert_eq!(rig.control.open_sessions(), 1);
    bmc.close().await;
    assert_eq!(rig.control.open_sessions(), 0);
    drop((bmc, hub));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn a_half_open_session_can_be_closed_by_its_number() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    bmc.power().await.unwrap();
    // A login that ends after the first answer.
    let config = bmc_proto::ipmi::Config::new(Suite::Seventeen, NAME, PASSWORD).unwrap();
    let mut login = bmc_proto::ipmi::Session::new(config, [7; 32], Duration::ZERO);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 500];
    socket.send_to(&login.poll_transmit().unwrap(), ("127.0.0.1", rig.port)).await.unwrap();
    let length = socket.recv(&mut buffer).await.unwrap();
    login.handle(&buffer[..length], Duration::ZERO);
    let Some(Event::Opened { system_id }) = login.poll_event() else { panic!("not opened") };
    assert_eq!(rig.control.half_open_sessions(), 1);
    bmc.answer(CloseSession { system_id }.into(), "closing").await.unwrap();
    assert_eq!((rig.control.half_open_sessions(), rig.control.open_sessions()), (0, 1));
    rig.stop().await;
}

#[tokio::test]
async fn a_port_keeps_the_session_until_it_is_dropped() {
    let rig = Rig::new().await;
    rig.control.set_limits(|limits| limits.idle = Duration::from_millis(400));
    let timing =
        Timing { idle: Duration::from_millis(50), keep_alive: Duration::from_millis(100), ..quick() };
    let hub = Arc::new(Hub::new(None));
    let bmc = on(&hub, &rig, timing);
    let mut port = bmc.attach_payload("connecting the console").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.control.advance(Duration::ZERO);
    assert_eq!((rig.control.logins(), rig.control.open_sessions()), (1, 1));
    // Calls and port use one session.
    bmc.power().await.unwrap();
    assert_eq!(rig.control.logins(), 1);

    // A second port takes it over.
    let mut second = bmc.attach_payload("connecting the console").await.unwrap();
    assert_eq!(port.recv().await, PortEvent::SessionLost);

    // The BMC restarts: the keep-alive sees it.
    rig.control.forget_sessions();
    assert_eq!(second.recv().await, PortEvent::SessionLost);
    let third = bmc.attach_payload("connecting the console").await.unwrap();
    assert_eq!(rig.control.open_sessions(), 1);
    drop(third);
    until(|| rig.control.open_sessions() == 0).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_closed_driver_tells_its_port() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    let mut port = bmc.attach_payload("connecting the console").await.unwrap();
    bmc.close().await;
    assert_eq!(port.recv().await, PortEvent::SessionLost);
    assert_eq!(rig.control.open_sessions(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn closing_what_is_not_open_asks_nothing() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let bmc = driver(silent.local_addr().unwrap().port(), Cipher::Suite17);
    bmc.close().await;
    assert!(silent.try_recv(&mut [0; 9]).is_err());
}

/// Anybody can forge an ICMP error; the BMC has proven itself, and only its silence may end the session.
#[tokio::test]
async fn icmp_errors_end_no_session() {
    let rig = Rig::new().await;
    let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let peer = front.local_addr().unwrap();
    let hub = Arc::new(Hub::new(None));
    let bmc = Ipmi::assemble(
        Arc::clone(&hub),
        endpoint(peer.port(), Cipher::Suite17, NAME, PASSWORD),
        Cipher::Suite17,
        quick(),
    );
    let lose = Arc::new(AtomicUsize::new(0));
    let left = Arc::clone(&lose);
    let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    back.connect(("127.0.0.1", rig.port)).await.unwrap();
    let relay = tokio::spawn(async move {
        let (mut out, mut home) = ([0; 2048], [0; 2048]);
        let mut client = None;
        loop {
            tokio::select! {
                Ok((length, from)) = front.recv_from(&mut out) => {
                    client = Some(from);
                    if left.load(Ordering::Relaxed) > 0 {
                        left.fetch_sub(1, Ordering::Relaxed);
                        hub.network.report(peer, Trouble::PortClosed);
                    } else {
                        back.send(&out[..length]).await.unwrap();
                    }
                }
                Ok(length) = back.recv(&mut home) => {
                    front.send_to(&home[..length], client.unwrap()).await.unwrap();
                }
            }
        }
    });
    bmc.power().await.unwrap();
    // All sendings of a request but one.
    lose.store(4, Ordering::Relaxed);
    bmc.power().await.unwrap();
    assert_eq!((lose.load(Ordering::Relaxed), rig.control.logins()), (0, 1));
    relay.abort();
    rig.stop().await;
}

/// A driver whose session is let go soon.
async fn resting(rig: &Rig) -> Ipmi {
    let timing = Timing { idle: Duration::from_millis(50), ..quick() };
    let bmc = on(&Arc::new(Hub::new(None)), rig, timing);
    bmc.power().await.unwrap();
    until(|| rig.control.open_sessions() == 0).await;
    bmc
}

#[tokio::test]
async fn a_reading_that_comes_alone_takes_no_more_than_a_user_may() {
    let rig = Rig::new().await;
    let bmc = resting(&rig).await;
    // Were the privilege raised, this would be refused, and the login fail.
    rig.control.refuse_next(&[Answer::INSUFFICIENT_PRIVILEGE]);
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    assert_eq!(rig.control.logins(), 3, "a BMC that wants more for a reading gets it");
    until(|| rig.control.open_sessions() == 0).await;
    bmc.power().await.unwrap();
    assert_eq!(rig.control.logins(), 4, "and is remembered");
    rig.stop().await;
}

#[tokio::test]
async fn a_bmc_that_says_nothing_to_a_user_is_asked_as_more() {
    let rig = Rig::new().await;
    rig.control.set_limits(|limits| limits.restart = Duration::from_millis(1));
    let bmc = resting(&rig).await;
    // The login has three answers; after them the session is unknown.
    rig.control.set_faults(Faults { restart_after: Some(3), ..Faults::default() });
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    rig.stop().await;
}

#[tokio::test]
async fn what_comes_right_after_a_lone_reading_may_all() {
    let rig = Rig::new().await;
    let bmc = resting(&rig).await;
    let (power, set) = tokio::join!(bmc.power(), bmc.set_boot(NETWORK_ONCE));
    assert_eq!(power.unwrap(), PowerState::Off);
    set.unwrap();
    until(|| rig.control.open_sessions() == 0).await;
    for _ in 0..3 {
        bmc.power().await.unwrap();
        assert_eq!(bmc.boot().await.unwrap(), Some(NETWORK_ONCE));
        until(|| rig.control.open_sessions() == 0).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_machine_that_rests_leaves_no_session() {
    let rig = Rig::new().await;
    // It would be kept for half a minute.
    let bmc = on(&Arc::new(Hub::new(None)), &rig, quick());
    bmc.power().await.unwrap();
    assert_eq!(rig.control.open_sessions(), 1);
    bmc.close().await;
    bmc.actor.rest(Duration::from_secs(60));
    bmc.power().await.unwrap();
    until(|| rig.control.open_sessions() == 0).await;
    // Often enough it is kept.
    bmc.power().await.unwrap();
    bmc.power().await.unwrap();
    assert_eq!((rig.control.logins(), rig.control.open_sessions()), (3, 1));
    rig.stop().await;
}
