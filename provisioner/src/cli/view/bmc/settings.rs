//! What a BMC sets of its machine: virtual media, Secure Boot, the firmware's setup, the boot order.

use crate::cli::{
    ui::HasName,
    view::{
        layout::{Page, table},
        word,
    },
};
use provisioner_api::{
    BmcBiosApplies, BmcBiosAttribute, BmcBiosChange, BmcBiosRule, BmcBiosValue, BmcBootOption, BmcMediaSlot,
    BmcSecureBoot,
};

/// So many words of a list are shown in a table; `-o wide` shows them all.
const WORDS: usize = 4;

impl HasName for BmcMediaSlot {
    fn name(&self) -> String {
        self.id.clone()
    }
}

impl HasName for BmcSecureBoot {
    fn name(&self) -> String {
        switch(self.enabled).to_owned()
    }
}

impl HasName for BmcBiosAttribute {
    fn name(&self) -> String {
        self.name.clone()
    }
}

impl HasName for BmcBootOption {
    fn name(&self) -> String {
        self.reference.clone()
    }
}

/// A table of slots for virtual media.
pub(in crate::cli) fn bmc_media(slots: &[BmcMediaSlot]) -> String {
    let rows = slots.iter().map(|slot| {
        let kinds: Vec<_> = slot.kinds.iter().map(word).collect();
        let write = match slot.write_protected {
            Some(true) => "no",
            Some(false) => "yes",
            None => "",
        };
        [
            slot.id.clone(),
            kinds.join(", "),
            if slot.inserted { "yes" } else { "no" }.to_owned(),
            write.to_owned(),
            slot.image.clone().unwrap_or_default(),
        ]
    });
    table(["SLOT", "CAN BE", "INSERTED", "WRITABLE", "IMAGE"], rows)
}

/// A page: the state of Secure Boot.
pub(in crate::cli) fn bmc_secure_boot(state: &BmcSecureBoot) -> String {
    let mut page = Page::default();
    page.line("Secure Boot", switch(state.enabled))
        .line("At last boot", switch(state.current))
        .line("Mode", state.mode.as_deref().unwrap_or_default());
    page.end()
}

fn switch(on: Option<bool>) -> &'static str {
    match on {
        Some(true) => "enabled",
        Some(false) => "disabled",
        None => "not told",
    }
}

/// A value of the firmware's setup as it is typed.
fn bmc_bios_value(value: &BmcBiosValue) -> String {
    match value {
        BmcBiosValue::Flag(flag) => flag.to_string(),
        BmcBiosValue::Number(number) => number.to_string(),
        BmcBiosValue::Text(text) => text.clone(),
    }
}

/// A table of attributes of the firmware's setup.
pub(in crate::cli) fn bmc_bios(attributes: &[BmcBiosAttribute], wide: bool) -> String {
    let value = |value: Option<&BmcBiosValue>| value.map(bmc_bios_value).unwrap_or_default();
    let short = |one: &BmcBiosAttribute, most: usize| {
        [
            one.name.clone(),
            value(one.value.as_ref()),
            value(one.pending.as_ref()),
            one.rule.as_ref().map(|rule| allowed(rule, most)).unwrap_or_default(),
        ]
    };
    if !wide {
        let rows = attributes.iter().map(|one| short(one, WORDS));
        return table(["ATTRIBUTE", "VALUE", "AFTER NEXT BOOT", "MAY BE"], rows);
    }
    let rows = attributes.iter().map(|one| {
        let [name, now, pending, may] = short(one, usize::MAX);
        let rule = one.rule.as_ref();
        let boot = match rule.and_then(|rule| rule.needs_reset) {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        [
            name,
            now,
            pending,
            value(rule.and_then(|rule| rule.default.as_ref())),
            boot.to_owned(),
            one.display_name.clone().unwrap_or_default(),
            may,
        ]
    });
    table(["ATTRIBUTE", "VALUE", "AFTER NEXT BOOT", "DEFAULT", "NEEDS BOOT", "IN THE MENU", "MAY BE"], rows)
}

/// What an attribute may be, in words; `most` words of a list.
fn allowed(rule: &BmcBiosRule, most: usize) -> String {
    if rule.read_only {
        return "can't be set".to_owned();
    }
    if !rule.allowed.is_empty() {
        let more = rule.allowed.len().saturating_sub(most);
        let mut words = rule.allowed.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 {
            words.push_str(&format!(" and {more} more"));
        }
        return words;
    }
    let mut text = match rule.kind.as_str() {
        "Boolean" => "true, false".to_owned(),
        "Integer" => match (rule.least, rule.most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("{least} and more"),
            (None, Some(most)) => format!("up to {most}"),
            (None, None) => "a number".to_owned(),
        },
        "Password" => "a password, which is not set here".to_owned(),
        _ => match (rule.shortest, rule.longest) {
            (Some(shortest), Some(longest)) => format!("text of {shortest} to {longest} characters"),
            (None, Some(longest)) => format!("text of up to {longest} characters"),
            _ => String::new(),
        },
    };
    if let Some(step) = rule.step.filter(|step| *step > 1) {
        text.push_str(&format!(", in steps of {step}"));
    }
    if let Some(pattern) = rule.pattern.as_deref().filter(|pattern| !pattern.is_empty()) {
        text.push_str(&format!(" like {pattern}"));
    }
    text
}

/// What came of a change, a line for each attribute: what it is, and from when on.
pub(in crate::cli) fn bmc_bios_change(change: &BmcBiosChange) -> Vec<String> {
    let line = |one: &BmcBiosAttribute| {
        // Some hold at once beside others that wait.
        let (value, when) = match (change.applies, one.pending.as_ref()) {
            (BmcBiosApplies::Already, Some(pending)) => {
                (Some(pending), "after the next boot, as was set before")
            }
            (BmcBiosApplies::Already, None) => (one.value.as_ref(), "already"),
            (_, Some(pending)) => (Some(pending), "after the next boot"),
            (_, None) => (one.value.as_ref(), "now"),
        };
        format!("{} = {} {when}", one.name, value.map(bmc_bios_value).unwrap_or_default())
    };
    change.items.iter().map(line).collect()
}

/// A table of boot options.
pub(in crate::cli) fn bmc_boot_order(options: &[BmcBootOption], wide: bool) -> String {
    let short = |one: &BmcBootOption| {
        let tried = match one.enabled {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        [one.reference.clone(), tried.to_owned(), one.name.clone().unwrap_or_default()]
    };
    if !wide {
        return table(["REFERENCE", "TRIED", "NAME"], options.iter().map(short));
    }
    let rows = options.iter().map(|one| {
        let [reference, tried, name] = short(one);
        [reference, tried, name, one.uefi_path.clone().unwrap_or_default()]
    });
    table(["REFERENCE", "TRIED", "NAME", "UEFI PATH"], rows)
}
