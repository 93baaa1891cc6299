//! What is at the ports of a switch: hosts that see all, hosts in one VLAN, and the cards of a machine that may be
//! bundled. Which of several ports a frame goes to, and with which tag (IEEE 802.1Q). Pure.

use super::table::{PortId, Route};
use std::{borrow::Cow, collections::BTreeMap};

/// What is at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cable {
    /// All frames, tagged or not.
    Trunk,
    /// The frames of one VLAN, without their tags.
    Access(u16),
    /// All frames; one of a machine's cards that are one link once it speaks LACP on them.
    Bundled(u16),
}

/// Bundles on which LACP was heard, and the port where it was heard last.
pub(super) type Heard = BTreeMap<u16, PortId>;

/// The tag's first two bytes.
const TAG: [u8; 2] = [0x81, 0];
/// Where a tag is: behind both addresses.
const TAG_AT: usize = 12;

impl Cable {
    /// A frame that came in here, as it is carried. Nobody at an access port may tag.
    pub(super) fn enter(self, frame: &[u8]) -> Option<Cow<'_, [u8]>> {
        let Self::Access(vlan) = self else { return Some(frame.into()) };
        let (addresses, rest) = frame.split_at_checked(TAG_AT)?;
        (!rest.starts_with(&TAG)).then(|| [addresses, &TAG, &vlan.to_be_bytes(), rest].concat().into())
    }

    /// A frame that is carried, as it goes out here, if it does.
    pub(super) fn leave(self, frame: &[u8]) -> Option<Cow<'_, [u8]>> {
        let Self::Access(vlan) = self else { return Some(frame.into()) };
        let (addresses, rest) = frame.split_at_checked(TAG_AT)?;
        let rest = rest.strip_prefix(&TAG)?;
        let (tag, rest) = rest.split_first_chunk::<2>()?;
        // The upper four bits are its priority.
        (u16::from_be_bytes(*tag) & 0xfff == vlan).then(|| [addresses, rest].concat().into())
    }

    /// The bundle that it is a part of by now.
    fn bundle(self, heard: &Heard) -> Option<u16> {
        match self {
            Self::Bundled(bundle) if heard.contains_key(&bundle) => Some(bundle),
            _ => None,
        }
    }
}

/// The ports that a frame goes out of. A bundle is one link: of a frame to all it gets one copy, and none of its own.
pub(super) fn targets(cables: &[Cable], heard: &Heard, from: PortId, route: &Route) -> Vec<PortId> {
    let own = cables[from.0].bundle(heard);
    let of_own = |port: PortId| own.is_some() && cables[port.0].bundle(heard) == own;
    match route {
        Route::Nowhere => Vec::new(),
        Route::To(port) => Some(*port).filter(|port| !of_own(*port)).into_iter().collect(),
        Route::Flood => {
            let others = (0..cables.len()).map(PortId).filter(|port| *port != from && !of_own(*port));
            let one = |port: &PortId| match cables[port.0].bundle(heard) {
                Some(bundle) => heard.get(&bundle) == Some(port),
                None => true,
            };
            others.filter(one).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 16] = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 8, 0, 0xaa, 0xbb];

    fn tagged(priority: u8, vlan: u8) -> Vec<u8> {
        [&PLAIN[..12], &[0x81, 0, priority << 5, vlan], &PLAIN[12..]].concat()
    }

    #[test]
    fn tags_come_and_go_at_access_ports() {
        let access = Cable::Access(100);
        assert_eq!(access.enter(&PLAIN).as_deref(), Some(&tagged(0, 100)[..]));
        assert_eq!(access.enter(&tagged(0, 100)), None, "it may not choose a VLAN");
        for (frame, out) in [
            (tagged(0, 100), Some(PLAIN.to_vec())),
            (tagged(5, 100), Some(PLAIN.to_vec())),
            (tagged(0, 101), None),
            (PLAIN.to_vec(), None),
            (tagged(0, 100)[..15].to_vec(), None),
            (PLAIN[..7].to_vec(), None),
        ] {
            assert_eq!(access.leave(&frame).as_deref(), out.as_deref(), "{frame:x?}");
        }
        for cable in [Cable::Trunk, Cable::Bundled(1)] {
            assert_eq!(cable.enter(&tagged(1, 5)).as_deref(), Some(&tagged(1, 5)[..]));
            assert_eq!(cable.leave(&PLAIN).as_deref(), Some(&PLAIN[..]));
        }
    }

    #[test]
    fn a_bundle_is_one_link_once_lacp_was_heard() {
        let cables = [Cable::Trunk, Cable::Bundled(7), Cable::Bundled(7), Cable::Trunk];
        let ports = |heard: &Heard, from, route: Route| -> Vec<_> {
            targets(&cables, heard, PortId(from), &route).into_iter().map(|port| port.0).collect()
        };
        let (none, heard) = (Heard::new(), Heard::from([(7, PortId(2))]));
        assert_eq!(ports(&none, 0, Route::Flood), [1, 2, 3]);
        assert_eq!(ports(&none, 1, Route::Flood), [0, 2, 3]);
        assert_eq!(ports(&heard, 0, Route::Flood), [2, 3], "one copy");
        assert_eq!(ports(&heard, 1, Route::Flood), [0, 3], "none back");
        assert_eq!(ports(&heard, 0, Route::To(PortId(1))), [1]);
        assert_eq!(ports(&heard, 2, Route::To(PortId(1))), [0; 0]);
        assert_eq!(ports(&none, 2, Route::To(PortId(1))), [1]);
        assert_eq!(ports(&heard, 0, Route::Nowhere), [0; 0]);
    }
}
