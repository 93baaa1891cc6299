//! What the database says of itself, for whoever helps.

use super::{
    Store, StoreError,
    db::{self, Checked, Facts},
};

impl Store {
    /// Its kind, version, size and schema.
    pub(crate) async fn facts(&self) -> Result<Facts, StoreError> {
        Ok(db::facts(&mut *self.api_reader.get().await?).await?)
    }

    /// Its rows; of a file also whether it is whole. That reads all of it, on a connection of its own, so that nobody else
    /// waits for it; when this is dropped, SQLite is interrupted, and PostgreSQL ends it in its time for a statement.
    pub(crate) async fn checked(&self) -> Result<Checked, StoreError> {
        let lanes = self.api_reader.apart().await?;
        let checked = db::checked(&mut *lanes.get().await?).await?;
        lanes.close().await;
        Ok(checked)
    }
}
