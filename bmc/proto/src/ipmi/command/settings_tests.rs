//! Golden bytes and round trips of what an administrator sets: users, channels, LAN, DCMI, lamp, watchdog.

use super::channel::{
    self, AccessSettings, Channel, ChannelInfo, GetChannelAccess, GetChannelInfo, SetChannelAccess,
};
use super::dcmi::{
    self, Capabilities, GetCapabilities, GetPowerReading, GetText, Piece, PowerReading, SetText, Text,
};
use super::device::{GetSelfTestResults, ResetBmc, SelfTest, manufacturer_name};
use super::identify::{ChassisCapabilities, ChassisIdentify, GetChassisCapabilities, GetLamp, LampState};
use super::lan;
use super::user::{
    AccessBits, AccessLimit, EnableStatus, GetUserAccess, GetUserName, Password, PasswordOperation,
    SetUserAccess, SetUserName, SetUserPassword, UserAccess,
};
use super::watchdog::{GetWatchdogTimer, ResetWatchdogTimer, SetWatchdogTimer, TimeoutAction, WatchdogTimer};
use crate::ipmi::{IpmiCommand, Message};
use proptest::prelude::*;
use std::time::Duration;

fn bytes(message: impl Into<Message>) -> (u8, u8, String) {
    let message = message.into();
    (message.netfn_raw(), message.cmd(), hex::encode(message.data()))
}

const MESSAGING: AccessBits = AccessBits { callback_only: false, link_authentication: true, messaging: true };
const TIMER: WatchdogTimer = WatchdogTimer {
    unlogged: false,
    running: false,
    user: 4,
    action: TimeoutAction::PowerCycle,
    pre_timeout: 0,
    pre_timeout_seconds: 0,
    expired: 0,
    countdown: 600,
};

/// As `ipmitool -vv` shows them, where it has the same command.
#[test]
fn requests_are_golden() {
    let password = |text| Password::new(text).unwrap();
    let set = |operation| SetUserPassword { user: 3, operation };
    let channel = Channel::new(1).unwrap();
    let table = [
        (bytes(GetSelfTestResults), (6, 0x04, "")),
        (bytes(ResetBmc::Cold), (6, 0x02, "")),
        (bytes(ResetBmc::Warm), (6, 0x03, "")),
        (bytes(GetUserAccess { channel: 1, user: 3 }), (6, 0x44, "0103")),
        (
            bytes(SetUserAccess { channel: 1, user: 3, bits: Some(MESSAGING), limit: AccessLimit::Operator }),
            (6, 0x43, "b10303"),
        ),
        (
            bytes(SetUserAccess { channel: 0xE, user: 3, bits: None, limit: AccessLimit::NoAccess }),
            (6, 0x43, "0e030f"),
        ),
        (bytes(GetUserName { user: 3 }), (6, 0x46, "03")),
        (bytes(SetUserName::new(3, "admin").unwrap()), (6, 0x45, "0361646d696e0000000000000000000000")),
        (bytes(set(PasswordOperation::Disable)), (6, 0x47, "030000000000000000000000000000000000")),
        (bytes(set(PasswordOperation::Enable)), (6, 0x47, "030100000000000000000000000000000000")),
        (
            bytes(set(PasswordOperation::Set(password("secret")))),
            (6, 0x47, "030273656372657400000000000000000000"),
        ),
        (
            bytes(set(PasswordOperation::Test(password("0123456789abcdefg")))),
            (6, 0x47, "83033031323334353637383961626364656667000000"),
        ),
        (bytes(GetChannelInfo::new(channel)), (6, 0x42, "01")),
        (bytes(GetChannelAccess::volatile(channel)), (6, 0x41, "0180")),
        (
            bytes(SetChannelAccess { channel: 1, mode: Some((0x22, false)), limit: Some((4, true)) }),
            (6, 0x40, "016284"),
        ),
        (bytes(GetCapabilities), (0x2C, 0x01, "dc01")),
        (bytes(GetPowerReading), (0x2C, 0x02, "dc010000")),
        (bytes(GetText { text: Text::AssetTag, offset: 16, count: 4 }), (0x2C, 0x06, "dc1004")),
        (bytes(GetText { text: Text::ControllerName, offset: 0, count: 16 }), (0x2C, 0x09, "dc0010")),
        (
            bytes(SetText { text: Text::AssetTag, offset: 0, bytes: b"A1".to_vec() }),
            (0x2C, 0x08, "dc00024131"),
        ),
        (bytes(ChassisIdentify::For(20)), (0, 0x04, "14")),
        (bytes(ChassisIdentify::On), (0, 0x04, "0001")),
        (bytes(GetChassisCapabilities), (0, 0x00, "")),
        (bytes(GetLamp), (0, 0x01, "")),
        (bytes(GetWatchdogTimer), (6, 0x25, "")),
        (bytes(SetWatchdogTimer(TIMER)), (6, 0x24, "040300005802")),
        (bytes(ResetWatchdogTimer), (6, 0x22, "")),
    ];
    for ((netfn, command, data), expected) in table {
        assert_eq!((netfn, command, data.as_str()), expected);
    }
}

