//! Whether a transaction stands is what the relay was told, and not what the client was.

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use std::time::Duration;
use tests_postgres::{AtCommit, Database, Relay, Server};

struct Bench {
    server: Server,
    database: Database,
    relay: Relay,
}

impl Bench {
    async fn new() -> Result<Self> {
        let server = Server::shared().await?;
        let database = server.database().await?;
        let relay = Relay::start(&server).await?;
        let bench = Self { server, database, relay };
        sqlx::query("CREATE TABLE t (n BIGINT)").execute(&mut bench.client().await?).await?;
        Ok(bench)
    }

    async fn client(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.relay.url(&self.database)?).await?)
    }

    /// What stands, seen beside the relay.
    async fn stands(&self) -> Result<String> {
        self.server.sql(self.database.name(), "SELECT count(*) FROM t").await
    }
}

/// A transaction with one row; `prepared` sends its COMMIT by the extended protocol.
async fn insert(client: &mut PgConnection, prepared: bool) -> Result<(), sqlx::Error> {
    if prepared {
        sqlx::query("BEGIN").execute(&mut *client).await?;
        sqlx::query("INSERT INTO t VALUES ($1)").bind(1_i64).execute(&mut *client).await?;
        sqlx::query("COMMIT").execute(&mut *client).await?;
        return Ok(());
    }
    let mut transaction = client.begin().await?;
    sqlx::query("INSERT INTO t VALUES ($1)").bind(1_i64).execute(&mut *transaction).await?;
    transaction.commit().await
}

#[tokio::test]
async fn a_commit_passes() -> Result<()> {
    let bench = Bench::new().await?;
    let mut client = bench.client().await?;
    for prepared in [false, true] {
        insert(&mut client, prepared).await?;
    }
    assert_eq!(bench.stands().await?, "2");
    assert_eq!(bench.relay.commits(), 2);
    Ok(())
}

#[tokio::test]
async fn a_connection_breaks_before_the_commit() -> Result<()> {
    let bench = Bench::new().await?;
    for prepared in [false, true] {
        let mut client = bench.client().await?;
        bench.relay.once(AtCommit::DropBefore);
        assert!(insert(&mut client, prepared).await.is_err());
        assert_eq!(bench.stands().await?, "0");
    }
    insert(&mut bench.client().await?, false).await?;
    assert_eq!(bench.stands().await?, "1");
    Ok(())
}

#[tokio::test]
async fn a_connection_breaks_after_the_commit() -> Result<()> {
    let bench = Bench::new().await?;
    bench.relay.always(AtCommit::DropAfter);
    for (prepared, stands) in [(false, "1"), (true, "2")] {
        let mut client = bench.client().await?;
        assert!(insert(&mut client, prepared).await.is_err());
        assert_eq!(bench.stands().await?, stands);
    }
    Ok(())
}

#[tokio::test]
async fn a_commit_is_held_until_it_is_released() -> Result<()> {
    let bench = Bench::new().await?;
    for (prepared, before, after) in [(false, "0", "1"), (true, "1", "2")] {
        let mut client = bench.client().await?;
        bench.relay.once(AtCommit::Hold);
        let (result, ()) = tokio::join!(insert(&mut client, prepared), async {
            bench.relay.until_held(1).await;
            assert_eq!(bench.stands().await.expect("the server answers"), before);
            bench.relay.release();
        });
        result?;
        assert_eq!(bench.stands().await?, after);
    }
    Ok(())
}

#[tokio::test]
async fn a_held_commit_can_be_cut_off() -> Result<()> {
    let bench = Bench::new().await?;
    let mut client = bench.client().await?;
    bench.relay.once(AtCommit::Hold);
    let (result, ()) = tokio::join!(insert(&mut client, false), async {
        bench.relay.until_held(1).await;
        bench.relay.cut();
    });
    assert!(result.is_err());
    bench.relay.release();
    assert_eq!(bench.stands().await?, "0");
    Ok(())
}

#[tokio::test]
async fn new_connections_are_refused_and_old_ones_cut() -> Result<()> {
    let bench = Bench::new().await?;
    let mut client = bench.client().await?;
    bench.relay.refuse(true);
    assert!(bench.client().await.is_err());
    client.ping().await?;
    bench.relay.cut();
    assert!(client.ping().await.is_err());
    let none = tokio::time::timeout(Duration::from_secs(10), bench.relay.until_open(0));
    none.await.context("connections are still counted")?;
    bench.relay.refuse(false);
    bench.client().await?.ping().await?;
    assert_eq!(bench.relay.accepted(), 4);
    Ok(())
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() -> Result<()> {
    let server = Server::start().await?;
    let (database, relay) = (server.database().await?, Relay::start(&server).await?);
    let url = relay.url(&database)?;
    PgConnection::connect(&url).await?.ping().await?;
    server.kill().await?;
    assert!(PgConnection::connect(&url).await.is_err());
    server.start_again().await?;
    PgConnection::connect(&url).await?.ping().await?;
    Ok(())
}
