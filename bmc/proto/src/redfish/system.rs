//! Which system a BMC's user means, who manages it, and its UUID.

use super::models::ComputerSystem;
use super::path::ResourcePath;

/// Why no system was picked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// The collection is empty.
    #[error("it lists no computer system; if the host was just added, wait for the BMC to find it")]
    None,
    /// More than one could be meant.
    #[error("it lists {count} computer systems that can be switched, and one address stands for one machine")]
    Several {
        /// How many.
        count: usize,
    },
}

/// Picks the system that is the machine: the only one, or the only physical one that can be switched. Its index.
pub fn pick_system(systems: &[ComputerSystem]) -> Result<usize, PickError> {
    if systems.len() == 1 {
        return Ok(0);
    }
    let mut fit =
        systems.iter().enumerate().filter(|(_, system)| is_switchable(system)).map(|(index, _)| index);
    match (fit.next(), fit.count()) {
        (Some(index), 0) => Ok(index),
        (Some(_), more) => Err(PickError::Several { count: more + 1 }),
        (None, _) if systems.is_empty() => Err(PickError::None),
        (None, _) => Err(PickError::Several { count: systems.len() }),
    }
}

fn is_switchable(system: &ComputerSystem) -> bool {
    let physical = system.system_type.as_deref().is_none_or(|kind| kind == "Physical");
    physical && system.reset().is_some_and(|reset| reset.target.is_some())
}

/// The BMC's own resource, as the system links to it.
pub fn manager_path(system: &ComputerSystem) -> Option<ResourcePath> {
    let links = system.links.as_ref()?;
    links.managed_by.iter().find_map(|link| ResourcePath::from_link(link.odata_id.as_deref()?))
}

/// A UUID in lower case with dashes; `None` for what is none, or is all the same digit (an unset one).
pub fn normal_uuid(text: &str) -> Option<String> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    let first = digits.chars().next()?;
    if digits.len() != 32
        || !digits.chars().all(|c| c.is_ascii_hexdigit())
        || digits.chars().all(|c| c == first)
    {
        return None;
    }
    let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Some(groups.join("-"))
}
