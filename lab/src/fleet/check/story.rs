//! A faked run in which all promises were kept, for tests that break one of them.

use super::Checker;
use crate::fleet::entry::{DiskTruth, Entry, MachineTruth, Seen, Snapshot, Usage, What};
use crate::fleet::scenario::Limits;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What runs on machine 0.
pub(super) const INSTANCE: &str = "0190a5c0-7d3e-7000-8000-0000000000a0";
/// What waits for machine 0.
pub(super) const OTHER_INSTANCE: &str = "0190a5c0-7d3e-7000-8000-0000000000a1";
/// What ran on machine 1 before it was released.
const OLD_INSTANCE: &str = "0190a5c0-7d3e-7000-8000-0000000000a2";
pub(super) const MAC: &str = "02:00:00:00:00:00";
pub(super) const OTHER_MAC: &str = "02:00:00:00:00:01";
/// When the snapshot is taken, in seconds since 1970.
pub(super) const NOW: i64 = 1_800_000_000;

pub(super) struct Story {
    pub(super) journal: Vec<Entry>,
    pub(super) snapshot: Snapshot,
    at_us: u64,
    calls: u64,
}

/// A time so many seconds from the snapshot's, as the API writes it.
pub(super) fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(NOW + seconds).expect("a time of our age").to_string()
}

fn machine_id(number: u32) -> String {
    format!("0190a5c0-7d3e-7000-8000-0000000000{number:02}")
}

impl Story {
    /// Two machines, of which one runs an instance and one was given back; kills, a bad network and a broken disk.
    pub(super) fn good() -> Self {
        let snapshot = Snapshot {
            machines: vec![machine(0), machine(1)],
            instances: vec![instance(0), instance(1)],
            leases: vec![lease(0), lease(1)],
            at: NOW,
            truth: vec![truth(0), truth(1)],
            usage_first: Usage { fds: 30, threads: 8, ..Usage::default() },
            usage_last: Usage { fds: 35, threads: 12, ..Usage::default() },
            ..Snapshot::default()
        };
        let mut story = Self { journal: Vec::new(), snapshot, at_us: 0, calls: 0 };
        story.push(None, What::Started { pid: 1 });
        story.push(None, What::Ready);
        for number in 0..2 {
            let name = format!("m-{number}");
            let body = json!({ "name": name, "macs": [mac(number)], "bmc": {}, "labels": {} });
            story.call("POST", "/v1/machines", &name, body, Some(200));
            story.inspected(number);
        }
        story.push(None, fault("network: drop 0.05", &["did not call in"]));
        story.push(Some(1), fault("disk: error-after-1MiB", &["write-image failed"]));
        story.deployed(0, "i-0", INSTANCE);
        story.deployed(1, "i-2", OLD_INSTANCE);
        story.given_back(1, "i-2");
        // Nobody answers, and the second try meets the first one.
        let body = json!({ "name": "i-1", "spec": { "image": "fleet", "machine": "m-0" } });
        story.call("POST", "/v1/instances", "i-1", body.clone(), None);
        story.call("POST", "/v1/instances", "i-1", body, Some(409));
        story.pass(120);
        story.push(None, What::Quiet);
        story
    }

    pub(super) fn push(&mut self, machine: Option<u32>, what: What) {
        self.at_us += 1000;
        self.journal.push(Entry { at_us: self.at_us, machine, what });
    }

    pub(super) fn seen(&mut self, machine: u32, seen: Seen) {
        self.push(Some(machine), What::Seen(seen));
    }

    /// Time passes.
    pub(super) fn pass(&mut self, seconds: u64) {
        self.at_us += seconds * 1_000_000;
    }

    /// A request to the API and its answer.
    pub(super) fn call(&mut self, method: &str, path: &str, about: &str, body: Value, status: Option<u16>) {
        let id = self.ask(method, path, about, body);
        self.push(None, What::Answer { id, status });
    }

