//! Firmware updates: fetched (`SimpleUpdate`), pushed in parts, pushed plain. A task does them, and at its end the
//! inventory shows the new version.
//!
//! Nothing is fetched: which item is meant and which version it gets is read out of the image's name.

use super::answer::{Refusal, error, missing, not_in_list, parameter_missing, unknown_property, wrong_type};
use super::group::{Group, Request};
use super::profiles::Profile;
use super::state::{Shared, lock};
use super::tasks::Deed;
use super::tree::trimmed;
use crate::ChassisError;
use async_trait::async_trait;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::Mutex;

const ACTION: &str = "UpdateService.SimpleUpdate";

/// Firmware updates.
#[derive(Default)]
pub struct Update {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fetched: Vec<Value>,
    pushed: Vec<Pushed>,
    /// The update service shows its state, and no task is made.
    without_task: bool,
    /// `Oem.Hpe.State`, once something was updated without a task, and its percentage.
    shown: Option<(&'static str, u32)>,
    then: Option<(String, String)>,
    targets: Option<Value>,
}

/// An image that was pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed {
    /// The file's name; empty for a plain push.
    pub file_name: String,
    /// How many bytes it has.
    pub size: usize,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// `UpdateParameters`; null for a plain push.
    pub parameters: Value,
    /// `OemParameters`; null when there were none.
    pub oem: Value,
}

impl Update {
    /// The bodies of the `SimpleUpdate`s that were taken.
    pub fn fetched(&self) -> Vec<Value> {
        lock(&self.state).fetched.clone()
    }

    /// What was pushed.
    pub fn pushed(&self) -> Vec<Pushed> {
        lock(&self.state).pushed.clone()
    }

    /// Makes no tasks, but shows its state in the update service, as iLO 5 before 2.30 does.
    pub fn set_without_task(&self, without: bool) {
        lock(&self.state).without_task = without;
    }

    pub(super) fn install(&self, bmc: &Shared, item: &str, version: &str) {
        bmc.merge(item, json!({ "Version": version }));
    }

    fn fetch(&self, bmc: &Shared, request: &Request) -> Result<Response, Refusal> {
        let body = request.json()?;
        let image = body.get("ImageURI").ok_or_else(|| Box::new(parameter_missing(ACTION, "ImageURI")))?;
        let image = image.as_str().ok_or_else(|| Box::new(wrong_type("ImageURI", image)))?;
        if let Some(protocol) = body.get("TransferProtocol") {
            let place = bmc.places().update.as_deref().unwrap_or_default();
            let service = bmc.stored(place).unwrap_or_default();
            let action = &service["Actions"]["#UpdateService.SimpleUpdate"];
            let known = action["TransferProtocol@Redfish.AllowableValues"].as_array();
            if known.is_some_and(|known| !known.contains(protocol)) {
                return Err(not_in_list("TransferProtocol", protocol).into());
            }
        }
        let name = image.rsplit('/').next().unwrap_or(image);
        let item = target(bmc, body.get("Targets"), name)?;
        let at_boot = body.get("@Redfish.OperationApplyTime") == Some(&json!("OnReset"));
        lock(&self.state).fetched.push(Value::Object(body.clone()));
        Ok(self.begin(bmc, request, &item, name, at_boot))
    }

    fn push(&self, bmc: &Shared, request: &Request) -> Result<Response, Refusal> {
        let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=");
        let pushed = match boundary {
            Some(boundary) => parts(&request.body, boundary)?,
            None => image("", &request.body),
        };
        if bmc.profile == Profile::Ami && boundary.is_some() && pushed.oem["ImageType"].as_str().is_none() {
            let text = "The property OemParameters/ImageType is a required property and must be included.";
            return Err(error(StatusCode::BAD_REQUEST, "PropertyMissing", text, "Add it.").into());
        }
        let beside = lock(&self.state).targets.clone();
        let targets = pushed.parameters.get("Targets").or(beside.as_ref());
        // A plain push has no name, so that the image itself begins with it.
        let head = request.body.get(..64.min(request.body.len())).unwrap_or_default();
        let head = String::from_utf8_lossy(head).lines().next().unwrap_or_default().to_owned();
        let name = if pushed.file_name.is_empty() { head } else { pushed.file_name.clone() };
        let item = target(bmc, targets, &name)?;
        let at_boot = pushed.parameters["@Redfish.OperationApplyTime"] == "OnReset";
        lock(&self.state).pushed.push(pushed);
        Ok(self.begin(bmc, request, &item, &name, at_boot))
    }

