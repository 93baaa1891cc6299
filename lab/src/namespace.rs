//! The lab's own user, network and mount namespaces: making them, and entering those of a running lab.
//!
//! Both must be called while the process has one thread, so before any runtime is made (unshare(2), setns(2)).

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getgid, getuid};
use std::fs::{File, metadata, write};
use std::os::unix::fs::MetadataExt;

/// Moves this process into new user, network and mount namespaces, where it is root. It must have one thread yet.
///
/// # Errors
/// The system doesn't allow it; the error says what an administrator can do.
pub fn enter_new() -> anyhow::Result<()> {
    let (user, group) = (getuid(), getgid());
    let others = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    match unshare(CloneFlags::CLONE_NEWUSER | others) {
        Ok(()) => become_root(user.as_raw(), group.as_raw())?,
        // Some containers forbid user namespaces, but let root make the others.
        Err(_) if user.is_root() => unshare(others).context(
            "may make neither user nor network namespaces here; a container needs at least CAP_SYS_ADMIN for that",
        )?,
        Err(error) => bail!(
            "may not make a user namespace ({error}); the administrator may allow it by the sysctl \
             kernel.unprivileged_userns_clone=1 or, on Ubuntu, kernel.apparmor_restrict_unprivileged_userns=0"
        ),
    }
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)
        .context("can't make the mount namespace our own")?;
    // Shows the new namespace's interfaces. Not everywhere allowed (a container may hide parts of /sys), and nothing
    // of ours needs it.
    let _best_effort = mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), None::<&str>);
    Ok(())
}

/// Makes the caller root of its new user namespace (user_namespaces(7)).
fn become_root(user: u32, group: u32) -> anyhow::Result<()> {
    let set = |file: &str, text: String| {
        write(file, text)
            .with_context(|| format!("can't set {file}, so this process is nobody in its own user namespace"))
    };
    set("/proc/self/setgroups", "deny".to_owned())?;
    set("/proc/self/uid_map", format!("0 {user} 1"))?;
    set("/proc/self/gid_map", format!("0 {group} 1"))
}

/// Moves this process into the namespaces of another one; stays in the current directory.
pub(crate) fn enter(pid: u32) -> anyhow::Result<()> {
    let directory = std::env::current_dir();
    let kinds = [
        ("user", CloneFlags::CLONE_NEWUSER),
        ("net", CloneFlags::CLONE_NEWNET),
        ("mnt", CloneFlags::CLONE_NEWNS),
    ];
    // All are opened first: /proc may look different afterwards.
    let mut files = Vec::new();
    for (name, kind) in kinds {
        let (theirs, ours) = (format!("/proc/{pid}/ns/{name}"), format!("/proc/self/ns/{name}"));
        let path = metadata(&theirs)
            .with_context(|| format!("the lab's process {pid} is gone or is another user's"))?;
        // Entering the user namespace that one is in already is an error.
        if path.ino() != metadata(ours)?.ino() {
            files.push((name, kind, File::open(theirs)?));
        }
    }
    for (name, kind, file) in files {
        setns(&file, kind).map_err(|error| match error {
            Errno::EPERM => {
                anyhow::anyhow!("may not enter the lab's {name} namespace; the lab is another user's")
            }
            error => anyhow::anyhow!("can't enter the lab's {name} namespace: {error}"),
        })?;
    }
    // Another mount namespace starts at its root.
    if let Ok(directory) = directory {
        std::env::set_current_dir(&directory)
            .with_context(|| format!("{} is not there inside the lab", directory.display()))?;
    }
    Ok(())
}