    /// A request to the API; its number.
    pub(super) fn ask(&mut self, method: &str, path: &str, about: &str, body: Value) -> u64 {
        self.calls += 1;
        let (method, path, about) = (method.to_owned(), path.to_owned(), about.to_owned());
        self.push(None, What::Call { id: self.calls, method, path, about, body });
        self.calls
    }

    /// Where in the journal this was seen first.
    pub(super) fn place(&self, wanted: impl Fn(&Seen) -> bool) -> usize {
        let is = |entry: &Entry| matches!(&entry.what, What::Seen(seen) if wanted(seen));
        self.journal.iter().position(is).expect("it was seen")
    }

    /// From power on to the agent's session.
    fn booted(&mut self, number: u32) {
        self.seen(number, Seen::Bmc { deed: "set-power".to_owned() });
        self.seen(number, Seen::Power { on: true });
        let address = [127, 64, 1, number as u8].into();
        self.seen(number, Seen::Ack { address, lease_s: 900, mac: mac(number) });
        self.seen(number, Seen::Fetched { file: "loader".to_owned(), bytes: 70_000 });
        self.seen(number, Seen::Script { agent: true });
        self.seen(number, Seen::Claimed);
    }

    fn ordered(&mut self, number: u32, epoch: u64, step: &str) {
        let (job, step) = (format!("J{number}-{epoch}"), step.to_owned());
        self.seen(number, Seen::Order { job, epoch, step, attempt: 1 });
    }

    fn reported(&mut self, number: u32, epoch: u64, step: &str, outcome: &str) {
        let (job, step, outcome) = (format!("J{number}-{epoch}"), step.to_owned(), outcome.to_owned());
        self.seen(number, Seen::Reported { job, epoch, step, outcome });
    }

    fn wrote(&mut self, number: u32, step: &str) {
        let disk = format!("D{number}");
        self.seen(number, Seen::Wrote { disk, step: Some(step.to_owned()), canary: false });
    }

    fn inspected(&mut self, number: u32) {
        self.booted(number);
        self.ordered(number, 1, "inspect");
        self.reported(number, 1, "inspect", "inventory");
        self.seen(number, Seen::Power { on: false });
    }

    fn deployed(&mut self, number: u32, name: &str, instance: &str) {
        let body = json!({ "name": name, "spec": { "image": "fleet", "erase": "metadata" } });
        self.call("POST", "/v1/instances", name, body, Some(200));
        self.booted(number);
        self.ordered(number, 2, "write-image");
        self.wrote(number, "write-image");
        self.reported(number, 2, "write-image", "progress");
        self.push(None, What::Killed { after: None, plus_us: 7 });
        // The answer to its report was lost with the service, and the order still stands.
        self.push(None, What::Started { pid: 2 });
        self.push(None, What::Ready);
        self.ordered(number, 2, "write-image");
        self.reported(number, 2, "write-image", "done");
        self.ordered(number, 2, "write-seed");
        self.wrote(number, "write-seed");
        let instance = instance.to_owned();
        self.seen(number, Seen::Seeded { instance: instance.clone() });
        self.reported(number, 2, "write-seed", "done");
        self.ordered(number, 2, "reboot");
        self.reported(number, 2, "reboot", "done");
        self.seen(number, Seen::PhonedHome { instance });
    }

    fn given_back(&mut self, number: u32, name: &str) {
        self.call("DELETE", &format!("/v1/instances/{name}"), name, Value::Null, Some(202));
        self.seen(number, Seen::Power { on: false });
        self.booted(number);
        self.ordered(number, 3, "erase");
        self.wrote(number, "erase");
        let (disk, policy) = (format!("D{number}"), "metadata".to_owned());
        self.seen(number, Seen::Erased { disk, policy });
        self.reported(number, 3, "erase", "done");
        self.seen(number, Seen::Power { on: false });
    }

