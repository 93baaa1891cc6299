//! `billet bmc power`, `boot`.

use super::{
    Asked, Question,
    way::{self, Way},
};
use crate::cli::{
    args::{Boot, BootVerb, Power, PowerVerb, Sure},
    error::CliError,
    view,
};
use provisioner_api::{BmcBoot, BmcBootDevice};

/// `billet bmc power`.
pub(super) async fn power(asked: &mut Asked<'_>, way: &Way, power: &Power) -> Result<(), CliError> {
    let (whose, verb) = (way.whose(), power.verb);
    if let Some(button) = way::button(verb) {
        if verb == PowerVerb::FullCycle {
            let question = Question {
                what: &format!("take all power from {whose}"),
                undone: &format!("{whose} was left as it is"),
                consequence: "it goes off hard, and the BMC may not answer for some minutes",
            };
            asked.sure(Sure { yes: power.yes }, &question)?;
        }
        way.press(button).await?;
        return asked.ui.done(&format!("{whose} {}", pressed(verb)));
    }
    let power = match verb {
        PowerVerb::On => way.switch(true).await?,
        PowerVerb::Off => way.switch(false).await?,
        _ => Some(way.power().await?),
    };
    match power {
        Some(power) => asked.ui.outcome(&power, &format!("{whose} is {}", view::word(power.power))),
        None => asked.ui.done(&format!(
            "{whose}: power {} is asked for; `billet bmc power status {}` says when it is so",
            if verb == PowerVerb::On { "on" } else { "off" },
            way.typed()
        )),
    }
}

/// What comes of a button.
fn pressed(verb: PowerVerb) -> &'static str {
    match verb {
        PowerVerb::Cycle => "goes off and on again",
        PowerVerb::Reset => "is reset",
        PowerVerb::Soft => "is asked to shut down",
        PowerVerb::Restart => "is asked to start anew",
        PowerVerb::Push => "had its power button pressed",
        PowerVerb::FullCycle => "loses all power and gets it again",
        PowerVerb::Suspend => "is suspended",
        PowerVerb::Pause => "is halted",
        PowerVerb::Resume => "goes on",
        // The others press no button.
        PowerVerb::Diag | PowerVerb::Status | PowerVerb::On | PowerVerb::Off => "got a diagnostic interrupt",
    }
}

/// `billet bmc boot`.
pub(super) async fn boot(asked: &mut Asked<'_>, way: &Way, boot: Boot) -> Result<(), CliError> {
    fits(&boot)?;
    let device = match boot.device {
        BootVerb::Show => {
            let set = way.boot().await?;
            return asked.ui.object(&set, || view::bmc_boot(&set));
        }
        BootVerb::None => BmcBootDevice::None,
        BootVerb::Pxe => BmcBootDevice::Pxe,
        BootVerb::Disk => BmcBootDevice::Disk,
        BootVerb::Cdrom => BmcBootDevice::Cdrom,
        BootVerb::Bios => BmcBootDevice::Bios,
        BootVerb::Usb => BmcBootDevice::Usb,
        BootVerb::Http => BmcBootDevice::Http,
        BootVerb::Uefi => BmcBootDevice::UefiDevice,
    };
    let wanted =
        BmcBoot { device, persistent: boot.persistent, mode: boot.mode, uri: boot.uri, path: boot.path };
    let set = way.set_boot(&wanted).await?;
    asked.ui.outcome(&set, &format!("{}: {}", way.whose(), view::bmc_boot_sentence(&set)))
}

/// Options that don't go with what is booted from.
fn fits(boot: &Boot) -> Result<(), CliError> {
    let wrong = |text: &str| Err(CliError::Input(text.to_owned()));
    if boot.device == BootVerb::Show && (boot.persistent || boot.mode.is_some()) {
        return wrong(
            "--persistent and --mode set something; say from what, or leave them out to show what is set",
        );
    }
    if boot.uri.is_some() && boot.device != BootVerb::Http {
        return wrong("--uri goes with http: `billet bmc boot http --uri URL`");
    }
    if boot.path.is_some() && boot.device != BootVerb::Uefi {
        return wrong("--path goes with uefi: `billet bmc boot uefi --path DEVICE-PATH`");
    }
    if boot.path.is_none() && boot.device == BootVerb::Uefi {
        return wrong("from which device? Give its --path; `billet bmc boot-order show -o wide` lists them");
    }
    Ok(())
}
