//! What IPMI tells everybody: how one may log in (22.13), which cipher suites there are (22.15), and whether a session
//! without any authentication would be opened (suite 0: CVE-2013-4782 for Supermicro, 4783 for Dell, 4784 for HP).
//!
//! Suite 0 is asked for in an Open Session Request and given back at once: nobody logs in, nothing is done with it.

use super::{Finding, Rule};
use crate::ipmi::command::{CipherSuiteList, GetChannelCipherSuites};
use crate::ipmi::handshake::{OpenSessionRequest, OpenSessionResponse, Rakp3, Status, privilege};
use crate::ipmi::message::LanMessage;
use crate::ipmi::packet::{self, Packet, payload};
use crate::ipmi::{IpmiCommand, Message};
pub use ipmi_rs_core::app::auth::ChannelAuthenticationCapabilities as Capabilities;
use ipmi_rs_core::app::auth::{GetChannelAuthenticationCapabilities, PrivilegeLevel};
use ipmi_rs_core::connection::Channel;

/// Tag of the Open Session Request.
const TAG: u8 = 0x51;
/// No authentication, no integrity, no encryption.
const NOTHING: [u8; 3] = [0, 0, 0];
/// Parts of the list of suites that are asked for; the standard's twenty suites are seven.
const PARTS: u8 = 16;
/// Suites that are safe, or at least (3) in need of no attack to be known.
const FINE: [u8; 2] = [3, 17];

/// What IPMI told.
#[derive(Debug, Clone, Default)]
pub struct IpmiFacts {
    /// How one may log in; `None`: it doesn't tell.
    pub capabilities: Option<Capabilities>,
    /// The numbers of the suites that it says it offers, ascending; `None`: it doesn't tell.
    pub suites: Option<Vec<u8>>,
    /// Whether it would open a session without authentication; `None`: it did not answer to that.
    pub suite_zero: Option<bool>,
}

impl IpmiFacts {
    /// Whether anything answered.
    pub fn is_there(&self) -> bool {
        self.capabilities.is_some() || self.suites.is_some() || self.suite_zero.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Capabilities,
    Suites(u8),
    SuiteZero,
    Over,
}

/// The questions, one after the other.
#[derive(Debug)]
pub struct IpmiProbe {
    step: Step,
    console_id: u32,
    suites: CipherSuiteList,
    facts: IpmiFacts,
    /// The session that was granted without authentication.
    granted: Option<u32>,
}

impl IpmiProbe {
    /// `console_id`: a random one.
    pub fn new(console_id: u32) -> Self {
        Self {
            step: Step::Capabilities,
            console_id: console_id.max(1),
            suites: CipherSuiteList::default(),
            facts: IpmiFacts::default(),
            granted: None,
        }
    }

    /// What is to be sent, and sent again until something answers it. `None`: all is asked.
    pub fn datagram(&self) -> Option<Vec<u8>> {
        Some(match self.step {
            Step::Capabilities => packet::plain_v15(&self.request().encode()),
            Step::Suites(_) => packet::plain(payload::IPMI, &self.request().encode()),
            Step::SuiteZero => {
                let request = OpenSessionRequest {
                    tag: TAG,
                    max_privilege: privilege::ADMINISTRATOR,
                    console_id: self.console_id,
                    algorithms: NOTHING,
                };
                packet::plain(payload::OPEN_SESSION_REQUEST, &request.encode())
            }
            Step::Over => return None,
        })
    }

    /// The command of a step that asks one.
    fn request(&self) -> LanMessage {
        match self.step {
            Step::Suites(part) => LanMessage::request(part + 1, &GetChannelCipherSuites { part }.into()),
            _ => LanMessage::request(0, &Message::from(capabilities_command())),
        }
    }

    /// Takes in what came; whether it answers what was asked.
    pub fn handle(&mut self, datagram: &[u8]) -> bool {
        let Some(packet) = packet::parse(datagram) else { return false };
        match self.step {
            Step::Over => false,
            Step::SuiteZero => self.opened(&packet),
            Step::Capabilities | Step::Suites(_) => self.told(&packet),
        }
    }

