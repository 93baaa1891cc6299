//! The seed: what a system finds on the disk at first boot. NoCloud's files, for cloud-init, are here.
//!
//! <https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html>

mod config_drive;

use crate::store::InstanceRecord;
use provisioner_api::{MachineId, SeedKind, agent::SeedFile, provider_id};
use serde_json::{Value, json};

/// cloud-init waits 3 s between two tries: half an hour in all, which is how long the report is waited for. A restart
/// of the service in that time loses none.
const PHONE_HOME_TRIES: u32 = 600;

/// What a seed is made of.
pub(crate) struct Seed<'a> {
    /// The instance.
    pub(crate) instance: &'a InstanceRecord,
    /// Its user data, if it brought its own.
    pub(crate) user_data: Option<&'a [u8]>,
    /// Its network-config, if it has a network of its own.
    pub(crate) network: Option<&'a str>,
    /// The same, or DHCP, as OpenStack has it.
    pub(crate) network_data: Value,
    /// The MAC of the NIC that the machine boots from.
    pub(crate) mac: &'a str,
    /// Where the operating system reports in.
    pub(crate) phone_home: &'a str,
    /// On which machine.
    pub(crate) place: Place<'a>,
}

/// A machine, as a system is told of it.
pub(crate) struct Place<'a> {
    /// Which.
    pub(crate) machine: MachineId,
    /// Its pool.
    pub(crate) pool: &'a str,
    /// Its zone, where it has one.
    pub(crate) zone: Option<&'a str>,
}

impl Place<'_> {
    fn provider_id(&self) -> String {
        provider_id(self.machine)
    }
}

/// The files of a seed of this kind.
pub(crate) fn files(seed: &Seed<'_>, kind: SeedKind) -> Vec<SeedFile> {
    match kind {
        SeedKind::NoCloud => no_cloud(seed),
        SeedKind::ConfigDrive => config_drive::files(seed),
        SeedKind::None => Vec::new(),
    }
}

fn no_cloud(seed: &Seed<'_>) -> Vec<SeedFile> {
    let spec = &seed.instance.spec;
    let mut meta = json!({
        "instance-id": instance_id(seed.instance),
        "local-hostname": hostname(seed.instance),
        "provider-id": seed.place.provider_id(),
        "pool": seed.place.pool,
    });
    if let Some(zone) = seed.place.zone {
        meta["zone"] = json!(zone);
    }
    let network = match (seed.network, &spec.network_config) {
        (Some(rendered), _) => rendered.to_owned(),
        (None, Some(given)) => given.clone(),
        (None, None) => network_config(seed.mac),
    };
    let file = |name: &str, content: Vec<u8>| SeedFile { name: name.to_owned(), content };
    vec![
        file("meta-data", yaml(&meta).into_bytes()),
        file("user-data", user_data(seed)),
        file("network-config", network.into_bytes()),
        file("vendor-data", vendor_data(seed).into_bytes()),
    ]
}

/// The instance's own, byte for byte, or what makes its user.
fn user_data(seed: &Seed<'_>) -> Vec<u8> {
    let own = seed.user_data.map(ToOwned::to_owned);
    own.unwrap_or_else(|| made_user_data(seed.instance, hostname(seed.instance)).into_bytes())
}

/// Has cloud-init report in.
fn vendor_data(seed: &Seed<'_>) -> String {
    let vendor =
        json!({ "phone_home": { "url": seed.phone_home, "post": "all", "tries": PHONE_HOME_TRIES } });
    format!("#cloud-config\n{}", yaml(&vendor))
}

/// What a system is called.
pub(crate) fn hostname(instance: &InstanceRecord) -> &str {
    instance.spec.hostname.as_deref().unwrap_or(&instance.name)
}

/// By another id cloud-init knows that it is to configure everything anew, also where its folder is on a disk that is kept.
/// The first installation has the instance's own id.
fn instance_id(instance: &InstanceRecord) -> String {
    match instance.standing.installation {
        0 => instance.id.to_string(),
        number => format!("{}.{number}", instance.id),
    }
}

