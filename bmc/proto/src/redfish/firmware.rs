//! Firmware: what the inventory says, by which way an update goes to the BMC, and what is sent.
//!
//! The ways are those of DSP8010 `UpdateService`: `SimpleUpdate` (the BMC fetches), `MultipartHttpPushUri`, and
//! `HttpPushUri` where that is all there is.

use super::action::{Action, action};
use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
use super::text::printable;
use super::value::{flag, link, shown, text, words};
use serde_json::{Map, Value, json};

const SIMPLE: &str = "#UpdateService.SimpleUpdate";

/// A piece of firmware, as the inventory shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// What it is the firmware of.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Whether it can be updated.
    pub updateable: Option<bool>,
    /// `OK`, `Warning`, `Critical`.
    pub health: Option<String>,
}

impl Item {
    /// Reads a `SoftwareInventory`; `None` when it has no id.
    pub fn read(resource: &Value) -> Option<Self> {
        let id = shown(resource, "/Id", 200)?;
        Some(Self {
            name: shown(resource, "/Name", 200).unwrap_or_else(|| id.clone()),
            id,
            version: shown(resource, "/Version", 200),
            updateable: flag(resource, "/Updateable"),
            health: shown(resource, "/Status/Health", 40),
        })
    }
}

/// When an update is applied (`OperationApplyTime`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// `Immediate`.
    Immediate,
    /// `OnReset`.
    OnReset,
}

impl Apply {
    fn word(self) -> &'static str {
        match self {
            Self::Immediate => "Immediate",
            Self::OnReset => "OnReset",
        }
    }
}

/// Why no update was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateRefusal {
    /// There is no update service.
    #[error("it has no update service; some need a licence for it")]
    None,
    /// It is switched off.
    #[error("its update service is disabled; enable it in the BMC's settings")]
    Disabled,
    /// It fetches nothing by itself.
    #[error(
        "it doesn't fetch images of firmware itself (no SimpleUpdate); give a file, which is pushed to it"
    )]
    NoFetch,
    /// It takes nothing that is pushed.
    #[error("it takes no pushed images of firmware; give a URL from which it fetches one")]
    NoPush,
    /// The address is none that it fetches from.
    #[error("`{image}` is no address to fetch firmware from: use one of {allowed}")]
    Scheme {
        /// The address.
        image: String,
        /// What would do.
        allowed: String,
    },
    /// No such item.
    #[error("it lists no firmware `{wanted}`; `firmware list` shows what there is")]
    NoSuchItem {
        /// What was asked for.
        wanted: String,
    },
    /// A plain push can't say what it is for.
    #[error("its plain push can't be told which firmware it is for; leave the target out: the image tells")]
    NoTargets,
    /// It doesn't apply at that time.
    #[error("it can't apply an update at `{wanted}`, only at {allowed}")]
    NotThen {
        /// When it is wanted.
        wanted: &'static str,
        /// When it can be.
        allowed: String,
    },
    /// The file is too large for it.
    #[error("the image has {size} bytes, and it takes {most} at the most")]
    TooLarge {
        /// Bytes of the file.
        size: u64,
        /// Bytes that it takes.
        most: u64,
    },
}

/// An update service, as it was read.
pub struct Service<'v> {
    resource: &'v Value,
}

impl<'v> Service<'v> {
    /// Reads one; a disabled one is refused.
    pub fn new(resource: &'v Value) -> Result<Self, UpdateRefusal> {
        if flag(resource, "/ServiceEnabled") == Some(false) {
            return Err(UpdateRefusal::Disabled);
        }
        Ok(Self { resource })
    }

    /// Where an `ActionInfo` tells the parameters of `SimpleUpdate`.
    pub fn info(&self) -> Option<ResourcePath> {
        action(self.resource, SIMPLE)?.info
    }

    /// What makes it fetch an image, and where it is posted to.
    pub fn plan_fetch(
        &self,
        info: Option<&Value>,
        image: &str,
        targets: &[ResourcePath],
        apply: Option<Apply>,
    ) -> Result<(ResourcePath, Value), UpdateRefusal> {
        let action = action(self.resource, SIMPLE).ok_or(UpdateRefusal::NoFetch)?;
        let allowed = protocols(&action, info);
        let protocol = protocol_of(image, &allowed)?;
        let mut body = Map::new();
        body.insert("ImageURI".into(), image.into());
        if allowed.iter().any(|word| word == protocol) {
            body.insert("TransferProtocol".into(), protocol.into());
        }
        if !targets.is_empty() {
            body.insert("Targets".into(), paths(targets));
        }
        let support = self.resource.pointer("/Actions/#UpdateService.SimpleUpdate");
        if let Some(word) = applied(apply, support, "/@Redfish.OperationApplyTimeSupport")? {
            body.insert("@Redfish.OperationApplyTime".into(), word.into());
        }
        Ok((action.target, body.into()))
    }