    fn told(&mut self, packet: &Packet<'_>) -> bool {
        let bytes = match packet {
            Packet::V15 { payload } => payload,
            Packet::Plus(plus) if plus.payload_type == payload::IPMI && plus.session_id == 0 => plus.payload,
            Packet::Plus(_) => return false,
        };
        let request = self.request();
        let Some(message) = LanMessage::decode(bytes).filter(|message| message.answers(&request)) else {
            return false;
        };
        let Some((&completion, data)) = message.body.split_first() else { return false };
        match self.step {
            Step::Suites(_) => {
                let part = (completion == 0).then(|| GetChannelCipherSuites::parse_success_response(data));
                match part {
                    Some(Ok(part)) => self.suites.add(&part),
                    _ => self.suites.end(),
                }
            }
            _ if completion == 0 => {
                self.facts.capabilities =
                    GetChannelAuthenticationCapabilities::parse_success_response(data).ok();
            }
            _ => {}
        }
        self.next();
        true
    }

    fn opened(&mut self, packet: &Packet<'_>) -> bool {
        let Packet::Plus(plus) = packet else { return false };
        if plus.payload_type != payload::OPEN_SESSION_RESPONSE {
            return false;
        }
        let Some(response) = OpenSessionResponse::decode(plus.payload) else { return false };
        if response.tag != TAG || response.console_id.is_some_and(|id| id != self.console_id && id != 0) {
            return false;
        }
        self.facts.suite_zero = Some(match response.outcome {
            // Some grant what they like better: that is no hole.
            Ok(grant) => {
                self.granted = Some(grant.system_id);
                grant.algorithms == NOTHING
            }
            Err(_) => false,
        });
        self.next();
        true
    }

    /// Nobody answers to this: on to the next.
    pub fn give_up(&mut self) {
        if matches!(self.step, Step::Suites(_)) {
            self.suites.end();
        }
        self.next();
    }

    fn next(&mut self) {
        self.step = match self.step {
            Step::Capabilities => Step::Suites(0),
            Step::Suites(part) if !self.suites.is_whole() && part + 1 < PARTS => Step::Suites(part + 1),
            Step::Suites(_) => {
                self.facts.suites = self.suites.suites();
                Step::SuiteZero
            }
            Step::SuiteZero | Step::Over => Step::Over,
        };
    }

    /// Gives the session back that was granted, if one was: RAKP 3 with an error ends it (13.22).
    pub fn farewell(&self) -> Option<Vec<u8>> {
        let rakp3 = Rakp3 { tag: TAG, system_id: self.granted?, outcome: Err(Status::NO_RESOURCES) };
        Some(packet::plain(payload::RAKP3, &rakp3.encode()))
    }

