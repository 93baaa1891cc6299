//! API tokens, as hashes.

use super::{Store, StoreError, db::sql, micros};
use jiff::Timestamp;

impl Store {
    /// Adds a token by its SHA-256.
    pub(crate) async fn token_insert(
        &self,
        hash: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sql("INSERT INTO api_token (hash, name, created) VALUES ($1, $2, $3)")
            .bind(hash)
            .bind(name)
            .bind(micros(now))
            .execute(&mut *self.writer.get().await?)
            .await?;
        Ok(())
    }

    /// Whose token has this SHA-256.
    ///
    /// One that is found is believed for a moment: programs ask many times a second. Whatever takes one away has to
    /// forget it here, as any write does (`memory`).
    pub(crate) async fn token_name(&self, hash: &str) -> Result<Option<String>, StoreError> {
        if let Some(name) = self.recent.tokens.get(hash) {
            return Ok(Some(name));
        }
        let reading = self.recent.tokens.reading();
        let name: Option<String> = sql("SELECT name FROM api_token WHERE hash = $1")
            .bind(hash)
            .scalar_optional(&mut *self.api_reader.get().await?)
            .await?;
        if let Some(name) = &name {
            self.recent.tokens.keep_read(reading, hash.to_owned(), name.clone());
        }
        Ok(name)
    }

    /// Whether there is any token at all.
    pub(crate) async fn token_any(&self) -> Result<bool, StoreError> {
        let count: i64 = sql("SELECT COUNT(*) FROM api_token").scalar(&mut *self.reader.get().await?).await?;
        Ok(count > 0)
    }
}
