//! Everything there is comes out of one database and into another, of either kind; and what was restored is safe.

use super::{
    super::{
        copy::{CopyError, LEFT_OUT},
        db::{Target, migrate_to, sql, tables},
        *,
    },
    NOW, ON_SERVER, on_both, password, record, store,
};
use crate::{
    backup::{Contents, Entry, Header},
    samples,
};
use provisioner_api::{InstanceId, InstanceState, JobKind, MachineState, StepPhase};
use provisioner_lifecycle::{Owner, StepName};
use pxe::leases::{Block, Lease, LeaseState, NetworkWrite, RelayInfo, Reservation, Write};
use pxe_proto::trace::{Entry as Traced, What};
use std::{
    fs::File,
    net::Ipv4Addr,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

on_both! {
    every_table_is_carried_or_left_out_with_a_reason
    a_backup_under_load_shows_one_moment
    what_was_restored_is_frozen_held_and_above_every_epoch_that_was_given
    a_backup_of_other_tables_is_refused_and_changes_nothing
}

fn owner(instance: InstanceId) -> Owner {
    Owner {
        instance,
        manifest: "f00d".into(),
        disk_bytes: 10,
        ram: None,
        root_disk_serial: None,
        root_disk: None,
        name: Default::default(),
        release: None,
        least: None,
        installation: 0,
        adopted: false,
        rescue: None,
    }
}

async fn fill_pools(store: &Store) {
    let spec = provisioner_api::PoolSpec { max_machines: Some(1), ..Default::default() };
    let pool = PoolRecord {
        id: uuid::Uuid::from_u128(1),
        name: "default".into(),
        spec,
        version: 1,
        created: NOW,
        changed: NOW,
    };
    store.pool_insert(&pool).await.unwrap();
}

async fn fill_users(store: &Store) {
    let ann = samples::user("ann", provisioner_api::Role::Viewer);
    store.user_insert(&ann).await.unwrap();
    assert!(store.session_insert("session", &ann, (NOW, Timestamp::MAX)).await.unwrap());
}

fn address(last: u8, holder: Holder) -> NewAddress {
    NewAddress {
        address: Ipv4Addr::new(10, 0, 0, last),
        network: "lab".into(),
        subnet: "10.0.0.0/24".into(),
        holder,
        pool: None,
    }
}

/// Puts something into each table.
async fn fill(store: &Store) {
    store.image_insert(&samples::image()).await.unwrap();
    let token =
        TokenRecord { pools: Some(vec!["a".into()]), used: Some(NOW), ..TokenRecord::admin("admin", NOW) };
    store.token_insert("hash", &token).await.unwrap();
    fill_users(store).await;
    fill_pools(store).await;
    store.audit_append(&[crate::samples::audit("ci"), crate::samples::audit("ci")]).await.unwrap();
    let mut machine = record(1, "52:54:00:00:00:01");
    machine.spec.bmc =
        serde_json::from_str(r#"{"protocol":"ipmi","host":"10.0.0.9","username":"admin \"x\" \u00e4"}"#).ok();
    store
        .machine_insert(
            &machine,
            &[password(&machine)],
            &[NewEvent::machine(machine.id(), "boot", "it\nboots")],
            NOW,
        )
        .await
        .unwrap();
    let named = NewAddress { pool: Some("racks".into()), ..address(200, Holder::Name("cp".into())) };
    store.address_claim(&named, NOW).await.unwrap();
    let own = Holder::Instance { id: samples::instance(1).id, interface: "lan0".into() };
    let takes = Takes {
        addresses: vec![address(201, own)],
        uses: store.address_named("cp").await.unwrap().unwrap().to_use().into_iter().collect(),
    };
    store.instance_insert_taking(&samples::instance(1), None, &takes, &[], NOW).await.unwrap();
    let mut instance = store.instance_find("i1").await.unwrap().unwrap();
    (instance.state, instance.machine) = (InstanceState::Deploying, Some(machine.id()));
    let mut next = machine.clone();
    next.machine.want.owner = Some(owner(instance.id));
    next.machine.state.name = MachineState::Deploying;
    next.machine.state.epoch = 7;
    next.machine.facts.inventory =
        Some(Arc::new(provisioner_api::Inventory { memory_bytes: u64::MAX, ..Default::default() }));
    let step = samples::step(StepName::WriteImage, 1, StepPhase::Intent);
    let mut job = samples::job(9, JobKind::Deploy, vec![step]);
    job.epoch = 7;
    next.machine.job = Some(job);
    let swap = store.instance_and_machine_update(&instance, (&machine, &next), &[], NOW).await.unwrap();
    assert_eq!(swap, Swap::Updated);
    store.window_insert(&samples::window("w", "52:54:00:00:00:01")).await.unwrap();
    store.replica_beat("r", 60_000, None).await.unwrap();
    super::erasure::wiped(store).await;
    let block = Block { first: 10, last: 19 };
    store.replica_claim("r", "lab", &[block], 1).await.unwrap();
    let relay = Some(RelayInfo {
        address: Some(Ipv4Addr::new(10, 0, 0, 1)),
        circuit_id: Some(vec![0, 255]),
        remote_id: None,
    });
    let lease = Lease {
        address: Ipv4Addr::from(10),
        mac: [2, 0, 0, 0, 0, 1],
        state: LeaseState::Leased,
        expires: 9_000_000_000_000,
        client_id: Some(vec![1]),
        hostname: Some("host".into()),
        relay,
        firmware: true,
    };
    let write = NetworkWrite { network: "lab".into(), write: Write { lease, block, sequence: 0 } };
    assert_eq!(store.lease_commit("r", &[write]).await.unwrap(), 1);
    let reservation = Reservation { mac: [2, 0, 0, 0, 0, 2], address: Ipv4Addr::new(10, 0, 0, 2) };
    assert!(store.reservation_insert("lab", reservation).await.unwrap());
    let traced = Traced { at: 1, mac: [2, 0, 0, 0, 0, 1], network: "lab".into(), what: What::Agent };
    store.boot_trace_insert(&[(1, Arc::new(traced))]).await.unwrap();
    assert_eq!(store.idempotency_claim(("caller", "k"), "asked", NOW, NOW).await.unwrap(), None);
}

async fn dumped(store: &Store, path: &Path) -> (Header, Vec<Entry>) {
    let file = File::create(path).unwrap();
    store.dump(file, "key".into(), NOW).await.unwrap();
    let mut contents = Contents::open(path).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = contents.next().unwrap() {
        entries.push(entry);
    }
    (contents.header().clone(), entries)
}

/// How many rows a backup has of each table.
fn rows(entries: &[Entry]) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for entry in entries {
        match entry {
            Entry::Table(head) => counts.push((head.table.clone(), 0)),
            Entry::Row(_) => counts.last_mut().unwrap().1 += 1,
        }
    }
    counts
}

async fn every_table_is_carried_or_left_out_with_a_reason() {
    let (_place, store) = store().await;
    let folder = tempfile::tempdir().unwrap();
    fill(&store).await;
    let (header, entries) = dumped(&store, &folder.path().join("backup")).await;
    assert_eq!(header.schema, SCHEMA);
    let carried = rows(&entries);
    assert!(carried.iter().all(|(_, rows)| *rows > 0), "each has something to be carried: {carried:?}");
    let mut known: Vec<_> = carried.into_iter().map(|(table, _)| table).collect();
    known.extend(LEFT_OUT.iter().map(|(table, _)| (*table).to_owned()));
    known.sort();
    let text = if super::is_on_server() {
        "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'"
    } else {
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> '_sqlx_migrations' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    };
    let mut there: Vec<String> = sql(text).scalars(&mut store.reader.get().await.unwrap()).await.unwrap();
    there.sort();
    assert_eq!(known, there, "a new table is carried, or named in LEFT_OUT with its reason");
}

#[tokio::test]
async fn everything_goes_from_sqlite_to_postgres_and_back_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (_first_place, first) = store().await;
    fill(&first).await;
    let (_, before) = dumped(&first, &at("first")).await;
    let (there, order) = ON_SERVER
        .scope((), async {
            let (_place, second) = store().await;
            load(&second, &at("first")).await;
            let order = tables(&mut second.reader.get().await.unwrap()).await.unwrap();
            (dumped(&second, &at("second")).await.1, order)
        })
        .await;
    assert_eq!(there, before);
    let (_third_place, third) = store().await;
    load(&third, &at("second")).await;
    assert_eq!(dumped(&third, &at("third")).await.1, before);
    assert_eq!(tables(&mut third.reader.get().await.unwrap()).await.unwrap(), order);
}

