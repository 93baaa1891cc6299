//! Which subnet a client gets its address of (RFC 2131, 4.3.1; RFC 3011, 3527).

use super::decide::Silence;
use super::request::{Kind, Request};
use super::settings::{Settings, Subnet};
use std::net::Ipv4Addr;

/// The subnet that a client is on, as a place in [`Settings::subnets`].
///
/// # Errors
/// It came through a relay, or is meant for a subnet, that is not declared.
pub(super) fn select(request: &Request, settings: &Settings) -> Result<usize, Silence> {
    let find = |test: &dyn Fn(&Subnet) -> bool| settings.subnets.iter().position(test);
    let Some(relay) = request.relay() else {
        // A client behind a relay renews, asks and releases without it.
        let direct = matches!(request.kind, Kind::Renew | Kind::Inform | Kind::Release);
        return Ok(settings.place_of(request.ciaddr).filter(|_| direct).unwrap_or(0));
    };
    // The relay of a remote subnet may stand on our own link.
    let behind = |test: &dyn Fn(&Subnet) -> bool| {
        settings.subnets.iter().skip(1).position(test).map(|place| place + 1)
    };
    let reached = behind(&|subnet| subnet.covers(relay))
        .or_else(|| behind(&|subnet| subnet.relay == Some(relay)))
        .or_else(|| find(&|subnet| subnet.covers(relay)))
        .ok_or(Silence::UndeclaredRelay { relay })?;
    match request.selected_subnet() {
        Some(address) => find(&|subnet| subnet.covers(address)).ok_or(Silence::UndeclaredSubnet { address }),
        None => Ok(reached),
    }
}

/// Whether a client of the subnet at `selected` may have this address: it is of that subnet, or of another one on the
/// same link.
pub(super) fn may_have(address: Ipv4Addr, selected: usize, settings: &Settings) -> bool {
    let chosen = settings.subnets.get(selected).is_some_and(|subnet| subnet.contains(address));
    chosen || siblings(selected, settings).any(|place| settings.subnets[place].contains(address))
}

/// The other subnets on the same link: those that the same relay reaches.
pub(super) fn siblings(selected: usize, settings: &Settings) -> impl Iterator<Item = usize> {
    let link = link(selected, settings);
    (1..settings.subnets.len()).filter(move |place| *place != selected && link_is(*place, link, settings))
}

fn link_is(place: usize, wanted: usize, settings: &Settings) -> bool {
    wanted != 0 && link(place, settings) == wanted
}

/// The first subnet on the link of another: the one that its relay is in, else the first that the relay reaches.
fn link(place: usize, settings: &Settings) -> usize {
    let Some(relay) = settings.subnets.get(place).and_then(|subnet| subnet.relay).filter(|_| place != 0)
    else {
        return place;
    };
    let behind = || settings.subnets.iter().enumerate().skip(1);
    behind()
        .find(|(_, subnet)| subnet.covers(relay))
        .or_else(|| behind().find(|(_, subnet)| subnet.relay == Some(relay)))
        .map_or(place, |(place, _)| place)
}
