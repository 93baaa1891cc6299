//! What a process uses, as the kernel tells it (proc_pid_stat(5), proc_pid_status(5)).

use crate::fleet::entry::Usage;
use std::path::Path;

/// What this process uses now; zeroes when it is gone. The database is not its business.
pub(super) fn of(pid: u32) -> Usage {
    let folder = Path::new("/proc").join(pid.to_string());
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let (rss, threads) = memory(&text("status"));
    let fds = std::fs::read_dir(folder.join("fd")).map_or(0, |entries| entries.count() as u64);
    Usage { cpu_s: cpu(&text("stat")), rss, threads, fds, database: 0 }
}

/// Seconds of CPU in `/proc/PID/stat`: fields 14 and 15, in clock ticks. The second field may hold anything in its
/// brackets, so it is counted from their end.
fn cpu(stat: &str) -> f64 {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / ticks_per_second()
}

fn ticks_per_second() -> f64 {
    // Linux has 100 on every architecture; the question may only fail where there is no such thing.
    nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64
}

/// Bytes of resident memory and the number of threads in `/proc/PID/status`.
fn memory(status: &str) -> (u64, u64) {
    let number = |key: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    (number("VmRSS:") * 1024, number("Threads:"))
}

/// Bytes of the database in a data folder, its log and index included.
pub(super) fn database(data: &Path) -> u64 {
    let size = |name: &str| std::fs::metadata(data.join(name)).map_or(0, |metadata| metadata.len());
    ["billet.db", "billet.db-wal", "billet.db-shm"].into_iter().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read_right() {
        let stat = "4711 (a) b (c)) S 1 4711 4711 0 -1 4194560 9000 0 3 0 250 50 0 0 20 0 9 0 77 1 2";
        assert!((cpu(stat) - 300.0 / ticks_per_second()).abs() < 1e-9);
        let status = "Name:\tbillet\nVmHWM:\t   99 kB\nVmRSS:\t  2048 kB\nThreads:\t9\n";
        assert_eq!(memory(status), (2048 * 1024, 9));
        assert_eq!((cpu(""), memory("")), (0.0, (0, 0)));
    }

    #[test]
    fn we_ourselves_use_something() {
        let usage = of(std::process::id());
        assert!(usage.rss > 1 << 20 && usage.threads >= 1 && usage.fds >= 3, "{usage:?}");
    }
}
