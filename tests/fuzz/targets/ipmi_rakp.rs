//! Every message of the key exchange, and the wrappers around it, from any bytes: read or refused, written as read, and
//! no code is taken for right that is not.
#![no_main]

use bmc_proto::ipmi::CipherSuite;
use bmc_proto::ipmi::command::CipherSuiteList;
use bmc_proto::ipmi::handshake::{
    MAX_USERNAME, OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4,
};
use bmc_proto::ipmi::keys::Protection;
use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::packet::{self, Packet};
use libfuzzer_sys::fuzz_target;

/// Reads a message; what was read is written and read again as the same.
macro_rules! round_trip {
    ($kind:ident, $bytes:expr) => {{
        let message = $kind::decode($bytes);
        if let Some(message) = &message {
            let written = message.encode();
            assert!(written.len() <= $bytes.len().max(8), "it grew");
            let again = $kind::decode(&written).expect("we read what we write");
            assert_eq!(again.encode(), written);
        }
        message
    }};
}

fuzz_target!(|data: &[u8]| {
    let id = packet::addressee(data);
    let payload = match packet::parse(data) {
        Some(Packet::Plus(plus)) => {
            assert!(plus.payload.len() + 16 <= data.len());
            for suite in CipherSuite::ALL {
                // A key that nobody knows opens nothing.
                assert!(Protection::new(suite, b"not a session key").open(&plus).is_err());
            }
            plus.payload
        }
        Some(Packet::V15 { payload }) => {
            assert!(id.is_none() && payload.len() + 14 <= data.len());
            payload
        }
        None => {
            assert!(id.is_none());
            data
        }
    };
    handshake(payload);
    if let Some(message) = LanMessage::decode(payload) {
        assert_eq!(message.encode(), payload, "a message is written as it was read");
        assert_eq!(LanMessage::decode_signed(payload), Some(message));
    }
    let mut list = CipherSuiteList::default();
    for part in payload.chunks(16) {
        list.add(part);
    }
    let suites = list.suites().unwrap_or_default();
    assert!(suites.is_sorted() && suites.len() <= payload.len());
});

fn handshake(bytes: &[u8]) {
    let request = round_trip!(OpenSessionRequest, bytes);
    if let Some(request) = request {
        assert_eq!(OpenSessionRequest::decode(&request.encode()), Some(request));
    }
    if let Some(response) = round_trip!(OpenSessionResponse, bytes)
        && response.outcome.is_ok()
    {
        assert!(response.console_id.is_some(), "a grant without our id");
        assert_eq!(OpenSessionResponse::decode(&response.encode()), Some(response));
    }
    if let Some(rakp1) = round_trip!(Rakp1, bytes) {
        assert!(rakp1.username.len() <= MAX_USERNAME);
        assert_eq!(Rakp1::decode(&rakp1.encode()), Some(rakp1));
    }
    if let Some(rakp2) = round_trip!(Rakp2, bytes)
        && rakp2.outcome.is_ok()
    {
        assert!(rakp2.console_id.is_some(), "a challenge without our id");
        assert_eq!(Rakp2::decode(&rakp2.encode()), Some(rakp2));
    }
    if let Some(rakp3) = round_trip!(Rakp3, bytes)
        && rakp3.outcome.is_ok()
    {
        assert_eq!(Rakp3::decode(&rakp3.encode()), Some(rakp3));
    }
    if let Some(rakp4) = round_trip!(Rakp4, bytes)
        && rakp4.outcome.is_ok()
    {
        assert!(rakp4.console_id.is_some(), "a proof without our id");
        assert_eq!(Rakp4::decode(&rakp4.encode()), Some(rakp4));
    }
}
