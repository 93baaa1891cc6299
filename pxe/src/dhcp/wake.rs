//! Sleeping until a datagram arrives or somebody else has a reply to send.
//!
//! The network's loop is a thread of its own: it would spend more on a runtime's wake-ups than on its answers.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes a [`Sleeper`]. Clones wake the same one.
#[derive(Debug, Clone)]
pub(super) struct Waker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Whether the sleeper is asleep, or about to be.
    asleep: AtomicBool,
    bell: UnixStream,
}

/// What sleeps.
#[derive(Debug)]
pub(super) struct Sleeper {
    shared: Arc<Shared>,
    ear: UnixStream,
}

/// Makes a pair of them.
pub(super) fn pair() -> io::Result<(Waker, Sleeper)> {
    let (bell, ear) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    ear.set_nonblocking(true)?;
    let shared = Arc::new(Shared { asleep: AtomicBool::new(false), bell });
    Ok((Waker(Arc::clone(&shared)), Sleeper { shared, ear }))
}

impl Waker {
    /// Wakes the sleeper if it sleeps; else it looks by itself before it does.
    pub(super) fn wake(&self) {
        if self.0.asleep.swap(false, Ordering::SeqCst) {
            // A full pipe rings already.
            let _ = (&self.0.bell).write(&[0]);
        }
    }
}

impl Sleeper {
    /// Sleeps until one of the sockets can be read, or the waker was used; not at all when `work` says that there is
    /// something to do. Which sockets may have something to read, one bit for each.
    pub(super) fn sleep(&mut self, sockets: &[BorrowedFd<'_>], work: impl Fn() -> bool) -> io::Result<u32> {
        self.shared.asleep.store(true, Ordering::SeqCst);
        // Looked at after the store: who adds work from now on rings.
        let slept = if work() { Ok(u32::MAX) } else { self.wait(sockets) };
        self.shared.asleep.store(false, Ordering::SeqCst);
        slept
    }

    fn wait(&mut self, sockets: &[BorrowedFd<'_>]) -> io::Result<u32> {
        let ear = self.ear.as_fd();
        let all = sockets.iter().copied().chain([ear]);
        let mut all: Vec<_> = all.map(|socket| PollFd::new(socket, PollFlags::POLLIN)).collect();
        match poll(&mut all, PollTimeout::NONE) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => return Ok(0),
            Err(error) => return Err(error.into()),
        }
        let ready = |polled: &PollFd<'_>| polled.any().unwrap_or(true);
        let bits = all.iter().rev().fold(0, |bits, polled| bits << 1 | u32::from(ready(polled)));
        let ear = 1 << sockets.len();
        // A ring may come late, when the sleeper woke by itself: it is taken whenever it is heard, or nobody would
        // sleep any more.
        if bits & ear != 0 {
            let mut rings = [0; 64];
            while self.ear.read(&mut rings).is_ok_and(|count| count == rings.len()) {}
        }
        Ok(bits & !ear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn it_wakes_for_a_ring_and_does_not_sleep_over_work() {
        let (waker, mut sleeper) = pair().unwrap();
        sleeper.sleep(&[], || true).unwrap();
        for _ in 0..1000 {
            let waker = waker.clone();
            let done = Arc::new(AtomicBool::new(false));
            let other = Arc::clone(&done);
            let rings = thread::spawn(move || {
                other.store(true, Ordering::SeqCst);
                waker.wake();
            });
            while !done.load(Ordering::SeqCst) {
                sleeper.sleep(&[], || done.load(Ordering::SeqCst)).unwrap();
            }
            rings.join().unwrap();
        }
    }

    #[test]
    fn a_ring_that_comes_late_wakes_once() {
        let (waker, mut sleeper) = pair().unwrap();
        (&waker.0.bell).write_all(&[0]).unwrap();
        assert_eq!(sleeper.sleep(&[], || false).unwrap(), 0);
        let empty = sleeper.ear.read(&mut [0]).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn it_wakes_for_a_socket() {
        let (_waker, mut sleeper) = pair().unwrap();
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(b"x").unwrap();
        let (_quiet, third) = UnixStream::pair().unwrap();
        assert_eq!(sleeper.sleep(&[third.as_fd(), other.as_fd()], || false).unwrap(), 0b10);
        assert_eq!(sleeper.sleep(&[other.as_fd(), third.as_fd()], || false).unwrap(), 0b01);
    }
}
