//! The Redfish driver: a `Bmc` over HTTPS.
//!
//! Resources are found by link from the service root, never by a built address. What is sent and how answers are
//! judged is decided in `bmc_proto::redfish`; here are the requests and the waiting.

mod session;
mod timing;
mod tls;
mod transport;

use crate::{
    Bmc, BmcError, BmcInfo, BootMode, BootOverride, BootTarget, Button, Endpoint, Persistence, PowerState,
    Protocol,
};
use async_trait::async_trait;
use bmc_proto::redfish::{
    ActionInfo, BootPatch, Collection, ComputerSystem, Manager, Mode, PowerReading, Reading, ResourcePath,
    Target, Wanted, manager_path, normal_uuid, pick_system, printable, read_boot, read_power, reset_type,
};
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;
use session::{Session, path_of};
use timing::Timing;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use transport::{Answer, Request, Transport, address};

const SYSTEM: &str = "read the computer system";
const SET_POWER: &str = "set power";
const SET_BOOT: &str = "set the boot override";

/// The most systems that are looked at to find the machine.
const SYSTEMS_MAX: usize = 8;

/// A BMC that speaks Redfish.
pub(crate) struct Redfish {
    transport: Result<Transport, String>,
    session: Session,
    timing: Timing,
    address: String,
    /// Where the system is, once found.
    system: Mutex<Option<ResourcePath>>,
}

/// A system as it was read, and its version.
struct Loaded {
    system: ComputerSystem,
    etag: Option<HeaderValue>,
    path: ResourcePath,
}

