//! What the child that reads images can't do, and what its parent says when it misbehaves. The child is the program itself.

use super::child::Task;
use super::parent::{ChildDisk, Patience};
use super::pipeline::{DiskReader, Filled};
use super::testing::billet;
use super::{Format, ImportError, ImportProgram, Store, Watch};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Longer than any of these children takes, unless it has to be waited for.
const LONG: Patience = Patience { silence: Duration::from_secs(60), in_all: Duration::from_secs(60) };
const LIMIT: u64 = 64 << 20;

fn image(bytes: usize) -> File {
    let mut image = tempfile::tempfile().unwrap();
    image.write_all(&vec![7; bytes]).unwrap();
    image.rewind().unwrap();
    image
}

/// A child that tries something, on an image of so many sevens.
fn start<'a>(
    attempt: Option<&str>,
    bytes: usize,
    patience: Patience,
    watch: &mut Watch<'a>,
) -> Result<ChildDisk<'a>, ImportError> {
    let task = Task { declared: Format::Raw, max_disk_bytes: LIMIT, attempt: attempt.map(ToOwned::to_owned) };
    ChildDisk::start(&billet(), &image(bytes), tempfile::tempfile().unwrap(), &task, patience, watch)
}

/// All that such a child gives.
fn all(attempt: Option<&str>, patience: Patience) -> Result<Vec<u8>, ImportError> {
    let (cancel, mut ignored) = (AtomicBool::new(false), |_| {});
    let mut disk = start(attempt, 512, patience, &mut Watch { progress: &mut ignored, cancel: &cancel })?;
    let (mut content, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        let n = match disk.fill(&mut buffer)? {
            Filled::Bytes(n) => {
                content.extend_from_slice(&buffer[..n]);
                n
            }
            Filled::Zeros(n) => {
                content.resize(content.len() + n, 0);
                n
            }
        };
        if n < buffer.len() {
            return Ok(content);
        }
    }
}

fn said(attempt: &str, patience: Patience) -> String {
    all(Some(attempt), patience).err().map_or_else(|| format!("{attempt} worked"), |error| error.to_string())
}

#[test]
fn it_works_and_what_is_no_attempt_is_none() {
    assert_eq!(all(None, LONG).unwrap(), [7; 512]);
    assert_eq!(all(Some("not-an-attempt"), LONG).unwrap(), [7; 512]);
}

#[test]
fn it_opens_reaches_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("there"), "a secret").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let _unix = UnixListener::bind(path("socket")).unwrap();
    let attempts = [
        format!("open:{}", path("there")),
        format!("write:{}", path("new")),
        format!("write:{}", path("there")),
        format!("remove:{}", path("there")),
        "list:/".into(),
        format!("tcp:{}", tcp.local_addr().unwrap()),
        "udp:127.0.0.1:0".into(),
        format!("unix:{}", path("socket")),
        "fork".into(),
        "exec".into(),
        "thread".into(),
        format!("kill:{}", std::process::id()),
    ];
    for attempt in attempts {
        let said = said(&attempt, LONG);
        assert!(said.contains("it was ended by SIGSYS"), "{attempt}: {said}");
    }
    assert_eq!(std::fs::read_to_string(path("there")).unwrap(), "a secret");
    assert!(!std::fs::exists(path("new")).unwrap());
}

#[test]
fn it_has_little_and_inherits_nothing() {
    let nothing = said("environment", LONG);
    assert_eq!(nothing, "the system refuses it");
    let greedy = said("memory", LONG);
    assert!(greedy.contains("it was ended by SIG"), "{greedy}");
    let secret = image(1);
    // Without close-on-exec, as a library could open it.
    let number = fcntl(&secret, FcntlArg::F_DUPFD(200)).unwrap();
    let closed = said(&format!("close:{number}"), LONG);
    nix::unistd::close(number).unwrap();
    assert_eq!(closed, "the system refuses it");
}

