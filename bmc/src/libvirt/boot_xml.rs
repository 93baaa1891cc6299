//! The boot device in a libvirt domain's definition: read, and moved to the front. Text in, text out.
//!
//! libvirt has two ways, and a domain uses one of them: `<boot dev=…>` in `<os>`, or `<boot order=…>` in each device
//! (<https://libvirt.org/formatdomain.html#operating-system-booting>). The one that is there is kept. All bytes outside
//! of these elements stay as they are: a definition may hold what no program knows.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::ops::Range;

/// From what a domain boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Device {
    /// A network interface.
    Network,
    /// A disk.
    Disk,
    /// An optical drive.
    Cd,
}

impl Device {
    /// Its word in `<boot dev=…>`.
    fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Disk => "hd",
            Self::Cd => "cdrom",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        [Self::Network, Self::Disk, Self::Cd].into_iter().find(|device| device.word() == word)
    }
}

/// Why a definition can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum XmlError {
    /// It is no XML.
    #[error("its definition is no XML: {0}")]
    Broken(String),
    /// It is not the definition of a domain as libvirt prints it.
    #[error("its definition has no <os> inside <domain>")]
    NoOs,
    /// It lacks the device.
    #[error("it has no {0:?} device to boot from")]
    NoDevice(Device),
}

/// What of a definition bears on booting. Ranges count bytes.
#[derive(Debug, Default)]
struct Found {
    /// The `<boot dev=…>` elements of `<os>`, with their words.
    os_boots: Vec<(Range<usize>, String)>,
    /// Where `</os>` begins.
    os_end: Option<usize>,
    devices: Vec<Bootable>,
}

/// A device that may be booted from.
#[derive(Debug)]
struct Bootable {
    kind: Option<Device>,
    /// Behind its start tag; `None` where it has no content.
    inside: Option<usize>,
    /// Its `<boot order=…>`: the digits' place, and the number.
    order: Option<(Range<usize>, u32)>,
}

/// What comes first; `None` for something that has no word here.
pub(super) fn first(xml: &str) -> Result<Option<Device>, XmlError> {
    let found = find(xml)?;
    let ordered = found.devices.iter().filter_map(|device| Some((device.order.as_ref()?.1, device.kind)));
    if let Some((_, kind)) = ordered.min_by_key(|(order, _)| *order) {
        return Ok(kind);
    }
    // Without a word libvirt boots the disk.
    Ok(found.os_boots.first().map_or(Some(Device::Disk), |(_, word)| Device::of_word(word)))
}

/// The definition in which a device comes first, and the others behind it in their order.
pub(super) fn put_first(xml: &str, wanted: Device) -> Result<String, XmlError> {
    let found = find(xml)?;
    let edits = if found.devices.iter().any(|device| device.order.is_some()) {
        reorder(&found.devices, wanted)?
    } else {
        rewrite_os(&found, wanted)?
    };
    Ok(apply(xml, edits))
}

type Edit = (Range<usize>, String);

fn rewrite_os(found: &Found, wanted: Device) -> Result<Vec<Edit>, XmlError> {
    let mut words: Vec<&str> = found.os_boots.iter().map(|(_, word)| word.as_str()).collect();
    if words.is_empty() {
        words.push(Device::Disk.word());
    }
    words.retain(|word| *word != wanted.word());
    words.insert(0, wanted.word());
    let elements: String = words.iter().map(|word| format!("<boot dev='{word}'/>")).collect();
    let mut places = found.os_boots.iter().map(|(place, _)| place.clone());
    let first = match (places.next(), found.os_end) {
        (Some(place), _) => place,
        (None, Some(end)) => end..end,
        (None, None) => return Err(XmlError::NoOs),
    };
    let mut edits = vec![(first, elements)];
    edits.extend(places.map(|place| (place, String::new())));
    Ok(edits)
}

