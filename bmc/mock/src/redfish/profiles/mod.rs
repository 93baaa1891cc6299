//! Profiles: the resources and manners of makers' BMCs. Shapes (ids, links, where things hang, makers' own parts, allowable
//! values) follow what such BMCs answer; the values are made up.
//!
//! What the resources do is not here: the groups find them by `Places`.

mod ami;
mod attributes;
mod blocks;
mod dell;
mod generic;
mod hardware;
mod hpe;
mod lenovo;
mod machine;
mod manners;
mod supermicro;

pub(super) use manners::{AccountIds, Etags, Manners};

use super::state::lock;
use super::tree::Tree;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock};

/// In the shapes of which maker a simulated BMC answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// Nobody's: as the standard has it, with all that it has.
    #[default]
    Generic,
    /// AMI MegaRAC, as it is in servers of many makers.
    Ami,
    /// Dell iDRAC 9.
    Dell,
    /// HPE iLO 5.
    Hpe,
    /// Lenovo XCC.
    Lenovo,
    /// Supermicro, X12 and later.
    Supermicro,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Generic, Self::Ami, Self::Dell, Self::Hpe, Self::Lenovo, Self::Supermicro];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Ami => "ami",
            Self::Dell => "dell",
            Self::Hpe => "hpe",
            Self::Lenovo => "lenovo",
            Self::Supermicro => "supermicro",
        }
    }

    /// The resources of a machine with so many network ports; made once and shared.
    pub(super) fn tree(self, ports: usize) -> Arc<Tree> {
        /// By profile and number of ports.
        type Made = Mutex<HashMap<(Profile, usize), Arc<Tree>>>;
        static MADE: OnceLock<Made> = OnceLock::new();
        let mut made = lock(MADE.get_or_init(Mutex::default));
        let tree = made.entry((self, ports)).or_insert_with(|| {
            Arc::new(match self {
                Self::Generic => generic::tree(ports),
                Self::Ami => ami::tree(ports),
                Self::Dell => dell::tree(ports),
                Self::Hpe => hpe::tree(ports),
                Self::Lenovo => lenovo::tree(ports),
                Self::Supermicro => supermicro::tree(ports),
            })
        });
        Arc::clone(tree)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = NoSuchProfile;

    fn from_str(name: &str) -> Result<Self, NoSuchProfile> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == name);
        found.ok_or_else(|| NoSuchProfile(name.to_owned()))
    }
}

/// A name that no profile has.
#[derive(Debug, thiserror::Error)]
#[error("there is no profile `{0}`: generic, ami, dell, hpe, lenovo, supermicro")]
pub struct NoSuchProfile(String);
