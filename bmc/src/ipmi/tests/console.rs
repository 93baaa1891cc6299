//! The serial console over the simulated BMC: readers, typing, faults, interruptions, who has it.

use super::*;
use crate::capability::{ConsoleEvent, ConsoleReader, SerialConsole};
use bmc_mock::SerialDevice;
use bmc_mock::ipmi::SolFaults;
use bmc_proto::ipmi::command::sol::{SetSolParameter, SolParameter, THIS_CHANNEL};
use bmc_proto::ipmi::sol::Retry;
use std::sync::atomic::AtomicBool;
use tokio::sync::broadcast::error::RecvError;

const SOON: Duration = Duration::from_secs(30);
const MS: Duration = Duration::from_millis(1);

/// A BMC whose machine is on and has a console.
struct Bench {
    rig: Rig,
    chassis: Arc<MemoryChassis>,
}

impl Bench {
    async fn new() -> Self {
        let chassis = Arc::new(MemoryChassis::new());
        chassis.set_power(true).await.unwrap();
        Self { rig: Rig::with(chassis.clone()).await, chassis }
    }

    fn serial(&self) -> &SerialDevice {
        self.chassis.serial_device()
    }

    /// A driver that loses no time.
    fn driver(&self) -> Ipmi {
        hasty(self.rig.port, Cipher::Suite17)
    }

    fn is_active(&self) -> bool {
        self.rig.control.sol().is_active()
    }
}

pub(super) fn hasty(port: u16, cipher: Cipher) -> Ipmi {
    hasty_with(port, cipher, |_| {})
}

/// The same, with other waits for the answers to requests.
pub(super) fn hasty_with(port: u16, cipher: Cipher, change: impl FnOnce(&mut Timing)) -> Ipmi {
    let mut timing = quick();
    change(&mut timing);
    let bmc = Ipmi::with_timing(endpoint(port, cipher, NAME, PASSWORD), cipher, timing);
    bmc.console.set_pace(|pace| {
        pace.retry = Retry { first: 60 * MS, longest: 100 * MS, sendings: 20 };
        pace.check = 50 * MS;
        pace.first = 20 * MS;
        pace.longest = 100 * MS;
        pace.ended = 400 * MS;
        pace.typing = 1400 * MS;
    });
    bmc
}

/// For a lossy network: of the questions whose the console is, twenty a second, one in a few hundred loses all of five
/// datagrams, and that is no end of a session.
pub(super) fn patient(timing: &mut Timing) {
    timing.retransmission.tries = 30;
    timing.call = Duration::from_secs(60);
}

/// The next event, in time.
pub(super) async fn next(reader: &mut ConsoleReader) -> ConsoleEvent {
    tokio::time::timeout(SOON, reader.events.recv()).await.expect("nothing came").unwrap()
}

/// Everything that is said up to and with `text`. Losses are not expected.
pub(super) async fn heard(reader: &mut ConsoleReader, text: &str) -> String {
    let mut all = String::new();
    while !all.ends_with(text) {
        match next(reader).await {
            ConsoleEvent::Output(bytes) => all += std::str::from_utf8(&bytes).unwrap(),
            event => panic!("{event:?} before {text:?}; heard {all:?}"),
        }
    }
    all
}

/// The first event that `which` wants; output and interruptions before it are left out.
async fn event(reader: &mut ConsoleReader, which: fn(&ConsoleEvent) -> bool) -> ConsoleEvent {
    loop {
        let event = next(reader).await;
        if which(&event) {
            return event;
        }
        assert!(matches!(event, ConsoleEvent::Output(_) | ConsoleEvent::Interrupted(_)), "{event:?}");
    }
}

fn interrupted(event: &ConsoleEvent) -> bool {
    matches!(event, ConsoleEvent::Interrupted(_))
}

fn closed(event: &ConsoleEvent) -> bool {
    matches!(event, ConsoleEvent::Closed(_))
}

