//! Whose database it is. Replicas share one site: with another site key one can read no secret and no token of the others,
//! with another CA no machine that one of them booted believes the next.

use super::{Store, StoreError, db::sql};

/// Fingerprints of what the replicas of a site have to have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SitePrint {
    /// Of the site key.
    pub(crate) key: String,
    /// Of the CA's key.
    pub(crate) ca: String,
}

impl Store {
    /// What the first replica said; none: there was none yet.
    pub(crate) async fn site(&self) -> Result<Option<SitePrint>, StoreError> {
        let row = sql("SELECT key_sha256, ca_sha256 FROM site")
            .fetch_optional(&mut *self.reader.get().await?)
            .await?;
        row.map(|row| Ok(SitePrint { key: row.try_get("key_sha256")?, ca: row.try_get("ca_sha256")? }))
            .transpose()
    }

    /// Says it, if nobody did; answers what is said.
    pub(crate) async fn site_settle(&self, print: &SitePrint) -> Result<SitePrint, StoreError> {
        let statement = sql(
            "INSERT INTO site (one, key_sha256, ca_sha256) VALUES (1, $1, $2) ON CONFLICT (one) DO NOTHING",
        );
        self.writer.run(statement.bind(&print.key).bind(&print.ca)).await?;
        Ok(self.site().await?.unwrap_or_else(|| print.clone()))
    }
}
