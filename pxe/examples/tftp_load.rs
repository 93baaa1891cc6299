//! Clients that fetch one file by TFTP, all at once. A load for `make bench-pxe`; it prints one line of JSON.
//!
//! `tftp_load ADDRESS:PORT FILE CLIENTS BLOCK_SIZE WINDOW REPEAT TIMEOUT_MS ROUND_TRIP_US`; zero for a block size or a
//! window asks for none. Each client acknowledges the last block in order of each window, and on a gap or a time-out
//! the last good one (RFC 7440, section 4). A round trip other than zero is slept before each acknowledgement.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use anyhow::{Context as _, bail, ensure};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Time-outs in a row after which a client gives up.
const TRIES: u32 = 12;

/// What every client does.
#[derive(Clone)]
struct Task {
    server: SocketAddr,
    request: Vec<u8>,
    repeat: u32,
    timeout: Duration,
    round_trip: Duration,
}

/// One transfer on the client's side.
struct Transfer<'a> {
    task: &'a Task,
    socket: UdpSocket,
    peer: SocketAddr,
    begun: bool,
    block_size: usize,
    window: usize,
    expected: u16,
    in_window: usize,
    gap_told: bool,
    last_sent: Vec<u8>,
    bytes: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, file, numbers @ ..] = arguments.as_slice() else {
        bail!("usage: see the head of the source")
    };
    let numbers = numbers.iter().map(|text| text.parse()).collect::<Result<Vec<u64>, _>>()?;
    let [clients, block, window, repeat, timeout, round_trip] = numbers[..] else {
        bail!("six numbers are wanted")
    };
    let task = Task {
        server: server.parse().context("the server is no ADDRESS:PORT")?,
        request: request(file, block, window),
        repeat: u32::try_from(repeat)?,
        timeout: Duration::from_millis(timeout),
        round_trip: Duration::from_micros(round_trip),
    };
    let barrier = Arc::new(Barrier::new(usize::try_from(clients)? + 1));
    let start = |_| {
        let (task, barrier) = (task.clone(), Arc::clone(&barrier));
        std::thread::spawn(move || {
            barrier.wait();
            (0..task.repeat).map(|_| fetch(&task)).collect::<Vec<_>>()
        })
    };
    let threads: Vec<_> = (0..clients).map(start).collect();
    #[expect(clippy::disallowed_methods, reason = "the clock of a measurement")]
    let begun = Instant::now();
    barrier.wait();
    let results: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap_or_else(|_| vec![Err(anyhow::anyhow!("it panicked"))]))
        .collect();
    let seconds = begun.elapsed().as_secs_f64();
    let megabytes = results.iter().flatten().sum::<u64>() as f64 / 1e6;
    let failures: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    let first = failures.first().map_or(String::new(), |error| format!("{error:#}"));
    println!(
        "{{\"MB\":{megabytes:.3},\"MBps\":{:.1},\"failed\":{},\"first_error\":{first:?}}}",
        megabytes / seconds,
        failures.len()
    );
    Ok(())
}

/// A read request with the options that are wanted.
fn request(file: &str, block: u64, window: u64) -> Vec<u8> {
    let mut request = vec![0, 1];
    let mut word = |text: &str| {
        request.extend_from_slice(text.as_bytes());
        request.push(0);
    };
    word(file);
    word("octet");
    for (option, value) in [("blksize", block), ("windowsize", window)] {
        if value > 0 {
            word(option);
            word(&value.to_string());
        }
    }
    request
}

/// Fetches the file once; how many bytes came.
fn fetch(task: &Task) -> anyhow::Result<u64> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(task.timeout))?;
    let mut transfer = Transfer {
        task,
        socket,
        peer: task.server,
        begun: false,
        block_size: 512,
        window: 1,
        expected: 1,
        in_window: 0,
        gap_told: false,
        last_sent: task.request.clone(),
        bytes: 0,
    };
    transfer.run()
}

impl Transfer<'_> {
    fn run(&mut self) -> anyhow::Result<u64> {
        self.send()?;
        let mut buffer = vec![0; 65_536];
        let mut silent = 0;
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let known = if self.begun { from == self.peer } else { from.ip() == self.peer.ip() };
                    if length < 4 || !known {
                        continue;
                    }
                    self.peer = from;
                    silent = 0;
                    if self.packet(&buffer[..length])? {
                        return Ok(self.bytes);
                    }
                }
                Err(_) => {
                    silent += 1;
                    ensure!(silent <= TRIES, "no answer");
                    if self.begun {
                        self.acknowledge(self.expected.wrapping_sub(1))?;
                    } else {
                        self.send()?;
                    }
                }
            }
        }
    }

    /// Takes a packet in; whether the file is complete.
    fn packet(&mut self, packet: &[u8]) -> anyhow::Result<bool> {
        match packet[1] {
            3 => self.data(u16::from_be_bytes([packet[2], packet[3]]), packet.len() - 4),
            5 => bail!("refused: {}", String::from_utf8_lossy(&packet[4..])),
            6 => {
                self.options(&packet[2..]);
                self.begun = true;
                self.acknowledge(0)?;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    fn options(&mut self, text: &[u8]) {
        let words: Vec<_> = text.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        for pair in words.chunks_exact(2) {
            match (&*pair[0].to_ascii_lowercase(), pair[1].parse()) {
                ("blksize", Ok(value)) => self.block_size = value,
                ("windowsize", Ok(value)) => self.window = value,
                _ => {}
            }
        }
    }

    fn data(&mut self, block: u16, length: usize) -> anyhow::Result<bool> {
        self.begun = true;
        if block != self.expected {
            let ahead = block.wrapping_sub(self.expected) < 0x8000;
            if ahead && !self.gap_told {
                self.gap_told = true;
                self.acknowledge(self.expected.wrapping_sub(1))?;
            }
            return Ok(false);
        }
        self.gap_told = false;
        self.bytes += length as u64;
        self.expected = self.expected.wrapping_add(1);
        self.in_window += 1;
        let last = length < self.block_size;
        if last || self.in_window >= self.window {
            if !self.task.round_trip.is_zero() {
                std::thread::sleep(self.task.round_trip);
            }
            self.acknowledge(block)?;
        }
        Ok(last)
    }

    fn acknowledge(&mut self, block: u16) -> anyhow::Result<()> {
        self.in_window = 0;
        let [high, low] = block.to_be_bytes();
        self.last_sent = vec![0, 4, high, low];
        self.send()
    }

    fn send(&self) -> anyhow::Result<()> {
        self.socket.send_to(&self.last_sent, self.peer)?;
        Ok(())
    }
}
