//! A simulated machine in the world: it gives the model what happens and does what the model says.
//!
//! All that the model says is begun under the lock under which it was said, so that nothing of an earlier life is begun
//! after that life's end. A machine that rests has no task. What a machine does when is not here (`model`), nor its
//! disks (`host`), nor its BMC (`bmc`).

mod chassis;
mod deeds;

use super::entry::{MachineTruth, Seen};
use super::eyes::Eyes;
use super::host::SimHost;
use super::model::{Input, Model, Output, PhaseName, Traits};
use super::wire::Wires;
use bmc_mock::{BootFlags, Chassis, SerialDevice};
use images_agent::Pace;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How many words of its history a machine keeps.
const HISTORY: usize = 50;

/// A simulated machine. It has no power any more when it is dropped.
pub struct Sim {
    me: Weak<Self>,
    number: u32,
    name: Box<str>,
    mac: [u8; 6],
    host: SimHost,
    wires: Arc<Wires>,
    eyes: Arc<Eyes>,
    pace: Pace,
    core: Mutex<Core>,
}

struct Core {
    model: Model,
    /// What is under way; nothing while the machine rests.
    life: Option<Box<Life>>,
    history: VecDeque<Cow<'static, str>>,
    /// Made when somebody looks at it.
    serial: Option<Arc<SerialDevice>>,
    /// Whether its rack has power; else whether the machine was on before.
    mains: Mains,
    /// It was taken out of the rack: nothing happens any more.
    over: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mains {
    There,
    Gone { was_on: bool },
}

/// What is under way in a life. It ends when this is dropped.
struct Life {
    number: u32,
    end: CancellationToken,
    _end: DropGuard,
    timer: Option<AbortHandle>,
    /// To its DHCP port, while that is open.
    dhcp: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

impl Life {
    fn new(number: u32) -> Self {
        let end = CancellationToken::new();
        Self { number, _end: end.clone().drop_guard(), end, timer: None, dhcp: None }
    }
}

impl Sim {
    /// A machine that is off, with this number, name and kind, on these disks and wires. `seed` is the fleet's; `pace`
    /// is its agent's.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "these are its parts, and one place puts them together")]
    pub fn new(
        number: u32,
        name: String,
        traits: Arc<Traits>,
        seed: u64,
        host: SimHost,
        wires: Arc<Wires>,
        eyes: Arc<Eyes>,
        pace: Pace,
    ) -> Arc<Self> {
        let mac = mac(number);
        let core = Core {
            model: Model::new(number, mac, traits, seed),
            life: None,
            history: VecDeque::new(),
            serial: None,
            mains: Mains::There,
            over: false,
        };
        let (name, core) = (name.into_boxed_str(), Mutex::new(core));
        Arc::new_cyclic(|me| Self { me: me.clone(), number, name, mac, host, wires, eyes, pace, core })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its MAC address, with colons.
    #[must_use]
    pub fn mac(&self) -> String {
        Self::mac_of(self.number)
    }

    /// The MAC address of the machine with this number, with colons.
    #[must_use]
    pub fn mac_of(number: u32) -> String {
        let [a, b, c, d, e, f] = mac(number);
        format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }

    /// Its disks and console.
    #[must_use]
    pub fn host(&self) -> &SimHost {
        &self.host
    }

    /// What its BMC controls.
    #[must_use]
    pub fn chassis(self: &Arc<Self>) -> Arc<dyn Chassis> {
        Arc::new(chassis::Wired(Arc::clone(self)))
    }

    /// Its serial port, which is kept as long as somebody has it.
    #[must_use]
    pub fn serial_port(&self) -> Arc<SerialDevice> {
        let mut core = self.core();
        let on = core.model.power();
        Arc::clone(core.serial.get_or_insert_with(|| Arc::new(SerialDevice::new(on))))
    }

    /// Where in its life it is.
    #[must_use]
    pub fn phase(&self) -> PhaseName {
        self.core().model.phase()
    }

    /// Whether it is on.
    #[must_use]
    pub fn power(&self) -> bool {
        self.core().model.power()
    }

    /// What it did, oldest first, the last 50: `script: agent`, `script: disk`, `disk: nothing`,
    /// `disk: phoned home`, …
    #[must_use]
    pub fn history(&self) -> Vec<String> {
        self.core().history.iter().map(ToString::to_string).collect()
    }

    /// Its rack has no power any more: it is off, and nobody can switch it on.
    pub fn cut_power(&self) {
        let mut core = self.core();
        if core.mains == Mains::There {
            core.mains = Mains::Gone { was_on: core.model.power() };
            self.apply(&mut core, None, Input::Power(false));
        }
    }

    /// Its rack has power again: it is as it was before.
    pub fn restore_power(&self) {
        let mut core = self.core();
        if let Mains::Gone { was_on } = std::mem::replace(&mut core.mains, Mains::There)
            && was_on
        {
            self.apply(&mut core, None, Input::Power(true));
        }
    }

    /// What it really is. Its BMC's sessions are not looked up here.
    #[must_use]
    pub fn truth(&self) -> MachineTruth {
        let (on, runs) = {
            let core = self.core();
            (core.model.power(), core.model.runs().map(ToOwned::to_owned))
        };
        let disks = self.host.disks_truth();
        let (name, macs) = (self.name.to_string(), vec![self.mac()]);
        MachineTruth { number: self.number, name, macs, on, runs, disks, ..MachineTruth::default() }
    }

    /// Takes it out of the rack: all that is under way ends, and nobody sees anything of it any more.
    pub fn end(&self) {
        let mut core = self.core();
        core.over = true;
        core.life = None;
        core.serial = None;
        self.host.power_cut();
    }

    /// Something happens. `life`: in which life; none: from outside.
    fn feed(&self, life: Option<u32>, input: Input) {
        self.apply(&mut self.core(), life, input);
    }

    fn apply(&self, core: &mut Core, life: Option<u32>, input: Input) {
        let no_mains =
            matches!((&input, core.mains), (Input::Power(true) | Input::Reset, Mains::Gone { .. }));
        if core.over || no_mains {
            return;
        }
        let outputs = core.model.step(life.unwrap_or(core.model.life()), input);
        for output in outputs {
            self.perform(core, output);
        }
        if core.model.rests() {
            core.life = None;
        }
        if let Some(serial) = &core.serial {
            serial.set_power(core.model.power());
            // Sixteen KiB for nobody.
            if core.life.is_none() && Arc::strong_count(serial) == 1 {
                core.serial = None;
            }
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        // The model is whole after each step; a panic elsewhere does not break it.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flags(&self) -> BootFlags {
        self.core().model.flags()
    }

    /// What happened, for the eyes and the history.
    fn note(&self, core: &mut Core, seen: Seen) {
        if let Some(word) = word(&seen) {
            if core.history.len() == HISTORY {
                core.history.pop_front();
            }
            core.history.push_back(word);
        }
        self.eyes.see(self.number, seen);
    }

    fn perform(&self, core: &mut Core, output: Output) {
        match output {
            Output::Note(seen) => self.note(core, seen),
            Output::Cut => {
                core.life = None;
                self.host.power_cut();
                // The machine starts anew, or stops.
                if let Some(serial) = &core.serial {
                    serial.set_power(false);
                }
            }
            begun => self.begin(core, begun),
        }
    }
}

/// The MAC address of a machine: locally administered, and its number.
fn mac(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [0x02, 0x5a, a, b, c, d]
}

/// The word for it in a machine's history.
fn word(seen: &Seen) -> Option<Cow<'static, str>> {
    Some(match seen {
        Seen::Power { on: true } => "power: on".into(),
        Seen::Power { on: false } => "power: off".into(),
        Seen::BootSet { device } => match device.as_str() {
            "network" => "boot: network".into(),
            "disk" => "boot: disk".into(),
            "none" => "boot: none".into(),
            other => format!("boot: {other}").into(),
        },
        Seen::Ack { .. } => "dhcp: address".into(),
        Seen::Nak => "dhcp: refused".into(),
        Seen::Fetched { file, .. } => match file.as_str() {
            // It is told by what it says.
            "script" => return None,
            "loader" => "fetched: loader".into(),
            "kernel" => "fetched: kernel".into(),
            other => format!("fetched: {other}").into(),
        },
        Seen::Script { agent: true } => "script: agent".into(),
        Seen::Script { agent: false } => "script: disk".into(),
        Seen::NothingOnDisk => "disk: nothing".into(),
        Seen::PhonedHome { .. } => "disk: phoned home".into(),
        Seen::Broke { why } => format!("broke: {why}").into(),
        _ => return None,
    })
}

#[cfg(test)]
pub(super) mod tests;
