//! What real BMCs do otherwise than the specification says, and we take all the same. Sources: freeipmi's workaround
//! flags and ipmitool's `-o` types by name, OpenBMC's phosphor-net-ipmid by file, public issues by number.

use super::*;

#[test]
fn logins_at_odd_bmcs() {
    let table = [
        // Grants "highest" as 0, or less than is meant (ipmitool looks at it only to print it).
        Fault::GrantPrivilege(0),
        Fault::GrantPrivilege(2),
        // Refuses to be asked for "the highest" (freeipmi `opensesspriv`, ipmitool `intelplus`).
        Fault::HighestStatus(0x0A),
        Fault::HighestStatus(0x09),
        Fault::HighestStatus(0x12),
        // Leaves the tag 0 (xcat2/xcat-core pull request 7555).
        Fault::TagZero,
        // Bytes after the codes: not cut to their length (freeipmi `supermicro20`).
        Fault::LongCodes,
        // Wrong checksums (freeipmi `nochecksumcheck`), other addresses and logical units.
        Fault::OddMessages,
    ];
    for suite in CipherSuite::ALL {
        for fault in table {
            let (mut session, mut peer) = (start(suite), Peer::new(suite, fault));
            settle(&mut session, &mut peer, Duration::ZERO);
            assert_eq!(event(&mut session), Some(Event::Established { privilege: 4 }), "{fault:?}");
            session.request(echo(b"hello"), SECOND);
            settle(&mut session, &mut peer, SECOND);
            let answer = Answer { completion: 0, data: b"hello".to_vec() };
            assert_eq!(event(&mut session), Some(Event::Answered(answer)), "{fault:?}");
            session.close(SECOND);
            settle(&mut session, &mut peer, SECOND);
            assert!(peer.slots.is_empty(), "{fault:?}");
        }
    }
}

/// Bytes after a code don't make a wrong one right.
#[test]
fn a_long_code_must_be_right_too() {
    let suite = CipherSuite::Three;
    let config = Config::new(suite, "root", "wrong").unwrap();
    let mut session = Session::new(config, [1; 32], Duration::ZERO);
    let mut peer = Peer::new(suite, Fault::LongCodes);
    settle(&mut session, &mut peer, Duration::ZERO);
    assert_eq!(event(&mut session), Some(Event::Failed(SessionError::WrongPassword)));
}

/// The first sending of a request is worked on when its repetition is refused (ipmitool waits on, too).
#[test]
fn a_repetition_that_is_refused_does_not_end_the_request() {
    let (mut session, mut peer) = established(CipherSuite::Seventeen);
    peer.habit = Habit::Refuses;
    session.request(echo(b"slow"), SECOND);
    let late = peer.answer(&session.poll_transmit().unwrap()).unwrap();
    let now = session.poll_timeout().unwrap();
    session.handle_timeout(now);
    settle(&mut session, &mut peer, now);
    assert_eq!(session.poll_event(), None);
    session.handle(&late, now);
    let answer = Answer { completion: 0, data: b"slow".to_vec() };
    assert_eq!(session.poll_event(), Some(Event::Answered(answer)));
}

/// If the first answer is lost for good, that is said, and the session goes on.
#[test]
fn a_request_that_was_done_but_never_answered_is_told_so() {
    let (mut session, mut peer) = established(CipherSuite::Seventeen);
    peer.habit = Habit::Refuses;
    session.request(echo(b"lost"), SECOND);
    peer.answer(&session.poll_transmit().unwrap()).unwrap();
    let (event, _) = settle_late(&mut session, &mut peer);
    assert_eq!(event, Event::Answered(Answer { completion: Answer::DUPLICATED, data: vec![] }));
    assert!(session.is_ready());
    assert_eq!(peer.executed, [b"lost"]);
}

/// A BMC that works on one message after the other, and longer on those of one kind than we wait.
struct Slow {
    session: Session,
    peer: Peer,
    slow: u8,
    now: Duration,
    under_way: VecDeque<(Duration, Vec<u8>)>,
    /// Whether its answers to Close Session are kept back.
    holds_closing: bool,
    held: Vec<Vec<u8>>,
}

impl Slow {
    fn new(habit: Habit, slow: u8) -> Self {
        let suite = CipherSuite::Seventeen;
        let mut peer = Peer::new(suite, Fault::None);
        peer.habit = habit;
        Self {
            session: start(suite),
            peer,
            slow,
            now: Duration::ZERO,
            under_way: VecDeque::new(),
            holds_closing: false,
            held: Vec::new(),
        }
    }

    fn run(&mut self) -> Event {
        loop {
            while let Some(datagram) = self.session.poll_transmit() {
                let Some(Packet::Plus(plus)) = packet::parse(&datagram) else { panic!() };
                let millis = if plus.payload_type == self.slow { 800 } else { 0 };
                self.under_way.push_back((self.now + Duration::from_millis(millis), datagram));
            }
            if let Some(event) = event(&mut self.session) {
                return event;
            }
            let timeout = self.session.poll_timeout().unwrap();
            if self.under_way.front().is_some_and(|(at, _)| *at <= timeout) {
                self.arrive();
            } else {
                self.now = timeout;
                self.session.handle_timeout(timeout);
            }
        }
    }

    fn arrive(&mut self) {
        let (at, datagram) = self.under_way.pop_front().unwrap();
        self.now = self.now.max(at);
        let closed = self.peer.closed.len();
        let Some(answer) = self.peer.answer(&datagram) else { return };
        let is_repeated = self.holds_closing && !self.held.is_empty();
        if self.holds_closing && self.peer.closed.len() > closed || is_repeated {
            self.held.push(answer);
        } else {
            self.session.handle(&answer, self.now);
        }
    }
}

