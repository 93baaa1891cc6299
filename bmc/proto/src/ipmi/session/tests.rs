//! The session against a peer without sockets: logins and their refusals, requests, payloads, closing.
//!
//! - `forgery`: what strangers send;
//! - `oddities`: what real BMCs do otherwise;
//! - `wire`: loss, repetition, re-ordering and delay.

mod forgery;
mod oddities;
mod wire;

use super::peer::{ECHO, FIRST_ID, PASSWORD, Peer};
use super::*;
use crate::ipmi::command::{GetChassisStatus, cipher_suite_records};
use crate::ipmi::handshake::Status;
use crate::ipmi::keys::Exchange;
use crate::ipmi::packet::payload;
use crate::ipmi::{CipherSuite, GetDeviceId, NetFn};
use peer::{Fault, Habit};

const SECOND: Duration = Duration::from_secs(1);

fn config(suite: CipherSuite) -> Config {
    Config::new(suite, "root", PASSWORD).unwrap()
}

fn start(suite: CipherSuite) -> Session {
    Session::new(config(suite), [1; 32], Duration::ZERO)
}

/// The next event that is not about a slot that the BMC set aside.
fn event(session: &mut Session) -> Option<Event> {
    std::iter::from_fn(|| session.poll_event()).find(|event| !matches!(event, Event::Opened { .. }))
}

/// Carries datagrams to and fro until nobody has anything to say.
fn settle(session: &mut Session, peer: &mut Peer, now: Duration) {
    while let Some(datagram) = session.poll_transmit() {
        if let Some(answer) = peer.answer(&datagram) {
            session.handle(&answer, now);
        }
    }
}

/// As `settle`, and lets time pass until there is an event.
fn settle_late(session: &mut Session, peer: &mut Peer) -> (Event, Duration) {
    let mut now = Duration::ZERO;
    loop {
        settle(session, peer, now);
        if let Some(event) = event(session) {
            return (event, now);
        }
        now = session.poll_timeout().expect("it waits for something");
        session.handle_timeout(now);
    }
}

fn established(suite: CipherSuite) -> (Session, Peer) {
    let (mut session, mut peer) = (start(suite), Peer::new(suite, Fault::None));
    settle(&mut session, &mut peer, Duration::ZERO);
    assert_eq!(session.poll_event(), Some(Event::Opened { system_id: FIRST_ID }));
    assert_eq!(session.poll_event(), Some(Event::Established { privilege: 4 }));
    (session, peer)
}

/// The event that a login with this fault ends in.
fn login_with(fault: Fault) -> (Event, Peer) {
    let suite = CipherSuite::Seventeen;
    let (mut session, mut peer) = (start(suite), Peer::new(suite, fault));
    let (event, _) = settle_late(&mut session, &mut peer);
    (event, peer)
}

fn echo(data: &[u8]) -> Message {
    Message::new_request(NetFn::App, ECHO, data.to_vec())
}

#[test]
fn both_suites_log_in_ask_and_close() {
    for suite in CipherSuite::ALL {
        let (mut session, mut peer) = established(suite);
        assert_eq!(peer.privilege, 4);
        assert!(session.poll_timeout().is_none(), "nothing to wait for");
        assert_eq!((session.console_id(), session.system_id()), (peer.console_id(), Some(FIRST_ID)));
        for _ in 0..200 {
            assert!(session.request(GetDeviceId.into(), SECOND));
            settle(&mut session, &mut peer, SECOND);
            let Some(Event::Answered(answer)) = session.poll_event() else { panic!("no answer") };
            assert_eq!(success::<GetDeviceId>(&answer).unwrap().manufacturer_id, 674);
        }
        session.close(SECOND);
        settle(&mut session, &mut peer, SECOND);
        assert_eq!(session.poll_event(), Some(Event::Closed));
        assert!(peer.closed == [FIRST_ID] && !session.is_ready());
        assert!(!session.request(GetDeviceId.into(), SECOND));
        assert_eq!((session.console_id(), session.system_id()), (0, None));
    }
}

