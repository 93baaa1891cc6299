//! Each fault of the simulated BMC as a client sees it on the wire, and the fleet.

use bmc_mock::ipmi::{Control, Faults, Fleet, Identity, Server, Share, Stale, User};
use bmc_mock::{BootDevice, Chassis, MemoryChassis};
use bmc_proto::ipmi::keys::Rejection;
use bmc_proto::ipmi::{
    Answer, CipherSuite, Config, Event, Message, NetFn, Retransmission, Session, SessionError,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

const NAME: &str = "admin";
const PASSWORD: &str = "correct-horse";
const BOTH: [CipherSuite; 2] = CipherSuite::ALL;

/// A client: our session machine on a socket.
struct Client {
    socket: UdpSocket,
    session: Session,
    born: Instant,
    sent: usize,
    received: Vec<Vec<u8>>,
}

impl Client {
    async fn log_in(bmc: SocketAddr, suite: CipherSuite) -> Result<Self, SessionError> {
        Self::log_in_with(bmc, config(suite)).await
    }

    async fn log_in_with(bmc: SocketAddr, config: Config) -> Result<Self, SessionError> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(bmc).await.unwrap();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        let born = Instant::now();
        let session = Session::new(config, seed, Duration::ZERO);
        let mut client = Self { socket, session, born, sent: 0, received: vec![] };
        loop {
            match client.event().await {
                Event::Established { .. } => return Ok(client),
                Event::Failed(error) => return Err(error),
                _ => {}
            }
        }
    }

    async fn event(&mut self) -> Event {
        let mut buffer = [0; 1024];
        loop {
            while let Some(datagram) = self.session.poll_transmit() {
                self.sent += 1;
                self.socket.send(&datagram).await.unwrap();
            }
            if let Some(event) = self.session.poll_event() {
                return event;
            }
            let until = self.born + self.session.poll_timeout().unwrap();
            match tokio::time::timeout_at(until, self.socket.recv(&mut buffer)).await {
                Ok(length) => {
                    let datagram = &buffer[..length.unwrap()];
                    self.received.push(datagram.to_vec());
                    self.session.handle(datagram, self.born.elapsed());
                }
                Err(_) => self.session.handle_timeout(self.born.elapsed()),
            }
        }
    }

    async fn call(&mut self, netfn: NetFn, command: u8, body: &[u8]) -> Result<Answer, SessionError> {
        let message = Message::new_request(netfn, command, body.to_vec());
        assert!(self.session.request(message, self.born.elapsed()));
        loop {
            match self.event().await {
                Event::Answered(answer) => return Ok(answer),
                Event::Failed(error) => return Err(error),
                _ => {}
            }
        }
    }

    /// A chassis command that must work.
    async fn chassis(&mut self, command: u8, body: &[u8]) -> Vec<u8> {
        let answer = self.call(NetFn::Chassis, command, body).await.unwrap();
        assert_eq!(answer.completion, Answer::OK, "{command:#x}");
        answer.data
    }

    /// What the BMC tells about the power.
    async fn is_on(&mut self) -> bool {
        self.chassis(0x01, &[]).await[0] & 1 == 1
    }

    async fn set_power(&mut self, on: bool) {
        self.chassis(0x02, &[u8::from(on)]).await;
    }
}

fn config(suite: CipherSuite) -> Config {
    let retransmission = Retransmission { interval: Duration::from_millis(40), tries: 12 };
    Config::new(suite, NAME, PASSWORD).unwrap().with_retransmission(retransmission)
}

/// One that gives up soon.
fn impatient() -> Config {
    config(CipherSuite::Seventeen)
        .with_retransmission(Retransmission { interval: Duration::from_millis(30), tries: 2 })
}

struct Rig {
    chassis: Arc<MemoryChassis>,
    address: SocketAddr,
    control: Control,
    _stop: DropGuard,
}

fn identity() -> (Identity, Arc<MemoryChassis>) {
    let chassis = Arc::new(MemoryChassis::new());
    (Identity::new(vec![User::administrator(NAME, PASSWORD)], chassis.clone(), [7; 16]), chassis)
}

/// A BMC with these faults. Needs a runtime.
fn rig(faults: Faults) -> Rig {
    let (identity, chassis) = identity();
    let server = Server::new(([127, 0, 0, 1], 0).into(), identity).unwrap();
    let (address, control) = (server.local_addr().unwrap(), server.control());
    control.set_faults(faults);
    let stop = CancellationToken::new();
    tokio::spawn(server.run(stop.clone()));
    Rig { chassis, address, control, _stop: stop.drop_guard() }
}

