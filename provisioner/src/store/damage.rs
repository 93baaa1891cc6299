//! Rows that can't be read: lists go on without them, or show what is still legible of them.
//!
//! Nobody may take such a row for absent: its names and addresses stay taken by the unique columns, its machine stays its
//! instance's by the column `owner`, and what decides about one object fails instead of guessing. Deliberately not here:
//! telling of it, which each object's own look does (`reconcile`).

use super::{
    InstanceRecord, InstanceStanding, MachineRecord, StoreError,
    db::{DbErrorKind, Row},
    time,
};
use jiff::Timestamp;
use provisioner_api::{Held, InstanceId, InstanceSpec, InstanceState, MachineId, MachineSpec};
use provisioner_lifecycle::{Hold, Machine};
use std::error::Error;

/// What a person may do about it.
const MEND: &str =
    "restore the database from a backup, or mend that column with sqlite3 while the service is stopped";

impl StoreError {
    /// Whether one row can't be read, while the database works.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Database(error) => error.kind() == DbErrorKind::Unreadable,
            _ => false,
        }
    }

    /// Which column of which object is damaged and why, with what a person may do about it.
    pub(crate) fn damage(&self) -> String {
        format!("{}; {MEND}", said(self))
    }
}

/// What was read of a row; nothing, if it is damaged.
pub(super) fn legible<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.is_damage() => {
            tracing::debug!(error = crate::text::logged(&error), "a list goes on without it");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What is legible of a damaged machine, for a list: a machine that is held. Never to be written.
///
/// Beside [`super::machine::MACHINE`] it reads `m_state` and `m_pool`, where the statement has them.
pub(super) fn illegible_machine(row: &Row, error: &StoreError) -> MachineRecord {
    let text = |column: &str| row.try_get::<String>(column).unwrap_or_default();
    let id = text("m_id").parse().unwrap_or(MachineId(uuid::Uuid::nil()));
    let created = row.try_get("m_created").map_or(Timestamp::UNIX_EPOCH, time);
    let mut machine = Machine::new(id, created);
    if let Ok(name) = serde_json::from_str(&format!("\"{}\"", text("m_state"))) {
        machine.state.name = name;
    }
    machine.state.hold = Some(Hold { advice: vec![MEND.to_owned()], ..Hold::new(said(error), created) });
    let spec = MachineSpec::in_pool(text("m_pool"));
    MachineRecord { version: 0, generation: 0, name: text("m_name"), spec, machine, created }
}

/// The same of an instance.
pub(super) fn illegible_instance(row: &Row, error: &StoreError) -> InstanceRecord {
    let text = |column: &str| row.try_get::<String>(column).unwrap_or_default();
    let at = |column: &str| row.try_get(column).map_or(Timestamp::UNIX_EPOCH, time);
    let since = at("since");
    let held = Held { why: said(error), since, choices: vec![MEND.to_owned()], ..Held::default() };
    InstanceRecord {
        id: text("id").parse().unwrap_or(InstanceId(uuid::Uuid::nil())),
        version: 0,
        name: text("name"),
        state: serde_json::from_str(&format!("\"{}\"", text("state"))).unwrap_or(InstanceState::Pending),
        since,
        machine: text("machine").parse().ok(),
        image: text("image").parse().ok(),
        image_before: None,
        spec: InstanceSpec::new(text("image")),
        standing: InstanceStanding { held: Some(held), ..InstanceStanding::default() },
        created: at("created"),
    }
}

/// With its cause: the sentence is all that is shown.
fn said(error: &StoreError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