    fn begin(&self, bmc: &Shared, request: &Request, item: &str, name: &str, at_boot: bool) -> Response {
        let before = bmc.stored(item).unwrap_or_default();
        let version =
            version_in(name).unwrap_or_else(|| format!("{}.1", before["Version"].as_str().unwrap_or("1")));
        {
            let mut state = lock(&self.state);
            if state.without_task {
                state.shown = Some(("Updating", 0));
                state.then = Some((item.to_owned(), version));
                return bmc.tree.manners.done();
            }
        }
        let title = format!("Firmware Update: {}", before["Name"].as_str().unwrap_or("firmware"));
        let deed = Deed::Install(item.to_owned(), version);
        bmc.controls.parts().tasks.start(bmc, request, &title, deed, at_boot)
    }

    /// A look at the update service goes a step on with what it does without a task.
    fn step(&self, bmc: &Shared, resource: &mut Map<String, Value>, reading: bool) {
        let done = {
            let mut state = lock(&self.state);
            let Some((word, percent)) = &mut state.shown else { return };
            resource.insert("Oem".into(), json!({"Hpe": {"State": *word, "FlashProgressPercent": *percent}}));
            if !reading || *word == "Complete" {
                return;
            }
            *percent += 50;
            if *percent < 100 {
                return;
            }
            *word = "Complete";
            state.then.take()
        };
        if let Some((item, version)) = done {
            self.install(bmc, &item, &version);
        }
    }
}

#[async_trait]
impl Group for Update {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        reading: bool,
    ) -> Result<(), ChassisError> {
        if bmc.places().update.as_deref() == Some(path) {
            if let Some(targets) = &lock(&self.state).targets {
                resource.insert("HttpPushUriTargets".into(), targets.clone());
            }
            self.step(bmc, resource, reading);
        }
        Ok(())
    }

    async fn patch(
        &self,
        bmc: &Shared,
        path: &str,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        if bmc.places().update.as_deref() != Some(path) {
            return None;
        }
        match (property, value) {
            ("HttpPushUriTargets", Value::Array(_)) => {
                lock(&self.state).targets = Some(value.clone());
                Some(Ok(()))
            }
            ("HttpPushUriTargets", other) => Some(Err(wrong_type(property, other).into())),
            ("HttpPushUriOptions", Value::Object(_)) => Some(Ok(())),
            _ => Some(Err(unknown_property(property).into())),
        }
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        if request.method != Method::POST {
            return None;
        }
        let place = bmc.places().update.as_deref()?;
        let done = if request.path.strip_prefix(place) == Some("/Actions/UpdateService.SimpleUpdate") {
            self.fetch(bmc, request)
        } else if bmc.places().pushes.iter().any(|push| trimmed(push) == request.path) {
            self.push(bmc, request)
        } else {
            return None;
        };
        Some(done.unwrap_or_else(|refusal| *refusal))
    }

    fn methods(&self, bmc: &Shared, path: &str) -> &'static [Method] {
        if bmc.places().update.as_deref() == Some(path) { &[Method::PATCH] } else { &[] }
    }
}