    /// What was told.
    pub fn into_facts(self) -> IpmiFacts {
        self.facts
    }
}

fn capabilities_command() -> GetChannelAuthenticationCapabilities {
    GetChannelAuthenticationCapabilities::new(Channel::Current, PrivilegeLevel::Administrator)
}

/// What is weak about it. `redfish`: whether Redfish is there, too.
pub fn of_ipmi(facts: &IpmiFacts, redfish: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.suite_zero == Some(true) {
        let what = "IPMI opens a session with cipher suite 0: with any user's name and no password";
        findings.push(Finding::new(Rule::CipherZero, what));
    }
    if let Some(capabilities) = &facts.capabilities {
        of_capabilities(capabilities, &mut findings);
    }
    let suites = facts.suites.as_deref().unwrap_or_default();
    // Whether 0 is more than a word was tried.
    let tried = facts.suite_zero.is_some();
    let weak = suites.iter().filter(|suite| !FINE.contains(suite) && (**suite != 0 || !tried));
    let weak: Vec<String> = weak.map(ToString::to_string).collect();
    if !weak.is_empty() {
        let what = format!(
            "IPMI offers cipher suites without encryption, without integrity or with MD5 or RC4: {}",
            weak.join(", ")
        );
        findings.push(Finding::new(Rule::IpmiWeakSuites, what));
    }
    if !suites.is_empty() && !suites.contains(&17) {
        findings.push(Finding::new(Rule::IpmiSuite3, "IPMI has no cipher suite 17 (SHA-256)"));
    }
    if facts.is_there() {
        let hash = "whoever asks it for a user gets a hash of the password, from which short ones are found (CVE-2013-4786)";
        findings.push(match redfish {
            true => {
                Finding::new(Rule::IpmiBesideRedfish, format!("IPMI over LAN is on beside Redfish: {hash}"))
            }
            false => Finding::new(Rule::IpmiHash, format!("IPMI over LAN is on: {hash}")),
        });
    }
    findings
}

fn of_capabilities(capabilities: &Capabilities, findings: &mut Vec<Finding>) {
    if capabilities.anonymous_login_enabled {
        findings.push(Finding::new(Rule::IpmiAnonymous, "IPMI lets in who gives neither name nor password"));
    }
    let old = capabilities.ipmi15_connections_supported;
    if old && capabilities.none {
        findings.push(Finding::new(
            Rule::IpmiNoPassword,
            "IPMI 1.5 sessions need no password (authentication type none)",
        ));
    }
    if old {
        let ways = [
            (capabilities.none, "none"),
            (capabilities.key, "straight password"),
            (capabilities.md2, "MD2"),
            (capabilities.md5, "MD5"),
        ];
        let ways: Vec<&str> = ways.iter().filter(|(on, _)| *on).map(|(_, way)| *way).collect();
        let ways = if ways.is_empty() { "not told".to_owned() } else { ways.join(", ") };
        let mut what =
            format!("IPMI 1.5 sessions are taken, which have no encryption; authentication: {ways}");
        if !capabilities.per_message_authentication_enabled {
            what.push_str("; messages inside a session need none");
        }
        findings.push(Finding::new(Rule::IpmiOld, what));
    }
    if capabilities.null_usernames_enabled {
        findings.push(Finding::new(
            Rule::IpmiNullUser,
            "IPMI has users without a name: a password alone lets in",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipmi::handshake::Grant;
    use proptest::prelude::*;

    const CONSOLE: u32 = 0x0102_0304;

    /// A BMC's answer to the probe's question.
    fn answered(probe: &IpmiProbe, completion: u8, data: &[u8]) -> Vec<u8> {
        packet::plain_v15(&probe.request().response(completion, data).encode())
    }

    fn opening(outcome: Result<Grant, Status>, console_id: u32) -> Vec<u8> {
        let response = OpenSessionResponse { tag: TAG, console_id: Some(console_id), outcome };
        packet::plain(payload::OPEN_SESSION_RESPONSE, &response.encode())
    }

    fn grant(algorithms: [u8; 3]) -> Result<Grant, Status> {
        Ok(Grant { max_privilege: 4, system_id: 77, algorithms })
    }

    fn ids(facts: &IpmiFacts, redfish: bool) -> Vec<&'static str> {
        of_ipmi(facts, redfish).iter().map(|finding| finding.rule.id()).collect()
    }

    #[test]
    fn the_questions_are_these() {
        let mut probe = IpmiProbe::new(CONSOLE);
        // As `ipmitool -I lanplus -vv` sends them.
        assert_eq!(hex::encode(probe.datagram().unwrap()), "0600ff07000000000000000000092018c88100388e04b5");
        assert!(probe.handle(&answered(&probe, 0, &[1, 0x80, 0x06, 0x02, 0, 0, 0, 0])));
        let suites = probe.datagram().unwrap();
        assert!(hex::encode(&suites).starts_with("0600ff07060000000000000000000a00"), "{suites:02x?}");
        probe.give_up();
        let zero = probe.datagram().unwrap();
        let expected = "0600ff07061000000000000000002000510400000403020100000008000000000100000800000000020000080000\
                        0000";
        assert_eq!(hex::encode(zero), expected);
    }

    #[test]
    fn a_bmc_that_is_open_to_all() {
        let mut probe = IpmiProbe::new(CONSOLE);
        assert_eq!(probe.farewell(), None);
        assert!(probe.handle(&answered(&probe, 0, &[1, 0x97, 0x13, 0x03, 0, 0, 0, 0])));
        assert!(probe.handle(&answered(&probe, 0, &[1, 0xC0, 0, 0, 0x40, 0x80, 0xC0, 2, 1, 0x41, 0x80])));
        assert!(probe.handle(&opening(grant(NOTHING), CONSOLE)));
        assert_eq!(probe.datagram(), None);
        assert_eq!(
            hex::encode(probe.farewell().unwrap()),
            "0600ff070614000000000000000008005101 00004d000000".replace(' ', "")
        );
        let facts = probe.into_facts();
        let expected = [
            "cipher-0",
            "ipmi-anonymous",
            "ipmi-no-password",
            "ipmi-1.5",
            "ipmi-null-user",
            "ipmi-weak-suites",
            "ipmi-suite-3",
        ];
        assert_eq!(ids(&facts, false), [&expected[..], &["ipmi-hash"]].concat());
        assert_eq!(ids(&facts, true), [&expected[..], &["ipmi-beside-redfish"]].concat());
        let weak = of_ipmi(&facts, true);
        assert!(
            weak[3].what.ends_with("none, straight password, MD2, MD5; messages inside a session need none"),
            "{weak:?}"
        );
        assert!(weak[5].what.ends_with(": 2"), "0 is told of once: {weak:?}");
    }

    #[test]
    fn a_bmc_that_is_closed() {
        let mut probe = IpmiProbe::new(CONSOLE);
        assert!(probe.handle(&answered(&probe, 0, &[1, 0x80, 0x04, 0x02, 0, 0, 0, 0])));
        assert!(probe.handle(&answered(&probe, 0, &[1, 0xC0, 17, 3, 0x44, 0x81])));
        assert!(probe.handle(&opening(Err(Status::NO_CIPHER_SUITE), CONSOLE)));
        assert_eq!(probe.farewell(), None);
        let facts = probe.into_facts();
        assert_eq!((facts.suite_zero, facts.suites.as_deref()), (Some(false), Some(&[17][..])));
        assert_eq!(ids(&facts, false), ["ipmi-hash"]);
    }

    #[test]
    fn what_is_granted_instead_is_no_hole_and_given_back() {
        let mut probe = IpmiProbe::new(CONSOLE);
        probe.give_up();
        probe.give_up();
        assert!(!probe.handle(&opening(grant(NOTHING), 5)), "somebody else's");
        assert!(probe.handle(&opening(grant([3, 4, 1]), CONSOLE)));
        assert!(probe.farewell().is_some());
        assert_eq!(probe.into_facts().suite_zero, Some(false));
    }

    #[test]
    fn nobody_is_there() {
        let mut probe = IpmiProbe::new(0);
        let mut asked = 0;
        while probe.datagram().is_some() {
            probe.give_up();
            asked += 1;
        }
        assert_eq!(asked, 3);
        let facts = probe.into_facts();
        assert!(!facts.is_there() && of_ipmi(&facts, true).is_empty());
    }

    #[test]
    fn an_endless_list_ends() {
        let mut probe = IpmiProbe::new(CONSOLE);
        probe.give_up();
        let mut asked = 0;
        while matches!(probe.step, Step::Suites(_)) {
            let part = [&[1][..], &[0xC0; 16]].concat();
            assert!(probe.handle(&answered(&probe, 0, &part)));
            asked += 1;
        }
        assert_eq!(asked, PARTS);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..8)) {
            let mut probe = IpmiProbe::new(CONSOLE);
            for datagram in datagrams {
                probe.handle(&datagram);
                probe.handle(&packet::plain(payload::OPEN_SESSION_RESPONSE, &datagram));
                probe.handle(&packet::plain_v15(&datagram));
                probe.give_up();
            }
            of_ipmi(&probe.into_facts(), false);
        }
    }
}
