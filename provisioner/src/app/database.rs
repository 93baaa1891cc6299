//! The database and the key to its secrets, which belong together.

use crate::{
    config::Config,
    keys::SiteKey,
    store::{Store, StoreError},
    text::chain,
};
use anyhow::Context;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long a server is waited for that is not there, or not yet: one that is restarted, or starts beside us. Whoever
/// wrote a wrong address reads the warning meanwhile.
const PATIENCE: Duration = Duration::from_mins(10);

/// Between two tries to reach it.
const AGAIN: Duration = Duration::from_secs(1);

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
    let there = reached(|| Store::is_on_server(&options)).await.with_context(why)?;
    let key = SiteKey::open(&key, there)?;
    let store = reached(|| Store::open_server(&options)).await.with_context(why)?;
    Ok((Arc::new(key), Arc::new(store)))
}

/// Asks a server until it is there.
async fn reached<T, A>(mut ask: impl FnMut() -> A) -> Result<T, StoreError>
where
    A: Future<Output = Result<T, StoreError>>,
{
    let until = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        match ask().await {
            Err(error) if error.is_lost() && Instant::now() < until => {
                if !told {
                    let minutes = PATIENCE.as_secs() / 60;
                    tracing::warn!(
                        error = chain(&error),
                        minutes,
                        "the database can't be reached; it is waited for"
                    );
                    told = true;
                }
                tokio::time::sleep(AGAIN).await;
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tests_postgres::Server;

    #[tokio::test]
    async fn a_server_that_comes_later_is_waited_for() {
        let server = Server::start().await.unwrap();
        let database = server.database().await.unwrap();
        let options = database.url().parse().unwrap();
        server.stop().await.unwrap();
        let mut asked = 0;
        let answer = reached(|| {
            asked += 1;
            let (first, server, options) = (asked == 1, &server, &options);
            async move {
                let answer = Store::is_on_server(options).await;
                if first {
                    assert!(answer.as_ref().is_err_and(StoreError::is_lost), "{answer:?}");
                    server.start_again().await.unwrap();
                }
                answer
            }
        });
        assert!(!answer.await.unwrap());
        assert_eq!(asked, 2);
    }
}
