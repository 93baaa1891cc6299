//! Secrets, sealed before they come here.

use super::{Store, StoreError};
use crate::keys::Sealed;
use sqlx::{Row, SqliteConnection};

/// A secret to be written in the transaction of the object that it belongs to: neither comes without the other.
#[derive(Debug, Clone)]
pub(crate) struct NewSecret {
    /// Whose.
    pub(crate) owner: String,
    /// Which.
    pub(crate) name: &'static str,
    /// What.
    pub(crate) sealed: Sealed,
}

/// Puts a secret in its place, over the one that was there.
pub(super) async fn put_on_conn(
    conn: &mut SqliteConnection,
    secret: Option<&NewSecret>,
) -> Result<(), sqlx::Error> {
    let Some(secret) = secret else { return Ok(()) };
    sqlx::query(
        "INSERT INTO secret (owner, name, nonce, ciphertext) VALUES ($1, $2, $3, $4)
         ON CONFLICT (owner, name) DO UPDATE SET nonce = excluded.nonce, ciphertext = excluded.ciphertext",
    )
    .bind(&secret.owner)
    .bind(secret.name)
    .bind(&secret.sealed.nonce)
    .bind(&secret.sealed.ciphertext)
    .execute(conn)
    .await?;
    Ok(())
}

impl Store {
    /// The secret in that place.
    pub(crate) async fn secret_get(&self, owner: &str, name: &str) -> Result<Option<Sealed>, StoreError> {
        let row = sqlx::query("SELECT nonce, ciphertext FROM secret WHERE owner = $1 AND name = $2")
            .bind(owner)
            .bind(name)
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| Ok(Sealed { nonce: row.try_get("nonce")?, ciphertext: row.try_get("ciphertext")? }))
            .transpose()
    }
}
