//! Virtual media: which slot, what is sent to put an image in or take it out, and whether it is so.
//!
//! Sources of what BMCs do differently: sushy `resources/manager/virtual_media.py`, ansible community.general pull
//! requests 4839 and 12537, lenovo/python-redfish-lenovo issue 21.

use super::action::{Action, action};
use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
use super::text::printable;
use super::value::{flag, link, list, shown, text, words};
use serde_json::{Map, Value, json};

const INSERT: &str = "#VirtualMedia.InsertMedia";
const EJECT: &str = "#VirtualMedia.EjectMedia";
/// The user, and the password, where a BMC wants them for an image that is everybody's.
const NOBODY: &str = "none";

/// What a slot can be (DSP8010 `VirtualMedia.MediaType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `CD`.
    Cd,
    /// `DVD`.
    Dvd,
    /// `USBStick`.
    Usb,
    /// `Floppy`.
    Floppy,
}

impl Kind {
    const ALL: [(&'static str, Self); 4] =
        [("CD", Self::Cd), ("DVD", Self::Dvd), ("USBStick", Self::Usb), ("Floppy", Self::Floppy)];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("CD", |(word, _)| word)
    }

    fn read(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, kind)| *kind)
    }

    /// Whether an image made for this drive shows as well in that one.
    fn fits(self, other: Self) -> bool {
        let optical = |kind| matches!(kind, Self::Cd | Self::Dvd);
        self == other || (optical(self) && optical(other))
    }
}

/// A slot as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slot {
    /// Its id.
    pub id: String,
    /// What it can be; empty: the BMC doesn't tell.
    pub kinds: Vec<Kind>,
    /// The image that is in it.
    pub image: Option<String>,
    /// Its file name, where the BMC shows no more.
    pub image_name: Option<String>,
    /// Whether the machine sees it.
    pub inserted: bool,
    /// Whether the machine can't write to it.
    pub write_protected: Option<bool>,
    /// Whether it has an action that puts an image in.
    has_action: bool,
}

impl Slot {
    /// Reads a `VirtualMedia` resource.
    pub fn read(resource: &Value, quirks: &Quirks) -> Self {
        let image = text(resource, "/Image").map(|image| printable(image, 1024));
        let named = text(resource, "/ImageName").is_some();
        let connected = text(resource, "/ConnectedVia").is_none_or(|via| via != "NotConnected");
        // Some don't show Inserted, and then an image is all there is to go by.
        let inserted = flag(resource, "/Inserted").unwrap_or(image.is_some() || named);
        let gone = quirks.has(Effect::MediaImageStays) && !(connected && inserted);
        Self {
            id: shown(resource, "/Id", 64).unwrap_or_default(),
            kinds: words(resource, "/MediaTypes").iter().filter_map(|word| Kind::read(word)).collect(),
            image: image.filter(|_| !gone),
            image_name: shown(resource, "/ImageName", 256).filter(|_| !gone),
            inserted: inserted && !gone,
            write_protected: flag(resource, "/WriteProtected"),
            has_action: action(resource, INSERT).is_some() || vmm_control(resource, quirks).is_some(),
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        !self.inserted && self.image.is_none()
    }

    /// Whether exactly this image is in it and seen.
    pub fn has(&self, image: &str) -> bool {
        self.inserted && self.image.as_deref() == Some(image)
    }

    /// Whether what shows after an insertion is this image: BMCs write its address in their own ways, or show its
    /// file name only.
    pub fn shows(&self, image: &str) -> bool {
        if !self.inserted {
            return false;
        }
        match self.image.as_deref().or(self.image_name.as_deref()) {
            Some(shown) => shown == image || is_end_of(shown, image) || decoded(shown) == decoded(image),
            None => true,
        }
    }

    /// What it shows, in words for an operator.
    pub fn describe(&self) -> String {
        let image = self.image.as_deref().or(self.image_name.as_deref()).unwrap_or("none");
        format!("slot {}: Inserted {}, Image {image}", self.id, self.inserted)
    }

    fn is_fit(&self, kind: Kind) -> bool {
        self.kinds.iter().any(|own| own.fits(kind))
    }
}

/// Whether `end` is the last part of the address, from a slash on, after its scheme.
fn is_end_of(end: &str, address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let end = end.split_once("://").map_or(end, |(_, rest)| rest);
    match rest.strip_suffix(end) {
        Some(before) => {
            !end.is_empty() && (before.is_empty() || before.ends_with('/') || end.starts_with('/'))
        }
        None => false,
    }
}

/// Percent-encoded bytes as they are; what is no UTF-8 afterwards stays as it was.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if digit(high).is_some() && digit(low).is_some() => {
                bytes.push(digit(high).unwrap_or(0) << 4 | digit(low).unwrap_or(0));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.into())
}