fn made_user_data(instance: &InstanceRecord, hostname: &str) -> String {
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

    fn seed(record: &InstanceRecord) -> Seed<'_> {
        let mac = "52:54:00:00:03:01";
        let machine = MachineId(uuid::Uuid::from_u128(3));
        Seed {
            instance: record,
            user_data: None,
            network: None,
            network_data: crate::netconfig::dhcp_on(mac),
            mac,
            phone_home: "http://10.0.0.1:8080/boot/phone-home/t",
            place: Place { machine, pool: "default", zone: Some("room 1") },
        }
    }

    fn bytes(seed: &Seed<'_>, kind: SeedKind, name: &str) -> Vec<u8> {
        files(seed, kind).into_iter().find(|file| file.name == name).unwrap().content
    }

    fn content(record: &InstanceRecord, name: &str) -> Value {
        serde_yaml_ng::from_slice(&bytes(&seed(record), SeedKind::NoCloud, name)).unwrap()
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
        let files = files(&seed(&record), SeedKind::NoCloud);
        let text: String = files.into_iter().map(|file| String::from_utf8(file.content).unwrap()).collect();
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
        assert_eq!(network["ethernets"]["boot"]["match"]["macaddress"], "52:54:00:00:03:01");
        assert_eq!(
            content(&record, "vendor-data")["phone_home"]["url"],
            "http://10.0.0.1:8080/boot/phone-home/t"
        );
    }
    #[test]
    fn a_system_learns_where_it_is() {
        let record = instance(None);
        let meta = content(&record, "meta-data");
        assert_eq!(meta["provider-id"], "billet://00000000-0000-0000-0000-000000000003");
        assert_eq!((&meta["zone"], &meta["pool"]), (&"room 1".into(), &"default".into()));
        let nowhere = Seed { place: Place { zone: None, ..seed(&record).place }, ..seed(&record) };
        let meta = String::from_utf8(bytes(&nowhere, SeedKind::NoCloud, "meta-data")).unwrap();
        assert!(!meta.contains("zone"), "{meta}");
    }

    #[test]
    fn user_data_stays_as_it_is_byte_for_byte() {
        let record = instance(None);
        let gzip = [0x1f, 0x8b, 8, 0, 0xff, b'\n'];
        let seed = Seed { user_data: Some(&gzip), ..seed(&record) };
        assert_eq!(bytes(&seed, SeedKind::NoCloud, "user-data"), gzip);
        assert_eq!(bytes(&seed, SeedKind::ConfigDrive, "openstack/latest/user_data"), gzip);
        assert!(files(&seed, SeedKind::None).is_empty());
    }

    #[test]
    fn a_configuration_drive_says_the_same() {
        let record = instance(Some("alice"));
        let read = |name: &str| {
            let name = format!("openstack/latest/{name}");
            serde_json::from_slice::<Value>(&bytes(&seed(&record), SeedKind::ConfigDrive, &name)).unwrap()
        };
        let meta = read("meta_data.json");
        assert_eq!((&meta["uuid"], &meta["hostname"]), (&record.id.to_string().into(), &"web1-host".into()));
        assert_eq!(meta["availability_zone"], "room 1");
        assert_eq!(meta["public_keys"]["key0"], record.spec.ssh_keys[0]);
        assert_eq!(meta["meta"]["provider-id"], "billet://00000000-0000-0000-0000-000000000003");
        assert_eq!(read("network_data.json")["networks"][0]["type"], "ipv4_dhcp");
        let vendor = read("vendor_data.json")["cloud-init"].as_str().unwrap().to_owned();
        assert!(vendor.starts_with("#cloud-config\n") && vendor.contains("/boot/phone-home/t"), "{vendor}");
        let user = bytes(&seed(&record), SeedKind::ConfigDrive, "openstack/latest/user_data");
        assert!(user.starts_with(b"#cloud-config\n"));
    }
}
