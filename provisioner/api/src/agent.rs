//! The agent's protocol: claim a boot window, ask for an order, report.
//!
//! The agent dials out; nothing dials in. Every request but the claim carries `Authorization: Bearer <session>`.
//! An order names job, epoch, step and attempt; a report names them again, so that it is idempotent. The agent
//! keeps the highest epoch that it saw for the machine and refuses older orders. Each answer to a question for orders and
//! to a report carries a [`Fence`] in the header [`FENCE_HEADER`]. Where an order destroys, it carries a
//! permit (`permit`) that answers the challenge of the agent's question.

use crate::{
    ErasePolicy, ErasureRecord, Finish, Inventory, JobId, MachineId, Progress, RescueAccess, Secret,
    permit::SignedPermit,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Path of a chunk at a cache, and at the boot HTTP server behind it: its stored bytes over plain HTTP, with no session.
pub const CACHE_CHUNK: &str = "/boot/chunks/{sha256}";

/// The header of answers to agents with their [`Fence`]. An answer without it is of an older service, and is not checked.
pub const FENCE_HEADER: &str = "billet-fence";

/// What an agent compares: the highest that it heard of, with that of an answer. A replica that was stopped with an answer
/// in its hand, or that lost its turn, is not obeyed any more. Written `<term>.<epoch>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence {
    /// The term of the turn at the works: raised each time that another process takes it.
    pub term: u64,
    /// The epoch of the machine's job, 0 before its first.
    pub epoch: u64,
}

impl Fence {
    /// Whether an agent that heard of `highest` obeys.
    #[must_use]
    pub fn passes(self, highest: Self) -> bool {
        self >= highest
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.epoch)
    }
}

impl FromStr for Fence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('.').and_then(|(term, epoch)| Some((term.parse().ok()?, epoch.parse().ok()?)));
        let (term, epoch) = parts
            .ok_or_else(|| format!("`{text}` is no fence: two numbers with a dot between them are needed"))?;
        Ok(Self { term, epoch })
    }
}

/// `POST /agent/v1/claim`: the first call after boot. The token works once; a repeat with the same `nonce` gets
/// the same answer, so that a lost reply is harmless.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The boot window's token, from the kernel command line `billet.token=`.
    pub token: Secret,
    /// 32 random bytes in hex, made once per boot; it proves that a repeat comes from the same agent.
    pub nonce: String,
    /// What the machine is.
    pub inventory: Inventory,
    /// The agent's version.
    pub agent_version: String,
}

/// The answer to a claim.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimResponse {
    /// Bearer of all further requests.
    pub session: Secret,
    /// Who the service thinks this machine is.
    pub machine: MachineId,
    /// Its name, for the console.
    pub machine_name: String,
}

/// What the agent is to do next.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Order {
    /// The machine that is meant; another one refuses.
    pub machine: MachineId,
    /// The job.
    pub job: JobId,
    /// Its epoch.
    pub epoch: u64,
    /// The step's name.
    pub step: String,
    /// Which try this is.
    pub attempt: u32,
    /// The service's clock when this was sent; a permit says the same, signed.
    pub now: Timestamp,
    /// What to do.
    pub action: Action,
    /// Caches that may have the chunks of an image, the nearest first: `http://10.0.0.9:8080`. They are asked first, below
    /// [`CACHE_CHUNK`], and nothing of theirs is believed that isn't what its SHA-256 says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<String>,
}

/// What an order asks for. Each names an end, so that repeating it is harmless.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// Report the inventory (`Outcome::Inventory`).
    Inspect,
    /// Write an image to the disk in the permit and read it back.
    WriteImage {
        /// SHA-256 of the manifest, hex; fetched from `AGENT_MANIFEST`.
        manifest: String,
        /// Leave to destroy. Exactly one disk.
        permit: SignedPermit,
    },
    /// Move the backup GPT to the disk's end, and add a seed as a partition behind the image: a FAT volume `CIDATA` (NoCloud)
    /// or `config-2` (configuration drive).
    WriteSeed {
        /// File names and contents: `meta-data`, `user-data`, `network-config`, `vendor-data`; or those of a configuration
        /// drive, in their folders.
        files: Vec<SeedFile>,
        /// Which seed it is, and what becomes of the image's last partition.
        #[serde(default)]
        finish: Finish,
        /// By what name a UEFI firmware gets a boot entry for the system; none: its entries are left alone. It is no part of
        /// what a permit is for: no disk is changed by it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boot_entry: Option<String>,
        /// Leave to destroy. Exactly one disk.
        permit: SignedPermit,
    },
    /// Load a system that runs from RAM, and start it in place of the agent. Nothing is written to any disk, so there is
    /// no permit. Reported as done once it is loaded, before it is started.
    BootRam {
        /// SHA-256 of the manifest, hex; its content is the kernel, and behind it the initrd (`ImageFormat::Ram`).
        manifest: String,
        /// Bytes of the kernel.
        kernel_bytes: u64,
        /// The kernel's command line, the image's.
        cmdline: String,
        /// The NoCloud seed: file names and contents. They lie in the initrd's root at [`RAM_SEED`].
        files: Vec<SeedFile>,
    },
    /// Wipe the disks in the permit.
    Erase {
        /// How.
        policy: ErasePolicy,
        /// Leave to destroy. One or more disks.
        permit: SignedPermit,
    },
    /// Unpack the rescue archive in RAM and let these log in as root by SSH. No disk is touched.
    Rescue {
        /// SSH public keys, one line each.
        authorized_keys: Vec<String>,
        /// SHA-256 of the archive, hex; fetched from `AGENT_RESCUE`.
        archive: String,
        /// Its bytes.
        bytes: u64,
    },
    /// Reboot. Reported as done before the deed.
    Reboot,
    /// Reboot into the system that the machine has, past the network. Reported as done before the deed.
    RebootToDisk,
    /// Switch off. Reported as done before the deed.
    PowerOff,
}

