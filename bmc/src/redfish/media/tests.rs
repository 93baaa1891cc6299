//! Virtual media of every profile, and of BMCs that lie.

use super::*;
use crate::redfish::rig::Rig;
use bmc_mock::redfish::{Effect, Fate, Fault, Profile};

const IMAGE: &str = "http://10.0.0.1:8080/images/os.iso";
const OTHER: &str = "https://10.0.0.1/other.iso";

fn cd(image: &str) -> MediaInsert {
    MediaInsert { image: image.into(), slot: None, kind: MediaKind::Cd }
}

#[tokio::test]
async fn images_go_in_and_out_of_every_makers_slots() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let slots = bmc.media().await.unwrap();
        assert!(slots.len() > 1 && slots.iter().all(|slot| !slot.inserted), "{profile}: {slots:?}");
        let slot = bmc.insert_media(&cd(IMAGE)).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!((slot.image.as_deref(), slot.inserted), (Some(IMAGE), true), "{profile}");
        assert!(slot.kinds.contains(&MediaKind::Cd), "{profile}");
        assert_eq!(rig.parts().media.image(&slot.id).as_deref(), Some(IMAGE), "{profile}");
        let before = rig.writes().len();
        assert_eq!(bmc.insert_media(&cd(IMAGE)).await.unwrap(), slot, "{profile}");
        assert_eq!(rig.writes().len(), before, "{profile}: it was so already");
        let there = MediaInsert { slot: Some(slot.id.to_lowercase()), ..cd(OTHER) };
        let replaced = bmc.insert_media(&there).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!((&replaced.id, replaced.image.as_deref()), (&slot.id, Some(OTHER)), "{profile}");
        assert_eq!(rig.parts().media.images(), [OTHER], "{profile}");
        bmc.eject_media(Some(&slot.id)).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert!(rig.parts().media.images().is_empty(), "{profile}");
        let before = rig.writes().len();
        bmc.eject_media(None).await.unwrap();
        bmc.eject_media(Some(&slot.id)).await.unwrap();
        assert_eq!(rig.writes().len(), before, "{profile}: it was empty already");
        // And again, where an image goes on showing after it was ejected.
        bmc.insert_media(&cd(OTHER)).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!(rig.parts().media.images(), [OTHER], "{profile}");
    }
}

#[tokio::test]
async fn all_slots_are_emptied() {
    let rig = Rig::of(Profile::Hpe).await;
    rig.redfish.insert_media(&cd(IMAGE)).await.unwrap();
    let usb = MediaInsert { kind: MediaKind::Usb, ..cd(OTHER) };
    let slot = rig.redfish.insert_media(&usb).await.unwrap();
    assert_eq!((slot.id.as_str(), rig.parts().media.images().len()), ("1", 2));
    rig.redfish.eject_media(None).await.unwrap();
    assert!(rig.parts().media.images().is_empty());
}

#[tokio::test]
async fn a_slot_that_stays_full_keeps_no_other_full() {
    let rig = Rig::of(Profile::Hpe).await;
    let usb = MediaInsert { kind: MediaKind::Usb, ..cd(OTHER) };
    let first = rig.redfish.insert_media(&usb).await.unwrap();
    rig.redfish.insert_media(&cd(IMAGE)).await.unwrap();
    let eject = format!("*/VirtualMedia/{}/*Eject*", first.id);
    rig.controls.add_fault(Fault::new(Effect::Status(400)).by("POST").at(&eject));
    let error = rig.redfish.eject_media(None).await.unwrap_err();
    assert!(matches!(error, BmcError::Refused { .. }), "{error}");
    assert_eq!(rig.parts().media.images(), [OTHER]);
}

#[tokio::test]
async fn what_is_said_to_be_done_and_is_not_is_an_error() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        rig.ignore("*/VirtualMedia/*");
        let error = rig.redfish.insert_media(&cd(IMAGE)).await.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { during: INSERT, .. }), "{profile}: {error:?}");
        let rig = Rig::of(profile).await;
        let slot = rig.redfish.insert_media(&cd(IMAGE)).await.unwrap();
        rig.ignore("*/VirtualMedia/*");
        let error = rig.redfish.eject_media(Some(&slot.id)).await.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { during: EJECT, .. }), "{profile}: {error:?}");
        assert_eq!(rig.parts().media.images(), [IMAGE], "{profile}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_into() {
    let rig = Rig::of(Profile::Generic).await;
    rig.controls.add_fault(Fault::new(Effect::LoseAnswer).by("POST").at("*.InsertMedia").times(1));
    assert!(rig.redfish.insert_media(&cd(IMAGE)).await.unwrap().inserted);
    rig.controls.add_fault(Fault::new(Effect::LoseAnswer).by("POST").at("*.EjectMedia").times(1));
    rig.redfish.eject_media(None).await.unwrap();
    rig.controls.add_fault(Fault::new(Effect::Cut).by("POST").at("*.InsertMedia"));
    let error = rig.redfish.insert_media(&cd(IMAGE)).await.unwrap_err();
    assert!(matches!(error, BmcError::Unknown { .. } | BmcError::Unreachable { .. }), "{error:?}");
    assert!(rig.parts().media.images().is_empty());
}

