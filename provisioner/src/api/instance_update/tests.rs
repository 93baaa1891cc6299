//! What stands in the way of a request, asked of the handlers themselves: nothing runs beside them.

use super::*;
use crate::api::caller::Caller;
use crate::{
    api::{error::OptionalBody, instances, machines, scrap},
    app, samples,
    store::{EventsOf, InstanceRecord, MachineRecord, Swap},
};
use axum::{body::to_bytes, response::IntoResponse};
use provisioner_api::{
    Choice, ChooseRequest, ErasePolicy, InstanceAction, InstanceActionRequest, InstanceState, JobKind,
    MachineAction, MachineActionRequest, MachineScrap, MachineState, StepPhase,
};
use provisioner_lifecycle::{Hold, Owner, StepName};

/// Refused with 409, and in which words.
async fn refused<T>(answer: Result<T, ApiError>) -> String {
    let Err(error) = answer else { panic!("it was taken") };
    let response = error.into_response();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn service_with_image(folder: &std::path::Path) -> Arc<Service> {
    let service = app::tests::service(folder).await;
    service.store.image_insert(&samples::image()).await.unwrap();
    service
}

/// Instance `i1`, deployed on `m1` but for the word of its system.
async fn placed(service: &Service, spec: impl FnOnce(&mut InstanceRecord)) -> MachineRecord {
    let mut wish = samples::instance(1);
    spec(&mut wish);
    service.store.instance_insert(&wish, None, &[], samples::NOW).await.unwrap();
    let free = samples::machine(1);
    service.store.machine_insert(&free, &[], &[], samples::NOW).await.unwrap();
    let free = service.store.machine_get(free.id()).await.unwrap().unwrap();
    let mut own = free.clone();
    (own.machine.want.accepted, own.machine.want.bmc) = (true, true);
    own.machine.want.owner = Some(Owner {
        instance: wish.id,
        name: Default::default(),
        manifest: String::new(),
        disk_bytes: 1,
        ram: None,
        installation: 0,
        adopted: false,
        rescue: None,
        root_disk_serial: None,
        root_disk: None,
        release: None,
        least: None,
    });
    (own.machine.state.name, own.machine.state.dirty) = (MachineState::Deploying, true);
    let steps = vec![samples::step(StepName::PhoneHome, 1, StepPhase::Intent)];
    own.machine.job = Some(samples::job(1, JobKind::Deploy, steps));
    let bound = InstanceRecord { machine: Some(own.id()), state: InstanceState::Deploying, ..wish };
    let swap = service.store.instance_and_machine_update(&bound, (&free, &own), &[], samples::NOW).await;
    assert_eq!(swap.unwrap(), Swap::Updated);
    service.store.machine_get(own.id()).await.unwrap().unwrap()
}

async fn changed(service: &Service, before: &MachineRecord, change: impl FnOnce(&mut MachineRecord)) {
    let mut after = before.clone();
    change(&mut after);
    let swap = service.store.machine_update(before, &after, &[], &[], samples::NOW).await;
    assert_eq!(swap.unwrap(), Swap::Updated);
}

async fn release_of(service: &Service, own: &MachineRecord) -> Option<ErasePolicy> {
    let own = service.store.machine_get(own.id()).await.unwrap().unwrap();
    own.machine.want.owner.unwrap().release
}

async fn give_back(service: &Arc<Service>, erase: &str) -> Result<Response, ApiError> {
    let body = OptionalBody(serde_json::from_value(serde_json::json!({ "erase": erase })).unwrap());
    let caller = Caller(Arc::new(crate::store::TokenRecord::admin("admin", samples::NOW)));
    let caller = axum::Extension(caller);
    instances::delete(State(service.clone()), caller, Path("i1".into()), HeaderMap::new(), body).await
}

#[tokio::test]
async fn a_system_of_a_protected_instance_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let service = service_with_image(folder.path()).await;
    let own = placed(&service, |wish| wish.spec.protected = true).await;
    changed(&service, &own, |own| own.machine.state.hold = Some(Hold::new("silent", samples::NOW))).await;
    let retry = Body(MachineActionRequest { action: MachineAction::Retry });
    let again = Body(InstanceActionRequest { action: InstanceAction::Retry });
    let choice = Body(ChooseRequest { hold: 0, choice: Choice::Retry, disk: None });
    let state = || State(service.clone());
    for words in [
        refused(machines::act(state(), Path("m1".into()), retry).await).await,
        refused(instances::act(state(), Path("i1".into()), again).await).await,
        refused(machines::choose(state(), Path("m1".into()), choice).await).await,
    ] {
        assert!(words.contains("billet instance set i1 --protected off"), "{words}");
    }
    let own = service.store.machine_get(own.id()).await.unwrap().unwrap();
    assert_eq!(own.machine.want.retry, 0);
    let runs = Body(ChooseRequest { hold: 0, choice: Choice::ItRuns, disk: None });
    assert!(machines::choose(state(), Path("m1".into()), runs).await.is_ok());
}

