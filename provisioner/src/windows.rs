//! Boot windows and the tokens that hang on them: what a kernel command line, an agent session and a phone-home
//! address carry. Tokens are derived from the site key; the database holds none.

use crate::{
    clock,
    keys::{SiteKey, sha256_hex},
    service::{Service, ServiceError},
    store::{MachineRecord, Window},
};
use jiff::SignedDuration;
use provisioner_api::InstanceId;
use uuid::Uuid;

const CLAIM: &str = "claim";
const SESSION: &str = "session";
const PHONE_HOME: &str = "phone-home";

/// How long a window stays open beyond the time in which the agent is expected: the BMC may be slow.
const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// How long a discovery may take.
const DISCOVERY: SignedDuration = SignedDuration::from_mins(30);

/// How many discoveries may be under way: each MAC address that somebody makes up would cost a row.
const DISCOVERIES: i64 = 4096;

/// Opens the boot window of the running job and epoch, or leaves it open. The intent is durable before power is.
pub(crate) async fn open_for_job(service: &Service, record: &MachineRecord) -> Result<(), ServiceError> {
    let Some(job) = record.machine.running_job() else { return Ok(()) };
    let now = clock::now();
    let known = service.store.window_of_job(job.id, job.epoch).await?;
    let limits = &service.config.limits;
    // A person may take days to switch it on.
    let by_hand = record.spec.bmc.as_ref().is_some_and(|bmc| bmc.protocol.asks_person());
    let person = if by_hand { limits.person } else { SignedDuration::ZERO };
    let limit = limits.agent_call_in + GRACE + person;
    let is_new = known.is_none();
    let window = Window {
        id: known.map_or_else(|| Uuid::new_v4().to_string(), |window| window.id),
        mac: record.spec.macs.first().cloned().unwrap_or_default(),
        machine: Some(record.id()),
        job: Some((job.id, job.epoch)),
        opened: now,
        expires: now.saturating_add(limit).unwrap_or(now),
        nonce: None,
        claimed: None,
    };
    if is_new {
        service.store.window_insert(&window).await?;
    } else {
        service.store.window_extend(&window).await?;
    }
    Ok(())
}

/// The discovery window of a MAC, opened if there is none; `None` when too many are open.
pub(crate) async fn discovery_window(service: &Service, mac: &str) -> Result<Option<Window>, ServiceError> {
    let now = clock::now();
    if let Some(window) = service.store.boot_discovery(mac, now).await? {
        return Ok(Some(window));
    }
    if service.store.window_discoveries(now).await? >= DISCOVERIES {
        tracing::warn!(mac, "too many unknown machines boot at once; this one is sent to its disk");
        return Ok(None);
    }
    let window = Window {
        id: Uuid::new_v4().to_string(),
        mac: mac.to_owned(),
        machine: None,
        job: None,
        opened: now,
        expires: now.saturating_add(DISCOVERY).unwrap_or(now),
        nonce: None,
        claimed: None,
    };
    service.store.window_insert(&window).await?;
    Ok(Some(window))
}

/// What the kernel command line carries: good for claiming this window.
pub(crate) fn claim_token(key: &SiteKey, window: &Window) -> String {
    key.token(CLAIM, &window.id, "")
}

/// The window that a claim token names, if the token is genuine.
pub(crate) async fn window_of_claim(service: &Service, token: &str) -> Result<Option<Window>, ServiceError> {
    if !service.key.verify(CLAIM, token, "") {
        return Ok(None);
    }
    Ok(service.store.window_get(subject(token)).await?)
}

/// What the agent that claimed a window carries from then on; the same nonce always gets the same.
pub(crate) fn session_token(key: &SiteKey, window: &str, nonce: &str) -> String {
    key.token(SESSION, window, &sha256_hex(nonce))
}

/// The claimed window that a session token names, if the token is genuine.
pub(crate) async fn window_of_session(
    service: &Service,
    token: &str,
) -> Result<Option<Window>, ServiceError> {
    let Some(window) = service.store.window_get(subject(token)).await? else { return Ok(None) };
    let genuine =
        window.nonce.as_ref().is_some_and(|nonce| service.key.verify(SESSION, token, &sha256_hex(nonce)));
    Ok(genuine.then_some(window))
}

/// The last part of an instance's phone-home address. All that it is good for is to say that this installation of the
/// instance runs. The first installation is named by the instance alone, as earlier versions named it.
pub(crate) fn phone_home_token(key: &SiteKey, instance: InstanceId, installation: u32) -> String {
    let subject = match installation {
        0 => instance.to_string(),
        number => format!("{instance}_{number}"),
    };
    key.token(PHONE_HOME, &subject, "")
}

/// The instance that a phone-home token names, and which installation of it, if the token is genuine.
pub(crate) fn instance_of_phone_home(key: &SiteKey, token: &str) -> Option<(InstanceId, u32)> {
    if !key.verify(PHONE_HOME, token, "") {
        return None;
    }
    let subject = subject(token);
    let (instance, installation) = subject.split_once('_').unwrap_or((subject, "0"));
    Some((instance.parse().ok()?, installation.parse().ok()?))
}

fn subject(token: &str) -> &str {
    token.split_once('.').map_or(token, |(subject, _)| subject)
}
