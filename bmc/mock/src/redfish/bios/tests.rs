//! BIOS attributes as a stranger's client would set them.

use super::*;
use crate::redfish::tests::{BASIC, Desk, Said};

const SETTINGS: &str = "/redfish/v1/Systems/1/Bios/Settings";

async fn set(desk: &Desk, attributes: Value) -> Said {
    let path = desk.state.places().bios_settings.clone().unwrap();
    desk.ask(Method::PATCH, &path, &[BASIC, ("if-match", "*")], json!({ "Attributes": attributes })).await
}

/// The first attribute that is set by words, from the registry.
fn listed(desk: &Desk) -> (String, String) {
    let registry = desk.state.tree.get(desk.state.places().bios_registry.as_deref().unwrap()).unwrap();
    let entries = registry["RegistryEntries"]["Attributes"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["Value"][1].is_object()).unwrap();
    let word = entry["Value"][1]["ValueName"].as_str().unwrap();
    (entry["AttributeName"].as_str().unwrap().to_owned(), word.to_owned())
}

#[tokio::test]
async fn bad_values_are_refused_and_name_the_attribute() {
    for profile in Profile::ALL {
        let desk = Desk::of(profile);
        let (name, word) = listed(&desk);
        for (attributes, id, named) in [
            (json!({ name.as_str(): "Nonsense" }), "PropertyValueNotInList", name.as_str()),
            (json!({"Nonsense": word}), "PropertyUnknown", "Nonsense"),
        ] {
            let said = set(&desk, attributes).await;
            assert_eq!(said.status, StatusCode::BAD_REQUEST, "{profile}");
            assert!(said.id().ends_with(id), "{profile}: {}", said.id());
            assert!(
                said.body["error"]["message"].as_str().unwrap().contains(named),
                "{profile}: {}",
                said.body
            );
        }
        assert!(desk.state.controls.parts().bios.pending().is_empty(), "{profile}");
    }
}

#[tokio::test]
async fn what_a_registry_forbids_is_refused() {
    let desk = Desk::of(Profile::Generic);
    let registry = desk.state.tree.get(desk.state.places().bios_registry.as_deref().unwrap()).unwrap();
    let mut seen = 0;
    for entry in registry["RegistryEntries"]["Attributes"].as_array().unwrap() {
        let name = entry["AttributeName"].as_str().unwrap();
        let (wrong, id) = match entry["Type"].as_str().unwrap() {
            _ if entry["ReadOnly"] == true => (json!("x"), "PropertyNotWritable"),
            "Integer" => (json!(entry["UpperBound"].as_i64().unwrap() + 1), "PropertyValueOutOfRange"),
            "Boolean" => (json!("yes"), "PropertyValueTypeError"),
            "String" => (json!("x".repeat(500)), "PropertyValueOutOfRange"),
            _ => (json!(true), "PropertyValueNotInList"),
        };
        let said = set(&desk, json!({ name: wrong })).await;
        assert!(said.status == StatusCode::BAD_REQUEST && said.id().ends_with(id), "{name}: {}", said.body);
        seen += 1;
    }
    assert!(seen > 4);
}

#[tokio::test]
async fn changes_wait_for_a_boot() {
    let desk = Desk::of(Profile::Generic);
    let (name, word) = listed(&desk);
    assert!(set(&desk, json!({ name.as_str(): word })).await.status.is_success());
    let bios = desk.state.places().bios.clone().unwrap();
    assert_ne!(desk.get(&bios).await.body["Attributes"][&name], *word);
    assert_eq!(desk.get(SETTINGS).await.body["Attributes"][&name], *word);
    assert!(desk.reset("On").await.status.is_success());
    assert_eq!(desk.get(&bios).await.body["Attributes"][&name], *word);
    assert!(desk.get(SETTINGS).await.body["Attributes"].as_object().unwrap().is_empty());
}

#[tokio::test]
async fn without_an_apply_time_dell_makes_no_job() {
    let desk = Desk::of(Profile::Dell);
    assert_eq!(set(&desk, json!({"BootMode": "Bios"})).await.status, StatusCode::OK);
    let bmc = &desk.state;
    bmc.announce(&Event::Boot);
    assert_eq!(bmc.controls.parts().bios.changed("BootMode"), None);
    let path = bmc.places().bios_settings.clone().unwrap();
    let body =
        json!({"Attributes": {"BootMode": "Bios"}, "@Redfish.SettingsApplyTime": {"ApplyTime": "OnReset"}});
    let said = desk.ask(Method::PATCH, &path, &[BASIC], body.clone()).await;
    assert_eq!(said.status, StatusCode::ACCEPTED);
    assert!(said.header("location").contains("/JID_"), "{}", said.header("location"));
    let again = desk.ask(Method::PATCH, &path, &[BASIC], body).await;
    assert!(again.id().ends_with("SYS428"), "{}", again.body);
    bmc.announce(&Event::Boot);
    assert_eq!(bmc.controls.parts().bios.changed("BootMode"), Some("Bios".into()));
}
