//! Images that somebody uploads, qcow2 with its packings: whatever the file is, reading it ends, without a panic and with
//! little memory, and what comes out is exactly the disk that its header names, or a refusal.
#![no_main]

use cap::Cap;
use images::import::{Format, read_image};
use libfuzzer_sys::fuzz_target;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Write};

/// Bytes of memory of ours at once: a table, a cluster, a chunk, and the fuzzer's input. Beyond it, memory is refused, and
/// the process aborts.
const MEMORY: usize = 64 << 20;
/// The largest disk; more is refused.
const DISK: u64 = 8 << 20;
/// Bytes of a frame without what follows it.
const HEAD: usize = 9;

#[global_allocator]
static ALLOCATOR: Cap<std::alloc::System> = Cap::new(std::alloc::System, MEMORY);

fuzz_target!(|input: &[u8]| {
    let (mut image, spool) = (memory(), memory());
    image.write_all(input).expect("memory can be written to");
    io::Seek::rewind(&mut image).expect("it is a file");
    let mut heard = Heard::default();
    let bytes = input.len() as u64;
    read_image((&image, bytes), Format::Qcow2, DISK, &spool, &mut heard).expect("it takes everything");
    assert!(heard.head.is_empty() && heard.behind == 0, "a frame is cut off");
    assert!(heard.disk <= DISK);
    match heard.last {
        b'R' => assert_eq!(heard.ended, None, "refused after the end"),
        b'E' => {
            assert_eq!(heard.ended, Some(heard.disk));
            // Of one that is not packed the header's own word.
            if input.starts_with(b"QFI\xFB") {
                let size = input[24..32].iter().fold(0, |n: u64, &b| n << 8 | u64::from(b));
                assert_eq!(heard.disk, size);
            }
        }
        other => panic!("the last word is {other}"),
    }
});

/// An empty file in memory.
fn memory() -> File {
    File::from(memfd_create("image", MFdFlags::MFD_CLOEXEC).expect("there is memory"))
}

/// What was told.
#[derive(Default)]
struct Heard {
    /// Of a frame that is not whole yet.
    head: Vec<u8>,
    /// Bytes that follow the last frame.
    behind: u64,
    /// Bytes of the disk so far.
    disk: u64,
    /// What the end says.
    ended: Option<u64>,
    /// The letter of the last frame.
    last: u8,
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.behind > 0 {
            let n = bytes.len().min(usize::try_from(self.behind).expect("it is at most a disk"));
            self.behind -= n as u64;
            return Ok(n);
        }
        assert_eq!(self.ended, None, "something behind the end");
        let n = bytes.len().min(HEAD - self.head.len());
        self.head.extend_from_slice(&bytes[..n]);
        if self.head.len() == HEAD {
            self.frame();
            self.head.clear();
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Heard {
    fn frame(&mut self) {
        let number = self.head[1..].iter().rev().fold(0, |n: u64, &b| n << 8 | u64::from(b));
        self.last = self.head[0];
        match self.last {
            b'U' | b'O' => {}
            b'Z' => self.disk += number,
            b'B' => {
                self.disk += number;
                self.behind = number;
            }
            b'R' => {
                assert!(number > 0 && number <= 4096, "a refusal has a reason");
                self.behind = number;
            }
            b'E' => self.ended = Some(number),
            other => panic!("a frame of kind {other}"),
        }
    }
}
