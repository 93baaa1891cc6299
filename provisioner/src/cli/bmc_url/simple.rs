//! Machines without a BMC in one word: `manual:`, `webhook+https://user@host/path`, `wol://MAC?to=10.0.0.255`,
//! `libvirt+qemu:///system?domain=vm1`, `vbox://vm1`.

use crate::{cli::validate, text::parse_mac};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use provisioner_api::{BmcProtocol, BmcSpec};
use url::Url;

/// What must not stand bare in a name or a value.
const RESERVED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#').add(b'&').add(b'+').add(b'/').add(b'=');

/// Reads it; none if it is of another kind.
pub(super) fn parse(text: &str) -> Option<Result<BmcSpec, String>> {
    let (scheme, rest) = text.split_once(':')?;
    let after = rest.strip_prefix("//").unwrap_or(rest);
    Some(match scheme {
        "manual" if after.is_empty() => Ok(BmcSpec::new(BmcProtocol::Manual)),
        "manual" => Err("a machine that a person switches has no address; write manual:".to_owned()),
        "wol" => wake_on_lan(after),
        "vbox" => named(BmcProtocol::Vbox, String::new(), after, "write it like vbox://vm1"),
        "webhook+http" => {
            Err("plain http would show password and commands on the way; write it like webhook+https://user@pdu.example.org/outlet/7".to_owned())
        }
        "webhook+https" => webhook(&text["webhook+".len()..]),
        scheme => libvirt(scheme.strip_prefix("libvirt+")?, rest),
    })
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| format!("`{text}` is no UTF-8"))?;
    Ok(text.into_owned())
}

fn named(protocol: BmcProtocol, address: String, name: &str, shape: &str) -> Result<BmcSpec, String> {
    let name = decoded(name)?;
    if name.is_empty() || name.starts_with('-') || name.contains('/') || name.chars().any(char::is_control) {
        return Err(format!("the virtual machine's name is missing or is none; {shape}"));
    }
    Ok(BmcSpec { address, domain: Some(name), ..BmcSpec::new(protocol) })
}

fn wake_on_lan(text: &str) -> Result<BmcSpec, String> {
    let shape = "write it like wol://52-54-00-12-34-56?to=10.0.0.255";
    let (mac, query) = text.split_once('?').unwrap_or((text, ""));
    let mac = parse_mac(mac).ok_or_else(|| format!("`{mac}` is not a MAC address; {shape}"))?;
    let address = match query {
        "" => String::new(),
        query => {
            query.strip_prefix("to=").ok_or_else(|| format!("wol has no such setting; {shape}"))?.to_owned()
        }
    };
    Ok(BmcSpec { address, mac: Some(mac), ..BmcSpec::new(BmcProtocol::WakeOnLan) })
}

fn libvirt(driver: &str, rest: &str) -> Result<BmcSpec, String> {
    let shape = "write it like libvirt+qemu:///system?domain=vm1";
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let name = query.strip_prefix("domain=").filter(|name| !name.contains('&'));
    let name = name.ok_or_else(|| format!("`domain` alone can and must be given behind `?`; {shape}"))?;
    named(BmcProtocol::Libvirt, format!("{driver}:{path}"), name, shape)
}

fn webhook(text: &str) -> Result<BmcSpec, String> {
    let shape = "write it like webhook+https://user@pdu.example.org/outlet/7";
    let mut url = Url::parse(text).map_err(|error| format!("that is no URL ({error}); {shape}"))?;
    if url.password().is_some() {
        return Err(
            "a password does not belong here, others could see it; use --bmc-password-file or BILLET_BMC_PASSWORD"
                .to_owned(),
        );
    }
    let username = decoded(url.username())?;
    let mut tls_sha256 = None;
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "tls-sha256" => tls_sha256 = Some(validate::fingerprint(&value)?),
            _ => return Err(format!("webhook has no setting `{key}`; there is tls-sha256=HEX")),
        }
    }
    url.set_query(None);
    url.set_fragment(None);
    url.set_username("").map_err(|()| format!("the host is missing; {shape}"))?;
    Ok(BmcSpec { address: url.into(), username, tls_sha256, ..BmcSpec::new(BmcProtocol::Webhook) })
}

