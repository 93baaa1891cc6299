//! The service itself: queries, methods, roles, what describes it.

use super::*;

#[tokio::test]
async fn queries() {
    let desk = Desk::new();
    let get = async |query: &str| desk.get(&format!("/redfish/v1/Systems/1/Memory{query}")).await;
    let members = |said: &Said| said.body["Members"].as_array().unwrap().len();
    for (query, count) in
        [("", 3), ("?$top=2", 2), ("?$skip=2", 1), ("?%24skip=1&$top=1", 1), ("?$top=0", 0), ("?other=1", 3)]
    {
        let said = get(query).await;
        assert_eq!((said.status, members(&said)), (StatusCode::OK, count), "{query}");
        assert_eq!(said.body["Members@odata.count"], 3, "{query}");
        assert!(said.body.get("Members@odata.nextLink").is_none(), "{query}");
    }
    for (query, status) in
        [("?$top=many", 400), ("?$expand=all", 400), ("?$expand=.($levels=7)", 400), ("?$filter=a eq b", 501)]
    {
        let query = query.replace(' ', "%20");
        assert_eq!(get(&query).await.status.as_u16(), status, "{query}");
    }
    let expanded = get("?$expand=.").await;
    assert_eq!(expanded.body["Members"][0]["MemoryDeviceType"], "DDR4");
    assert_eq!(expanded.body["Members"][2]["Status"]["State"], "Absent");
    let system = desk.get("/redfish/v1/Systems?only").await;
    assert_eq!(system.body["@odata.id"], SYSTEM);
    let selected = desk.get(&format!("{SYSTEM}?$select=PowerState,Name")).await.body;
    assert_eq!((&selected["PowerState"], selected.get("Boot")), (&json!("Off"), None));
    // Supermicro's know no such thing.
    let said = Desk::of(Profile::Supermicro).get("/redfish/v1/Systems?$expand=.").await;
    assert_eq!(said.status, StatusCode::NOT_IMPLEMENTED);
}

#[tokio::test]
async fn expansion_goes_as_deep_as_asked_and_not_up() {
    let desk = Desk::new();
    let one = desk.get("/redfish/v1/Systems?$expand=.($levels=1)").await.body;
    assert_eq!(one["Members"][0]["Memory"], json!({"@odata.id": "/redfish/v1/Systems/1/Memory"}));
    let two = desk.get("/redfish/v1/Systems?$expand=.($levels=2)").await.body;
    assert_eq!(
        two["Members"][0]["Memory"]["Members"][0],
        json!({"@odata.id": "/redfish/v1/Systems/1/Memory/DIMM1"})
    );
    assert_eq!(two["Members"][0]["Links"]["Chassis"], json!([{"@odata.id": "/redfish/v1/Chassis/1"}]));
    let links = desk.get(&format!("{SYSTEM}?$expand=~")).await.body;
    assert_eq!(links["Links"]["Chassis"][0]["ChassisType"], "RackMount");
    assert_eq!(links["Memory"], json!({"@odata.id": "/redfish/v1/Systems/1/Memory"}));
}

