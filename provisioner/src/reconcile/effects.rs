//! The deeds: one function for each effect. Each may be repeated, and reads back what it set.

mod shut_down;

use crate::{
    bmcs, clock,
    leader::Led,
    service::{Change, Service, ServiceError},
    store::{MachineRecord, NewEvent},
    telemetry::Deed,
    windows,
};
use bmc::{Bmc, BmcError, BootMode, BootOverride, BootTarget, Persistence, PowerState};
use jiff::SignedDuration;
use provisioner_api::{BmcProtocol, BmcSpec, BootMode as ApiBootMode};
use provisioner_lifecycle::{Effect, Fact, Failure};
use std::sync::Arc;

/// What came of an effect in the world.
pub(super) enum Done {
    /// It is so; the words say what.
    So(String),
    /// It failed.
    Failed(Failure),
    /// It is a person's to do.
    Asked,
    /// It was not begun: another process leads, or will soon; or everything is frozen, and it was not ended.
    PutOff,
}

/// What a deed showed of the machine, to be taken down with what comes of it.
#[derive(Debug)]
pub(super) struct Shown {
    /// What is so.
    pub(super) fact: Fact,
    /// What is told of it.
    pub(super) events: Vec<NewEvent>,
}

/// Performs an effect. The error is our own (database).
pub(super) async fn perform(
    service: &Led,
    record: &MachineRecord,
    effect: Effect,
) -> Result<(Done, Option<Shown>), ServiceError> {
    let refused = |why: String| Ok((Done::Failed(Failure { why, permanent: true, rest: None }), None));
    let mut bmc = match service.bmcs.driver(record).await {
        Ok(Some(bmc)) => bmc,
        Ok(None) => {
            let why = format!(
                "the machine has no BMC, or its password is missing: `billet machine set {} --bmc …`",
                record.name
            );
            return refused(why.to_owned());
        }
        Err(ServiceError::Key(error)) => return refused(error.to_string()),
        Err(error) => return Err(error),
    };
    match effect {
        Effect::BootNetwork => windows::open_for_job(service, record).await?,
        Effect::Power { on: true, wish: None } => windows::lasts_for_job(service, record).await?,
        Effect::Power { .. } | Effect::ShutDown | Effect::BootDisk => {}
    }
    // To log in may have taken its time.
    if !may_still(service).await? {
        return Ok((Done::PutOff, None));
    }
    let Some(mut done) = deed_unless_frozen(service, &*bmc, record, effect).await else {
        return Ok((Done::PutOff, None));
    };
    if let Err(error) = &done
        && cant_wait(service, record, error)
        && may_still(service).await?
    {
        service.bmcs.ask_again(record.id()).await;
        if let Some(anew) = service.bmcs.driver(record).await? {
            bmc = anew;
            let Some(again) = deed_unless_frozen(service, &*bmc, record, effect).await else {
                return Ok((Done::PutOff, None));
            };
            done = again;
        }
    }
    let done = by_hand(effect, shut_down::or_not(effect, done));
    let shown = note(service, record, &bmc, effect, &done).await?;
    let done = match done {
        Ok(told) => Done::So(told),
        Err(BmcError::AsksPerson { .. }) => Done::Asked,
        Err(error) => Done::Failed(failure(error)),
    };
    Ok((done, shown))
}

/// Where the boot device can't be set, firmware that tries the network first does as well: in a boot window it meets
/// our loader, outside of one the boot server sends it on to its disk. Who switches it on is told so.
fn by_hand(effect: Effect, done: Result<String, BmcError>) -> Result<String, BmcError> {
    match (effect, done) {
        (Effect::BootNetwork, Err(BmcError::AsksPerson { .. })) => Ok(
            "that it boots from the network is for its firmware's boot order, or for whoever switches it on"
                .into(),
        ),
        (Effect::BootDisk, Err(BmcError::AsksPerson { .. } | BmcError::OnlyWhileOff { .. })) => {
            Ok("it is left as it is: outside of its boot windows the boot server sends it to its disk".into())
        }
        (_, done) => done,
    }
}

