//! The one place from which the database is written: what comes at the same time is committed together.
//!
//! A write is handed in and waits. A task of its own, which is there as long as something waits, takes all that has been
//! handed in, commits it as one transaction (`batch`) on a thread that may block, and answers each write for itself,
//! after the commit. Whoever stops waiting before its write is taken has not written; after that, the write goes its way
//! without it. Transactions that take several questions have a connection of their own ([`Writer::begin`]) and exclude
//! the groups for that time.
//!
//! On PostgreSQL a write is a transaction of its own, and so is what takes several questions: they run beside each other,
//! and what came between is a [`DbErrorKind::Conflict`]. What the leader writes there begins with a look at the term
//! ([`Writer::led`]): this is the only place where that could be forgotten.

use super::{
    batch::{self, Batch, Failed, Part, Written},
    db::{DbError, DbErrorKind, Isolation, Lanes, Lent, Statement, machines_alone},
    memory::{Memory, Touched},
};
use crate::boot_index::Changing;
use rusqlite::{Connection, OpenFlags};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

/// How long it is from one commit to the next when they never cease. A commit costs about a millisecond of the disk's
/// and a tenth of the processor's, and nothing that waits for one is in such a hurry: a step of a machine takes seconds.
const SPACING: Duration = Duration::from_millis(8);

/// How many commits may follow each other at once after a pause: what is written now and then never waits.
const AT_ONCE: u32 = 8;

/// A group that waited pays for that with at least so many writes. Who writes one thing after the other would only ever
/// wait for itself.
const PAYS: usize = 3;

/// How many commits follow each other at once after one that waited in vain, before another one does.
const IN_VAIN: u32 = 64;

/// Most writes of one transaction: whoever reads meanwhile keeps the log from being folded in, and the first of them
/// waits for the last.
const MOST: usize = 64;

/// How many prepared statements are kept: there is one for each set of columns that change together.
const PREPARED: usize = 256;
/// After how many pages in SQLite's log they are carried over to the file, 1000 by default: 16 MiB. The fewer times, the more of
/// the pages that a deployment changes again and again are carried once.
const LOG_PAGES: u32 = 4000;

/// How long another process that writes is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A transaction that takes longer is told of.
const SLOW: Duration = Duration::from_secs(1);

/// A write as it is handed in.
pub(super) struct Write {
    /// What is done, together or not at all.
    pub(super) batch: Batch,
    /// What is remembered of it.
    pub(super) touched: Touched,
    /// What is told to booting clients changes by it.
    pub(super) changing: Option<Changing>,
}

impl From<Batch> for Write {
    /// A write of something that nobody remembers.
    fn from(batch: Batch) -> Self {
        Self { batch, touched: Touched::default(), changing: None }
    }
}

/// Who writes.
#[derive(Clone)]
pub(super) struct Writer {
    /// For transactions of several questions. Of a file there is one connection: whoever has it is the only one who
    /// writes.
    lanes: Lanes,
    /// Of a file.
    groups: Option<Arc<Shared>>,
    /// Of a server: where each write is a transaction of its own.
    each: Option<Lanes>,
    /// Nothing is written unless this is the term of the turn: then it is for the leader alone.
    term: Option<u64>,
}

struct Shared {
    path: PathBuf,
    memory: Arc<Memory>,
    queue: Mutex<Queue>,
    /// Told when nothing waits any more.
    idle: Notify,
    /// How many transactions were begun.
    #[cfg(test)]
    groups: std::sync::atomic::AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Member>,
    /// Somebody commits what waits.
    led: bool,
    pace: Pace,
    /// The connection for groups, while none is committed. It is opened when it is needed.
    conn: Option<Connection>,
}

/// How fast commits follow each other.
#[derive(Debug, Default)]
struct Pace {
    /// When the next one would be due, had they all been [`SPACING`] apart.
    due: Option<Instant>,
    /// How many more don't wait, because few come meanwhile.
    hurried: u32,
    /// The last one waits.
    waits: bool,
}

impl Pace {
    /// When one more may be begun, if not now. So many writes wait for it already.
    fn next(&mut self, now: Instant, waiting: usize) -> Option<Instant> {
        let due = self.due.map_or(now, |due| due.max(now));
        let wait = due.duration_since(now).saturating_sub(SPACING * (AT_ONCE - 1));
        self.waits = !wait.is_zero() && self.hurried == 0 && waiting < MOST;
        if wait.is_zero() || self.waits {
            self.due = Some(due + SPACING);
        } else {
            // It is not owed for.
            self.hurried = self.hurried.saturating_sub(1);
        }
        self.waits.then(|| now + wait)
    }

    /// The last one has so many writes.
    fn gathered(&mut self, writes: usize) {
        if writes >= PAYS {
            self.hurried = 0;
        } else if self.waits {
            self.hurried = IN_VAIN;
        }
    }
}

