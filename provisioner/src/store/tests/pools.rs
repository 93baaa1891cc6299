//! Pools: what is said of them, who keeps one from going, and that a limit holds however many give machines at once.

use super::{super::*, NOW, on_both, record, store};
use crate::{samples, store::db::sql};
use provisioner_api::{ErasePolicy, InstanceState, MachineState, PoolSpec, Role};
use provisioner_lifecycle::{Owner, Quota};
use uuid::Uuid;

on_both! {
    a_pool_is_found_changed_and_taken_away_once
    one_that_can_not_be_read_asks_for_the_most_and_keeps_its_limit
    what_names_a_pool_keeps_it
    a_limit_holds_however_many_are_given_at_once
    a_limit_that_was_made_after_the_look_holds
}

fn pool(name: &str, spec: PoolSpec) -> PoolRecord {
    PoolRecord { id: Uuid::from_u128(7), name: name.into(), spec, version: 1, created: NOW, changed: NOW }
}

async fn a_pool_is_found_changed_and_taken_away_once() {
    let (_place, store) = store().await;
    let first = pool("gpu", PoolSpec { max_machines: Some(3), ..PoolSpec::default() });
    store.pool_insert(&first).await.unwrap();
    let twice = PoolRecord { id: Uuid::from_u128(8), ..first.clone() };
    let taken = store.pool_insert(&twice).await.unwrap_err();
    assert!(matches!(taken, StoreError::Taken { field: "name", .. }), "{taken:?}");
    assert_eq!(store.pool_find("gpu").await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.pool_find("cpu").await.unwrap(), None);
    assert_eq!(store.pool_quotas().await.unwrap()["gpu"], Quota { used: 0, most: 3 });
    assert_eq!(store.pool_least_wiping().await.unwrap().of("gpu"), None);
    let spec = PoolSpec { erase: Some(ErasePolicy::Overwrite), ..PoolSpec::default() };
    assert_eq!(store.pool_update(&first, &spec, NOW).await.unwrap(), Swap::Updated);
    assert_eq!(store.pool_update(&first, &spec, NOW).await.unwrap(), Swap::Stale);
    let now = PoolRecord { spec, version: 2, ..first.clone() };
    assert_eq!(store.pool_list().await.unwrap(), [(now.clone(), false)]);
    assert!(store.pool_quotas().await.unwrap().is_empty());
    let least = store.pool_least_wiping().await.unwrap();
    assert_eq!((least.of("gpu"), least.of("default")), (Some(ErasePolicy::Overwrite), None));
    assert_eq!(store.pool_delete(&first).await.unwrap(), PoolGone::Stale);
    assert_eq!(store.pool_delete(&now).await.unwrap(), PoolGone::Done);
    assert_eq!(store.pool_list().await.unwrap(), []);
}

async fn one_that_can_not_be_read_asks_for_the_most_and_keeps_its_limit() {
    let (_place, store) = store().await;
    let gpu = pool("gpu", PoolSpec { max_machines: Some(3), ..PoolSpec::default() });
    store.pool_insert(&gpu).await.unwrap();
    for broken in ["{", r#"{"erase":"shred"}"#] {
        store.writer.run(sql("UPDATE pool SET spec = $1").bind(broken)).await.unwrap();
        assert_eq!(store.pool_least_wiping().await.unwrap().of("gpu"), Some(ErasePolicy::Overwrite));
        assert_eq!(store.pool_quotas().await.unwrap()["gpu"].most, 3);
        let shown = PoolRecord { spec: PoolSpec::default(), ..gpu.clone() };
        assert_eq!(store.pool_list().await.unwrap(), [(shown, true)]);
    }
    let (broken, damaged) = store.pool_to_mend("gpu").await.unwrap().unwrap();
    assert!(damaged);
    assert_eq!(store.pool_update(&broken, &gpu.spec, NOW).await.unwrap(), Swap::Updated);
    let mended = PoolRecord { version: 2, ..gpu.clone() };
    assert_eq!(store.pool_to_mend("gpu").await.unwrap(), Some((mended, false)));
}

