//! How the child that reads an image gives up all that it does not need: limits, then no new file, no network, no other
//! process.
//!
//! Limits are set before the program starts anew (`limit`), so that its allocator never had more; the rest (`enter`) is
//! done when it has its three open files and nothing else. A kernel without landlock has seccomp alone, which suffices;
//! one without seccomp reads no image.

use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, Scope};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// Address space, in bytes: a debug build's program, xz's 256 MiB, the largest tables of a qcow2.
const MEMORY: u64 = 640 << 20;

/// Bytes of a disk that any unpacker makes in a second, on any machine.
const SLOWEST: u64 = 8 << 20;

/// Seconds that an image of a disk with up to `max_disk_bytes` may take.
pub(super) fn seconds(max_disk_bytes: u64) -> u64 {
    600 + max_disk_bytes / SLOWEST
}

/// Sets the limits that hold from here on, also for the program that is started in this one's place.
pub(super) fn limit(max_disk_bytes: u64) -> Result<(), String> {
    let limits = [
        (Resource::RLIMIT_AS, MEMORY),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_CPU, seconds(max_disk_bytes)),
        // The spool; a pipe is no file.
        (Resource::RLIMIT_FSIZE, max_disk_bytes.saturating_add(1 << 20)),
        // What the dynamic linker opens, one after the other.
        (Resource::RLIMIT_NOFILE, 16),
    ];
    for (resource, most) in limits {
        lower(resource, most)?;
    }
    Ok(())
}

fn lower(resource: Resource, most: u64) -> Result<(), String> {
    let failed = |error: nix::Error| format!("the limit {resource:?} can't be set: {error}");
    let (_, hard) = getrlimit(resource).map_err(failed)?;
    setrlimit(resource, most.min(hard), most.min(hard)).map_err(failed)
}

/// Closes all files but the first three; a caller may have let some through.
pub(super) fn close_others() -> Result<(), String> {
    let failed = |error: std::io::Error| format!("/proc/self/fd can't be read: {error}");
    let mut open: Vec<i32> = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").map_err(failed)? {
        open.extend(entry.map_err(failed)?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for file in open.into_iter().filter(|&file| file > 2) {
        // The folder's own is closed already.
        let _ = nix::unistd::close(file);
    }
    Ok(())
}

/// Shuts this process in for good: only what is open may be read and written.
pub(super) fn enter() -> Result<(), String> {
    nix::sys::prctl::set_no_new_privs().map_err(|e| format!("no_new_privs can't be set: {e}"))?;
    nix::sys::prctl::set_dumpable(false).map_err(|e| format!("it can't be made undumpable: {e}"))?;
    lower(Resource::RLIMIT_NOFILE, 0)?;
    // As far as the kernel has it.
    let _ = no_paths();
    let program = filter().map_err(|e| format!("the system calls can't be filtered: {e}"))?;
    seccompiler::apply_filter(&program).map_err(|e| {
        format!(
            "the kernel filters no system calls (seccomp): {e}; it has to be built with CONFIG_SECCOMP_FILTER, and a container has to allow it"
        )
    })
}

/// No path at all, no TCP, no signal or abstract socket to the outside.
fn no_paths() -> Result<(), landlock::RulesetError> {
    let abi = ABI::V6;
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?;
    rules.create()?.restrict_self().map(drop)
}

/// System calls of memory, of files that are open, and of ending. None of them takes a path, an address or a process.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_getcpu,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// `prctl`'s number for names of memory (linux/prctl.h): what the allocator calls, and nobody hears.
const PR_SET_VMA: u64 = 0x5356_4D41;

/// Whatever is not allowed kills the process.
fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let when = |argument, operator, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
            .and_then(|condition| SeccompRule::new(vec![condition]))
            .map(|rule| vec![rule])
    };
    // Memory never becomes a program.
    let executable = u64::from(libc::PROT_EXEC.cast_unsigned());
    let no_program = || when(2, SeccompCmpOp::MaskedEq(executable), 0);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|&call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_mmap, no_program()?);
    rules.insert(libc::SYS_mprotect, no_program()?);
    rules.insert(libc::SYS_prctl, when(0, SeccompCmpOp::Eq, PR_SET_VMA)?);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    filter.try_into()
}
