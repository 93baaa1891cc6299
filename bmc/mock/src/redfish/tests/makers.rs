//! What is a maker's own.

use super::*;

#[tokio::test]
async fn power_and_boot_work_at_every_makers() {
    for profile in Profile::ALL {
        let desk = Desk::of(profile);
        let places = desk.state.places();
        let reset = format!("{}/Actions/ComputerSystem.Reset", places.system);
        let success = desk.state.tree.manners.done().status();
        let said = desk.ask(Method::POST, &reset, &[BASIC], json!({"ResetType": "On"})).await;
        assert_eq!(said.status, success, "{profile}");
        assert!(desk.chassis.power().await.unwrap(), "{profile}");
        assert_eq!(desk.get(&places.system).await.body["PowerState"], "On", "{profile}");
        assert_eq!(desk.get(&places.chassis[0]).await.body["PowerState"], "On", "{profile}");

        let at = match places.system_settings.as_ref() {
            Some(settings) if desk.state.tree.manners.boot_in_settings => settings,
            _ => &places.system,
        };
        let body = json!({"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}});
        let said = desk.ask(Method::PATCH, at, &[BASIC, ("if-match", "*")], body).await;
        assert_eq!(said.status, success, "{profile}: {}", said.body);
        assert_eq!(desk.chassis.boot().await.unwrap().device, Some(BootDevice::Network), "{profile}");
        let boot = &desk.get(&places.system).await.body["Boot"];
        assert_eq!(
            (&boot["BootSourceOverrideTarget"], &boot["BootSourceOverrideEnabled"]),
            (&json!("Pxe"), &json!("Once"))
        );
        let words = boot["BootSourceOverrideTarget@Redfish.AllowableValues"].as_array().unwrap();
        assert!(words.contains(&json!("Hdd")) && words.contains(&json!("BiosSetup")), "{profile}");
    }
}

#[tokio::test]
async fn places_are_where_resources_are() {
    for profile in Profile::ALL {
        let desk = Desk::of(profile);
        let places = desk.state.places().clone();
        let one = [places.system, places.manager, places.accounts, places.roles];
        let some = [
            places.secure_boot,
            places.bios,
            places.bios_settings,
            places.bios_registry,
            places.boot_options,
            places.update,
            places.firmware,
            places.tasks,
            places.events,
            places.subscriptions,
        ];
        let many =
            [places.chassis, places.media, places.logs, places.thermal, places.power, places.manager_ports];
        assert!(many.iter().all(|list| !list.is_empty()), "{profile}");
        let optional = places.system_settings.into_iter().chain(places.jobs).chain(places.sensors);
        // Every profile has all of `some`.
        let all =
            one.into_iter().chain(some.into_iter().map(Option::unwrap)).chain(many.concat()).chain(optional);
        for path in all {
            assert!(desk.state.stored(&path).is_some(), "{profile}: {path}");
        }
    }
}

#[tokio::test]
async fn a_slash_at_the_end_is_no_matter() {
    let desk = Desk::of(Profile::Hpe);
    let said = desk.get("/redfish/v1/Systems/1").await;
    assert_eq!(said.body["@odata.id"], "/redfish/v1/Systems/1/");
    assert!(said.header("etag").starts_with("W/"));
    assert_eq!(desk.get("/redfish/v1/Systems/1/").await.body, said.body);
    // Its weak tags are taken.
    let tag = ("if-match", said.header("etag"));
    let body = json!({"Boot": {"BootSourceOverrideTarget": "Pxe"}});
    assert_eq!(desk.ask(Method::PATCH, SYSTEM, &[BASIC, tag], body.clone()).await.status, StatusCode::OK);
    assert_eq!(
        desk.ask(Method::PATCH, SYSTEM, &[BASIC, tag], body).await.status,
        StatusCode::PRECONDITION_FAILED
    );
}

#[tokio::test]
async fn amis_override_goes_to_the_settings_with_if_match() {
    let desk = Desk::of(Profile::Ami);
    let body = json!({"Boot": {"BootSourceOverrideTarget": "Pxe"}});
    let at = |path: &'static str, headers: &'static [(&'static str, &'static str)]| {
        desk.ask(Method::PATCH, path, headers, body.clone())
    };
    let said = at("/redfish/v1/Systems/Self/SD", &[BASIC]).await;
    assert_eq!((said.status.as_u16(), said.id()), (428, "Ami.1.0.PreconditionHeaderMissing"));
    let said = at("/redfish/v1/Systems/Self", &[BASIC, ("if-match", "*")]).await;
    assert_eq!((said.status.as_u16(), said.id()), (400, "Ami.1.0.OperationSupportedInFutureStateURI"));
    assert_eq!(desk.chassis.boot().await.unwrap().device, None);
}

#[tokio::test]
async fn xccs_accounts_are_changed_with_if_match() {
    let desk = Desk::of(Profile::Lenovo);
    let change = async |headers: &[(&str, &str)], path: &str, body: Value| {
        desk.ask(Method::PATCH, path, headers, body).await.status.as_u16()
    };
    let (account, password) =
        ("/redfish/v1/AccountService/Accounts/1", json!({"Password": "Secret 12 word"}));
    let tag = desk.get(account).await.header("etag").to_owned();
    assert_eq!(change(&[BASIC], account, password.clone()).await, 428);
    assert_eq!(change(&[BASIC], SYSTEM, json!({"Boot": {"BootSourceOverrideTarget": "Pxe"}})).await, 204);
    assert_eq!(change(&[BASIC, ("if-match", &tag)], account, password).await, 204);
}

#[tokio::test]
async fn errors_are_in_the_makers_registry_and_already_so_in_its_words() {
    for (profile, missing, status, id) in [
        (Profile::Generic, "Base.1.18.ResourceMissingAtURI", 409, "Base.1.18.ResourceInUse"),
        (Profile::Ami, "Base.1.12.ResourceMissingAtURI", 409, "Base.1.12.ResourceInUse"),
        (Profile::Dell, "Base.1.12.ResourceMissingAtURI", 409, "IDRAC.2.8.PSU501"),
        (Profile::Hpe, "Base.1.4.ResourceMissingAtURI", 400, "iLO.2.14.InvalidOperationForSystemState"),
        (Profile::Lenovo, "Base.1.12.ResourceMissingAtURI", 204, ""),
        (Profile::Supermicro, "Base.v1_10_3.ResourceMissingAtURI", 200, ""),
    ] {
        let desk = Desk::of(profile);
        assert_eq!(desk.get("/redfish/v1/Nowhere").await.id(), missing, "{profile}");
        let reset = format!("{}/Actions/ComputerSystem.Reset", desk.state.places().system);
        let said = desk.ask(Method::POST, &reset, &[BASIC], json!({"ResetType": "ForceOff"})).await;
        assert_eq!((said.status.as_u16(), said.id()), (status, id), "{profile}");
    }
}

#[tokio::test]
async fn sessions_in_the_makers_shape() {
    let login = json!({"UserName": "admin", "Password": "secret"});
    for (profile, location) in [
        (Profile::Generic, "/redfish/v1/SessionService/Sessions/1"),
        (Profile::Hpe, "https://bmc.example/redfish/v1/SessionService/Sessions/admin000000001/"),
    ] {
        let desk = Desk::of(profile);
        let made = desk.ask(Method::POST, SESSIONS, &[("host", "bmc.example")], login.clone()).await;
        assert_eq!(made.header("location"), location);
    }
    let desk = Desk::of(Profile::Dell);
    desk.state.controls.set_faults(Faults { session_cap: Some(0), ..Faults::default() });
    let said = desk.ask(Method::POST, SESSIONS, &[], login).await;
    assert_eq!((said.status.as_u16(), said.id()), (503, "IDRAC.2.8.RAC0218"));
}

#[test]
fn profiles_have_names() {
    for profile in Profile::ALL {
        assert_eq!(profile.to_string().parse::<Profile>().unwrap(), profile);
    }
    let known = "huawei".parse::<Profile>().unwrap_err().to_string();
    assert!(Profile::ALL.iter().all(|profile| known.contains(profile.name())), "{known}");
}
