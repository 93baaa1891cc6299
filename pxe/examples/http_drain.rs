//! Clients that download parts of one file and throw them away in the kernel, so that they cost next to nothing on
//! the cores that they share with the server. A load for `make bench-pxe`; it prints one line of JSON.
//!
//! `http_drain ADDRESS:PORT PATH CLIENTS BYTES_OF_EACH BYTES_OF_FILE`

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use anyhow::{Context as _, bail, ensure};
use nix::sys::socket::{MsgFlags, recv};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Barrier};
use std::time::Instant;

/// One client's work.
#[derive(Clone)]
struct Task {
    server: SocketAddr,
    path: String,
    offset: u64,
    bytes: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, path, clients, each, size] = arguments.as_slice() else {
        bail!("usage: http_drain ADDRESS:PORT PATH CLIENTS BYTES_OF_EACH BYTES_OF_FILE");
    };
    let server: SocketAddr = server.parse().context("the server is no ADDRESS:PORT")?;
    let (clients, each, size): (u64, u64, u64) = (clients.parse()?, each.parse()?, size.parse()?);
    ensure!(clients > 0 && each <= size, "the clients must be some, and each part within the file");
    let barrier = Arc::new(Barrier::new(clients as usize + 1));
    let start = |number: u64| {
        let offset = (size - each) / clients * number;
        let task = Task { server, path: path.clone(), offset, bytes: each };
        let barrier = Arc::clone(&barrier);
        std::thread::spawn(move || {
            barrier.wait();
            download(&task)
        })
    };
    let threads: Vec<_> = (0..clients).map(start).collect();
    #[expect(clippy::disallowed_methods, reason = "the clock of a measurement")]
    let begun = Instant::now();
    barrier.wait();
    let results: Vec<_> =
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("it panicked"))).collect();
    let seconds = begun.elapsed().as_secs_f64();
    let megabytes = results.iter().flatten().sum::<u64>() as f64 / 1e6;
    let failures: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    let first = failures.first().map_or(String::new(), |error| format!("{error:#}"));
    println!(
        "{{\"MB\":{megabytes:.1},\"MBps\":{:.1},\"failed\":{},\"first_error\":{first:?}}}",
        megabytes / seconds,
        failures.len()
    );
    Ok(())
}

/// Downloads one part; how many bytes came.
fn download(task: &Task) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(task.server)?;
    let last = task.offset + task.bytes - 1;
    write!(
        stream,
        "GET {} HTTP/1.1\r\nHost: bench\r\nRange: bytes={}-{last}\r\nConnection: close\r\n\r\n",
        task.path, task.offset
    )?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).context("the answer's head broke off")?;
        head.push(byte[0]);
    }
    let status = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    ensure!(status == "206", "the status is {status}");
    // MSG_TRUNC on TCP discards in the kernel whatever the buffer's length says (tcp(7)), so it has to be real.
    let mut buffer = vec![0; 4 << 20];
    let mut got = 0;
    while got < task.bytes {
        match recv(stream.as_raw_fd(), &mut buffer, MsgFlags::MSG_TRUNC)? {
            0 => break,
            count => got += count as u64,
        }
    }
    ensure!(got == task.bytes, "{got} of {} bytes came", task.bytes);
    Ok(got)
}
