//! Virtual media, Secure Boot, the firmware's setup and its boot order.

use crate::text::without_logins;
use bmc::{
    BiosApplied, BiosAttribute, BiosRule, BiosValue, BootOption, KeysReset, MediaInsert, MediaKind,
    MediaSlot, SecureBootState,
};
use provisioner_api::{
    BmcBiosApplies, BmcBiosAttribute, BmcBiosRule, BmcBiosValue, BmcBootOption, BmcMediaInsert, BmcMediaKind,
    BmcMediaSlot, BmcSecureBoot, BmcSecureBootKeys,
};

/// A slot for virtual media.
pub(crate) fn media(slot: MediaSlot) -> BmcMediaSlot {
    let kind = |kind| match kind {
        MediaKind::Cd => BmcMediaKind::Cd,
        MediaKind::Dvd => BmcMediaKind::Dvd,
        MediaKind::Usb => BmcMediaKind::Usb,
        MediaKind::Floppy => BmcMediaKind::Floppy,
    };
    BmcMediaSlot {
        id: slot.id,
        kinds: slot.kinds.into_iter().map(kind).collect(),
        image: slot.image.as_deref().map(without_logins),
        inserted: slot.inserted,
        write_protected: slot.write_protected,
    }
}

/// What is put into a slot.
pub(crate) fn media_insert(insert: &BmcMediaInsert) -> MediaInsert {
    MediaInsert {
        image: insert.image.clone(),
        slot: insert.slot.clone(),
        kind: match insert.kind {
            BmcMediaKind::Cd => MediaKind::Cd,
            BmcMediaKind::Dvd => MediaKind::Dvd,
            BmcMediaKind::Usb => MediaKind::Usb,
            BmcMediaKind::Floppy => MediaKind::Floppy,
        },
    }
}

/// Secure Boot.
pub(crate) fn secure_boot(state: SecureBootState) -> BmcSecureBoot {
    BmcSecureBoot { enabled: state.enabled, current: state.current, mode: state.mode }
}

/// Which keys there shall be.
pub(crate) fn keys(keys: BmcSecureBootKeys) -> KeysReset {
    match keys {
        BmcSecureBootKeys::Default => KeysReset::Default,
        BmcSecureBootKeys::None => KeysReset::DeleteAll,
        BmcSecureBootKeys::NoPk => KeysReset::DeletePk,
    }
}

/// An attribute of the firmware's setup.
pub(crate) fn bios(attribute: BiosAttribute) -> BmcBiosAttribute {
    BmcBiosAttribute {
        name: attribute.name,
        display_name: attribute.display_name,
        value: attribute.value.map(bios_value),
        pending: attribute.pending.map(bios_value),
        rule: attribute.rule.map(bios_rule),
    }
}

fn bios_rule(rule: BiosRule) -> BmcBiosRule {
    BmcBiosRule {
        kind: rule.kind,
        allowed: rule.allowed,
        least: rule.least,
        most: rule.most,
        step: rule.step,
        shortest: rule.shortest,
        longest: rule.longest,
        pattern: rule.pattern,
        read_only: rule.read_only,
        needs_reset: rule.needs_reset,
        default: rule.default.map(bios_value),
    }
}

fn bios_value(value: BiosValue) -> BmcBiosValue {
    match value {
        BiosValue::Text(text) => BmcBiosValue::Text(text),
        BiosValue::Number(number) => BmcBiosValue::Number(number),
        BiosValue::Flag(flag) => BmcBiosValue::Flag(flag),
    }
}

/// A value that is wanted.
pub(crate) fn wanted_bios_value(value: &BmcBiosValue) -> BiosValue {
    match value {
        BmcBiosValue::Text(text) => BiosValue::Text(text.clone()),
        BmcBiosValue::Number(number) => BiosValue::Number(*number),
        BmcBiosValue::Flag(flag) => BiosValue::Flag(*flag),
    }
}

/// When what was set holds.
pub(crate) fn applies(applied: BiosApplied) -> BmcBiosApplies {
    match applied {
        BiosApplied::Already => BmcBiosApplies::Already,
        BiosApplied::Now => BmcBiosApplies::Now,
        BiosApplied::NextBoot => BmcBiosApplies::NextBoot,
    }
}

/// A boot option.
pub(crate) fn boot_option(option: BootOption) -> BmcBootOption {
    BmcBootOption {
        reference: option.reference,
        name: option.name,
        enabled: option.enabled,
        uefi_path: option.uefi_path,
    }
}
