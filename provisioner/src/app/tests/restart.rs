//! What a service that is killed all the time still gets done.

use super::app;
use crate::{
    leader::Led,
    reconcile,
    samples::{self, NOW},
    service::Service,
    store::{InstanceRecord, MachineRecord},
};
use provisioner_api::{ErasePolicy, InstanceId, InstanceState, MachineId, MachineState};
use provisioner_lifecycle::Owner;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

fn record(number: u128, state: MachineState, owner: Option<&InstanceRecord>) -> MachineRecord {
    let mut record = samples::machine(number);
    (record.machine.want.accepted, record.machine.want.bmc) = (true, true);
    (record.machine.want.inspect, record.machine.state.inspect) = (1, 1);
    record.machine.state.name = state;
    record.machine.want.owner = owner.map(|owner| Owner {
        instance: owner.id,
        manifest: "f00d".into(),
        disk_bytes: 10,
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
    record
}

fn instance(number: u128, state: InstanceState, machine: Option<u128>) -> InstanceRecord {
    InstanceRecord {
        id: InstanceId(Uuid::from_u128(100 + number)),
        state,
        machine: machine.map(samples::machine_id),
        ..samples::instance(number)
    }
}

/// Stores a machine and its instance as they were when the service was killed.
async fn leave(service: &Service, machine: &MachineRecord, instance: Option<&InstanceRecord>) {
    let store = &service.store;
    store.machine_insert(machine, &[], &[], NOW).await.unwrap();
    if let Some(instance) = instance {
        store.instance_insert(instance, None, &[], NOW).await.unwrap();
        store.instance_update(instance, &[], NOW).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_begun_goes_on_however_often_the_service_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let service: Arc<Service> = Arc::clone(&app(folder.path()).await.service);
    service.store.image_insert(&samples::image()).await.unwrap();
    // Each between two writes of one thing that happens: given but not begun, deployed but not running, asked to be given
    // back but the machine not told, waiting beside a free machine.
    let given = instance(1, InstanceState::Deploying, Some(1));
    let deployed = instance(2, InstanceState::Deploying, Some(2));
    let mut returned = instance(3, InstanceState::Running, Some(3));
    returned.standing.release = Some(ErasePolicy::Metadata);
    let waits = instance(4, InstanceState::Pending, None);
    leave(&service, &record(1, MachineState::Available, Some(&given)), Some(&given)).await;
    leave(&service, &record(2, MachineState::Deployed, Some(&deployed)), Some(&deployed)).await;
    leave(&service, &record(3, MachineState::Deployed, Some(&returned)), Some(&returned)).await;
    leave(&service, &record(4, MachineState::Available, None), Some(&waits)).await;
    for number in 10..60 {
        leave(&service, &record(number, MachineState::Available, None), None).await;
    }
    let mut seen = String::new();
    for _ in 0..60 {
        // Long before the minute is over in which all objects are looked at.
        let run = reconcile::run(Arc::new(Led::alone(&service)), CancellationToken::new());
        assert!(
            tokio::time::timeout(Duration::from_millis(150), run).await.is_err(),
            "it runs until it is killed"
        );
        let machine = async |number| {
            let id = MachineId(Uuid::from_u128(number));
            service.store.machine_get(id).await.unwrap().unwrap().machine
        };
        let state = async |instance: &InstanceRecord| {
            service.store.instance_get(instance.id).await.unwrap().unwrap().state
        };
        let done = [
            machine(1).await.state.name == MachineState::Deploying,
            state(&deployed).await == InstanceState::Running,
            machine(3).await.state.name == MachineState::Releasing,
            state(&waits).await == InstanceState::Deploying,
        ];
        seen = format!("{done:?}");
        if done == [true; 4] {
            return;
        }
    }
    panic!("it never gets on: {seen}");
}
