//! From a stream of disk bytes to chunks in the store: one thread reads, two pack, hash and write.

use super::chunks::ChunkWriter;
use super::{ImportError, Stage, Store, StoreError, Watch};
use crate::{Chunk, SECTOR};
use std::collections::VecDeque;
use std::sync::{Mutex, mpsc};

/// Threads that pack.
const PACKERS: usize = 2;
/// Chunks read ahead.
const QUEUE: usize = 2;

/// What a reader put into the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// So many bytes; fewer than the buffer has only at the disk's end.
    Bytes(usize),
    /// So many bytes that are zero; the buffer was not touched.
    Zeros(usize),
}

/// The bytes of a disk, in order.
pub(super) trait DiskReader {
    /// The disk's size, where it is known before.
    fn disk_bytes(&self) -> Option<u64>;

    /// Gives the next bytes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, ImportError>;
}

/// What a packer hands back: the chunk's number, what came of it, the buffer for the next.
type Packed = (usize, Result<Option<Chunk>, StoreError>, Vec<u8>);

/// Reads the whole disk and stores it. Returns its chunks and its size, a multiple of 512 (zeros are added).
pub(super) fn cut(
    disk: &mut dyn DiskReader,
    store: &Store,
    watch: &mut Watch,
) -> Result<(Vec<Option<Chunk>>, u64), ImportError> {
    let (work, todo) = mpsc::sync_channel::<(usize, Vec<u8>)>(QUEUE);
    let (hand_back, results) = mpsc::channel();
    let todo = Mutex::new(todo);
    std::thread::scope(|scope| {
        for _ in 0..PACKERS {
            let mut writer = ChunkWriter::new(store)?;
            let (todo, hand_back) = (&todo, hand_back.clone());
            scope.spawn(move || pack(&mut writer, todo, &hand_back));
        }
        drop(hand_back);
        let mut made = Made { chunks: Vec::new(), free: VecDeque::new() };
        let disk_bytes = read(disk, store, watch, &work, &results, &mut made)?;
        // Without work the packers end, and with them the results.
        drop(work);
        for packed in results {
            made.take(packed)?;
        }
        Ok((made.chunks, disk_bytes))
    })
}

/// A packer's thread: until there is no more work, or nobody who wants the result.
fn pack(
    writer: &mut ChunkWriter,
    todo: &Mutex<mpsc::Receiver<(usize, Vec<u8>)>>,
    hand_back: &mpsc::Sender<Packed>,
) {
    loop {
        // Poisoned: another packer panicked inside recv, which leaves nothing half done.
        let next = todo.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        let Ok((index, raw)) = next else { return };
        let chunk = writer.put(&raw);
        if hand_back.send((index, chunk, raw)).is_err() {
            return;
        }
    }
}

/// What is made so far.
struct Made {
    chunks: Vec<Option<Chunk>>,
    free: VecDeque<Vec<u8>>,
}

impl Made {
    fn take(&mut self, (index, chunk, buffer): Packed) -> Result<(), ImportError> {
        self.chunks[index] = chunk?;
        self.free.push_back(buffer);
        Ok(())
    }
}

fn read(
    disk: &mut dyn DiskReader,
    store: &Store,
    watch: &mut Watch,
    work: &mpsc::SyncSender<(usize, Vec<u8>)>,
    results: &mpsc::Receiver<Packed>,
    made: &mut Made,
) -> Result<u64, ImportError> {
    let chunk_bytes = store.chunk_bytes as usize;
    let mut done: u64 = 0;
    loop {
        for packed in results.try_iter() {
            made.take(packed)?;
        }
        let mut buffer = made.free.pop_front().unwrap_or_default();
        buffer.resize(chunk_bytes, 0);
        let filled = disk.fill(&mut buffer)?;
        let (Filled::Bytes(bytes) | Filled::Zeros(bytes)) = filled;
        if bytes > 0 {
            let index = made.chunks.len();
            made.chunks.push(None);
            done += bytes as u64;
            if matches!(filled, Filled::Bytes(_)) {
                let padded = bytes.next_multiple_of(SECTOR as usize);
                buffer[bytes..padded].fill(0);
                buffer.truncate(padded);
                // The packers outlive this sender: it can't fail before they panic, which the scope reports.
                let _ = work.send((index, buffer));
            } else {
                made.free.push_back(buffer);
            }
        }
        if bytes < chunk_bytes {
            break;
        }
        if done > store.max_disk_bytes {
            return Err(ImportError::TooLarge { limit: store.max_disk_bytes });
        }
        watch.step(Stage::Store, done, disk.disk_bytes())?;
    }
    if done == 0 {
        return Err(ImportError::Empty);
    }
    if done > store.max_disk_bytes {
        return Err(ImportError::TooLarge { limit: store.max_disk_bytes });
    }
    watch.step(Stage::Store, done, disk.disk_bytes())?;
    Ok(done.next_multiple_of(SECTOR))
}