#[tokio::test]
async fn methods() {
    let desk = Desk::new();
    let ask = |method: Method, path: &'static str| desk.ask(method, path, &[BASIC], json!({"Name": "a"}));
    let head = ask(Method::HEAD, SYSTEM).await;
    assert_eq!(
        (head.status, head.body.clone(), head.header("allow")),
        (StatusCode::OK, Value::Null, "GET, HEAD, PATCH")
    );
    assert_ne!(head.header("content-length"), "0");
    for (method, path, status, allow) in [
        (Method::PUT, SYSTEM, 405, "GET, HEAD, PATCH"),
        (Method::PATCH, "/redfish/v1/Chassis", 405, "GET, HEAD"),
        (Method::POST, "/redfish/v1/Systems", 405, "GET, HEAD"),
        (Method::DELETE, SESSIONS, 405, "GET, HEAD, POST"),
        (Method::DELETE, "/redfish/v1/Nowhere", 404, ""),
        (Method::PATCH, "/redfish/v1/Nowhere", 404, ""),
    ] {
        let said = ask(method.clone(), path).await;
        assert_eq!((said.status.as_u16(), said.header("allow")), (status, allow), "{method} {path}");
    }
    let form = [BASIC, ("content-type", "application/x-www-form-urlencoded")];
    let said = desk.ask(Method::PATCH, SYSTEM, &form, json!({})).await;
    assert_eq!(said.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(desk.ask(Method::PATCH, SYSTEM, &[BASIC], json!({})).await.id(), "Base.1.18.NoOperation");
    let large = "x".repeat(70_000);
    let said = desk.ask(Method::PATCH, SYSTEM, &[BASIC], json!({ "Name": large })).await;
    assert_eq!(said.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn properties_that_are_not_known_are_told_beside_those_that_were_set() {
    let desk = Desk::new();
    let body = json!({"Boot": {"BootSourceOverrideTarget": "Pxe"}, "Nothing": 1});
    let said = desk.ask(Method::PATCH, SYSTEM, &[BASIC], body).await;
    assert_eq!(said.status, StatusCode::OK);
    let told = &said.body["Nothing@Message.ExtendedInfo"][0]["MessageId"];
    assert_eq!(told, "Base.1.18.PropertyUnknown");
    assert_eq!(desk.chassis.boot().await.unwrap().device, Some(BootDevice::Network));
}

#[tokio::test]
async fn roles_have_their_rights() {
    let chassis = Arc::new(MemoryChassis::new());
    let options = Options::new("admin", "secret", chassis.clone(), Identity::default())
        .with_user(User::operator("op", "op"))
        .with_user(User::reader("ro", "ro"));
    let desk = Desk { state: State::new(&options), chassis };
    // `op:op` and `ro:ro`.
    let (operator, reader) = (("authorization", "Basic b3A6b3A="), ("authorization", "Basic cm86cm8="));
    let manager = "/redfish/v1/Managers/1/Actions/Manager.Reset";
    let on = json!({"ResetType": "On"});
    for (who, path, body, status) in [
        (reader, RESET, on.clone(), 403),
        (operator, RESET, on, 204),
        (operator, manager, json!({"ResetType": "ForceRestart"}), 403),
        (BASIC, manager, json!({"ResetType": "Standby"}), 400),
    ] {
        let said = desk.ask(Method::POST, path, &[who], body).await;
        assert_eq!(said.status.as_u16(), status, "{who:?} {path}");
    }
    for who in [reader, operator] {
        assert_eq!(desk.ask(Method::GET, SYSTEM, &[who], Value::Null).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn wrong_passwords_lock_a_user_out_for_a_while() {
    let desk = Desk::new();
    desk.state.users().lock_out = users::LockOut { after: 2, lasts: std::time::Duration::from_secs(60) };
    let mut now = tokio::time::Instant::now();
    let login = |password: &str, now| desk.state.users().login("admin", password, now).is_some();
    assert_eq!(
        [login("a", now), login("secret", now), login("a", now), login("b", now)],
        [false, true, false, false]
    );
    assert!(!login("secret", now));
    now += std::time::Duration::from_secs(60);
    assert!(login("secret", now));
    assert!(desk.state.users().login("", "", now).is_none());
}

#[tokio::test]
async fn who_must_change_the_password_can_do_nothing_else() {
    let desk = Desk::new();
    desk.state.users().accounts[0].must_change = true;
    let login = json!({"UserName": "admin", "Password": "secret"});
    let made = desk.ask(Method::POST, SESSIONS, &[], login).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.body["@Message.ExtendedInfo"][0]["MessageId"], "Base.1.18.PasswordChangeRequired");
    let token = [("x-auth-token", made.header("x-auth-token"))];
    let said = desk.ask(Method::GET, SYSTEM, &token, Value::Null).await;
    assert_eq!((said.status.as_u16(), said.id()), (403, "Base.1.18.PasswordChangeRequired"));
    let location = made.header("location");
    assert_eq!(desk.ask(Method::DELETE, location, &token, Value::Null).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn metadata_names_every_type() {
    for profile in Profile::ALL {
        let desk = Desk::of(profile);
        let request = Request::builder().uri("/redfish/v1/$metadata").body(Body::empty()).unwrap();
        let response = faulty::answer(desk.state.clone(), request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/xml; charset=utf-8");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        for kind in desk.state.tree.types() {
            assert!(text.contains(&format!("Namespace=\"{kind}\"")), "{profile}: {kind}");
        }
        let services = desk.get("/redfish/v1/odata").await.body;
        let names: Vec<_> =
            services["value"].as_array().unwrap().iter().map(|one| one["name"].as_str()).collect();
        assert!(names.contains(&Some("Systems")) && names.contains(&Some("AccountService")), "{profile}");
    }
}
