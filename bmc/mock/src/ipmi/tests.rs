//! Noise, and the table of sessions by itself. What ipmitool says is in `tests/ipmitool/`, faults in `tests/faults.rs`.

use super::*;
use crate::{BootDevice, BootFlags, MemoryChassis};
use bmc::Bmc;
use bmc_proto::ipmi::handshake::{
    OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4, Status,
};
use bmc_proto::ipmi::keys::{Exchange, Protection};
use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::packet::{self, Packet, payload};
use bmc_proto::ipmi::{Answer, GetDeviceId, Message, NetFn, uuid_to_guid};
use proptest::prelude::*;
use sessions::Sessions;
use socket::Peer;
use std::time::Duration;

const UUID: [u8; 16] = [7; 16];
const SECOND: Duration = Duration::from_secs(1);

fn identity(users: Vec<User>) -> (Identity, Arc<MemoryChassis>) {
    let chassis = Arc::new(MemoryChassis::new());
    (Identity::new(users, chassis.clone(), UUID), chassis)
}

fn peer() -> Peer {
    Peer { address: ([127, 0, 0, 1], 9).into(), local: None }
}

fn table(limits: Limits) -> Sessions {
    let users = vec![User::administrator("admin", "secret"), User::operator("watch", "secret")];
    let (mut identity, _) = identity(users);
    identity.limits = limits;
    Sessions::new(&identity, UUID)
}

/// A table with room for two.
fn small() -> Sessions {
    table(Limits { sessions: 2, ..Limits::default() })
}

/// Opens a session; the BMC's id of it, or its refusal.
fn open(sessions: &mut Sessions, console_id: u32, now: Duration) -> Result<u32, Status> {
    let algorithms = CipherSuite::Seventeen.algorithms();
    let request = OpenSessionRequest { tag: 1, max_privilege: 0, console_id, algorithms };
    let answer = handshake(sessions, payload::OPEN_SESSION_REQUEST, &request.encode(), 1, now).unwrap();
    let answer = OpenSessionResponse::decode(&answer).unwrap();
    assert_eq!(answer.console_id, Some(console_id));
    answer.outcome.map(|grant| grant.system_id)
}

/// The payload of the answer to a message of the handshake. `dice` is the random number.
fn handshake(sessions: &mut Sessions, kind: u8, bytes: &[u8], dice: u8, now: Duration) -> Option<Vec<u8>> {
    let datagram = sessions.handshake(kind, bytes, peer(), now, &mut || Some([dice; 16]))?;
    let Some(Packet::Plus(plus)) = packet::parse(&datagram) else { panic!("not RMCP+") };
    Some(plus.payload.to_vec())
}

/// Logs in; the BMC's id of the session, or the refusal in RAKP 2 or 4.
fn log_in(
    sessions: &mut Sessions,
    console_id: u32,
    user: &str,
    password: &str,
    now: Duration,
) -> Result<u32, Status> {
    let system_id = open(sessions, console_id, now)?;
    let (console_random, role) = ([3; 16], 0x10);
    let rakp1 = Rakp1 { tag: 1, system_id, console_random, role, username: user.into() };
    let rakp2 = handshake(sessions, payload::RAKP1, &rakp1.encode(), 1, now).unwrap();
    let challenge = Rakp2::decode(&rakp2).unwrap().outcome?;
    let exchange = Exchange {
        suite: CipherSuite::Seventeen,
        console_id,
        system_id,
        console_random,
        system_random: challenge.system_random,
        system_guid: challenge.system_guid,
        role,
        username: user.into(),
    };
    let outcome = Ok(exchange.rakp3_code(password.as_bytes()).to_vec());
    let rakp3 = Rakp3 { tag: 2, system_id, outcome };
    let rakp4 = handshake(sessions, payload::RAKP3, &rakp3.encode(), 1, now).unwrap();
    Rakp4::decode(&rakp4).unwrap().outcome.map(|_| system_id)
}