#[test]
fn it_is_shut_in_before_it_looks() {
    let (cancel, mut ignored) = (AtomicBool::new(false), |_| {});
    let watch = &mut Watch { progress: &mut ignored, cancel: &cancel };
    let disk = start(Some("half-an-image-then-still"), 512, LONG, watch).unwrap();
    let of = |what: &str| std::fs::read_to_string(format!("/proc/{}/{what}", disk.process_id())).unwrap();
    let (status, limits) = (of("status"), of("limits"));
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "Threads:\t1"] {
        assert!(status.lines().any(|there| there == line), "{line}: {status}");
    }
    for (limit, hard) in
        [("Max open files", "0"), ("Max core file size", "0"), ("Max address space", "671088640")]
    {
        let line = limits.lines().find(|line| line.starts_with(limit)).unwrap();
        assert_eq!(line[limit.len()..].split_whitespace().nth(1), Some(hard), "{limits}");
    }
}

#[test]
fn a_child_that_lies_or_dies_is_told_of() {
    let short = Patience { silence: Duration::from_millis(300), ..LONG };
    let cases = [
        ("panic", LONG, "made the process that read it misbehave"),
        ("nothing", LONG, "it ended before the disk did"),
        ("too-many-zeros", LONG, "more than 67108864 bytes"),
        ("too-many-bytes", LONG, "more than 67108864 bytes"),
        ("endless-nothing", LONG, "how much is unpacked where that makes no sense"),
        ("wrong-end", LONG, "an end of the disk that is none"),
        ("more-behind-the-end", LONG, "it goes on behind the end"),
        ("cut", LONG, "it ended before the disk did"),
        ("garbage", LONG, "a frame is of no known kind"),
        ("hang", short, "it says nothing any more"),
        ("half-an-image-then-still", short, "it says nothing any more"),
        ("hang", Patience { in_all: Duration::from_millis(300), ..LONG }, "it says nothing any more"),
    ];
    for (attempt, patience, expected) in cases {
        let said = said(attempt, patience);
        assert!(said.contains(expected), "{attempt}: {said}");
    }
}

#[test]
fn a_killed_child_is_told_of_and_none_is_left() {
    let (cancel, mut ignored) = (AtomicBool::new(false), |_| {});
    let watch = &mut Watch { progress: &mut ignored, cancel: &cancel };
    // More than the pipe holds: it can't have ended.
    let mut disk = start(None, 16 << 20, LONG, watch).unwrap();
    let child = Pid::from_raw(disk.process_id().cast_signed());
    kill(child, Signal::SIGKILL).unwrap();
    let mut buffer = vec![0; 4 << 20];
    let error = (0..5).find_map(|_| disk.fill(&mut buffer).err()).unwrap();
    assert!(error.to_string().contains("it was ended by SIGKILL"), "{error}");
    let mut other = start(Some("half-an-image-then-still"), 512, LONG, watch).unwrap();
    let child = Pid::from_raw(other.process_id().cast_signed());
    cancel.store(true, Relaxed);
    assert!(matches!(other.fill(&mut buffer), Err(ImportError::Cancelled)));
    drop(other);
    assert_eq!(kill(child, None), Err(nix::Error::ESRCH), "it is gone, and was waited for");
}

#[test]
fn a_program_that_is_no_child_reads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.clone().with_program(billet()).check_program().unwrap();
    let at = |path: &str| store.clone().with_program(ImportProgram::At(path.into())).check_program();
    assert!(matches!(at("/nowhere/billet"), Err(ImportError::Start { .. })));
    assert!(matches!(at("/bin/true"), Err(ImportError::Misbehaved { .. })));
    // This test's own program, which was asked for nothing like it.
    let itself = store.clone().with_program(ImportProgram::Itself).check_program();
    assert!(matches!(itself, Err(ImportError::Misbehaved { .. })), "{itself:?}");
}
