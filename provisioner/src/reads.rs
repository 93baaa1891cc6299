//! Reading files that may be large or slow, apart from what serves everybody. Who asks, and what for, is not here.

use tokio::{sync::Semaphore, task::JoinError};

/// How many pieces of images are read at once, whoever asks: each is some MiB of memory, and the threads that may block
/// are those of the database's commits, too, which must not wait behind a thousand agents.
pub(crate) const READS: usize = 64;

pub(crate) static READING: Semaphore = Semaphore::const_new(READS);

/// Reads on a thread that may block, as soon as it is its turn.
pub(crate) async fn read_apart<T: Send + 'static>(
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    // Nobody closes it. Whoever stops waiting gives the turn back when the reading has ended, not before.
    let turn = READING.acquire().await.ok();
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        read()
    })
    .await
}
