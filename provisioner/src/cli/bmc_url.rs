//! A BMC in one word: `ipmi://admin@10.0.0.9?cipher=3`, `redfish://admin@bmc7.example.org:8443`; machines without one are
//! in `simple`.
//!
//! A password is deliberately not part of it: what is typed ends up in histories and process lists.

mod simple;

use super::validate;
use percent_encoding::percent_decode_str;
use provisioner_api::{BmcProtocol, BmcSpec};
use url::{Host, Url};

/// Reads it.
pub(super) fn parse(text: &str) -> Result<BmcSpec, String> {
    if let Some(simple) = simple::parse(text) {
        return simple;
    }
    let shape = "write it like ipmi://admin@10.0.0.9 or redfish://admin@10.0.0.9, or manual:, webhook+https://…, wol://…, libvirt+qemu:///…, vbox://… for a machine without a BMC";
    let url = Url::parse(text).map_err(|error| format!("that is no BMC address ({error}); {shape}"))?;
    let protocol = match url.scheme() {
        "ipmi" => BmcProtocol::Ipmi,
        "redfish" => BmcProtocol::Redfish,
        other => return Err(format!("`{other}` is no protocol of BMCs that is known here; {shape}")),
    };
    if url.password().is_some() {
        return Err(
            "a password does not belong here, others could see it; use --bmc-password-file or BILLET_BMC_PASSWORD"
                .to_owned(),
        );
    }
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(format!("nothing but host and port can be given; {shape}"));
    }
    let username = percent_decode_str(url.username())
        .decode_utf8()
        .map_err(|_| "the user name is no UTF-8".to_owned())?
        .into_owned();
    if username.is_empty() {
        return Err(format!("the user name is missing; {shape}"));
    }
    let host = match url.host() {
        None => return Err(format!("the host is missing; {shape}")),
        Some(Host::Domain(name)) => plain_host(name)?,
        // In brackets, so that a port can follow.
        Some(host) => host.to_string(),
    };
    let address = match url.port() {
        Some(0) => return Err("port 0 is none; leave it out or give the BMC's".to_owned()),
        Some(port) => format!("{host}:{port}"),
        None => host,
    };
    let mut bmc = BmcSpec { address, username, ..BmcSpec::new(protocol) };
    for (key, value) in url.query_pairs() {
        setting(&mut bmc, &key, &value)?;
    }
    Ok(bmc)
}

/// A host name that holds nothing but one.
fn plain_host(name: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if !name.is_empty() && name.bytes().all(plain) {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(format!("`{name}` is neither a host name nor an IP address"))
    }
}

/// Reads one setting behind the `?`.
fn setting(bmc: &mut BmcSpec, key: &str, value: &str) -> Result<(), String> {
    match (bmc.protocol, key) {
        (BmcProtocol::Ipmi, "cipher") => {
            bmc.cipher_suite = Some(match value {
                "3" => 3,
                "17" => 17,
                _ => {
                    return Err(format!(
                        "cipher suite {value} is not supported: use 17, or 3 for an old BMC"
                    ));
                }
            });
        }
        (BmcProtocol::Redfish, "tls-sha256") => {
            bmc.tls_sha256 = Some(validate::fingerprint(value)?);
        }
        (BmcProtocol::Ipmi, _) => return Err(format!("ipmi has no setting `{key}`; there is cipher=3")),
        _ => {
            return Err(format!("redfish has no setting `{key}`; there is tls-sha256=HEX"));
        }
    }
    Ok(())
}

/// Writes a BMC as it is read.
pub(super) fn write(bmc: &BmcSpec) -> String {
    let scheme = match bmc.protocol {
        BmcProtocol::Ipmi => "ipmi",
        BmcProtocol::Redfish => "redfish",
        _ => return simple::write(bmc),
    };
    let user = percent_encoding::utf8_percent_encode(&bmc.username, percent_encoding::NON_ALPHANUMERIC);
    let cipher = bmc.cipher_suite.map(|suite| format!("?cipher={suite}")).unwrap_or_default();
    let print = bmc.tls_sha256.as_deref().map(|print| format!("?tls-sha256={print}")).unwrap_or_default();
    format!("{scheme}://{user}@{}{cipher}{print}", bmc.address)
}

#[cfg(test)]
mod tests {
    use super::{parse, write};
    use provisioner_api::BmcProtocol::{self, Ipmi, Redfish};

    /// Text, protocol, address, user, cipher suite.
    type Good<'a> = (&'a str, BmcProtocol, &'a str, &'a str, Option<u8>);

    #[test]
    fn good_ones() {
        let table: [Good<'_>; 8] = [
            ("ipmi://admin@10.0.0.9", Ipmi, "10.0.0.9", "admin", None),
            ("ipmi://admin@10.0.0.9:9011?cipher=3", Ipmi, "10.0.0.9:9011", "admin", Some(3)),
            ("ipmi://admin@10.0.0.9/?cipher=17", Ipmi, "10.0.0.9", "admin", Some(17)),
            ("ipmi://admin@[fd00::9]:623", Ipmi, "[fd00::9]:623", "admin", None),
            ("redfish://root@BMC7.example.org", Redfish, "bmc7.example.org", "root", None),
            ("redfish://root@127.0.0.1:9443", Redfish, "127.0.0.1:9443", "root", None),
            ("redfish://root@[fd00::9]", Redfish, "[fd00::9]", "root", None),
            ("ipmi://o%40corp@h", Ipmi, "h", "o@corp", None),
        ];
        for (text, protocol, address, username, cipher) in table {
            let bmc = parse(text).unwrap_or_else(|said| panic!("{text}: {said}"));
            assert_eq!(
                (bmc.protocol, bmc.address.as_str(), bmc.username.as_str(), bmc.cipher_suite),
                (protocol, address, username, cipher)
            );
            assert_eq!(parse(&write(&bmc)).unwrap(), bmc, "what is written is read as the same");
        }
        let print = "ab".repeat(32);
        let bmc = parse(&format!("redfish://a@b?tls-sha256={}", "AB:".repeat(31) + "AB")).unwrap();
        assert_eq!(bmc.tls_sha256.as_ref(), Some(&print));
        assert_eq!(parse(&write(&bmc)).unwrap(), bmc);
    }

    #[test]
    fn bad_ones_are_told_what_would_be_right() {
        let table = [
            ("10.0.0.9", "write it like ipmi://"),
            ("https://admin@10.0.0.9", "`https` is no protocol"),
            ("ipmi://10.0.0.9", "the user name is missing"),
            ("ipmi://admin@", "write it like"),
            ("ipmi://admin:secret@10.0.0.9", "a password does not belong here"),
            ("ipmi://admin@10.0.0.9:0", "port 0 is none"),
            ("ipmi://admin@10.0.0.9:99999", "write it like"),
            ("ipmi://admin@10.0.0.9?cipher=0", "cipher suite 0 is not supported"),
            ("ipmi://admin@10.0.0.9?tls-sha256=00", "ipmi has no setting"),
            ("redfish://admin@10.0.0.9?cipher=3", "redfish has no setting"),
            ("redfish://admin@10.0.0.9?tls-sha256=00", "64 hexadecimal digits"),
            ("redfish://admin@10.0.0.9/redfish/v1", "nothing but host and port"),
            ("redfish://admin@a%20b", "neither a host name nor"),
        ];
        for (text, want) in table {
            let said = parse(text).expect_err(text);
            assert!(said.contains(want), "{text}: {said}");
            assert!(!said.contains("secret"), "no password is repeated");
        }
    }
}
