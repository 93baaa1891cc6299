//! The session over a wire that loses, repeats, re-orders and delays, in virtual time.

use super::*;
use proptest::prelude::*;

/// Every datagram of a whole session, in turn, is lost once: on its way there, and on its way back.
#[test]
fn any_one_loss_is_made_good() {
    for habit in [Habit::Remembers, Habit::StartsOver, Habit::Refuses] {
        for (lost, on_the_way_back) in (0..6).flat_map(|lost| [(lost, false), (lost, true)]) {
            let suite = CipherSuite::Seventeen;
            let (mut session, mut peer) = (start(suite), Peer::new(suite, Fault::None));
            peer.habit = habit;
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
                match event(&mut session) {
                    Some(Event::Established { .. }) => asked = session.request(GetDeviceId.into(), now),
                    Some(other) => break other,
                    None => {
                        now = session.poll_timeout().expect("waits for something");
                        session.handle_timeout(now);
                    }
                }
            };
            let Event::Answered(answer) = answer else { panic!("{habit:?}, loss {lost}: {answer:?}") };
            assert!(asked);
            match answer.completion {
                Answer::OK => {}
                // The only case in which the answer is lost for good.
                Answer::DUPLICATED => {
                    assert!(habit == Habit::Refuses && on_the_way_back && lost >= 4);
                    continue;
                }
                other => panic!("{other:#x}"),
            }
            if habit == Habit::Remembers {
                assert!(now <= Duration::from_millis(563), "one retransmission is enough, took {now:?}");
            }
        }
    }
}

/// What the wire does with one datagram.
#[derive(Debug, Clone, Copy)]
struct Fate {
    lost: bool,
    twice: bool,
    /// Milliseconds.
    delay: u16,
}

fn fate() -> impl Strategy<Value = Fate> {
    let delay = prop_oneof![6 => 0u16..20, 1 => 20u16..3000];
    (0u8..100, 0u8..100, delay).prop_map(|(lost, twice, delay)| Fate {
        lost: lost < 20,
        twice: twice < 10,
        delay,
    })
}

/// Both ends and all that is under way between them.
struct Wire {
    session: Session,
    peer: Peer,
    now: Duration,
    fates: std::iter::Cycle<std::vec::IntoIter<Fate>>,
    /// When, to the BMC or from it, what.
    under_way: Vec<(Duration, bool, Vec<u8>)>,
}

impl Wire {
    fn send(&mut self, to_bmc: bool, datagram: &[u8]) {
        let Fate { lost, twice, delay } = self.fates.next().unwrap();
        if lost {
            return;
        }
        let at = self.now + Duration::from_millis(delay.into());
        self.under_way.push((at, to_bmc, datagram.to_vec()));
        if twice {
            self.under_way.push((
                at + Duration::from_millis(u64::from(delay / 2)),
                to_bmc,
                datagram.to_vec(),
            ));
        }
    }

    /// Lets time pass until there is an event.
    fn run(&mut self) -> Event {
        loop {
            while let Some(datagram) = self.session.poll_transmit() {
                self.send(true, &datagram);
            }
            if let Some(event) = event(&mut self.session) {
                return event;
            }
            let timeout = self.session.poll_timeout().expect("waits for something, or has told the end");
            let next = self.under_way.iter().map(|(at, ..)| *at).min();
            match next.filter(|at| *at <= timeout) {
                Some(at) => self.deliver(at),
                None => {
                    self.now = timeout;
                    self.session.handle_timeout(timeout);
                }
            }
        }
    }

    fn deliver(&mut self, at: Duration) {
        self.now = self.now.max(at);
        let index = self.under_way.iter().position(|(due, ..)| *due == at).unwrap();
        let (_, to_bmc, datagram) = self.under_way.swap_remove(index);
        if !to_bmc {
            self.session.handle(&datagram, self.now);
        } else if let Some(answer) = self.peer.answer(&datagram) {
            self.send(false, &answer);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Each login and each request ends with its own answer or a typed error, in bounded time.
    #[test]
    fn nothing_is_lost_without_a_word(
        fates in proptest::collection::vec(fate(), 40..200),
        habit in prop_oneof![Just(Habit::Remembers), Just(Habit::StartsOver), Just(Habit::Refuses)],
        seed: [u8; 32],
    ) {
        let suite = CipherSuite::Three;
        let mut peer = Peer::new(suite, Fault::None);
        peer.habit = habit;
        let session = Session::new(config(suite), seed, Duration::ZERO);
        let mut wire =
            Wire { session, peer, now: Duration::ZERO, fates: fates.into_iter().cycle(), under_way: vec![] };
        match wire.run() {
            Event::Established { privilege } => prop_assert!(privilege == 4),
            Event::Failed(SessionError::NoAnswer { .. } | SessionError::Refused { .. }) => return Ok(()),
            // Where the network repeats RAKP 3, and the BMC spoils its keys by that, nothing looks otherwise.
            Event::Failed(SessionError::WrongBmcKey { .. }) if habit == Habit::StartsOver => return Ok(()),
            other => prop_assert!(false, "{:?}", other),
        }
        prop_assert!(wire.now < 60 * SECOND);
        for number in 0..80u32 {
            let data = number.to_le_bytes();
            let asked_at = wire.now;
            prop_assert!(wire.session.request(echo(&data), wire.now));
            match wire.run() {
                Event::Answered(answer) if answer.completion == Answer::DUPLICATED => {
                    prop_assert_eq!(habit, Habit::Refuses);
                }
                Event::Answered(answer) => {
                    prop_assert_eq!(answer, Answer { completion: 0, data: data.to_vec() });
                }
                Event::Failed(SessionError::NoAnswer { logged_in: true, .. }) => return Ok(()),
                other => prop_assert!(false, "{:?}", other),
            }
            prop_assert!(wire.now - asked_at < 11 * SECOND);
        }
        let executed: std::collections::BTreeSet<Vec<u8>> = wire.peer.executed.iter().cloned().collect();
        prop_assert_eq!(executed.len(), 80);
    }
}