#[tokio::test]
async fn a_backup_of_an_earlier_schema_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut old = migrate_to(Target::file(&at("old.db")), 10).await.unwrap();
    let machine = json(&samples::machine(1).machine.state);
    sql("INSERT INTO machine (id, name, version, generation, state, spec, want, facts, standing, created)
         VALUES ($1, 'm1', 1, 1, 'discovered', $2, $3, $4, $5, 0)")
    .bind(samples::machine_id(1).to_string())
    .bind(json(&samples::machine(1).spec))
    .bind(json(&samples::machine(1).machine.want))
    .bind(json(&samples::machine(1).machine.facts))
    .bind(machine)
    .execute(&mut old)
    .await
    .unwrap();
    let header = Header { format: 1, version: "0".into(), schema: 10, at: NOW, site_key: "key".into() };
    copy::dump(&mut old, File::create(at("backup")).unwrap(), header).await.unwrap();
    let mut contents = Contents::open(&at("backup")).unwrap();
    Store::make_file(&at("new.db"), &mut contents).await.unwrap();
    let store = Store::open(&at("new.db")).await.unwrap();
    let restored = store.restored(NOW, Timestamp::now()).await.unwrap();
    assert_eq!((restored.held, restored.jobs.len()), (1, 0));
    assert!(store.machine_find("m1").await.unwrap().unwrap().machine.state.hold.unwrap().restored);
    assert!(store.works().await.unwrap().unwrap().why.unwrap().contains("restored"));
}

