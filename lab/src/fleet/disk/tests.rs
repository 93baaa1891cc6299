//! What disks hold against a plain list of bytes, and what is left when they are gone; time, faults, power.

use super::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

const MIB: usize = 1 << 20;

/// Bytes that differ from place to place, or zeros.
fn pattern(fill: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| if fill == 0 { 0 } else { fill.wrapping_add((at / 700) as u8) }).collect()
}

#[derive(Debug, Clone)]
enum Deed {
    Write { disk: usize, offset: usize, length: usize, fill: u8 },
    Zero { disk: usize, offset: usize, length: usize },
}

/// Not a multiple of a block.
const SIZE: usize = 5 * BLOCK + 512;

fn deed() -> impl Strategy<Value = Deed> {
    let place = (0_usize..2, 0..SIZE / 512, prop_oneof![1..SIZE / 512, Just(128), Just(256)]);
    let place = place.prop_map(|(disk, at, sectors)| {
        // Half of them at the border of a block, as images lie.
        let offset = if at % 2 == 0 { at * 512 / BLOCK * BLOCK } else { at * 512 };
        (disk, offset, (sectors * 512).min(SIZE - offset))
    });
    prop_oneof![
        4 => (place.clone(), 0_u8..4).prop_map(|((disk, offset, length), fill)| Deed::Write { disk, offset, length, fill }),
        1 => place.prop_map(|(disk, offset, length)| Deed::Zero { disk, offset, length }),
    ]
}

proptest! {
    #[test]
    fn disks_hold_what_was_written(deeds in prop::collection::vec(deed(), 1..40)) {
        let blocks = Blocks::new();
        let mut disks = [Content::blank(&blocks), Content::blank(&blocks)];
        let mut models = [vec![0_u8; SIZE], vec![0_u8; SIZE]];
        for deed in deeds {
            match deed {
                Deed::Write { disk, offset, length, fill } => {
                    let bytes = pattern(fill, length);
                    disks[disk].write(&bytes, offset as u64);
                    models[disk][offset..offset + length].copy_from_slice(&bytes);
                }
                Deed::Zero { disk, offset, length } => {
                    disks[disk].zero(offset as u64..(offset + length) as u64);
                    models[disk][offset..offset + length].fill(0);
                }
            }
        }
        let mut different = std::collections::HashSet::new();
        for (disk, model) in disks.iter().zip(&models) {
            let mut read = vec![7; SIZE];
            disk.read(&mut read, 0);
            prop_assert!(read == *model);
            // In pieces that lie askew.
            for (at, piece) in model.chunks(1000).enumerate() {
                let mut read = vec![7; piece.len()];
                disk.read(&mut read, at as u64 * 1000);
                prop_assert!(read == piece);
            }
            prop_assert_eq!(disk.is_blank(), model.iter().all(|&byte| byte == 0));
            different.extend(model.chunks(BLOCK).map(|block| {
                let mut block = block.to_vec();
                block.resize(BLOCK, 0);
                block
            }));
        }
        different.remove(&vec![0; BLOCK]);
        prop_assert_eq!(blocks.held().0, different.len(), "equal blocks are kept once");
        prop_assert_eq!(disks[0] == disks[1], models[0] == models[1]);
        let range = 512..SIZE as u64 - 512;
        let same = models[0][512..SIZE - 512] == models[1][512..SIZE - 512];
        prop_assert_eq!(disks[0].same_bytes(&disks[1], 0..SIZE as u64, &[&(0..512), &(range.end..u64::MAX)]), same);
        let copy = disks[0].clone();
        drop(disks);
        prop_assert_eq!(blocks.held().0 == 0, copy.is_blank());
        drop(copy);
        prop_assert_eq!(blocks.held(), (0, 0), "nothing is left");
    }
}

#[test]
fn sparse_blocks_take_little() {
    let blocks = Blocks::new();
    let mut disk = Content::blank(&blocks);
    disk.write(&[1; 50], 3 * 512);
    disk.write(&[2; 512], 100 * 512);
    assert!(blocks.held().1 < 1000, "{:?}", blocks.held());
    disk.zero(0..BLOCK as u64);
    assert_eq!(blocks.held(), (0, 0));
}

