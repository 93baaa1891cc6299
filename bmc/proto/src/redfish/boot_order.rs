//! The lasting boot order: what it is, what it shall be, whether it is so.
//!
//! The order is `Boot.BootOrder` of the system. The order of the collection of boot options means nothing: Dell's
//! differs (<https://github.com/dsx-ai-factory/libredfish/pull/94>).

use super::path::ResourcePath;
use super::text::printable;
use super::value::{flag, link, shown, words};
use serde_json::{Value, json};

/// A boot option.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptionReading {
    /// What the order names it by.
    pub reference: String,
    /// What it is called.
    pub name: Option<String>,
    /// Whether it is tried.
    pub enabled: Option<bool>,
    /// Its UEFI device path.
    pub uefi_path: Option<String>,
}

impl OptionReading {
    /// Reads a `BootOption`; `None` when the order could not name it.
    pub fn read(resource: &Value) -> Option<Self> {
        let reference =
            shown(resource, "/BootOptionReference", 128).or_else(|| shown(resource, "/Id", 128))?;
        Some(Self {
            reference,
            name: shown(resource, "/DisplayName", 200).or_else(|| shown(resource, "/Name", 200)),
            enabled: flag(resource, "/BootOptionEnabled"),
            uefi_path: shown(resource, "/UefiDevicePath", 512),
        })
    }
}

/// Why an order can't be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// The system shows none.
    #[error("its system shows no boot order; set it in the firmware's setup, or boot with an override")]
    None,
    /// There is no such option.
    #[error("it has no boot option `{wanted}`, only {have}")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What there is.
        have: String,
    },
    /// One option is named twice.
    #[error("the boot option `{0}` is named twice")]
    Twice(String),
}

/// Where the boot options of a system are.
pub fn options_link(system: &Value) -> Option<ResourcePath> {
    link(system, "/Boot/BootOptions")
}

/// The order as a system or its settings object shows it: each entry as it is written.
pub fn read_order(system: &Value) -> Option<Vec<String>> {
    system.pointer("/Boot/BootOrder")?.as_array()?;
    Some(words(system, "/Boot/BootOrder"))
}

/// The reference in an entry of the order. Some write `Boot0019: Ubuntu` where the option is `Boot0019`
/// (<https://github.com/NVIDIA/nv-redfish>, `bmc_quirks.rs`).
fn reference(entry: &str) -> &str {
    let uefi = |head: &str| {
        head.strip_prefix("Boot")
            .is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    entry.split_once(':').filter(|(head, _)| uefi(head)).map_or(entry, |(head, _)| head)
}

/// All options: those of the order first and in its order, even such as have no resource of their own; then the rest.
pub fn in_order(order: &[String], options: Vec<OptionReading>) -> Vec<OptionReading> {
    let mut rest = options;
    let mut sorted = Vec::new();
    for entry in order {
        let wanted = reference(entry);
        let found = rest.iter().position(|option| option.reference.eq_ignore_ascii_case(wanted));
        match found {
            Some(index) => sorted.push(rest.remove(index)),
            None => {
                sorted.push(OptionReading { reference: printable(wanted, 128), ..OptionReading::default() })
            }
        }
    }
    sorted.extend(rest);
    sorted
}

/// The whole order with these references first; the others keep their places behind them.
pub fn plan_order(order: &[String], first: &[String]) -> Result<Vec<String>, OrderRefusal> {
    if order.is_empty() {
        return Err(OrderRefusal::None);
    }
    let mut rest: Vec<String> = order.to_vec();
    let mut planned = Vec::new();
    for wanted in first {
        let same = |entry: &&String| reference(entry).eq_ignore_ascii_case(wanted);
        if planned.iter().any(|entry| same(&entry)) {
            return Err(OrderRefusal::Twice(printable(wanted, 128)));
        }
        let Some(index) = rest.iter().position(|entry| same(&entry)) else {
            let all: Vec<&str> = order.iter().map(|entry| reference(entry)).collect();
            let have = printable(&all.join(", "), 300);
            return Err(OrderRefusal::Unknown { wanted: printable(wanted, 128), have });
        };
        planned.push(rest.remove(index));
    }
    planned.extend(rest);
    Ok(planned)
}

/// What sets it.
pub fn order_patch(order: &[String]) -> Value {
    json!({ "Boot": { "BootOrder": order } })
}

/// Whether `shown` is the order that was sent. BMCs drop options that are gone meanwhile and add new ones at the end.
pub fn is_order(sent: &[String], shown: &[String]) -> bool {
    let kept: Vec<&String> = sent.iter().filter(|entry| shown.contains(entry)).collect();
    let same = shown.iter().filter(|entry| sent.contains(entry)).eq(kept.iter().copied());
    same && !kept.is_empty() && shown.first() == sent.first()
}

#[cfg(test)]
mod tests;