/// A relay that loses a fifth of what it gets, by chance, but nothing twice in a row on the same way: the BMC's own
/// repetitions are few. A regular loss would meet the repetitions in step.
pub(super) async fn lossy(bmc: u16) -> (u16, JoinHandle<()>, Arc<AtomicUsize>) {
    let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    back.connect(("127.0.0.1", bmc)).await.unwrap();
    let port = front.local_addr().unwrap().port();
    let lost = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&lost);
    let task = tokio::spawn(async move {
        let (mut there, mut here) = ([0; 2048], [0; 2048]);
        let (mut client, mut just_lost, mut dice) = (None, [false; 2], 0x2545_F491_4F6C_DD1D_u64);
        loop {
            let (datagram, to_bmc) = tokio::select! {
                Ok((length, from)) = front.recv_from(&mut there) => {
                    client = Some(from);
                    (&there[..length], true)
                }
                Ok(length) = back.recv(&mut here) => (&here[..length], false),
            };
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let before = &mut just_lost[usize::from(to_bmc)];
            // One in four of those that may be is one in five of all.
            *before = !*before && (dice >> 20).is_multiple_of(4);
            if *before {
                counter.fetch_add(1, Ordering::Relaxed);
            } else if to_bmc {
                back.send(datagram).await.unwrap();
            } else if let Some(client) = client {
                front.send_to(datagram, client).await.unwrap();
            }
        }
    });
    (port, task, lost)
}

#[tokio::test]
async fn several_read_and_one_types() {
    for cipher in BOTH {
        let bench = Bench::new().await;
        let bmc = hasty(bench.rig.port, cipher);
        let mut first = bmc.read_console(false).await.unwrap();
        let mut second = bmc.read_console(false).await.unwrap();
        bmc.type_console(b"root\r").await.unwrap();
        bmc.break_console().await.unwrap();
        assert_eq!((bench.serial().typed(), bench.serial().breaks()), (b"root\r".to_vec(), 1));
        for reader in [&mut first, &mut second] {
            assert_eq!(heard(reader, "[break]").await, "root\r\nlogin: [break]");
        }
        bench.serial().say_break();
        assert_eq!(next(&mut first).await, ConsoleEvent::Break);
        // It outlives the machine's power, and the first reader.
        drop(first);
        bench.chassis.reset().await.unwrap();
        event(&mut second, |event| *event == ConsoleEvent::Break).await;
        assert!(heard(&mut second, "login: ").await.contains("all is well"));
        assert!(bench.is_active());
        drop(second);
        until(|| !bench.is_active()).await;
        let error = bmc.type_console(b"x").await.unwrap_err();
        assert!(error.to_string().contains("nobody reads its serial console"), "{error}");
        assert_eq!(bench.rig.control.logins(), 1);
        bench.rig.stop().await;
    }
}

#[tokio::test]
async fn a_slow_reader_misses_and_delays_nobody() {
    let bench = Bench::new().await;
    let bmc = bench.driver();
    let mut slow = bmc.read_console(false).await.unwrap();
    let mut quick = bmc.read_console(false).await.unwrap();
    let mut lines = 0;
    for block in 0..700 {
        let text = format!("{block:0>200}\r\n");
        bench.serial().say(text.as_bytes());
        lines += heard(&mut quick, &text).await.lines().count();
    }
    assert_eq!(lines, 700);
    assert!(matches!(slow.events.recv().await, Err(RecvError::Lagged(_))));
    heard(&mut slow, &format!("{:0>200}\r\n", 699)).await;
    bench.rig.stop().await;
}

#[tokio::test]
async fn what_the_machine_takes_slowly_is_typed_slowly() {
    let bench = Bench::new().await;
    let bmc = bench.driver();
    let sol = bench.rig.control.sol();
    let _reader = bmc.read_console(false).await.unwrap();
    sol.set_faults(SolFaults { lose: 2, refuse: 2, accept: Some(100) });
    let text: Vec<u8> = (0..4000u32).map(|number| (number % 251) as u8).collect();
    bmc.type_console(&text).await.unwrap();
    assert!(bench.serial().typed() == text);

    // It takes four more, and then nothing.
    sol.set_faults(SolFaults::default());
    bench.serial().set_room(4);
    let error = bmc.type_console(b"0123456789").await.unwrap_err();
    assert!(error.to_string().contains("6 of 10 bytes were not confirmed"), "{error}");
    bench.chassis.set_power(false).await.unwrap();
    bench.serial().set_room(usize::MAX);
    let error = bmc.type_console(b"x").await.unwrap_err();
    assert!(error.to_string().contains("it is off or in reset"), "{error}");
    bench.chassis.set_power(true).await.unwrap();
    bmc.type_console(b"y").await.unwrap();
    assert_eq!(&bench.serial().typed()[text.len()..], b"0123y");
    bench.rig.stop().await;
}