/// Whether a deed may be begun: the lease lasts, and nothing is frozen.
async fn may_still(service: &Led) -> Result<bool, ServiceError> {
    Ok(service.may_begin().is_ok() && service.frozen().await?.is_none())
}

/// A deed to its end; none: everything was frozen meanwhile. It is several exchanges with the BMC, so it is cut off where it
/// waits for one, and asks nothing more; what it had begun is done again afterwards, since it names an end. The end of the
/// lease cuts off all that the leader has under way.
async fn deed_unless_frozen(
    service: &Service,
    bmc: &dyn Bmc,
    record: &MachineRecord,
    effect: Effect,
) -> Option<Result<String, BmcError>> {
    let told = Deed::begin(&service.telemetry, record, effect);
    let done = tokio::select! {
        // In this order: what is frozen sends nothing more.
        biased;
        () = service.works.until_frozen() => None,
        done = deed(bmc, record, effect) => Some(done),
    };
    told.end(!matches!(done, Some(Ok(_))));
    done
}

async fn deed(bmc: &dyn Bmc, record: &MachineRecord, effect: Effect) -> Result<String, BmcError> {
    match effect {
        Effect::Power { on, .. } => set_power(bmc, on).await,
        Effect::BootNetwork if record.machine.runs_from_ram() => boot_from_network(bmc, record).await,
        Effect::ShutDown => shut_down::shut_down(bmc, record).await,
        Effect::BootNetwork => set_boot(bmc, record, BootTarget::Network, Persistence::Once).await,
        Effect::BootDisk => boot_from_disk(bmc, record).await,
    }
}

/// What runs from RAM boots from the network each time; where the BMC keeps that for one boot only, it is for the firmware's
/// own order whether a later one does.
async fn boot_from_network(bmc: &dyn Bmc, record: &MachineRecord) -> Result<String, BmcError> {
    match set_boot(bmc, record, BootTarget::Network, Persistence::Persistent).await {
        Ok(_) => Ok("boots are from the network".into()),
        Err(BmcError::Unsupported { .. }) => {
            let once = set_boot(bmc, record, BootTarget::Network, Persistence::Once).await?;
            Ok(format!("{once}; the BMC can't keep that: later boots are in its firmware's own order"))
        }
        Err(error) => Err(error),
    }
}

/// For ever, or for one boot where the BMC keeps it no longer (Lenovo's XCC): a later boot that begins at the network is
/// sent to the disk by the boot server.
async fn boot_from_disk(bmc: &dyn Bmc, record: &MachineRecord) -> Result<String, BmcError> {
    match set_boot(bmc, record, BootTarget::Disk, Persistence::Persistent).await {
        Err(BmcError::Unsupported { .. }) => set_boot(bmc, record, BootTarget::Disk, Persistence::Once).await,
        done => done,
    }
}

/// Whether the BMC is let alone for longer than the step in hand may take: then it is asked all the same, rather than
/// given up without a try. Never where it refused our login.
fn cant_wait(service: &Service, record: &MachineRecord, error: &BmcError) -> bool {
    let BmcError::Resting { rest, credentials: false, .. } = error else { return false };
    let step = record.machine.running_job().and_then(|job| job.current());
    let Some(started) = step.and_then(|step| step.started) else { return false };
    let rested = SignedDuration::try_from(*rest).ok().and_then(|rest| clock::now().checked_add(rest).ok());
    let until = started.checked_add(service.config.limits.bmc).ok();
    rested.zip(until).is_none_or(|(rested, until)| rested >= until)
}

