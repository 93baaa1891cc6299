//! The way to the service, which may be dead for minutes: calls are repeated, sessions are claimed anew.
//!
//! One link is shared by the loop that asks for orders, the progress reports and the threads that fetch chunks.

use crate::{Host, Pace, Service, ServiceError, random};
use bytes::Bytes;
use provisioner_api::{
    Inventory, MachineId, Secret,
    agent::{ClaimRequest, Order, Report},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// Who the service says that we are.
#[derive(Clone)]
pub(crate) struct Claimed {
    pub(crate) session: Secret,
    pub(crate) machine: MachineId,
}

/// The way to the service.
pub(crate) struct Link {
    host: Arc<dyn Host>,
    service: Arc<dyn Service>,
    claim: ClaimRequest,
    pace: Pace,
    claimed: Mutex<Option<Claimed>>,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The order still stands.
    Stands,
    /// It does not; or the service won't hear of it.
    Void,
}

impl Link {
    /// A link that claims with `token` and a nonce of its own.
    pub(crate) fn new(
        host: Arc<dyn Host>,
        service: Arc<dyn Service>,
        token: Secret,
        inventory: Inventory,
        pace: Pace,
    ) -> Result<Self, getrandom::Error> {
        let claim = ClaimRequest {
            token,
            nonce: hex::encode(random::bytes::<32>()?),
            inventory,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Ok(Self { host, service, claim, pace, claimed: Mutex::new(None) })
    }

    /// The session; claims one, however long it takes.
    pub(crate) async fn claimed(&self) -> Claimed {
        let mut claimed = self.claimed.lock().await;
        if let Some(claimed) = &*claimed {
            return claimed.clone();
        }
        let mut trouble = Trouble::new(&*self.host, "claim this machine", self.pace);
        loop {
            match self.service.claim(&self.claim).await {
                Ok(answer) => {
                    self.host.say(&format!("claimed as machine {}", answer.machine_name));
                    let new = Claimed { session: answer.session, machine: answer.machine };
                    return claimed.insert(new).clone();
                }
                Err(error) => trouble.wait(&error).await,
            }
        }
    }

    /// Forgets a session that the service doesn't know any more, unless somebody claimed a new one meanwhile.
    async fn forget(&self, session: &Secret) {
        let mut claimed = self.claimed.lock().await;
        if claimed.as_ref().is_some_and(|claimed| claimed.session == *session) {
            self.host.say("the service doesn't know this session any more; claiming again");
            *claimed = None;
        }
    }

    /// Repeats a call until it gets an answer: a result or a refusal.
    async fn insist<T, F>(
        &self,
        what: &str,
        call: impl Fn(Arc<dyn Service>, Secret) -> F,
    ) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, ServiceError>>,
    {
        let mut trouble = Trouble::new(&*self.host, what, self.pace);
        loop {
            let session = self.claimed().await.session;
            match call(self.service.clone(), session.clone()).await {
                Err(error @ ServiceError::Unavailable { .. }) => trouble.wait(&error).await,
                Err(error @ ServiceError::Unauthorized { .. }) => {
                    self.forget(&session).await;
                    trouble.wait(&error).await;
                }
                answer => {
                    trouble.over();
                    return answer;
                }
            }
        }
    }

    /// The next order; none when there was none for `wait`.
    pub(crate) async fn order(&self, wait: Duration) -> Result<Option<Order>, ServiceError> {
        self.insist("ask for orders", |service, session| async move { service.order(&session, wait).await })
            .await
    }

    /// Reports until the service has it.
    pub(crate) async fn deliver(&self, report: &Report) -> Delivered {
        let answer =
            self.insist("report", |service, session| async move { service.report(&session, report).await });
        match answer.await {
            Ok(answer) if answer.stands => Delivered::Stands,
            Ok(_) => Delivered::Void,
            Err(error) => {
                self.host.say(&format!("the service does not take the report: {error}"));
                Delivered::Void
            }
        }
    }

    /// Reports once; a service that is away is not told. None: it was not told.
    pub(crate) async fn mention(&self, report: &Report) -> Option<Delivered> {
        let session = self.claimed().await.session;
        match self.service.report(&session, report).await {
            Ok(answer) if answer.stands => Some(Delivered::Stands),
            Ok(_) | Err(ServiceError::Refused { .. }) => Some(Delivered::Void),
            Err(ServiceError::Unauthorized { .. }) => {
                self.forget(&session).await;
                None
            }
            Err(ServiceError::Unavailable { .. }) => None,
        }
    }

    /// A manifest, unchecked.
    pub(crate) async fn manifest(&self, sha256: &str) -> Result<Bytes, ServiceError> {
        self.insist("fetch the manifest", |service, session| async move {
            service.manifest(&session, sha256).await
        })
        .await
    }

    /// A chunk's stored bytes, unchecked but not more than `limit`.
    pub(crate) async fn chunk(&self, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        self.insist("fetch the image", |service, session| async move {
            service.chunk(&session, sha256, limit).await
        })
        .await
    }
}

/// A call that doesn't get through: says why, once for each reason, and waits longer each time.
pub(crate) struct Trouble<'a> {
    host: &'a dyn Host,
    what: &'a str,
    pace: Pace,
    next: Duration,
    said: Option<String>,
}

impl<'a> Trouble<'a> {
    pub(crate) fn new(host: &'a dyn Host, what: &'a str, pace: Pace) -> Self {
        Self { host, what, pace, next: pace.retry_first, said: None }
    }

    async fn wait(&mut self, error: &ServiceError) {
        let why = error.to_string();
        if self.said.as_ref() != Some(&why) {
            self.host.say(&format!("can't {}: {why}; trying again", self.what));
            self.said = Some(why);
        }
        // A refusal won't become an answer soon.
        if matches!(error, ServiceError::Refused { .. }) {
            self.next = self.pace.retry_most;
        }
        tokio::time::sleep(spread(self.next)).await;
        self.next = (self.next * 2).min(self.pace.retry_most);
    }

    /// It got through at last.
    fn over(&self) {
        if self.said.is_some() {
            self.host.say(&format!("could {} again", self.what));
        }
    }
}

/// Between half of `time` and all of it, so that a rack that lost its service doesn't come back as one.
fn spread(time: Duration) -> Duration {
    let [random] = random::bytes().unwrap_or([255]);
    time / 2 + time.mul_f64(f64::from(random) / 510.0)
}