#[test]
fn many_threads_give_and_take_the_same_blocks() {
    let blocks = Blocks::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..200 {
                    let mut disk = Content::of(&blocks, &pattern(1 + round % 3, 2 * BLOCK));
                    let other = disk.clone();
                    disk.write(&pattern(2, BLOCK), 0);
                    let mut byte = [0];
                    other.read(&mut byte, 0);
                    assert_eq!(byte[0], 1 + round % 3);
                }
            });
        }
    });
    assert_eq!(blocks.held(), (0, 0));
}

#[test]
fn faults_have_names_and_numbers() {
    for fault in DiskFault::ALL {
        assert_eq!(fault.name().parse::<DiskFault>().unwrap(), fault);
        assert_eq!(DiskFault::of_number(DiskFault::number(Some(fault))), Some(fault));
        assert!(!fault.may_hold().is_empty());
    }
    assert_eq!(DiskFault::of_number(0), None);
    assert!("on-fire".parse::<DiskFault>().unwrap_err().to_string().contains("slow-20x"));
}

/// Counts.
#[derive(Default)]
struct Counter {
    order: AtomicU64,
    wrote: AtomicU32,
    flushed: AtomicU32,
}

impl Witness for Arc<Counter> {
    fn order(&self) -> Hand {
        Hand { number: self.order.load(SeqCst), step: None }
    }

    fn wrote(&self, _: Hand) {
        self.wrote.fetch_add(1, SeqCst);
    }

    fn flushed(&self) {
        self.flushed.fetch_add(1, SeqCst);
    }
}

struct Bench {
    spec: DiskSpec,
    platter: Arc<Platter>,
    counter: Arc<Counter>,
    cut: CancellationToken,
}

impl Bench {
    fn new(mib_per_second: f64, writers: usize) -> Self {
        let spec = DiskSpec::new(64, mib_per_second, 0, writers);
        let platter = Arc::new(Platter::new(spec.bytes(), Content::blank(&Blocks::new())));
        let counter = Arc::new(Counter { order: AtomicU64::new(1), ..Counter::default() });
        Self { spec, platter, counter, cut: CancellationToken::new() }
    }

    /// Does something with the disk where it may block.
    async fn with<T: Send + 'static>(
        &self,
        deed: impl FnOnce(io::Result<OpenSimDisk>) -> T + Send + 'static,
    ) -> T {
        let (platter, spec) = (Arc::clone(&self.platter), self.spec.clone());
        let (counter, cut) = (Arc::clone(&self.counter), self.cut.clone());
        let work = move || deed(OpenSimDisk::open(platter, &spec, Box::new(counter), cut));
        tokio::task::spawn_blocking(work).await.unwrap()
    }
}

#[tokio::test]
async fn the_first_write_of_each_order_is_told() {
    let bench = Bench::new(0.0, 1);
    let write = |disk: io::Result<OpenSimDisk>| {
        let disk = disk.unwrap();
        for at in 0..4 {
            disk.write_at(&[1; 512], at * 512).unwrap();
        }
        disk.zero(0, 512).unwrap();
        disk.flush().unwrap();
    };
    for (order, told) in [(1, 1), (1, 1), (2, 2), (3, 3), (3, 3)] {
        bench.counter.order.store(order, SeqCst);
        bench.with(write).await;
        assert_eq!(bench.counter.wrote.load(SeqCst), told, "order {order}");
    }
    assert_eq!(bench.counter.flushed.load(SeqCst), 5);
    bench.with(|disk| assert!(disk.unwrap().write_at(&[1; 512], 64 << 20).is_err(), "behind the end")).await;
}

