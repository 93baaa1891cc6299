//! BIOS attributes of every profile, and of BMCs that lie.

use super::*;
use crate::redfish::rig::Rig;
use crate::{Bmc as _, PowerState};
use bmc_mock::redfish::{Effect, Fault, Profile};

fn change(name: &str, value: &str) -> BTreeMap<String, BiosValue> {
    BTreeMap::from([(name.to_owned(), BiosValue::Text(value.into()))])
}

/// An attribute with a list of words, and the second of them.
fn listed(attributes: &[BiosAttribute]) -> (String, String) {
    let words = |attribute: &BiosAttribute| {
        let rule = attribute.rule.as_ref().filter(|rule| rule.needs_reset == Some(true))?;
        Some((attribute.name.clone(), rule.allowed.get(1)?.clone()))
    };
    attributes.iter().find_map(words).expect("one with words")
}

#[tokio::test]
async fn a_change_is_pending_and_holds_after_the_next_boot() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let attributes = BiosSettings::bios(bmc).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert!(
            attributes.len() > 4 && attributes.iter().all(|one| one.rule.is_some()),
            "{profile}: {attributes:?}"
        );
        let (name, word) = listed(&attributes);
        let wanted = change(&name, &word.to_uppercase());
        assert_eq!(bmc.set_bios(&wanted).await.unwrap(), BiosApplied::NextBoot, "{profile}");
        let before = rig.writes().len();
        assert_eq!(bmc.set_bios(&wanted).await.unwrap(), BiosApplied::Already, "{profile}");
        assert_eq!(rig.writes().len(), before, "{profile}: it was pending already");
        let shown = BiosSettings::bios(bmc).await.unwrap();
        let shown = shown.iter().find(|one| one.name == name).unwrap();
        assert_eq!(shown.pending, Some(BiosValue::Text(word.clone())), "{profile}");
        bmc.set_power(PowerState::On).await.unwrap();
        assert_eq!(rig.parts().bios.changed(&name), Some(word.as_str().into()), "{profile}");
        let shown = BiosSettings::bios(bmc).await.unwrap();
        let shown = shown.iter().find(|one| one.name == name).unwrap();
        assert_eq!((&shown.value, &shown.pending), (&Some(BiosValue::Text(word)), &None), "{profile}");
    }
}

#[tokio::test]
async fn what_is_said_to_be_done_and_is_not_is_an_error() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let (name, word) = listed(&BiosSettings::bios(&rig.redfish).await.unwrap());
        rig.ignore("*ios*");
        let error = rig.redfish.set_bios(&change(&name, &word)).await.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { .. }), "{profile}: {error:?}");
        assert!(error.to_string().contains(&name), "{profile}: {error}");
    }
}

#[tokio::test]
async fn a_pending_change_is_taken_back_or_it_is_told() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let before = BiosSettings::bios(bmc).await.unwrap();
        let (name, word) = listed(&before);
        let Some(BiosValue::Text(old)) = before.iter().find(|one| one.name == name).unwrap().value.clone()
        else {
            panic!("{profile}: {before:?}")
        };
        bmc.set_bios(&change(&name, &word)).await.unwrap();
        rig.ignore("*ios*");
        // The value is as wanted, until the next boot makes it the other one.
        let error = bmc.set_bios(&change(&name, &old)).await.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { .. }), "{profile}: {error:?}");
        rig.controls.clear_faults();
        if profile != Profile::Dell {
            bmc.set_bios(&change(&name, &old)).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
            bmc.set_power(PowerState::On).await.unwrap();
            let after = BiosSettings::bios(bmc).await.unwrap();
            let after = after.iter().find(|one| one.name == name).unwrap();
            assert_eq!(after.value, Some(BiosValue::Text(old)), "{profile}");
        }
    }
}

