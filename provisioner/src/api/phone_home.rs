//! `/boot/phone-home/{token}`: the operating system reports in, over plain HTTP because it knows no CA of ours.
//!
//! The token is good for nothing but saying that this instance runs.

use super::{error::ApiError, rate};
use crate::{
    clock,
    hub::Poke,
    rate::Asks,
    service::{Change, Service, ServiceError, TRIES},
    store::{InstanceRecord, MachineRecord, NewEvent, Swap},
    windows,
};
use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Path, State},
    routing::post,
};
use jiff::Timestamp;
use provisioner_api::InstanceId;
use provisioner_lifecycle::Fact;
use std::{collections::BTreeMap, sync::Arc};

/// What cloud-init's `phone_home` posts is small: host keys and names.
const BODY: usize = 64 * 1024;

/// The route, to be merged into the boot server's.
pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/boot/phone-home/{token}", post(report_in))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(service)
}

async fn report_in(
    State(service): State<Arc<Service>>,
    Path(token): Path<String>,
    Form(form): Form<BTreeMap<String, String>>,
) -> Result<&'static str, ApiError> {
    let unknown = || ApiError::not_found("instance", "by this token");
    let (id, installation) = windows::instance_of_phone_home(&service.key, &token).ok_or_else(unknown)?;
    rate::count(&service, Asks::System(id)).map_err(|refused| refused.error)?;
    let host_keys: Vec<_> = form
        .iter()
        .filter(|(name, key)| name.starts_with("pub_key_") && key.len() < 2048 && !key.contains('\0'))
        .map(|(_, key)| key.trim().to_owned())
        .filter(|key| !key.is_empty() && key != "N/A")
        .collect();
    let hostname = form.get("hostname").map_or("a host without name", String::as_str);
    let message = format!("the operating system reports in as {}", printable(hostname));
    let record = take_down(&service, (id, installation), &host_keys, &message).await?.ok_or_else(unknown)?;
    tracing::info!(instance = record.name, installation, at = %clock::now(), "phoned home");
    Ok("ok\n")
}

/// Takes it down of the instance and of its machine, in one. What is written over, or was, may say what it likes: nothing
/// of that is taken down.
async fn take_down(
    service: &Service,
    (id, installation): (InstanceId, u32),
    host_keys: &[String],
    message: &str,
) -> Result<Option<InstanceRecord>, ServiceError> {
    for _ in 0..TRIES {
        let Some(record) = service.store.instance_get(id).await? else { return Ok(None) };
        let now = clock::now();
        let mut next = record.clone();
        next.standing.phoned_home = Some(now);
        next.standing.host_keys = host_keys.to_vec();
        let told = [NewEvent::instance(id, "os", message)];
        let machine = match record.machine {
            Some(machine) => service.store.machine_get(machine).await?,
            None => None,
        };
        let is_there = |machine: &MachineRecord| machine.machine.state.installed == installation;
        if !machine.as_ref().is_none_or(is_there) {
            tracing::info!(instance = record.name, installation, "a system that is written over phones home");
            return Ok(Some(record));
        }
        let swap = match &machine {
            Some(machine) => and_machine(service, (&next, installation), machine, message, now).await?,
            None => service.store.instance_update(&next, &told, now).await?,
        };
        if swap == Swap::Updated {
            service.hub.poke(Poke::Instance(id));
            return Ok(Some(next));
        }
    }
    Err(ServiceError::Contended { what: format!("instance {id}") })
}

async fn and_machine(
    service: &Service,
    (instance, installation): (&InstanceRecord, u32),
    machine: &MachineRecord,
    message: &str,
    now: Timestamp,
) -> Result<Swap, ServiceError> {
    // One, of both: the story of a machine with its instance tells it once.
    let events = [NewEvent { machine: Some(machine.id()), ..NewEvent::instance(instance.id, "os", message) }];
    let fact = Fact::PhonedHome { instance: instance.id, installation };
    let change = service.observed(machine, &[fact], &events, now);
    // There always is: the events are to be written.
    let change = change.unwrap_or_else(|| Change::new(machine.clone(), events.to_vec()));
    let pair = (machine, &change.record);
    let swap = service.store.instance_and_machine_update(instance, pair, &change.events, now).await?;
    if swap == Swap::Updated {
        service.written(machine, change);
    }
    Ok(swap)
}