/// What the lifecycle is told of a deed that failed.
fn failure(error: BmcError) -> Failure {
    let permanent = permanent(&error);
    match error {
        BmcError::Resting { rest, last, .. } => {
            Failure { why: last, permanent, rest: SignedDuration::try_from(rest).ok() }
        }
        error => Failure { why: error.to_string(), permanent, rest: None },
    }
}

/// What the deed showed of power and BMC. Trouble is taken down here.
async fn note(
    service: &Service,
    record: &MachineRecord,
    bmc: &Arc<dyn Bmc>,
    effect: Effect,
    done: &Result<String, BmcError>,
) -> Result<Option<Shown>, ServiceError> {
    let protocol = record.spec.bmc.as_ref().map(|spec| spec.protocol);
    match (done, effect) {
        // The packet was sent; whether anything woke, nobody saw.
        (Ok(_), Effect::Power { on: true, .. }) if protocol == Some(BmcProtocol::WakeOnLan) => Ok(None),
        (Err(BmcError::AsksPerson { .. }), _) => Ok(None),
        // The BMC obeyed; the system takes its time.
        (Err(BmcError::NotDone { .. }), Effect::ShutDown) => Ok(None),
        (Ok(result), Effect::Power { on, wish }) => {
            pin(service, record, bmc).await?;
            let told = wish.map(|_| NewEvent::machine(record.id(), "bmc", format!("as asked for: {result}")));
            Ok(Some(Shown { fact: Fact::Power { on }, events: told.into_iter().collect() }))
        }
        (Ok(_), _) => Ok(None),
        (Err(error), _) => note_trouble(service, record, error).await.map(|()| None),
    }
}

async fn set_power(bmc: &dyn Bmc, on: bool) -> Result<String, BmcError> {
    bmc.set_power(if on { PowerState::On } else { PowerState::Off }).await?;
    Ok(format!("power is {}", if on { "on" } else { "off" }))
}

async fn set_boot(
    bmc: &dyn Bmc,
    record: &MachineRecord,
    target: BootTarget,
    persistence: Persistence,
) -> Result<String, BmcError> {
    let inventory = record.machine.facts.inventory.as_ref();
    let mode = record.spec.boot_mode.or_else(|| inventory.and_then(|inventory| inventory.boot_mode));
    let mode = mode.map(|mode| match mode {
        ApiBootMode::Bios => BootMode::Bios,
        ApiBootMode::Uefi => BootMode::Uefi,
    });
    bmc.set_boot(BootOverride { target: target.clone(), persistence, mode }).await?;
    Ok(match target {
        BootTarget::Network => "the next boot is from the network".into(),
        BootTarget::Disk => "boots are from the disk".into(),
        BootTarget::Default => "boots are in the firmware's order".into(),
        _ => "boots are from where an operator said".into(),
    })
}

/// Asks the BMC for the power state.
pub(super) async fn look_at_power(service: &Service, record: &MachineRecord) -> Result<(), ServiceError> {
    // While the password is being changed one of the two is wrong: nobody guesses for a look.
    if service.bmcs.is_changing(record.id()) {
        return Ok(());
    }
    let bmc = match service.bmcs.driver(record).await {
        Ok(Some(bmc)) => bmc,
        Ok(None) => return Ok(()),
        Err(ServiceError::Key(error)) => return in_trouble(service, record, error.to_string(), true).await,
        Err(error) => return Err(error),
    };
    match bmc.power().await {
        Ok(state) => {
            is_seen(service, record, state == PowerState::On).await?;
            pin(service, record, &bmc).await
        }
        Err(error) => note_trouble(service, record, &error).await,
    }
}

