//! What `VBoxManage showvminfo --machinereadable` prints, read. Text in, values out.
//!
//! The format is that of public captures, such as <https://github.com/hashicorp/vagrant/issues/11174> and
//! <https://github.com/docker-archive/toolbox/issues/72>; the fixture is written after them.

use bmc_proto::redfish::printable;

/// What is known of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Info {
    /// Its state.
    pub(super) state: State,
    /// Its UUID, lower case.
    pub(super) uuid: Option<String>,
    /// What it boots from, in order: `net`, `disk`, `dvd`, `floppy`; `none` left out.
    pub(super) boot: Vec<String>,
}

/// The state of a machine (the words of `MachineState` in `VBoxManage`'s `machineStateToName`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing runs and nothing is kept.
    Off,
    /// Off, but its memory is kept: a start would go on there.
    Saved,
    /// Its processors run.
    Running,
    /// On, and halted or between two states; the word says which.
    Other(String),
}

impl State {
    /// Whether it has a process.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self, Self::Off | Self::Saved)
    }
}

impl Info {
    /// Reads lines of `KEY=VALUE`, the value in quotes or bare. `None` without a state.
    pub(super) fn read(printed: &str) -> Option<Self> {
        let value = |key: &str| {
            let of = |line: &str| line.trim_end().strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
            printed.lines().find_map(of).map(|value| value.trim_matches('"').to_owned())
        };
        let state = match value("VMState")?.as_str() {
            "poweroff" | "aborted" => State::Off,
            "saved" | "aborted-saved" => State::Saved,
            "running" => State::Running,
            other => State::Other(other.chars().take(40).collect()),
        };
        let boot =
            (1..=4).filter_map(|number| value(&format!("boot{number}"))).filter(|device| device != "none");
        Some(Self {
            state,
            uuid: value("UUID").map(|uuid| printable(&uuid, 80).to_lowercase()),
            boot: boot.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_prints_is_read() {
        let printed = include_str!("fixtures/showvminfo.txt");
        let info = Info::read(printed).unwrap();
        assert_eq!(info.state, State::Off);
        assert_eq!(info.uuid.as_deref(), Some("8ac2f4a8-5b1d-4a47-9a3e-0f2b6c4d1e70"));
        assert_eq!(info.boot, ["disk", "dvd"]);
        for (word, state, on) in [
            ("aborted", State::Off, false),
            ("saved", State::Saved, false),
            ("running", State::Running, true),
            ("paused", State::Other("paused".into()), true),
            ("starting", State::Other("starting".into()), true),
        ] {
            let info = Info::read(&printed.replace("\"poweroff\"", &format!("\"{word}\""))).unwrap();
            assert_eq!((info.state.is_on(), info.state), (on, state), "{word}");
        }
        assert_eq!(Info::read("UUID=\"x\"\nVMStateChangeTime=\"poweroff\"\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(printed in "((VMState|UUID|boot[0-9])=(\"(poweroff|running|net|disk|none|[^\n]{0,60})\"?|x)\r?\n|[^\n]{0,20}\n){0,12}") {
            if let Some(info) = Info::read(&printed) {
                proptest::prop_assert!(printed.contains("VMState="));
                proptest::prop_assert!(info.boot.len() <= 4 && !info.boot.iter().any(|device| device == "none"));
                if let State::Other(word) = &info.state {
                    proptest::prop_assert!(word.chars().count() <= 40 && info.state.is_on());
                }
            }
        }
    }
}
