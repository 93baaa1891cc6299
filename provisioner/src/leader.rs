//! Which replica decides and acts: it takes the turn, renews its lease, and stops when it can't know any more that it has
//! it. The rules are `provisioner_lifecycle`'s (`turn.rs`), the statements the store's.
//!
//! On a file there is nobody else: this process leads from its start to its end, in term 1, and nothing is written of it.
//! On a server all replicas serve; [`Led`] is what the leader's parts get, and there is no other way to one than having
//! taken the turn: its store writes nothing once the term is another's, and an effect is begun by its leave only.

use crate::{
    app::prune,
    clock, reconcile,
    service::{Service, ServiceError},
    store::{ReplicaAbout, StoreError, TurnSeen},
    text::logged,
};
use jiff::SignedDuration;
use provisioner_lifecycle::{NotNow, Pace, Taking, Turn, may_begin, may_take, renew, still_mine};
use std::{
    ops::Deref,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often a lease is renewed.
const RENEW: SignedDuration = SignedDuration::from_secs(4);

/// How often one that leads looks at its clock, and one that could not renew tries again.
const TICK: Duration = Duration::from_millis(250);

/// How often one that does not lead looks whether it may.
const LOOK: Duration = Duration::from_secs(2);

/// So long before the end of its lease a leader that could not renew it ends all that it has under way.
const MARGIN: SignedDuration = SignedDuration::from_secs(1);

/// How long what is under way gets to notice that it is to end.
const CUT: Duration = Duration::from_millis(500);

/// What everybody in this process may ask about the turn.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The highest term that this process knows of. It may be behind, never ahead.
    term: AtomicU64,
    leads: AtomicBool,
    /// The other replicas that were alive when it was last looked.
    others: Mutex<Arc<[ReplicaAbout]>>,
}

impl Default for Standing {
    fn default() -> Self {
        let (term, leads) = (AtomicU64::default(), AtomicBool::default());
        Self { term, leads, others: Mutex::new(Arc::new([])) }
    }
}

impl Standing {
    /// The term, for fences.
    pub(crate) fn term(&self) -> u64 {
        self.term.load(Ordering::SeqCst)
    }

    /// Whether this process leads, as far as it knows.
    pub(crate) fn leads(&self) -> bool {
        self.leads.load(Ordering::SeqCst)
    }

