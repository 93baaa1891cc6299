//! One simulated BMC, without a socket of its own: a datagram in, datagrams out.
//!
//! Datagrams are served one after the other, so that a slow chassis makes a slow BMC, as in life; what can be
//! answered at once is answered in the receiver's own task, so that ten thousand BMCs need no task each.

use super::commands::{Call, Commands};
use super::faults::{Faulty, Spoilt};
use super::group::{Done, Outbox, lock};
use super::identity::Identity;
use super::outside::Outside;
use super::sessions::{Order, Sessions};
use super::socket::{Peer, Socket};
use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::packet::{self, Packet, Plus, payload};
use bmc_proto::ipmi::{Answer, uuid_to_guid};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// Datagrams that wait while the BMC is busy; more are lost.
const WAITING: usize = 64;

/// A BMC.
pub(super) struct Bmc {
    pub(super) commands: Commands,
    pub(super) sessions: Mutex<Sessions>,
    outside: Outside,
    mail: Mutex<Mail>,
    /// Gone when its server or fleet is.
    wire: OnceLock<Weak<Socket>>,
    pub(super) faults: Mutex<Option<Box<Faulty>>>,
    born: Instant,
    /// Milliseconds that its clock was put forward.
    ahead: AtomicU64,
    /// It hears nothing until then: milliseconds of its clock.
    deaf_until: AtomicU64,
    /// It restarts when this answer is out.
    restarts: AtomicBool,
}

#[derive(Default)]
struct Mail {
    busy: bool,
    waiting: VecDeque<(Vec<u8>, Peer)>,
}

impl Bmc {
    pub(super) fn new(identity: Identity) -> Arc<Self> {
        let guid = uuid_to_guid(identity.uuid);
        Arc::new_cyclic(|bmc: &Weak<Self>| {
            let outbox = Outbox { bmc: bmc.clone() };
            let sessions = Sessions::new(&identity, guid);
            let outside = Outside { guid, bmc_key: identity.bmc_key.is_some() };
            let commands = Commands::new(identity, sessions.users(), outbox);
            Self {
                commands,
                sessions: Mutex::new(sessions),
                outside,
                mail: Mutex::default(),
                wire: OnceLock::new(),
                faults: Mutex::default(),
                born: Instant::now(),
                ahead: AtomicU64::new(0),
                deaf_until: AtomicU64::new(0),
                restarts: AtomicBool::new(false),
            }
        })
    }

    /// Lets it send. Only the first socket counts.
    pub(super) fn plug_in(&self, wire: &Arc<Socket>) {
        let _first_one_stays = self.wire.set(Arc::downgrade(wire));
    }

    /// Time since it was made, as its own clock has it.
    pub(super) fn now(&self) -> Duration {
        self.born.elapsed() + Duration::from_millis(self.ahead.load(Ordering::Relaxed))
    }

