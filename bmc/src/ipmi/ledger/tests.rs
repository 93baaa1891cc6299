//! The ledger over several lives, each a ledger of its own on one folder.

use super::*;
use std::fs;
use std::path::Path;

fn peer() -> SocketAddr {
    "192.0.2.7:623".parse().unwrap()
}

/// One that is about to log in.
fn ledger(folder: &Path) -> Arc<Ledger> {
    let ledger = Arc::new(Ledger::new(Some(folder.to_owned())));
    ledger.prepare();
    ledger
}

/// As SIGKILL does it: the file stays as it is, its lock is free.
fn kill(ledger: Arc<Ledger>) {
    let journal = ledger.lock().journal.take().unwrap();
    let mut journal = std::mem::ManuallyDrop::new(journal);
    journal.abandon();
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn a_killed_process_s_sessions_are_left_over_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let admin: Arc<str> = "admin".into();
    let first = ledger(folder.path());
    let _open = first.opened(peer(), &admin, 7);
    first.opened(peer(), &admin, 8).closed();
    let _other_user = first.opened(peer(), &"other".into(), 9);
    let _other_bmc = first.opened("192.0.2.8:623".parse().unwrap(), &admin, 10);
    // While it lives nobody touches them.
    assert_eq!(ledger(folder.path()).left_over(peer(), "admin"), Vec::<u32>::new());
    kill(first);

    // The next one takes them over, closes none, and is killed, too.
    let second = ledger(folder.path());
    assert_eq!(second.left_over(peer(), "admin"), [7]);
    let _mine = second.opened(peer(), &admin, 11);
    assert_eq!(files(folder.path()), 1);
    kill(second);

    let third = ledger(folder.path());
    assert_eq!(third.left_over(peer(), "admin"), [7, 11]);
    assert_eq!(third.left_over(peer(), "other"), [9]);
    for id in [7, 11] {
        third.settled(peer(), &admin, id);
    }
    assert_eq!(third.left_over(peer(), "admin"), Vec::<u32>::new());
    kill(third);

    let fourth = ledger(folder.path());
    assert_eq!(fourth.left_over(peer(), "admin"), Vec::<u32>::new());
    assert_eq!(fourth.left_over(peer(), "other"), [9]);
}

#[test]
fn a_lost_session_is_left_over_without_a_folder_too() {
    let ledger = Arc::new(Ledger::new(None));
    let admin: Arc<str> = "admin".into();
    drop(ledger.opened(peer(), &admin, 7));
    assert_eq!(ledger.left_over(peer(), "admin"), [7]);
    // The BMC gives the number out anew: it is ours now, and must not be closed.
    let again = ledger.opened(peer(), &admin, 7);
    assert_eq!(ledger.left_over(peer(), "admin"), Vec::<u32>::new());
    again.closed();
    assert_eq!(ledger.left_over(peer(), "admin"), Vec::<u32>::new());
}

#[test]
fn old_left_overs_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let first = ledger(folder.path());
    let _open = first.opened(peer(), &"admin".into(), 7);
    kill(first);
    let path = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let file = fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(unix() - 200)).unwrap();
    drop(file);
    assert_eq!(ledger(folder.path()).left_over(peer(), "admin"), Vec::<u32>::new());
    assert!(!path.exists(), "the file of a dead process stays for ever");
}

#[test]
fn a_process_killed_while_it_began_its_file_leaves_no_rubbish() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new] = ["1-2.draft", "3-4.draft"].map(|name| folder.path().join(name));
    fs::write(&new, "").unwrap();
    let file = fs::File::create(&old).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(unix() - 100)).unwrap();
    assert_eq!(ledger(folder.path()).left_over(peer(), "admin"), Vec::<u32>::new());
    assert!(!old.exists() && new.exists());
}

#[test]
fn the_file_stays_small_and_goes_with_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let admin: Arc<str> = "admin".into();
    let stays = ledger.opened(peer(), &admin, 1);
    for id in 2..5000 {
        ledger.opened(peer(), &admin, id).closed();
    }
    let path = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let size = fs::metadata(&path).unwrap().len();
    assert!(size < 100 << 10, "{size} bytes");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("+ 192.0.2.7:623 x61646d696e 00000001\n"), "{text}");
    stays.closed();
    drop(ledger);
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn a_folder_that_fails_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let ledger = ledger(&file);
    let admin: Arc<str> = "admin".into();
    let note = ledger.opened(peer(), &admin, 7);
    assert_eq!(ledger.left_over(peer(), "admin"), Vec::<u32>::new());
    note.closed();
    drop(ledger.opened(peer(), &admin, 8));
    assert_eq!(ledger.left_over(peer(), "admin"), [8]);
}

#[test]
fn what_is_no_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "+ 192.0.2.7:623 x61646d696e 00000007\n").unwrap();
    let ours = folder.path().join("ours");
    fs::create_dir(&ours).unwrap();
    std::os::unix::fs::symlink(&elsewhere, ours.join("1-2.sessions")).unwrap();
    // Opening a pipe waits for who writes.
    let made = std::process::Command::new("mkfifo").arg(ours.join("3-4.sessions")).status().unwrap();
    assert!(made.success());
    assert_eq!(ledger(&ours).left_over(peer(), "admin"), Vec::<u32>::new());
    assert!(elsewhere.exists());
}

#[test]
fn a_login_closes_only_as_many_as_a_bmc_can_have() {
    let folder = tempfile::tempdir().unwrap();
    let admin: Arc<str> = "admin".into();
    let first = ledger(folder.path());
    let _open: Vec<_> = (1..=40).map(|id| first.opened(peer(), &admin, id)).collect();
    kill(first);
    assert_eq!(ledger(folder.path()).left_over(peer(), "admin").len(), MOST_AT_A_BMC);
}

#[test]
fn an_end_is_written_with_the_next_line_or_with_the_last_end() {
    let folder = tempfile::tempdir().unwrap();
    let admin: Arc<str> = "admin".into();
    let ledger = ledger(folder.path());
    let text = || {
        let path = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        fs::read_to_string(path).unwrap()
    };
    let signs = || text().lines().map(|line| line[..1].to_owned()).collect::<String>();
    let (one, two) = (ledger.opened(peer(), &admin, 1), ledger.opened(peer(), &admin, 2));
    one.closed();
    assert_eq!(signs(), "++");
    let three = ledger.opened(peer(), &admin, 3);
    assert_eq!(signs(), "++-+");
    two.closed();
    assert_eq!(signs(), "++-+");
    three.closed();
    assert_eq!(signs(), "++-+--", "nothing follows it soon");
    // Many of them do not wait for ever.
    let _open = ledger.opened(peer(), &admin, 4);
    for id in 5..200 {
        let note = ledger.opened(peer(), &admin, id);
        note.closed();
    }
    ledger.in_use();
    assert_eq!(text().lines().filter(|line| line.starts_with('-')).count(), 3 + 195);
}
