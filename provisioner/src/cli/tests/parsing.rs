//! What can be typed and what can't.

use super::{Cli, Command, Output};
use crate::cli::args::{InstanceCommand, MachineCommand};
use clap::{CommandFactory, Parser};
use jiff::SignedDuration;

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

/// Reads a command line.
fn read(line: &str) -> Result<Cli, String> {
    Cli::try_parse_from(std::iter::once("billet").chain(line.split(' ')))
        .map_err(|refusal| refusal.render().to_string())
}

/// Lines that can be typed.
const GOOD: &[&str] = &[
    "serve --config /etc/b.toml",
    "config check /etc/b.toml",
    "machine list -o wide",
    "machine list --state available --pool a",
    "-o json machine show m1",
    "machine add m1 --mac 52:54:00:00:00:01 --mac 52-54-00-00-00-02 --bmc ipmi://a@h --bmc-password-file -",
    "machine add m1 --mac 52:54:00:00:00:01 --bmc redfish://a@h:8443 --pool p --label a=b --boot-mode uefi --wait --timeout 2h",
    "machine accept m1 --wait",
    "machine inspect m1 --wait --timeout 90s",
    "machine service m1 --inspect --erase-disk A --erase-disk B --erase overwrite --yes --wait --timeout 2h",
    "machine retry m1",
    "machine cancel m1",
    "machine cancel m1 --yes",
    "machine choose m1 give-back --hold 3 -y",
    "machine choose m1 it-runs",
    "machine choose m1 skip-disk --disk S3R14L --hold 2",
    "machine set m1 --protected on --retired off",
    "instance cancel web --yes",
    "instance retry web",
    "instance adopt web --machine m1 --unprotected --erase overwrite",
    "machine add m1 --mac 52:54:00:00:00:01 --bmc manual: --adopt-as web",
    "instance reinstall web --image os --user-data /u --network-config /n --root-disk-serial X --yes --wait",
    "instance reinstall web --user ops --ssh-key /k",
    "machine power on m1",
    "machine power off m1",
    "machine set m1 --maintenance on --label a=b --remove-label c",
    "machine set m1 --boot-chain network",
    "machine set m1 --zone a --rack r7",
    "machine set m1 --no-zone --no-rack",
    "machine add m1 --mac 52:54:00:00:00:01 --bmc ipmi://a@h --zone a --rack r7",
    "instance create web --image os -l a=b,c!=d,!h -l g",
    "instance create web --image os --min-cores 8 --min-memory 64GiB --min-disk 1TiB --min-gpus 1 --min-nics 2 --min-nic-speed 25000",
    "instance create web --image os --architecture arm64 --zone a --spread web --spread-by zone --deadline 2h --protected",
    "instance create web --image os --sticky --prefer-machine m1",
    "instance set web --protected off --deadline none",
    "machine add m1 --mac 52:54:00:00:00:01 --bmc ipmi://a@h --boot-chain uki",
    "boot-trace m1 --watch",
    "metrics",
    "replica list -o wide",
    "job list --state running --kind deploy --machine m1 --newest 5 --watch",
    "job show 0190f2c4-0000-7000-8000-000000000000",
    "event list --kind dhcp --kind boot --newest 20 --follow",
    "pool list -w",
    "pool show gpu -o json",
    "pool create gpu --description team --erase overwrite --max-machines 4",
    "pool set gpu --description team --erase none --max-machines none",
    "pool delete gpu",
    "zone list",
    "boot-trace 52:54:00:00:00:01 -o yaml",
    "network leases lan --all",
    "network reservation list lan",
    "network reservation remove lan 52:54:00:00:00:01",
    "machine events m1 --follow",
    "machine console m1",
    "machine console m1 --no-input --backlog 0 --follow=false --escape ^]",
    "machine console m1 --backlog all --follow --escape none",
    "machine add m1 --mac 52:54:00:00:00:01 --bmc ipmi://a@h --bmc-key-file /k",
    "machine set m1 --no-bmc-key",
    "bmc power status m1",
    "bmc power cycle -H 10.0.0.9 -U admin -f /f -C 3 -L OPERATOR -k /k",
    "bmc -H [::1]:6230 -U admin power on",
    "bmc power off -H h -p 624 -U admin --redfish",
    "bmc boot show m1",
    "bmc boot pxe m1 --persistent --mode efi",
    "bmc boot none -H h -U a",
    "bmc sel list m1 -o wide",
    "bmc sel info m1",
    "bmc sel clear m1 --yes",
    "bmc sel time m1 --set now",
    "bmc sel time -H h -U a --set 2026-11-21T03:30:00+01:00",
    "bmc sensors m1 --kind fan --bad",
    "bmc fru m1 --id 0",
    "bmc identify 30 m1",
    "bmc identify m1 --off",
    "bmc user list m1",
    "bmc user set-name 3 ops m1",
    "bmc user set-password 3 -H h -U a --new-password-file - --yes",
    "bmc user enable 3 m1",
    "bmc user set-privilege 3 operator m1",
    "bmc console -H h -U a --take-over",
    "bmc info -H h -U a --redfish --tls-sha256 0000000000000000000000000000000000000000000000000000000000000000",
    "bmc asset-tag m1 --set r7u12",
    "bmc watchdog show m1",
    "bmc watchdog stop m1",
    "bmc power full-cycle m1 --yes",
    "bmc power push -H h -U a --redfish --tls-ca /ca.pem",
    "bmc boot http m1 --uri http://10.0.0.1/boot.efi --persistent",
    "bmc boot uefi m1 --path PciRoot(0x0)/Pci(0x1,0x0)",
    "bmc boot usb m1",
    "bmc boot-order show m1",
    "bmc boot-order set Boot0003 Boot0001 m1",
    "bmc boot-order set -H h -U a --redfish Boot0003",
    "bmc media list m1",
    "bmc media insert https://10.0.0.1/a.iso m1 --slot Cd --kind dvd",
    "bmc media eject -H h -U a --redfish",
    "bmc secure-boot show m1",
    "bmc secure-boot enable m1",
    "bmc secure-boot disable m1",
    "bmc secure-boot reset-keys --to no-pk m1 -y",
    "bmc bios list m1 --pending",
    "bmc bios list BootMode ProcVirtualization m1 -o wide",
    "bmc bios set BootMode=Uefi Delay=-1 m1",
    "bmc bios set -H h -U a --redfish BootMode=Uefi",
    "bmc bios reset m1 --yes",
    "bmc firmware list m1",
    "bmc firmware update m1 --url https://10.0.0.1/f.bin --target BMC --target BIOS --apply on-reset --no-wait",
    "bmc firmware update -H h -U a --redfish --file f.bin --timeout 2h --yes",
    "bmc task list m1",
    "bmc task show /redfish/v1/TaskService/Tasks/7 m1 --wait --timeout 30m",
    "bmc task forget 7 m1 --yes",
    "bmc hardware m1",
    "bmc log list m1",
    "bmc log show system/SEL m1 --newest 20 -o wide",
    "bmc log clear system/SEL m1 --yes",
    "bmc events m1 --follow",
    "bmc subscription list m1",
    "bmc subscription add https://10.0.0.1/r m1 --context me",
    "bmc subscription remove 3 m1",
    "bmc user add ops m1 --level operator --new-password-file -",
    "bmc user remove root m1 --yes",
    "bmc rotate-password m1",
    "bmc restart m1 --yes",
    "machine add m1 --mac 52:54:00:00:00:01 --bmc redfish://a@h --bmc-tls-ca /ca.pem",
    "machine set m1 --bmc-tls-ca /ca.pem",
    "machine set m1 --bmc-tls-sha256 first",
    "machine add m1 --mac 52:54:00:00:00:01 --bmc redfish://a@h --bmc-tls-sha256 0000000000000000000000000000000000000000000000000000000000000000",
    "bmc scan 10.0.0.0/24",
    "bmc scan 10.0.0.0/24 --from-here --redfish-port 8000 --ipmi-port 6230 -o wide",
    "bmc confirm m1 on",
    "apply -f rack.yaml -f - --file site --dry-run",
    "top",
    "machine list --held --watch",
    "instance show web -w -o jsonpath={.status.state}",
    "context add prod --from /admin.toml --use",
    "context add prod --url https://h:7443 --token-file - --ca /ca.pem",
    "context add prod --url https://h:7443 --ca /ca.pem",
    "context use --none",
    "user create ann --role tenant --pool a --pool b --password-file -",
    "user set ann --role operator --all-pools --disabled false --new-password",
    "user show ann -o json",
    "login --user ann --password-file /p",
    "logout",
    "whoami",
    "context show",
    "man /tmp",
    "machine delete m1 --dry-run",
    "machine choose m1 give-back --dry-run",
    "machine delete m1",
    "machine delete m1 --scrap --unwiped S3R14L --unwiped S3R15L --yes",
    "instance create a --image i --machine m1 --user ops --ssh-key /k --ssh-key /l --erase overwrite --wait",
    "instance create a --image i --pool p --selector a=b --user-data /u --network-config /n --root-disk-serial X",
    "instance list",
    "instance list --state running --limit 10",
    "machine list --held --limit 1000",
    "machine events m1 --newest 20",
    "machine timeline m1 --since 2h --kind dhcp --kind boot --follow",
    "instance timeline a --since 2026-11-22T10:00:00Z --newest 20",
    "instance delete a --erase metadata --yes --wait",
    "instance events a",
    "image import /f --name n --format raw",
    "image import burn-in --kernel /k --initrd /i",
    "image import /f --name n --format raw --seed config-2 --grow last",
    "image import --name burn-in --kernel /k --initrd /i --cmdline console=ttyS0 --arch amd64",
    "image list -o name",
    "network leases lab",
    "why machine/m1",
    "completion bash",
];

