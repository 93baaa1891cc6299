//! The freeze that the service puts on itself when it finds that its database is older than the world.

use super::{
    Store, StoreError,
    db::{now_text, sql},
};

impl Store {
    /// Freezes everything for this reason; false: it is frozen already.
    pub(crate) async fn freeze_as_older(&self, why: &str) -> Result<bool, StoreError> {
        let mut lent = self.writer.get().await?;
        let now = now_text(lent.conn());
        let text = format!(
            "UPDATE works SET frozen = {now}, frozen_by = $2, frozen_why = $3 WHERE one = 1 AND frozen IS NULL"
        );
        let statement = sql(text).bind(self.test_clock()).bind("billet serve").bind(why);
        Ok(statement.execute(lent.conn()).await? > 0)
    }

    /// Why everything is frozen, if it is.
    #[cfg(test)]
    pub(crate) async fn frozen_why(&self) -> Result<Option<String>, StoreError> {
        let text = "SELECT frozen_why FROM works WHERE frozen IS NOT NULL";
        Ok(sql(text).scalar_optional(self.reader.get().await?.conn()).await?)
    }
}