#[tokio::test]
async fn an_image_that_shows_late_is_waited_for() {
    let rig = Rig::of(Profile::Dell).await;
    rig.parts().media.set_slow(3);
    assert!(rig.redfish.insert_media(&cd(IMAGE)).await.unwrap().inserted);
}

#[tokio::test]
async fn a_task_that_fails_is_told_with_its_words() {
    let rig = Rig::of(Profile::Ami).await;
    rig.parts().tasks.set_fate(Fate::Fail("The server of the image does not answer.".into()));
    let error = rig.redfish.insert_media(&cd(IMAGE)).await.unwrap_err().to_string();
    assert!(error.contains("The server of the image does not answer."), "{error}");
}

#[tokio::test]
async fn what_can_not_be_is_refused_and_nothing_is_thrown_out() {
    let rig = Rig::of(Profile::Hpe).await;
    rig.redfish.insert_media(&cd(IMAGE)).await.unwrap();
    let before = rig.writes().len();
    for (insert, words) in [
        (cd("ftp://h/os.iso"), "use http, https"),
        (MediaInsert { slot: Some("9".into()), ..cd(OTHER) }, "no virtual media slot `9`"),
        (MediaInsert { slot: Some("1".into()), ..cd(OTHER) }, "can be a CD"),
    ] {
        let error = rig.redfish.insert_media(&insert).await.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!((rig.writes().len(), rig.parts().media.images()), (before, vec![IMAGE.to_owned()]));
    let unreachable = MediaInsert { kind: MediaKind::Usb, ..cd("http://h/unreachable/x.img") };
    let refused = rig.redfish.insert_media(&unreachable).await.unwrap_err();
    assert!(
        matches!(&refused, BmcError::Refused { answer, .. } if answer.contains("could not be reached")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_next_slot_is_tried_where_some_are_for_consoles() {
    for (vendor, is_cisco) in [("Cisco Systems Inc", true), ("Nobody", false)] {
        let rig = Rig::of(Profile::Generic).await;
        let merge = |at: &str, more| rig.controls.add_fault(Fault::new(Effect::Merge(more)).at(at).by("GET"));
        merge("/redfish/v1", serde_json::json!({ "Vendor": vendor }));
        merge("*/VirtualMedia/*", serde_json::json!({"MediaTypes": ["CD", "DVD"]}));
        let slots = rig.redfish.media().await.unwrap();
        let refuse = |id: &str| {
            let text = "This slot is in use by the console.".to_owned();
            let refusal = Effect::Error(400, "Base.1.4.ActionNotSupported".into(), text);
            rig.controls.add_fault(Fault::new(refusal).at(&format!("*/{id}/*.InsertMedia")));
        };
        refuse(&slots[0].id);
        let done = rig.redfish.insert_media(&cd(IMAGE)).await;
        if is_cisco {
            let slot = done.unwrap();
            assert_eq!((slot.id.as_str(), slot.inserted), (slots[1].id.as_str(), true));
            rig.redfish.eject_media(None).await.unwrap();
            // Where a person has chosen, there is no other.
            let named = MediaInsert { slot: Some(slots[0].id.clone()), ..cd(IMAGE) };
            assert!(matches!(rig.redfish.insert_media(&named).await, Err(BmcError::Refused { .. })));
            slots[1..].iter().for_each(|slot| refuse(&slot.id));
            let error = rig.redfish.insert_media(&cd(IMAGE)).await.unwrap_err();
            assert!(error.to_string().contains("in use by the console"), "{error}");
        } else {
            assert!(matches!(done, Err(BmcError::Refused { .. })), "{done:?}");
        }
    }
}

#[tokio::test]
async fn credentials_are_given_where_they_are_asked_for() {
    let rig = Rig::of(Profile::Generic).await;
    let text = "The action requires the parameter UserName to be present.".to_owned();
    let refusal = Effect::Error(400, "Base.1.4.ActionParameterMissing".into(), text);
    rig.controls.add_fault(Fault::new(refusal).at("*.InsertMedia").times(1));
    rig.redfish.insert_media(&cd(IMAGE)).await.unwrap();
    assert_eq!(rig.parts().media.images(), [IMAGE]);
}