#[test]
fn texts_that_do_not_fit_are_refused() {
    assert!(SetUserName::new(2, "exactly16letters").is_some());
    assert!(SetUserName::new(2, "exactly17 letters").is_none());
    assert!(SetUserName::new(2, "zero\0").is_none());
    assert!(!Password::new("exactly16letters").unwrap().is_long());
    assert!(Password::new("exactly17 letters").unwrap().is_long());
    assert!(Password::new("exactly 20 letters..").is_some());
    assert!(Password::new("exactly 21 letters...").is_none());
}

#[test]
fn names_of_empty_slots_are_empty() {
    for data in [&[0; 16][..], &[0xFF; 16], &[]] {
        assert_eq!(GetUserName::parse_success_response(data).unwrap(), "");
    }
    assert_eq!(
        GetUserName::parse_success_response(b"a name of 16 byt, no more").unwrap(),
        "a name of 16 byt"
    );
}

#[test]
fn the_lan_is_told() {
    let lan = ChannelInfo::parse(&channel::lan_info(3, 2)).unwrap();
    assert!(channel::is_lan(&lan));
    assert_eq!((lan.channel.value(), lan.active_sessions, lan.vendor_id), (3, 2, 7154));
    // The system interface, and a LAN without sessions.
    let system = ChannelInfo::parse(&[0x0F, 0x0C, 0x05, 0, 0xF2, 0x1B, 0, 0xFF, 0xFF]).unwrap();
    let silent = ChannelInfo::parse(&[0x01, 0x04, 0x01, 0, 0xF2, 0x1B, 0, 0, 0]).unwrap();
    assert!(!channel::is_lan(&system) && !channel::is_lan(&silent));
}

#[test]
fn lan_parameters_are_read() {
    assert_eq!(lan::vlan(&[0x64, 0x80]), Some(100));
    assert_eq!(lan::vlan(&[0xFF, 0x8F]), Some(4095));
    for none in [&[0x64, 0x00][..], &[0x64], &[]] {
        assert_eq!(lan::vlan(none), None);
    }
    assert_eq!(lan::cipher_suites(&[2], &[0, 3, 17, 0, 0]), [3, 17]);
    assert_eq!(lan::cipher_suites(&[31], &[0, 3, 17]), [3, 17]);
    assert_eq!(lan::cipher_suites(&[], &[0, 3]), [3]);
    assert!(lan::cipher_suites(&[2], &[]).is_empty());
    let privileges = lan::suite_privileges(&[4, 3, 2]);
    assert_eq!(privileges, [0, 0x34, 0x02, 0, 0, 0, 0, 0, 0]);
    let read: Vec<_> = (0..17).map(|index| lan::suite_privilege(&privileges, index)).collect();
    assert_eq!(read[..4], [Some(4), Some(3), Some(2), None]);
    assert!(read[4..].iter().all(Option::is_none));
}

#[test]
fn self_tests_are_told_in_words() {
    let parse = |bytes: [u8; 2]| GetSelfTestResults::parse_success_response(&bytes).unwrap();
    for fine in [[0x55, 0], [0x56, 0]] {
        assert!(parse(fine).problems().is_empty());
    }
    let words = parse([0x57, 0x81]).problems();
    assert_eq!(words, ["the operational firmware is corrupt", "the event log can't be accessed"]);
    assert_eq!(parse([0x58, 7]).problems(), ["fatal hardware error 0x07"]);
    assert_eq!(parse([0xFF, 1]), SelfTest::Other(0xFF, 1));
}

#[test]
fn makers_have_names() {
    let table = [(674, "Dell"), (47196, "HPE"), (10876, "Supermicro"), (19046, "Lenovo"), (343, "Intel")];
    for (number, name) in table {
        assert_eq!(manufacturer_name(number), Some(name));
    }
    assert_eq!(manufacturer_name(0), None);
    assert_eq!(manufacturer_name(0xF_FFFF), None);
}

