//! Streams and subscriptions of every profile.

use super::*;
use crate::redfish::rig::Rig;
use bmc_mock::redfish::{Effect, Fault, Profile};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Bounds failures only.
const LONG: Duration = Duration::from_secs(20);

async fn next(reports: &mut mpsc::Receiver<Report>) -> Option<Report> {
    timeout(LONG, reports.recv()).await.expect("a report comes")
}

#[tokio::test]
async fn reports_are_streamed_by_every_maker() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let mut reports =
            rig.redfish.follow_reports().await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        rig.controls.report(
            "Alert.1.0.PowerLost",
            "PSU 2 lost its power.\r\n\u{7}",
            "Critical",
            "/redfish/v1/Chassis",
        );
        rig.controls.report("Alert.1.0.PowerBack", "PSU 2 has power.", "OK", "/redfish/v1/Chassis");
        let first = next(&mut reports).await.unwrap();
        assert_eq!(first.message_id.as_deref(), Some("Alert.1.0.PowerLost"), "{profile}");
        assert_eq!(
            (first.message.as_str(), first.severity.as_deref()),
            ("PSU 2 lost its power.", Some("Critical"))
        );
        assert!(first.origin.is_some_and(|origin| origin.starts_with("/redfish/v1/Chassis")), "{profile}");
        assert!(first.at.is_some(), "{profile}");
        assert_eq!(next(&mut reports).await.unwrap().message, "PSU 2 has power.");
        // The driver does other things meanwhile.
        rig.redfish.system().await.unwrap();
        rig.parts().events.end_streams();
        assert_eq!(next(&mut reports).await, None, "{profile}: it ends when the BMC ends it");
    }
}

#[tokio::test]
async fn a_stream_ends_when_nobody_reads() {
    let rig = Rig::new().await;
    let reports = rig.redfish.follow_reports().await.unwrap();
    assert_eq!(rig.parts().events.streams(), 1);
    drop(reports);
    timeout(LONG, async {
        while rig.parts().events.streams() > 0 {
            // Whether the other end is closed is seen by writing to it.
            rig.controls.report("A.1.0.B", "x", "OK", "/redfish/v1");
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the stream is closed");
}

#[tokio::test]
async fn a_subscription_is_made_once_and_ended() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        assert_eq!(bmc.subscriptions().await.unwrap(), [], "{profile}");
        let id = bmc
            .subscribe("http://127.0.0.1:9/hook", "rack 7")
            .await
            .unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!(bmc.subscribe("http://127.0.0.1:9/hook", "rack 7").await.unwrap(), id, "{profile}");
        let expected = Subscription {
            id: id.clone(),
            destination: "http://127.0.0.1:9/hook".into(),
            context: Some("rack 7".into()),
        };
        assert_eq!(bmc.subscriptions().await.unwrap(), [expected], "{profile}");
        let other = bmc.subscribe("http://127.0.0.1:9/other", "rack 7").await.unwrap();
        assert_ne!(other, id);
        bmc.unsubscribe(&id).await.unwrap();
        bmc.unsubscribe(&id).await.unwrap();
        assert_eq!(rig.parts().events.destinations(), ["http://127.0.0.1:9/other"], "{profile}");
    }
}

#[tokio::test]
async fn a_subscription_that_was_not_made_is_told() {
    let rig = Rig::new().await;
    rig.redfish.subscriptions().await.unwrap();
    rig.controls.add_fault(Fault::new(Effect::Ignore).at("*/Subscriptions").by("POST"));
    let error = rig.redfish.subscribe("http://127.0.0.1:9/", "x").await.unwrap_err();
    assert!(matches!(error, BmcError::NotDone { .. }), "{error}");
    rig.controls.clear_faults();
    rig.controls.add_fault(Fault::new(Effect::Status(400)).at("*/Subscriptions").by("POST"));
    let error = rig.redfish.subscribe("http://127.0.0.1:9/", "x").await.unwrap_err();
    assert!(matches!(error, BmcError::Refused { .. }), "{error}");
    rig.controls.clear_faults();
    rig.controls.add_fault(Fault::new(Effect::LoseAnswer).at("*/Subscriptions").by("POST"));
    let error = rig.redfish.subscribe("http://127.0.0.1:9/", "x").await.unwrap_err();
    assert!(matches!(error, BmcError::Unknown { .. }), "{error}");
    rig.controls.clear_faults();
    // It was made all the same; asking again finds it.
    rig.redfish.subscribe("http://127.0.0.1:9/", "x").await.unwrap();
    assert_eq!(rig.parts().events.destinations().len(), 1);
}

#[tokio::test]
async fn subscribers_get_posts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let rig = Rig::new().await;
    rig.redfish.subscribe(&url, "rack 7").await.unwrap();
    rig.controls.report("Alert.1.0.Hot", "It is hot.", "Warning", "/redfish/v1/Chassis/1");
    let (mut stream, _) = timeout(LONG, listener.accept()).await.unwrap().unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"\"Event Array\"}") {
        assert!(stream.read_buf(&mut text).await.unwrap() > 0);
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("POST /hook HTTP/1.1") && text.contains("\"Context\":\"rack 7\""), "{text}");
    let body = text.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(event_records(body.as_bytes())[0].message, "It is hot.");
}

#[tokio::test]
async fn without_a_stream_it_says_what_to_do() {
    let rig = Rig::new().await;
    let gone = serde_json::json!({"ServerSentEventUri": null});
    rig.controls.add_fault(Fault::new(Effect::Merge(gone)).at("*/EventService"));
    let error = rig.redfish.follow_reports().await.unwrap_err();
    assert!(error.to_string().contains("subscription"), "{error}");
    let off = serde_json::json!({"ServiceEnabled": false});
    rig.controls.add_fault(Fault::new(Effect::Merge(off)).at("*/EventService"));
    let error = rig.redfish.subscriptions().await.unwrap_err();
    assert!(error.to_string().contains("switched off"), "{error}");
}