    /// The other replicas that are alive, as of a few seconds ago.
    pub(crate) fn others(&self) -> Arc<[ReplicaAbout]> {
        Arc::clone(&self.others.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes down which others are alive.
    pub(crate) fn found(&self, others: Vec<ReplicaAbout>) {
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = others.into();
    }

    fn heard(&self, term: u64) {
        self.term.fetch_max(term, Ordering::SeqCst);
    }
}

/// The service in the hands of its leader.
pub(crate) struct Led {
    service: Service,
    tenure: Tenure,
}

impl Deref for Led {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// A term, and how long it is this process's.
enum Tenure {
    /// For ever.
    Alone,
    Leased(Lease),
}

struct Lease {
    me: Uuid,
    term: u64,
    pace: Pace,
    /// What was read last, and when that was asked for by [`clock::since_boot`].
    known: Mutex<(TurnSeen, SignedDuration)>,
    /// Cancelled when the term is, or may be, another's.
    over: CancellationToken,
}

impl Led {
    /// Where nobody else can lead.
    pub(crate) fn alone(service: &Service) -> Self {
        Self { service: service.clone(), tenure: Tenure::Alone }
    }

    /// Whether an effect on a BMC may be begun now.
    pub(crate) fn may_begin(&self) -> Result<(), NotNow> {
        match &self.tenure {
            Tenure::Alone => Ok(()),
            Tenure::Leased(lease) => lease.may_begin(clock::since_boot()),
        }
    }

    /// The term is another's, as a write has shown.
    pub(crate) fn lost(&self) {
        if let Tenure::Leased(lease) = &self.tenure {
            lease.over.cancel();
        }
    }

    /// How long what is under way may go on when the service stops; none: it is given up where it is.
    pub(crate) fn farewell(&self) -> Option<Duration> {
        match &self.tenure {
            Tenure::Leased(lease) if !lease.over.is_cancelled() => lease.farewell(clock::since_boot()),
            _ => None,
        }
    }

    /// Renews the lease if that is due, and says that it is over when that did not succeed in time.
    async fn keep_turn(&self) {
        let Tenure::Leased(lease) = &self.tenure else { return };
        let left = Duration::try_from(lease.left(clock::since_boot()) - MARGIN).unwrap_or_default();
        match tokio::time::timeout(left, keep(&self.service, lease)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let (term, error) = (lease.term, logged(&error));
                tracing::warn!(term, error, "the lease can't be renewed; it is tried again");
            }
            Err(_) => lease.over.cancel(),
        }
        // An answer at once, such as that nobody listens there, is in time however late it is.
        if lease.left(clock::since_boot()) <= MARGIN {
            lease.over.cancel();
        }
    }
}

impl Lease {
    /// How far the database's clock is since it was read, at least.
    fn seen(&self, now: SignedDuration) -> (TurnSeen, SignedDuration) {
        let (seen, sent) = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        (seen, now - sent)
    }

    fn may_begin(&self, now: SignedDuration) -> Result<(), NotNow> {
        let (TurnSeen { turn, clock }, passed) = self.seen(now);
        let clock = clock.saturating_add(passed).unwrap_or(clock);
        if self.over.is_cancelled() {
            let left = SignedDuration::ZERO;
            return Err(NotNow::TooShort { left, needs: self.pace.effect });
        }
        may_begin(&turn, &self.me, self.term, clock, self.pace.effect)
    }

    /// What is left of it.
    fn left(&self, now: SignedDuration) -> SignedDuration {
        let (TurnSeen { turn, clock }, passed) = self.seen(now);
        turn.until.duration_since(clock) - passed
    }

    /// How long an effect that is under way may take still.
    fn farewell(&self, now: SignedDuration) -> Option<Duration> {
        (self.left(now) - MARGIN).min(self.pace.effect).try_into().ok()
    }

    /// Whether it is time to renew it.
    fn is_due(&self, now: SignedDuration) -> bool {
        self.seen(now).1 >= RENEW
    }

    fn put(&self, turn: Turn<Uuid>, seen: TurnSeen, sent: SignedDuration) {
        let seen = TurnSeen { turn, ..seen };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = (seen, sent);
    }
}

/// Leads whenever it may, until cancelled.
pub(crate) async fn run(service: Arc<Service>, shutdown: CancellationToken) -> Result<(), ServiceError> {
    if !service.store.is_shared() {
        // Of a backup of a server's, the term is above those that agents heard of.
        service.standing.heard(service.store.works_term().await?.max(1));
        service.standing.leads.store(true, Ordering::SeqCst);
        return work(Arc::new(Led::alone(&service)), shutdown).await;
    }
    let pace = Pace::default();
    while !shutdown.is_cancelled() {
        match take(&service, &pace).await {
            Ok(Some(lease)) => lead(&service, lease, &shutdown).await?,
            Ok(None) => {}
            Err(error) => tracing::warn!(error = logged(&error), "whose turn it is can't be read or written"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = service.hub.turn_given_up() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    Ok(())
}

/// Takes the turn, if it is to be had.
async fn take(service: &Service, pace: &Pace) -> Result<Option<Lease>, StoreError> {
    let (me, sent) = (service.replica.process, clock::since_boot());
    let Some(seen) = service.store.turn_look().await? else { return Ok(None) };
    service.standing.heard(seen.turn.term);
    let mut taken = seen.turn;
    if taken.holder.is_some() && taken.holder == service.replica.predecessor {
        // It is known to be dead: nobody waits for the end of its lease.
        taken.until = taken.until.min(seen.clock);
    }
    let taking = may_take(&taken, me, seen.clock, pace);
    // What is written compares what was read.
    let taking = taking.map(|taking| Taking { seen_until: seen.turn.until, ..taking });
    let turn = match taking {
        Ok(taking) if service.store.turn_take(&taking).await? => taking.turn,
        // Its taking was not answered, or it could not renew in time: it is its own still.
        Err(_) if still_mine(&seen.turn, &me, seen.turn.term) => seen.turn,
        _ => return Ok(None),
    };
    service.standing.heard(turn.term);
    let known = Mutex::new((TurnSeen { turn, ..seen }, sent));
    Ok(Some(Lease { me, term: turn.term, pace: *pace, known, over: CancellationToken::new() }))
}

/// Leads until the turn is another's, or the service stops.
async fn lead(service: &Service, lease: Lease, shutdown: &CancellationToken) -> Result<(), ServiceError> {
    let (term, me, over) = (lease.term, lease.me, lease.over.clone());
    tracing::info!(term, "this replica leads from now on");
    service.standing.leads.store(true, Ordering::SeqCst);
    let led = Arc::new(Led { service: service.led(term), tenure: Tenure::Leased(lease) });
    let stop = CancellationToken::new();
    // Ended with this future, whatever happens to it.
    let mut works = JoinSet::new();
    works.spawn(work(Arc::clone(&led), stop.clone()));
    let ended = loop {
        tokio::select! {
            Some(ended) = works.join_next() => break Some(ended),
            () = shutdown.cancelled() => break None,
            () = over.cancelled() => break None,
            () = tokio::time::sleep(TICK) => {}
        }
        led.keep_turn().await;
    };
    stop.cancel();
    let patience = led.farewell().unwrap_or_default() + CUT;
    let ended = match ended {
        Some(ended) => Some(ended),
        None => tokio::time::timeout(patience, works.join_next()).await.ok().flatten(),
    };
    works.shutdown().await;
    service.standing.leads.store(false, Ordering::SeqCst);
    service.store.listens_no_more();
    service.consoles.record_no_more();
    if over.is_cancelled() {
        tracing::warn!(
            term,
            "this replica leads no more: its lease was not renewed in time, or another one has the turn"
        );
    }
    // Nothing of it is under way any more.
    match service.store.turn_give_up(term, me).await {
        Ok(true) => service.hub.give_up_turn(),
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(term, error = logged(&error), "the turn can't be given up; it ends by itself")
        }
    }
    match ended {
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Some(Ok(Err(error))) => {
            tracing::warn!(term, error = logged(&error), "this replica can't lead now; it is tried again");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Renews a lease if that is due.
async fn keep(service: &Service, lease: &Lease) -> Result<(), StoreError> {
    let sent = clock::since_boot();
    if !lease.is_due(sent) {
        return Ok(());
    }
    let Some(seen) = service.store.turn_look().await? else { return Ok(()) };
    service.standing.heard(seen.turn.term);
    let longer = renew(&seen.turn, lease.me, lease.term, seen.clock, &lease.pace);
    match longer {
        Ok(longer) if service.store.turn_renew(&longer).await? => lease.put(longer, seen, sent),
        _ => lease.over.cancel(),
    }
    Ok(())
}

/// What the leader does.
async fn work(led: Arc<Led>, stop: CancellationToken) -> Result<(), ServiceError> {
    // One that could not begin must not seem to lead because the other goes on.
    let both = stop.child_token();
    let reconciling = async {
        let ended = reconcile::run(Arc::clone(&led), both.clone()).await;
        both.cancel();
        ended
    };
    let (reconciled, ()) = tokio::join!(reconciling, prune(Arc::clone(&led), both.clone()));
    reconciled
}

#[cfg(test)]
mod tests;