    /// Puts its clock forward.
    pub(super) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(millis(by), Ordering::Relaxed);
    }

    /// Restarts: sessions are gone, and for a while nothing is heard.
    pub(super) fn restart(&self) {
        let restart = {
            let mut sessions = lock(&self.sessions);
            sessions.forget();
            sessions.limits.restart
        };
        self.deaf_until.store(millis(self.now() + restart), Ordering::Relaxed);
        self.tell_ends();
    }

    /// Takes a datagram in and answers it: at once if it can, else in a task of its own. Needs a runtime.
    pub(super) fn receive(self: &Arc<Self>, bytes: &[u8], peer: Peer) {
        {
            let mut mail = lock(&self.mail);
            if mail.busy {
                if mail.waiting.len() < WAITING {
                    mail.waiting.push_back((bytes.to_vec(), peer));
                }
                return;
            }
            mail.busy = true;
        }
        let mut work = Box::pin(Arc::clone(self).work(bytes.to_vec(), peer));
        // The task polls it again with a waker of its own.
        if work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(work);
        }
    }

    async fn work(self: Arc<Self>, bytes: Vec<u8>, peer: Peer) {
        let mut next = Some((bytes, peer));
        while let Some((bytes, peer)) = next {
            self.serve(&bytes, peer).await;
            let mut mail = lock(&self.mail);
            next = mail.waiting.pop_front();
            mail.busy = next.is_some();
        }
    }

    async fn serve(&self, bytes: &[u8], peer: Peer) {
        let deaf = millis(self.now()) < self.deaf_until.load(Ordering::Relaxed);
        if deaf || self.spoil(|faulty| faulty.loses_request()).unwrap_or(false) {
            return;
        }
        let answers = self.answer(bytes, peer).await;
        self.tell_ends();
        if answers.is_empty() {
            return;
        }
        if let Some(slow) = self.spoil(|faulty| faulty.slow()).flatten() {
            tokio::time::sleep(slow).await;
        }
        for answer in answers {
            self.deliver(answer, peer);
        }
        let failed = self.spoil(|faulty| faulty.restarts()).unwrap_or(false);
        if self.restarts.swap(false, Ordering::Relaxed) || failed {
            self.restart();
        }
    }

    /// The answers to a datagram; a faulty BMC has more than one.
    pub(super) async fn answer(&self, datagram: &[u8], peer: Peer) -> Vec<Vec<u8>> {
        if let Some(pong) = super::asf::pong(datagram) {
            return vec![pong];
        }
        let answer = match packet::parse(datagram) {
            None => None,
            Some(Packet::V15 { payload }) => self.outside(payload).map(|answer| packet::plain_v15(&answer)),
            Some(Packet::Plus(plus)) if plus.session_id != 0 => return self.inside(&plus).await,
            Some(Packet::Plus(plus)) if plus.payload_type == payload::IPMI => {
                self.outside(plus.payload).map(|answer| packet::plain(payload::IPMI, &answer))
            }
            Some(Packet::Plus(plus)) => {
                let now = self.now();
                lock(&self.sessions).handshake(plus.payload_type, plus.payload, peer, now, &mut random)
            }
        };
        answer.into_iter().collect()
    }

    /// A message outside a session.
    fn outside(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let request = request_of(payload)?;
        let (completion, data) = {
            let sessions = lock(&self.sessions);
            self.outside.execute(&request, &sessions)
        };
        Some(request.response(completion, &data).encode())
    }

    /// A packet inside a session. Whatever is not signed and encrypted with its keys is dropped.
    async fn inside(&self, plus: &Plus<'_>) -> Vec<Vec<u8>> {
        let id = plus.session_id;
        let Some(bytes) = lock(&self.sessions).open(plus, self.now()) else { return vec![] };
        if plus.payload_type != payload::IPMI {
            self.commands.payload(plus.payload_type, id, &bytes);
            return vec![];
        }
        let Some(request) = request_of(&bytes) else { return vec![] };
        let repeated = lock(&self.sessions).answered(id, &request);
        let (completion, data) = match repeated {
            // The answer was lost; nothing is done twice.
            Some(answer) => (answer.completion, answer.data),
            None => self.execute(id, &request).await,
        };
        self.seal(id, &request, Answer { completion, data })
    }

    pub(super) async fn execute(&self, id: u32, request: &LanMessage) -> Done {
        let now = self.now();
        // The lock must not be held while the chassis works.
        let (order, hold) = {
            let mut sessions = lock(&self.sessions);
            (sessions.command(id, request, now), sessions.limits.boot_flags)
        };
        match order {
            Order::Done(done) => done,
            Order::Execute { privilege } => {
                if let Some(done) = self.outside.inside(request, &lock(&self.sessions)) {
                    return done;
                }
                let call = Call { request, session: id, privilege, now, hold, faults: &self.faults };
                self.commands.execute(&call).await
            }
            Order::Restart => {
                // The answer still leaves.
                self.restarts.store(true, Ordering::Relaxed);
                (Answer::OK, vec![])
            }
        }
    }

    /// Seals an answer; with forgeries before it, if that is asked for.
    fn seal(&self, id: u32, request: &LanMessage, answer: Answer) -> Vec<Vec<u8>> {
        let spoilt = self.spoil(|faulty| faulty.spoils()).unwrap_or_default();
        let Some(iv) = random() else { return vec![] };
        let mut sessions = lock(&self.sessions);
        let mut datagrams = vec![];
        if spoilt.contains(&Spoilt::Forged) {
            datagrams.extend(sessions.forge(id, request));
        }
        let wrong_sum = spoilt.contains(&Spoilt::Checksum);
        let mut sealed = sessions.seal(id, request, answer, iv, wrong_sum);
        if spoilt.contains(&Spoilt::Signature)
            && let Some(last) = sealed.as_mut().and_then(|sealed| sealed.last_mut())
        {
            *last ^= 1;
        }
        datagrams.extend(sealed);
        datagrams
    }

    /// The UDP port that it is reached at; 0 while it has no socket.
    pub(super) fn port(&self) -> u16 {
        let wire = self.wire.get().and_then(Weak::upgrade);
        wire.and_then(|wire| wire.local_addr().ok()).map_or(0, |address| address.port())
    }

    /// Sends a payload of a type other than IPMI messages to a session's console.
    pub(super) fn send_payload(&self, id: u32, payload_type: u8, bytes: &[u8]) {
        let Some(iv) = random() else { return };
        let sealed = lock(&self.sessions).seal_payload(id, payload_type, bytes, iv, self.now());
        if let Some((datagram, peer)) = sealed {
            self.deliver(datagram, peer);
        }
    }

    /// Sends a datagram, or spoils it on its way.
    fn deliver(&self, datagram: Vec<u8>, peer: Peer) {
        let Some(wire) = self.wire.get().and_then(Weak::upgrade) else { return };
        let Some(deliveries) = self.spoil(|faulty| faulty.deliver(&datagram)) else {
            wire.send(&datagram, peer);
            return;
        };
        for (bytes, late) in deliveries {
            if late.is_zero() {
                wire.send(&bytes, peer);
            } else {
                let wire = Arc::downgrade(&wire);
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    if let Some(wire) = wire.upgrade() {
                        wire.send(&bytes, peer);
                    }
                });
            }
        }
    }

    /// Tells who must know that sessions are over.
    pub(super) fn tell_ends(&self) {
        let ended = lock(&self.sessions).take_ended();
        for id in ended {
            self.commands.session_closed(id);
        }
    }

    fn spoil<T>(&self, act: impl FnOnce(&mut Faulty) -> T) -> Option<T> {
        lock(&self.faults).as_deref_mut().map(act)
    }
}

/// A request. Responses are none.
fn request_of(payload: &[u8]) -> Option<LanMessage> {
    LanMessage::decode(payload).filter(|message| message.netfn % 2 == 0)
}

/// 16 random bytes. `None`: the system has none; the client will ask again.
fn random() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
