//! A recorded BMC again (`billet bmc record`): its resources as they were, and as much of its behaviour as can be told from
//! them.
//!
//! Power, boot override and order, virtual media and BIOS attributes can be changed; all else shows what was recorded.
//! What was answered with an error is answered with it again.

use super::faults::{Effect, Fault};
use super::profiles::{Etags, Manners, Profile};
use super::tree::{Places, Tree, trimmed};
use crate::{BootDevice, BootFlags, Chassis, ChassisError};
use bmc_proto::redfish::record::{Recorded, Recording};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The paths that logins need, whatever was recorded.
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// What a recording becomes.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) profile: Profile,
    pub(super) tree: Arc<Tree>,
    /// What was answered with an error.
    pub(super) faults: Vec<Fault>,
    /// After how many wrong passwords users are locked out, and for how long.
    pub(super) lock_out: (u32, Duration),
    /// How long an unused session lives.
    pub(super) idle: Option<Duration>,
    on: bool,
    boot: BootFlags,
}

impl Replay {
    pub(super) fn new(recording: &Recording) -> Self {
        let source = Source(recording);
        let profile = source.profile();
        let mut tree = Tree::new(source.manners(profile));
        for (path, body) in source.bodies() {
            tree.keep(path, source.whole(path, body));
        }
        if tree.get(SESSIONS).is_none() {
            tree.put(
                "/redfish/v1/SessionService",
                json!({"Name": "Session Service", "Sessions": tree.link(SESSIONS)}),
            );
            tree.collection::<&str>(SESSIONS, "Session", &[]);
        }
        tree.places = source.places();
        let accounts = recording.get("/redfish/v1/AccountService");
        let number =
            |name: &str| accounts.and_then(|service| service.get(name)?.as_u64()).unwrap_or_default();
        let threshold = u32::try_from(number("AccountLockoutThreshold")).unwrap_or_default();
        let service = recording.get("/redfish/v1/SessionService");
        let system = tree.get(&tree.places.system).cloned().unwrap_or_default();
        Self {
            profile,
            faults: source.faults(),
            lock_out: (threshold, Duration::from_secs(number("AccountLockoutDuration"))),
            idle: service.and_then(|service| service["SessionTimeout"].as_u64()).map(Duration::from_secs),
            on: ["On", "PoweringOff"].iter().any(|word| system["PowerState"] == *word),
            boot: boot_flags(&system["Boot"]),
            tree: Arc::new(tree),
        }
    }

    /// Makes the machine be as it was.
    pub(super) async fn prepare(&self, chassis: &dyn Chassis) -> Result<(), ChassisError> {
        chassis.set_power(self.on).await?;
        chassis.set_boot(self.boot).await
    }
}

fn boot_flags(boot: &Value) -> BootFlags {
    let device = match boot["BootSourceOverrideTarget"].as_str() {
        Some("Pxe") => Some(BootDevice::Network),
        Some("Hdd") => Some(BootDevice::Disk),
        Some("Cd") => Some(BootDevice::Cd),
        Some("BiosSetup") => Some(BootDevice::Setup),
        Some("Usb") => Some(BootDevice::Usb),
        Some("UefiHttp") => Some(BootDevice::Http),
        Some("UefiTarget" | "UefiBootNext") => Some(BootDevice::Uefi),
        _ => None,
    };
    let enabled = boot["BootSourceOverrideEnabled"].as_str();
    BootFlags {
        device: device.filter(|_| matches!(enabled, Some("Once" | "Continuous"))),
        persistent: enabled == Some("Continuous"),
        uefi: boot["BootSourceOverrideMode"] == "UEFI",
    }
}

/// What a recording tells.
struct Source<'a>(&'a Recording);

impl<'a> Source<'a> {
    /// What was read with success, by path; further pages of collections are not among them.
    fn bodies(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let read = self.0.resources.iter().filter(|(path, one)| one.status == 200 && !path.contains('?'));
        read.filter_map(|(path, one)| Some((path.as_str(), one.body.as_ref()?)))
    }

    fn root(&self) -> Value {
        self.0.get("/redfish/v1").cloned().unwrap_or_default()
    }

    /// The paths of all resources of a type.
    fn of_type(&self, kind: &str) -> Vec<String> {
        let of_kind = |body: &Value| {
            body["@odata.type"].as_str().is_some_and(|found| {
                found.strip_prefix('#').and_then(|found| found.split('.').next()) == Some(kind)
            })
        };
        self.bodies().filter(|(_, body)| of_kind(body)).map(|(path, _)| path.to_owned()).collect()
    }

    fn first(&self, kind: &str) -> Option<String> {
        self.of_type(kind).into_iter().next()
    }

    /// The maker whose manners are the nearest.
    fn profile(&self) -> Profile {
        let said = self.0.identity.vendors.join(" ").to_ascii_lowercase();
        let words = || said.split(|c: char| !c.is_ascii_alphanumeric());
        let names = [
            ("dell", Profile::Dell),
            ("hpe", Profile::Hpe),
            ("hewlett", Profile::Hpe),
            ("lenovo", Profile::Lenovo),
            ("supermicro", Profile::Supermicro),
            ("ami", Profile::Ami),
        ];
        let known = names.iter().find(|(name, _)| words().any(|word| word == *name));
        known.map_or(Profile::Generic, |(_, profile)| *profile)
    }