/// Where a system that runs from RAM finds its seed: one of the folders in which cloud-init's NoCloud looks.
pub const RAM_SEED: &str = "var/lib/cloud/seed/nocloud";

/// One file of a seed.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(try_from = "SentFile", into = "SentFile")]
pub struct SeedFile {
    /// Its name, with the folders that it is in.
    pub name: String,
    /// Its content; what is no text is sent as `content_base64` instead.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub content: Vec<u8>,
}

/// A file of a seed as it travels: older agents know text alone.
#[derive(Serialize, Deserialize)]
struct SentFile {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_base64: Option<String>,
}

impl From<SeedFile> for SentFile {
    fn from(file: SeedFile) -> Self {
        match String::from_utf8(file.content) {
            Ok(text) => Self { name: file.name, content: Some(text), content_base64: None },
            Err(bytes) => {
                let content_base64 = Some(BASE64.encode(bytes.as_bytes()));
                Self { name: file.name, content: None, content_base64 }
            }
        }
    }
}

impl TryFrom<SentFile> for SeedFile {
    type Error = String;

    fn try_from(sent: SentFile) -> Result<Self, String> {
        let content = match (sent.content, sent.content_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => {
                BASE64.decode(text).map_err(|error| format!("content_base64 of `{}`: {error}", sent.name))?
            }
            _ => return Err(format!("`{}` needs either content or content_base64", sent.name)),
        };
        Ok(Self { name: sent.name, content })
    }
}

impl std::fmt::Debug for SeedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SeedFile({}, {} bytes)", self.name, self.content.len())
    }
}

/// `POST /agent/v1/reports`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The order's job.
    pub job: JobId,
    /// Its epoch.
    pub epoch: u64,
    /// Its step.
    pub step: String,
    /// Its attempt.
    pub attempt: u32,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an order, or how far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case", tag = "is")]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, made once and read once")]
pub enum Outcome {
    /// Still at it.
    Progress {
        /// How far.
        progress: Progress,
    },
    /// It is so.
    Done {
        /// What was done and seen, one sentence: bytes written, read back, time.
        evidence: String,
        /// For each disk that was wiped: serial, method, what was checked.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        disks: Vec<DiskEvidence>,
    },
    /// The inventory, answer to `Action::Inspect`.
    Inventory {
        /// What was found.
        inventory: Inventory,
    },
    /// The rescue system runs, answer to `Action::Rescue`.
    Rescued {
        /// How it is reached.
        access: RescueAccess,
    },
    /// It failed; trying again may help.
    Failed {
        /// Why, one sentence.
        why: String,
    },
    /// The agent refuses: trying again can't help (permit for another disk, image larger than the disk).
    Refused {
        /// Why, one sentence.
        why: String,
    },
}

/// Proof that a disk was wiped.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskEvidence {
    /// Its serial number.
    pub serial: String,
    /// How.
    pub policy: ErasePolicy,
    /// Bytes written.
    pub bytes_written: u64,
    /// Bytes read back: found zero, or, where the disk erased itself, found to be something else than before.
    pub bytes_verified: u64,
    /// More of it. Agents of older builds don't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<ErasureRecord>,
}

/// What a report is answered with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportResponse {
    /// Whether the order still stands. False: stop what you are doing and ask for orders.
    pub stands: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_s_file_travels_byte_for_byte() {
        for (content, field) in
            [(&b"#cloud-config\n"[..], "content"), (&[0x1f, 0x8b, 8, 0, 0xff], "content_base64")]
        {
            let file = SeedFile { name: "user-data".into(), content: content.into() };
            let sent = serde_json::to_value(&file).unwrap();
            assert!(sent[field].is_string() && sent.as_object().unwrap().len() == 2, "{sent}");
            assert!(serde_json::from_value::<SeedFile>(sent).unwrap() == file);
        }
        for wrong in [
            r#"{"name":"a"}"#,
            r#"{"name":"a","content":"","content_base64":""}"#,
            r#"{"name":"a","content_base64":"!"}"#,
        ] {
            assert!(serde_json::from_str::<SeedFile>(wrong).is_err(), "{wrong}");
        }
    }
}