#[tokio::test]
async fn what_can_not_be_is_told_before_anything_is_sent() {
    let rig = Rig::of(Profile::Dell).await;
    for (name, value, words) in [
        ("BootMod", "Uefi", "is `BootMode` meant?"),
        ("BootMode", "Legacy", "one of Uefi, Bios"),
        ("AcPwrRcvryUserDelay", "5", "a number from 120 to 600"),
        ("SystemServiceTag", "X", "read-only"),
    ] {
        let error = rig.redfish.set_bios(&change(name, value)).await.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(rig.writes().is_empty());
}

#[tokio::test]
async fn without_a_registry_the_bmc_itself_says_what_is_wrong() {
    let rig = Rig::of(Profile::Generic).await;
    rig.controls.add_fault(Fault::new(Effect::Status(404)).at("/redfish/v1/Registries*"));
    let attributes = BiosSettings::bios(&rig.redfish).await.unwrap();
    assert!(attributes.iter().all(|one| one.rule.is_none()));
    let text =
        attributes.iter().find(|one| matches!(&one.value, Some(BiosValue::Text(text)) if !text.is_empty()));
    let name = text.unwrap().name.clone();
    let error = rig.redfish.set_bios(&change(&name, "Nonsense")).await.unwrap_err();
    assert!(matches!(&error, BmcError::Refused { answer, .. } if answer.contains(&name)), "{error:?}");
}

#[tokio::test]
async fn a_second_change_waits_for_the_first_job_in_dells_words() {
    let rig = Rig::of(Profile::Dell).await;
    assert_eq!(rig.redfish.set_bios(&change("BootMode", "Bios")).await.unwrap(), BiosApplied::NextBoot);
    assert!(rig.parts().tasks.awaits_boot());
    let error = rig.redfish.set_bios(&change("LogicalProc", "Disabled")).await.unwrap_err().to_string();
    assert!(error.contains("already committed"), "{error}");
    // iDRAC shows it before the job has run; that is not "now".
    let rig = Rig::of(Profile::Dell).await;
    rig.parts().bios.set_early(true);
    assert_eq!(rig.redfish.set_bios(&change("BootMode", "Bios")).await.unwrap(), BiosApplied::NextBoot);
}

#[tokio::test]
async fn all_is_reset_at_the_next_boot() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let (name, word) = listed(&BiosSettings::bios(bmc).await.unwrap());
        bmc.set_bios(&change(&name, &word)).await.unwrap();
        bmc.set_power(PowerState::On).await.unwrap();
        bmc.reset_bios().await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        bmc.set_power(PowerState::Off).await.unwrap();
        bmc.set_power(PowerState::On).await.unwrap();
        let shown = BiosSettings::bios(bmc).await.unwrap();
        let shown = shown.iter().find(|one| one.name == name).unwrap();
        assert_eq!(shown.value, shown.rule.as_ref().unwrap().default, "{profile}");
    }
}

#[tokio::test]
async fn wrong_names_and_values_are_told_at_every_maker() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let attributes = BiosSettings::bios(bmc).await.unwrap();
        let (name, _) = listed(&attributes);
        let misspelt = &name[..name.len() - 1];
        let mut wrong = vec![(misspelt.to_owned(), "x".to_owned(), format!("`{name}`"))];
        wrong.push((name.clone(), "NoSuchWord".into(), "one of".into()));
        let writable = |one: &&BiosAttribute| one.rule.as_ref().is_some_and(|rule| !rule.read_only);
        let number = attributes.iter().filter(writable).find(|one| one.rule.as_ref().unwrap().most.is_some());
        if let Some(number) = number {
            let above = number.rule.as_ref().unwrap().most.unwrap() + 1;
            wrong.push((number.name.clone(), above.to_string(), "a number".into()));
            wrong.push((number.name.clone(), "many".into(), "a number".into()));
        }
        for (name, value, words) in wrong {
            let error = bmc.set_bios(&change(&name, &value)).await.unwrap_err();
            assert!(matches!(error, BmcError::Unsupported { .. }), "{profile}: {error:?}");
            assert!(error.to_string().contains(&words), "{profile}: {error}");
        }
        assert!(rig.writes().is_empty(), "{profile}");
    }
}
