//! The database and the key to its secrets, which belong together.

use crate::{config::Config, keys::SiteKey, store::Store};
use anyhow::Context;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Opens both, or makes them.
pub(super) async fn open(config: &Config) -> anyhow::Result<(Arc<SiteKey>, Arc<Store>)> {
    let key = config.data.join("site.key");
    let Some(server) = &config.database else {
        let file = config.data.join("billet.db");
        let key = SiteKey::open(&key, file.exists())?;
        return Ok((Arc::new(key), Arc::new(Store::open(&file).await?)));
    };
    let why = || format!("can't use the database {server}; `database` sets it");
    let options = server.options().context("`database_password_file` can't be read")?;
    let key = SiteKey::open(&key, Store::is_on_server(&options).await.with_context(why)?)?;
    let store = Store::open_server(&options).await.with_context(why)?;
    Ok((Arc::new(key), Arc::new(store)))
}

/// Ends when another process may serve from the database: then this one must stop.
pub(super) async fn alone(store: Arc<Store>, shutdown: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        error = store.lost() => Err(anyhow::Error::new(error).context(
            "the connection to the database that shows that this process serves broke; it has to be started again",
        )),
    }
}
