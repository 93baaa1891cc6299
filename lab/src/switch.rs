//! A learning Ethernet switch in user space: Unix datagram sockets to the machines, one packet socket to the host.
//!
//! One datagram is one frame. Deciding is in `table` (where to), `cable` (VLANs, bundles), `lacp` and `faults` (what goes
//! wrong); here are the sockets.

mod cable;
mod capture;
mod faults;
mod lacp;
mod packet;
mod plain;
mod port;
mod table;

pub(crate) use capture::Recorder;
pub use faults::Faults;
pub use packet::{PacketSocket, without_offloads};
pub(crate) use plain::PlainRom;
pub(crate) use port::{UdpPort, UnixPort};

use crate::dice::Dice;
use cable::{Cable, Heard};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use table::{PortId, Table};
use tokio::sync::mpsc;

/// One Ethernet frame, without its checksum.
type Frame = Arc<[u8]>;

/// The longest frame that is carried: an Ethernet frame with a VLAN tag, with room to spare.
const LONGEST_FRAME: usize = 2048;

/// Frames that wait for a port that doesn't take them; more are lost, as in any switch.
const QUEUE: usize = 2048;

/// A running switch. Clones are the same switch.
#[derive(Clone)]
pub struct Switch {
    state: Arc<Mutex<State>>,
}

struct State {
    table: Table,
    faults: Faults,
    dice: Dice,
    capture: Recorder,
    ports: Vec<mpsc::Sender<Frame>>,
    /// What is at each of the ports.
    cables: Vec<Cable>,
    heard: Heard,
}

impl Switch {
    /// A switch without ports.
    pub(crate) fn new(faults: Faults, capture: Recorder) -> Self {
        let dice = Dice::new(faults.seed);
        let (ports, cables) = (Vec::new(), Vec::new());
        let (table, heard) = (Table::default(), Heard::new());
        let state = State { table, faults, dice, capture, ports, cables, heard };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A switch for hosts alone, whose frames nobody records.
    #[must_use]
    pub fn of_hosts(faults: Faults) -> Self {
        Self::new(faults, Recorder::off())
    }

    /// From now on, this goes wrong.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.state();
        state.dice = Dice::new(faults.seed);
        state.faults = faults;
    }

    /// Connects the cable to a host. Must be called inside a tokio runtime.
    pub fn connect_packet(&self, socket: PacketSocket) {
        self.connect_host(socket, Cable::Trunk);
    }

    /// Connects the cable to a host that is in this VLAN, of which it knows nothing.
    pub(crate) fn connect_to_vlan(&self, socket: PacketSocket, vlan: u16) {
        self.connect_host(socket, Cable::Access(vlan));
    }

    fn connect_host(&self, socket: PacketSocket, cable: Cable) {
        let socket = Arc::new(socket);
        let (port, mut queue) = self.add_port(cable);
        let writer = socket.clone();
        tokio::spawn(async move {
            while let Some(frame) = queue.recv().await {
                if let Err(error) = writer.send(&frame).await {
                    tracing::warn!(%error, "a frame to the host was lost");
                }
            }
        });
        let switch = self.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; LONGEST_FRAME];
            loop {
                match socket.receive(&mut buffer).await {
                    Ok(length) => switch.take(port, &buffer[..length]),
                    Err(error) => {
                        break tracing::error!(%error, "the packet socket broke; the host is cut off");
                    }
                }
            }
        });
    }

    /// Connects a machine's cable; its card's ROM may have to look like another.
    pub(crate) fn connect_machine(&self, socket: UnixPort, rom: Option<PlainRom>) {
        self.connect_card(socket, rom, Cable::Trunk);
    }

    /// Connects the cable of a machine's further card: one link with those of the same number, once LACP is heard.
    pub(crate) fn connect_bundled(&self, socket: UnixPort, bundle: u16) {
        self.connect_card(socket, None, Cable::Bundled(bundle));
    }

    fn connect_card(&self, socket: UnixPort, rom: Option<PlainRom>, cable: Cable) {
        let (receiver, mut sender) = socket.split();
        let (port, mut queue) = self.add_port(cable);
        tokio::spawn(async move {
            while let Some(frame) = queue.recv().await {
                sender.send(&frame).await;
            }
        });
        let switch = self.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; LONGEST_FRAME];
            loop {
                match receiver.recv(&mut buffer).await {
                    Ok(length) => {
                        let frame = &mut buffer[..length];
                        if let Some(rom) = &rom {
                            rom.disguise(frame);
                        }
                        switch.take(port, frame);
                    }
                    Err(error) => break tracing::error!(%error, "a machine's port broke; it is cut off"),
                }
            }
        });
    }

    /// Connects the cable of a machine that sends its frames by UDP.
    pub(crate) fn connect_by_udp(&self, socket: UdpPort) {
        let socket = Arc::new(socket);
        let (port, mut queue) = self.add_port(Cable::Trunk);
        let sender = socket.clone();
        tokio::spawn(async move {
            while let Some(frame) = queue.recv().await {
                sender.send(&frame).await;
            }
        });
        let switch = self.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; LONGEST_FRAME];
            loop {
                let length = socket.receive(&mut buffer).await;
                switch.take(port, &buffer[..length]);
            }
        });
    }

    fn add_port(&self, cable: Cable) -> (PortId, mpsc::Receiver<Frame>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut state = self.state();
        state.ports.push(sender);
        state.cables.push(cable);
        (PortId(state.ports.len() - 1), receiver)
    }

    /// A frame came in at a port.
    fn take(&self, from: PortId, bytes: &[u8]) {
        let mut state = self.state();
        let State { table, faults, dice, capture, ports, cables, heard } = &mut *state;
        capture.record(bytes);
        if let Cable::Bundled(bundle) = cables[from.0]
            && lacp::is_slow(bytes)
        {
            // Counted from 0, and there are a few hundred at the most.
            let number = from.0 as u16;
            if let Some(answer) = lacp::answer(bytes, bundle, number) {
                heard.insert(bundle, from);
                deliver(ports[from.0].clone(), answer.into(), Duration::ZERO);
            }
            return;
        }
        let Some(carried) = cables[from.0].enter(bytes) else { return };
        let to = cable::targets(cables, heard, from, &table.route(from, &carried));
        let out: Vec<(_, Frame)> = to
            .into_iter()
            .filter_map(|port| Some((ports[port.0].clone(), cables[port.0].leave(&carried)?.into())))
            .collect();
        let fate = faults.fate(dice);
        drop(state);
        for (port, frame) in out {
            for _ in 0..fate.copies {
                deliver(port.clone(), frame.clone(), fate.delay);
            }
        }
    }
}