/// A slow BMC is asked twice, and gives two answers, or spoils its keys, or refuses the second: the login succeeds.
#[test]
fn slow_bmcs_are_logged_in_to_whatever_they_do_with_repetitions() {
    for habit in [Habit::Remembers, Habit::StartsOver, Habit::Refuses] {
        for slow in [payload::OPEN_SESSION_REQUEST, payload::RAKP1, payload::RAKP3] {
            let mut bmc = Slow::new(habit, slow);
            assert_eq!(bmc.run(), Event::Established { privilege: 4 }, "{habit:?} {slow:#x}");
            let (mut session, mut peer) = (bmc.session, bmc.peer);
            session.request(echo(b"hello"), 100 * SECOND);
            settle(&mut session, &mut peer, 100 * SECOND);
            assert!(matches!(session.poll_event(), Some(Event::Answered(_))), "{habit:?} {slow:#x}");
        }
    }
}

/// Where a repeated RAKP 3 spoiled the keys, the first session is closed by the second.
#[test]
fn sessions_of_failed_attempts_are_closed() {
    let mut bmc = Slow::new(Habit::StartsOver, payload::RAKP3);
    bmc.run();
    assert!(bmc.peer.opened > 1, "the case that this is about");
    let left: Vec<u32> = bmc.peer.slots.iter().map(|slot| slot.id).collect();
    assert_eq!(left.len(), 1, "{left:x?}");
}

/// The answer to closing one of them, when that was given up, is not the answer to anything else.
#[test]
fn a_late_answer_of_the_login_is_nobodys() {
    let mut slow = Slow::new(Habit::StartsOver, payload::RAKP3);
    slow.holds_closing = true;
    assert_eq!(slow.run(), Event::Established { privilege: 4 });
    assert!(!slow.held.is_empty(), "the case that this is about");
    let (mut session, mut peer) = (slow.session, slow.peer);
    let now = 100 * SECOND;
    for asks in [false, true] {
        if asks {
            session.request(echo(b"hello"), now);
        }
        for late in &slow.held {
            session.handle(late, now);
        }
        assert_eq!(session.poll_event(), None);
    }
    settle(&mut session, &mut peer, now);
    let answer = Answer { completion: 0, data: b"hello".to_vec() };
    assert_eq!(session.poll_event(), Some(Event::Answered(answer)));
}

/// As the last, where RAKP 4 is lost and its repetition is made with spoiled keys.
#[test]
fn a_session_whose_proof_was_lost_is_closed() {
    let suite = CipherSuite::Seventeen;
    let (mut session, mut peer) = (start(suite), Peer::new(suite, Fault::None));
    peer.habit = Habit::StartsOver;
    for _ in 0..2 {
        let answer = peer.answer(&session.poll_transmit().unwrap()).unwrap();
        session.handle(&answer, Duration::ZERO);
    }
    peer.answer(&session.poll_transmit().unwrap()).expect("it proves itself, to nobody");
    let (event, _) = settle_late(&mut session, &mut peer);
    assert_eq!(event, Event::Established { privilege: 4 });
    assert_eq!((peer.opened, peer.closed.as_slice()), (2, &[FIRST_ID][..]));
}

/// All of it in vain: after four attempts it is an error, and of what kind.
#[test]
fn attempts_end() {
    let suite = CipherSuite::Seventeen;
    let (mut session, mut peer) = (start(suite), Peer::new(suite, Fault::Rakp4Status(0x0F)));
    let mut now = Duration::ZERO;
    let mut seen = std::collections::BTreeSet::new();
    let event = loop {
        while let Some(datagram) = session.poll_transmit() {
            let Some(Packet::Plus(plus)) = packet::parse(&datagram) else { panic!() };
            // The first RAKP 3 of each attempt is lost, so that what comes of the second is in doubt.
            if plus.payload_type == payload::RAKP3 && seen.insert(session.system_id()) {
                continue;
            }
            if let Some(answer) = peer.answer(&datagram) {
                session.handle(&answer, now);
            }
        }
        if let Some(event) = event(&mut session) {
            break event;
        }
        now = session.poll_timeout().unwrap();
        session.handle_timeout(now);
    };
    let status = Status::INVALID_INTEGRITY;
    assert_eq!(event, Event::Failed(SessionError::Refused { status }));
    assert_eq!((peer.opened, seen.len()), (4, 4));
}

/// The exchange binds all that both sides said: no other numbers give the same keys.
#[test]
fn keys_depend_on_every_field() {
    let base = Exchange {
        suite: CipherSuite::Seventeen,
        console_id: 1,
        system_id: 2,
        console_random: [3; 16],
        system_random: [4; 16],
        system_guid: [5; 16],
        role: 0x14,
        username: b"root".to_vec(),
    };
    let others = [
        Exchange { console_id: 9, ..base.clone() },
        Exchange { system_id: 9, ..base.clone() },
        Exchange { console_random: [9; 16], ..base.clone() },
        Exchange { system_random: [9; 16], ..base.clone() },
        Exchange { system_guid: [9; 16], ..base.clone() },
        Exchange { role: 0x13, ..base.clone() },
        Exchange { username: b"Root".to_vec(), ..base.clone() },
    ];
    for other in others {
        assert_ne!(base.rakp2_code(b"x"), other.rakp2_code(b"x"), "{other:?}");
    }
}
