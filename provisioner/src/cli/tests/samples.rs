//! Objects as the API shows them.

use jiff::Timestamp;
use provisioner_api::*;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A time.
pub(in crate::cli) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Since when everything here is as it is.
fn since() -> Timestamp {
    at("2026-11-21T03:30:00Z")
}

/// A machine that is available and waits for nothing.
pub(in crate::cli) fn machine(name: &str) -> Machine {
    Machine {
        id: MachineId(Uuid::from_u128(1)),
        name: name.to_owned(),
        version: 7,
        spec: MachineSpec {
            pool: "default".to_owned(),
            macs: vec!["52:54:00:00:00:01".to_owned()],
            bmc: Some(BmcSpec {
                protocol: BmcProtocol::Ipmi,
                address: "10.0.0.9".to_owned(),
                username: "admin".to_owned(),
                cipher_suite: Some(3),
                tls_sha256: None,
                tls_ca: None,
                domain: None,
                mac: None,
            }),
            boot_mode: Some(BootMode::Bios),
            boot_chain: None,
            accepted: true,
            maintenance: false,
            protected: false,
            retired: false,
            zone: None,
            rack: None,
            labels: BTreeMap::from([("rack".to_owned(), "r7".to_owned())]),
        },
        status: MachineStatus {
            state: MachineState::Available,
            since: since(),
            waiting: None,
            held: None,
            power: Power::Off,
            bmc: BmcStatus {
                health: BmcHealth::Ok,
                error: None,
                weak: vec!["cipher suite 3 (SHA-1)".to_owned()],
            },
            job: None,
            instance: None,
            least_erase: None,
            instance_name: None,
            inventory: None,
            address: None,
        },
    }
}

/// An inventory with a hostile disk model.
pub(in crate::cli) fn inventory() -> Inventory {
    Inventory {
        uuid: Some("4c4c4544-0000-2010-8020-80c04f202020".to_owned()),
        serial: Some("SN1".to_owned()),
        manufacturer: Some("QEMU".to_owned()),
        product: Some("Q35".to_owned()),
        architecture: "x86_64".to_owned(),
        boot_mode: Some(BootMode::Bios),
        firmware: Some("SeaBIOS 1.16".to_owned()),
        cpu: Cpu { model: "qemu64".to_owned(), threads: 4, cores: 2, sockets: 1 },
        memory_bytes: 8 << 30,
        disks: vec![Disk {
            name: "vda".to_owned(),
            serial: Some("D1".to_owned()),
            wwn: None,
            model: Some("evil\x1b]0;title\x07".to_owned()),
            size_bytes: 4 << 30,
            rotational: true,
            removable: false,
            read_only: false,
            sector_bytes: 512,
            ..Disk::default()
        }],
        nics: vec![Nic {
            name: "eth0".to_owned(),
            mac: "52:54:00:00:00:01".to_owned(),
            driver: Some("virtio_net".to_owned()),
            link: true,
            speed_mbps: Some(1000),
            addresses: vec!["10.77.0.100".to_owned()],
        }],
        gpus: Vec::new(),
    }
}

/// A job in the middle of its second step.
pub(in crate::cli) fn job() -> Job {
    Job {
        id: JobId(Uuid::from_u128(2)),
        kind: JobKind::Inspect,
        epoch: 3,
        started: since(),
        ended: None,
        steps: vec![
            Step {
                name: "power-on".to_owned(),
                attempt: 1,
                phase: StepPhase::Done,
                started: Some(since()),
                ended: Some(at("2026-11-21T03:30:04Z")),
                progress: None,
                result: Some("power is on".to_owned()),
            },
            Step {
                name: "write-image".to_owned(),
                attempt: 2,
                phase: StepPhase::Intent,
                started: Some(at("2026-11-21T03:31:00Z")),
                ended: None,
                progress: Some(Progress { done: 45 << 20, total: 100 << 20 }),
                result: None,
            },
            Step {
                name: "reboot".to_owned(),
                attempt: 1,
                phase: StepPhase::Todo,
                started: None,
                ended: None,
                progress: None,
                result: None,
            },
        ],
    }
}

/// A hold.
pub(in crate::cli) fn held() -> Held {
    Held {
        why: "the agent did not call in".to_owned(),
        since: since(),
        choices: vec!["retry".to_owned(), "delete".to_owned()],
        ..Held::default()
    }
}

/// Something waited for.
pub(in crate::cli) fn waiting() -> Waiting {
    Waiting {
        why: "the agent to call in".to_owned(),
        since: since(),
        until: Some(at("2026-11-21T03:45:00Z")),
        hint: Some("the machine boots from its disk".to_owned()),
        ..Waiting::default()
    }
}

/// An instance that has no machine.
pub(in crate::cli) fn instance(name: &str) -> Instance {
    Instance {
        id: InstanceId(Uuid::from_u128(3)),
        name: name.to_owned(),
        version: 1,
        spec: InstanceSpec {
            pool: Some("default".to_owned()),
            user: Some("ops".to_owned()),
            ..InstanceSpec::new("debian-12")
        },
        status: InstanceStatus {
            state: InstanceState::Pending,
            since: since(),
            machine: None,
            machine_name: None,
            waiting: None,
            held: None,
            addresses: Vec::new(),
            static_addresses: Vec::new(),
            rescue: None,
            installation: 0,
            phoned_home: None,
            host_keys: Vec::new(),
        },
    }
}
