//! What a BMC says: of itself and its boot override here, the rest below.

mod audit;
mod firmware;
mod log;
mod parts;
mod scan;
mod sensors;
mod settings;
mod users;

pub(in crate::cli) use audit::{MachineAudit, bmc_audit, bmc_audits};
pub(in crate::cli) use firmware::{bmc_firmware, bmc_firmware_changes, bmc_task, bmc_task_state, bmc_tasks};
pub(in crate::cli) use log::{bmc_logs, bmc_report, bmc_sel, bmc_sel_clock, bmc_sel_info, bmc_subscriptions};
pub(in crate::cli) use parts::{bmc_fru, bmc_hardware};
pub(in crate::cli) use scan::bmc_found;
pub(in crate::cli) use sensors::bmc_sensors;
pub(in crate::cli) use settings::{bmc_bios, bmc_bios_change, bmc_boot_order, bmc_media, bmc_secure_boot};
pub(in crate::cli) use users::bmc_users;

use super::{layout::Page, word};
use crate::cli::{text::duration, ui::HasName};
use jiff::SignedDuration;
use provisioner_api::{BmcBoot, BmcBootDevice, BmcDetails, BmcPower, BmcWatchdog};

impl HasName for BmcDetails {
    fn name(&self) -> String {
        self.address.clone()
    }
}

impl HasName for BmcPower {
    fn name(&self) -> String {
        word(self.power)
    }
}

impl HasName for BmcBoot {
    fn name(&self) -> String {
        word(self.device)
    }
}

/// A page: what a BMC says of itself.
pub(in crate::cli) fn bmc(details: &BmcDetails) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut page = Page::default();
    page.line("Address", &details.address)
        .line("Manufacturer", text(&details.manufacturer))
        .line("Product", text(&details.product))
        .line("Firmware", text(&details.firmware))
        .line("System UUID", text(&details.system_uuid))
        .line("Asset tag", text(&details.asset_tag))
        .line("Certificate", text(&details.tls_sha256));
    for weak in &details.weak {
        page.line("Weak", weak);
    }
    if let Some(power) = &details.power_reading {
        let period =
            duration(SignedDuration::from_secs(i64::try_from(power.period_seconds).unwrap_or(i64::MAX)));
        let over = format!(
            "{} to {} W, {} W on average over {period}",
            power.minimum_watts, power.maximum_watts, power.average_watts
        );
        if power.active {
            page.line("Power drawn", format!("{} W; {over}", power.now_watts));
        } else {
            page.line("Power drawn", "not being measured");
        }
    }
    if details.watchdog.is_some() {
        page.line("Watchdog", bmc_watchdog(details.watchdog.as_ref()));
    }
    page.line("It can", details.capabilities.join(", "));
    if let Some(network) = &details.network {
        let mut block = Page::default();
        let suites: Vec<_> = network.cipher_suites.iter().map(ToString::to_string).collect();
        block
            .line("Address", text(&network.address))
            .line("From", text(&network.source))
            .line("Netmask", text(&network.netmask))
            .line("Gateway", text(&network.gateway))
            .line("MAC", text(&network.mac))
            .line("VLAN", network.vlan.map(|vlan| vlan.to_string()).unwrap_or_default())
            .line("Suites", suites.join(", "));
        page.block("Network", &block.end());
    }
    page.end()
}

/// A watchdog in a sentence.
pub(in crate::cli) fn bmc_watchdog(watchdog: Option<&BmcWatchdog>) -> String {
    let Some(watchdog) = watchdog else { return "the BMC tells of no watchdog".to_owned() };
    if watchdog.running {
        format!(
            "runs for {}: {} in {} s of {} s",
            watchdog.used_by, watchdog.action, watchdog.left_seconds, watchdog.set_to_seconds
        )
    } else {
        "stopped".to_owned()
    }
}

/// A page: the boot override.
pub(in crate::cli) fn bmc_boot(boot: &BmcBoot) -> String {
    let mut page = Page::default();
    page.line("Device", word(boot.device));
    if boot.device != BmcBootDevice::None {
        page.line("For", if boot.persistent { "every boot" } else { "the next boot" });
    }
    page.line("Address", boot.uri.as_deref().unwrap_or_default())
        .line("UEFI path", boot.path.as_deref().unwrap_or_default())
        .line("Mode", boot.mode.map(word).unwrap_or_default());
    page.end()
}

/// The boot override in a sentence.
pub(in crate::cli) fn bmc_boot_sentence(boot: &BmcBoot) -> String {
    let from = match boot.device {
        BmcBootDevice::None => return "boots in the firmware's own order".to_owned(),
        BmcBootDevice::Pxe => "from the network",
        BmcBootDevice::Disk => "from the disk",
        BmcBootDevice::Cdrom => "from the optical drive",
        BmcBootDevice::Bios => "into the firmware's setup",
        BmcBootDevice::Usb => "from a USB device",
        BmcBootDevice::Http if boot.uri.is_some() => "by UEFI HTTP boot from",
        BmcBootDevice::Http => "by UEFI HTTP boot",
        BmcBootDevice::UefiDevice => "from the UEFI device",
        BmcBootDevice::Other => "from something else",
    };
    let when = if boot.persistent { "every boot is" } else { "the next boot is" };
    let mode = boot.mode.map(|mode| format!(" ({})", word(mode))).unwrap_or_default();
    let at = boot.uri.as_ref().or(boot.path.as_ref()).map(|at| format!(" {at}")).unwrap_or_default();
    format!("{when} {from}{at}{mode}")
}
