//! One database on a server, gone when the test is.

use crate::cluster::Cluster;
use std::sync::Arc;

/// A database of its own for one test. Dropping it drops it, whoever is connected.
pub struct Database {
    cluster: Arc<Cluster>,
    name: String,
    url: String,
}

impl Database {
    pub(crate) fn new(cluster: Arc<Cluster>, name: String) -> Self {
        Self { url: cluster.url(&name), cluster, name }
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients connect, with the password of the role that owns it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.cluster.runs() {
            let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
            // Else it goes with the server.
            let _ = self.cluster.sql("postgres", &[&statement]);
        }
    }
}
