//! Bonded and tagged networks in a real Debian, as cloud-init makes them of what Billet renders, with addresses of the
//! plan: a bond with LACP over two cards, on it a VLAN that hosts in that VLAN reach, and a bridge over another VLAN.

use super::spec;
use anyhow::{Context, Result, ensure};
use provisioner_api::{Address, Instance, InstanceState, MachineState};
use serde_json::Value;
use std::{path::Path, process::Command};
use tests::{LabSite, artifacts, can_run};

/// The host is in both VLANs, and untagged with the card that boots.
const LAB: &str = r#"
[network]
vlans = [
    { id = 100, subnet = "10.78.0.0/24", address = "10.78.0.1" },
    { id = 200, subnet = "192.0.2.0/24", address = "192.0.2.1" },
]
[[machine]]
name = "m1"
firmware = "bios"
bmc = "mock"
disk = "4G"
memory = 768
further_nics = 2
"#;

/// The subnet of VLAN 100 is in the address plan; DHCP leases nothing there.
const PLAN: &str = r#"
[[networks.subnets]]
name = "inside"
subnet = "10.78.0.0/24"
gateway = "10.78.0.1"
dns = ["10.78.0.1"]
static_ranges = [["10.78.0.40", "10.78.0.49"]]
"#;

/// One card by its address, the other by its position. The address in VLAN 200 is nobody's plan.
const NETWORK: &str = r#"
interfaces:
- name: boot0
  nic: {}
  dhcp4: true
- name: port0
  nic: { mac: "FIRST" }
- name: port1
  nic: { position: 2 }
- name: bond0
  bond: { members: [port0, port1], mode: 802.3ad, lacp_rate: fast, transmit_hash_policy: layer3+4 }
- name: bond0.100
  vlan: { id: 100, on: bond0 }
  mtu: 1400
  addresses:
  - subnet: inside
  - subnet: inside
    address: 10.78.0.44
  routes:
  - { to: 10.99.0.0/16, via: 10.78.0.1, metric: 50 }
  search: [example.org]
- name: bond0.200
  vlan: { id: 200, on: bond0 }
- name: br0
  bridge: { members: [bond0.200] }
  addresses:
  - address: 192.0.2.10/24
"#;

/// What the system is asked for, each behind a line of its own.
const ASK: &str = "sudo cat /proc/net/bonding/bond0; echo =; ip -j -d link; echo =; ip -j address; echo =; \
                   ip -j route show 10.99.0.0/16; echo =; resolvectl dns bond0.100; resolvectl domain bond0.100";

#[test]
fn bonds_vlans_and_bridges_with_addresses_of_the_plan() -> Result<()> {
    let spec = spec(LAB);
    if !can_run(&spec, &["vmlinuz", "initrd.img", "debian.raw.zst"]) {
        return Ok(());
    }
    let site = LabSite::start_with_network(&spec, PLAN)?;
    let key = site.path("id");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status()?;
    ensure!(made.success());
    site.enrol("m1")?;
    site.import("debian", &artifacts().join("debian.raw.zst"), "raw")?;
    let inventory = site.machine_in("m1", MachineState::Available)?.status.inventory;
    let macs = site.lab.machine("m1")?.further_macs.clone();
    let seen: Vec<_> = inventory.context("it was inspected")?.nics.into_iter().map(|nic| nic.mac).collect();
    assert!(seen.len() == 3 && macs.iter().all(|mac| seen.contains(mac)), "{seen:?} has {macs:?}");
    let other = seen.iter().position(|mac| *mac == macs[1]).context("the second card")?;
    let network = NETWORK.replace("FIRST", &macs[0]).replace("position: 2", &format!("position: {other}"));
    std::fs::write(site.path("network.yaml"), network)?;
    let [public, file] = [format!("{}.pub", key.display()), site.path("network.yaml").display().to_string()];
    let who = ["--hostname", "inside1", "--user", "alice", "--ssh-key", &public];
    let words = ["instance", "create", "inside1", "--image", "debian", "--network", &file];
    site.billet(&[&words[..], &who].concat())?;

    planned(&site)?;
    let instance = site.instance_in("inside1", InstanceState::Running)?;
    // By the first of both addresses in VLAN 100: tagged, over the bond.
    let said = ask(&site, &instance, &key, "10.78.0.40", ASK)?;
    let parts: Vec<_> = said.split("=\n").collect();
    let [bond, links, addresses, routes, names] = parts[..] else { panic!("{said}") };
    bonded(bond, &macs);
    linked(&serde_json::from_str(links)?, &serde_json::from_str(addresses)?);
    let routes: Value = serde_json::from_str(routes)?;
    let route = ["dst", "gateway", "dev"].map(|key| routes[0][key].as_str().unwrap_or_default().to_owned());
    assert_eq!(
        (route, &routes[0]["metric"]),
        (["10.99.0.0/16", "10.78.0.1", "bond0.100"].map(Into::into), &50.into())
    );
    assert!(names.contains("10.78.0.1") && names.contains("example.org"), "{names}");
    for address in ["10.78.0.44", "192.0.2.10"] {
        assert_eq!(ask(&site, &instance, &key, address, "hostname")?, "inside1\n", "by {address}");
    }
    Ok(())
}

