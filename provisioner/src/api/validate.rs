//! What a request's fields may hold. Pure; collects everything that is wrong.

mod placement;
mod root_disk;
mod simple;

use crate::{
    bmcs::{read_bmc_key, split_address},
    text::parse_mac,
};
use provisioner_api::{
    BmcBoot, BmcBootDevice, BmcProtocol, BmcSpec, BmcUserUpdate, FieldError, ImageSpec, InstanceSpec,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::collections::BTreeMap;

/// Collects wrong fields.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<FieldError>);

impl Fields {
    /// Notes a wrong field if the condition doesn't hold.
    pub(crate) fn check(&mut self, holds: bool, field: &str, detail: impl Into<String>) {
        if !holds {
            self.0.push(FieldError { field: field.to_owned(), detail: detail.into() });
        }
    }

    /// Adds what else is wrong.
    pub(crate) fn add(&mut self, problems: Vec<FieldError>) {
        self.0.extend(problems);
    }

    /// All that is wrong, or nothing.
    pub(crate) fn done(self) -> Result<(), super::error::ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(super::error::ApiError::invalid(self.0)) }
    }

    /// A name that is also a host name.
    pub(crate) fn name(&mut self, field: &str, name: &str) {
        let detail = format!("`{name}` must be a DNS label: 1 to 63 of a-z, 0-9 and `-`, not first or last");
        self.check(is_dns_label(name), field, detail);
        self.no_id(field, name);
    }

    /// Objects are found by name or id: a name that looks like an id could be another's.
    fn no_id(&mut self, field: &str, name: &str) {
        let id = name.len() == 36 && uuid::Uuid::parse_str(name).is_ok();
        self.check(
            !id,
            field,
            format!("`{name}` looks like an id; choose a name that can't be taken for one"),
        );
    }

    /// Labels, or a selector of them.
    pub(crate) fn labels(&mut self, field: &str, labels: &BTreeMap<String, String>) {
        let plain = |text: &str| {
            text.len() <= 63 && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        };
        for (key, value) in labels {
            let detail = format!(
                "`{key}={value}`: key and value are up to 63 letters, digits, `.`, `_`, `-`, `/`, the key not empty"
            );
            self.check(!key.is_empty() && plain(key) && plain(value), field, detail);
        }
    }

    /// Boot MACs: at least one, each well-formed, none twice. Answers them in canonical form.
    pub(crate) fn macs(&mut self, macs: &[String]) -> Vec<String> {
        self.check(
            !macs.is_empty(),
            "macs",
            "at least one MAC address is needed: the NIC that the machine boots from",
        );
        let mut canonical = Vec::new();
        for (index, mac) in macs.iter().enumerate() {
            match parse_mac(mac) {
                Some(mac) if canonical.contains(&mac) => {
                    self.check(false, &format!("macs[{index}]"), format!("{mac} is named twice"))
                }
                Some(mac) => canonical.push(mac),
                None => self.check(
                    false,
                    &format!("macs[{index}]"),
                    format!("`{mac}` is not a unicast MAC address like 52:54:00:12:34:56"),
                ),
            }
        }
        canonical
    }

    /// A BMC's settings.
    pub(crate) fn bmc(&mut self, bmc: &BmcSpec) {
        if !bmc.protocol.needs_login() {
            return self.bmc_simple(bmc);
        }
        self.bmc_foreign(bmc);
        let (host, port) = split_address(&bmc.address);
        let tail = bmc.address.strip_prefix(&host).unwrap_or("");
        let good = !host.is_empty()
            && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c))
            && (tail.is_empty() || port.is_some_and(|port| port > 0) || bmc.address.starts_with('['));
        self.check(
            good,
            "bmc.address",
            format!("`{}` is not a host or IP address, with :port if need be", bmc.address),
        );
        self.check(
            !bmc.username.is_empty() && bmc.username.len() <= 64,
            "bmc.username",
            "a user name of 1 to 64 characters is needed",
        );
        if bmc.protocol == BmcProtocol::Ipmi {
            self.check(bmc.username.len() <= 16, "bmc.username", "IPMI knows at most 16 characters");
            self.check(
                matches!(bmc.cipher_suite, None | Some(3 | 17)),
                "bmc.cipher_suite",
                "17 (the default), or 3 for a BMC that knows no better; lower ones are not implemented",
            );
            self.check(bmc.tls_sha256.is_none(), "bmc.tls_sha256", "IPMI knows no certificate");
        } else {
            self.check(bmc.cipher_suite.is_none(), "bmc.cipher_suite", "only IPMI has cipher suites");
            let pin = bmc.tls_sha256.as_ref().is_none_or(|pin| is_sha256(pin));
            self.check(
                pin,
                "bmc.tls_sha256",
                "64 hex digits are needed: the SHA-256 of the BMC's certificate",
            );
            self.bmc_authorities(bmc);
        }
    }

    /// The authorities whose certificates are believed.
    fn bmc_authorities(&mut self, bmc: &BmcSpec) {
        let Some(pem) = &bmc.tls_ca else { return };
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let good = certificates.is_ok_and(|certificates| {
            !certificates.is_empty()
                && certificates.iter().all(|der| x509_parser::parse_x509_certificate(der).is_ok())
        });
        self.check(good, "bmc.tls_ca", "certificates in PEM are needed: `-----BEGIN CERTIFICATE-----` …");
        self.check(
            bmc.tls_sha256.is_none(),
            "bmc.tls_sha256",
            "give either one pinned certificate or the authorities that are believed (tls_ca)",
        );
    }

    /// What is booted from.
    pub(crate) fn bmc_boot(&mut self, boot: &BmcBoot) {
        let is = |device| boot.device == device;
        self.check(boot.uri.is_none() || is(BmcBootDevice::Http), "uri", "only `http` has one");
        self.check(
            boot.path.is_none() || is(BmcBootDevice::UefiDevice),
            "path",
            "only `uefi-device` has one",
        );
        if let Some(uri) = &boot.uri {
            self.web_url("uri", uri);
        }
        let path = boot.path.as_deref().unwrap_or_default();
        let known = !is(BmcBootDevice::UefiDevice) || (!path.is_empty() && path.len() <= 1024);
        self.check(known, "path", "the UEFI device path is needed, as `billet bmc boot-order show` tells it");
    }

    /// An address that a BMC fetches something from.
    pub(crate) fn url(&mut self, field: &str, text: &str) {
        let good = url::Url::parse(text).is_ok_and(|url| url.has_host() && url.host_str() != Some(""));
        self.check(
            good && text.len() <= 2048,
            field,
            format!("`{text}` is no URL with a host, such as http://10.0.0.1/file"),
        );
    }

    /// An `http` or `https` address.
    pub(crate) fn web_url(&mut self, field: &str, text: &str) {
        let web = text.starts_with("http://") || text.starts_with("https://");
        self.check(web, field, "it has to begin with https:// or http://");
        if web {
            self.url(field, text);
        }
    }

    /// A BMC's password.
    pub(crate) fn bmc_password(&mut self, protocol: BmcProtocol, password: &str) {
        let given = !password.is_empty() || !protocol.needs_login();
        self.check(given, "bmc_password", "the password must not be empty");
        if protocol == BmcProtocol::Ipmi {
            self.check(password.len() <= 20, "bmc_password", "IPMI 2.0 knows at most 20 bytes");
        }
    }

    /// A BMC's key Kg.
    pub(crate) fn bmc_key(&mut self, protocol: BmcProtocol, text: &str) {
        self.check(protocol == BmcProtocol::Ipmi, "bmc_key", "only IPMI has a BMC key (Kg)");
        if let Err(why) = read_bmc_key(text) {
            self.check(false, "bmc_key", why);
        }
    }

    /// What is to be changed of a BMC's user.
    pub(crate) fn bmc_user(&mut self, protocol: BmcProtocol, update: &BmcUserUpdate) {
        let longest = if protocol == BmcProtocol::Ipmi { 16 } else { 64 };
        if let Some(name) = &update.name {
            let good = name.len() <= longest && name.chars().all(|c| c.is_ascii_graphic());
            self.check(
                good,
                "name",
                format!("at most {longest} letters, digits and signs of ASCII without spaces"),
            );
        }
        if let Some(password) = &update.password {
            let password = password.reveal();
            self.check(!password.is_empty(), "password", "the password must not be empty");
            let fits = protocol != BmcProtocol::Ipmi || password.len() <= 20;
            self.check(fits, "password", "IPMI 2.0 knows at most 20 bytes");
            self.check(!password.contains('\0'), "password", "a BMC takes a zero byte for its end");
        }
        self.check(*update != BmcUserUpdate::default(), "name", "give at least one thing to change");
    }

    /// An instance's wishes, but for what only the store knows.
    pub(crate) fn instance(&mut self, spec: &InstanceSpec) {
        self.placement(spec);
        if let Some(hostname) = &spec.hostname {
            self.name("spec.hostname", hostname);
        }
        self.root_disk("spec.root_disk_serial", spec.root_disk_serial.as_deref());
        if let Some(hints) = &spec.root_disk {
            let twice =
                "give the serial number once: in root_disk, together with what else is known of the disk";
            self.check(spec.root_disk_serial.is_none(), "spec.root_disk_serial", twice);
            root_disk::check(self, "spec.root_disk", hints);
        }
        self.system("spec.", spec);
    }

    /// What an instance is to be installed with anew.
    pub(crate) fn reinstalled(&mut self, spec: &InstanceSpec, root_disk_serial: Option<&str>) {
        self.root_disk("root_disk_serial", root_disk_serial);
        self.system("", spec);
    }

    /// Who may log in to a rescue system.
    pub(crate) fn rescue(&mut self, ssh_keys: &[String]) {
        self.check(
            (1..=MOST_RESCUE_KEYS).contains(&ssh_keys.len()),
            "ssh_keys",
            format!(
                "1 to {MOST_RESCUE_KEYS} SSH public keys are needed (`--ssh-key FILE`): there is no password"
            ),
        );
        for (index, key) in ssh_keys.iter().enumerate() {
            self.check(
                is_ssh_key(key) && key.len() <= LONGEST_KEY,
                &format!("ssh_keys[{index}]"),
                "one line of an OpenSSH public key is needed: `ssh-ed25519 AAAA… comment`",
            );
        }
    }

    fn root_disk(&mut self, field: &str, serial: Option<&str>) {
        self.check(
            serial.is_none_or(|serial| !serial.trim().is_empty()),
            field,
            "no disk without a serial number is ever written; leave it out where only one disk can take the system",
        );
    }

    /// What an operating system is told of itself; `at` is where its fields are.
    fn system(&mut self, at: &str, spec: &InstanceSpec) {
        if let Some(user) = &spec.user {
            let good = user.len() <= 32
                && user.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
                && user.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c));
            self.check(
                good,
                &format!("{at}user"),
                format!("`{user}` is not a user name: a-z, 0-9, `_`, `-`, a letter first"),
            );
            self.check(
                user != "root",
                &format!("{at}user"),
                "root can't be made; leave `user` out to use the image's own user",
            );
        }
        for (index, key) in spec.ssh_keys.iter().enumerate() {
            self.check(
                is_ssh_key(key),
                &format!("{at}ssh_keys[{index}]"),
                "one line of an OpenSSH public key is needed: `ssh-ed25519 AAAA… comment`",
            );
        }
        super::user_data::check(self, at, spec);
        if let Some(config) = &spec.network_config {
            let both = "give either network or network_config, not both";
            self.check(spec.network.is_none(), &format!("{at}network_config"), both);
            let version = serde_yaml_ng::from_str::<serde_yaml_ng::Value>(config).ok().and_then(|value| {
                value.get("version").or_else(|| value.get("network")?.get("version"))?.as_u64()
            });
            self.check(
                version.is_some(),
                &format!("{at}network_config"),
                "cloud-init's network-config as YAML with `version: 2` is needed",
            );
        }
    }

    /// An image's import.
    pub(crate) fn image(&mut self, spec: &ImageSpec) {
        let good = (1..=128).contains(&spec.name.len())
            && spec.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && spec.name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        self.check(
            good,
            "name",
            "1 to 128 letters, digits, `.`, `_`, `-` are needed, a letter or digit first",
        );
        self.no_id("name", &spec.name);
        if let Err(error) = images::FileDigest::parse(&spec.digest) {
            self.check(false, "digest", error.to_string());
        }
        let short = spec.signature.as_ref().is_none_or(|text| text.len() <= images::import::MAX_SIGNATURE);
        self.check(short, "signature", "the text of a signature file is needed, of at most 4096 bytes");
        let known = spec.architecture.as_deref().is_none_or(|arch| ["x86_64", "aarch64"].contains(&arch));
        self.check(known, "architecture", "x86_64 or aarch64");
        super::ram_image::check_fields(self, spec);
        super::image_seed::check_image(self, spec);
    }
}

