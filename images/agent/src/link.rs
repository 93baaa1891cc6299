//! The way to the service, which may be dead for minutes: calls are repeated, sessions are claimed anew.
//!
//! One link is shared by the loop that asks for orders, the progress reports and the threads that fetch chunks.

use crate::{Host, Pace, Service, ServiceError, caches::Caches, random};
use bytes::Bytes;
use provisioner_api::{
    Inventory, MachineId, Secret,
    agent::{ClaimRequest, Order, Report},
    permit::CHALLENGE_DIGITS,
};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// How long a progress report may take: the next one tells more. An agent that waited minutes for one answer would be
/// silent meanwhile, and taken for dead.
const MENTION: Duration = Duration::from_secs(10);

/// Who the service says that we are.
#[derive(Clone)]
pub(crate) struct Claimed {
    pub(crate) session: Secret,
    pub(crate) machine: MachineId,
}

/// An order, and the question that it answers.
pub(crate) struct Asked {
    pub(crate) order: Order,
    pub(crate) challenge: String,
    /// When the question was sent.
    pub(crate) sent: Instant,
    /// When it came.
    pub(crate) at: Instant,
}

/// The way to the service.
pub(crate) struct Link {
    host: Arc<dyn Host>,
    service: Arc<dyn Service>,
    claim: ClaimRequest,
    pace: Pace,
    /// [`MENTION`], but for tests.
    pub(crate) mention: Duration,
    claimed: Mutex<Option<Claimed>>,
    /// What was last said of a service that doesn't answer; none while it does.
    complaint: std::sync::Mutex<Option<String>>,
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
        Ok(Self {
            host,
            service,
            claim,
            pace,
            mention: MENTION,
            claimed: Mutex::default(),
            complaint: std::sync::Mutex::default(),
        })
    }

    /// Caches whose faults are told where ours are.
    pub(crate) fn caches(&self, addresses: &[String]) -> Caches {
        Caches::new(self.host.clone(), self.service.clone(), addresses)
    }

    /// The session; claims one, however long it takes.
    pub(crate) async fn claimed(&self) -> Claimed {
        let mut claimed = self.claimed.lock().await;
        if let Some(claimed) = &*claimed {
            return claimed.clone();
        }
        let mut trouble = self.trouble("claim this machine");
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
        let mut trouble = self.trouble(what);
        loop {
            let session = self.claimed().await.session;
            match call(self.service.clone(), session.clone()).await {
                Err(error @ ServiceError::Unavailable { .. }) => trouble.wait(&error).await,
                Err(error @ ServiceError::Unauthorized { .. }) => {
                    self.forget(&session).await;
                    trouble.wait(&error).await;
                }
                answer => {
                    self.all_well();
                    return answer;
                }
            }
        }
    }

    fn trouble<'a>(&'a self, what: &'a str) -> Trouble<'a> {
        Trouble { link: self, what, next: self.pace.retry_first }
    }

    /// Says why a call doesn't get through: once for each reason, whichever of several threads meets it.
    fn complain(&self, what: &str, why: &str) {
        let mut said = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if said.as_deref() != Some(why) {
            self.host.say(&format!("can't {what}: {why}; trying again"));
            *said = Some(why.to_owned());
        }
    }

    /// Says that the service is back, if it was away.
    fn all_well(&self) {
        if self.complaint.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            self.host.say("the service answers again");
        }
    }

    /// The next order; none when there was none for `wait`.
    pub(crate) async fn order(&self, wait: Duration) -> Result<Option<Asked>, ServiceError> {
        self.insist("ask for orders", |service, session| async move {
            // Another one for each call: what answers an earlier one, late or again, answers nothing.
            let challenge = random::bytes::<{ CHALLENGE_DIGITS / 2 }>().map(hex::encode);
            let challenge = challenge.map_err(|error| ServiceError::Refused { why: error.to_string() })?;
            let sent = Instant::now();
            let order = service.order(&session, &challenge, wait).await?;
            Ok(order.map(|order| Asked { order, challenge, sent, at: Instant::now() }))
        })
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

    /// Reports once; a service that is away, or takes too long, is not told. None: it was not told.
    pub(crate) async fn mention(&self, report: &Report) -> Option<Delivered> {
        let session = self.claimed().await.session;
        let answer = tokio::time::timeout(self.mention, self.service.report(&session, report)).await.ok()?;
        match answer {
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

    /// A rescue archive, unchecked but not more than `limit`.
    pub(crate) async fn rescue(&self, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        self.insist("fetch the rescue archive", |service, session| async move {
            service.rescue(&session, sha256, limit).await
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

/// A call that doesn't get through: waits longer each time.
struct Trouble<'a> {
    link: &'a Link,
    what: &'a str,
    next: Duration,
}

impl Trouble<'_> {
    async fn wait(&mut self, error: &ServiceError) {
        self.link.complain(self.what, &error.to_string());
        // A refusal won't become an answer soon.
        if matches!(error, ServiceError::Refused { .. }) {
            self.next = self.link.pace.retry_most;
        }
        tokio::time::sleep(spread(self.next)).await;
        self.next = (self.next * 2).min(self.link.pace.retry_most);
    }
}

/// Between half of `time` and all of it, so that a rack that lost its service doesn't come back as one.
fn spread(time: Duration) -> Duration {
    let [random] = random::bytes().unwrap_or([255]);
    time / 2 + time.mul_f64(f64::from(random) / 510.0)
}
