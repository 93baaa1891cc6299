//! A database of version 12 of the schema with instances in it, which version 14 gave another shape: it is brought up to
//! date and reads the same, on both databases.

use super::{
    super::db::{Target, migrate_to, sql},
    *,
};
use provisioner_api::{ErasePolicy, InstanceId, InstanceState, MachineState};

/// The rows, as that version wrote them.
const ROWS: &str = include_str!("version_12.sql");

on_both! {
    instances_of_version_12_read_the_same
}

/// An empty place for a database, and one of version 12 in it.
async fn place() -> Place {
    let place = if is_on_server() {
        Place::Server(tests_postgres::Server::shared().await.unwrap().database().await.unwrap())
    } else {
        Place::File(tempfile::tempdir().unwrap())
    };
    let target = match &place {
        Place::File(folder) => Target::file(&folder.path().join("billet.db")),
        Place::Server(database) => Target::server(&database.url().parse().unwrap()),
    };
    let mut conn = migrate_to(target, 12).await.unwrap();
    for statement in ROWS.split_inclusive(";\n") {
        sql(statement).execute(&mut conn).await.unwrap();
    }
    conn.close().await.unwrap();
    place
}

async fn instances_of_version_12_read_the_same() {
    let place = place().await;
    let store = place.open().await;
    let image = store.image_find("os").await.unwrap().unwrap();
    let mut found = Vec::new();
    for (name, number) in [("web1", 10), ("web2", 11), ("web3", 12)] {
        let instance = store.instance_find(name).await.unwrap().unwrap();
        assert_eq!(instance.id, InstanceId(Uuid::from_u128(number)));
        assert_eq!((instance.image, instance.image_before), (Some(image.id), None), "{name}");
        assert_eq!(instance.standing.installation, 0, "{name}");
        assert!(instance.standing.before.is_none() && !instance.standing.second_user_data, "{name}");
        found.push(instance);
    }
    let [runs, waits, goes] = &found[..] else { panic!("{found:?}") };
    let (m1, m2) = (samples::machine_id(1), samples::machine_id(2));
    assert_eq!((runs.state, runs.machine, runs.version), (InstanceState::Running, Some(m1), 7));
    assert_eq!((waits.state, waits.machine, waits.version), (InstanceState::Pending, None, 2));
    assert_eq!((goes.state, goes.machine, goes.version), (InstanceState::Releasing, Some(m2), 4));
    assert_eq!(runs.spec.ssh_keys, ["ssh-ed25519 AAAA"]);
    assert_eq!(
        (runs.standing.host_keys.as_slice(), runs.standing.user_data_bytes),
        (&["k".to_owned()][..], Some(5))
    );
    assert_eq!(waits.standing.waiting.as_ref().map(|(why, _)| why.as_str()), Some("no machine fits"));
    assert_eq!(goes.standing.release, Some(ErasePolicy::Overwrite));
    let created = [runs, waits, goes].map(|instance| micros(instance.created) - 1_763_632_800_000_000);
    assert_eq!(created, [1, 2, 3]);
    let own = store.machine_get(m1).await.unwrap().unwrap();
    let owner = own.machine.want.owner.as_ref().unwrap();
    assert_eq!((owner.installation, owner.adopted, own.machine.state.installation), (0, false, 0));
    assert_eq!(own.machine.state.name, MachineState::Deployed);
    // What refers to what is as it was: the image is needed, a machine has one instance, a name is one's.
    assert!(matches!(store.image_delete(image.id).await.unwrap_err(), StoreError::InUse { .. }));
    let second = InstanceRecord { machine: Some(m1), ..waits.clone() };
    assert!(store.instance_update(&second, &[], NOW).await.is_err(), "m1 has one");
    let twin = InstanceRecord { name: "web1".into(), ..samples::instance(77) };
    let taken = store.instance_insert(&twin, None, &[], NOW).await.unwrap_err();
    assert!(matches!(taken, StoreError::Taken { field: "name", .. }), "{taken:?}");
    // And what is new since then can be done with it.
    let mut anew = runs.clone();
    (anew.state, anew.image_before, anew.standing.installation) =
        (InstanceState::Reinstalling, runs.image, 1);
    assert_eq!(store.instance_reinstall(&anew, (&own, &own), &[], &[], NOW).await.unwrap(), Swap::Updated);
    let stored = store.instance_find("web1").await.unwrap().unwrap();
    assert_eq!(stored, InstanceRecord { version: 8, ..anew });
    store.close().await;
    // Opened again, nothing is to be migrated.
    assert_eq!(place.open().await.instance_find("web1").await.unwrap(), Some(stored));
}
