//! The session against a peer without sockets: each loss, each refusal, each forgery.

use super::peer::{PASSWORD, Peer};
use super::*;
use crate::ipmi::GetDeviceId;
use crate::ipmi::command::GetChassisStatus;
use crate::ipmi::handshake::Status;
use crate::ipmi::message::LanMessage;
use crate::ipmi::packet::payload;
use peer::Fault;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn config(suite: CipherSuite) -> Config {
    Config::new(suite, "root", PASSWORD).unwrap()
}

fn start(suite: CipherSuite) -> Session {
    Session::new(config(suite), [1; 32], Duration::ZERO)
}

/// Carries datagrams to and fro until nobody has anything to say.
fn settle(session: &mut Session, peer: &mut Peer, now: Duration) {
    while let Some(datagram) = session.poll_transmit() {
        if let Some(answer) = peer.answer(&datagram) {
            session.handle(&answer, now);
        }
    }
}

fn established(suite: CipherSuite) -> (Session, Peer) {
    let (mut session, mut peer) = (start(suite), Peer::new(suite, Fault::None));
    settle(&mut session, &mut peer, Duration::ZERO);
    assert_eq!(session.poll_event(), Some(Event::Established { privilege: 4 }));
    (session, peer)
}

/// The event that a login with this fault ends in.
fn login_with(fault: Fault) -> (Option<Event>, Peer) {
    let suite = CipherSuite::Seventeen;
    let (mut session, mut peer) = (start(suite), Peer::new(suite, fault));
    settle(&mut session, &mut peer, Duration::ZERO);
    (session.poll_event(), peer)
}

#[test]
fn both_suites_log_in_ask_and_close() {
    for suite in CipherSuite::ALL {
        let (mut session, mut peer) = established(suite);
        assert_eq!(peer.privilege, 4);
        assert!(session.poll_timeout().is_none(), "nothing to wait for");
        for _ in 0..200 {
            assert!(session.request(GetDeviceId.into(), SECOND));
            settle(&mut session, &mut peer, SECOND);
            let Some(Event::Answered(answer)) = session.poll_event() else { panic!("no answer") };
            assert_eq!(success::<GetDeviceId>(&answer).unwrap().manufacturer_id, 674);
        }
        session.close(SECOND);
        settle(&mut session, &mut peer, SECOND);
        assert_eq!(session.poll_event(), Some(Event::Closed));
        assert!(peer.closed && !session.is_ready());
        assert!(!session.request(GetDeviceId.into(), SECOND));
    }
}

#[test]
fn an_error_code_is_an_answer() {
    let (mut session, mut peer) = established(CipherSuite::Three);
    session.request(GetChassisStatus.into(), SECOND);
    settle(&mut session, &mut peer, SECOND);
    let answer = Answer { completion: Answer::INVALID_COMMAND, data: vec![] };
    assert_eq!(session.poll_event(), Some(Event::Answered(answer)));
}

/// Every datagram of a whole session, in turn, is lost once: on its way there, and on its way back.
#[test]
fn any_one_loss_is_made_good() {
    for (lost, on_the_way_back) in (0..6).flat_map(|lost| [(lost, false), (lost, true)]) {
        let suite = CipherSuite::Seventeen;
        let (mut session, mut peer) = (start(suite), Peer::new(suite, Fault::None));
        let (mut now, mut sent, mut asked) = (Duration::ZERO, 0, false);
        let answer = loop {
            while let Some(datagram) = session.poll_transmit() {
                let is_lost = sent == lost;
                sent += 1;
                if is_lost && !on_the_way_back {
                    continue;
                }
                let answer = peer.answer(&datagram).filter(|_| !is_lost);
                if let Some(answer) = answer {
                    session.handle(&answer, now);
                }
            }
            match session.poll_event() {
                Some(Event::Established { .. }) => asked = session.request(GetDeviceId.into(), now),
                Some(other) => break other,
                None => {
                    now = session.poll_timeout().expect("waits for something");
                    session.handle_timeout(now);
                }
            }
        };
        assert!(asked && matches!(answer, Event::Answered(_)), "loss {lost}: {answer:?}");
        assert!(now <= SECOND, "one retransmission is enough, took {now:?}");
    }
}

