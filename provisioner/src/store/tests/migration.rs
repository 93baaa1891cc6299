//! Databases of earlier versions are brought up to date, and read the same.

use super::super::*;
use crate::samples;
use crate::store::db::{SQLITE, migrator, sql};
use jiff::Timestamp;
use provisioner_api::{
    Disk, ErasePolicy, InstanceId, Inventory, JobId, JobKind, MachineId, MachineState, StepPhase,
};
use provisioner_lifecycle::{Hold, Job, Machine, Owner, Step, StepName};
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};
use std::path::Path;
use uuid::Uuid;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

fn step(name: StepName, phase: StepPhase) -> Step {
    samples::step(name, 1, phase)
}

/// A job in the midst of its steps, with everything in them that there can be.
fn job() -> Job {
    let done = Step {
        started: Some(at(1_763_752_496_000_007)),
        ended: Some(at(1_763_752_497_120_000)),
        result: Some("it said \"off\"\nand wäs so; 100 % 'true'".into()),
        ..step(StepName::PowerOff, StepPhase::Done)
    };
    let tried = Step {
        attempt: 3,
        started: Some(at(1_763_752_497_999_999)),
        not_before: Some(at(1_763_752_600_000_000)),
        asked: Some(at(1_763_752_498_500_000)),
        result: Some(String::new()),
        ..step(StepName::BootNetwork, StepPhase::Intent)
    };
    let rest = [StepName::PowerOn, StepName::Agent, StepName::WriteImage, StepName::WriteSeed];
    let mut steps = vec![done, tried];
    steps.extend(rest.map(|name| Step { attempt: 0, ..step(name, StepPhase::Todo) }));
    Job {
        id: JobId(Uuid::from_u128(7)),
        kind: JobKind::Deploy,
        epoch: 4,
        started: at(1_763_752_495_000_001),
        ended: None,
        restarts: 2,
        steps,
    }
}

/// A machine with a job, an owner and a hold.
fn machine() -> Machine {
    let mut machine = Machine::new(MachineId(Uuid::from_u128(1)), at(0));
    machine.want.accepted = true;
    machine.want.owner = Some(Owner {
        instance: InstanceId(Uuid::from_u128(9)),
        manifest: "00".repeat(32),
        disk_bytes: 1 << 30,
        ram: None,
        installation: 0,
        adopted: false,
        rescue: None,
        root_disk_serial: None,
        root_disk: None,
        name: Default::default(),
        release: Some(ErasePolicy::Overwrite),
        least: None,
    });
    machine.state.name = MachineState::Deploying;
    machine.state.hold = Some(Hold::new("a person", at(5)));
    machine.job = Some(job());
    machine
}

/// Brings a database up to a version of the schema.
async fn up_to(pool: &SqlitePool, version: i64) {
    migrator(SQLITE, version).run(pool).await.unwrap();
}

/// A database as version 5 of the schema left it.
async fn before(path: &Path, machines: &[Machine]) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    up_to(&pool, 5).await;
    for machine in machines {
        let spec = r#"{"pool":"racks","macs":["52:54:00:00:00:01"],"accepted":true}"#;
        sqlx::query(
            "INSERT INTO machine (id, name, version, generation, state, spec, want, facts, standing, job, created)
             VALUES ($1, $2, 3, 2, $3, $4, $5, $6, $7, $8, 11)",
        )
        .bind(machine.id.to_string())
        .bind(format!("m{}", machine.id.0.as_u128()))
        .bind(crate::text::word(&machine.state.name))
        .bind(spec)
        .bind(json(&machine.want))
        .bind(json(&machine.facts))
        .bind(json(&machine.state))
        .bind(machine.job.as_ref().map(|job| job.id.to_string()))
        .execute(&pool)
        .await
        .unwrap();
        if let Some(job) = &machine.job {
            job_before(&pool, machine.id, job).await;
        }
    }
    pool.close().await;
}