/// What strangers send is shown without control characters, and shortened.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app, samples, store::EventsOf};
    use provisioner_api::{InstanceState, JobKind, MachineState, StepPhase};
    use provisioner_lifecycle::{Owner, Step, StepName};

    /// An instance, and its machine that waits for it to report in.
    async fn waiting(service: &Service) -> (InstanceRecord, MachineRecord) {
        let (store, now) = (&service.store, clock::now());
        store.image_insert(&samples::image()).await.unwrap();
        let (plain, known) = (samples::instance(1), samples::machine(1));
        store.instance_insert(&plain, None, &[], now).await.unwrap();
        store.machine_insert(&known, &[], &[], now).await.unwrap();
        let step = |name, phase| Step { started: Some(samples::NOW), ..samples::step(name, 1, phase) };
        let mut machine = known.clone();
        machine.machine.want.owner = Some(Owner {
            instance: plain.id,
            manifest: String::new(),
            disk_bytes: 1,
            ram: None,
            installation: 0,
            adopted: false,
            rescue: None,
            root_disk_serial: None,
            root_disk: None,
            name: Default::default(),
            release: None,
            least: None,
        });
        machine.machine.state.name = MachineState::Deploying;
        let steps =
            vec![step(StepName::Reboot, StepPhase::Done), step(StepName::PhoneHome, StepPhase::Intent)];
        let job = samples::job(7, JobKind::Deploy, steps);
        machine.machine.job = Some(provisioner_lifecycle::Job { started: now, ..job });
        let instance = InstanceRecord { machine: Some(known.id()), state: InstanceState::Deploying, ..plain };
        let swap = store.instance_and_machine_update(&instance, (&known, &machine), &[], now).await;
        assert_eq!(swap.unwrap(), Swap::Updated);
        let stored = (store.instance_get(instance.id).await, store.machine_get(known.id()).await);
        (stored.0.unwrap().unwrap(), stored.1.unwrap().unwrap())
    }

    #[tokio::test]
    async fn a_report_is_one_write_of_the_instance_and_of_its_machine() {
        let folder = tempfile::tempdir().unwrap();
        let service = app::tests::service(folder.path()).await;
        let (before, machine) = waiting(&service).await;
        let told = take_down(&service, (before.id, 0), &["key".into()], "it runs").await.unwrap();
        assert!(told.unwrap().standing.phoned_home.is_some());
        let after = service.store.instance_get(before.id).await.unwrap().unwrap();
        assert_eq!((after.version, after.standing.host_keys), (before.version + 1, vec!["key".to_owned()]));
        let done = service.store.machine_get(machine.id()).await.unwrap().unwrap();
        assert_eq!((done.version, done.machine.state.name), (machine.version + 1, MachineState::Deployed));
        assert!(done.machine.running_job().is_none());
        let events = service.store.event_newest(EventsOf::Machine(done.id()), 9).await.unwrap();
        assert_eq!(
            events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(),
            ["os", "step", "state"]
        );
        let own = service.store.event_newest(EventsOf::Instance(before.id), 9).await.unwrap();
        let ids: Vec<_> = own.iter().map(|event| event.id).collect();
        assert_eq!(ids, [events[0].id], "it is one event, so that no story tells it twice");
        let nobody = InstanceId(uuid::Uuid::nil());
        assert!(take_down(&service, (nobody, 0), &[], "it runs").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_instance_without_a_machine_is_told_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let service = app::tests::service(folder.path()).await;
        service.store.image_insert(&samples::image()).await.unwrap();
        let plain = samples::instance(1);
        service.store.instance_insert(&plain, None, &[], samples::NOW).await.unwrap();
        take_down(&service, (plain.id, 0), &[], "it runs").await.unwrap();
        let after = service.store.instance_get(plain.id).await.unwrap().unwrap();
        assert!(after.standing.phoned_home.is_some());
    }
}