#[test]
fn sessions_are_few_and_end_when_idle() {
    let mut sessions = small();
    assert_eq!(log_in(&mut sessions, 100, "admin", "secret", Duration::ZERO), Ok(1));
    assert_eq!(open(&mut sessions, 101, SECOND), Ok(2));
    assert_eq!(open(&mut sessions, 101, SECOND), Ok(2), "a repetition takes no second slot");
    assert_eq!(open(&mut sessions, 102, SECOND * 5), Err(Status::NO_RESOURCES), "one is open, one opening");
    assert_eq!(open(&mut sessions, 103, SECOND * 6), Ok(3), "who doesn't log in goes after 5 s");
    assert_eq!((sessions.open_sessions(), sessions.half_open_sessions()), (1, 1));
    assert_eq!(open(&mut sessions, 104, SECOND * 60), Ok(4));
    assert_eq!((sessions.open_sessions(), sessions.take_ended()), (0, vec![1]));
}

#[test]
fn unfinished_logins_never_shut_everybody_out() {
    let mut sessions = small();
    for (console_id, second) in (100..).zip(0..4) {
        assert_eq!(open(&mut sessions, console_id, SECOND * second), Ok(second + 1));
    }
    assert_eq!(sessions.half_open_sessions(), 2);
    let rakp1 =
        Rakp1 { tag: 1, system_id: 1, console_random: [3; 16], role: 0x10, username: b"admin".into() };
    let gone = handshake(&mut sessions, payload::RAKP1, &rakp1.encode(), 1, SECOND * 4).unwrap();
    assert_eq!(Rakp2::decode(&gone).unwrap().outcome, Err(Status::INVALID_SESSION), "the oldest made room");
}

#[test]
fn a_repeated_rakp_1_gets_the_same_challenge() {
    let mut sessions = small();
    let system_id = open(&mut sessions, 100, Duration::ZERO).unwrap();
    let mut rakp1 =
        Rakp1 { tag: 1, system_id, console_random: [3; 16], role: 0x14, username: b"admin".to_vec() };
    let first = handshake(&mut sessions, payload::RAKP1, &rakp1.encode(), 1, Duration::ZERO).unwrap();
    let again = handshake(&mut sessions, payload::RAKP1, &rakp1.encode(), 2, Duration::ZERO).unwrap();
    assert_eq!(first, again);
    assert_eq!(Rakp2::decode(&first).unwrap().outcome.unwrap().system_random, [1; 16]);
    rakp1.username = b"root".to_vec();
    let refused = handshake(&mut sessions, payload::RAKP1, &rakp1.encode(), 3, Duration::ZERO).unwrap();
    assert_eq!(Rakp2::decode(&refused).unwrap().outcome, Err(Status::UNAUTHORIZED_NAME));
}

#[test]
fn a_user_is_locked_out_after_wrong_passwords() {
    let lock_out = Some(LockOut { after: 3, lasts: SECOND * 30 });
    let mut sessions = table(Limits { lock_out, ..Limits::default() });
    let mut consoles = 100..;
    let mut try_in = |sessions: &mut Sessions, user, password, second| {
        log_in(sessions, consoles.next().unwrap(), user, password, SECOND * second).map(|_| ())
    };
    for _ in 0..2 {
        assert_eq!(try_in(&mut sessions, "admin", "wrong", 0), Err(Status::INVALID_INTEGRITY));
    }
    assert_eq!(try_in(&mut sessions, "admin", "secret", 0), Ok(()), "a right one starts the count anew");
    for _ in 0..3 {
        assert_eq!(try_in(&mut sessions, "admin", "wrong", 0), Err(Status::INVALID_INTEGRITY));
    }
    assert_eq!(try_in(&mut sessions, "admin", "secret", 29), Err(Status::UNAUTHORIZED_NAME));
    assert_eq!(try_in(&mut sessions, "watch", "secret", 29), Ok(()), "others are not");
    assert_eq!(try_in(&mut sessions, "admin", "secret", 30), Ok(()));
}

#[test]
fn a_user_has_so_many_sessions_only() {
    let mut sessions = table(Limits { sessions_of_user: 1, ..Limits::default() });
    assert_eq!(log_in(&mut sessions, 100, "admin", "secret", SECOND), Ok(1));
    assert_eq!(log_in(&mut sessions, 101, "admin", "secret", SECOND), Err(Status::NO_RESOURCES));
    assert_eq!(log_in(&mut sessions, 102, "watch", "secret", SECOND), Ok(3));
}

/// A BMC with one administrator, who is logged in.
struct Inside {
    bmc: Arc<Bmc>,
    chassis: Arc<MemoryChassis>,
    control: Control,
    session: u32,
    sequence: u8,
}