#[test]
fn lamps_are_read() {
    for state in [LampState::Off, LampState::Temporary, LampState::On] {
        let read = GetLamp::parse_success_response(&[0, 0, state.misc_bits() | 0x0F]);
        assert_eq!(read.unwrap(), Some(state));
    }
    // Not supported, and reserved.
    for misc in [0x00, 0x30, 0x70] {
        assert_eq!(GetLamp::parse_success_response(&[0, 0, misc]).unwrap(), None);
    }
    assert_eq!(ChassisIdentify::decode(&[]), Some(ChassisIdentify::For(15)));
    assert_eq!(ChassisIdentify::decode(&[9, 0]), Some(ChassisIdentify::For(9)));
    assert_eq!(ChassisIdentify::decode(&[9, 1]), Some(ChassisIdentify::On));
    assert_eq!(ChassisIdentify::decode(&[9, 1, 0]), None);
}

#[test]
fn dcmi_answers_name_their_group() {
    let reading = hex::decode("dcb4000c00b40078000102030410270000 40".replace(' ', "")).unwrap();
    let reading = GetPowerReading::parse_success_response(&reading).unwrap();
    assert_eq!((reading.now, reading.minimum, reading.maximum, reading.average), (180, 12, 180, 120));
    assert_eq!((reading.at, reading.period), (0x0403_0201, Duration::from_secs(10)));
    assert!(reading.active);
    let stranger = [0xDB; 18];
    assert!(GetPowerReading::parse_success_response(&stranger).is_err());
    assert!(GetText::parse_success_response(&stranger).is_err());
    assert!(GetCapabilities::parse_success_response(&stranger).is_err());
    let piece = GetText::parse_success_response(b"\xDC\x05abc").unwrap();
    assert_eq!(piece, Piece { total: 5, bytes: b"abc".to_vec() });
}

#[test]
fn texts_have_an_encoding() {
    assert_eq!(dcmi::text_bytes("rack 7"), b"rack 7");
    assert_eq!(dcmi::text_bytes("Straße"), b"\xEF\xBB\xBFStra\xC3\x9Fe");
    for (bytes, text) in [
        (&b"\xEF\xBB\xBFStra\xC3\x9Fe"[..], "Straße"),
        (b"Stra\xC3\x9Fe", "Straße"),
        (b"Stra\xDFe", "Straße"),
        (b"tag\0\0", "tag"),
        (b"", ""),
    ] {
        assert_eq!(dcmi::text_of(bytes), text);
    }
}

fn access_bits() -> impl Strategy<Value = AccessBits> {
    any::<[bool; 3]>().prop_map(|[callback_only, link_authentication, messaging]| AccessBits {
        callback_only,
        link_authentication,
        messaging,
    })
}

