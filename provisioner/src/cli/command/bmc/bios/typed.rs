//! Attributes of the firmware's setup as they are typed: which is meant, and of which type its value is. Pure.
//!
//! What a value may be is judged by the driver, which knows the registry; here it is only brought into its type.

use provisioner_api::{BmcBiosAttribute, BmcBiosValue};
use std::collections::BTreeMap;

/// So similar a name has to be that it is suggested: 1 is the same.
const SIMILAR: f64 = 0.7;

/// So many names are suggested.
const SUGGESTED: usize = 3;

/// Reads `NAME=VALUE` words; each name once.
pub(super) fn read(words: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut read: Vec<(String, String)> = Vec::new();
    for word in words {
        let (name, value) = word
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("`{word}` is no attribute with its value; write it like BootMode=Uefi"))?;
        if read.iter().any(|(other, _)| other == name) {
            return Err(format!("{name} is set twice"));
        }
        read.push((name.to_owned(), value.to_owned()));
    }
    if read.is_empty() {
        return Err("what shall be set? Write NAME=VALUE before the machine, as in `billet bmc bios set BootMode=Uefi m1`".to_owned());
    }
    Ok(read)
}

/// The attribute with a name; upper and lower case count only where there are two.
pub(super) fn find<'a>(
    known: &'a [BmcBiosAttribute],
    name: &str,
    whose: &str,
) -> Result<&'a BmcBiosAttribute, String> {
    if let Some(found) = known.iter().find(|one| one.name == name) {
        return Ok(found);
    }
    let mut alike = known.iter().filter(|one| one.name.eq_ignore_ascii_case(name));
    if let (Some(found), None) = (alike.next(), alike.next()) {
        return Ok(found);
    }
    let near = similar(known, name);
    let hint = if near.is_empty() {
        "`billet bmc bios list` lists them".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    };
    Err(format!("the firmware's setup of {whose} has no attribute `{name}`; {hint}"))
}

/// The names that are most like one that was typed; also the names in the menu are looked at.
fn similar<'a>(known: &'a [BmcBiosAttribute], name: &str) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let likeness = |text: &str| {
        let text = text.to_lowercase();
        let inside = wanted.len() >= 3 && text.contains(&wanted);
        if inside { 1.0 } else { strsim::jaro_winkler(&text, &wanted) }
    };
    let mut near: Vec<(f64, &str)> = known
        .iter()
        .map(|one| {
            let menu = one.display_name.as_deref().map_or(0.0, likeness);
            (likeness(&one.name).max(menu), one.name.as_str())
        })
        .filter(|(likeness, _)| *likeness >= SIMILAR)
        .collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().take(SUGGESTED).map(|(_, name)| name).collect()
}

/// Brings what was typed into the names and types of what is there.
pub(super) fn fit(
    known: &[BmcBiosAttribute],
    typed: Vec<(String, String)>,
    whose: &str,
) -> Result<BTreeMap<String, BmcBiosValue>, String> {
    let mut fitted = BTreeMap::new();
    for (name, text) in typed {
        let attribute = find(known, &name, whose)?;
        if fitted.insert(attribute.name.clone(), value(attribute, text)?).is_some() {
            return Err(format!("{} is set twice", attribute.name));
        }
    }
    Ok(fitted)
}