impl Inside {
    fn new() -> Self {
        let (identity, chassis) = identity(vec![User::administrator("admin", "secret")]);
        let bmc = Bmc::new(identity);
        let control = Control { bmc: Arc::clone(&bmc) };
        let session = {
            let mut sessions = group::lock(&bmc.sessions);
            let id = log_in(&mut sessions, 100, "admin", "secret", bmc.now()).unwrap();
            let raise = LanMessage::request(1, &Message::new_request(NetFn::App, 0x3B, vec![4]));
            assert!(matches!(sessions.command(id, &raise, bmc.now()), sessions::Order::Done((0, _))));
            id
        };
        Self { bmc, chassis, control, session, sequence: 1 }
    }

    /// Completion code and data, without the wire.
    async fn call(&mut self, netfn: NetFn, command: u8, body: &[u8]) -> (u8, Vec<u8>) {
        self.sequence += 1;
        let request =
            LanMessage::request(self.sequence, &Message::new_request(netfn, command, body.to_vec()));
        self.bmc.execute(self.session, &request).await
    }

    async fn chassis(&mut self, command: u8, body: &[u8]) -> (u8, Vec<u8>) {
        self.call(NetFn::Chassis, command, body).await
    }

    async fn flags(&mut self) -> Vec<u8> {
        self.chassis(0x09, &[5, 0, 0]).await.1[2..].to_vec()
    }
}

#[tokio::test]
async fn status_policy_cause_and_hours() {
    let mut bmc = Inside::new();
    assert_eq!(bmc.chassis(0x01, &[]).await, (0, vec![0x00, 0x00, 0x40, 0]));
    assert_eq!(bmc.chassis(0x06, &[2]).await, (0, vec![7]));
    assert_eq!(bmc.chassis(0x06, &[3]).await, (0, vec![7]), "no change");
    assert_eq!(bmc.chassis(0x06, &[4]).await.0, Answer::INVALID_FIELD);
    bmc.control.set_power_fault(true);
    assert_eq!(bmc.chassis(0x02, &[1]).await.0, 0);
    assert_eq!(bmc.chassis(0x01, &[]).await, (0, vec![0x49, 0x10, 0x40, 0]));
    assert_eq!(bmc.call(NetFn::Chassis, 0x04, &[15]).await.0, 0);
    assert_eq!(bmc.chassis(0x01, &[]).await.1[2], 0x50, "the lamp is on for a while");
    assert_eq!(bmc.chassis(0x07, &[]).await, (0, vec![1, 1]), "by a chassis command");

    bmc.control.set_limits(|limits| limits.idle = SECOND * 1_000_000);
    bmc.control.advance(SECOND * 3600 * 5);
    assert_eq!(bmc.chassis(0x0F, &[]).await, (0, vec![60, 5, 0, 0, 0]));
    assert_eq!(bmc.chassis(0x02, &[0]).await.0, 0);
    bmc.control.advance(SECOND * 3600 * 5);
    assert_eq!(bmc.chassis(0x0F, &[]).await, (0, vec![60, 5, 0, 0, 0]), "it was off");
}

#[tokio::test]
async fn chassis_control_is_all_there() {
    let mut bmc = Inside::new();
    for off_only in [2, 3, 4] {
        assert_eq!(bmc.chassis(0x02, &[off_only]).await.0, Answer::WRONG_STATE, "{off_only} when off");
    }
    for (control, on) in [(1, true), (1, true), (2, true), (3, true), (4, true), (5, false), (0, false)] {
        assert_eq!(bmc.chassis(0x02, &[control]).await.0, 0, "{control}");
        assert_eq!(bmc.chassis.power().await.unwrap(), on, "{control}");
    }
    assert_eq!(bmc.chassis.diagnostics(), 1);
    assert_eq!(bmc.chassis(0x02, &[6]).await.0, Answer::INVALID_FIELD);
    assert_eq!(bmc.chassis(0x02, &[]).await.0, Answer::INVALID_LENGTH);
}

