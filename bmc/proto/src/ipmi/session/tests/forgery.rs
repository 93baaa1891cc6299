//! What strangers send, or send again, changes nothing.

use super::*;
use crate::ipmi::handshake::{OpenSessionResponse, Rakp2, Rakp4};
use crate::ipmi::message::LanMessage;
use proptest::prelude::*;

/// A request under way, and the BMC's good answer to it.
fn asked(suite: CipherSuite) -> (Session, Peer, Vec<u8>) {
    let (mut session, mut peer) = established(suite);
    session.request(GetDeviceId.into(), SECOND);
    let answer = peer.answer(&session.poll_transmit().unwrap()).unwrap();
    (session, peer, answer)
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
    let handshake = peer.seal_payload(payload::RAKP4, b"inside a session");
    let answer = peer.seal(&good);
    let mut forged = answer.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut outside = packet::plain(payload::IPMI, &good.encode());
    let old = packet::plain_v15(&good.encode());
    for datagram in
        [&unprotected, &stray, &stray, &other_command, &handshake, &forged, &outside, &old, &datagram]
    {
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

/// The numbers of requests come round after 64: an answer from the round before is still not taken.
#[test]
fn an_old_answer_is_not_taken_when_its_number_comes_again() {
    let (mut session, mut peer, old) = asked(CipherSuite::Three);
    session.handle(&old, SECOND);
    for _ in 0..63 {
        session.request(GetDeviceId.into(), SECOND);
        settle(&mut session, &mut peer, SECOND);
    }
    session.request(GetDeviceId.into(), SECOND);
    while session.poll_event().is_some() {}
    session.handle(&old, SECOND);
    assert_eq!(session.poll_event(), None);
    settle(&mut session, &mut peer, SECOND);
    assert!(matches!(session.poll_event(), Some(Event::Answered(_))));
}

/// A BMC that starts to count anew would have us take old packets again: its session is given up, with the reason.
#[test]
fn a_sequence_that_restarts_is_a_typed_end() {
    let (mut session, mut peer) = established(CipherSuite::Seventeen);
    for _ in 0..100 {
        session.request(GetDeviceId.into(), SECOND);
        settle(&mut session, &mut peer, SECOND);
        assert!(matches!(session.poll_event(), Some(Event::Answered(_))));
    }
    peer.active().sequence = 0;
    session.request(GetDeviceId.into(), SECOND);
    let (event, _) = settle_late(&mut session, &mut peer);
    let rejected = Some(Rejection::Replayed);
    assert_eq!(event, Event::Failed(SessionError::NoAnswer { logged_in: true, rejected }));
}

/// Each bit of an answer, in turn, is turned round; and each length it can be cut to.
#[test]
fn no_changed_answer_is_taken() {
    for suite in CipherSuite::ALL {
        let (mut session, _, answer) = asked(suite);
        for bit in 0..answer.len() * 8 {
            let mut changed = answer.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            // RMCP's version, reserved byte and sequence number have no meaning here and are not signed.
            if (16..24).contains(&bit) || (8..16).contains(&bit) {
                continue;
            }
            session.handle(&changed, SECOND);
            assert_eq!(session.poll_event(), None, "bit {bit}");
        }
        for length in 0..answer.len() {
            session.handle(&answer[..length], SECOND);
            assert_eq!(session.poll_event(), None, "{length} bytes");
        }
        for extra in 1..20 {
            session.handle(&[&answer[..], &vec![0; extra]].concat(), SECOND);
            assert_eq!(session.poll_event(), None, "{extra} bytes more");
        }
        session.handle(&answer, SECOND);
        assert!(matches!(session.poll_event(), Some(Event::Answered(_))), "the good one still counts");
    }
}

/// RAKP 4 is what proves that the BMC has our keys: no other one opens a session.
#[test]
fn no_changed_rakp_4_opens_a_session() {
    for suite in CipherSuite::ALL {
        let mut peer = Peer::new(suite, Fault::None);
        let mut session = start(suite);
        for _ in 0..2 {
            let answer = peer.answer(&session.poll_transmit().unwrap()).unwrap();
            session.handle(&answer, Duration::ZERO);
        }
        let good = peer.answer(&session.poll_transmit().unwrap()).unwrap();
        let code = good.len() - suite.integrity_len();
        for bit in code * 8..good.len() * 8 {
            let mut changed = good.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let (mut session, _) = in_rakp3(suite);
            session.handle(&changed, Duration::ZERO);
            let error = SessionError::WrongBmcKey { configured: false };
            assert_eq!(event(&mut session), Some(Event::Failed(error)), "bit {bit}");
        }
        let (mut session, _) = in_rakp3(suite);
        session.handle(&good[..good.len() - 1], Duration::ZERO);
        assert_eq!(event(&mut session), None, "its length in the header is wrong");
    }
}

/// A session that waits for RAKP 4. The same numbers each time.
fn in_rakp3(suite: CipherSuite) -> (Session, Peer) {
    let (mut session, mut peer) = (start(suite), Peer::new(suite, Fault::None));
    for _ in 0..2 {
        let answer = peer.answer(&session.poll_transmit().unwrap()).unwrap();
        session.handle(&answer, Duration::ZERO);
    }
    session.poll_transmit().unwrap();
    (session, peer)
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

#[test]
fn what_is_no_bmc_is_told_from_silence() {
    let end = |datagrams: &[&[u8]]| {
        let mut session = start(CipherSuite::Seventeen);
        while let Some(at) = session.poll_timeout() {
            for datagram in datagrams {
                session.handle(datagram, at);
            }
            session.handle_timeout(at);
        }
        session.poll_event()
    };
    let silence = |rejected| Some(Event::Failed(SessionError::NoAnswer { logged_in: false, rejected }));
    assert_eq!(end(&[]), silence(None));
    assert_eq!(end(&[b"HTTP/1.1 400 Bad Request\r\n"]), Some(Event::Failed(SessionError::NotRmcp)));
    let echo = packet::plain(payload::OPEN_SESSION_REQUEST, &[0; 32]);
    assert_eq!(end(&[&echo]), Some(Event::Failed(SessionError::NotRmcp)));
    let stray = packet::plain(payload::RAKP4, &[9; 20]);
    assert_eq!(end(&[&echo, &stray, &echo]), silence(Some(Rejection::Stray)));
    assert_eq!(end(&[b"HTTP", &stray, b"HTTP"]), silence(Some(Rejection::Stray)));
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
        match event(&mut session) {
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
        let (mut challenged, _) = in_rakp3(CipherSuite::Three);
        let (mut open, _) = established(CipherSuite::Three);
        open.request(GetDeviceId.into(), Duration::ZERO);
        for datagram in &datagrams {
            let mut framed = vec![6, 0, 0xFF, 7, 6];
            framed.extend(datagram);
            for bytes in [datagram, &framed] {
                for session in [&mut login, &mut challenged, &mut open] {
                    session.handle(bytes, Duration::ZERO);
                }
            }
        }
        prop_assert_eq!(open.poll_event(), None, "nothing unsigned is believed");
        prop_assert!(!challenged.is_ready());
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

/// Who guesses our port can say "no" in the BMC's name, without our session id; the BMC's own answer counts more.
#[test]
fn refusals_that_anybody_could_send_wait_for_something_better() {
    let refusals = [
        OpenSessionResponse { tag: 0, console_id: None, outcome: Err(Status::NO_CIPHER_SUITE) }.encode(),
        Rakp2 { tag: 0, console_id: None, outcome: Err(Status::UNAUTHORIZED_NAME) }.encode(),
        Rakp4 { tag: 0, console_id: None, outcome: Err(Status::INVALID_INTEGRITY) }.encode(),
    ];
    let types = [payload::OPEN_SESSION_RESPONSE, payload::RAKP2, payload::RAKP4];
    let forged: Vec<_> =
        types.iter().zip(&refusals).map(|(kind, refusal)| packet::plain(*kind, refusal)).collect();
    let (mut session, mut peer) =
        (start(CipherSuite::Seventeen), Peer::new(CipherSuite::Seventeen, Fault::None));
    let mut established = false;
    while let Some(datagram) = session.poll_transmit() {
        forged.iter().for_each(|refusal| session.handle(refusal, Duration::ZERO));
        assert!(!matches!(session.poll_event(), Some(Event::Failed(_))));
        if let Some(answer) = peer.answer(&datagram) {
            session.handle(&answer, Duration::ZERO);
        }
        established |= matches!(session.poll_event(), Some(Event::Established { .. }));
    }
    assert!(established);
    assert!(session.is_ready());

    // Where nothing better comes, it is believed at last: some BMCs refuse like that.
    let mut session = start(CipherSuite::Seventeen);
    let opening = session.poll_transmit().unwrap();
    session.handle(&peer.answer(&opening).unwrap(), Duration::ZERO);
    let _rakp1 = session.poll_transmit().unwrap();
    session.handle(&forged[1], Duration::ZERO);
    session.handle_timeout(session.poll_timeout().unwrap());
    assert!(matches!(session.poll_event(), Some(Event::Opened { .. })));
    assert!(matches!(session.poll_event(), Some(Event::Failed(SessionError::UserRefused { .. }))));
}