struct Member {
    write: Write,
    answer: oneshot::Sender<Result<Written, Failed>>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Each change of it is one call: a panic can't leave it half written.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Each write is committed by itself, on `each`. The one connection of `lanes` lets transactions of several questions
    /// follow each other: beside each other they would be conflicts most of the time.
    pub(super) fn each(lanes: Lanes, each: Lanes) -> Self {
        Self { lanes, groups: None, each: Some(each), term: None }
    }

    /// Writes through the one connection of `lanes`, and a second one to the same file.
    pub(super) fn groups(lanes: Lanes, path: &Path, memory: Arc<Memory>) -> Self {
        let shared = Shared {
            path: path.to_owned(),
            memory,
            queue: Mutex::default(),
            idle: Notify::new(),
            #[cfg(test)]
            groups: std::sync::atomic::AtomicU64::new(0),
        };
        Self { lanes, groups: Some(Arc::new(shared)), each: None, term: None }
    }

    /// The same for the leader of this term: whatever is written so lands while the term lasts, or not at all. A file's
    /// lasts for ever.
    pub(super) fn led(&self, term: u64) -> Self {
        Self { term: self.each.is_some().then_some(term), ..self.clone() }
    }

    /// The connection for one question, as soon as nobody else writes. Not for the leader: it has to look at the term in
    /// the same transaction.
    pub(super) async fn get(&self) -> Result<Lent, DbError> {
        match self.term {
            None => self.lanes.get().await,
            Some(_) => Err(DbError::new(DbErrorKind::Other, "a leader writes in transactions only")),
        }
    }

    /// Begins a transaction that takes several questions. It is taken back unless it is committed.
    pub(super) async fn begin(&self) -> Result<Lent, DbError> {
        let mut lent = self.lanes.begin(Isolation::Alone).await?;
        batch::fence(&mut lent, self.term).await?;
        Ok(lent)
    }

    /// Begins one in which nobody else writes machines. Each of its statements sees what there is then, which nobody
    /// changes any more where it matters: so it meets with nobody, however long it takes.
    pub(super) async fn begin_machines_alone(&self) -> Result<Lent, DbError> {
        let mut lent = self.lanes.begin(Isolation::Committed).await?;
        machines_alone(&mut lent).await?;
        batch::fence(&mut lent, self.term).await?;
        Ok(lent)
    }

    /// Runs one statement, which is a transaction of its own. How many rows it changed.
    pub(super) async fn run(&self, statement: Statement) -> Result<u64, DbError> {
        if self.term.is_none() {
            return statement.execute(&mut *self.lanes.get().await?).await.map_err(DbError::at_commit);
        }
        let mut lent = self.lanes.begin(Isolation::Committed).await?;
        batch::fence(&mut lent, self.term).await?;
        let rows = statement.execute(&mut lent).await?;
        lent.commit().await?;
        Ok(rows)
    }

    /// Does what is handed in, or nothing of it. The answer comes after the commit.
    pub(super) async fn write(&self, write: impl Into<Write>) -> Result<Written, Failed> {
        let (answer, answered) = oneshot::channel();
        let member = Member { write: write.into(), answer };
        match &self.groups {
            Some(shared) => self.hand_in(shared, member),
            None => {
                let lanes = self.each.as_ref().unwrap_or(&self.lanes).clone();
                tokio::spawn(commit_alone(lanes, self.term, member));
            }
        }
        // Nobody answers when the runtime ends.
        let gone = |_| Err(Failed { part: Part::Rest, error: nobody_answers() });
        answered.await.unwrap_or_else(gone)
    }

    fn hand_in(&self, shared: &Arc<Shared>, member: Member) {
        let lead = {
            let mut queue = shared.queue();
            queue.waiting.push_back(member);
            !std::mem::replace(&mut queue.led, true)
        };
        if lead {
            let leader = Leader { lanes: self.lanes.clone(), shared: Arc::clone(shared), leads: true };
            tokio::spawn(leader.lead());
        }
    }

    /// Ends all connections, once nothing waits.
    pub(super) async fn close(&self) {
        if let Some(shared) = &self.groups {
            loop {
                let idle = shared.idle.notified();
                if !shared.queue().led {
                    break;
                }
                idle.await;
            }
            drop(shared.queue().conn.take());
        }
        if let Some(each) = &self.each {
            each.close().await;
        }
        self.lanes.close().await;
    }

    /// How many rows were written of what was handed in.
    #[cfg(test)]
    pub(super) fn changes(&self) -> u64 {
        self.groups
            .as_ref()
            .and_then(|shared| Some(shared.queue().conn.as_ref()?.total_changes()))
            .unwrap_or(0)
    }

    /// How many transactions were begun for what was handed in.
    #[cfg(test)]
    pub(super) fn begun(&self) -> u64 {
        let count = |shared: &Arc<Shared>| shared.groups.load(std::sync::atomic::Ordering::Relaxed);
        self.groups.as_ref().map_or(0, count)
    }
}

/// Commits what waits, until nothing does.
struct Leader {
    lanes: Lanes,
    shared: Arc<Shared>,
    /// Until it gave that up: then another one may lead already.
    leads: bool,
}