#[tokio::test]
async fn boot_flags_hold_for_a_minute_or_a_boot() {
    let network_once = [5, 0xA0, 0x04, 0, 0, 0];
    let flags = BootFlags { device: Some(BootDevice::Network), persistent: false, uefi: true };
    let mut bmc = Inside::new();
    bmc.control.set_limits(|limits| limits.idle = SECOND * 1_000_000);
    bmc.chassis(0x08, &network_once).await;
    bmc.control.advance(SECOND * 59);
    assert_eq!(bmc.flags().await, network_once[1..]);
    assert_eq!(bmc.chassis.boot().await.unwrap(), flags);
    bmc.control.advance(SECOND);
    assert_eq!(bmc.flags().await, [0x20, 0x04, 0, 0, 0], "not valid any more");
    assert_eq!(bmc.chassis.boot().await.unwrap(), BootFlags::default());

    // Told to keep it.
    assert_eq!(bmc.chassis(0x08, &[3, 0x08]).await.0, 0);
    bmc.chassis(0x08, &network_once).await;
    bmc.control.advance(SECOND * 600);
    assert_eq!(bmc.flags().await, network_once[1..]);
    bmc.chassis(0x02, &[1]).await;
    assert_eq!(bmc.flags().await, [0; 5], "used up");

    // A persistent one stays, and a device that the chassis doesn't know goes after one boot, too.
    for (first, after) in [(0xC0, 0xC0), (0x80, 0x00)] {
        for device in [0x08, 0x10] {
            bmc.chassis(0x08, &[5, first, device, 0, 0x20, 0]).await;
            assert_eq!(bmc.flags().await, [first, device, 0, 0x20, 0]);
            bmc.chassis(0x02, &[2]).await;
            let valid = bmc.flags().await[0];
            assert_eq!(valid, after, "device {device:#x}");
        }
    }
}

