//! The files of OpenStack's configuration drive, as cloud-init, cloudbase-init and Ignition read them.
//!
//! <https://docs.openstack.org/nova/latest/user/metadata.html>

use super::{Seed, hostname, instance_id, user_data, vendor_data};
use provisioner_api::agent::SeedFile;
use serde_json::{Map, Value, json};

/// The files of a configuration drive.
pub(super) fn files(seed: &Seed<'_>) -> Vec<SeedFile> {
    let file = |name: &str, content: Vec<u8>| SeedFile { name: format!("openstack/latest/{name}"), content };
    let json = |name: &str, value: &Value| file(name, value.to_string().into_bytes());
    let vendor = json!({ "cloud-init": vendor_data(seed) });
    vec![
        json("meta_data.json", &meta_data(seed)),
        file("user_data", user_data(seed)),
        json("network_data.json", &seed.network_data),
        json("vendor_data.json", &vendor),
    ]
}

/// What is Billet's own stands under `meta`, where users' own data stands in OpenStack.
fn meta_data(seed: &Seed<'_>) -> Value {
    let hostname = hostname(seed.instance);
    let keys = &seed.instance.spec.ssh_keys;
    let keys: Map<String, Value> =
        keys.iter().enumerate().map(|(number, key)| (format!("key{number}"), json!(key))).collect();
    let mut own = json!({
        "provider-id": seed.place.provider_id(),
        "pool": seed.place.pool,
        "phone-home": seed.phone_home,
    });
    let mut meta = json!({
        "uuid": instance_id(seed.instance),
        "name": hostname,
        "hostname": hostname,
    });
    if let Some(zone) = seed.place.zone {
        meta["availability_zone"] = json!(zone);
        own["zone"] = json!(zone);
    }
    if !keys.is_empty() {
        meta["public_keys"] = Value::Object(keys);
    }
    meta["meta"] = own;
    meta
}
