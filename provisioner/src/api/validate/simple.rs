//! Settings of BMCs that are none: a person, a webhook, a magic packet, a hypervisor's command line.

use super::{Fields, is_sha256};
use crate::{bmcs::split_address, text::parse_mac};
use provisioner_api::{BmcProtocol, BmcSpec};
use std::net::IpAddr;

impl Fields {
    /// What has no meaning for a BMC that is logged in to.
    pub(super) fn bmc_foreign(&mut self, bmc: &BmcSpec) {
        self.check(bmc.domain.is_none(), "bmc.domain", "only libvirt and vbox have virtual machines");
        self.check(bmc.mac.is_none(), "bmc.mac", "only wake-on-lan sends packets to a MAC address");
        let tls = bmc.protocol == BmcProtocol::Redfish || bmc.tls_ca.is_none();
        self.check(tls, "bmc.tls_ca", "IPMI knows no certificate");
    }

    /// The settings of a machine without a BMC.
    pub(super) fn bmc_simple(&mut self, bmc: &BmcSpec) {
        let (is_webhook, is_wake) =
            (bmc.protocol == BmcProtocol::Webhook, bmc.protocol == BmcProtocol::WakeOnLan);
        let is_virtual = matches!(bmc.protocol, BmcProtocol::Libvirt | BmcProtocol::Vbox);
        self.check(bmc.cipher_suite.is_none(), "bmc.cipher_suite", "only IPMI has cipher suites");
        let no_tls = bmc.tls_sha256.is_none() && bmc.tls_ca.is_none();
        self.check(is_webhook || no_tls, "bmc.tls_sha256", "only Redfish and webhook have certificates");
        let no_user = bmc.username.is_empty();
        self.check(is_webhook || no_user, "bmc.username", "nobody logs in there; leave it out");
        self.check(bmc.username.len() <= 64, "bmc.username", "at most 64 characters");
        self.check(
            is_wake || bmc.mac.is_none(),
            "bmc.mac",
            "only wake-on-lan sends packets to a MAC address",
        );
        self.check(
            is_virtual || bmc.domain.is_none(),
            "bmc.domain",
            "only libvirt and vbox have virtual machines",
        );
        if is_virtual {
            let name = bmc.domain.as_deref().unwrap_or_default();
            // A name that begins like an option would be taken for one.
            let good = (1..=128).contains(&name.len())
                && !name.starts_with('-')
                && !name.chars().any(|c| c.is_control() || c == '/');
            self.check(good, "bmc.domain", "the virtual machine's name or UUID is needed");
        }
        match bmc.protocol {
            BmcProtocol::Webhook => self.webhook(bmc),
            BmcProtocol::WakeOnLan => self.wake_on_lan(bmc),
            BmcProtocol::Libvirt => {
                if let Err(why) = libvirt_uri(&bmc.address) {
                    self.check(false, "bmc.address", why);
                }
            }
            _ => self.check(bmc.address.is_empty(), "bmc.address", "there is none; leave it out"),
        }
    }

