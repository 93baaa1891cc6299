//! The NoCloud seed: what cloud-init finds on the disk at first boot.
//!
//! <https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html>

use crate::store::InstanceRecord;
use provisioner_api::agent::SeedFile;
use serde_json::{Value, json};

/// cloud-init waits 3 s between two tries: half an hour in all, which is how long the report is waited for. A restart
/// of the service in that time loses none.
const PHONE_HOME_TRIES: u32 = 600;

/// What a seed is made of.
pub(crate) struct Seed<'a> {
    /// The instance.
    pub(crate) instance: &'a InstanceRecord,
    /// Its user data, if it brought its own.
    pub(crate) user_data: Option<&'a str>,
    /// Its network-config, if it has a network of its own.
    pub(crate) network: Option<&'a str>,
    /// The MAC of the NIC that the machine boots from.
    pub(crate) mac: &'a str,
    /// Where the operating system reports in.
    pub(crate) phone_home: &'a str,
}

/// The files of a seed.
pub(crate) fn files(seed: &Seed<'_>) -> Vec<SeedFile> {
    let spec = &seed.instance.spec;
    let hostname = spec.hostname.as_deref().unwrap_or(&seed.instance.name);
    let meta = json!({ "instance-id": instance_id(seed.instance), "local-hostname": hostname });
    let vendor =
        json!({ "phone_home": { "url": seed.phone_home, "post": "all", "tries": PHONE_HOME_TRIES } });
    let network = match (seed.network, &spec.network_config) {
        (Some(rendered), _) => rendered.to_owned(),
        (None, Some(given)) => given.clone(),
        (None, None) => network_config(seed.mac),
    };
    let file = |name: &str, content: String| SeedFile { name: name.to_owned(), content };
    vec![
        file("meta-data", yaml(&meta)),
        file(
            "user-data",
            seed.user_data.map_or_else(|| user_data(seed.instance, hostname), ToOwned::to_owned),
        ),
        file("network-config", network),
        file("vendor-data", format!("#cloud-config\n{}", yaml(&vendor))),
    ]
}

/// By another id cloud-init knows that it is to configure everything anew, also where its folder is on a disk that is kept.
/// The first installation has the instance's own id.
fn instance_id(instance: &InstanceRecord) -> String {
    match instance.standing.installation {
        0 => instance.id.to_string(),
        number => format!("{}.{number}", instance.id),
    }
}

fn user_data(instance: &InstanceRecord, hostname: &str) -> String {
    let spec = &instance.spec;
    let mut config = json!({ "hostname": hostname, "preserve_hostname": false, "ssh_pwauth": false });
    match &spec.user {
        Some(user) => {
            config["users"] = json!([{
                "name": user,
                "groups": "sudo",
                "shell": "/bin/bash",
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "lock_passwd": true,
                "ssh_authorized_keys": spec.ssh_keys,
            }]);
        }
        None if !spec.ssh_keys.is_empty() => config["ssh_authorized_keys"] = json!(spec.ssh_keys),
        None => {}
    }
    format!("#cloud-config\n{}", yaml(&config))
}

/// DHCP on the NIC that the machine boots from, found by its MAC so that its name doesn't matter.
fn network_config(mac: &str) -> String {
    yaml(&json!({ "version": 2, "ethernets": { "boot": { "match": { "macaddress": mac }, "dhcp4": true } } }))
}

/// A mapping as YAML: one line for each key, the values as JSON, in which every text is quoted. Unquoted, YAML 1.1 takes
/// a MAC address of decimal digits for a number of base 60, and a host called `no` for a false.
fn yaml(value: &Value) -> String {
    let Value::Object(mapping) = value else { return value.to_string() };
    mapping.iter().map(|(key, value)| format!("{key}: {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use provisioner_api::{InstanceSpec, InstanceState};

    fn instance(user: Option<&str>) -> InstanceRecord {
        InstanceRecord {
            name: "web1".into(),
            state: InstanceState::Deploying,
            spec: InstanceSpec {
                hostname: Some("web1-host".into()),
                user: user.map(Into::into),
                ssh_keys: vec!["ssh-ed25519 AAAA me: \"quoted\"".into()],
                ..samples::instance(7).spec
            },
            ..samples::instance(7)
        }
    }

    fn content(record: &InstanceRecord, name: &str) -> Value {
        let seed = Seed {
            instance: record,
            user_data: None,
            network: None,
            mac: "52:54:00:00:00:01",
            phone_home: "http://10.0.0.1:8080/boot/phone-home/t",
        };
        let file = files(&seed).into_iter().find(|file| file.name == name).unwrap();
        serde_yaml_ng::from_str(&file.content).unwrap()
    }

    #[test]
    fn a_user_gets_the_keys_and_nothing_from_the_user_escapes_its_place() {
        let user = content(&instance(Some("alice")), "user-data");
        assert_eq!(user["users"][0]["name"], "alice");
        assert_eq!(user["users"][0]["ssh_authorized_keys"][0], "ssh-ed25519 AAAA me: \"quoted\"");
        assert_eq!(
            content(&instance(None), "user-data")["ssh_authorized_keys"][0],
            "ssh-ed25519 AAAA me: \"quoted\""
        );
    }

    #[test]
    fn every_text_is_quoted() {
        let record = InstanceRecord { name: "no".into(), ..instance(None) };
        let record =
            InstanceRecord { spec: InstanceSpec { hostname: None, ..record.spec.clone() }, ..record };
        let seed = Seed {
            instance: &record,
            user_data: None,
            network: None,
            mac: "52:54:00:00:03:01",
            phone_home: "http://10.0.0.1:8080/boot/phone-home/t",
        };
        let text: String = files(&seed).into_iter().map(|file| file.content).collect();
        for quoted in [
            "\"52:54:00:00:03:01\"",
            "local-hostname: \"no\"",
            "\"url\":\"http://10.0.0.1:8080/boot/phone-home/t\"",
        ] {
            assert!(text.contains(quoted), "{quoted} in\n{text}");
        }
    }

    #[test]
    fn the_rest_of_the_seed_names_host_network_and_phone_home() {
        let record = instance(None);
        assert_eq!(content(&record, "meta-data")["local-hostname"], "web1-host");
        assert_eq!(content(&record, "meta-data")["instance-id"], record.id.to_string());
        let network = content(&record, "network-config");
        assert_eq!(network["ethernets"]["boot"]["match"]["macaddress"], "52:54:00:00:00:01");
        assert_eq!(
            content(&record, "vendor-data")["phone_home"]["url"],
            "http://10.0.0.1:8080/boot/phone-home/t"
        );
    }
}
