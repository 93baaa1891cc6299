//! The service as an agent of the fleet sees it: the real client, watched, over a network that may be a bad one.
//!
//! A bad network loses requests, loses answers (the service did as it was asked, and nobody knows), brings a report
//! twice, and holds calls up. What the agent makes of it is the agent's own business.

use super::fate::{Fates, wait};
use super::traffic::Counters;
use crate::fleet::{Eyes, Seen};
use async_trait::async_trait;
use bytes::Bytes;
use images_agent::{Service, ServiceError};
use provisioner_api::{
    Secret,
    agent::{ClaimRequest, ClaimResponse, Order, Outcome, Report, ReportResponse},
};
use std::sync::Arc;
use std::time::Duration;

/// Is told the step of an order when the agent gets it, and none when the agent is done with it.
pub type Orders = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// The real client, watched.
pub(super) struct Watched<S> {
    pub(super) service: S,
    pub(super) number: u32,
    pub(super) orders: Orders,
    pub(super) eyes: Arc<Eyes>,
    pub(super) fates: Arc<Fates>,
    pub(super) traffic: Arc<Counters>,
}

impl<S: Service> Watched<S> {
    /// A call over the network: it may be lost on the way there, and its answer on the way back.
    async fn call<T, F>(&self, call: F) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, ServiceError>> + Send,
    {
        let there = self.fates.next(self.number);
        wait(there.delay).await;
        if there.copies == 0 {
            self.traffic.agent(false);
            return Err(lost("the request was lost"));
        }
        let answer = call.await;
        let back = self.fates.next(self.number);
        wait(back.delay).await;
        let answer = if back.copies == 0 { Err(lost("the answer was lost")) } else { answer };
        self.traffic.agent(answer.is_ok());
        answer
    }

    fn see(&self, seen: Seen) {
        self.eyes.see(self.number, seen);
    }
}

fn lost(why: &str) -> ServiceError {
    ServiceError::Unavailable { why: why.to_owned() }
}

#[async_trait]
impl<S: Service> Service for Watched<S> {
    async fn claim(&self, claim: &ClaimRequest) -> Result<ClaimResponse, ServiceError> {
        let answer = self.call(self.service.claim(claim)).await?;
        self.see(Seen::Claimed);
        Ok(answer)
    }

    async fn order(
        &self,
        session: &Secret,
        challenge: &str,
        wait: Duration,
    ) -> Result<Option<Order>, ServiceError> {
        // It asks for another when it has none in hand, or for the same before it begins.
        (self.orders)(None);
        let order = self.call(self.service.order(session, challenge, wait)).await?;
        if let Some(order) = &order {
            (self.orders)(Some(&order.step));
            self.see(Seen::Order {
                job: order.job.to_string(),
                epoch: order.epoch,
                step: order.step.clone(),
                attempt: order.attempt,
            });
        }
        Ok(order)
    }

    async fn report(&self, session: &Secret, report: &Report) -> Result<ReportResponse, ServiceError> {
        let outcome = word(&report.outcome);
        if outcome != "progress" {
            (self.orders)(None);
        }
        let twice = self.fates.next(self.number).copies == 2;
        let answer = self
            .call(async {
                if twice {
                    // The first one's answer is the one that nobody waits for.
                    let _first = self.service.report(session, report).await;
                }
                self.service.report(session, report).await
            })
            .await?;
        if let (true, Outcome::Done { disks, .. }) = (answer.stands, &report.outcome) {
            for disk in disks {
                let policy = disk.policy.as_str().to_owned();
                self.see(Seen::Erased { disk: disk.serial.clone(), policy });
            }
        }
        self.see(Seen::Reported {
            job: report.job.to_string(),
            epoch: report.epoch,
            step: report.step.clone(),
            outcome: if answer.stands { outcome.to_owned() } else { format!("{outcome}-void") },
        });
        Ok(answer)
    }

    async fn manifest(&self, session: &Secret, sha256: &str) -> Result<Bytes, ServiceError> {
        let bytes = self.call(self.service.manifest(session, sha256)).await?;
        self.traffic.agent_bytes(bytes.len());
        Ok(bytes)
    }

    async fn cached(&self, cache: &str, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        self.call(self.service.cached(cache, sha256, limit)).await
    }

    async fn rescue(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        let bytes = self.call(self.service.rescue(session, sha256, limit)).await?;
        self.traffic.agent_bytes(bytes.len());
        Ok(bytes)
    }

    async fn chunk(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        let bytes = self.call(self.service.chunk(session, sha256, limit)).await?;
        self.traffic.agent_bytes(bytes.len());
        Ok(bytes)
    }
}

/// The word for an outcome.
fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Progress { .. } => "progress",
        Outcome::Done { .. } => "done",
        Outcome::Inventory { .. } => "inventory",
        Outcome::Rescued { .. } => "rescued",
        Outcome::Failed { .. } => "failed",
        Outcome::Refused { .. } => "refused",
    }
}

#[cfg(test)]
mod tests;
