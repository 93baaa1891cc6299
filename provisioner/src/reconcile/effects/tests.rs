//! What each failure of a BMC means for a job, and that a freeze ends what is under way.

use super::{Done, failure, perform};
use crate::{app, bmcs, clock, leader::Led, samples};
use bmc::{BmcError, PowerState};
use bmc_mock::{Chassis, MemoryChassis, redfish};
use jiff::SignedDuration;
use provisioner_api::{BmcProtocol, BmcSpec};
use provisioner_lifecycle::Effect;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

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

#[tokio::test]
async fn a_freeze_in_the_midst_of_a_deed_lets_it_send_nothing_more_and_it_is_done_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let chassis = Arc::new(MemoryChassis::new());
    let (local, identity) = ("127.0.0.1:0".parse().unwrap(), redfish::Identity::default());
    let server =
        redfish::Server::bind(local, "admin", "right", Arc::clone(&chassis) as _, identity).await.unwrap();
    let (controls, stop) = (server.controls(), CancellationToken::new());
    let spec = BmcSpec {
        address: server.local_addr().to_string(),
        username: "admin".into(),
        tls_sha256: Some(hex::encode(server.certificate_sha256())),
        ..BmcSpec::new(BmcProtocol::Redfish)
    };
    tokio::spawn(server.run(stop.clone()));
    let _stop = stop.drop_guard();
    let mut record = samples::machine(1);
    record.spec.bmc = Some(spec);
    let secrets = bmcs::new_password(&service.key, record.id(), "right").unwrap();
    service.store.machine_insert(&record, &secrets, &[], clock::now()).await.unwrap();

    let led = Led::alone(&service);
    let on = Effect::Power { on: true, wish: None };
    let changes = || {
        let seen = controls.seen();
        seen.iter().filter(|seen| seen.method != "GET" && !seen.path.contains("Session")).count()
    };
    controls.watch();
    // Long beside the freeze; nobody waits for it.
    let slow = redfish::Effect::Delay(Duration::from_secs(10));
    controls.add_fault(redfish::Fault::new(slow).at("*/Systems/*").by("GET"));
    let freeze = async {
        while !controls.seen().iter().any(|seen| seen.path.contains("/Systems/")) {
            tokio::task::yield_now().await;
        }
        service.freeze("admin", None).await.unwrap();
    };
    let (done, ()) = tokio::join!(perform(&led, &record, on), freeze);
    assert!(matches!(done.unwrap(), (Done::PutOff, None)));
    controls.clear_faults();
    // By the same session, of which all that was asked before is answered then.
    let bmc = service.bmcs.driver(&record).await.unwrap().unwrap();
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    assert_eq!((changes(), chassis.power().await.unwrap()), (0, false));
    service.unfreeze("admin").await.unwrap();
    assert!(matches!(perform(&led, &record, on).await.unwrap(), (Done::So(_), _)));
    assert!(changes() > 0 && chassis.power().await.unwrap());
}
