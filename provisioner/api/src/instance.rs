//! Instances: an operating system that a user asked for on some machine.

use crate::{
    DiskHints, Held, InstanceId, LabelExpression, MachineId, Minimum, NetworkSpec, Spread, StaticAddress,
    Waiting,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An instance as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its name, unique, a DNS label.
    pub name: String,
    /// Grows with each change. With the id it is the `ETag`.
    pub version: u64,
    /// What was asked for.
    pub spec: InstanceSpec,
    /// What is so.
    pub status: InstanceStatus,
}

/// What was asked for.
///
/// Unknown fields are refused: one that is misspelt (`protectd`) would silently mean nothing.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InstanceSpec {
    /// The image's name; empty of one that was adopted and not installed anew since.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// A machine's name or id, when exactly that one is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The pool to choose from; of a machine that is named, the pool that it has to be of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Labels that the machine must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub selector: BTreeMap<String, String>,
    /// More that its labels must be; all of these and the whole selector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expressions: Vec<LabelExpression>,
    /// The least that the machine must have.
    #[serde(default, skip_serializing_if = "Minimum::is_none")]
    pub minimum: Minimum,
    /// `x86_64` or `aarch64`; the image's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The zone that the machine must be in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whom it shall be far from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// A machine's name or id: that one if it fits and is free, else any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer_machine: Option<String>,
    /// Rather the machine that the last instance of the same name had, or else one of the same spread group.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sticky: bool,
    /// By when it has to have a machine. Then it is held, and a person says whether it waits on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Deleting it is refused until this is taken away.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protected: bool,
    /// The hostname, the instance's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// A user to make, with sudo. None: the image's own default user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// SSH public keys for that user, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
    /// Raw cloud-init user data instead of `user` and `ssh_keys`. Write-only: answers show only its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// The same as base64, for what is no cloud-init text: gzip, Ignition's JSON, anything. The system finds these bytes, as they
    /// are. Write-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data_base64: Option<String>,
    /// Its interfaces and addresses, of which Billet makes the network-config; DHCP on the boot NIC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSpec>,
    /// cloud-init network-config version 2, as YAML, instead of `network`. It is written as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_config: Option<String>,
    /// The serial number of the disk to write; short for `root_disk` with `serial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_disk_serial: Option<String>,
    /// Which disk gets the system. Without this, and without `root_disk_serial`: the only one that can; where there are
    /// several, the machine is held until a person chooses one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_disk: Option<DiskHints>,
    /// What becomes of the disks at release.
    #[serde(default)]
    pub erase: ErasePolicy,
}

impl InstanceSpec {
    /// Any machine with this image, and nothing more asked for.
    pub fn new(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            machine: None,
            pool: None,
            selector: BTreeMap::new(),
            expressions: Vec::new(),
            minimum: Minimum::default(),
            architecture: None,
            zone: None,
            spread: None,
            prefer_machine: None,
            sticky: false,
            deadline: None,
            protected: false,
            hostname: None,
            user: None,
            ssh_keys: Vec::new(),
            user_data: None,
            user_data_base64: None,
            network: None,
            network_config: None,
            root_disk_serial: None,
            root_disk: None,
            erase: ErasePolicy::default(),
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What becomes of a machine's disks when it is released.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ErasePolicy {
    /// Partition tables and file system signatures go; the data can be found by who looks for it.
    #[default]
    Metadata,
    /// The disk is told that nothing on it is needed any more, and all of it is read back as zeros. Quick on flash; what
    /// the disk keeps inside, nobody sees.
    Discard,
    /// Every sector is written with zeros and read back.
    Overwrite,
    /// The disk erases itself, spare sectors included: NVMe sanitize or format, ATA sanitize or secure erase. Markers and
    /// samples prove it.
    Secure,
}

impl ErasePolicy {
    /// All, the weakest first.
    pub const ALL: [Self; 4] = [Self::Metadata, Self::Discard, Self::Overwrite, Self::Secure];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Discard => "discard",
            Self::Overwrite => "overwrite",
            Self::Secure => "secure",
        }
    }

    /// How many bytes of a disk of `size_bytes` have to be read back at least, or it is not wiped.
    pub fn least_verified(self, size_bytes: u64) -> u64 {
        match self {
            // Both ends of the disk.
            Self::Metadata => size_bytes.min(8 << 20),
            Self::Discard | Self::Overwrite => size_bytes,
            // A hundredth, from 256 MiB to 4 GiB of it, in whole MiB.
            Self::Secure => (size_bytes / 100).clamp(256 << 20, 4 << 30).min(size_bytes) >> 20 << 20,
        }
    }
}

