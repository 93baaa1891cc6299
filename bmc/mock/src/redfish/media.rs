//! Virtual media: images that are put into slots and taken out, by the actions, or by PATCH where the maker has it so.

use super::answer::{
    Refusal, conflict, error, missing, not_in_list, parameter_missing, parameter_unknown, wrong_type,
};
use super::group::{Group, Request};
use super::profiles::Profile;
use super::state::{Shared, lock};
use super::tasks::Deed;
use crate::ChassisError;
use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Mutex;

const INSERT: &str = "/Actions/VirtualMedia.InsertMedia";
const EJECT: &str = "/Actions/VirtualMedia.EjectMedia";

/// Virtual media.
#[derive(Default)]
pub struct Media {
    slots: Mutex<BTreeMap<String, Inserted>>,
    /// For how many readings an image doesn't show after it was put in.
    slow: Mutex<u32>,
}

/// What is in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inserted {
    image: String,
    inserted: bool,
    write_protected: bool,
    hidden: u32,
}

impl Media {
    /// The image that the machine sees in the slot with this id.
    pub fn image(&self, slot: &str) -> Option<String> {
        let slots = lock(&self.slots);
        let found = slots.iter().find(|(path, _)| path.rsplit('/').next() == Some(slot));
        found.filter(|(_, inserted)| inserted.inserted).map(|(_, inserted)| inserted.image.clone())
    }

    /// The ids of the slots in which the machine sees an image.
    pub fn slots(&self) -> Vec<String> {
        let slots = lock(&self.slots);
        let full = slots.iter().filter(|(_, inserted)| inserted.inserted);
        full.filter_map(|(path, _)| path.rsplit('/').next()).map(str::to_owned).collect()
    }

    /// All images that the machine sees.
    pub fn images(&self) -> Vec<String> {
        let slots = lock(&self.slots);
        slots.values().filter(|inserted| inserted.inserted).map(|inserted| inserted.image.clone()).collect()
    }

    /// After an insertion, so many readings still show the slot empty.
    pub fn set_slow(&self, readings: u32) {
        *lock(&self.slow) = readings;
    }

    pub(super) fn put(&self, slot: &str, inserted: Inserted) {
        lock(&self.slots).insert(slot.into(), inserted);
    }

    fn insert(&self, bmc: &Shared, request: &Request, slot: &str) -> Result<Response, Refusal> {
        const KNOWN: [&str; 8] = [
            "Image",
            "Inserted",
            "WriteProtected",
            "TransferProtocolType",
            "TransferMethod",
            "MediaType",
            "UserName",
            "Password",
        ];
        let action = "VirtualMedia.InsertMedia";
        let body = request.json()?;
        let refused: &[&str] = match bmc.profile {
            Profile::Supermicro => &["Inserted", "WriteProtected", "MediaType"],
            _ => &[],
        };
        for name in body.keys() {
            if !KNOWN.contains(&name.as_str()) || refused.contains(&name.as_str()) {
                return Err(parameter_unknown(action, name).into());
            }
        }
        let Some(image) = body.get("Image") else { return Err(parameter_missing(action, "Image").into()) };
        // As Cisco's and some of AMI's want it.
        if bmc.profile == Profile::Ami && !body.contains_key("TransferProtocolType") {
            return Err(parameter_missing(action, "TransferProtocolType").into());
        }
        let image = image_of(image)?;
        let flag = |name: &str| match body.get(name) {
            None => Ok(true),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Box::new(wrong_type(name, other))),
        };
        let slow = *lock(&self.slow);
        let new = Inserted {
            image,
            inserted: flag("Inserted")?,
            write_protected: flag("WriteProtected")?,
            hidden: slow,
        };
        if self.holds(slot).is_some_and(|now| now.inserted) {
            return Err(
                conflict("There is an image in this slot; eject it before another one is inserted.").into()
            );
        }
        if bmc.profile == Profile::Ami {
            let deed = Deed::Insert(slot.into(), new);
            return Ok(bmc.controls.parts().tasks.start(bmc, request, "Insert virtual media", deed, false));
        }
        self.put(slot, new);
        Ok(bmc.tree.manners.done())
    }

    fn eject(&self, bmc: &Shared, request: &Request, slot: &str) -> Result<Response, Refusal> {
        // iLO refuses a request without any body.
        if bmc.profile == Profile::Hpe && request.body.is_empty() {
            return Err(super::answer::wrong_kind().into());
        }
        if let Some(name) = request.json()?.keys().next() {
            return Err(parameter_unknown("VirtualMedia.EjectMedia", name).into());
        }
        self.take_out(bmc, slot);
        Ok(bmc.tree.manners.done())
    }

    fn take_out(&self, bmc: &Shared, slot: &str) {
        let mut slots = lock(&self.slots);
        if bmc.profile == Profile::Supermicro {
            // The image goes on showing.
            if let Some(inserted) = slots.get_mut(slot) {
                inserted.inserted = false;
            }
            return;
        }
        slots.remove(slot);
    }

    fn holds(&self, slot: &str) -> Option<Inserted> {
        lock(&self.slots).get(slot).cloned()
    }
}