impl Redfish {
    /// Does no I/O yet.
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        Self::with_timing(endpoint, Timing::default())
    }

    fn with_timing(endpoint: &Endpoint, timing: Timing) -> Self {
        let pin = match endpoint.protocol {
            Protocol::Redfish { tls_sha256 } => tls_sha256,
            Protocol::Ipmi { .. } => None,
        };
        Self {
            transport: Transport::new(endpoint, pin, &timing),
            session: Session::new(endpoint.credentials.clone(), timing),
            timing,
            address: address(endpoint),
            system: Mutex::default(),
        }
    }

    fn transport(&self) -> Result<&Transport, BmcError> {
        let unsupported =
            |what: &String| BmcError::Unsupported { address: self.address.clone(), what: what.clone() };
        self.transport.as_ref().map_err(unsupported)
    }

    async fn call(&self, request: &Request) -> Result<Answer, BmcError> {
        self.session.call(self.transport()?, request).await
    }

    /// Sends a request that must succeed.
    async fn obeyed(&self, request: &Request) -> Result<Answer, BmcError> {
        let answer = self.call(request).await?;
        self.transport()?.success(answer, request.during)
    }

    async fn read<T: DeserializeOwned>(
        &self,
        path: &ResourcePath,
        during: &'static str,
    ) -> Result<T, BmcError> {
        let answer = self.obeyed(&Request::get(path, during)).await?;
        self.transport()?.parse(&answer, during)
    }

    /// Reads the system, finding it first if need be.
    async fn system(&self) -> Result<Loaded, BmcError> {
        let known = self.system.lock().await.clone();
        if let Some(path) = known {
            let answer = self.call(&Request::get(&path, SYSTEM)).await?;
            if answer.status != StatusCode::NOT_FOUND {
                return self.loaded(answer, path);
            }
            // BMCs number their systems anew after an update.
            *self.system.lock().await = None;
        }
        let path = self.find_system().await?;
        let answer = self.call(&Request::get(&path, SYSTEM)).await?;
        let loaded = self.loaded(answer, path)?;
        *self.system.lock().await = Some(loaded.path.clone());
        Ok(loaded)
    }

    fn loaded(&self, answer: Answer, path: ResourcePath) -> Result<Loaded, BmcError> {
        let transport = self.transport()?;
        let answer = transport.success(answer, SYSTEM)?;
        let system: ComputerSystem = transport.parse(&answer, SYSTEM)?;
        let in_body = || HeaderValue::from_str(system.odata_etag.as_deref()?).ok();
        let etag = answer.etag().or_else(in_body);
        Ok(Loaded { system, etag, path })
    }

    async fn find_system(&self) -> Result<ResourcePath, BmcError> {
        let transport = self.transport()?;
        let root = self.session.root(transport).await?;
        let collection = root.systems.as_ref().and_then(path_of);
        let Some(collection) = collection else {
            return Err(transport.unsupported("its service root links to no computer systems".into()));
        };
        let list: Collection = self.read(&collection, "list the computer systems").await?;
        let paths: Vec<ResourcePath> = list.members.iter().filter_map(path_of).take(SYSTEMS_MAX).collect();
        if let [only] = paths.as_slice() {
            return Ok(only.clone());
        }
        let mut systems = Vec::new();
        for path in &paths {
            systems.push(self.read::<ComputerSystem>(path, SYSTEM).await?);
        }
        let index = pick_system(&systems).map_err(|error| transport.unsupported(error.to_string()))?;
        Ok(paths[index].clone())
    }

    fn power_of(&self, system: &ComputerSystem) -> Result<PowerReading, BmcError> {
        if let Some(power) = read_power(system) {
            return Ok(power);
        }
        let shown = printable(system.power_state.as_deref().unwrap_or("absent"), 40);
        Err(self.transport()?.broken("read power", format!("PowerState is {shown}")))
    }

    /// The `ResetType`s that the system takes; empty when it doesn't tell.
    async fn allowable_resets(&self, system: &ComputerSystem) -> Result<Vec<String>, BmcError> {
        let Some(reset) = system.reset() else { return Ok(Vec::new()) };
        let info = reset.action_info.as_deref().and_then(ResourcePath::from_link);
        match info {
            Some(path) if reset.allowable.is_empty() => {
                let info: ActionInfo = self.read(&path, "read what resets there are").await?;
                Ok(info.allowable("ResetType").to_vec())
            }
            _ => Ok(reset.allowable.clone()),
        }
    }

    async fn reset_request(&self, system: &ComputerSystem, on: bool) -> Result<Request, BmcError> {
        let transport = self.transport()?;
        let target = system.reset().and_then(|reset| ResourcePath::from_link(reset.target.as_deref()?));
        let Some(target) = target else {
            return Err(transport.unsupported("its system has no Reset action".into()));
        };
        let allowable = self.allowable_resets(system).await?;
        let Some(word) = reset_type(on, &allowable) else {
            let offered = printable(&allowable.join(", "), 200);
            let wanted = if on { "on" } else { "off" };
            return Err(transport
                .unsupported(format!("no reset type switches it {wanted} for certain, only {offered}")));
        };
        Ok(Request::post(&target, json!({ "ResetType": word }), SET_POWER))
    }

    /// Reads power until it is settled there. A refusal counts only if it isn't so, or on its way.
    async fn await_power(&self, on: bool, refusal: Option<BmcError>) -> Result<(), BmcError> {
        let deadline = Instant::now() + self.timing.power;
        let mut refusal = refusal;
        loop {
            let reading = match self.system().await {
                Ok(loaded) => self.power_of(&loaded.system),
                Err(error) => Err(error),
            };
            let late = Instant::now() >= deadline;
            match reading {
                Ok(power) if power.is_settled(on) => return Ok(()),
                Ok(power) if !power.is_moving(on) && refusal.is_some() => {
                    tracing::debug!(?power, "redfish power change was refused");
                    return Err(refusal.take().unwrap_or_else(|| self.not_switched(power)));
                }
                Ok(power) if late => return Err(self.not_switched(power)),
                Ok(_) => {}
                Err(error) if late || !is_passing(&error) => return Err(error),
                Err(_) => {}
            }
            sleep(self.timing.poll).await;
        }
    }

    fn not_switched(&self, power: PowerReading) -> BmcError {
        let found = format!("PowerState {power:?}");
        BmcError::NotDone { address: self.address.clone(), during: SET_POWER, found }
    }

    /// Sends the change of the boot override; once more when the resource changed meanwhile.
    async fn patch_boot(&self, wanted: Wanted) -> Result<BootPatch, BmcError> {
        let transport = self.transport()?;
        let mut bare = false;
        loop {
            let Loaded { system, etag, path } = self.system().await?;
            let patch = BootPatch::plan(system.boot.as_ref(), wanted)
                .map_err(|error| transport.unsupported(error.to_string()))?;
            let body = serde_json::to_value(&patch)
                .map_err(|error| transport.broken(SET_BOOT, format!("the change is no JSON: {error}")))?;
            // A weak tag never matches (RFC 9110 section 13.1.1), so it isn't tried a second time.
            let weak = etag.as_ref().is_some_and(|tag| tag.as_bytes().starts_with(b"W/"));
            let if_match = etag.filter(|_| !(bare && weak));
            let request =
                Request { method: Method::PATCH, path, body: Some(body), if_match, during: SET_BOOT };
            let answer = self.call(&request).await?;
            if answer.status == StatusCode::PRECONDITION_FAILED && !bare {
                bare = true;
                continue;
            }
            transport.success(answer, SET_BOOT)?;
            return Ok(patch);
        }
    }

    /// The version of the manager's firmware, if it can be read at all.
    async fn firmware(&self, system: &ComputerSystem) -> Result<Option<String>, BmcError> {
        let path = match manager_path(system) {
            Some(path) => path,
            None => {
                let root = self.session.root(self.transport()?).await?;
                let Some(list) = root.managers.as_ref().and_then(path_of) else { return Ok(None) };
                let list: Collection = self.read(&list, "list the managers").await?;
                let Some(first) = list.members.iter().find_map(path_of) else { return Ok(None) };
                first
            }
        };
        match self.read::<Manager>(&path, "read the manager").await {
            Ok(manager) => Ok(clean(manager.firmware_version)),
            // It proves nothing about address or credentials, so it isn't worth failing for.
            Err(BmcError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Bmc for Redfish {
    async fn power(&self) -> Result<PowerState, BmcError> {
        let power = self.power_of(&self.system().await?.system)?;
        Ok(if power.is_on() { PowerState::On } else { PowerState::Off })
    }

    async fn set_power(&self, target: PowerState) -> Result<(), BmcError> {
        let on = target == PowerState::On;
        let system = self.system().await?.system;
        if self.power_of(&system)?.is_settled(on) {
            return Ok(());
        }
        let request = self.reset_request(&system, on).await?;
        let refusal = match self.obeyed(&request).await {
            Ok(_) => None,
            Err(error @ BmcError::Refused { .. }) => Some(error),
            Err(error) => return Err(error),
        };
        self.await_power(on, refusal).await
    }

    async fn set_boot(&self, boot: BootOverride) -> Result<(), BmcError> {
        let patch = self.patch_boot(wanted(boot)).await?;
        let deadline = Instant::now() + self.timing.boot;
        loop {
            let shown = self.system().await?.system.boot;
            if patch.is_done(shown.as_ref()) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let found = shown.map_or_else(|| "no Boot property".into(), |shown| shown.describe());
                return Err(self.transport()?.not_done(SET_BOOT, found));
            }
            sleep(self.timing.poll).await;
        }
    }

    async fn boot(&self) -> Result<Option<BootOverride>, BmcError> {
        let shown = self.system().await?.system.boot;
        Ok(match shown.as_ref().map(read_boot) {
            Some(Reading::Known(known)) => Some(shown_override(known)),
            Some(Reading::Unknown) | None => None,
        })
    }

    async fn info(&self) -> Result<BmcInfo, BmcError> {
        let system = self.system().await?.system;
        let firmware = self.firmware(&system).await?;
        Ok(BmcInfo {
            manufacturer: clean(system.manufacturer),
            product: clean(system.model),
            firmware,
            system_uuid: system.uuid.as_deref().and_then(normal_uuid),
            tls_sha256: self.transport()?.pinned(),
        })
    }

    async fn close(&self) {
        if let Ok(transport) = &self.transport {
            self.session.close(transport).await;
        }
    }

    async fn press(&self, _: Button) -> Result<(), BmcError> {
        let what = "its buttons are not pressed over Redfish yet; switch it off and on instead".into();
        Err(BmcError::Unsupported { address: self.address.clone(), what })
    }
}

/// Whether it may pass while power changes: a BMC that shares its port with the host loses the link for some seconds,
/// and others answer nonsense meanwhile.
fn is_passing(error: &BmcError) -> bool {
    matches!(error, BmcError::Unreachable { .. } | BmcError::Protocol { .. } | BmcError::Refused { .. })
}

/// A word of the BMC, fit to be stored and shown; none for an empty one.
fn clean(text: Option<String>) -> Option<String> {
    text.map(|text| printable(&text, 128)).filter(|text| !text.is_empty())
}

fn wanted(boot: BootOverride) -> Wanted {
    let target = match boot.target {
        BootTarget::Default => Target::Default,
        BootTarget::Network => Target::Network,
        BootTarget::Disk => Target::Disk,
        BootTarget::Cd => Target::Cd,
        BootTarget::Setup => Target::Setup,
    };
    let mode = boot.mode.map(|mode| match mode {
        BootMode::Bios => Mode::Legacy,
        BootMode::Uefi => Mode::Uefi,
    });
    Wanted { target, persistent: boot.persistence == Persistence::Persistent, mode }
}

fn shown_override(known: Wanted) -> BootOverride {
    let target = match known.target {
        Target::Default => BootTarget::Default,
        Target::Network => BootTarget::Network,
        Target::Disk => BootTarget::Disk,
        Target::Cd => BootTarget::Cd,
        Target::Setup => BootTarget::Setup,
    };
    let mode = known.mode.map(|mode| match mode {
        Mode::Legacy => BootMode::Bios,
        Mode::Uefi => BootMode::Uefi,
    });
    let persistence = if known.persistent { Persistence::Persistent } else { Persistence::Once };
    BootOverride { target, persistence, mode }
}

#[cfg(test)]
mod tests;
