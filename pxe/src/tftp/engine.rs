//! All transfers of one address: one thread, one poll set, one buffer.
//!
//! A thread of its own and not tasks: in lock-step each block costs one wake-up, one `recv` and one `send`, and
//! nothing else may be paid for it. Who may have which file was decided before a job comes here.

mod table;

use super::outlet::{Gone, Outlet};
use super::report::{Asked, Reporter};
use crate::clock::Clock;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use pxe_proto::tftp::{Body, MAX_RUN, Transfer};
use std::io;
use std::net::SocketAddrV4;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;
use table::{Running, Table, Verdict};
use tokio::sync::oneshot;
use tracing::{error, warn};

/// Most jobs that wait for the thread.
const QUEUE: usize = 1024;
/// The event that says: there are jobs, or it is over.
const WAKE: u64 = u64::MAX;
/// Most sockets looked at after one wake-up.
const EVENTS: usize = 256;
/// Larger than any packet that means something to a transfer.
const REPLY: usize = 600;

/// A file to send.
pub(super) struct Job {
    pub(super) asked: Asked,
    pub(super) body: Body,
}

/// The thread, as the server sees it. It ends with this value.
pub(super) struct Engine {
    jobs: Option<SyncSender<Job>>,
    wake: Arc<EventFd>,
    ended: oneshot::Receiver<()>,
}