fn reorder(devices: &[Bootable], wanted: Device) -> Result<Vec<Edit>, XmlError> {
    let mut ordered: Vec<&Bootable> = devices.iter().filter(|device| device.order.is_some()).collect();
    ordered.sort_by_key(|device| device.order.as_ref().map(|(_, order)| *order));
    let mut edits = Vec::new();
    let mut next = 1;
    if !ordered.iter().any(|device| device.kind == Some(wanted)) {
        let added = devices.iter().find(|device| device.kind == Some(wanted) && device.inside.is_some());
        let inside = added.and_then(|device| device.inside).ok_or(XmlError::NoDevice(wanted))?;
        edits.push((inside..inside, "<boot order='1'/>".to_owned()));
        next = 2;
    }
    // Stable: the wanted ones keep their order, and so do the others.
    ordered.sort_by_key(|device| device.kind != Some(wanted));
    for (place, _) in ordered.iter().filter_map(|device| device.order.as_ref()) {
        edits.push((place.clone(), next.to_string()));
        next += 1;
    }
    Ok(edits)
}

fn apply(xml: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(place, _)| place.start);
    let mut out = String::with_capacity(xml.len() + 64);
    let mut at = 0;
    for (place, text) in edits {
        out.push_str(&xml[at..place.start]);
        out.push_str(&text);
        at = place.end;
    }
    out.push_str(&xml[at..]);
    out
}