    fn broken(&self) -> BTreeSet<String> {
        let mut checker = Checker::new(&Limits::default());
        let mut all: Vec<_> = self.journal.iter().flat_map(|entry| checker.see(entry)).collect();
        all.extend(checker.at_rest(&self.snapshot));
        assert!(
            all.iter().all(|violation| !violation.about.is_empty() && !violation.why.is_empty()),
            "{all:?}"
        );
        all.into_iter().map(|violation| violation.invariant).collect()
    }
}

/// The story breaks exactly this promise.
#[track_caller]
pub(super) fn only(story: &Story, invariant: &str) {
    assert_eq!(story.broken(), BTreeSet::from([invariant.to_owned()]));
}

/// The story breaks none.
#[track_caller]
pub(super) fn silent(story: &Story) {
    assert_eq!(story.broken(), BTreeSet::new());
}

pub(super) fn fault(words: &str, may_hold: &[&str]) -> What {
    let may_hold = may_hold.iter().map(|part| (*part).to_owned()).collect();
    What::Fault { words: words.to_owned(), may_hold }
}

fn mac(number: u32) -> String {
    if number == 0 { MAC.to_owned() } else { OTHER_MAC.to_owned() }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it is what the API shows")
}

fn machine(number: u32) -> provisioner_api::Machine {
    let runs = number == 0;
    let disk = |name: &str, serial: &str, removable: bool| {
        json!({ "name": name, "serial": serial, "size_bytes": 67_108_864, "rotational": false,
            "removable": removable, "read_only": false, "sector_bytes": 512 })
    };
    let disks = [disk("vda", &format!("D{number}"), false), disk("sda", &format!("C{number}"), true)];
    let inventory = provisioner_api::Inventory { disks: disks.map(read).into(), ..Default::default() };
    let job = json!({ "id": machine_id(50 + number), "kind": if runs { "deploy" } else { "release" }, "epoch": 3,
        "started": time(-300), "ended": time(-200), "steps": [] });
    read(json!({
        "id": machine_id(number), "name": format!("m-{number}"), "version": 1,
        "spec": { "pool": "default", "macs": [mac(number)], "accepted": true,
            "bmc": { "protocol": "ipmi", "address": "127.128.0.1" } },
        "status": { "state": if runs { "deployed" } else { "available" }, "since": time(-200),
            "power": if runs { "on" } else { "off" }, "bmc": { "health": "ok" }, "job": job,
            "instance": runs.then_some(INSTANCE), "inventory": inventory },
    }))
}

fn instance(number: u32) -> provisioner_api::Instance {
    let runs = number == 0;
    let waiting = json!({ "why": "machine m-0 has to become free: it is taken", "since": time(-100) });
    read(json!({
        "id": if runs { INSTANCE } else { OTHER_INSTANCE }, "name": format!("i-{number}"), "version": 1,
        "spec": { "image": "fleet", "machine": (!runs).then(|| machine_id(0)), "erase": "metadata" },
        "status": { "state": if runs { "running" } else { "pending" }, "since": time(-200),
            "machine": runs.then(|| machine_id(0)), "machine_name": runs.then_some("m-0"),
            "waiting": (!runs).then_some(waiting) },
    }))
}

fn lease(number: u32) -> provisioner_api::Lease {
    read(json!({ "network": "fleet", "address": format!("127.64.1.{number}"), "mac": mac(number),
        "state": "active", "machine": machine_id(number), "expires": time(600) }))
}

fn truth(number: u32) -> MachineTruth {
    let runs = (number == 0).then(|| INSTANCE.to_owned());
    let root = DiskTruth {
        serial: format!("D{number}"),
        canary: false,
        intact: true,
        blank: runs.is_none(),
        instance: runs.clone(),
        image_whole: runs.is_some(),
    };
    let canary =
        DiskTruth { serial: format!("C{number}"), canary: true, intact: true, ..DiskTruth::default() };
    MachineTruth {
        number,
        name: format!("m-{number}"),
        macs: vec![mac(number)],
        on: runs.is_some(),
        runs,
        disks: vec![root, canary],
        bmc_sessions: 1,
        bmc_half_open: 0,
        may_hold: Vec::new(),
    }
}