#[async_trait]
impl Group for Media {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        reading: bool,
    ) -> Result<(), ChassisError> {
        if !is_slot(bmc, path) {
            return Ok(());
        }
        if reading {
            bmc.controls.parts().tasks.look_at_slot(bmc, path);
        }
        let mut slots = lock(&self.slots);
        let Some(inserted) = slots.get_mut(path) else { return Ok(()) };
        if inserted.hidden > 0 {
            inserted.hidden -= u32::from(reading);
            return Ok(());
        }
        let name = inserted.image.rsplit('/').next().unwrap_or_default();
        resource.insert("Image".into(), inserted.image.as_str().into());
        resource.insert("ImageName".into(), name.into());
        resource.insert("Inserted".into(), inserted.inserted.into());
        let via = if inserted.inserted { "URI" } else { "NotConnected" };
        resource.insert("ConnectedVia".into(), via.into());
        resource.insert("WriteProtected".into(), inserted.write_protected.into());
        Ok(())
    }

    async fn patch(
        &self,
        bmc: &Shared,
        path: &str,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        if !is_slot(bmc, path) || !takes_patch(bmc, path) {
            return None;
        }
        let done = match (property, value) {
            ("Image", Value::Null) => {
                self.take_out(bmc, path);
                Ok(())
            }
            ("Image", image) => image_of(image).map(|image| {
                self.put(path, Inserted { image, inserted: true, write_protected: true, hidden: 0 });
            }),
            ("Inserted", Value::Bool(false)) => {
                self.take_out(bmc, path);
                Ok(())
            }
            ("Inserted" | "WriteProtected", Value::Bool(_)) => Ok(()),
            ("Inserted" | "WriteProtected", other) => Err(wrong_type(property, other).into()),
            _ => return None,
        };
        Some(done)
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        if request.method != Method::POST {
            return None;
        }
        let insert = request.path.strip_suffix(INSERT);
        let slot = insert.or_else(|| request.path.strip_suffix(EJECT)).filter(|slot| is_slot(bmc, slot))?;
        let has_actions = bmc.stored(slot).is_some_and(|slot| slot.get("Actions").is_some());
        if !has_actions {
            return Some(missing());
        }
        let done =
            if insert.is_some() { self.insert(bmc, request, slot) } else { self.eject(bmc, request, slot) };
        Some(done.unwrap_or_else(|refusal| *refusal))
    }

    fn methods(&self, bmc: &Shared, path: &str) -> &'static [Method] {
        if is_slot(bmc, path) && takes_patch(bmc, path) { &[Method::PATCH] } else { &[] }
    }
}

fn is_slot(bmc: &Shared, path: &str) -> bool {
    bmc.places().media.iter().any(|slot| slot == path)
}

/// Lenovo's slots for URLs; and any slot whose actions somebody took away.
fn takes_patch(bmc: &Shared, path: &str) -> bool {
    bmc.profile == Profile::Lenovo && path.rsplit('/').next().is_some_and(|id| id.starts_with("EXT"))
}

fn image_of(image: &Value) -> Result<String, Refusal> {
    let text = image.as_str().ok_or_else(|| Box::new(wrong_type("Image", image)))?;
    let known = ["http://", "https://", "nfs://", "cifs://"].iter().any(|scheme| text.starts_with(scheme));
    if !known {
        return Err(not_in_list("Image", image).into());
    }
    if text.contains("/unreachable/") {
        let message = format!("The URI {text} could not be reached.");
        return Err(error(StatusCode::BAD_REQUEST, "CouldNotEstablishConnection", &message, "None.").into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