fn find(xml: &str) -> Result<Found, XmlError> {
    let mut reader = Reader::from_str(xml);
    let mut found = Found::default();
    let mut path: Vec<Vec<u8>> = Vec::new();
    loop {
        let from = position(&reader);
        let event = reader.read_event().map_err(|error| XmlError::Broken(error.to_string()))?;
        let to = position(&reader);
        match event {
            Event::Start(tag) => {
                path.push(tag.name().as_ref().to_vec());
                found.element(xml, &path, &tag, from..to, true);
            }
            Event::Empty(tag) => {
                path.push(tag.name().as_ref().to_vec());
                found.element(xml, &path, &tag, from..to, false);
                path.pop();
            }
            Event::End(_) => {
                if is(&path, &["domain", "os"]) {
                    found.os_end = Some(from);
                }
                path.pop();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if found.os_end.is_none() { Err(XmlError::NoOs) } else { Ok(found) }
}

impl Found {
    fn element(
        &mut self,
        xml: &str,
        path: &[Vec<u8>],
        tag: &BytesStart<'_>,
        place: Range<usize>,
        has_content: bool,
    ) {
        if is(path, &["domain", "os", "boot"]) && !has_content {
            if let Some(word) = attribute(tag, b"dev") {
                self.os_boots.push((place, word));
            }
        } else if path.len() == 3 && is(&path[..2], &["domain", "devices"]) {
            let kind = kind(&path[2], tag);
            let inside = has_content.then_some(place.end);
            self.devices.push(Bootable { kind, inside, order: None });
        } else if path.len() == 4 && is(&path[..2], &["domain", "devices"]) && path[3] == b"boot" {
            let order = attribute(tag, b"order").and_then(|order| order.parse().ok());
            let digits = digits_of_order(&xml[place.clone()]);
            if let (Some(device), Some(order), Some(digits)) = (self.devices.last_mut(), order, digits) {
                let digits = place.start + digits.start..place.start + digits.end;
                device.order = Some((digits, order));
            }
        }
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    // The text is in memory, so that its length fits.
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

fn is(path: &[Vec<u8>], names: &[&str]) -> bool {
    path.len() == names.len() && path.iter().zip(names).all(|(have, want)| have == want.as_bytes())
}

fn attribute(tag: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    let value = tag.try_get_attribute(name).ok()??.value;
    String::from_utf8(value.into_owned()).ok()
}

fn kind(element: &[u8], tag: &BytesStart<'_>) -> Option<Device> {
    match element {
        b"interface" => Some(Device::Network),
        b"disk" => match attribute(tag, b"device").as_deref() {
            None | Some("disk" | "lun") => Some(Device::Disk),
            Some("cdrom") => Some(Device::Cd),
            Some(_) => None,
        },
        _ => None,
    }
}

/// Where in `<boot order='1'/>` the number is.
fn digits_of_order(element: &str) -> Option<Range<usize>> {
    let name = element.find("order")?;
    let quote = name + element[name..].find(['\'', '"'])?;
    let start = quote + 1;
    let length = element[start..].find(|c: char| !c.is_ascii_digit())?;
    Some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OS: &str = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n  <name>a&amp;b</name>\n  <os>\n    <type arch='x86_64'>hvm</type>\n    <boot dev='hd'/>\n    <boot dev='fd'/>\n    <boot dev='network'/>\n  </os>\n  <!-- <boot dev='x'/> -->\n  <metadata><os><boot dev='cdrom'/></os></metadata>\n  <devices><graphics type='vnc' passwd='secret'/></devices>\n  <qemu:commandline><qemu:arg value='-s'/></qemu:commandline>\n</domain>\n";

    const DEVICES: &str = "<domain><os><type>hvm</type></os><devices><disk type='file' device='disk'><boot order='1'/><target dev='vda'/></disk><disk device='cdrom'><boot order=\"3\" loadparm='2'/></disk><hostdev><boot order='4'/></hostdev><interface type='bridge'><mac address='x'/><boot order='2'/></interface><interface type='user'><mac/></interface></devices></domain>";

    #[test]
    fn words_of_os_are_moved_and_everything_else_stays() {
        assert_eq!(first(OS).unwrap(), Some(Device::Disk));
        let network = put_first(OS, Device::Network).unwrap();
        assert_eq!(
            network,
            OS.replace("<boot dev='hd'/>", "<boot dev='network'/><boot dev='hd'/><boot dev='fd'/>")
                .replace("    <boot dev='fd'/>\n    <boot dev='network'/>\n", "    \n    \n")
        );
        assert_eq!(first(&network).unwrap(), Some(Device::Network));
        let back = put_first(&network, Device::Disk).unwrap();
        assert!(back.contains("<boot dev='hd'/><boot dev='network'/><boot dev='fd'/>"), "{back}");
        let none = "<domain><os><type>hvm</type></os></domain>";
        assert_eq!(first(none).unwrap(), Some(Device::Disk));
        let network = put_first(none, Device::Network).unwrap();
        assert!(network.contains("</type><boot dev='network'/><boot dev='hd'/></os>"), "{network}");
        assert_eq!(first("<domain><os><boot dev='fd'/></os></domain>").unwrap(), None);
    }

    #[test]
    fn orders_of_devices_are_numbered_anew() {
        assert_eq!(first(DEVICES).unwrap(), Some(Device::Disk));
        let network = put_first(DEVICES, Device::Network).unwrap();
        let orders = |xml: &str| {
            find(xml).unwrap().devices.iter().filter_map(|d| Some(d.order.as_ref()?.1)).collect::<Vec<_>>()
        };
        assert_eq!(orders(&network), [2, 3, 4, 1], "{network}");
        assert!(network.contains("<boot order=\"3\" loadparm='2'/>"), "{network}");
        assert!(!network.contains("boot dev="), "the two ways exclude each other");
        assert_eq!(put_first(&network, Device::Network).unwrap(), network, "already so");
        let cd = put_first(DEVICES, Device::Cd).unwrap();
        assert_eq!((orders(&cd), first(&cd).unwrap()), (vec![2, 1, 4, 3], Some(Device::Cd)));
    }

    #[test]
    fn a_device_without_a_number_gets_the_first() {
        let xml = "<domain><os/><os></os><devices><disk><boot order='1'/></disk><interface type='user'><mac/></interface></devices></domain>";
        let network = put_first(xml, Device::Network).unwrap();
        assert!(network.contains("<disk><boot order='2'/></disk>"), "{network}");
        assert!(network.contains("<interface type='user'><boot order='1'/><mac/>"), "{network}");
        assert!(matches!(put_first(xml, Device::Cd), Err(XmlError::NoDevice(Device::Cd))));
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        for xml in ["", "<domain/>", "<network><os></os></network>", "error: no such domain"] {
            assert!(matches!(put_first(xml, Device::Disk), Err(XmlError::NoOs)), "{xml}");
        }
        assert!(matches!(first("<domain><os></domain>"), Err(XmlError::Broken(_))));
        assert!(matches!(first("<domain><os><boot dev='hd'"), Err(XmlError::Broken(_))));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(xml in "(<(domain|os|boot dev='hd'/|devices|disk|interface|boot order='9'/|/os|/domain|/disk|/devices)>|[a-z<&'\"é ]){0,40}") {
            for device in [Device::Network, Device::Disk, Device::Cd] {
                if let Ok(changed) = put_first(&xml, device) {
                    proptest::prop_assert_eq!(first(&changed).unwrap(), Some(device));
                }
            }
        }
    }
}