#[test]
fn silence_ends_a_login_after_five_sendings() {
    let mut session = start(CipherSuite::Seventeen);
    let mut sent = Vec::new();
    let mut now = Duration::ZERO;
    let event = loop {
        sent.extend(std::iter::from_fn(|| session.poll_transmit()));
        if let Some(event) = session.poll_event() {
            break event;
        }
        now = session.poll_timeout().unwrap();
        session.handle_timeout(now);
    };
    assert_eq!(event, Event::Failed(SessionError::NoAnswer { logged_in: false, rejected: None }));
    assert_eq!((sent.len(), now), (5, 5 * SECOND));
    assert!(sent.iter().all(|datagram| *datagram == sent[0]), "the same datagram each time");
}

#[test]
fn a_request_is_repeated_in_a_new_envelope_with_the_same_rq_seq() {
    let (mut session, peer) = established(CipherSuite::Three);
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
fn logins_that_a_bmc_refuses() {
    let status = Status;
    let table = [
        (Fault::OpenStatus(0x11), SessionError::NoCipherSuite { status: status(0x11) }),
        (Fault::OpenStatus(0x04), SessionError::NoCipherSuite { status: status(0x04) }),
        (Fault::OpenStatus(0x01), SessionError::NoFreeSession { status: status(0x01) }),
        (Fault::Rakp2Status(0x0D), SessionError::UserRefused { status: status(0x0D) }),
        (Fault::Rakp2Status(0x12), SessionError::UserRefused { status: status(0x12) }),
        (Fault::Rakp2Status(0x0A), SessionError::UserRefused { status: status(0x0A) }),
        (Fault::Rakp2Status(0x02), SessionError::Refused { status: status(0x02) }),
        (Fault::NoPrivilege, SessionError::NoPrivilege),
        (Fault::BadRakp4, SessionError::WrongIntegrity),
    ];
    for (fault, error) in table {
        assert_eq!(login_with(fault).0, Some(Event::Failed(error)), "{fault:?}");
    }
}

#[test]
fn no_downgrade() {
    for algorithms in [[1, 1, 1], [3, 4, 0], [3, 0, 1], [0, 0, 0], [3, 3, 1], [63, 63, 63]] {
        let error = SessionError::OtherAlgorithms { granted: algorithms };
        assert_eq!(login_with(Fault::Grant(algorithms)).0, Some(Event::Failed(error)));
    }
}

#[test]
fn operators_are_served_too() {
    for fault in [Fault::NoAdmin, Fault::AdminStatus(0x0A), Fault::AdminStatus(0x09)] {
        let (event, peer) = login_with(fault);
        assert_eq!(event, Some(Event::Established { privilege: 3 }), "{fault:?}");
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
    assert_eq!(session.poll_event(), Some(Event::Failed(SessionError::WrongPassword)));
    assert_eq!(peer.gave_up, Some(Status::INVALID_INTEGRITY));
}

#[test]
fn credentials_that_do_not_fit() {
    let long = "x".repeat(21);
    assert_eq!(
        Config::new(CipherSuite::Three, &long, "").err(),
        Some(ConfigError::LongUsername { length: 21 })
    );
    assert_eq!(Config::new(CipherSuite::Three, "", &long).err(), Some(ConfigError::LongPassword));
    assert!(Config::new(CipherSuite::Three, &long[..16], &long[..20]).is_ok());
}

/// Answers that nobody needs the keys for, or that were sent before, change nothing.
#[test]
fn forged_and_repeated_answers_are_ignored() {
    let (mut session, mut peer) = established(CipherSuite::Seventeen);
    session.request(GetDeviceId.into(), SECOND);
    let datagram = session.poll_transmit().unwrap();
    let Some(Packet::Plus(plus)) = packet::parse(&datagram) else { panic!() };
    let request = peer.request(&plus);
    let good = request.response(0, &[0x20, 1, 2, 0x15, 2, 0xBF, 0xA2, 2, 0, 0, 1]);

    let mut unprotected = packet::plus_header(payload::IPMI, peer.console_id(), 9, good.encode().len());
    unprotected.extend(good.encode());
    let stray = LanMessage { sequence: good.sequence ^ 1, ..good.clone() };
    let other_command = LanMessage { command: 2, ..good.clone() };
    let (stray, other_command) = (peer.seal(&stray), peer.seal(&other_command));
    let answer = peer.seal(&good);
    let mut forged = answer.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut outside = packet::plain(payload::IPMI, &good.encode());
    for datagram in [&unprotected, &stray, &stray, &other_command, &forged, &outside] {
        session.handle(datagram, SECOND);
        assert_eq!(session.poll_event(), None);
    }
    outside.truncate(10);
    session.handle(&outside, SECOND);

    session.handle(&answer, SECOND);
    assert!(matches!(session.poll_event(), Some(Event::Answered(_))));
    // The very same datagram again, though a new request with the same contents waits.
    session.request(GetDeviceId.into(), SECOND);
    session.handle(&answer, SECOND);
    assert_eq!(session.poll_event(), None);
}

#[test]
fn a_time_out_tells_that_unprotected_answers_came() {
    let (mut session, peer) = established(CipherSuite::Seventeen);
    session.request(GetDeviceId.into(), SECOND);
    let mut unprotected = packet::plus_header(payload::IPMI, peer.console_id(), 9, 8);
    unprotected.extend([0; 8]);
    session.handle(&unprotected, SECOND);
    while let Some(at) = session.poll_timeout() {
        session.handle_timeout(at);
    }
    let Some(Event::Failed(error)) = session.poll_event() else { panic!() };
    assert!(error.to_string().contains("not signed and encrypted as negotiated"), "{error}");
}

/// Drives a login, but hands over `spoil`ed answers before each good one.
fn spoiled_session(spoil: &dyn Fn(&[u8]) -> Vec<u8>) -> Option<Event> {
    let suite = CipherSuite::Three;
    let (mut session, mut peer) = (start(suite), Peer::new(suite, Fault::None));
    loop {
        while let Some(datagram) = session.poll_transmit() {
            if let Some(answer) = peer.answer(&datagram) {
                session.handle(&spoil(&answer), Duration::ZERO);
                session.handle(&answer, Duration::ZERO);
            }
        }
        match session.poll_event() {
            Some(Event::Established { .. }) => session.request(GetDeviceId.into(), Duration::ZERO),
            other => return other,
        };
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(datagrams in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 0..120), 1..20)
    ) {
        let mut login = start(CipherSuite::Seventeen);
        let (mut open, _) = established(CipherSuite::Three);
        open.request(GetDeviceId.into(), Duration::ZERO);
        for datagram in &datagrams {
            let mut framed = vec![6, 0, 0xFF, 7, 6];
            framed.extend(datagram);
            for bytes in [datagram, &framed] {
                login.handle(bytes, Duration::ZERO);
                open.handle(bytes, Duration::ZERO);
            }
        }
        prop_assert_eq!(open.poll_event(), None, "nothing unsigned is believed");
    }

    /// Inside the session a changed answer is worth nothing, and the good one after it still counts.
    #[test]
    fn changed_answers_do_not_disturb_an_open_session(at in 4usize..70, flip in 1u8..) {
        let (mut session, mut peer) = established(CipherSuite::Seventeen);
        session.request(GetDeviceId.into(), Duration::ZERO);
        let answer = peer.answer(&session.poll_transmit().unwrap()).unwrap();
        let mut changed = answer.clone();
        let at = 4 + (at - 4) % (changed.len() - 4);
        changed[at] ^= flip;
        session.handle(&changed, Duration::ZERO);
        prop_assert_eq!(session.poll_event(), None);
        session.handle(&answer, Duration::ZERO);
        prop_assert!(matches!(session.poll_event(), Some(Event::Answered(_))));
    }

    #[test]
    fn spoiled_logins_never_panic(at in any::<prop::sample::Index>(), flip in 1u8.., cut in 0usize..30) {
        spoiled_session(&|answer| {
            let mut bytes = answer.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            bytes.truncate(bytes.len().saturating_sub(cut));
            bytes
        });
    }
}