async fn what_names_a_pool_keeps_it() {
    let (_place, store) = store().await;
    store.image_insert(&samples::image()).await.unwrap();
    let gpu = pool("gpu", PoolSpec::default());
    store.pool_insert(&gpu).await.unwrap();
    let mut machine = record(1, "52:54:00:00:00:01");
    machine.spec.pool = "gpu".into();
    store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    let mut waits = samples::instance(1);
    waits.spec.pool = Some("gpu".into());
    store.instance_insert(&waits, None, &[], NOW).await.unwrap();
    store.instance_insert(&samples::instance(2), None, &[], NOW).await.unwrap();
    let pools = Some(vec!["a".to_owned(), "gpu".to_owned()]);
    let token = TokenRecord { role: Role::Tenant, pools: pools.clone(), ..TokenRecord::admin("ci", NOW) };
    store.token_insert("hash", &token).await.unwrap();
    store.token_insert("other", &TokenRecord::admin("admin", NOW)).await.unwrap();
    store.user_insert(&UserRecord { pools, ..samples::user("ann", Role::Viewer) }).await.unwrap();
    let users = ["machine m1", "instance i1", "token ci", "user ann"].map(str::to_owned);
    assert_eq!(store.pool_delete(&gpu).await.unwrap(), PoolGone::Used(users.into()));
    // An address of its own keeps it as well, and so does what may name it, and can't be read.
    let own = pool("own", PoolSpec::default());
    store.pool_insert(&PoolRecord { id: Uuid::from_u128(10), ..own.clone() }).await.unwrap();
    let own = store.pool_find("own").await.unwrap().unwrap();
    let address = NewAddress {
        address: std::net::Ipv4Addr::new(10, 0, 0, 9),
        network: "lab".into(),
        subnet: "10.0.0.0/24".into(),
        holder: Holder::Name("cp".into()),
        pool: Some("own".into()),
    };
    store.address_claim(&address, NOW).await.unwrap();
    assert_eq!(store.pool_delete(&own).await.unwrap(), PoolGone::Used(vec!["address cp".into()]));
    assert!(store.address_release("cp").await.unwrap());
    for (text, mend, user) in [
        ("UPDATE instance SET spec = $1 WHERE name = 'i1'", json(&waits.spec), "instance i1, unreadable"),
        ("UPDATE api_token SET pools = $1 WHERE name = 'ci'", json(&token.pools), "token ci, unreadable"),
        ("UPDATE local_user SET pools = $1 WHERE name = 'ann'", json(&token.pools), "user ann, unreadable"),
    ] {
        store.writer.run(sql(text).bind("{")).await.unwrap();
        assert_eq!(store.pool_delete(&own).await.unwrap(), PoolGone::Used(vec![user.to_owned()]));
        store.writer.run(sql(text).bind(mend)).await.unwrap();
    }
    assert_eq!(store.pool_delete(&own).await.unwrap(), PoolGone::Done);
    // Who names none waits for the default one.
    let default = PoolRecord { id: Uuid::from_u128(9), ..pool("default", PoolSpec::default()) };
    store.pool_insert(&default).await.unwrap();
    assert_eq!(store.pool_delete(&default).await.unwrap(), PoolGone::Used(vec!["instance i2".into()]));
}

/// An instance that is to get a machine, the free machine, and the machine as it is then.
async fn pair(store: &Store, number: u128) -> (InstanceRecord, MachineRecord, MachineRecord) {
    let mut free = record(number, &format!("52:54:00:00:00:{number:02x}"));
    free.machine.state.name = MachineState::Available;
    store.machine_insert(&free, &[], &[], NOW).await.unwrap();
    let instance = samples::instance(number);
    store.instance_insert(&instance, None, &[], NOW).await.unwrap();
    let mut given = free.clone();
    given.machine.want.owner = Some(Owner {
        instance: instance.id,
        manifest: String::new(),
        disk_bytes: 0,
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
    (InstanceRecord { machine: Some(free.id()), state: InstanceState::Deploying, ..instance }, free, given)
}

async fn a_limit_that_was_made_after_the_look_holds() {
    let (_place, store) = store().await;
    store.image_insert(&samples::image()).await.unwrap();
    let give = async |number| {
        let (bound, free, given) = pair(&store, number).await;
        store.instance_and_machine_unless_full(&bound, (&free, &given), &[], NOW).await.unwrap()
    };
    assert_eq!(give(1).await, Swap::Updated, "a pool of which nothing is said");
    let mut own = pool("default", PoolSpec::default());
    store.pool_insert(&own).await.unwrap();
    assert_eq!(give(2).await, Swap::Updated, "one without a limit");
    for (most, number, swap) in [(2, 3, Swap::Stale), (3, 4, Swap::Updated), (0, 5, Swap::Stale)] {
        let spec = PoolSpec { max_machines: Some(most), ..PoolSpec::default() };
        assert_eq!(store.pool_update(&own, &spec, NOW).await.unwrap(), Swap::Updated);
        own.version += 1;
        assert_eq!(give(number).await, swap, "{most} may be in use");
    }
    assert_eq!(store.pool_taken().await.unwrap()["default"], 3);
}

async fn a_limit_holds_however_many_are_given_at_once() {
    const MOST: u32 = 3;
    let (_place, store) = store().await;
    store.image_insert(&samples::image()).await.unwrap();
    store
        .pool_insert(&pool("default", PoolSpec { max_machines: Some(MOST), ..PoolSpec::default() }))
        .await
        .unwrap();
    let mut pairs = Vec::new();
    for number in 1..=24 {
        pairs.push(pair(&store, number).await);
    }
    let tasks = pairs.into_iter().map(|(bound, free, given)| {
        let store = store.clone();
        tokio::spawn(async move {
            store.instance_and_machine_within(&bound, (&free, &given), &[], NOW).await.unwrap()
        })
    });
    let done = futures::future::join_all(tasks.collect::<Vec<_>>()).await;
    let given = done.into_iter().filter(|swap| *swap.as_ref().unwrap() == Swap::Updated).count();
    assert_eq!(given, MOST as usize);
    let quota = store.pool_quotas().await.unwrap()["default"];
    assert_eq!(quota, Quota { used: u64::from(MOST), most: u64::from(MOST) });
    assert_eq!(store.pool_taken().await.unwrap()["default"], u64::from(MOST));
}
