//! The boot server over real sockets: loopback, and a veth pair in a namespace of its own.

mod dhcp;
mod http;
mod memory;
mod support;
mod tftp;