#[tokio::test]
async fn what_is_given_back_is_not_protected_and_is_wiped_as_was_said_first() {
    let folder = tempfile::tempdir().unwrap();
    let service = service_with_image(folder.path()).await;
    let own = placed(&service, |wish| wish.spec.erase = ErasePolicy::Metadata).await;
    assert!(give_back(&service, "overwrite").await.is_ok());
    // Cancelled before the machine was told: also at the instance.
    let cancel = Body(MachineActionRequest { action: MachineAction::Cancel });
    assert!(machines::act(State(service.clone()), Path("m1".into()), cancel).await.is_ok());
    assert_eq!(release_of(&service, &own).await, Some(ErasePolicy::Overwrite));
    let protect = InstanceUpdate { protected: Some(true), ..InstanceUpdate::default() };
    let answer = update(State(service.clone()), Path("i1".into()), HeaderMap::new(), Body(protect)).await;
    let words = refused(answer).await;
    assert!(words.contains("being given back"), "{words}");
    assert!(!service.instance("i1").await.unwrap().spec.protected);
}

#[tokio::test]
async fn what_was_cancelled_at_its_machine_is_wiped_as_was_said_there() {
    let folder = tempfile::tempdir().unwrap();
    let service = service_with_image(folder.path()).await;
    let own = placed(&service, |wish| wish.spec.erase = ErasePolicy::Metadata).await;
    let cancel = Body(MachineActionRequest { action: MachineAction::Cancel });
    assert!(machines::act(State(service.clone()), Path("m1".into()), cancel).await.is_ok());
    let words = refused(give_back(&service, "overwrite").await).await;
    assert!(words.contains("by metadata already"), "{words}");
    assert!(give_back(&service, "metadata").await.is_ok());
    assert_eq!(release_of(&service, &own).await, Some(ErasePolicy::Metadata));
}

#[tokio::test]
async fn a_wish_whose_time_is_over_is_not_tried_again_before_it_gets_more() {
    let folder = tempfile::tempdir().unwrap();
    let service = service_with_image(folder.path()).await;
    let mut late = samples::instance(1);
    late.spec.deadline = Some(samples::NOW);
    service.store.instance_insert(&late, None, &[], samples::NOW).await.unwrap();
    let retry = Body(InstanceActionRequest { action: InstanceAction::Retry });
    let words = refused(instances::act(State(service.clone()), Path("i1".into()), retry).await).await;
    assert!(words.contains("billet instance set i1 --deadline"), "{words}");
}

#[tokio::test]
async fn a_machine_with_a_disk_that_was_left_unwiped_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let service = service_with_image(folder.path()).await;
    let mut record = samples::machine(1);
    let disks = vec![samples::disk("sda")];
    let inventory = provisioner_api::Inventory { disks, ..Default::default() };
    record.machine.facts.inventory = Some(Arc::new(inventory));
    service.store.machine_insert(&record, &[], &[], samples::NOW).await.unwrap();
    let before = service.machine("m1").await.unwrap();
    let unwiped = vec!["serial of sda".to_owned()];
    changed(&service, &before, |record| record.machine.state.unwiped = unwiped).await;
    let forget = || machines::delete(State(service.clone()), Path("m1".into()), HeaderMap::new());
    let words = refused(forget().await).await;
    assert!(words.contains("take it out, then `billet machine inspect"), "{words}");
    let before = service.machine("m1").await.unwrap();
    changed(&service, &before, |record| record.machine.facts.inventory = None).await;
    assert!(forget().await.is_ok(), "it is not in it any more");
}

/// Dead hardware: its release is held for ever.
#[tokio::test]
async fn a_machine_that_can_not_be_wiped_is_forgotten_as_scrap_with_its_instance_by_the_names_of_its_disks() {
    let folder = tempfile::tempdir().unwrap();
    let service = service_with_image(folder.path()).await;
    let own = placed(&service, |_| {}).await;
    assert!(give_back(&service, "overwrite").await.is_ok());
    let own = service.store.machine_get(own.id()).await.unwrap().unwrap();
    changed(&service, &own, |own| {
        let disks = vec![samples::disk("sda")];
        let inventory = provisioner_api::Inventory { disks, ..Default::default() };
        own.machine.facts.inventory = Some(Arc::new(inventory));
        own.machine.want.owner.as_mut().unwrap().release = Some(ErasePolicy::Overwrite);
        own.machine.state.name = MachineState::Releasing;
        let steps = vec![samples::step(StepName::Erase, 1, StepPhase::Intent)];
        own.machine.job = Some(samples::job(2, JobKind::Release, steps));
        own.machine.state.hold = Some(Hold::new("its agent is silent", samples::NOW));
    })
    .await;
    let words =
        refused(machines::delete(State(service.clone()), Path("m1".into()), HeaderMap::new()).await).await;
    assert!(words.contains("--scrap"), "{words}");
    let forget = |unwiped: &[&str]| {
        let unwiped = unwiped.iter().map(|&disk| disk.to_owned()).collect();
        let body = Body(MachineScrap { hold: Some(0), unwiped });
        scrap::scrap(State(service.clone()), Path("m1".into()), body)
    };
    let words = refused(forget(&[]).await).await;
    assert!(words.contains("`serial of sda`"), "{words}");
    assert_eq!(forget(&["serial of sda"]).await.unwrap(), StatusCode::NO_CONTENT);
    assert!(service.machine("m1").await.is_err() && service.instance("i1").await.is_err());
    let told = service.store.event_newest(EventsOf::Machine(own.id()), 1).await.unwrap();
    assert_eq!(
        told[0].message,
        "an operator has machine m1 forgotten as scrap; NOT wiped: disk `serial of sda`"
    );
}
