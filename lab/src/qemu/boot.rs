//! When a boot override holds and when it is used up. Pure; a chassis tells what happened and does what it is told.
//!
//! QEMU gives firmware its boot order at each reset. So an order that is set in the running machine counts at the
//! next reset, and one for a single boot must be taken back after that reset. SeaBIOS resets the machine once more
//! right after each warm reset; all resets within `SETTLED` are therefore one boot.

use bmc_mock::{BootDevice, BootFlags};
use std::time::Duration;

use crate::spec::BootOrder;

/// After a reset with no other behind it for this long, the boot is under way. No operating system comes up and
/// resets in less, and SeaBIOS resets again within a fraction of it.
pub(super) const SETTLED: Duration = Duration::from_secs(3);

/// What firmware tries first. The other comes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    DiskFirst,
    NetworkFirst,
}

impl Order {
    /// The disk's `bootindex`.
    pub(super) fn disk(self) -> u8 {
        if self == Self::DiskFirst { 1 } else { 2 }
    }

    /// The network card's `bootindex`.
    pub(super) fn network(self) -> u8 {
        3 - self.disk()
    }
}

impl From<BootOrder> for Order {
    fn from(order: BootOrder) -> Self {
        match order {
            BootOrder::DiskFirst => Self::DiskFirst,
            BootOrder::NetworkFirst => Self::NetworkFirst,
        }
    }
}

/// The boot flags of a machine, and what came of them.
#[derive(Debug)]
pub(super) struct Boot {
    usual: Order,
    flags: BootFlags,
    /// Counts changes of the flags: equal flags that were set anew are not used up.
    change: u64,
    /// The change that firmware will see at the next reset.
    told: u64,
    /// The change that the last reset saw, until it is settled.
    booted: Option<u64>,
}

/// An order for QEMU, and which change it stems from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tell {
    pub(super) order: Order,
    change: u64,
}

impl Boot {
    pub(super) fn new(usual: Order) -> Self {
        Self { usual, flags: BootFlags::default(), change: 0, told: 0, booted: None }
    }

    pub(super) fn flags(&self) -> BootFlags {
        self.flags
    }

    /// The flags were set. What is given back must be told to QEMU, if it runs.
    pub(super) fn set(&mut self, flags: BootFlags) -> Tell {
        self.flags = flags;
        self.change += 1;
        self.tell()
    }

    /// QEMU has been told.
    pub(super) fn told(&mut self, tell: Tell) {
        self.told = tell.change;
    }

    /// The order to start QEMU with, and the one to tell it before its processor runs, for the resets to come.
    pub(super) fn power_on(&mut self) -> (Order, Tell) {
        let first = self.order();
        self.booted = None;
        self.use_up();
        (first, self.tell())
    }

    /// The machine was reset.
    pub(super) fn reset(&mut self) {
        self.booted = Some(self.told);
    }

    /// `SETTLED` has passed since the last reset. An order that is given back must be told to QEMU.
    pub(super) fn settle(&mut self) -> Option<Tell> {
        let booted = self.booted.take()?;
        if booted != self.change || self.flags.persistent || self.flags.device.is_none() {
            return None;
        }
        self.use_up();
        Some(self.tell())
    }

    fn use_up(&mut self) {
        if !self.flags.persistent && self.flags.device.is_some() {
            self.flags = BootFlags::default();
            self.change += 1;
        }
    }

    fn tell(&self) -> Tell {
        Tell { order: self.order(), change: self.change }
    }

    fn order(&self) -> Order {
        match self.flags.device {
            Some(BootDevice::Network | BootDevice::Http) => Order::NetworkFirst,
            Some(BootDevice::Disk) => Order::DiskFirst,
            // The chassis refuses the others.
            Some(BootDevice::Cd | BootDevice::Setup | BootDevice::Usb | BootDevice::Uefi) | None => {
                self.usual
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONCE: BootFlags = BootFlags { device: Some(BootDevice::Network), persistent: false, uefi: false };
    const ALWAYS: BootFlags = BootFlags { persistent: true, ..ONCE };

    fn set_while_running(boot: &mut Boot, flags: BootFlags) -> Order {
        let tell = boot.set(flags);
        boot.told(tell);
        tell.order
    }

    #[test]
    fn once_is_used_up_by_a_power_on() {
        let mut boot = Boot::new(Order::DiskFirst);
        boot.set(ONCE);
        let (first, later) = boot.power_on();
        assert_eq!((first, later.order), (Order::NetworkFirst, Order::DiskFirst));
        assert_eq!(boot.flags(), BootFlags::default());
    }

    #[test]
    fn persistent_flags_stay() {
        let mut boot = Boot::new(Order::DiskFirst);
        boot.set(ALWAYS);
        let (first, later) = boot.power_on();
        boot.told(later);
        boot.reset();
        assert_eq!((first, later.order, boot.settle()), (Order::NetworkFirst, Order::NetworkFirst, None));
        assert_eq!(boot.flags(), ALWAYS);
    }

    #[test]
    fn once_is_used_up_by_a_reset_but_not_between_its_two_halves() {
        let mut boot = Boot::new(Order::DiskFirst);
        boot.power_on();
        assert_eq!(set_while_running(&mut boot, ONCE), Order::NetworkFirst);
        boot.reset();
        boot.reset();
        assert_eq!(boot.flags(), ONCE);
        let back = boot.settle().unwrap();
        boot.told(back);
        assert_eq!((back.order, boot.flags()), (Order::DiskFirst, BootFlags::default()));
        boot.reset();
        assert_eq!(boot.settle(), None);
    }

    #[test]
    fn flags_that_were_set_after_the_reset_are_for_the_next_one() {
        let mut boot = Boot::new(Order::DiskFirst);
        boot.power_on();
        set_while_running(&mut boot, ONCE);
        boot.reset();
        set_while_running(&mut boot, ONCE);
        assert_eq!(boot.settle(), None, "the same flags, set anew");
        assert_eq!(boot.flags(), ONCE);
        boot.reset();
        assert_eq!(boot.settle().map(|tell| tell.order), Some(Order::DiskFirst));
    }

    #[test]
    fn flags_that_qemu_was_not_told_yet_are_not_used_up() {
        let mut boot = Boot::new(Order::DiskFirst);
        boot.power_on();
        let _not_told = boot.set(ONCE);
        boot.reset();
        assert_eq!((boot.settle(), boot.flags()), (None, ONCE));
    }

    #[test]
    fn a_power_on_makes_an_older_reset_moot() {
        let mut boot = Boot::new(Order::NetworkFirst);
        boot.power_on();
        set_while_running(&mut boot, BootFlags { device: Some(BootDevice::Disk), ..ONCE });
        boot.reset();
        let (first, _) = boot.power_on();
        assert_eq!(
            (first, boot.settle()),
            (Order::DiskFirst, None),
            "the override was meant for this boot, too late"
        );
    }
}