/// Writes it as it is read.
pub(super) fn write(bmc: &BmcSpec) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let domain = encoded(bmc.domain.as_deref().unwrap_or_default());
    match bmc.protocol {
        BmcProtocol::Vbox => format!("vbox://{domain}"),
        BmcProtocol::Libvirt => format!("libvirt+{}?domain={domain}", bmc.address),
        BmcProtocol::WakeOnLan => {
            let to = if bmc.address.is_empty() { String::new() } else { format!("?to={}", bmc.address) };
            format!("wol://{}{to}", bmc.mac.as_deref().unwrap_or_default().replace(':', "-"))
        }
        BmcProtocol::Webhook => {
            let user = utf8_percent_encode(&bmc.username, percent_encoding::NON_ALPHANUMERIC);
            let user = if bmc.username.is_empty() { String::new() } else { format!("{user}@") };
            let place = bmc.address.strip_prefix("https://").unwrap_or(&bmc.address);
            let print = bmc.tls_sha256.as_deref().map(|print| format!("?tls-sha256={print}"));
            format!("webhook+https://{user}{place}{}", print.unwrap_or_default())
        }
        _ => "manual:".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parse, write};
    use provisioner_api::BmcProtocol::{self, Libvirt, Manual, Vbox, WakeOnLan, Webhook};

    #[test]
    fn good_ones() {
        /// Text, protocol, address, user, domain, MAC address.
        type Good<'a> = (&'a str, BmcProtocol, &'a str, &'a str, Option<&'a str>, Option<&'a str>);
        let mac = Some("52:54:00:ab:cd:ef");
        let table: [Good<'_>; 10] = [
            ("manual:", Manual, "", "", None, None),
            ("manual://", Manual, "", "", None, None),
            ("wol://52-54-00-AB-CD-EF", WakeOnLan, "", "", None, mac),
            ("wol://52:54:00:ab:cd:ef?to=10.0.0.255:7", WakeOnLan, "10.0.0.255:7", "", None, mac),
            ("vbox://vm1", Vbox, "", "", Some("vm1"), None),
            ("vbox://My%20VM", Vbox, "", "", Some("My VM"), None),
            ("libvirt+qemu:///system?domain=vm1", Libvirt, "qemu:///system", "", Some("vm1"), None),
            (
                "libvirt+qemu+ssh://u@h/system?domain=a%26b",
                Libvirt,
                "qemu+ssh://u@h/system",
                "",
                Some("a&b"),
                None,
            ),
            ("webhook+https://pdu:8443/o/7", Webhook, "https://pdu:8443/o/7", "", None, None),
            ("webhook+https://o%40x@pdu/o/7", Webhook, "https://pdu/o/7", "o@x", None, None),
        ];
        for (text, protocol, address, username, domain, mac) in table {
            let bmc = parse(text).unwrap_or_else(|said| panic!("{text}: {said}"));
            assert_eq!(
                (bmc.protocol, bmc.address.as_str(), bmc.username.as_str()),
                (protocol, address, username)
            );
            assert_eq!((bmc.domain.as_deref(), bmc.mac.as_deref()), (domain, mac), "{text}");
            assert_eq!(parse(&write(&bmc)).unwrap(), bmc, "what is written is read as the same");
        }
        let print = "ab".repeat(32);
        let bmc = parse(&format!("webhook+https://pdu/?tls-sha256={print}")).unwrap();
        assert_eq!((bmc.tls_sha256.as_ref(), bmc.address.as_str()), (Some(&print), "https://pdu/"));
        assert_eq!(parse(&write(&bmc)).unwrap(), bmc);
    }

    #[test]
    fn bad_ones_are_told_what_would_be_right() {
        for (text, want) in [
            ("manual://host", "write manual:"),
            ("wol://host", "not a MAC address"),
            ("wol://52-54-00-12-34-56?x=1", "wol has no such setting"),
            ("vbox://", "name is missing"),
            ("vbox://--all", "name is missing or is none"),
            ("libvirt+qemu:///system", "`domain` alone"),
            ("libvirt+qemu:///system?command=x&domain=y", "`domain` alone"),
            ("webhook+http://pdu/", "plain http"),
            ("webhook+https://a:secret@pdu/", "a password does not belong here"),
            ("webhook+https://pdu/?x=1", "webhook has no setting `x`"),
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.contains(want), "{text}: {said}");
            assert!(!said.contains("secret"), "no password is repeated");
        }
    }
}
