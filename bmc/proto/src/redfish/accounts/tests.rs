use super::*;
use crate::redfish::sensors::tests::any_json;
use crate::redfish::{Identity, Quirks};
use proptest::prelude::*;
use std::path::PathBuf;

fn fixture(id: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/quirks/{id}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn account(value: Value) -> Account {
    serde_json::from_value(value).unwrap()
}

fn accounts(fixture: &Value) -> Vec<Account> {
    let members = fixture["resource"]["Members"].as_array().unwrap();
    members.iter().map(|member| account(member.clone())).collect()
}

fn quirks(vendor: &str, firmware: &str) -> Quirks {
    quirks_of(vendor, "", firmware)
}

fn quirks_of(vendor: &str, manager: &str, firmware: &str) -> Quirks {
    let identity = Identity {
        vendors: vec![vendor.into()],
        manager_model: Some(manager.into()),
        firmware: Some(firmware.into()),
        ..Identity::default()
    };
    Quirks::of(&identity)
}

#[test]
fn slots_are_used_where_there_are_free_ones() {
    for (id, vendor, manager, firmware, slot) in [
        ("dell-account-slots", "Dell", "14G Monolithic", "6.10.80.00", "3"),
        ("lenovo-account-slots", "Lenovo", "", "CDI390S 8.40", "2"),
    ] {
        let accounts = accounts(&fixture(id));
        let own = quirks_of(vendor, manager, firmware);
        assert_eq!(AccountStyle::of(&own, &accounts), AccountStyle::Slot, "{id}");
        assert_eq!(accounts[free_slot(&accounts).unwrap()].id().as_deref(), Some(slot));
        // Without the quirk they would be created, which these BMCs refuse.
        assert_eq!(
            AccountStyle::of(&quirks("Nobody", firmware), &accounts),
            AccountStyle::Created { ilo: false }
        );
        // Later ones of the same maker show no free slots.
        let taken: Vec<Account> = accounts.into_iter().filter(|account| !account.is_free()).collect();
        assert_eq!(AccountStyle::of(&own, &taken), AccountStyle::Created { ilo: false });
    }
    for firmware in ["1.20.50.50", "2.10.10.10"] {
        let own = quirks_of("Dell", "17G Monolithic", firmware);
        let style = AccountStyle::of(&own, &accounts(&fixture("dell-account-slots")));
        assert_eq!(style, AccountStyle::Created { ilo: false }, "iDRAC 10 {firmware}");
    }
}

#[test]
fn an_ilo_gets_its_own_names() {
    let fixture = fixture("hpe-login-name");
    let style = AccountStyle::of(&quirks("HPE", "iLO 5 v2.72"), &[]);
    assert_eq!(style, AccountStyle::Created { ilo: true });
    let body = new_account(style, "carol", "secret", "Operator", Rank::Operator);
    let resource = &fixture["resource"]["Oem"]["Hpe"];
    assert_eq!(body["Oem"]["Hpe"]["LoginName"], "carol");
    for (name, granted) in body["Oem"]["Hpe"]["Privileges"].as_object().unwrap() {
        assert!(resource["Privileges"].get(name).is_some(), "iLO has no {name}");
        assert!(granted.is_boolean());
    }
    assert_eq!(body.get("RoleId"), None);
    // What it shows of a role of its own is understood by its privileges.
    let shown = account(fixture["resource"].clone());
    assert_eq!(shown.rank(), Some(Rank::Operator));
    for rank in [Rank::Nothing, Rank::ReadOnly, Rank::Operator, Rank::Administrator] {
        let shown = json!({"RoleId": "custom", "Oem": {"Hpe": {"Privileges": ilo_privileges(rank)}}});
        assert_eq!(account(shown).rank(), Some(rank));
    }
    let elsewhere =
        new_account(AccountStyle::Created { ilo: false }, "carol", "secret", "Operator", Rank::Operator);
    assert_eq!(
        elsewhere,
        json!({"UserName": "carol", "Password": "secret", "RoleId": "Operator", "Enabled": true})
    );
}

#[test]
fn roles_are_known_by_name_and_by_privileges() {
    let table = [
        ("Administrator", Some(Rank::Administrator)),
        ("Operator", Some(Rank::Operator)),
        ("ReadOnly", Some(Rank::ReadOnly)),
        ("None", Some(Rank::Nothing)),
        ("NoAccess", Some(Rank::Nothing)),
        ("", Some(Rank::Nothing)),
        ("CustomRole2", None),
    ];
    for (role, rank) in table {
        assert_eq!(named_rank(role), rank, "{role}");
    }
    let role = |privileges: &[&str]| role_rank(&json!({ "AssignedPrivileges": privileges }));
    assert_eq!(
        role(&["Login", "ConfigureManager", "ConfigureUsers", "ConfigureComponents"]),
        Rank::Administrator
    );
    assert_eq!(role(&["Login", "ConfigureComponents", "ConfigureSelf"]), Rank::Operator);
    assert_eq!(role(&["Login", "ConfigureSelf"]), Rank::ReadOnly);
    assert_eq!(role(&[]), Rank::Nothing);

    let there = |roles: &[&str]| roles.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        role_for(Rank::ReadOnly, &there(&["Administrator", "ReadOnlyUser"])).as_deref(),
        Some("ReadOnlyUser")
    );
    assert_eq!(role_for(Rank::Operator, &[]).as_deref(), Some("Operator"));
    assert_eq!(role_for(Rank::Operator, &there(&["Administrator"])), None);
    assert_eq!(role_for(Rank::Nothing, &there(&["Administrator", "None"])).as_deref(), Some("None"));
    assert_eq!(role_for(Rank::Nothing, &[]), None);
}