#[tokio::test]
async fn lost_datagrams_cost_repetitions_only() {
    for suite in BOTH {
        let share = Share::Random(0.2);
        let faults = [
            Faults { lost_requests: Share::Every(3), ..Faults::default() },
            Faults { lost_answers: Share::Every(3), ..Faults::default() },
            Faults { seed: 7, lost_requests: share, lost_answers: share, ..Faults::default() },
        ];
        for faults in faults {
            let rig = rig(faults);
            let mut client = Client::log_in(rig.address, suite).await.unwrap();
            let sent = client.sent;
            for turn in 0..20 {
                client.set_power(turn % 2 == 0).await;
                assert_eq!(client.is_on().await, turn % 2 == 0);
            }
            assert!(client.sent - sent > 40 + 5, "{} datagrams", client.sent - sent);
            assert_eq!(rig.control.logins(), 1);
        }
    }
}

/// The first answer is lost; the request comes again, and is not done again.
#[tokio::test]
async fn nothing_is_done_twice() {
    for suite in BOTH {
        let rig = rig(Faults::default());
        let mut client = Client::log_in(rig.address, suite).await.unwrap();
        client.set_power(true).await;
        let sent = client.sent;
        rig.control.set_faults(Faults { lost_answers: Share::Next(2), ..Faults::default() });
        client.chassis(0x02, &[4]).await;
        assert_eq!((client.sent - sent, rig.chassis.diagnostics()), (3, 1));
        client.chassis(0x02, &[4]).await;
        assert_eq!(rig.chassis.diagnostics(), 2, "a new request is a new one");
    }
}