#[test]
fn a_session_that_only_reads_stays_at_user_level() {
    for suite in CipherSuite::ALL {
        let mut session = Session::new(config(suite).only_reading(), [1; 32], Duration::ZERO);
        let mut peer = Peer::new(suite, Fault::None);
        settle(&mut session, &mut peer, Duration::ZERO);
        assert_eq!(event(&mut session), Some(Event::Established { privilege: 2 }));
        assert!(session.poll_timeout().is_none(), "nothing to wait for");
        assert_eq!(peer.privilege, 0, "nothing was raised");
        assert!(session.request(GetDeviceId.into(), SECOND));
        settle(&mut session, &mut peer, SECOND);
        assert!(matches!(session.poll_event(), Some(Event::Answered(_))));
        session.close(SECOND);
        settle(&mut session, &mut peer, SECOND);
        assert_eq!(session.poll_event(), Some(Event::Closed));
        assert_eq!(peer.closed, [FIRST_ID]);
    }
}

#[test]
fn a_login_with_losses_asks_for_its_privilege_even_where_it_only_reads() {
    let suite = CipherSuite::Seventeen;
    let mut session = Session::new(config(suite).only_reading(), [1; 32], Duration::ZERO);
    let mut peer = Peer::new(suite, Fault::None);
    let open = session.poll_transmit().unwrap();
    let answer = peer.answer(&open).unwrap();
    session.handle(&answer, Duration::ZERO);
    // RAKP 1 is lost once.
    session.poll_transmit().unwrap();
    session.handle_timeout(session.poll_timeout().unwrap());
    settle(&mut session, &mut peer, SECOND);
    assert_eq!(event(&mut session), Some(Event::Established { privilege: 4 }));
    assert_eq!(peer.privilege, 4);
}

#[test]
fn the_privilege_is_as_chosen() {
    let suite = CipherSuite::Seventeen;
    let config = config(suite).with_privilege(Privilege::Operator);
    let mut session = Session::new(config, [1; 32], Duration::ZERO);
    let mut peer = Peer::new(suite, Fault::None);
    settle(&mut session, &mut peer, Duration::ZERO);
    assert_eq!(event(&mut session), Some(Event::Established { privilege: 3 }));
    assert_eq!(peer.active().exchange.as_ref().unwrap().role, 0x13);
}

#[test]
fn an_error_code_is_an_answer() {
    let (mut session, mut peer) = established(CipherSuite::Three);
    session.request(GetChassisStatus.into(), SECOND);
    settle(&mut session, &mut peer, SECOND);
    let answer = Answer { completion: Answer::INVALID_COMMAND, data: vec![] };
    assert_eq!(session.poll_event(), Some(Event::Answered(answer)));
}

#[test]
fn silence_ends_a_login_after_five_sendings() {
    let mut session = start(CipherSuite::Seventeen);
    let mut sent = Vec::new();
    let mut at = Vec::new();
    let mut now = Duration::ZERO;
    let event = loop {
        while let Some(datagram) = session.poll_transmit() {
            sent.push(datagram);
            at.push(now);
        }
        if let Some(event) = session.poll_event() {
            break event;
        }
        now = session.poll_timeout().unwrap();
        session.handle_timeout(now);
    };
    assert_eq!(event, Event::Failed(SessionError::NoAnswer { logged_in: false, rejected: None }));
    assert!(
        sent.len() == 5 && sent.iter().all(|datagram| *datagram == sent[0]),
        "the same datagram each time"
    );
    at.push(now);
    let waits: Vec<Duration> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (wait, millis) in waits.iter().zip([500, 1000, 2000, 3000, 3000]) {
        let middle = Duration::from_millis(millis);
        assert!(*wait >= middle - middle / 8 && *wait <= middle + middle / 8, "{waits:?}");
    }
    assert_eq!(Retransmission::default().patience(), Duration::from_millis(9500));
}