proptest! {
    #[test]
    fn answers_of_any_bytes_are_harmless(data in proptest::collection::vec(any::<u8>(), 0..80)) {
        // Reading them is the test: none may panic, and texts stay short.
        let _ = GetSelfTestResults::parse_success_response(&data).map(SelfTest::problems);
        let _ = ResetBmc::parse_success_response(&data);
        let _ = GetUserAccess::parse_success_response(&data);
        prop_assert!(GetUserName::parse_success_response(&data).unwrap().chars().count() <= 16);
        let _ = GetChannelInfo::parse_success_response(&data).map(|info| channel::is_lan(&info));
        let _ = GetChannelAccess::parse_success_response(&data);
        let _ = GetCapabilities::parse_success_response(&data);
        let _ = GetPowerReading::parse_success_response(&data);
        if let Ok(piece) = GetText::parse_success_response(&data) {
            prop_assert!(piece.bytes.len() <= 16);
        }
        let _ = SetText::parse_success_response(&data);
        let _ = GetLamp::parse_success_response(&data);
        let _ = GetChassisCapabilities::parse_success_response(&data);
        let _ = GetWatchdogTimer::parse_success_response(&data);
        let _ = dcmi::text_of(&data);
        let _ = lan::vlan(&data);
        prop_assert!(lan::cipher_suites(&data, &data).len() <= 16);
        for which in [3, 4, 5, 6, 12, 50, 51, 52, 53, 54, 55, 56, 59, 200] {
            let _ = lan::LanConfigParameter::Other(which).parse(&data);
        }
        for which in [
            lan::LanConfigParameter::IpAddress, lan::LanConfigParameter::IpAddressSource,
            lan::LanConfigParameter::MacAddress, lan::LanConfigParameter::Ipv6StaticAddresses,
            lan::LanConfigParameter::Ipv6DynamicAddress, lan::LanConfigParameter::Ipv6Ipv4AddressingEnables,
        ] {
            let _ = which.parse(&data);
        }
    }

    #[test]
    fn requests_of_any_bytes_are_harmless(data in proptest::collection::vec(any::<u8>(), 0..40)) {
        // What can be read is written again as the same request.
        if let Some(set) = SetUserPassword::decode(&data) {
            let again = Message::from(set.clone());
            prop_assert!(SetUserPassword::decode(again.data()).unwrap() == set);
        }
        if let Some(set) = SetUserAccess::decode(&data) {
            prop_assert_eq!(SetUserAccess::decode(Message::from(set).data()), Some(set));
        }
        if let Some(set) = SetChannelAccess::decode(&data) {
            prop_assert_eq!(SetChannelAccess::decode(Message::from(set).data()), Some(set));
        }
        if let Some(set) = ChassisIdentify::decode(&data) {
            prop_assert_eq!(ChassisIdentify::decode(Message::from(set).data()), Some(set));
        }
    }

    #[test]
    fn user_access_survives(
        slots in 0u8..64, enabled_users in 0u8..64, fixed_names in 0u8..64, status in 0u8..3,
        bits in access_bits(), limit in 0u8..16,
    ) {
        let status =
            [EnableStatus::Unspecified, EnableStatus::Enabled, EnableStatus::Disabled][usize::from(status)];
        let limit = AccessLimit::from_bits(limit);
        let access = UserAccess { slots, status, enabled_users, fixed_names, bits, limit };
        prop_assert_eq!(GetUserAccess::parse_success_response(&access.encode()).unwrap(), access);
    }

    #[test]
    fn watchdogs_survive(data: [u8; 6], left: u16) {
        let timer = WatchdogTimer::decode(data);
        prop_assert_eq!(WatchdogTimer::decode(timer.encode()), timer);
        let answer = [&timer.encode()[..], &left.to_le_bytes()].concat();
        let expected = (timer, Duration::from_millis(u64::from(left) * 100));
        prop_assert_eq!(GetWatchdogTimer::parse_success_response(&answer).unwrap(), expected);
    }

    #[test]
    fn power_readings_survive(watts: [u16; 4], at: u32, millis: u32, active: bool) {
        let [now, minimum, maximum, average] = watts;
        let period = Duration::from_millis(millis.into());
        let reading = PowerReading { now, minimum, maximum, average, at, period, active };
        prop_assert_eq!(GetPowerReading::parse_success_response(&reading.encode()).unwrap(), reading);
    }

    #[test]
    fn small_answers_survive(
        flags: [bool; 4], devices: [u8; 4], first: u8, second: u8, version: (u8, u8), limit in 0u8..16,
    ) {
        let [power_interlock, diagnostic_interrupt, front_panel_lockout, intrusion] = flags;
        let chassis =
            ChassisCapabilities { power_interlock, diagnostic_interrupt, front_panel_lockout, intrusion, devices };
        prop_assert_eq!(GetChassisCapabilities::parse_success_response(&chassis.encode()).unwrap(), chassis);
        let result = GetSelfTestResults::parse_success_response(&[first, second]).unwrap();
        prop_assert_eq!(GetSelfTestResults::parse_success_response(&result.encode()).unwrap(), result);
        let dcmi = Capabilities { version, power: power_interlock };
        prop_assert_eq!(GetCapabilities::parse_success_response(&dcmi.encode()).unwrap(), dcmi);
        let access = AccessSettings { mode: first & 0x3F, limit };
        let read = GetChannelAccess::parse_success_response(&access.encode()).unwrap();
        prop_assert_eq!(read.alerting_disabled, access.mode & 0x20 != 0);
        prop_assert_eq!(channel::ChannelAccessMode::from(access.mode & 7), read.access_mode);
        prop_assert_eq!(channel::ChannelPrivilegeLevel::from(limit), read.privilege_level_limit);
    }

    #[test]
    fn vlans_survive(vlan in proptest::option::of(0u16..4096)) {
        prop_assert_eq!(lan::vlan(&lan::vlan_bytes(vlan)), vlan);
    }

    #[test]
    fn pieces_make_the_whole(text in proptest::collection::vec(any::<u8>(), 0..64)) {
        let pieces = SetText::pieces(Text::AssetTag, &text);
        let mut whole: Vec<u8> = vec![];
        for piece in &pieces {
            prop_assert_eq!(usize::from(piece.offset), whole.len());
            prop_assert!(piece.bytes.len() <= 16);
            whole.extend(&piece.bytes);
        }
        prop_assert!(!pieces.is_empty());
        prop_assert_eq!(whole, text);
    }

    #[test]
    fn asset_tags_survive(text in "[^\0\u{FEFF}]{0,15}") {
        prop_assert_eq!(dcmi::text_of(&dcmi::text_bytes(&text)), text);
    }
}
