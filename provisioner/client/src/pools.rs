//! Pools: what is said of them, and their machines counted.

use crate::{Client, ClientError, answer};
use provisioner_api::{Pool, PoolCreate, PoolList, PoolUpdate, paths};
use reqwest::{Method, header};

impl Client {
    /// The pools by name, with their machines counted.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn pools(&self) -> Result<Vec<Pool>, ClientError> {
        Ok(self.get::<PoolList>(paths::POOLS, &[]).await?.items)
    }

    /// A pool.
    pub async fn pool(&self, name: &str) -> Result<Pool, ClientError> {
        self.get(paths::POOL, &[name]).await
    }

    /// Says something of a pool.
    pub async fn create_pool(&self, pool: &PoolCreate) -> Result<Pool, ClientError> {
        answer::json(self.request(Method::POST, paths::POOLS, &[])?.json(pool)).await
    }

    /// Changes what is said of a pool.
    pub async fn update_pool(&self, name: &str, update: &PoolUpdate) -> Result<Pool, ClientError> {
        answer::json(self.request(Method::PATCH, paths::POOL, &[name])?.json(update)).await
    }

    /// Changes what is said of a pool, if it is still what has this `ETag`.
    pub async fn update_seen_pool(
        &self,
        name: &str,
        seen: &str,
        update: &PoolUpdate,
    ) -> Result<Pool, ClientError> {
        let request = self.request(Method::PATCH, paths::POOL, &[name])?;
        answer::json(request.header(header::IF_MATCH, seen).json(update)).await
    }

    /// Takes away what is said of a pool.
    pub async fn delete_pool(&self, name: &str) -> Result<(), ClientError> {
        answer::send(self.request(Method::DELETE, paths::POOL, &[name])?).await.map(drop)
    }
}
