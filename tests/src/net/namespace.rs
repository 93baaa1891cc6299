//! One host: a network namespace, and the thread that lives in it.

use super::Program;
use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};

pub(super) type Job = Box<dyn FnOnce() + Send>;
pub(super) type Jobs = Sender<Job>;

/// A host with nothing but its loopback. It ends when this is dropped and nothing runs in it any more.
pub struct Namespace {
    jobs: Jobs,
    path: PathBuf,
}

impl Namespace {
    /// Makes one.
    ///
    /// # Errors
    /// It isn't allowed, or `ip` is missing.
    pub fn new() -> Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let (reply, answer) = channel();
        let inside = move || {
            let made = unshare(CloneFlags::CLONE_NEWNET);
            let thread = nix::unistd::gettid();
            // Whoever made us waits for it.
            let _ = reply.send(made.map(|()| thread));
            for job in queue {
                job();
            }
        };
        std::thread::Builder::new().name("namespace".to_owned()).spawn(inside)?;
        let thread = answer.recv()?.context("can't make a network namespace")?;
        let path = PathBuf::from(format!("/proc/{}/task/{thread}/ns/net", std::process::id()));
        let host = Self { jobs, path };
        host.ip("link set lo up")?;
        Ok(host)
    }

    /// The file that stands for it, for `ip link … netns`.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Does something inside it; sockets that are opened there stay there.
    ///
    /// # Errors
    /// The work's own.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let (reply, answer) = channel();
        self.jobs.send(Box::new(move || drop(reply.send(work())))).ok().context("the namespace is gone")?;
        answer.recv().context("what was done in the namespace panicked")?
    }

    /// A program in it.
    #[must_use]
    pub fn program(&self, name: &str) -> Program {
        Program::new(name, self.jobs.clone())
    }

    /// Runs `ip` with these words.
    ///
    /// # Errors
    /// It fails.
    pub fn ip(&self, words: &str) -> Result<()> {
        self.program("ip").words(words).run().with_context(|| format!("ip {words}"))?;
        Ok(())
    }

    /// Passes packets on between its interfaces from now on.
    ///
    /// # Errors
    /// The setting can't be written.
    pub fn routes(&self) -> Result<()> {
        self.inside(|| Ok(std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?))
    }
}