/// What can't be put in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaRefusal {
    /// Neither manager nor system has virtual media.
    #[error("it has no virtual media; some need a licence for it, or newer firmware")]
    None,
    /// No slot has this id.
    #[error("it has no virtual media slot `{wanted}`, only {have}")]
    NoSuchSlot {
        /// What was asked for.
        wanted: String,
        /// What there is.
        have: String,
    },
    /// No slot, or not this one, can be that.
    #[error("no virtual media slot of it can be a {wanted}: {have}")]
    WrongKind {
        /// What was asked for.
        wanted: &'static str,
        /// What there is.
        have: String,
    },
    /// The address of the image is none that BMCs fetch.
    #[error("`{image}` is no address that a BMC can fetch an image from: use http, https, nfs or cifs")]
    Scheme {
        /// The address.
        image: String,
    },
    /// The BMC doesn't fetch in this way.
    #[error("it doesn't fetch images by {wanted}, only by {allowed}")]
    Protocol {
        /// As the address says.
        wanted: &'static str,
        /// As the BMC says.
        allowed: String,
    },
    /// There is no action, and it can't be written either.
    #[error("slot {slot} has neither the action {action} nor an Image that could be written")]
    NoWay {
        /// Its id.
        slot: String,
        /// The missing action.
        action: &'static str,
    },
}

/// The collection of a system's or manager's virtual media.
pub fn media_link(resource: &Value) -> Option<ResourcePath> {
    link(resource, "/VirtualMedia")
}

/// The slot with this id.
pub fn find_slot(slots: &[Slot], id: &str) -> Result<usize, MediaRefusal> {
    let found = slots.iter().position(|slot| slot.id.eq_ignore_ascii_case(id));
    found.ok_or_else(|| MediaRefusal::NoSuchSlot { wanted: printable(id, 64), have: names(slots) })
}

/// All slots and what they can be, for messages.
fn names(slots: &[Slot]) -> String {
    let each = |slot: &Slot| {
        let kinds: Vec<&str> = slot.kinds.iter().map(|kind| kind.word()).collect();
        if kinds.is_empty() { slot.id.clone() } else { format!("{} ({})", slot.id, kinds.join(", ")) }
    };
    printable(&slots.iter().take(16).map(each).collect::<Vec<_>>().join(", "), 300)
}

/// Picks the slot for an image: the one with this id, or the fittest for the kind — that which has the image already,
/// else an empty one, else the first.
pub fn choose(
    slots: &[Slot],
    id: Option<&str>,
    kind: Kind,
    image: &str,
    quirks: &Quirks,
) -> Result<usize, MediaRefusal> {
    if slots.is_empty() {
        return Err(MediaRefusal::None);
    }
    let wrong = || MediaRefusal::WrongKind { wanted: kind.word(), have: names(slots) };
    if let Some(id) = id {
        let found = find_slot(slots, id)?;
        let fit = slots[found].kinds.is_empty() || slots[found].is_fit(kind);
        return if fit { Ok(found) } else { Err(wrong()) };
    }
    ranked(slots, kind, image, quirks).first().copied().ok_or_else(wrong)
}

/// The slot to try after these have refused the image; `None` where a refusal is the last word.
pub fn next_choice(
    slots: &[Slot],
    refused: &[usize],
    kind: Kind,
    image: &str,
    quirks: &Quirks,
) -> Option<usize> {
    let all = quirks.has(Effect::MediaSlotsMayRefuse).then(|| ranked(slots, kind, image, quirks))?;
    all.into_iter().find(|index| !refused.contains(index))
}