#[test]
fn machines_that_lost_the_network_together_do_not_ask_again_together() {
    let first_wait = |seed: u8| {
        let session = Session::new(config(CipherSuite::Three), [seed; 32], Duration::ZERO);
        session.poll_timeout().unwrap()
    };
    let mut waits: Vec<Duration> = (0..50).map(first_wait).collect();
    waits.sort();
    assert!(waits[49] - waits[0] > Duration::from_millis(80), "{:?} to {:?}", waits[0], waits[49]);
}

#[test]
fn a_request_is_repeated_in_a_new_envelope_with_the_same_rq_seq() {
    let (mut session, mut peer) = established(CipherSuite::Three);
    session.request(GetDeviceId.into(), SECOND);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let datagram = session.poll_transmit().unwrap();
        let Some(Packet::Plus(plus)) = packet::parse(&datagram) else { panic!() };
        seen.push((plus.sequence, peer.request(&plus).sequence));
        session.handle_timeout(session.poll_timeout().unwrap());
    }
    // Set Session Privilege Level was number 1 in both counts.
    assert_eq!(seen, [(2, 2), (3, 2), (4, 2), (5, 2), (6, 2)]);
    session.handle_timeout(session.poll_timeout().unwrap_or_default());
    let lost = SessionError::NoAnswer { logged_in: true, rejected: None };
    assert_eq!(session.poll_event(), Some(Event::Failed(lost)));
}

#[test]
fn sequence_numbers_wrap() {
    let (mut session, mut peer) = established(CipherSuite::Seventeen);
    let mut round = 0u8;
    // A jump of half the numbers would be a step back.
    for jump in [0x7000_0000, 0xE000_0000, u32::MAX - 2] {
        session.jump_to_sequence(jump);
        peer.active().sequence = jump - 1;
        for _ in 0..8 {
            round += 1;
            session.request(echo(&[round]), SECOND);
            settle(&mut session, &mut peer, SECOND);
            let answer = Answer { completion: 0, data: vec![round] };
            assert_eq!(session.poll_event(), Some(Event::Answered(answer)), "round {round}");
        }
    }
    assert_eq!(peer.active().sequence, 5, "0 is left out");
}

#[test]
fn logins_that_a_bmc_refuses() {
    let status = Status;
    let no_suite = |code| SessionError::NoCipherSuite { status: status(code), offered: None };
    let table = [
        (Fault::OpenStatus(0x11), no_suite(0x11)),
        (Fault::OpenStatus(0x04), no_suite(0x04)),
        (Fault::OpenStatus(0x12), no_suite(0x12)),
        (Fault::OpenStatus(0x01), SessionError::NoFreeSession { status: status(0x01) }),
        (Fault::Rakp2Status(0x0D), SessionError::UserRefused { status: status(0x0D) }),
        (Fault::Rakp2Status(0x12), SessionError::UserRefused { status: status(0x12) }),
        (Fault::Rakp2Status(0x0A), SessionError::UserRefused { status: status(0x0A) }),
        (Fault::Rakp2Status(0x02), SessionError::Refused { status: status(0x02) }),
        (Fault::BareRakp2Status(0x0D), SessionError::UserRefused { status: status(0x0D) }),
        (Fault::Rakp4Status(0x02), SessionError::Refused { status: status(0x02) }),
        (Fault::Rakp4Status(0x01), SessionError::NoFreeSession { status: status(0x01) }),
        (Fault::NoPrivilege, SessionError::NoPrivilege),
        (Fault::BadRakp4, SessionError::WrongBmcKey { configured: false }),
        (Fault::ZeroProof, SessionError::NoProof),
    ];
    for (fault, error) in table {
        assert_eq!(login_with(fault).0, Event::Failed(error), "{fault:?}");
    }
}