#[test]
fn who_may_log_in() {
    for (value, may) in [
        (json!({"RoleId": "Operator"}), true),
        (json!({"RoleId": "Operator", "Enabled": false}), false),
        (json!({"RoleId": "Operator", "Enabled": true, "Locked": true}), false),
        (json!({"RoleId": "None", "Enabled": true}), false),
        (json!({"RoleId": "CustomRole1", "Enabled": true}), true),
    ] {
        assert_eq!(account(value.clone()).may_log_in(), may, "{value}");
    }
}

#[test]
fn passwords_are_as_maker_and_service_want_them() {
    let service = |value: Value| serde_json::from_value::<AccountService>(value).unwrap();
    let rules = |value: Value, maker| {
        let rules = password_rules(&service(value), maker);
        (rules.shortest, rules.longest)
    };
    let table = [
        (json!({}), Some(Vendor::Dell), (8, 20)),
        (json!({"MaxPasswordLength": 40, "MinPasswordLength": 0}), Some(Vendor::Dell), (8, 40)),
        (json!({"MinPasswordLength": 12}), Some(Vendor::Hpe), (12, 39)),
        (json!({"MinPasswordLength": 6, "MaxPasswordLength": 255}), Some(Vendor::Lenovo), (10, 64)),
        (json!({"MinPasswordLength": 8, "MaxPasswordLength": 20}), None, (8, 20)),
        (json!({}), None, (8, 16)),
        // Nonsense leaves something that can be met.
        (json!({"MinPasswordLength": 90, "MaxPasswordLength": 4}), Some(Vendor::Ami), (4, 4)),
        (json!({"MinPasswordLength": -3, "MaxPasswordLength": 1e30}), Some(Vendor::Ami), (8, 20)),
        (json!({"MaxPasswordLength": 0}), Some(Vendor::Supermicro), (8, 20)),
    ];
    for (value, maker, expected) in table {
        assert_eq!(rules(value.clone(), maker), expected, "{value} {maker:?}");
    }
}

proptest! {
    #[test]
    fn nothing_that_a_bmc_says_makes_it_panic(value in any_json()) {
        role_rank(&value);
        if let Ok(account) = serde_json::from_value::<Account>(value.clone()) {
            let _ = (account.id(), account.rank(), account.may_log_in(), free_slot(std::slice::from_ref(&account)));
        }
        if let Ok(service) = serde_json::from_value::<AccountService>(value) {
            let rules = password_rules(&service, None);
            prop_assert!(rules.shortest <= rules.longest && rules.longest <= 64);
        }
    }
}