/// Takes down that the power is so, if that is news: ten thousand BMCs of machines that rest tell each minute that it is
/// not.
async fn is_seen(service: &Service, record: &MachineRecord, on: bool) -> Result<(), ServiceError> {
    let facts = &record.machine.facts;
    let was = facts.power.map(|(on, _)| on);
    // While a job runs it is written down each time that it was seen.
    let works = record.machine.running_job().is_some() && record.machine.state.hold.is_none();
    if was == Some(on) && facts.bmc_trouble.is_none() && !works {
        return Ok(());
    }
    let mut events = Vec::new();
    if let Some(trouble) = &facts.bmc_trouble {
        let message = format!("the BMC answers again (was: {})", trouble.why);
        events.push(NewEvent::machine(record.id(), "bmc", message));
    }
    if was.is_some_and(|was| was != on) {
        let message = format!("power is {} now", if on { "on" } else { "off" });
        events.push(NewEvent::machine(record.id(), "bmc", message));
    }
    service.observe_loaded(record, &[Fact::Power { on }], &events).await?;
    Ok(())
}

/// Takes down that a BMC does not answer, or refuses us.
pub(crate) async fn note_trouble(
    service: &Service,
    record: &MachineRecord,
    error: &BmcError,
) -> Result<(), ServiceError> {
    // While it rests the trouble is what it was: the time that is left is no news.
    let why = match error {
        BmcError::Resting { last, .. } => last.clone(),
        error => error.to_string(),
    };
    in_trouble(service, record, why, bmcs::is_refused_login(error)).await
}

async fn in_trouble(
    service: &Service,
    record: &MachineRecord,
    why: String,
    authentication: bool,
) -> Result<(), ServiceError> {
    tracing::warn!(machine = record.name, error = why, "BMC");
    let told = record.machine.facts.bmc_trouble.as_ref().is_some_and(|trouble| trouble.why == why);
    let events = if told { Vec::new() } else { vec![NewEvent::machine(record.id(), "bmc", why.clone())] };
    service.observe_loaded(record, &[Fact::BmcTrouble { why, authentication }], &events).await?;
    Ok(())
}

/// Whether it isn't known yet which certificate its BMC has to show.
pub(super) fn is_unpinned(record: &MachineRecord) -> bool {
    let shows_one = |spec: &&BmcSpec| matches!(spec.protocol, BmcProtocol::Redfish | BmcProtocol::Webhook);
    let spec = record.spec.bmc.as_ref().filter(shows_one);
    spec.is_some_and(|spec| spec.tls_sha256.is_none() && spec.tls_ca.is_none())
}

/// Trust on first use: the certificate that a Redfish BMC showed first is the one that it must show from now on.
async fn pin(service: &Service, record: &MachineRecord, bmc: &Arc<dyn Bmc>) -> Result<(), ServiceError> {
    if !is_unpinned(record) {
        return Ok(());
    }
    let Ok(Some(seen)) = bmc.info().await.map(|info| info.tls_sha256) else { return Ok(()) };
    let seen = hex::encode(seen);
    let pinned = service
        .machine_change_loaded(record, |record, _| {
            if !is_unpinned(record) {
                return Ok::<_, ServiceError>(None);
            }
            let mut record = record.clone();
            if let Some(spec) = &mut record.spec.bmc {
                spec.tls_sha256 = Some(seen.clone());
            }
            let message = format!("the BMC's certificate is pinned from now on: SHA-256 {seen}");
            let events = vec![NewEvent::machine(record.id(), "bmc", message)];
            Ok(Some(Change::new(record, events)))
        })
        .await?;
    if pinned.is_some_and(|record| record.spec.bmc.and_then(|bmc| bmc.tls_sha256) == Some(seen.clone())) {
        service.bmcs.pinned(record.id(), bmc, seen);
    }
    Ok(())
}

/// Trying again can't help: a person has to change something. A closed port is not among it: a BMC that starts anew
/// refuses, too; nor are sessions that are all taken, or an answer that was lost: a deed names an end.
fn permanent(error: &BmcError) -> bool {
    bmcs::is_refused_login(error)
        || matches!(
            error,
            BmcError::WrongCertificate { .. } | BmcError::Untrusted { .. } | BmcError::Unsupported { .. }
        )
}

#[cfg(test)]
mod tests;