impl Engine {
    /// Starts the thread. Must be called within a tokio runtime, which reports may use.
    pub(super) fn start(local: SocketAddrV4, reporter: Arc<Reporter>) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        let (alive, ended) = oneshot::channel();
        let mut thread = Thread {
            local,
            reporter,
            epoll,
            wake: Arc::clone(&wake),
            queue,
            clock: Clock::start(),
            table: Table::new(),
            due: None,
            packets: Vec::with_capacity(MAX_RUN),
            _alive: alive,
        };
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("tftp".to_owned()).spawn(move || {
            let _guard = runtime.enter();
            thread.run();
        })?;
        Ok(Engine { jobs: Some(jobs), wake, ended })
    }

    /// Hands a job over; gives it back when too many wait.
    pub(super) fn send(&self, job: Job) -> Result<(), Asked> {
        let Some(jobs) = &self.jobs else { return Err(job.asked) };
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job.asked,
        })?;
        // The counter of the descriptor can't overflow before it is read.
        let _ = self.wake.write(1);
        Ok(())
    }

    /// Ready when the thread has ended, which it never should by itself.
    pub(super) async fn ended(&mut self) {
        // Nothing is ever sent: the other side is dropped.
        let _ = (&mut self.ended).await;
    }

    /// Ends the thread and waits for that.
    pub(super) async fn stop(mut self) {
        self.hang_up();
        self.ended().await;
    }

    fn hang_up(&mut self) {
        self.jobs = None;
        let _ = self.wake.write(1);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// What the thread works with.
struct Thread {
    local: SocketAddrV4,
    reporter: Arc<Reporter>,
    epoll: Epoll,
    wake: Arc<EventFd>,
    queue: Receiver<Job>,
    clock: Clock,
    table: Table,
    /// No transfer's time is over before this.
    due: Option<Duration>,
    /// The packets that are being sent.
    packets: Vec<u8>,
    /// Dropped with the thread.
    _alive: oneshot::Sender<()>,
}

impl Thread {
    fn run(&mut self) {
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            let ready = match self.epoll.wait(&mut events, self.patience()) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => 0,
                Err(error) => {
                    error!(address = %self.local, %error, "the TFTP transfers can't go on");
                    return;
                }
            };
            let now = self.clock.now();
            let mut woken = false;
            for event in &events[..ready] {
                match usize::try_from(event.data()) {
                    Ok(slot) if event.data() != WAKE => self.readable(slot, now),
                    _ => woken = true,
                }
            }
            // Only now, so that no slot of this round's events has been taken by another transfer.
            if woken && !self.take_jobs(now) {
                return;
            }
            self.expire(now);
        }
    }

    /// How long to wait for events: whole milliseconds, rounded up.
    fn patience(&self) -> EpollTimeout {
        let Some(due) = self.due else { return EpollTimeout::NONE };
        let left = due.saturating_sub(self.clock.now()) + Duration::from_micros(999);
        EpollTimeout::try_from(left.as_millis()).unwrap_or(EpollTimeout::MAX)
    }

    /// Starts what waits; false when the server is gone.
    fn take_jobs(&mut self, now: Duration) -> bool {
        let _ = self.wake.read();
        loop {
            match self.queue.try_recv() {
                Ok(job) => self.begin(job, now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn begin(&mut self, job: Job, now: Duration) {
        match self.table.judge(&job.asked) {
            Verdict::Repeated(slot) => {
                self.reporter.count("repeated");
                return self.with(slot, now, Transfer::restart);
            }
            Verdict::Full => {
                let Asked { peer, mac, shown, .. } = job.asked;
                return self.reporter.refused(peer, mac, shown, "busy", "too many transfers at once");
            }
            Verdict::New { superseded } => {
                for slot in superseded {
                    self.end(slot, now);
                }
            }
        }
        let running = match self.open(job, now) {
            Ok(running) => running,
            Err(error) => {
                self.reporter.count("no_socket");
                return warn!(address = %self.local, %error, "no socket for a TFTP transfer");
            }
        };
        let slot = self.table.insert(running);
        let added = self.table.get(slot).map(|running| {
            self.epoll.add(&running.outlet, EpollEvent::new(EpollFlags::EPOLLIN, slot as u64))
        });
        if let Some(Err(error)) = added {
            self.table.remove(slot);
            self.reporter.count("no_socket");
            return warn!(address = %self.local, %error, "a TFTP transfer's socket can't be watched");
        }
        if let Some(running) = self.table.get(slot) {
            self.reporter.begun(&running.asked, running.transfer.size());
        }
        self.with(slot, now, |_| {});
    }

    fn open(&self, job: Job, now: Duration) -> io::Result<Running> {
        let mut outlet = Outlet::open(self.local, job.asked.peer)?;
        let transfer = Transfer::start(&job.asked.request, job.body, outlet.max_block());
        if transfer.window() > 1 {
            outlet.segment(transfer.segment());
        }
        Ok(Running { asked: job.asked, transfer, outlet, since: now })
    }

    /// A packet of a client is there, or an error. One is read for each event: another one is another event.
    fn readable(&mut self, slot: usize, now: Duration) {
        let mut buffer = [0; REPLY];
        let Some(running) = self.table.get(slot) else { return };
        match running.outlet.receive(&mut buffer) {
            Ok(Some(length)) => {
                self.with(slot, now, |transfer| transfer.handle_packet(&buffer[..length], now))
            }
            Ok(None) => {}
            Err(Gone::Closed) => self.with(slot, now, Transfer::handle_unreachable),
        }
    }

    /// Looks after those whose time is over, if it can be that there are any.
    fn expire(&mut self, now: Duration) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = None;
        for slot in 0..self.table.slots() {
            let Some(deadline) = self.table.get(slot).and_then(|running| running.transfer.poll_timeout())
            else {
                continue;
            };
            if deadline <= now {
                self.with(slot, now, |transfer| transfer.handle_timeout(now));
            } else {
                self.due = Some(self.due.map_or(deadline, |due| due.min(deadline)));
            }
        }
    }

    /// Lets something happen to a transfer, sends what that makes it send, and ends it if that ended it.
    fn with(&mut self, slot: usize, now: Duration, happens: impl FnOnce(&mut Transfer)) {
        let Some(running) = self.table.get_mut(slot) else { return };
        let packets = &mut self.packets;
        let step = AssertUnwindSafe(|| {
            happens(&mut running.transfer);
            while let Some(run) = running.transfer.poll_transmit(now, packets) {
                if running.outlet.send(packets, run.segment) == Err(Gone::Closed) {
                    running.transfer.handle_unreachable();
                }
            }
            running.transfer.poll_timeout()
        });
        // One transfer that panics must not take all others with it.
        match catch_unwind(step) {
            Ok(Some(deadline)) => self.due = Some(self.due.map_or(deadline, |due| due.min(deadline))),
            Ok(None) => self.end(slot, now),
            Err(_) => {
                self.reporter.count("panicked");
                self.table.remove(slot);
            }
        }
    }

    /// The transfer is over, whatever its state: its socket is closed, and its end is told.
    fn end(&mut self, slot: usize, now: Duration) {
        if let Some(Running { asked, transfer, since, .. }) = self.table.remove(slot) {
            self.reporter.ended(&asked, &transfer, now.saturating_sub(since));
        }
    }
}