#[tokio::test]
async fn boot_options_are_kept_and_locked() {
    let mut bmc = Inside::new();
    assert_eq!(bmc.chassis(0x08, &[0, 1]).await.0, 0);
    assert_eq!(bmc.chassis(0x09, &[0, 0, 0]).await, (0, vec![1, 0, 1]));
    assert_eq!(bmc.chassis(0x08, &[0, 2]).await.0, 0);
    assert_eq!(bmc.chassis(0x09, &[0, 0, 0]).await, (0, vec![1, 0, 0]));
    assert_eq!(bmc.chassis(0x08, &[4, 0x01, 0x01]).await.0, 0);
    assert_eq!(bmc.chassis(0x08, &[4, 0x02, 0x03]).await.0, 0);
    assert_eq!(bmc.chassis(0x09, &[4, 0, 0]).await, (0, vec![1, 4, 0, 3]));
    assert_eq!(bmc.chassis(0x08, &[6, 1, 2, 3, 4, 5, 6, 7, 8, 9]).await.0, 0);
    assert_eq!(bmc.chassis(0x09, &[6, 0, 0]).await, (0, vec![1, 6, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    // Locked by the highest bit, with or without data.
    assert_eq!(bmc.chassis(0x08, &[0x83]).await.0, 0);
    assert_eq!(bmc.chassis(0x09, &[3, 0, 0]).await, (0, vec![1, 0x83, 0]));
    assert_eq!(bmc.chassis(0x08, &[3, 4]).await.0, 0);
    assert_eq!(bmc.chassis(0x09, &[3, 0, 0]).await, (0, vec![1, 3, 4]));
    for (body, completion) in
        [(&[1, 0][..], 0x80), (&[0x7F, 0], 0x80), (&[], 0xC7), (&[5, 1], 0xC7), (&[3, 1, 2], 0xC7)]
    {
        assert_eq!(bmc.chassis(0x08, body).await.0, completion, "{body:?}");
    }
}

#[tokio::test]
async fn levels_are_held() {
    let mut bmc = Inside::new();
    let needed = [
        (NetFn::App, 0x01, vec![], 2),
        (NetFn::Chassis, 0x01, vec![], 2),
        (NetFn::Chassis, 0x02, vec![0], 3),
        (NetFn::Chassis, 0x06, vec![0], 3),
        (NetFn::Chassis, 0x09, vec![5, 0, 0], 3),
        (NetFn::App, 0x44, vec![1, 2], 3),
        (NetFn::App, 0x47, vec![2, 1], 4),
        (NetFn::App, 0x40, vec![1, 0, 0], 4),
        (NetFn::Transport, 0x02, vec![1, 3, 0, 0], 3),
        (NetFn::App, 0x02, vec![], 4),
    ];
    for level in [2, 3, 4] {
        assert_eq!(bmc.call(NetFn::App, 0x3B, &[level]).await, (0, vec![level]));
        for (netfn, command, body, needed) in &needed {
            let (completion, _) = bmc.call(*netfn, *command, body).await;
            let refused = completion == Answer::INSUFFICIENT_PRIVILEGE;
            assert_eq!(refused, level < *needed, "{netfn:?} {command:#x} at {level}: {completion:#x}");
        }
    }
}

#[tokio::test]
async fn session_info_and_closing() {
    let mut bmc = Inside::new();
    let now = bmc.bmc.now();
    let other = log_in(&mut group::lock(&bmc.bmc.sessions), 200, "admin", "secret", now).unwrap();
    let half = open(&mut group::lock(&bmc.bmc.sessions), 300, now).unwrap();
    let own = vec![1, 8, 2, 2, 4, 0x11, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9, 0];
    assert_eq!(bmc.call(NetFn::App, 0x3D, &[0]).await, (0, own));
    let (_, second) = bmc.call(NetFn::App, 0x3D, &[2]).await;
    assert_eq!(second[..6], [2, 8, 2, 2, 2, 0x11], "the other one is at user level");
    let by_id = [&[0xFF][..], &other.to_le_bytes()].concat();
    assert_eq!(bmc.call(NetFn::App, 0x3D, &by_id).await.1, second);
    assert_eq!(bmc.call(NetFn::App, 0x3D, &[3]).await, (0, vec![0, 8, 2]), "there is no third");

    assert_eq!(bmc.call(NetFn::App, 0x3B, &[3]).await.0, 0);
    let close = |id: u32| id.to_le_bytes();
    assert_eq!(bmc.call(NetFn::App, 0x3C, &close(other)).await.0, Answer::INSUFFICIENT_PRIVILEGE);
    assert_eq!(bmc.call(NetFn::App, 0x3B, &[4]).await.0, 0);
    for id in [other, half] {
        assert_eq!(bmc.call(NetFn::App, 0x3C, &close(id)).await.0, 0);
        assert_eq!(bmc.call(NetFn::App, 0x3C, &close(id)).await.0, 0x87, "gone");
    }
    assert_eq!((bmc.control.open_sessions(), bmc.control.half_open_sessions()), (1, 0));
}

proptest! {
    #[test]
    fn noise_is_harmless(datagrams in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 0..100), 1..20)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (identity, chassis) = identity(vec![]);
            let bmc = Bmc::new(identity);
            let power_on = [0x20, 0x00, 0xE0, 0x81, 0x04, 0x02, 0x01, 0x78];
            for noise in &datagrams {
                for head in [&[][..], &[6, 0, 0xFF, 7, 6], &[6, 0, 0xFF, 7, 0], &[6, 0, 0xFF, 6]] {
                    bmc.answer(&[head, noise].concat(), peer()).await;
                }
                bmc.answer(&packet::plain_v15(&power_on), peer()).await;
                bmc.answer(&packet::plain(payload::IPMI, &power_on), peer()).await;
            }
            assert!(!chassis.power().await.unwrap());
            assert_eq!(Control { bmc }.logins(), 0);
        });
    }

    /// Whatever a logged-in user sends, the BMC answers and stands.
    #[test]
    fn any_command_is_answered(requests in proptest::collection::vec(
        (0u8..0x40, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 1..50)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut bmc = Inside::new();
            for (netfn, command, body) in requests {
                bmc.call(NetFn::from(netfn & !1), command, &body).await;
            }
        });
    }
}

/// The keys of the session that `log_in` made, whose random numbers are known.
fn keys(system_id: u32) -> Protection {
    let exchange = Exchange {
        suite: CipherSuite::Seventeen,
        console_id: 100,
        system_id,
        console_random: [3; 16],
        system_random: [1; 16],
        system_guid: uuid_to_guid(UUID),
        role: 0x10,
        username: b"admin".into(),
    };
    Protection::new(CipherSuite::Seventeen, &exchange.session_key(b"secret"))
}

#[tokio::test]
async fn a_wrong_checksum_is_signed_all_the_same() {
    let inside = Inside::new();
    inside.control.set_faults(Faults { wrong_checksums: Share::Every(2), ..Faults::default() });
    let keys = keys(inside.session);
    for (sequence, good) in [(1, true), (2, false)] {
        let request = LanMessage::request(sequence, &GetDeviceId.into()).encode();
        let sealed = keys.seal(payload::IPMI, inside.session, sequence.into(), &request, [9; 16]);
        let answer = inside.bmc.answer(&sealed, peer()).await;
        let Some(Packet::Plus(plus)) = packet::parse(&answer[0]) else { panic!("not RMCP+") };
        assert_eq!(LanMessage::decode(&keys.open(&plus).unwrap()).is_some(), good);
    }
}

