//! Databases come and go, servers are stopped and killed, and none outlives its process.

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tests_postgres::{Options, Server};

async fn make_table(url: &str) -> Result<PgConnection> {
    let mut client = PgConnection::connect(url).await?;
    sqlx::query("CREATE TABLE t (n BIGINT PRIMARY KEY)").execute(&mut client).await?;
    Ok(client)
}

async fn numbers(url: &str) -> Result<Vec<i64>> {
    let mut client = PgConnection::connect(url).await?;
    Ok(sqlx::query_scalar("SELECT n FROM t ORDER BY n").fetch_all(&mut client).await?)
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own() -> Result<()> {
    let server = Server::shared().await?;
    let (one, other) = (server.database().await?, server.database().await?);
    let mut client = make_table(one.url()).await?;
    sqlx::query("INSERT INTO t VALUES (1)").execute(&mut client).await?;
    make_table(other.url()).await?;
    assert_eq!(numbers(one.url()).await?, [1]);
    assert_eq!(numbers(other.url()).await?, [] as [i64; 0]);
    let name = one.name().to_owned();
    // Although the client is still connected.
    drop(one);
    let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(server.sql("postgres", &count).await?, "0");
    Ok(())
}

#[tokio::test]
async fn a_template_is_filled_once_and_copied() -> Result<()> {
    let server = Server::shared().await?;
    let filled = AtomicU32::new(0);
    let fill = async |url: String| {
        filled.fetch_add(1, Ordering::SeqCst);
        let mut client = make_table(&url).await?;
        sqlx::query("INSERT INTO t VALUES (7)").execute(&mut client).await?;
        // The connection is left open, as pools do.
        std::mem::forget(client);
        Ok(())
    };
    let (one, other) =
        tokio::try_join!(server.database_like("seven", fill), server.database_like("seven", fill))?;
    assert_eq!(filled.load(Ordering::SeqCst), 1);
    let mut client = PgConnection::connect(one.url()).await?;
    sqlx::query("INSERT INTO t VALUES (8)").execute(&mut client).await?;
    assert_eq!(numbers(one.url()).await?, [7, 8]);
    assert_eq!(numbers(other.url()).await?, [7]);
    Ok(())
}

#[tokio::test]
async fn what_was_committed_outlives_a_stop_and_a_kill() -> Result<()> {
    let server = Server::start_with(Options { fsync: true, ..Options::default() }).await?;
    assert_eq!(server.sql("postgres", "SHOW fsync").await?, "on");
    let (port, database) = (server.port(), server.database().await?);
    let mut client = make_table(database.url()).await?;
    sqlx::query("INSERT INTO t VALUES (1)").execute(&mut client).await?;
    let mut open = client.begin().await?;
    sqlx::query("INSERT INTO t VALUES (2)").execute(&mut *open).await?;
    server.stop().await?;
    assert!(open.commit().await.is_err(), "a stop undoes open transactions");
    assert!(PgConnection::connect(database.url()).await.is_err());
    server.start_again().await?;
    assert!(server.start_again().await.is_err(), "it runs already");

    let mut client = PgConnection::connect(database.url()).await?;
    sqlx::query("INSERT INTO t VALUES (3)").execute(&mut client).await?;
    let mut open = client.begin().await?;
    sqlx::query("INSERT INTO t VALUES (4)").execute(&mut *open).await?;
    server.kill().await?;
    assert!(open.commit().await.is_err(), "a kill undoes open transactions");
    server.start_again().await?;
    assert_eq!(server.port(), port);
    assert_eq!(numbers(database.url()).await?, [1, 3]);
    Ok(())
}

/// Not a test: the process that the next one kills.
#[tokio::test]
#[ignore = "it waits until it is killed"]
async fn wait_with_a_server() -> Result<()> {
    let server = Server::shared().await?;
    let pid_file = server.sql("postgres", "SELECT pg_read_file('postmaster.pid')").await?;
    let mut lines = pid_file.lines();
    let (pid, data) = (lines.next().context("a process id")?, lines.next().context("a folder")?);
    let mut said = std::fs::File::create(std::env::var_os("TELL").context("who is told")?)?;
    std::io::Write::write_all(&mut said, format!("{pid} {data}\n").as_bytes())?;
    std::future::pending().await
}

#[tokio::test]
async fn a_server_ends_with_its_process_however_that_ends() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let told = folder.path().join("told");
    nix::unistd::mkfifo(&told, nix::sys::stat::Mode::S_IRWXU)?;
    let mut process = Command::new(std::env::current_exe()?)
        .args(["--exact", "server::wait_with_a_server", "--ignored"])
        .env("TELL", &told)
        .stdout(Stdio::null())
        .spawn()?;
    let line = BufReader::new(std::fs::File::open(&told)?).lines().next().context("it says where")??;
    let (pid, data) = line.split_once(' ').context("two words")?;
    assert!(Path::new("/proc").join(pid).exists());
    process.kill()?;
    process.wait()?;
    let gone = async {
        while std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"))
            .is_ok_and(|stat| !stat.contains(") Z"))
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.context("it is still there")?;
    // The next server tidies up.
    let _server = Server::start().await?;
    assert!(!Path::new(data).exists());
    Ok(())
}
