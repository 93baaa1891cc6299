//! An instance that is installed anew: one write, and what it was before stays until then. Adopted ones have no image.

use super::{super::*, *};
use provisioner_api::{Image, ImageId, InstanceState};

on_both! {
    instance_machine_and_user_data_are_one_write
    the_image_that_it_had_stays_until_the_new_one_is_written
    an_instance_is_adopted_with_its_machine_or_not_at_all
}

fn other_image() -> Image {
    let plain = samples::image();
    Image { id: ImageId(Uuid::from_u128(2)), name: "other".into(), ..plain }
}

/// An instance with its machine.
async fn placed(store: &Store) -> (InstanceRecord, MachineRecord) {
    store.image_insert(&samples::image()).await.unwrap();
    store.image_insert(&other_image()).await.unwrap();
    store.instance_insert(&samples::instance(1), None, &[], NOW).await.unwrap();
    store.machine_insert(&samples::machine(1), &[], &[], NOW).await.unwrap();
    let bound = InstanceRecord {
        machine: Some(samples::machine_id(1)),
        state: InstanceState::Running,
        ..samples::instance(1)
    };
    let free = store.machine_get(samples::machine_id(1)).await.unwrap().unwrap();
    let swap = store.instance_and_machine_update(&bound, (&free, &free), &[], NOW).await.unwrap();
    assert_eq!(swap, Swap::Updated);
    read(store).await
}

async fn read(store: &Store) -> (InstanceRecord, MachineRecord) {
    let instance = store.instance_get(samples::instance(1).id).await.unwrap().unwrap();
    (instance, store.machine_get(samples::machine_id(1)).await.unwrap().unwrap())
}

fn secret() -> NewSecret {
    let sealed = Sealed { nonce: vec![1; 12], ciphertext: vec![2; 20] };
    NewSecret {
        owner: format!("instance {}", samples::instance(1).id),
        name: "user-data-2",
        sealed: Some(sealed),
    }
}

async fn instance_machine_and_user_data_are_one_write() {
    let (_place, store) = store().await;
    let (instance, machine) = placed(&store).await;
    let mut next = instance.clone();
    (next.image_before, next.image) = (instance.image, Some(other_image().id));
    (next.state, next.standing.installation) = (InstanceState::Reinstalling, 1);
    next.standing.before = Some(Box::new(Before {
        spec: instance.spec.clone(),
        phoned_home: None,
        host_keys: vec!["key".into()],
        user_data_bytes: None,
        second_user_data: false,
    }));
    let mut own = machine.clone();
    own.machine.want.retry += 1;
    let secrets = [secret()];
    // Somebody changed the machine meanwhile: nothing of it is written.
    let stale = MachineRecord { version: machine.version + 7, ..own.clone() };
    let swap = store.instance_reinstall(&next, (&stale, &stale), &secrets, &[], NOW).await.unwrap();
    assert_eq!(swap, Swap::Stale);
    assert_eq!(read(&store).await, (instance, machine.clone()));
    assert_eq!(store.secret_get(&secrets[0].owner, "user-data-2").await.unwrap(), None);

    let event = NewEvent::instance(next.id, "request", "anew");
    let swap = store.instance_reinstall(&next, (&machine, &own), &secrets, &[event], NOW).await.unwrap();
    assert_eq!(swap, Swap::Updated);
    let (after, owns) = read(&store).await;
    assert_eq!(after, InstanceRecord { version: after.version, ..next.clone() });
    assert_eq!((after.version, owns.version), (next.version + 1, machine.version + 1));
    assert_eq!(owns.machine, own.machine);
    assert!(store.secret_get(&secrets[0].owner, "user-data-2").await.unwrap().is_some());
    assert_eq!(store.event_newest(EventsOf::Instance(next.id), 9).await.unwrap().len(), 1);
}

async fn the_image_that_it_had_stays_until_the_new_one_is_written() {
    let (_place, store) = store().await;
    let (instance, machine) = placed(&store).await;
    let mut next = instance.clone();
    (next.image_before, next.image) = (instance.image, Some(other_image().id));
    store.instance_reinstall(&next, (&machine, &machine), &[], &[], NOW).await.unwrap();
    for image in [samples::image().id, other_image().id] {
        let used = store.image_delete(image).await.unwrap_err();
        assert!(matches!(used, StoreError::InUse { .. }), "{used:?}");
    }
    let (mut done, _) = read(&store).await;
    done.image_before = None;
    assert_eq!(store.instance_update(&done, &[], NOW).await.unwrap(), Swap::Updated);
    store.image_delete(samples::image().id).await.unwrap();
    assert!(store.image_delete(other_image().id).await.is_err());
    // One that was adopted has none.
    let (mut adopted, _) = read(&store).await;
    adopted.image = None;
    assert_eq!(store.instance_update(&adopted, &[], NOW).await.unwrap(), Swap::Updated);
    assert_eq!(read(&store).await.0.image, None);
    store.image_delete(other_image().id).await.unwrap();
}

async fn an_instance_is_adopted_with_its_machine_or_not_at_all() {
    let (_place, store) = store().await;
    store.image_insert(&samples::image()).await.unwrap();
    store.instance_insert(&samples::instance(2), None, &[], NOW).await.unwrap();
    store.machine_insert(&samples::machine(1), &[], &[], NOW).await.unwrap();
    let before = store.machine_get(samples::machine_id(1)).await.unwrap().unwrap();
    let mut own = before.clone();
    own.machine.want.accepted = true;
    let adopted = InstanceRecord {
        machine: Some(before.id()),
        state: InstanceState::Running,
        image: None,
        ..samples::instance(1)
    };
    let event = || [NewEvent::instance(adopted.id, "request", "adopted")];
    let none = async || {
        assert_eq!(store.instance_get(adopted.id).await.unwrap(), None);
        assert_eq!(store.machine_get(before.id()).await.unwrap().as_ref(), Some(&before));
        assert!(store.event_newest(EventsOf::Instance(adopted.id), 9).await.unwrap().is_empty());
    };
    let stale = MachineRecord { version: before.version + 7, ..before.clone() };
    let late = MachineRecord { version: stale.version, ..own.clone() };
    let swap = store.instance_adopt(&adopted, (&stale, &late), &event(), NOW).await.unwrap();
    assert_eq!(swap, Swap::Stale);
    none().await;
    let twin = InstanceRecord { name: samples::instance(2).name, ..adopted.clone() };
    let taken = store.instance_adopt(&twin, (&before, &own), &event(), NOW).await.unwrap_err();
    assert!(matches!(taken, StoreError::Taken { field: "name", .. }), "{taken:?}");
    none().await;
    let swap = store.instance_adopt(&adopted, (&before, &own), &event(), NOW).await.unwrap();
    assert_eq!(swap, Swap::Updated);
    let (instance, machine) = read(&store).await;
    assert_eq!((instance.image, instance.machine), (None, Some(before.id())));
    assert_eq!((machine.machine.clone(), machine.version), (own.machine.clone(), before.version + 1));
    assert_eq!(store.event_newest(EventsOf::Instance(adopted.id), 9).await.unwrap().len(), 1);
    // The machine has one already.
    let second = InstanceRecord { id: samples::instance(3).id, name: "i3".into(), ..adopted.clone() };
    assert!(store.instance_adopt(&second, (&machine, &machine), &event(), NOW).await.is_err());
    assert_eq!(store.instance_get(second.id).await.unwrap(), None);
}