/// The slots that can be this, the fittest first.
fn ranked(slots: &[Slot], kind: Kind, image: &str, quirks: &Quirks) -> Vec<usize> {
    // Firmware that has none of them by that name has no others either.
    let external = |slot: &Slot| slot.id.starts_with("EXT");
    let only_external = quirks.has(Effect::MediaOnlyExternal) && slots.iter().any(external);
    let only_first = quirks.has(Effect::MediaFirstSlotOnly) && slots.iter().any(|slot| slot.id == "1");
    let usable = |slot: &Slot| (!only_external || external(slot)) && (!only_first || slot.id == "1");
    // Slots without an action beside such that have one are for consoles only: OpenBMC's are.
    let by_action = slots.iter().any(|slot| usable(slot) && slot.has_action);
    let usable = |slot: &Slot| usable(slot) && (!by_action || slot.has_action);
    let rank = |slot: &Slot| {
        let fit = match (slot.kinds.contains(&kind), slot.is_fit(kind), slot.kinds.is_empty()) {
            (true, ..) => 0,
            (_, true, _) => 1,
            (.., true) => 2,
            _ => return None,
        };
        let state = if slot.has(image) {
            0
        } else if slot.is_empty() {
            1
        } else {
            2
        };
        // An empty slot of a less exact kind is better than throwing somebody's image out.
        usable(slot).then_some((state, fit))
    };
    let mut ranked: Vec<_> =
        slots.iter().enumerate().filter_map(|(index, slot)| Some((rank(slot)?, index))).collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, index)| index).collect()
}

/// How a slot is changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// By this action.
    Post(ResourcePath, Value),
    /// By writing the resource itself, as BMCs without actions want it.
    Patch(Value),
}

/// Where an `ActionInfo` tells the parameters that the slot's `InsertMedia` takes.
pub fn insert_info(resource: &Value) -> Option<ResourcePath> {
    action(resource, INSERT)?.info
}

/// What puts an image in. `info` is the `ActionInfo`, where there is one.
pub fn plan_insert(
    resource: &Value,
    info: Option<&Value>,
    kind: Kind,
    image: &str,
    quirks: &Quirks,
) -> Result<Change, MediaRefusal> {
    let protocol = protocol_of(image)?;
    if let Some(target) = vmm_control(resource, quirks) {
        return Ok(Change::Post(target, json!({ "VmmControlType": "Connect", "Image": image })));
    }
    let Some(action) = action(resource, INSERT) else {
        return match old_action(resource, "InsertVirtualMedia", quirks) {
            Some(target) => Ok(Change::Post(target, json!({ "Image": image }))),
            None => patch(resource, INSERT)
                .map(|()| Change::Patch(json!({ "Image": image, "Inserted": true, "WriteProtected": true }))),
        };
    };
    let parameters = Parameters { action: &action, info };
    let mut body = Map::new();
    body.insert("Image".into(), image.into());
    let allowed = parameters.allowed("TransferProtocolType");
    if !allowed.is_empty() && !allowed.iter().any(|word| word == protocol) {
        return Err(MediaRefusal::Protocol {
            wanted: protocol,
            allowed: printable(&allowed.join(", "), 200),
        });
    }
    if !allowed.is_empty() || parameters.takes("TransferProtocolType") || !protocol.starts_with("HTTP") {
        body.insert("TransferProtocolType".into(), protocol.into());
    }
    // True is what they mean when absent (DSP8010), and several BMCs refuse them: so only where they are told.
    for name in ["Inserted", "WriteProtected"] {
        if parameters.takes(name) {
            body.insert(name.into(), true.into());
        }
    }
    if parameters.allowed("MediaType").iter().any(|word| word == kind.word()) {
        body.insert("MediaType".into(), kind.word().into());
    }
    if parameters.requires("TransferMethod") {
        body.insert("TransferMethod".into(), "Stream".into());
    }
    if quirks.has(Effect::MediaWantsCredentials) {
        for name in ["UserName", "Password"] {
            body.insert(name.into(), NOBODY.into());
        }
    }
    Ok(Change::Post(action.target, body.into()))
}

