use super::*;
use crate::redfish::sensors::tests::any_json;
use proptest::prelude::*;
use std::path::PathBuf;

#[test]
fn a_lamp_is_switched_by_the_property_that_is_there() {
    let words = LampWords::STANDARD;
    let new = LampProperty::of(&json!({"LocationIndicatorActive": false, "IndicatorLED": "Off"})).unwrap();
    assert_eq!(new.is_on(words), Some(false));
    assert_eq!(new.patches(true, words), [json!({"LocationIndicatorActive": true})]);
    let old = LampProperty::of(&json!({"IndicatorLED": "Off"})).unwrap();
    assert_eq!(
        old.patches(true, words),
        [json!({"IndicatorLED": "Blinking"}), json!({"IndicatorLED": "Lit"})]
    );
    assert_eq!(old.patches(false, words), [json!({"IndicatorLED": "Off"})]);
    let choosy = LampProperty::of(
        &json!({"IndicatorLED": "Lit", "IndicatorLED@Redfish.AllowableValues": ["Lit", "Off"]}),
    )
    .unwrap();
    assert_eq!(
        (choosy.is_on(words), choosy.patches(true, words)),
        (Some(true), vec![json!({"IndicatorLED": "Lit"})])
    );
    assert_eq!(LampProperty::of(&json!({"IndicatorLED": null})).unwrap().is_on(words), None);
    assert_eq!(LampProperty::of(&json!({})), None);
}

#[test]
fn the_light_of_a_healthy_server_is_no_sign() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/quirks/dell-steady-lamp.json");
    let fixture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let lamp = LampProperty::of(&fixture["resource"]).unwrap();
    assert_eq!(lamp.is_on(LampWords::STEADY_IS_HEALTHY), Some(false));
    assert_eq!(lamp.patches(false, LampWords::STEADY_IS_HEALTHY), [json!({"IndicatorLED": "Lit"})]);
    // Taken by the standard's word it would shine already.
    assert_eq!(lamp.is_on(LampWords::STANDARD), Some(true));
}

fn port(value: Value) -> ManagerPort {
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_port_that_it_is_reached_by_is_picked() {
    let usb = || port(json!({"IPv4Addresses": [{"Address": "169.254.1.1"}]}));
    let off = || port(json!({"InterfaceEnabled": false, "IPv4Addresses": [{"Address": "10.0.0.9"}]}));
    let lan = || {
        port(
            json!({"IPv4Addresses": [{"Address": "10.0.0.1", "Gateway": "10.0.0.254"}], "IPv6Addresses": [{"Address": "fe80::1"}]}),
        )
    };
    assert_eq!(pick_port(&[usb(), off(), lan()], "192.0.2.1"), Some(2));
    assert_eq!(pick_port(&[usb(), off(), lan()], "10.0.0.9"), Some(1));
    assert_eq!(pick_port(&[usb()], "x"), Some(0));
    assert_eq!(pick_port(&[], "x"), None);
    assert_eq!(lan().address("fe80::1").unwrap().address.as_deref(), Some("fe80::1"));
    assert_eq!(lan().address("x").unwrap().gateway.as_deref(), Some("10.0.0.254"));
    assert_eq!(port(json!({"VLAN": {"VLANEnable": true, "VLANId": 42}})).vlan(), Some(42));
    assert_eq!(port(json!({"VLAN": {"VLANEnable": false, "VLANId": 42}})).vlan(), None);
}

#[test]
fn addresses_of_ports_are_written_one_way() {
    for (text, mac) in [
        ("AA:BB:CC:DD:EE:FF", Some("aa:bb:cc:dd:ee:ff")),
        ("aabb.ccdd.eeff", Some("aa:bb:cc:dd:ee:ff")),
        ("AABBCCDDEEFF", Some("aa:bb:cc:dd:ee:ff")),
        ("00:00:00:00:00:00", None),
        ("AA:BB:CC:DD:EE", None),
        ("ÄÄ:BB:CC:DD:EE:", None),
    ] {
        assert_eq!(normal_mac(text).as_deref(), mac, "{text}");
    }
}

#[test]
fn fields_that_are_empty_are_left_out() {
    let fields = identity_fields(
        &json!({"Manufacturer": " Dell Inc.\n", "Model": "", "SerialNumber": null, "SKU": "ABC"}),
    );
    assert_eq!(fields, [("manufacturer", "Dell Inc.".to_owned()), ("extra", "ABC".to_owned())]);
}

proptest! {
    #[test]
    fn nothing_that_a_bmc_says_makes_it_panic(value in any_json(), text in "[0-9a-fA-F:é]{0,14}") {
        if let Some(lamp) = LampProperty::of(&value) {
            lamp.patches(true, LampWords::STANDARD);
        }
        identity_fields(&value);
        is_present(&value);
        normal_mac(&text);
        if let Ok(port) = serde_json::from_value::<ManagerPort>(value) {
            pick_port(&[port], "x");
        }
    }
}
