//! Which network cards of a machine are meant by those that an instance names.

use provisioner_api::{Inventory, NicMatch};

/// The MAC addresses of the cards that are named, in that order; or a sentence that says which one the machine does not
/// have. No card is chosen twice. `boots_from` are the MAC addresses that the machine boots from, the first one first.
///
/// # Errors
/// When one of them is not there, or is the same as another.
pub fn choose_nics(
    named: &[NicMatch],
    inventory: Option<&Inventory>,
    boots_from: &[String],
) -> Result<Vec<String>, String> {
    let mut chosen: Vec<String> = Vec::with_capacity(named.len());
    for one in named {
        let mac = find(one, inventory, boots_from)
            .ok_or_else(|| format!("the machine has no network card {}", words(one)))?
            .to_ascii_lowercase();
        if chosen.contains(&mac) {
            return Err(format!(
                "the network card {} is named twice: it has the MAC address {mac}",
                words(one)
            ));
        }
        chosen.push(mac);
    }
    Ok(chosen)
}

fn find<'a>(
    one: &NicMatch,
    inventory: Option<&'a Inventory>,
    boots_from: &'a [String],
) -> Option<&'a String> {
    let nics = inventory.map(|inventory| inventory.nics.as_slice()).unwrap_or_default();
    match one {
        NicMatch { mac: Some(mac), .. } => {
            nics.iter().map(|nic| &nic.mac).chain(boots_from).find(|known| known.eq_ignore_ascii_case(mac))
        }
        NicMatch { name: Some(name), .. } => nics.iter().find(|nic| nic.name == *name).map(|nic| &nic.mac),
        NicMatch { position: Some(position), .. } => {
            nics.get(usize::try_from(*position).ok()?).map(|nic| &nic.mac)
        }
        NicMatch { mac: None, name: None, position: None } => boots_from.first(),
    }
}

fn words(one: &NicMatch) -> String {
    match one {
        NicMatch { mac: Some(mac), .. } => format!("with the MAC address {mac}"),
        NicMatch { name: Some(name), .. } => format!("called `{name}`"),
        NicMatch { position: Some(position), .. } => format!("in place {position} (from 0)"),
        NicMatch { .. } => "that it boots from".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::Nic;

    fn inventory() -> Inventory {
        let nic = |name: &str, mac: &str| Nic {
            name: name.into(),
            mac: mac.into(),
            driver: None,
            link: true,
            speed_mbps: None,
            addresses: Vec::new(),
        };
        let nics = vec![nic("eno1", "52:54:00:00:00:01"), nic("eno2", "52:54:00:00:00:0b")];
        Inventory { nics, ..Inventory::default() }
    }

    fn mac(mac: &str) -> NicMatch {
        NicMatch { mac: Some(mac.into()), ..NicMatch::default() }
    }

    fn name(name: &str) -> NicMatch {
        NicMatch { name: Some(name.into()), ..NicMatch::default() }
    }

    fn position(position: u32) -> NicMatch {
        NicMatch { position: Some(position), ..NicMatch::default() }
    }

    #[test]
    fn cards_are_found_by_mac_name_place_and_as_the_one_that_boots() {
        let boots = ["52:54:00:00:00:01".to_owned()];
        for (named, found) in [
            (vec![], Ok(vec![])),
            (vec![NicMatch::default()], Ok(vec!["52:54:00:00:00:01"])),
            (vec![name("eno2"), name("eno1")], Ok(vec!["52:54:00:00:00:0b", "52:54:00:00:00:01"])),
            (vec![position(1), NicMatch::default()], Ok(vec!["52:54:00:00:00:0b", "52:54:00:00:00:01"])),
            (vec![mac("52:54:00:00:00:0B")], Ok(vec!["52:54:00:00:00:0b"])),
            (vec![mac("52:54:00:00:00:99")], Err("no network card with the MAC address 52:54:00:00:00:99")),
            (vec![name("eth9")], Err("called `eth9`")),
            (vec![position(2)], Err("in place 2")),
            (vec![position(0), NicMatch::default()], Err("that it boots from is named twice")),
            (vec![name("eno1"), mac("52:54:00:00:00:01")], Err("named twice")),
        ] {
            let found: Result<Vec<String>, &str> =
                found.map(|macs| macs.into_iter().map(ToOwned::to_owned).collect());
            match (choose_nics(&named, Some(&inventory()), &boots), found) {
                (Ok(macs), Ok(wanted)) => assert_eq!(macs, wanted, "{named:?}"),
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (got, wanted) => panic!("{named:?}: {got:?}, not {wanted:?}"),
            }
        }
    }

    #[test]
    fn of_a_machine_that_was_never_inspected_only_what_it_boots_from_is_known() {
        let boots = ["52:54:00:00:00:01".to_owned(), "52:54:00:00:00:02".to_owned()];
        assert_eq!(choose_nics(&[NicMatch::default(), mac(&boots[1])], None, &boots), Ok(boots.to_vec()));
        assert!(choose_nics(&[name("eno1")], None, &boots).is_err());
        assert!(choose_nics(&[NicMatch::default()], None, &[]).is_err());
    }
}
