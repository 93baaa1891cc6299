//! What a database that was restored says before anybody works with it: nothing is done at all until somebody lifts the
//! freeze, and then nothing to any machine before what is known of it was confirmed (rule 9 of `turn`, `confirm_first`).

use super::CopyError;
use crate::store::{
    NewEvent, StoreError, Swap,
    damage::legible,
    db::{Conn, sql},
    erasure::Ended,
    event, machine as stored,
};
use jiff::Timestamp;
use provisioner_api::{JobKind, MachineState};
use provisioner_lifecycle::{Pace, Turn, confirm_first, restored};

/// Who froze a database that was restored.
pub(crate) const RESTORE: &str = "billet restore";

/// What was found in a backup that somebody has to look at.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// How many machines are held until somebody confirmed what is known of them.
    pub(crate) held: u64,
    /// How many can't be read; nothing is done to those either.
    pub(crate) unreadable: u64,
    /// The machines that were at work, with what.
    pub(crate) jobs: Vec<(String, JobKind)>,
    /// The machines whose instance ran.
    pub(crate) deployed: Vec<String>,
    /// The machines that nobody had.
    pub(crate) available: Vec<String>,
    /// The tokens that work again, those among them that were revoked since, each with its role.
    pub(crate) tokens: Vec<(String, String)>,
    /// The users who can log in again, with the password, role and pools of then.
    pub(crate) users: Vec<String>,
}

/// Makes it safe. `clock` is the database's in milliseconds, `now` the service's.
pub(super) async fn all(
    conn: &mut Conn,
    backup: Timestamp,
    clock: i64,
    now: Timestamp,
) -> Result<Restored, CopyError> {
    let at = Timestamp::from_millisecond(clock).unwrap_or(now);
    freeze(conn, backup, clock, at).await?;
    let tokens = sql("SELECT name, role FROM api_token ORDER BY name").fetch_all(conn).await?;
    let tokens = tokens
        .iter()
        .map(|row| Ok((row.try_get("name")?, row.try_get("role")?)))
        .collect::<Result<_, StoreError>>()?;
    let users = sql("SELECT name FROM local_user WHERE NOT disabled ORDER BY name").scalars(conn).await?;
    let mut done = Restored { tokens, users, ..Restored::default() };
    let ids: Vec<String> = sql("SELECT id FROM machine ORDER BY name").scalars(conn).await?;
    for id in &ids {
        machine(conn, id, (backup, at.max(now), now), &mut done).await?;
    }
    Ok(done)
}

/// Nobody works, whatever processes of the lost history still believe.
async fn freeze(conn: &mut Conn, backup: Timestamp, clock: i64, at: Timestamp) -> Result<(), CopyError> {
    let row = sql("SELECT term, until FROM works").fetch_optional(conn).await?;
    let (term, until): (i64, i64) = match &row {
        Some(row) => (row.try_get("term")?, row.try_get("until")?),
        None => (0, 0),
    };
    let turn: Turn<()> = Turn {
        term: u64::try_from(term).unwrap_or(0),
        holder: None,
        until: Timestamp::from_millisecond(until).unwrap_or(at),
    };
    let turn = restored(&turn, at, &Pace::default());
    let why = format!(
        "the database was restored from a backup of {backup:.0}; look at what it says of the machines before anything is done to them"
    );
    sql("INSERT INTO works (one, term, holder, until, frozen, frozen_by, frozen_why) VALUES (1, $1, NULL, $2, $3, $4, $5)
         ON CONFLICT (one) DO UPDATE SET term = excluded.term, holder = NULL, until = excluded.until,
         frozen = excluded.frozen, frozen_by = excluded.frozen_by, frozen_why = excluded.frozen_why")
    .bind(i64::try_from(turn.term).unwrap_or(i64::MAX))
    .bind(turn.until.as_millisecond())
    .bind(clock)
    .bind(RESTORE)
    .bind(why)
    .execute(conn)
    .await?;
    Ok(())
}

async fn machine(
    conn: &mut Conn,
    id: &str,
    (backup, clock, now): (Timestamp, Timestamp, Timestamp),
    done: &mut Restored,
) -> Result<(), CopyError> {
    let Some(before) = legible(stored::on_conn(conn, id).await)?.flatten() else {
        done.unreadable += 1;
        return Ok(());
    };
    let next = before.with(confirm_first(&before.machine, backup, clock));
    let ended = Ended::none(&before, &next)?;
    if stored::update_on_conn(conn, &before, &next, &ended).await? == Swap::Stale {
        return Err(StoreError::InUse { what: format!("machine {}", before.name) }.into());
    }
    let why = next.machine.state.hold.as_ref().map(|hold| hold.why.as_str()).unwrap_or_default();
    let told = why.replace("instance {instance}", "its instance");
    event::insert_on_conn(conn, &[NewEvent::machine(before.id(), "held", told)], now).await?;
    done.held += 1;
    match (before.machine.running_job(), before.machine.state.name, before.owner()) {
        (Some(job), _, _) => done.jobs.push((before.name, job.kind)),
        (None, MachineState::Deployed, _) => done.deployed.push(before.name),
        (None, MachineState::Available, None) => done.available.push(before.name),
        _ => {}
    }
    Ok(())
}
