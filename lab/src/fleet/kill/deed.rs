//! One fault: as words for the journal, and back from them for a replay. Pure.

use crate::fleet::Outage;
use crate::fleet::bmc::BmcFault;
use crate::fleet::disk::DiskFault;
use crate::fleet::scenario::NetworkFaults;
use std::fmt;
use std::str::FromStr;

/// A fault that begins and ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Deed {
    /// The wires are like this.
    Network(NetworkFaults),
    /// A machine's BMC is like this.
    Bmc(u32, String),
    /// A machine's disk is like this.
    Disk(u32, String),
    /// A rack has no power.
    Rack(u32),
    /// The database's server is away.
    Database(Outage),
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(faults) => {
                let NetworkFaults { drop, duplicate, jitter_ms } = faults;
                write!(f, "network: drop {drop} duplicate {duplicate} jitter_ms {jitter_ms}")
            }
            Self::Bmc(machine, kind) => write!(f, "bmc of {machine}: {kind}"),
            Self::Disk(machine, kind) => write!(f, "disk of {machine}: {kind}"),
            Self::Rack(rack) => write!(f, "rack {rack}: no power"),
            Self::Database(how) => write!(f, "database: {how}"),
        }
    }
}

impl FromStr for Deed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no fault; was the journal written by this version?");
        let (what, how) = text.split_once(": ").ok_or_else(wrong)?;
        let words: Vec<_> = what.split(' ').chain(how.split(' ')).collect();
        let number = |word: &str| word.parse().map_err(|_| wrong());
        match words.as_slice() {
            ["network", "drop", drop, "duplicate", duplicate, "jitter_ms", jitter_ms] => {
                Ok(Self::Network(NetworkFaults {
                    drop: drop.parse().map_err(|_| wrong())?,
                    duplicate: duplicate.parse().map_err(|_| wrong())?,
                    jitter_ms: number(jitter_ms)?,
                }))
            }
            ["bmc", "of", machine, kind] => {
                kind.parse::<BmcFault>().map_err(|error| error.to_string())?;
                Ok(Self::Bmc(number(machine)?, (*kind).to_owned()))
            }
            ["disk", "of", machine, kind] => {
                kind.parse::<DiskFault>().map_err(|error| error.to_string())?;
                Ok(Self::Disk(number(machine)?, (*kind).to_owned()))
            }
            ["rack", rack, "no", "power"] => Ok(Self::Rack(number(rack)?)),
            ["database", how] => Ok(Self::Database(how.parse().map_err(|_| wrong())?)),
            _ => Err(wrong()),
        }
    }
}

impl Deed {
    /// The machine that it is about, if it is one.
    pub(crate) fn machine(&self) -> Option<u32> {
        match self {
            Self::Bmc(machine, _) | Self::Disk(machine, _) => Some(*machine),
            Self::Network(_) | Self::Rack(_) | Self::Database(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        let faults = NetworkFaults { drop: 0.05, duplicate: 0.02, jitter_ms: 20 };
        let deeds = [
            Deed::Network(faults),
            Deed::Bmc(7, "dead-30s".into()),
            Deed::Disk(3, "error-after-1MiB".into()),
            Deed::Rack(2),
            Deed::Database(Outage::Kill),
        ];
        for deed in deeds {
            assert_eq!(deed.to_string().parse(), Ok(deed));
        }
        for nonsense in
            ["", "rack x: no power", "bmc of 7", "moon: full", "bmc of 7: sleepy", "database: pause"]
        {
            assert!(nonsense.parse::<Deed>().is_err(), "{nonsense:?}");
        }
    }
}
