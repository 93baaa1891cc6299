//! The calls to the service as the agent needs them, and what their errors mean to it: log in again, wait, or stop.

use async_trait::async_trait;
use bytes::Bytes;
use provisioner_api::{
    Secret,
    agent::{ClaimRequest, ClaimResponse, Order, Report, ReportResponse},
};
use provisioner_client::{ClientError, agent::AgentClient};
use std::time::Duration;

/// The calls of the agent's protocol. `AgentClient` over HTTPS, or a fake in tests.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Trades the boot window's token for a session.
    async fn claim(&self, claim: &ClaimRequest) -> Result<ClaimResponse, ServiceError>;
    /// Asks for an order, for at most `wait`. A permit in it has to repeat the `challenge`.
    async fn order(
        &self,
        session: &Secret,
        challenge: &str,
        wait: Duration,
    ) -> Result<Option<Order>, ServiceError>;
    /// Reports on an order.
    async fn report(&self, session: &Secret, report: &Report) -> Result<ReportResponse, ServiceError>;
    /// Fetches a manifest by its SHA-256; unchecked.
    async fn manifest(&self, session: &Secret, sha256: &str) -> Result<Bytes, ServiceError>;
    /// Fetches a rescue archive by its SHA-256, at most `limit` bytes; unchecked.
    async fn rescue(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ServiceError>;
    /// Fetches the stored bytes of a chunk by their SHA-256, at most `limit` bytes; unchecked.
    async fn chunk(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ServiceError>;
    /// The same from a cache, which is no part of the service and told no session; unchecked.
    async fn cached(&self, cache: &str, sha256: &str, limit: usize) -> Result<Bytes, ServiceError>;
}

/// What a failed call means to the agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The session or the token isn't known: claim again.
    #[error("{why}")]
    Unauthorized {
        /// What the service said.
        why: String,
    },
    /// Nobody could answer just now: try again later.
    #[error("{why}")]
    Unavailable {
        /// What happened.
        why: String,
    },
    /// The service understood and said no: the same call won't do better.
    #[error("{why}")]
    Refused {
        /// What the service said.
        why: String,
    },
}

impl From<ClientError> for ServiceError {
    fn from(error: ClientError) -> Self {
        let why = error.to_string();
        match error.status() {
            Some(401) => Self::Unauthorized { why },
            Some(400..=407 | 409..=424 | 426..=428 | 430..=499) => Self::Refused { why },
            _ => Self::Unavailable { why },
        }
    }
}

#[async_trait]
impl Service for AgentClient {
    async fn claim(&self, claim: &ClaimRequest) -> Result<ClaimResponse, ServiceError> {
        Ok(Self::claim(self, claim).await?)
    }

    async fn order(
        &self,
        session: &Secret,
        challenge: &str,
        wait: Duration,
    ) -> Result<Option<Order>, ServiceError> {
        Ok(Self::order(self, session, challenge, wait).await?)
    }

    async fn report(&self, session: &Secret, report: &Report) -> Result<ReportResponse, ServiceError> {
        Ok(Self::report(self, session, report).await?)
    }

    async fn manifest(&self, session: &Secret, sha256: &str) -> Result<Bytes, ServiceError> {
        Ok(Self::manifest(self, session, sha256).await?)
    }

    async fn rescue(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        Ok(Self::rescue(self, session, sha256, limit).await?)
    }

    async fn chunk(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        Ok(Self::chunk(self, session, sha256, limit).await?)
    }

    async fn cached(&self, cache: &str, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        Ok(Self::cached(self, cache, sha256, limit).await?)
    }
}