#[test]
fn a_refused_suite_tells_which_ones_there_are() {
    let suite = CipherSuite::Seventeen;
    let long = [cipher_suite_records(&[CipherSuite::Three; 9]), vec![0xC0, 8, 2, 0x42, 0x81]].concat();
    let table = [
        (Some(cipher_suite_records(&[CipherSuite::Three])), Some(vec![3]), "it says that it offers 3)"),
        (Some(long), Some(vec![3, 8]), "it says that it offers 3, 8)"),
        (Some(vec![]), Some(vec![]), "it says that it offers none)"),
        (None, None, "(no cipher suite match))"),
    ];
    for (list, offered, text) in table {
        let mut peer = Peer::new(suite, Fault::OpenStatus(0x11));
        peer.suites = list;
        let mut session = start(suite);
        let (event, at) = settle_late(&mut session, &mut peer);
        let Event::Failed(error) = event else { panic!("{event:?}") };
        assert_eq!(error, SessionError::NoCipherSuite { status: Status(0x11), offered: offered.clone() });
        assert!(error.to_string().ends_with(text), "{error}");
        let longest = if offered.is_some() { Duration::ZERO } else { Duration::from_millis(563) };
        assert!(at <= longest, "not a moment longer than one retransmission: {at:?}");
    }
}

#[test]
fn no_downgrade() {
    for algorithms in [[1, 1, 1], [3, 4, 0], [3, 0, 1], [0, 0, 0], [3, 3, 1], [63, 63, 63]] {
        let error = SessionError::OtherAlgorithms { granted: algorithms };
        assert_eq!(login_with(Fault::Grant(algorithms)).0, Event::Failed(error));
    }
}

#[test]
fn operators_are_served_too() {
    for fault in [Fault::NoAdmin, Fault::AdminStatus(0x0A), Fault::AdminStatus(0x09)] {
        let (event, peer) = login_with(fault);
        assert_eq!(event, Event::Established { privilege: 3 }, "{fault:?}");
        assert_eq!(peer.privilege, 3);
    }
}

#[test]
fn a_wrong_password_is_noticed_and_the_slot_freed() {
    let suite = CipherSuite::Seventeen;
    let config = Config::new(suite, "root", "wrong").unwrap();
    let (mut session, mut peer) =
        (Session::new(config, [1; 32], Duration::ZERO), Peer::new(suite, Fault::None));
    settle(&mut session, &mut peer, Duration::ZERO);
    assert_eq!(event(&mut session), Some(Event::Failed(SessionError::WrongPassword)));
    assert_eq!(peer.gave_up, Some(Status::INVALID_INTEGRITY));
    assert!(peer.slots.is_empty());
}

#[test]
fn bmc_keys_are_used_and_wrong_ones_told_from_wrong_passwords() {
    let right: &[u8] = b"0123456789abcdefghij";
    let (none, other, zeros): (&[u8], &[u8], &[u8]) = (b"", b"other", &[0; 20]);
    let wrong = |configured| Some(SessionError::WrongBmcKey { configured });
    let table = [
        (none, none, None),
        (right, right, None),
        (right, none, wrong(false)),
        (none, right, wrong(true)),
        (right, other, wrong(true)),
        (none, zeros, None),
    ];
    for suite in CipherSuite::ALL {
        for (theirs, ours, error) in table.clone() {
            let config = config(suite).with_bmc_key(ours).unwrap();
            let mut peer = Peer::new(suite, Fault::None);
            peer.key = (!theirs.is_empty()).then(|| theirs.into());
            let mut session = Session::new(config, [1; 32], Duration::ZERO);
            settle(&mut session, &mut peer, Duration::ZERO);
            let expected = error.map_or(Event::Established { privilege: 4 }, Event::Failed);
            assert_eq!(event(&mut session), Some(expected), "{theirs:?} {ours:?}");
        }
    }
}