/// `POST /v1/instances`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InstanceCreate {
    /// A DNS label.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// What is asked for.
    pub spec: InstanceSpec,
}

/// `DELETE /v1/instances/{instance}`, the body is optional.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeleteInstance {
    /// Another erase policy than the instance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase: Option<ErasePolicy>,
}

/// `POST /v1/instances/{instance}/reinstall`: its root disk is written anew, and no other disk is touched. What is left
/// out stays as it was.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InstanceReinstall {
    /// Another image, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Another user to make, with sudo. Takes the place of raw user data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Other SSH public keys. Take the place of raw user data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_keys: Option<Vec<String>>,
    /// Other raw cloud-init user data. Takes the place of `user` and `ssh_keys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// The same as base64, for what is no cloud-init text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data_base64: Option<String>,
    /// Another cloud-init network-config version 2, as YAML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_config: Option<String>,
    /// The serial number of the root disk. Only where Billet does not know it: what it wrote once it writes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_disk_serial: Option<String>,
}

/// `POST /v1/instances/{instance}/actions`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InstanceActionRequest {
    /// What to do.
    pub action: InstanceAction,
}

/// What a user may ask of an instance.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum InstanceAction {
    /// Stop what is done for it. Without a machine it is gone; a deployment is given back, and what was written is wiped; a
    /// wiping pauses; of a reinstallation that wrote nothing yet the old system boots again; a rescue ends. One that runs is deleted, not
    /// cancelled.
    Cancel,
    /// Try again what is held, or what waits to be tried again.
    Retry,
}

/// The states of an instance.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// It has no machine yet; `waiting` says why.
    Pending,
    /// Its machine is being written.
    Deploying,
    /// The operating system reported in.
    Running,
    /// Its root disk is being written anew; it keeps its machine.
    Reinstalling,
    /// Its machine is being taken back.
    Releasing,
    /// Planned work is done on its machine; then it runs again.
    Servicing,
    /// Its machine runs a small system in RAM, in which somebody mends what is on its disks; or it is on its way there or
    /// back.
    Rescue,
}

/// What is so.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstanceStatus {
    /// Where it is in its life.
    pub state: InstanceState,
    /// Since when.
    pub since: Timestamp,
    /// Its machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
    /// That machine's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_name: Option<String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Why it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// How often it was asked to be installed anew.
    #[serde(default)]
    pub installation: u32,
    /// IPv4 addresses that it has.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Static addresses of its interfaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub static_addresses: Vec<StaticAddress>,
    /// When it reported in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phoned_home: Option<Timestamp>,
    /// It is to be in rescue, or is; and how one logs in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue: Option<RescueStatus>,
    /// SSH host keys that it reported, as `ssh-ed25519 AAAA…` lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_keys: Vec<String>,
}

/// `POST /v1/instances/{instance}/rescue`: its machine runs a small system in RAM, and no disk is touched.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InstanceRescue {
    /// SSH public keys, one line each, that log in there as root. There is no password.
    pub ssh_keys: Vec<String>,
}

/// How a rescue system is reached.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RescueAccess {
    /// IPv4 addresses that its agent found.
    pub addresses: Vec<String>,
    /// The fingerprint of its SSH host key, which was made at its start: `SHA256:…`, as `ssh` shows it.
    pub host_key: String,
}

/// The rescue of an instance.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RescueStatus {
    /// The rescue system runs, and one can log in.
    pub ready: bool,
    /// Commands that log in, one for each address; none until it is ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub login: Vec<String>,
    /// The fingerprint of its SSH host key, once it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
}

/// `GET /v1/instances`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstanceList {
    /// The instances, by name.
    pub items: Vec<Instance>,
    /// Where the next page begins (`?after=`); none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// From where on `GET /v1/watch?since=` tells what changed since this was read; there with `?resume=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
}