#[tokio::test]
async fn doubled_and_late_answers_are_told_apart() {
    let rig = rig(Faults { doubled_answers: Share::Every(1), ..Faults::default() });
    let mut client = Client::log_in(rig.address, CipherSuite::Seventeen).await.unwrap();
    for turn in 0..10 {
        client.set_power(turn % 2 == 0).await;
        assert_eq!(client.is_on().await, turn % 2 == 0);
    }
    let twice = client.received.iter().enumerate().filter(|(at, one)| client.received[..*at].contains(one));
    assert!(twice.count() > 15, "of {} datagrams", client.received.len());

    let late_by = Duration::from_millis(100);
    rig.control.set_faults(Faults { late_answers: Share::Every(2), late_by, ..Faults::default() });
    client.received.clear();
    for turn in 0..20 {
        client.set_power(turn % 2 == 0).await;
        assert_eq!(client.is_on().await, turn % 2 == 0);
    }
    // Sequence numbers of the packets, as they came.
    let order: Vec<u32> =
        client.received.iter().map(|one| u32::from_le_bytes(one[10..14].try_into().unwrap())).collect();
    assert!(!order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn noise_and_wrong_signatures_are_no_answers() {
    for suite in BOTH {
        let rig = rig(Faults { garbage: Share::Every(2), ..Faults::default() });
        let mut client = Client::log_in(rig.address, suite).await.unwrap();
        for turn in 0..10 {
            client.set_power(turn % 2 == 0).await;
            assert_eq!(client.is_on().await, turn % 2 == 0);
        }
        let sent = client.sent;
        rig.control.set_faults(Faults { wrong_signatures: Share::Next(3), ..Faults::default() });
        assert!(!client.is_on().await);
        assert_eq!(client.sent - sent, 4);
        // What is signed needs no checksum: real BMCs get it wrong.
        rig.control.set_faults(Faults { wrong_checksums: Share::Every(1), ..Faults::default() });
        assert!(!client.is_on().await);
        assert_eq!(client.sent - sent, 5);
    }
    let rig = rig(Faults::default());
    let mut client = Client::log_in_with(rig.address, impatient()).await.unwrap();
    rig.control.set_faults(Faults { wrong_signatures: Share::Every(1), ..Faults::default() });
    let error = client.call(NetFn::Chassis, 0x01, &[]).await.unwrap_err();
    assert_eq!(error, SessionError::NoAnswer { logged_in: true, rejected: Some(Rejection::WrongCode) });
}

#[tokio::test]
async fn forged_answers_come_first_and_count_for_nothing() {
    for suite in BOTH {
        let rig = rig(Faults { forged_answers: Share::Every(1), ..Faults::default() });
        let mut client = Client::log_in(rig.address, suite).await.unwrap();
        client.received.clear();
        assert!(!client.is_on().await, "the forgeries say that it is on");
        assert_eq!(client.received.len(), 3);
        // Their types: plain, and two that say that they are signed and encrypted.
        assert_eq!(client.received.iter().map(|one| one[5]).collect::<Vec<_>>(), [0x00, 0xC0, 0xC0]);
        client.set_power(true).await;
        client.set_power(false).await;
        assert!(!client.is_on().await);
    }
}

#[tokio::test]
async fn stale_power() {
    let rig = rig(Faults { stale_power: Some(Stale::Readings(2)), ..Faults::default() });
    let mut client = Client::log_in(rig.address, CipherSuite::Seventeen).await.unwrap();
    client.set_power(true).await;
    let told = [client.is_on().await, client.is_on().await, client.is_on().await];
    assert_eq!(told, [false, false, true]);
    rig.control.lie_about_power(false, Stale::For(Duration::from_secs(40)));
    assert!(!client.is_on().await);
    rig.control.advance(Duration::from_secs(39));
    assert!(!client.is_on().await);
    rig.control.advance(Duration::from_secs(1));
    assert!(client.is_on().await);
}

#[tokio::test]
async fn yes_without_deeds() {
    let rig = rig(Faults { ignores_power: true, ignores_boot_flags: true, ..Faults::default() });
    let mut client = Client::log_in(rig.address, CipherSuite::Seventeen).await.unwrap();
    let network_once = [5, 0xA0, 0x04, 0, 0, 0];
    client.set_power(true).await;
    assert!(!client.is_on().await);
    client.chassis(0x08, &network_once).await;
    assert_eq!(client.chassis(0x09, &[5, 0, 0]).await, [1, 5, 0, 0, 0, 0, 0]);

    rig.control.set_faults(Faults { clears_valid_bit: true, ..Faults::default() });
    client.chassis(0x08, &network_once).await;
    assert_eq!(client.chassis(0x09, &[5, 0, 0]).await, [1, 5, 0x20, 0x04, 0, 0, 0]);
    assert_eq!(rig.chassis.boot().await.unwrap().device, None);

    rig.control.set_faults(Faults::default());
    client.chassis(0x08, &network_once).await;
    assert_eq!(rig.chassis.boot().await.unwrap().device, Some(BootDevice::Network));
    rig.control.refuse_next(&[0xC0, 0xD5]);
    for completion in [0xC0, 0xD5, 0x00] {
        let answer = client.call(NetFn::Chassis, 0x02, &[1]).await.unwrap();
        assert_eq!(answer.completion, completion);
    }
    assert!(client.is_on().await);
}

#[tokio::test]
async fn a_restart_in_mid_session() {
    let rig = rig(Faults::default());
    rig.control.set_limits(|limits| limits.restart = Duration::from_secs(600));
    let mut client = Client::log_in_with(rig.address, impatient()).await.unwrap();
    rig.control.set_faults(Faults { restart_after: Some(2), ..Faults::default() });
    client.set_power(true).await;
    assert!(client.is_on().await);
    let error = client.call(NetFn::Chassis, 0x01, &[]).await.unwrap_err();
    assert_eq!(error, SessionError::NoAnswer { logged_in: true, rejected: None });
    let error = Client::log_in_with(rig.address, impatient()).await.err().unwrap();
    assert_eq!(error, SessionError::NoAnswer { logged_in: false, rejected: None }, "it is starting");
    rig.control.advance(Duration::from_secs(600));
    let mut client = Client::log_in(rig.address, CipherSuite::Seventeen).await.unwrap();
    assert!(client.is_on().await, "the machine did not notice");
}

#[tokio::test]
async fn sessions_run_out() {
    let rig = rig(Faults::default());
    rig.control.set_limits(|limits| limits.sessions = 2);
    let mut clients = vec![];
    for suite in BOTH {
        clients.push(Client::log_in(rig.address, suite).await.unwrap());
    }
    let error = Client::log_in(rig.address, CipherSuite::Seventeen).await.err().unwrap();
    assert!(matches!(error, SessionError::NoFreeSession { .. }), "{error}");
    for client in &mut clients {
        client.is_on().await;
    }
    rig.control.advance(Duration::from_secs(60));
    assert_eq!(rig.control.open_sessions(), 0, "idle ones end");
    Client::log_in(rig.address, CipherSuite::Seventeen).await.unwrap();
}

#[tokio::test]
async fn a_bmc_key_is_needed_where_there_is_one() {
    for suite in BOTH {
        let (mut identity, _) = identity();
        identity.bmc_key = Some(b"twenty bytes of key!".to_vec());
        let server = Server::new(([127, 0, 0, 1], 0).into(), identity).unwrap();
        let address = server.local_addr().unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(stop.clone()));
        let with = |key: &[u8]| config(suite).with_bmc_key(key).unwrap();
        let mut client = Client::log_in_with(address, with(b"twenty bytes of key!")).await.unwrap();
        assert!(!client.is_on().await);
        let table = [(config(suite), false), (with(b"another"), true)];
        for (config, configured) in table {
            let error = Client::log_in_with(address, config).await.err().unwrap();
            assert_eq!(error, SessionError::WrongBmcKey { configured });
        }
        stop.cancel();
        running.await.unwrap().unwrap();
    }
}

/// A fleet at addresses from this one on.
struct Many {
    fleet: Arc<Fleet>,
    port: u16,
    _stop: DropGuard,
}

fn many(addresses: impl Iterator<Item = Ipv4Addr>) -> Many {
    let fleet = Arc::new(Fleet::bind((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap());
    for address in addresses {
        fleet.add(address.into(), identity().0);
    }
    let (port, stop) = (fleet.local_addr().unwrap().port(), CancellationToken::new());
    let (running, end) = (Arc::clone(&fleet), stop.clone());
    tokio::spawn(async move { running.run(end).await });
    Many { fleet, port, _stop: stop.drop_guard() }
}

fn number(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 3, 7, last)
}

#[tokio::test]
async fn each_address_is_a_bmc_of_its_own() {
    let many = many((1..=50).map(number));
    let mut clients = vec![];
    for last in 1..=50 {
        let suite = BOTH[usize::from(last % 2)];
        clients.push(Client::log_in((number(last), many.port).into(), suite).await.unwrap());
    }
    for (last, client) in (1..=50).zip(&mut clients) {
        client.set_power(last % 3 == 0).await;
    }
    for (last, client) in (1..=50).zip(&mut clients) {
        assert_eq!(client.is_on().await, last % 3 == 0, "{last}");
        let control = many.fleet.control(number(last).into()).unwrap();
        assert_eq!((control.logins(), control.open_sessions()), (1, 1));
    }
    assert!(many.fleet.control(number(51).into()).is_none());
    let error = Client::log_in_with((number(51), many.port).into(), impatient()).await.err().unwrap();
    assert!(matches!(error, SessionError::NoAnswer { .. }), "nobody is there: {error}");
}

/// The slow one is not done with its first answer while the others answer for as long as they like.
#[tokio::test]
async fn a_slow_bmc_delays_only_itself() {
    let many = many((1..=3).map(number));
    let slow = many.fleet.control(number(2).into()).unwrap();
    slow.set_faults(Faults { slow: Duration::from_secs(3600), ..Faults::default() });
    let waiting = tokio::spawn(Client::log_in((number(2), many.port).into(), CipherSuite::Three));
    let quick = async {
        for last in [1, 3] {
            let address = (number(last), many.port).into();
            let mut client = Client::log_in(address, CipherSuite::Seventeen).await.unwrap();
            for turn in 0..50 {
                client.set_power(turn % 2 == 0).await;
            }
        }
    };
    timeout(Duration::from_secs(30), quick).await.expect("the quick ones wait");
    assert_eq!(slow.logins(), 0);
    waiting.abort();
}

/// The same over IPv6, where there is one address for all.
#[tokio::test]
async fn a_fleet_of_one_on_ipv6() {
    let fleet = Fleet::bind("[::]:0".parse().unwrap()).unwrap();
    let local = std::net::Ipv6Addr::LOCALHOST;
    fleet.add(local.into(), identity().0);
    let (address, stop) = ((local, fleet.local_addr().unwrap().port()), CancellationToken::new());
    let end = stop.clone().drop_guard();
    tokio::spawn(async move { fleet.run(stop).await });
    let socket = UdpSocket::bind("[::1]:0").await.unwrap();
    socket.connect(address).await.unwrap();
    let ping = hex::decode("0600ff06000011be80370000").unwrap();
    socket.send(&ping).await.unwrap();
    let mut buffer = [0; 64];
    let length = timeout(Duration::from_secs(10), socket.recv(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(
        (length, buffer[8], buffer[9]),
        (28, 0x40, 0x37),
        "the pong comes from the address that was pinged"
    );
    drop(end);
}
