//! What `VBoxManage` prints, read. Text in, values out.

/// Major and minor number of a version like `7.1.4r165100`; it is the last line, behind warnings of kernel modules.
pub(super) fn version(printed: &str) -> Option<(u32, u32)> {
    let mut parts = printed.trim().lines().last()?.split('.');
    Some((parts.next()?.trim().parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether `list vms` names this machine.
pub(super) fn has_machine(printed: &str, name: &str) -> bool {
    printed.lines().any(|line| line.starts_with(&format!("\"{name}\" ")))
}

/// The name of the interface that has an address, in what `list hostonlyifs` prints.
pub(super) fn interface_with(printed: &str, address: &str) -> Option<String> {
    let mut name = None;
    for (key, value) in pairs(printed) {
        match key {
            "Name" => name = Some(value),
            "IPAddress" if value == address => return name.map(str::to_owned),
            _ => {}
        }
    }
    None
}

/// Whether `list dhcpservers` tells of one that is on at this interface.
pub(super) fn has_dhcp(printed: &str, interface: &str) -> bool {
    let mut here = false;
    for (key, value) in pairs(printed) {
        match key {
            "NetworkName" => here = value.strip_prefix("HostInterfaceNetworking-") == Some(interface),
            "Enabled" if here && value == "Yes" => return true,
            _ => {}
        }
    }
    false
}

/// The state in what `showvminfo --machinereadable` prints, in VirtualBox's words.
pub(super) fn state(printed: &str) -> Option<&str> {
    printed.lines().find_map(|line| Some(line.trim_end().strip_prefix("VMState=\"")?.trim_end_matches('"')))
}

fn pairs(printed: &str) -> impl Iterator<Item = (&str, &str)> {
    printed.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_nonsense_is_none() {
        for (printed, wanted) in [
            ("7.1.4r165100\n", Some((7, 1))),
            ("7.0.20_Ubuntur163906\n", Some((7, 0))),
            (
                "WARNING: The vboxdrv kernel module is not loaded.\n         Please…\n6.1.50r161033\n",
                Some((6, 1)),
            ),
            ("7.10.0r1\n", Some((7, 10))),
            ("", None),
            ("hello\n", None),
        ] {
            assert_eq!(version(printed), wanted, "{printed}");
        }
    }

    #[test]
    fn a_name_is_whole() {
        let printed = "\"billet-lab-m10\" {8ac2}\n\"billet-lab-m1\" {8ac3}\n";
        assert!(has_machine(printed, "billet-lab-m1") && !has_machine(printed, "billet-lab-m"));
    }

    #[test]
    fn the_state_is_not_its_time() {
        assert_eq!(state("VMStateChangeTime=\"x\"\nVMState=\"poweroff\"\r\n"), Some("poweroff"));
        assert_eq!(state("name=\"VMState\"\n"), None);
    }

    #[test]
    fn an_own_dhcp_server_is_seen() {
        let printed = |name: &str, on: &str| {
            format!(
                "NetworkName:    HostInterfaceNetworking-vboxnet0\nDhcpd IP:       192.168.56.100\nEnabled:        No\n\n\
                 NetworkName:    HostInterfaceNetworking-{name}\nDhcpd IP:       10.77.0.2\nEnabled:        {on}\n"
            )
        };
        assert!(has_dhcp(&printed("vboxnet1", "Yes"), "vboxnet1"));
        assert!(!has_dhcp(&printed("vboxnet1", "No"), "vboxnet1"));
        assert!(!has_dhcp(&printed("vboxnet10", "Yes"), "vboxnet1"));
        assert!(!has_dhcp("", "vboxnet1"));
    }
}
