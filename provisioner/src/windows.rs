//! Boot windows and the tokens that hang on them: what a kernel command line, an agent session and a phone-home
//! address carry. Tokens are derived from the site key; the database holds none.

use crate::{
    clock,
    keys::{SiteKey, sha256_hex},
    service::{Service, ServiceError},
    store::{MachineRecord, Window},
};
use jiff::SignedDuration;
use provisioner_api::{InstanceId, MachineId};
use provisioner_lifecycle::StepName;
use uuid::Uuid;

const CLAIM: &str = "claim";
const SESSION: &str = "session";
const PHONE_HOME: &str = "phone-home";
const EPOCH: &str = "epoch";

/// Between the two halves of a session token: what it opens, and the epoch that its agent heard of.
const HALVES: char = '~';

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

/// Opens the boot window anew if it does not last for what follows when the machine is switched on now: a freeze, or an
/// outage, may have come between.
pub(crate) async fn lasts_for_job(service: &Service, record: &MachineRecord) -> Result<(), ServiceError> {
    let Some(job) = record.machine.running_job().filter(|job| job.begun(StepName::BootNetwork)) else {
        return Ok(());
    };
    let known = service.store.window_of_job(job.id, job.epoch).await?;
    let until = clock::now().saturating_add(service.config.limits.agent_call_in);
    match known {
        Some(window) if window.nonce.is_some() || until.is_ok_and(|until| window.expires >= until) => Ok(()),
        _ => open_for_job(service, record).await,
    }
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

/// What the agent that claimed a window as that machine carries from then on; the same nonce always gets the same. It also
/// says under which epoch the agent works, so that a database that never gave it is found to be older than the world.
pub(crate) fn session_token(key: &SiteKey, window: &Window, machine: MachineId, nonce: &str) -> String {
    let session = key.token(SESSION, &window.id, &sha256_hex(nonce));
    match window.job {
        Some((_, epoch)) => {
            format!("{session}{HALVES}{}", key.token(EPOCH, &format!("{machine}/{epoch}"), ""))
        }
        None => session,
    }
}

/// The machine and the epoch that a session token tells of, if it is genuine, whether or not its window is known.
pub(crate) fn epoch_of_session(key: &SiteKey, token: &str) -> Option<(MachineId, u64)> {
    let (_, told) = token.split_once(HALVES).filter(|(_, told)| key.verify(EPOCH, told, ""))?;
    let (machine, epoch) = subject(told).split_once('/')?;
    Some((machine.parse().ok()?, epoch.parse().ok()?))
}

/// The claimed window that a session token names, if the token is genuine.
pub(crate) async fn window_of_session(
    service: &Service,
    token: &str,
) -> Result<Option<Window>, ServiceError> {
    // Those of earlier versions are one half.
    let token = token.split_once(HALVES).map_or(token, |(session, _)| session);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app, samples};
    use provisioner_api::{JobKind, StepPhase};

    #[tokio::test]
    async fn a_window_that_a_freeze_outlasted_is_open_again_before_the_machine_is_switched_on() {
        let folder = tempfile::tempdir().unwrap();
        let service = app::tests::service(folder.path()).await;
        let mut record = samples::machine(1);
        let (boot, power) = (StepName::BootNetwork, StepName::PowerOn);
        let steps = vec![samples::step(boot, 1, StepPhase::Done), samples::step(power, 1, StepPhase::Intent)];
        record.machine.job = Some(samples::job(1, JobKind::Inspect, steps));
        service.store.machine_insert(&samples::machine(1), &[], &[], clock::now()).await.unwrap();
        open_for_job(&service, &record).await.unwrap();
        let job = record.machine.running_job().unwrap();
        let window = async || service.store.window_of_job(job.id, job.epoch).await.unwrap().unwrap();
        let opened = window().await;
        lasts_for_job(&service, &record).await.unwrap();
        assert_eq!(window().await, opened, "it lasts");
        service.store.window_extend(&Window { expires: clock::now(), ..opened.clone() }).await.unwrap();
        lasts_for_job(&service, &record).await.unwrap();
        let again = window().await;
        assert!(again.id == opened.id && again.expires >= opened.expires, "{again:?}");
        let waiting = Window { expires: clock::now(), ..again.clone() };
        service.store.window_extend(&waiting).await.unwrap();
        // What waits for its boot device has no window yet.
        let mut early = record.clone();
        early.machine.job.as_mut().unwrap().steps[0].phase = StepPhase::Todo;
        lasts_for_job(&service, &early).await.unwrap();
        assert_eq!(window().await.expires, waiting.expires);
    }
}