#[tokio::test]
async fn a_lossy_network_loses_nothing() {
    for cipher in BOTH {
        let bench = Bench::new().await;
        bench.serial().set_echo(false);
        let (port, relay, lost) = lossy(bench.rig.port).await;
        let bmc = hasty_with(port, cipher, patient);
        // The BMC's own repetitions: as many as it can have, and quicker.
        let retry = SolParameter::Retry { count: 7, interval: 8 };
        bmc.call(SetSolParameter { channel: THIS_CHANNEL, parameter: retry }, "a test").await.unwrap();
        let mut reader = bmc.read_console(false).await.unwrap();
        let said: String = (0..400).map(|number| format!("{number:0>10}")).collect();
        bench.serial().say(format!("{said}!").as_bytes());
        let typed = said.as_bytes();
        let (heard, done) = tokio::join!(heard(&mut reader, "!"), bmc.type_console(typed));
        done.unwrap();
        assert_eq!(heard, format!("{said}!"));
        assert_eq!(bench.serial().typed(), typed);
        assert!(lost.load(Ordering::Relaxed) > 10);
        relay.abort();
        bench.rig.stop().await;
    }
}

#[tokio::test]
async fn lost_output_is_told() {
    let bench = Bench::new().await;
    let bmc = bench.driver();
    let mut reader = bmc.read_console(false).await.unwrap();
    bench.rig.control.sol().overrun();
    let ConsoleEvent::Interrupted(why) = next(&mut reader).await else { panic!() };
    assert!(why.contains("lost"), "{why}");
    bench.rig.stop().await;
}

#[tokio::test]
async fn a_lost_session_is_made_good() {
    let bench = Bench::new().await;
    let bmc = bench.driver();
    let mut reader = bmc.read_console(false).await.unwrap();
    for round in 0..3 {
        // A BMC that restarts tells nobody: it is noticed by the next question.
        bench.rig.control.forget_sessions();
        let ConsoleEvent::Interrupted(why) = event(&mut reader, interrupted).await else { panic!() };
        assert!(why.contains("session"), "{why}");
        assert_eq!(next(&mut reader).await, ConsoleEvent::Resumed);
        let text = format!("{round}\r");
        bmc.type_console(text.as_bytes()).await.unwrap();
        heard(&mut reader, "login: ").await;
    }
    assert_eq!(bench.serial().typed(), b"0\r1\r2\r");
    bench.rig.stop().await;
}

#[tokio::test]
async fn a_cached_session_that_died_unnoticed_costs_no_interruption() {
    let bench = Bench::new().await;
    let bmc = bench.driver();
    bmc.power().await.unwrap();
    bench.rig.control.forget_sessions();
    let mut reader = bmc.read_console(false).await.unwrap();
    bmc.type_console(b"x\r").await.unwrap();
    heard(&mut reader, "login: ").await;
    bench.rig.stop().await;
}

/// The BMC still has the old session and its console, and the new session takes it.
#[tokio::test]
async fn our_own_left_over_is_taken_back() {
    let bench = Bench::new().await;
    let deaf = Arc::new(AtomicBool::new(false));
    let is_deaf = Arc::clone(&deaf);
    let (port, relay, _) = relay(bench.rig.port, move |_| is_deaf.load(Ordering::Relaxed)).await;
    let bmc = hasty(port, Cipher::Suite17);
    bmc.console.set_pace(|pace| pace.first = 300 * MS);
    let mut reader = bmc.read_console(false).await.unwrap();
    deaf.store(true, Ordering::Relaxed);
    let error = bmc.type_console(b"lost").await.unwrap_err();
    assert!(error.to_string().contains("4 of 4 bytes were not confirmed"), "{error}");
    event(&mut reader, interrupted).await;
    assert!(bench.is_active());
    deaf.store(false, Ordering::Relaxed);
    assert_eq!(next(&mut reader).await, ConsoleEvent::Resumed);
    bmc.type_console(b"found").await.unwrap();
    assert_eq!(bench.serial().typed(), b"found");
    relay.abort();
    bench.rig.stop().await;
}