/// The rows alone, as they are.
async fn load(store: &Store, path: &Path) {
    let mut transaction = store.writer.begin().await.unwrap();
    copy::load(&mut transaction, &mut Contents::open(path).unwrap()).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Instances and machines point at each other, each change in one transaction; a backup in the midst of that never shows one
/// without the other.
async fn a_backup_under_load_shows_one_moment() {
    let (_place, store) = store().await;
    let store = Arc::new(store);
    store.image_insert(&samples::image()).await.unwrap();
    for number in 1..=20 {
        store
            .machine_insert(&record(number, &format!("52:54:00:00:00:{number:02x}")), &[], &[], NOW)
            .await
            .unwrap();
        store.instance_insert(&samples::instance(number), None, &[], NOW).await.unwrap();
    }
    let swaps = Arc::new(AtomicUsize::new(0));
    let busy = tokio::spawn(swap_owners(Arc::clone(&store), Arc::clone(&swaps)));
    let folder = tempfile::tempdir().unwrap();
    let (mut owned, mut taken) = (0, 0);
    while taken < 15 || swaps.load(Ordering::Relaxed) < 30 {
        taken += 1;
        let (_, entries) = dumped(&store, &folder.path().join("backup")).await;
        let machines = column(&entries, "machine", "id", "owner");
        let instances = column(&entries, "instance", "machine", "id");
        let pairs = |rows: Vec<(Option<String>, Option<String>)>| {
            let mut pairs: Vec<_> = rows.into_iter().filter(|(a, b)| a.is_some() && b.is_some()).collect();
            pairs.sort();
            pairs
        };
        let (machines, instances) = (pairs(machines), pairs(instances));
        assert_eq!(machines, instances);
        owned += machines.len();
    }
    busy.abort();
    assert!(owned > 0, "some were somebody's");
}

async fn swap_owners(store: Arc<Store>, swaps: Arc<AtomicUsize>) {
    for number in (1..=20).cycle() {
        let before = store.machine_find(&format!("m{number}")).await.unwrap().unwrap();
        let mut instance = store.instance_find(&format!("i{number}")).await.unwrap().unwrap();
        let mut next = before.clone();
        (next.machine.want.owner, instance.machine) = match instance.machine {
            Some(_) => (None, None),
            None => (Some(owner(instance.id)), Some(before.id())),
        };
        store.instance_and_machine_update(&instance, (&before, &next), &[], NOW).await.unwrap();
        swaps.fetch_add(1, Ordering::Relaxed);
    }
}

/// Two columns of all rows of a table.
fn column(entries: &[Entry], table: &str, one: &str, other: &str) -> Vec<(Option<String>, Option<String>)> {
    let mut places = None;
    let mut found = Vec::new();
    for entry in entries {
        match entry {
            Entry::Table(head) => {
                let place = |name: &str| head.columns.iter().position(|(column, _)| column == name);
                places = (head.table == table).then(|| (place(one).unwrap(), place(other).unwrap()));
            }
            Entry::Row(cells) => {
                let text = |place: usize| match &cells[place] {
                    crate::backup::Cell::Text(text) => text.clone(),
                    other => panic!("{other:?}"),
                };
                found.extend(places.map(|(one, other)| (text(one), text(other))));
            }
        }
    }
    found
}

async fn what_was_restored_is_frozen_held_and_above_every_epoch_that_was_given() {
    let (_place, store) = store().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    fill(&store).await;
    let (_, before) = dumped(&store, &path).await;
    // What came after the backup is lost.
    store.machine_insert(&record(2, "52:54:00:00:00:02"), &[], &[], NOW).await.unwrap();
    let now = Timestamp::now();
    let restored = store.refill(&mut Contents::open(&path).unwrap(), now).await.unwrap();
    assert_eq!((restored.held, restored.unreadable), (1, 0));
    assert_eq!(restored.jobs, [("m1".to_owned(), JobKind::Deploy)]);
    let (_, after) = dumped(&store, &folder.path().join("after")).await;
    let told = |entries: &[Entry]| {
        rows(entries).into_iter().filter(|(table, _)| table != "event").collect::<Vec<_>>()
    };
    assert_eq!(told(&before), told(&after), "and nothing else was added or lost");
    let machine = store.machine_find("m1").await.unwrap().unwrap().machine;
    let hold = machine.state.hold.as_ref().unwrap();
    assert!(hold.restored && hold.why.contains("1970-01-01T00:00:00Z"), "{hold:?}");
    let epoch = machine.state.epoch;
    assert!(epoch > 1_700_000_000_000_000, "{epoch}");
    assert_eq!(machine.running_job().unwrap().epoch, epoch);
    let mut lent = store.reader.get().await.unwrap();
    let row =
        sql("SELECT term, until, frozen, frozen_by, frozen_why FROM works").fetch_optional(&mut lent).await;
    let row = row.unwrap().unwrap();
    let number = |column: &str| row.try_get::<Option<i64>>(column).unwrap().unwrap();
    assert!(number("term") > 1_700_000_000_000_000 && number("frozen") > 1_700_000_000_000);
    assert!(number("until") > number("frozen"), "nobody takes a turn before the lost leases are over");
    assert!(row.try_get::<String>("frozen_why").unwrap().contains("restored from a backup of 1970"));
    // No agent goes on by a window of then, and no free machine is given away.
    for text in ["SELECT COUNT(*) FROM boot_window", "SELECT COUNT(*) FROM machine WHERE NOT held"] {
        assert_eq!(sql(text).scalar::<i64>(&mut lent).await.unwrap(), 0, "{text}");
    }
    // Again, and the numbers still rise.
    store.refill(&mut Contents::open(&folder.path().join("after")).unwrap(), now).await.unwrap();
    let again = store.machine_find("m1").await.unwrap().unwrap().machine;
    assert!(again.state.epoch > epoch && again.state.holds == 2);
}

async fn a_backup_of_other_tables_is_refused_and_changes_nothing() {
    let (_place, store) = store().await;
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("backup"), folder.path().join("other"));
    fill(&store).await;
    let (header, entries) = dumped(&store, &path).await;
    let mut entries = entries;
    let Entry::Table(head) = &mut entries[0] else { panic!("a table comes first") };
    head.columns[0].0 = "strange".into();
    for (entries, word) in [(&entries[..], "other columns"), (&entries[..0], "is missing")] {
        rewrite(&other, &header, entries);
        let error = store.refill(&mut Contents::open(&other).unwrap(), NOW).await.unwrap_err();
        assert!(matches!(&error, CopyError::Tables { what, .. } if what.contains(word)), "{error}");
        assert!(store.machine_find("m1").await.unwrap().unwrap().machine.state.hold.is_none());
    }
}

fn rewrite(path: &Path, header: &Header, entries: &[Entry]) {
    let mut writer = crate::backup::Writer::begin(File::create(path).unwrap(), header).unwrap();
    for entry in entries {
        let mut lines = Vec::new();
        match entry {
            Entry::Table(head) => lines = head.line(),
            Entry::Row(cells) => crate::backup::row(&mut lines, cells).unwrap(),
        }
        writer.lines(&lines).unwrap();
    }
    let rows = rows(entries).into_iter().map(|(table, rows)| (table, rows as u64)).collect();
    writer.finish(&crate::backup::End { rows }).unwrap();
}