/// The lowest free address and the one that was named, from the request on.
fn planned(site: &LabSite) -> Result<()> {
    let taken: Vec<Address> = serde_json::from_str(&site.billet(&["-o", "json", "address", "list"])?)?;
    let taken = taken.into_iter().map(|one| (one.address, one.instance_name, one.interface));
    let mut taken: Vec<_> = taken.map(|(address, of, on)| [Some(address), of, on]).collect();
    taken.sort();
    let wanted = [["10.78.0.40", "inside1", "bond0.100"], ["10.78.0.44", "inside1", "bond0.100"]];
    assert_eq!(taken, wanted.map(|one| one.map(|word| Some(word.to_owned()))));
    Ok(())
}

/// As Linux's bonding driver tells it.
fn bonded(told: &str, macs: &[String]) {
    for line in [
        "Bonding Mode: IEEE 802.3ad Dynamic link aggregation",
        "Transmit Hash Policy: layer3+4 (1)",
        "MII Polling Interval (ms): 100",
        "LACP rate: fast",
        "\tNumber of ports: 2",
    ] {
        assert!(told.lines().any(|one| one == line), "`{line}` in {told}");
    }
    for mac in macs {
        assert!(told.contains(&format!("Permanent HW addr: {mac}")), "{mac} in {told}");
    }
    assert!(told.contains("Slave Interface: port0\n") && told.contains("Slave Interface: port1\n"), "{told}");
    // Synchronised, collecting and distributing (IEEE 802.1AX 6.4.2.3), on our side as on the switch's.
    let states = told.lines().filter_map(|line| line.trim().strip_prefix("port state: "));
    let states: Vec<u8> = states.filter_map(|state| state.parse().ok()).collect();
    assert!(states.len() == 4 && states.iter().all(|state| state & 0x38 == 0x38), "{told}");
}

/// As `ip` tells it.
fn linked(links: &Value, addresses: &Value) {
    let find = |list: &Value, name: &str| -> Value {
        let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().find(|link| link["ifname"] == name).cloned().unwrap_or_else(|| panic!("no {name}: {list}"))
    };
    for (name, id, mtu) in [("bond0.100", 100, 1400), ("bond0.200", 200, 1500)] {
        let link = find(links, name);
        let data = &link["linkinfo"]["info_data"];
        assert_eq!((&data["protocol"], &data["id"]), (&"802.1Q".into(), &id.into()), "{link}");
        assert_eq!((&link["link"], &link["mtu"]), (&"bond0".into(), &mtu.into()), "{link}");
    }
    assert_eq!(find(links, "bond0.200")["master"], "br0");
    for (name, wanted) in [
        ("bond0.100", &["10.78.0.40/24", "10.78.0.44/24"][..]),
        ("br0", &["192.0.2.10/24"]),
        ("bond0", &[]),
        ("port0", &[]),
    ] {
        let link = find(addresses, name);
        let all = link["addr_info"].as_array().map(Vec::as_slice).unwrap_or_default();
        let v4 = all.iter().filter(|one| one["family"] == "inet");
        let v4: Vec<_> = v4
            .map(|one| format!("{}/{}", one["local"].as_str().unwrap_or_default(), one["prefixlen"]))
            .collect();
        assert_eq!(v4, wanted, "{link}");
    }
}

/// What a command says, by SSH to this address, with the host keys that the system has told.
fn ask(site: &LabSite, instance: &Instance, key: &Path, address: &str, command: &str) -> Result<String> {
    let known = site.path("known_hosts");
    let lines: Vec<_> = instance.status.host_keys.iter().map(|key| format!("{address} {key}")).collect();
    std::fs::write(&known, lines.join("\n") + "\n")?;
    site.until(&format!("one can log in by {address}"), |site| {
        let output = site
            .lab
            .command("ssh")
            .args(["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .arg("-i")
            .arg(key)
            .arg(format!("alice@{address}"))
            .arg(command)
            .output()?;
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    })
}
