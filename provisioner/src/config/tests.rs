//! Configurations and what is said of them.

use super::{Config, ConfigError};
use provisioner_api::DhcpMode;
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
    assert_eq!(config.log, default.log);
    assert_eq!(config.data, default.data);
    assert_eq!(config.api.listen, default.api.listen);
    assert_eq!(config.boot.kernel, default.boot.kernel);
    let console = |value: &str| ("console".to_owned(), value.to_owned());
    assert_eq!(config.boot.kernel_parameters, [console("tty0"), console("ttyS0,115200")]);
}

#[test]
fn a_small_one_is_filled_with_defaults() {
    let (config, problems) = Config::read(GOOD, []).unwrap();
    assert_eq!(problems, []);
    let network = &config.networks[0];
    assert_eq!(network.subnet, ([10, 77, 0, 0].into(), 24));
    assert_eq!(network.range, ([10, 77, 0, 100].into(), [10, 77, 0, 199].into()));
    assert_eq!((network.dhcp, network.discovery, network.gateway), (DhcpMode::Full, false, None));
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
        ("dhcp = 'proxy'", "unknown variant `proxy`, expected `full` or `off`"),
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
        ("[logs]\nfilter = 'info'", "unknown field `logs`"),
    ];
    for (line, want) in table {
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