/// What takes the image out. The body is an empty object: iLO refuses a request without one.
pub fn plan_eject(resource: &Value, quirks: &Quirks) -> Result<Change, MediaRefusal> {
    if let Some(action) = action(resource, EJECT) {
        return Ok(Change::Post(action.target, json!({})));
    }
    if let Some(target) = vmm_control(resource, quirks) {
        return Ok(Change::Post(target, json!({ "VmmControlType": "Disconnect" })));
    }
    if let Some(target) = old_action(resource, "EjectVirtualMedia", quirks) {
        return Ok(Change::Post(target, json!({})));
    }
    patch(resource, EJECT)?;
    Ok(Change::Patch(json!({ "Image": null, "Inserted": false })))
}

/// After a refusal: the body with one parameter more or less, if the BMC's words name one; and which it is. Each is
/// changed once at the most, those in `tried` no more.
pub fn mend_insert(
    body: &Value,
    words: &str,
    image: &str,
    tried: &[&'static str],
) -> Option<(Value, &'static str)> {
    const NAMES: [&str; 7] = [
        "TransferProtocolType",
        "TransferMethod",
        "Inserted",
        "WriteProtected",
        "MediaType",
        "UserName",
        "Password",
    ];
    let named = NAMES.into_iter().filter(|name| !tried.contains(name)).find(|name| has_word(words, name))?;
    let mut fields = body.as_object()?.clone();
    if fields.remove(named).is_none() {
        let value = match named {
            "TransferProtocolType" => protocol_of(image).ok()?.into(),
            "TransferMethod" => "Stream".into(),
            "Inserted" | "WriteProtected" => true.into(),
            "UserName" | "Password" => NOBODY.into(),
            _ => return None,
        };
        fields.insert(named.into(), value);
    }
    Some((fields.into(), named))
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word)
}

/// The actions of iLO 4, under another name and place.
fn old_action(resource: &Value, name: &str, quirks: &Quirks) -> Option<ResourcePath> {
    if !quirks.has(Effect::MediaActionsInOem) {
        return None;
    }
    let actions = resource.pointer("/Oem/Hp/Actions")?.as_object()?;
    actions.iter().find(|(key, _)| key.ends_with(name)).and_then(|(_, action)| link(action, "/target"))
}

/// The one action of Huawei's iBMC, which is below the maker's name whatever that is by now.
fn vmm_control(resource: &Value, quirks: &Quirks) -> Option<ResourcePath> {
    if !quirks.has(Effect::MediaByVmmControl) {
        return None;
    }
    let makers = resource.pointer("/Oem")?.as_object()?;
    makers.values().find_map(|maker| link(maker, "/Actions/#VirtualMedia.VmmControl/target"))
}

fn patch(resource: &Value, action: &'static str) -> Result<(), MediaRefusal> {
    if resource.get("Image").is_some() {
        return Ok(());
    }
    Err(MediaRefusal::NoWay { slot: shown(resource, "/Id", 64).unwrap_or_default(), action })
}

/// `TransferProtocolType` of an address.
fn protocol_of(image: &str) -> Result<&'static str, MediaRefusal> {
    let scheme = image.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let clean = image.len() <= 1024 && image.chars().all(|c| c.is_ascii_graphic());
    match scheme.as_deref() {
        Some("http") if clean => Ok("HTTP"),
        Some("https") if clean => Ok("HTTPS"),
        Some("nfs") if clean => Ok("NFS"),
        Some("cifs" | "smb") if clean => Ok("CIFS"),
        _ => Err(MediaRefusal::Scheme { image: printable(image, 200) }),
    }
}

/// What an action tells of its parameters: in itself, or in its `ActionInfo`.
struct Parameters<'v> {
    action: &'v Action,
    info: Option<&'v Value>,
}

impl Parameters<'_> {
    fn told(&self, name: &str) -> Option<&Value> {
        list(self.info?, "/Parameters").iter().find(|parameter| text(parameter, "/Name") == Some(name))
    }

    fn takes(&self, name: &str) -> bool {
        self.told(name).is_some()
    }

    fn requires(&self, name: &str) -> bool {
        self.told(name).and_then(|parameter| flag(parameter, "/Required")) == Some(true)
    }

    fn allowed(&self, name: &str) -> Vec<String> {
        let beside = self.action.allowable(name);
        if !beside.is_empty() {
            return beside.to_vec();
        }
        self.told(name).map_or_else(Vec::new, |parameter| words(parameter, "/AllowableValues"))
    }
}

#[cfg(test)]
mod tests;
