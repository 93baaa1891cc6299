//! What tests have the confined child try (debug builds only): what must not work, and lies to its parent.
//!
//! Each attempt that succeeds says so as a disk of one sector; so a test sees the difference between "killed" and "done".

use super::frames::Frame;
use std::fs::File;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Tries it. Returns only if there is no attempt of that name.
pub(super) fn make(attempt: &str, out: &mut File) {
    let (name, argument) = attempt.split_once(':').unwrap_or((attempt, ""));
    let done = match name {
        "open" => File::open(argument).is_ok(),
        "write" => File::create(argument).is_ok(),
        "remove" => std::fs::remove_file(argument).is_ok(),
        "list" => std::fs::read_dir(argument).is_ok(),
        "tcp" => TcpStream::connect(argument).is_ok(),
        "udp" => UdpSocket::bind(argument).is_ok(),
        "unix" => UnixStream::connect(argument).is_ok(),
        "fork" => Command::new("/proc/self/exe").spawn().is_ok(),
        // It returns only if it failed.
        "exec" => Command::new("/proc/self/exe").exec().kind() == std::io::ErrorKind::Other,
        "thread" => std::thread::Builder::new().spawn(|| {}).is_ok(),
        "kill" => {
            let process = nix::unistd::Pid::from_raw(argument.parse().unwrap_or(1));
            nix::sys::signal::kill(process, None).is_ok()
        }
        "memory" => vec![1_u8; 1 << 30].iter().all(|&byte| byte == 1),
        "close" => argument.parse::<i32>().is_ok_and(|file| nix::unistd::close(file).is_ok()),
        "environment" => std::env::vars_os().next().is_some(),
        "panic" => panic!("as asked"),
        // Alone and still: nothing comes, nothing ends.
        "hang" => loop {
            std::hint::spin_loop();
        },
        lie => return tell_a_lie(lie, out),
    };
    if done {
        let _ = Frame::Zeros(512).write(out).and_then(|()| Frame::End(512).write(out));
    } else {
        let _ = Frame::Refused("the system refuses it".into()).write(out);
    }
    std::process::exit(0);
}

/// What a child that an image took over could say.
fn tell_a_lie(lie: &str, out: &mut File) {
    let open = Frame::Open(Some(512));
    let told = match lie {
        "too-many-zeros" => open.write(out).and_then(|()| Frame::Zeros(u64::MAX).write(out)),
        "too-many-bytes" => open.write(out).and_then(|()| {
            let sector = [7; 512];
            loop {
                Frame::Bytes(512).write(out)?;
                out.write_all(&sector)?;
            }
        }),
        "endless-nothing" => loop {
            if Frame::Unpacked(0).write(out).is_err() {
                break Ok(());
            }
        },
        "wrong-end" => open
            .write(out)
            .and_then(|()| Frame::Zeros(512).write(out))
            .and_then(|()| Frame::End(1024).write(out)),
        "more-behind-the-end" => open
            .write(out)
            .and_then(|()| Frame::Zeros(512).write(out))
            .and_then(|()| Frame::End(512).write(out))
            .and_then(|()| out.write_all(b"more")),
        "cut" => {
            open.write(out).and_then(|()| Frame::Bytes(512).write(out)).and_then(|()| out.write_all(b"half"))
        }
        "nothing" => Ok(()),
        "garbage" => out.write_all(&[0xAA; 100_000]),
        "half-an-image-then-still" => {
            let _ = open.write(out).and_then(|()| Frame::Zeros(512).write(out));
            loop {
                std::hint::spin_loop();
            }
        }
        _ => return,
    };
    // The parent may be gone by then.
    let _ = told;
    std::process::exit(0);
}