/// A repetition that the network held back comes after the next requests.
#[tokio::test]
async fn a_late_repetition_is_answered_and_not_done() {
    let inside = Inside::new();
    let keys = keys(inside.session);
    let control = |sequence, byte| {
        LanMessage::request(sequence, &Message::new_request(NetFn::Chassis, 0x02, vec![byte])).encode()
    };
    let (on, diagnostic, off) = (control(1, 1), control(2, 4), control(3, 0));
    // The last one is a new request, as its sequence number tells.
    let requests = [on.clone(), diagnostic.clone(), diagnostic, off, on, control(4, 1)];
    let mut states = vec![];
    for (number, request) in (1..).zip(requests) {
        let sealed = keys.seal(payload::IPMI, inside.session, number, &request, [9; 16]);
        let answer = inside.bmc.answer(&sealed, peer()).await;
        let Some(Packet::Plus(plus)) = packet::parse(&answer[0]) else { panic!("not RMCP+") };
        let answer = LanMessage::decode(&keys.open(&plus).unwrap()).unwrap();
        assert_eq!(answer.body, [Answer::OK], "{number}");
        states.push(inside.chassis.power().await.unwrap());
        let replayed = inside.bmc.answer(&sealed, peer()).await;
        assert_eq!(replayed, Vec::<Vec<u8>>::new(), "the same packet again is none at all");
    }
    assert_eq!(states, [true, true, true, false, false, true]);
    assert_eq!(inside.chassis.diagnostics(), 1);
}

#[tokio::test]
async fn outside_a_session_only_what_everybody_may_know() {
    let (mut identity, _) = identity(vec![]);
    identity.bmc_key = Some(b"key".to_vec());
    let bmc = Bmc::new(identity);
    let device_id: Message = GetDeviceId.into();
    let app = |command, body: &[u8]| Message::new_request(NetFn::App, command, body.to_vec());
    let table = [
        (device_id, vec![Answer::INSUFFICIENT_PRIVILEGE]),
        // IPMI 1.5's Get Session Challenge.
        (app(0x39, &[2; 17]), vec![Answer::INSUFFICIENT_PRIVILEGE]),
        (app(0x38, &[0x8E, 4]), vec![0, 1, 0x80, 0x24, 2, 0, 0, 0, 0]),
        (app(0x38, &[0x0E, 4]), vec![0, 1, 0, 0x24, 0, 0, 0, 0, 0]),
        (app(0x38, &[0x83, 4]), vec![Answer::INVALID_FIELD]),
        (app(0x54, &[0x0E, 0, 0x80]), hex::decode("0001c01103 4481c003014181".replace(' ', "")).unwrap()),
        (app(0x54, &[0x0E, 0, 0x81]), vec![0, 1]),
        (app(0x54, &[0x0E, 0, 0]), vec![0, 1, 1, 3, 0x41, 0x44, 0x81]),
        (app(0x54, &[0x0E, 0]), vec![Answer::INVALID_LENGTH]),
        (app(0x37, &[]), [&[0][..], &UUID].concat()),
    ];
    for (message, expected) in table {
        let request = LanMessage::request(1, &message);
        let plain = bmc.answer(&packet::plain_v15(&request.encode()), peer()).await;
        let Some(Packet::V15 { payload }) = packet::parse(&plain[0]) else { panic!("not IPMI 1.5") };
        assert_eq!(LanMessage::decode(payload).unwrap().body, expected, "{:#x}", request.command);
        let plus = bmc.answer(&packet::plain(payload::IPMI, &request.encode()), peer()).await;
        let Some(Packet::Plus(plus)) = packet::parse(&plus[0]) else { panic!("not RMCP+") };
        assert_eq!(LanMessage::decode(plus.payload).unwrap().body, expected, "{:#x}", request.command);
    }
    let response = LanMessage::request(1, &app(0x37, &[])).response(0, &[]);
    assert_eq!(bmc.answer(&packet::plain_v15(&response.encode()), peer()).await, Vec::<Vec<u8>>::new());
}
