//! The database and the key to its secrets, which belong together.

use crate::{
    config::Config,
    key_use,
    keys::SiteKey,
    store::{Store, StoreError},
    text::logged,
};
use anyhow::Context;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long a server is waited for that is not there, or not yet: one that is restarted, or starts beside us. Whoever
/// wrote a wrong address reads the warning meanwhile.
const PATIENCE: Duration = Duration::from_mins(10);

/// Between two tries to reach it.
const AGAIN: Duration = Duration::from_secs(1);

/// What mends a server that is not trusted.
const UNTRUSTED: &str = "its server can't prove by TLS who it is: `sslrootcert=FILE` in `database` has to name the CA that \
                         signed its certificate, that certificate the host in `database`, and the server needs `ssl = on`";

/// Opens both, or makes them.
pub(super) async fn open(config: &Config) -> anyhow::Result<(Arc<SiteKey>, Arc<Store>)> {
    let key = config.data.join("site.key");
    let Some(server) = &config.database else {
        let file = config.data.join("billet.db");
        let key = SiteKey::open(&key, file.exists())?;
        let store = Store::open(&file).await?;
        if let Err(refused) = key_use::check(&store, &key, &config.data).await {
            store.close().await;
            return Err(refused);
        }
        return Ok((Arc::new(key), Arc::new(store)));
    };
    let why = || format!("can't use the database {server}; `database` sets it");
    let options = server.options().context("`database_password_file` can't be read")?;
    let there = reached(|| Store::is_on_server(&options)).await.map_err(explained).with_context(why)?;
    let key = SiteKey::open(&key, there)?;
    let store = reached(|| Store::open_server(&options)).await.map_err(explained).with_context(why)?;
    Ok((Arc::new(key), Arc::new(store)))
}

/// With what mends it, where the failure alone does not say so.
fn explained(error: StoreError) -> anyhow::Error {
    let untrusted = error.is_untrusted();
    let error = anyhow::Error::new(error);
    if untrusted { error.context(UNTRUSTED) } else { error }
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
            Err(error) if error.is_lost() && !error.is_untrusted() && Instant::now() < until => {
                if !told {
                    let minutes = PATIENCE.as_secs() / 60;
                    tracing::warn!(
                        error = logged(&error),
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
    use crate::{app, config::PostgresDatabase};
    use std::path::Path;
    use tests_postgres::{Options, Server};

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

    /// A configuration with this database, by the words of docs/guide.md.
    fn config(folder: &Path, url: &str, host: &str, ca: &Path) -> Config {
        let url = url.replace("127.0.0.1", host);
        let url = format!("{url}?sslmode=verify-full&sslrootcert={}", ca.display());
        let database = Some(PostgresDatabase::parse(&url, None).unwrap());
        Config { database, ..app::tests::config(folder) }
    }

    #[tokio::test]
    async fn over_tls_the_server_has_to_prove_who_it_is() {
        let options = Options { tls: true, ..Options::default() };
        let server = Server::start_with(options).await.unwrap();
        let database = server.database().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let good = config(folder.path(), database.url(), "127.0.0.1", &server.ca());
        std::fs::create_dir_all(&good.data).unwrap();
        let (_key, store) = open(&good).await.unwrap();
        store.image_list().await.unwrap();
        let ours = "SELECT COUNT(*) > 0, BOOL_AND(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                    WHERE usename = 'billet'";
        assert_eq!(server.sql("postgres", ours).await.unwrap(), "t|t");
        store.close().await;
        // Another CA, another name, and a server that speaks no TLS at all: said at once, not waited for.
        let key = rcgen::KeyPair::generate().unwrap();
        let other = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let other_ca = folder.path().join("other.pem");
        std::fs::write(&other_ca, other.pem()).unwrap();
        let plain = Server::shared().await.unwrap().database().await.unwrap();
        for (url, host, ca) in [
            (database.url(), "127.0.0.1", &other_ca),
            (database.url(), "localhost", &server.ca()),
            (plain.url(), "127.0.0.1", &server.ca()),
        ] {
            let Err(error) = open(&config(folder.path(), url, host, ca)).await else { panic!("{host}") };
            let words = format!("{error:#}");
            assert!(words.contains("can't use the database") && words.contains("sslrootcert"), "{words}");
        }
    }
}
