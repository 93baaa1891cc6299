//! The simulated BMC's channels and its own network settings (22.22 to 22.24, 23.1, 23.2).
//!
//! Settings are kept and shown and change nothing: where it listens is decided by who runs it.
//! Deliberately not here: alerting.

use super::group::{Done, Request, answer, lock, refuse};
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::channel::{self, AccessSettings, PRESENT, SetChannelAccess};
use bmc_proto::ipmi::command::lan::{self, parameter};
use bmc_proto::ipmi::handshake::privilege;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;

/// Revision of the parameters (23.2).
const REVISION: u8 = 0x11;
/// Entries of each table of IPv6 addresses.
const IPV6_ENTRIES: u8 = 2;
/// Always available, no alerts, no IPMI 1.5 ways around authentication.
const OPEN: AccessSettings = AccessSettings { mode: 0x22, limit: privilege::ADMINISTRATOR };

/// How a simulated BMC is on the network, as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanIdentity {
    /// The number of its LAN channel, 1 to 11.
    pub channel: u8,
    /// Where its address comes from, see table 23-4.
    pub source: u8,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its netmask.
    pub netmask: Ipv4Addr,
    /// Its gateway.
    pub gateway: Ipv4Addr,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Its VLAN.
    pub vlan: Option<u16>,
    /// Its IPv6 address, with the length of its prefix.
    pub ipv6: Option<(Ipv6Addr, u8)>,
    /// It does not know that channel 0xE is the one that is being used.
    pub present_unknown: bool,
}

impl Default for LanIdentity {
    fn default() -> Self {
        Self {
            channel: 1,
            source: 1,
            address: Ipv4Addr::LOCALHOST,
            netmask: Ipv4Addr::new(255, 0, 0, 0),
            gateway: Ipv4Addr::UNSPECIFIED,
            mac: [0x02, 0, 0, 0, 0, 1],
            vlan: None,
            ipv6: None,
            present_unknown: false,
        }
    }
}

/// The settings.
pub(super) struct Lan {
    identity: Mutex<LanIdentity>,
    /// Numbers of the suites that it offers.
    suites: Vec<u8>,
    state: Mutex<State>,
}

struct State {
    /// Parameters that were written.
    written: BTreeMap<u8, Vec<u8>>,
    /// Whether somebody is setting parameters.
    busy: bool,
    volatile: AccessSettings,
    lasting: AccessSettings,
}

impl Lan {
    pub(super) fn new(identity: LanIdentity, suites: Vec<u8>) -> Self {
        let state = State { written: BTreeMap::new(), busy: false, volatile: OPEN, lasting: OPEN };
        Self { identity: Mutex::new(identity), suites, state: Mutex::new(state) }
    }

    /// Makes it another; what was written is forgotten.
    pub(super) fn replace(&self, identity: LanIdentity) {
        *lock(&self.identity) = identity;
        lock(&self.state).written.clear();
    }

    /// Whether a request's channel is the LAN.
    pub(super) fn is_here(&self, channel: u8) -> bool {
        let identity = lock(&self.identity);
        channel == identity.channel || (channel == PRESENT && !identity.present_unknown)
    }

    /// Commands about channels, under the application network function.
    pub(super) fn channel(&self, request: &Request<'_>) -> Option<Done> {
        Some(match request.command {
            channel::GET_INFO_COMMAND => self.info(request.body),
            channel::GET_ACCESS_COMMAND => self.access(request.body),
            SetChannelAccess::COMMAND => self.set_access(request.body),
            _ => return None,
        })
    }

    /// Commands under the transport network function.
    pub(super) fn transport(&self, request: &Request<'_>) -> Option<Done> {
        Some(match request.command {
            lan::GET_COMMAND => self.parameter(request.body),
            lan::SET_COMMAND => self.set_parameter(request.body),
            _ => return None,
        })
    }

    fn info(&self, body: &[u8]) -> Done {
        let &[channel] = body else { return refuse(Answer::INVALID_LENGTH) };
        match channel & 0x0F {
            // IPMB, and the system interface (KCS): no sessions.
            0x00 => answer([0x00, 0x01, 0x01, 0x00, 0xF2, 0x1B, 0x00, 0, 0]),
            0x0F => answer([0x0F, 0x0C, 0x05, 0x00, 0xF2, 0x1B, 0x00, 0xFF, 0xFF]),
            channel if self.is_here(channel) => {
                // The session that asks is one.
                answer(channel::lan_info(lock(&self.identity).channel, 1))
            }
            _ => refuse(Answer::INVALID_FIELD),
        }
    }

    fn access(&self, body: &[u8]) -> Done {
        let &[channel, which] = body else { return refuse(Answer::INVALID_LENGTH) };
        if !self.is_here(channel & 0x0F) {
            return refuse(channel::NOT_SUPPORTED);
        }
        let state = lock(&self.state);
        match which >> 6 {
            1 => answer(state.lasting.encode()),
            2 => answer(state.volatile.encode()),
            _ => refuse(Answer::INVALID_FIELD),
        }
    }

    fn set_access(&self, body: &[u8]) -> Done {
        if body.len() != 3 {
            return refuse(Answer::INVALID_LENGTH);
        }
        let Some(set) = SetChannelAccess::decode(body) else { return refuse(Answer::INVALID_FIELD) };
        if !self.is_here(set.channel) {
            return refuse(channel::NOT_SUPPORTED);
        }
        let mut state = lock(&self.state);
        if let Some((mode, volatile)) = set.mode {
            state.access(volatile).mode = mode;
        }
        if let Some((limit, volatile)) = set.limit {
            state.access(volatile).limit = limit;
        }
        answer([])
    }

