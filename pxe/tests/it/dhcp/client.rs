//! Clients: busybox's udhcpc, and frames by hand on a packet socket.

use crate::support::PATIENCE;
use pxe_proto::frame::udp_packet;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::Command;

pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs udhcpc until it has a lease; what its script was told.
pub(super) async fn udhcpc(arguments: &[&str]) -> HashMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let (script, told) = (folder.path().join("script"), folder.path().join("told"));
    write_script(&script, &told);
    let run = tokio::process::Command::new("busybox")
        .args(["udhcpc", "-f", "-q", "-n", "-t", "5", "-T", "2", "-i", "v1", "-s"])
        .arg(&script)
        .args(arguments)
        .output();
    let output = tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    let told = std::fs::read_to_string(&told).unwrap_or_else(|error| panic!("{error}: {log}"));
    told.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// A script that keeps its environment when the lease is there.
fn write_script(script: &Path, told: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let text = format!("#!/bin/sh\nif [ \"$1\" = bound ]; then env > {}; fi\n", told.display());
    std::fs::write(script, text).unwrap();
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Value of option 53.
    pub(super) kind: u8,
    pub(super) address: Ipv4Addr,
}

/// A client by hand.
pub(super) struct Client {
    interface: String,
    pub(super) mac: [u8; 6],
    pub(super) vendor_class: Option<&'static [u8]>,
    replies: tokio::net::UdpSocket,
    frames: Socket,
}

impl Client {
    /// A client on an interface, whatever the interface's own address.
    pub(super) fn open(interface: &str, mac: [u8; 6]) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_broadcast(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.bind_device(Some(interface.as_bytes())).unwrap();
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68).into()).unwrap();
        let frames = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW))).unwrap();
        frames.set_header_included_v4(true).unwrap();
        frames.set_broadcast(true).unwrap();
        frames.bind_device(Some(interface.as_bytes())).unwrap();
        Client {
            interface: interface.to_owned(),
            mac,
            vendor_class: None,
            replies: tokio::net::UdpSocket::from_std(socket.into()).unwrap(),
            frames,
        }
    }

    /// A message of a type that wants its answer broadcast; options may follow.
    pub(super) fn message(&self, kind: u8) -> Vec<u8> {
        let mut message = vec![0; 240];
        message[..3].copy_from_slice(&[1, 1, 6]);
        message[10] = 0x80;
        message[28..34].copy_from_slice(&self.mac);
        message[236..].copy_from_slice(&[99, 130, 83, 99]);
        message.extend_from_slice(&[53, 1, kind]);
        if let Some(class) = self.vendor_class {
            message.extend_from_slice(&[60, class.len() as u8]);
            message.extend_from_slice(class);
            message.extend_from_slice(&[93, 2, 0, 0]);
        }
        message
    }

    /// Broadcasts a datagram as a client without an address does.
    pub(super) fn send(&self, datagram: &[u8]) {
        self.send_from(Ipv4Addr::UNSPECIFIED, 68, 67, datagram);
    }

    /// Broadcasts a datagram to a port.
    pub(super) fn send_from(&self, from: Ipv4Addr, source: u16, port: u16, datagram: &[u8]) {
        let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, port);
        let mut packet = udp_packet(SocketAddrV4::new(from, source), to, datagram).unwrap();
        // The kernel fills in a source that is unspecified: no checksum then fits.
        packet[26..28].fill(0);
        self.frames
            .send_to(&packet, &to.into())
            .unwrap_or_else(|error| panic!("{}: {error}", self.interface));
    }

    /// The next answer.
    pub(super) async fn receive(&mut self) -> Reply {
        let mut buffer = [0; 1500];
        loop {
            let length = self.replies.recv(&mut buffer).await.unwrap();
            let message = &buffer[..length];
            if message.len() < 243 || message[28..34] != self.mac {
                continue;
            }
            let at = message[240..].windows(2).position(|two| two == [53, 1]).unwrap();
            let octets: [u8; 4] = message[16..20].try_into().unwrap();
            return Reply { kind: message[240 + at + 2], address: Ipv4Addr::from(octets) };
        }
    }

    /// Asks for an address until one is offered.
    pub(super) async fn discover(&mut self) -> Reply {
        self.send(&self.message(1));
        let reply = tokio::time::timeout(PATIENCE, self.receive()).await.expect("no offer");
        assert_eq!(reply.kind, 2, "{reply:?}");
        reply
    }

    /// Takes an offer.
    pub(super) fn request(&self, address: Ipv4Addr, server: Ipv4Addr) {
        let mut message = self.message(3);
        message.extend_from_slice(&[50, 4]);
        message.extend_from_slice(&address.octets());
        message.extend_from_slice(&[54, 4]);
        message.extend_from_slice(&server.octets());
        self.send(&message);
    }
}