async fn job_before(pool: &SqlitePool, machine: MachineId, job: &Job) {
    sqlx::query(
        "INSERT INTO job (id, machine, kind, epoch, restarts, started, ended) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(job.id.to_string())
    .bind(machine.to_string())
    .bind(crate::text::word(&job.kind))
    .bind(job.epoch as i64)
    .bind(i64::from(job.restarts))
    .bind(micros(job.started))
    .bind(job.ended.map(micros))
    .execute(pool)
    .await
    .unwrap();
    // Not in their order: that is in the column.
    for (seq, step) in job.steps.iter().enumerate().rev() {
        sqlx::query(
            "INSERT INTO step (job, seq, name, attempt, phase, started, ended, not_before, result, asked)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(job.id.to_string())
        .bind(seq as i64)
        .bind(step.name.word())
        .bind(i64::from(step.attempt))
        .bind(crate::text::word(&step.phase))
        .bind(step.started.map(micros))
        .bind(step.ended.map(micros))
        .bind(step.not_before.map(micros))
        .bind(&step.result)
        .bind(step.asked.map(micros))
        .execute(pool)
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_job_in_the_midst_of_its_steps_reads_the_same_after_the_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("billet.db");
    let (busy, free) = (machine(), Machine::new(MachineId(Uuid::from_u128(2)), at(0)));
    before(&path, &[busy.clone(), free.clone()]).await;
    let store = Store::open(&path).await.unwrap();
    for expected in [&busy, &free] {
        let found = store.machine_get(expected.id).await.unwrap().unwrap();
        assert_eq!(found.machine, *expected);
        assert_eq!((found.version, found.generation, found.created), (3, 2, at(11)));
    }
    // What is chosen by is there too.
    for (filter, expected) in [
        (MachineFilter { held: Some(true), ..Default::default() }, vec!["m1"]),
        (MachineFilter { held: Some(false), ..Default::default() }, vec!["m2"]),
        (MachineFilter { pool: Some("racks".into()), ..Default::default() }, vec!["m1", "m2"]),
        (MachineFilter { pool: Some("default".into()), ..Default::default() }, vec![]),
    ] {
        let page = store.machine_page(&filter, None, 10).await.unwrap();
        let names: Vec<_> = page.iter().map(|row| row.record.name.as_str()).collect();
        assert_eq!(names, expected, "{filter:?}");
    }
    let owner: Option<String> = sql("SELECT owner FROM machine WHERE name = 'm1'")
        .scalar(&mut store.reader.get().await.unwrap())
        .await
        .unwrap();
    assert_eq!(owner, Some(InstanceId(Uuid::from_u128(9)).to_string()));
    // And it goes on from there.
    let record = store.machine_get(busy.id).await.unwrap().unwrap();
    let mut next = record.clone();
    next.machine.job.as_mut().unwrap().steps[1].phase = StepPhase::Done;
    assert_eq!(store.machine_update(&record, &next, &[], &[], at(20)).await.unwrap(), Swap::Updated);
    assert_eq!(store.machine_get(busy.id).await.unwrap().unwrap().machine, next.machine);
}

#[tokio::test]
async fn a_job_of_a_version_that_did_not_say_when_it_listened_is_forgiven_all_silence_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("billet.db");
    let mut busy = machine();
    busy.state.hold = None;
    let writes = Step { started: Some(at(50)), ..step(StepName::WriteImage, StepPhase::Intent) };
    busy.job.as_mut().unwrap().steps = vec![writes];
    (busy.facts.agent_seen, busy.facts.listening) = (Some(at(60)), Some(at(40)));
    before(&path, &[busy.clone()]).await;
    // As version 7 left it.
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    up_to(&pool, 7).await;
    let text = "UPDATE machine SET standing = json_remove(standing, '$.switched_on'),
                facts = json_remove(facts, '$.advanced')";
    assert_eq!(sqlx::query(text).execute(&pool).await.unwrap().rows_affected(), 1);
    pool.close().await;
    let hour = 3600 * 1_000_000;
    // Later only what was missed.
    for (now, expected) in [(hour, hour), (3 * hour, 2 * hour)] {
        let store = Store::open(&path).await.unwrap();
        store.clock.store(now / 1000, std::sync::atomic::Ordering::Relaxed);
        let found = store.machine_get(busy.id).await.unwrap().unwrap().machine;
        assert_eq!((&found.state, &found.job, &found.want), (&busy.state, &busy.job, &busy.want));
        assert_eq!(store.machines_listen(at(now)).await.unwrap(), [busy.id]);
        let facts = store.machine_get(busy.id).await.unwrap().unwrap().machine.facts;
        let counts = [facts.listening, facts.advanced, facts.counts_from];
        assert_eq!(counts, [Some(at(expected)); 3]);
        store.clock.store((now + hour) / 1000, std::sync::atomic::Ordering::Relaxed);
        store.replica_beat("r", 20_000, None).await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn what_was_found_in_a_machine_is_kept_when_it_gets_a_table_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("billet.db");
    let mut seen = machine();
    let disk = Disk { size_bytes: u64::MAX, serial: Some("\"ä\" \\ 1".into()), ..samples::disk("/dev/vda") };
    let inventory = Inventory { memory_bytes: 1 << 53, disks: vec![disk], ..Inventory::default() };
    seen.facts.power = Some((true, at(7)));
    let new = |number| Machine::new(MachineId(Uuid::from_u128(number)), at(0));
    let (plain, old, broken) = (new(2), new(3), new(4));
    before(&path, &[seen.clone(), plain.clone(), old.clone(), broken.clone()]).await;
    // As version 8 left it: one with an inventory, one with none, one from before there were any, one damaged.
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    up_to(&pool, 8).await;
    let mut facts = serde_json::to_value(&seen.facts).unwrap();
    facts["inventory"] = serde_json::to_value(&inventory).unwrap();
    let mut none = serde_json::to_value(&plain.facts).unwrap();
    none["inventory"] = serde_json::Value::Null;
    for (id, facts) in [(seen.id, facts.to_string()), (plain.id, none.to_string()), (broken.id, "{".into())] {
        let text = "UPDATE machine SET facts = $1 WHERE id = $2";
        sqlx::query(text).bind(facts).bind(id.to_string()).execute(&pool).await.unwrap();
    }
    let text = "INSERT INTO event (id, at, machine, instance, kind, message)
                VALUES ($1, 5, $2, $3, 'boot', 'b'), ('a', 4, $2, NULL, 'boot', 'a')";
    let (id, other) = (Uuid::from_u128(8).to_string(), InstanceId(Uuid::from_u128(9)));
    let query = sqlx::query(text).bind(id).bind(seen.id.to_string()).bind(other.to_string());
    query.execute(&pool).await.unwrap();
    pool.close().await;

    let store = Store::open(&path).await.unwrap();
    for (whose, expected) in
        [(EventsOf::Machine(seen.id), &["b", "a"][..]), (EventsOf::Instance(other), &["b"][..])]
    {
        let told = store.event_newest(whose, 9).await.unwrap();
        assert_eq!(told.into_iter().map(|event| event.message).collect::<Vec<_>>(), expected);
    }
    seen.facts.inventory = Some(Arc::new(inventory));
    for expected in [&seen, &plain, &old] {
        assert_eq!(store.machine_get(expected.id).await.unwrap().unwrap().machine, *expected);
    }
    let error = store.machine_get(broken.id).await.unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("column facts"), "{error}");
    for (text, left) in [
        ("SELECT COUNT(*) FROM machine WHERE facts LIKE '%inventory%'", 0_i64),
        ("SELECT COUNT(*) FROM machine_inventory", 1),
    ] {
        let mut lent = store.reader.get().await.unwrap();
        assert_eq!(sql(text).scalar::<i64>(&mut lent).await.unwrap(), left, "{text}");
    }
}

#[tokio::test]
async fn a_replica_of_the_schema_before_lets_nobody_in_once_tokens_have_roles() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("billet.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true).foreign_keys(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    up_to(&pool, 17).await;
    for (hash, name) in [("f00d", "admin"), ("beef", "ci"), ("cafe", "ci")] {
        sqlx::query("INSERT INTO api_token (hash, name, created) VALUES ($1, $2, 7)")
            .bind(hash)
            .bind(name)
            .execute(&pool)
            .await
            .unwrap();
    }
    // As a version without roles asks: whoever is found may do everything.
    let asked =
        || sqlx::query("SELECT name FROM api_token WHERE hash = $1").bind("f00d").fetch_optional(&pool);
    assert!(asked().await.unwrap().is_some());
    up_to(&pool, 18).await;
    assert!(
        asked().await.is_err(),
        "it finds nobody, so that a new token of a viewer is not all-powerful there"
    );
    pool.close().await;

    let store = Store::open(&path).await.unwrap();
    let admin = TokenRecord::admin("admin", at(7));
    assert_eq!(store.token_find("f00d").await.unwrap().as_deref(), Some(&admin));
    let names: Vec<_> = store.token_list().await.unwrap().into_iter().map(|token| token.name).collect();
    assert_eq!(names, ["admin", "ci", "ci-cafe"], "of one name the others get another");
    store.close().await;
}