/// A value in the type of its attribute.
fn value(attribute: &BmcBiosAttribute, text: String) -> Result<BmcBiosValue, String> {
    let name = &attribute.name;
    let rule = attribute.rule.as_ref();
    let kind = rule.map(|rule| rule.kind.as_str()).filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or(match attribute.value {
        Some(BmcBiosValue::Flag(_)) => "Boolean",
        Some(BmcBiosValue::Number(_)) => "Integer",
        Some(BmcBiosValue::Text(_)) | None => "String",
    });
    match kind {
        "Boolean" => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(BmcBiosValue::Flag(true)),
            "false" => Ok(BmcBiosValue::Flag(false)),
            _ => Err(format!("{name} is true or false, not `{text}`")),
        },
        "Integer" => text
            .parse()
            .map(BmcBiosValue::Number)
            .map_err(|_| format!("{name} is a whole number, not `{text}`")),
        "Enumeration" => {
            let words = rule.map(|rule| rule.allowed.as_slice()).unwrap_or_default();
            let mut alike = words.iter().filter(|word| word.eq_ignore_ascii_case(&text));
            Ok(BmcBiosValue::Text(match (alike.next(), alike.next()) {
                (Some(word), None) => word.clone(),
                _ => text,
            }))
        }
        "Password" => Err(format!(
            "{name} is a password: what is typed can be read by everybody in the list of processes, so it is not set here"
        )),
        _ => Ok(BmcBiosValue::Text(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::{find, fit, read};
    use provisioner_api::{BmcBiosAttribute, BmcBiosRule, BmcBiosValue as V};

    fn attribute(name: &str, value: Option<V>, kind: &str, allowed: &[&str]) -> BmcBiosAttribute {
        let allowed = allowed.iter().map(|word| (*word).to_owned()).collect();
        let rule = (!kind.is_empty()).then(|| BmcBiosRule {
            kind: kind.to_owned(),
            allowed,
            ..BmcBiosRule::default()
        });
        BmcBiosAttribute { name: name.to_owned(), value, rule, ..BmcBiosAttribute::default() }
    }

    fn known() -> Vec<BmcBiosAttribute> {
        let text = |text: &str| Some(V::Text(text.to_owned()));
        let mut menu = attribute("PCIS007", text("Enabled"), "", &[]);
        menu.display_name = Some("SR-IOV Support".to_owned());
        vec![
            attribute("BootMode", text("Bios"), "Enumeration", &["Bios", "Uefi"]),
            attribute("ProcVirtualization", text("Enabled"), "Enumeration", &["Enabled", "Disabled"]),
            attribute("Delay", Some(V::Number(3)), "Integer", &[]),
            attribute("Quiet", Some(V::Flag(true)), "", &[]),
            attribute("Count", Some(V::Number(3)), "", &[]),
            attribute("SetupPassword", None, "Password", &[]),
            attribute("Word", text("1"), "Enumeration", &["1", "on", "ON"]),
            menu,
        ]
    }

    fn set(words: &[&str]) -> Result<Vec<(String, V)>, String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        fit(&known(), read(&words)?, "machine m1").map(|fitted| fitted.into_iter().collect())
    }

    #[test]
    fn values_take_the_type_of_their_attribute() {
        let text = |text: &str| V::Text(text.to_owned());
        for (word, name, want) in [
            ("BootMode=uefi", "BootMode", text("Uefi")),
            ("bootmode=Legacy", "BootMode", text("Legacy")),
            ("Delay=-7", "Delay", V::Number(-7)),
            ("Quiet=FALSE", "Quiet", V::Flag(false)),
            ("Count=4", "Count", V::Number(4)),
            ("Word=1", "Word", text("1")),
            ("Word=On", "Word", text("On")),
            ("PCIS007=a=b", "PCIS007", text("a=b")),
            ("PCIS007=", "PCIS007", text("")),
        ] {
            assert_eq!(set(&[word]), Ok(vec![(name.to_owned(), want)]), "{word}");
        }
    }

    #[test]
    fn what_can_not_be_is_told_with_a_mend() {
        for (words, want) in [
            (&["BootModus=Uefi"][..], "did you mean BootMode?"),
            (&["virtualization=x"], "did you mean ProcVirtualization?"),
            (&["sr-iov=Disabled"], "did you mean PCIS007?"),
            (&["Zyzzyx=1"], "`billet bmc bios list` lists them"),
            (&["Delay=soon"], "Delay is a whole number, not `soon`"),
            (&["Delay=1.5"], "is a whole number"),
            (&["Quiet=1"], "Quiet is true or false"),
            (&["SetupPassword=hunter2"], "it is not set here"),
            (&["BootMode"], "write it like BootMode=Uefi"),
            (&["=x"], "write it like BootMode=Uefi"),
            (&["Delay=1", "Delay=2"], "Delay is set twice"),
            (&["Delay=1", "DELAY=2"], "Delay is set twice"),
            (&[], "what shall be set?"),
        ] {
            let said = set(words).unwrap_err();
            assert!(said.contains(want), "{words:?}: {said}");
            assert!(!said.contains("hunter2"));
        }
    }

    #[test]
    fn case_counts_only_where_there_are_two() {
        let mut known = known();
        assert_eq!(find(&known, "BOOTMODE", "x").unwrap().name, "BootMode");
        known.push(attribute("bootMode", None, "", &[]));
        assert!(find(&known, "BOOTMODE", "x").is_err());
        assert_eq!(find(&known, "bootMode", "x").unwrap().name, "bootMode");
    }
}