/// Queues a frame, now or later. A full queue loses it.
fn deliver(port: mpsc::Sender<Frame>, frame: Frame, delay: Duration) {
    if delay.is_zero() {
        let _lost_when_full = port.try_send(frame);
        return;
    }
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let _lost_when_full = port.try_send(frame);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use tokio::net::UnixDatagram;

    /// A machine's end of a cable, used as QEMU does: not connected, for a connected socket takes datagrams from nobody
    /// but its peer.
    struct Nic {
        socket: UnixDatagram,
        port: PathBuf,
    }

    impl Nic {
        fn plug_in(dir: &std::path::Path, name: &str) -> Self {
            let socket = UnixDatagram::bind(dir.join(name).with_extension("nic")).unwrap();
            Self { socket, port: dir.join(name).with_extension("port") }
        }

        fn frame(to: u8, from: u8, content: &[u8]) -> Vec<u8> {
            [&[0x52, 0, 0, 0, 0, to, 0x52, 0, 0, 0, 0, from, 8, 0], content].concat()
        }

        async fn send(&self, to: u8, from: u8, content: &[u8]) {
            self.socket.send_to(&Self::frame(to, from, content), &self.port).await.unwrap();
        }

        /// What is in the next frame.
        async fn receive(&self) -> Vec<u8> {
            let mut buffer = [0; 64];
            let length = self.socket.recv(&mut buffer).await.unwrap();
            buffer[14..length].to_vec()
        }
    }

    /// Two machines, 1 and 2, on one switch.
    fn two_machines(dir: &std::path::Path, faults: Faults) -> (Switch, [Nic; 2]) {
        let switch = Switch::new(faults, Recorder::off());
        let machines = ["a", "b"].map(|name| {
            let path = dir.join(name);
            switch.connect_machine(
                UnixPort::bind(&path.with_extension("port"), &path.with_extension("nic")).unwrap(),
                None,
            );
            Nic::plug_in(dir, name)
        });
        (switch, machines)
    }

    #[tokio::test]
    async fn frames_go_through_and_a_burst_is_queued() {
        let dir = tempfile::tempdir().unwrap();
        let (_switch, [a, b]) = two_machines(dir.path(), Faults::default());
        // More than the ten datagrams that the kernel queues for a Unix socket. The receiver reads none of them yet.
        for number in 0..200 {
            while let Err(error) = a.socket.try_send_to(&Nic::frame(2, 1, &[number]), &a.port) {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                tokio::task::yield_now().await;
            }
        }
        for number in 0..200 {
            assert_eq!(b.receive().await, [number]);
        }
    }

    #[tokio::test]
    async fn a_machine_that_comes_back_is_reached_again() {
        let dir = tempfile::tempdir().unwrap();
        let (_switch, [a, b]) = two_machines(dir.path(), Faults::default());
        a.send(2, 1, b"one").await;
        assert_eq!(b.receive().await, b"one");
        drop(b);
        a.send(2, 1, b"lost").await;
        std::fs::remove_file(dir.path().join("b.nic")).unwrap();
        let b = Nic::plug_in(dir.path(), "b");
        b.send(1, 2, b"here").await;
        assert_eq!(a.receive().await, b"here");
        a.send(2, 1, b"two").await;
        let first = b.receive().await;
        // The switch may have been slow enough for the earlier frame to reach the new socket.
        let first = if first == b"lost" { b.receive().await } else { first };
        assert_eq!(first, b"two");
    }

    #[tokio::test]
    async fn faults_can_be_switched_on_and_off() {
        let dir = tempfile::tempdir().unwrap();
        let (switch, [a, b]) = two_machines(dir.path(), Faults { drop: 1.0, ..Faults::default() });
        a.send(2, 1, b"lost").await;
        // Learning and losing happen under one lock: once the sender is known, its frame is lost.
        while switch.state().table.len() == 0 {
            tokio::task::yield_now().await;
        }
        switch.set_faults(Faults { duplicate: 1.0, delay_ms: 1, ..Faults::default() });
        a.send(2, 1, b"twice").await;
        assert_eq!([b.receive().await, b.receive().await], [b"twice", b"twice"]);
    }
}
