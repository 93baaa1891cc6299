//! What a request does while what pools say can't be read.

use super::*;
use crate::{app, samples, store::Swap};
use provisioner_api::{InstanceState, JobKind, StepPhase};
use provisioner_lifecycle::{Job, Owner, StepName};

/// A machine that is being deployed for an instance.
async fn deploying(service: &Service) -> MachineId {
    let (store, now) = (&service.store, clock::now());
    store.image_insert(&samples::image()).await.unwrap();
    let (plain, known) = (samples::instance(1), samples::machine(1));
    store.instance_insert(&plain, None, &[], now).await.unwrap();
    store.machine_insert(&known, &[], &[], now).await.unwrap();
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
    let job = samples::job(7, JobKind::Deploy, vec![samples::step(StepName::Reboot, 1, StepPhase::Intent)]);
    machine.machine.job = Some(Job { started: now, ..job });
    let instance = InstanceRecord { machine: Some(known.id()), state: InstanceState::Deploying, ..plain };
    let swap = store.instance_and_machine_update(&instance, (&known, &machine), &[], now).await;
    assert_eq!(swap.unwrap(), Swap::Updated);
    known.id()
}

#[tokio::test]
async fn what_goes_on_can_be_cancelled_and_is_wiped_as_strictly_as_any_pool_could_ask() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let id = deploying(&service).await;
    service.store.pools_lose().await;
    let cancel = Request::Cancel { erase: ErasePolicy::Metadata };
    let record = service.admit(id, &cancel, "it is cancelled").await.unwrap().unwrap();
    assert_eq!(record.machine.want.owner.unwrap().least, Some(ErasePolicy::Overwrite));
}
