//! Secrets seen as what they are sealed with: read page by page, and put back sealed anew where nobody wrote meanwhile.

use super::{
    Store, StoreError,
    db::{again, sql},
    memory::Touched,
    secret,
};
use crate::keys::Sealed;

/// A secret and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredSecret {
    /// Whose.
    pub(crate) owner: String,
    /// Which.
    pub(crate) name: String,
    /// What.
    pub(crate) sealed: Sealed,
}

impl Store {
    /// At most so many secrets whose places come after one, by place.
    pub(crate) async fn secret_page(
        &self,
        after: Option<&StoredSecret>,
        limit: u32,
    ) -> Result<Vec<StoredSecret>, StoreError> {
        let (owner, name) = after.map_or(("", ""), |last| (&last.owner, &last.name));
        let mut query = sql("SELECT owner, name, nonce, ciphertext FROM secret
             WHERE owner > $1 OR (owner = $1 AND name > $2) ORDER BY owner, name LIMIT $3 + 0");
        query = query.bind(owner).bind(name).bind(limit);
        let rows = query.fetch_all(&mut *self.reader.get().await?).await?;
        let stored = |row| {
            let sealed = secret::sealed(row)?;
            Ok(StoredSecret { owner: row.try_get("owner")?, name: row.try_get("name")?, sealed })
        };
        rows.iter().map(stored).collect()
    }

    /// Puts a secret that was sealed anew in its place, if nobody wrote there since it was read. Whether it did.
    pub(crate) async fn secret_reseal(
        &self,
        was: &StoredSecret,
        sealed: &Sealed,
    ) -> Result<bool, StoreError> {
        again!({
            let touched = Touched::default().secrets_of(was.owner.clone());
            let mut transaction = self.writer.begin().await?;
            self.recent.begin(&touched);
            let written = sql("UPDATE secret SET nonce = $1, ciphertext = $2
                 WHERE owner = $3 AND name = $4 AND nonce = $5 AND ciphertext = $6")
            .bind(&sealed.nonce)
            .bind(&sealed.ciphertext)
            .bind(&was.owner)
            .bind(&was.name)
            .bind(&was.sealed.nonce)
            .bind(&was.sealed.ciphertext)
            .execute(&mut transaction)
            .await?;
            transaction.commit_held().await?;
            self.recent.end(touched, written > 0);
            Ok(written > 0)
        })
    }
}
