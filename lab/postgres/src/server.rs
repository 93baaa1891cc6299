//! A server as runs and tests use it: shared by a process or a test's own, databases on it, and what may happen to it.

use crate::cluster::{Cluster, ROLE};
use crate::database::Database;
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// How a server is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether what is committed is forced to disk. Needed only where the *machine* may fail: a killed server keeps
    /// what it gave to the kernel.
    pub fsync: bool,
    /// Whether it takes TLS, with a certificate for 127.0.0.1 by a CA of its own ([`Server::ca`]).
    pub tls: bool,
}

/// A PostgreSQL server of this process's own, on a port of 127.0.0.1. Copies are the same server; with the last one, and
/// the last [`Database`], it ends and its data are gone.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    cluster: Arc<Cluster>,
    made: AtomicU64,
    templates: Mutex<HashMap<String, Arc<OnceCell<String>>>>,
}

impl Server {
    /// The one that all tests of this process share, made at the first call. Nobody may stop it.
    ///
    /// # Errors
    /// When it can't be made; when PostgreSQL is not installed, with the package to install.
    pub async fn shared() -> Result<Self> {
        static SHARED: OnceCell<Server> = OnceCell::const_new();
        Ok(SHARED.get_or_try_init(|| Self::start_with(Options::default())).await?.clone())
    }

    /// A new one, for a test that stops it or looks at it alone.
    ///
    /// # Errors
    /// When it can't be made; when PostgreSQL is not installed, with the package to install.
    pub async fn start() -> Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// The same, as `options` say.
    ///
    /// # Errors
    /// When it can't be made; when PostgreSQL is not installed, with the package to install.
    pub async fn start_with(options: Options) -> Result<Self> {
        let cluster = blocking(move || Cluster::new(options)).await?;
        let inner =
            Inner { cluster: Arc::new(cluster), made: AtomicU64::new(0), templates: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Its port on 127.0.0.1, the same for its whole life.
    pub fn port(&self) -> u16 {
        self.inner.cluster.port()
    }

    /// The file with the certificate (PEM) of the CA that signed its own; there for its whole life, if it takes TLS.
    pub fn ca(&self) -> PathBuf {
        self.inner.cluster.ca()
    }

    /// Ends it in order ("fast"): clients are told, open transactions undone. Nothing happens when it doesn't run.
    ///
    /// # Errors
    /// When the process can't be ended.
    pub async fn stop(&self) -> Result<()> {
        self.on_cluster(Cluster::stop).await
    }

    /// Kills all its processes at once, as a failure of its machine does; returns when they are gone.
    ///
    /// # Errors
    /// When they are not gone after 10 s.
    pub async fn kill(&self) -> Result<()> {
        self.on_cluster(Cluster::kill).await
    }

    /// Starts it again after [`Server::stop`] or [`Server::kill`], on the same port and data; returns when it takes
    /// connections.
    ///
    /// # Errors
    /// When it runs already or does not come up, with the end of its log.
    pub async fn start_again(&self) -> Result<()> {
        self.on_cluster(Cluster::start).await
    }

    /// Runs a statement as superuser in one of its databases (`postgres` is always there). The answer has a line for
    /// each row, with `|` between columns.
    ///
    /// # Errors
    /// When the server does not run, or in its words.
    pub async fn sql(&self, database: &str, statement: &str) -> Result<String> {
        let (database, statement) = (database.to_owned(), statement.to_owned());
        self.on_cluster(move |cluster| cluster.sql(&database, &[&statement])).await
    }

    /// What is wrong in a database, by PostgreSQL's own check (pg_amcheck): tables page by page, each index beside its table.
    /// Empty: it is whole.
    ///
    /// # Errors
    /// When it can't be asked.
    pub async fn damage(&self, database: &Database) -> Result<Vec<String>> {
        let name = database.name().to_owned();
        self.on_cluster(move |cluster| cluster.damage(&name)).await
    }

    /// Whether it runs, as far as this process stopped and started it.
    pub fn runs(&self) -> bool {
        self.inner.cluster.runs()
    }

    /// A new empty database.
    ///
    /// # Errors
    /// When it can't be made.
    pub async fn database(&self) -> Result<Database> {
        self.database_from("template0").await
    }

    /// A new copy of the database that `fill` makes when the first test asks for `template`. `fill` gets its URL and
    /// runs once for each server and name; when it fails, the next caller's is tried.
    ///
    /// # Errors
    /// Those of `fill`, or when the copy can't be made.
    pub async fn database_like<F>(&self, template: &str, fill: impl FnOnce(String) -> F) -> Result<Database>
    where
        F: Future<Output = Result<()>>,
    {
        let cell = {
            let mut templates = self.inner.templates.lock().unwrap_or_else(PoisonError::into_inner);
            templates.entry(template.to_owned()).or_default().clone()
        };
        let name = cell.get_or_try_init(|| self.make_template(fill)).await?;
        self.database_from(name).await
    }

    async fn make_template<F>(&self, fill: impl FnOnce(String) -> F) -> Result<String>
    where
        F: Future<Output = Result<()>>,
    {
        let name = self.new_name("template");
        self.create(&name, "template0").await?;
        fill(self.inner.cluster.url(&name)).await?;
        // A database that somebody is connected to can't be copied.
        let close = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
        let end =
            format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'");
        self.on_cluster(move |cluster| cluster.sql("postgres", &[&close, &end])).await?;
        Ok(name)
    }

    async fn database_from(&self, template: &str) -> Result<Database> {
        let name = self.new_name("test");
        self.create(&name, template).await?;
        Ok(Database::new(self.inner.cluster.clone(), name))
    }

    async fn create(&self, name: &str, template: &str) -> Result<()> {
        let statement = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER {ROLE}");
        self.sql("postgres", &statement).await?;
        Ok(())
    }

    fn new_name(&self, prefix: &str) -> String {
        format!("{prefix}_{}", self.inner.made.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn on_cluster<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cluster) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let cluster = self.inner.cluster.clone();
        blocking(move || work(&cluster)).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("PostgreSQL's steps were not done to their end")?
}
