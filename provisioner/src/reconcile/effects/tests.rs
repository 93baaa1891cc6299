//! What each failure of a BMC means for a job.

use super::failure;
use bmc::BmcError;
use jiff::SignedDuration;
use std::time::Duration;

#[test]
fn nothing_is_retried_into_a_lock_out_and_nothing_given_up_too_soon() {
    let address = || "10.0.0.1:623".to_owned();
    let resting = |credentials| BmcError::Resting {
        address: address(),
        rest: Duration::from_secs(80),
        last: "the last trouble".into(),
        credentials,
    };
    let table = [
        (
            BmcError::AuthenticationFailed { address: address(), username: "admin".into(), why: "x".into() },
            true,
        ),
        (resting(true), true),
        (BmcError::Unsupported { address: address(), what: "x".into() }, true),
        (BmcError::WrongCertificate { address: address(), seen: "a".into(), pinned: "b".into() }, true),
        (resting(false), false),
        (BmcError::Unreachable { address: address(), during: "x", reason: None }, false),
        (BmcError::NotABmc { address: address(), what: "the port is closed".into() }, false),
        (BmcError::NoFreeSession { address: address(), answer: "0x81".into() }, false),
        (BmcError::Unknown { address: address(), during: "x" }, false),
        (BmcError::Refused { address: address(), during: "x", answer: "busy".into() }, false),
        (BmcError::NotDone { address: address(), during: "x", found: "off".into() }, false),
        (BmcError::Protocol { address: address(), during: "x", what: "short".into() }, false),
    ];
    for (error, permanent) in table {
        let told = error.to_string();
        let rests = matches!(error, BmcError::Resting { .. });
        let failure = failure(error);
        assert_eq!(failure.permanent, permanent, "{told}");
        assert_eq!(failure.rest, rests.then(|| SignedDuration::from_secs(80)), "{told}");
        // The rest is in the time until which it is waited, so that the sentence stays the same.
        assert_eq!(failure.why, if rests { "the last trouble".into() } else { told });
    }
}
