//! Configurations and what is said of them.

use super::{Config, ConfigError};
use provisioner_api::DhcpMode;
use pxe_proto::{boot::Preference, dhcp};
use std::{fs, path::Path};

/// The example that operators are given.
const EXAMPLE: &str = include_str!("../../../docs/billet.example.toml");

/// A small right configuration.
const GOOD: &str = r#"
[[networks]]
name = "lab"
interface = "lab0"
address = "10.77.0.1"
subnet = "10.77.0.0/24"
range = ["10.77.0.100", "10.77.0.199"]
"#;

/// A second network.
const SECOND: &str = r#"
[[networks]]
name = "two"
interface = "lab1"
address = "10.78.0.1"
subnet = "10.78.0.0/24"
range = ["10.78.0.100", "10.78.0.199"]
"#;

/// All that is said of a text, one a line.
fn said(text: &str) -> String {
    let problems = match Config::read(text, []) {
        Ok((_, problems)) | Err(problems) => problems,
    };
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn the_example_is_right_and_shows_the_defaults() {
    let (config, problems) = Config::read(EXAMPLE, []).unwrap();
    assert_eq!(problems, []);
    let (default, _) = Config::read("", []).unwrap();
    assert_eq!(config.limits, default.limits);
    assert_eq!(config.history, default.history);
    assert_eq!(config.log, default.log);
    assert_eq!(config.console, default.console);
    assert_eq!(config.data, default.data);
    assert_eq!(config.api.listen, default.api.listen);
    assert_eq!(config.boot.kernel, default.boot.kernel);
    let console = |value: &str| ("console".to_owned(), value.to_owned());
    assert_eq!(config.boot.kernel_parameters, [console("tty0"), console("ttyS0,115200")]);
}

#[test]
fn caches_are_read_or_named() {
    let good = "[[images.caches]]\nurl = 'http://10.0.0.9:8080'\nzone = 'z1'\nrack = 'r7'\n";
    let cache = crate::caches::Cache {
        url: "http://10.0.0.9:8080".into(),
        zone: Some("z1".into()),
        rack: Some("r7".into()),
    };
    let (config, problems) = Config::read(good, []).unwrap();
    assert_eq!((config.images.caches, problems.len()), (vec![cache], 0));
    let secret = said("[[images.caches]]\nurl = 'http://10.0.0.9:8080/store'\n");
    assert!(
        secret.starts_with("images.caches[0].url: ") && secret.contains("nothing may follow"),
        "{secret}"
    );
    let lost = said("[[images.caches]]\nurl = 'http://10.0.0.9'\nrack = 'r7'\n");
    assert!(lost.starts_with("images.caches[0].rack: a rack is one of its zone"), "{lost}");
}

#[test]
fn keys_that_sign_images_are_read_or_named() {
    let minisign = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let good = format!("[images]\ntrust = [{minisign:?}]\nrequired = true\n");
    let (config, problems) = Config::read(&good, []).unwrap();
    assert_eq!(problems, []);
    assert!(config.images.trust.required);
    assert_eq!(config.images.trust.keys[0].name(), "E7620F1842B4E81F");
    assert_eq!(config.images.program, images::import::ImportProgram::Itself);
    let bad = said(&format!("[images]\ntrust = [{minisign:?}, \"ssh-ed25519 AAAA\"]\n"));
    assert!(bad.starts_with("images.trust[1]: it is neither minisign's public key"), "{bad}");
    let none = said("[images]\nrequired = true\n");
    assert!(none.starts_with("images.required: no key is trusted"), "{none}");
}

#[test]
fn a_small_one_is_filled_with_defaults() {
    let (config, problems) = Config::read(GOOD, []).unwrap();
    assert_eq!(problems, []);
    let network = &config.networks[0];
    let mut expected = super::Network::new("lab", "lab0", [10, 77, 0, 1].into(), ([10, 77, 0, 0].into(), 24));
    expected.subnets[0].ranges = vec![([10, 77, 0, 100].into(), [10, 77, 0, 199].into())];
    assert_eq!(*network, expected);
    assert_eq!(
        (network.dhcp, network.discovery, network.boot_chain),
        (DhcpMode::Full, false, Preference::Auto)
    );
    assert_eq!((config.boot.http_port, config.boot.dhcp_port, config.boot.tftp_port), (8080, 67, 69));
}

#[test]
fn variables_win_over_the_file() {
    let variables = [("BILLET__API__LISTEN".to_owned(), "127.0.0.1:9".to_owned())];
    let (config, problems) = Config::read("[api]\nlisten = '1.2.3.4:5'", variables).unwrap();
    assert_eq!(problems, []);
    assert_eq!(config.api.listen, "127.0.0.1:9".parse().unwrap());
    let variables = [("BILLET__LIMITS__WRITE".to_owned(), "soon".to_owned())];
    let (_, problems) = Config::read("", variables).unwrap();
    assert!(problems[0].to_string().starts_with("limits.write: `soon` is not a duration"), "{problems:?}");
}

#[test]
fn how_much_is_kept_is_within_bounds() {
    let (config, problems) =
        Config::read("[history]\nevents = '7d'\nmost = 1000\nboots = '36h'", []).unwrap();
    assert_eq!(problems, []);
    assert_eq!((config.history.events.as_hours(), config.history.boots.as_hours()), (7 * 24, 36));
    for wrong in ["0d", "3651d", "7", "d", "-1d", "1w", "9223372036854775807d"] {
        let said = said(&format!("[history]\nevents = '{wrong}'"));
        assert!(said.starts_with(&format!("history.events: `{wrong}` is not how long")), "{said}");
    }
    for wrong in ["999", "100001"] {
        assert_eq!(
            said(&format!("[history]\nmost = {wrong}")),
            format!("history.most: {wrong} is not from 1000 to 100000\n")
        );
    }
}

/// One mistake each in an otherwise right file: what is replaced, by what, and what must be said.
#[test]
fn single_mistakes_are_told_with_their_mend() {
    let table = [
        ("\"lab\"", "\"Lab 1\"", "networks.Lab 1.name: `Lab 1` is not a good name: use 1 to 63"),
        ("\"lab0\"", "\"a/b\"", "networks.lab.interface: `a/b` can't be the name of an interface"),
        ("\"10.77.0.1\"", "\"10.77.0.300\"", "networks.lab.address: `10.77.0.300` is not an IPv4 address"),
        ("\"10.77.0.1\"", "\"10.78.0.1\"", "networks.lab.address: 10.78.0.1 is outside of 10.77.0.0/24"),
        (
            "\"10.77.0.1\"",
            "\"10.77.0.0\"",
            "networks.lab.address: 10.77.0.0 is the network's or the broadcast",
        ),
        (
            "\"10.77.0.1\"",
            "\"10.77.0.150\"",
            "networks.lab.range: it contains our own address 10.77.0.150; take",
        ),
        (
            "10.77.0.0/24",
            "10.77.0.5/24",
            "networks.lab.subnet: 10.77.0.5/24 begins inside a subnet; 10.77.0.0/24 is",
        ),
        ("10.77.0.0/24", "10.77.0.0", "networks.lab.subnet: `10.77.0.0` is not a subnet; write it like"),
        ("10.77.0.199", "10.77.1.9", "networks.lab.range: 10.77.1.9 is outside of 10.77.0.0/24"),
        ("10.77.0.199", "10.77.0.255", "networks.lab.range: 10.77.0.255 is the network's or the broadcast"),
        (
            "10.77.0.199",
            "10.77.0.9",
            "networks.lab.range: 10.77.0.100 lies behind 10.77.0.9; write the lower",
        ),
    ];
    for (what, by, want) in table {
        assert!(GOOD.contains(what), "{what}");
        let said = said(&GOOD.replacen(what, by, 1));
        assert!(said.starts_with(want), "{by}: {said}");
        assert_eq!(said.lines().count(), 1, "one mistake is told once: {said}");
    }
}

#[test]
fn further_lines_that_are_wrong() {
    let table = [
        ("gateway = '10.77.0.120'", "networks.lab.range: it contains the gateway 10.77.0.120"),
        (
            "gateway = '10.9.9.9'",
            "networks.lab.gateway: 10.9.9.9 is outside of 10.77.0.0/24: clients could not",
        ),
        ("dns = ['dns.example']", "networks.lab.dns: `dns.example` is not an IPv4 address"),
        ("rang = 1", "unknown field `rang`"),
        ("[api]\nlisten = '7443'", "api.listen: `7443` is not an address with a port; write it like"),
        ("[api]\nlisten = '0.0.0.0:0'", "api.listen: port 0 is none"),
        ("[api]\nnames = ['a b']", "api.names: `a b` is neither a host name nor an IP address"),
        ("[boot]\nkernel = 'vmlinuz'", "boot.kernel: `vmlinuz` is a relative path; begin it with `/`"),
        ("[boot]\nhttp_port = 7443", "boot.http_port: 7443 is the API's port already; choose another"),
        ("[boot]\ntftp_port = 67", "boot.tftp_port: 67 is DHCP's port already"),
        ("[boot]\nhttp_port = 80800", "http_port = 80800"),
        (
            "[boot]\nkernel_parameters = ['init=/bin/sh']",
            "boot.kernel_parameters: `init` is not yours to set",
        ),
        ("[limits]\nwrite = '10'", "limits.write: `10` is not a duration; write it like 90s, 15m or 1h30m"),
        ("[limits]\norder_attempts = 0", "limits.order_attempts: 0 would never try anything"),
        ("[log]\nfilter = 'a=b=c'", "log.filter: `a=b=c` is no log filter"),
        ("[console]\nrecord = 'sometimes'", "console.record: `sometimes` is none of \"jobs\""),
        ("[logs]\nfilter = 'info'", "unknown field `logs`"),
    ];
    for (line, want) in table {
        let said = said(&format!("{GOOD}{line}\n"));
        assert!(said.contains(want), "{line}: {said}");
    }
}

/// A line of a network that is wrong, and what must be said of it.
const WRONG_LINES: &[(&str, &str)] = &[
    ("dhcp = 'snoop'", "unknown variant `snoop`, expected one of `full`, `reserved-only`, `proxy`, `off`"),
    ("boot_chain = 'grub'", "unknown variant `grub`"),
    ("rogue = 'shout'", "unknown variant `shout`"),
    ("server_identifier = 'x'", "networks.lab.server_identifier: `x` is not an IPv4 address"),
    ("server_identifier = '224.0.0.1'", "networks.lab.server_identifier: `224.0.0.1` is not an IPv4 address"),
    (
        "server_identifier = '10.77.0.150'",
        "networks.lab.server_identifier: 10.77.0.150 is in a range; exclude it",
    ),
    ("exclude = ['10.77.0.90-10.77.0.210']", "networks.lab.exclude: nothing is left of the ranges"),
    ("boot_chain = 'uki'", "networks.lab.boot_chain: \"uki\" needs a stub to make images with"),
    ("known_servers = ['10.77.0.1']", "networks.lab.known_servers: 10.77.0.1 is our own address"),
    (
        "ranges = [['10.77.0.150', '10.77.0.210']]",
        "networks.lab.ranges: 10.77.0.150 to 10.77.0.210 overlaps with",
    ),
    ("ranges = [['10.77.0.5']]", "expected an array of length 2"),
    (
        "exclude = ['10.77.0.50']",
        "networks.lab.exclude: 10.77.0.50 is in no range, so that it excludes nothing",
    ),
    (
        "exclude = ['10.77.0.120-10.77.0.110']",
        "networks.lab.exclude: 10.77.0.120-10.77.0.110 ends before it begins",
    ),
    ("exclude = ['10.77.0.120-130']", "networks.lab.exclude: `10.77.0.120-130` is neither an address nor"),
    ("mtu = 575", "networks.lab.mtu: 575 is no MTU: it is 576 to 9216 bytes"),
    ("mtu = 9217", "networks.lab.mtu: 9217 is no MTU"),
    ("mtu = -1", "mtu = -1"),
    ("routes = ['10.0.0.0/8']", "networks.lab.routes: `10.0.0.0/8` is not a route; write it like"),
    ("routes = ['10.0.0.0/8 via 10.9.9.9']", "networks.lab.routes: 10.9.9.9 is outside of 10.77.0.0/24"),
    ("domain = 'a b'", "networks.lab.domain: `a b` is not a domain name"),
    ("search = ['ok.example', '-']", "networks.lab.search: `-` is not a domain name"),
    ("ntp = ['pool.ntp.org']", "networks.lab.ntp: `pool.ntp.org` is not an IPv4 address"),
    ("url = 'portal'", "networks.lab.url: `portal` is not an http or https address"),
    (
        "options = [{ code = 6, address = '1.2.3.4' }]",
        "networks.lab.options: option 6 is not yours to set: `dns` sets it",
    ),
    ("options = [{ code = 150 }]", "networks.lab.options: option 150 needs exactly one value"),
    (
        "options = [{ code = 9, u8 = 1 }, { code = 9, u8 = 2 }]",
        "networks.lab.options: option 9 is there twice",
    ),
    ("options = [{ code = 300, u8 = 1 }]", "code = 300"),
    ("lease = { firmware = '5s' }", "networks.lab.lease.firmware: 5 s is too short"),
    ("lease = { system = 'long' }", "networks.lab.lease.system: `long` is not a duration"),
    ("lease = { system = '1h', t2 = '2h' }", "networks.lab.lease.t2: it must be shorter than the lease"),
    ("lease = { system = '1h', t1 = '58m' }", "networks.lab.lease.t1: renewing comes before rebinding"),
    ("lease = { t1 = '1h', t2 = '30m' }", "networks.lab.lease.t1: renewing comes before rebinding"),
    (
        "[[networks.subnets]]\nsubnet = '10.78.0.1/24'",
        "networks.lab.subnets.10.78.0.1/24.subnet: 10.78.0.1/24 begins",
    ),
    (
        "[[networks.subnets]]\nsubnet = '10.77.0.128/25'",
        "networks.lab.subnets.10.77.0.128/25.subnet: it overlaps with 10.77.0.0/24 of the same network",
    ),
    (
        "[[networks.subnets]]\nsubnet = '10.78.0.0/24'\nrelay = '10.99.0.1'",
        "networks.lab.subnets.10.78.0.0/24.relay: the relay 10.99.0.1 is in none of this network's subnets",
    ),
    (
        "[[networks.subnets]]\nsubnet = '10.78.0.0/24'\nrelay = '10.77.0.150'",
        "networks.lab.subnets.10.78.0.0/24.relay: the relay 10.77.0.150 is in a range; exclude it there",
    ),
    (
        "[[networks.subnets]]\nsubnet = '10.78.0.0/24'\nrange = ['10.78.0.1', '10.79.0.9']",
        "networks.lab.subnets.10.78.0.0/24.range: 10.79.0.9 is outside of 10.78.0.0/24",
    ),
    ("[boot]\nstub_arm64 = '/x'", "boot.kernel_arm64: it is missing: machines with 64-bit Arm boot with"),
    ("[boot]\nstub_x64 = 'x'", "boot.stub_x64: `x` is a relative path"),
];

#[test]
fn lines_of_a_network_that_are_wrong() {
    for (line, want) in WRONG_LINES {
        let said = said(&format!("{GOOD}{line}\n"));
        assert!(said.contains(want), "{line}: {said}");
    }
}

#[test]
fn networks_are_not_in_each_others_way() {
    let table = [
        ("\"two\"", "\"lab\"", "networks.lab: two networks have this name"),
        ("\"lab1\"", "\"lab0\"", "networks.two.interface: network `lab` is on lab0 already"),
    ];
    for (what, by, want) in table {
        let said = said(&format!("{GOOD}{}", SECOND.replacen(what, by, 1)));
        assert!(said.starts_with(want), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert_eq!(said(&format!("{GOOD}{SECOND}")), "");
    let wide = SECOND.replace("10.78.0.0/24", "10.76.0.0/14");
    let said = said(&format!("{GOOD}{wide}"));
    assert_eq!(said, "networks.two.subnet: it overlaps with that of network `lab`, 10.77.0.0/24\n");
}

#[test]
fn subnets_behind_relays_are_not_in_each_others_way() {
    let relayed = "[[networks.subnets]]\nsubnet = '10.78.0.0/24'\n";
    let said = said(&format!("{GOOD}{relayed}{SECOND}"));
    assert_eq!(said, "networks.two.subnet: it overlaps with that of network `lab`, 10.78.0.0/24\n");
}

#[test]
fn addresses_are_given_where_the_mode_says_so() {
    let bare = GOOD.replace("range = [\"10.77.0.100\", \"10.77.0.199\"]\n", "");
    for mode in ["proxy", "reserved-only", "off"] {
        assert_eq!(said(&format!("{bare}dhcp = \"{mode}\"\n")), "", "{mode}");
        assert_eq!(
            said(&format!("{GOOD}dhcp = \"{mode}\"\n")),
            "",
            "a range is kept for another day: {mode}"
        );
    }
    let full = said(&bare);
    assert!(full.starts_with("networks.lab.range: `dhcp = \"full\"` gives addresses and has none"), "{full}");
    let relayed = "[[networks.subnets]]\nsubnet = '10.78.0.0/24'\nrange = ['10.78.0.9', '10.78.0.99']\n";
    assert_eq!(said(&format!("{bare}{relayed}")), "", "those behind the relay get some");
}

#[test]
fn all_that_a_network_can_say() {
    let text = format!(
        "{}{}",
        GOOD.replace("range = [\"10.77.0.100\", \"10.77.0.199\"]\n", ""),
        r#"
ranges = [["10.77.0.1", "10.77.0.9"], ["10.77.0.100", "10.77.0.199"]]
exclude = ["10.77.0.1", "10.77.0.2", "10.77.0.130 - 10.77.0.139"]
dhcp = "reserved-only"
server_identifier = "10.77.0.2"
gateway = "10.77.0.254"
dns = ["10.77.0.254", "9.9.9.9"]
ntp = ["10.77.0.254"]
domain = "lab.example."
search = ["lab.example", "example"]
mtu = 9000
routes = ["10.0.0.0/8 via 10.77.0.254"]
options = [{ code = 150, address = "10.77.0.1" }, { code = 252, text = "http://wpad/" }]
url = "https://portal.example/api"
lease = { firmware = "5m", system = "2h", t1 = "30m", t2 = "1h" }
boot_chain = "uki"
router_advertisements = false
conflict_probe = false
rogue = "alarm"
known_servers = ["10.77.0.3"]
discovery = true
[[networks.subnets]]
subnet = "10.78.0.0/24"
relay = "10.77.0.20"
range = ["10.78.0.100", "10.78.0.199"]
[boot]
stub_x64 = "/x"
"#
    );
    let (config, problems) = Config::read(&text, []).unwrap();
    assert_eq!(problems, [], "our own address may be in a range that excludes it");
    let network = &config.networks[0];
    let host = |last| [10, 77, 0, last].into();
    let told = dhcp::Subnet {
        relay: None,
        routers: vec![host(254)],
        dns: vec![host(254), [9, 9, 9, 9].into()],
        ntp: vec![host(254)],
        domain: Some("lab.example".into()),
        search: vec!["lab.example".into(), "example".into()],
        mtu: Some(9000),
        routes: vec![dhcp::Route { to: [10, 0, 0, 0].into(), prefix: 8, via: host(254) }],
        options: vec![(150, vec![10, 77, 0, 1]), (252, b"http://wpad/".to_vec())],
        url: Some("https://portal.example/api".into()),
        firmware_lease: 300,
        system_lease: 7200,
        t1: Some(1800),
        t2: Some(3600),
        ..dhcp::Subnet::new(host(0), 24)
    };
    assert_eq!(network.link().told, told);
    assert_eq!(network.link().size(), 109 - 2 - 10);
    assert_eq!(network.subnets[1].told.relay, Some(host(20)));
    let served = network.served();
    let of_dhcp = served.dhcp.unwrap();
    assert_eq!((of_dhcp.mode, of_dhcp.identifier), (dhcp::Mode::ReservedOnly, host(2)));
    assert_eq!((of_dhcp.rogue, of_dhcp.conflict_probe), (pxe::RoguePolicy::Alarm, false));
    assert_eq!((of_dhcp.known_servers, of_dhcp.subnets.len()), (vec![host(3)], 2));
    assert!(!served.router_advertisements && network.discovery);
    assert_eq!(network.boot_chain, Preference::Uki);
    assert!(network.contains([10, 78, 0, 7].into()) && !network.contains([10, 79, 0, 7].into()));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = format!(
        "data = 'x'\n[api]\nlisten = 'x'\n[limits]\nwrite = 'x'\nerase = 'x'\n{}",
        GOOD.replace("\"lab0\"", "\"\"")
    );
    assert_eq!(said(&text).lines().count(), 5, "{}", said(&text));
}

#[test]
fn a_mistake_in_the_toml_names_its_line() {
    let said = said("data = '/x'\n[api\n");
    assert!(said.contains("line 2"), "{said}");
}

#[test]
fn files_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let text = format!(
        "{GOOD}[boot]\nkernel = {:?}\nramdisk = {:?}\nipxe = {:?}\n",
        file("vmlinuz"),
        folder.path(),
        folder.path()
    );
    fs::write(file("billet.toml"), text).unwrap();
    let Err(ConfigError::Wrong { problems, .. }) = Config::load(&file("billet.toml"), []) else {
        panic!("a configuration without its files was taken");
    };
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["boot.kernel", "boot.ramdisk", "boot.ipxe", "boot.ipxe"], "{problems:?}");
    for name in ["vmlinuz", "undionly.kpxe", "snponly.efi"] {
        fs::write(file(name), "x").unwrap();
    }
    fs::write(
        file("billet.toml"),
        fs::read_to_string(file("billet.toml")).unwrap().replacen(
            &format!("ramdisk = {:?}", folder.path()),
            &format!("ramdisk = {:?}", file("vmlinuz")),
            1,
        ),
    )
    .unwrap();
    let config = Config::load(&file("billet.toml"), []).unwrap();
    assert_eq!(config.boot.kernel, file("vmlinuz"));
    let missing = Config::load(Path::new("/nowhere/billet.toml"), []);
    assert!(matches!(missing, Err(ConfigError::Unreadable { .. })));
}

#[test]
fn static_addresses_are_nobody_elses() {
    let with = |lines: &str| said(&format!("{GOOD}gateway = \"10.77.0.254\"\n{lines}\n"));
    assert_eq!(
        with("static_ranges = [[\"10.77.0.200\", \"10.77.0.249\"], [\"10.77.0.2\", \"10.77.0.9\"]]"),
        ""
    );
    for (first, last, part) in [
        ("10.77.0.199", "10.77.0.210", "overlaps with what DHCP leases, 10.77.0.100 to 10.77.0.199"),
        ("10.77.0.1", "10.77.0.9", "it contains 10.77.0.1, which is in use"),
        ("10.77.0.250", "10.77.0.254", "it contains 10.77.0.254, which is in use"),
        ("10.77.0.210", "10.77.0.200", "write the lower address first"),
        ("10.77.0.250", "10.77.0.255", "broadcast address"),
        ("10.78.0.1", "10.78.0.2", "outside of 10.77.0.0/24"),
    ] {
        let said = with(&format!("static_ranges = [[\"{first}\", \"{last}\"]]"));
        assert!(said.contains("networks.lab.static_ranges: ") && said.contains(part), "{first}: {said}");
    }
    let twice =
        with("static_ranges = [[\"10.77.0.200\", \"10.77.0.209\"], [\"10.77.0.205\", \"10.77.0.219\"]]");
    assert!(twice.contains("overlaps with another one"), "{twice}");
    let named =
        |name: &str| with(&format!("[[networks.subnets]]\nname = \"{name}\"\nsubnet = \"10.79.0.0/24\""));
    assert_eq!(named("far"), "");
    assert!(
        named("lab")
            .contains("networks.lab.subnets.10.79.0.0/24.name: another network or subnet has this name")
    );
}
