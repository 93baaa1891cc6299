//! Secrets, sealed before they come here.

use super::{Store, StoreError};
use crate::keys::Sealed;
use sqlx::Row;

impl Store {
    /// Puts a secret in its place, over the one that was there.
    pub(crate) async fn secret_put(
        &self,
        owner: &str,
        name: &str,
        sealed: &Sealed,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO secret (owner, name, nonce, ciphertext) VALUES ($1, $2, $3, $4)
             ON CONFLICT (owner, name) DO UPDATE SET nonce = excluded.nonce, ciphertext = excluded.ciphertext",
        )
        .bind(owner)
        .bind(name)
        .bind(&sealed.nonce)
        .bind(&sealed.ciphertext)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

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

    /// Forgets the secret in that place.
    pub(crate) async fn secret_delete(&self, owner: &str, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM secret WHERE owner = $1 AND name = $2")
            .bind(owner)
            .bind(name)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
