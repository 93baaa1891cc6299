//! Secrets, sealed before they come here.

use super::{
    NewEvent, Store, StoreError, Swap,
    batch::{Batch, Part},
    db::{Conn, DbError, Row, Statement, again, sql},
    event,
    memory::{Secrets, Touched},
};
use crate::keys::Sealed;
use jiff::Timestamp;
use provisioner_api::MachineId;
use std::sync::Arc;

/// What a secret's place is to hold, written in the transaction of the object that it belongs to: neither comes
/// without the other.
#[derive(Debug, Clone)]
pub(crate) struct NewSecret {
    /// Whose.
    pub(crate) owner: String,
    /// Which.
    pub(crate) name: &'static str,
    /// What; nothing: it is taken away.
    pub(crate) sealed: Option<Sealed>,
}

/// Puts secrets in their places, over those that were there.
pub(super) async fn put_on_conn(conn: &mut Conn, secrets: &[NewSecret]) -> Result<(), DbError> {
    for secret in secrets {
        let mut statement = Statement::default();
        push(&mut statement, secret);
        statement.execute(&mut *conn).await?;
    }
    Ok(())
}

/// The same in a batch.
pub(super) fn add(batch: &mut Batch, secrets: &[NewSecret]) {
    for secret in secrets {
        batch.add(Part::Rest, |text| push(text, secret));
    }
}

/// The statement that puts a secret in its place.
fn push(query: &mut Statement, secret: &NewSecret) {
    let Some(sealed) = &secret.sealed else {
        query.push("DELETE FROM secret WHERE owner = ").push_bind(&secret.owner);
        query.push(" AND name = ").push_bind(secret.name);
        return;
    };
    query.push("INSERT INTO secret (owner, name, nonce, ciphertext) VALUES ");
    query.push_row([
        (&secret.owner).into(),
        secret.name.into(),
        (&sealed.nonce).into(),
        (&sealed.ciphertext).into(),
    ]);
    query.push(
        " ON CONFLICT (owner, name) DO UPDATE SET nonce = excluded.nonce, ciphertext = excluded.ciphertext",
    );
}

impl Store {
    /// The secret in that place.
    pub(crate) async fn secret_get(&self, owner: &str, name: &str) -> Result<Option<Sealed>, StoreError> {
        let row = sql("SELECT nonce, ciphertext FROM secret WHERE owner = $1 AND name = $2")
            .bind(owner)
            .bind(name)
            .fetch_optional(&mut *self.reader.get().await?)
            .await?;
        row.map(|row| sealed(&row)).transpose()
    }

    /// All secrets of an owner, by name.
    pub(crate) async fn secret_all(&self, owner: &str) -> Result<Secrets, StoreError> {
        if let Some(known) = self.recent.secrets.get(owner) {
            return Ok(known);
        }
        let reading = self.recent.secrets.reading();
        let rows = sql("SELECT name, nonce, ciphertext FROM secret WHERE owner = $1")
            .bind(owner)
            .fetch_all(&mut *self.reader.get().await?)
            .await?;
        let all = rows.iter().map(|row| Ok((row.try_get("name")?, sealed(row)?)));
        let all: Secrets = Arc::new(all.collect::<Result<_, StoreError>>()?);
        self.recent.secrets.keep_read(reading, owner.to_owned(), Arc::clone(&all));
        Ok(all)
    }

    /// Puts a machine's secrets in their places, and tells of it; `Stale`, when the machine is gone.
    pub(crate) async fn secret_put(
        &self,
        machine: MachineId,
        secrets: &[NewSecret],
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        again!({
            let touched = Touched::default().secrets(secrets);
            let mut transaction = self.writer.begin().await?;
            self.recent.begin(&touched);
            let there: Option<String> = sql("SELECT id FROM machine WHERE id = $1")
                .bind(machine.to_string())
                .scalar_optional(&mut transaction)
                .await?;
            if there.is_none() {
                self.recent.end(touched, false);
                return Ok(Swap::Stale);
            }
            put_on_conn(&mut transaction, secrets).await?;
            event::insert_on_conn(&mut transaction, events, now).await?;
            transaction.commit_held().await?;
            self.recent.end(touched, true);
            Ok(Swap::Updated)
        })
    }

    /// Puts secrets in their places, if another one is still what it was, and tells of it.
    pub(crate) async fn secret_settle(
        &self,
        still: &NewSecret,
        secrets: &[NewSecret],
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        again!({
            let touched = Touched::default().secrets(secrets);
            let mut transaction = self.writer.begin().await?;
            self.recent.begin(&touched);
            let row = sql("SELECT nonce, ciphertext FROM secret WHERE owner = $1 AND name = $2")
                .bind(&still.owner)
                .bind(still.name)
                .fetch_optional(&mut transaction)
                .await?;
            if row.map(|row| sealed(&row)).transpose()? != still.sealed {
                self.recent.end(touched, false);
                return Ok(Swap::Stale);
            }
            put_on_conn(&mut transaction, secrets).await?;
            event::insert_on_conn(&mut transaction, events, now).await?;
            transaction.commit_held().await?;
            self.recent.end(touched, true);
            Ok(Swap::Updated)
        })
    }
}

pub(super) fn sealed(row: &Row) -> Result<Sealed, StoreError> {
    Ok(Sealed { nonce: row.try_get("nonce")?, ciphertext: row.try_get("ciphertext")? })
}
