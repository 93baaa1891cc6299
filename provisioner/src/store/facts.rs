//! What the database says of itself, for whoever helps.

use super::{
    Store, StoreError,
    db::{self, Facts},
};

impl Store {
    /// Its kind, version, size, schema and rows; of a file also whether it is whole.
    pub(crate) async fn facts(&self) -> Result<Facts, StoreError> {
        Ok(db::facts(&mut *self.api_reader.get().await?).await?)
    }
}