impl Drop for Leader {
    /// Also where it is stopped midway: then those who wait are told so, and the next write has a new leader.
    fn drop(&mut self) {
        if self.leads {
            let mut queue = self.shared.queue();
            queue.led = false;
            queue.waiting.clear();
        }
        self.shared.idle.notify_waiters();
    }
}

impl Leader {
    async fn lead(mut self) {
        while let Some(due) = self.next() {
            if let Some(due) = due {
                tokio::time::sleep_until(due).await;
            }
            let lent = self.lanes.get().await;
            let members = self.take();
            match lent {
                Ok(_) if members.is_empty() => {}
                Ok(lent) => self.commit(&lent, members).await,
                Err(error) => answer_all(members.into_iter().map(|member| member.answer), error),
            }
        }
    }

    /// When the next group may be begun, if not now; `None`: nothing waits, and nobody leads any more.
    fn next(&mut self) -> Option<Option<Instant>> {
        let mut queue = self.shared.queue();
        let waiting = queue.waiting.len();
        if waiting == 0 {
            (queue.led, self.leads) = (false, false);
            return None;
        }
        Some(queue.pace.next(Instant::now(), waiting))
    }

    /// Those who wait, oldest first, but for those who don't any more.
    fn take(&self) -> Vec<Member> {
        let mut queue = self.shared.queue();
        let most = queue.waiting.len().min(MOST);
        let members: Vec<_> =
            queue.waiting.drain(..most).filter(|member| !member.answer.is_closed()).collect();
        queue.pace.gathered(members.len());
        members
    }

    /// Commits a group and answers. `_alone`: nobody else writes until this is done.
    async fn commit(&self, _alone: &Lent, members: Vec<Member>) {
        let mut batches = Vec::with_capacity(members.len());
        let mut others = Vec::with_capacity(members.len());
        for Member { write: Write { batch, touched, changing }, answer } in members {
            self.shared.memory.begin(&touched);
            batches.push(batch);
            others.push((touched, changing, answer));
        }
        match self.commit_elsewhere(batches).await {
            Ok(answers) => {
                for ((touched, changing, answer), written) in others.into_iter().zip(answers) {
                    let committed =
                        written.as_ref().is_ok_and(|written| written.swap == super::Swap::Updated);
                    self.shared.memory.end(touched, committed);
                    drop(changing);
                    // Whoever waited may be gone.
                    let _ = answer.send(written);
                }
            }
            // Whether anything was committed is not known.
            Err(error) => answer_all(others.into_iter().map(|(_, _, answer)| answer), error),
        }
    }

    /// Commits batches on a thread that may block. The connection is used again unless something went wrong with it.
    async fn commit_elsewhere(&self, batches: Vec<Batch>) -> Result<Vec<Result<Written, Failed>>, DbError> {
        #[cfg(test)]
        self.shared.groups.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let began = Instant::now();
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || {
            let known = shared.queue().conn.take();
            let mut conn = known.map_or_else(|| connect(&shared.path), Ok)?;
            let answers = batch::commit(&mut conn, &batches)?;
            shared.queue().conn = Some(conn);
            Ok::<_, rusqlite::Error>(answers)
        });
        let done = done.await;
        let took = began.elapsed();
        if took > SLOW {
            tracing::warn!(?took, "a transaction of the database was slow");
        }
        match done {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(nobody_answers()),
        }
    }
}

/// The task that would answer is gone.
fn nobody_answers() -> DbError {
    DbError::new(DbErrorKind::Unknown, "the task that writes ended")
}

/// Commits one write on a database that takes many at once. What booting clients are told changes once it is done.
async fn commit_alone(lanes: Lanes, term: Option<u64>, Member { write, answer }: Member) {
    let Write { batch, touched: _, changing } = write;
    if answer.is_closed() {
        return;
    }
    let done = batch::commit_alone(&lanes, term, &batch).await;
    drop(changing);
    // Whoever waited may be gone.
    let _ = answer.send(done);
}

/// Tells everybody of the same error.
fn answer_all(answers: impl Iterator<Item = oneshot::Sender<Result<Written, Failed>>>, error: DbError) {
    let (kind, text) = (error.kind(), error.to_string());
    let mut first = Some(error);
    for answer in answers {
        let error = first.take().unwrap_or_else(|| DbError::new(kind, text.clone()));
        // Whoever waited may be gone.
        let _ = answer.send(Err(Failed { part: Part::Rest, error }));
    }
}

/// Opens the file as sqlx does for its writing connection. One that is gone is not made anew: the service would go on with
/// an empty database.
fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(PATIENCE)?;
    conn.set_prepared_statement_cache_capacity(PREPARED);
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    // In KiB; 2000 are the default. What readers keep each commit makes them forget, so only who writes has more.
    conn.pragma_update(None, "cache_size", -16384)?;
    Ok(conn)
}

#[cfg(test)]
mod tests;
