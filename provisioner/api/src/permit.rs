//! Permits: leave to destroy what is on disks, signed by the service and checked by the agent against what it sees.
//!
//! What is signed is a text, and that very text travels: it is verified as it came and read only then, so nobody has to
//! agree on how a document is written. Keys and signatures (Ed25519, RFC 8032) are not here: the service signs in
//! `provisioner/src/permits.rs`, the agent verifies in `images/agent/src/permit.rs`.

use crate::{ErasePolicy, Finish, JobId, MachineId, agent::SeedFile};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The request header of an agent that asks for an order: hex digits that it makes anew for each question, and that a
/// permit has to repeat. An agent that sends none knows no signed permits.
pub const CHALLENGE_HEADER: &str = "billet-challenge";

/// How many hex digits a challenge has.
pub const CHALLENGE_DIGITS: usize = 32;

/// Where in the ramdisk the key stands whose permits count: the service appends it, the agent reads it there.
pub const KEY_FILE: &str = "etc/billet/permit.pub";

/// What a signature is over: this, then the text. No other text of ours that is signed begins so, and another form of
/// permits gets another number.
const DOMAIN: &[u8] = b"billet permit 1\0";

/// The longest text that is read, in bytes: a machine with hundreds of disks stays far below.
const LONGEST: usize = 1 << 20;

/// A permit as it travels.
///
/// Both fields may be missing: services of older builds signed nothing, and what they send has to be refused in words.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedPermit {
    /// The text that was signed: a [`Permit`] as JSON.
    #[serde(default)]
    pub text: String,
    /// Its signature, hex.
    #[serde(default)]
    pub signature: String,
}

/// Leave to destroy what is on the named disks of the named machine by the named order, and nothing else.
///
/// The agent refuses unless each part is what the order says, the challenge is that of the question which the order
/// answers, the time is not up, and each disk is exactly one that it sees and against which nothing speaks ([`crate::Caution`]),
/// or that is allowed all the same.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// The agent's challenge: a permit answers one question of one agent in one boot, once.
    pub challenge: String,
    /// The machine.
    pub machine: MachineId,
    /// What the machine says of itself.
    pub chassis: Chassis,
    /// The job.
    pub job: JobId,
    /// The job's epoch.
    pub epoch: u64,
    /// The step.
    pub step: String,
    /// Which try of it.
    pub attempt: u32,
    /// What may be done.
    pub method: PermitMethod,
    /// To which disks.
    pub disks: Vec<PermitDisk>,
    /// From when: the service's clock when it signed. The agent's own clock is not to be trusted: it adds what has
    /// passed since by its monotonic one.
    pub now: Timestamp,
    /// Until when, by the service's clock.
    pub expires: Timestamp,
}

/// What a machine says of itself, where it says anything.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Chassis {
    /// SMBIOS system UUID.
    pub uuid: Option<String>,
    /// SMBIOS system serial number.
    pub serial: Option<String>,
}

/// A disk that a permit names.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PermitDisk {
    /// Its serial number.
    pub serial: String,
    /// Its world wide name, where it is known.
    pub wwn: Option<String>,
    /// It may be touched although it is none of the machine's ordinary disks, or is seen over several paths: somebody said so
    /// of this one. Agents of earlier builds refuse a permit that says it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allowed: bool,
}

/// What a permit allows.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", tag = "to", deny_unknown_fields)]
pub enum PermitMethod {
    /// Write this image.
    WriteImage {
        /// SHA-256 of its manifest, hex.
        manifest: String,
    },
    /// Write this seed.
    WriteSeed {
        /// SHA-256 of its files, and of how they are put there, as [`seed_bytes`] has them, hex.
        files: String,
    },
    /// Wipe in this way.
    Erase {
        /// How.
        policy: ErasePolicy,
    },
}