    /// How a file of this size is pushed.
    pub fn plan_push(
        &self,
        size: u64,
        targets: &[ResourcePath],
        apply: Option<Apply>,
        quirks: &Quirks,
    ) -> Result<PushPlan, UpdateRefusal> {
        let most = self.resource.get("MaxImageSizeBytes").and_then(Value::as_u64).filter(|most| *most > 0);
        if let Some(most) = most.filter(|most| size > *most) {
            return Err(UpdateRefusal::TooLarge { size, most });
        }
        if let Some(to) = link(self.resource, "/MultipartHttpPushUri") {
            return self.multipart(to, targets, apply, quirks);
        }
        let plain = link(self.resource, "/HttpPushUri").filter(|_| !quirks.has(Effect::PlainPushIsForm));
        let to = plain.ok_or(UpdateRefusal::NoPush)?;
        let mut before = Map::new();
        if !targets.is_empty() {
            self.resource.get("HttpPushUriTargets").ok_or(UpdateRefusal::NoTargets)?;
            before.insert("HttpPushUriTargets".into(), paths(targets));
        } else if !super::value::list(self.resource, "/HttpPushUriTargets").is_empty() {
            // What somebody pushed before was for these.
            before.insert("HttpPushUriTargets".into(), Value::Array(Vec::new()));
        }
        let options = self.resource.get("HttpPushUriOptions");
        let allowed = "/HttpPushUriApplyTime/ApplyTime@Redfish.AllowableValues";
        if let Some(word) = checked(apply, &options.map_or_else(Vec::new, |options| words(options, allowed)))?
        {
            before.insert("HttpPushUriOptions".into(), json!({"HttpPushUriApplyTime": {"ApplyTime": word}}));
        }
        Ok(PushPlan::Plain { to, before: (!before.is_empty()).then(|| before.into()) })
    }

    fn multipart(
        &self,
        to: ResourcePath,
        targets: &[ResourcePath],
        apply: Option<Apply>,
        quirks: &Quirks,
    ) -> Result<PushPlan, UpdateRefusal> {
        let mut parameters = Map::new();
        parameters.insert("Targets".into(), paths(targets));
        let support = "/MultipartHttpPushUri@Redfish.OperationApplyTimeSupport";
        let strict = [Effect::PushNeedsOem, Effect::PushTargetsResources];
        let apply = apply.or(strict.into_iter().any(|effect| quirks.has(effect)).then_some(Apply::Immediate));
        if let Some(word) = applied(apply, Some(self.resource), support)? {
            parameters.insert("@Redfish.OperationApplyTime".into(), word.into());
        }
        if quirks.has(Effect::PushNeedsOem) {
            parameters.insert("Oem".into(), json!({}));
        }
        let bios = targets.iter().any(|target| target.path().to_ascii_uppercase().contains("BIOS"));
        let oem = quirks
            .has(Effect::PushNeedsImageType)
            .then(|| json!({ "ImageType": if bios { "BIOS" } else { "BMC" } }));
        Ok(PushPlan::Multipart { to, parameters: parameters.into(), oem })
    }
}

/// How a file is pushed.
#[derive(Debug, Clone, PartialEq)]
pub enum PushPlan {
    /// As `multipart/form-data`: the part `UpdateParameters`, then `UpdateFile` (DSP0266 section 7.13.2).
    Multipart {
        /// Where to.
        to: ResourcePath,
        /// The part `UpdateParameters`.
        parameters: Value,
        /// The part `OemParameters`, between the two, where the BMC needs one.
        oem: Option<Value>,
    },
    /// As the plain body.
    Plain {
        /// Where to.
        to: ResourcePath,
        /// What the update service is changed to before.
        before: Option<Value>,
    },
}

