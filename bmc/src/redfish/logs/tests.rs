//! Logs of every profile: large ones, emptied ones, and BMCs that lie.

use super::*;
use crate::redfish::rig::Rig;
use bmc_mock::redfish::{Effect, Fault, Faults, Profile};

/// The log that the mock takes for the hardware's.
fn hardware(profile: Profile) -> &'static str {
    match profile {
        Profile::Dell => "Sel",
        Profile::Hpe => "IML",
        Profile::Supermicro => "Log1",
        _ => "SEL",
    }
}

fn fill(rig: &Rig, id: &str, count: i64) {
    for number in 0..count {
        rig.parts().logs.add(id, 1_700_000_000 + number, "OK", &format!("event {number}"));
    }
}

#[tokio::test]
async fn every_makers_logs_are_listed_and_read() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let id = hardware(profile);
        fill(&rig, id, 3);
        let logs = rig.redfish.logs().await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert!(!logs.is_empty() && logs.iter().all(|log| log.clearable), "{profile}: {logs:?}");
        let mut ids: Vec<_> = logs.iter().map(|log| &log.id).collect();
        ids.dedup();
        assert_eq!(ids.len(), logs.len(), "{profile}: {ids:?}");
        let full: Vec<_> = logs.iter().filter(|log| log.entries == Some(3)).collect();
        assert!(!full.is_empty() && full[0].id.ends_with(id), "{profile}: {logs:?}");
        let events = rig.redfish.log(&full[0].id, 2).await.unwrap();
        let words: Vec<_> = events.iter().map(|event| event.message.as_str()).collect();
        assert_eq!(words, ["event 1", "event 2"], "{profile}");
        assert_eq!(events[1].at, Some(1_700_000_002), "{profile}");
        assert!(rig.redfish.log(&full[0].id, 0).await.unwrap().is_empty());

        // The same as the hardware's event log.
        let events = rig.redfish.events().await.unwrap();
        assert_eq!(events.len(), 3, "{profile}: {events:?}");
        let info = rig.redfish.log_info().await.unwrap();
        assert_eq!((info.entries, info.free, info.overflow), (3, Some(997), false), "{profile}");
        assert!(info.clock.is_some_and(|clock| clock >= 1_767_225_600), "{profile}: {info:?}");

        let error = rig.redfish.log("system/nothing", 5).await.unwrap_err();
        assert!(error.to_string().contains(id), "{profile}: {error}");
    }
}

#[tokio::test]
async fn of_a_large_log_only_the_last_pages_are_read() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let id = hardware(profile);
        rig.faults(Faults { page_size: Some(50), ..Faults::default() });
        fill(&rig, id, 1000);
        let log = rig.redfish.logs().await.unwrap().into_iter().find(|log| log.id.ends_with(id)).unwrap();
        assert_eq!(log.entries, Some(1000), "{profile}");
        let before = rig.controls.seen().len();
        let events = rig.redfish.log(&log.id, 60).await.unwrap();
        let pages = rig.controls.seen()[before..]
            .iter()
            .filter(|seen| seen.path.contains("/Entries") && !seen.path.contains("/Entries/"))
            .count();
        assert!(pages <= 4, "{profile}: {pages} pages of 20 were read");
        assert_eq!(events.len(), 60, "{profile}");
        let expected: Vec<_> = (940..1000).map(|number| format!("event {number}")).collect();
        assert_eq!(events.into_iter().map(|event| event.message).collect::<Vec<_>>(), expected, "{profile}");
    }
}

#[tokio::test]
async fn all_of_a_log_is_read_over_its_pages() {
    for profile in [Profile::Generic, Profile::Dell, Profile::Hpe] {
        let rig = Rig::of(profile).await;
        rig.faults(Faults { page_size: Some(7), ..Faults::default() });
        fill(&rig, hardware(profile), 100);
        let events = rig.redfish.events().await.unwrap();
        let words: Vec<_> = events.iter().map(|event| event.message.clone()).collect();
        assert_eq!(words, (0..100).map(|number| format!("event {number}")).collect::<Vec<_>>(), "{profile}");
    }
}

/// A BMC whose next links don't say how to skip, and one that takes no notice of it.
#[tokio::test]
async fn pages_that_can_not_be_skipped_to_are_followed() {
    let rig = Rig::new().await;
    rig.faults(Faults { page_size: Some(20), ..Faults::default() });
    fill(&rig, "SEL", 100);
    // Skipping there is answered with an error; following one by one is not.
    rig.controls.add_fault(Fault::new(Effect::Status(400)).at("*/SEL/Entries").after(4).times(1));
    let events = rig.redfish.log("system/SEL", 30).await.unwrap();
    assert_eq!(events.len(), 30);
    assert_eq!(events[29].message, "event 99");
}

#[tokio::test]
async fn a_log_is_emptied_and_looked_at() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let id = hardware(profile);
        fill(&rig, id, 5);
        rig.redfish.clear_events().await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert!(rig.parts().logs.len(id) <= 1, "{profile}");
        // Otherwise the note of the second time would be the same as that of the first.
        rig.parts().settings.set_clock(1_900_000_000);
        // A log that says of itself that it was emptied is emptied again; an empty one is let be.
        rig.redfish.clear_events().await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        if profile != Profile::Dell {
            assert_eq!(rig.writes().len(), 1, "{profile}: {:?}", rig.writes());
        }
        fill(&rig, id, 5);
        rig.controls.add_fault(Fault::new(Effect::Ignore).at("*ClearLog"));
        let error = rig.redfish.clear_events().await.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { .. }), "{profile}: {error}");
    }
}

#[tokio::test]
async fn a_full_log_says_so() {
    let rig = Rig::new().await;
    fill(&rig, "SEL", 1100);
    let info = rig.redfish.log_info().await.unwrap();
    assert_eq!((info.entries, info.free, info.overflow), (1000, Some(0), true));
}

#[tokio::test]
async fn the_clock_is_set() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        rig.redfish.set_log_clock(1_800_000_000).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        let clock = rig.parts().settings.clock();
        assert!((clock - 1_800_000_000).abs() < 30, "{profile}: {clock}");
        rig.controls.add_fault(Fault::new(Effect::Ignore).by("PATCH"));
        let error = rig.redfish.set_log_clock(1_600_000_000).await.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { .. }), "{profile}: {error}");
    }
    let rig = Rig::new().await;
    assert!(matches!(rig.redfish.set_log_clock(i64::MAX).await.unwrap_err(), BmcError::Unsupported { .. }));
}