#[test]
fn good_lines() {
    for line in GOOD {
        assert!(read(line).is_ok(), "{line}: {}", read(line).unwrap_err());
    }
}

/// Lines about BMCs, and a part of what is said of each.
const BAD_OF_BMCS: &[(&str, &str)] = &[
    (
        "bmc power m1 status",
        "possible values: status, on, off, cycle, reset, soft, restart, push, diag, full-cycle, suspend, pause, resume",
    ),
    ("bmc power status -H h -C 0", "anybody may switch the machine"),
    ("bmc power status -H h -C 8", "only 17 is strong enough"),
    ("bmc power status -H admin@h", "the user with -U"),
    ("bmc power status -H h -L user", "possible values: operator, administrator"),
    ("bmc power status -H h -p 0", "0 is not in 1..=65535"),
    ("bmc boot floppy m1", "possible values: show, none, pxe, disk, cdrom, bios, usb, http, uefi"),
    ("bmc boot pxe m1 --mode csm", "use bios or uefi"),
    ("bmc sel time m1 --set tomorrow", "is no time; use now"),
    ("bmc identify m1 --on --off", "cannot be used with"),
    ("bmc user enable .. m1", "see `billet bmc user list`"),
    ("bmc boot http m1 --uri nfs://h/a", "there are https, http"),
    ("bmc boot uefi m1 --path Boot0001", "a UEFI device path looks like"),
    ("bmc boot-order set", "REFERENCE"),
    ("bmc media insert a.iso m1", "that is no URL"),
    ("bmc media insert https://a:secret@h/a.iso m1", "a password does not belong here"),
    ("bmc media insert https://h/a.iso m1 --kind tape", "possible values: cd, dvd, usb, floppy"),
    ("bmc secure-boot reset-keys m1", "--to <TO>"),
    ("bmc secure-boot reset-keys m1 --to all", "possible values: default, none, no-pk"),
    ("bmc bios set", "NAME=VALUE"),
    ("bmc firmware update m1", "--url <URL>|--file <FILE>"),
    ("bmc firmware update m1 --url https://h/f --file f", "cannot be used with"),
    ("bmc firmware update m1 --url https://h/f --apply later", "possible values: immediate, on-reset"),
    ("bmc firmware update m1 --url https://h/f --no-wait --timeout 1h", "cannot be used with"),
    ("bmc task show 7 m1 --timeout 1h", "--wait"),
    ("bmc log show a m1 --newest 0", "0 is not in 1..=10000"),
    ("bmc subscription add ftp://h m1", "there are https, http"),
    ("bmc user add ops m1", "--level <LEVEL>"),
    ("bmc user set-privilege 3 root m1", "use no-access, callback"),
    ("bmc info -H h --redfish --tls-sha256 12", "64 hexadecimal digits"),
    ("bmc watchdog start m1", "unrecognized subcommand"),
    ("bmc scan", "<SUBNET>"),
    ("bmc scan 10.0.0.7/24", "did you mean 10.0.0.0/24?"),
    ("bmc scan fd00::/64", "write it like 10.0.0.0/24"),
    ("bmc scan 10.0.0.0/24 --redfish-port 8000", "--from-here"),
    ("bmc confirm m1 maybe", "possible values: on, off"),
    ("machine set m1 --bmc-tls-sha256 next", "`first` for the one that it shows next"),
    ("machine set m1 --bmc-tls-sha256 first --bmc-tls-ca /ca.pem", "cannot be used with"),
];