#[tokio::test]
async fn there_is_one_console_and_it_is_taken_on_demand_only() {
    let bench = Bench::new().await;
    let (mine, other) = (bench.driver(), bench.driver());
    let mut reader = mine.read_console(false).await.unwrap();
    let error = other.read_console(false).await.map(drop).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, BmcError::Refused { .. }), "{text}");
    assert!(
        text.contains("user 2 from 127.0.0.1 has its console") && text.contains("take the console over"),
        "{text}"
    );
    mine.type_console(b"still mine").await.unwrap();
    let mut taker = other.read_console(true).await.unwrap();
    let ConsoleEvent::Closed(why) = event(&mut reader, closed).await else { panic!() };
    // It depends on whether the taker was there already when it was asked.
    assert!(why.contains("somebody else") || why.contains("has its console"), "{why}");
    other.type_console(b", now yours").await.unwrap();
    assert_eq!(bench.serial().typed(), b"still mine, now yours");
    // Whoever lost it can ask for it again, and is refused.
    mine.read_console(false).await.map(drop).unwrap_err();
    drop(reader);
    bench.serial().say(b"goes on");
    heard(&mut taker, "goes on").await;
    assert!(bench.is_active());
    bench.rig.stop().await;
}

#[tokio::test]
async fn a_console_that_somebody_ended_comes_back() {
    let bench = Bench::new().await;
    let bmc = bench.driver();
    let mut reader = bmc.read_console(false).await.unwrap();
    bench.rig.control.sol().deactivate();
    let told = ConsoleEvent::Interrupted("the BMC ended the console".into());
    assert_eq!(next(&mut reader).await, told);
    assert_eq!(next(&mut reader).await, ConsoleEvent::Resumed);
    bench.rig.stop().await;
}

#[tokio::test]
async fn what_does_not_work_is_said() {
    let bench = Bench::new().await;
    let bmc = bench.driver();
    let mut reader = bmc.read_console(false).await.unwrap();
    let disable = SetSolParameter { channel: THIS_CHANNEL, parameter: SolParameter::Enable(false) };
    bmc.call(disable, "a test").await.unwrap();
    bench.rig.control.sol().deactivate();
    let ConsoleEvent::Closed(why) = event(&mut reader, |event| !interrupted(event)).await else { panic!() };
    assert!(why.contains("sol set enabled true"), "{why}");
    let error = bmc.read_console(false).await.map(drop).unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
    bench.rig.stop().await;

    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let error = hasty(closed.local_addr().unwrap().port(), Cipher::Suite17).read_console(false).await;
    assert!(matches!(error.map(drop).unwrap_err(), BmcError::Unreachable { .. }));
}

#[tokio::test]
async fn a_reader_that_gave_up_early_leaves_nothing() {
    let bench = Bench::new().await;
    for patience in [0, 1, 2, 5, 10, 20] {
        let bmc = bench.driver();
        let _too_early = tokio::time::timeout(patience * MS, bmc.read_console(false)).await.map(drop);
        let mut reader = bmc.read_console(false).await.unwrap();
        bench.serial().say(b"!");
        heard(&mut reader, "!").await;
        drop(reader);
        until(|| !bench.is_active()).await;
    }
    bench.rig.stop().await;
}

#[tokio::test]
async fn whoever_leaves_and_closes_leaves_no_session() {
    let bench = Bench::new().await;
    for round in 1..=5 {
        let bmc = bench.driver();
        let reader = bmc.read_console(false).await.unwrap();
        drop(reader);
        bmc.close().await;
        // Its task is over, and did not log in for its farewell.
        bmc.console.at_rest().await;
        assert_eq!((bench.rig.control.logins(), bench.rig.control.open_sessions()), (round, 0));
        assert!(!bench.is_active());
    }
    bench.rig.stop().await;
}
