//! Payload and SOL commands against what `ipmitool -vvv` sends and shows.

use super::*;
use crate::ipmi::command::payload::*;
use proptest::prelude::*;

fn bytes(message: &Message) -> (u8, u8, String) {
    (message.netfn_raw(), message.cmd(), hex::encode(message.data()))
}

#[test]
fn requests_as_others_send_them() {
    let table = [
        (ActivateSol.into(), (0x06, 0x48, "0101c4000000")),
        (DeactivateSol.into(), (0x06, 0x49, "010100000000")),
        (GetSolActivation.into(), (0x06, 0x4A, "01")),
        (GetSolOwner.into(), (0x06, 0x4B, "0101")),
        (SetUserSolAccess { channel: 1, user: 2, allowed: true }.into(), (0x06, 0x4C, "010202000000")),
        (SetUserSolAccess { channel: 1, user: 2, allowed: false }.into(), (0x06, 0x4C, "014202000000")),
        (GetUserSolAccess { channel: 1, user: 2 }.into(), (0x06, 0x4D, "0102")),
        (GetChannelPayloads { channel: THIS_CHANNEL }.into(), (0x06, 0x4E, "0e")),
        (GetSolParameter { channel: 14, parameter: parameter::RETRY }.into(), (0x0C, 0x22, "0e040000")),
        (
            SetSolParameter { channel: 14, parameter: SolParameter::Enable(true) }.into(),
            (0x0C, 0x21, "0e0101"),
        ),
    ];
    for (message, (netfn, command, data)) in table {
        let message: Message = message;
        assert_eq!(bytes(&message), (netfn, command, data.to_owned()));
    }
}

#[test]
fn answers_are_read() {
    let activated = Activated { inbound_size: 259, outbound_size: 100, port: 623 };
    assert_eq!(hex::encode(activated.encode()), "00000000030164006f02ffff");
    assert_eq!(ActivateSol::parse_success_response(&activated.encode()).ok(), Some(activated));
    for length in 0..10 {
        assert!(ActivateSol::parse_success_response(&activated.encode()[..length]).is_err());
    }
    let activation = GetSolActivation::parse_success_response(&[0x01, 0x01, 0x00]).ok();
    assert_eq!(activation, Some(Activation { capacity: 1, active: 1 }));
    assert_eq!(GetSolOwner::parse_success_response(&[0; 12]).ok(), Some(None));
    assert_eq!(GetSolOwner::parse_success_response(&[7, 0, 0, 1]).ok(), Some(Some(0x0100_0007)));
    assert_eq!(GetUserSolAccess::parse_success_response(&[0x02, 0, 0, 0]).ok(), Some(true));
    assert!(GetChannelPayloads::parse_success_response(&[0x03, 0]).is_ok_and(ChannelPayloads::has_sol));
}

#[test]
fn every_parameter_reads_back() {
    let all = [
        SolParameter::SetInProgress(1),
        SolParameter::Enable(true),
        SolParameter::Authentication { force_encryption: true, force_authentication: false, privilege: 4 },
        SolParameter::Accumulation { interval: 12, threshold: 96 },
        SolParameter::Retry { count: 7, interval: 50 },
        SolParameter::BitRate(BitRate::B115200),
        SolParameter::VolatileBitRate(BitRate::Serial),
        SolParameter::Channel(1),
        SolParameter::Port(623),
    ];
    for (number, wanted) in (0..).zip(all) {
        assert_eq!(wanted.number(), number);
        assert_eq!(SolParameter::decode(number, &wanted.encode()), Some(wanted));
    }
    assert_eq!(accumulate_interval(0), Duration::from_millis(5));
    assert_eq!(accumulate_interval(12), Duration::from_millis(60));
}

proptest! {
    #[test]
    fn any_answer_is_endured(number in any::<u8>(), data in proptest::collection::vec(any::<u8>(), 0..20)) {
        let _ = SolParameter::decode(number, &data);
        let _ = (ActivateSol::parse_success_response(&data), GetSolActivation::parse_success_response(&data));
        let _ = (GetSolOwner::parse_success_response(&data), GetUserSolAccess::parse_success_response(&data));
        let _ = (GetChannelPayloads::parse_success_response(&data), GetSolParameter::parse_success_response(&data));
    }
}