/// The item that an update is for: the first target, or the one whose name has a word of the image's.
fn target(bmc: &Shared, targets: Option<&Value>, image: &str) -> Result<String, Refusal> {
    let firmware = bmc.places().firmware.as_deref().unwrap_or_default();
    let items = bmc.tree.members(firmware);
    if let Some(first) = targets.and_then(Value::as_array).and_then(|targets| targets.first()) {
        let link = first.as_str().map(trimmed).unwrap_or_default();
        // The BIOS and the manager themselves are named, too: Supermicro's wants it so.
        let itself = match link {
            link if link.ends_with("/Bios") => Some("/BIOS"),
            link if bmc.places().manager == link => Some("/BMC"),
            _ => None,
        };
        let means = |item: &str| item == link || itself.is_some_and(|word| item.contains(word));
        let found = items.iter().find(|item| means(item));
        return found.cloned().ok_or_else(|| Box::new(not_in_list("Targets", first)));
    }
    let image = image.to_ascii_lowercase();
    let words: Vec<&str> =
        image.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 2).collect();
    let mut open =
        items.into_iter().filter(|item| bmc.tree.get(item).is_some_and(|item| item["Updateable"] == true));
    let all: Vec<String> = open.by_ref().collect();
    let meant = all.iter().find(|item| {
        let item =
            bmc.tree.get(item).map(|item| format!("{} {}", item["Id"], item["Name"])).unwrap_or_default();
        let item = item.to_ascii_lowercase();
        words.iter().any(|word| item.contains(word))
    });
    meant.or(all.first()).cloned().ok_or_else(|| Box::new(missing()))
}

/// The first run of numbers with dots between them.
fn version_in(text: &str) -> Option<String> {
    let runs = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    runs.map(|run| run.trim_matches('.')).find(|run| run.contains('.')).map(str::to_owned)
}

fn image(file_name: &str, bytes: &[u8]) -> Pushed {
    Pushed {
        file_name: file_name.into(),
        size: bytes.len(),
        sha256: Sha256::digest(bytes).into(),
        parameters: Value::Null,
        oem: Value::Null,
    }
}

/// Reads `multipart/form-data` (RFC 7578) with the parts of DSP0266 section 12.6.
fn parts(body: &[u8], boundary: &str) -> Result<Pushed, Refusal> {
    let broken = || {
        let text = "The request body is no multipart body with UpdateParameters and UpdateFile.";
        Box::new(error(StatusCode::BAD_REQUEST, "UnrecognizedRequestBody", text, "Send both parts."))
    };
    let line = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(&line.as_bytes()[2..]).ok_or_else(broken)?;
    let (mut file, mut parameters, mut oem) = (None, None, Value::Null);
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, line.as_bytes()).ok_or_else(broken)?;
        let (head, content) = split(&part[..end]).ok_or_else(broken)?;
        let head = String::from_utf8_lossy(head);
        let field =
            |name: &str| head.split(&format!("{name}=\"")).nth(1)?.split('"').next().map(str::to_owned);
        let json = || serde_json::from_slice(content).map_err(|_| broken());
        match field(" name").as_deref() {
            Some("UpdateParameters") => parameters = Some(json()?),
            Some("OemParameters") => oem = json()?,
            Some("UpdateFile") => file = Some(image(&field("filename").unwrap_or_default(), content)),
            _ => return Err(broken()),
        }
        rest = &part[end + line.len()..];
    }
    match (file, parameters) {
        (Some(file), Some(parameters)) if rest.starts_with(b"--") => Ok(Pushed { parameters, oem, ..file }),
        _ => Err(broken()),
    }
}

fn split(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = find(part, b"\r\n\r\n")?;
    Some((&part[..at], &part[at + 4..]))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_and_broken_ones_refused() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"UpdateParameters\"\r\n\r\n{\"Targets\": []}\r\n\
            --b\r\nContent-Disposition: form-data; name=\"UpdateFile\"; filename=\"x-1.2.bin\"\r\n\r\n\x00\r\n--\x01\r\n--b--\r\n";
        let pushed = parts(body, "b").unwrap();
        assert_eq!((pushed.file_name.as_str(), pushed.size), ("x-1.2.bin", 6));
        assert_eq!(pushed.parameters, json!({"Targets": []}));
        for cut in [0, 3, 40, body.len() - 6] {
            assert!(parts(&body[..cut], "b").is_err(), "{cut}");
        }
    }

    #[test]
    fn versions_are_found_in_names() {
        for (name, version) in
            [("BIOS-1.5.0.bin", Some("1.5.0")), ("bmc_v2.bin", None), ("x7-2.4..exe", Some("2.4"))]
        {
            assert_eq!(version_in(name).as_deref(), version, "{name}");
        }
    }
}
