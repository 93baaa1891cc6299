//! One TFTP transfer against a client that sends anything at any time: what leaves is the file's own bytes, never
//! more than a window of them, and it ends by itself.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use pxe_proto::tftp::{Body, MAX_BLOCK, MAX_RUN, MAX_SEGMENTS, MAX_WINDOW, ReadRequest, Transfer};
use std::sync::LazyLock;
use std::time::Duration;
use tests_fuzz::Knobs;

/// What is sent; long enough for the numbers of the smallest blocks to roll over.
static CONTENT: LazyLock<Bytes> =
    LazyLock::new(|| (0..600_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect());

/// Longer than any client waits.
const PATIENCE: Duration = Duration::from_secs(900);

struct Session {
    transfer: Transfer,
    block_size: usize,
    window: u64,
    length: usize,
    now: Duration,
    /// Number of the last block that left.
    last: u16,
}

fuzz_target!(|data: &[u8]| {
    let mut knobs = Knobs::all(data);
    let mut session = Session::start(&mut knobs);
    while !knobs.is_empty() && session.transfer.outcome().is_none() {
        session.step(&mut knobs);
        session.drain();
    }
    let begun = session.now;
    while session.transfer.outcome().is_none() {
        let due = session.transfer.poll_timeout().expect("it waits for nothing");
        session.now = session.now.max(due);
        session.transfer.handle_timeout(session.now);
        session.drain();
        assert!(session.now - begun < PATIENCE, "it never gives up");
    }
    assert_eq!(session.transfer.poll_timeout(), None);
    assert!(session.transfer.acknowledged_bytes() <= session.length as u64);
});

impl Session {
    fn start(knobs: &mut Knobs<'_>) -> Self {
        let blksize = knobs.pick(&[None, Some(8), Some(512), Some(1468), Some(65_464)]);
        let windowsize = knobs.pick(&[None, Some(1), Some(4), Some(64), Some(65_535)]);
        let length = match knobs.byte() % 3 {
            0 => usize::from(knobs.short()),
            1 => 0,
            _ => CONTENT.len(),
        };
        let request = ReadRequest {
            name: "file".to_owned(),
            blksize,
            windowsize,
            timeout: knobs.pick(&[None, Some(1), Some(255)]),
            tsize: knobs.flip(),
        };
        let max_block = knobs.pick(&[MAX_BLOCK, 1428, 1]).max(8);
        // A file that is the same for all but for a part in its middle.
        let cut = length / 3;
        let body = Body::new([CONTENT.slice(..cut), CONTENT.slice(cut..length)]);
        let mut session = Self {
            transfer: Transfer::start(&request, body, max_block),
            block_size: blksize.map_or(512, |asked| usize::from(asked).min(max_block)),
            window: windowsize.map_or(1, |blocks| u64::from(blocks.min(MAX_WINDOW))),
            length,
            now: Duration::from_secs(1000),
            last: 0,
        };
        session.drain();
        session
    }

    /// Something happens.
    fn step(&mut self, knobs: &mut Knobs<'_>) {
        let ack = |block: u16| [[0, 4], block.to_be_bytes()].concat();
        let packet = match knobs.byte() % 9 {
            0 | 1 => ack(self.last),
            2 => ack(self.last.wrapping_sub(u16::from(knobs.byte()))),
            3 => ack(knobs.short()),
            4 => {
                let length = usize::from(knobs.byte() % 16);
                knobs.take(length).to_vec()
            }
            5 => {
                self.now += Duration::from_millis(knobs.short().into());
                return self.transfer.handle_timeout(self.now);
            }
            6 => return self.transfer.restart(),
            8 => return self.transfer.handle_unreachable(),
            _ => {
                self.now = self.now.max(self.transfer.poll_timeout().unwrap_or_default());
                return self.transfer.handle_timeout(self.now);
            }
        };
        self.transfer.handle_packet(&packet, self.now);
    }

    /// Takes all that is to be sent and looks at it.
    fn drain(&mut self) {
        let (mut sent, mut out) = (0, Vec::new());
        while let Some(run) = self.transfer.poll_transmit(self.now, &mut out) {
            let packets = out.chunks(run.segment);
            assert!(!out.is_empty() && out.len() <= MAX_RUN && packets.len() <= MAX_SEGMENTS);
            for packet in packets {
                sent += 1;
                assert!(sent <= self.window, "more than a window");
                if packet[..2] == [0, 6] {
                    assert_eq!((sent, self.transfer.acknowledged_bytes()), (1, 0));
                    continue;
                }
                assert_eq!(packet[..2], [0, 3]);
                self.last = u16::from_be_bytes([packet[2], packet[3]]);
                self.look(&packet[4..]);
            }
        }
    }

    /// A block must be one that follows what is acknowledged, and hold the file's bytes.
    fn look(&self, bytes: &[u8]) {
        let acknowledged = self.transfer.acknowledged_bytes().div_ceil(self.block_size as u64);
        let ahead = u64::from(self.last.wrapping_sub(acknowledged as u16));
        assert!((1..=self.window).contains(&ahead), "block {} after {acknowledged}", self.last);
        let from = (acknowledged + ahead - 1) as usize * self.block_size;
        let to = (from + self.block_size).min(self.length);
        assert!(from <= self.length && *bytes == CONTENT[from..to], "not the bytes of block {}", self.last);
    }
}