    fn webhook(&mut self, bmc: &BmcSpec) {
        let plain = |url: &url::Url| {
            url.scheme() == "https"
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        let good = url::Url::parse(&bmc.address).is_ok_and(|url| plain(&url)) && bmc.address.len() <= 2048;
        self.check(
            good,
            "bmc.address",
            "an https:// URL of host, port and path is needed; power and boot are called below it",
        );
        let pin = bmc.tls_sha256.as_ref().is_none_or(|pin| is_sha256(pin));
        self.check(pin, "bmc.tls_sha256", "64 hex digits are needed: the SHA-256 of its certificate");
        self.bmc_authorities(bmc);
    }

    fn wake_on_lan(&mut self, bmc: &BmcSpec) {
        let mac = bmc.mac.as_deref().is_some_and(|mac| parse_mac(mac).is_some());
        self.check(
            mac,
            "bmc.mac",
            "the MAC address of the port that listens is needed, like 52:54:00:12:34:56",
        );
        let (host, port) = split_address(&bmc.address);
        let tail = bmc.address.rsplit_once(':').filter(|_| bmc.address.parse::<IpAddr>().is_err());
        let good = bmc.address.is_empty()
            || host.parse::<IpAddr>().is_ok() && (tail.is_none() || port.is_some_and(|port| port > 0));
        self.check(
            good,
            "bmc.address",
            format!("`{}` is not a (broadcast) IP address, with :port if not 9", bmc.address),
        );
    }
}

/// Whether libvirt may be called so. A URI may also name programs that libvirt would run on this host (`command`,
/// `netcat`, the `ext` transport): those are refused, because who sets a machine's BMC must not run programs here.
fn libvirt_uri(text: &str) -> Result<(), &'static str> {
    let shape = "the hypervisor's URI is needed, like qemu:///system or qemu+ssh://user@host/system";
    let (scheme, rest) = text.split_once("://").ok_or(shape)?;
    let (driver, transport) = scheme.split_once('+').unwrap_or((scheme, "unix"));
    let word =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !word(driver) || !["unix", "ssh", "tls"].contains(&transport) {
        return Err(
            "its transport has to be none, +ssh or +tls, like qemu:///system or qemu+ssh://user@host/system",
        );
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/@.:-_[]".contains(&b);
    if rest.len() > 255 || !rest.bytes().all(plain) {
        return Err(
            "nothing but user, host, port and path may follow: a libvirt URI can make this host run programs",
        );
    }
    let host = rest.split_once('/').ok_or(shape)?.0;
    let starts_like_option = |part: &str| part.starts_with('-');
    if host.split('@').any(starts_like_option) { Err(shape) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(protocol: BmcProtocol, change: impl FnOnce(&mut BmcSpec)) -> Vec<String> {
        let mut bmc = BmcSpec::new(protocol);
        change(&mut bmc);
        let mut fields = Fields::default();
        fields.bmc(&bmc);
        fields.0.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn each_protocol_takes_what_is_its_own() {
        use BmcProtocol::{Ipmi, Libvirt, Manual, Redfish, Vbox, WakeOnLan, Webhook};
        let none: [&str; 0] = [];
        assert_eq!(wrong(Manual, |_| ()), none);
        assert_eq!(wrong(Manual, |bmc| bmc.address = "10.0.0.1".into()), ["bmc.address"]);
        assert_eq!(wrong(Manual, |bmc| bmc.username = "x".into()), ["bmc.username"]);
        assert_eq!(wrong(Vbox, |_| ()), ["bmc.domain"]);
        assert_eq!(wrong(Vbox, |bmc| bmc.domain = Some("vm 1".into())), none);
        for bad in ["", "--all", "a/b", "a\nb"] {
            assert_eq!(wrong(Vbox, |bmc| bmc.domain = Some(bad.into())), ["bmc.domain"], "{bad:?}");
        }
        assert_eq!(wrong(WakeOnLan, |_| ()), ["bmc.mac"]);
        let wake = |address: &str| {
            wrong(WakeOnLan, |bmc| {
                bmc.mac = Some("52-54-00-12-34-56".into());
                bmc.address = address.into();
            })
        };
        for good in ["", "10.0.0.255", "10.0.0.255:7", "fe80::1", "[fe80::1]:9"] {
            assert_eq!(wake(good), none, "{good}");
        }
        for bad in ["host", "10.0.0.255:0", "10.0.0.255:x"] {
            assert_eq!(wake(bad), ["bmc.address"], "{bad}");
        }
        let hook = |url: &str| wrong(Webhook, |bmc| bmc.address = url.into());
        assert_eq!(hook("https://pdu.example.org:8443/outlet/7"), none);
        for bad in ["http://pdu/", "https://a:b@pdu/", "https://pdu/?a=b", "pdu"] {
            assert_eq!(hook(bad), ["bmc.address"], "{bad}");
        }
        let lab = |uri: &str| {
            wrong(Libvirt, |bmc| {
                bmc.domain = Some("vm1".into());
                bmc.address = uri.into();
            })
        };
        for good in
            ["qemu:///system", "qemu+ssh://ops@host-1/system", "qemu+tls://host/system", "test:///default"]
        {
            assert_eq!(lab(good), none, "{good}");
        }
        for bad in [
            "",
            "qemu",
            "qemu+ext:///system",
            "qemu+libssh2://h/system",
            "qemu:///system?command=/bin/evil",
            "qemu+ssh://-oProxyCommand=evil/system",
            "qemu+ssh://u@-oX/system",
        ] {
            assert_eq!(lab(bad), ["bmc.address"], "{bad}");
        }
        let at = |protocol, change: fn(&mut BmcSpec)| {
            wrong(protocol, |bmc| {
                bmc.address = "10.0.0.1".into();
                bmc.username = "admin".into();
                change(bmc);
            })
        };
        assert_eq!(at(Ipmi, |_| ()), none);
        assert_eq!(at(Redfish, |bmc| bmc.domain = Some("x".into())), ["bmc.domain"]);
        assert_eq!(at(Ipmi, |bmc| bmc.mac = Some("x".into())), ["bmc.mac"]);
    }
}