#[test]
fn bad_lines_are_told_what_is_wrong() {
    let hash = "sha256:abc";
    for (line, want) in [
        ("machine add M1 --mac 52:54:00:00:00:01 --bmc ipmi://a@h", "`M1` is not a good name"),
        ("machine add m1 --bmc ipmi://a@h", "--mac <MAC>"),
        ("machine add m1 --mac 52:54 --bmc ipmi://a@h", "write it like 52:54:00:12:34:56"),
        ("machine add m1 --mac 52:54:00:00:00:01 --bmc ipmi://a:b@h", "a password does not belong here"),
        ("machine add m1 --mac 52:54:00:00:00:01 --bmc ipmi://a@h --bmc-password x", "unexpected argument"),
        ("machine add m1 --mac 52:54:00:00:00:01 --bmc ipmi://a@h --boot-mode efi", "use bios or uefi"),
        ("machine inspect m1 --timeout 90s", "--wait"),
        ("machine service m1 --inspect --erase overwrite", "--erase-disk"),
        ("machine inspect m1 --wait --timeout soon", "not a duration"),
        ("machine set m1", "required"),
        ("machine list --state broken", "use discovered, inspecting"),
        ("instance create a --image i --machine m --pool p", "cannot be used with"),
        ("instance create a --image i --user u --user-data /f", "cannot be used with"),
        ("instance create a --machine m", "--image"),
        ("instance delete a --erase shred", "use metadata"),
        (&format!("image import /f --name n --format raw --digest {hash}"), "64 hexadecimal digits"),
        ("image import /f --name n --format vmdk", "use raw, qcow2 or iso"),
        ("image import n --kernel /k", "--initrd <INITRD>"),
        ("image import n --initrd /i", "--kernel <KERNEL>"),
        ("image import /f --name n", "--format <FORMAT>"),
        ("image import /f --format raw", "--name <NAME>"),
        ("image import n --kernel /k --initrd /i --format raw", "cannot be used with"),
        ("image import /f --name n --format raw --cmdline quiet", "--kernel <KERNEL>"),
        ("image import /f --name n --format raw --seed cidata", "nocloud, config-2 or none"),
        ("image import n --kernel /k --initrd /i --grow last", "cannot be used with"),
        ("image import n --kernel /k --initrd /i --cmdline caf\u{e9}", "printable ASCII"),
        ("apply --dry-run", "--file <FILE>"),
        ("context add prod --url https://h", "--ca <FILE>"),
        ("user create ann", "--role <ROLE>"),
        ("user create ann --role root", "use viewer, tenant, operator or admin"),
        ("user create ann --role viewer secret", "unexpected argument"),
        ("user set ann --pool a --all-pools", "cannot be used with"),
        ("context add prod", "--from <FILE>"),
        ("pool create A", "`A` is not a good name"),
        ("pool create gpu --erase none", "use metadata"),
        ("pool set gpu --max-machines many", "`many` is neither a number nor none"),
        ("context use Prod", "`Prod` is not a good name"),
        ("why node/x", "machine/NAME or instance/NAME"),
        ("machine list -o xml", "invalid value 'xml'"),
        ("machine power m1 on", "unrecognized subcommand"),
        ("machine set m1 --no-bmc-key --bmc-key-file /k", "cannot be used with"),
        ("machine console m1 --escape ~~", "use one character such as ~"),
        ("machine console m1 --backlog some", "a number of bytes, or all"),
    ] {
        refused(line, want);
    }
    for (line, want) in BAD_OF_BMCS {
        refused(line, want);
    }
}

fn refused(line: &str, want: &str) {
    let said = read(line).map(|_| ()).expect_err(line);
    assert!(said.contains(want), "{line}: {said}");
}

#[test]
fn what_is_not_given_has_a_sensible_value() {
    let cli = read("machine inspect m1 --wait").unwrap();
    assert_eq!(cli.global.output.output, Output::Table);
    let Command::Machine(MachineCommand::Inspect(named)) = cli.command else {
        panic!("another command was read")
    };
    assert!(named.wait.wait);
    assert_eq!(named.wait.timeout, SignedDuration::from_mins(30));
    let cli = read("instance delete a").unwrap();
    let Command::Instance(InstanceCommand::Delete(delete)) = cli.command else {
        panic!("another command was read")
    };
    assert!(!delete.yes && !delete.wait.wait && delete.erase.is_none());
}