/// Why a text is no permit.
#[derive(Debug, thiserror::Error)]
pub enum BadPermit {
    /// Too long to be read.
    #[error("the permit has {bytes} bytes, where {LONGEST} are the most")]
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// Not a permit, or one of another build.
    #[error("the permit can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

impl Permit {
    /// The text that is signed and sent.
    ///
    /// # Errors
    /// When it can't be written, which does not happen with any value of this type.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads a text whose signature was found good. A field that this build does not know is refused: it might limit
    /// what is allowed.
    ///
    /// # Errors
    /// When it is no permit.
    pub fn from_text(text: &str) -> Result<Self, BadPermit> {
        if text.len() > LONGEST {
            return Err(BadPermit::TooLong { bytes: text.len() });
        }
        Ok(serde_json::from_str(text)?)
    }
}

/// What is signed for a permit with this text.
pub fn message(text: &str) -> Vec<u8> {
    [DOMAIN, text.as_bytes()].concat()
}

/// Whether this may be a challenge.
pub fn is_challenge(text: &str) -> bool {
    text.len() == CHALLENGE_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The files of a seed as bytes of which a permit names the SHA-256: each name and content behind its length (64 bits,
/// big-endian), so that no two seeds have the same. Behind a length that nothing has stands how they are put on the disk, where
/// that is not what agents did before they were told.
pub fn seed_bytes(files: &[SeedFile], finish: Finish) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in files.iter().flat_map(|file| [file.name.as_bytes(), &file.content]) {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part);
    }
    if finish != Finish::default() {
        bytes.extend(u64::MAX.to_be_bytes());
        bytes.extend(format!("{} {}", finish.seed, finish.grow).into_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Growth, SeedKind};
    use uuid::Uuid;

    fn permit() -> Permit {
        Permit {
            challenge: "00112233445566778899aabbccddeeff".into(),
            machine: MachineId(Uuid::from_u128(1)),
            chassis: Chassis { uuid: Some("u".into()), serial: None },
            job: JobId(Uuid::from_u128(2)),
            epoch: 3,
            step: "erase".into(),
            attempt: 1,
            method: PermitMethod::Erase { policy: ErasePolicy::Overwrite },
            disks: vec![PermitDisk { serial: "A \"1\"".into(), wwn: Some("0x5".into()), allowed: false }],
            now: Timestamp::UNIX_EPOCH,
            expires: Timestamp::from_second(900).unwrap(),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let methods = [
            PermitMethod::WriteImage { manifest: "ab".into() },
            PermitMethod::WriteSeed { files: "cd".into() },
            PermitMethod::Erase { policy: ErasePolicy::Metadata },
        ];
        for method in methods {
            let permit = Permit { method, ..permit() };
            assert_eq!(Permit::from_text(&permit.to_text().unwrap()).unwrap(), permit);
        }
    }

    #[test]
    fn the_text_stays_what_it_is() {
        // Agents and services of different builds have to agree on it: who changes it changes `DOMAIN`, too.
        assert_eq!(
            permit().to_text().unwrap(),
            "{\"challenge\":\"00112233445566778899aabbccddeeff\",\
             \"machine\":\"00000000-0000-0000-0000-000000000001\",\"chassis\":{\"uuid\":\"u\",\"serial\":null},\
             \"job\":\"00000000-0000-0000-0000-000000000002\",\"epoch\":3,\"step\":\"erase\",\"attempt\":1,\
             \"method\":{\"to\":\"erase\",\"policy\":\"overwrite\"},\
             \"disks\":[{\"serial\":\"A \\\"1\\\"\",\"wwn\":\"0x5\"}],\
             \"now\":\"1970-01-01T00:00:00Z\",\"expires\":\"1970-01-01T00:15:00Z\"}"
        );
    }

    #[test]
    fn what_is_not_exactly_a_permit_is_refused() {
        let text = permit().to_text().unwrap();
        let bent = [
            text.replace("\"epoch\":3", "\"epoch\":3,\"epoch\":4"),
            text.replace("\"epoch\":3", "\"epoch\":3,\"only\":\"a\""),
            text.replace("\"epoch\":3", "\"epoch\":-3"),
            text.replace("\"epoch\":3,", ""),
            text.replace("\"to\":\"erase\"", "\"to\":\"other\""),
            text.replace("\"policy\":\"overwrite\"", "\"policy\":\"overwrite\",\"manifest\":\"ab\""),
            format!("{text} {text}"),
            text[..text.len() - 1].to_owned(),
            String::new(),
            " ".repeat(LONGEST + 1),
        ];
        for bent in bent {
            assert!(Permit::from_text(&bent).is_err(), "{bent:.200}");
        }
    }

    #[test]
    fn no_two_seeds_have_the_same_bytes() {
        let file = |name: &str, content: &str| SeedFile { name: name.into(), content: content.into() };
        let seeds = [
            vec![],
            vec![file("", "")],
            vec![file("a", "b")],
            vec![file("ab", "")],
            vec![file("", "ab")],
            vec![file("a", ""), file("b", "")],
            vec![file("b", ""), file("a", "")],
        ];
        let finishes = [
            Finish::default(),
            Finish { grow: Growth::Last, ..Finish::default() },
            Finish { seed: SeedKind::ConfigDrive, ..Finish::default() },
            Finish { seed: SeedKind::None, grow: Growth::Last },
        ];
        let mut bytes: Vec<_> =
            finishes.iter().flat_map(|finish| seeds.iter().map(|files| seed_bytes(files, *finish))).collect();
        bytes.sort();
        bytes.dedup();
        assert_eq!(bytes.len(), finishes.len() * seeds.len());
        // What older agents reckon with.
        assert_eq!(seed_bytes(&seeds[2], Finish::default()), b"\0\0\0\0\0\0\0\x01a\0\0\0\0\0\0\0\x01b");
    }

    #[test]
    fn a_challenge_is_hex_of_one_length() {
        assert!(is_challenge("00112233445566778899aabbccddeeff"));
        for other in ["", "00", "00112233445566778899aabbccddeefF", "00112233445566778899aabbccddee 0"] {
            assert!(!is_challenge(other), "{other}");
        }
    }
}