fn is_dns_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// SSH keys of one rescue at most, and characters of each: they go with an order to the agent.
const MOST_RESCUE_KEYS: usize = 32;
const LONGEST_KEY: usize = 8192;

fn is_ssh_key(line: &str) -> bool {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut words = line.split_whitespace();
    let kind = words.next().unwrap_or("");
    let known = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| kind.starts_with(start));
    known && !line.contains(['\n', '\r']) && words.next().is_some_and(|key| STANDARD.decode(key).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_made_canonical() {
        for text in ["52:54:00:AB:cd:01", "52-54-00-ab-cd-01", "5254.00ab.cd01"] {
            assert_eq!(parse_mac(text).as_deref(), Some("52:54:00:ab:cd:01"), "{text}");
        }
        for text in [
            "",
            "52:54:00:ab:cd",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "zz:54:00:ab:cd:01",
        ] {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }

    #[test]
    fn bmc_addresses() {
        for (address, good) in [
            ("10.0.0.1", true),
            ("10.0.0.1:9011", true),
            ("[fe80::1]:623", true),
            ("bmc-1.example", true),
            ("", false),
            ("10.0.0.1:", false),
            ("10.0.0.1:70000", false),
            ("user@host", false),
            ("http://host", false),
        ] {
            let mut fields = Fields::default();
            fields.bmc(&BmcSpec {
                address: address.into(),
                username: "admin".into(),
                ..BmcSpec::new(BmcProtocol::Ipmi)
            });
            assert_eq!(fields.0.is_empty(), good, "{address}: {:?}", fields.0);
        }
    }

    #[test]
    fn an_empty_serial_number_names_no_disk() {
        for (serial, good) in [(None, true), (Some("WD-1"), true), (Some(""), false), (Some(" "), false)] {
            let mut spec: InstanceSpec = serde_json::from_str(r#"{"image": "x"}"#).unwrap();
            spec.root_disk_serial = serial.map(str::to_owned);
            let mut fields = Fields::default();
            fields.instance(&spec);
            assert_eq!(fields.0.is_empty(), good, "{serial:?}: {:?}", fields.0);
        }
    }

    #[test]
    fn labels_have_a_key_and_a_value() {
        for (key, value, good) in
            [("rack", "r7", true), ("", "", false), ("a b", "c", false), ("a", "", true)]
        {
            let mut fields = Fields::default();
            fields.labels("labels", &BTreeMap::from([(key.to_owned(), value.to_owned())]));
            assert_eq!(fields.0.is_empty(), good, "{key}={value}: {:?}", fields.0);
        }
    }

    #[test]
    fn ssh_keys() {
        assert!(is_ssh_key("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGlTdGhpc0FLZXk= me@host"));
        for bad in ["", "ssh-ed25519", "hello AAAA", "ssh-ed25519 not!base64", "ssh-ed25519 AAAA\nevil"] {
            assert!(!is_ssh_key(bad), "{bad:?}");
        }
    }
}
