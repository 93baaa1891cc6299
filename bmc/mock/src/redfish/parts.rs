//! All groups of a simulated BMC in one place: where a new one is wired in, and where tests find them.

use super::accounts::Accounts;
use super::bios::Bios;
use super::boot_options::BootOptions;
use super::events::Events;
use super::group::Group;
use super::logs::Logs;
use super::manager::Manager;
use super::media::Media;
use super::network::Network;
use super::secure_boot::SecureBoot;
use super::sensors::Sensors;
use super::sessions::Sessions;
use super::settings::SmallSettings;
use super::system::System;
use super::tasks::Tasks;
use super::tree::Tree;
use super::update::Update;

/// What a simulated BMC is made of. Tests look at and disturb a part through its own methods.
pub struct Parts {
    /// The system: power and boot.
    pub system: System,
    /// The BMC itself: its restart.
    pub manager: Manager,
    /// Virtual media.
    pub media: Media,
    /// UEFI Secure Boot.
    pub secure_boot: SecureBoot,
    /// BIOS attributes.
    pub bios: Bios,
    /// The lasting boot order.
    pub boot_options: BootOptions,
    /// Firmware updates.
    pub update: Update,
    /// What takes long.
    pub tasks: Tasks,
    /// Its logs.
    pub logs: Logs,
    /// What it reports.
    pub events: Events,
    /// Its sensors.
    pub sensors: Sensors,
    /// Lamp, tag and clock.
    pub settings: SmallSettings,
    pub(super) network: Network,
    pub(super) accounts: Accounts,
    pub(super) sessions: Sessions,
}

impl Parts {
    pub(super) fn new(tree: &Tree) -> Self {
        Self {
            system: System::default(),
            manager: Manager::default(),
            media: Media::default(),
            secure_boot: SecureBoot::default(),
            bios: Bios::default(),
            boot_options: BootOptions::default(),
            update: Update::default(),
            tasks: Tasks::default(),
            logs: Logs::new(tree),
            events: Events::default(),
            sensors: Sensors::default(),
            settings: SmallSettings::default(),
            network: Network,
            accounts: Accounts,
            sessions: Sessions,
        }
    }

    /// In the order in which they are asked.
    pub(super) fn groups(&self) -> Vec<&dyn Group> {
        vec![
            &self.sessions,
            &self.system,
            &self.manager,
            &self.media,
            &self.secure_boot,
            &self.bios,
            &self.boot_options,
            &self.update,
            &self.tasks,
            &self.logs,
            &self.events,
            &self.sensors,
            &self.settings,
            &self.network,
            &self.accounts,
        ]
    }
}