    fn parameter(&self, body: &[u8]) -> Done {
        let &[channel, number, set, _block] = body else { return refuse(Answer::INVALID_LENGTH) };
        if !self.is_here(channel & 0x0F) {
            return refuse(Answer::INVALID_FIELD);
        }
        // Whoever lists the tables counts up until it is refused.
        if matches!(number, parameter::IPV6_STATIC | parameter::IPV6_DYNAMIC) && set >= IPV6_ENTRIES {
            return refuse(Answer::OUT_OF_RANGE);
        }
        let Some(born) = self.born(number, set) else { return refuse(lan::PARAMETER_UNSUPPORTED) };
        if channel & 0x80 != 0 {
            return answer([REVISION]);
        }
        let state = lock(&self.state);
        let data = match number {
            parameter::SET_IN_PROGRESS => vec![u8::from(state.busy)],
            _ => state.written.get(&number).cloned().unwrap_or(born),
        };
        answer([&[REVISION][..], &data].concat())
    }

    fn set_parameter(&self, body: &[u8]) -> Done {
        let (&[channel, number], data) = match body.split_first_chunk() {
            Some(split) => split,
            None => return refuse(Answer::INVALID_LENGTH),
        };
        if !self.is_here(channel & 0x0F) {
            return refuse(Answer::INVALID_FIELD);
        }
        let Some(born) = self.born(number, 0) else { return refuse(lan::PARAMETER_UNSUPPORTED) };
        let mut state = lock(&self.state);
        match number {
            parameter::SET_IN_PROGRESS => return state.set_in_progress(data),
            parameter::AUTHENTICATION_SUPPORT
            | parameter::CIPHER_SUITE_COUNT
            | parameter::CIPHER_SUITES
            | parameter::IPV6_SUPPORT
            | parameter::IPV6_STATUS
            | parameter::IPV6_STATIC
            | parameter::IPV6_DYNAMIC => return refuse(lan::READ_ONLY),
            _ => {}
        }
        if data.len() != born.len() {
            return refuse(Answer::INVALID_LENGTH);
        }
        state.written.insert(number, data.to_vec());
        answer([])
    }

    /// What a parameter is before it is written. `None`: there is no such parameter.
    fn born(&self, number: u8, set: u8) -> Option<Vec<u8>> {
        let identity = lock(&self.identity);
        Some(match number {
            parameter::SET_IN_PROGRESS | parameter::AUTHENTICATION_SUPPORT | parameter::VLAN_PRIORITY => {
                vec![0]
            }
            parameter::AUTHENTICATION_ENABLES => vec![0; 5],
            parameter::ADDRESS => identity.address.octets().to_vec(),
            parameter::ADDRESS_SOURCE => vec![identity.source],
            parameter::MAC => identity.mac.to_vec(),
            parameter::NETMASK => identity.netmask.octets().to_vec(),
            // Time to live 64, don't fragment, minimum delay.
            7 => vec![0x40, 0x40, 0x10],
            // Answers ARP; gratuitous ARP each 2 s.
            10 => vec![0x02],
            11 => vec![0x03],
            parameter::GATEWAY => identity.gateway.octets().to_vec(),
            // MAC of the gateway; backup gateway.
            13 | 15 => vec![0; 6],
            14 => vec![0; 4],
            // Community string.
            16 => b"public\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
            parameter::VLAN => lan::vlan_bytes(identity.vlan).to_vec(),
            parameter::CIPHER_SUITE_COUNT => vec![u8::try_from(self.suites.len()).unwrap_or(16)],
            parameter::CIPHER_SUITES => {
                let mut suites = vec![0; 17];
                for (to, from) in suites[1..].iter_mut().zip(&self.suites) {
                    *to = *from;
                }
                suites
            }
            parameter::CIPHER_SUITE_PRIVILEGES => {
                lan::suite_privileges(&vec![privilege::ADMINISTRATOR; self.suites.len()]).to_vec()
            }
            // Both at once.
            parameter::IPV6_SUPPORT => vec![0x02],
            parameter::IPV6_ENABLES => vec![if identity.ipv6.is_some() { 2 } else { 0 }],
            // No SLAAC and no DHCPv6.
            parameter::IPV6_STATUS => vec![IPV6_ENTRIES, IPV6_ENTRIES, 0],
            parameter::IPV6_STATIC => ipv6_static(identity.ipv6.filter(|_| set == 0), set),
            parameter::IPV6_DYNAMIC => ipv6_static(None, set),
            _ => return None,
        })
    }
}

impl State {
    fn access(&mut self, volatile: bool) -> &mut AccessSettings {
        if volatile { &mut self.volatile } else { &mut self.lasting }
    }

    fn set_in_progress(&mut self, data: &[u8]) -> Done {
        match data {
            [1] if self.busy => refuse(lan::SET_IN_PROGRESS),
            [wanted @ 0..=2] => {
                self.busy = *wanted == 1;
                answer([])
            }
            [_] => refuse(Answer::INVALID_FIELD),
            _ => refuse(Answer::INVALID_LENGTH),
        }
    }
}

/// An entry of the tables of IPv6 addresses: number, enabled and static, address, prefix, active.
fn ipv6_static(address: Option<(Ipv6Addr, u8)>, set: u8) -> Vec<u8> {
    let (ip, prefix) = address.unwrap_or((Ipv6Addr::UNSPECIFIED, 0));
    // Status: active, or disabled.
    let (enabled, status) = if address.is_some() { (0x80, 0) } else { (0, 1) };
    [&[set, enabled][..], &ip.octets(), &[prefix, status]].concat()
}