/// The collections that list firmware: of the update service, the one that is meant for it first.
pub fn inventories(service: &Value) -> Vec<ResourcePath> {
    let all = ["/FirmwareInventory", "/SoftwareInventory"];
    all.iter().filter_map(|pointer| link(service, pointer)).collect()
}

/// The members of the inventory with these ids (or names of their own).
pub fn find_targets(
    items: &[(ResourcePath, Item)],
    ids: &[String],
) -> Result<Vec<ResourcePath>, UpdateRefusal> {
    let find = |id: &String| {
        let same = |(_, item): &&(ResourcePath, Item)| item.id.eq_ignore_ascii_case(id);
        let found = items.iter().find(same).map(|(path, _)| path.clone());
        found.ok_or_else(|| UpdateRefusal::NoSuchItem { wanted: printable(id, 100) })
    };
    ids.iter().map(find).collect()
}

/// What a push to these items of the inventory names as its targets: they, or the BIOS and the manager themselves.
pub fn push_targets(
    items: Vec<ResourcePath>,
    bios: Option<&ResourcePath>,
    manager: Option<&ResourcePath>,
    quirks: &Quirks,
) -> Vec<ResourcePath> {
    if !quirks.has(Effect::PushTargetsResources) {
        return items;
    }
    let itself = |item: ResourcePath| {
        let id =
            item.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_uppercase();
        let resource = match id.as_str() {
            id if id.starts_with("BIOS") => bios,
            id if id.starts_with("BMC") => manager,
            _ => None,
        };
        resource.cloned().unwrap_or(item)
    };
    items.into_iter().map(itself).collect()
}

fn paths(targets: &[ResourcePath]) -> Value {
    targets.iter().map(ToString::to_string).collect::<Vec<_>>().into()
}

/// What `@Redfish.OperationApplyTimeSupport` allows.
fn applied(
    apply: Option<Apply>,
    resource: Option<&Value>,
    support: &str,
) -> Result<Option<&'static str>, UpdateRefusal> {
    let told =
        resource.map_or_else(Vec::new, |resource| words(resource, &format!("{support}/SupportedValues")));
    checked(apply, &told)
}

/// A BMC that tells nothing applies as it likes: the wish is sent, and it may refuse.
fn checked(apply: Option<Apply>, told: &[String]) -> Result<Option<&'static str>, UpdateRefusal> {
    let Some(wanted) = apply.map(Apply::word) else { return Ok(None) };
    if told.is_empty() || told.iter().any(|word| word == wanted) {
        return Ok(Some(wanted));
    }
    Err(UpdateRefusal::NotThen { wanted, allowed: printable(&told.join(", "), 200) })
}

fn protocols(action: &Action, info: Option<&Value>) -> Vec<String> {
    let beside = action.allowable("TransferProtocol");
    if !beside.is_empty() {
        return beside.to_vec();
    }
    let parameters = info.map_or(&[][..], |info| super::value::list(info, "/Parameters"));
    let told = parameters.iter().find(|parameter| text(parameter, "/Name") == Some("TransferProtocol"));
    told.map_or_else(Vec::new, |parameter| words(parameter, "/AllowableValues"))
}

/// `TransferProtocol` of an address, if the BMC fetches by it; one that tells nothing is tried with the common ones.
fn protocol_of(image: &str, allowed: &[String]) -> Result<&'static str, UpdateRefusal> {
    const KNOWN: [(&str, &str); 9] = [
        ("http", "HTTP"),
        ("https", "HTTPS"),
        ("nfs", "NFS"),
        ("cifs", "CIFS"),
        ("smb", "CIFS"),
        ("ftp", "FTP"),
        ("sftp", "SFTP"),
        ("scp", "SCP"),
        ("tftp", "TFTP"),
    ];
    let scheme = image.split_once("://").map_or("", |(scheme, _)| scheme);
    let found = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme)).map(|(_, word)| *word);
    let clean = image.len() <= 2048 && image.chars().all(|c| c.is_ascii_graphic());
    match found {
        Some(word) if clean && (allowed.is_empty() || allowed.iter().any(|known| known == word)) => Ok(word),
        _ => {
            let common = || "HTTP, HTTPS, NFS, CIFS".into();
            let allowed = if allowed.is_empty() { common() } else { printable(&allowed.join(", "), 200) };
            Err(UpdateRefusal::Scheme { image: printable(image, 200), allowed })
        }
    }
}

#[cfg(test)]
mod tests;