    fn manners(&self, profile: Profile) -> Manners {
        let root = self.root();
        let tags = || {
            let all = self.bodies().map(|(_, body)| body).filter(|body| body.get("Members").is_none());
            all.filter_map(|body| body["@odata.etag"].as_str())
        };
        let headers = self.0.resources.values().filter_map(|one| one.headers.get("ETag"));
        let etags = match tags().next().or(headers.map(String::as_str).next()) {
            None => Etags::None,
            Some(tag) if tag.starts_with("W/") => Etags::Weak,
            Some(_) => Etags::Strong,
        };
        let pages = self.bodies().filter(|(_, body)| body.get("Members@odata.nextLink").is_some());
        let page = pages.filter_map(|(_, body)| body["Members"].as_array().map(Vec::len)).min();
        let system = self.system().and_then(|path| self.0.get(&path)).cloned().unwrap_or_default();
        let manager = self.first("Manager").and_then(|path| self.0.get(&path).cloned()).unwrap_or_default();
        let likely = profile.tree(1).manners.clone();
        Manners {
            etags,
            trailing_slash: root["Systems"]["@odata.id"].as_str().is_some_and(|link| link.ends_with('/')),
            page: page.unwrap_or(1000).max(1),
            queries: root["ProtocolFeaturesSupported"].get("ExpandQuery").is_some(),
            server: "replay",
            resets: self.words(&system["Actions"]["#ComputerSystem.Reset"]).unwrap_or(likely.resets),
            manager_resets: self
                .words(&manager["Actions"]["#Manager.Reset"])
                .unwrap_or(likely.manager_resets),
            state_when_off: match (system["PowerState"].as_str(), system["Status"]["State"].as_str()) {
                (Some("Off"), Some("Disabled")) => "Disabled",
                (Some("Off"), Some("Enabled")) => "Enabled",
                (Some("Off"), Some("StandbyOffline")) => "StandbyOffline",
                _ => likely.state_when_off,
            },
            ..likely
        }
    }

    /// The values of `ResetType` that an action tells, itself or by its `ActionInfo`.
    fn words(&self, action: &Value) -> Option<&'static [&'static str]> {
        let told = action["ResetType@Redfish.AllowableValues"].as_array();
        let info = || {
            let info = self.0.get(action["@Redfish.ActionInfo"].as_str()?)?;
            let parameters = info["Parameters"].as_array()?;
            parameters.iter().find(|one| one["Name"] == "ResetType")?["AllowableValues"].as_array()
        };
        let told = told.or_else(info)?;
        let known = Manners::STANDARD.resets.iter().copied();
        let words: Vec<_> = known.filter(|word| told.iter().any(|one| one == word)).collect();
        // Manners are data of the program. A replay's are as few, and live as long as it in all that uses it.
        Some(Vec::leak(words))
    }

    /// The machine: a physical system rather than another.
    fn system(&self) -> Option<String> {
        let all = self.of_type("ComputerSystem");
        let physical = |path: &&String| {
            let kind = self.0.get(path).and_then(|system| system["SystemType"].as_str());
            kind.is_none_or(|kind| kind == "Physical")
        };
        all.iter().find(physical).or(all.first()).cloned()
    }

    /// Where the groups that go on working find their own.
    fn places(&self) -> Places {
        let system = self.system().unwrap_or_default();
        let settings = |path: Option<&str>| {
            let object = &self.0.get(path?)?["@Redfish.Settings"]["SettingsObject"];
            Some(trimmed(object["@odata.id"].as_str()?).to_owned())
        };
        let there = |path: &String| self.0.get(path).is_some();
        let bios = self.first("Bios").filter(|path| settings(Some(path)).as_ref().is_some_and(there));
        Places {
            bios_settings: settings(bios.as_deref()),
            bios_registry: self.first("AttributeRegistry"),
            bios,
            system_settings: settings(Some(&system)).filter(there),
            system,
            manager: self.first("Manager").unwrap_or_default(),
            media: self.of_type("VirtualMedia"),
            boot_options: self.first("BootOptionCollection"),
            tasks: self.first("TaskCollection"),
            // Where nothing is: an empty path is above all.
            accounts: "/none".into(),
            roles: "/none".into(),
            ..Places::default()
        }
    }

    /// A resource as it was, all pages of a collection in one.
    fn whole(&self, path: &str, body: &Value) -> Value {
        let mut whole = body.clone();
        let mut seen = BTreeSet::from([path.to_owned()]);
        let mut page = body;
        while let Some(next) = page["Members@odata.nextLink"].as_str() {
            let next = next.strip_suffix('/').unwrap_or(next).replace("/?", "?");
            let Some(Recorded { status: 200, body: Some(more), .. }) = self.0.resources.get(&next) else {
                break;
            };
            if !seen.insert(next) {
                break;
            }
            if let (Some(members), Some(more)) = (whole["Members"].as_array_mut(), more["Members"].as_array())
            {
                members.extend(more.iter().cloned());
            }
            page = more;
        }
        if let Some(whole) = whole.as_object_mut() {
            whole.remove("Members@odata.nextLink");
        }
        whole
    }

    fn faults(&self) -> Vec<Fault> {
        let odd: BTreeMap<_, _> =
            self.0.resources.iter().filter(|(_, one)| !matches!(one.status, 200 | 404)).collect();
        let answer = |one: &Recorded| one.body.as_ref().map(Value::to_string).unwrap_or_default();
        odd.into_iter()
            .filter(|(path, _)| !path.contains(['?', '*']))
            .map(|(path, one)| Fault::new(Effect::Answer(one.status, answer(one))).at(path).by("GET"))
            .collect()
    }
}