#[tokio::test]
async fn writing_takes_its_time() {
    // 4 MiB: 50 ms; 256 KiB: 3 ms; 1 KiB: nothing worth a timer, but it adds up.
    let bench = Bench::new(80.0, 1);
    for (fault, bytes, times, least) in [
        (None, 4 * MIB, 1, 45),
        (None, MIB / 4, 16, 45),
        (None, 1024, 4096, 45),
        (Some(DiskFault::Slow), MIB / 4, 1, 55),
    ] {
        bench.platter.set_fault(fault);
        let begun = Instant::now();
        bench
            .with(move |disk| {
                let (disk, bytes) = (disk.unwrap(), vec![1; bytes]);
                for _ in 0..times {
                    disk.write_at(&bytes, 0).unwrap();
                }
            })
            .await;
        assert!(begun.elapsed().as_millis() >= least, "{fault:?} {bytes}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn only_so_many_are_written_at_once() {
    let one = Bench::new(80.0, 1);
    let other = Bench { spec: one.spec.clone(), ..Bench::new(0.0, 1) };
    let write = |disk: io::Result<OpenSimDisk>| disk.unwrap().write_at(&vec![1; 4 * MIB], 0).unwrap();
    let begun = Instant::now();
    tokio::join!(one.with(write), other.with(write));
    assert!(begun.elapsed().as_millis() >= 95, "one after the other: {:?}", begun.elapsed());
    // Both open, the third has to wait until one is closed.
    let held = (one.with(Result::unwrap).await, other.with(Result::unwrap).await);
    assert_eq!(one.spec.open.available_permits(), 0);
    drop(held);
    assert_eq!(one.spec.open.available_permits(), 2);
}

#[tokio::test]
async fn without_power_nothing_goes_on() {
    // A day for each byte.
    let bench = Arc::new(Bench::new(1e-9, 1));
    let begun = Instant::now();
    let writes = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move {
            let busy = bench.with(|disk| disk.unwrap().write_at(&[1; 512], 0).unwrap_err().to_string());
            // The one waits for the disk, the other for its turn.
            let waits = bench.with(|disk| disk.unwrap().write_at(&[2; 512], 512).unwrap_err().to_string());
            tokio::join!(busy, waits)
        }
    });
    while bench.spec.writers.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    bench.cut.cancel();
    let why = "the machine has no power".to_owned();
    assert_eq!(writes.await.unwrap(), (why.clone(), why));
    assert!(begun.elapsed().as_secs() < 20);
    assert!(bench.platter.inner().content.is_blank());
    let after = bench.with(|disk| disk.map(|disk| disk.zero(0, 512).is_err() && disk.flush().is_err()));
    assert!(after.await.unwrap());
}

#[tokio::test]
async fn faults_do_what_they_say() {
    let bench = Bench::new(0.0, 1);
    bench.platter.set_fault(Some(DiskFault::ErrorAfterMebibyte));
    // Each opening gets its mebibyte, also in the middle of a write.
    for round in 0..2_u8 {
        let error = bench.with(move |disk| {
            let disk = disk.unwrap();
            disk.write_at(&vec![round + 1; MIB / 2], 0).unwrap();
            let error = disk.write_at(&vec![round + 1; MIB], MIB as u64).unwrap_err();
            assert!(disk.write_at(&[9; 512], 0).is_err() && disk.zero(0, 512).is_err());
            let mut read = vec![0; 3 * MIB];
            disk.read_at(&mut read, 0).unwrap();
            let written = read.iter().filter(|&&byte| byte == round + 1).count();
            (error.to_string(), written, read[MIB + MIB / 2])
        });
        assert_eq!(error.await, ("medium error".to_owned(), MIB, 0));
    }
    bench.platter.set_fault(Some(DiskFault::LosesWrites));
    bench
        .with(|disk| {
            let disk = disk.unwrap();
            disk.write_at(&[7; 4096], 0).unwrap();
            disk.zero(4096, 4096).unwrap();
            disk.flush().unwrap();
            let mut read = [0; 8192];
            disk.read_at(&mut read, 0).unwrap();
            assert_eq!(read, [2; 8192], "as it was");
        })
        .await;
    let held = bench.with(Result::unwrap).await;
    bench.platter.set_fault(Some(DiskFault::Gone));
    assert_eq!(bench.with(|disk| disk.err().unwrap().kind()).await, io::ErrorKind::NotFound);
    assert!(held.write_at(&[1; 512], 0).is_err() && held.read_at(&mut [0; 512], 0).is_err());
    bench.platter.set_fault(None);
    held.read_at(&mut [0; 512], 0).unwrap();
}
