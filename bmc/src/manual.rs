//! The driver of a machine that only a person can switch: it asks, and believes what people confirm.
//!
//! Deliberately not here: how people are asked and where their word is kept; that is the caller's. It asks by an error
//! that names what is to be done, and the caller tells it afterwards what was confirmed.

use crate::{Bmc, BmcError, BmcInfo, BootOverride, BootTarget, Button, Confirmations, PowerState};
use async_trait::async_trait;
use std::sync::{Mutex, PoisonError};

/// What people said last of the power.
#[derive(Debug, Default)]
pub(crate) struct Word(Mutex<Option<PowerState>>);

impl Word {
    /// The power as it was confirmed; `None`: nobody said.
    pub(crate) fn power(&self) -> Option<PowerState> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a person to switch it, unless it is so.
    pub(crate) fn ask_for(&self, target: PowerState) -> Result<(), BmcError> {
        if self.power() == Some(target) {
            return Ok(());
        }
        let what = match target {
            PowerState::On => "switch it on",
            PowerState::Off => "switch it off",
        };
        Err(asks(what))
    }
}

impl Confirmations for Word {
    fn confirm(&self, power: Option<PowerState>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = power;
    }
}

/// That a person has to do something.
pub(crate) fn asks(what: &str) -> BmcError {
    BmcError::AsksPerson { what: what.to_owned() }
}

/// That a person has to set what it boots from.
pub(crate) fn asks_for_boot(boot: &BootOverride) -> BmcError {
    asks(match boot.target {
        BootTarget::Default => "let it boot in its firmware's own order",
        BootTarget::Network | BootTarget::Http { .. } => "let it boot from the network",
        BootTarget::Disk => "let it boot from its disk",
        BootTarget::Cd => "let it boot from its optical drive",
        BootTarget::Setup => "enter its firmware's setup",
        BootTarget::Usb => "let it boot from the USB device",
        BootTarget::UefiDevice(_) => "choose the device in its firmware's boot menu",
    })
}

/// That a person has to press a button.
pub(crate) fn asks_for_button(button: Button) -> BmcError {
    asks(match button {
        Button::Cycle | Button::FullCycle => "switch it off and on again",
        Button::Reset => "press its reset button",
        Button::ShutDown => "shut its operating system down",
        Button::Diagnostic => "press its diagnostic button (NMI)",
        Button::Restart => "restart its operating system",
        Button::PushPower => "press its power button",
        Button::Suspend => "suspend it",
        Button::Pause | Button::Resume => "nobody can halt or resume the processors of a machine by hand",
    })
}

/// A machine without anything that switches it.
#[derive(Debug, Default)]
pub(crate) struct Manual {
    word: Word,
}

#[async_trait]
impl Bmc for Manual {
    async fn power(&self) -> Result<PowerState, BmcError> {
        self.word.power().ok_or_else(|| asks("look whether it is on, and confirm what you see"))
    }

    async fn set_power(&self, target: PowerState) -> Result<(), BmcError> {
        self.word.ask_for(target)
    }

    async fn set_boot(&self, boot: BootOverride) -> Result<(), BmcError> {
        Err(asks_for_boot(&boot))
    }

    async fn boot(&self) -> Result<Option<BootOverride>, BmcError> {
        Ok(None)
    }

    async fn info(&self) -> Result<BmcInfo, BmcError> {
        Ok(BmcInfo { product: Some("a person at the machine".into()), ..BmcInfo::default() })
    }

    async fn close(&self) {}

    async fn press(&self, button: Button) -> Result<(), BmcError> {
        Err(asks_for_button(button))
    }

    fn confirmations(&self) -> Option<&dyn Confirmations> {
        Some(&self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Persistence;

    #[tokio::test]
    async fn it_asks_until_it_is_told_that_it_is_so() {
        let manual = Manual::default();
        let asked = |result: Result<(), BmcError>| match result {
            Err(BmcError::AsksPerson { what }) => Some(what),
            Ok(()) => None,
            Err(error) => panic!("{error}"),
        };
        assert!(matches!(manual.power().await, Err(BmcError::AsksPerson { .. })), "unknown is not off");
        assert_eq!(asked(manual.set_power(PowerState::Off).await).as_deref(), Some("switch it off"));
        let told = manual.confirmations().unwrap();
        told.confirm(Some(PowerState::Off));
        assert_eq!(manual.power().await.unwrap(), PowerState::Off);
        assert_eq!(asked(manual.set_power(PowerState::Off).await), None, "already so");
        assert_eq!(asked(manual.set_power(PowerState::On).await).as_deref(), Some("switch it on"));
        assert_eq!(manual.power().await.unwrap(), PowerState::Off, "asking switches nothing");
        told.confirm(None);
        assert_eq!(asked(manual.set_power(PowerState::Off).await).as_deref(), Some("switch it off"));
        let boot = BootOverride { target: BootTarget::Network, persistence: Persistence::Once, mode: None };
        let what = asked(manual.set_boot(boot).await);
        assert_eq!(what.as_deref(), Some("let it boot from the network"));
        assert_eq!(asked(manual.press(Button::Reset).await).as_deref(), Some("press its reset button"));
    }
}