#[test]
fn credentials_that_do_not_fit() {
    let long = "x".repeat(21);
    assert_eq!(
        Config::new(CipherSuite::Three, &long, "").err(),
        Some(ConfigError::LongUsername { length: 21 })
    );
    assert_eq!(Config::new(CipherSuite::Three, "", &long).err(), Some(ConfigError::LongPassword));
    let config = Config::new(CipherSuite::Three, &long[..16], &long[..20]).unwrap();
    assert_eq!(config.with_bmc_key(long.as_bytes()).err(), Some(ConfigError::LongBmcKey));
}

/// Whatever stage a login is in, closing it leaves no slot behind.
#[test]
fn a_login_that_is_closed_half_way_frees_its_slot() {
    for messages in 0..4 {
        let suite = CipherSuite::Seventeen;
        let (mut session, mut peer) = (start(suite), Peer::new(suite, Fault::None));
        for _ in 0..messages {
            let answer = peer.answer(&session.poll_transmit().unwrap()).unwrap();
            session.handle(&answer, Duration::ZERO);
        }
        // What is under way arrives, its answer doesn't.
        while let Some(datagram) = session.poll_transmit() {
            peer.answer(&datagram);
        }
        session.close(Duration::ZERO);
        let (event, _) = settle_late(&mut session, &mut peer);
        assert_eq!(event, Event::Closed, "after {messages}");
        // Of a slot whose number we were never told nothing can be said.
        assert_eq!(peer.slots.len(), usize::from(messages == 0), "after {messages}");
    }
}

#[test]
fn payloads_travel_beside_a_request() {
    for suite in CipherSuite::ALL {
        let (mut session, mut peer) = established(suite);
        session.request(echo(b"slow"), SECOND);
        let question = session.poll_transmit().unwrap();
        assert!(session.send_payload(payload::SOL, b"typed"));
        let datagram = session.poll_transmit().unwrap();
        let Some(Packet::Plus(plus)) = packet::parse(&datagram) else { panic!() };
        assert_eq!((plus.payload_type, plus.session_id), (payload::SOL, FIRST_ID));
        let opened = peer.active().protection.as_ref().unwrap().open(&plus).unwrap();
        assert_eq!(*opened, b"typed");
        // Serial output overtakes the answer.
        let answer = peer.answer(&question).unwrap();
        let output = peer.seal_payload(payload::SOL, b"login: ");
        session.handle(&output, SECOND);
        session.handle(&output, SECOND);
        session.handle(&answer, SECOND);
        let expected = Event::Payload { payload_type: payload::SOL, bytes: b"login: ".to_vec() };
        assert_eq!(session.poll_event(), Some(expected), "once, though it came twice");
        assert!(matches!(session.poll_event(), Some(Event::Answered(_))));
        assert_eq!(session.poll_event(), None);
    }
}

#[test]
fn a_new_request_does_not_lose_payloads() {
    let (mut session, mut peer) = established(CipherSuite::Three);
    let output = peer.seal_payload(payload::SOL, b"x");
    session.handle(&output, SECOND);
    session.request(echo(b"1"), SECOND);
    assert!(matches!(session.poll_event(), Some(Event::Payload { .. })));
}

/// A BMC that sends without end, to a driver that fetches nothing, fills no memory.
#[test]
fn payloads_that_nobody_fetches_are_dropped() {
    let (mut session, mut peer) = established(CipherSuite::Three);
    for _ in 0..1000 {
        let output = peer.seal_payload(payload::SOL, &[0; 200]);
        session.handle(&output, SECOND);
    }
    assert_eq!(std::iter::from_fn(|| session.poll_event()).count(), PAYLOADS_KEPT);
    let sent = (0..1000).take_while(|_| session.send_payload(payload::SOL, b"x")).count();
    assert_eq!(sent, OUTBOX_LIMIT);
}

#[test]
fn payloads_need_an_open_session() {
    let mut session = start(CipherSuite::Three);
    assert!(!session.send_payload(payload::SOL, b"x"));
    let (mut session, _) = established(CipherSuite::Three);
    session.close(SECOND);
    assert!(!session.send_payload(payload::SOL, b"x"));
}
